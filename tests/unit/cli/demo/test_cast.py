from itertools import islice

from services.cli.demo.cast import ASKERS, FAILING, MAX_AGENTS, RUNS, parts, seats


def test_a_dozen_agents_work_in_all_projects_and_play_all_kinds_of_turns() -> None:
    dozen = seats(12)

    assert len({seat.name for seat in dozen}) == 12
    assert len({seat.project for seat in dozen}) == 6
    assert sum(seat.runs is FAILING for seat in dozen) == 2
    assert sum(set(seat.runs) == set(ASKERS) for seat in dozen) == 3
    assert {run for seat in dozen for run in seat.runs} == set(RUNS)


def test_half_of_them_begin_at_once() -> None:
    assert sum(seat.begins_s < 4 for seat in seats(12)) >= 6


def test_a_crowd_does_not_begin_at_once() -> None:
    starts = sorted(seat.begins_s for seat in seats(500, eager=False))

    assert max(sum(start <= one < start + 1 for one in starts) for start in starts) < 70


def test_nobody_begins_before_entering() -> None:
    assert all(0 <= seat.enters_s < 1 for seat in seats(MAX_AGENTS))
    assert all(seat.begins_s > seat.enters_s for seat in seats(MAX_AGENTS))


def test_the_first_turn_comes_to_the_point_at_once_and_later_ones_take_a_person_s_time() -> None:
    for seat in seats(12):
        first, *others = islice(parts(seat), 20)

        assert first.holds.think_s == 1
        assert all(3 <= part.holds.think_s <= 9 for part in others)
        assert all(8 <= part.rest_s <= 40 and part.holds.ask_s >= 12 for part in (first, *others))


def test_of_the_two_that_fail_one_has_failed_at_any_time() -> None:
    early, late = (seat for seat in seats(12) if seat.runs is FAILING)
    cycle_s = next(iter(parts(early))).rest_s

    assert cycle_s / 4 < late.begins_s - early.begins_s < cycle_s * 3 / 4


def test_a_seat_s_runs_come_round() -> None:
    seat = seats(1)[0]

    assert [part.run for part in islice(parts(seat), 6)] == [*ASKERS, ASKERS[0]]
