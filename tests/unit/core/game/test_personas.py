from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contract.game import Persona, Statistics
from services.core.game.deeds import Deed, DeedKind
from services.core.game.levels import begins_at
from services.core.game.personas import (
    EVEN,
    FULL,
    LONGEST_TURN_MS,
    MAX_PROJECTS,
    MAX_TURNS,
    REST,
    PersonaState,
    Tally,
    count,
    difference,
    new_persona,
    note_project,
    statistics_of,
    view,
)
from tests.unit.core.game.life import DAY, HOUR, MINUTE, NOON, Life, moment

PROMPT, TURN, FAILED_TURN, TOOL = DeedKind.PROMPT, DeedKind.TURN, DeedKind.FAILED_TURN, DeedKind.TOOL
FAILED_TOOL, TEST, COMMIT, END = DeedKind.FAILED_TOOL, DeedKind.TEST, DeedKind.COMMIT, DeedKind.SESSION_END


def counted(tally: Tally) -> dict[str, int]:
    """What of a tally is not 0."""
    return {name: value for name, value in msgspec.structs.asdict(tally).items() if value}


# Statistics.


@pytest.mark.parametrize(
    ("kind", "by_machine", "gives"),
    [
        (PROMPT, False, {"prompts": 1}),
        (PROMPT, True, {}),
        (TOOL, False, {"tools": 1}),
        (FAILED_TOOL, False, {"failed_tools": 1}),
        (DeedKind.EDIT, False, {"edits": 1}),
        (TEST, False, {"tests": 1}),
        (COMMIT, False, {"commits": 1}),
        (DeedKind.PUSH, False, {"pushes": 1}),
        (DeedKind.PULL_REQUEST, False, {"pull_requests": 1}),
        (TURN, False, {"turns": 1}),
        (TURN, True, {"turns": 1}),
        (FAILED_TURN, False, {"failed_turns": 1}),
        (DeedKind.TASK_CREATED, False, {}),
        (DeedKind.TASK_COMPLETED, False, {"tasks": 1}),
        (DeedKind.SESSION_START, False, {}),
        (END, False, {}),
    ],
)
def test_a_deed_counts_as_what_it_is(kind: DeedKind, by_machine: bool, gives: dict[str, int]) -> None:
    life = Life()
    life.do(kind, by_machine=by_machine)

    for tally in (life.state.total, life.state.today, life.state.this_week):
        assert counted(tally) == gives


def test_every_kind_of_deed_can_be_taken() -> None:
    life = Life()
    for kind in DeedKind:
        life.do(kind)

    assert life.state.last_active_at == NOON


def test_a_quest_counts_and_lifts_the_morale() -> None:
    life = Life()
    life.complete_quest()

    assert life.state.total.quests == life.state.today.quests == 1
    assert life.state.morale == EVEN + 10


def test_quests_lift_the_morale_no_further_than_it_goes() -> None:
    life = Life()
    for _ in range(9):
        life.complete_quest()

    assert life.state.morale == FULL


def test_days_and_weeks_begin_anew_and_what_is_late_goes_where_it_belongs() -> None:
    life = Life(moment("2026-03-04 23:59"))
    life.do(TOOL)
    life.do(TOOL, moment("2026-03-05 00:00"))
    assert (life.state.total.tools, life.state.today.tools, life.state.this_week.tools) == (2, 1, 2)

    life.do(TOOL, moment("2026-03-03 10:00"))
    assert (life.state.total.tools, life.state.today.tools, life.state.this_week.tools) == (3, 1, 3)

    life.do(TOOL, moment("2026-03-01 10:00"))
    assert (life.state.total.tools, life.state.today.tools, life.state.this_week.tools) == (4, 1, 3)

    life.do(TOOL, moment("2026-03-09 00:00"))
    assert (life.state.total.tools, life.state.today.tools, life.state.this_week.tools) == (5, 1, 1)


def test_a_turn_s_time_is_that_from_its_prompt_to_its_end() -> None:
    life = Life()
    life.turn(3 * MINUTE)

    assert counted(life.state.total) == {"prompts": 1, "turns": 1, "worked_ms": 3 * MINUTE}


