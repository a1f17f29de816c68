from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.contract.game_answers import EarnerType, RuleXp, XpDay
from services.core.game.calendar import day_text
from services.core.game.earnings import Award
from services.core.game.journal import JournalEntry
from services.core.ledger import Count, Ledger, Sums
from services.core.store import Store

PERSONA, PROJECT = EarnerType.PERSONA, EarnerType.PROJECT
WEDNESDAY = 739_945
EVER = (0, 1_000_000)


class Rows(Store):
    """A database file, with looks into it."""

    def plan(self, sql: str) -> str:
        return " ".join(str(row[3]) for row in self.rows(f"EXPLAIN QUERY PLAN {sql}"))

    def all(self, *tables: str) -> list[list[Sequence[object]]]:
        return [sorted(self.rows(f"SELECT * FROM {table}"), key=repr) for table in tables]  # noqa: S608 - our names


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Rows]:
    with closing(Rows(tmp_path / "ledger.db", 0)) as made:
        yield made


@pytest.fixture
def ledger(rows: Rows) -> Ledger:
    return Ledger(rows)


def award(key: str = "k1", seq: int = 1, **fields: Any) -> Award:
    plain: dict[str, Any] = {
        "at": 1_000,
        "day": WEDNESDAY,
        "session_id": "s1",
        "persona_id": "p1",
        "project_id": "r1",
        "folder": "/w",
        "amount": 1,
        "rule": "tool",
        "reason": "Bash",
    }
    return Award(key=key, seq=seq, **(plain | fields))


def entry(seq: int = 1, kind: str = "finished", **fields: Any) -> JournalEntry:
    plain: dict[str, Any] = {"at": seq * 1_000, "day": WEDNESDAY, "session_id": "s1", "persona_id": "p1"}
    return JournalEntry(seq=seq, kind=kind, **(plain | fields))


# Awards.


def test_an_award_is_written_down_in_full(ledger: Ledger, rows: Rows) -> None:
    ledger.add(award())

    assert rows.all("xp_ledger") == [
        [("k1", 1, 1_000, WEDNESDAY, "s1", "p1", "r1", "/w", 1, "tool", "Bash")],
    ]


def test_an_award_is_given_once(ledger: Ledger) -> None:
    assert ledger.add(award(seq=1))
    assert not ledger.add(award(seq=1))
    assert not ledger.add(award(seq=2, amount=50))
    assert ledger.summary(PERSONA, "p1", WEDNESDAY).total == 1


def test_the_first_one_to_have_an_award_stays_the_first(ledger: Ledger) -> None:
    assert ledger.is_first("k1", 7)
    ledger.add(award("k1", 7))

    assert ledger.is_first("k1", 7)
    assert not ledger.is_first("k1", 8)
    assert ledger.is_first("k2", 8)


def test_a_summary_has_the_day_the_week_and_the_rules(ledger: Ledger) -> None:
    for number, (day, amount, rule) in enumerate(
        [
            (WEDNESDAY, 1, "tool"),
            (WEDNESDAY, 15, "commit"),
            (WEDNESDAY - 1, 1, "tool"),
            (WEDNESDAY - 2, 1, "tool"),
            (WEDNESDAY - 3, 5, "turn"),  # A Sunday.
            (WEDNESDAY + 1, 5, "turn"),  # By a clock that is ahead.
        ]
    ):
        ledger.add(award(f"k{number}", day=day, amount=amount, rule=rule))

    summary = Sums(
        total=28,
        today=16,
        week=18,
        awards=6,
        by_rule=(
            RuleXp(rule="commit", xp=15, awards=1),
            RuleXp(rule="turn", xp=10, awards=2),
            RuleXp(rule="tool", xp=3, awards=3),
        ),
    )
    assert ledger.summary(PERSONA, "p1", WEDNESDAY) == summary
    assert ledger.summary(PROJECT, "r1", WEDNESDAY) == summary


def test_who_never_earned_has_nothing(ledger: Ledger) -> None:
    ledger.add(award())

    assert ledger.summary(PROJECT, "p1", WEDNESDAY) == Sums()
    assert ledger.timeline(PERSONA, "p2", 10, 11) == (
        XpDay(day="0001-01-10", xp=0, awards=0),
        XpDay(day="0001-01-11", xp=0, awards=0),
    )
    assert ledger.earned(PROJECT, *EVER) == {"r1": 1}


def test_a_timeline_has_every_day(ledger: Ledger) -> None:
    ledger.add(award("k1", day=WEDNESDAY - 2, amount=3))
    ledger.add(award("k2", day=WEDNESDAY, amount=5))
    ledger.add(award("k3", day=WEDNESDAY, amount=5))
    ledger.add(award("k4", day=WEDNESDAY + 1))

    days = ledger.timeline(PERSONA, "p1", WEDNESDAY - 3, WEDNESDAY)
    assert [(day.xp, day.awards) for day in days] == [(0, 0), (3, 1), (0, 0), (10, 2)]
    assert [day.day for day in days] == [day_text(day) for day in range(WEDNESDAY - 3, WEDNESDAY + 1)]


