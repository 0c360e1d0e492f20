"""What is to be told of a mailbox: durable, so that every new message is told once, whatever happens between.

A message is new if it came with a SyncKey that was in use: the window that brings it puts it into `arrivals` (a trigger
of the schema), and it leaves them when it was told. A message that comes in a full pass (a key was lost, the cached
data were wiped) is new only if the server received it later than all that was known before. Ids of messages only grow,
and a message keeps its id when it moves, so the largest id says which were looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..model.folder import Folder
from .database import Database

MARK, NEWEST = "mark", "newest"
REMEMBERED = 30 * 86400.0
"""Seconds for which a reminder that was told is remembered beyond its event."""


def begun(database: Database) -> bool:
    """Whether this mailbox has been watched before."""
    return database.one("SELECT 1 FROM watch WHERE name = ?", (MARK,)) is not None


def begin(database: Database, folders: Sequence[str], now: float) -> None:
    """What is here was there, whatever comes from now on is new: where folders (ServerIds) were synchronised before.

    Without it, mail that came while the first run of the first watch was under way would be told to nobody.
    """
    marks = ", ".join("?" * len(folders))
    whole = f"SELECT count(*) FROM folders WHERE sync_key <> '0' AND pass_open = 0 AND server_id IN ({marks})"
    if folders and not begun(database) and database.scalar(whole, tuple(folders)) == len(folders):
        collect(database, folders, now)


def collect(database: Database, folders: Sequence[str], now: float) -> list[int]:
    """Ids of the messages in folders (ServerIds) that are to be told, the oldest first; the first time, none.

    What was read, deleted or moved elsewhere before anybody was told needs no telling any more. `now`: Unix time; mail
    that claims to be from later does not count as the newest.
    """
    marks = ", ".join("?" * len(folders))
    here = f"(SELECT id FROM folders WHERE server_id IN ({marks}))"
    with database.transaction():
        facts: dict[str, float] = dict(database.all("SELECT name, value FROM watch"))
        if MARK in facts:
            database.execute(
                "INSERT OR IGNORE INTO arrivals (message_id) "
                f"SELECT id FROM messages WHERE id > ? AND received > ? AND folder_id IN {here}",
                (facts[MARK], facts[NEWEST], *folders),
            )
        newest = database.scalar("SELECT max(received) FROM messages WHERE gone = 0 AND received <= ?", (now,))
        last = database.scalar("SELECT seq FROM sqlite_sequence WHERE name = 'messages'")
        for name, value in ((MARK, last), (NEWEST, newest)):
            row = (name, max(float(value or 0), facts.get(name, 0.0)))
            database.execute("INSERT OR REPLACE INTO watch (name, value) VALUES (?, ?)", row)
        database.execute(
            "DELETE FROM arrivals WHERE message_id NOT IN "
            f"(SELECT id FROM messages WHERE gone = 0 AND read = 0 AND draft = 0 AND folder_id IN {here})",
            tuple(folders),
        )
    rows = database.all(
        "SELECT a.message_id FROM arrivals a JOIN messages m ON m.id = a.message_id ORDER BY m.received, m.id"
    )
    return [row[0] for row in rows]


def told(database: Database, message_id: int) -> None:
    """Somebody was told of that message."""
    database.execute("DELETE FROM arrivals WHERE message_id = ?", (message_id,))


def received_near(database: Database, moment: float, seconds: float) -> list[int]:
    """Ids of messages received within so many seconds of a Unix time."""
    rows = database.all(
        "SELECT id FROM messages WHERE received BETWEEN ? AND ? AND gone = 0", (moment - seconds, moment + seconds)
    )
    return [row[0] for row in rows]


def folders(database: Database) -> list[Folder]:
    """Every folder, the inbox first; without the counts that `Store.folders` makes."""
    rows = database.all("SELECT server_id, parent_id, name, type FROM folders ORDER BY type <> 2, id")
    return [Folder(*row) for row in rows]


def places(database: Database, ids: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Name of the folder and ServerId of messages, kept or not."""
    found: dict[int, tuple[str, str]] = {}
    for start in range(0, len(ids), 500):
        part = ids[start : start + 500]
        rows = database.all(
            "SELECT m.id, f.name, m.server_id FROM messages m JOIN folders f ON f.id = m.folder_id "
            f"WHERE m.id IN ({', '.join('?' * len(part))})",
            tuple(part),
        )
        found.update((row[0], (row[1], row[2])) for row in rows)
    return found


def unread(database: Database, folders: Sequence[str]) -> int:
    """Unread messages in folders (ServerIds)."""
    marks = ", ".join("?" * len(folders))
    return int(
        database.scalar(
            "SELECT count(*) FROM messages m JOIN folders f ON f.id = m.folder_id "
            f"WHERE m.gone = 0 AND m.cached = 1 AND m.read = 0 AND f.server_id IN ({marks})",
            tuple(folders),
        )
    )


def reminder_told(database: Database, item_id: int, starts: float) -> bool:
    """Whether the reminder of that instance was told."""
    row = database.one("SELECT 1 FROM reminders_told WHERE item_id = ? AND starts = ?", (item_id, starts))
    return row is not None


def mark_reminders(database: Database, told: Iterable[tuple[int, float]], now: float) -> None:
    """Reminders (item id, Unix time of the instance) are told; those of long ago are forgotten."""
    with database.transaction():
        database.executemany("INSERT OR IGNORE INTO reminders_told (item_id, starts) VALUES (?, ?)", list(told))
        database.execute("DELETE FROM reminders_told WHERE starts < ?", (now - REMEMBERED,))


def forget(database: Database) -> None:
    """The account is wiped."""
    for table in ("watch", "arrivals", "reminders_told"):
        database.execute(f"DELETE FROM {table}")
