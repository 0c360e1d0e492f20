"""What an item needs before it goes to a server: the plain rules that every client applies."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from typing import Any

from ..eas.items.timezone import known_zone, tzinfo_of
from ..errors import UsageError
from ..model.event import BusyStatus, Event, MeetingStatus
from ..model.item import Item
from ..model.note import Note
from ..model.task import Task

TITLE_LENGTH = 255


def new_item(item: Item, *, now: datetime, zone: str, reminder: int, organizer: str, separate_title: bool) -> Item:
    """`item` complete enough to be created. `reminder`: minutes, -1 none (`calendar_default_reminder`).

    Raises `UsageError` for what cannot be an item.
    """
    check(item, item.properties())
    if isinstance(item, Event):
        return _event(item, now, zone, reminder, organizer)
    if isinstance(item, Task):
        return replace(item, **task_times(item, item.properties(), tzinfo_of(zone)))
    if isinstance(item, Note):
        return replace(item, subject=note_subject(item, separate_title))
    return item


def _event(event: Event, now: datetime, zone: str, reminder: int, organizer: str) -> Event:
    if event.start is None or event.end is None:
        raise UsageError("an event needs a start and an end")
    values: dict[str, Any] = {"all_day": not isinstance(event.start, datetime)}
    if not event.timezone and not event.timezone_blob:
        values["timezone"] = zone
    if event.busy_status is None:
        values["busy_status"] = BusyStatus.FREE if values["all_day"] else BusyStatus.BUSY
    if event.sensitivity is None:
        values["sensitivity"] = 0
    if event.reminder is None and reminder >= 0:
        values["reminder"] = reminder
    elif event.reminder is not None and event.reminder < 0:
        values["reminder"] = None
    if not event.uid:
        values["uid"] = f"{secrets.token_hex(16)}@emailplus"
    if event.timestamp is None:
        values["timestamp"] = now.replace(microsecond=0)
    if event.attendees and not event.meeting_status:
        values["meeting_status"] = int(MeetingStatus.MEETING)
    if not event.organizer_email:
        values["organizer_email"] = organizer
    return replace(event, **values)


def check(item: Item, values: Mapping[str, Any]) -> None:
    """Raises `UsageError` for values that no server could understand: times without a zone, ends before starts."""
    for name, value in values.items():
        if isinstance(value, datetime) and value.tzinfo is None and name not in ("start_date", "due_date"):
            raise UsageError(f"{name} needs a time zone: {value.isoformat()}")
    if isinstance(item, Event) and item.start is not None and item.end is not None:
        if isinstance(item.start, datetime) != isinstance(item.end, datetime):
            raise UsageError("start and end are both dates (all day) or both times")
        if item.end < item.start:
            raise UsageError("the event ends before it starts")
        if not isinstance(item.start, datetime) and item.end <= item.start:
            raise UsageError("an all-day event ends on the day after its last day")
        if item.timezone and not known_zone(item.timezone):
            raise UsageError(f"{item.timezone!r} is no time zone of the IANA database")


def event_times(event: Event, values: Mapping[str, Any]) -> dict[str, Any]:
    """A change of an event with what follows from it: a date makes it all-day, a time makes it none."""
    found = dict(values)
    if "start" in found and found["start"] is not None and "all_day" not in found:
        found["all_day"] = not isinstance(found["start"], datetime)
        if found["all_day"] == event.all_day:
            del found["all_day"]
    if "start" in found and "end" not in found and found["start"] is not None:
        same_kind = isinstance(found["start"], datetime) == isinstance(event.start, datetime)
        if same_kind and event.start is not None:
            found["end"] = found["start"] + event.duration
    if found.get("attendees") and not event.meeting_status and "meeting_status" not in found:
        found["meeting_status"] = int(MeetingStatus.MEETING)
    return found


def task_times(task: Task, values: Mapping[str, Any], zone: tzinfo) -> dict[str, Any]:
    """Local and UTC times of a task come together (MS-ASTASK 2.2.2.12, .31); the missing one is reckoned."""
    found = dict(values)
    for local, utc in (("start_date", "utc_start_date"), ("due_date", "utc_due_date")):
        if found.get(local) is not None and utc not in found:
            found[utc] = found[local].replace(tzinfo=zone).astimezone(UTC)
        elif found.get(utc) is not None and local not in found:
            found[local] = found[utc].astimezone(zone).replace(tzinfo=None)
        elif local in found and found[local] is None and utc not in found:
            found[utc] = None
    if found.get("start_date") is not None and (found.get("due_date") or task.due_date) is None:
        found["due_date"], found["utc_due_date"] = found["start_date"], found["utc_start_date"]
    return found


def note_subject(note: Note, separate_title: bool) -> str:
    """Without a title field of its own the first line of the text is the title (`allow_notes_title`)."""
    return note.title(separate=separate_title)[:TITLE_LENGTH]
