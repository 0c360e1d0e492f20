"""Instances of series against the rules of MS-ASCAL, told by looking at every day."""

from __future__ import annotations

import calendar
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emailplus.calendar.occurrences import MAX_OCCURRENCES, occurrences
from emailplus.eas.items.timezone import RuleZone, ZoneInformation, pack
from emailplus.model.event import Event, EventException, Location
from emailplus.model.recurrence import CalendarType, Recurrence

BERLIN = ZoneInfo("Europe/Berlin")
FIRST = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)


def event(recurrence: Recurrence, start: datetime | date = FIRST, hours: float = 1, **more: object) -> Event:
    span = timedelta(hours=hours) if isinstance(start, datetime) else timedelta(days=1)
    return Event(subject="series", start=start, end=start + span, recurrence=recurrence, **more)  # type: ignore[arg-type]


def days_of(series: Event, year: int = 2026, years: int = 1) -> list[date]:
    window = datetime(year, 1, 1, tzinfo=UTC), datetime(year + years, 1, 1, tzinfo=UTC)
    return [
        made.start.date() if isinstance(made.start, datetime) else made.start for made in occurrences(series, *window)
    ]


def weekday_bit(day: date) -> int:
    return 1 << (day.isoweekday() % 7)


def oracle(r: Recurrence, first: date, last: date) -> list[date]:
    """Every day of the window that the rule names, read off the specification's sentences."""
    found = []
    day = first
    first_week = first - timedelta(days=(first.isoweekday() % 7 - (r.first_day_of_week or 0)) % 7)
    while day < last:
        length = calendar.monthrange(day.year, day.month)[1]
        months = (day.year - first.year) * 12 + day.month - first.month
        if r.type == 0:
            fits = (day - first).days % r.interval == 0 and (not r.day_of_week or r.day_of_week & weekday_bit(day))
        elif r.type == 1:
            weeks = (day - first_week).days // 7
            fits = weeks % r.interval == 0 and bool((r.day_of_week or weekday_bit(first)) & weekday_bit(day))
        elif r.type in (2, 5):
            fits = day.day == min(r.day_of_month or 0, length)
        else:
            same = [n for n in range(1, length + 1) if (r.day_of_week or 127) & weekday_bit(day.replace(day=n))]
            nth = r.week_of_month or 1
            fits = day.day == (same[-1] if nth == 5 else same[nth - 1] if len(same) >= nth else 0)
        if r.type in (2, 3):
            fits = fits and months % r.interval == 0
        if r.type in (5, 6):
            fits = fits and day.month == r.month_of_year and (day.year - first.year) % r.interval == 0
        if fits:
            found.append(day)
        day += timedelta(days=1)
    if r.occurrences is not None:
        found = found[: r.occurrences]
    return found


patterns = st.builds(
    Recurrence,
    type=st.sampled_from([0, 1, 2, 3, 5, 6]),
    interval=st.integers(1, 4),
    occurrences=st.one_of(st.none(), st.integers(1, 30)),
    day_of_week=st.one_of(st.sampled_from([62, 65, 127]), st.integers(1, 127)),
    day_of_month=st.integers(1, 31),
    week_of_month=st.integers(1, 5),
    month_of_year=st.integers(1, 12),
    first_day_of_week=st.integers(0, 6),
)


@settings(max_examples=150, deadline=None)
@given(patterns, st.dates(date(2023, 1, 1), date(2026, 12, 31)))
def test_every_type_is_what_the_specification_says(pattern: Recurrence, first: date) -> None:
    series = event(pattern, first)
    window = datetime(first.year, 1, 1, tzinfo=UTC), datetime(first.year + 3, 1, 1, tzinfo=UTC)
    found = [made.start for made in occurrences(series, *window)]
    assert found == oracle(pattern, first, date(first.year + 3, 1, 1))


@settings(max_examples=60, deadline=None)
@given(patterns, st.integers(0, 2000))
def test_a_late_window_shows_what_an_early_one_leads_to(pattern: Recurrence, later: int) -> None:
    series = event(replace(pattern, occurrences=None), date(2020, 2, 29))
    begin = datetime(2021, 1, 1, tzinfo=UTC) + timedelta(days=later)
    end = begin + timedelta(days=200)
    whole = occurrences(series, datetime(2020, 1, 1, tzinfo=UTC), end)
    assert occurrences(series, begin, end) == [made for made in whole if made.start >= begin.date()]  # type: ignore[operator]


