"""Calendar and contact parts (RFC 5545, RFC 2426, RFC 6350) as facts for a view: read as written, nothing computed.

Both share their content lines: folded, ``NAME;PARAMETER=value:value``. Times keep the zone they were written with, a
recurrence its rule; what an appointment really means is the calendar's business, not the view's.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

MAX_TEXT = 1 << 20
MAX_LINES = 20_000
MAX_CARDS = 200
MAX_PEOPLE = 500

_FOLD = re.compile(r"\r?\n[ \t]")
_LINE = re.compile(
    r'(?:[\w-]{1,60}\.)?([A-Za-z0-9-]{1,60})((?:;[A-Za-z0-9-]{1,60}(?:=(?:"[^"]*"|[^";:,]*)(?:,(?:"[^"]*"|[^";:,]*))*)?)*):(.*)\Z',
    re.S,
)
_PARAMETER = re.compile(r';([A-Za-z0-9-]+)(?:=("[^"]*"|[^";:]*))?')
_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)?(Z?))?")
_ESCAPE = re.compile(r"\\(.)", re.S)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of an invitation. `state` is PARTSTAT in lower case, "" where there is none."""

    name: str
    address: str
    state: str = ""
    role: str = ""


@dataclass(slots=True)
class EventView:
    """An appointment or task. `method` is that of the calendar: "REQUEST", "REPLY", "CANCEL", "PUBLISH" ..."""

    kind: str = "event"
    method: str = ""
    summary: str = ""
    start: str = ""
    """``2026-11-25 10:00 (Europe/Berlin)``: as written, readable."""
    end: str = ""
    duration: str = ""
    location: str = ""
    description: str = ""
    organizer: Person | None = None
    attendees: list[Person] = field(default_factory=list)
    rule: str = ""
    status: str = ""
    uid: str = ""
    sequence: int = 0
    instance: str = ""
    """The instance of a series that is meant: its original start."""
    proposed: str = ""
    """Another time that somebody proposes, where `start` is still the old one."""
    notes: list[str] = field(default_factory=list)
    """What else is to be known about it: that a newer request has come, say."""


@dataclass(slots=True)
class ContactView:
    """A business card. `details` are (what, value) in the order of the card: "email, work", "tel, cell", "adr" ..."""

    name: str = ""
    organization: str = ""
    title: str = ""
    details: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    parameters: dict[str, str]
    value: str


def _lines(text: str) -> Iterator[_Line]:
    for number, written in enumerate(_FOLD.sub("", text[:MAX_TEXT]).replace("\r\n", "\n").split("\n")):
        if number >= MAX_LINES:
            return
        match = _LINE.match(written)
        if match is None:
            continue
        parameters: dict[str, str] = {}
        for name, value in _PARAMETER.findall(match[2]):
            # vCard 2.1 writes bare types: TEL;CELL:
            parameters.setdefault(name.upper() if value else "TYPE", (value or name).strip('"'))
        value = match[3]
        if parameters.get("ENCODING", "").upper() == "QUOTED-PRINTABLE":
            value = binascii.a2b_qp(value.encode("utf-8", "replace")).decode("utf-8", "replace")
        yield _Line(match[1].upper(), parameters, value)


def _plain(value: str) -> str:
    return _ESCAPE.sub(lambda match: "\n" if match[1] in "nN" else match[1], value).strip()


def events(text: str) -> list[EventView]:
    """The appointments and tasks of an iCalendar text, at most `MAX_CARDS`."""
    found: list[EventView] = []
    method = ""
    current: EventView | None = None
    inside: list[str] = []
    for line in _lines(text):
        if line.name == "BEGIN":
            inside.append(line.value.strip().upper())
            if inside[-1] in ("VEVENT", "VTODO") and len(found) < MAX_CARDS:
                current = EventView(kind="event" if inside[-1] == "VEVENT" else "task")
                found.append(current)
        elif line.name == "END":
            if inside:
                inside.pop()
            current = current if inside and inside[-1] in ("VEVENT", "VTODO") else None
        elif line.name == "METHOD" and len(inside) == 1:
            method = line.value.strip().upper()[:20]
        elif current is not None and inside[-1] in ("VEVENT", "VTODO"):
            _event_line(current, line)
    for event in found:
        event.method = method
    return found


def _event_line(event: EventView, line: _Line) -> None:
    simple = {"SUMMARY": "summary", "LOCATION": "location", "DESCRIPTION": "description", "RRULE": "rule",
              "STATUS": "status", "UID": "uid", "DURATION": "duration"}  # fmt: skip
    if line.name in simple:
        setattr(event, simple[line.name], _plain(line.value)[:100_000])
    elif line.name == "DTSTART":
        event.start = moment(line.value, line.parameters.get("TZID", ""))
    elif line.name in ("DTEND", "DUE"):
        event.end = moment(line.value, line.parameters.get("TZID", ""))
    elif line.name == "ORGANIZER":
        event.organizer = _person(line)
    elif line.name == "ATTENDEE" and len(event.attendees) < MAX_PEOPLE:
        event.attendees.append(_person(line))
    elif line.name == "RECURRENCE-ID":
        event.instance = moment(line.value, line.parameters.get("TZID", ""))
    elif line.name == "SEQUENCE" and line.value.strip().isdigit():
        event.sequence = int(line.value.strip()[:9])


