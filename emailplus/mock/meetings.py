"""Meeting requests in mail, as far as answering them needs: the event of an iCalendar part (RFC 5545, RFC 5546)."""

from __future__ import annotations

import base64
import secrets
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, formataddr
from zoneinfo import ZoneInfo

from ..eas.wbxml import Node
from .mailbox import Item, Mailbox
from .mime import Message, Part
from .pim import UTC_ZONE, compact
from .users import MockUser

ANSWERS = {1: "ACCEPTED", 2: "TENTATIVE", 3: "DECLINED"}
"""UserResponse -> PARTSTAT."""
_SUBJECTS = {1: "Accepted", 2: "Tentative", 3: "Declined"}


@dataclass(frozen=True, slots=True)
class Meeting:
    """A request: who asks for what time."""

    uid: str
    start: datetime
    end: datetime
    subject: str = ""
    location: str = ""
    organizer: str = ""
    organizer_name: str = ""
    all_day: bool = False
    recurs: bool = False

    def nodes(self, response: int) -> list[Node]:
        """The event in the calendar of who accepted it: busy, or tentative (MS-ASCMD_R831)."""
        nodes: list[Node] = [
            ("Calendar:Subject", self.subject),
            ("Calendar:UID", self.uid),
            ("Calendar:StartTime", compact(self.start)),
            ("Calendar:EndTime", compact(self.end)),
            ("Calendar:AllDayEvent", "1" if self.all_day else "0"),
            ("Calendar:OrganizerEmail", self.organizer),
            ("Calendar:OrganizerName", self.organizer_name or self.organizer),
            ("Calendar:MeetingStatus", "3"),
            ("Calendar:BusyStatus", "2" if response == 1 else "1"),
            ("Calendar:ResponseType", "3" if response == 1 else "2"),
        ]
        if self.location:
            nodes.append(("AirSyncBase:Location", [("AirSyncBase:DisplayName", self.location)]))
        return nodes


def request_of(message: Message) -> Meeting | None:
    """The meeting that a mail asks for; None for any other mail."""
    part = _calendar_part(message.root)
    if part is None:
        return None
    lines = _lines(message.text(part))
    if ("METHOD", "", "REQUEST") not in lines or ("BEGIN", "", "VEVENT") not in lines:
        return None
    event = lines[lines.index(("BEGIN", "", "VEVENT")) :]
    first = {name: (parameters, value) for name, parameters, value in reversed(event)}
    try:
        start = _moment(*first["DTSTART"])
        end = _moment(*first["DTEND"]) if "DTEND" in first else start + timedelta(hours=1)
        uid = first["UID"][1]
    except (KeyError, ValueError):
        return None
    parameters, organizer = first.get("ORGANIZER", ("", ""))
    return Meeting(
        uid,
        start,
        end,
        first.get("SUMMARY", ("", ""))[1],
        first.get("LOCATION", ("", ""))[1],
        organizer.partition(":")[2] or organizer,
        next((p[3:].strip('"') for p in parameters.split(";") if p.startswith("CN=")), ""),
        "VALUE=DATE" in first["DTSTART"][0].split(";"),
        "RRULE" in first,
    )


def _calendar_part(part: Part) -> Part | None:
    if part.content_type == "text/calendar":
        return part
    return next((found for child in part.children if (found := _calendar_part(child)) is not None), None)


def meeting_node(message: Message, version: int) -> Node | None:
    """What a mail says of its meeting (MS-ASEMAIL 2.2.2.48), in the order of the schema; None for none readable."""
    part = message.calendar_part()
    event = _event_lines(message, part) if part is not None else {}
    try:
        start = _moment(*event["DTSTART"])
        end = _moment(*event["DTEND"]) if "DTEND" in event else start + timedelta(hours=1)
        stamp = _moment(*event["DTSTAMP"]) if "DTSTAMP" in event else start
        instance = _moment(*event["RECURRENCE-ID"]) if "RECURRENCE-ID" in event else None
        uid = event["UID"][1]
    except (KeyError, ValueError):
        return None
    method = part.parameters.get("method", "").upper() if part is not None else ""
    parameters, organizer = event.get("ORGANIZER", ("", ""))
    name = next((p[3:].strip('"') for p in parameters.split(";") if p.startswith("CN=")), "")
    place = event.get("LOCATION", ("", ""))[1]
    all_day = "VALUE=DATE" in event["DTSTART"][0].split(";")
    if all_day:
        stamp = stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)
    nodes: list[Node] = [
        ("Email:AllDayEvent", "1" if all_day else "0"),
        ("Email:StartTime", _dashed(start)),
        ("Email:DtStamp", _dashed(stamp)),
        ("Email:EndTime", _dashed(end)),
        ("Email:InstanceType", "2" if instance is not None else "1" if "RRULE" in event else "0"),
    ]
    if place and version < 160:
        nodes.append(("Email:Location", place))
    elif place:
        nodes.append(("AirSyncBase:Location", [("AirSyncBase:DisplayName", place)]))
    if organizer:
        nodes.append(("Email:Organizer", formataddr((name, organizer))))
    if instance is not None:
        nodes.append(("Email:RecurrenceId", _dashed(instance)))
    nodes.append(("Email:ResponseRequested", "1" if method == "REQUEST" else "0"))
    nodes += [("Email:Sensitivity", "0"), ("Email:BusyStatus", "2"), ("Email:TimeZone", UTC_ZONE)]
    if version < 160:
        nodes.append(("Email:GlobalObjId", base64.b64encode(_object_id(uid)).decode()))
    if version >= 140:
        nodes.append(("Email:DisallowNewTimeProposal", "0"))
    if version >= 141:
        nodes.append(("Email2:MeetingMessageType", "1" if method == "REQUEST" else "0"))
    if version >= 160:
        nodes.append(("Calendar:UID", uid))
    return ("Email:MeetingRequest", nodes)


