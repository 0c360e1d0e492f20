"""Changes of mail that wait for the server: applied to the rows at once, and laid over what the server says meanwhile.

While a move waits, its row stands in the target folder under a ServerId that no server gives (`HELD`), with the largest
pass, so that no pass takes it for gone. A message to be deleted is `gone` = 2: hidden, and kept until the server knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..model import mail_changes as model
from ..model.changes import SyncCounts, SyncWindows
from ..model.mail_changes import ChangeKind, ConflictPolicy, PendingChange, Settled
from . import copies, passes
from .database import Database, Handlers
from .keepers import keeper

HELD = "held:"
LAST_PASS = 1 << 60
WANTED_GONE = 2
MAX_ATTEMPTS = 5

_COLUMN = {ChangeKind.READ: "read", ChangeKind.FLAG: "flag_status", ChangeKind.CATEGORIES: "categories"}
_SELECT = (
    "SELECT c.id, c.kind, c.message_id, coalesce(m.subject, ''), c.folder_id, f.server_id, c.server_id, c.value, "
    "c.before, coalesce(t.server_id, ''), c.permanent, c.conflict, c.created, c.attempts, c.state, c.status, c.reason "
    "FROM mail_changes c JOIN folders f ON f.id = c.folder_id LEFT JOIN messages m ON m.id = c.message_id "
    "LEFT JOIN folders t ON t.id = c.target"
)


def _ready(database: Database) -> list[PendingChange]:
    """What may be told now: an answer to a meeting request goes before it is moved or deleted."""
    answered = {
        row[0] for row in database.all("SELECT message_id FROM answers WHERE state <> 'failed'")
    }  # fmt: skip
    away = (ChangeKind.MOVE, ChangeKind.DELETE)
    changes = pending(database, waiting=True)
    return [change for change in changes if change.kind not in away or change.message_id not in answered]


def pending(database: Database, *, waiting: bool = False) -> list[PendingChange]:
    """Every change that waits; with those that failed unless `waiting`."""
    where = " WHERE c.state = 'queued'" if waiting else ""
    return [
        PendingChange(*(row[0], ChangeKind(row[1]), *row[2:10], bool(row[10]), ConflictPolicy(row[11]), *row[12:]))
        for row in database.all(f"{_SELECT}{where} ORDER BY c.id")
    ]


def change(database: Database, batch: model.ChangeMail) -> int:
    """See `ChangeMail`."""
    with database.transaction():
        database.execute("DELETE FROM mail_changes WHERE state = 'failed'")
        if batch.kind is ChangeKind.EMPTY:
            return _empty(database, batch)
        made = 0
        for message_id in dict.fromkeys(batch.message_ids):
            made += _change(database, batch, message_id)
        return made


def _change(database: Database, batch: model.ChangeMail, message_id: int) -> int:
    row = database.one(
        "SELECT folder_id, server_id, read, flag_status, categories FROM messages "
        "WHERE id = ? AND gone = 0 AND cached = 1",
        (message_id,),
    )
    if row is None:
        return 0
    folder, server_id = _where(database, message_id, row[0], row[1])
    if batch.kind in _COLUMN:
        column = _COLUMN[batch.kind]
        before = str(dict(zip(("read", "flag_status", "categories"), row[2:], strict=True))[column])
        if before == batch.value:
            return 0
        database.execute(f"UPDATE messages SET {column} = ? WHERE id = ?", (batch.value, message_id))
        return _remember(database, batch, message_id, folder, server_id, before)
    moved = database.one("SELECT id FROM mail_changes WHERE message_id = ? AND kind = 'move'", (message_id,))
    if moved is not None:
        _undo_move(database, moved[0], message_id, folder, server_id)
    if batch.kind is ChangeKind.DELETE:
        database.execute("UPDATE messages SET gone = ? WHERE id = ?", (WANTED_GONE, message_id))
        database.execute("DELETE FROM mail_changes WHERE message_id = ? AND kind <> 'delete'", (message_id,))
        return _remember(database, batch, message_id, folder, server_id, "")
    if batch.target == folder:
        return 0  # back to where the server has it
    made = _remember(database, batch, message_id, folder, server_id, "")
    database.execute(
        "UPDATE messages SET folder_id = ?, server_id = ?, pass = ? WHERE id = ?",
        (batch.target, f"{HELD}{message_id}", LAST_PASS, message_id),
    )
    return made


def _where(database: Database, message_id: int, folder: int, server_id: str) -> tuple[int, str]:
    """Where the server has a message: for one whose move waits, where it comes from."""
    row = database.one(
        "SELECT folder_id, server_id FROM mail_changes WHERE message_id = ? AND kind = 'move'", (message_id,)
    )
    return (row[0], row[1]) if row is not None else (folder, server_id)


def _remember(
    database: Database, batch: model.ChangeMail, message_id: int, folder: int, server_id: str, before: str
) -> int:
    """One line for a kind of change of a message: the latest wish, and what the server has."""
    fresh = database.scalar(
        "SELECT count(*) = 0 FROM mail_changes WHERE message_id = ? AND kind = ?", (message_id, batch.kind.value)
    )
    database.execute(
        "INSERT INTO mail_changes (message_id, folder_id, server_id, kind, value, before, target, permanent, conflict, "
        "created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (message_id, kind) WHERE message_id IS NOT NULL "
        "DO UPDATE SET value = excluded.value, target = excluded.target, permanent = excluded.permanent, "
        "conflict = excluded.conflict, created = excluded.created, attempts = 0",
        (
            message_id, folder, server_id, batch.kind.value, batch.value, before, batch.target, int(batch.permanent),
            batch.conflict.value, batch.now,
        ),
    )  # fmt: skip
    if batch.kind in _COLUMN:  # back to what the server has
        database.execute(
            "DELETE FROM mail_changes WHERE message_id = ? AND kind = ? AND value = before",
            (message_id, batch.kind.value),
        )
    return int(fresh)


def _empty(database: Database, batch: model.ChangeMail) -> int:
    """Everything that lies in the folder now is to go; what is on its way into it stays."""
    hidden = database.execute(
        "UPDATE messages SET gone = ? WHERE folder_id = ? AND gone = 0 AND pass < ?",
        (WANTED_GONE, batch.folder, LAST_PASS),
    ).rowcount
    if not database.scalar("SELECT 1 FROM mail_changes WHERE folder_id = ? AND kind = 'empty'", (batch.folder,)):
        database.execute(
            "INSERT INTO mail_changes (folder_id, kind, permanent, created) VALUES (?, 'empty', 1, ?)",
            (batch.folder, batch.now),
        )
    return int(hidden)


def _empty_by_deletions(database: Database) -> None:
    """See `EmptyByDeletions`."""
    with database.transaction():
        for number, folder, created in database.all(
            "SELECT id, folder_id, created FROM mail_changes WHERE kind = 'empty' AND state = 'queued'"
        ):
            database.execute(
                "INSERT INTO mail_changes (message_id, folder_id, server_id, kind, permanent, created) "
                "SELECT id, folder_id, server_id, 'delete', 1, ? FROM messages WHERE folder_id = ? AND gone = ? "
                "AND id NOT IN (SELECT message_id FROM mail_changes WHERE kind = 'delete' AND message_id IS NOT NULL)",
                (created, folder, WANTED_GONE),
            )
            database.execute("DELETE FROM mail_changes WHERE id = ?", (number,))


def apply_windows(database: Database, batch: SyncWindows) -> SyncCounts:
    """Write one Sync answer, with what waits of ours on top."""
    with database.transaction():
        counts = passes.apply_windows(database, batch, keeper)
        copies.notice(database, batch.windows)
        _overlay(database, [window.folder_id for window in batch.windows])
    return counts


def settle(database: Database, batch: model.SettleChanges) -> None:
    """See `SettleChanges`: outcomes, items and keys in one transaction."""
    with database.transaction():
        if batch.windows:
            passes.apply_windows(database, SyncWindows(batch.windows, batch.keep_content), keeper)
            copies.notice(database, batch.windows)
        for settled in batch.settled:
            _settle(database, settled)
        _overlay(database, [window.folder_id for window in batch.windows])


def _settle(database: Database, settled: Settled) -> None:
    row = database.one(
        "SELECT kind, message_id, folder_id, server_id, before, target, permanent, attempts FROM mail_changes "
        "WHERE id = ?",
        (settled.change_id,),
    )
    if row is None:
        return
    kind, message_id, folder, server_id, before, target, permanent, attempts = row
    kind = ChangeKind(kind)
    if settled.status is not None and settled.again and attempts + 1 < MAX_ATTEMPTS:
        database.execute(
            "UPDATE mail_changes SET attempts = attempts + 1, status = ?, reason = ? WHERE id = ?",
            (settled.status, settled.reason, settled.change_id),
        )
        return
    if settled.gone and message_id is not None:
        # Elsewhere on the server, or nowhere: an Add with the same content takes the row over, with whatever else waits
        # for it, or it goes with that.
        database.execute("UPDATE messages SET gone = 1 WHERE id = ?", (message_id,))
        database.execute("DELETE FROM mail_changes WHERE id = ?", (settled.change_id,))
        return
    if settled.status is None:
        database.execute("DELETE FROM mail_changes WHERE id = ?", (settled.change_id,))
        _done(database, kind, message_id, folder, target, bool(permanent), settled.new_server_id)
        return
    _undo(database, kind, message_id, folder, server_id, before, settled.change_id)
    database.execute(
        "UPDATE mail_changes SET state = 'failed', status = ?, reason = ? WHERE id = ?",
        (settled.status, settled.reason, settled.change_id),
    )


def _done(
    database: Database, kind: ChangeKind, message_id: int | None, folder: int, target: int | None, permanent: bool,
    new_id: str,
) -> None:  # fmt: skip
    """The server has it."""
    if kind is ChangeKind.EMPTY:
        database.execute("DELETE FROM messages WHERE folder_id = ? AND gone = ?", (folder, WANTED_GONE))
    elif kind is ChangeKind.DELETE and permanent:
        database.execute("DELETE FROM messages WHERE id = ?", (message_id,))
    elif kind is ChangeKind.DELETE:  # its copy in Deleted Items takes the row over
        database.execute("UPDATE messages SET gone = 1 WHERE id = ?", (message_id,))
    elif kind is ChangeKind.MOVE:
        # Another row may be there already, where the server told of the new one first.
        database.execute(
            "DELETE FROM messages WHERE folder_id = ? AND server_id = ? AND id <> ?", (target, new_id, message_id)
        )
        database.execute(
            "UPDATE messages SET server_id = ?, pass = (SELECT pass FROM folders WHERE id = ?) WHERE id = ?",
            (new_id, target, message_id),
        )
        database.execute(
            "UPDATE mail_changes SET folder_id = ?, server_id = ? WHERE message_id = ?", (target, new_id, message_id)
        )


def _undo(
    database: Database, kind: ChangeKind, message_id: int | None, folder: int, server_id: str, before: str,
    change_id: int,
) -> None:  # fmt: skip
    """The server refuses it: as it was."""
    if kind in _COLUMN:
        database.execute(f"UPDATE messages SET {_COLUMN[kind]} = ? WHERE id = ?", (before, message_id))
    elif kind is ChangeKind.DELETE:
        database.execute("UPDATE messages SET gone = 0 WHERE id = ?", (message_id,))
    elif kind is ChangeKind.EMPTY:
        database.execute(
            "UPDATE messages SET gone = 0 WHERE folder_id = ? AND gone = ? AND id NOT IN "
            "(SELECT message_id FROM mail_changes WHERE kind = 'delete' AND message_id IS NOT NULL)",
            (folder, WANTED_GONE),
        )
    elif message_id is not None:
        _undo_move(database, change_id, message_id, folder, server_id, keep=True)


def _undo_move(
    database: Database, change_id: int, message_id: int, folder: int, server_id: str, *, keep: bool = False
) -> None:
    """The row goes back to where the server has it; a copy that came there meanwhile makes room."""
    database.execute(
        "DELETE FROM messages WHERE folder_id = ? AND server_id = ? AND id <> ?", (folder, server_id, message_id)
    )
    database.execute(
        "UPDATE messages SET folder_id = ?, server_id = ?, pass = (SELECT pass FROM folders WHERE id = ?) WHERE id = ?",
        (folder, server_id, folder, message_id),
    )
    if not keep:
        database.execute("DELETE FROM mail_changes WHERE id = ?", (change_id,))


def _overlay(database: Database, folders: Iterable[int]) -> None:
    """Lay what waits over what the server just said of these folders."""
    if not database.scalar("SELECT 1 FROM mail_changes WHERE state = 'queued' LIMIT 1"):
        return
    for folder in folders:
        _join_categories(database, folder)
        database.execute(  # a message whose move waits has its row already
            "DELETE FROM messages WHERE id IN (SELECT m.id FROM mail_changes c JOIN messages m "
            "ON m.folder_id = c.folder_id AND m.server_id = c.server_id AND m.id <> c.message_id "
            "WHERE c.kind = 'move' AND c.folder_id = ? AND c.state = 'queued')",
            (folder,),
        )
        for kind, column in _COLUMN.items():
            database.execute(
                f"UPDATE messages SET {column} = (SELECT value FROM mail_changes c WHERE c.message_id = messages.id "
                "AND c.kind = ?) WHERE id IN (SELECT message_id FROM mail_changes WHERE kind = ? AND folder_id = ? "
                "AND state = 'queued')",
                (kind.value, kind.value, folder),
            )
        database.execute(
            "UPDATE messages SET gone = ? WHERE gone = 0 AND id IN (SELECT message_id FROM mail_changes "
            "WHERE kind = 'delete' AND folder_id = ? AND state = 'queued')",
            (WANTED_GONE, folder),
        )


def _join_categories(database: Database, folder: int) -> None:
    """`KEEP_BOTH`: what was added on either side stays."""
    for change_id, value, before, server in database.all(
        "SELECT c.id, c.value, c.before, m.categories FROM mail_changes c JOIN messages m ON m.id = c.message_id "
        "WHERE c.kind = 'categories' AND c.conflict = 'keep_both' AND c.folder_id = ? AND c.state = 'queued'",
        (folder,),
    ):
        if server not in (value, before):
            both = dict.fromkeys(filter(None, (*server.split("\n"), *value.split("\n"))))
            database.execute(
                "UPDATE mail_changes SET value = ?, before = ? WHERE id = ?", ("\n".join(both), server, change_id)
            )


APPLYING: Final[Handlers] = {
    model.ChangeMail: change,
    model.SettleChanges: settle,
    model.EmptyByDeletions: lambda database, _: _empty_by_deletions(database),
}
"""What the store does with the batches of `model.mail_changes`."""

LOADING: Final[Handlers] = {model.PendingChanges: lambda database, _: _ready(database)}
"""What the store answers to its queries."""
