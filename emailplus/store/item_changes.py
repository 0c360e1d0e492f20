"""Changes of items that were made here: kept until the server has confirmed them (docs/items.md, "Changes").

A change is queued with a ClientId that stays the same in every attempt, is marked sent before the request leaves, and
is settled in the transaction that writes the SyncKey of the answer. If the answer is lost the same request goes out
again under the same SyncKey; if the SyncKey is lost too, the full pass that follows recognises what had arrived.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import date, datetime
from typing import Any

from ..errors import NotFound, UsageError
from ..model.changes import ChangeOutcome, DeleteItem, MarkChangesSent, SaveItem
from ..model.event import Event, EventException
from ..model.item import LOCAL, Item
from ..model.message import Attachment, Body
from ..model.queries import ItemChanges, QueuedChange
from . import items, outbox
from .database import Database, Row
from .values import dumps, loads, read_instance, write_instance

NEW = "new:"
"""Begins the ServerId of an item that the server has not named yet."""
OK, MALFORMED, CONVERSION, SERVER_ERROR, CONFLICT, NOT_FOUND, FULL = 1, 4, 6, 5, 7, 8, 9
"""Item statuses of Sync (MS-ASCMD 2.2.3.177.17)."""
PASSING = frozenset({SERVER_ERROR, 16})
"""What another attempt may cure."""

MAILS_BY_ITSELF = frozenset({"16.0", "16.1"})
"""Versions in which the server mails attendees (MS-ASCAL 3.2.4, MS-ASCMD_R7479)."""

_WAITING = "SELECT kind, instance, changes FROM item_changes WHERE item_id = ? ORDER BY id"


def applied(item: Item, values: Mapping[str, Any], instance: datetime | date | None, *, deleted: bool = False) -> Item:
    """The item with a change: of its own attributes, or of one instance of its series."""
    if instance is None:
        return replace(item, **values)
    if not isinstance(item, Event):
        raise UsageError(f"item {item.id} is no event: it has no instances")
    others, before = [], EventException(instance)
    for exception in item.exceptions:
        if write_instance(exception.start) == write_instance(instance):
            before = exception
        else:
            others.append(exception)
    if deleted:
        made = EventException(instance, deleted=True)
    else:
        made = EventException(instance, changes={**before.changes, **values}, extra=before.extra)
    return replace(item, exceptions=(*others, made))


def overlay(item: Item, changes: Sequence[Row]) -> Item:
    """The item with changes that wait on top."""
    for kind, instance, written in changes:
        start = read_instance(instance)
        if kind == "delete":
            item = applied(item, {}, start, deleted=True) if start is not None else item
        else:
            item = applied(item, loads(written), start)
    return item


def waiting(database: Database, item_id: int) -> list[Row]:
    """(kind, instance, JSON of the attributes) of every change of an item that the server has not confirmed."""
    return database.all(_WAITING, (item_id,))


# -- queueing


def save(database: Database, batch: SaveItem) -> int:
    """See `SaveItem`. Raises `NotFound` and `UsageError`."""
    with database.transaction():
        if batch.item_id is None:
            return _create(database, batch)
        item, folder = _editable(database, batch.item_id)
        values = _checked(item, batch.values)
        if not values and not batch.instance:
            return batch.item_id
        open_change = database.one(
            "SELECT id, changes FROM item_changes WHERE item_id = ? AND instance = ? AND state <> 'sent' "
            "AND kind IN ('add', 'change') ORDER BY id DESC LIMIT 1",
            (batch.item_id, batch.instance),
        )
        if open_change is not None:  # it did not leave yet: one change says both
            merged = {**loads(open_change[1]), **values}
            database.execute(
                "UPDATE item_changes SET changes = ?, state = 'queued', reason = '', told = 0, "
                "status = CASE WHEN state = 'queued' AND status = ? THEN status END, "
                "send_updates = max(send_updates, ?) WHERE id = ?",
                (dumps(merged), CONFLICT, int(batch.send_updates), open_change[0]),
            )
            change_id = open_change[0]
        else:
            _remember_base(database, batch.item_id)
            change_id = _queue(database, batch.item_id, folder, "change", batch, values)
        if isinstance(item, Event) and "attachments" in values:
            kept = {entry.file_reference for entry in values["attachments"] if isinstance(entry, Attachment)}
            gone = [a.file_reference for a in item.attachments if isinstance(a, Attachment)]
            database.execute(
                "UPDATE item_changes SET removed = removed || ? WHERE id = ?",
                ("".join(f"{reference}\n" for reference in gone if reference not in kept), change_id),
            )
        _mails(database, batch.item_id, change_id, batch)
        _show(database, batch.item_id)
        return batch.item_id


def _mails(database: Database, item_id: int, change_id: int, batch: SaveItem | DeleteItem) -> None:
    """What attendees are to be told waits in the outbox for the change."""
    if batch.mails is None:
        return
    outbox.attach(database, change_id, batch.mails)
    if batch.mails:
        database.execute("UPDATE items SET sequence = max(sequence, ?) WHERE id = ?", (batch.sequence, item_id))


def _create(database: Database, batch: SaveItem) -> int:
    model = items.MODELS.get(batch.item_class)
    if model is None:
        raise UsageError(f"items of class {batch.item_class!r} are not made here")
    if database.scalar("SELECT 1 FROM folders WHERE id = ?", (batch.folder_id,)) is None:
        raise NotFound(f"there is no folder {batch.folder_id} in this store")
    item = model(**_checked(model(), batch.values))
    client_id = secrets.token_hex(16)
    item_id = items.insert(database, batch.folder_id, item, NEW + client_id)
    database.execute("UPDATE items SET base = '{}' WHERE id = ?", (item_id,))
    change_id = _queue(database, item_id, batch.folder_id, "add", batch, item.properties(), client_id)
    _mails(database, item_id, change_id, batch)
    return item_id


def _queue(
    database: Database,
    item_id: int,
    folder: int,
    kind: str,
    batch: SaveItem | DeleteItem,
    values: Mapping[str, Any],
    client_id: str = "",
) -> int:
    cursor = database.execute(
        "INSERT INTO item_changes (item_id, folder_id, kind, state, client_id, instance, changes, send_updates, "
        "created) VALUES (?, ?, ?, 'queued', ?, ?, ?, ?, ?)",
        (
            item_id, folder, kind, client_id or secrets.token_hex(16), batch.instance, dumps(values),
            int(batch.send_updates), batch.now,
        ),
    )  # fmt: skip
    return int(cursor.lastrowid)


def contest(database: Database, item_id: int, old: str, new: str) -> None:
    """The server's version of an item was `old` and is `new` (both as stored): mark what waits here and says otherwise.

    Of properties that only one side changed both stay. What was sent without an answer is left out: what the server
    tells may be just that.
    """
    rows = database.all(
        "SELECT id, instance, changes FROM item_changes WHERE item_id = ? AND kind = 'change' AND state = 'queued'",
        (item_id,),
    )
    if not rows:
        return
    was, became = loads(old), loads(new)
    for change_id, written, changes in rows:
        instance = read_instance(written)
        before, after = _of_instance(was, instance), _of_instance(became, instance)
        mine = loads(changes)
        if after is None or any(
            not _same(before.get(name) if before is not None else None, after.get(name))
            and not _same(value, after.get(name))
            for name, value in mine.items()
        ):
            database.execute("UPDATE item_changes SET status = ? WHERE id = ?", (CONFLICT, change_id))


def _of_instance(item: Mapping[str, Any], instance: datetime | date | None) -> Mapping[str, Any] | None:
    """The attributes of an item, or what one instance of its series has of its own; None where that is deleted."""
    if instance is None:
        return item
    for exception in item.get("exceptions", ()):
        if write_instance(exception.start) == write_instance(instance):
            return None if exception.deleted else exception.changes
    return {}


def _same(one: Any, other: Any) -> bool:
    """Servers trim texts and write their line ends in their own way; and an attribute at its default is not named."""
    if isinstance(one, Body) and isinstance(other, Body):
        one, other = one.data.decode(errors="replace"), other.data.decode(errors="replace")
    if isinstance(one, str) and isinstance(other, str):
        return one.split() == other.split()
    return bool(one == other or (not one and not other))


def queue_move(database: Database, item_id: int, folder: int, now: float) -> None:
    """A move waits for its turn behind older changes of the item; later ones wait for it."""
    _queue(database, item_id, folder, "move", DeleteItem(item_id, now=now), {})


def _editable(database: Database, item_id: int) -> tuple[Item, int]:
    item = items.item(database, item_id)
    folder = database.scalar("SELECT folder_id FROM items WHERE id = ?", (item_id,))
    return item, int(folder)


def _checked(item: Item, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that change something. Raises `UsageError` for what is no attribute of the class."""
    names = {row.name for row in fields(item)} - LOCAL - {"extra"}
    unknown = sorted(set(values) - names)
    if unknown:
        raise UsageError(f"{item.item_class} has no {', '.join(unknown)}")
    return dict(values)


