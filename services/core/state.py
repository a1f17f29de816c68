"""Everything that is true now: sessions, panes, windows; events go in, updates come out. Pure.

`apply` is the only way in for what the log keeps, so that a replay of the log gives this state again.
"""

from typing import Final

import msgspec
from msgspec import Struct, field

from services.contract.answers import Explanation
from services.contract.entities import Pane, Reading, RegistryEntry, Session, TmuxServer, Window
from services.contract.events import NewEvent, Source
from services.contract.requests import Look, ReportSigns, ReportTmux, SeenPane
from services.contract.updates import (
    EventKept,
    Message,
    PaneRemoved,
    PaneUpdate,
    SessionRemoved,
    SessionUpdate,
    Windows,
)
from services.core.doubts import doubts
from services.core.explain import explain
from services.core.facts import fact_of, payload_of
from services.core.game.earnings import IsFirst
from services.core.game.game import NOTHING, Effects, Game, GameDump
from services.core.game.quests import QUEST_EVENTS
from services.core.game.rulebook import Rulebook, built_in
from services.core.own_events import REPORT, ZONE_SET
from services.core.panes import TmuxChange, TmuxState, apply_change, change_between, has_moved, view_of
from services.core.session_state import SessionState
from services.core.sessions import Sessions
from services.core.views import attention, kept_event, pane_view, xp_gain
from services.core.witnesses import Testimony

EVENT_PAYLOAD_BYTES: Final = 4_096
"""A larger payload does not go over the WebSocket; `GET /api/events` has it."""
SWEEP_EVERY: Final = 1_000
"""Events between two looks for sessions that ended long ago."""


class Dump(Struct, kw_only=True):
    """The state as a checkpoint keeps it: all that follows from the log, and nothing else."""

    sessions: dict[str, SessionState] = field(default_factory=dict[str, SessionState])
    tmux: TmuxState = TmuxState()
    testimony: Testimony = field(default_factory=Testimony)
    corrections: int = 0
    """Transitions by which a source corrected what another had said."""
    clock: int = 0
    game: GameDump = field(default_factory=GameDump)
    edition: str = ""
    """Of the rules by which the game was decided."""


class SignNews(Struct, frozen=True, kw_only=True):
    """Of a report of signs, what is to be kept."""

    entries: tuple[RegistryEntry, ...]
    gone: tuple[RegistryEntry, ...]
    readings: tuple[Reading, ...]
    seen: tuple[tuple[str, Look], ...]
    """Sessions whose end of a turn a person has seen."""


