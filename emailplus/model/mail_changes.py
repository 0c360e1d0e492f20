"""Changes of mail made here: what they are, and the batches and queries of the store about them.

A change takes effect in the store at once and waits there for the server. The next sync tells it, before the server's
own changes are asked for; what the server refuses is undone and told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from .changes import Window


class ChangeKind(StrEnum):
    """What is changed."""

    READ = "read"
    FLAG = "flag"
    CATEGORIES = "categories"
    MOVE = "move"
    DELETE = "delete"
    EMPTY = "empty"


class ConflictPolicy(StrEnum):
    """Who is right when a message was changed on both sides (MS-ASCMD 2.2.3.34)."""

    SERVER_WINS = "server_wins"
    CLIENT_WINS = "client_wins"
    KEEP_BOTH = "keep_both"
    """Both sides' categories together; of what has no both, the server's."""


@dataclass(frozen=True, slots=True)
class PendingChange:
    """One change that waits, or that failed."""

    id: int
    kind: ChangeKind
    message_id: int | None
    subject: str
    folder_id: int
    collection_id: str
    """CollectionId of the folder in which the server has the message."""
    server_id: str
    value: str
    """"1" or "0" for read; "0", "1", "2" for flag; categories, one a line."""
    before: str
    target_id: str
    """CollectionId a move leads to."""
    permanent: bool
    conflict: ConflictPolicy
    created: float
    attempts: int
    state: str
    status: int | None
    reason: str


@dataclass(slots=True)
class ChangeMail:
    """Change messages, here at once and on the server with the next sync. Result: how many changes wait more.

    `target` is the local id of a move's folder, `folder` that of one to be emptied. Unknown ids are left out.
    """

    kind: ChangeKind
    message_ids: Sequence[int]
    now: float
    value: str = ""
    target: int | None = None
    folder: int | None = None
    permanent: bool = False
    conflict: ConflictPolicy = ConflictPolicy.SERVER_WINS


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one change. `again`: it is tried once more; else it is done, or undone where `status` says so."""

    change_id: int
    status: int | None = None
    """None: done."""
    reason: str = ""
    again: bool = False
    new_server_id: str = ""
    """DstMsgId of a move."""
    gone: bool = False
    """The server no longer has the message where we knew it."""


@dataclass(slots=True)
class SettleChanges:
    """Outcomes of one request, with the window (and its SyncKey) of the same answer. Result: None."""

    settled: Sequence[Settled]
    windows: list[Window] = field(default_factory=list)
    keep_content: bool = True


@dataclass(slots=True)
class EmptyByDeletions:
    """The server cannot empty a folder (below 12.0): what lay in it here is deleted one by one, for good. Result: None.

    What the sync period left on the server stays there.
    """


@dataclass(frozen=True, slots=True)
class PendingChanges:
    """Result: list of `PendingChange` that may be told, oldest first; what becomes of a meeting request waits for its
    answer."""