def test_a_series_keeps_its_local_time_over_daylight_saving() -> None:
    series = event(Recurrence(type=1, day_of_week=2), datetime(2026, 3, 23, 9, 0, tzinfo=UTC), timezone="Europe/Berlin")
    found = occurrences(series, datetime(2026, 3, 20, tzinfo=UTC), datetime(2026, 4, 10, tzinfo=UTC))
    assert [made.start.hour for made in found] == [9, 8, 8]  # type: ignore[union-attr]
    assert {made.start.astimezone(BERLIN).hour for made in found} == {10}  # type: ignore[union-attr]


def test_the_example_of_the_specification() -> None:
    """MS-ASDTYPE_R75: a weekly call from 2003-04-04, 10:00 Pacific; R82: the same organised from Arizona."""
    seattle = event(
        Recurrence(type=1, day_of_week=32), datetime(2003, 4, 4, 18, tzinfo=UTC), timezone="America/Los_Angeles"
    )
    window = datetime(2003, 4, 1, tzinfo=UTC), datetime(2003, 4, 12, tzinfo=UTC)
    assert [made.start.hour for made in occurrences(seattle, *window)] == [18, 17]  # type: ignore[union-attr]
    arizona = replace(seattle, timezone="America/Phoenix")
    assert [made.start.hour for made in occurrences(arizona, *window)] == [18, 18]  # type: ignore[union-attr]


def test_a_zone_of_its_own_rules() -> None:
    odd = ZoneInformation(
        bias=-77, standard_date=(0, 9, 0, 2, 2, 0, 0, 0), daylight_date=(0, 5, 0, 1, 2, 0, 0, 0), daylight_bias=-20
    )
    series = event(Recurrence(type=0), datetime(2026, 4, 30, 9, tzinfo=UTC), timezone_blob=pack(odd))
    found = occurrences(series, datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 5, 6, tzinfo=UTC))
    local = {made.start.astimezone(RuleZone(odd)).strftime("%H:%M") for made in found}  # type: ignore[union-attr]
    assert local == {"10:17"}
    assert {made.start.strftime("%H:%M") for made in found} == {"09:00", "08:40"}


def test_exceptions_replace_their_instances() -> None:
    second, third = FIRST + timedelta(days=1), FIRST + timedelta(days=2)
    moved = EventException(
        third, changes={"start": third + timedelta(hours=3), "end": third + timedelta(hours=5), "subject": "moved"}
    )
    series = event(
        Recurrence(type=0, occurrences=4),
        location=Location("Room 1"),
        exceptions=(EventException(second, deleted=True), moved),
    )
    found = occurrences(series, FIRST - timedelta(days=1), FIRST + timedelta(days=30))
    assert [made.start for made in found] == [FIRST, third + timedelta(hours=3), FIRST + timedelta(days=3)]
    assert [made.event.subject for made in found] == ["series", "moved", "series"]
    assert found[1].original_start == third
    assert found[1].is_exception
    assert found[1].event.location == Location("Room 1")  # inherited


def test_an_emptied_property_is_not_inherited() -> None:
    series = event(
        Recurrence(type=0, occurrences=2), location=Location("Room 1"),
        exceptions=(EventException(FIRST, changes={"location": None}),),
    )  # fmt: skip
    found = occurrences(series, FIRST - timedelta(days=1), FIRST + timedelta(days=9))
    assert [made.event.location for made in found] == [None, Location("Room 1")]


def test_an_instance_moved_into_the_window_from_far_away_is_shown() -> None:
    far = FIRST + timedelta(days=300)
    moved = EventException(far, changes={"start": FIRST + timedelta(minutes=5), "end": FIRST + timedelta(minutes=9)})
    series = event(Recurrence(type=0), FIRST - timedelta(days=30), exceptions=(moved,))
    found = occurrences(series, FIRST, FIRST + timedelta(hours=1))
    assert [made.is_exception for made in found] == [False, True]


def test_until_includes_its_day() -> None:
    series = event(Recurrence(type=0, until=datetime(2026, 1, 18, 9, tzinfo=UTC)))
    assert [day.day for day in days_of(series)] == [15, 16, 17, 18]
    # Many servers write midnight of the last day
    series = event(Recurrence(type=0, until=datetime(2026, 1, 18, tzinfo=UTC)))
    assert [day.day for day in days_of(series)] == [15, 16, 17, 18]


