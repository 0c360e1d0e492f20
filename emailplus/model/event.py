"""A calendar event: appointment, meeting or whole-day event, alone or repeated (MS-ASCAL 2.2.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import IntEnum, IntFlag
from typing import Any, ClassVar

from .item import Item
from .message import Attachment
from .recurrence import Recurrence


class BusyStatus(IntEnum):
    """MS-ASCAL 2.2.2.8. 4 comes from servers only."""

    FREE = 0
    TENTATIVE = 1
    BUSY = 2
    OUT_OF_OFFICE = 3
    WORKING_ELSEWHERE = 4


class MeetingStatus(IntFlag):
    """Bits of MeetingStatus (MS-ASCAL 2.2.2.28); 0 is an appointment without attendees."""

    MEETING = 1
    RECEIVED = 2
    """The user is an attendee, not the organiser."""
    CANCELLED = 4
    FORWARDED = 8


class ResponseStatus(IntEnum):
    """An answer to a meeting: AttendeeStatus and ResponseType (MS-ASCAL 2.2.2.5, 2.2.2.40)."""

    NONE = 0
    ORGANIZER = 1
    TENTATIVE = 2
    ACCEPTED = 3
    DECLINED = 4
    NOT_RESPONDED = 5


class AttendeeType(IntEnum):
    """MS-ASCAL 2.2.2.6."""

    REQUIRED = 1
    OPTIONAL = 2
    RESOURCE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Attendee:
    """A person or resource that is invited."""

    email: str
    name: str = ""
    status: int | None = None
    """A `ResponseStatus`; the server's to say from 16.0 on."""
    type: int | None = None
    """An `AttendeeType`."""
    proposed_start: datetime | None = None
    """The time that the attendee would rather have (16.1)."""
    proposed_end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Location:
    """A place (MS-ASAIRS 2.2.2.28). Before 16.0 there is only the name."""

    name: str = ""
    annotation: str = ""
    street: str = ""
    city: str = ""
    state: str = ""
    country: str = ""
    postal_code: str = ""
    latitude: float | None = None
    longitude: float | None = None
    accuracy: float | None = None
    altitude: float | None = None
    altitude_accuracy: float | None = None
    uri: str = ""

    def __str__(self) -> str:
        return self.name or ", ".join(filter(None, (self.street, self.city, self.country)))


@dataclass(slots=True)
class NewAttachment:
    """A file to be attached to an event (from 16.0 on: MS-ASAIRS 2.2.2.2)."""

    name: str
    content: bytes
    content_type: str = ""
    content_id: str = ""
    inline: bool = False
    client_id: str = ""
    """Given when the change is queued, so that a repeated request adds nothing twice."""


@dataclass(slots=True)
class EventException:
    """One instance of a series that differs from it, or is no more."""

    start: datetime | date
    """When the instance would have begun: ExceptionStartTime, or InstanceId from 16.0 on."""
    deleted: bool = False
    changes: dict[str, Any] = field(default_factory=dict)
    """Attributes of `Event` that differ; the default as value means "emptied here". What is absent is inherited."""
    extra: bytes = b""


@dataclass(kw_only=True)
class Event(Item):
    """An event, or a whole series of them with its exceptions."""

    item_class: ClassVar[str] = "Calendar"

    subject: str = ""
    location: Location | None = None
    start: datetime | date | None = None
    """Aware, in UTC; a date for an all-day event, which has the same date everywhere."""
    end: datetime | date | None = None
    """Not part of the event: an all-day event of one day ends on the next date."""
    all_day: bool = False
    timezone: str = ""
    """IANA name of the zone in which it repeats; "" where the server's description fits none."""
    timezone_blob: bytes = b""
    """TIME_ZONE_INFORMATION as received (MS-ASDTYPE 2.7.6)."""
    reminder: int | None = None
    """Minutes before the start; None: no reminder."""
    busy_status: int | None = None
    """A `BusyStatus`."""
    sensitivity: int | None = None
    """0 normal, 1 personal, 2 private, 3 confidential."""
    uid: str = ""
    """The same on every calendar that has the event."""
    client_uid: str = ""
    """Our mark on an event made here (from 16.0)."""
    timestamp: datetime | None = None
    """DtStamp: when it was made or last changed."""

    organizer_name: str = ""
    organizer_email: str = ""
    attendees: tuple[Attendee, ...] = ()
    meeting_status: int = 0
    """Bits of `MeetingStatus`."""
    response_type: int | None = None
    """The user's own answer, a `ResponseStatus` (from 14.0)."""
    reply_time: datetime | None = None
    """AppointmentReplyTime (from 14.0)."""
    response_requested: bool | None = None
    """From 14.0."""
    disallow_new_time_proposal: bool | None = None
    """From 14.0."""
    online_meeting_link: str = ""
    """OnlineMeetingConfLink (from 14.1)."""
    online_meeting_external_link: str = ""
    attachments: tuple[Attachment | NewAttachment, ...] = ()
    """From 16.0."""

    instance_id: datetime | None = None
    """Of an instance alone, without its series: where the series puts it (from 16.0)."""
    recurrence: Recurrence | None = None
    exceptions: tuple[EventException, ...] = ()

    @property
    def is_meeting(self) -> bool:
        """Whether others are invited, or invited the user."""
        return bool(self.meeting_status & MeetingStatus.MEETING) or bool(self.attendees)

    @property
    def cancelled(self) -> bool:
        return bool(self.meeting_status & MeetingStatus.CANCELLED)

    @property
    def duration(self) -> timedelta:
        """From start to end; none where one of them is missing or they are of two kinds."""
        if isinstance(self.start, datetime) and isinstance(self.end, datetime):
            return self.end - self.start
        if isinstance(self.start, datetime) or isinstance(self.end, datetime) or not self.start or not self.end:
            return timedelta()
        return self.end - self.start

    def instance(self, exception: EventException) -> Event:
        """What the exception makes of its instance."""
        return replace(self, recurrence=None, exceptions=(), **exception.changes)

    def deleted_instances(self) -> Iterator[datetime | date]:
        """The starts of instances that were taken out."""
        return (exception.start for exception in self.exceptions if exception.deleted)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One instance of an event in time, as a calendar shows it."""

    event: Event
    """The event with the exception applied; its `id` is that of the series."""
    start: datetime | date
    end: datetime | date
    original_start: datetime | date
    """Where the pattern puts it: the name of this instance within its series."""
    is_exception: bool = False
