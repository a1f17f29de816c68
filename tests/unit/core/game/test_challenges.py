import random
from importlib.resources import files
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contract.game import Challenge
from services.core.game.calendar import DAYS_A_WEEK, Calendar, week_of
from services.core.game.challenges import DAILY, WEEKLY, Challenges, Task
from services.core.game.deeds import DeedKind
from services.core.game.personas import new_persona
from services.core.game.rule_file import RuleFileError
from tests.unit.core.game.life import DAY, HISTORIES, HOUR, MINUTE, NOON, Life, moment

OURS: Final = (files("services.core.game") / "challenges.toml").read_text(encoding="utf-8")
ALL: Final = Challenges.load(OURS)
ONE: Final = """
[[challenge]]
id = "one"
title = "Do one"
period = "daily"
measure = "edits"
goal = 1
"""


def written(*tasks: tuple[str, str, int]) -> Challenges:
    """Challenges of a period, measure and goal each."""
    tables = (
        f'[[challenge]]\nid = "c{n}"\ntitle = "T"\nperiod = "{period}"\nmeasure = "{measure}"\ngoal = {goal}\n'
        for n, (period, measure, goal) in enumerate(tasks)
    )
    return Challenges.load("".join(tables))


FEW: Final = written(
    *(("daily", "edits", 2), ("daily", "worked_minutes", 30), ("daily", "quests", 1)),
    *(("weekly", "tools", 3), ("weekly", "turns", 2)),
)
"""As few as there may be: everybody has all of them."""


def progress(life: Life, at: int | None = None) -> dict[str, int]:
    """How far a persona is with each of the few, as one asks at a time."""
    day = life.calendar.day_of(life.now if at is None else at)
    return {one.id: one.progress for one in FEW.of(life.state, day, life.calendar)}


def ids_of(challenges: tuple[Challenge, ...], period: str) -> list[str]:
    return [one.id for one in challenges if one.period == period]


# Which.


@given(st.text(max_size=12), st.integers(1, 3_000_000))
def test_a_persona_has_three_of_the_day_and_two_of_the_week_of_different_measures(persona_id: str, day: int) -> None:
    state, calendar = new_persona(persona_id, "Amber Falcon", 0), Calendar("UTC")
    found = ALL.of(state, day, calendar)

    assert [one.period for one in found] == ["daily"] * DAILY + ["weekly"] * WEEKLY
    measure_of = {task.id: (task.period, task.measure) for task in (*ALL.daily, *ALL.weekly)}
    assert len({measure_of[one.id] for one in found}) == DAILY + WEEKLY
    assert found == ALL.of(state, day, calendar)


@given(st.integers(0, 10**9))
def test_which_they_are_does_not_depend_on_the_order_of_the_file(seed: int) -> None:
    daily, weekly = list(ALL.daily), list(ALL.weekly)
    random.Random(seed).shuffle(daily)  # noqa: S311
    random.Random(seed).shuffle(weekly)  # noqa: S311
    state, calendar = new_persona(f"p{seed}", "Amber Falcon", 0), Calendar("UTC")

    assert Challenges(tuple(daily), tuple(weekly)).of(state, 20_000, calendar) == ALL.of(state, 20_000, calendar)


def test_those_of_a_week_stay_for_the_week_and_those_of_a_day_change() -> None:
    life = Life()
    monday = week_of(life.calendar.day_of(NOON))
    found = [ALL.of(life.state, monday + n, life.calendar) for n in range(5 * DAYS_A_WEEK)]

    weekly = [ids_of(one, "weekly") for one in found]
    assert all(weekly[n] == weekly[n - n % DAYS_A_WEEK] for n in range(len(weekly)))
    assert len({tuple(ids) for ids in weekly}) > 2
    assert len({tuple(ids_of(one, "daily")) for one in found}) > 20


def test_personas_have_challenges_of_their_own_and_each_one_has_its_turn() -> None:
    calendar = Calendar("UTC")
    found = [ALL.of(new_persona(f"p{n}", "Amber Falcon", 0), 20_000, calendar) for n in range(200)]

    assert len({tuple(one.id for one in some) for some in found}) > 100
    assert {one.id for some in found for one in some} == {task.id for task in (*ALL.daily, *ALL.weekly)}


def test_they_stay_over_releases() -> None:
    found = ALL.of(new_persona("p1", "Amber Falcon", 0), 20_000, Calendar("UTC"))

    assert [one.id for one in found] == [
        *("daily-tasks-3", "daily-commits-1", "daily-edits-10"),
        *("weekly-edits-100", "weekly-tools-300"),
    ]


# How far.


