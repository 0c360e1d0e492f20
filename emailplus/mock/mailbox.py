"""The mailboxes behind the mock server: folders, items, what changed when. Shared by the server and the test.

Every public method takes the exchange's lock, so a test may change a mailbox while clients synchronise it.
"""

from __future__ import annotations

import base64
import binascii
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from ..eas.wbxml import Content, Node
from ..errors import NotFound, UsageError
from .mime import Message
from .pim import complete
from .rights import MockLicence

Source: TypeAlias = "bytes | Callable[[], bytes]"
"""The bytes of a message, or a function that makes them each time they are needed (for huge mailboxes)."""

DEFAULT_FOLDERS: tuple[tuple[str, int], ...] = (
    ("Inbox", 2),
    ("Drafts", 3),
    ("Deleted Items", 4),
    ("Sent Items", 5),
    ("Outbox", 6),
    ("Tasks", 7),
    ("Calendar", 8),
    ("Contacts", 9),
    ("Notes", 10),
    ("Journal", 11),
    ("Junk Email", 12),
)
"""Display name and Type (MS-ASCMD 2.2.3.186.3) of what every mailbox begins with."""

MAIL_TYPES = frozenset({1, 2, 3, 4, 5, 6, 12})
CLASS_OF_TYPE = {
    7: "Tasks", 8: "Calendar", 9: "Contacts", 10: "Notes", 13: "Calendar", 14: "Contacts", 15: "Tasks", 17: "Notes",
}  # fmt: skip

_PARSED = 64  # messages whose parsed form is kept: enough for a Sync followed by Fetches, little in memory


@dataclass(frozen=True, slots=True)
class Flag:
    """A follow-up flag (MS-ASEMAIL 2.2.2.27): status 0 cleared, 1 complete, 2 active; dates in UTC."""

    status: int = 2
    kind: str = "for Follow Up"
    subject: str = ""
    start: datetime | None = None
    due: datetime | None = None
    completed: datetime | None = None
    reminder: datetime | None = None


@dataclass(slots=True)
class Item:
    """One message of a folder."""

    server_id: str
    source: Source
    received: datetime
    read: bool = False
    flag: Flag | None = None
    verb: int = 0  # LastVerbExecuted: 0 none, 1 reply, 2 reply all, 3 forward
    categories: tuple[str, ...] = ()
    draft: bool = False
    licence: MockLicence | None = None  # protected mail (MS-ASRM)
    text_message: bool = False  # of class SMS (MS-ASMS): only for who asks for it
    nodes: list[Node] | None = None  # of a class other than Email: its properties (`mock.pim`), and no source
    files: dict[str, bytes] = field(default_factory=dict)  # contents of its attachments, by FileReference
    version: int = 0  # the folder's `modification` when it last changed
    read_at: int = 0  # ... when its read state, its flag, its categories or anything else of it last changed
    flag_at: int = 0
    categories_at: int = 0
    other_at: int = 0

    @property
    def raw(self) -> bytes:
        """The stored bytes."""
        return self.source if isinstance(self.source, bytes) else self.source()


@dataclass(slots=True)
class Folder:
    """One folder: its items by server id, and the log of their changes in order."""

    server_id: str
    parent_id: str
    name: str
    type: int
    items: dict[str, Item] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    next_item: int = 1

    @property
    def modification(self) -> int:
        """How many changes this folder has seen; an item's `version` is such a number."""
        return len(self.log)

    @property
    def item_class(self) -> str:
        """Class of what it holds (MS-ASCMD 2.2.3.27)."""
        return CLASS_OF_TYPE.get(self.type, "Email")

    def touch(self, item: Item, *what: str) -> None:
        """Note that `item` changed: "read", "flag", "categories", or (named by nothing) something else of it."""
        self.log.append(item.server_id)
        item.version = version = len(self.log)
        if not what:
            item.other_at = version
        if "read" in what:
            item.read_at = version
        if "flag" in what:
            item.flag_at = version
        if "categories" in what:
            item.categories_at = version


