"""The SQLite file: the only importer of `sqlite3` and `sqlite_utils`. One connection, one thread, one writer."""

import shutil
import sqlite3
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct
from sqlite_utils import Database

from services.contract.actions import ActionRecord
from services.contract.errors import ErrorCode
from services.contract.events import NewEvent, Source
from services.core.audit import KeptAction, Outcome
from services.core.migrations import MIGRATIONS

BUSY_TIMEOUT_MS: Final = 5_000
CACHE_KIB: Final = 16_384
LOOKUP_IDS: Final = 500
"""Ids asked for at once: below SQLite's limit of variables in every build."""
LATEST: Final = "latest"
"""The checkpoint that a start begins from."""
BASE: Final = "base"
"""The checkpoint that a rebuild begins from: retention has folded older events into it."""
PAGE_BYTES: Final = 8 * 1024 * 1024
"""A page of the log ends with the event that passes this; so payloads of a megabyte each do not fill the memory."""

_EVENT_COLUMNS: Final = "seq, id, name, source, session_id, pane_id, tmux, received_at, sent_at, payload"

_ACTION_COLUMNS: Final = "id, at, who, action, target, body, finished_at, result, message"


class NewerDatabaseError(Exception):
    """The file was written by a newer Questmux; this one would not understand it."""


class StoreError(Exception):
    """The disk or the file does not do its work; nothing of the transaction was kept."""


class Checkpoint(Struct, frozen=True, kw_only=True):
    """The state after the event `seq`, encoded."""

    seq: int
    state: bytes


