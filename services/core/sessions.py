"""All sessions: what each source says of them, the pane each is in, and the status that follows. Pure."""

from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import structs

from services.contract.entities import Reading, RegistryEntry, Session, Status, StatusName, Transition
from services.contract.events import DOCTOR_EVENT, NewEvent
from services.contract.requests import SeenPane
from services.core.bindings import Bindings
from services.core.facts import Fact, fact_of
from services.core.fusion import Signs, Verdict, fuse
from services.core.own_events import PANE_CLOSED, REGISTRY_GONE
from services.core.panes import TmuxState
from services.core.session_state import SessionState
from services.core.sign import PROCESS, REGISTRY, gone_sign
from services.core.turn import Turn
from services.core.views import session_view
from services.core.witnesses import Testimony, Witnesses

TRANSITIONS: Final = 20
"""Changes of status that a session remembers."""
STARTING_MS: Final = 1_000
"""A session may be known this long before its process is seen in its pane."""
ENDED_KEPT_MS: Final = 7 * 24 * 3600 * 1000
"""An ended session leaves the state after this; its events stay in the log."""
SILENT_KEPT_MS: Final = 30 * 24 * 3600 * 1000
"""A session without any event for this long leaves it too."""
PRELUDE: Final = frozenset({"SessionStart", "SessionEnd", "Setup", "InstructionsLoaded", "ConfigChange", DOCTOR_EVENT})
"""Hooks that a phantom may fire, a session that never does anything."""