def test_deeds_bring_a_challenge_on_until_it_is_done_once() -> None:
    life = Life()
    told: list[tuple[int, bool]] = []
    for _ in range(4):
        edits = next(one for one in FEW.of(life.state, life.calendar.day_of(life.now), life.calendar) if one.id == "c0")
        told.append((edits.progress, edits.is_done))
        life.do(DeedKind.EDIT)

    assert told == [(0, False), (1, False), (2, True), (2, True)]


def test_failures_bring_nothing_on_and_time_counts_in_full_minutes() -> None:
    life = Life()
    life.do(DeedKind.FAILED_TOOL, times=9)
    life.do(DeedKind.PROMPT)
    life.do(DeedKind.FAILED_TURN, life.now + 2 * MINUTE - 1)
    life.complete_quest()

    assert progress(life) == {"c0": 0, "c1": 1, "c2": 1, "c3": 0, "c4": 0}


def test_what_is_of_yesterday_or_of_last_week_does_not_count() -> None:
    life = Life(moment("2026-03-08 23:59"))
    life.do(DeedKind.EDIT)
    life.do(DeedKind.TOOL)
    assert progress(life) == {"c0": 1, "c1": 0, "c2": 0, "c3": 1, "c4": 0}
    assert set(progress(life, life.now + MINUTE).values()) == {0}

    life.do(DeedKind.TOOL, life.now + MINUTE)
    assert progress(life) == {"c0": 0, "c1": 0, "c2": 0, "c3": 1, "c4": 0}


@given(st.lists(st.sampled_from(DeedKind), max_size=80), st.text(max_size=5))
def test_progress_never_goes_back_within_a_day(kinds: list[DeedKind], persona_id: str) -> None:
    life = Life()
    life.state.id = persona_id
    day = life.calendar.day_of(NOON)
    before = ALL.of(life.state, day, life.calendar)
    for kind in kinds:
        life.do(kind, life.now + 5 * MINUTE)
        after = ALL.of(life.state, day, life.calendar)
        for one, other in zip(before, after, strict=True):
            assert 0 <= one.progress <= other.progress <= other.goal
            assert one.is_done <= other.is_done == (other.progress == other.goal)
        before = after


@pytest.mark.parametrize("task", [*ALL.daily, *ALL.weekly], ids=lambda task: task.id)
def test_every_challenge_is_done_by_its_deeds_and_not_before(task: Task) -> None:
    alone = Challenges((task,), ()) if task.period == "daily" else Challenges((), (task,))
    for number, is_done in ((task.goal - 1, False), (task.goal, True)):
        life = Life()
        HISTORIES[task.measure](life, number)
        (found,) = alone.of(life.state, life.calendar.day_of(life.now), life.calendar)

        assert (found.progress, found.is_done) == (number, is_done)


# Until when.

BERLIN: Final = "Europe/Berlin"


@pytest.mark.parametrize(
    ("when", "zone", "day_end", "week_end"),
    [
        ("2026-03-04 12:00", BERLIN, "2026-03-05 00:00", "2026-03-09 00:00"),
        ("2026-03-29 00:30", BERLIN, "2026-03-30 00:00", "2026-03-30 00:00"),  # Of 23 hours.
        ("2026-03-23 00:00", BERLIN, "2026-03-24 00:00", "2026-03-30 00:00"),
        ("2026-10-25 02:30", BERLIN, "2026-10-26 00:00", "2026-10-26 00:00"),  # Of 25 hours.
        ("2026-12-31 23:59", BERLIN, "2027-01-01 00:00", "2027-01-04 00:00"),  # In 2026-W53.
        ("2027-01-01 00:00", BERLIN, "2027-01-02 00:00", "2027-01-04 00:00"),
        ("2027-01-03 23:59", BERLIN, "2027-01-04 00:00", "2027-01-04 00:00"),
        ("2027-01-04 00:00", BERLIN, "2027-01-05 00:00", "2027-01-11 00:00"),
        ("2026-03-08 12:00", "America/New_York", "2026-03-09 00:00", "2026-03-09 00:00"),
        ("2026-09-05 12:00", "America/Santiago", "2026-09-06 01:00", "2026-09-07 00:00"),  # Without a midnight.
        ("2026-03-04 00:00", "Asia/Kathmandu", "2026-03-05 00:00", "2026-03-09 00:00"),
    ],
)
def test_they_end_at_local_midnight(when: str, zone: str, day_end: str, week_end: str) -> None:
    life = Life(moment(when, zone), zone)
    found = FEW.of(life.state, life.calendar.day_of(life.now), life.calendar)

    assert {one.expires_at for one in found[:DAILY]} == {moment(day_end, zone)}
    assert {one.expires_at for one in found[DAILY:]} == {moment(week_end, zone)}