class Mailbox:
    """One user's mailbox. `changed` is called, inside the lock, after every change."""

    def __init__(
        self, email: str, *, lock: threading.RLock, clock: Callable[[], datetime], changed: Callable[[], None]
    ) -> None:
        self.email = email
        self.lock = lock
        self.clock = clock
        self._changed = changed
        self.folders: dict[str, Folder] = {}
        self.hierarchy_changes = 0
        self._next_folder = 1
        self._parsed: OrderedDict[str, Message] = OrderedDict()
        self._always: dict[bytes, str] = {}
        self._thread: Callable[[Message], bytes] | None = None
        for name, kind in DEFAULT_FOLDERS:
            self._add_folder(name, "0", kind)

    # -- folders

    def _add_folder(self, name: str, parent_id: str, kind: int) -> Folder:
        folder = Folder(str(self._next_folder), parent_id, name, kind)
        self._next_folder += 1
        self.folders[folder.server_id] = folder
        self.hierarchy_changes += 1
        return folder

    def folder(self, name: str) -> Folder:
        """The folder of that display name, path (``"Inbox/Projects"``) or server id. Raises `NotFound`."""
        with self.lock:
            if name in self.folders:
                return self.folders[name]
            for folder in self.folders.values():
                if name in (folder.name, self._path(folder)):
                    return folder
        raise NotFound(f"{self.email} has no folder {name!r}")

    def _path(self, folder: Folder) -> str:
        names = [folder.name]
        while folder.parent_id in self.folders and len(names) < 64:
            folder = self.folders[folder.parent_id]
            names.append(folder.name)
        return "/".join(reversed(names))

    def by_type(self, kind: int) -> Folder:
        """The default folder of a Type such as 5 (sent items)."""
        for folder in self.folders.values():
            if folder.type == kind:
                return folder
        raise NotFound(f"{self.email} has no folder of type {kind}")

    def create_folder(self, name: str, parent: str | None = None, type: int = 12) -> Folder:
        """A new folder below `parent` (name, path or id; None: the root)."""
        with self.lock:
            parent_id = "0" if parent is None else self.folder(parent).server_id
            if any(f.parent_id == parent_id and f.name == name for f in self.folders.values()):
                raise UsageError(f"{self.email} has a folder {name!r} there already")
            folder = self._add_folder(name, parent_id, type)
            self._changed()
            return folder

    def rename_folder(self, folder: str, name: str | None = None, parent: str | None = None) -> Folder:
        """Rename or move a folder; its server id stays."""
        with self.lock:
            target = self.folder(folder)
            target.name = name or target.name
            if parent is not None:
                target.parent_id = "0" if parent == "0" else self.folder(parent).server_id
            self.hierarchy_changes += 1
            self._changed()
            return target

    def delete_folder(self, folder: str) -> None:
        """Remove a folder, its subfolders and all they hold."""
        with self.lock:
            target = self.folder(folder)
            for child in [f for f in self.folders.values() if f.parent_id == target.server_id]:
                self.delete_folder(child.server_id)
            del self.folders[target.server_id]
            self.hierarchy_changes += 1
            self._changed()

    # -- items

    def deliver(
        self,
        eml: Source,
        folder: str = "Inbox",
        received: datetime | None = None,
        read: bool = False,
        flag: Flag | None = None,
        draft: bool = False,
        licence: MockLicence | None = None,
        text_message: bool = False,
    ) -> str:
        """Put a message into a folder and return its server id. `received` is aware; None means now.

        `licence`: it is protected (MS-ASRM). `text_message`: an SMS, for who asks for that class.
        """
        with self.lock:
            target = self.folder(folder)
            item = self._insert(target, eml, received or self.clock(), read)
            item.flag = flag
            item.draft = draft
            item.licence = licence
            item.text_message = text_message
            moved = self._sort(target, item)
            self._changed()
            return moved or item.server_id

    def always_move(self, identity: bytes, folder: str, thread: Callable[[Message], bytes]) -> None:
        """Whatever comes of a conversation from now on lies in `folder` (MS-ASCON_R130). `thread` tells its id."""
        self._always[identity] = folder
        self._thread = thread

    def _sort(self, folder: Folder, item: Item) -> str:
        """The new ServerId of a message whose conversation always moves; "" for any other."""
        if self._thread is None or folder.type != 2:
            return ""
        target = self.folders.get(self._always.get(self._thread(self.message(item)), ""))
        return self.move(item.server_id, target.server_id) if target is not None else ""

    def _insert(self, folder: Folder, source: Source, received: datetime, read: bool) -> Item:
        item = Item(f"{folder.server_id}:{folder.next_item}", source, received, read)
        folder.next_item += 1
        folder.items[item.server_id] = item
        folder.touch(item)
        return item

    def deliver_many(
        self, messages: Iterable[tuple[Source, datetime]], folder: str = "Inbox", read: bool = False
    ) -> list[str]:
        """Many messages at once, as (source, received); one change for all."""
        with self.lock:
            target = self.folder(folder)
            ids = [self._insert(target, source, received, read).server_id for source, received in messages]
            self._changed()
            return ids

    def load(self, directory: str | Path, folder: str = "Inbox") -> list[str]:
        """Deliver every ``*.eml`` below a directory, in name order; received at its Date, or now without one.

        A subdirectory becomes a folder of its name, created when missing.
        """
        root = Path(directory)
        if not root.is_dir():
            raise UsageError(f"{root} is not a folder of .eml files")
        ids = []
        for path in sorted(root.rglob("*.eml")):
            relative = path.parent.relative_to(root)
            name = folder if relative == Path(".") else relative.parts[-1]
            raw = path.read_bytes()
            with self.lock:
                try:
                    self.folder(name)
                except NotFound:
                    self.create_folder(name)
                ids.append(self.deliver(raw, name, min(Message(raw).date or self.clock(), self.clock())))
        return ids

    def find(self, server_id: str) -> tuple[Folder, Item]:
        """An item and its folder. Raises `NotFound`."""
        with self.lock:
            folder = self.folders.get(server_id.partition(":")[0])
            item = folder.items.get(server_id) if folder is not None else None
            if folder is None or item is None:
                raise NotFound(f"{self.email} has no item {server_id!r}")
            return folder, item

    def find_long(self, long_id: str) -> tuple[Folder, Item]:
        """An item by the LongId that Search gave it. Raises `NotFound`."""
        try:
            server_id = base64.urlsafe_b64decode(long_id.removeprefix(_LONG).encode()).decode()
        except (ValueError, binascii.Error):
            server_id = ""
        if not long_id.startswith(_LONG) or not server_id:
            raise NotFound(f"{self.email} has no item of the LongId {long_id!r}")
        return self.find(server_id)

    def items(self, folder: str = "Inbox") -> list[Item]:
        """The items of a folder, oldest delivery first."""
        with self.lock:
            return list(self.folder(folder).items.values())

    def raw(self, server_id: str) -> bytes:
        """The stored bytes of an item."""
        return self.find(server_id)[1].raw

    def delete(self, server_id: str) -> None:
        """Remove an item for good, as another client would."""
        with self.lock:
            folder, item = self.find(server_id)
            del folder.items[server_id]
            folder.touch(item)
            self._parsed.pop(server_id, None)
            self._changed()

    def mark_read(self, server_id: str, read: bool = True) -> None:
        """Set the read state."""
        with self.lock:
            folder, item = self.find(server_id)
            item.read = read
            folder.touch(item, "read")
            self._changed()

    def flag(self, server_id: str, flag: Flag | None) -> None:
        """Set or clear (None) the follow-up flag."""
        with self.lock:
            folder, item = self.find(server_id)
            item.flag = flag
            folder.touch(item, "flag")
            self._changed()

    def protect(self, server_id: str, licence: MockLicence | None) -> None:
        """Protect an item with a licence, give it another one, or (None) take its protection off."""
        with self.lock:
            folder, item = self.find(server_id)
            item.licence = licence
            folder.touch(item)
            self._changed()

    def categorise(self, server_id: str, *categories: str) -> None:
        """Set the categories."""
        with self.lock:
            folder, item = self.find(server_id)
            item.categories = categories
            folder.touch(item, "categories")
            self._changed()

    def replace(self, server_id: str, eml: Source) -> None:
        """Give an item other content, as when a draft is edited."""
        with self.lock:
            folder, item = self.find(server_id)
            item.source = eml
            self._parsed.pop(server_id, None)
            folder.touch(item)
            self._changed()

    def set_verb(self, server_id: str, verb: int) -> None:
        """Note a reply (1), a reply to all (2) or a forward (3)."""
        with self.lock:
            folder, item = self.find(server_id)
            item.verb = verb
            folder.touch(item)
            self._changed()

    def move(self, server_id: str, folder: str) -> str:
        """Move an item and return its new server id."""
        with self.lock:
            source, item = self.find(server_id)
            target = self.folder(folder)
            del source.items[server_id]
            source.touch(item)
            self._parsed.pop(server_id, None)
            moved = self._insert(target, item.source, item.received, item.read)
            moved.flag, moved.verb, moved.categories, moved.draft = item.flag, item.verb, item.categories, item.draft
            moved.licence = item.licence
            moved.nodes, moved.files = item.nodes, item.files
            self._changed()
            return moved.server_id

    # -- calendar items, contacts, tasks, notes

    def add_item(self, folder: str, nodes: list[Node]) -> str:
        """Put an item into a folder of another class than Email, as another client would; its server id.

        `nodes` are its properties as 16.1 writes them: ``[("Contacts:LastName", "Lee")]``; all-day times are midnights
        without a zone.
        """
        with self.lock:
            target = self.folder(folder)
            made = complete(nodes, target.item_class, self.clock(), "", self.email, 161)
            return self.place(target, made).server_id

    def change_item(self, server_id: str, nodes: list[Node]) -> None:
        """Set properties of an item; an empty one (None) takes the property away."""
        with self.lock:
            folder, item = self.find(server_id)
            named = dict(nodes)
            kept = [node for node in item.nodes or [] if node[0] not in named]
            self.rewrite(folder, item, [*kept, *(node for node in nodes if node[1] is not None)])

    def properties_of(self, server_id: str) -> dict[str, Content]:
        """The properties of an item as they are kept."""
        with self.lock:
            return dict(self.find(server_id)[1].nodes or [])

    def place(self, folder: Folder, nodes: list[Node]) -> Item:
        """A new item of these properties."""
        item = self._insert(folder, b"", self.clock(), True)
        item.nodes = nodes
        self._changed()
        return item

    def rewrite(self, folder: Folder, item: Item, nodes: list[Node]) -> None:
        """Give an item other properties."""
        item.nodes = nodes
        folder.touch(item)
        self._changed()

    def announce(self) -> None:
        """Tell whoever waits that something changed."""
        self._changed()

    def message(self, item: Item) -> Message:
        """The item, parsed; the latest few are remembered."""
        with self.lock:
            message = self._parsed.get(item.server_id)
            if message is None:
                message = self._parsed[item.server_id] = Message(item.raw)
                if len(self._parsed) > _PARSED:
                    self._parsed.popitem(last=False)
            else:
                self._parsed.move_to_end(item.server_id)
            return message

    def walk(self) -> Iterator[tuple[Folder, Item]]:
        """All mail items, folder by folder."""
        for folder in list(self.folders.values()):
            if folder.type in MAIL_TYPES:
                for item in list(folder.items.values()):
                    yield folder, item


_LONG = "RgAAAAB"
"""Begins every LongId: nobody can take one for a ServerId."""


def long_id(server_id: str) -> str:
    """The LongId of an item, which Search gives (MS-ASCMD 2.2.3.98)."""
    return _LONG + base64.urlsafe_b64encode(server_id.encode()).decode()


def utc_now() -> datetime:
    """The real clock."""
    return datetime.now(UTC)
