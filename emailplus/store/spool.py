"""Contents on their way in and at rest: pieces of bodies and attachments, encrypted with the pages they lie in.

A blob belongs to one item. It grows by whole chunks, each durable before the next is fetched, so an interrupted
download goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import NotFound, StoreDamaged
from ..model.changes import ClaimBlob, FinishBlob, SettleFetch, StoreContents
from .database import Database
from .mail import unindex

CHUNK = 512 * 1024
"""Bytes a chunk: large enough to be fast, small enough to be memory."""


class BlobWriter:
    """Appends to a blob; `flush` makes what was written durable."""

    def __init__(self, database: Database, blob: int) -> None:
        self._database = database
        self._blob = blob
        self._offset: int = database.scalar("SELECT size FROM blobs WHERE id = ?", (blob,)) or 0
        self._pending = bytearray()

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        self._pending += data
        while len(self._pending) >= CHUNK:
            self._store(bytes(self._pending[:CHUNK]))
            del self._pending[:CHUNK]

    def flush(self) -> None:
        """Write what is left over."""
        if self._pending:
            self._store(bytes(self._pending))
            self._pending.clear()

    def _store(self, chunk: bytes) -> None:
        with self._database.transaction():
            self._database.execute(
                "INSERT INTO chunks (blob, offset, data) VALUES (?, ?, ?)", (self._blob, self._offset, chunk)
            )
            self._offset += len(chunk)
            self._database.execute("UPDATE blobs SET size = ? WHERE id = ?", (self._offset, self._blob))


def claim(database: Database, batch: ClaimBlob) -> tuple[int, int]:
    """The item's unfinished blob, or a new one: (blob id, bytes that are there)."""
    with database.transaction():
        row = database.one(
            "SELECT id, size FROM blobs WHERE kind = ? AND item_id = ? AND complete = 0", (batch.kind, batch.item_id)
        )
        if row is not None:
            return row[0], row[1]
        database.execute("DELETE FROM blobs WHERE kind = ? AND item_id = ?", (batch.kind, batch.item_id))
        identifier = database.scalar(
            "INSERT INTO blobs (kind, item_id) VALUES (?, ?) RETURNING id", (batch.kind, batch.item_id)
        )
        return identifier, 0


def restart(database: Database, blob: int) -> None:
    """Empty a blob."""
    with database.transaction():
        database.execute("DELETE FROM chunks WHERE blob = ?", (blob,))
        database.execute("UPDATE blobs SET size = 0 WHERE id = ?", (blob,))


def finish(database: Database, batch: FinishBlob) -> int:
    """The blob is whole: its item is stored from now on."""
    with database.transaction():
        size: int = database.scalar("SELECT size FROM blobs WHERE id = ?", (batch.blob,)) or 0
        database.execute("UPDATE blobs SET complete = 1 WHERE id = ?", (batch.blob,))
        if batch.kind == "body":
            database.execute("DELETE FROM bodies WHERE message_id = ?", (batch.item_id,))
            database.execute(
                "UPDATE messages SET body_blob = ?, body_state = 'stored', body_reason = '', body_size = ?, "
                "body_type = CASE WHEN ? > 0 THEN ? ELSE body_type END WHERE id = ?",
                (batch.blob, size, batch.body_type, batch.body_type, batch.item_id),
            )
            unindex(database, batch.item_id)
        else:
            database.execute(
                "UPDATE attachments SET blob = ?, state = 'stored', reason = '', "
                "content_type = CASE WHEN ? <> '' THEN ? ELSE content_type END WHERE id = ?",
                (batch.blob, batch.content_type, batch.content_type, batch.item_id),
            )
        return size


def store_contents(database: Database, batch: StoreContents) -> None:
    """Attachments that were fetched whole, all in one transaction."""
    with database.transaction():
        for item_id, data, content_type in batch.contents:
            blob, _ = claim(database, ClaimBlob("attachment", item_id))
            restart(database, blob)
            writer = BlobWriter(database, blob)
            writer.write(data)
            writer.flush()
            finish(database, FinishBlob("attachment", item_id, blob, content_type=content_type))


def settle(database: Database, batch: SettleFetch) -> bool:
    """Note why a content will not come, and drop what had arrived of it. True if that was not known before."""
    table, state = ("messages", "body_state") if batch.kind == "body" else ("attachments", "state")
    reason = "body_reason" if batch.kind == "body" else "reason"
    with database.transaction():
        before = database.scalar(f"SELECT {state} FROM {table} WHERE id = ?", (batch.item_id,))
        database.execute(
            f"UPDATE {table} SET {state} = ?, {reason} = ? WHERE id = ?", (batch.state, batch.reason, batch.item_id)
        )
        database.execute("DELETE FROM blobs WHERE kind = ? AND item_id = ?", (batch.kind, batch.item_id))
    return bool(before != batch.state)


def read(database: Database, blob: int) -> Iterator[bytes]:
    """The pieces of a blob in order. Raises `StoreDamaged` if one is missing."""
    size: int = database.scalar("SELECT size FROM blobs WHERE id = ?", (blob,)) or 0
    offset = 0
    while offset < size:
        piece = database.scalar("SELECT data FROM chunks WHERE blob = ? AND offset = ?", (blob, offset))
        if not piece:
            raise StoreDamaged("a piece of a stored body or attachment is missing; run `store verify`")
        offset += len(piece)
        yield piece


def window(database: Database, blob: int, at: int) -> tuple[int, bytes]:
    """The piece of a blob that holds the byte `at`: (offset of its first byte, its bytes).

    Raises `NotFound` once the blob was removed, `StoreDamaged` if a piece of it is missing.
    """
    row = database.one(
        "SELECT offset, data FROM chunks WHERE blob = ? AND offset <= ? ORDER BY offset DESC LIMIT 1", (blob, at)
    )
    if row is None or at >= row[0] + len(row[1]):
        if database.scalar("SELECT 1 FROM blobs WHERE id = ?", (blob,)) is None:
            raise NotFound("this content is no longer in the store")
        raise StoreDamaged("a piece of a stored body or attachment is missing; run `store verify`")
    return row[0], bytes(row[1])


def read_all(database: Database, blob: int, limit: int | None = None) -> bytes:
    """A blob's bytes, at most `limit` of them."""
    data = bytearray()
    for piece in read(database, blob):
        data += piece
        if limit is not None and len(data) >= limit:
            return bytes(data[:limit])
    return bytes(data)
