"""Everything that is true now: sessions, panes, windows; events go in, updates come out. Pure.

`apply` is the only way in for what the log keeps, so that a replay of the log gives this state again.
"""

from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Raw, Struct, field

from services.contract.entities import KeptEvent, Pane, Session, Status, StatusName, TmuxServer, Window, XpAward
from services.contract.events import NewEvent, Source
from services.contract.requests import ReportTmux, SeenPane
from services.contract.updates import (
    Attention,
    EventKept,
    Message,
    PaneRemoved,
    PaneUpdate,
    SessionRemoved,
    SessionUpdate,
    Windows,
    XpGain,
)
from services.core.facts import Fact, fact_of
from services.core.panes import TmuxChange, TmuxState, apply_change, change_between, has_moved, view_of
from services.core.timeline import Timeline
from services.core.turn import Turn, asked, status_of
from services.core.xp import award_of

EVENT_PAYLOAD_BYTES: Final = 4_096
"""A larger payload does not go over the WebSocket; `GET /api/events` has it."""
SWEEP_EVERY: Final = 1_000
"""Events between two looks for sessions that ended long ago."""
ENDED_KEPT_MS: Final = 7 * 24 * 3600 * 1000
"""An ended session leaves the state after this; its events stay in the log."""
SILENT_KEPT_MS: Final = 30 * 24 * 3600 * 1000
"""A session without any event for this long leaves it too."""

IsFirst = Callable[[str, int], bool]
"""Whether the award with this key belongs to the event with this seq: nobody had it before."""


class SessionState(Struct, kw_only=True):
    """What is known of one session."""

    timeline: Timeline = field(default_factory=Timeline)
    started_at: int = 0
    last_event_at: int = 0
    last_received_at: int = 0
    """By our clock; the one by which it is forgotten."""
    events: int = 0
    late_events: int = 0
    xp: int = 0


class Dump(Struct, kw_only=True):
    """The state as a checkpoint keeps it: all that follows from the log, and nothing else."""

    sessions: dict[str, SessionState] = {}
    tmux: TmuxState = TmuxState()


