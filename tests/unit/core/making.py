"""Events, facts and reports of tmux, made short for tests."""

import json
from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final

from msgspec import structs

from services.contract.entities import Confidence, Reading, RegistryEntry, Status, StatusName, TmuxServer
from services.contract.events import NewEvent, Source
from services.contract.requests import Look, ReportSigns, ReportTmux, SeenPane, SeenWindow
from services.contract.updates import Message
from services.core.facts import Fact, fact_of
from services.core.lifecycle import fold
from services.core.own_events import (
    DISMISSED,
    new_dismissal,
    new_look,
    new_reading,
    new_registry_change,
    new_registry_end,
    new_settlement,
    new_tmux_event,
)
from services.core.state import State
from services.core.turn import Turn, status_of

RECORDINGS: Final = Path(__file__).parents[2] / "fixtures" / "claude"
SERVER: Final = TmuxServer(socket="/tmp/tmux-0/default", pid=4321, started_at=1_000, version="3.5a")  # noqa: S108
OTHER_SERVER: Final = TmuxServer(socket="/tmp/tmux-0/default", pid=9876, started_at=2_000, version="3.5a")  # noqa: S108
TMUX: Final = f"{SERVER.socket},{SERVER.pid},0"
_numbers = count()


def hook(
    name: str,
    at: int = 0,
    *,
    session: str | None = "s1",
    event_id: str | None = None,
    pane: str | None = None,
    tmux: str | None = None,
    **payload: Any,
) -> NewEvent:
    """A hook event; what is not named here goes into its payload."""
    body = {"hook_event_name": name, **({} if session is None else {"session_id": session}), **payload}
    return NewEvent(
        id=event_id or f"e{next(_numbers):06d}",
        name=name,
        received_at=at,
        payload=json.dumps(body).encode(),
        session_id=session,
        pane_id=pane,
        tmux=tmux,
    )


def fact(name: str, at: int = 0, **fields: Any) -> Fact:
    """The fact of a hook event."""
    return fact_of(hook(name, at, **fields))


def bash(name: str, at: int, call: str = "c1", **fields: Any) -> Fact:
    """A fact of a Bash call; each call has its own command."""
    fields = {"tool_name": "Bash", "tool_input": {"command": f"run {call}"}, "tool_use_id": call, **fields}
    return fact(name, at, **fields)


def asking(at: int, call: str = "c1", **fields: Any) -> Fact:
    """The PermissionRequest of a Bash call; it has no `tool_use_id`."""
    return fact("PermissionRequest", at, **{"tool_name": "Bash", "tool_input": {"command": f"run {call}"}, **fields})


def closed(at: int) -> Fact:
    """tmux closed the session's pane."""
    return Fact(at=at, event_id=f"t{next(_numbers)}", name="PaneClosed", source=Source.TMUX)


def dismissed(at: int) -> Fact:
    """A person dismissed the session's pane."""
    return Fact(at=at, event_id=f"d{next(_numbers)}", name=DISMISSED, source=Source.API)


def dismissal(
    action_id: str = "a1", *, session: str = "s1", pane: str = "%1", at: int = 0, session_at: int | None = None
) -> NewEvent:
    """The event of a dismissal."""
    return new_dismissal(action_id, "me", session, pane, at=at, session_at=at if session_at is None else session_at)


def folded(facts: Iterable[Fact]) -> Turn:
    """The turn after facts, in the order given."""
    turn = Turn()
    for one in facts:
        turn = fold(turn, one)
    return turn


def status_after(*facts: Fact) -> Status:
    """The status after facts, in the order given."""
    return status_of(folded(facts))


# tmux.


def pane(pane_id: str, window_id: str = "@0", index: int = 0, **fields: Any) -> SeenPane:
    """A pane as a poller sees it."""
    plain: dict[str, Any] = {
        "active": True,
        "title": "",
        "command": "bash",
        "cwd": "/home/lab",
        "pid": 100,
        "width": 80,
        "height": 24,
        "dead": False,
    }
    return SeenPane(id=pane_id, window_id=window_id, index=index, **(plain | fields))


def window(window_id: str = "@0", **fields: Any) -> SeenWindow:
    """A window as a poller sees it."""
    plain: dict[str, Any] = {
        "tmux_session_id": "$0",
        "tmux_session": "lab",
        "index": 0,
        "name": "work",
        "active": True,
        "layout": "b25d",
    }
    return SeenWindow(id=window_id, **(plain | fields))


def report(
    *panes: SeenPane, at: int = 0, server: TmuxServer | None = SERVER, windows: Sequence[SeenWindow] | None = None
) -> ReportTmux:
    """What a poller sees: panes, in one window unless said otherwise."""
    ids = dict.fromkeys(pane.window_id for pane in panes)
    seen = [window(window_id) for window_id in ids] if windows is None else windows
    return ReportTmux(at=at, server=server, windows=tuple(seen), panes=panes)


