"""The company's directory behind the mock: people, lists, their certificates, photos and appointments.

Every user of the exchange is in it. A test adds others (`add_person`, `add_list`, `add_contact`), and gives people what
they have: `exchange.directory.entry("bob").certificates.append(der)`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum

from ..errors import NotFound, UsageError
from .users import MockUser

SLOT = timedelta(minutes=30)


class Busy(IntEnum):
    """How a time is taken (MS-ASCMD 2.2.3.107)."""

    FREE = 0
    TENTATIVE = 1
    BUSY = 2
    OUT_OF_OFFICE = 3
    NO_DATA = 4


@dataclass(slots=True)
class Entry:
    """One row of the directory, or of a user's own contacts. `certificates` are DER, `photo` is the picture's bytes.

    `members`: the addresses of a distribution list. `availability` other than 1 is the Status that free/busy requests
    get for this entry (162: timed out, 163: no permission).
    """

    name: str
    email: str
    alias: str = ""
    first_name: str = ""
    last_name: str = ""
    title: str = ""
    company: str = ""
    office: str = ""
    phone: str = ""
    mobile_phone: str = ""
    home_phone: str = ""
    photo: bytes = b""
    certificates: list[bytes] = field(default_factory=list)
    members: list[str] | None = None
    appointments: list[tuple[datetime, datetime, Busy]] = field(default_factory=list)
    availability: int = 1

    def matches(self, text: str) -> bool:
        """Whether a word of the name, the alias or the address begins like `text` (case does not matter)."""
        text = " ".join(text.lower().split())
        fields = [self.name.lower(), self.alias.lower(), self.email.lower(), *self.name.lower().split()]
        fields += [self.first_name.lower(), self.last_name.lower()]
        return bool(text) and any(field.startswith(text) for field in fields)


@dataclass(slots=True)
class Trust:
    """Certificates (DER) that the server knows something of. `crl_online` False: no CRL can be fetched."""

    roots: list[bytes] = field(default_factory=list)
    revoked: list[bytes] = field(default_factory=list)
    crl_online: bool = True


class Directory:
    """The global address list, and each user's own contacts."""

    def __init__(self, users: Iterable[MockUser]) -> None:
        self.entries: list[Entry] = []
        self.contacts: dict[str, list[Entry]] = {}
        for user in users:
            first, _, last = user.name.partition(" ")
            self.entries.append(Entry(user.name or user.username, user.email, user.username, first, last))

    def entry(self, key: str) -> Entry:
        """The entry of that address or alias. Raises `NotFound`."""
        key = key.lower()
        for entry in self.entries:
            if key in (entry.email.lower(), entry.alias.lower()):
                return entry
        raise NotFound(f"the directory has no entry {key!r}")

    def add_person(self, name: str, email: str, **more: str) -> Entry:
        """A person without a mailbox here. `more`: further fields of `Entry`."""
        return self._add(Entry(name, email, **more))  # type: ignore[arg-type]

    def add_list(self, name: str, email: str, members: Iterable[str]) -> Entry:
        """A distribution list of addresses."""
        return self._add(Entry(name, email, members=list(members)))

    def _add(self, entry: Entry) -> Entry:
        if any(entry.email.lower() == other.email.lower() for other in self.entries):
            raise UsageError(f"the directory has {entry.email} already")
        self.entries.append(entry)
        return entry

    def add_contact(self, owner: str, name: str, email: str, members: Iterable[str] | None = None) -> Entry:
        """A contact, or a personal list, of the user `owner` alone."""
        contact = Entry(name, email, members=None if members is None else list(members))
        self.contacts.setdefault(self.entry(owner).email.lower(), []).append(contact)
        return contact

    def busy(self, key: str, start: datetime, end: datetime, kind: Busy = Busy.BUSY) -> None:
        """Take a time of somebody; `start` and `end` are aware."""
        self.entry(key).appointments.append((start, end, kind))

    def find(self, owner: str, text: str, contacts: Iterable[Entry] = ()) -> list[tuple[int, Entry]]:
        """Whom a text may stand for: (recipient type, entry), 1 for the directory and 2 for the owner's contacts
        (`contacts` are further ones, of the mailbox).

        An address or a whole name is that entry alone; else whatever begins like it, by name.
        """
        everyone = [(1, entry) for entry in self.entries]
        known = {entry.email.lower() for entry in self.entries}
        own = [*self.contacts.get(owner.lower(), []), *contacts]
        everyone += [(2, entry) for entry in own if entry.email.lower() not in known or entry.members is not None]
        wanted = " ".join(text.lower().split())
        exact = [row for row in everyone if wanted in (row[1].email.lower(), row[1].name.lower())]
        if len(exact) == 1:
            return exact
        found = [row for row in everyone if row[1].matches(wanted)]
        return sorted(found, key=lambda row: row[1].name.lower())

    def members(self, entry: Entry) -> list[Entry]:
        """Who belongs to a list, lists within lists taken apart; the entry itself where it is no list."""
        found: dict[str, Entry] = {}
        seen: set[str] = set()
        waiting = [entry]
        while waiting:
            current = waiting.pop()
            if current.members is None:
                found[current.email.lower()] = current
            elif current.email.lower() not in seen:
                seen.add(current.email.lower())
                waiting += [self._known(address) for address in reversed(current.members)]
        return list(found.values())

    def _known(self, address: str) -> Entry:
        try:
            return self.entry(address)
        except NotFound:
            return Entry(address, address, availability=162)  # nobody here knows this one's calendar

    def merged(self, people: Iterable[Entry], start: datetime, end: datetime) -> str:
        """MergedFreeBusy: a digit for every 30 minutes begun, the highest of what falls in (MS-ASCMD_R3327, R3329).

        What ends inside a second of an interval counts in it, what ends with its first moment does not (R3332, R3336).
        """
        slots = -((start - end) // SLOT)
        digits = [0] * slots
        for entry in people:
            for begin, until, kind in entry.appointments:
                if until <= start or begin >= end:
                    continue
                first = max(0, (begin - start) // SLOT)
                last = min(slots, -((start - until) // SLOT))
                for slot in range(first, last):
                    digits[slot] = max(digits[slot], int(kind))
        return "".join(map(str, digits))