class State:
    """The state and what changed in it since updates were last taken."""

    def __init__(self, dump: Dump | None = None) -> None:
        kept = Dump() if dump is None else dump
        self._sessions = dict(kept.sessions)
        self._tmux = kept.tmux
        self._seen = kept.tmux  # With what the log leaves out.
        self._revision: int | None = None
        self._in_pane: dict[str, set[str]] = {}
        for session_id, session in self._sessions.items():
            self._index(session_id, None, session.timeline.turn.pane_id)
        self._changed_sessions: dict[str, Status] = {}
        self._changed_panes: set[str] = set()
        self._windows_changed = False
        self._removed: dict[tuple[str, str], Message] = {}
        self._happened: list[Message] = []

    def dump(self) -> Dump:
        """What a checkpoint needs to make this state again."""
        return Dump(sessions=self._sessions, tmux=self._tmux)

    # In: events.

    def apply(self, seq: int, event: NewEvent, is_first: IsFirst) -> XpAward | None:
        """Take one kept event; the award that it earned, if any."""
        self._happened.append(EventKept(event=kept_event(seq, event)))
        award = None
        match event.source:
            case Source.HOOK:
                award = self._apply_hook(seq, event, is_first)
            case Source.TMUX:
                self._apply_tmux(event)
            case Source.API:
                self._apply_dismissal(event)
        if seq % SWEEP_EVERY == 0:
            self._sweep(event.received_at)
        return award

    def _apply_hook(self, seq: int, event: NewEvent, is_first: IsFirst) -> XpAward | None:
        if event.session_id is None:
            return None
        fact = fact_of(event)
        session = self._session(event.session_id, fact.at)
        session.events += 1
        started_at, session.started_at = session.started_at, min(session.started_at, fact.at)
        session.last_event_at = max(session.last_event_at, fact.at)
        session.last_received_at = max(session.last_received_at, event.received_at)
        self._add_fact(event.session_id, session, fact)
        if started_at != session.started_at and session.timeline.turn.pane_id is not None:
            self._changed_panes.add(session.timeline.turn.pane_id)  # It may have lost its pane to a later one.
        award = award_of(seq, event, fact)
        if award is None or not is_first(award.key, seq):
            return None
        session.xp += award.amount
        self._happened.append(
            XpGain(session_id=award.session_id, amount=award.amount, reason=award.reason, total=session.xp)
        )
        return award

    def _apply_dismissal(self, event: NewEvent) -> None:
        """It tells nothing of the session's own doings, and so is in none of its counters."""
        session = self._sessions.get(event.session_id or "")
        if event.session_id is not None and session is not None:
            self._add_fact(event.session_id, session, fact_of(event))

    def _session(self, session_id: str, at: int) -> SessionState:
        session = self._sessions.get(session_id)
        if session is None:
            session = self._sessions[session_id] = SessionState(started_at=at, last_event_at=at)
        return session

    def _add_fact(self, session_id: str, session: SessionState, fact: Fact) -> None:
        before = session.timeline.turn
        self._changed_sessions.setdefault(session_id, status_of(before))
        if not session.timeline.add(fact):
            session.late_events += 1
            return
        after = session.timeline.turn
        if before.pane_id != after.pane_id:
            self._index(session_id, before.pane_id, after.pane_id)
        if _in_view(before) != _in_view(after):
            self._changed_panes |= {pane_id for pane_id in (before.pane_id, after.pane_id) if pane_id is not None}

    def _apply_tmux(self, event: NewEvent) -> None:
        change = msgspec.json.decode(event.payload, type=TmuxChange)
        for pane_id in change.closed:
            self._close_pane(pane_id, event)
        self._windows_changed |= bool(change.windows is not None or change.closed or change.opened)
        self._windows_changed |= any(has_moved(self._tmux.panes.get(pane.id), pane) for pane in change.changed)
        self._tmux = apply_change(self._tmux, change)
        self._seen = apply_change(self._seen, change)
        self._changed_panes |= {pane.id for pane in (*change.opened, *change.changed)}

    def _close_pane(self, pane_id: str, event: NewEvent) -> None:
        pane = self._tmux.panes.get(pane_id)
        self._removed["pane", pane_id] = PaneRemoved(pane_id=pane_id)
        if pane is None:
            return
        fact = Fact(at=event.at, event_id=event.id, name="PaneClosed", source=event.source)
        for session_id in tuple(self._in_pane.get(pane_id, ())):
            if self._is_in(session_id, pane_id):
                self._add_fact(session_id, self._sessions[session_id], fact)

    def _sweep(self, now: int) -> None:
        for session_id, session in tuple(self._sessions.items()):
            is_over = status_of(session.timeline.turn).name is StatusName.ENDED
            if now - session.last_received_at < (ENDED_KEPT_MS if is_over else SILENT_KEPT_MS):
                continue
            pane_id = session.timeline.turn.pane_id
            if pane_id is not None:
                self._index(session_id, pane_id, None)
                self._changed_panes.add(pane_id)
            del self._sessions[session_id]
            self._changed_sessions.pop(session_id, None)
            self._removed["session", session_id] = SessionRemoved(session_id=session_id)

    # In: what a poller sees.

    def view_of(self, report: ReportTmux) -> TmuxState | None:
        """Tmux as a report shows it; None when it changes another report than the one taken last."""
        is_next = report.after == self._revision and report.server == self._seen.server
        return view_of(self._seen, report) if report.after is None or is_next else None

    def tmux_change(self, view: TmuxState) -> bytes | None:
        """The payload of the event that a report is worth; None when the log need not know."""
        change = change_between(self._tmux, view)
        return None if change is None else msgspec.json.encode(change)

    def refresh(self, view: TmuxState, revision: int) -> None:
        """Take what a report shows beyond its event: titles, commands, sizes, processes."""
        before, self._seen = self._seen, view
        self._revision = revision
        self._changed_panes |= {pane_id for pane_id, pane in view.panes.items() if before.panes.get(pane_id) != pane}
        self._windows_changed |= before.windows != view.windows

    # Out: updates.

    def take_updates(self) -> list[Message]:
        """What changed since the last call: each thing once as it is now, then what happened, in order."""
        messages: list[Message] = []
        if self._windows_changed:
            messages.append(Windows(windows=self.windows()))
        messages += self._removed.values()
        messages += [PaneUpdate(pane=p) for i in sorted(self._changed_panes) if (p := self.pane(i)) is not None]
        for session_id, before in self._changed_sessions.items():
            session = self.session(session_id)
            if session is not None:
                messages.append(SessionUpdate(session=session))
                messages += _attention(before, session)
        messages += self._happened
        self.forget_updates()
        return messages

    def forget_updates(self) -> None:
        """Drop what changed: nobody is to be told, as after a replay."""
        self._changed_sessions.clear()
        self._changed_panes.clear()
        self._windows_changed = False
        self._removed.clear()
        self._happened.clear()

    # Out: reads.

    def windows(self) -> tuple[Window, ...]:
        """All windows, in tmux's order."""
        ids: dict[str, list[str]] = {}
        for pane in self._seen.panes.values():
            ids.setdefault(pane.window_id, []).append(pane.id)
        return tuple(
            Window(
                id=seen.id,
                tmux_session_id=seen.tmux_session_id,
                tmux_session=seen.tmux_session,
                index=seen.index,
                name=seen.name,
                active=seen.active,
                layout=seen.layout,
                pane_ids=tuple(ids.get(seen.id, ())),
            )
            for seen in self._seen.windows
        )

    def panes(self) -> tuple[Pane, ...]:
        """All panes, in tmux's order."""
        return tuple(self._pane(seen) for seen in self._seen.panes.values())

    def pane(self, pane_id: str) -> Pane | None:
        """One pane that tmux shows."""
        seen = self._seen.panes.get(pane_id)
        return None if seen is None else self._pane(seen)

    def has_pane(self, pane_id: str) -> bool:
        """Whether tmux shows this pane."""
        return pane_id in self._seen.panes

    def has_window(self, window_id: str) -> bool:
        """Whether tmux shows this window."""
        return any(window.id == window_id for window in self._seen.windows)

    @property
    def server(self) -> TmuxServer | None:
        """The life of the tmux server that is shown."""
        return self._seen.server

    def sessions(self) -> tuple[Session, ...]:
        """All sessions, the first known first."""
        return tuple(s for session_id in self._sessions if (s := self.session(session_id)) is not None)

    def clock_of(self, session_id: str, now: int) -> int:
        """What a session's own clock says at our `now`: its events are ordered by it."""
        session = self._sessions[session_id]
        return session.last_event_at + max(0, now - session.last_received_at)

    def session(self, session_id: str) -> Session | None:
        """One session."""
        kept = self._sessions.get(session_id)
        if kept is None:
            return None
        turn = kept.timeline.turn
        return Session(
            id=session_id,
            status=status_of(turn),
            started_at=kept.started_at,
            last_event_at=kept.last_event_at,
            pane_id=turn.pane_id,
            cwd=turn.cwd,
            model=turn.model,
            permission_mode=turn.permission_mode,
            prompt=turn.prompt,
            tool=turn.calls[-1].tool_name if turn.calls else None,
            asks=asked(turn),
            subagents=len(turn.agents),
            last_message=turn.last_message,
            events=kept.events,
            late_events=kept.late_events,
            xp=kept.xp,
        )

    def _pane(self, seen: SeenPane) -> Pane:
        session_id = self._session_in(seen.id)
        status = None if session_id is None else status_of(self._sessions[session_id].timeline.turn)
        return Pane(
            id=seen.id,
            window_id=seen.window_id,
            index=seen.index,
            active=seen.active,
            title=seen.title,
            command=seen.command,
            cwd=seen.cwd,
            pid=seen.pid,
            width=seen.width,
            height=seen.height,
            dead=seen.dead,
            processes=seen.processes,
            agent=seen.agent,
            activity_at=seen.activity_at,
            session_id=session_id,
            status=status,
        )

    # Which session is in a pane.

    def _session_in(self, pane_id: str) -> str | None:
        """The live session that began last in this pane; without one, the one that began last."""
        candidates = [s for s in self._in_pane.get(pane_id, ()) if self._is_in(s, pane_id)]
        return max(candidates, key=self._claim, default=None)

    def _claim(self, session_id: str) -> tuple[bool, int, str]:
        session = self._sessions[session_id]
        is_live = status_of(session.timeline.turn).name is not StatusName.ENDED
        return (is_live, session.started_at, session_id)

    def _is_in(self, session_id: str, pane_id: str) -> bool:
        """Whether the session's pane is this one of this tmux server, not its namesake of an earlier one."""
        turn = self._sessions[session_id].timeline.turn
        server = self._tmux.server
        is_other_server = turn.tmux_pid is not None and server is not None and turn.tmux_pid != server.pid
        return turn.pane_id == pane_id and not turn.is_pane_closed and not is_other_server

    def _index(self, session_id: str, before: str | None, after: str | None) -> None:
        if before is not None:
            self._in_pane.get(before, set()).discard(session_id)
        if after is not None:
            self._in_pane.setdefault(after, set()).add(session_id)


