"""Passes and marks: how one Sync answer becomes rows, whatever the class (docs/architecture.md).

Items and their key go in one transaction, and nothing is removed before a pass has proved it gone. A full pass (after
SyncKey 0) marks what it meets with its number; only when it is complete do rows with an older number go. What is kept
of an item, and how it is recognised under another ServerId, is the keeper's business.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from .. import __version__
from ..model.changes import ItemChange, SyncCounts, SyncWindows, Window
from .database import Database


class Keeper(Protocol):
    """How the items of a class lie in the store. The table has the columns id, folder_id, server_id, pass and gone."""

    table: str
    dated: bool
    """There is a column `received`, by which items fall out of the sync period."""

    def add(self, database: Database, window: Window, number: int, keep: bool, counts: SyncCounts) -> None:
        """Write the items that a window adds, as met by pass `number`; `keep` False: ids only."""

    def change(
        self, database: Database, change: ItemChange, window: Window, number: int, keep: bool, counts: SyncCounts
    ) -> None:
        """Write what a window changes of one item."""

    def settle(self, database: Database, window: Window, number: int) -> None:
        """Take in what became of our own changes."""


def apply_windows(database: Database, batch: SyncWindows, keeper: Callable[[str], Keeper]) -> SyncCounts:
    """Write one Sync answer. Everything in it or nothing of it reaches the disk. `keeper` gives the one of a class."""
    counts = SyncCounts()
    with database.transaction():
        for window in batch.windows:
            # All that goes before all that comes: what moves between the folders of one answer keeps its id.
            table = keeper(window.item_class).table
            counts.deleted += _mark_gone(database, table, window.folder_id, window.deleted)
            counts.expired += _mark_gone(database, table, window.folder_id, window.soft_deleted)
        for window in batch.windows:
            _apply(database, window, batch, counts, keeper(window.item_class))
    return counts


def _apply(database: Database, window: Window, batch: SyncWindows, counts: SyncCounts, keeper: Keeper) -> None:
    keep = batch.keep_content
    folder = window.folder_id
    row = database.one("SELECT pass, pass_open FROM folders WHERE id = ?", (folder,))
    if row is None:
        return  # the folder went while its answer was under way
    number, is_open = row
    if window.begins_pass:
        number, is_open = number + 1, 1
    keeper.settle(database, window, number)
    keeper.add(database, window, number, keep, counts)
    for change in window.changed:
        keeper.change(database, change, window, number, keep, counts)
    _quarantine(database, window, number, counts, keeper.table)
    if window.completes_pass and is_open:
        unmet = f"UPDATE {keeper.table} SET gone = 1 WHERE folder_id = ? AND pass < ? AND gone = 0"
        if batch.cutoff is not None and keeper.dated:
            older = database.execute(f"{unmet} AND received < ?", (folder, number, batch.cutoff))
            counts.expired += _rows_changed(older)
        counts.deleted += _rows_changed(database.execute(unmet, (folder, number)))
        is_open = 0
    database.execute(
        "UPDATE folders SET sync_key = ?, options = ?, pass = ?, pass_open = ? WHERE id = ?",
        (window.sync_key, window.options, number, is_open, folder),
    )


def _quarantine(database: Database, window: Window, number: int, counts: SyncCounts, table: str) -> None:
    folder = window.folder_id
    for item in window.quarantined:
        known = database.one(
            "SELECT raw FROM quarantine WHERE folder_id = ? AND server_id = ?", (folder, item.server_id)
        )
        if known is None:
            counts.quarantined += 1
        database.execute(
            "INSERT OR REPLACE INTO quarantine (folder_id, server_id, raw, error, version) VALUES (?, ?, ?, ?, ?)",
            (folder, item.server_id, item.raw, item.error, __version__),
        )
        # What we hold of it is proved to be still there, readable or not.
        database.execute(
            f"UPDATE {table} SET pass = ? WHERE folder_id = ? AND server_id = ?", (number, folder, item.server_id)
        )


def _rows_changed(cursor: Any) -> int:
    return max(0, int(cursor.rowcount))


def _mark_gone(database: Database, table: str, folder: int, server_ids: list[str]) -> int:
    marked = 0
    for server_id in server_ids:
        cursor = database.execute(
            f"UPDATE {table} SET gone = 1 WHERE folder_id = ? AND server_id = ? AND gone <> 1", (folder, server_id)
        )
        marked += _rows_changed(cursor)
        database.execute("DELETE FROM quarantine WHERE folder_id = ? AND server_id = ?", (folder, server_id))
    return marked
