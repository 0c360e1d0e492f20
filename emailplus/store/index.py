"""Keeping the full-text index current, in bounded batches off the critical path of a synchronisation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from ..mime.html_text import linear
from ..mime.view import view
from ..model.message import BodyType
from ..rms.gate import Door, Operation, judge
from . import rights, spool
from .database import Database
from .text import INDEX_LIMIT, spaced

Unwrap = Callable[[bytes], bytes]
"""From stored MIME to the entity whose text is indexed: takes off layers of S/MIME as far as the settings allow."""

MAX_UNWRAPPED = 32 << 20
"""Protected messages beyond this size are indexed by their headers only."""


def as_it_is(mime: bytes) -> bytes:
    """No layer is taken off."""
    return mime


def index_messages(database: Database, limit: int, unwrap: Unwrap = as_it_is) -> int:
    """Take the next `limit` messages into the index; the number taken, 0 when it is complete."""
    rows = database.all(
        "SELECT id, subject, sender, recipients, cc, bcc, reply_to, body_type, body_state, body_blob, "
        "message_class, body_size, licence FROM messages "
        "WHERE indexed = 0 AND cached = 1 ORDER BY id LIMIT ?",
        (limit,),
    )
    if not rows:
        return 0
    entries = []
    now = datetime.now(UTC)
    for row in rows:
        people = " ".join(filter(None, row[2:7]))
        text = ""
        # The index answers programs: words of protected content are in it only where a program may have them.
        if row[8] == "stored" and judge(rights.stored(row[12]), Operation.SEARCH, Door.PROGRAM, now):
            if row[7] == BodyType.MIME and row[10].upper().startswith("IPM.NOTE.SMIME"):
                text = _protected_text(database, row[0], row[9], row[11], unwrap)
            else:
                text = body_text(database, row[0], row[7], row[9], INDEX_LIMIT)
        entries.append((row[0], spaced(row[1]), spaced(people), spaced(text[:INDEX_LIMIT])))
    with database.transaction():
        database.executemany("INSERT INTO search (rowid, subject, people, body) VALUES (?, ?, ?, ?)", entries)
        database.executemany("UPDATE messages SET indexed = 1 WHERE id = ?", [(entry[0],) for entry in entries])
    return len(entries)


def _protected_text(database: Database, message_id: int, blob: int | None, size: int, unwrap: Unwrap) -> str:
    """The text inside the layers. CMS is read whole or not at all."""
    if size > MAX_UNWRAPPED:
        return ""
    found = view(unwrap(body_bytes(database, message_id, blob)), contents=False)
    return found.text or linear(found.html)


def forget_if_empty(database: Database) -> None:
    """Where no message is left in the index, remove the words too: FTS5 only strikes entries out at first."""
    if database.scalar("SELECT 1 FROM messages WHERE indexed = 1 LIMIT 1") is None:
        database.execute("INSERT INTO search (search) VALUES ('delete-all')")


def body_bytes(database: Database, message_id: int, blob: int | None, limit: int | None = None) -> bytes:
    """The stored body of a message, b"" where there is none."""
    if blob is not None:
        return spool.read_all(database, blob, limit)
    data = database.scalar("SELECT data FROM bodies WHERE message_id = ?", (message_id,))
    return bytes(data or b"")


def body_text(database: Database, message_id: int, body_type: int, blob: int | None, limit: int | None = None) -> str:
    """The body as plain text, whatever its form."""
    # Markup and MIME are wordy: read more than what is wanted of them, but not without bound.
    data = body_bytes(database, message_id, blob, None if limit is None else limit * 8)
    if body_type == BodyType.MIME:
        found = view(data, contents=False)
        return found.text or linear(found.html)
    text = data.decode(errors="replace")
    return linear(text) if body_type == BodyType.HTML else text
