"""Which session is in which pane. Pure.

A session is where its process is, by the registry and tmux's processes; without these, where its hooks said. A pane
shows one session of all that are in it: see `in_pane`.
"""

from collections.abc import Callable, Mapping

from services.contract.entities import StatusName
from services.core.panes import TmuxState
from services.core.session_state import SessionState
from services.core.witnesses import Witnesses


class Bindings:
    """Where sessions are."""

    def __init__(
        self, sessions: Mapping[str, SessionState], witnesses: Witnesses, tmux: Callable[[], TmuxState]
    ) -> None:
        self._sessions = sessions
        self._witnesses = witnesses
        self._tmux = tmux
        self._placed: dict[str, str] = {}
        self._placed_in: dict[str, set[str]] = {}
        for session_id in sessions:
            self.note(session_id)

    def note(self, session_id: str) -> None:
        """Remember in which pane a session was last, whichever life of tmux that was in."""
        pane_id = self._place(session_id)[0]
        if pane_id == self._placed.get(session_id):
            return
        self.forget(session_id)
        if pane_id is not None:
            self._placed[session_id] = pane_id
            self._placed_in.setdefault(pane_id, set()).add(session_id)

    def forget(self, session_id: str) -> None:
        """The session is not known any more."""
        pane_id = self._placed.pop(session_id, None)
        if pane_id is not None:
            self._placed_in[pane_id].discard(session_id)
            if not self._placed_in[pane_id]:
                del self._placed_in[pane_id]

    def pane_of(self, session_id: str) -> str | None:
        """The pane that a session was in last."""
        return self._placed.get(session_id)

    def sessions_of(self, pane_id: str) -> tuple[str, ...]:
        """All sessions that are in this pane of this tmux server, not in its namesake of an earlier one."""
        return tuple(one for one in sorted(self._placed_in.get(pane_id, ())) if self._is_here(one))

    def in_pane(self, pane_id: str) -> str | None:
        """The session that a pane shows: one that lives, that of the pane's own agent and no nested one, the newest."""
        return max(self.sessions_of(pane_id), key=self._claim, default=None)

    def agent_of(self, pane_id: str) -> int | None:
        """The process of the agent that tmux shows in a pane."""
        pane = self._tmux().panes.get(pane_id)
        return None if pane is None or pane.agent is None else pane.agent.pid

    def _claim(self, session_id: str) -> tuple[bool, int, bool, int, str]:
        session = self._sessions[session_id]
        is_live = session.verdict.status.name is not StatusName.ENDED
        listed = self._witnesses.of_session(session_id)
        agent = self.agent_of(self._placed[session_id])
        nearness = 1 if listed is None or agent is None else 2 if listed.entry.pid == agent else 0
        return (is_live, nearness, session.is_active, session.started_at, session_id)

    def _is_here(self, session_id: str) -> bool:
        """Whether the pane that a session is in is one of the tmux server that runs now."""
        server, tmux_pid = self._tmux().server, self._place(session_id)[1]
        is_other_server = tmux_pid is not None and server is not None and tmux_pid != server.pid
        return not (is_other_server or self._has_closed(session_id))

    def _has_closed(self, session_id: str) -> bool:
        is_listed = self._is_placed_by_registry(session_id)
        return not is_listed and self._sessions[session_id].timeline.turn.is_pane_closed

    def _is_placed_by_registry(self, session_id: str) -> bool:
        listed = self._witnesses.of_session(session_id)
        return listed is not None and listed.entry.pane_id is not None

    def _place(self, session_id: str) -> tuple[str | None, int | None]:
        """A session's pane, and the pid of its tmux server: where its process is, else as hooks said, else was."""
        session = self._sessions[session_id]
        turn = session.timeline.turn
        if turn.pane_id is None or self._is_placed_by_registry(session_id):
            return session.pane_id, session.tmux_pid
        return turn.pane_id, turn.tmux_pid
