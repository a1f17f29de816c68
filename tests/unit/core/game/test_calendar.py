from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.game.calendar import LAST_MS, Calendar, Streak, day_text, streak_after, week_of, week_text

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "America/Goose_Bay",
    "Asia/Kolkata",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
]
HOUR = 3_600_000
times = st.integers(2 * 86_400_000, int(datetime(2037, 12, 1, tzinfo=UTC).timestamp() * 1000))


def ms(text: str) -> int:
    """Of a time in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def ordinal(text: str) -> int:
    return date.fromisoformat(text).toordinal()


@pytest.mark.parametrize(
    ("zone", "at", "day"),
    [
        ("UTC", "2026-11-25T23:59:59.999", "2026-11-25"),
        ("UTC", "2026-11-26T00:00:00", "2026-11-26"),
        ("Europe/Berlin", "2026-11-25T22:59:59.999", "2026-11-25"),
        ("Europe/Berlin", "2026-11-25T23:00:00", "2026-11-26"),
        ("Europe/Berlin", "2026-07-25T22:00:00", "2026-07-26"),
        ("America/New_York", "2026-11-26T04:59:59.999", "2026-11-25"),
        ("America/New_York", "2026-11-26T05:00:00", "2026-11-26"),
        ("Asia/Kolkata", "2026-11-25T18:29:59.999", "2026-11-25"),
        ("Asia/Kolkata", "2026-11-25T18:30:00", "2026-11-26"),
        ("Pacific/Kiritimati", "2026-11-25T10:00:00", "2026-11-26"),
        ("Pacific/Pago_Pago", "2026-11-26T10:59:59.999", "2026-11-25"),
        # New Year comes at other times.
        ("Europe/Berlin", "2026-12-31T22:59:59.999", "2026-12-31"),
        ("Europe/Berlin", "2026-12-31T23:00:00", "2027-01-01"),
        ("Pacific/Kiritimati", "2026-12-31T10:00:00", "2027-01-01"),
        ("Pacific/Pago_Pago", "2027-01-01T10:59:59.999", "2026-12-31"),
        # The clock goes forward at 02:00, and back at 03:00.
        ("Europe/Berlin", "2026-03-28T23:00:00", "2026-03-29"),
        ("Europe/Berlin", "2026-03-29T21:59:59.999", "2026-03-29"),
        ("Europe/Berlin", "2026-03-29T22:00:00", "2026-03-30"),
        ("Europe/Berlin", "2026-10-24T22:00:00", "2026-10-25"),
        ("Europe/Berlin", "2026-10-25T22:59:59.999", "2026-10-25"),
        ("Europe/Berlin", "2026-10-25T23:00:00", "2026-10-26"),
        # At midnight itself, forward and back.
        ("America/Sao_Paulo", "2018-11-04T02:59:59.999", "2018-11-03"),
        ("America/Sao_Paulo", "2018-11-04T03:00:00", "2018-11-04"),
        ("America/Sao_Paulo", "2018-02-18T02:30:00", "2018-02-17"),
        ("America/Sao_Paulo", "2018-02-18T03:00:00", "2018-02-18"),
        # A day that Samoa left out.
        ("Pacific/Apia", "2011-12-30T09:59:59.999", "2011-12-29"),
        ("Pacific/Apia", "2011-12-30T10:00:00", "2011-12-31"),
    ],
    ids=repr,
)
def test_the_day_is_the_persons(zone: str, at: str, day: str) -> None:
    assert day_text(Calendar(zone).day_of(ms(at))) == day


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("Europe/Berlin", "2026-11-25", 24),
        ("America/New_York", "2026-03-08", 23),
        ("America/New_York", "2026-11-01", 25),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("Pacific/Apia", "2011-12-30", 0),
    ],
)
def test_a_day_is_as_long_as_its_clock_says(zone: str, day: str, hours: float) -> None:
    first, end = Calendar(zone).bounds(ordinal(day))

    assert end - first == hours * HOUR


@pytest.mark.parametrize("zone", ZONES)
@given(at=times)
def test_a_day_holds_its_times_and_no_others(zone: str, at: int) -> None:
    calendar = Calendar(zone)
    day = calendar.day_of(at)
    first, end = calendar.bounds(day)

    assert first <= at < end
    assert calendar.day_of(first) == calendar.day_of(end - 1) == day
    assert calendar.day_of(end) > day > calendar.day_of(first - 1)


@given(given=st.lists(times, min_size=2, max_size=8))
def test_what_is_remembered_changes_no_answer(given: list[int]) -> None:
    calendar = Calendar("Europe/Berlin")

    assert [calendar.day_of(at) for at in given] == [Calendar("Europe/Berlin").day_of(at) for at in given]


@pytest.mark.parametrize("zone", ZONES)
@given(at=times)
def test_the_day_is_the_one_that_clocks_show(zone: str, at: int) -> None:
    """But where they go back over midnight."""
    calendar = Calendar(zone)
    shown = datetime.fromtimestamp(at / 1000, calendar._zone).toordinal()

    assert calendar.day_of(at) - shown in ((0, 1) if zone == "America/Goose_Bay" else (0,))


def test_clocks_that_go_back_over_midnight_do_not_bring_yesterday_again() -> None:
    calendar = Calendar("America/Goose_Bay")  # 00:01 became 23:01.
    seen = [calendar.day_of(ms("2010-11-07T02:59:00") + minute * 60_000) for minute in range(180)]

    assert seen == sorted(seen)


def test_times_that_no_calendar_knows_are_cut() -> None:
    calendar = Calendar("Pacific/Pago_Pago")

    assert day_text(calendar.day_of(-5)) == "1969-12-31"
    assert calendar.day_of(2**53) == calendar.day_of(LAST_MS) == calendar.day_of(2**70)


@pytest.mark.parametrize(
    "zone", ["", "Mars/Phobos", "Europe", "/etc/passwd", "../x", "zone.tab", "a\0b", "é\ud800", "x" * 9_000], ids=ascii
)
def test_an_unknown_zone_is_told_in_a_sentence(zone: str) -> None:
    with pytest.raises(ValueError, match=r"is no IANA time zone that this system knows; one looks like"):
        Calendar(zone)


@pytest.mark.parametrize(
    ("day", "week", "monday"),
    [
        ("2026-12-31", "2026-W53", "2026-12-28"),
        ("2027-01-03", "2026-W53", "2026-12-28"),
        ("2027-01-04", "2027-W01", "2027-01-04"),
        ("2024-12-30", "2025-W01", "2024-12-30"),
        ("2023-01-01", "2022-W52", "2022-12-26"),
        ("2026-11-25", "2026-W48", "2026-11-23"),
    ],
)
def test_weeks_are_iso_weeks(day: str, week: str, monday: str) -> None:
    assert week_text(ordinal(day)) == week
    assert day_text(week_of(ordinal(day))) == monday


@given(st.dates(min_value=date(1970, 1, 1), max_value=date(9999, 12, 31)))
def test_a_week_begins_on_monday(day: date) -> None:
    assert week_of(day.toordinal()) == (day - timedelta(days=day.weekday())).toordinal()


def streak(*days: int) -> tuple[int, int]:
    """The last day and the length after days of work, in the order in which they are told."""
    after = Streak()
    for day in days:
        after = streak_after(after, day)
    return after.last_day, after.days


@pytest.mark.parametrize(
    ("days", "after"),
    [
        ((), (0, 0)),
        ((5,), (5, 1)),
        ((5, 5), (5, 1)),
        ((5, 6, 7), (7, 3)),
        ((5, 7), (7, 1)),
        ((5, 6, 5), (6, 2)),
        ((6, 5), (6, 2)),
        ((6, 7, 5), (7, 3)),
        ((6, 7, 3), (7, 2)),
        ((6, 7, 3, 8), (8, 3)),
        ((5, 7, 6), (7, 2)),
    ],
)
def test_streaks(days: tuple[int, ...], after: tuple[int, int]) -> None:
    assert streak(*days) == after


@given(st.permutations(range(10, 14)), st.integers(1, 9))
def test_a_late_day_never_shortens_a_streak(days: list[int], late: int) -> None:
    before = streak(*sorted(days))

    assert streak(*sorted(days), late)[1] >= before[1]
    assert streak(*sorted(days), *days) == before


def test_a_streak_goes_over_a_change_of_clocks_and_new_year() -> None:
    calendar = Calendar("Europe/Berlin")
    for first, last in (("2026-03-28", "2026-03-30"), ("2026-10-24", "2026-10-26"), ("2026-12-31", "2027-01-02")):
        ends = [calendar.bounds(day)[1] - 1 for day in range(ordinal(first), ordinal(last) + 1)]
        assert streak(*map(calendar.day_of, ends)) == (ordinal(last), 3)
