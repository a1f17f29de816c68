"""The XP ledger and the journal in the database: what was earned and what happened, in full and in sums.

Speaks SQL through the store, which has the connection and the transactions. The sums are kept in the transaction of the
row that they add up, so that a year is read from a year's rows.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Protocol, TypeVar

from msgspec import Struct

from services.contract.game_answers import EarnerType, RuleXp, XpDay
from services.core.game.calendar import day_text, week_of
from services.core.game.earnings import Award
from services.core.game.game import Effects
from services.core.game.journal import EDIT, JournalEntry

PERSONA: Final = EarnerType.PERSONA.value
PROJECT: Final = EarnerType.PROJECT.value

_COLUMNS: Final = "key, seq, at, day, session_id, persona_id, project_id, folder, amount, rule, reason"
_ADD: Final = f"INSERT OR IGNORE INTO xp_ledger ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)"  # noqa: S608 - a constant
_SUM: Final = "DO UPDATE SET amount = amount + excluded.amount, awards = awards + excluded.awards"
_SUMS: Final = {"xp_days": "day", "xp_rules": "rule"}
"""The tables of sums, and what besides the earner they sum by."""
_ADD_SUMS: Final = {
    table: [
        f"INSERT INTO {table} (kind, id, {column}, amount, awards) VALUES {rows} ON CONFLICT {_SUM}"  # noqa: S608
        for rows in ("(?,?,?,?,?)", "(?,?,?,?,?), (?,?,?,?,?)")
    ]
    for table, column in _SUMS.items()
}
"""Statements that add one row, and two: mostly a persona's and a project's."""
_JOURNAL_COLUMNS: Final = "seq, kind, at, day, session_id, persona_id, project_id, folder, text"
_Key = TypeVar("_Key")


class Rows(Protocol):
    """The part of the store that the ledger speaks SQL through."""

    def execute(self, sql: str, values: Sequence[object] = ()) -> int:
        """Do it, within the caller's transaction; how many rows were changed."""
        ...

    def first(self, sql: str, values: Sequence[object] = ()) -> Sequence[object] | None:
        """The first row that a query finds."""
        ...

    def rows(self, sql: str, values: Sequence[object] = ()) -> Iterable[Sequence[object]]:
        """What a query finds."""
        ...


class Sums(Struct, frozen=True, kw_only=True):
    """The XP of one persona or project."""

    total: int = 0
    today: int = 0
    week: int = 0
    """Since Monday."""
    awards: int = 0
    by_rule: tuple[RuleXp, ...] = ()
    """The rule that gave most first."""


class Count(Struct, frozen=True, kw_only=True):
    """How often one kind of thing happened, by who did it and where."""

    kind: str
    persona_id: str
    project_id: str | None
    number: int


