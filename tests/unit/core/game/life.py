"""A persona with its days, for tests: deeds go in as `Game` puts them in."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from services.contract.game import Badge
from services.core.game.achievements import Achievements
from services.core.game.calendar import Calendar
from services.core.game.deeds import Deed, DeedKind
from services.core.game.levels import begins_at
from services.core.game.personas import PersonaState, count, count_quest, new_persona, note_project

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


def moment(text: str, zone: str = "UTC") -> int:
    """A local time, `2026-03-04 12:00`, in Unix ms."""
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


NOON: Final = moment("2026-03-04 12:00")
"""Of a Wednesday."""


class Life:
    """One persona. `now` is the time of the next deed, unless it is given another one."""

    def __init__(self, at: int = NOON, zone: str = "UTC", achievements: Achievements | None = None) -> None:
        self.calendar = Calendar(zone)
        self.state: PersonaState = new_persona("p1", "Amber Falcon", at)
        self.now = at
        self.xp = 0
        self.unlocked: list[Badge] = []
        self._achievements = achievements

    def do(self, kind: DeedKind, at: int | None = None, *, session: str = "s1", times: int = 1, **fields: Any) -> None:
        """The same deed, some times."""
        self.now = self.now if at is None else at
        day = self.calendar.day_of(self.now)
        since_midnight = self.now - self.calendar.bounds(day)[0]
        deed = Deed(kind=kind, at=self.now, session_id=session, event_id="e", **fields)
        for _ in range(times):
            count(self.state, deed, day, since_midnight)
            self.unlock()

    def turn(self, took: int = 0, *, at: int | None = None, **fields: Any) -> None:
        """A prompt and its turn's end."""
        self.do(DeedKind.PROMPT, at, **fields)
        self.do(DeedKind.TURN, self.now + took, **fields)

    def wait(self, ms: int) -> None:
        """Time passes."""
        self.now += ms

    def complete_quest(self) -> None:
        """A quest is completed."""
        count_quest(self.state, self.calendar.day_of(self.now))
        self.unlock()

    def work_in(self, project_id: str) -> None:
        """Something is done in a project."""
        note_project(self.state, project_id)
        self.unlock()

    def earn(self, xp: int) -> None:
        """XP are given."""
        self.xp += xp
        self.unlock()

    def unlock(self) -> None:
        """What `Game` does after each event."""
        if self._achievements is not None:
            self.unlocked += self._achievements.unlock(self.state, self.xp, self.now)


# How a persona comes to a number of something.


def prompts(life: Life, number: int) -> None:
    for _ in range(number):
        life.turn(at=life.now + MINUTE)


def tools(life: Life, number: int) -> None:
    life.do(DeedKind.TOOL, times=number)


def days(life: Life, number: int) -> None:
    for _ in range(number):
        life.do(DeedKind.TOOL)
        life.wait(DAY)


def busy(life: Life, number: int) -> None:
    life.do(DeedKind.PROMPT)
    tools(life, number)


def hours(life: Life, ms: int) -> None:
    for _ in range(ms // HOUR):
        life.turn(HOUR)
    life.turn(ms % HOUR)


def projects(life: Life, number: int) -> None:
    for n in range(number):
        life.work_in(f"r{n}")


def morale(life: Life, number: int) -> None:
    missing = number - life.state.morale
    life.do(DeedKind.TEST, times=missing // 3)
    life.do(DeedKind.COMMIT, times=missing % 3 // 2)


def nights(life: Life, number: int) -> None:
    for n in range(number):
        life.turn(at=moment("2026-03-05 02:00") + n * DAY)


def weekends(life: Life, number: int) -> None:
    for n in range(number):
        life.turn(at=moment("2026-03-07 15:00") + n * 7 * DAY)


def quests(life: Life, number: int) -> None:
    for _ in range(number):
        life.complete_quest()


def doing(kind: DeedKind) -> Callable[[Life, int], None]:
    return lambda life, number: life.do(kind, times=number)


HISTORIES: Final[dict[str, Callable[[Life, int], None]]] = {
    "prompts": prompts,
    "turns": prompts,
    "tools": tools,
    "failed_tools": doing(DeedKind.FAILED_TOOL),
    "edits": doing(DeedKind.EDIT),
    "tests": doing(DeedKind.TEST),
    "commits": doing(DeedKind.COMMIT),
    "pushes": doing(DeedKind.PUSH),
    "pull_requests": doing(DeedKind.PULL_REQUEST),
    "tasks": doing(DeedKind.TASK_COMPLETED),
    "quests": quests,
    "worked_ms": hours,
    "night_turns": nights,
    "weekend_turns": weekends,
    "busiest_turn": busy,
    "streak_days": days,
    "projects": projects,
    "morale": morale,
    "worked_minutes": lambda life, number: hours(life, number * MINUTE),
    "level": lambda life, level: life.earn(begins_at(level) - life.xp),
}
"""For each measure, how a persona comes to a number of it."""