def test_a_turn_that_goes_on_after_its_end_is_one_turn_and_adds_its_time() -> None:
    life = Life()
    life.turn(3 * MINUTE)
    life.do(TURN, life.now + MINUTE)
    life.do(FAILED_TURN, life.now + MINUTE)

    assert counted(life.state.total) == {"prompts": 1, "turns": 1, "worked_ms": 5 * MINUTE}
    assert (life.state.energy, life.state.morale) == (98, EVEN)


def test_a_failed_turn_that_is_told_twice_costs_once() -> None:
    life = Life()
    life.do(PROMPT)
    life.do(FAILED_TURN, times=2)

    assert (life.state.total.failed_turns, life.state.energy, life.state.morale) == (1, 98, EVEN - 5)


def test_an_end_that_is_told_again_counts_once_though_its_prompt_is_unknown() -> None:
    life = Life()
    life.do(TURN, turn="a")
    life.do(TURN, turn="a", ended_before=True)
    life.do(FAILED_TURN, turn="a", ended_before=True)

    assert counted(life.state.total) == {"turns": 1}
    assert (life.state.energy, life.state.morale) == (98, EVEN)


def test_an_end_that_is_told_again_does_not_end_the_next_turn() -> None:
    life = Life()
    life.turn(MINUTE, turn="a")
    life.do(PROMPT, turn="b")
    life.do(TURN, life.now + MINUTE, turn="a", ended_before=True)
    life.do(TURN, life.now + MINUTE, turn="b")

    assert counted(life.state.total) == {"prompts": 2, "turns": 2, "worked_ms": 3 * MINUTE}


def test_the_end_of_a_turn_that_is_told_after_that_of_the_next_counts() -> None:
    life = Life()
    life.do(PROMPT, turn="a")
    life.turn(MINUTE, turn="b")
    life.do(TURN, turn="a")

    assert counted(life.state.total) == {"prompts": 2, "turns": 2, "worked_ms": MINUTE}


def test_a_prompt_that_is_told_twice_counts_once() -> None:
    life = Life()
    life.do(PROMPT, turn="a", times=2)
    life.do(TURN, turn="a")
    life.do(PROMPT, turn="a")
    life.do(PROMPT, turn="b")

    assert life.state.total.prompts == 2


def test_what_a_machine_begins_under_the_turn_of_a_person_is_a_turn_of_its_own() -> None:
    life = Life()
    life.turn(MINUTE, turn="a")
    life.wait(HOUR)
    life.do(PROMPT, turn="a", by_machine=True)
    life.do(TURN, life.now + MINUTE, turn="a", by_machine=True)

    assert counted(life.state.total) == {"prompts": 1, "turns": 2, "worked_ms": 2 * MINUTE}


@pytest.mark.parametrize("after", [PROMPT, END])
def test_an_interrupted_turn_counts_to_its_last_deed(after: DeedKind) -> None:
    life = Life()
    life.do(PROMPT)
    life.do(TOOL, life.now + 2 * MINUTE)
    life.do(after, life.now + 3 * HOUR)

    assert life.state.total.worked_ms == 2 * MINUTE
    assert life.state.total.turns == 0


def test_a_late_deed_does_not_shorten_an_interrupted_turn() -> None:
    life = Life()
    life.do(PROMPT)
    life.do(TOOL, NOON + 10 * MINUTE)
    life.do(TOOL, NOON + 5 * MINUTE)
    life.do(PROMPT, NOON + HOUR)

    assert life.state.total.worked_ms == 10 * MINUTE


def test_a_late_prompt_counts_and_begins_no_turn() -> None:
    life = Life()
    life.do(PROMPT)
    life.do(PROMPT, NOON - 5 * MINUTE)
    life.do(TURN, NOON + 10 * MINUTE)

    assert counted(life.state.total) == {"prompts": 2, "turns": 1, "worked_ms": 10 * MINUTE}


