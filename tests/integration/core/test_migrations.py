import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from services.core.migrations import MIGRATIONS
from services.core.store import Store

RELEASED = ["0001_event_log", "0002_actions", "0003_game"]
"""Every migration that a user's file may have had: append only."""


@pytest.fixture
def empty() -> Iterator[Database]:
    with closing(Database(memory=True)) as database:
        yield database


def test_released_migrations_stay_as_they_are(empty: Database) -> None:
    names = [migration.name for migration in MIGRATIONS.pending(empty)]

    assert names == RELEASED
    assert names == sorted(names)


def test_a_fresh_file_gets_its_tables(empty: Database) -> None:
    MIGRATIONS.apply(empty)

    assert {"events", "event_ids", "xp_ledger", "checkpoints", "actions"} <= set(empty.table_names())


def test_applying_again_changes_nothing(empty: Database) -> None:
    MIGRATIONS.apply(empty)
    before = empty.schema

    MIGRATIONS.apply(empty)

    assert empty.schema == before
    assert MIGRATIONS.pending(empty) == []


def test_a_migration_that_fails_leaves_nothing_behind(empty: Database) -> None:
    empty.conn.execute("CREATE TABLE checkpoints (kind TEXT)")

    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        MIGRATIONS.apply(empty)

    assert "events" not in empty.table_names()
    assert [migration.name for migration in MIGRATIONS.pending(empty)] == RELEASED


def test_columns_hold_only_what_they_are_for(opened: Callable[[], Store], path: Path) -> None:
    opened()

    with closing(sqlite3.connect(path)) as other, pytest.raises(sqlite3.IntegrityError, match="cannot store TEXT"):
        other.execute("INSERT INTO event_ids (id, seq) VALUES ('e', 'no number')")


def test_awards_whose_events_are_gone_are_carried_over_and_the_others_are_earned_again(empty: Database) -> None:
    MIGRATIONS.apply(empty, stop_before="0003_game")
    run = empty.conn.execute
    old = "INSERT INTO xp_ledger (key, seq, session_id, amount, reason, at) VALUES (?,?,?,?,?,?)"
    run(old, ("tool:s1:t1", 3, "s1", 1, "tool:Bash", 86_400_000 * 2 - 1))
    run(old, ("tool:s1:t2", 4, "s1", 1, "other", 0))
    run(old, ("tool:s1:t3", 5, "s1", 1, "tool:Read", 0))
    for kind, seq in (("base", 4), ("latest", 5)):
        run("INSERT INTO checkpoints (kind, seq, made_at, state) VALUES (?,?,0,x'00')", (kind, seq))

    MIGRATIONS.apply(empty)

    assert run("SELECT * FROM xp_ledger ORDER BY key").fetchall() == [
        ("tool:s1:t1", 3, 86_400_000 * 2 - 1, 719_164, "s1", "", None, None, 1, "tool", "Bash"),
        ("tool:s1:t2", 4, 0, 719_163, "s1", "", None, None, 1, "tool", "other"),
    ]
    assert run("SELECT kind FROM checkpoints").fetchall() == [("base",)]
