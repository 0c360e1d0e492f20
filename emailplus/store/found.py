"""Mail that the server found, against what is here: the same message is never shown twice."""

from __future__ import annotations

from ..errors import NotFound
from ..model.search import FoundMail
from .database import Database


def known(database: Database, found: FoundMail) -> tuple[int, bool] | None:
    """Local id of a found mail, and whether it is to be shown (not deleted since, not an id only); None: not here.

    Search names no ServerId: then the folder, the second of arrival and the subject decide.
    """
    if found.server_id:
        row = database.one(
            "SELECT m.id, m.gone = 0 AND m.cached = 1 FROM messages m JOIN folders f ON f.id = m.folder_id "
            "WHERE f.server_id = ? AND m.server_id = ?",
            (found.collection_id, found.server_id),
        )
    elif found.message.received is not None:
        moment = found.message.received.timestamp()
        row = database.one(
            "SELECT m.id, m.gone = 0 AND m.cached = 1 FROM messages m JOIN folders f ON f.id = m.folder_id "
            "WHERE f.server_id = ? AND m.received > ? AND m.received < ? AND m.subject = ? ORDER BY m.gone LIMIT 1",
            (found.collection_id, moment - 1, moment + 1, found.message.subject),
        )
    else:
        return None
    return (row[0], bool(row[1])) if row is not None else None


def place_of_item(database: Database, item_id: int) -> tuple[str, str]:
    """CollectionId and ServerId of an item that the server has. Raises `NotFound`."""
    row = database.one(
        "SELECT f.server_id, i.server_id FROM items i JOIN folders f ON f.id = i.folder_id "
        "WHERE i.id = ? AND i.gone = 0 AND i.server_id NOT LIKE 'new:%'",
        (item_id,),
    )
    if row is None:
        raise NotFound(f"the server has no item {item_id}")
    return row[0], row[1]


def place(database: Database, message_id: int) -> tuple[str, str]:
    """CollectionId and ServerId of a message here. Raises `NotFound`."""
    row = database.one(
        "SELECT f.server_id, m.server_id FROM messages m JOIN folders f ON f.id = m.folder_id "
        "WHERE m.id = ? AND m.gone = 0",
        (message_id,),
    )
    if row is None:
        raise NotFound(f"there is no message {message_id} in this store")
    return row[0], row[1]
