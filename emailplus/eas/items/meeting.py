"""Meetings and flags inside mail, both ways (MS-ASEMAIL 2.2.2.48, 2.2.2.34, 2.2.2.37)."""

from __future__ import annotations

import base64
import binascii
import struct
from dataclasses import replace
from typing import Any

from ...model.event import Location
from ...model.meeting import FollowUp, MeetingRequest
from ...model.recurrence import Recurrence
from ..tree import octets
from ..wbxml import Content, Node
from .calendar import read_blob, read_location, read_place, write_location
from .recurrence import reader as recurrence_reader
from .recurrence import writer as recurrence_writer
from .timezone import tzinfo_of, zone_of
from .values import (
    Row,
    midnight_date,
    read_boolean,
    read_container,
    read_date,
    read_integer,
    read_local_date,
    read_optional_boolean,
    read_optional_integer,
    read_text,
    write_base64,
    write_boolean,
    write_container,
    write_date,
    write_integer,
    write_local_date,
    write_text,
)

_VCAL = b"vCal-Uid"
_read_recurrence, _write_recurrence = recurrence_reader("Email"), recurrence_writer("Email")


def read_global_object_id(content: Content) -> bytes:
    """Base64 of an identifier; b"" for what is not."""
    try:
        return base64.b64decode(octets(("", content)))
    except (binascii.Error, ValueError):
        return b""


def uid_of(identifier: bytes) -> str:
    """The UID of the event that a GlobalObjId names (MS-ASEMAIL 2.2.2.37).

    It is a UID of iCalendar wrapped up, or the hexadecimal form of the identifier without the date of its instance.
    """
    if len(identifier) < 40:
        return ""
    if identifier[40:48] == _VCAL and len(identifier) > 52:
        (size,) = struct.unpack("<i", identifier[36:40])
        return identifier[52 : 40 + max(size, 12)].rstrip(b"\0").decode("utf-8", "replace")
    return (identifier[:16] + b"\0\0\0\0" + identifier[20:]).hex().upper()


def _read_recurrences(content: Content) -> tuple[Recurrence, ...]:
    found = [_read_recurrence(inner) for _, inner in content] if isinstance(content, list) else []
    return tuple(recurrence for recurrence in found if recurrence is not None)


def _write_recurrences(recurrences: tuple[Recurrence, ...], version: int, request: bool) -> Content:
    nodes: list[Node] = [
        ("Email:Recurrence", _write_recurrence(recurrence, version, request)) for recurrence in recurrences
    ]
    return nodes or None


def _write_place(location: Location | None) -> Content:
    return (str(location) or None) if location is not None else None


MEETING = (
    Row("Email:AllDayEvent", "all_day", read_boolean, write_boolean),
    Row("Email:StartTime", "start", read_date, write_date),
    Row("Email:DtStamp", "timestamp", read_date, write_date),
    Row("Email:EndTime", "end", read_date, write_date),
    Row("Email:InstanceType", "instance_type", read_integer, write_integer),
    Row("Email:Location", "location", read_place, _write_place, until=141),
    Row("AirSyncBase:Location", "location", read_location, None, since=160, compose=write_location),
    Row("Email:Organizer", "organizer", read_text, write_text),
    Row("Email:RecurrenceId", "recurrence_id", read_date, write_date),
    Row("Email:Reminder", "reminder", read_optional_integer, write_integer),
    Row("Email:ResponseRequested", "response_requested", read_boolean, write_boolean),
    Row("Email:Recurrences", "recurrences", _read_recurrences, None, compose=_write_recurrences),
    Row("Email:Sensitivity", "sensitivity", read_optional_integer, write_integer),
    Row("Email:BusyStatus", "busy_status", read_optional_integer, write_integer),
    Row("Email:TimeZone", "timezone_blob", read_blob, write_base64),
    Row("Email:GlobalObjId", "global_object_id", read_global_object_id, write_base64, until=141),
    Row("Calendar:UID", "uid", read_text, write_text, since=160),
    Row("Email:DisallowNewTimeProposal", "disallow_new_time_proposal", read_optional_boolean, write_boolean, since=140),
    Row("Email2:MeetingMessageType", "message_type", read_optional_integer, write_integer, since=141),
    Row("MeetingResponse:ProposedStartTime", "proposed_start", read_date, write_date, since=161),
    Row("MeetingResponse:ProposedEndTime", "proposed_end", read_date, write_date, since=161),
)
_MEETING_BY_TAG = {row.tag: row for row in MEETING}

FLAG = (
    Row("Tasks:Subject", "subject", read_text, write_text),
    Row("Email:Status", "status", read_integer, write_integer),
    Row("Email:FlagType", "type", read_text, write_text),
    Row("Tasks:DateCompleted", "date_completed", read_date, write_date),
    Row("Email:CompleteTime", "complete_time", read_date, write_date),
    Row("Tasks:StartDate", "start_date", read_local_date, write_local_date),
    Row("Tasks:DueDate", "due_date", read_local_date, write_local_date),
    Row("Tasks:UtcStartDate", "utc_start_date", read_date, write_date),
    Row("Tasks:UtcDueDate", "utc_due_date", read_date, write_date),
    Row("Tasks:ReminderSet", "reminder_set", read_boolean, write_boolean),
    Row("Tasks:ReminderTime", "reminder_time", read_date, write_date),
    Row("Tasks:OrdinalDate", "ordinal_date", read_date, write_date),
    Row("Tasks:SubOrdinalDate", "sub_ordinal_date", read_text, write_text),
)
_FLAG_BY_TAG = {row.tag: row for row in FLAG} | {"Email:FlagStatus": replace(FLAG[1], tag="Email:FlagStatus")}


def _readable(rows: dict[str, Row], content: Content) -> dict[str, Any]:
    """The values that can be read: a meeting or a flag with an odd date is still one."""
    values: dict[str, Any] = {}
    for node in content if isinstance(content, list) else ():
        try:
            values |= read_container(rows, [node])
        except (ValueError, OverflowError):
            continue
    return values


def read_meeting(content: Content) -> MeetingRequest | None:
    """MeetingRequest; None for an empty one."""
    values = _readable(_MEETING_BY_TAG, content)
    if not values:
        return None
    blob, start = values.get("timezone_blob", b""), values.get("start")
    values["timezone"] = zone_of(blob, year=start.year if start is not None else None)
    if values.get("all_day"):
        zone = tzinfo_of(values["timezone"], blob)
        for name in ("start", "end"):
            if values.get(name) is not None:
                values[name] = midnight_date(values[name].astimezone(zone).replace(tzinfo=None))
    if not values.get("uid"):
        values["uid"] = uid_of(values.get("global_object_id", b""))
    return MeetingRequest(**values)


def write_meeting(meeting: MeetingRequest | None, version: int, request: bool) -> Content:
    """The container as a server writes it; times must be moments, not dates."""
    if meeting is None:
        return None
    always = frozenset({"all_day", "instance_type"})
    return write_container(MEETING, meeting, version, request=request, always=always)


def read_flag(content: Content) -> FollowUp | None:
    """Flag; an empty one is None."""
    values = _readable(_FLAG_BY_TAG, content)
    return FollowUp(**values) if values else None


def write_flag(flag: FollowUp | None, version: int, request: bool) -> Content:
    """The container; what is not set is left out."""
    if flag is None:
        return None
    skipped = frozenset({"reminder_set"}) if not flag.reminder_set else frozenset()
    rows = [row for row in FLAG if row.attribute not in skipped]
    return write_container(rows, flag, version, request=request, always=frozenset({"status"})) or None
