"""One mail, one event: a mail that EWS announces is the one that ActiveSync brings, or it is another. Pure.

    internet message ids     received          subject, sender      the same mail
    both known, equal        within a day      any                  yes
    both known, different    any               any                  no
    one is not known         within 2 s        equal                yes; of several, the one of the nearest size
    one is not known         else                                   no

ActiveSync tells the internet message id only with the MIME or the header of a message, and the time to the millisecond;
EWS tells the time in whole seconds. Copies of a mailing list have one message id: whatever was matched is used up, so
two deliveries stay two mails.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Literal

from ..model.ews import EwsMail
from ..model.message import Message, StoredMessage, addresses

Way = Literal["eas", "ews"]
TOLERANCE = 2.0
"""Seconds by which the two times of one mail may differ: one is cut to the second, the other rounded."""
A_DAY = 86_400.0
KEEP = 10_000
"""Arrivals that wait for their counterpart; older ones are let go."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A mail that one way told about. `key`: the ItemId of EWS, or the id in the store. `size` 0: not known."""

    way: Way
    key: str
    message_id: str = ""
    subject: str = ""
    sender: str = ""
    received: datetime | None = None
    size: int = 0


def of_ews(mail: EwsMail) -> Arrival:
    """A mail as EWS announced it."""
    return Arrival("ews", mail.item_id, mail.message_id, mail.subject, mail.sender, mail.received, mail.size)


def of_stored(message: StoredMessage | Message, message_id: str = "") -> Arrival:
    """A mail as ActiveSync brought it; `message_id` where its MIME or header is at hand. The size of its text says
    nothing about that of the mail."""
    people = addresses(message.sender)
    sender = people[0].address if people else ""
    key = str(message.id) if isinstance(message, StoredMessage) else message.server_id
    return Arrival("eas", key, message_id, message.subject, sender, message.received)


def same(one: Arrival, other: Arrival) -> bool:
    """Whether two arrivals by different ways may be one mail."""
    if one.way == other.way:
        return one.key == other.key
    apart = _apart(one, other)
    mine, yours = _bare(one.message_id), _bare(other.message_id)
    if mine and yours:
        return mine == yours and (apart is None or apart <= A_DAY)
    return (
        apart is not None
        and apart <= TOLERANCE
        and _folded(one.subject) == _folded(other.subject)
        and one.sender.casefold() == other.sender.casefold()
    )


def best(wanted: Arrival, candidates: Iterable[Arrival]) -> Arrival | None:
    """The candidate that is the same mail; of several the one whose id is known, then nearest in time, then in size."""
    found = [each for each in candidates if same(wanted, each)]
    return min(found, key=lambda each: _distance(wanted, each), default=None)


def _distance(wanted: Arrival, other: Arrival) -> tuple[bool, float, int]:
    by_id = bool(_bare(wanted.message_id)) and _bare(wanted.message_id) == _bare(other.message_id)
    apart = _apart(wanted, other)
    sizes = abs(wanted.size - other.size) if wanted.size and other.size else 1 << 60
    return not by_id, apart if apart is not None else A_DAY, sizes


def _apart(one: Arrival, other: Arrival) -> float | None:
    if one.received is None or other.received is None:
        return None
    return abs((one.received - other.received).total_seconds())


def _bare(message_id: str) -> str:
    return message_id.strip().strip("<>").strip()


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


class Joined:
    """What has been told about, so that nothing is told twice. Thread-safe, in memory, at most `keep` a way."""

    def __init__(self, keep: int = KEEP) -> None:
        self._keep = keep
        self._lock = Lock()
        self._alone: dict[Way, OrderedDict[str, Arrival]] = {"eas": OrderedDict(), "ews": OrderedDict()}
        self._told: dict[Way, OrderedDict[str, None]] = {"eas": OrderedDict(), "ews": OrderedDict()}

    def is_new(self, arrival: Arrival) -> bool:
        """Whether nobody has told about this mail yet; it is told from now on."""
        with self._lock:
            return self._is_new(arrival)

    def _is_new(self, arrival: Arrival) -> bool:
        told = self._told[arrival.way]
        if arrival.key in told:
            return False
        told[arrival.key] = None
        self._cut(told)
        waiting = self._alone["ews" if arrival.way == "eas" else "eas"]
        found = best(arrival, waiting.values())
        if found is not None:
            del waiting[found.key]  # used up: the next delivery of the same message is another mail
            return False
        self._alone[arrival.way][arrival.key] = arrival
        self._cut(self._alone[arrival.way])
        return True

    def _cut(self, kept: OrderedDict[str, Arrival] | OrderedDict[str, None]) -> None:
        while len(kept) > self._keep:
            kept.popitem(last=False)
