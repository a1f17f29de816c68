"""What a persona is asked to do within a day or a week, and how far it is. Pure.

`challenges.toml` beside this module has what there is to pick from, and says what each field means.
"""

import hashlib
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from services.contract.game import Challenge
from services.core.game.calendar import DAYS_A_WEEK, Calendar, week_of
from services.core.game.personas import PersonaState, Tally
from services.core.game.rule_file import Entry, RuleFileError, read_entries

DAILY: Final = 3
WEEKLY: Final = 2
WORKED: Final = "worked_minutes"
MINUTE_MS: Final = 60_000
_UNWANTED: Final = frozenset({"failed_turns", "failed_tools", "worked_ms"})
_MEASURES: Final = (*(name for name in Tally.__struct_fields__ if name not in _UNWANTED), WORKED)
_NOTHING: Final = Tally()

_Goal = Annotated[int, Meta(ge=1, le=1_000_000)]


class Task(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One challenge as its file has it, for any persona."""

    period: Literal["daily", "weekly"]
    measure: str
    goal: _Goal


class Challenges(Struct, frozen=True):
    """All there is to pick from, in the order of the file."""

    daily: tuple[Task, ...]
    weekly: tuple[Task, ...]

    @classmethod
    def load(cls, text: str) -> "Challenges":
        """The challenges of a file.

        Raises:
            RuleFileError: something in it is wrong.
        """
        tasks = read_entries(text, "challenge", Task)
        for task in tasks:
            if task.measure not in _MEASURES:
                raise RuleFileError(f"challenge {task.id}, measure: takes one of {', '.join(_MEASURES)}")
        daily = tuple(task for task in tasks if task.period == "daily")
        weekly = tuple(task for task in tasks if task.period == "weekly")
        for period, some, number in (("daily", daily, DAILY), ("weekly", weekly, WEEKLY)):
            if len({task.measure for task in some}) < number:
                raise RuleFileError(f"{period} challenges: there are to be {number} at least, of different measures")
        return cls(daily, weekly)

    def of(self, state: PersonaState, day: int, calendar: Calendar) -> tuple[Challenge, ...]:
        """The challenges of a persona on a local day, the daily ones first; they expire in Unix ms."""
        week = week_of(day)
        today = state.today if state.day == day else _NOTHING
        this_week = state.this_week if state.week == week else _NOTHING
        _, day_end = calendar.bounds(day)
        _, week_end = calendar.bounds(week + DAYS_A_WEEK - 1)
        daily = _pick(self.daily, DAILY, f"{state.id} day {day}")
        weekly = _pick(self.weekly, WEEKLY, f"{state.id} week {week}")
        return (
            *(_progress(task, today, day_end) for task in daily),
            *(_progress(task, this_week, week_end) for task in weekly),
        )


def _pick(tasks: tuple[Task, ...], number: int, seed: str) -> list[Task]:
    """Some tasks of different measures; which, depends on nothing but the seed and the tasks' ids."""
    picked: dict[str, Task] = {}
    for task in sorted(tasks, key=lambda one: _rank(seed, one.id)):
        picked.setdefault(task.measure, task)
        if len(picked) == number:
            break
    return list(picked.values())


def _rank(seed: str, task_id: str) -> bytes:
    return hashlib.blake2b(f"{seed} {task_id}".encode(), digest_size=8).digest()


def _progress(task: Task, tally: Tally, expires_at: int) -> Challenge:
    done: int = tally.worked_ms // MINUTE_MS if task.measure == WORKED else getattr(tally, task.measure)
    return Challenge(
        id=task.id,
        title=task.title,
        period=task.period,
        goal=task.goal,
        progress=min(done, task.goal),
        is_done=done >= task.goal,
        expires_at=expires_at,
    )