def _person(line: _Line) -> Person:
    address = line.value.strip()
    address = address[7:] if address[:7].lower() == "mailto:" else address
    get = line.parameters.get
    return Person(get("CN", ""), address, get("PARTSTAT", "").lower(), get("ROLE", "").lower())


def moment(written: str, zone: str = "") -> str:
    """A DATE or DATE-TIME for people; as it stands where it is none."""
    match = _TIME.fullmatch(written.strip())
    if match is None:
        return written.strip()[:60]
    day = f"{match[1]}-{match[2]}-{match[3]}"
    if match[4] is None:
        return day
    return f"{day} {match[4]}:{match[5]}" + (" (UTC)" if match[7] else f" ({zone})" if zone else "")


def contacts(text: str) -> list[ContactView]:
    """The cards of a vCard text (2.1, 3.0, 4.0), at most `MAX_CARDS`."""
    found: list[ContactView] = []
    current: ContactView | None = None
    for line in _lines(text):
        if line.name == "BEGIN" and line.value.strip().upper() == "VCARD":
            current = ContactView() if len(found) < MAX_CARDS else None
            if current is not None:
                found.append(current)
        elif line.name == "END" and line.value.strip().upper() == "VCARD":
            current = None
        elif current is not None:
            _contact_line(current, line)
    return found


def _contact_line(contact: ContactView, line: _Line) -> None:
    value = _plain(line.value)
    if line.name == "FN":
        contact.name = value
    elif line.name == "N" and not contact.name:
        family, given = [*(_plain(piece) for piece in line.value.split(";")), "", ""][:2]
        contact.name = " ".join(filter(None, (given, family)))
    elif line.name == "ORG":
        contact.organization = ", ".join(filter(None, (_plain(piece) for piece in line.value.split(";"))))
    elif line.name == "TITLE":
        contact.title = value
    elif line.name in ("EMAIL", "TEL", "ADR", "URL", "BDAY", "NOTE") and value and len(contact.details) < MAX_PEOPLE:
        kind = line.parameters.get("TYPE", "").lower().replace("pref", "").strip(", ")
        if line.name == "ADR":
            value = ", ".join(filter(None, (_plain(piece) for piece in line.value.split(";"))))
        what = line.name.lower() + (f", {kind}" if kind and kind != "internet" else "")
        contact.details.append((what, value))


# -- as people say it -------------------------------------------------------------------------------------------------

_TITLES = {"CANCEL": "Cancelled", "REPLY": "Answer", "REQUEST": "Invitation", "COUNTER": "New time proposed",
           "DECLINECOUNTER": "Proposed time declined"}  # fmt: skip
_ANSWERS = {"accepted": "Accepted", "declined": "Declined", "tentative": "Tentatively accepted"}
_ZONED = re.compile(r"(\d{4}-\d\d-\d\d)(?: (\d\d:\d\d)(?: \((.+)\))?)?")
MAX_SHOWN_PEOPLE = 50


def title(event: EventView) -> str:
    """What an appointment is for its reader: ``Invitation``, ``Cancelled``, ``Accepted`` ..."""
    if event.kind == "task":
        return "Task"
    if event.method == "REPLY" and len(event.attendees) == 1:
        return _ANSWERS.get(event.attendees[0].state, "Answer")
    if event.status.upper() == "CANCELLED":
        return "Cancelled"
    return _TITLES.get(event.method, "Appointment")


def rows(event: EventView) -> list[tuple[str, str]]:
    """(what, value) of an appointment, in the order in which it is read; what is not known is left out."""
    people = [_attendee(person) for person in event.attendees[:MAX_SHOWN_PEOPLE]]
    if len(event.attendees) > MAX_SHOWN_PEOPLE:
        people.append(f"and {len(event.attendees) - MAX_SHOWN_PEOPLE} more")
    organizer = event.organizer
    found = [
        ("When", when(event.start, event.end, event.duration)),
        ("Proposed", event.proposed),
        ("Repeats", spoken(event.rule)),
        ("Instance", f"the one of {event.instance}" if event.instance else ""),
        ("Where", event.location),
        ("Organizer", _written(organizer) if organizer else ""),
        ("People", ", ".join(people)),
        ("Note", "; ".join(event.notes)),
    ]
    return [(name, value) for name, value in found if value]