def test_two_projects_share_nothing(ledger: Ledger) -> None:
    ledger.add(award("k1", project_id="r1", amount=2))
    ledger.add(award("k2", project_id="r2", amount=5))

    assert ledger.earned(PROJECT, *EVER) == {"r2": 5, "r1": 2}
    assert ledger.earned(PERSONA, *EVER) == {"p1": 7}


# Folders whose project is told later.


def test_a_folder_gets_its_project_once(ledger: Ledger) -> None:
    ledger.add(award("k1", project_id="r1", amount=2))
    ledger.add(award("k2", project_id=None, amount=3, day=WEDNESDAY - 1, rule="edit"))
    ledger.add(award("k3", project_id=None, amount=5))
    ledger.add(award("k4", project_id=None, folder="/other", amount=7))
    ledger.add(award("k5", project_id=None, folder=None, amount=9))

    assert ledger.place("/w", "r1") == 2
    assert ledger.place("/w", "r1") == 0
    assert ledger.place("/w", "r2") == 0
    assert ledger.place("/other", "r2") == 1
    assert ledger.earned(PROJECT, *EVER) == {"r1": 10, "r2": 7}
    assert [day.xp for day in ledger.timeline(PROJECT, "r1", WEDNESDAY - 1, WEDNESDAY)] == [3, 7]
    assert ledger.summary(PERSONA, "p1", WEDNESDAY).total == 26


def test_the_journal_gets_the_project_too(ledger: Ledger) -> None:
    ledger.journal_add(entry(1, folder="/w"))
    ledger.journal_add(entry(2, folder="/other"))
    ledger.place("/w", "r1")

    assert [told.seq for told in ledger.journal_between(0, 9_999, 10, "r1")] == [1]


def test_what_waits_for_its_project_is_found_without_reading_the_ledger(rows: Rows) -> None:
    for table in ("xp_ledger", "journal"):
        plan = rows.plan(f"UPDATE {table} SET project_id = 'r' WHERE folder = 'x' AND project_id IS NULL")  # noqa: S608
        assert "_unplaced (folder=?)" in plan


# Rebuilds.

awards = st.builds(
    award,
    key=st.sampled_from([f"k{number}" for number in range(12)]),
    seq=st.integers(1, 20),
    day=st.integers(WEDNESDAY - 2, WEDNESDAY),
    persona_id=st.sampled_from(["p1", "p2", ""]),
    project_id=st.sampled_from(["r1", "r2", None]),
    folder=st.sampled_from(["/w", "/x", None]),
    amount=st.integers(1, 9),
    rule=st.sampled_from(["tool", "edit"]),
)


some_awards = st.lists(awards, max_size=20).map(lambda given: sorted(given, key=lambda one: one.seq))
on_one_file = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60
)


def started(rows: Rows) -> Ledger:
    """An empty ledger."""
    ledger = Ledger(rows)
    ledger.forget_after(0)
    ledger.sum_again()
    return ledger


@given(some_awards)
@on_one_file
def test_the_sums_are_those_of_the_ledger(rows: Rows, given: list[Award]) -> None:
    ledger = started(rows)
    for one in given:
        ledger.add(one)
    ledger.place("/w", "r1")
    by_hand: dict[str, int] = defaultdict(int)
    for persona, amount in rows.rows("SELECT persona_id, amount FROM xp_ledger"):
        by_hand[str(persona)] += int(str(amount))
    assert ledger.earned(PERSONA, *EVER) == by_hand

    kept = rows.all("xp_days", "xp_rules")
    ledger.sum_again()

    assert rows.all("xp_days", "xp_rules") == kept


@given(some_awards)
@on_one_file
def test_many_awards_are_summed_up_like_one_after_the_other(rows: Rows, given: list[Award]) -> None:
    ledger = started(rows)
    for one in given:
        ledger.add(one)
    kept = rows.all("xp_days", "xp_rules")

    ledger = started(rows)
    ledger.sum_up([one for one in given if ledger.write(one)])

    assert rows.all("xp_days", "xp_rules") == kept


@given(some_awards, st.integers(0, 20))
@on_one_file
def test_a_rebuild_gives_the_same_ledger(rows: Rows, given: list[Award], seq: int) -> None:
    ledger = started(rows)
    for one in given:
        ledger.add(one)
    ledger.place("/w", "r1")
    before = rows.all("xp_ledger", "xp_days", "xp_rules")

    ledger.forget_after(seq)
    ledger.sum_again()
    for one in given:
        if one.seq > seq:
            ledger.add(one)
    ledger.place("/w", "r1")

    assert rows.all("xp_ledger", "xp_days", "xp_rules") == before


def test_what_came_after_is_let_go(ledger: Ledger, rows: Rows) -> None:
    ledger.add(award("k1", 1))
    ledger.journal_add(entry(1))
    before = rows.all("xp_ledger", "xp_days", "xp_rules", "journal")
    ledger.add(award("k2", 2))
    ledger.journal_add(entry(2))

    ledger.forget_after(1)
    ledger.sum_again()

    assert rows.all("xp_ledger", "xp_days", "xp_rules", "journal") == before


