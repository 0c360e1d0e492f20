"""Markings of stored messages: read again when the configuration or the message changes, found and counted.

The fact `classification` of the account is the configuration that the stored markings were read by; `markings` has the
rows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ..model.changes import MarkingCounts, ReadMarkings, RestartMarkings, StoreHeads, Trouble
from ..model.marking import MAX_HEAD, WAITING, head_of
from ..model.message import BodyType
from ..model.queries import HeadsWanted, HeadWanted
from . import markings, spool
from .database import Database

FACT: Final = "classification"
"""Name of the account's fact that holds the fingerprint."""

HOLDS: Final = (
    "(EXISTS (SELECT 1 FROM marking_values v WHERE v.message_id = m.id AND {} "
    "AND coalesce(v.since <= unixepoch(), 1) AND coalesce(v.until > unixepoch(), 1)))"
)
"""Condition of the search language: a value that holds now."""
MARKED: Final = "(EXISTS (SELECT 1 FROM markings k WHERE k.message_id = m.id AND {}))"


def restart(database: Database, batch: RestartMarkings) -> int:
    """Another configuration: everything is to be read anew; or none: nothing is marked any more."""
    if (database.scalar("SELECT value FROM account WHERE name = ?", (FACT,)) or "") == batch.fingerprint:
        return 0
    with database.transaction():
        database.execute("DELETE FROM marking_values")
        database.execute("DELETE FROM markings")
        count = 0
        if batch.fingerprint:
            database.execute(
                "INSERT INTO markings (message_id, state) SELECT id, 'stale' FROM messages WHERE cached = 1 ORDER BY id"
            )
            count = int(database.scalar("SELECT count(*) FROM markings"))
            database.execute("INSERT OR REPLACE INTO account (name, value) VALUES (?, ?)", (FACT, batch.fingerprint))
        else:
            database.execute("DELETE FROM heads")
            database.execute("DELETE FROM account WHERE name = ?", (FACT,))
    return count


def read_markings(database: Database, batch: ReadMarkings) -> int:
    """Read the next stale ones; the number read, 0 when none is left."""
    rows = database.all(
        "SELECT k.message_id, m.subject, m.body_type, m.body_state, m.body_blob, k.missing FROM markings k "
        "JOIN messages m ON m.id = k.message_id WHERE k.state = 'stale' AND k.state <> 'read' "
        "ORDER BY k.message_id LIMIT ?",
        (batch.limit,),
    )
    read = []
    for local_id, subject, body_type, body_state, blob, missing in rows:
        marking = batch.read(_head(database, local_id, body_type, body_state, blob), subject)
        if marking.missing == WAITING and missing not in ("", WAITING):
            marking = replace(marking, missing=missing)
        read.append((local_id, marking))
    with database.transaction():
        database.executemany("DELETE FROM marking_values WHERE message_id = ?", [(local_id,) for local_id, _ in read])
        markings.insert(database, read)
    return len(read)


def _head(database: Database, local_id: int, body_type: int, body_state: str, blob: int | None) -> bytes | None:
    """The header fields of a stored message: of its MIME, or kept apart; None where they are not here."""
    if body_type == BodyType.MIME and body_state == "stored":
        if blob is not None:
            data = spool.read_all(database, blob, MAX_HEAD)
        else:
            query = "SELECT substr(data, 1, ?) FROM bodies WHERE message_id = ?"
            data = bytes(database.scalar(query, (MAX_HEAD, local_id)) or b"")
        return head_of(data)
    kept = database.scalar("SELECT data FROM heads WHERE message_id = ?", (local_id,))
    return bytes(kept) if kept is not None else None


def heads_wanted(database: Database, query: HeadsWanted) -> list[HeadWanted]:
    """Messages that wait for their header fields. A body that is still to come as MIME brings them itself."""
    rows = database.all(
        "SELECT m.id, f.server_id, m.server_id FROM markings k JOIN messages m ON m.id = k.message_id "
        "JOIN folders f ON f.id = m.folder_id WHERE k.state = 'waiting' AND k.state <> 'read' AND m.gone = 0 "
        "AND m.id > ? ORDER BY m.id LIMIT ?",
        (query.after, query.limit),
    )
    return [HeadWanted(*row) for row in rows]


def store_heads(database: Database, batch: StoreHeads) -> None:
    """Keep what came, and why the rest did not."""
    with database.transaction():
        database.executemany("INSERT OR REPLACE INTO heads (message_id, data) VALUES (?, ?)", batch.heads)
        database.executemany(
            "UPDATE markings SET state = 'stale', missing = '' WHERE message_id = ?",
            [(local_id,) for local_id, _ in batch.heads],
        )
        database.executemany(
            "UPDATE markings SET state = 'read', missing = ?, told = 0 WHERE message_id = ?",
            [(reason, local_id) for local_id, reason in batch.missing],
        )


def take(database: Database) -> MarkingCounts:
    """Counts of all stored messages; what could not be looked for counts as told from now on."""
    live = "FROM markings k JOIN messages m ON m.id = k.message_id"
    with database.transaction():
        rows = database.all(
            "SELECT m.id, f.name, m.subject, k.missing, k.told = 0 "
            f"{live} JOIN folders f ON f.id = m.folder_id WHERE k.missing <> '' AND m.gone = 0 ORDER BY m.id"
        )
        counts = MarkingCounts(
            dict(database.all(f"SELECT k.label, count(*) {live} WHERE m.gone = 0 GROUP BY 1 ORDER BY 2 DESC, 1")),
            database.scalar(f"SELECT count(*) {live} WHERE k.flagged = 1 AND m.gone = 0"),
            [Trouble("marking", "missing", row[0], row[1], row[2], "", 0, row[3], bool(row[4])) for row in rows],
        )
        database.execute("UPDATE markings SET told = 1 WHERE missing <> '' AND told = 0")
    return counts