def when(start: str, end: str = "", duration: str = "") -> str:
    """A span of two `moment`s. The end of whole days is exclusive (RFC 5545 3.6.1): the last of them is said."""
    first, last = _ZONED.fullmatch(start), _ZONED.fullmatch(end)
    if first is None or last is None:
        return " – ".join(filter(None, (start, end or duration)))
    if first[2] is None and last[2] is None:
        try:
            final = (date.fromisoformat(last[1]) - timedelta(days=1)).isoformat()
        except (ValueError, OverflowError):
            return f"{start} – {end}"
        return f"{first[1]} – {final}, all day" if final > first[1] else f"{first[1]}, all day"
    if first[2] is not None and last[2] is not None and first[3] == last[3]:
        zone = f" ({first[3]})" if first[3] else ""
        return f"{first[1]} {first[2]} – {'' if first[1] == last[1] else f'{last[1]} '}{last[2]}{zone}"
    return f"{start} – {end}"


def _written(person: Person) -> str:
    return f"{person.name} <{person.address}>" if person.name and person.address else person.name or person.address


def _attendee(person: Person) -> str:
    state = f" ({person.state.replace('-', ' ')})" if person.state and person.state != "needs-action" else ""
    return f"{person.name or person.address}{state}"


_UNITS = {"DAILY": "day", "WEEKLY": "week", "MONTHLY": "month", "YEARLY": "year", "HOURLY": "hour"}
_DAYS = {"MO": "Monday", "TU": "Tuesday", "WE": "Wednesday", "TH": "Thursday", "FR": "Friday", "SA": "Saturday",
         "SU": "Sunday"}  # fmt: skip
_SETS = {frozenset(("MO", "TU", "WE", "TH", "FR")): "weekday", frozenset(("SA", "SU")): "weekend day",
         frozenset(_DAYS): "day"}  # fmt: skip
_WEEKS = {"1": "first", "2": "second", "3": "third", "4": "fourth", "5": "fifth", "-1": "last"}
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December")  # fmt: skip
_BY_DAY = re.compile(r"([+-]?\d)?([A-Z]{2})")
_UNTIL = re.compile(r"(\d{4})-?(\d\d)-?(\d\d).*")


def spoken(rule: str) -> str:
    """A recurrence rule (RFC 5545 3.3.10) as people say it; the rule itself where it says more than that."""
    fields = dict(part.upper().split("=", 1) for part in rule.split(";") if "=" in part)
    unit, every = _UNITS.get(fields.pop("FREQ", "")), fields.pop("INTERVAL", "1")
    fields.pop("WKST", None)
    if unit is None or not every.isdecimal():
        return rule
    month = _month(fields.pop("BYMONTH", ""))
    on = _on(fields.pop("BYDAY", ""), fields.pop("BYMONTHDAY", ""), fields.pop("BYSETPOS", ""), month)
    count, until = fields.pop("COUNT", ""), fields.pop("UNTIL", "")
    end = _UNTIL.fullmatch(until)
    if fields or month is None or on is None or (until and end is None):
        return rule
    said = [f"every {unit}" if every == "1" else f"every {every} {unit}s", on, f"{count} times" if count else ""]
    said.append(f"until {end[1]}-{end[2]}-{end[3]}" if end is not None else "")
    return ", ".join(filter(None, said))


def _month(number: str) -> str | None:
    """The month of BYMONTH, "" for none; None where it is not one month."""
    if not number:
        return ""
    return _MONTHS[int(number) - 1] if number.isdecimal() and len(number) < 3 and 1 <= int(number) <= 12 else None


def _on(days: str, month_days: str, position: str, month: str | None) -> str | None:
    """On which day; "" where the rule does not say, None where it says too much."""
    of = f" of {month}" if month else ""
    if days and month_days:
        return None
    if month_days:
        last = month_days.rpartition(",")[2]
        if position:  # the day, or the last of a month that is shorter
            shorter = position == "-1" and month_days == ",".join(
                map(str, range(28, int(last) + 1 if last.isdecimal() else 0))
            )
            return f"on day {last}{of} or the last before it" if shorter else None
        return f"on the last day{of or ' of the month'}" if month_days == "-1" else f"on day {month_days}{of}"
    if not days:
        return None if position else (f"in {month}" if month else "")
    found = [_BY_DAY.fullmatch(day) for day in days.split(",")]
    if not all(day and day[2] in _DAYS for day in found):
        return None
    every = [(day[1] or "").lstrip("+") for day in found if day]
    plain = [day[2] for day in found if day]
    known = _SETS.get(frozenset(plain)) if len(plain) > 1 else None
    if position:
        if any(every) or position not in _WEEKS:
            return None
        return f"on the {_WEEKS[position]} {known or ' or '.join(_DAYS[day] for day in plain)}{of}"
    if not all(number in _WEEKS for number in every if number):
        return None
    if known and not any(every):
        return f"on {'every' if known == 'day' else 'each'} {known}{of}"
    names = [
        f"the {_WEEKS[number]} {_DAYS[day]}" if number else _DAYS[day] for number, day in zip(every, plain, strict=True)
    ]
    return f"on {', '.join(names)}{of}"
