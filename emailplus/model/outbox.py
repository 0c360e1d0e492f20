"""The outbox: what is to be sent and what became of it; batches and queries of the store about it.

    queued ──► sent ──► confirmed
                 │  ▲
                 ▼  │ not in Sent Items: once more, with the same ClientId
             uncertain ──► confirmed (it is in Sent Items, or status 118)
    queued, sent ──► failed (the server refuses it for good)

`sent` is written before the request leaves, so that a process which dies in between knows that it cannot know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from .draft import Draft
from .rights import Licence


class OutboxState(StrEnum):
    """Where a message stands."""

    QUEUED = "queued"
    SENT = "sent"
    UNCERTAIN = "uncertain"
    CONFIRMED = "confirmed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One message in the outbox, without its content."""

    id: int
    state: OutboxState
    command: str
    """"SendMail", "SmartReply" or "SmartForward"."""
    client_id: str
    """ClientId of every attempt (MS-ASCMD 2.2.3.28.1): the server takes a message only once under it."""
    message_id: str
    subject: str
    recipients: str
    """Addresses, comma-separated."""
    created: float
    """Unix time."""
    size: int
    """Bytes of the MIME message."""
    attempts: int = 0
    """Requests that the server may have acted on, or refused."""
    sent_at: float | None = None
    """Unix time of the last request."""
    status: int | None = None
    """Status the server gave last."""
    reason: str = ""
    """Why it waits or failed."""
    save: bool = True
    template: str = ""
    source_folder: str = ""
    source_item: str = ""
    """CollectionId and ServerId of the original, for SmartReply and SmartForward."""
    replace: bool = False
    """The message is complete: ReplaceMime from 14.0 on, SendMail below."""
    fallback: bool = False
    """A complete message lies beside it, for a server that does not find the original."""
    draft_id: int | None = None
    held: bool = False
    """Written for another account than the one the store is tied to now: it is kept and not sent."""
    waits: bool = False
    """It leaves when the server has taken what it is about: a change of an event, or an answer to a request."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message as the server gets it. The recipients are those of its header fields."""

    mime: bytes
    command: str = "SendMail"
    save: bool = True
    source: int | None = None
    """Our id of the original, for SmartReply and SmartForward."""
    replace: bool = False
    """`mime` is complete: the server notes that the original was answered, and adds nothing."""
    complete: bytes | None = None
    """The whole message for SendMail where `mime` relies on the server to add the original."""
    template: str = ""


@dataclass(slots=True)
class SaveDraft:
    """Write a draft with its attachments, over the one with its `id`. Result: its id."""

    draft: Draft
    now: float
    licence: Licence | None = None
    """Content of a protected original is in it, or may be: it is under this licence too, and stays here."""


@dataclass(slots=True)
class DropDraft:
    """Remove a draft. Result: True if there was one."""

    draft_id: int


@dataclass(slots=True)
class QueueMail:
    """Put one message, as one or more parcels, in the outbox. Result: list of `OutboxEntry`.

    A message with this Message-ID that waits or is confirmed already is not queued twice: the result is what is there.
    One that failed, or that nothing was sent of yet, is replaced.
    """

    message_id: str
    subject: str
    recipients: str
    parcels: Sequence[Parcel]
    now: float
    draft: Draft | None = None
    """Kept among the drafts until the message is confirmed."""
    licence: Licence | None = None
    """See `SaveDraft`."""


@dataclass(slots=True)
class MarkSent:
    """The request is about to leave. Result: False where the message was taken back meanwhile."""

    entry_id: int
    at: float


@dataclass(slots=True)
class SettleMail:
    """What became of an attempt; `confirmed` drops content and draft. Result: None."""

    entry_id: int
    state: OutboxState
    reason: str = ""
    status: int | None = None
    attempted: bool = True
    """False: nothing left the house, that was no attempt."""


@dataclass(slots=True)
class UseComplete:
    """The server cannot find the original: from now on the complete message goes by SendMail. Result: None."""

    entry_id: int


@dataclass(slots=True)
class DropOutgoing:
    """Remove everything that is only here and not on the server: drafts and the outbox. Result: `Dropped`."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """Subjects of what was dropped."""

    drafts: tuple[str, ...] = ()
    outbox: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.drafts or self.outbox)


@dataclass(frozen=True, slots=True)
class OutboxEntries:
    """Result: list of `OutboxEntry`, oldest first; all, or those in `states` that belong to the present account."""

    states: tuple[OutboxState, ...] = ()


@dataclass(frozen=True, slots=True)
class OutboxContent:
    """Result: the MIME message of an entry, in bytes."""

    entry_id: int


@dataclass(frozen=True, slots=True)
class SentCandidates:
    """Result: list of (CollectionId, ServerId) of mail in Sent Items with this subject, received at `since` (Unix time)
    or later; None where the store has no complete Sent Items.
    """

    subject: str
    since: float
