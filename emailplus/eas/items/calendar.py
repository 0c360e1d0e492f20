"""The Calendar class on the wire: one row a property (MS-ASCAL 2.2.2), its times, and its exceptions.

All-day events are dates in the model. On the wire they are local midnight in the zone of the blob up to 14.1, and
midnight without a zone from 16.0 on (MS-ASCAL_R2005 to R2008).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, tzinfo
from typing import Any

from ...model.event import Attendee, Event, EventException, Location, NewAttachment
from ...model.message import Attachment
from ..tree import octets
from ..wbxml import Content, Node, encode
from .attachments import read_attachments
from .body import ASBASE_BODY, NATIVE_BODY_TYPE, read_legacy, write_legacy
from .item_type import ItemType
from .recurrence import reader as recurrence_reader
from .recurrence import writer as recurrence_writer
from .timezone import UTC_BLOB, blob_of, local_midnight, tzinfo_of, zone_of
from .values import (
    NEVER,
    Row,
    Table,
    midnight_date,
    read_boolean,
    read_container,
    read_date,
    read_float,
    read_integer,
    read_list,
    read_optional_boolean,
    read_optional_integer,
    read_text,
    write_base64,
    write_boolean,
    write_compact,
    write_container,
    write_float,
    write_integer,
    write_list,
    write_text,
)

MAX_EXCEPTIONS = 5000
"""Exceptions of one series that are read; servers stop at a thousand (the schema's limit)."""

# -- times


def read_blob(content: Content) -> bytes:
    """The zone's blob; b"" for what is not base64."""
    try:
        return base64.b64decode(octets(("", content)))
    except (binascii.Error, ValueError):
        return b""


def write_moment(moment: datetime | date | None) -> Content:
    """Compact DateTime; a date as its midnight."""
    if moment is None or isinstance(moment, datetime):
        return write_compact(moment)
    return write_compact(datetime(moment.year, moment.month, moment.day, tzinfo=UTC))


# -- attendees, places


_ATTENDEE = (
    Row("Calendar:Email", "email", read_text, write_text),
    Row("Calendar:Name", "name", read_text, write_text),
    # Before 16.0 only: MS-ASCAL_R2028
    Row("Calendar:AttendeeStatus", "status", read_optional_integer, write_integer, since=120, sent_until=141),
    Row("Calendar:AttendeeType", "type", read_optional_integer, write_integer, since=120),
    Row("MeetingResponse:ProposedStartTime", "proposed_start", read_date, write_compact, since=161, sent_until=0),
    Row("MeetingResponse:ProposedEndTime", "proposed_end", read_date, write_compact, since=161, sent_until=0),
)
_ATTENDEE_BY_TAG = {row.tag: row for row in _ATTENDEE}


def read_attendees(content: Content) -> tuple[Attendee, ...]:
    found = []
    for _, inner in content if isinstance(content, list) else ():
        values = read_container(_ATTENDEE_BY_TAG, inner)
        if values:
            found.append(Attendee(**{"email": "", **values}))
    return tuple(found)


def write_attendees(attendees: tuple[Attendee, ...], version: int, request: bool) -> Content:
    always = frozenset({"email", "name"})
    nodes: list[Node] = [
        ("Calendar:Attendee", write_container(_ATTENDEE, attendee, version, request=request, always=always))
        for attendee in attendees
    ]
    return nodes or None


_LOCATION = (
    Row("AirSyncBase:DisplayName", "name", read_text, write_text),
    Row("AirSyncBase:Annotation", "annotation", read_text, write_text),
    Row("AirSyncBase:Street", "street", read_text, write_text),
    Row("AirSyncBase:City", "city", read_text, write_text),
    Row("AirSyncBase:State", "state", read_text, write_text),
    Row("AirSyncBase:Country", "country", read_text, write_text),
    Row("AirSyncBase:PostalCode", "postal_code", read_text, write_text),
    Row("AirSyncBase:Latitude", "latitude", read_float, write_float),
    Row("AirSyncBase:Longitude", "longitude", read_float, write_float),
    Row("AirSyncBase:Accuracy", "accuracy", read_float, write_float),
    Row("AirSyncBase:Altitude", "altitude", read_float, write_float),
    Row("AirSyncBase:AltitudeAccuracy", "altitude_accuracy", read_float, write_float),
    Row("AirSyncBase:LocationUri", "uri", read_text, write_text),
)
_LOCATION_BY_TAG = {row.tag: row for row in _LOCATION}


def read_location(content: Content) -> Location | None:
    """AirSyncBase Location (MS-ASAIRS 2.2.2.28); an empty one is None."""
    return Location(**values) if (values := read_container(_LOCATION_BY_TAG, content)) else None


def write_location(location: Location | None, version: int, request: bool) -> Content:
    return (write_container(_LOCATION, location, version, request=request) if location is not None else None) or None


def read_place(content: Content) -> Location | None:
    """Calendar Location: a name."""
    name = read_text(content)
    return Location(name) if name else None


def write_place(location: Location | None) -> Content:
    return (str(location) or None) if location is not None else None


# -- attachments (16.0 on)


class RemovedAttachment(str):
    """The FileReference of an attachment that a change takes away."""

    __slots__ = ()


def write_attachments(
    attachments: tuple[Attachment | NewAttachment | RemovedAttachment, ...], version: int, request: bool
) -> Content:
    """A client names what it adds and deletes (MS-ASAIRS 2.2.2.2, 2.2.2.20), a server what is there."""
    nodes: list[Node] = []
    for attachment in attachments:
        if isinstance(attachment, RemovedAttachment):
            nodes.append(("AirSyncBase:Delete", [("AirSyncBase:FileReference", str(attachment))]))
        elif isinstance(attachment, NewAttachment):
            nodes.append(("AirSyncBase:Add", _added(attachment)))
        elif not request:
            nodes.append(("AirSyncBase:Attachment", _announced(attachment)))
    return nodes or None


def _added(attachment: NewAttachment) -> list[Node]:
    nodes: list[Node] = [
        ("AirSyncBase:ClientId", attachment.client_id),
        ("AirSyncBase:Method", "1"),
        ("AirSyncBase:ContentType", attachment.content_type or "application/octet-stream"),
        ("AirSyncBase:Content", attachment.content),
        ("AirSyncBase:DisplayName", attachment.name),
    ]
    if attachment.content_id:
        nodes.append(("AirSyncBase:ContentId", attachment.content_id))
    if attachment.inline:
        nodes.append(("AirSyncBase:IsInline", "1"))
    return nodes


def _announced(attachment: Attachment) -> list[Node]:
    nodes: list[Node] = [
        ("AirSyncBase:DisplayName", attachment.name or None),
        ("AirSyncBase:FileReference", attachment.file_reference),
        ("AirSyncBase:Method", str(attachment.method)),
        ("AirSyncBase:EstimatedDataSize", str(attachment.size)),
    ]
    for tag, text in (
        ("AirSyncBase:ContentId", attachment.content_id),
        ("AirSyncBase:ContentLocation", attachment.content_location),
        ("AirSyncBase:ContentType", attachment.content_type),
    ):
        if text:
            nodes.append((tag, text))
    if attachment.inline:
        nodes.append(("AirSyncBase:IsInline", "1"))
    if attachment.voice_seconds:
        nodes.append(("Email2:UmAttDuration", str(attachment.voice_seconds)))
        nodes.append(("Email2:UmAttOrder", str(attachment.voice_order)))
    return nodes


# -- exceptions


def read_exceptions(content: Content) -> tuple[EventException, ...]:
    """Exceptions of a series (MS-ASCAL 2.2.2.21); times are brought to dates by `settle`."""
    found = []
    for _, inner in (content if isinstance(content, list) else [])[:MAX_EXCEPTIONS]:
        if isinstance(inner, list):
            found.append(_read_exception(inner))
    return tuple(found)


def _read_exception(nodes: list[Node]) -> EventException:
    start, deleted, extra = None, False, []
    changes: dict[str, Any] = {}
    legacy = False
    for node in nodes:
        tag, content = node
        if tag in ("Calendar:ExceptionStartTime", "AirSyncBase:InstanceId"):
            start = read_date(content)
        elif tag == "Calendar:Deleted":
            deleted = read_boolean(content)
        elif tag in ("Calendar:Body", "Calendar:BodyTruncated"):
            legacy = True
        elif tag in _EXCEPTION_BY_TAG:
            row = _EXCEPTION_BY_TAG[tag]
            changes[row.attribute] = row.read(content)
        else:
            extra.append(node)
    if legacy:
        changes["body"] = read_legacy(nodes, "Calendar")
    if start is None:
        raise ValueError("an exception that does not say which instance it is of")
    kept = encode(("Calendar:Exception", extra)) if extra else b""
    return EventException(start, deleted, changes, kept)


def write_exceptions(exceptions: tuple[EventException, ...], version: int, request: bool) -> Content:
    nodes: list[Node] = [
        ("Calendar:Exception", write_exception(exception, version, request=request)) for exception in exceptions
    ]
    return nodes or None


def write_exception(exception: EventException, version: int, *, request: bool) -> list[Node]:
    """One exception: which instance, and what is different there; an empty element takes away what it would inherit."""
    name = "AirSyncBase:InstanceId" if version >= 160 else "Calendar:ExceptionStartTime"
    nodes: list[Node] = [(name, write_moment(exception.start))]
    if exception.deleted:
        return [("Calendar:Deleted", "1"), *nodes]
    return nodes + write_changes(exception.changes, version, request=request)


def write_changes(changes: Mapping[str, Any], version: int, *, request: bool = True) -> list[Node]:
    """What is different in an instance: in Exception, or in a Change with an InstanceId (16.0 on)."""
    nodes: list[Node] = []
    for row in EXCEPTION_ROWS:
        if row.attribute not in changes:
            continue
        if row.attribute == "body" and version < row.since:
            nodes += write_legacy(changes["body"], "Calendar")
        elif row.valid(version, request=request):
            nodes.append((row.tag, row.content(changes[row.attribute], version, request=request)))
    return nodes


_BEFORE_16 = 141


def _categories(tag: str) -> Row:
    return Row(tag, "categories", read_list("Calendar:Category"), write_list("Calendar:Category"))


_SUBJECT = Row("Calendar:Subject", "subject", read_text, write_text)
_START = Row("Calendar:StartTime", "start", read_date, write_moment, empties_from=NEVER)
_END = Row("Calendar:EndTime", "end", read_date, write_moment, empties_from=NEVER)
_PLACE = Row("Calendar:Location", "location", read_place, write_place, until=_BEFORE_16)
_LOCATION_ROW = Row("AirSyncBase:Location", "location", read_location, None, since=160, compose=write_location)
_CATEGORIES = _categories("Calendar:Categories")
_SENSITIVITY = Row("Calendar:Sensitivity", "sensitivity", read_optional_integer, write_integer, empties_from=NEVER)
_BUSY = Row("Calendar:BusyStatus", "busy_status", read_optional_integer, write_integer, empties_from=NEVER)
_ALL_DAY = Row("Calendar:AllDayEvent", "all_day", read_boolean, write_boolean)
# An empty Reminder takes it away from 14.1 on (MS-ASCAL_R2185)
_REMINDER = Row("Calendar:Reminder", "reminder", read_optional_integer, write_integer, empties_from=141)
_STAMP = Row(
    "Calendar:DtStamp", "timestamp", read_date, write_compact, sent_until=_BEFORE_16, empties_from=NEVER
)  # MS-ASCAL_R2088
_STATUS = Row("Calendar:MeetingStatus", "meeting_status", read_integer, write_integer)
_ATTENDEES = Row("Calendar:Attendees", "attendees", read_attendees, None, compose=write_attendees)
_REPLY_TIME = Row(
    "Calendar:AppointmentReplyTime", "reply_time", read_date, write_compact, since=140, sent_until=0, ghosted=True
)
_RESPONSE_TYPE = Row(
    "Calendar:ResponseType",
    "response_type",
    read_optional_integer,
    write_integer,
    since=140,
    sent_until=0,
    ghosted=True,
)
_LINK = Row(
    "Calendar:OnlineMeetingConfLink",
    "online_meeting_link",
    read_text,
    write_text,
    since=141,
    sent_until=0,
    ghosted=True,
)
_EXTERNAL_LINK = Row(
    "Calendar:OnlineMeetingExternalLink", "online_meeting_external_link", read_text, write_text,
    since=141, sent_until=0, ghosted=True,
)  # fmt: skip
_ATTACHMENTS = Row(
    "AirSyncBase:Attachments", "attachments", lambda content: tuple(read_attachments(content)), None,
    since=160, compose=write_attachments,
)  # fmt: skip

EXCEPTION_ROWS: tuple[Row, ...] = (
    _SUBJECT, _START, _END, ASBASE_BODY, _PLACE, _LOCATION_ROW, _ATTACHMENTS, _CATEGORIES, _SENSITIVITY, _BUSY,
    _ALL_DAY, _REMINDER, _STAMP, _STATUS, replace(_ATTENDEES, since=140), _REPLY_TIME, _RESPONSE_TYPE, _LINK,
    _EXTERNAL_LINK,
)  # fmt: skip
"""What an exception may change (MS-ASCAL 2.2.2.21)."""
_EXCEPTION_BY_TAG = {row.tag: row for row in EXCEPTION_ROWS}

TABLE = Table(
    (
        # All-day events have no zone from 16.0 on (MS-ASCAL_R2005): `arrange` leaves it out
        Row("Calendar:Timezone", "timezone_blob", read_blob, write_base64, empties_from=NEVER),
        _ALL_DAY,
        _BUSY,
        Row("Calendar:OrganizerName", "organizer_name", read_text, write_text, sent_until=_BEFORE_16),
        Row("Calendar:OrganizerEmail", "organizer_email", read_text, write_text, sent_until=_BEFORE_16),
        _STAMP,
        _END,
        _PLACE,
        _LOCATION_ROW,
        _REMINDER,
        _SENSITIVITY,
        _SUBJECT,
        _START,
        Row("Calendar:UID", "uid", read_text, write_text, sent_until=_BEFORE_16, empties_from=NEVER),  # MS-ASCAL_R2221
        Row("Calendar:ClientUid", "client_uid", read_text, write_text, since=160, empties_from=NEVER),
        _STATUS,
        _ATTENDEES,
        _CATEGORIES,
        Row("Calendar:Recurrence", "recurrence", recurrence_reader("Calendar"), None,
            compose=recurrence_writer("Calendar")),
        Row("Calendar:Exceptions", "exceptions", read_exceptions, None, compose=write_exceptions),
        Row("Calendar:ResponseRequested", "response_requested", read_optional_boolean, write_boolean,
            since=140, empties_from=NEVER),
        Row("Calendar:DisallowNewTimeProposal", "disallow_new_time_proposal", read_optional_boolean, write_boolean,
            since=140, empties_from=NEVER),
        _REPLY_TIME,
        _RESPONSE_TYPE,
        _LINK,
        _EXTERNAL_LINK,
        # An instance alone, without its series, which only the organiser's calendar has (MS-ASAIRS 2.2.2.25)
        Row("AirSyncBase:InstanceId", "instance_id", read_date, write_compact, since=160, sent_until=0),
        ASBASE_BODY,
        NATIVE_BODY_TYPE,
        _ATTACHMENTS,
    )
)  # fmt: skip


# -- what belongs together


def settle(values: dict[str, Any]) -> None:
    """After reading: the zone's name, and dates for all-day events."""
    blob = values.get("timezone_blob", b"")
    start = values.get("start")
    if "timezone_blob" in values:
        values["timezone"] = zone_of(blob, year=start.year if start is not None else None)
    if not values.get("all_day"):
        return
    zone = tzinfo_of(values.get("timezone", ""), blob)
    for name in ("start", "end"):
        if values.get(name) is not None:
            values[name] = _as_date(values[name], zone)
    recurrence = values.get("recurrence")
    if recurrence is not None and recurrence.until is not None:
        values["recurrence"] = replace(recurrence, until=_as_date(recurrence.until, zone))
    values["exceptions"] = tuple(_dated(exception, zone) for exception in values.get("exceptions", ()))
    if not values["exceptions"]:
        del values["exceptions"]


def _dated(exception: EventException, zone: tzinfo) -> EventException:
    changes = dict(exception.changes)
    if changes.get("all_day", True):
        for name in ("start", "end"):
            if changes.get(name) is not None:
                changes[name] = _as_date(changes[name], zone)
    return replace(exception, start=_as_date(exception.start, zone), changes=changes)


def _as_date(moment: datetime | date, zone: tzinfo) -> date:
    if not isinstance(moment, datetime):
        return moment
    try:
        return midnight_date(moment.astimezone(zone).replace(tzinfo=None))
    except OverflowError:
        return moment.date()


def arrange(values: Mapping[str, Any], version: int) -> dict[str, Any]:
    """Before writing: the zone's blob, and moments for the dates of an all-day event up to 14.1."""
    found = dict(values)
    name, blob = found.pop("timezone", ""), found.get("timezone_blob", b"")
    day = found.get("start")
    year = day.year if day is not None else 2026
    if name and zone_of(blob, year=year) != name:
        blob = blob_of(name, year)
    all_day = found.get("all_day", isinstance(day, date) and not isinstance(day, datetime))
    if version >= 160:
        if all_day:
            found.pop("timezone_blob", None)
        elif blob:
            found["timezone_blob"] = blob
        return found
    if day is not None or blob:
        found["timezone_blob"] = blob or UTC_BLOB
    if all_day:
        zone = tzinfo_of(name, blob)
        for attribute in ("start", "end"):
            if found.get(attribute) is not None:
                found[attribute] = _as_moment(found[attribute], zone)
        recurrence = found.get("recurrence")
        if recurrence is not None and recurrence.until is not None:
            found["recurrence"] = replace(recurrence, until=_as_moment(recurrence.until, zone))
        if "exceptions" in found:
            found["exceptions"] = tuple(_timed(exception, zone) for exception in found["exceptions"])
    return found


def _timed(exception: EventException, zone: tzinfo) -> EventException:
    changes = {
        name: _as_moment(value, zone) if name in ("start", "end") and value is not None else value
        for name, value in exception.changes.items()
    }
    return replace(exception, start=_as_moment(exception.start, zone), changes=changes)


def _as_moment(day: datetime | date, zone: tzinfo) -> datetime:
    return day if isinstance(day, datetime) else local_midnight(day, zone)


CALENDAR = ItemType(
    "Calendar",
    Event,
    TABLE,
    essential=frozenset({"start", "end"}),
    whole_by="start",
    settle=settle,
    arrange=arrange,
)
