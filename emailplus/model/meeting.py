"""What a mail says beyond its text: a meeting it is about, a follow-up flag (MS-ASEMAIL 2.2.2.48, 2.2.2.34)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from .event import Location
from .recurrence import Recurrence


@dataclass(frozen=True, slots=True, kw_only=True)
class MeetingRequest:
    """The meeting that a request, a cancellation or an answer is about. Its event has the same `uid`."""

    uid: str = ""
    """UID of the event: from Calendar UID (16.0 on), or out of GlobalObjId (MS-ASEMAIL 2.2.2.37)."""
    global_object_id: bytes = b""
    start: datetime | date | None = None
    end: datetime | date | None = None
    all_day: bool = False
    timestamp: datetime | None = None
    instance_type: int = 0
    """0 a single meeting, 1 a series, 2 one instance, 3 an exception, 4 an orphan."""
    recurrence_id: datetime | None = None
    """The instance that is meant."""
    location: Location | None = None
    organizer: str = ""
    timezone: str = ""
    timezone_blob: bytes = b""
    reminder: int | None = None
    """Seconds before the start, as the Email class counts."""
    response_requested: bool = False
    sensitivity: int | None = None
    busy_status: int | None = None
    recurrences: tuple[Recurrence, ...] = ()
    disallow_new_time_proposal: bool | None = None
    message_type: int | None = None
    """MeetingMessageType (from 14.1): 1 request, 2 full update, 3 informational update ..."""
    proposed_start: datetime | None = None
    """A time that an attendee proposes (16.1)."""
    proposed_end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """A flag with its dates."""

    status: int = 0
    """0 none, 1 complete, 2 active."""
    type: str = ""
    subject: str = ""
    start_date: datetime | None = None
    """Local time, without a zone; so is `due_date`."""
    utc_start_date: datetime | None = None
    due_date: datetime | None = None
    utc_due_date: datetime | None = None
    date_completed: datetime | None = None
    complete_time: datetime | None = None
    reminder_set: bool = False
    reminder_time: datetime | None = None
    ordinal_date: datetime | None = None
    sub_ordinal_date: str = ""