def delete(database: Database, batch: DeleteItem) -> None:
    """See `DeleteItem`. Raises `NotFound`."""
    with database.transaction():
        item, folder = _editable(database, batch.item_id)
        sent = database.scalar("SELECT 1 FROM item_changes WHERE item_id = ? AND state = 'sent'", (batch.item_id,))
        if not item.server_id and not sent and not batch.instance:  # the server never heard of it
            database.execute("DELETE FROM items WHERE id = ?", (batch.item_id,))
            return
        _remember_base(database, batch.item_id)
        if not batch.instance and not database.scalar(
            "SELECT 1 FROM item_changes WHERE item_id = ? AND kind = 'move' AND state = 'sent'", (batch.item_id,)
        ):
            database.execute("UPDATE items SET moving_to = NULL WHERE id = ?", (batch.item_id,))
        if batch.instance:
            database.execute(
                "DELETE FROM item_changes WHERE item_id = ? AND instance = ? AND state <> 'sent'",
                (batch.item_id, batch.instance),
            )
        else:
            database.execute(
                "DELETE FROM item_changes WHERE item_id = ? AND kind <> 'add' AND state <> 'sent'", (batch.item_id,)
            )
        _mails(database, batch.item_id, _queue(database, batch.item_id, folder, "delete", batch, {}), batch)
        if batch.instance:
            _show(database, batch.item_id)
        else:
            database.execute("UPDATE items SET gone = 2 WHERE id = ?", (batch.item_id,))


