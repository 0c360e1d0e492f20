"""The sync state of one collection: which changes a client has not seen, and which keys it may come back with.

The server keeps two states, as Exchange does: what the client has with the key before, and the window that leads to
the key of the last answer. A request with the newer key proves that answer arrived; one with the older key means it
was lost, and the window is thrown away and made again (MS-ASCMD 2.2.3.181.4, 3.1.5.3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from .device import Collection, Position, Window, new_key
from .mailbox import Folder, Item

FILTER_DAYS = {0: None, 1: 1, 2: 3, 3: 7, 4: 14, 5: 30, 6: 90, 7: 180}
"""FilterType -> days back (MS-ASCMD 2.2.3.68.2)."""

ADD, CHANGE, DELETE, SOFT_DELETE = "Add", "Change", "Delete", "SoftDelete"


def cutoff(filter_type: int, now: datetime) -> datetime | None:
    """Items received before this moment are outside the filter; None: no limit."""
    days = FILTER_DAYS.get(filter_type)
    return None if days is None else now - timedelta(days=days)


def accept_key(collection: Collection, key: str) -> bool:
    """Settle which of the two states a request starts from; False when the key is neither."""
    if not key:
        return False
    if key == collection.key:
        window = collection.window
        collection.known.update(window.sent)
        for server_id in window.gone:
            collection.known.pop(server_id, None)
        collection.base = window.position
        collection.window = Window(position=window.position)
        collection.previous_key = ""
        return True
    if key == collection.previous_key:
        # The answer was lost. What the client did in that request is remembered, so that it is not done twice.
        lost = collection.window
        collection.window = Window(
            position=collection.base, added=lost.added, deleted=lost.deleted, changed=lost.changed
        )
        collection.oldest = None
        collection.key = key
        collection.previous_key = ""
        return True
    return False


def issue_key(collection: Collection, request_key: str) -> str:
    """The key of the answer now being made; `request_key` stays valid until it is used."""
    collection.count += 1
    collection.previous_key = request_key
    collection.key = new_key(collection.count)
    return collection.key


Thread = Callable[[Item], bytes]
"""The conversation of an item."""


def look(
    collection: Collection, key: str, folder: Folder, filter_type: int, now: datetime, thread: Thread | None = None
) -> Changes | None:
    """The changes for a client that holds `key`, without settling anything; None when the key is not valid."""
    if key and key == collection.key:
        window = collection.window
        view = Window(position=window.position, sent=window.sent, gone=window.gone)
    elif key and key == collection.previous_key:
        view = Window(position=collection.base)
    else:
        return None
    peek = Collection(collection.collection_id, key, known=collection.known, window=view, options=collection.options)
    return Changes(peek, folder, filter_type, now, thread)


class Changes:
    """The changes of one collection that a client has not seen, newest mail first, from one request's point of view."""

    def __init__(
        self, collection: Collection, folder: Folder, filter_type: int, now: datetime, thread: Thread | None = None
    ) -> None:
        """`thread`: the filter is one of conversations; one of which any message passes, passes whole."""
        self.collection = collection
        self.folder = folder
        self.window = collection.window
        self.cutoff = cutoff(filter_type, now)
        self.thread = thread if self.cutoff is not None else None
        self.threads = {thread(item) for item in folder.items.values() if thread is not None and self._recent(item)}
        self.backlog: list[str] = []
        self.cursor = 0
        self._refill(filter_type)

    def _refill(self, filter_type: int) -> None:
        old, folder = self.window.position, self.folder
        if old is None or old.filter_type != filter_type or self.thread is not None:
            backlog = self._full_scan()
        else:
            backlog = list(dict.fromkeys(folder.log[old.log :]))
            oldest = self.collection.oldest
            if self.cutoff is not None and (oldest is None or oldest < self.cutoff):
                backlog += self._aged()
            if old.cursor < len(old.backlog):
                if not backlog:
                    self.backlog, self.cursor = old.backlog, old.cursor
                    self._save(filter_type)
                    return
                backlog = old.backlog[old.cursor :] + backlog
        self.backlog, self.cursor = backlog, 0
        self._save(filter_type)

    def _save(self, filter_type: int) -> None:
        self.window.position = Position(self.backlog, self.cursor, self.folder.modification, filter_type)

    def _full_scan(self) -> list[str]:
        items = [item for item in self.folder.items.values() if self.wanted(item)]
        items.sort(key=lambda item: item.received, reverse=True)
        backlog = [item.server_id for item in items if self.client_version(item.server_id) != item.version]
        in_window = {item.server_id for item in items}
        backlog += [server_id for server_id in self._client_ids() if server_id not in in_window]
        return backlog

    def _client_ids(self) -> Iterator[str]:
        yield from self.collection.known
        yield from self.window.sent

    def _aged(self) -> list[str]:
        """Known items that have fallen out of the filter; remembers the oldest of the others."""
        aged = []
        oldest = datetime.max.replace(tzinfo=UTC)
        for server_id in self._client_ids():
            item = self.folder.items.get(server_id)
            if item is None:
                continue
            if not self.wanted(item):
                aged.append(server_id)
            else:
                oldest = min(oldest, item.received)
        self.collection.oldest = oldest
        return aged

    def wanted(self, item: Item) -> bool:
        """Whether the filter lets this item through."""
        if item.text_message and not self.collection.options.texts:
            return False
        return self._recent(item) or (self.thread is not None and self.thread(item) in self.threads)

    def _recent(self, item: Item) -> bool:
        return self.cutoff is None or item.received >= self.cutoff

    def client_version(self, server_id: str) -> int | None:
        """The version of an item the client has (or is being sent); None when it has none."""
        if server_id in self.window.gone:
            return None
        return self.window.sent.get(server_id, self.collection.known.get(server_id))

    def _action(self, server_id: str) -> str | None:
        item = self.folder.items.get(server_id)
        has = self.client_version(server_id)
        if item is None:
            return DELETE if has is not None else None
        if not self.wanted(item):
            return SOFT_DELETE if has is not None else None
        if has is None:
            return ADD
        return CHANGE if has != item.version else None

    def pending(self) -> int:
        """How many changes are waiting, each item counted once."""
        rest = dict.fromkeys(self.backlog[self.cursor :])
        return sum(1 for server_id in rest if self._action(server_id) is not None)

    def adds(self) -> bool:
        """Whether an item the client does not have is waiting."""
        return any(self._action(server_id) == ADD for server_id in self.backlog[self.cursor :])

    def next(self) -> tuple[str, str, Item | None] | None:
        """The next waiting change as (action, server id, item), without taking it."""
        while self.cursor < len(self.backlog):
            server_id = self.backlog[self.cursor]
            action = self._action(server_id)
            if action is not None:
                return action, server_id, self.folder.items.get(server_id)
            self.cursor += 1
        return None

    def taken(self, change: tuple[str, str, Item | None]) -> None:
        """`change` goes into the answer."""
        action, server_id, item = change
        self.cursor += 1
        if action in (ADD, CHANGE) and item is not None:
            self.note_sent(item)
        else:
            self.note_gone(server_id)

    def close(self) -> None:
        """Keep how far this request got."""
        position = self.window.position
        assert position is not None
        self.window.position = Position(self.backlog, self.cursor, position.log, position.filter_type)

    def note_sent(self, item: Item) -> None:
        """The client has, or is being sent, this item as it is now."""
        self.window.sent[item.server_id] = item.version
        self.window.gone.discard(item.server_id)
        if self.collection.oldest is not None:
            self.collection.oldest = min(self.collection.oldest, item.received)

    def note_gone(self, server_id: str) -> None:
        """The client no longer has this item."""
        self.window.sent.pop(server_id, None)
        self.window.gone.add(server_id)
