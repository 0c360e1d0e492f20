"""A recurrence pattern, as events, tasks and meeting requests share it (MS-ASCAL 2.2.2.37, MS-ASTASK 2.2.2.20)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum


class RecurrenceType(IntEnum):
    """What a pattern repeats by (MS-ASCAL 2.2.2.45)."""

    DAILY = 0
    WEEKLY = 1
    MONTHLY = 2
    MONTHLY_NTH = 3
    YEARLY = 5
    YEARLY_NTH = 6


class CalendarType(IntEnum):
    """The calendar in which months and days are counted (MS-ASCAL 2.2.2.9); the rest is reserved."""

    DEFAULT = 0
    GREGORIAN = 1
    GREGORIAN_US = 2
    JAPANESE_EMPEROR = 3
    TAIWAN = 4
    KOREAN_TANGUN = 5
    HIJRI = 6
    THAI = 7
    HEBREW = 8
    GREGORIAN_MIDDLE_EAST_FRENCH = 9
    GREGORIAN_ARABIC = 10
    GREGORIAN_TRANSLITERATED_ENGLISH = 11
    GREGORIAN_TRANSLITERATED_FRENCH = 12
    JAPANESE_LUNAR = 14
    CHINESE_LUNAR = 15
    KOREAN_LUNAR = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """When an item repeats. Numbers are kept as the server gave them; None: not given."""

    type: int
    """A `RecurrenceType`."""
    interval: int = 1
    """Every so many days, weeks, months or years."""
    until: datetime | date | None = None
    """The last instance begins no later; a date for an event without a time."""
    occurrences: int | None = None
    """So many instances, deleted and changed ones included."""
    day_of_week: int | None = None
    """Sum of 1 Sunday, 2 Monday, 4 Tuesday ... 64 Saturday; 62 weekdays, 65 weekend days, 127 any day."""
    day_of_month: int | None = None
    week_of_month: int | None = None
    """1 to 4; 5 is the last."""
    month_of_year: int | None = None
    calendar_type: int | None = None
    """A `CalendarType` (from 14.0)."""
    leap_month: bool = False
    """The month is the leap month of that number (from 14.0)."""
    first_day_of_week: int | None = None
    """0 Sunday to 6 Saturday: where a week begins for an interval of weeks (from 14.1)."""

    # Tasks only
    start: datetime | None = None
    """Local time of the first instance."""
    regenerate: bool = False
    """A new task appears when this one is done, `interval` after that."""
    dead_occurrence: bool = False
    """This task is one instance of a series, no longer the series."""
