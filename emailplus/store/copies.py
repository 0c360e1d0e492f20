"""What a Sync says of the copies of drafts in the server's Drafts folder: their drafts are marked."""

from __future__ import annotations

from ..model.changes import Window
from ..model.folder import FolderType
from .database import Database

_ACCOUNT = "coalesce((SELECT value FROM account WHERE name = 'account'), '')"
_STATE = frozenset({"read", "flag", "flag_status", "categories", "last_verb", "last_verb_time"})
"""What may change of a message without its draft being another one."""


def notice(database: Database, windows: list[Window]) -> None:
    """Mark the drafts whose copies these windows change or delete; part of their transaction."""
    folder = database.scalar("SELECT id FROM folders WHERE type = ?", (int(FolderType.DRAFTS),))
    for window in windows:
        if window.folder_id != folder:
            continue
        _mark(database, "changed", [c.server_id for c in window.changed if c.values.keys() - _STATE])
        # A pass tells everything anew: that is no sign of a change, but what is unchanged here may follow it.
        known = "AND known = revision AND server_id NOT IN (SELECT server_id FROM drafts WHERE sent > 0)"
        _mark(database, "changed", [message.server_id for message in window.added], known)
        _mark(database, "deleted", [*window.deleted, *window.soft_deleted])
        if window.completes_pass:
            database.execute(
                f"UPDATE drafts SET theirs = 'deleted' WHERE server_id <> '' AND account = {_ACCOUNT} "
                "AND server_id NOT IN (SELECT server_id FROM messages WHERE folder_id = ? AND gone <> 1) "
                "AND server_id NOT IN (SELECT server_id FROM quarantine WHERE folder_id = ?)",
                (folder, folder),
            )


def _mark(database: Database, what: str, server_ids: list[str], where: str = "") -> None:
    database.executemany(
        f"UPDATE drafts SET theirs = ? WHERE server_id = ? AND account = {_ACCOUNT} {where}",
        [(what, server_id) for server_id in server_ids],
    )