def test_calls_after_the_end_of_a_turn_take_no_time() -> None:
    life = Life()
    life.turn(MINUTE)
    life.do(TOOL, NOON + HOUR)
    life.do(PROMPT, NOON + 2 * HOUR)

    assert life.state.total.worked_ms == MINUTE


def test_no_turn_takes_longer_than_four_hours() -> None:
    life = Life()
    life.turn(3 * DAY)

    assert life.state.total.worked_ms == LONGEST_TURN_MS
    assert life.state.energy == FULL - 2 - 24


def test_the_end_of_a_turn_whose_prompt_is_unknown_takes_no_time() -> None:
    life = Life()
    life.do(TURN)
    life.do(PROMPT, life.now + MINUTE)
    life.do(TURN, NOON + 1)

    assert counted(life.state.total) == {"prompts": 1, "turns": 2}


def test_the_busiest_turn_is_that_with_the_most_calls() -> None:
    life = Life()
    life.do(TOOL, times=9)
    life.do(PROMPT)
    life.do(TOOL, times=3)
    life.do(FAILED_TOOL, times=5)
    life.do(PROMPT, session="s2")
    life.do(TOOL, session="s2")
    life.do(PROMPT)
    life.do(TOOL, times=2)

    assert life.state.busiest_turn == 3


BERLIN: Final = "Europe/Berlin"


@pytest.mark.parametrize(
    ("when", "night", "weekend"),
    [
        ("2026-03-04 00:00", 1, 0),
        ("2026-03-04 04:59", 1, 0),
        ("2026-03-04 05:00", 0, 0),
        ("2026-03-06 23:59", 0, 0),
        ("2026-03-07 12:00", 0, 1),
        ("2026-03-08 00:00", 1, 1),
        ("2026-03-09 00:00", 1, 0),
        ("2026-03-29 05:30", 1, 1),  # Clocks went forward: 4.5 hours after midnight.
        ("2026-10-25 04:30", 0, 1),  # Clocks went back: 5.5 hours after midnight.
    ],
)
@pytest.mark.parametrize("by_machine", [False, True])
def test_nights_and_weekends_are_local_and_a_person_s(when: str, night: int, weekend: int, by_machine: bool) -> None:
    at = moment(when, BERLIN)
    life = Life(at, BERLIN)
    life.turn(by_machine=by_machine)

    person = 0 if by_machine else 1
    assert life.state.total.turns == 1
    assert life.state.total.night_turns == night * person
    assert life.state.total.weekend_turns == weekend * person


# Streaks.


@pytest.mark.parametrize(
    ("kind", "by_machine", "days"),
    [
        (TOOL, False, 1),
        (TURN, False, 1),
        (TURN, True, 0),
        (PROMPT, False, 0),
        (FAILED_TOOL, False, 0),
        (FAILED_TURN, False, 0),
        (DeedKind.TASK_COMPLETED, False, 0),
    ],
)
def test_a_day_is_one_of_a_streak_by_what_can_earn(kind: DeedKind, by_machine: bool, days: int) -> None:
    life = Life()
    life.do(kind, by_machine=by_machine)

    assert life.state.streak.days == days


def test_what_does_not_count_for_a_streak_makes_none() -> None:
    life = Life()
    life.do(TOOL, counts_for_streak=False)

    assert life.state.streak.days == 0


def test_days_in_a_row_are_local_ones() -> None:
    life = Life(moment("2026-03-28 23:30", BERLIN), BERLIN)
    for _ in range(3):  # The second day has 23 hours.
        life.do(TOOL)
        life.wait(24 * HOUR)
    assert life.state.streak.days == 2

    life.do(TOOL, life.now + 2 * DAY)
    assert view(life.state, 0).streak_days == 1


# Energy and morale.


@pytest.mark.parametrize(
    ("took", "left"), [(0, 98), (10 * MINUTE - 1, 98), (10 * MINUTE, 97), (HOUR, 92), (5 * HOUR, 74)]
)
def test_a_turn_costs_energy_by_its_time(took: int, left: int) -> None:
    for kind in (TURN, FAILED_TURN):
        life = Life()
        life.do(PROMPT)
        life.do(kind, NOON + took)

        assert life.state.energy == left


