"""People as a server's directory knows them: who an address is, their certificates, photo and free time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

SLOT = timedelta(minutes=30)
"""What one digit of a free/busy answer stands for (MS-ASCMD_R3319)."""


class Busy(IntEnum):
    """One digit of MergedFreeBusy (MS-ASCMD 2.2.3.107). `NO_DATA` also stands for digits the standard lacks."""

    FREE = 0
    TENTATIVE = 1
    BUSY = 2
    OUT_OF_OFFICE = 3
    NO_DATA = 4


@dataclass(frozen=True, slots=True)
class BusyPeriod:
    """A time of one kind. `start` and `end` are aware; `end` is not part of it."""

    start: datetime
    end: datetime
    kind: Busy


@dataclass(frozen=True, slots=True)
class FreeBusy:
    """Somebody's time from `start` to `end` (both aware), a value of `Busy` for every 30 minutes begun.

    `status` other than 1: the server could not tell (160 to 163), `reason` says why, and `slots` is empty.
    """

    start: datetime
    end: datetime
    status: int = 1
    slots: tuple[Busy, ...] = ()
    reason: str = ""

    def periods(self) -> Iterator[BusyPeriod]:
        """The slots as periods, neighbours of one kind joined. The slots are counted in real time, across DST."""
        begin, kind = self.start, None
        for number, slot in enumerate(self.slots):
            if slot is not kind:
                now = _later(self.start, number)
                if kind is not None:
                    yield BusyPeriod(begin, now, kind)
                begin, kind = now, slot
        if kind is not None:
            yield BusyPeriod(begin, min(_later(self.start, len(self.slots)), self.end), kind)

    def busy(self) -> Iterator[BusyPeriod]:
        """The periods that are not free."""
        return (period for period in self.periods() if period.kind is not Busy.FREE)


def _later(start: datetime, slots: int) -> datetime:
    """Real time, not wall time: a day may have 23 or 25 hours (MS-ASCMD_R3337)."""
    return datetime.fromtimestamp(start.timestamp() + slots * SLOT.total_seconds(), start.tzinfo)


@dataclass(frozen=True, slots=True)
class Photo:
    """A contact's photo; `data` is empty and `reason` says why where `status` is not 1 (173 none, 174 too large,
    175 beyond the number asked for)."""

    status: int = 1
    data: bytes = b""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DirectoryCertificates:
    """The S/MIME certificates of a recipient, DER each.

    `status`: 1 found, 7 none that is valid, 8 not returned because the answer was full. For a distribution list
    `members` is the number of its members: fewer than `count` certificates means that some have none.
    """

    status: int
    certificates: tuple[bytes, ...] = ()
    mini: bytes = b""
    """The mini certificate, where that was asked for."""
    count: int = 0
    members: int = 0
    reason: str = ""
    damaged: int = 0
    """Certificates of the answer that were no base64."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """One person or list that a text stands for."""

    display_name: str
    email: str
    source: str
    """"gal" (the company's address list) or "contacts" (the user's own)."""
    certificates: DirectoryCertificates | None = None
    """None: not asked for, or the server left it out."""
    availability: FreeBusy | None = None
    photo: Photo | None = None


@dataclass(frozen=True, slots=True)
class Resolution:
    """What became of one text that was to be resolved.

    `status`: 1 resolved (several `recipients`: a personal list was taken apart), 2 ambiguous, 3 ambiguous and only
    some of `total` are listed, 4 unknown (MS-ASCMD 2.2.3.177.12).
    """

    to: str
    status: int
    total: int
    recipients: tuple[Recipient, ...] = ()

    @property
    def resolved(self) -> bool:
        """Whether the text stands for exactly what `recipients` holds."""
        return self.status == 1 and bool(self.recipients)

    @property
    def ambiguous(self) -> bool:
        """Whether a person has to choose among `recipients`."""
        return self.status in (2, 3)


@dataclass(frozen=True, slots=True)
class CertificateVerdict:
    """What the server says of one certificate (MS-ASCMD 2.2.3.177.18). `status` 1 is valid."""

    status: int
    name: str
    reason: str

    @property
    def valid(self) -> bool:
        return self.status == 1


@dataclass(frozen=True, slots=True)
class GalEntry:
    """One row of the company's address list (MS-ASCMD 2.2.3.142.2: the GAL namespace)."""

    display_name: str = ""
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    alias: str = ""
    title: str = ""
    company: str = ""
    office: str = ""
    phone: str = ""
    mobile_phone: str = ""
    home_phone: str = ""
    photo: Photo | None = None
    shown_name: str = ""
    """What a list of people shows, by the user's settings (`policy.gal`); "" where nobody asked."""