class Sessions:
    """The sessions, and which of them and of the panes changed since updates were last taken."""

    def __init__(
        self, known: dict[str, SessionState], testimony: Testimony, corrections: int, tmux: Callable[[], TmuxState]
    ) -> None:
        self.known = known
        self.corrections = corrections
        self.clock = 0
        """When the newest event was received; one from the spool may be much older, and nothing waits for its time."""
        self.witnesses = Witnesses(testimony)
        self.bindings = Bindings(known, self.witnesses, tmux)
        self._in_review: set[str] = set()
        for session_id, session in known.items():
            self._note_review(session_id, session.verdict)
        self.changed: dict[str, Status] = {}
        """With the status before."""
        self.changed_panes: set[str] = set()

    # In.

    def take_hook(self, session_id: str, fact: Fact, now: int) -> SessionState:
        """A hook of a session."""
        session = self._open(session_id, fact.at)
        session.events += 1
        session.started_at = min(session.started_at, fact.at)
        session.last_event_at = max(session.last_event_at, fact.at)
        session.last_received_at = max(session.last_received_at, now)
        session.is_active |= fact.name not in PRELUDE
        self.add_fact(session_id, session, fact)
        pane_id = self.bindings.pane_of(session_id)
        if pane_id is not None and self.bindings.in_pane(pane_id) == session_id:
            session.pid = self.bindings.agent_of(pane_id) or session.pid
        return session

    def add_fact(self, session_id: str, session: SessionState, fact: Fact) -> None:
        """Something happened to a session."""
        self._mark(session_id)
        if not session.timeline.add(fact):
            session.late_events += 1
        self._look_again(session_id)

    def see(self, event: NewEvent) -> None:
        """A person has seen, or dismissed, how the turn ended. It is in none of the counters."""
        session = self.known.get(event.session_id or "")
        if event.session_id is not None and session is not None:
            status = structs.replace(session.verdict.status, unseen=False)
            session.verdict = structs.replace(session.verdict, status=status)
            self.add_fact(event.session_id, session, fact_of(event))
            pane_id = self.bindings.pane_of(event.session_id)
            if pane_id is not None:
                self.changed_panes.add(pane_id)

    def take_entry(self, event: NewEvent) -> tuple[str, str] | None:
        """The registry has a new word on a process, or has it no more.

        Answers the session that the process ran and the one that it runs now, when it has taken up another one.
        """
        entry = msgspec.json.decode(event.payload, type=RegistryEntry)
        is_gone = event.name == REGISTRY_GONE
        at = event.received_at
        known = self.witnesses.entry_of(entry.pid)
        left = self.witnesses.remove(entry.pid) if is_gone else self.witnesses.put(entry, event.id, at)
        changed_at = min(at, entry.status_at)
        if left is not None and left in self.known and self.witnesses.of_session(left) is None:
            self.known[left].gone = gone_sign(REGISTRY, event.name, at if is_gone else changed_at, event.id)
        if not is_gone:
            # The process is as old as its first session; the next ones began with it in them.
            session = self._open(entry.session_id, changed_at if left is not None else entry.started_at or at)
            session.last_received_at = max(session.last_received_at, at)
            session.is_active |= entry.status is not None
            if entry.pane_id is not None:
                session.pane_id, session.tmux_pid = entry.pane_id, entry.tmux_pid
            self._mark(entry.session_id)
            self._look_again(entry.session_id)
        if left is not None and left in self.known:
            self._mark(left)
            self._look_again(left)
        is_move = not is_gone and known is not None and known.started_at == entry.started_at
        return (known.session_id, entry.session_id) if known is not None and is_move and left is not None else None

    def place(self, folder: str, project_id: str) -> None:
        """It became known what project a folder is in."""
        for session_id, session in self.known.items():
            if session.project_id is None and session.timeline.turn.cwd == folder:
                session.project_id = project_id
                self._mark(session_id)

    def take_reading(self, event: NewEvent) -> None:
        """A screen means something else. One that was captured before its agent left says nothing any more."""
        reading = msgspec.json.decode(event.payload, type=Reading)
        if self.bindings.agent_of(reading.pane_id) is None:
            return
        self.witnesses.read(reading, event.id)
        self.changed_panes.add(reading.pane_id)
        session_id = self.bindings.in_pane(reading.pane_id)
        if session_id is not None:
            self._look_again(session_id)

    def settle(self, event: NewEvent) -> None:
        """The sources that disagree had their time."""
        session = self.known.get(event.session_id or "")
        if event.session_id is not None and session is not None:
            # The clock may have been set back since: what was due is due.
            session.settled_at = max(event.received_at, session.verdict.review_at or 0)
            self._look_again(event.session_id)

    def agent_changed(self, pane: SeenPane, before: int | None, event: NewEvent) -> None:
        """Another agent runs in a pane, or none: its sessions have lost their process, or found it."""
        after = None if pane.agent is None else pane.agent.pid
        if after is None:
            self.witnesses.forget_screen(pane.id)
        for session_id in self._live_in(pane.id):
            session = self.known[session_id]
            is_old = session.last_received_at < event.received_at - STARTING_MS
            if before is not None and (session.pid == before or (session.pid is None and is_old)):
                session.gone = gone_sign(PROCESS, "agent left the pane", event.received_at, event.id)
            elif after is not None and session.pid is None:
                session.pid = after
            self._mark(session_id)
            self._look_again(session_id)

    def _live_in(self, pane_id: str) -> tuple[str, ...]:
        """The sessions in a pane that have not ended; those that have may be many."""
        sessions = self.bindings.sessions_of(pane_id)
        return tuple(one for one in sessions if self.known[one].verdict.status.name is not StatusName.ENDED)

    def close_pane(self, pane_id: str, event: NewEvent) -> None:
        """A pane is gone from tmux."""
        self.witnesses.forget_screen(pane_id)
        for session_id in self._live_in(pane_id):
            session = self.known[session_id]
            fact = Fact(
                at=max(event.at, session.last_event_at),  # Its own clock may be ahead.
                told_at=event.received_at,
                event_id=event.id,
                name=PANE_CLOSED,
                source=event.source,
            )
            self.add_fact(session_id, session, fact)

    def forget_old(self, now: int) -> tuple[str, ...]:
        """Let go of sessions that ended, or fell silent, long ago; which."""
        old = tuple(session_id for session_id in self.known if self._is_old(session_id, now))
        for session_id in old:
            pane_id = self.bindings.pane_of(session_id)
            self.bindings.forget(session_id)
            if pane_id is not None:
                self.changed_panes.add(pane_id)
            self._in_review.discard(session_id)
            del self.known[session_id]
            self.changed.pop(session_id, None)
        return old

    def _is_old(self, session_id: str, now: int) -> bool:
        session = self.known[session_id]
        is_over = session.verdict.status.name is StatusName.ENDED
        is_silent = now - session.last_received_at >= (ENDED_KEPT_MS if is_over else SILENT_KEPT_MS)
        return is_silent and self.witnesses.of_session(session_id) is None

    def _open(self, session_id: str, at: int) -> SessionState:
        session = self.known.get(session_id)
        if session is None:
            session = self.known[session_id] = SessionState(started_at=at, last_event_at=at)
        return session

    # The status.

    def _look_again(self, session_id: str) -> None:
        """Judge a session anew, and those in front of its pane when it took the pane or left it."""
        before = self.bindings.fronts(session_id)
        self.bindings.note(session_id)
        self._judge(session_id)
        after = {pane_id: self.bindings.in_pane(pane_id) for pane_id in before}
        if before == after:
            return
        changed = [pane_id for pane_id in before if before[pane_id] != after[pane_id]]
        self.changed_panes.update(changed)
        left = {one for pane_id in changed if (one := before[pane_id]) is not None and one in self.known}
        in_front = {one for pane_id in changed if (one := after[pane_id]) is not None}
        for other in (*sorted(left - in_front), *sorted(in_front)):  # The screen is the latter's.
            self._mark(other)
            self._judge(other)

    def _judge(self, session_id: str) -> None:
        """Decide a session's status from all that is known of it."""
        session = self.known[session_id]
        before = session.verdict.status
        pane_id = self.bindings.pane_of(session_id)
        listed = self.witnesses.of_session(session_id)
        is_shown = pane_id is not None and self.bindings.in_pane(pane_id) == session_id
        signs = Signs(
            registry=None if listed is None else listed.sign,
            screen=self.witnesses.screen_of(pane_id) if pane_id is not None and is_shown else None,
            gone=None if listed is not None else session.gone,
        )
        turn = session.timeline.turn
        verdict = fuse(turn, signs, now=self.clock, settled_at=session.settled_at, before=before)
        if verdict == session.verdict:
            return
        self._mark(session_id)
        session.verdict = verdict
        if verdict.status.name is not before.name:
            self.bindings.note(session_id)
        self._note_review(session_id, verdict)
        self._note_transition(session, before)
        if pane_id is not None and self.bindings.in_pane(pane_id) == session_id:
            self.changed_panes.add(pane_id)

    def _mark(self, session_id: str) -> None:
        """Clients are to be told of it."""
        self.changed.setdefault(session_id, self.known[session_id].verdict.status)

    def _note_review(self, session_id: str, verdict: Verdict) -> None:
        if verdict.review_at is None:
            self._in_review.discard(session_id)
        else:
            self._in_review.add(session_id)

    def _note_transition(self, session: SessionState, before: Status) -> None:
        status = session.verdict.status
        if (before.name, before.waiting_for) == (status.name, status.waiting_for) or status.evidence is None:
            return
        was = before.evidence
        corrected = was is not None and any(
            claim.source == was.source and claim.says is before.name for claim in status.disputed_by
        )
        self.corrections += corrected
        transition = Transition(
            at=self.clock,
            name=status.name,
            waiting_for=status.waiting_for,
            source=status.evidence.source,
            rule=status.evidence.rule,
            corrected=corrected,
        )
        session.transitions = (*session.transitions, transition)[-TRANSITIONS:]

    # Out.

    def due_for_review(self, now: int, heard_at: int) -> tuple[str, ...]:
        """Sessions whose sources disagree and had their time. `heard_at` is when the poller was heard of last."""
        verdicts = ((session_id, self.known[session_id].verdict) for session_id in sorted(self._in_review))
        return tuple(
            session_id
            for session_id, verdict in verdicts
            if verdict.review_at is not None
            and verdict.review_at <= (min(now, heard_at) if verdict.awaits_word else now)
        )

    def next_review(self) -> int | None:
        """When time alone makes one due."""
        verdicts = (self.known[session_id].verdict for session_id in self._in_review)
        times = (one.review_at for one in verdicts if one.review_at is not None and not one.awaits_word)
        return min(times, default=None)

    def all(self) -> tuple[Session, ...]:
        """All sessions, the first known first."""
        return tuple(session for session_id in self.known if (session := self.view(session_id)) is not None)

    def view(self, session_id: str) -> Session | None:
        """One session; None also for one that has done nothing and is in no pane, a phantom."""
        kept = self.known.get(session_id)
        if kept is None or not (kept.is_active or self._is_in_front(session_id)):
            return None
        pane_id = self.bindings.pane_of(session_id)
        return session_view(session_id, kept, pane_id, self.witnesses.of_session(session_id))

    def _is_in_front(self, session_id: str) -> bool:
        pane_id = self.bindings.pane_of(session_id)
        return pane_id is not None and self.bindings.in_pane(pane_id) == session_id

    def status_in(self, pane_id: str) -> tuple[str | None, Status | None]:
        """The session that a pane shows, and the pane's status: without a session, what its screen says."""
        session_id, screen = self.bindings.in_pane(pane_id), self.witnesses.screen_of(pane_id)
        status = None if session_id is None else self.known[session_id].verdict.status
        if screen is None:
            return session_id, status
        if status is None or (status.name is StatusName.ENDED and screen.at > status.since):
            return None, fuse(Turn(), Signs(screen=screen), now=screen.at).status  # An agent without hooks.
        return session_id, status