def test_leap_year_birthday() -> None:
    series = event(Recurrence(type=5, day_of_month=29, month_of_year=2), date(2024, 2, 29))
    assert days_of(series, 2024, 5) == [
        date(2024, 2, 29), date(2025, 2, 28), date(2026, 2, 28), date(2027, 2, 28), date(2028, 2, 29)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "recurrence", "first", "expected"),
    [
        # New Year of the Chinese calendar; the published dates of 2024 to 2027
        (CalendarType.CHINESE_LUNAR, {"day_of_month": 1, "month_of_year": 1}, date(2024, 2, 10),
         [date(2024, 2, 10), date(2025, 1, 29), date(2026, 2, 17), date(2027, 2, 6)]),
        # Chuseok, the fifteenth of the eighth Korean month
        (CalendarType.KOREAN_LUNAR, {"day_of_month": 15, "month_of_year": 8}, date(2024, 9, 17),
         [date(2024, 9, 17), date(2025, 10, 6), date(2026, 9, 25), date(2027, 9, 15)]),
        # Rosh Hashanah, the first of Tishri
        (CalendarType.HEBREW, {"day_of_month": 1, "month_of_year": 1}, date(2024, 10, 3),
         [date(2024, 10, 3), date(2025, 9, 23), date(2026, 9, 12), date(2027, 10, 2)]),
        # Purim, the fourteenth of Adar; in leap years this names the first Adar, as Windows does
        (CalendarType.HEBREW, {"day_of_month": 14, "month_of_year": 6}, date(2025, 3, 14),
         [date(2025, 3, 14), date(2026, 3, 3), date(2027, 2, 21)]),
    ],
)  # fmt: skip
def test_years_of_other_calendars(kind: int, recurrence: dict[str, int], first: date, expected: list[date]) -> None:
    series = event(Recurrence(type=5, calendar_type=kind, **recurrence), first)  # type: ignore[arg-type]
    assert days_of(series, first.year, len(expected))[: len(expected)] == expected


def test_a_leap_month_comes_only_in_leap_years() -> None:
    """2023 had a second second month (from 22 March), 2025 a second sixth one."""
    series = event(
        Recurrence(type=5, calendar_type=15, day_of_month=4, month_of_year=2, leap_month=True), date(2023, 3, 25)
    )
    assert days_of(series, 2023, 12) == [date(2023, 3, 25)]


def test_hijri_months_move_through_the_year() -> None:
    series = event(Recurrence(type=2, calendar_type=6, day_of_month=1), date(2026, 1, 20))
    found = days_of(series, 2026)
    assert len(found) == 12
    assert all((later - earlier).days in (29, 30) for earlier, later in pairwise(found))


def test_gregorian_kinds_count_gregorian_months() -> None:
    for kind in (0, 1, 2, 3, 4, 5, 7, 9, 10, 11, 12):
        series = event(Recurrence(type=5, calendar_type=kind, day_of_month=3, month_of_year=10), date(2026, 10, 3))
        assert days_of(series, 2026, 2) == [date(2026, 10, 3), date(2027, 10, 3)]


def test_all_day_events_cover_the_users_days() -> None:
    single = Event(start=date(2026, 11, 25), end=date(2026, 11, 26), all_day=True)
    for name in ("Pacific/Auckland", "America/Los_Angeles", "Europe/Berlin"):
        zone = ZoneInfo(name)
        noon = datetime(2026, 11, 25, 12, tzinfo=zone)
        assert len(occurrences(single, noon, noon + timedelta(hours=1), zone)) == 1
        night = datetime(2026, 11, 26, 0, 30, tzinfo=zone)
        assert occurrences(single, night, night + timedelta(hours=1), zone) == []


@pytest.mark.parametrize(
    "recurrence",
    [
        Recurrence(type=0),
        Recurrence(type=1, day_of_week=127),
        Recurrence(type=5, day_of_month=31, month_of_year=2),
        Recurrence(type=6, day_of_week=1, week_of_month=5, month_of_year=2, interval=999),
        Recurrence(type=3, day_of_week=0, week_of_month=0),
        Recurrence(type=0, interval=0),
        Recurrence(type=4),
        Recurrence(type=99, day_of_month=-4, month_of_year=77, interval=-5),
        Recurrence(type=5, calendar_type=15, day_of_month=99, month_of_year=99),
        Recurrence(type=0, occurrences=65535),
    ],
)
def test_endless_and_absurd_series_end(recurrence: Recurrence) -> None:
    before = time.process_time()
    series = event(recurrence, date(1900, 1, 1))
    found = occurrences(series, datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    assert len(found) <= 366
    whole = occurrences(series, datetime(1900, 1, 1, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC))
    assert len(whole) <= MAX_OCCURRENCES
    assert time.process_time() - before < 30


def test_an_event_without_a_start_is_nowhere() -> None:
    assert occurrences(Event(subject="?"), FIRST, FIRST + timedelta(days=9)) == []
