"""What a flow asks the store to read (`flow.Load`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from .item import Item


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """Result: dict of the names and values that `SaveAccount` wrote."""


@dataclass(frozen=True, slots=True)
class MailCollections:
    """Result: list of `Collection`, the mail folders, inbox first."""


@dataclass(frozen=True, slots=True)
class AllFolders:
    """Result: list of `Folder`, every folder of the hierarchy."""


@dataclass(frozen=True, slots=True)
class ItemCollections:
    """Result: list of `Collection`, the calendars, contact, task and note folders."""


@dataclass(frozen=True, slots=True)
class ItemChanges:
    """Result: list of `QueuedChange` of a folder, oldest first, at most `limit`; those that wait to be carried out."""

    folder_id: int
    limit: int = 50


@dataclass(frozen=True, slots=True)
class QueuedChange:
    """One change that waits, or whose outcome is not known."""

    id: int
    item_id: int
    kind: str
    """"add", "change", "delete" or "move"."""
    state: str
    """"queued", "sent" (a request with it left, no answer came) or "failed"."""
    client_id: str
    """The same in every attempt."""
    server_id: str
    item: Item
    """The item as it shall be."""
    values: Mapping[str, Any]
    """What changes."""
    instance: datetime | date | None
    """The one instance of a series that is meant."""
    removed_attachments: tuple[str, ...] = ()
    send_updates: bool = False
    reason: str = ""
    title: str = ""
    item_class: str = ""
    mails: int = 0
    """Invitations in the outbox that wait for it."""
    contested: bool = False
    """The server's version changed in what it changes, since it was made."""


@dataclass(frozen=True, slots=True)
class ItemMoves:
    """Result: list of `QueuedMove`, oldest first: those that can be told now."""


@dataclass(frozen=True, slots=True)
class QueuedMove:
    """One item that is to go to another folder."""

    id: int
    server_id: str
    source_id: str
    """CollectionId of the folder that has it."""
    target_id: str
    title: str
    item_class: str


@dataclass(frozen=True, slots=True)
class PendingFetches:
    """Result: list of `PendingFetch`, at most `limit`, bodies first, behind the one named by `after`."""

    limit: int = 200
    after: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class PendingFetch:
    """A body or attachment that is announced but not here."""

    kind: str
    item_id: int
    """Message id for a body, attachment id for an attachment."""
    message_id: int
    collection_id: str
    server_id: str
    file_reference: str
    size: int
    subject: str
    name: str
    position: tuple[int, int]


@dataclass(frozen=True, slots=True)
class HeadsWanted:
    """Result: list of `HeadWanted`, at most `limit`, behind the message `after`."""

    limit: int = 200
    after: int = 0


@dataclass(frozen=True, slots=True)
class HeadWanted:
    """A message whose header fields have to be fetched to read its marking."""

    message_id: int
    collection_id: str
    server_id: str


@dataclass(frozen=True, slots=True)
class OldQuarantine:
    """Result: list of `OldItem`, at most 200: items that an earlier version of emailplus could not understand."""

    version: str


@dataclass(frozen=True, slots=True)
class OldItem:
    """One quarantined item and the state of its collection."""

    folder_id: int
    sync_key: str
    options: str
    server_id: str
    raw: bytes
    item_class: str = "Email"


@dataclass(frozen=True, slots=True)
class DueRevocationLists:
    """Result: list of the URLs of revocation lists that are to be fetched at `now` (Unix time)."""

    now: float