@pytest.mark.parametrize(("when", "hours"), [("2026-03-29 00:00", 23), ("2026-10-25 00:00", 25)])
def test_a_day_on_which_clocks_are_changed_is_as_long_as_it_is(when: str, hours: int) -> None:
    began = moment(when, BERLIN)
    life = Life(began, BERLIN)
    life.do(DeedKind.EDIT)
    life.do(DeedKind.EDIT, began + hours * HOUR - 1)
    assert progress(life)["c0"] == 2

    life.do(DeedKind.EDIT, began + hours * HOUR)
    assert progress(life)["c0"] == 1


def test_week_53_goes_on_over_new_year() -> None:
    life = Life(moment("2026-12-31 23:00", BERLIN), BERLIN)
    life.do(DeedKind.TOOL)
    life.do(DeedKind.TOOL, moment("2027-01-01 00:30", BERLIN))
    assert progress(life)["c3"] == 2

    assert progress(life, moment("2027-01-03 23:59", BERLIN))["c3"] == 2
    assert progress(life, moment("2027-01-04 00:00", BERLIN))["c3"] == 0


@given(
    st.integers(0, moment("2200-01-01 00:00")),
    st.sampled_from((BERLIN, "UTC", "America/St_Johns", "America/Santiago", "Pacific/Apia", "Africa/Casablanca")),
)
def test_they_are_asked_until_the_very_end_and_others_after_it(at: int, zone: str) -> None:
    life = Life(at, zone)
    day = life.calendar.day_of(at)
    found = ALL.of(life.state, day, life.calendar)
    day_end, week_end = found[0].expires_at, found[-1].expires_at

    assert at < day_end <= week_end <= at + DAYS_A_WEEK * DAY + 26 * HOUR
    assert life.calendar.day_of(day_end - 1) == day
    assert life.calendar.day_of(day_end) == day + 1
    assert week_of(life.calendar.day_of(week_end - 1)) == week_of(day)
    assert week_of(life.calendar.day_of(week_end)) == week_of(day) + DAYS_A_WEEK


# Faulty files.


def fault(text: str) -> str:
    with pytest.raises(RuleFileError) as caught:
        Challenges.load(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("goal = 1", "", "challenge one: Object missing required field `goal`"),
        ("goal = 1", "goal = 0", "challenge one: Expected `int` >= 1"),
        ("goal = 1", "goal = true", "challenge one: Expected `int`, got `bool`"),
        ("goal = 1", "goals = 1", "challenge one: "),
        ('period = "daily"', 'period = "yearly"', "challenge one: Invalid enum value 'yearly'"),
        ('measure = "edits"', 'measure = "naps"', "challenge one, measure: takes one of prompts, turns, tools, "),
        ('measure = "edits"', 'measure = "failed_tools"', "challenge one, measure: takes one of prompts, "),
        ('measure = "edits"', 'measure = "worked_ms"', "challenge one, measure: takes one of prompts, "),
        ('measure = "edits"', 'measure = "__class__"', "challenge one, measure: takes one of prompts, "),
        ('"Do one"', '""', "challenge one: Expected `str` of length >= 1"),
        ('"one"', '"One"', "challenge One: Expected `str` matching regex"),
        ('"one"', r'"one\n"', "challenge 1: Expected `str` matching regex"),
        ('"one"', '""', "challenge 1: Expected `str` matching regex"),
        ('id = "one"', "id = 1", "challenge 1: Expected `str`, got `int`"),
        ("[[challenge]]", "[[challenges]]", "there is to be nothing but [[challenge]] tables"),
        ("[[challenge]]", "[challenge]", "there is to be nothing but [[challenge]] tables"),
        ("[[challenge]]", "x = 1\n[[challenge]]", "there is to be nothing but [[challenge]] tables"),
        ("[[challenge]]", "[[challenge]", "this is no TOML: "),
    ],
    ids=repr,
)
def test_a_fault_is_told_with_its_challenge(before: str, after: str, message: str) -> None:
    assert Challenges.load(OURS + ONE)
    assert fault(ONE.replace(before, after)).startswith(message)


def test_two_challenges_are_told_apart_and_there_are_enough_of_different_measures() -> None:
    other = ONE.replace('id = "one"', 'id = "two"')

    assert fault(OURS + ONE + ONE) == "challenge one, id: takes one that no other challenge has"
    assert fault(ONE + other) == "daily challenges: there are to be 3 at least, of different measures"
    daily = "".join(other.replace("two", name).replace("edits", name) for name in ("edits", "tests", "turns"))
    assert fault(daily) == "weekly challenges: there are to be 2 at least, of different measures"


@pytest.mark.parametrize(
    "text",
    ["challenge = [1]", "challenge = 1", "", "x = 1", "a = " + "[" * 5_000, "a = " + "1" * 5_000, "\0"],
    ids=range(7),
)
def test_no_file_is_too_odd(text: str) -> None:
    assert fault(text)
