"""The instances of an event in time (MS-ASCAL 2.2.2.37.1, MS-OXOCAL 2.2.1.44).

A series repeats in the local time of its own zone: at ten in the morning all year, whatever its clocks do. Endless
series cost nothing: only what falls into the window is made, and the steps to get there are bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import islice

from dateutil import rrule

from ..eas.items.timezone import tzinfo_of
from ..model.event import Event, EventException, Occurrence
from ..model.recurrence import Recurrence, RecurrenceType
from .lunar import LOCATE, Month, months

MAX_STEPS = 100_000
"""Instances that are counted off at most before the window is reached and within it."""
MAX_OCCURRENCES = 20_000
"""Instances of one event that one window may hold."""

_WEEKDAYS = (rrule.SU, rrule.MO, rrule.TU, rrule.WE, rrule.TH, rrule.FR, rrule.SA)
_FREQUENCY: dict[int, int] = {
    RecurrenceType.DAILY: rrule.DAILY,
    RecurrenceType.WEEKLY: rrule.WEEKLY,
    RecurrenceType.MONTHLY: rrule.MONTHLY,
    RecurrenceType.MONTHLY_NTH: rrule.MONTHLY,
    RecurrenceType.YEARLY: rrule.YEARLY,
    RecurrenceType.YEARLY_NTH: rrule.YEARLY,
}
_ALL = 127


def occurrences(event: Event, start: datetime, end: datetime, zone: tzinfo = UTC) -> list[Occurrence]:
    """The instances that touch the window from `start` to `end` (aware), in order of time.

    `zone` is where the user is: it decides which days an all-day event covers there.
    """
    if event.start is None:
        return []
    if event.recurrence is None:
        single = Occurrence(event, event.start, event.end or event.start, event.start)
        return [single] if _touches(single, start, end, zone) else []
    found = []
    changed = {_key(exception.start): exception for exception in event.exceptions}
    longest = max([event.duration, timedelta(), *(_moved_by(event, e) for e in event.exceptions)])
    series = replace(event, recurrence=None, exceptions=())
    for original in starts(event, until=_latest(end), since=_earliest(start, longest)):
        exception = changed.pop(_key(original), None)
        if exception is not None:
            continue
        instance = Occurrence(series, original, _plus(original, event.duration), original)
        if _touches(instance, start, end, zone):
            found.append(instance)
        if len(found) >= MAX_OCCURRENCES:
            break
    found += [made for made in _exceptions(event) if _touches(made, start, end, zone)]
    return sorted(found, key=lambda made: _moment(made.start, zone))


def _exceptions(event: Event) -> Iterator[Occurrence]:
    """Instances that were changed, wherever they were moved to."""
    for exception in event.exceptions:
        if exception.deleted:
            continue
        instance = event.instance(exception)
        begins = exception.changes.get("start") or exception.start
        ends = exception.changes.get("end") or _plus(begins, event.duration)
        yield Occurrence(replace(instance, start=begins, end=ends), begins, ends, exception.start, is_exception=True)


def starts(event: Event, *, until: datetime, since: datetime | None = None) -> Iterator[datetime | date]:
    """Where the pattern of a series puts its instances, exceptions not considered; in order, at most to `until`.

    Instances that end long before `since` are skipped without being made where the pattern allows it.
    """
    recurrence, first = event.recurrence, event.start
    if first is None:
        return
    if recurrence is None:
        yield first
        return
    timed, zone = isinstance(first, datetime), tzinfo_of(event.timezone, event.timezone_blob)
    if isinstance(first, datetime):
        local = first.astimezone(zone).replace(tzinfo=None)
    else:
        local, zone = datetime(first.year, first.month, first.day), UTC
    last = _limit(recurrence, zone, timed)
    bound = until.astimezone(zone).replace(tzinfo=None)
    if last is not None:
        bound = min(bound, last)
    skip_to = since.astimezone(zone).replace(tzinfo=None) if since is not None else None
    for moment in islice(_pattern(recurrence, local, skip_to), MAX_STEPS):
        if moment > bound:
            return
        yield moment.replace(tzinfo=zone).astimezone(UTC) if timed else moment.date()


def _limit(recurrence: Recurrence, zone: tzinfo, timed: bool) -> datetime | None:
    """The local time after which no instance begins. Until names the start of the last one, often only its day."""
    until = recurrence.until
    if until is None:
        return None
    if isinstance(until, datetime):
        local = until.astimezone(zone).replace(tzinfo=None)
        if timed and until.astimezone(UTC).time() != datetime.min.time():
            return local
        day = until.astimezone(UTC).date() if timed else local.date()
    else:
        day = until
    return datetime(day.year, day.month, day.day, 23, 59, 59)


def _pattern(recurrence: Recurrence, first: datetime, skip_to: datetime | None) -> Iterator[datetime]:
    """Local times of the instances, endless or up to Occurrences."""
    interval = min(max(1, recurrence.interval), 999)
    count = recurrence.occurrences
    if recurrence.calendar_type in LOCATE and recurrence.type >= RecurrenceType.MONTHLY:
        made: Iterable[datetime] = _lunar(recurrence, first, interval)
        yield from made if count is None else islice(made, count)
        return
    kind = recurrence.type
    frequency = _FREQUENCY.get(kind, rrule.DAILY)
    begin = first if count is not None or skip_to is None else _skipped(kind, first, skip_to, interval)
    options: dict[str, object] = {}
    days = _days(recurrence.day_of_week)
    if kind in (RecurrenceType.DAILY, RecurrenceType.WEEKLY):
        if days:
            options["byweekday"] = days
    elif kind in (RecurrenceType.MONTHLY, RecurrenceType.YEARLY):
        # A day that a month lacks is its last day (MS-OXOCAL 2.2.1.44.1)
        day = min(max(1, recurrence.day_of_month or first.day), 31)
        options["bymonthday"] = [day] if day <= 28 else list(range(28, day + 1))
        options["bysetpos"] = -1
    else:
        nth = recurrence.week_of_month or 1
        options["byweekday"] = days or list(_WEEKDAYS)
        options["bysetpos"] = -1 if nth >= 5 else nth
    if kind in (RecurrenceType.YEARLY, RecurrenceType.YEARLY_NTH):
        options["bymonth"] = min(max(1, recurrence.month_of_year or first.month), 12)
    week = _WEEKDAYS[(recurrence.first_day_of_week or 0) % 7]
    yield from rrule.rrule(frequency, dtstart=begin, interval=interval, count=count, wkst=week, **options)


def _days(mask: int | None) -> list[object]:
    return [day for number, day in enumerate(_WEEKDAYS) if (mask or 0) & (1 << number)]


def _skipped(kind: int, first: datetime, skip_to: datetime, interval: int) -> datetime:
    """A start of the same series nearer to the window, where that is plain arithmetic."""
    if kind not in (RecurrenceType.DAILY, RecurrenceType.WEEKLY):
        return first
    step = interval * (7 if kind == RecurrenceType.WEEKLY else 1)
    steps = (skip_to - first).days // step - 1
    return first + timedelta(days=steps * step) if steps > 0 else first


def _lunar(recurrence: Recurrence, first: datetime, interval: int) -> Iterator[datetime]:
    """Months and years of another calendar."""
    yearly = recurrence.type in (RecurrenceType.YEARLY, RecurrenceType.YEARLY_NTH)
    base: Month | None = None
    for number, month in enumerate(months(recurrence.calendar_type or 0, first.date())):
        if base is None:
            base = month
        if yearly:
            fits = month.number == recurrence.month_of_year and month.leap == recurrence.leap_month
            if not fits or (month.year - base.year) % interval:
                continue
        elif number % interval:
            continue
        day = _day_in(month, recurrence, first.day)
        if day is not None and day >= first.date():
            yield datetime.combine(day, first.time())


def _day_in(month: Month, recurrence: Recurrence, default: int) -> date | None:
    if recurrence.type in (RecurrenceType.MONTHLY, RecurrenceType.YEARLY):
        return month.first + timedelta(days=min(recurrence.day_of_month or default, month.length) - 1)
    mask = recurrence.day_of_week or _ALL
    fitting = [
        day
        for day in (month.first + timedelta(days=offset) for offset in range(month.length))
        if mask & (1 << (day.isoweekday() % 7))
    ]
    nth = recurrence.week_of_month or 1
    if nth >= 5:
        return fitting[-1] if fitting else None
    return fitting[nth - 1] if len(fitting) >= nth else None


# -- times of two kinds


def _key(start: datetime | date) -> str:
    """An instance's name: its moment to the minute, or its date."""
    if isinstance(start, datetime):
        return start.astimezone(UTC).strftime("%Y%m%d%H%M")
    return start.strftime("%Y%m%d")


def _plus(start: datetime | date, span: timedelta) -> datetime | date:
    try:
        return start + span
    except OverflowError:
        return start


def _moved_by(event: Event, exception: EventException) -> timedelta:
    begins, ends = exception.changes.get("start"), exception.changes.get("end")
    if isinstance(begins, datetime) and isinstance(ends, datetime):
        return abs(ends - begins)
    return event.duration


def _moment(when: datetime | date, zone: tzinfo) -> datetime:
    if isinstance(when, datetime):
        return when
    return datetime(when.year, when.month, when.day, tzinfo=zone)


def _touches(made: Occurrence, start: datetime, end: datetime, zone: tzinfo) -> bool:
    begins, ends = _moment(made.start, zone), _moment(made.end, zone)
    return begins < end and (ends > start or begins >= start)


def _latest(end: datetime) -> datetime:
    try:
        return end + timedelta(days=2)
    except OverflowError:
        return end


def _earliest(start: datetime, span: timedelta) -> datetime:
    try:
        return start - span - timedelta(days=2)
    except OverflowError:
        return start
