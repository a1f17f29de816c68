import pytest

from services.poller.layout import MAX_PANES, NoRoomError, Split, choose_split


def test_a_wide_pane_is_halved_side_by_side() -> None:
    assert choose_split("b25d,160x48,0,0,0") == Split("%0", is_side_by_side=True)


def test_a_high_pane_is_halved_one_above_the_other() -> None:
    assert choose_split("b25d,90x60,0,0,7") == Split("%7", is_side_by_side=False)


def test_the_largest_pane_is_the_one_that_is_halved() -> None:
    layout = "cafe,200x50,0,0{100x50,0,0,1,99x50,101,0[99x20,101,0,2,99x29,101,21,3]}"

    assert choose_split(layout) == Split("%1", is_side_by_side=True)


def test_a_pane_too_low_to_be_halved_that_way_is_halved_the_other() -> None:
    assert choose_split("b25d,100x16,0,0,0") == Split("%0", is_side_by_side=True)
    assert choose_split("b25d,80x30,0,0,0") == Split("%0", is_side_by_side=False)


def test_one_too_small_for_two_is_left_whole() -> None:
    with pytest.raises(NoRoomError, match="halved"):
        choose_split("b25d,80x16,0,0,0")


def test_a_window_of_many_panes_takes_no_more() -> None:
    leaves = ",".join(f"200x50,0,{number},{number}" for number in range(MAX_PANES))

    with pytest.raises(NoRoomError, match=f"{MAX_PANES} panes"):
        choose_split(f"cafe,200x900,0,0[{leaves}]")
