"""What was done in one project or one folder, in all and by each who had a part in it. Pure."""

from typing import Final

from msgspec import Struct, field

from services.core.game.calendar import Streak
from services.core.game.deeds import Deed, DeedKind
from services.core.game.personas import Tally

MAX_SHARES: Final = 256
"""Contributors; with one more, the one with the least XP is let go, of equals the one seen longest ago."""
MAX_RUNS: Final = 8
"""Days in a row that are remembered, the newest: what is placed late may close the gap between two of them."""
_WORK: Final[frozenset[str]] = frozenset(
    {
        *(DeedKind.TOOL, DeedKind.EDIT, DeedKind.TEST, DeedKind.COMMIT, DeedKind.PUSH, DeedKind.PULL_REQUEST),
        DeedKind.TURN,
    }
)

Counts = list[tuple[str, int]]
"""Numbers by the names of a tally's fields."""


class Share(Struct, kw_only=True, omit_defaults=True):
    """What was done by one persona, or by all."""

    xp: int = 0
    last_at: int = 0
    total: Tally = field(default_factory=Tally)

    def count(self, counts: Counts, at: int) -> None:
        """Add what was done at a time."""
        self.last_at = max(self.last_at, at)
        for name, number in counts:
            setattr(self.total, name, getattr(self.total, name) + number)

    def add(self, other: "Share") -> None:
        """Add another one."""
        self.xp += other.xp
        self.count(counts_in(other.total), other.last_at)


class Work(Struct, kw_only=True):
    """What was done in one project, or in one folder."""

    whole: Share = field(default_factory=Share)
    shares: dict[str, Share] = field(default_factory=dict[str, Share])
    """By persona."""
    first_at: int = 0
    """0 when nothing was done yet."""
    runs: list[Streak] = field(default_factory=list[Streak])
    """Days in a row with work, the newest last."""

    @property
    def streak(self) -> Streak:
        """The days in a row up to the last one with work."""
        return self.runs[-1] if self.runs else Streak()

    def count(self, persona_id: str, counts: Counts, at: int) -> None:
        """Add what a persona did at a time; nobody is the empty one."""
        self.first_at = min(self.first_at or at, at)
        self.whole.count(counts, at)
        if persona_id:
            self._share(persona_id).count(counts, at)

    def mark_day(self, day: int) -> None:
        """There was work on a day."""
        if not self.runs or self.runs[-1].last_day != day:
            self.runs = _with_run(self.runs, Streak(last_day=day, days=1))

    def earn(self, persona_id: str, amount: int) -> None:
        """Add what a persona earned."""
        self.whole.xp += amount
        if persona_id:
            self._share(persona_id).xp += amount

    def add(self, other: "Work") -> None:
        """Add another one."""
        if other.first_at:
            self.first_at = min(self.first_at or other.first_at, other.first_at)
        self.whole.add(other.whole)
        for persona_id, share in other.shares.items():
            self._share(persona_id).add(share)
        for run in other.runs:
            self.runs = _with_run(self.runs, run)

    def _share(self, persona_id: str) -> Share:
        shares = self.shares
        share = shares.get(persona_id)
        if share is None:
            if len(shares) >= MAX_SHARES:
                del shares[min(shares, key=lambda one: (shares[one].xp, shares[one].last_at, one))]
            share = shares[persona_id] = Share()
        return share


def counts_in(tally: Tally) -> Counts:
    """What a tally holds."""
    return [(name, number) for name in Tally.__struct_fields__ if (number := getattr(tally, name))]


def makes_a_day(deeds: tuple[Deed, ...]) -> bool:
    """Whether any of them makes its day one of a streak, as a persona's: what can earn, begun by a person."""
    return any(deed.kind in _WORK and not deed.by_machine for deed in deeds)


def _with_run(runs: list[Streak], run: Streak) -> list[Streak]:
    """The runs of days with one more; those that meet are one."""
    before_first, last = run.last_day - run.days, run.last_day
    apart: list[Streak] = []
    for other in runs:
        if other.last_day < before_first or other.last_day - other.days > last:
            apart.append(other)
        else:
            before_first = min(before_first, other.last_day - other.days)
            last = max(last, other.last_day)
    joined = Streak(last_day=last, days=last - before_first)
    return sorted([*apart, joined], key=lambda one: one.last_day)[-MAX_RUNS:]