class Ledger:
    """What was earned, and what happened."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def take(self, effects: Iterable[Effects]) -> None:
        """Write down what events changed, each before the next one is looked at: `is_first` tells of it."""
        new: list[Award] = []
        for one in effects:
            new += [award for award in one.awards if self.write(award)]
            for entry in one.journal:
                self.journal_add(entry)
            for placed in one.placed:
                self.place(placed.folder, placed.project_id)
        self.sum_up(new)

    # XP.

    def is_first(self, key: str, seq: int) -> bool:
        """Whether nobody had this award before the event `seq`."""
        found = self._rows.first("SELECT seq FROM xp_ledger WHERE key = ?", (key,))
        return found is None or found[0] == seq

    def add(self, award: Award) -> bool:
        """Write an award down, with its sums; False when it is there already, as after a replay of the log."""
        is_new = self.write(award)
        if is_new:
            self.sum_up((award,))
        return is_new

    def write(self, award: Award) -> bool:
        """Write an award down; False when it is there already. If not, `sum_up` is to follow in the transaction."""
        a = award
        values = (a.key, a.seq, a.at, a.day, a.session_id, a.persona_id, a.project_id, a.folder, a.amount, a.rule)
        return self._rows.execute(_ADD, (*values, a.reason)) == 1

    def sum_up(self, awards: Iterable[Award]) -> None:
        """Add new awards to the sums: for many of one persona and day, in little more time than for one."""
        days: dict[tuple[str, str, int], tuple[int, int]] = {}
        rules: dict[tuple[str, str, str], tuple[int, int]] = {}
        for award in awards:
            for kind, earner_id in ((PERSONA, award.persona_id), (PROJECT, award.project_id)):
                if earner_id is not None:  # A persona "" is a person, by a quest.
                    _add(days, (kind, earner_id, award.day), award.amount)
                    _add(rules, (kind, earner_id, award.rule), award.amount)
        self._add_sums("xp_days", [(*key, *sums) for key, sums in days.items()])
        self._add_sums("xp_rules", [(*key, *sums) for key, sums in rules.items()])

    def _add_sums(self, table: str, rows: Sequence[tuple[str | int, ...]]) -> None:
        for first in range(0, len(rows), 2):
            pair = rows[first : first + 2]
            self._rows.execute(_ADD_SUMS[table][len(pair) - 1], [value for row in pair for value in row])

    def place(self, folder: str, project_id: str) -> int:
        """Give what was done in a folder to its project, where none is given yet; how many awards that were."""
        for table, column in _SUMS.items():
            self._rows.execute(
                f"INSERT INTO {table} (kind, id, {column}, amount, awards) "  # noqa: S608 - names from just above
                f"SELECT ?, ?, {column}, sum(amount), count(*) FROM xp_ledger "
                f"WHERE folder = ? AND project_id IS NULL GROUP BY {column} ON CONFLICT {_SUM}",
                (PROJECT, project_id, folder),
            )
        self._place(folder, project_id, "journal")
        return self._place(folder, project_id, "xp_ledger")

    def _place(self, folder: str, project_id: str, table: str) -> int:
        query = f"UPDATE {table} SET project_id = ? WHERE folder = ? AND project_id IS NULL"  # noqa: S608 - our names
        return self._rows.execute(query, (project_id, folder))

    def forget_after(self, seq: int) -> None:
        """Let go of what events after `seq` earned and told, for a rebuild; `sum_again` is to follow."""
        self._rows.execute("DELETE FROM xp_ledger WHERE seq > ?", (seq,))
        self._rows.execute("DELETE FROM journal WHERE seq > ?", (seq,))

    def sum_again(self) -> None:
        """Make the sums from the ledger."""
        for table, column in _SUMS.items():
            self._rows.execute(f"DELETE FROM {table}")  # noqa: S608 - a name from just above
            for kind, earner in ((PERSONA, "persona_id"), (PROJECT, "project_id")):
                self._rows.execute(
                    f"INSERT INTO {table} (kind, id, {column}, amount, awards) "  # noqa: S608 - names from just above
                    f"SELECT ?, {earner}, {column}, sum(amount), count(*) FROM xp_ledger "
                    f"WHERE {earner} IS NOT NULL GROUP BY {earner}, {column}",
                    (kind,),
                )

    def summary(self, kind: EarnerType, earner_id: str, today: int) -> Sums:
        """The XP of a persona or project; `today` is the local day that it is."""
        query = "SELECT rule, amount, awards FROM xp_rules WHERE kind = ? AND id = ? ORDER BY amount DESC, rule"
        found = self._rows.rows(query, (kind.value, earner_id))
        by_rule = tuple(RuleXp(rule=str(rule), xp=_int(xp), awards=_int(n)) for rule, xp, n in found)
        days = self._days(kind, earner_id, week_of(today), today)
        return Sums(
            total=sum(rule.xp for rule in by_rule),
            today=days.get(today, (0, 0))[0],
            week=sum(xp for xp, _ in days.values()),
            awards=sum(rule.awards for rule in by_rule),
            by_rule=by_rule,
        )

    def timeline(self, kind: EarnerType, earner_id: str, first_day: int, last_day: int) -> tuple[XpDay, ...]:
        """Every day from the first to the last, those without XP too."""
        days = self._days(kind, earner_id, first_day, last_day)
        return tuple(
            XpDay(day=day_text(day), xp=xp, awards=awards)
            for day in range(first_day, last_day + 1)
            for xp, awards in (days.get(day, (0, 0)),)
        )

    def _days(self, kind: EarnerType, earner_id: str, first_day: int, last_day: int) -> dict[int, tuple[int, int]]:
        query = "SELECT day, amount, awards FROM xp_days WHERE kind = ? AND id = ? AND day BETWEEN ? AND ?"
        found = self._rows.rows(query, (kind.value, earner_id, first_day, last_day))
        return {_int(day): (_int(xp), _int(awards)) for day, xp, awards in found}

    def earned(self, kind: EarnerType, first_day: int, last_day: int) -> dict[str, int]:
        """The XP that each persona or project got from the first to the last day; "" is what no persona did."""
        query = "SELECT id, sum(amount) FROM xp_days WHERE kind = ? AND day BETWEEN ? AND ? GROUP BY id"
        return {str(id_): _int(xp) for id_, xp in self._rows.rows(query, (kind.value, first_day, last_day))}

    # The journal.

    def journal_add(self, entry: JournalEntry) -> bool:
        """Write down what happened; False when it is there already, as after a replay of the log."""
        e = entry
        values = (e.seq, e.kind, e.at, e.day, e.session_id, e.persona_id, e.project_id, e.folder, e.text)
        query = f"INSERT OR IGNORE INTO journal ({_JOURNAL_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?)"  # noqa: S608
        return self._rows.execute(query, values) == 1

    def journal_between(
        self, first_ms: int, end_ms: int, limit: int, project_id: str | None = None
    ) -> tuple[JournalEntry, ...]:
        """What happened from a time on and before another one, the newest first; edits are left out."""
        where, values = _between(first_ms, end_ms, project_id)
        query = (
            f"SELECT {_JOURNAL_COLUMNS} FROM journal WHERE {where} AND kind <> ? "  # noqa: S608 - constants
            "ORDER BY at DESC, seq DESC, kind LIMIT ?"
        )
        return tuple(map(_entry, self._rows.rows(query, (*values, EDIT, limit))))

    def journal_counts(self, first_ms: int, end_ms: int, project_id: str | None = None) -> tuple[Count, ...]:
        """How often what happened from a time on and before another one; in a project, or in all."""
        where, values = _between(first_ms, end_ms, project_id)
        columns = "kind, persona_id, project_id"
        query = f"SELECT {columns}, count(*) FROM journal WHERE {where} GROUP BY {columns}"  # noqa: S608 - constants
        return tuple(
            Count(
                kind=str(kind),
                persona_id=str(persona_id),
                project_id=None if project is None else str(project),
                number=_int(number),
            )
            for kind, persona_id, project, number in self._rows.rows(query, values)
        )

    def journal_files(self, first_ms: int, end_ms: int, project_id: str | None = None) -> int:
        """How many files were edited from a time on and before another one, each counted once."""
        where, values = _between(first_ms, end_ms, project_id)
        query = f"SELECT count(DISTINCT text) FROM journal WHERE {where} AND kind = ?"  # noqa: S608 - constants
        return next((_int(number) for (number,) in self._rows.rows(query, (*values, EDIT))), 0)

    def journal_forget_before(self, at: int, seq: int, limit: int) -> int:
        """Let go of some of the entries that are older than a time, of events up to a seq; how many.

        That of the last event that retention has let go: what the log has, a rebuild would write down again.
        """
        some = "SELECT seq, kind, persona_id FROM journal WHERE at < ? AND seq <= ? ORDER BY at LIMIT ?"
        return self._rows.execute(f"DELETE FROM journal WHERE (seq, kind, persona_id) IN ({some})", (at, seq, limit))  # noqa: S608


def _add(sums: dict[_Key, tuple[int, int]], key: _Key, amount: int) -> None:
    total, awards = sums.get(key, (0, 0))
    sums[key] = (total + amount, awards + 1)


def _between(first_ms: int, end_ms: int, project_id: str | None) -> tuple[str, tuple[object, ...]]:
    if project_id is None:
        return "at >= ? AND at < ?", (first_ms, end_ms)
    return "project_id = ? AND at >= ? AND at < ?", (project_id, first_ms, end_ms)


def _entry(row: Sequence[object]) -> JournalEntry:
    seq, kind, at, day, session_id, persona_id, project_id, folder, text = row
    return JournalEntry(
        seq=_int(seq),
        kind=str(kind),
        at=_int(at),
        day=_int(day),
        session_id=str(session_id),
        persona_id=str(persona_id),
        project_id=None if project_id is None else str(project_id),
        folder=None if folder is None else str(folder),
        text=str(text),
    )


def _int(value: object) -> int:
    if not isinstance(value, int):
        raise AssertionError(f"a column of whole numbers holds a {type(value).__name__}")  # noqa: TRY004 - see STYLE 18
    return value