def changes(before: ReportTmux, now: ReportTmux) -> ReportTmux:
    """`now` as a poller tells it to a core that has `before`."""
    known = {pane.id: pane for pane in before.panes}
    return structs.replace(
        now,
        windows=None if now.windows == before.windows else now.windows,
        panes=tuple(pane for pane in now.panes if known.get(pane.id) != pane),
        gone=tuple(known.keys() - {pane.id for pane in now.panes}),
        after=before.revision,
    )


# What other sources say.


def entry(
    status: str | None = "busy", at: int = 0, *, pid: int = 50, session: str = "s1", **fields: Any
) -> RegistryEntry:
    """What the registry has of a process."""
    return RegistryEntry(pid=pid, session_id=session, status=status, status_at=at, **fields)


def reading(says: StatusName = StatusName.WORKING, at: int = 0, *, pane: str = "%1", **fields: Any) -> Reading:
    """What a screen means, by a strong rule unless said otherwise."""
    plain: dict[str, Any] = {"rule": f"claude/{says}", "confidence": Confidence.STRONG}
    return Reading(pane_id=pane, captured_at=at, says=says, **(plain | fields))


# The state.


class Log:
    """A state with its log and its ledger, as the keeper puts them together."""

    def __init__(self) -> None:
        self.state = State()
        self.events: list[NewEvent] = []
        self.awards: dict[str, int] = {}

    def add(self, *events: NewEvent) -> None:
        """Keep and apply events."""
        for event in events:
            self.events.append(event)
            effects = self.state.apply(len(self.events), event, self.is_first)
            for award in effects.awards:
                self.awards.setdefault(award.key, award.seq)

    def is_first(self, key: str, seq: int) -> bool:
        """Whether nobody had this award before."""
        return self.awards.get(key, seq) == seq

    def see(self, seen: ReportTmux) -> None:
        """Take a poller's report as core does."""
        view = self.state.view_of(seen)
        assert view is not None, "changes of another report"
        payload = self.state.tmux_change(view)
        if payload is not None:
            self.add(new_tmux_event(f"t{next(_numbers)}", seen.at, payload))
        self.state.refresh(view, seen.revision)

    def tell(
        self, *signs: RegistryEntry | Reading | Look, at: int, gone: Sequence[int] = (), is_whole: bool = False
    ) -> None:
        """Take what the registry and the screens say, as core does."""
        request = ReportSigns(
            at=at,
            looks=tuple(one for one in signs if isinstance(one, Look)),
            registry=tuple(one for one in signs if isinstance(one, RegistryEntry)),
            gone=tuple(gone),
            is_whole=is_whole,
            readings=tuple(one for one in signs if isinstance(one, Reading)),
        )
        news = self.state.news_of(request)
        self.add(
            *(new_registry_change(f"r{next(_numbers)}", at, one) for one in news.entries),
            *(new_registry_end(f"r{next(_numbers)}", at, one) for one in news.gone),
            *(new_reading(f"r{next(_numbers)}", at, one) for one in news.readings),
            *(
                new_look(
                    f"l{next(_numbers)}", session, look.pane_id, at=at, session_at=self.state.clock_of(session, at)
                )
                for session, look in news.seen
            ),
        )

    def settle(self, at: int, heard_at: int | None = None) -> int:
        """Look again at what is due, as core does; how many."""
        due = self.state.due_for_review(at, at if heard_at is None else heard_at)
        self.add(*(new_settlement(f"c{next(_numbers)}", at, session_id) for session_id in due))
        return len(due)

    def status(self, session_id: str = "s1") -> Status:
        """The status of a session."""
        session = self.state.session(session_id)
        assert session is not None
        return session.status

    def replayed(self) -> State:
        """A fresh state after all events of the log."""
        state = State()
        for seq, event in enumerate(self.events, 1):
            state.apply(seq, event, self.is_first)
        state.forget_updates()
        return state

    def take(self) -> list[Message]:
        """What changed since the last call."""
        return self.state.take_updates()


# Recordings.


def recorded(run: str) -> list[NewEvent]:
    """The hook calls of a recording."""
    lines = map(json.loads, (RECORDINGS / run / "hooks.jsonl").read_text(encoding="utf-8").splitlines())
    return [
        NewEvent(
            id=f"{run}-{number:03d}",
            name=line["body"]["hook_event_name"],
            received_at=round(line["t"] * 1000),
            payload=json.dumps(line["body"]).encode(),
            session_id=line["body"]["session_id"],
            pane_id=line["pane"],
            tmux=TMUX,
        )
        for number, line in enumerate(lines)
        if "body" in line
    ]


def registry(run: str) -> list[tuple[int, dict[str, Any] | None]]:
    """What Claude Code itself said of a session, and when."""
    lines = map(json.loads, (RECORDINGS / run / "registry.jsonl").read_text(encoding="utf-8").splitlines())
    return [(round(line["t"] * 1000), line["record"]) for line in lines]


RUNS: Final = sorted(path.name for path in RECORDINGS.iterdir() if path.is_dir())
