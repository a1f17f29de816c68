import pytest

from services.contract.entities import Claim, Confidence, StatusName, WaitingFor
from services.core.sign import claim_of, gone_sign, registry_sign, screen_sign
from tests.unit.core.making import entry, reading


@pytest.mark.parametrize(
    ("status", "waiting_for", "says", "asks"),
    [
        ("busy", None, StatusName.WORKING, None),
        ("idle", None, StatusName.IDLE, None),
        ("shell", None, StatusName.IDLE, None),
        ("waiting", "permission prompt", StatusName.WAITING, WaitingFor.PERMISSION),
        ("waiting", "input needed", StatusName.WAITING, WaitingFor.QUESTION),
        ("waiting", "dialog open", StatusName.WAITING, WaitingFor.INPUT),
        ("waiting", "goal proposal", StatusName.WAITING, WaitingFor.PLAN),
        ("waiting", "a word of next year", StatusName.WAITING, WaitingFor.INPUT),
        ("waiting", None, StatusName.WAITING, WaitingFor.INPUT),
    ],
    ids=repr,
)
def test_what_the_registry_says(
    status: str, waiting_for: str | None, says: StatusName, asks: WaitingFor | None
) -> None:
    sign = registry_sign(entry(status, 7, waiting_for=waiting_for), "e1", 8)

    assert sign is not None
    assert (sign.says, sign.waiting_for, sign.at, sign.event_id) == (says, asks, 7, "e1")


@pytest.mark.parametrize("status", [None, "", "dreaming"], ids=repr)
def test_a_status_that_is_not_known_says_nothing(status: str | None) -> None:
    assert registry_sign(entry(status), "e1", 8) is None


def test_a_time_after_its_reading_is_a_wrong_clock() -> None:
    sign = registry_sign(entry("busy", 9_999), "e1", 8)

    assert sign is not None
    assert sign.at == 8


def test_what_a_screen_says() -> None:
    seen = reading(
        StatusName.WAITING, 5, waiting_for=WaitingFor.QUESTION, question="Which?", options=("A", "B"), rule="claude/q"
    )

    sign = screen_sign(seen, "e1")

    assert sign is not None
    assert (sign.source, sign.rule, sign.at, sign.is_strong) == ("screen", "claude/q", 5, True)
    assert (sign.waiting_for, sign.question, sign.options) == (WaitingFor.QUESTION, "Which?", ("A", "B"))
    weak = screen_sign(reading(StatusName.IDLE, confidence=Confidence.WEAK), "e1")
    assert weak is not None
    assert not weak.is_strong
    bare = screen_sign(reading(StatusName.WAITING), "e1")
    assert bare is not None
    assert bare.waiting_for is WaitingFor.INPUT
    assert screen_sign(reading(StatusName.UNKNOWN), "e1") is None


def test_a_claim_is_the_sign_without_how_it_was_kept() -> None:
    gone = gone_sign("process", "agent left the pane", 5, "e1")

    assert claim_of(gone) == Claim(source="process", rule="agent left the pane", says=StatusName.ENDED, at=5)
