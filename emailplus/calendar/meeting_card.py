"""The meeting of a mail as a card beside its text: what ActiveSync tells in properties, for bodies without iCalendar.

The message class says what the mail is (MS-ASEMAIL 2.2.2.49), MeetingMessageType what became of a request (2.2.2.47).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, tzinfo

from ..eas.items.timezone import known_zone, tzinfo_of
from ..mime.cards import EventView, Person, when
from ..model.meeting import MeetingRequest
from ..model.message import StoredMessage, addresses
from ..model.recurrence import CalendarType, Recurrence, RecurrenceType
from .ical import rule_of
from .lunar import LOCATE

_CLASSES = (
    ("ipm.schedule.meeting.canceled", "CANCEL", ""),
    ("ipm.schedule.meeting.resp.pos", "REPLY", "accepted"),
    ("ipm.schedule.meeting.resp.tent", "REPLY", "tentative"),
    ("ipm.schedule.meeting.resp.neg", "REPLY", "declined"),
    ("ipm.schedule.meeting.resp", "REPLY", ""),
    ("ipm.schedule.meeting", "REQUEST", ""),
    ("ipm.notification.meeting", "PUBLISH", ""),
)
"""(message class or the beginning of one, METHOD of iTIP, PARTSTAT of the sender); the first that fits counts."""
_NOTES = {
    2: "updated: time, place or people changed",
    3: "updated: it needs no new answer",
    4: "outdated: a newer one has come",
    5: "the delegator's copy",
    6: "delegated: it cannot be answered here",
}
"""MeetingMessageType."""
_METHODS = frozenset(("REQUEST", "REPLY", "CANCEL", "COUNTER", "DECLINECOUNTER", "REFRESH", "ADD"))
"""METHODs of mail about a meeting (RFC 5546 1.4); a calendar that is published is no such mail."""


def add(events: list[EventView], message: StoredMessage) -> None:
    """Put the meeting that `message` is about among `events`, its calendar parts; a part about it is completed."""
    made = card(message)
    if made is None:
        return
    for event in events:
        if _same(event, made):
            event.notes += [note for note in made.notes if note not in event.notes]
            event.proposed = event.proposed or (made.proposed if event.method != "COUNTER" else "")
            return
    events.insert(0, made)


def _same(part: EventView, made: EventView) -> bool:
    if part.kind != "event":
        return False
    if part.uid and made.uid:
        return part.uid.casefold() == made.uid.casefold()
    return part.method in _METHODS


def card(message: StoredMessage) -> EventView | None:
    """The meeting of a mail; None for a mail that is about none."""
    method, state = _kind(message.message_class)
    meeting = message.meeting
    if meeting is None:
        if method != "REPLY":  # a request without its meeting says nothing that the subject does not
            return None
        meeting = MeetingRequest()
    zone = tzinfo_of(meeting.timezone, meeting.timezone_blob)
    event = EventView(
        method=method or "REQUEST",
        summary=message.thread_topic or message.subject,
        start=_moment(meeting.start, meeting, zone),
        end=_moment(meeting.end, meeting, zone),
        location=str(meeting.location or ""),
        organizer=_organizer(meeting.organizer),
        uid=meeting.uid,
        rule=_rule(meeting.recurrences, zone),
        instance=_moment(meeting.recurrence_id, meeting, zone) if meeting.instance_type != 1 else "",
    )
    if method == "REPLY":
        event.attendees = [Person(who.name, who.address, state) for who in addresses(message.sender)[:1]]
    if meeting.proposed_start is not None:
        event.method = "COUNTER"
        proposed = (_moment(moment, meeting, zone) for moment in (meeting.proposed_start, meeting.proposed_end))
        event.proposed = when(*proposed)
    if method == "REQUEST" and (note := _NOTES.get(meeting.message_type or 0)):
        event.notes.append(note)
    return event


def _kind(message_class: str) -> tuple[str, str]:
    written = message_class.casefold()
    return next((row[1:] for row in _CLASSES if written == row[0] or written.startswith(f"{row[0]}.")), ("", ""))


def _organizer(written: str) -> Person | None:
    """Organizer is an address, or the alias that stands for one (MS-ASEMAIL 2.2.2.57)."""
    for who in addresses(written)[:1]:
        return Person(who.name, who.address) if "@" in who.address else Person(who.name or who.address, "")
    return None


def _moment(moment: datetime | date | None, meeting: MeetingRequest, zone: tzinfo) -> str:
    """In the meeting's own zone, in the form of `mime.cards.moment`."""
    if moment is None:
        return ""
    if not isinstance(moment, datetime):
        return moment.isoformat()
    name = known_zone(meeting.timezone) if meeting.timezone else ""
    try:
        local = moment.astimezone(zone)
    except (OverflowError, ValueError):  # at the ends of the calendar
        local, name, zone = moment, "", UTC
    if meeting.all_day:
        return local.date().isoformat()
    if not name:
        name = "UTC" if zone is UTC else f"UTC{local.isoformat()[-6:]}"
    return f"{local.isoformat(' ')[:16]} ({name})"


def _rule(recurrences: Sequence[Recurrence], zone: tzinfo) -> str:
    """The pattern as an RRULE, or in words where RFC 5545 has none for its calendar."""
    if not recurrences:
        return ""
    recurrence = recurrences[0]
    if recurrence.calendar_type in LOCATE and recurrence.type >= RecurrenceType.MONTHLY:
        return _lunar(recurrence)
    return ";".join(f"{name}={_value(value, zone)}" for name, value in rule_of(recurrence).items())


def _value(value: object, zone: tzinfo) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    if isinstance(value, datetime):
        value = value.astimezone(zone).date()
    return value.strftime("%Y%m%d") if isinstance(value, date) else str(value)


def _lunar(recurrence: Recurrence) -> str:
    unit = "month" if recurrence.type in (RecurrenceType.MONTHLY, RecurrenceType.MONTHLY_NTH) else "year"
    said = [f"every {unit}" if recurrence.interval < 2 else f"every {recurrence.interval} {unit}s"]
    if recurrence.day_of_month is not None:
        said.append(f"on day {recurrence.day_of_month}")
    if recurrence.month_of_year is not None:
        said.append(f"in {'leap ' if recurrence.leap_month else ''}month {recurrence.month_of_year}")
    if recurrence.occurrences is not None:
        said.append(f"{recurrence.occurrences} times")
    if recurrence.until is not None:
        said.append(f"until {recurrence.until:%Y-%m-%d}")
    name = CalendarType(recurrence.calendar_type or 0).name.replace("_", " ").title()
    return f"{', '.join(said)} ({name} calendar)"