def _event_lines(message: Message, part: Part) -> dict[str, tuple[str, str]]:
    """The first of each property of the event: (parameters, value)."""
    lines = _lines(message.text(part))
    if ("BEGIN", "", "VEVENT") not in lines:
        return {}
    event = lines[lines.index(("BEGIN", "", "VEVENT")) :]
    return {name: (parameters, value) for name, parameters, value in reversed(event)}


def _object_id(uid: str) -> bytes:
    """GlobalObjId of a UID that no Exchange made (MS-ASEMAIL 2.2.2.37): wrapped up as vCal-Uid."""
    data = b"vCal-Uid" + struct.pack("<i", 1) + uid.encode() + b"\0"
    head = bytes.fromhex("040000008200E00074C5B7101A82E008")
    return head + bytes(4) + bytes(8) + bytes(8) + struct.pack("<i", len(data)) + data


def _dashed(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.000Z"


def _lines(text: str) -> list[tuple[str, str, str]]:
    """Content lines unfolded, as (name, parameters, value) (RFC 5545 3.1)."""
    unfolded = text.replace("\r\n", "\n").replace("\n ", "").replace("\n\t", "")
    found = []
    for line in unfolded.split("\n"):
        head, _, value = line.partition(":")
        if line.upper().startswith(("ORGANIZER", "ATTENDEE")):
            head, _, value = line.partition(":mailto:") if ":mailto:" in line else line.partition(":")
        name, _, parameters = head.partition(";")
        found.append((name.strip().upper(), parameters, value.strip()))
    return found


def _moment(parameters: str, value: str) -> datetime:
    if len(value) == 8:
        return datetime.strptime(value, "%Y%m%d").replace(tzinfo=UTC)
    moment = datetime.strptime(value.rstrip("Z"), "%Y%m%dT%H%M%S")
    zone = next((p[5:].strip('"') for p in parameters.split(";") if p.startswith("TZID=")), "")
    if value.endswith("Z") or not zone:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    except (KeyError, ValueError, OSError):
        return moment.replace(tzinfo=UTC)


def event_of(mailbox: Mailbox, uid: str) -> Item | None:
    """The event of that UID in the calendar."""
    for item in mailbox.by_type(8).items.values():
        if dict(item.nodes or []).get("Calendar:UID") == uid:
            return item
    return None


def answer_mail(
    user: MockUser, meeting: Meeting, response: int, now: datetime, body: str, proposed: tuple[str, str] | None
) -> bytes:
    """The mail that tells the organiser (RFC 5546 3.2.3), or proposes another time (3.2.7)."""
    method = "COUNTER" if proposed is not None else "REPLY"
    start, end = proposed or (compact(meeting.start), compact(meeting.end))
    boundary = f"=_{secrets.token_hex(8)}"
    subject = "New Time Proposed" if proposed is not None else _SUBJECTS[response]
    event = [
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//mock//EN", f"METHOD:{method}", "BEGIN:VEVENT",
        f"UID:{meeting.uid}", f"DTSTAMP:{compact(now)}", f"DTSTART:{start}", f"DTEND:{end}",
        f"SUMMARY:{meeting.subject}", f"ORGANIZER:mailto:{meeting.organizer}",
        f"ATTENDEE;PARTSTAT={ANSWERS[response]}:mailto:{user.email}", "END:VEVENT", "END:VCALENDAR",
    ]  # fmt: skip
    lines = [
        f"From: {formataddr((user.name, user.email))}", f"To: {meeting.organizer}",
        f"Subject: {subject}: {meeting.subject}", f"Date: {format_datetime(now)}",
        f"Message-ID: <{secrets.token_hex(16)}@mock>", "MIME-Version: 1.0",
        f'Content-Type: multipart/alternative; boundary="{boundary}"', "", f"--{boundary}",
        'Content-Type: text/plain; charset="utf-8"', "Content-Transfer-Encoding: 8bit", "", body, f"--{boundary}",
        f'Content-Type: text/calendar; charset="utf-8"; method={method}', "Content-Transfer-Encoding: 8bit", "",
        *event, f"--{boundary}--", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode()
