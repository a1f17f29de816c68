"""One scripted agent in one pane: draws its screens, writes its registry file, sends its hook calls."""

import contextlib
import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

from services.cli.demo.drawing import spun, timed
from services.cli.demo.hook_calls import HookCall
from services.cli.demo.panes import Pane, Screen
from services.cli.demo.score import Kind, Step
from services.cli.demo.wording import Ids, in_json, placed

_START_TICKS: Final = 19
"""Of the fields after a process's name in `/proc/<pid>/stat`."""


class Sender(Protocol):
    """Where hook calls go."""

    def send(self, call: HookCall) -> None:
        """Post it soon."""
        ...


class Actor:
    """Does the steps of turns as if Claude Code ran in the pane."""

    def __init__(self, pane: Pane, *, folder: Path, claude_dir: Path, tmux_socket: Path, sender: Sender) -> None:
        self.pane = pane
        self._folder, self._claude_dir = str(folder), str(claude_dir)
        self._tmux = f"{tmux_socket},{pane.server_pid},0"
        self._sender = sender
        self._screen = Screen(pane.tty)
        self._file = claude_dir / "sessions" / f"{pane.pid}.json"
        self._proc_start = proc_start(pane.pid)
        self._started_ms = _now_ms()
        self._ids = Ids({}, _new_hex)
        self._last_session = ""
        """As it was recorded; its own id is in `_ids`."""
        self._spins = 0

    def play(self, step: Step) -> None:
        """Do one step now.

        Raises:
            OSError: the pane is gone.
        """
        match step.kind:
            case Kind.BEGIN:
                self._begin(step.text.split())
            case Kind.HOOK:
                self._call(step.text)
            case Kind.REGISTRY:
                self._register(step.text)
            case Kind.SCREEN:
                clock = time.strftime("%I:%M %p").lstrip("0")
                self._screen.draw(timed(placed(step.text, self._folder, self._claude_dir), step.held_s, clock))
            case Kind.SPIN:
                self._spins += 1
                self._screen.draw(spun(self._screen.shown, self._spins))

    def refresh(self) -> None:
        """Draw what its terminal could not take yet."""
        with contextlib.suppress(OSError):  # The pane is gone: the next step tells.
            self._screen.flush()

    def leave(self) -> None:
        """The agent is over: no registry file stays."""
        self._file.unlink(missing_ok=True)
        self._screen.close()

    def _begin(self, sessions: list[str]) -> None:
        """Another turn: all ids are new but that of the session, which goes on."""
        known = {sessions[0]: self._ids.own(self._last_session)} if self._last_session else {}
        self._ids = Ids(known, _new_hex)
        self._last_session = sessions[-1]

    def _call(self, body: str) -> None:
        text = placed(self._ids.replaced(body), in_json(self._folder), in_json(self._claude_dir))
        call = HookCall(
            id=f"demo-{uuid.uuid4().hex}",
            body=text.encode(),
            pane_id=self.pane.id,
            tmux=self._tmux,
            sent_at_ms=_now_ms(),
        )
        self._sender.send(call)

    def _register(self, text: str) -> None:
        if not text:
            self._file.unlink(missing_ok=True)
            return
        record: dict[str, Any] = json.loads(self._ids.replaced(text))
        now = _now_ms()
        own = {
            "pid": self.pane.pid,
            "cwd": self._folder,
            "startedAt": self._started_ms,
            "tmux": f"demo:{self.pane.window_id}.{self.pane.id}",
            "statusUpdatedAt": now,
            "updatedAt": now,
        }
        for name in ("procStart", "pidDomain", "messagingSocketPath"):
            record.pop(name, None)
        if self._proc_start is not None:
            own["procStart"] = self._proc_start
        self._file.write_text(json.dumps(record | own), encoding="utf-8")


def proc_start(pid: int) -> str | None:
    """When a process was started, in Linux's clock ticks; None elsewhere, where the registry's readers ask for none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return stat.rpartition(") ")[2].split()[_START_TICKS]


def _new_hex() -> str:
    return uuid.uuid4().hex


def _now_ms() -> int:
    return round(time.time() * 1000)


Watch = Callable[[Actor, Step], None]
"""Told of each step that was done."""
