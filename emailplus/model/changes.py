"""What a flow asks the store to write: each class is one transaction (`flow.Commit`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .folder import Folder
from .item import Item
from .marking import MarkingReader
from .message import Message
from .outbox import QueueMail


@dataclass(slots=True)
class SaveAccount:
    """Facts about the account that outlive a run, by name; None removes one. Result: None."""

    values: Mapping[str, str | None]


@dataclass(slots=True)
class FolderChanges:
    """One FolderSync answer (MS-ASCMD 2.2.1.5) with its key. Result: None.

    `full` is set for an answer to SyncKey 0: folders it does not name are gone.
    """

    sync_key: str
    added: Sequence[Folder] = ()
    updated: Sequence[Folder] = ()
    deleted: Sequence[str] = ()
    full: bool = False


@dataclass(slots=True)
class ItemChange:
    """A Change of the server: only the properties that it named."""

    server_id: str
    values: dict[str, Any]
    whole: bool = False
    """It tells all of the item: one that is not here can be made of it."""


@dataclass(slots=True)
class QuarantinedItem:
    """An item that could not be understood, with its raw WBXML."""

    server_id: str
    raw: bytes
    error: str


@dataclass(slots=True)
class Window:
    """What one Sync answer says about one collection."""

    folder_id: int
    sync_key: str
    options: str
    added: list[Message] = field(default_factory=list)
    items_added: list[Item] = field(default_factory=list)
    """The same for the classes other than Email."""
    changed: list[ItemChange] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    soft_deleted: list[str] = field(default_factory=list)
    quarantined: list[QuarantinedItem] = field(default_factory=list)
    begins_pass: bool = False
    """SyncKey 0 was answered: from here on, what is met is marked."""
    completes_pass: bool = False
    """No MoreAvailable: what a full pass has not met is gone from the server."""
    item_class: str = "Email"
    outcomes: list[ChangeOutcome] = field(default_factory=list)
    """What became of changes that the request carried."""


@dataclass(frozen=True, slots=True)
class ChangeOutcome:
    """What the server says of one of our changes; it is settled in the same transaction as the SyncKey."""

    change_id: int
    status: int
    """Status of Sync (MS-ASCMD 2.2.3.177.17); 1: done."""
    server_id: str = ""
    """The ServerId that an Add was given."""
    reason: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Attributes that the server set itself, such as the UID."""


@dataclass(slots=True)
class SyncWindows:
    """One Sync answer: items and keys of all its collections together. Result: `SyncCounts`."""

    windows: list[Window]
    keep_content: bool = True
    """False under `disabled_features` = `local_cache_all`: ids only."""
    cutoff: float | None = None
    """Unix time: what a full pass did not meet and is older counts as expired, not as deleted."""


@dataclass(slots=True)
class SaveItem:
    """Queue the creation or the change of an item of a class other than Email. Result: its id.

    `values` are the attributes to be set. An item of `item_id` is changed, without one it is created in `folder_id`.
    """

    values: Mapping[str, Any]
    item_id: int | None = None
    folder_id: int = 0
    item_class: str = ""
    instance: str = ""
    """The change is of one instance of a series only: its original start, as `emailplus.store.values` writes it."""
    send_updates: bool = False
    now: float = 0.0
    mails: Sequence[QueueMail] | None = None
    """What attendees are told once the server has taken the change (up to 14.1); None leaves what waits already."""
    sequence: int = 0
    """SEQUENCE of those mails (RFC 5545 3.8.7.4)."""


@dataclass(slots=True)
class DeleteItem:
    """Queue the deletion of an item, or of one instance of a series. Result: None."""

    item_id: int
    instance: str = ""
    send_updates: bool = False
    now: float = 0.0
    mails: Sequence[QueueMail] | None = None
    """As in `SaveItem`."""
    sequence: int = 0


@dataclass(slots=True)
class MoveItem:
    """Move an item to another folder of its class, here at once. Result: True if it was not there already."""

    item_id: int
    target: int
    """Local id of the folder."""
    now: float = 0.0


@dataclass(frozen=True, slots=True)
class MoveOutcome:
    """What the server says of one move. `again`: it is tried once more; without any of the three it is undone."""

    change_id: int
    new_server_id: str = ""
    """DstMsgId."""
    gone: bool = False
    """The server no longer has the item where we knew it."""
    again: bool = False
    status: int | None = None
    reason: str = ""


@dataclass(slots=True)
class SettleItemMoves:
    """Outcomes of one MoveItems. Result: None."""

    outcomes: Sequence[MoveOutcome]


@dataclass(slots=True)
class MarkVip:
    """Mark a contact as important, or not. It is known here only. Result: None."""

    item_id: int
    vip: bool


@dataclass(slots=True)
class MarkChangesSent:
    """The request with these changes is about to leave. Result: None."""

    change_ids: Sequence[int]


@dataclass(slots=True)
class DropChange:
    """Take back a change that is queued or failed; an item made by it goes too. Result: None."""

    change_id: int


