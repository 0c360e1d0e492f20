"""iCalendar (RFC 5545) from events, and events from iCalendar. Needs the package icalendar: ``emailplus[calendar]``.

What ActiveSync cannot say is read as near as it can be: a rule that repeats by the hour, or has several parts, becomes
its first instance alone, and `Imported.lost` names what was left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from ..eas.items.timezone import known_zone, tzinfo_of
from ..errors import UsageError
from ..model.event import (
    Attendee,
    AttendeeType,
    BusyStatus,
    Event,
    EventException,
    Location,
    MeetingStatus,
    ResponseStatus,
)
from ..model.message import Body
from ..model.recurrence import Recurrence, RecurrenceType
from .lunar import LOCATE

MAX_BYTES = 16 << 20
"""Size of a file that is read."""
MAX_EVENTS = 20_000

_DAYS = ("SU", "MO", "TU", "WE", "TH", "FR", "SA")
_CLASSES = {0: "PUBLIC", 1: "PRIVATE", 2: "PRIVATE", 3: "CONFIDENTIAL"}
_STATES = {
    ResponseStatus.TENTATIVE: "TENTATIVE",
    ResponseStatus.ACCEPTED: "ACCEPTED",
    ResponseStatus.DECLINED: "DECLINED",
    ResponseStatus.NOT_RESPONDED: "NEEDS-ACTION",
    ResponseStatus.NONE: "NEEDS-ACTION",
}
_ROLES = {AttendeeType.REQUIRED: "REQ-PARTICIPANT", AttendeeType.OPTIONAL: "OPT-PARTICIPANT"}


@dataclass(slots=True)
class Imported:
    """What a file held: the events, and a line for everything of it that could not be taken over."""

    events: list[Event] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


def package() -> Any:
    """The package icalendar. Raises `ImportError` that says how to install it."""
    try:
        import icalendar
    except ModuleNotFoundError as error:
        raise ImportError(
            "iCalendar needs the package icalendar: pip install 'emailplus[calendar]'", name="icalendar"
        ) from error
    return icalendar


# -- writing


def write(events: Iterable[Event], *, method: str = "") -> bytes:
    """One VCALENDAR with the events, series with their exceptions. `method`: "REQUEST" and the like, for mail."""
    return bytes(calendar_of(events, method=method).to_ical())


def calendar_of(events: Iterable[Event], *, method: str = "", instance: datetime | date | None = None) -> Any:
    """The same as an object of the package. `instance`: each event is that one instance of its series."""
    ical = package()
    calendar = ical.Calendar()
    calendar.add("prodid", "-//emailplus//EN")
    calendar.add("version", "2.0")
    if method:
        calendar.add("method", method)
    for event in events:
        calendar.add_component(_component(ical, event, instance))
        for exception in event.exceptions:
            if not exception.deleted:
                changed = event.instance(exception)
                start = exception.changes.get("start") or exception.start
                end = exception.changes.get("end") or start + event.duration
                calendar.add_component(_component(ical, replace(changed, start=start, end=end), exception.start))
    calendar.add_missing_timezones()
    return calendar


def _component(ical: Any, event: Event, instance: datetime | date | None) -> Any:
    made = ical.Event()
    made.add("uid", event.uid or event.client_uid or f"item-{event.id}@emailplus")
    made.add("dtstamp", event.timestamp or datetime.now(UTC))
    made.add("summary", event.subject)
    for name, when in (("dtstart", event.start), ("dtend", event.end), ("recurrence-id", instance)):
        if when is not None:
            made.add(name, _local(event, when))
    if event.location is not None:
        made.add("location", str(event.location))
        if event.location.latitude is not None and event.location.longitude is not None:
            made.add("geo", (event.location.latitude, event.location.longitude))
    if event.body is not None and event.body.type == 1:
        made.add("description", event.body_text)
    if event.categories:
        made.add("categories", list(event.categories))
    if event.sensitivity is not None:
        made.add("class", _CLASSES.get(event.sensitivity, "PUBLIC"))
    if event.busy_status is not None:
        made.add("transp", "TRANSPARENT" if event.busy_status == BusyStatus.FREE else "OPAQUE")
    if event.cancelled:
        made.add("status", "CANCELLED")
    _people(ical, event, made)
    if event.recurrence is not None and instance is None:
        rule = rule_of(event.recurrence)
        if rule:
            made.add("rrule", rule)
        for start in event.deleted_instances():
            made.add("exdate", _local(event, start))
    if event.reminder is not None:
        alarm = ical.Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", event.subject or "Reminder")
        alarm.add("trigger", timedelta(minutes=-event.reminder))
        made.add_component(alarm)
    return made


def _local(event: Event, when: datetime | date) -> datetime | date:
    """A series keeps its own zone, so that it repeats at the same local time; single events may stay in UTC."""
    if isinstance(when, datetime) and event.timezone and known_zone(event.timezone):
        return when.astimezone(tzinfo_of(event.timezone))
    return when


def _people(ical: Any, event: Event, made: Any) -> None:
    if event.organizer_email:
        organizer = ical.vCalAddress(f"MAILTO:{event.organizer_email}")
        if event.organizer_name:
            organizer.params["CN"] = event.organizer_name
        made.add("organizer", organizer, encode=0)
    for attendee in event.attendees:
        person = ical.vCalAddress(f"MAILTO:{attendee.email}")
        if attendee.name:
            person.params["CN"] = attendee.name
        if attendee.type == AttendeeType.RESOURCE:
            person.params["CUTYPE"] = "RESOURCE"
        else:
            person.params["ROLE"] = _ROLES.get(AttendeeType(attendee.type or 1), "REQ-PARTICIPANT")
        if attendee.status is not None:
            person.params["PARTSTAT"] = _STATES.get(ResponseStatus(attendee.status), "NEEDS-ACTION")
        made.add("attendee", person, encode=0)


def rule_of(recurrence: Recurrence) -> dict[str, Any]:
    """A pattern as an RRULE; empty for one in a lunar calendar, which RFC 5545 cannot say."""
    if recurrence.calendar_type in LOCATE and recurrence.type >= RecurrenceType.MONTHLY:
        return {}
    frequency = {0: "DAILY", 1: "WEEKLY", 2: "MONTHLY", 3: "MONTHLY", 5: "YEARLY", 6: "YEARLY"}.get(recurrence.type)
    if frequency is None:
        return {}
    rule: dict[str, Any] = {"FREQ": frequency}
    if recurrence.interval > 1:
        rule["INTERVAL"] = recurrence.interval
    mask = recurrence.day_of_week or 0
    days = [name for bit, name in enumerate(_DAYS) if mask & (1 << bit)]
    if recurrence.type in (0, 1) and days and not (recurrence.type == 0 and len(days) == 7):
        rule["BYDAY"] = days
    if recurrence.type in (2, 5) and recurrence.day_of_month is not None:
        day = recurrence.day_of_month
        rule["BYMONTHDAY"] = [day] if day <= 28 else list(range(28, day + 1))
        if day > 28:
            rule["BYSETPOS"] = -1
    if recurrence.type in (3, 6):
        nth = recurrence.week_of_month or 1
        nth = -1 if nth >= 5 else nth
        if len(days) == 1:
            rule["BYDAY"] = f"{nth}{days[0]}"
        else:
            rule["BYDAY"], rule["BYSETPOS"] = days or list(_DAYS), nth
    if recurrence.type in (5, 6) and recurrence.month_of_year is not None:
        rule["BYMONTH"] = recurrence.month_of_year
    if recurrence.first_day_of_week is not None and recurrence.type == 1:
        rule["WKST"] = _DAYS[recurrence.first_day_of_week % 7]
    if recurrence.until is not None:
        rule["UNTIL"] = recurrence.until
    elif recurrence.occurrences is not None:
        rule["COUNT"] = recurrence.occurrences
    return rule


# -- reading


def read(data: bytes) -> Imported:
    """The events of an iCalendar file. Raises `UsageError` for what is none, or too large."""
    ical = package()
    if len(data) > MAX_BYTES:
        raise UsageError(f"the calendar has {len(data)} bytes; {MAX_BYTES} are the most that is read")
    try:
        calendars = ical.Calendar.from_ical(data, multiple=True)
    except (ValueError, IndexError, KeyError, TypeError) as problem:
        raise UsageError(f"this is no iCalendar file: {problem}") from problem
    found = Imported()
    series: dict[str, Event] = {}
    changed: list[tuple[str, Event, datetime | date]] = []
    components = [component for calendar in calendars for component in calendar.walk("VEVENT")]
    if not calendars:
        raise UsageError("this is no iCalendar file: it holds no VCALENDAR")
    if len(components) > MAX_EVENTS:
        found.lost.append(f"{len(components) - MAX_EVENTS} events beyond the first {MAX_EVENTS}")
    for component in components[:MAX_EVENTS]:
        try:
            event = _event(component, found)
            instance = component.decoded("recurrence-id") if "recurrence-id" in component else None
        except (ValueError, TypeError, AttributeError, KeyError, OverflowError) as problem:
            found.lost.append(f"an event that cannot be read: {problem}")
            continue
        if instance is not None:
            changed.append((event.uid, event, _moment(instance)))
        else:
            series[event.uid or f"#{len(series)}"] = event
    for uid, event, instance in changed:
        master = series.get(uid)
        if master is None or master.recurrence is None:
            found.events.append(event)
            continue
        differences = _differences(master, event)
        series[uid] = replace(master, exceptions=(*master.exceptions, EventException(instance, changes=differences)))
    found.events = [*series.values(), *found.events]
    return found


def _differences(master: Event, event: Event) -> dict[str, Any]:
    names = ("subject", "location", "body", "categories", "busy_status", "sensitivity", "reminder", "attendees")
    changes = {name: getattr(event, name) for name in names if getattr(event, name) != getattr(master, name)}
    return {"start": event.start, "end": event.end, **changes}


def _event(component: Any, found: Imported) -> Event:
    start = component.decoded("dtstart")
    zone = getattr(getattr(start, "tzinfo", None), "key", "") or ""
    begins = _moment(start)
    if "dtend" in component:
        ends = _moment(component.decoded("dtend"))
    elif "duration" in component:
        ends = begins + component.decoded("duration")
    else:
        ends = begins + (timedelta() if isinstance(begins, datetime) else timedelta(days=1))
    values: dict[str, Any] = {
        "subject": _text(component, "summary"),
        "uid": _text(component, "uid"),
        "start": begins,
        "end": ends,
        "all_day": not isinstance(begins, datetime),
        "timezone": known_zone(zone),
    }
    if place := _text(component, "location"):
        values["location"] = Location(place)
    if words := _text(component, "description"):
        data = words.encode()
        values["body"] = Body(1, data, len(data))
    if "categories" in component:
        values["categories"] = tuple(str(name) for name in _list(component["categories"]))
    if kind := _text(component, "class").upper():
        values["sensitivity"] = {"PRIVATE": 2, "CONFIDENTIAL": 3}.get(kind, 0)
    free = _text(component, "transp").upper() == "TRANSPARENT"
    values["busy_status"] = int(BusyStatus.FREE if free else BusyStatus.BUSY)
    values |= _people_of(component)
    if "rrule" in component:
        rules = component["rrule"] if isinstance(component["rrule"], list) else [component["rrule"]]
        values["recurrence"] = recurrence_of(rules[0], begins)
        if values["recurrence"] is None or len(rules) > 1:
            found.lost.append(f"{values['subject']!r}: a rule that ActiveSync has no pattern for")
        values["exceptions"] = tuple(EventException(moment, deleted=True) for moment in _excluded(component))
    for alarm in component.walk("VALARM"):
        trigger = alarm.get("trigger")
        if trigger is not None and isinstance(trigger.dt, timedelta):
            values["reminder"] = max(0, -int(trigger.dt.total_seconds()) // 60)
            break
    return Event(**values)


def _people_of(component: Any) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if "organizer" in component:
        organizer = component["organizer"]
        values["organizer_email"] = _address(organizer)
        values["organizer_name"] = str(organizer.params.get("CN", ""))
    states = {name: int(state) for state, name in _STATES.items() if state != ResponseStatus.NONE}
    attendees = []
    for person in _list(component.get("attendee", [])):
        kind = AttendeeType.OPTIONAL if person.params.get("ROLE") == "OPT-PARTICIPANT" else AttendeeType.REQUIRED
        if person.params.get("CUTYPE") in ("RESOURCE", "ROOM"):
            kind = AttendeeType.RESOURCE
        state = states.get(str(person.params.get("PARTSTAT", "NEEDS-ACTION")), int(ResponseStatus.NOT_RESPONDED))
        name = str(person.params.get("CN", ""))
        attendees.append(Attendee(email=_address(person), name=name, status=state, type=int(kind)))
    if attendees:
        values["attendees"] = tuple(attendees)
        values["meeting_status"] = int(MeetingStatus.MEETING)
    if _text(component, "status").upper() == "CANCELLED":
        values["meeting_status"] = int(MeetingStatus.MEETING | MeetingStatus.CANCELLED)
    return values


def _excluded(component: Any) -> list[datetime | date]:
    found = []
    for part in _list(component.get("exdate", [])):
        found += [_moment(entry.dt) for entry in part.dts]
    return found


def recurrence_of(rule: Mapping[str, Any], start: datetime | date) -> Recurrence | None:
    """An RRULE as a pattern; None where there is none like it."""
    first = {name: _list(value) for name, value in rule.items()}
    frequency = str(first.get("FREQ", [""])[0]).upper()
    values: dict[str, Any] = {"interval": int(first.get("INTERVAL", [1])[0])}
    if "COUNT" in first:
        values["occurrences"] = int(first["COUNT"][0])
    elif "UNTIL" in first:
        values["until"] = _until(first["UNTIL"][0], start)
    if first.keys() & {"BYHOUR", "BYMINUTE", "BYSECOND", "BYYEARDAY", "BYWEEKNO"} or len(first.get("BYMONTH", [])) > 1:
        return None
    days = [str(day).upper() for day in first.get("BYDAY", [])]
    mask = sum(1 << _DAYS.index(day[-2:]) for day in dict.fromkeys(days))
    position = int(first["BYSETPOS"][0]) if "BYSETPOS" in first else _position(days)
    month_days = [int(day) for day in first.get("BYMONTHDAY", [])]
    if frequency == "DAILY":
        return Recurrence(type=RecurrenceType.DAILY, day_of_week=mask or None, **values)
    if frequency == "WEEKLY":
        if "WKST" in first:
            values["first_day_of_week"] = _DAYS.index(str(first["WKST"][0]))
        mask = mask or 1 << (start.isoweekday() % 7)
        return Recurrence(type=RecurrenceType.WEEKLY, day_of_week=mask, **values)
    if frequency not in ("MONTHLY", "YEARLY"):
        return None
    yearly = frequency == "YEARLY"
    if yearly:
        values["month_of_year"] = int(first["BYMONTH"][0]) if "BYMONTH" in first else start.month
    if mask:
        if position is None or not (1 <= position <= 4 or position == -1):
            return None
        kind = RecurrenceType.YEARLY_NTH if yearly else RecurrenceType.MONTHLY_NTH
        return Recurrence(type=kind, day_of_week=mask, week_of_month=5 if position == -1 else position, **values)
    kind = RecurrenceType.YEARLY if yearly else RecurrenceType.MONTHLY
    day = max(month_days) if month_days else start.day
    if len(month_days) > 1 and position != -1:
        return None
    return Recurrence(type=kind, day_of_month=31 if day == -1 else day, **values) if day == -1 or day > 0 else None


def _position(days: list[str]) -> int | None:
    """The one number before the days ("2MO", "-1FR"); None where there is none or several."""
    numbers = {day[:-2] for day in days}
    if len(numbers) != 1 or not (number := numbers.pop()):
        return None
    return int(number)


def _until(value: Any, start: datetime | date) -> datetime | date:
    moment = _moment(value)
    if isinstance(start, datetime) and not isinstance(moment, datetime):
        return datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    return moment if isinstance(start, datetime) or not isinstance(moment, datetime) else moment.date()


def _moment(value: Any) -> datetime | date:
    """UTC for times; one without a zone is taken as it stands, in UTC."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    if isinstance(value, date):
        return value
    raise ValueError(f"not a date: {value!r}")


def _text(component: Any, name: str) -> str:
    value = component.get(name)
    return "" if value is None else str(value[0] if isinstance(value, list) else value)


def _list(value: Any) -> list[Any]:
    if hasattr(value, "cats"):
        return list(value.cats)
    return value if isinstance(value, list) else [value]


def _address(value: Any) -> str:
    written = str(value)
    return written[7:] if written[:7].lower() == "mailto:" else written
