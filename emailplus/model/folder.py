"""Folders and their types (MS-ASCMD 2.2.3.186.3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class FolderType(IntEnum):
    """Type of a folder as FolderSync gives it."""

    USER = 1
    INBOX = 2
    DRAFTS = 3
    DELETED_ITEMS = 4
    SENT_ITEMS = 5
    OUTBOX = 6
    TASKS = 7
    CALENDAR = 8
    CONTACTS = 9
    NOTES = 10
    JOURNAL = 11
    USER_MAIL = 12
    USER_CALENDAR = 13
    USER_CONTACTS = 14
    USER_TASKS = 15
    USER_JOURNAL = 16
    USER_NOTES = 17
    UNKNOWN = 18
    RECIPIENT_CACHE = 19


MAIL_TYPES = frozenset({1, 2, 3, 4, 5, 6, 12})
"""Folder types that hold the Email class; 1 is what servers call a folder they cannot name better."""

CLASS_OF_TYPE: dict[int, str] = {
    **dict.fromkeys(MAIL_TYPES, "Email"),
    **dict.fromkeys((8, 13), "Calendar"),
    **dict.fromkeys((9, 14, 19), "Contacts"),
    **dict.fromkeys((7, 15), "Tasks"),
    **dict.fromkeys((10, 17), "Notes"),
}

ITEM_TYPES = frozenset({7, 8, 9, 10, 13, 14, 15, 17})
"""Folder types that hold calendar items, contacts, tasks and notes. The recipient cache (19) is none: it is a list that
the server makes of one's correspondents."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of the mailbox. `server_id` and `parent_id` are opaque strings of the server, "0" is the root."""

    server_id: str
    parent_id: str
    name: str
    type: int

    @property
    def item_class(self) -> str | None:
        """The item class of the folder's content, None where there is no such class."""
        return CLASS_OF_TYPE.get(self.type)


@dataclass(frozen=True, slots=True)
class Collection:
    """A folder as Sync sees it: what is needed to go on where the last run stopped."""

    folder_id: int
    """Stable local id."""
    server_id: str
    name: str
    type: int
    sync_key: str
    """"0": not started."""
    options: str
    """Fingerprint of the Options that the key was obtained with."""
    pass_open: bool
    """A full pass is under way: nothing that it has not met may be removed before it ends."""
    parent: str = ""
    """Name of the folder it lies in; "" at the top."""

    @property
    def item_class(self) -> str:
        """The class of what it holds."""
        return CLASS_OF_TYPE.get(self.type, "Email")
