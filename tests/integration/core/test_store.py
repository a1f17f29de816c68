import os
import re
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from msgspec import structs
from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from services.contract.actions import ActionRecord
from services.contract.errors import ErrorCode, Problem
from services.contract.events import NewEvent, Source
from services.core import store as module
from services.core.audit import DATA_BYTES, KeptAction, Outcome
from services.core.migrations import MIGRATIONS, actions, event_log, game
from services.core.store import BASE, LATEST, Checkpoint, NewerDatabaseError, Store, StoreError

Open = Callable[[], Store]


def event(number: int, payload: bytes = b"{}", *, received_at: int = 5) -> NewEvent:
    return NewEvent(
        id=f"e{number}",
        name="Stop",
        received_at=received_at,
        payload=payload,
        source=Source.HOOK,
        session_id="s1",
        pane_id="%1",
        sent_at=4,
        tmux="/run/t,1,0",
    )


def append(store: Store, *events: tuple[int, NewEvent]) -> None:
    with store.transaction():
        store.append(events)


# The log.


def test_events_come_back_as_they_were_kept(opened: Open) -> None:
    bare = NewEvent(id="bare", name="X", received_at=1, payload=b"{}", source=Source.TMUX)
    append(opened(), (1, event(1)), (2, bare))

    assert opened().events_after(0, 10) == [(1, event(1)), (2, bare)]


@pytest.mark.parametrize(
    "payload",
    [
        '{"text":"é 漢字 🜚🤖 \U0010ffff"}'.encode(),
        b'{"text":"\\u0000 \\ud83e\\udd16 \\n"}',
        b'{ "spaces" :   1 }',
        b'{"big":123456789012345678901234567890,"float":1.10}',
        b"\x00 no JSON at all",
    ],
    ids=range(5),
)
def test_payloads_come_back_byte_for_byte(opened: Open, payload: bytes) -> None:
    append(opened(), (1, event(1, payload)))

    assert opened().events_after(0, 1)[0][1].payload == payload


def test_a_known_id_has_its_first_seq_also_in_a_reopened_file(opened: Open) -> None:
    append(opened(), *((seq, event(seq)) for seq in range(1, 1_201)))

    ids = [f"e{number}" for number in range(600, 2_000)]

    assert opened().seqs_of(ids) == {f"e{seq}": seq for seq in range(600, 1_201)}
    assert opened().seqs_of([]) == {}


def test_pages_follow_each_other(opened: Open) -> None:
    store = opened()
    append(store, *((seq, event(seq)) for seq in range(1, 6)))

    assert [seq for seq, _ in store.events_after(0, 2)] == [1, 2]
    assert [seq for seq, _ in store.events_after(2, 2)] == [3, 4]
    assert [seq for seq, _ in store.events_after(4, 2)] == [5]
    assert store.events_after(5, 2) == []


