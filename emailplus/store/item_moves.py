"""Moves of items between folders that were made here: shown at once, told by MoveItems, settled with its answer.

Until the server has moved it the row stays where the server has the item, so that whatever a Sync says of it meanwhile
finds it; `moving_to` is what is shown. The id stays the same all the way.
"""

from __future__ import annotations

from ..errors import NotFound, UsageError
from ..model.changes import MoveItem, MoveOutcome, SettleItemMoves
from ..model.folder import CLASS_OF_TYPE
from ..model.queries import QueuedMove
from . import item_changes, items
from .database import Database


def move(database: Database, batch: MoveItem) -> bool:
    """See `MoveItem`. Raises `NotFound`, `UsageError`."""
    with database.transaction():
        item = items.item(database, batch.item_id)
        folder, moving_to = database.all("SELECT folder_id, moving_to FROM items WHERE id = ?", (batch.item_id,))[0]
        kind = database.scalar("SELECT type FROM folders WHERE id = ?", (batch.target,))
        if kind is None:
            raise NotFound(f"there is no folder {batch.target} in this store")
        if CLASS_OF_TYPE.get(kind) != item.item_class:
            raise UsageError(f"that folder holds no items of class {item.item_class}")
        if batch.target == (moving_to or folder):
            return False
        queued = database.one(
            "SELECT id, state FROM item_changes WHERE item_id = ? AND kind = 'move'", (batch.item_id,)
        )
        if queued is not None and queued[1] == "sent":
            raise UsageError(
                f"a move of item {batch.item_id} was sent and its outcome is not known yet: synchronise first"
            )
        if queued is not None:
            database.execute("DELETE FROM item_changes WHERE id = ?", (queued[0],))
        if not item.server_id and not _sent(database, batch.item_id):  # it is made there from the start
            database.execute("UPDATE items SET folder_id = ?, moving_to = NULL WHERE id = ?", (batch.target, item.id))
            database.execute("UPDATE item_changes SET folder_id = ? WHERE item_id = ?", (batch.target, item.id))
            return True
        if batch.target == folder:  # back to where the server has it
            database.execute("UPDATE items SET moving_to = NULL WHERE id = ?", (item.id,))
            return True
        item_changes.queue_move(database, item.id, folder, batch.now)
        database.execute("UPDATE items SET moving_to = ? WHERE id = ?", (batch.target, item.id))
    return True


def _sent(database: Database, item_id: int) -> bool:
    return bool(database.scalar("SELECT 1 FROM item_changes WHERE item_id = ? AND state = 'sent'", (item_id,)))


def queued(database: Database) -> list[QueuedMove]:
    """Moves that can be told: of items that the server knows, and of which no older change waits."""
    rows = database.all(
        "SELECT c.id, i.server_id, f.server_id, t.server_id, i.title, i.class FROM item_changes c "
        "JOIN items i ON i.id = c.item_id JOIN folders f ON f.id = i.folder_id JOIN folders t ON t.id = i.moving_to "
        "WHERE c.kind = 'move' AND c.state <> 'failed' AND i.server_id NOT LIKE 'new:%' AND NOT EXISTS "
        "(SELECT 1 FROM item_changes o WHERE o.item_id = c.item_id AND o.id < c.id AND o.state <> 'failed') "
        "ORDER BY c.id"
    )
    return [QueuedMove(*row) for row in rows]


def settle(database: Database, batch: SettleItemMoves) -> None:
    """See `SettleItemMoves`."""
    with database.transaction():
        for outcome in batch.outcomes:
            _settle(database, outcome)


def _settle(database: Database, outcome: MoveOutcome) -> None:
    row = database.one(
        "SELECT c.item_id, i.moving_to FROM item_changes c JOIN items i ON i.id = c.item_id WHERE c.id = ?",
        (outcome.change_id,),
    )
    if row is None:
        return
    item_id, target = row
    if outcome.again:
        database.execute(
            "UPDATE item_changes SET state = 'queued', status = ?, reason = ? WHERE id = ?",
            (outcome.status, outcome.reason, outcome.change_id),
        )
        return
    if outcome.new_server_id:
        # Had a Sync told of it there already, that row is the same item: ours keeps its id.
        database.execute(
            "DELETE FROM items WHERE folder_id = ? AND server_id = ? AND id <> ?",
            (target, outcome.new_server_id, item_id),
        )
        database.execute(
            "UPDATE items SET folder_id = ?, server_id = ?, moving_to = NULL, "
            "pass = (SELECT pass FROM folders WHERE id = ?) WHERE id = ?",
            (target, outcome.new_server_id, target, item_id),
        )
        database.execute("UPDATE item_changes SET folder_id = ? WHERE item_id = ?", (target, item_id))
        database.execute("DELETE FROM item_changes WHERE id = ?", (outcome.change_id,))
    elif outcome.gone:
        # Elsewhere on the server, or nowhere: an Add with the same content takes the row over, else it goes.
        database.execute("DELETE FROM item_changes WHERE id = ?", (outcome.change_id,))
        database.execute("UPDATE items SET gone = 1, moving_to = NULL WHERE id = ?", (item_id,))
    else:
        database.execute(
            "UPDATE item_changes SET state = 'failed', status = ?, reason = ? WHERE id = ?",
            (outcome.status, outcome.reason, outcome.change_id),
        )
        database.execute("UPDATE items SET moving_to = NULL WHERE id = ?", (item_id,))