def drop(database: Database, change_id: int) -> None:
    """See `DropChange`. Raises `NotFound`, or `UsageError` for a change that may be on the server."""
    with database.transaction():
        row = database.one("SELECT item_id, kind, state FROM item_changes WHERE id = ?", (change_id,))
        if row is None:
            raise NotFound(f"there is no change {change_id} in this store")
        if row[2] == "sent":
            raise UsageError(f"change {change_id} was sent and its outcome is not known yet: synchronise first")
        _forget(database, change_id, row[0], row[1])


def _forget(database: Database, change_id: int, item_id: int, kind: str) -> None:
    """Take a change away; the item is again what it is without it."""
    database.execute("DELETE FROM item_changes WHERE id = ?", (change_id,))
    if kind == "add":
        database.execute("DELETE FROM items WHERE id = ?", (item_id,))
        return
    if kind == "delete":
        database.execute("UPDATE items SET gone = 0 WHERE id = ? AND gone = 2", (item_id,))
    if kind == "move":
        database.execute("UPDATE items SET moving_to = NULL WHERE id = ?", (item_id,))
    _show(database, item_id)


def _remember_base(database: Database, item_id: int) -> None:
    database.execute("UPDATE items SET base = coalesce(base, data) WHERE id = ?", (item_id,))


