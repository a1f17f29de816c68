"""Why a pane's status is what it is. Pure."""

from services.contract.answers import Bound, Explanation
from services.contract.entities import Claim
from services.core.fusion import hook_sign
from services.core.panes import TmuxState
from services.core.sessions import Sessions
from services.core.sign import claim_of


def explain(pane_id: str, tmux: TmuxState, sessions: Sessions) -> Explanation:
    """All that bears on the status of a pane that tmux shows."""
    session_id, status = sessions.status_in(pane_id)
    shown = None if session_id is None else sessions.known[session_id]
    return Explanation(
        pane_id=pane_id,
        agent=tmux.panes[pane_id].agent,
        session_id=session_id,
        status=status,
        claims=_claims(pane_id, session_id, sessions),
        review_at=None if shown is None else shown.verdict.review_at,
        last_hook_at=None if shown is None or not shown.events else shown.last_event_at,
        sessions=tuple(_bound(one, session_id, sessions) for one in sessions.bindings.sessions_of(pane_id)),
        transitions=() if shown is None else shown.transitions[::-1],
    )


def _claims(pane_id: str, session_id: str | None, sessions: Sessions) -> tuple[Claim, ...]:
    screen = sessions.witnesses.screen_of(pane_id)
    if session_id is None:
        return () if screen is None else (claim_of(screen),)
    shown, listed = sessions.known[session_id], sessions.witnesses.of_session(session_id)
    signs = (
        hook_sign(shown.timeline.turn),
        None if listed is None else listed.sign,
        screen,
        None if listed is not None else shown.gone,
    )
    return tuple(claim_of(sign) for sign in signs if sign is not None)


def _bound(session_id: str, shown: str | None, sessions: Sessions) -> Bound:
    session, listed = sessions.known[session_id], sessions.witnesses.of_session(session_id)
    return Bound(
        session_id=session_id,
        status=session.verdict.status.name,
        is_shown=session_id == shown,
        by="hook" if listed is None or listed.entry.pane_id is None else "registry",
        pid=session.pid if listed is None else listed.entry.pid,
    )
