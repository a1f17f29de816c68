"""Local days and ISO weeks of a person's time zone, and the streaks that they make.

A day is its proleptic ordinal (`date.toordinal`), a week that of its Monday; times are Unix milliseconds. Reads the
system's time zone file once, when it is made; all else is pure.
"""

from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

DAYS_A_WEEK: Final = 7
LAST_MS: Final = 253_402_128_000_000
"""9999-12-30: a later time is taken as this; nothing that a calendar knows is after it."""


class Streak(Struct, frozen=True, kw_only=True):
    """Days in a row."""

    last_day: int = 0
    days: int = 0
    """Up to `last_day`; 0 when there was none yet."""


class Calendar:
    """The local days of one IANA time zone.

    Raises:
        ValueError: there is no such zone; the message says so in a sentence.
    """

    def __init__(self, zone: str) -> None:
        try:
            self._zone = ZoneInfo(zone)
        except (KeyError, ValueError, OSError) as exc:  # Of a folder, an absolute path, a file that is no zone.
            raise ValueError(
                f"{zone!r} is no IANA time zone that this system knows; one looks like Europe/Berlin"
            ) from exc
        self.zone = zone
        self._day = 0
        self._first = self._end = -1

    def day_of(self, at: int) -> int:
        """The local day of a time. Remembers that day's bounds, as most events are of one day."""
        if not self._first <= at < self._end:
            at = min(max(at, 0), LAST_MS)
            self._day = day = self._find(at)
            self._first, self._end = self._start(day), self._start(day + 1)
        return self._day

    def bounds(self, day: int) -> tuple[int, int]:
        """The first millisecond of a local day, and that of the next one: 23 to 25 hours where clocks are changed."""
        if day == self._day and self._first >= 0:
            return self._first, self._end
        return self._start(day), self._start(day + 1)

    def _find(self, at: int) -> int:
        """The day whose bounds hold a time. Where clocks go back over midnight, the second hour before it is after."""
        day = datetime.fromtimestamp(at / 1000, self._zone).toordinal()
        while at < self._start(day):
            day -= 1
        while at >= self._start(day + 1):
            day += 1
        return day

    def _start(self, day: int) -> int:
        midnight = datetime.combine(date.fromordinal(day), datetime.min.time(), self._zone)
        return round(midnight.astimezone(UTC).timestamp() * 1000)


def week_of(day: int) -> int:
    """The week of a day: the ordinal of its Monday."""
    return day - (day - 1) % DAYS_A_WEEK


def week_text(day: int) -> str:
    """The ISO week of a day: `2026-W53`."""
    year, week, _ = date.fromordinal(day).isocalendar()
    return f"{year:04}-W{week:02}"


def day_text(day: int) -> str:
    """A day as `YYYY-MM-DD`."""
    return date.fromordinal(day).isoformat()


def streak_after(streak: Streak, day: int) -> Streak:
    """The streak with a day of work more.

    An event may be told late: a day within the streak changes nothing, the day before its first makes it one longer,
    and an earlier one does not break it. What was before a gap is not remembered, so a day that closes one joins what
    follows only.
    """
    if streak.days == 0 or day > streak.last_day + 1:
        return Streak(last_day=day, days=1)
    if day == streak.last_day + 1:
        return Streak(last_day=day, days=streak.days + 1)
    if day == streak.last_day - streak.days:
        return Streak(last_day=streak.last_day, days=streak.days + 1)
    return streak