def _show(database: Database, item_id: int) -> None:
    row = database.one("SELECT class, coalesce(base, data) FROM items WHERE id = ?", (item_id,))
    if row is not None:
        items.write(database, item_id, row[0], loads(row[1]))


# -- carrying out


def queued(database: Database, query: ItemChanges) -> list[QueuedChange]:
    """See `ItemChanges`. Of one item only the oldest change: the next may build on what the server makes of it."""
    rows = database.all(
        "SELECT c.id FROM item_changes c WHERE c.folder_id = ? AND c.state <> 'failed' AND c.kind <> 'move' AND c.id = "
        "(SELECT min(id) FROM item_changes WHERE item_id = c.item_id AND state <> 'failed') ORDER BY c.id LIMIT ?",
        (query.folder_id, query.limit),
    )
    return [change(database, row[0]) for row in rows]


def every(database: Database) -> list[QueuedChange]:
    """Every change that waits or failed, oldest first."""
    return [change(database, row[0]) for row in database.all("SELECT id FROM item_changes ORDER BY id")]


def waiting_deletions(database: Database) -> int:
    """Whole items whose deletion the server has not confirmed."""
    return int(
        database.scalar(
            "SELECT count(*) FROM item_changes WHERE kind = 'delete' AND instance = '' AND state <> 'failed'"
        )
    )


def change(database: Database, change_id: int) -> QueuedChange:
    """One change. Raises `NotFound`."""
    row = database.one(
        "SELECT c.id, c.item_id, c.kind, c.state, c.client_id, i.server_id, i.class, coalesce(i.base, i.data), "
        "c.changes, c.instance, c.removed, c.send_updates, c.reason, i.title, "
        "(SELECT count(*) FROM outbox o WHERE o.change_id = c.id), c.status FROM item_changes c "
        "JOIN items i ON i.id = c.item_id WHERE c.id = ?",
        (change_id,),
    )
    if row is None:
        raise NotFound(f"there is no change {change_id} in this store")
    values, instance = loads(row[8]), read_instance(row[9])
    model = items.MODELS[row[6]]
    item = model(**{**loads(row[7]), "id": row[1], "server_id": "" if row[5].startswith(NEW) else row[5]})
    if row[2] != "delete":
        item = applied(item, values, instance)
    return QueuedChange(
        id=row[0], item_id=row[1], kind=row[2], state=row[3], client_id=row[4], server_id=item.server_id, item=item,
        values=values, instance=instance, removed_attachments=tuple(filter(None, row[10].split("\n"))),
        send_updates=bool(row[11]), reason=row[12], title=row[13], item_class=row[6],
        mails=row[14], contested=row[3] == "queued" and row[15] == CONFLICT,
    )  # fmt: skip


def mark_sent(database: Database, batch: MarkChangesSent) -> None:
    """See `MarkChangesSent`."""
    with database.transaction():
        database.executemany(
            "UPDATE item_changes SET state = 'sent', attempts = attempts + 1 WHERE id = ?",
            [(number,) for number in batch.change_ids],
        )


def settle(database: Database, folder: int, outcome: ChangeOutcome, number: int) -> None:
    """Take in what the server says of a change; part of the transaction that writes the SyncKey."""
    row = database.one(
        "SELECT item_id, kind, instance, changes FROM item_changes WHERE id = ? AND folder_id = ?",
        (outcome.change_id, folder),
    )
    if row is None:
        return
    item_id, kind, instance, changes = row
    if outcome.status in PASSING:
        database.execute(
            "UPDATE item_changes SET state = 'queued', status = ?, reason = ? WHERE id = ?",
            (outcome.status, outcome.reason, outcome.change_id),
        )
    elif outcome.status == OK:
        _confirmed(database, outcome, item_id, kind, instance, changes, number)
    elif outcome.status == NOT_FOUND and kind == "delete":
        database.execute("DELETE FROM items WHERE id = ?", (item_id,))
    elif outcome.status == CONFLICT:
        _forget(database, outcome.change_id, item_id, kind)
    elif outcome.status == NOT_FOUND and kind == "change":
        database.execute("DELETE FROM item_changes WHERE id = ?", (outcome.change_id,))
        database.execute("UPDATE items SET gone = 1 WHERE id = ?", (item_id,))
    else:
        database.execute(
            "UPDATE item_changes SET state = 'failed', status = ?, reason = ?, told = 0 WHERE id = ?",
            (outcome.status, outcome.reason, outcome.change_id),
        )
        if kind == "delete":
            database.execute("UPDATE items SET gone = 0 WHERE id = ? AND gone = 2", (item_id,))


