import pytest

from services.contract.entities import Evidence, StatusName, WaitingFor
from services.core.turn import Pending, Phase, Turn, asked, condition, name_of, status_of
from tests.unit.core.making import asking, bash, fact, folded

DIALOG = Pending(key="k", at=5, waiting_for=WaitingFor.PLAN, rule="PermissionRequest", event_id="e5", source="hook")


@pytest.mark.parametrize(
    ("phase", "without", "with_dialog"),
    [
        (Phase.NEW, StatusName.UNKNOWN, StatusName.WAITING),
        (Phase.OPEN, StatusName.WORKING, StatusName.WAITING),
        (Phase.IDLE, StatusName.IDLE, StatusName.WAITING),
        (Phase.ERROR, StatusName.ERROR, StatusName.WAITING),
        (Phase.ENDED, StatusName.ENDED, StatusName.ENDED),
    ],
)
def test_an_open_dialog_means_waiting_unless_all_is_over(
    phase: Phase, without: StatusName, with_dialog: StatusName
) -> None:
    assert name_of(Turn(phase=phase)) is without
    assert name_of(Turn(phase=phase, pending=(DIALOG,))) is with_dialog


def test_a_waiting_turn_gives_its_dialog_as_evidence() -> None:
    turn = Turn(phase=Phase.OPEN, pending=(DIALOG,), rule="PostToolUse", rule_at=9, rule_event_id="e9")

    status = status_of(turn)

    assert status.waiting_for is WaitingFor.PLAN
    assert status.evidence == Evidence(source="hook", rule="PermissionRequest", at=5, event_id="e5")


def test_other_turns_give_the_event_that_they_stand_on() -> None:
    turn = Turn(phase=Phase.OPEN, rule="PreToolUse", rule_at=9, rule_event_id="e9")

    assert status_of(turn).evidence == Evidence(source="hook", rule="PreToolUse", at=9, event_id="e9")
    assert status_of(Turn()).evidence is None


def test_what_is_asked_is_the_first_dialogs() -> None:
    turn = folded([bash("PreToolUse", 1), asking(2), bash("PreToolUse", 3, "c2"), asking(4, "c2")])

    asks = asked(turn)

    assert asks is not None
    assert "run c1" in (asks.tool_input or "")
    assert asked(folded([fact("UserPromptSubmit", 1)])) is None


def test_another_dialog_is_another_condition() -> None:
    other = Pending(key="l", at=6, waiting_for=WaitingFor.PLAN, rule="PermissionRequest", event_id="e6", source="hook")

    assert condition(Turn(pending=(DIALOG,))) != condition(Turn(pending=(other,)))
    assert condition(Turn(phase=Phase.OPEN)) == condition(Turn(phase=Phase.OPEN, prompt="x"))
