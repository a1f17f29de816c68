"""How far the sources of statuses can be relied on just now, in figures for `/health`. Pure."""

from typing import Final

from services.contract.entities import Status, StatusName
from services.core.panes import TmuxState
from services.core.session_state import SessionState
from services.core.sessions import Sessions

SILENT_MS: Final = 10_000
"""A turn that goes on for this long without any hook has none: they are not installed, switched off, or lost."""


def doubts(sessions: Sessions, tmux: TmuxState, now: int) -> dict[str, int]:
    """Counters end in `_total`; the others are how many there are now."""
    live = [(id_, one) for id_, one in sessions.known.items() if one.verdict.status.name is not StatusName.ENDED]
    return {
        "corrections_total": sessions.corrections,
        "disputed_sessions": sum(bool(one.verdict.status.disputed_by) for _, one in live),
        "hooks_silent_panes": sum(_is_silent(pane_id, sessions, now) for pane_id in tmux.panes),
        "sessions_without_process": sum(not _has_process(id_, sessions) for id_, _ in live),
    }


def _is_silent(pane_id: str, sessions: Sessions, now: int) -> bool:
    """Whether a pane's agent works, by another source than its hooks, and these say nothing."""
    session_id, status = sessions.status_in(pane_id)
    if status is None or not _works_unheard(status, now):
        return False
    session: SessionState | None = None if session_id is None else sessions.known[session_id]
    return session is None or session.events == 0 or session.timeline.turn.told_at <= status.since


def _works_unheard(status: Status, now: int) -> bool:
    is_told = status.evidence is None or status.evidence.source == "hook"
    return status.name is StatusName.WORKING and not is_told and now - status.since >= SILENT_MS


def _has_process(session_id: str, sessions: Sessions) -> bool:
    pane_id = sessions.bindings.pane_of(session_id)
    is_listed = sessions.witnesses.of_session(session_id) is not None
    return is_listed or (pane_id is not None and sessions.bindings.agent_of(pane_id) is not None)
