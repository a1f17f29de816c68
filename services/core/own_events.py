"""The events that core makes itself: changes of tmux, and what a person dismissed. Pure."""

from typing import Final

import msgspec

from services.contract.events import NewEvent, Source

REPORT: Final = "TmuxReport"
DISMISSED: Final = "Dismissed"
"""A person has seen a pane, and how its session's turn ended."""


def new_tmux_event(event_id: str, at: int, payload: bytes) -> NewEvent:
    """The event that keeps a change of tmux."""
    return NewEvent(id=event_id, name=REPORT, received_at=at, payload=payload, source=Source.TMUX)


def new_dismissal(action_id: str, who: str, session_id: str, pane_id: str, *, at: int, session_at: int) -> NewEvent:
    """The event that keeps a dismissal; one action is one event. `session_at` is its time by the session's clock."""
    payload = {"hook_event_name": DISMISSED, "session_id": session_id, "by": who}
    return NewEvent(
        id=f"dismiss-{action_id}",
        name=DISMISSED,
        received_at=at,
        sent_at=session_at,
        payload=msgspec.json.encode(payload),
        source=Source.API,
        session_id=session_id,
        pane_id=pane_id,
    )
