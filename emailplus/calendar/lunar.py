"""Months that are not Gregorian: Hijri, Hebrew, and the lunar calendars of East Asia (MS-ASCAL 2.2.2.9).

The arithmetic is that of the packages convertdate, pyluach, lunardate and korean-lunar-calendar; here is only how
a calendar's months lie in time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from ..model.recurrence import CalendarType

LUNAR_YEARS = range(1900, 2100)
"""Gregorian years that the East Asian tables know."""


@dataclass(frozen=True, slots=True)
class Month:
    """One month of a calendar: where it lies, and what it is called."""

    first: date
    length: int
    year: int
    number: int
    leap: bool


Locate = Callable[[date], tuple[int, int, int, bool]]
"""A day as (year, month, day, whether the month is a leap month) of a calendar. Raises `ValueError` outside it."""


def _hijri(day: date) -> tuple[int, int, int, bool]:
    from convertdate import islamic

    year, month, number = islamic.from_gregorian(day.year, day.month, day.day)
    return year, month, number, False


def _hebrew(day: date) -> tuple[int, int, int, bool]:
    """Months count from Tishri, and the second Adar is the leap month of the first, as Windows counts."""
    from pyluach.dates import HebrewDate

    found = HebrewDate.from_pydate(day)
    year, month, number = found.year, found.month, found.day
    if month == 13:
        return year, 6, number, True
    counted = month - 6 if month >= 7 else month + 6
    return year, counted, number, False


def _chinese(day: date) -> tuple[int, int, int, bool]:
    from lunardate import LunarDate

    if day.year not in LUNAR_YEARS:
        raise ValueError(f"the lunar tables do not reach {day.year}")
    found = LunarDate.from_solar_date(day.year, day.month, day.day)
    return found.year, found.month, found.day, bool(found.is_leap_month)


def _korean(day: date) -> tuple[int, int, int, bool]:
    from korean_lunar_calendar import KoreanLunarCalendar

    found = KoreanLunarCalendar()
    if not found.setSolarDate(day.year, day.month, day.day):
        raise ValueError(f"the lunar tables do not reach {day.year}")
    return found.lunarYear, found.lunarMonth, found.lunarDay, bool(found.isIntercalation)


LOCATE: Mapping[int, Locate] = {
    CalendarType.HIJRI: _hijri,
    CalendarType.HEBREW: _hebrew,
    CalendarType.CHINESE_LUNAR: _chinese,
    # The Japanese lunar calendar is reckoned as the Chinese one, an hour further east: they part in few months
    CalendarType.JAPANESE_LUNAR: _chinese,
    CalendarType.KOREAN_LUNAR: _korean,
}
"""Calendars with months of their own; all others count Gregorian months."""


def months(calendar_type: int, day: date) -> Iterator[Month]:
    """The months of a calendar from the one that holds `day` on; ends where the calendar's tables end."""
    locate = LOCATE[calendar_type]
    try:
        _, _, number, _ = locate(day)
        first = day - timedelta(days=number - 1)
        while True:
            year, month, _, leap = locate(first)
            following = _next_first(locate, first)
            yield Month(first, (following - first).days, year, month, leap)
            first = following
    except (ValueError, OverflowError, KeyError, IndexError):
        return


def _next_first(locate: Locate, first: date) -> date:
    for days in (29, 30, 31):
        following = first + timedelta(days=days)
        if locate(following)[2] == 1:
            return following
    raise ValueError("a month of more than 31 days")