@dataclass(slots=True)
class SyncCounts:
    """What a `SyncWindows` changed in the store. Adds that were there already count as `unchanged` or `changed`."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    deleted: int = 0
    expired: int = 0
    quarantined: int = 0


@dataclass(slots=True)
class ResetCollections:
    """Start collections again from SyncKey 0; items stay until the new pass has proved them gone. Result: None."""

    folder_ids: Sequence[int]
    """Empty: all."""


@dataclass(slots=True)
class ForgetFolders:
    """These folders are not synchronised any more: their mail leaves the store. Result: None.

    Mail with changes that the server does not know yet stays.
    """

    folder_ids: Sequence[int]


@dataclass(slots=True)
class ClaimBlob:
    """Open a spool entry for a body or attachment, or take up the one left behind. Result: (blob id, bytes there)."""

    kind: str
    """"body" or "attachment"."""
    item_id: int


@dataclass(slots=True)
class RestartBlob:
    """Empty a spool entry: the server does not continue where it stopped. Result: None."""

    blob: int


@dataclass(slots=True)
class FinishBlob:
    """The spool entry is complete and belongs to its item now. Result: its size in bytes."""

    kind: str
    item_id: int
    blob: int
    body_type: int = 0
    content_type: str = ""


@dataclass(slots=True)
class StoreContents:
    """Small contents fetched whole: (attachment id, bytes, content type) each. Result: None."""

    contents: list[tuple[int, bytes, str]]


@dataclass(slots=True)
class SettleFetch:
    """A body or attachment will not come: refused by a limit, or failed on the server. Result: True if that is new."""

    kind: str
    item_id: int
    state: str
    reason: str


@dataclass(slots=True)
class ReviewLimits:
    """Hold what is stored or refused against today's limits, in bytes (None: no limit). Result: None.

    What a wider limit allows becomes pending; what a narrower one forbids leaves the store and is refused.
    """

    max_body: int | None
    max_attachment: int | None
    body_reason: str
    attachment_reason: str


@dataclass(slots=True)
class IndexMessages:
    """Take the next `limit` messages into the full-text index. Result: how many were indexed."""

    limit: int = 500


@dataclass(slots=True)
class RestartMarkings:
    """Classification is configured as `fingerprint` says ("": off). Result: messages whose marking is to be read anew.

    0 where that is what the stored markings were read by.
    """

    fingerprint: str


@dataclass(slots=True)
class ReadMarkings:
    """Read the marking of the next `limit` messages that have none of today. Result: how many were read."""

    read: MarkingReader
    limit: int = 500


@dataclass(slots=True)
class StoreHeads:
    """Header fields fetched apart: (message id, bytes) each, and (message id, reason) where none are to be had.

    Result: None.
    """

    heads: list[tuple[int, bytes]] = field(default_factory=list)
    missing: list[tuple[int, str]] = field(default_factory=list)


@dataclass(slots=True)
class TakeMarkings:
    """What the stored messages are marked with; what is told now counts as told. Result: `MarkingCounts`."""


@dataclass(slots=True)
class MarkingCounts:
    """Messages by their marking in one line ("": none)."""

    by_label: dict[str, int] = field(default_factory=dict)
    flagged: int = 0
    """Messages with something like a marking that was not understood whole."""
    missing: list[Trouble] = field(default_factory=list)
    """Messages whose marking could not be looked for where it should have been; kind "marking"."""


@dataclass(slots=True)
class StoreRevocationList:
    """What a distribution point gave for `url`; `data` None: it could not be had, for `problem`. Result: True if kept.

    `tried` is the Unix time of the attempt.
    """

    url: str
    data: bytes | None
    tried: float
    problem: str = ""


@dataclass(slots=True)
class TakeTroubles:
    """What is refused, failed or quarantined in the store; from now on it counts as told. Result: list of `Trouble`."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One body, attachment or item that is not here in full, and why. `new`: not told before."""

    kind: str
    """"body", "attachment", "item" or "marking"."""
    state: str
    """"refused", "failed", "quarantined" or, of a marking, "missing"."""
    message_id: int
    folder: str
    subject: str
    name: str
    size: int
    reason: str
    new: bool


@dataclass(slots=True)
class RefreshMessage:
    """Body, attachments and licence of one message as they were just fetched. Result: its licence now, or None.

    Without a `message` (it could not be read) nothing is written.
    """

    message_id: int
    message: Message | None


@dataclass(slots=True)
class EndRun:
    """Remove what fell out of the sync period or belongs to nothing any more. Result: messages removed."""

    cutoff: float | None = None
    """Unix time before which mail leaves the store; None keeps all."""
    now: float | None = None
    """Unix time: the content of protected mail whose licence has expired by then leaves the store too."""


@dataclass(slots=True)
class ForgetContents:
    """Keep ids only, at once (`disabled_features` = local_cache_all). Result: messages whose content went."""


@dataclass(slots=True)
class Wipe:
    """Destroy the mailbox: everything (`account_only` False) or the account's data, keeping the file. Result: None."""

    account_only: bool
