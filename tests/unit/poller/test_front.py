import pytest

from services.poller.front import panes_in_front


def test_the_pane_of_each_person_with_the_last_key_of_any() -> None:
    assert panes_in_front("%1 1700000000 0\n%2 1700000005 0\n%1 1700000009 0") == {"%1": 1700000009, "%2": 1700000005}


@pytest.mark.parametrize("output", ["", "%1 1700000000 1", "%1 x 0", "%1 1700000000", "no server running on /x"])
def test_a_program_and_what_is_no_client_is_nobody(output: str) -> None:
    assert panes_in_front(output) == {}
