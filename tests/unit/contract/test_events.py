import pytest

from services.contract.events import EVENT_ID, HOOK_NAMES, NAME, PANE_ID, NewEvent


def event(*, sent_at: int | None) -> NewEvent:
    return NewEvent(id="e", name="Stop", received_at=20, payload=b"{}", sent_at=sent_at)


def test_the_senders_clock_orders_an_event_when_there_is_one() -> None:
    assert event(sent_at=10).at == 10
    assert event(sent_at=0).at == 0


def test_the_time_of_arrival_orders_an_event_without_a_senders_clock() -> None:
    assert event(sent_at=None).at == 20


def test_every_hook_name_is_a_valid_event_name() -> None:
    assert len(HOOK_NAMES) == 33
    assert all(NAME.fullmatch(name) for name in HOOK_NAMES)


@pytest.mark.parametrize("text", ["%", "%a", "3", "%1;kill-server", "%1\n", "%1234567890", "%-1"])
def test_what_is_no_pane_id_is_refused(text: str) -> None:
    assert PANE_ID.fullmatch("%0")
    assert not PANE_ID.fullmatch(text)


@pytest.mark.parametrize("text", ["", "a b", "a\n", "é", "x" * 129])
def test_what_is_no_event_id_is_refused(text: str) -> None:
    assert EVENT_ID.fullmatch("x" * 128)
    assert not EVENT_ID.fullmatch(text)
