from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import msgpack, structs

from services.contract.entities import Agent
from services.contract.requests import ReportTmux
from services.core.panes import TmuxChange, TmuxState, apply_change, change_between, has_moved, view_of
from tests.unit.core.making import OTHER_SERVER, SERVER, changes, pane, report, window


def whole(seen: ReportTmux) -> TmuxState:
    """tmux as a whole report shows it."""
    return view_of(TmuxState(), seen)


def after(*reports: ReportTmux) -> TmuxState:
    """tmux as the log has it after reports."""
    state = TmuxState()
    for seen in reports:
        change = change_between(state, whole(seen))
        state = state if change is None else apply_change(state, change)
    return state


def change(before: ReportTmux, now: ReportTmux) -> TmuxChange | None:
    return change_between(after(before), whole(now))


def test_the_first_report_opens_everything() -> None:
    seen = report(pane("%1"), pane("%2", index=1))

    first = change_between(TmuxState(), whole(seen))

    assert first is not None
    assert first.is_new_server
    assert first.opened == seen.panes
    assert first.closed == ()
    assert after(seen) == whole(seen)


def test_the_same_report_again_is_no_change() -> None:
    seen = report(pane("%1"))

    assert change(seen, seen) is None
    assert change_between(TmuxState(), whole(report(server=None))) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"title": "x"},
        {"command": "vim"},
        {"active": False},
        {"width": 81},
        {"height": 25},
        {"activity_at": 10_000},
    ],
    ids=str,
)
def test_what_changes_all_the_time_is_no_event(fields: dict[str, Any]) -> None:
    assert change(report(pane("%1")), report(pane("%1", **fields))) is None


@pytest.mark.parametrize(
    "fields",
    [{"cwd": "/x"}, {"pid": 7}, {"dead": True}, {"index": 3}, {"agent": Agent(name="claude", pid=7)}],
    ids=str,
)
def test_a_pane_that_lasts_and_differs_is_a_change(fields: dict[str, Any]) -> None:
    moved = pane("%1", **fields)

    found = change(report(pane("%1")), report(moved))

    assert found is not None
    assert (found.opened, found.closed, found.changed, found.windows) == ((), (), (moved,), None)


def test_a_window_with_another_name_is_a_change_and_its_layout_is_none() -> None:
    one = pane("%1")
    before = report(one, windows=[window()])

    assert change(before, report(one, windows=[window(layout="other", active=False)])) is None
    renamed = change(before, report(one, windows=[window(name="other")]))
    assert renamed is not None
    assert renamed.windows == (window(name="other"),)


def test_panes_that_came_and_went() -> None:
    found = change(report(pane("%1"), pane("%2")), report(pane("%2"), pane("%3")))

    assert found is not None
    assert found.closed == ("%1",)
    assert [opened.id for opened in found.opened] == ["%3"]


def test_another_life_of_the_server_has_other_panes() -> None:
    found = change(report(pane("%1")), report(pane("%1"), server=OTHER_SERVER))

    assert found is not None
    assert found.is_new_server
    assert found.closed == ("%1",)
    assert [opened.id for opened in found.opened] == ["%1"]


def test_a_server_that_went_closes_everything() -> None:
    seen = report(pane("%1"))
    gone = report(server=None)

    assert after(seen, gone) == TmuxState()
    assert change(gone, seen) is not None


def test_panes_stay_in_the_order_of_tmux() -> None:
    first = report(pane("%1", "@0"), pane("%2", "@1"))
    split = report(pane("%1", "@0"), pane("%3", "@0", 1), pane("%2", "@1"))
    swapped = report(pane("%3", "@0", 0), pane("%1", "@0", 1), pane("%2", "@1"))

    assert list(after(first, split).panes) == ["%1", "%3", "%2"]
    assert list(after(first, split, swapped).panes) == ["%3", "%1", "%2"]


def test_a_pane_elsewhere_has_moved() -> None:
    assert has_moved(pane("%1"), pane("%1", index=1))
    assert has_moved(pane("%1"), pane("%1", "@7"))
    assert has_moved(None, pane("%1"))
    assert not has_moved(pane("%1"), pane("%1", cwd="/x"))


SEEN = st.builds(
    lambda ids, where, server: report(
        *(pane(pane_id, f"@{where}", n, cwd=f"/{where}") for n, pane_id in enumerate(ids)), server=server
    ),
    st.lists(st.sampled_from(["%1", "%2", "%3"]), unique=True, max_size=3),
    st.integers(0, 2),
    st.sampled_from([SERVER, OTHER_SERVER, None]),
)


@settings(max_examples=40)
@given(st.lists(SEEN, max_size=6))
def test_the_changes_lead_to_what_is_seen(reports: list[ReportTmux]) -> None:
    state = TmuxState()
    for seen in reports:
        found = change_between(state, whole(seen))
        if found is not None:
            state = apply_change(state, msgpack.decode(msgpack.encode(found), type=TmuxChange))
        assert state == whole(seen)
        assert change_between(state, whole(seen)) is None


def test_a_change_of_nothing_changes_nothing() -> None:
    state = after(report(pane("%1")))

    assert apply_change(state, TmuxChange(server=SERVER)) == state
    assert structs.replace(state, windows=()) != state


# Reports of changes only.


def test_changes_are_put_into_what_was_seen() -> None:
    before = report(pane("%1"), pane("%2", index=1), pane("%3", index=2))
    title = pane("%2", index=1, title="new")

    now = view_of(whole(before), structs.replace(report(title), windows=None, gone=("%3", "%9"), after=0))

    assert now == whole(report(pane("%1"), title, windows=before.windows))


def test_a_new_pane_takes_its_place_in_the_order_of_tmux() -> None:
    windows = [window("@1"), window("@0", index=1)]
    before = report(pane("%1", "@0"), pane("%2", "@1"), windows=windows)
    new = structs.replace(report(pane("%3", "@1", index=1), pane("%1", "@0", cwd="/x")), windows=None, after=0)

    assert list(view_of(whole(before), new).panes) == ["%2", "%3", "%1"]


def test_windows_that_move_take_their_panes_along() -> None:
    before = report(pane("%1", "@0"), pane("%2", "@1"))
    moved = structs.replace(report(windows=[window("@1"), window("@0")]), after=0)

    now = view_of(whole(before), moved)

    assert [shown.id for shown in now.windows] == ["@1", "@0"]
    assert list(now.panes) == ["%2", "%1"]


def test_a_pane_that_went_and_came_is_there() -> None:
    before = report(pane("%1"))

    now = view_of(whole(before), structs.replace(report(pane("%1", pid=7)), windows=None, gone=("%1",), after=0))

    assert now.panes["%1"].pid == 7


def test_a_whole_report_does_not_ask_what_was_seen() -> None:
    before = whole(report(pane("%1")))

    assert view_of(before, report(pane("%2"))) == whole(report(pane("%2")))


@settings(max_examples=60)
@given(st.lists(SEEN, min_size=1, max_size=6))
def test_a_whole_report_and_changes_show_what_whole_reports_show(reports: list[ReportTmux]) -> None:
    view = whole(reports[0])
    for before, now in pairwise(reports):
        view = view_of(view, changes(before, now)) if before.server == now.server else whole(now)

        assert view == whole(now)
        assert list(view.panes) == list(whole(now).panes)
