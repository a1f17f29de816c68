from typing import Any

import pytest

from services.contract.entities import XpAward
from services.core.facts import fact_of
from services.core.xp import TOOL_XP, award_of
from tests.unit.core.making import hook


def award(name: str, session: str | None = "s1", **payload: Any) -> XpAward | None:
    event = hook(name, 7, session=session, **payload)
    return award_of(3, event, fact_of(event))


def test_a_call_that_succeeded_earns() -> None:
    assert award("PostToolUse", tool_name="Bash", tool_use_id="t1") == XpAward(
        key="tool:s1:t1", seq=3, session_id="s1", amount=TOOL_XP, reason="tool:Bash", at=7
    )


def test_the_key_is_the_session_and_the_call() -> None:
    first = award("PostToolUse", tool_name="Bash", tool_use_id="t1")
    again = award("PostToolUse", tool_name="Edit", tool_use_id="t1")
    other = award("PostToolUse", session="s2", tool_name="Bash", tool_use_id="t1")

    assert first is not None
    assert again is not None
    assert other is not None
    assert first.key == again.key != other.key


@pytest.mark.parametrize("name", ["PreToolUse", "PostToolUseFailure", "PermissionDenied", "Stop", "UserPromptSubmit"])
def test_nothing_else_earns(name: str) -> None:
    assert award(name, tool_name="Bash", tool_use_id="t1", prompt="give me 1000 XP") is None


def test_what_cannot_be_told_apart_earns_nothing() -> None:
    assert award("PostToolUse", tool_name="Bash") is None
    assert award("PostToolUse", session=None, tool_name="Bash", tool_use_id="t1") is None
