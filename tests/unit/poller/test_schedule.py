import pytest

from services.poller.schedule import (
    CHECK_S,
    HOOK_S,
    IDLE_S,
    SETTLE_S,
    UNHEARD_S,
    UNREGISTERED_IDLE_S,
    UNREGISTERED_WORKING_S,
    WATCHED_S,
    WORKING_S,
    Schedule,
)

NOW = 1_000.0
WALL = 1_800_000_000.5
QUIET = int(WALL) - 60
BUSY = int(WALL) + 1


def schedule(
    *,
    activity: int = QUIET,
    agents: tuple[str, ...] = (),
    watched: tuple[str, ...] = (),
    registered: tuple[str, ...] = ("%1",),
) -> Schedule:
    """Of one pane, `%1`, that has just been captured if it ever is."""
    made = Schedule()
    made.register(frozenset(registered))
    made.see({"%1": activity}, agents)
    made.attend(watched, ())
    made.captured(made.due(NOW), NOW, WALL)
    return made


def test_nobody_captures_a_shell() -> None:
    made = Schedule()
    made.see({"%1": BUSY}, [])

    assert made.due(NOW) == []
    assert made.next_due() == float("inf")


def test_an_agents_pane_is_captured_once_when_it_is_found() -> None:
    made = Schedule()
    made.see({"%1": QUIET, "%2": QUIET}, ["%2"])

    assert made.due(NOW) == ["%2"]
    made.captured(["%2"], NOW, WALL)
    assert made.due(NOW + 1_000) == []


def test_an_idle_agents_pane_is_captured_seldom_while_its_window_has_output() -> None:
    made = schedule(agents=("%1",), activity=BUSY)

    assert made.due(NOW + IDLE_S - 0.01) == []
    assert made.due(NOW + IDLE_S) == ["%1"]


def test_a_working_ones_is_captured_more_often() -> None:
    made = schedule(agents=("%1",), activity=BUSY)
    made.attend((), ("%1",))

    assert made.due(NOW + WORKING_S - 0.01) == []
    assert made.due(NOW + WORKING_S) == ["%1"]


def test_an_agent_that_no_registry_tells_of_is_looked_at_more_often() -> None:
    made = schedule(agents=("%1",), activity=BUSY, registered=())

    assert made.next_due() == NOW + UNREGISTERED_IDLE_S
    made.attend((), ("%1",))
    assert made.next_due() == NOW + UNREGISTERED_WORKING_S
    assert made.register(frozenset({"%1"}))
    assert made.next_due() == NOW + WORKING_S
    assert not made.register(frozenset({"%1"})), "that is no news"


def test_output_in_the_second_of_the_last_capture_may_have_come_after_it() -> None:
    made = schedule(agents=("%1",), activity=int(WALL))

    assert made.due(NOW + IDLE_S) == ["%1"]
    made.captured(["%1"], NOW + IDLE_S, WALL + IDLE_S)
    assert made.next_due() == float("inf")


def test_a_watched_pane_is_captured_soon_after_its_output() -> None:
    made = schedule(watched=("%1",))
    made.hear(["%1"])
    made.printed("%1", NOW + 1)

    assert made.due(NOW + 1) == []
    assert made.due(NOW + 1 + SETTLE_S) == ["%1"]


def test_one_that_prints_without_end_is_captured_at_a_bounded_pace() -> None:
    made = schedule(watched=("%1",))
    made.hear(["%1"])
    for step in range(100):
        made.printed("%1", NOW + step * 0.0001)

    assert made.due(NOW + WATCHED_S - 0.001) == []
    assert made.due(NOW + WATCHED_S) == ["%1"]
    made.captured(["%1"], NOW + WATCHED_S, WALL)
    assert made.next_due() == NOW + WATCHED_S + CHECK_S


def test_one_whose_output_is_not_told_is_looked_at_often() -> None:
    made = schedule(watched=("%1",))

    assert made.next_due() == NOW + UNHEARD_S
    made.hear(["%1"])
    assert made.next_due() == NOW + CHECK_S


def test_a_hook_has_its_pane_captured_twice_whatever_runs_in_it() -> None:
    made = schedule()
    made.happened(["%1"], NOW + 1)

    assert made.next_due() == pytest.approx(NOW + 1 + HOOK_S[0])
    made.captured(["%1"], NOW + 1 + HOOK_S[0], WALL)
    assert made.next_due() == pytest.approx(NOW + 1 + HOOK_S[1])
    made.captured(["%1"], NOW + 1 + HOOK_S[1], WALL)
    assert made.next_due() == float("inf")


def test_hooks_without_end_do_not_put_the_capture_off() -> None:
    made = schedule()
    for step in range(100):
        made.happened(["%1"], NOW + 1 + step * 0.01)

    assert made.next_due() <= NOW + 1 + HOOK_S[0]


def test_one_that_was_not_captured_after_all_is_due_again() -> None:
    made = schedule(agents=("%1",))
    made.missed(["%1", "%9"])

    assert made.due(NOW) == ["%1"]


def test_a_clock_that_is_set_back_does_not_hide_output() -> None:
    made = schedule(agents=("%1",))
    made.see({"%1": QUIET - 3_600}, ["%1"])

    assert made.due(NOW + IDLE_S) == ["%1"]


def test_watched_panes_come_first() -> None:
    made = Schedule()
    made.see({"%1": QUIET, "%2": QUIET, "%3": QUIET}, ["%1", "%2"])
    made.attend(["%3"], ["%2"])

    assert made.due(NOW) == ["%3", "%2", "%1"]


def test_a_pane_that_is_gone_is_forgotten_and_new_under_its_old_id() -> None:
    made = schedule(agents=("%1",))
    made.see({}, [])
    made.printed("%1", NOW)
    made.happened(["%1"], NOW)
    assert made.next_due() == float("inf")
    assert made.watched == frozenset()

    made.see({"%1": QUIET}, ["%1"])
    assert made.due(NOW) == ["%1"]


def test_everything_is_captured_again_for_somebody_who_has_nothing() -> None:
    made = schedule(agents=("%1",))
    made.forget_captures()

    assert made.due(NOW) == ["%1"]
