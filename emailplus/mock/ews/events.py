"""What happened in a mailbox, as EWS tells it: found by comparing the folders with what they were."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from ..mailbox import MAIL_TYPES, Folder, Item, Mailbox

NOT_NEW = frozenset({3, 4, 5, 6})  # Drafts, Deleted Items, Sent Items, Outbox: what comes here is no new mail


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `item` "" : it is about the folder `parent` itself. Ids are server ids; `number` orders them all."""

    number: int
    kind: str  # as EventTypes names it
    when: datetime
    parent: str
    item: str = ""
    version: int = 0
    old_item: str = ""
    old_parent: str = ""
    unread: int | None = None


class EventLog:
    """The events of one mailbox since it was made, the latest `keep` of them."""

    def __init__(self, mailbox: Mailbox, keep: int) -> None:
        self._mailbox = mailbox
        self._events: deque[Event] = deque(maxlen=keep)
        self.last = 0
        self._seen: dict[str, int] = {}
        self._items: dict[str, dict[str, Item]] = {}
        for folder in mailbox.folders.values():
            self._seen[folder.server_id] = folder.modification
            self._items[folder.server_id] = dict(folder.items)

    def knows(self, number: int) -> bool:
        """Whether everything after an event is still here."""
        oldest = self._events[0].number if self._events else self.last + 1
        return oldest - 1 <= number <= self.last

    def after(self, number: int) -> Iterator[Event]:
        """The events after one, oldest first."""
        if not self._events:
            return iter(())
        return islice(self._events, max(0, number + 1 - self._events[0].number), None)

    def _add(self, kind: str, folder: Folder, item: str = "", version: int = 0, **more: object) -> None:
        self.last += 1
        when = self._mailbox.clock()
        self._events.append(Event(self.last, kind, when, folder.server_id, item, version, **more))  # type: ignore[arg-type]

    def note(self) -> None:
        """Look at what changed since the last time."""
        changed = [
            folder
            for folder in self._mailbox.folders.values()
            if folder.modification != self._seen.get(folder.server_id, 0) or folder.server_id not in self._seen
        ]
        gone: dict[int, tuple[str, str]] = {}
        for folder in changed:  # an item that left one folder and is in another with the same content has moved
            before = self._items.get(folder.server_id, {})
            for server_id in dict.fromkeys(folder.log[self._seen.get(folder.server_id, 0) :]):
                if server_id in before and server_id not in folder.items:
                    gone[_content(before[server_id])] = (folder.server_id, server_id)
        moved: set[str] = set()
        for folder in changed:
            moved |= self._note_folder(folder, gone)
        for folder in changed:
            before = self._items.setdefault(folder.server_id, {})
            for server_id in dict.fromkeys(folder.log[self._seen.get(folder.server_id, 0) :]):
                if server_id in folder.items:
                    before[server_id] = folder.items[server_id]
                elif before.pop(server_id, None) is not None and server_id not in moved:
                    self._add("DeletedEvent", folder, server_id)
            self._seen[folder.server_id] = folder.modification
            unread = sum(not item.read for item in folder.items.values()) if folder.type in MAIL_TYPES else None
            self._add("ModifiedEvent", folder, unread=unread)

    def _note_folder(self, folder: Folder, gone: dict[int, tuple[str, str]]) -> set[str]:
        before = self._items.get(folder.server_id, {})
        moved = set()
        for server_id in dict.fromkeys(folder.log[self._seen.get(folder.server_id, 0) :]):
            item = folder.items.get(server_id)
            if item is None:
                continue
            if server_id in before:
                self._add("ModifiedEvent", folder, server_id, item.version)
                continue
            old = gone.get(_content(item))
            if old is not None:
                moved.add(old[1])
                more = {"old_parent": old[0], "old_item": old[1]}
                self._add("MovedEvent", folder, server_id, item.version, **more)
                continue
            if folder.type in MAIL_TYPES - NOT_NEW and not item.draft:
                self._add("NewMailEvent", folder, server_id, item.version)
            self._add("CreatedEvent", folder, server_id, item.version)
        return moved


def _content(item: Item) -> int:
    """The same for an item and its copy in another folder: what `Mailbox.move` hands over."""
    return id(item.nodes) if item.nodes is not None else id(item.source)