def _confirmed(
    database: Database, outcome: ChangeOutcome, item_id: int, kind: str, instance: str, changes: str, number: int
) -> None:
    _tell_attendees(database, outcome.change_id)
    database.execute("DELETE FROM item_changes WHERE id = ?", (outcome.change_id,))
    if kind == "delete" and not instance:
        database.execute("DELETE FROM items WHERE id = ?", (item_id,))
        return
    row = database.one("SELECT class, coalesce(base, data) FROM items WHERE id = ?", (item_id,))
    if row is None:
        return
    item = items.MODELS[row[0]](**loads(row[1]))
    item = applied(item, loads(changes), read_instance(instance), deleted=kind == "delete")
    item = replace(item, **outcome.values)
    if kind == "add" and outcome.server_id:
        # Had a Sync brought it under this name already, that row is the same item: ours keeps its id.
        database.execute(
            "DELETE FROM items WHERE server_id = ? AND id <> ? AND folder_id = "
            "(SELECT folder_id FROM items WHERE id = ?)",
            (outcome.server_id, item_id, item_id),
        )
        database.execute("UPDATE items SET server_id = ?, pass = ? WHERE id = ?", (outcome.server_id, number, item_id))
    items.write(database, item_id, row[0], item.properties())


def found_on_server(database: Database, item_id: int, server_id: str) -> None:
    """An item that we sent without learning its fate is there: its creation is confirmed."""
    if str(database.scalar("SELECT server_id FROM items WHERE id = ?", (item_id,))).startswith(NEW):
        for row in database.all("SELECT id FROM item_changes WHERE item_id = ? AND kind = 'add'", (item_id,)):
            _tell_attendees(database, row[0])
        database.execute("DELETE FROM item_changes WHERE item_id = ? AND kind = 'add'", (item_id,))


def _tell_attendees(database: Database, change_id: int) -> None:
    """The mail for a change that the server took may leave, unless the server mails by itself (from 16.0 on)."""
    version = str(database.scalar("SELECT value FROM account WHERE name = 'version'") or "")
    if version not in MAILS_BY_ITSELF:
        outbox.release(database, change_id)


def as_told(database: Database, item_id: int) -> Item | None:
    """The item as the server knows it, or will when what was sent has arrived; None where it knows nothing of it yet.

    That is what attendees were told last.
    """
    row = database.one("SELECT class, coalesce(base, data) FROM items WHERE id = ?", (item_id,))
    if row is None:
        return None
    rows = database.all(
        "SELECT kind, instance, changes FROM item_changes WHERE item_id = ? AND state = 'sent' ORDER BY id", (item_id,)
    )
    if row[1] == "{}" and not rows:
        return None
    return overlay(items.MODELS[row[0]](**loads(row[1])), rows)


def mailed(database: Database, item_id: int) -> tuple[int, bool]:
    """SEQUENCE of the last update that was mailed, and whether mail waits for a change that did not leave yet."""
    sequence = database.scalar("SELECT sequence FROM items WHERE id = ?", (item_id,))
    waits = database.scalar(
        "SELECT 1 FROM outbox o JOIN item_changes c ON c.id = o.change_id WHERE c.item_id = ? AND c.state <> 'sent'",
        (item_id,),
    )
    return int(sequence or 0), bool(waits)
