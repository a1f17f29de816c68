"""The database's shape, as migrations that only ever get more. Applied by the store, each in a transaction."""

from typing import Final

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


_EPOCH_DAY: Final = 719_163
"""The ordinal of 1970-01-01."""
_GAME: Final = (
    "ALTER TABLE xp_ledger RENAME TO xp_ledger_before",
    """
    CREATE TABLE xp_ledger (
        key TEXT PRIMARY KEY,
        seq INTEGER NOT NULL,
        at INTEGER NOT NULL,
        day INTEGER NOT NULL,
        session_id TEXT NOT NULL,
        persona_id TEXT NOT NULL,
        project_id TEXT,
        folder TEXT,
        amount INTEGER NOT NULL,
        rule TEXT NOT NULL,
        reason TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    # Nobody knew the person's time zone then: the day is that of UTC.
    f"""
    INSERT INTO xp_ledger (key, seq, at, day, session_id, persona_id, project_id, folder, amount, rule, reason)
    SELECT key, seq, at, at / 86400000 + {_EPOCH_DAY}, session_id, '', NULL, NULL, amount, 'tool',
        CASE WHEN reason LIKE 'tool:%' THEN substr(reason, 6) ELSE reason END
    FROM xp_ledger_before WHERE seq <= coalesce((SELECT seq FROM checkpoints WHERE kind = 'base'), 0)
    """,  # noqa: S608 - a constant
    "DROP TABLE xp_ledger_before",
    # What the log still has is read again by the next start, and earns by the rules that there are now.
    "DELETE FROM checkpoints WHERE kind = 'latest'",
    # What waits for its project: few rows, however long the ledger is.
    "CREATE INDEX xp_ledger_unplaced ON xp_ledger (folder) WHERE project_id IS NULL AND folder IS NOT NULL",
    """
    CREATE TABLE xp_days (
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        day INTEGER NOT NULL,
        amount INTEGER NOT NULL,
        awards INTEGER NOT NULL,
        PRIMARY KEY (kind, id, day)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE xp_rules (
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        rule TEXT NOT NULL,
        amount INTEGER NOT NULL,
        awards INTEGER NOT NULL,
        PRIMARY KEY (kind, id, rule)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE journal (
        seq INTEGER NOT NULL,
        kind TEXT NOT NULL,
        at INTEGER NOT NULL,
        day INTEGER NOT NULL,
        session_id TEXT NOT NULL,
        persona_id TEXT NOT NULL,
        project_id TEXT,
        folder TEXT,
        text TEXT NOT NULL,
        PRIMARY KEY (seq, kind, persona_id)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX journal_by_time ON journal (at)",
    "CREATE INDEX journal_by_project ON journal (project_id, at) WHERE project_id IS NOT NULL",
    "CREATE INDEX journal_unplaced ON journal (folder) WHERE project_id IS NULL AND folder IS NOT NULL",
)


@MIGRATIONS(name="0003_game")
def game(db: Database) -> None:
    """The ledger with its earners and days, the sums of it, and the journal of what happened."""
    for statement in _GAME:
        _run(db, statement)