@pytest.mark.parametrize(
    ("rest", "energy"), [(0, 50), (10 * MINUTE - 1, 50), (10 * MINUTE, 55), (HOUR, 80), (2 * HOUR, 100), (DAY, 100)]
)
def test_rest_gives_energy_back(rest: int, energy: int) -> None:
    life = Life()
    life.turn()
    life.state.energy = 50
    life.wait(rest)
    life.do(PROMPT)

    assert life.state.energy == energy


def test_a_long_call_is_no_rest_but_the_time_after_an_interruption_is() -> None:
    life = Life()
    life.do(PROMPT)
    life.state.energy = 50
    life.do(TOOL, life.now + HOUR)
    assert life.state.energy == 50

    life.do(PROMPT, life.now + 20 * MINUTE)
    assert life.state.energy == 50 + 2 * REST


def test_what_is_late_gives_no_rest_and_moves_no_clock() -> None:
    life = Life()
    life.turn()
    life.do(PROMPT, NOON - DAY, session="s2")

    assert (life.state.energy, life.state.last_active_at, life.state.session_id) == (98, NOON, "s1")
    assert life.state.created_at == NOON - DAY


@pytest.mark.parametrize(
    ("kind", "morale"),
    [
        (TEST, 73),
        (COMMIT, 72),
        (DeedKind.TASK_COMPLETED, 72),
        (DeedKind.PULL_REQUEST, 75),
        (FAILED_TOOL, 69),
        (FAILED_TURN, 65),
        (TOOL, 70),
        (TURN, 70),
        (PROMPT, 70),
        (END, 70),
    ],
)
def test_success_lifts_the_morale_and_failure_lowers_it(kind: DeedKind, morale: int) -> None:
    life = Life()
    life.do(kind)

    assert life.state.morale == morale


@pytest.mark.parametrize(
    ("morale", "ms", "after"),
    [
        (100, HOUR - 1, 100),
        (100, HOUR, 99),
        (100, 29 * HOUR, 71),
        (100, 30 * HOUR, 70),
        (100, 300 * DAY, 70),
        (0, 2 * HOUR, 2),
        (0, 300 * DAY, 70),
        (70, DAY, 70),
    ],
)
def test_time_leads_to_an_even_morale(morale: int, ms: int, after: int) -> None:
    life = Life()
    life.state.morale = morale
    life.do(TOOL, NOON + ms)

    assert life.state.morale == after


def test_many_small_pauses_are_as_long_as_one() -> None:
    life = Life()
    life.state.morale = FULL
    for _ in range(12):
        life.wait(25 * MINUTE)
        life.do(TOOL)

    assert life.state.morale == FULL - 5


# Places and sessions.


def test_the_projects_are_those_of_late_and_the_newest_is_last() -> None:
    state = new_persona("p1", "Amber Falcon", 1)
    for number in (*range(20), 7, 19, 19):
        note_project(state, f"r{number}")

    assert len(state.project_ids) == MAX_PROJECTS
    assert state.project_ids[-3:] == ["r18", "r7", "r19"]


def test_of_the_sessions_turns_the_newest_are_remembered() -> None:
    life = Life()
    for number in range(3 * MAX_TURNS):
        life.do(PROMPT, session=f"s{number}")

    assert list(life.state.turns) == [f"s{number}" for number in range(2 * MAX_TURNS, 3 * MAX_TURNS)]


# What clients see.


def test_a_new_persona_is_fresh() -> None:
    assert view(new_persona("p1", "Amber Falcon", 5), 0) == Persona(
        id="p1",
        name="Amber Falcon",
        avatar="/api/avatars/p1.svg",
        level=1,
        xp=0,
        next_level_xp=100,
        tier="Novice",
        title="Novice Wanderer",
        energy=100,
        morale=70,
        streak_days=0,
        created_at=5,
        last_active_at=5,
    )


