"""What the server remembers of one device partnership: policy, hierarchy and collection states."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime

from ..eas.wbxml import Node
from .bodies import ItemOptions


def new_key(number: int) -> str:
    """A SyncKey no client can guess the next of: an opaque string, as MS-ASCMD 2.2.3.181 has it."""
    return f"{{{secrets.token_hex(4)}}}{number}"


FolderState = dict[str, tuple[str, str, int]]
"""Server id -> (parent id, display name, type): the hierarchy as a client knows it."""


@dataclass(slots=True)
class Hierarchy:
    """FolderSync state: what the client knows with `key`, and what it knew with the key before."""

    key: str = ""
    folders: FolderState = field(default_factory=dict)
    previous_key: str = ""
    previous: FolderState = field(default_factory=dict)
    count: int = 0

    def advance(self, base: FolderState, base_key: str, folders: FolderState) -> str:
        """A new key for `folders`; `base_key` stays valid in case the answer is lost."""
        self.count += 1
        self.previous_key, self.previous = base_key, base
        self.key, self.folders = new_key(self.count), folders
        return self.key

    def at(self, key: str) -> FolderState | None:
        """What the client knows with `key`; None when the key is not one of the last two."""
        if key and key == self.key:
            return self.folders
        if key and key == self.previous_key:
            return self.previous
        return None


@dataclass(frozen=True, slots=True)
class Position:
    """How far the changes of a folder have been worked off: `backlog` from `cursor` on, then its log from `log` on."""

    backlog: list[str]
    cursor: int
    log: int
    filter_type: int


@dataclass(slots=True)
class Window:
    """What one answer told the client, not yet proved to have arrived."""

    position: Position | None = None  # None: the folder was never looked through
    sent: dict[str, int] = field(default_factory=dict)  # server id -> version it now has
    gone: set[str] = field(default_factory=set)  # no longer on the client
    added: dict[str, str] = field(default_factory=dict)  # ClientId -> server id made for it
    deleted: set[str] = field(default_factory=set)  # items the client deleted in that request
    changed: dict[str, int] = field(default_factory=dict)  # items it changed -> version after that


@dataclass(slots=True)
class Collection:
    """Sync state of one collection: `known` is what the client has with `previous_key`, `window` leads to `key`."""

    collection_id: str
    key: str
    known: dict[str, int] = field(default_factory=dict)
    base: Position | None = None  # the position that belongs to `known`
    window: Window = field(default_factory=Window)
    previous_key: str = ""
    options: ItemOptions = field(default_factory=ItemOptions)
    count: int = 1
    supported: frozenset[str] | None = None  # children of Supported; None: none was sent, nothing is ghosted
    oldest: datetime | None = None  # no known item is older; None: not known, look


@dataclass(slots=True)
class Device:
    """One device partnership of one user."""

    device_id: str
    device_type: str
    user: str
    policy_key: str = ""  # final key in force
    pending_key: str = ""  # temporary key of an unfinished handshake
    policy_stale: bool = False
    wipe: str = ""  # "", "all" or "account"
    wiped: str = ""  # what the client acknowledged: "", "all" or "account"
    blocked: int = 0  # 0 or the Status it gets (129 blocked, 126 ...)
    information: dict[str, str] = field(default_factory=dict)
    hierarchy: Hierarchy = field(default_factory=Hierarchy)
    collections: dict[str, Collection] = field(default_factory=dict)
    cached_sync: Node | None = None
    cached_ping: tuple[int, tuple[tuple[str, str], ...]] | None = None
    pings: int = 0
    recovery_password: str = ""
    search_query: str = ""  # the last Search of the mailbox, and the server ids it found
    search_found: list[str] = field(default_factory=list)
    finds: dict[str, list[str]] = field(default_factory=dict)  # SearchId of a Find -> server ids it found
    cookies: dict[str, str] = field(
        default_factory=lambda: {"X-BackEndCookie": secrets.token_hex(16), "X-MailboxCookie": secrets.token_hex(8)}
    )
    has_cookies: bool = False  # they were sent to it
    sent: OrderedDict[str, bool] = field(default_factory=OrderedDict)  # ClientIds of mail that went out