def test_a_page_of_large_events_ends_early_and_never_empty(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE_BYTES", 1_000)
    store = opened()
    append(store, *((seq, event(seq, b'"' + b"x" * 600 + b'"')) for seq in range(1, 6)))

    assert [seq for seq, _ in store.events_after(0, 10)] == [1, 2]
    monkeypatch.setattr(module, "PAGE_BYTES", 1)
    assert [seq for seq, _ in store.events_after(2, 10)] == [3]


def test_a_transaction_that_fails_keeps_nothing(opened: Open) -> None:
    store = opened()
    append(store, (1, event(1)))

    with pytest.raises(StoreError, match="UNIQUE"):
        append(store, (2, event(2)), (3, event(1)))

    assert [seq for seq, _ in store.events_after(0, 10)] == [1]
    append(store, (2, event(2)))
    assert store.last_seq() == 2


def test_a_commit_is_on_disk_for_another_reader(opened: Open, path: Path) -> None:
    store = opened()
    with closing(sqlite3.connect(path)) as other:
        with store.transaction():
            store.append([(1, event(1))])
            assert other.execute("SELECT count(*) FROM events").fetchone() == (0,)
        assert other.execute("SELECT count(*) FROM events").fetchone() == (1,)
    assert store._connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_seqs_are_not_given_again_after_retention(opened: Open) -> None:
    store = opened()
    append(store, (1, event(1)), (2, event(2)))

    with store.transaction():
        store.put_checkpoint(BASE, Checkpoint(seq=2, state=b"x"), 9)
        store.delete_events_to(2)

    assert store.events_after(0, 10) == []
    assert store.last_seq() == 2
    assert store.seqs_of(["e1"]) == {"e1": 1}
    assert opened().last_seq() == 2


# The audit.


def record(number: int, *, at: int = 5) -> ActionRecord:
    return ActionRecord(id=f"a{number}", at=at, who="me", action="prompt", target="%1", body='{"text":"é"}')


def add(store: Store, *records: ActionRecord) -> None:
    with store.transaction():
        for one in records:
            store.add_action(one)


def finish(store: Store, action_id: str, outcome: Outcome, now: int = 9) -> None:
    with store.transaction():
        store.finish_action(action_id, outcome, now)


def timeout(message: str = "too late") -> Outcome:
    return Outcome(problem=Problem(code=ErrorCode.TMUX_TIMEOUT, message=message))


def test_an_action_is_written_down_before_and_after(opened: Open) -> None:
    store = opened()
    add(store, record(1))
    assert opened().action("a1") == KeptAction(record=record(1))

    finish(store, "a1", Outcome(data=b'{"pane_id":"%1"}'))

    done = structs.replace(record(1), finished_at=9, result="ok")
    assert opened().action("a1") == KeptAction(record=done, data=b'{"pane_id":"%1"}')
    assert store.action("a2") is None


def test_an_action_that_failed_says_why(opened: Open) -> None:
    store = opened()
    add(store, structs.replace(record(1), target=None))

    finish(store, "a1", Outcome(problem=Problem(code=ErrorCode.CONFLICT, message="a dialog is open")))

    kept = store.action("a1")
    assert kept is not None
    assert (kept.record.result, kept.record.message, kept.record.target) == ("conflict", "a dialog is open", None)


def test_a_result_replaces_a_timeout_and_nothing_else(opened: Open) -> None:
    store = opened()
    add(store, record(1))

    finish(store, "a1", timeout(), 9)
    finish(store, "a1", Outcome(data=b"{}"), 10)
    finish(store, "a1", timeout(), 11)
    finish(store, "unknown", timeout(), 12)

    done = structs.replace(record(1), finished_at=10, result="ok")
    assert store.action("a1") == KeptAction(record=done, data=b"{}")
    assert store.actions(10) == [done]


def test_a_long_answer_is_not_kept(opened: Open) -> None:
    store = opened()
    add(store, record(1), record(2))

    finish(store, "a1", Outcome(data=b"x" * DATA_BYTES))
    finish(store, "a2", Outcome(data=b"x" * (DATA_BYTES + 1)))

    kept = [store.action("a1"), store.action("a2")]
    assert [None if one is None else one.data for one in kept] == [b"x" * DATA_BYTES, None]


def test_an_id_is_written_down_once(opened: Open) -> None:
    store = opened()
    add(store, record(1))

    with pytest.raises(StoreError, match="UNIQUE"):
        add(store, record(1))


def test_the_newest_actions_come_first_without_sorting(opened: Open) -> None:
    store = opened()
    add(store, record(1, at=5), record(3, at=7), record(2, at=7), record(4, at=6))

    assert [one.id for one in store.actions(3)] == ["a2", "a3", "a4"]
    plan = store._connection.execute("EXPLAIN QUERY PLAN SELECT id FROM actions ORDER BY at DESC, rowid DESC")
    assert [row[3] for row in plan] == ["SCAN actions USING INDEX actions_by_time"]


def test_old_actions_go_a_few_at_a_time(opened: Open) -> None:
    store = opened()
    add(store, *(record(number, at=number) for number in range(1, 8)))

    with store.transaction():
        counts = [store.delete_actions_before(6, 3) for _ in range(3)]

    assert counts == [3, 2, 0]
    assert [one.id for one in store.actions(10)] == ["a7", "a6"]


# Rows of others, and the checkpoints.


def test_rows_of_others_are_of_the_transaction(opened: Open) -> None:
    store = opened()
    add = "INSERT OR IGNORE INTO event_ids (id, seq) VALUES (?, ?)"

    with pytest.raises(StoreError), store.transaction():
        assert [store.execute(sql) for sql in ("INSERT INTO event_ids VALUES ('e0', 1)", "INSERT INTO nowhere")]
    with store.transaction():
        assert [store.execute(add, ("e1", 1)), store.execute(add, ("e1", 2))] == [1, 0]

    assert store.first("SELECT seq FROM event_ids WHERE id = ?", ("e1",)) == (1,)
    assert store.first("SELECT seq FROM event_ids WHERE id = ?", ("e0",)) is None
    assert list(store.rows("SELECT * FROM event_ids")) == [("e1", 1)]


def test_a_checkpoint_replaces_the_one_before(opened: Open) -> None:
    store = opened()
    assert store.checkpoint(LATEST) is None

    with store.transaction():
        store.put_checkpoint(LATEST, Checkpoint(seq=1, state=b"\x00one"), 9)
        store.put_checkpoint(LATEST, Checkpoint(seq=2, state=b"\xfftwo"), 9)
        store.put_checkpoint(BASE, Checkpoint(seq=1, state=b""), 9)

    assert opened().checkpoint(LATEST) == Checkpoint(seq=2, state=b"\xfftwo")
    assert opened().checkpoint(BASE) == Checkpoint(seq=1, state=b"")


# The file.


def test_the_file_is_its_owners(opened: Open, path: Path) -> None:
    opened()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_newer_programs_file_is_refused_and_left_alone(opened: Open, path: Path) -> None:
    opened().close()
    newer = Migrations(MIGRATIONS.name)
    newer(name="9999_from_the_future")(lambda db: db["novelty"].create({"id": int}))
    with closing(Database(path)) as database:
        newer.apply(database)

    with pytest.raises(NewerDatabaseError, match=r"written by a newer Questmux .*9999_from_the_future.*: update"):
        opened()

    assert list(path.parent.glob("*.before-migration-*")) == []


def test_an_older_file_is_backed_up_before_it_is_migrated(
    opened: Open, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(opened(), (1, event(1)))
    next_release = Migrations(MIGRATIONS.name)
    next_release(name="0001_event_log")(event_log)
    next_release(name="0002_actions")(actions)
    next_release(name="0003_game")(game)
    next_release(name="0004_more")(lambda db: db["events"].add_column("more", str))
    monkeypatch.setattr(module, "MIGRATIONS", next_release)

    migrated = Store(path, 1_234)
    columns = {column.name for column in migrated._db["events"].columns}
    migrated.close()

    (backup,) = path.parent.glob("*.before-migration-*")
    assert backup.name == "questmux.db.before-migration-1234"
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert "more" in columns
    monkeypatch.undo()
    old = Store(backup, 1)
    assert old.events_after(0, 10) == [(1, event(1))]
    old.close()


def test_a_file_of_the_first_release_gets_the_audit_and_keeps_its_events(
    opened: Open, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_release = Migrations(MIGRATIONS.name)
    first_release(name="0001_event_log")(event_log)
    monkeypatch.setattr(module, "MIGRATIONS", first_release)
    append(opened(), (1, event(1)))
    monkeypatch.undo()

    store = opened()

    assert store.actions(10) == []
    assert store.events_after(0, 10) == [(1, event(1))]
    assert len(list(path.parent.glob("*.before-migration-*"))) == 1


def test_a_fresh_or_known_file_needs_no_backup(opened: Open, path: Path) -> None:
    opened().close()
    opened().close()

    assert list(path.parent.glob("*.before-migration-*")) == []


def test_a_file_that_is_no_database_is_refused_with_a_sentence(opened: Open, path: Path) -> None:
    path.write_bytes(b"this is no database, but a long enough text to be taken for one" * 100)

    with pytest.raises(StoreError, match=rf"{re.escape(str(path))} cannot be used: file is not a database"):
        opened()


def test_a_folder_that_is_not_there_is_refused_with_a_sentence(path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be used: unable to open"):
        Store(path / "below" / "x.db", 1)


def test_a_damaged_page_is_told_with_a_sentence(opened: Open, path: Path) -> None:
    store = opened()
    append(store, *((seq, event(seq, b'"' + b"x" * 3_000 + b'"')) for seq in range(1, 200)))
    store.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(os.urandom(size // 4))

    with pytest.raises(StoreError, match=r"cannot be (read|used)"):
        opened().events_after(0, 10_000)


def test_the_write_ahead_log_moves_into_the_file(opened: Open, path: Path) -> None:
    store = opened()
    append(store, *((seq, event(seq, b'"' + b"x" * 1_000 + b'"')) for seq in range(1, 500)))
    before = store.sizes()
    assert before["wal_bytes"] > 500_000
    assert before["free_disk_bytes"] > 0

    store.flush_wal()
    assert store.sizes()["database_bytes"] > 500_000
    assert store.sizes()["wal_bytes"] == before["wal_bytes"]

    store.flush_wal(truncate=True)
    assert store.sizes()["wal_bytes"] == 0
    assert path.stat().st_size == store.sizes()["database_bytes"]


def test_a_closed_file_is_whole_without_its_log(opened: Open, path: Path) -> None:
    store = opened()
    append(store, (1, event(1)))

    store.close()

    assert [p.name for p in path.parent.iterdir()] == ["questmux.db"]
    with pytest.raises(StoreError):
        store.flush_wal()