def test_a_tally_has_all_statistics_under_their_names() -> None:
    assert set(Statistics.__struct_fields__) <= set(Tally.__struct_fields__)
    tally = Tally(**{name: n for n, name in enumerate(Tally.__struct_fields__, 1)})
    assert statistics_of(tally) == msgspec.convert(msgspec.structs.asdict(tally), Statistics)
    assert difference(tally, tally) == Tally()
    assert difference(Tally(), tally) == tally


# Any history.


class Step(msgspec.Struct, frozen=True):
    """One deed, so long after the one before."""

    kind: DeedKind
    later: int
    session: str
    turn: str
    by_machine: bool


DELAYS = st.sampled_from((0, 1, MINUTE, 11 * MINUTE, HOUR, DAY, 9 * DAY, -MINUTE, -HOUR, -2 * DAY))
STEPS = st.lists(
    st.builds(
        Step,
        kind=st.sampled_from(DeedKind),
        later=DELAYS,
        session=st.sampled_from(("s1", "s2", "s3")),
        turn=st.sampled_from(("", "a", "b")),
        by_machine=st.booleans(),
    ),
    max_size=60,
)


def live(life: Life, step: Step) -> None:
    if step.kind is COMMIT and step.turn:
        life.complete_quest()
    life.wait(step.later)
    life.do(step.kind, session=step.session, turn=step.turn, by_machine=step.by_machine)


@given(STEPS, st.sampled_from(("UTC", BERLIN, "America/St_Johns", "Pacific/Apia")))
def test_every_number_is_within_its_bounds_at_all_times(steps: list[Step], zone: str) -> None:
    life = Life(moment("2026-03-28 12:00"), zone)
    times = [life.now]
    for step in steps:
        before = msgspec.structs.replace(life.state.total)
        live(life, step)
        times += [life.now] if step.kind not in {DeedKind.SESSION_START, END} else []
        state = life.state

        assert 0 <= state.energy <= FULL
        assert 0 <= state.morale <= FULL
        assert all(value >= 0 for value in msgspec.structs.astuple(difference(before, state.total)))
        for name in Tally.__struct_fields__:
            assert 0 <= getattr(state.today, name) <= getattr(state.this_week, name) <= getattr(state.total, name)
        assert state.created_at == min(times)
        assert state.last_active_at == max(times)
        assert 0 <= state.streak.days <= len(steps)
        assert state.total.worked_ms <= 4 * HOUR * len(steps)


@given(STEPS, st.data())
def test_a_checkpoint_at_any_moment_changes_nothing(steps: list[Step], data: st.DataObject) -> None:
    life, other = Life(), Life()
    at = data.draw(st.integers(0, len(steps)))
    for number, step in enumerate(steps):
        if number == at:
            packed = msgspec.msgpack.encode(other.state)
            other.state = msgspec.msgpack.decode(packed, type=PersonaState)
        live(life, step)
        live(other, step)

    assert other.state == life.state
    assert msgspec.msgpack.encode(other.state) == msgspec.msgpack.encode(life.state)


@given(st.integers(0, 10**9), STEPS)
def test_what_clients_see_is_within_its_bounds(xp: int, steps: list[Step]) -> None:
    life = Life()
    for step in steps:
        live(life, step)
    seen = view(life.state, xp)

    assert begins_at(seen.level) <= xp < seen.next_level_xp == begins_at(seen.level + 1)
    assert seen.title.startswith(f"{seen.tier} ")
    assert seen.created_at <= seen.last_active_at
    assert msgspec.json.decode(msgspec.json.encode(seen), type=Persona) == seen


def test_two_sessions_of_a_persona_work_side_by_side() -> None:
    life = Life()
    day = life.calendar.day_of(NOON)
    common: dict[str, Any] = {"event_id": "e", "turn": ""}
    for session, began, ended in (("s1", 0, 5), ("s2", 1, 7)):
        for kind, minute in ((PROMPT, began), (TURN, ended)):
            deed = Deed(kind=kind, at=NOON + minute * MINUTE, session_id=session, **common)
            count(life.state, deed, day, 12 * HOUR)

    assert counted(life.state.total) == {"prompts": 2, "turns": 2, "worked_ms": 11 * MINUTE}
