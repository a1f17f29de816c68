from hypothesis import given
from hypothesis import strategies as st

from services.core.looks import LOOK_EVERY_S, Looks
from tests.unit.core.making import hook

SHOWN = {"%1", "%2"}.__contains__


def happen(looks: Looks, *panes: str | None) -> None:
    looks.want([hook("PreToolUse", pane=pane) for pane in panes])


def test_panes_of_events_are_looked_at_once_and_at_once() -> None:
    looks = Looks()
    happen(looks, "%2", "%1", "%2", None)

    assert looks.take(100.0, SHOWN) == ("%1", "%2")
    assert looks.take(200.0, SHOWN) == ()
    assert looks.due_at() is None


def test_a_pane_that_is_not_shown_is_dropped() -> None:
    looks = Looks()
    happen(looks, "%9")

    assert looks.take(100.0, SHOWN) == ()
    assert looks.due_at() is None


def test_a_second_look_waits_and_is_not_lost() -> None:
    looks = Looks()
    happen(looks, "%1")
    looks.take(100.0, SHOWN)
    happen(looks, "%1", "%2")

    assert looks.take(100.0, SHOWN) == ("%2",)
    assert looks.due_at() == 100.0 + LOOK_EVERY_S
    assert looks.take(100.0 + LOOK_EVERY_S / 2, SHOWN) == ()
    assert looks.take(100.0 + LOOK_EVERY_S, SHOWN) == ("%1",)


def test_nothing_is_remembered_of_what_is_over() -> None:
    looks = Looks()
    happen(looks, "%1")
    looks.take(100.0, SHOWN)
    happen(looks, "%2")
    looks.take(100.0 + LOOK_EVERY_S, SHOWN)

    assert set(looks._looked_at) == {"%2"}


@given(st.lists(st.tuples(st.sampled_from(["%1", "%2"]), st.integers(0, 30)), max_size=40))
def test_no_pane_is_looked_at_too_often_and_each_after_its_last_event(steps: list[tuple[str, int]]) -> None:
    looks, now = Looks(), 100.0
    happened: dict[str, float] = {}
    looked: dict[str, list[float]] = {"%1": [], "%2": []}
    for pane, pause_ms in steps:
        now += pause_ms / 1000
        happen(looks, pane)
        happened[pane] = now
        for seen in looks.take(now, SHOWN):
            looked[seen].append(now)
    while (due_at := looks.due_at()) is not None:
        now = max(now, due_at)
        for seen in looks.take(now, SHOWN):
            looked[seen].append(now)

    for pane, at in happened.items():
        assert looked[pane][-1] >= at
        assert all(b - a >= LOOK_EVERY_S - 1e-9 for a, b in zip(looked[pane], looked[pane][1:], strict=False))
