"""Meetings by mail: the calendar part of a request, a cancellation, an answer (iTIP, RFC 5546; iMIP, RFC 6047).

Up to ActiveSync 14.1 the client mails them (MS-ASCMD_R7479, MS-ASEMAIL_R15); from 16.0 on the server does. Needs the
package icalendar: ``emailplus[calendar]``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from ..eas.items.timezone import known_zone, tzinfo_of
from ..mime.html_text import linear
from ..model.draft import Invitation
from ..model.event import Attendee, AttendeeType, Event, ResponseStatus
from ..model.meeting import MeetingRequest
from ..model.message import Address, BodyType
from . import ical

MAX_ATTENDEES = 5000
PARTSTAT = {"accept": "ACCEPTED", "tentative": "TENTATIVE", "decline": "DECLINED"}
PREFIXES = {"CANCEL": "Canceled: ", "accept": "Accepted: ", "tentative": "Tentative: ", "decline": "Declined: ",
            "COUNTER": "New Time Proposed: "}  # fmt: skip
"""What servers and other clients put before the subject."""


def guests(event: Event, own: str) -> tuple[Attendee, ...]:
    """The attendees with an address, each once, without the organiser (`own`: the user's address)."""
    seen = {own.casefold(), event.organizer_email.casefold()}
    found = []
    for attendee in event.attendees:
        key = attendee.email.strip().casefold()
        if key and key not in seen:
            seen.add(key)
            found.append(attendee)
    return tuple(found)


def request(
    event: Event, *, organizer: Address, now: datetime, sequence: int = 0, instance: datetime | date | None = None
) -> Invitation:
    """METHOD:REQUEST: the whole event, a series with its exceptions, or one `instance` of it alone (RFC 5546 3.2.2)."""
    return _invitation("REQUEST", event, organizer, now, sequence, instance)


def cancel(
    event: Event,
    *,
    organizer: Address,
    now: datetime,
    sequence: int = 0,
    instance: datetime | date | None = None,
    only: Iterable[Attendee] | None = None,
) -> Invitation:
    """METHOD:CANCEL: the event or one instance takes place no more; `only`: not for them (RFC 5546 3.2.5)."""
    if only is not None:
        event = replace(event, attendees=tuple(only))
    return _invitation("CANCEL", replace(event, exceptions=()), organizer, now, sequence, instance)


def _invitation(
    method: str,
    event: Event,
    organizer: Address,
    now: datetime,
    sequence: int,
    instance: datetime | date | None,
) -> Invitation:
    icalendar = ical.package()
    event = replace(
        event,
        attendees=guests(event, organizer.address)[:MAX_ATTENDEES],
        organizer_email=event.organizer_email or organizer.address,
        organizer_name=event.organizer_name or organizer.name,
        timestamp=now,
        reminder=None,
        categories=(),
        body=_plain(event),
    )
    if instance is not None:
        event = replace(event, recurrence=None, exceptions=())
    calendar = ical.calendar_of([event], method=method, instance=instance)
    for part in calendar.walk("VEVENT"):
        part["sequence"] = icalendar.vInt(sequence)
        if method == "CANCEL":
            part["status"] = icalendar.vText("CANCELLED")
        for person in _people(part):
            if method == "REQUEST":
                person.params["RSVP"] = "TRUE"
            person.params.setdefault("PARTSTAT", "NEEDS-ACTION")
    return Invitation(method, bytes(calendar.to_ical()))


def _people(part: Any) -> list[Any]:
    found = part.get("attendee", [])
    return found if isinstance(found, list) else [found]


def _plain(event: Event) -> Any:
    """The event's text without markup: RFC 5545 3.8.1.5 knows plain text only."""
    body = event.body
    if body is None or body.type == BodyType.PLAIN:
        return body
    if body.type != BodyType.HTML:
        return None
    data = linear(event.body_text).encode()
    return replace(body, type=int(BodyType.PLAIN), data=data, size=len(data))


def answer(
    meeting: MeetingRequest,
    response: str,
    *,
    who: Address,
    organizer: Address,
    subject: str,
    now: datetime,
    comment: str = "",
    proposed: tuple[datetime, datetime] | None = None,
) -> Invitation:
    """METHOD:REPLY with the user's `response` ("accept", "tentative", "decline"), or METHOD:COUNTER with the times
    that are `proposed` instead (RFC 5546 3.2.3, 3.2.7)."""
    icalendar = ical.package()
    method = "REPLY" if proposed is None else "COUNTER"
    event = Event(
        subject=subject,
        uid=meeting.uid,
        start=meeting.start if proposed is None else proposed[0],
        end=meeting.end if proposed is None else proposed[1],
        all_day=meeting.all_day and proposed is None,
        timezone=meeting.timezone,
        location=meeting.location,
        organizer_email=organizer.address,
        organizer_name=organizer.name,
        attendees=(Attendee(email=who.address, name=who.name, status=int(ResponseStatus.NOT_RESPONDED)),),
        timestamp=now,
    )
    calendar = ical.calendar_of([event], method=method, instance=meeting.recurrence_id)
    for part in calendar.walk("VEVENT"):
        part["sequence"] = icalendar.vInt(0)
        for person in _people(part):
            person.params["PARTSTAT"] = PARTSTAT[response]
        if comment:
            part.add("comment", comment)
    return Invitation(method, bytes(calendar.to_ical()))


# -- what a person reads beside it


def subject_of(event: Event, method: str) -> str:
    """The subject of the mail."""
    return f"{PREFIXES.get(method, '')}{event.subject}".strip()


def text_of(event: Event) -> str:
    """When and where, and what the event says: for a reader without a calendar."""
    lines = []
    if event.start is not None:
        lines.append(f"When: {_span(event)}")
    if event.recurrence is not None:
        lines.append("It repeats; the calendar part says how.")
    if event.location is not None and str(event.location):
        lines.append(f"Where: {event.location}")
    body = _plain(event)
    written = body.data.decode(errors="replace").strip() if body is not None else ""
    return "\n".join(lines) + (f"\n\n{written}" if written else "") + "\n"


def _span(event: Event) -> str:
    start, end = event.start, event.end
    if isinstance(start, datetime):
        zone, name = UTC, "UTC"
        if event.timezone and known_zone(event.timezone):
            zone, name = tzinfo_of(event.timezone), event.timezone  # type: ignore[assignment]
        begins = start.astimezone(zone)
        until = f" to {end.astimezone(zone):%H:%M}" if isinstance(end, datetime) else ""
        if isinstance(end, datetime) and end.astimezone(zone).date() != begins.date():
            until = f" to {end.astimezone(zone):%A, %d %B %Y, %H:%M}"
        return f"{begins:%A, %d %B %Y, %H:%M}{until} ({name})"
    assert start is not None
    last = date.fromordinal(end.toordinal() - 1) if end is not None and not isinstance(end, datetime) else start
    return f"{start:%A, %d %B %Y}" + (f" to {last:%A, %d %B %Y}" if last > start else "") + ", all day"


def people(attendees: Iterable[Attendee]) -> tuple[tuple[Address, ...], tuple[Address, ...]]:
    """(To, Cc): who has to come and what is booked, and who may."""
    to: list[Address] = []
    cc: list[Address] = []
    for attendee in attendees:
        person = Address(attendee.name if attendee.name != attendee.email else "", attendee.email.strip())
        (cc if attendee.type == AttendeeType.OPTIONAL else to).append(person)
    return tuple(to), tuple(cc)
