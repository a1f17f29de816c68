"""What work earns. Pure.

One rule so far: a tool call that succeeded earns one XP, once for each `(session_id, tool_use_id)`.
"""

from typing import Final

from services.contract.entities import XpAward
from services.contract.events import NewEvent
from services.core.facts import Fact

TOOL_XP: Final = 1


def award_of(seq: int, event: NewEvent, fact: Fact) -> XpAward | None:
    """The award that an event earns, if none with its key was given before."""
    if event.name != "PostToolUse" or fact.tool_use_id is None or event.session_id is None:
        return None
    return XpAward(
        key=f"tool:{event.session_id}:{fact.tool_use_id}",
        seq=seq,
        session_id=event.session_id,
        amount=TOOL_XP,
        reason=f"tool:{fact.tool_name or ''}",
        at=fact.at,
    )
