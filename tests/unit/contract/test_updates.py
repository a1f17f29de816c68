import pytest

from services.contract.updates import BY_TYPE, MESSAGES, Message, PaneRemoved, Priority, SessionRemoved, Synced, Windows
from tests.unit.contract.samples import all_subclasses

HIGH = {
    "connected",
    "pane_update",
    "pane_removed",
    "attention",
    "error",
    "draining",
    "synced",
    "pong",
    "cursor",
    "lagged",
}
LOW = {"event"}


def test_every_message_class_is_in_the_catalogue() -> None:
    assert set(all_subclasses(Message)) == set(MESSAGES)


def test_no_two_messages_share_a_type() -> None:
    assert len({message.type for message in MESSAGES}) == len(MESSAGES) == len(BY_TYPE)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.type)
def test_every_message_has_the_priority_that_the_design_gives_it(message: type[Message]) -> None:
    expected = Priority.HIGH if message.type in HIGH else Priority.LOW if message.type in LOW else Priority.NORMAL

    assert message.priority is expected


def test_a_message_about_one_thing_is_keyed_by_it() -> None:
    assert PaneRemoved(pane_id="%7").key == "%7"
    assert SessionRemoved(session_id="s").key == "s"


def test_the_list_of_windows_is_one_thing() -> None:
    assert Windows(windows=()).key == ""


def test_a_message_that_counts_for_itself_has_no_key() -> None:
    assert Synced(epoch="e", seq=1, cursor="c").key is None


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.type)
def test_no_message_has_a_field_that_hides_its_type(message: type[Message]) -> None:
    assert not {"type", "priority", "key"} & set(message.__struct_fields__)
