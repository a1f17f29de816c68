"""The database's shape, as migrations that only ever get more. Applied by the store, each in a transaction."""

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

MIGRATIONS = Migrations("questmux")


def _run(db: Database, sql: str) -> None:
    db.conn.execute(sql)


@MIGRATIONS(name="0001_event_log")
def event_log(db: Database) -> None:
    """The log, the ids it has seen, the XP ledger and the checkpoints."""
    _run(
        db,
        """
        CREATE TABLE events (
            seq INTEGER PRIMARY KEY,
            id TEXT NOT NULL,
            name TEXT NOT NULL,
            source TEXT NOT NULL,
            session_id TEXT,
            pane_id TEXT,
            tmux TEXT,
            received_at INTEGER NOT NULL,
            sent_at INTEGER,
            payload TEXT NOT NULL
        ) STRICT
        """,
    )
    # Ids outlive their events, so that one that comes again after retention is still known.
    _run(db, "CREATE TABLE event_ids (id TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID")
    _run(
        db,
        """
        CREATE TABLE xp_ledger (
            key TEXT PRIMARY KEY,
            seq INTEGER NOT NULL,
            session_id TEXT NOT NULL,
            amount INTEGER NOT NULL,
            reason TEXT NOT NULL,
            at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID
        """,
    )
    _run(
        db,
        """
        CREATE TABLE checkpoints (
            kind TEXT PRIMARY KEY,
            seq INTEGER NOT NULL,
            made_at INTEGER NOT NULL,
            state BLOB NOT NULL
        ) STRICT
        """,
    )


@MIGRATIONS(name="0002_actions")
def actions(db: Database) -> None:
    """The audit: who had what done to tmux, when, and what came of it."""
    _run(
        db,
        """
        CREATE TABLE actions (
            id TEXT PRIMARY KEY,
            at INTEGER NOT NULL,
            who TEXT NOT NULL,
            action TEXT NOT NULL,
            target TEXT,
            body TEXT NOT NULL,
            finished_at INTEGER,
            result TEXT,
            message TEXT,
            data BLOB
        ) STRICT
        """,
    )
    # For pages of the newest first: entries of the same millisecond follow each other by their rowid.
    _run(db, "CREATE INDEX actions_by_time ON actions (at)")