# The journal.


def test_the_journal_tells_what_happened_the_newest_first(ledger: Ledger) -> None:
    entries = [
        entry(1, "finished", text="It works."),
        entry(2, "commit", text="main", project_id="r1", folder="/w"),
        entry(2, "push", text="main", project_id="r1", folder="/w"),
        entry(3, "failed", text="rate_limit", persona_id="", session_id=""),
    ]
    for one in entries:
        assert ledger.journal_add(one)

    assert ledger.journal_between(1_000, 3_001, 10) == (entries[3], entries[1], entries[2], entries[0])
    assert [told.seq for told in ledger.journal_between(1_000, 3_000, 10)] == [2, 2, 1]
    assert ledger.journal_between(0, 9_000, 1) == (entries[3],)
    assert ledger.journal_between(0, 9_000, 10, "r1") == (entries[1], entries[2])
    assert ledger.journal_between(0, 9_000, 10, "r2") == ()


def test_an_event_is_told_once(ledger: Ledger) -> None:
    ledger.journal_add(entry(1))

    assert not ledger.journal_add(entry(1, text="again"))
    assert [told.text for told in ledger.journal_between(0, 9_000, 10)] == [""]


def test_old_entries_are_let_go_of_in_parts(ledger: Ledger) -> None:
    for seq in range(1, 6):
        ledger.journal_add(entry(seq))

    assert ledger.journal_forget_before(4_000, 9, 2) == 2
    assert ledger.journal_forget_before(4_000, 9, 2) == 1
    assert ledger.journal_forget_before(4_000, 9, 2) == 0
    assert [told.seq for told in ledger.journal_between(0, 9_000, 10)] == [5, 4]


def test_what_happened_is_counted_by_who_and_where(ledger: Ledger) -> None:
    for seq, kind, who, where in [
        (1, "commit", "p1", "r1"),
        (2, "commit", "p1", "r1"),
        (3, "commit", "p2", "r1"),
        (4, "failed", "p2", None),
        (9, "commit", "p1", "r1"),
    ]:
        ledger.journal_add(entry(seq, kind, persona_id=who, project_id=where))

    assert sorted(ledger.journal_counts(0, 9_000), key=repr) == [
        Count(kind="commit", persona_id="p1", project_id="r1", number=2),
        Count(kind="commit", persona_id="p2", project_id="r1", number=1),
        Count(kind="failed", persona_id="p2", project_id=None, number=1),
    ]
    assert [count.number for count in ledger.journal_counts(9_000, 10_000, "r1")] == [1]
    assert ledger.journal_counts(0, 10_000, "r2") == ()


def test_a_file_that_was_edited_often_is_one_and_no_story(ledger: Ledger) -> None:
    for seq, path, where in [(1, "/w/a", "r1"), (2, "/w/a", "r1"), (3, "/w/b", "r2"), (8, "/w/c", "r1")]:
        ledger.journal_add(entry(seq, "edit", text=path, project_id=where))
    ledger.journal_add(entry(4, "commit"))

    assert ledger.journal_files(0, 8_000) == 2
    assert ledger.journal_files(0, 8_000, "r1") == 1
    assert [told.kind for told in ledger.journal_between(0, 9_000, 10)] == ["commit"]


def test_what_was_earned_within_days(ledger: Ledger) -> None:
    for number, (day, who, amount) in enumerate(
        [(WEDNESDAY - 1, "p1", 1), (WEDNESDAY, "p1", 2), (WEDNESDAY + 1, "p1", 4), (WEDNESDAY + 2, "p2", 8)]
    ):
        ledger.add(award(f"k{number}", day=day, persona_id=who, amount=amount))

    assert ledger.earned(PERSONA, WEDNESDAY, WEDNESDAY + 1) == {"p1": 6}
    assert ledger.earned(PROJECT, WEDNESDAY, WEDNESDAY + 2) == {"r1": 14}


def test_what_no_persona_did_is_summed_too(ledger: Ledger) -> None:
    ledger.add(award("quest:q1", persona_id="", session_id="", folder=None, amount=50))
    ledger.add(award("quest:q2", persona_id="", session_id="", folder=None, project_id=None, amount=20))
    ledger.add(award("k1"))

    for _ in range(2):
        assert ledger.earned(PERSONA, *EVER) == {"": 70, "p1": 1}
        assert ledger.earned(PROJECT, *EVER) == {"r1": 51}
        ledger.sum_again()


def test_entries_of_events_that_the_log_has_stay_however_old(ledger: Ledger) -> None:
    """A sender's clock may be weeks behind."""
    for seq in (1, 2, 3):
        ledger.journal_add(entry(seq, at=seq))

    assert ledger.journal_forget_before(4_000, 2, 10) == 2
    assert [told.seq for told in ledger.journal_between(0, 9_000, 10)] == [3]