class Store:
    """What is kept. Opening it migrates the file, on a copy of it kept beside."""

    def __init__(self, path: Path, now_ms: int) -> None:
        self._path = path
        try:
            connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_MS / 1000)
            path.chmod(0o600)
        except (sqlite3.Error, OSError) as exc:
            raise StoreError(f"{path} cannot be used: {exc}") from exc
        self._db = Database(connection)
        self._connection = connection
        try:
            self._prepare(now_ms)
        except sqlite3.DatabaseError as exc:
            connection.close()
            raise StoreError(f"{path} cannot be used: {exc}") from exc
        except BaseException:
            connection.close()
            raise

    def _prepare(self, now_ms: int) -> None:
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            f"cache_size=-{CACHE_KIB}",
            "wal_autocheckpoint=0",  # The core's loop says when, so that no commit pays for it.
        ):
            self._connection.execute(f"PRAGMA {pragma}")
        known = {migration.name for migration in MIGRATIONS.applied(self._db)}
        with closing(Database(memory=True)) as empty:
            ours = {migration.name for migration in MIGRATIONS.pending(empty)}
        if known - ours:
            raise NewerDatabaseError(
                f"{self._path} was written by a newer Questmux (it has {min(known - ours)}): update this one"
            )
        if MIGRATIONS.applied(self._db) and MIGRATIONS.pending(self._db):
            self._back_up(now_ms)
        MIGRATIONS.apply(self._db)

    def _back_up(self, now_ms: int) -> None:
        target = self._path.with_name(f"{self._path.name}.before-migration-{now_ms}")
        with closing(sqlite3.connect(target)) as copy:
            self._connection.backup(copy)
        target.chmod(0o600)

    @contextmanager
    def transaction(self) -> Generator[None]:
        """All or nothing, on disk when it ends.

        Raises:
            StoreError: it was not kept.
        """
        try:
            with self._db.atomic():
                yield
        except sqlite3.Error as exc:
            raise StoreError(str(exc)) from exc

    # The log.

    def last_seq(self) -> int:
        """The highest seq ever given; it is not given again after retention."""
        query = (
            "SELECT max(coalesce((SELECT max(seq) FROM events), 0), coalesce((SELECT max(seq) FROM checkpoints), 0))"
        )
        return next(int(str(row[0])) for row in self.rows(query))

    def seqs_of(self, ids: Sequence[str]) -> dict[str, int]:
        """Which of these ids are known, with their seq."""
        found: dict[str, int] = {}
        for start in range(0, len(ids), LOOKUP_IDS):
            some = ids[start : start + LOOKUP_IDS]
            marks = ",".join("?" * len(some))
            query = f"SELECT id, seq FROM event_ids WHERE id IN ({marks})"  # noqa: S608 - only question marks
            found.update((str(row[0]), int(str(row[1]))) for row in self.rows(query, some))
        return found

    def append(self, events: Sequence[tuple[int, NewEvent]]) -> None:
        """Keep new events under their seqs."""
        self._connection.executemany(
            f"INSERT INTO events ({_EVENT_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?)",  # noqa: S608 - a constant
            [
                (
                    seq,
                    e.id,
                    e.name,
                    e.source,
                    e.session_id,
                    e.pane_id,
                    e.tmux,
                    e.received_at,
                    e.sent_at,
                    _text(e.payload),
                )
                for seq, e in events
            ],
        )
        self._connection.executemany(
            "INSERT INTO event_ids (id, seq) VALUES (?,?)", [(event.id, seq) for seq, event in events]
        )

    def events_after(self, seq: int, limit: int) -> list[tuple[int, NewEvent]]:
        """A page of the log, oldest first; it may end before its limit, but it is empty only at the log's end."""
        query = f"SELECT {_EVENT_COLUMNS} FROM events WHERE seq > ? ORDER BY seq LIMIT ?"  # noqa: S608 - a constant
        page: list[tuple[int, NewEvent]] = []
        size = 0
        for row in self.rows(query, (seq, limit)):
            event = _event(row)
            page.append((int(str(row[0])), event))
            size += len(event.payload)
            if size > PAGE_BYTES:
                break
        return page

    def delete_events_to(self, seq: int) -> None:
        """Let go of events up to a seq; their ids and awards stay."""
        self._connection.execute("DELETE FROM events WHERE seq <= ?", (seq,))

    # Rows of others, as the ledger's.

    def execute(self, sql: str, values: Sequence[object] = ()) -> int:
        """Do it, within the caller's transaction; how many rows were changed.

        Raises:
            StoreError: it could not be done.
        """
        try:
            return self._connection.execute(sql, values).rowcount
        except sqlite3.Error as exc:
            raise StoreError(str(exc)) from exc

    def first(self, sql: str, values: Sequence[object] = ()) -> Sequence[object] | None:
        """The first row that a query finds, within the caller's transaction.

        Raises:
            StoreError: the file cannot be read.
        """
        try:
            row: Sequence[object] | None = self._connection.execute(sql, values).fetchone()
        except sqlite3.Error as exc:
            raise StoreError(f"{self._path} cannot be read: {exc}") from exc
        return row

    def rows(self, sql: str, values: Sequence[object] = ()) -> Generator[Sequence[object]]:
        """What a query finds.

        Raises:
            StoreError: the file cannot be read.
        """
        try:
            with closing(self._connection.execute(sql, values)) as cursor:
                yield from cursor
        except sqlite3.Error as exc:
            raise StoreError(f"{self._path} cannot be read: {exc}") from exc

    # The audit.

    def add_action(self, record: ActionRecord) -> None:
        """Write down an action that is about to begin."""
        self._connection.execute(
            "INSERT INTO actions (id, at, who, action, target, body) VALUES (?,?,?,?,?,?)",
            (record.id, record.at, record.who, record.action, record.target, record.body),
        )

    def finish_action(self, action_id: str, outcome: Outcome, now_ms: int) -> None:
        """Write down what came of an action; it stands in for none and for a timeout, and is final itself."""
        self._connection.execute(
            "UPDATE actions SET finished_at = ?, result = ?, message = ?, data = ? "
            "WHERE id = ? AND (result IS NULL OR result = ?)",
            (now_ms, outcome.result, outcome.message, outcome.kept_data, action_id, ErrorCode.TMUX_TIMEOUT),
        )

    def action(self, action_id: str) -> KeptAction | None:
        """One row, if there is one."""
        query = f"SELECT {_ACTION_COLUMNS}, data FROM actions WHERE id = ?"  # noqa: S608 - a constant
        return next((_kept_action(row) for row in self.rows(query, (action_id,))), None)

    def actions(self, limit: int) -> list[ActionRecord]:
        """The newest rows, the newest first."""
        query = f"SELECT {_ACTION_COLUMNS}, NULL FROM actions ORDER BY at DESC, rowid DESC LIMIT ?"  # noqa: S608 - a constant
        return [_kept_action(row).record for row in self.rows(query, (limit,))]

    def delete_actions_before(self, at: int, limit: int) -> int:
        """Let go of some of the rows that are older than a time; how many."""
        query = "DELETE FROM actions WHERE rowid IN (SELECT rowid FROM actions WHERE at < ? ORDER BY at LIMIT ?)"
        return self._connection.execute(query, (at, limit)).rowcount

    # Checkpoints.

    def checkpoint(self, kind: str) -> Checkpoint | None:
        """A checkpoint, if there is one."""
        rows = self.rows("SELECT seq, state FROM checkpoints WHERE kind = ?", (kind,))
        return next((Checkpoint(seq=int(str(seq)), state=_bytes(state)) for seq, state in rows), None)

    def put_checkpoint(self, kind: str, checkpoint: Checkpoint, now_ms: int) -> None:
        """Replace a checkpoint."""
        self._connection.execute(
            "INSERT OR REPLACE INTO checkpoints (kind, seq, made_at, state) VALUES (?,?,?,?)",
            (kind, checkpoint.seq, now_ms, checkpoint.state),
        )

    # The file.

    def flush_wal(self, *, truncate: bool = False) -> None:
        """Move the write-ahead log into the file, as far as nobody reads from it."""
        mode = "TRUNCATE" if truncate else "PASSIVE"
        try:
            self._connection.execute(f"PRAGMA wal_checkpoint({mode})")
        except sqlite3.Error as exc:
            raise StoreError(str(exc)) from exc

    def sizes(self) -> dict[str, int]:
        """Bytes of the file, of its write-ahead log, and free on its disk."""
        wal = self._path.with_name(self._path.name + "-wal")
        return {
            "database_bytes": self._path.stat().st_size,
            "wal_bytes": wal.stat().st_size if wal.exists() else 0,
            "free_disk_bytes": shutil.disk_usage(self._path.parent).free,
        }

    def close(self) -> None:
        """Close the file, its write-ahead log folded in."""
        try:
            self.flush_wal(truncate=True)
        finally:
            self._connection.close()


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise StoreError(f"a checkpoint that is no bytes but {type(value).__name__}")
    return value


def _text(payload: bytes) -> str:
    return payload.decode("utf-8", errors="replace")


def _event(row: Sequence[object]) -> NewEvent:
    _, event_id, name, source, session_id, pane_id, tmux, received_at, sent_at, payload = row
    return NewEvent(
        id=str(event_id),
        name=str(name),
        source=Source(str(source)),
        session_id=_word(session_id),
        pane_id=_word(pane_id),
        tmux=_word(tmux),
        received_at=int(str(received_at)),
        sent_at=_number(sent_at),
        payload=str(payload).encode(),
    )


def _kept_action(row: Sequence[object]) -> KeptAction:
    action_id, at, who, action, target, body, finished_at, result, message, data = row
    return KeptAction(
        record=ActionRecord(
            id=str(action_id),
            at=int(str(at)),
            who=str(who),
            action=str(action),
            target=_word(target),
            body=str(body),
            finished_at=_number(finished_at),
            result=_word(result),
            message=_word(message),
        ),
        data=data if isinstance(data, bytes) else None,
    )


def _word(value: object) -> str | None:
    return None if value is None else str(value)


def _number(value: object) -> int | None:
    return None if value is None else int(str(value))
