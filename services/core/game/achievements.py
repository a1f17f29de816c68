"""What a persona can achieve, and whether it has. Pure.

`achievements.toml` beside this module has what there is, and says what each field means.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from services.contract.game import Achievement, Badge
from services.core.game.levels import begins_at
from services.core.game.personas import FULL, MAX_PROJECTS, PersonaState, Tally
from services.core.game.rule_file import Entry, RuleFileError, read_entries

LEVEL: Final = "level"
_COUNTED: Final = Tally.__struct_fields__
_OTHERS: Final[dict[str, Callable[[PersonaState], int]]] = {
    "streak_days": attrgetter("streak.days"),
    "busiest_turn": attrgetter("busiest_turn"),
    "projects": lambda state: len(state.project_ids),
    "morale": attrgetter("morale"),
}
_MEASURES: Final = (*_COUNTED, LEVEL, *_OTHERS)
_MOST: Final = {"projects": MAX_PROJECTS, "morale": FULL}
_TALLY: Final = {"ever": "total", "day": "today", "week": "this_week"}

_Sentence = Annotated[str, Meta(min_length=1, max_length=200)]
_Goal = Annotated[int, Meta(ge=1, le=1_000_000_000_000)]


class Goal(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One achievement as its file has it."""

    description: _Sentence
    rarity: Literal["common", "uncommon", "rare", "epic", "legendary"]
    measure: str
    at_least: _Goal
    period: Literal["ever", "day", "week"] = "ever"


class Check(Struct, frozen=True):
    """One number of a persona, and all that it unlocks, the least first."""

    measure: str
    read: Callable[[PersonaState], int]
    steps: tuple[tuple[int, Goal], ...]


class Achievements:
    """All achievements, in the order of the file."""

    def __init__(self, goals: tuple[Goal, ...]) -> None:
        self.all = tuple(
            Achievement(id=goal.id, title=goal.title, description=goal.description, rarity=goal.rarity)
            for goal in goals
        )
        steps: dict[tuple[str, str], list[tuple[int, Goal]]] = {}
        for goal in goals:
            at_least = begins_at(goal.at_least) if goal.measure == LEVEL else goal.at_least
            steps.setdefault((goal.measure, goal.period), []).append((at_least, goal))
        ordered = {which: tuple(sorted(some, key=lambda step: step[0])) for which, some in steps.items()}
        self._levels = ordered.pop((LEVEL, "ever"), ())
        self._checks = tuple(Check(which[0], _reader(*which), some) for which, some in ordered.items())

    @classmethod
    def load(cls, text: str) -> "Achievements":
        """The achievements of a file.

        Raises:
            RuleFileError: something in it is wrong.
        """
        goals = read_entries(text, "achievement", Goal)
        for goal in goals:
            _check(goal)
        return cls(tuple(goals))

    def unlock(self, state: PersonaState, xp: int, at: int, gained: Tally | None = None) -> tuple[Badge, ...]:
        """Give the persona what it has achieved and has not yet, each once; answers what is new.

        To be called after an event's deeds were counted and its XP given; `at` is the event's time. With what the
        statistics `gained` by it, those that did not change are not looked at.
        """
        reached = [
            goal
            for check in self._checks
            if gained is None or getattr(gained, check.measure, True)
            for goal in _reached(check.steps, check.read(state), state)
        ]
        reached += _reached(self._levels, xp, state)
        badges = tuple(Badge(id=goal.id, title=goal.title, rarity=goal.rarity, unlocked_at=at) for goal in reached)
        for badge in badges:
            state.badges[badge.id] = badge
        return badges


def _reached(steps: tuple[tuple[int, Goal], ...], value: int, state: PersonaState) -> list[Goal]:
    """The goals that a value reaches and that have no badge yet."""
    if not steps or value < steps[0][0]:
        return []
    return [goal for at_least, goal in steps if at_least <= value and goal.id not in state.badges]


def _reader(measure: str, period: str) -> Callable[[PersonaState], int]:
    other = _OTHERS.get(measure)
    return attrgetter(f"{_TALLY[period]}.{measure}") if other is None else other


def _check(goal: Goal) -> None:
    name = f"achievement {goal.id}"
    if goal.measure not in _MEASURES:
        raise RuleFileError(f"{name}, measure: takes one of {', '.join(_MEASURES)}")
    if goal.period != "ever" and goal.measure not in _COUNTED:
        raise RuleFileError(f"{name}, period: only a statistic takes it, and {goal.measure} is none")
    if goal.at_least > _MOST.get(goal.measure, goal.at_least):
        raise RuleFileError(f"{name}, at_least: {goal.measure} is at most {_MOST[goal.measure]}")
