import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.game.deeds import Deed, DeedKind
from services.core.game.personas import Tally
from services.core.game.project_work import MAX_RUNS, MAX_SHARES, Work, counts_in, makes_a_day


def deed(kind: DeedKind, *, by_machine: bool = False) -> Deed:
    return Deed(kind=kind, at=1, session_id="s", event_id="e", by_machine=by_machine)


def test_a_tally_s_counts_are_what_it_holds() -> None:
    assert counts_in(Tally(tools=2, worked_ms=7)) == [("tools", 2), ("worked_ms", 7)]


@pytest.mark.parametrize(
    ("kind", "by_machine", "is_work"),
    [
        (DeedKind.TOOL, False, True),
        (DeedKind.TURN, False, True),
        (DeedKind.TURN, True, False),
        (DeedKind.PROMPT, False, False),
        (DeedKind.FAILED_TOOL, False, False),
    ],
)
def test_what_can_earn_makes_a_day(kind: DeedKind, *, by_machine: bool, is_work: bool) -> None:
    assert makes_a_day((deed(kind, by_machine=by_machine),)) is is_work
    assert makes_a_day((deed(DeedKind.PROMPT), deed(kind, by_machine=by_machine))) is is_work


def test_who_did_it_has_a_share_and_nobody_has_none() -> None:
    work = Work()
    work.count("p1", [("tools", 1)], 20)
    work.count("p2", [("tools", 1), ("edits", 1)], 10)
    work.count("", [("quests", 1)], 15)
    work.earn("p1", 5)
    work.earn("", 7)

    assert (work.whole.xp, work.whole.last_at, work.first_at) == (12, 20, 10)
    assert work.whole.total == Tally(tools=2, edits=1, quests=1)
    assert {id_: (share.xp, share.last_at, share.total) for id_, share in work.shares.items()} == {
        "p1": (5, 20, Tally(tools=1)),
        "p2": (0, 10, Tally(tools=1, edits=1)),
    }


def test_of_many_contributors_those_with_the_least_are_let_go() -> None:
    work = Work()
    work.earn("best", 1_000)
    for number in range(2 * MAX_SHARES):
        work.count(f"p{number}", [("tools", 1)], number + 1)

    assert len(work.shares) == MAX_SHARES
    assert {"best", f"p{2 * MAX_SHARES - 1}"} <= work.shares.keys()
    assert "p5" not in work.shares
    assert work.whole.total.tools == 2 * MAX_SHARES


@given(st.lists(st.integers(1, 2 * MAX_RUNS), max_size=MAX_RUNS), st.data())
def test_days_in_a_row_are_the_same_in_any_order_and_in_parts(days: list[int], data: st.DataObject) -> None:
    works = Work(), Work(), Work()
    for day in days:
        works[0].mark_day(day)
    for day in data.draw(st.permutations(days)):
        works[data.draw(st.integers(1, 2))].mark_day(day)
    works[1].add(works[2])

    there = set(days)
    ends = sorted(day for day in there if day + 1 not in there)
    runs = [(day, next(n for n in range(1, 99) if day - n not in there)) for day in ends]
    assert [(run.last_day, run.days) for run in works[0].runs] == runs
    assert works[0].streak.days == (runs[-1][1] if runs else 0)
    assert works[1].runs == works[0].runs


def test_of_many_runs_of_days_the_newest_are_remembered() -> None:
    work = Work()
    for day in (*range(100, 160, 2), 1):
        work.mark_day(day)

    assert [run.last_day for run in work.runs] == list(range(160 - 2 * MAX_RUNS, 160, 2))


Done = list[tuple[str, list[tuple[str, int]], int]]
DONE = st.lists(
    st.tuples(
        st.sampled_from(["", "p1", "p2"]),
        st.lists(st.tuples(st.sampled_from(["tools", "edits"]), st.integers(1, 3)), max_size=2),
        st.integers(1, 9),
    )
)


@given(DONE, DONE)
def test_two_parts_are_as_much_as_all_at_once(first: Done, second: Done) -> None:
    parts, whole = (Work(), Work()), Work()
    for part, done in zip(parts, (first, second), strict=True):
        for persona_id, counts, at in done:
            for work in (part, whole):
                work.count(persona_id, counts, at)
                work.earn(persona_id, at)
    parts[0].add(parts[1])

    assert parts[0] == whole
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(whole), type=Work) == whole