class State:
    """The state and what changed in it since updates were last taken."""

    def __init__(self, dump: Dump | None = None, rulebook: Rulebook | None = None) -> None:
        kept = Dump() if dump is None else dump
        rules = built_in() if rulebook is None else rulebook
        self._kept_game = kept.game
        self._edition = rules.edition
        self.game = Game(kept.game, rules)
        self._tmux = kept.tmux
        self._seen = kept.tmux  # With what the log leaves out.
        self._revision: int | None = None
        self._sessions = Sessions(kept.sessions, kept.testimony, kept.corrections, lambda: self._tmux)
        self._sessions.clock = kept.clock
        self._told = {session.id for session in self.sessions()}
        self._windows_changed = False
        self._removed: dict[tuple[str, str], Message] = {}
        self._happened: list[Message] = []

    def dump(self) -> Dump:
        """What a checkpoint needs to make this state again."""
        sessions = self._sessions
        return Dump(
            sessions=sessions.known,
            tmux=self._tmux,
            testimony=sessions.witnesses.kept,
            corrections=sessions.corrections,
            clock=sessions.clock,
            game=self._kept_game,
            edition=self._edition,
        )

    # In: events.

    def apply(self, seq: int, event: NewEvent, is_first: IsFirst) -> Effects:  # noqa: C901 - one line for each source
        """Take one kept event; what it changes in the database besides."""
        self._happened.append(EventKept(event=kept_event(seq, event, EVENT_PAYLOAD_BYTES)))
        self._sessions.clock = max(self._sessions.clock, event.received_at)
        effects = NOTHING
        match event.source:
            case Source.HOOK:
                effects = self._apply_hook(seq, event, is_first)
            case Source.TMUX if event.name == REPORT:
                self._apply_tmux(event)
            case Source.API if event.name in QUEST_EVENTS:
                effects = self.game.take_command(seq, event, is_first)
            case Source.TMUX | Source.API:
                self._sessions.see(event)
            case Source.REGISTRY:
                move = self._sessions.take_entry(event)
                if move is not None:
                    self.game.move(*move)
            case Source.SCREEN:
                self._sessions.take_reading(event)
            case Source.GIT:
                effects = self._apply_reading(seq, event)
            case Source.CORE if event.name == ZONE_SET:
                self.game.take_zone(event)
            case Source.CORE:
                self._sessions.settle(event)
        if seq % SWEEP_EVERY == 0:
            self._sweep(event.received_at)
        return effects

    def _apply_hook(self, seq: int, event: NewEvent, is_first: IsFirst) -> Effects:
        if event.session_id is None:
            return NOTHING
        payload = payload_of(event)
        fact = fact_of(event, payload)
        session = self._sessions.take_hook(event.session_id, fact, event.received_at)
        effects = self.game.take_hook(seq, event, payload, is_first)
        credit = effects.credit
        if credit is None:
            return effects
        session.persona_id = credit.persona_id
        session.project_id = credit.project_id or session.project_id
        if effects.awards:
            session.xp += sum(award.amount for award in effects.awards)
            self._happened.append(xp_gain(event.session_id, effects.awards, session.xp))
        return effects

    def _apply_reading(self, seq: int, event: NewEvent) -> Effects:
        effects = self.game.take_reading(seq, event)
        for placed in effects.placed:
            self._sessions.place(placed.folder, placed.project_id)
        return effects

    def _apply_tmux(self, event: NewEvent) -> None:
        change = msgspec.json.decode(event.payload, type=TmuxChange)
        for pane_id in change.closed:
            self._removed["pane", pane_id] = PaneRemoved(pane_id=pane_id)
            if pane_id in self._tmux.panes:
                self._sessions.close_pane(pane_id, event)
        self._windows_changed |= bool(change.windows is not None or change.closed or change.opened)
        self._windows_changed |= any(has_moved(self._tmux.panes.get(pane.id), pane) for pane in change.changed)
        panes = (*change.opened, *change.changed)
        agent_of = self._sessions.bindings.agent_of
        before = {pane.id: None if change.is_new_server else agent_of(pane.id) for pane in panes}
        for pane in change.opened:
            self._sessions.witnesses.forget_screen(pane.id)
        self._tmux = apply_change(self._tmux, change)
        self._seen = apply_change(self._seen, change)
        self._sessions.bindings.look_at_tmux()
        self._sessions.changed_panes |= before.keys()
        for pane in panes:
            if before[pane.id] != agent_of(pane.id):
                self._sessions.agent_changed(pane, before[pane.id], event)

    def _sweep(self, now: int) -> None:
        for session_id in self._sessions.forget_old(now):
            self._told.discard(session_id)
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
        self._sessions.changed_panes |= {
            pane_id for pane_id, pane in view.panes.items() if before.panes.get(pane_id) != pane
        }
        self._windows_changed |= before.windows != view.windows

    # In: what the registry and the screens say.

    def news_of(self, request: ReportSigns) -> SignNews:
        """What a report says that is not known."""
        witnesses = self._sessions.witnesses
        missing = witnesses.pids - {entry.pid for entry in request.registry} if request.is_whole else frozenset[int]()
        gone = (witnesses.entry_of(pid) for pid in sorted({*request.gone, *missing}))
        return SignNews(
            entries=tuple(entry for entry in request.registry if witnesses.entry_of(entry.pid) != entry),
            gone=tuple(entry for entry in gone if entry is not None),
            readings=tuple(reading for reading in request.readings if witnesses.is_new_reading(reading)),
            seen=tuple((id_, look) for look in request.looks if (id_ := self._seen_by(look)) is not None),
        )

    def _seen_by(self, look: Look) -> str | None:
        """The session whose end of a turn a person has seen now, and not before."""
        session_id, status = self._sessions.status_in(look.pane_id)
        is_news = status is not None and status.unseen and look.at >= status.since
        return session_id if is_news else None

    def due_for_review(self, now: int, heard_at: int) -> tuple[str, ...]:
        """Sessions whose sources disagree and had their time. `heard_at` is when the poller was heard of last."""
        return self._sessions.due_for_review(now, heard_at)

    def next_review(self) -> int | None:
        """When time alone makes one due."""
        return self._sessions.next_review()

    # Out: updates.

    def take_updates(self) -> list[Message]:
        """What changed since the last call: each thing once as it is now, then what happened, in order."""
        messages: list[Message] = []
        if self._windows_changed:
            messages.append(Windows(windows=self.windows()))
        messages += self._removed.values()
        panes = sorted(self._sessions.changed_panes)
        messages += [PaneUpdate(pane=pane) for pane_id in panes if (pane := self.pane(pane_id)) is not None]
        for session_id, before in self._sessions.changed.items():
            session = self.session(session_id)
            if session is not None:
                self._told.add(session_id)
                messages.append(SessionUpdate(session=session))
                messages += attention(before, session)
            elif session_id in self._told:  # A phantom, and no longer in front of its pane.
                self._told.remove(session_id)
                messages.append(SessionRemoved(session_id=session_id))
        messages += self.game.take_updates()
        messages += self._happened
        self._clear_updates()
        return messages

    def forget_updates(self) -> None:
        """Drop what changed: nobody is to be told, as after a replay."""
        self._told = {session.id for session in self.sessions()}
        self.game.forget_updates()
        self._clear_updates()

    def _clear_updates(self) -> None:
        self._sessions.changed.clear()
        self._sessions.changed_panes.clear()
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

    def explanation(self, pane_id: str) -> Explanation | None:
        """Why the status of a pane that tmux shows is what it is."""
        return explain(pane_id, self._seen, self._sessions) if pane_id in self._seen.panes else None

    def doubts(self, now: int) -> dict[str, int]:
        """How far the sources can be relied on just now."""
        return doubts(self._sessions, self._tmux, now)

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
        return self._sessions.all()

    def session(self, session_id: str) -> Session | None:
        """One session."""
        return self._sessions.view(session_id)

    def clock_of(self, session_id: str, now: int) -> int:
        """What a session's own clock says at our `now`: its events are ordered by it."""
        session = self._sessions.known[session_id]
        return session.last_event_at + max(0, now - session.last_received_at)

    def _pane(self, seen: SeenPane) -> Pane:
        return pane_view(seen, *self._sessions.status_in(seen.id))
