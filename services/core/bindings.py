"""Which session is in which pane. Pure.

A session is where its process is, by the registry and tmux's processes; without these, where its hooks said. A pane
shows one session of all that are in it: see `in_pane`.
"""

from collections.abc import Callable, Mapping

from msgspec import Struct

from services.contract.entities import StatusName
from services.core.panes import TmuxState
from services.core.session_state import SessionState
from services.core.witnesses import Witnesses


class Claim(Struct, frozen=True):
    """What decides whether a session is shown in a pane."""

    pane_id: str | None
    """The pane that it was in last, whichever life of tmux that was in."""
    tmux_pid: int | None
    is_closed: bool
    pid: int | None
    """Its process, as the registry has it."""
    is_live: bool
    is_active: bool
    started_at: int


class Bindings:
    """Where sessions are. What it says is as of the last `note` of each session and the last `look_at_tmux`."""

    def __init__(
        self, sessions: Mapping[str, SessionState], witnesses: Witnesses, tmux: Callable[[], TmuxState]
    ) -> None:
        self._sessions = sessions
        self._witnesses = witnesses
        self._tmux = tmux
        self._claims: dict[str, Claim] = {}
        self._placed_in: dict[str, set[str]] = {}
        self._shown: dict[str, str | None] = {}
        for session_id in sessions:
            self.note(session_id)

    def note(self, session_id: str) -> None:
        """A session may be elsewhere, or another one than before."""
        known, claim = self._claims.get(session_id), self._claim(session_id)
        if claim != known:
            self.forget(session_id)
            self._claims[session_id] = claim
            if claim.pane_id is not None:
                self._placed_in.setdefault(claim.pane_id, set()).add(session_id)
                self._shown.pop(claim.pane_id, None)

    def forget(self, session_id: str) -> None:
        """The session is not known any more."""
        claim = self._claims.pop(session_id, None)
        if claim is not None and claim.pane_id is not None:
            self._placed_in[claim.pane_id].discard(session_id)
            self._shown.pop(claim.pane_id, None)
            if not self._placed_in[claim.pane_id]:
                del self._placed_in[claim.pane_id]

    def look_at_tmux(self) -> None:
        """Another server or other agents may be in the panes."""
        self._shown.clear()

    def fronts(self, session_id: str) -> dict[str, str | None]:
        """What the panes show that a session was in at the last `note`, and will be in after the next."""
        panes = (self.pane_of(session_id), self._claim(session_id).pane_id)
        return {pane_id: self.in_pane(pane_id) for pane_id in panes if pane_id is not None}

    def pane_of(self, session_id: str) -> str | None:
        """The pane that a session was in last."""
        claim = self._claims.get(session_id)
        return None if claim is None else claim.pane_id

    def sessions_of(self, pane_id: str) -> tuple[str, ...]:
        """All sessions that are in this pane of this tmux server, not in its namesake of an earlier one."""
        return tuple(one for one in sorted(self._placed_in.get(pane_id, ())) if self._is_here(self._claims[one]))

    def in_pane(self, pane_id: str) -> str | None:
        """The session that a pane shows: one that lives, that of the pane's own agent and no nested one, the newest."""
        if pane_id not in self._shown:
            agent = self.agent_of(pane_id)
            candidates = self.sessions_of(pane_id)
            self._shown[pane_id] = max(candidates, key=lambda one: self._rank(one, agent), default=None)
        return self._shown[pane_id]

    def agent_of(self, pane_id: str) -> int | None:
        """The process of the agent that tmux shows in a pane."""
        pane = self._tmux().panes.get(pane_id)
        return None if pane is None or pane.agent is None else pane.agent.pid

    def _rank(self, session_id: str, agent: int | None) -> tuple[bool, int, bool, int, str]:
        claim = self._claims[session_id]
        nearness = 1 if claim.pid is None or agent is None else 2 if claim.pid == agent else 0
        return (claim.is_live, nearness, claim.is_active, claim.started_at, session_id)

    def _is_here(self, claim: Claim) -> bool:
        """Whether the pane that a session is in is one of the tmux server that runs now."""
        server = self._tmux().server
        is_other_server = claim.tmux_pid is not None and server is not None and claim.tmux_pid != server.pid
        return not (is_other_server or claim.is_closed)

    def _claim(self, session_id: str) -> Claim:
        """Where a session's process is, else where its hooks said, else where its process was."""
        session = self._sessions[session_id]
        listed, turn = self._witnesses.of_session(session_id), session.timeline.turn
        is_placed = listed is not None and listed.entry.pane_id is not None
        by_process = is_placed or turn.pane_id is None
        return Claim(
            session.pane_id if by_process else turn.pane_id,
            session.tmux_pid if by_process else turn.tmux_pid,
            not is_placed and turn.is_pane_closed,
            None if listed is None else listed.entry.pid,
            session.verdict.status.name is not StatusName.ENDED,
            session.is_active,
            session.started_at,
        )
