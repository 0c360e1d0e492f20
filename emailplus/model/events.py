"""What the engine tells its caller while it works (`flow.Emit`)."""

from __future__ import annotations

from dataclasses import dataclass

from .changes import Trouble
from .message import Message


@dataclass(frozen=True, slots=True)
class Phase:
    """A new part of the job begins: "connect", "folders", "mail", "contents", "markings", "index"."""

    name: str
    total: int | None = None
    """Units of work, where known."""


@dataclass(frozen=True, slots=True)
class Progress:
    """So many units of the phase are done."""

    name: str
    done: int
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Warned:
    """Something the user should know; the job goes on."""

    message: str


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A message arrived (also told when nothing is cached: then this is its only appearance)."""

    folder: str
    message: Message


@dataclass(frozen=True, slots=True)
class Waiting:
    """The server asked for patience."""

    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class FoldersSynced:
    """The folder list is current."""

    total: int
    added: int
    updated: int
    deleted: int


@dataclass(frozen=True, slots=True)
class WindowStored:
    """One Sync answer is in the store: counts of one `SyncCounts`."""

    added: int
    changed: int
    deleted: int
    expired: int
    quarantined: int


@dataclass(frozen=True, slots=True)
class MarkingsRead:
    """What the stored messages are marked with: one `MarkingCounts`."""

    by_label: dict[str, int]
    flagged: int
    missing: tuple[Trouble, ...]


@dataclass(frozen=True, slots=True)
class Connected:
    """The protocol version that was agreed on."""

    version: str
    endpoint: str


@dataclass(frozen=True, slots=True)
class ChangesTold:
    """So many changes made here are on the server now."""

    count: int


@dataclass(frozen=True, slots=True)
class MailSent:
    """A message of the outbox is confirmed: the server took it, or it lies in Sent Items."""

    entry_id: int
    subject: str
