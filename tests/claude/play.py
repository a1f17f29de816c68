"""One scene: a person's steps in a pane, what the screen then says, and what a client of Questmux is told.

The screen is the truth. A status that differs is noted and the scene goes on, so that one run tells of all of them.
"""

import time
from typing import Any, Final

from msgspec import Struct

from tests.claude.messages_api import MessagesApi
from tests.claude.pane import ClaudePane
from tests.e2e.watcher import Watcher
from tests.waiting import POLL_S

PROMISED_S: Final = 1.0
"""A client's status is the screen's after this at the latest."""

TRAIL_S: Final = 0.5
"""The screen may be behind a status by this; a dialog, say, is drawn so long after its hook was called."""


class Expected(Struct, frozen=True, kw_only=True):
    """A status as a client should see it."""

    name: str
    waiting_for: str | None = None
    background_tasks: int = 0

    def __str__(self) -> str:
        tasks = f" +{self.background_tasks}" if self.background_tasks else ""
        return f"{self.name}{f' {self.waiting_for}' if self.waiting_for else ''}{tasks}"


WORKING: Final = Expected(name="working")
IDLE: Final = Expected(name="idle")
ERROR: Final = Expected(name="error")
ENDED: Final = Expected(name="ended")


def waiting(what: str) -> Expected:
    """A dialog is open."""
    return Expected(name="waiting", waiting_for=what)


def resting(tasks: int) -> Expected:
    """The turn is over, and something of it goes on in the background."""
    return Expected(name="idle", background_tasks=tasks)


class Row(Struct, frozen=True, kw_only=True):
    """A line of the table: a step, and how the client's status compares."""

    scene: str
    step: str
    expected: Expected
    seen: Expected | None
    registry: str
    late_ms: int | None
    """From the screen to the status; None when it did not come."""
    left_ms: int | None = None
    """How long after that it was left again, though the screen had not changed."""

    @property
    def is_right(self) -> bool:
        return self.late_ms is not None and self.left_ms is None


class Play:
    """One pane, and a client that watches."""

    def __init__(self, scene: str, pane: ClaudePane, watcher: Watcher, api: MessagesApi, rows: list[Row]) -> None:
        self.scene, self.pane, self.api = scene, pane, api
        self._watcher, self._table = watcher, rows
        self.rows: list[Row] = []
        self.session_id = ""

    def sees(
        self,
        step: str,
        expected: Expected,
        *,
        screen: str,
        without: str = "",
        of: str | None = None,
        stays_s: float = 0.0,
        deadline_s: float = 15,
    ) -> None:
        """Wait for the screen, and compare the status; of the session that now runs in the pane unless `of` is given.

        Raises:
            AssertionError: the screen never came: it is Claude Code that did something else.
        """
        shown_at = self.pane.wait_screen(screen, step, without=without, deadline_s=deadline_s)
        while (seen := self._status(of)) != expected and time.monotonic() < shown_at + PROMISED_S:
            time.sleep(POLL_S)
        came_at = time.monotonic()
        late_ms = round((came_at - shown_at) * 1000) if seen == expected else None
        left_ms = None
        while late_ms is not None and time.monotonic() < came_at + stays_s:
            if (now := self._status(of)) != expected:
                left_at = time.monotonic()
                if self._goes_on(screen, without):
                    seen, left_ms = now, round((left_at - came_at) * 1000)
                break
            time.sleep(POLL_S)
        row = Row(
            scene=self.scene,
            step=step,
            expected=expected,
            seen=seen,
            registry=self._registry_word(),
            late_ms=late_ms,
            left_ms=left_ms,
        )
        self.rows.append(row)
        self._table.append(row)

    def check(self) -> None:
        """Every status was right.

        Raises:
            AssertionError: names those that were not, with what the client was told of this pane.
        """
        wrong = [line_of(row) for row in self.rows if not row.is_right]
        sessions = [update["session"] for update in self._watcher.of("session_update")]
        told = [_account_of(session) for session in sessions if session["pane_id"] == self.pane.id]
        assert not wrong, "\n".join([*wrong, "the client was told:", *told[-30:]])

    def _goes_on(self, screen: str, without: str) -> bool:
        """Whether the screen stays as it is, though a client has been told otherwise."""
        until = time.monotonic() + TRAIL_S
        while time.monotonic() < until:
            if not self.pane.shows(screen) or (without and self.pane.shows(without)):
                return False
            time.sleep(POLL_S)
        return True

    def _status(self, of: str | None) -> Expected | None:
        record = self.pane.record()
        self.session_id = of or (record or {}).get("sessionId") or self.session_id
        session = self._watcher.sessions.get(self.session_id)
        return None if session is None else told_of(session)

    def _registry_word(self) -> str:
        record: dict[str, Any] = self.pane.record() or {}
        word = record.get("status", "-")
        return f"{word}: {record['waitingFor']}" if record.get("waitingFor") else str(word)


def told_of(session: Any) -> Expected:
    """The status in a session that a client was given."""
    status = session["status"]
    # While a turn is open, the number is that of the last end, or the next one's.
    tasks = status["background_tasks"] if status["name"] == IDLE.name else 0
    return Expected(name=status["name"], waiting_for=status["waiting_for"], background_tasks=tasks)


def _account_of(session: Any) -> str:
    """What a client was given, with what it stands on; the time is the evidence's, in seconds."""
    evidence = session["status"]["evidence"] or {"at": 0, "source": "nothing", "rule": ""}
    account = f"{evidence['source']} {evidence['rule']}"
    return f"{session['id'][:8]} {evidence['at'] / 1000 % 1000:7.3f} {told_of(session)!s:20} {account}"


def line_of(row: Row) -> str:
    """A row for people."""
    verdict = "ok" if row.is_right else "WRONG"
    late = "-" if row.late_ms is None else f"{row.late_ms} ms"
    left = "" if row.left_ms is None else f", left after {row.left_ms} ms"
    told = "nothing" if row.seen is None else str(row.seen)
    return f"{verdict:5} {row.scene:32} {row.step:32} {row.expected!s:20} {told:20} {row.registry:28} {late}{left}"


HEADING: Final = (
    f"{'':5} {'scene':32} {'the screen says':32} {'expected':20} {'a client sees':20} {'registry':28} after"
)