def kept_event(seq: int, event: NewEvent, limit: int = EVENT_PAYLOAD_BYTES) -> KeptEvent:
    """An event as clients see it; its payload is left out when over `limit` bytes."""
    return KeptEvent(
        seq=seq,
        id=event.id,
        received_at=event.received_at,
        name=event.name,
        session_id=event.session_id,
        pane_id=event.pane_id,
        payload=Raw(event.payload) if len(event.payload) <= limit else None,
        source=event.source,
        sent_at=event.sent_at,
    )


def _in_view(turn: Turn) -> tuple[object, ...]:
    """What a pane shows of its session, and what binds the two."""
    return (status_of(turn), turn.pane_id, turn.tmux_pid, turn.is_pane_closed)


def _attention(before: Status, session: Session) -> list[Message]:
    """What a person is told: also of a turn that began and ended within one batch."""
    status = session.status
    if (before.name, before.since) == (status.name, status.since):
        return []
    match status.name:
        case StatusName.WAITING:
            reason = str(status.waiting_for)
        case StatusName.ERROR:
            reason = status.error or "unknown"
        case StatusName.IDLE if status.unseen:
            reason = "finished"
        case _:
            return []
    return [Attention(session_id=session.id, pane_id=session.pane_id, status=status.name, reason=reason)]
