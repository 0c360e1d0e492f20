"""The store as a mailbox hands it on: what lets content out passes the gate of rights management first.

The rooms of the engine work on the store within (`inside`), behind gates of their own; a mailbox hands this one on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from ..mime.source import Source
from ..model.message import StoredMessage
from ..rms import gate
from ..rms.gate import Door, Operation
from . import rights
from .store import Store


class GuardedStore(Store):
    """A `Store` that raises `RightsDenied` where a licence does not give content to whoever reads here: `message`,
    `body`, `body_source`, `body_pieces`, `attachment_content`; what `messages` gives has no preview then."""

    def __init__(self, inside: Store, door: Door, clock: Callable[[], datetime]) -> None:
        super().__init__(inside.database)
        self.inside = inside
        """The same store, without the gate."""
        self._door = door
        self._clock = clock

    def _admit(self, message_id: int) -> None:
        rights.require(self.database, message_id, Operation.READ, self._door, self._clock())

    def apply(self, batch: Any) -> Any:
        """See `Store.apply`."""
        return self.inside.apply(batch)

    def load(self, query: Any) -> Any:
        """See `Store.load`."""
        return self.inside.load(query)

    def messages(self, ids: list[int]) -> list[StoredMessage]:
        """See `Store.messages`."""
        found = self.inside.messages(ids)
        rights.withheld(found, self._door, self._clock())
        return found

    def message(self, message_id: int) -> StoredMessage:
        """See `Store.message`."""
        self._admit(message_id)
        return self.inside.message(message_id)

    def body(self, message_id: int, limit: int | None = None) -> bytes:
        """See `Store.body`."""
        self._admit(message_id)
        return self.inside.body(message_id, limit)

    def body_source(self, message_id: int) -> Source:
        """See `Store.body_source`."""
        self._admit(message_id)
        return self.inside.body_source(message_id)

    def body_pieces(self, message_id: int) -> Iterator[bytes]:
        """See `Store.body_pieces`."""
        self._admit(message_id)
        return self.inside.body_pieces(message_id)

    def attachment_content(self, attachment_id: int) -> Iterator[bytes]:
        """See `Store.attachment_content`."""
        licence = rights.licence_of_attachment(self.database, attachment_id)
        gate.require(licence, Operation.READ, self._door, self._clock())
        return self.inside.attachment_content(attachment_id)


def inside(store: Store) -> Store:
    """The store without the gate, for what has one of its own."""
    return store.inside if isinstance(store, GuardedStore) else store
