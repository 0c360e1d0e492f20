"""What diagnosis keeps in the store: the log, the starts, crash reports; and wiping the cached data after crashes.

Kept here and not in files beside the store, so that nothing about the mailbox lies about unencrypted, and a wipe takes
all of it.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from ..model.changes import ResetCollections
from . import mail
from .database import Database
from .schema.diagnosis import CACHED

LOG_LINES = 2000
"""Lines of the log that are kept; older ones go."""
CRASH_REPORTS = 20
"""Crash reports that are kept."""

_PROTOCOL_STATE = (
    "endpoint",
    "folder_sync_key",
    "options_at",
    "policy",
    "policy_key",
    "provisioned",
    "version",
    "full_sync",
)
"""Not the cookies: they are the server's, which wants them back (MS-ASHTTP_R4076)."""


def installation(database: Database) -> str:
    """The random id of this store, made at first use: it stands in the log and in crash reports, and names nobody."""
    with database.transaction():
        known = database.scalar("SELECT value FROM diagnosis WHERE name = 'installation'")
        if known is None:
            known = uuid.uuid4().hex
            database.execute("INSERT INTO diagnosis (name, value) VALUES ('installation', ?)", (known,))
    return str(known)


# The log.


def append_log(database: Database, lines: Sequence[str]) -> None:
    """Keep lines, and forget those beyond `LOG_LINES`."""
    with database.transaction():
        database.executemany("INSERT INTO log_lines (line) VALUES (?)", [(line,) for line in lines])
        database.execute("DELETE FROM log_lines WHERE id <= (SELECT max(id) FROM log_lines) - ?", (LOG_LINES,))


def read_log(database: Database) -> list[str]:
    """The lines that are kept, oldest first."""
    return [row[0] for row in database.all("SELECT line FROM log_lines ORDER BY id")]


def forget_log(database: Database) -> None:
    """Drop the log, if there is one: `allow_logging` was taken away."""
    if database.scalar("SELECT 1 FROM log_lines LIMIT 1") is not None:
        database.execute("DELETE FROM log_lines")


# Starts.


def crashed_starts(database: Database) -> list[tuple[float, bool]]:
    """Starts that neither ended well nor lived long, oldest first: (Unix time, has a report)."""
    rows = database.all("SELECT started, reported FROM starts ORDER BY id")
    return [(row[0], bool(row[1])) for row in rows]


def note_start(database: Database, now: float) -> None:
    """A start begins; it is on the disk when this returns."""
    database.execute("INSERT INTO starts (started) VALUES (?)", (now,))


def mark_reported(database: Database) -> None:
    """Every start that is noted has its report."""
    database.execute("UPDATE starts SET reported = 1 WHERE reported = 0")


def clear_starts(database: Database) -> None:
    """The start ended well, or lived long enough: those before it no longer count."""
    database.execute("DELETE FROM starts")


def wipe_cached(database: Database) -> None:
    """Forget everything that the server has, in one transaction, with the starts that led to it.

    Kept are the binding to the account, settings, what is waiting to be sent with the rows that it rests on
    (`schema.diagnosis.CACHED`), and diagnosis itself. The state of the protocol goes with the data that it describes.
    """
    with database.transaction():
        # The index is emptied as a whole first; its triggers have nothing to look up then.
        database.execute("UPDATE messages SET indexed = 0 WHERE indexed = 1")
        database.execute("INSERT INTO search (search) VALUES ('delete-all')")
        there = {row[0] for row in database.all("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for table, waiting in CACHED.items():
            if table in there:
                stay = "".join(
                    f" AND id NOT IN (SELECT {column} FROM {other} WHERE {column} IS NOT NULL)"
                    for other, column in waiting if other in there
                )  # fmt: skip
                database.execute(f"DELETE FROM {table} WHERE 1{stay}")
        mail.reset(database, ResetCollections([]))
        marks = ", ".join("?" * len(_PROTOCOL_STATE))
        database.execute(f"DELETE FROM account WHERE name IN ({marks})", _PROTOCOL_STATE)
        database.execute("DELETE FROM starts")


# Crash reports.


def keep_crash(database: Database, report: str) -> int:
    """Keep a report (JSON); its id. The oldest beyond `CRASH_REPORTS` go."""
    with database.transaction():
        number: int = database.scalar("INSERT INTO crash_reports (report) VALUES (?) RETURNING id", (report,))
        database.execute("DELETE FROM crash_reports WHERE id <= ?", (number - CRASH_REPORTS,))
    return number


def crashes(database: Database, *, undelivered: bool = False) -> list[tuple[int, str]]:
    """The reports that are kept, oldest first: (id, JSON)."""
    wanted = " WHERE delivered = 0" if undelivered else ""
    rows = database.all(f"SELECT id, report FROM crash_reports{wanted} ORDER BY id")
    return [(row[0], row[1]) for row in rows]


def mark_delivered(database: Database, number: int) -> None:
    """A reporter took this one; it is not delivered again."""
    database.execute("UPDATE crash_reports SET delivered = 1 WHERE id = ?", (number,))


def forget_crashes(database: Database) -> None:
    """Drop the reports, if there are any: `disable_analytics` was set."""
    if database.scalar("SELECT 1 FROM crash_reports LIMIT 1") is not None:
        database.execute("DELETE FROM crash_reports")


def calendar(database: Database) -> Iterator[dict[str, Any]] | None:
    """Every event as it is stored, oldest first; None where this store has no calendar."""
    if database.scalar("SELECT 1 FROM sqlite_master WHERE name = 'items'") is None:
        return None
    rows = database.all(
        "SELECT i.server_id, f.name, i.gone, i.data FROM items i JOIN folders f ON f.id = i.folder_id "
        "WHERE i.class = 'Calendar' ORDER BY i.id"
    )
    return ({"server_id": row[0], "folder": row[1], "gone": row[2], **json.loads(row[3])} for row in rows)


def forget_all(database: Database) -> None:
    """Drop log, starts, reports and the installation's id: the account was wiped."""
    for table in ("log_lines", "starts", "crash_reports", "diagnosis"):
        database.execute(f"DELETE FROM {table}")
