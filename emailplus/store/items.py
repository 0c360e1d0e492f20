"""Events, contacts, tasks and notes at rest: what a Sync makes of them, and reading them.

An item with changes of ours that wait has two forms: `base`, as the server has it, and `data`, with our changes on
top, which is what is shown. See `emailplus.store.item_changes` for the changes themselves.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from typing import Any

from ..errors import NotFound
from ..model.changes import ChangeOutcome, ItemChange, SyncCounts, Window
from ..model.contact import Contact
from ..model.event import Event
from ..model.item import Item
from ..model.message import addresses
from ..model.note import Note
from ..model.task import Task
from . import item_changes
from .database import Database, Row
from .text import folded
from .values import dumps, loads

MODELS: Mapping[str, type[Item]] = {kind.item_class: kind for kind in (Event, Contact, Task, Note)}
NOT_SENT = (1 << 62) - 1
"""`pass` of an item that the server has not got yet: no pass proves it gone."""
WORDS_LIMIT = 1 << 18
"""Characters of an item that can be searched for."""

_COLUMNS = ("fingerprint", "title", "uid", "starts", "ends", "done", "people", "words", "data")
_INSERT = (
    f"INSERT INTO items (folder_id, class, server_id, pass, {', '.join(_COLUMNS)}) "
    f"VALUES ({', '.join('?' * (len(_COLUMNS) + 4))})"
)
_UPDATE = f"UPDATE items SET {', '.join(f'{name} = ?' for name in _COLUMNS)}"
_BATCH = 400
_SELECT = (
    "SELECT i.id, i.class, i.server_id, f.name, i.id IN (SELECT item_id FROM vips), i.data "
    "FROM items i JOIN folders f ON f.id = coalesce(i.moving_to, i.folder_id)"
)


class ItemKeeper:
    """Items as `emailplus.store.passes` keeps them."""

    table = "items"
    dated = False

    def add(self, database: Database, window: Window, number: int, keep: bool, counts: SyncCounts) -> None:
        folder = window.folder_id
        known = _known(database, folder, [item.server_id for item in window.items_added])
        for item in window.items_added:
            database.execute("DELETE FROM quarantine WHERE folder_id = ? AND server_id = ?", (folder, item.server_id))
            present = known.get(item.server_id)
            if not keep:
                counts.added += present is None
                _add_id(database, window, item.server_id, number)
                continue
            values = _values(item)
            if present is None:
                present = _twin(database, folder, window.item_class, number, values[0], set(known.values()))
            if present is None:
                cursor = database.execute(_INSERT, (folder, window.item_class, item.server_id, number, *values))
                known[item.server_id] = int(cursor.lastrowid)
                counts.added += 1
                continue
            known[item.server_id] = present
            changed = _replace(database, present, item.properties(), window, item.server_id, number)
            counts.changed += changed
            counts.unchanged += not changed

    def change(
        self, database: Database, change: ItemChange, window: Window, number: int, keep: bool, counts: SyncCounts
    ) -> None:
        folder = window.folder_id
        database.execute("DELETE FROM quarantine WHERE folder_id = ? AND server_id = ?", (folder, change.server_id))
        row = database.one(
            "SELECT id, coalesce(base, data) FROM items WHERE folder_id = ? AND server_id = ?",
            (folder, change.server_id),
        )
        if row is None:
            if change.whole and keep:  # what could not be read before
                made = MODELS[window.item_class](server_id=change.server_id, **change.values)
                database.execute(_INSERT, (folder, window.item_class, change.server_id, number, *_values(made)))
                counts.added += 1
            return
        counts.changed += 1
        if not keep:
            return
        values = {**loads(row[1]), **change.values}
        _replace(database, row[0], _set(window.item_class, values), window, change.server_id, number)

    def settle(self, database: Database, window: Window, number: int) -> None:
        for outcome in window.outcomes:
            item_changes.settle(database, window.folder_id, outcome, number)


def _set(item_class: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is at its default."""
    defaults = {row.name: row.default for row in fields(MODELS[item_class])}
    return {name: value for name, value in values.items() if name in defaults and value != defaults[name]}


def _known(database: Database, folder: int, server_ids: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for start in range(0, len(server_ids), _BATCH):
        part = server_ids[start : start + _BATCH]
        marks = ", ".join("?" * len(part))
        query = f"SELECT server_id, id FROM items WHERE folder_id = ? AND server_id IN ({marks})"
        found.update(database.all(query, (folder, *part)))
    return found


def _twin(
    database: Database, folder: int, item_class: str, number: int, fingerprint: bytes | None, taken: set[int]
) -> int | None:
    """A row with that content that is off the server, that an open pass has not met, or that we sent without learning
    what became of it.
    """
    if fingerprint is None:
        return None
    query = (
        "SELECT i.id FROM items i JOIN folders f ON f.id = i.folder_id WHERE i.fingerprint = ? AND i.class = ? AND ("
        "i.gone = 1 OR (i.folder_id = ? AND f.pass_open = 1 AND i.pass < ?) OR (i.folder_id = ? AND EXISTS ("
        "SELECT 1 FROM item_changes c WHERE c.item_id = i.id AND c.kind = 'add' AND c.state = 'sent'))) ORDER BY i.id"
    )
    for row in database.all(query, (fingerprint, item_class, folder, number, folder)):
        if row[0] not in taken:
            return int(row[0])
    return None


def _add_id(database: Database, window: Window, server_id: str, number: int) -> None:
    """Keep the id of an item only (`disabled_features` = local_cache_all)."""
    database.execute(
        "INSERT INTO items (folder_id, class, server_id, pass, cached) VALUES (?, ?, ?, ?, 0) "
        "ON CONFLICT (folder_id, server_id) DO UPDATE SET pass = excluded.pass, gone = 0",
        (window.folder_id, window.item_class, server_id, number),
    )


def _replace(
    database: Database, item_id: int, values: dict[str, Any], window: Window, server_id: str, number: int
) -> bool:
    """Bring a row up to what the server says now, our waiting changes on top; True if what the server has changed."""
    old = database.scalar("SELECT coalesce(base, data) FROM items WHERE id = ?", (item_id,))
    item_changes.found_on_server(database, item_id, server_id)
    written = dumps(values)
    changed = bool(json.loads(old) != json.loads(written))
    if changed:
        item_changes.contest(database, item_id, old, written)
    write(database, item_id, window.item_class, values)
    database.execute(
        "UPDATE items SET server_id = ?, folder_id = ?, pass = ?, cached = 1, "
        "gone = CASE gone WHEN 2 THEN 2 ELSE 0 END WHERE id = ?",
        (server_id, window.folder_id, number, item_id),
    )
    database.execute("UPDATE item_changes SET folder_id = ? WHERE item_id = ?", (window.folder_id, item_id))
    return changed


def write(database: Database, item_id: int, item_class: str, base: Mapping[str, Any]) -> None:
    """Write what the server has of an item; what waits of ours goes on top."""
    model = MODELS[item_class]
    waiting = item_changes.waiting(database, item_id)
    shown = item_changes.overlay(model(**base), waiting)
    database.execute(f"{_UPDATE}, base = ? WHERE id = ?", (*_values(shown), dumps(base) if waiting else None, item_id))


def insert(database: Database, folder: int, item: Item, server_id: str) -> int:
    """Write an item that is made here."""
    cursor = database.execute(_INSERT, (folder, item.item_class, server_id, NOT_SENT, *_values(item)))
    return int(cursor.lastrowid)


# -- columns


def _values(item: Item) -> Row:
    """Column values in the order of `_COLUMNS`."""
    values = item.properties()
    title, uid, starts, ends, done = _facts(item)
    texts = " ".join(_texts(values))
    people = " ".join(_people(item))
    return (
        _fingerprint(item), title, uid, starts, ends, int(done), folded(people), folded(texts)[:WORDS_LIMIT],
        dumps(values),
    )  # fmt: skip


def _facts(item: Item) -> tuple[str, str, float | None, float | None, bool]:
    """Title, UID, begin and end as Unix times, done."""
    if isinstance(item, Event):
        starts = _stamp(item.start)
        return item.subject, item.uid, starts, None if item.recurrence else (_stamp(item.end) or starts), False
    if isinstance(item, Contact):
        return item.name, "", None, None, False
    if isinstance(item, Task):
        return item.subject, "", _stamp(item.utc_due_date or item.due_date), None, item.complete
    return getattr(item, "subject", ""), "", _stamp(getattr(item, "modified", None)), None, False


def _stamp(moment: datetime | date | None) -> float | None:
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _people(item: Item) -> list[str]:
    if isinstance(item, Contact):
        return [person.address for text in item.emails for person in addresses(text)]
    if isinstance(item, Event):
        return [item.organizer_email, *(attendee.email for attendee in item.attendees)]
    return []


def _texts(value: Any) -> list[str]:
    """Every text of an item's values, bodies included, file names and blobs not."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        skipped = ("extra", "timezone", "message_class", "uid", "client_uid")
        return [text for name, part in value.items() if name not in skipped for text in _texts(part)]
    if isinstance(value, tuple):
        return [text for part in value for text in _texts(part)]
    if type(value).__name__ == "Body":
        return [value.data[: WORDS_LIMIT * 4].decode(errors="replace")]
    if is_dataclass(value):
        return [text for row in fields(value) for text in _texts(getattr(value, row.name))]
    return []


def _fingerprint(item: Item) -> bytes | None:
    """The same for the same item under another ServerId; None where too little is known to say so."""
    if isinstance(item, Event):
        facts: tuple[object, ...] = (item.subject, item.start, item.end, item.recurrence is None, item.instance_id)
    elif isinstance(item, Contact):
        facts = (item.first_name, item.last_name, item.company_name, item.emails, item.mobile_phone, item.home_phone)
    elif isinstance(item, Task):
        facts = (item.subject, item.due_date, item.start_date)
    else:
        facts = (getattr(item, "subject", ""), item.body_text)
    if not any(facts[:4]):
        return None
    return hashlib.blake2b(f"{item.item_class}{facts!r}".encode(errors="replace"), digest_size=12).digest()


# -- reading


def stored(row: Row) -> Item:
    """The item of a row of `_SELECT`."""
    item_id, item_class, server_id, folder, vip, data = row
    model = MODELS[item_class]
    names = {entry.name for entry in fields(model)}
    values = {name: value for name, value in loads(data).items() if name in names}
    if issubclass(model, Contact):
        values["vip"] = bool(vip)
    known = "" if server_id.startswith(item_changes.NEW) else server_id
    return model(**{**values, "id": item_id, "server_id": known, "folder": folder})


def item(database: Database, item_id: int) -> Item:
    """One item. Raises `NotFound`."""
    row = database.one(f"{_SELECT} WHERE i.id = ? AND i.gone = 0 AND i.cached = 1", (item_id,))
    if row is None:
        raise NotFound(f"there is no item {item_id} in this store")
    return stored(row)


def items(
    database: Database,
    item_class: str,
    *,
    query: str = "",
    folder: str = "",
    vip: bool | None = None,
    done: bool | None = None,
) -> list[Item]:
    """The items of a class that hold every word of `query`; by title, tasks by what is due first."""
    where = ["i.class = ?", "i.gone = 0", "i.cached = 1"]
    values: list[Any] = [item_class]
    for word in folded(query).split():
        where.append("(instr(i.words, ?) > 0 OR instr(i.people, ?) > 0)")
        values += [word, word]
    if folder:
        where.append("folded(f.name) = ?")
        values.append(folded(folder))
    for column, wanted in (("i.id IN (SELECT item_id FROM vips)", vip), ("i.done", done)):
        if wanted is not None:
            where.append(f"{column} = ?")
            values.append(int(wanted))
    order = "i.starts IS NULL, i.starts, i.title, i.id" if item_class == "Tasks" else "folded(i.title), i.id"
    return [stored(row) for row in database.all(f"{_SELECT} WHERE {' AND '.join(where)} ORDER BY {order}", values)]


def events_touching(database: Database, start: float, end: float, slack: float = 2 * 86400.0) -> list[Event]:
    """Events that may have an instance between two Unix times: the single ones there, and every series."""
    rows = database.all(
        f"{_SELECT} WHERE i.class = 'Calendar' AND i.gone = 0 AND i.cached = 1 AND i.starts < ? "
        "AND (i.ends IS NULL OR i.ends >= ?) ORDER BY i.starts, i.id",
        (end + slack, start - slack),
    )
    found = [stored(row) for row in rows]
    series = database.all(
        f"{_SELECT} WHERE i.class = 'Calendar' AND i.gone = 0 AND i.cached = 1 AND i.ends IS NULL AND i.starts >= ?",
        (end + slack,),
    )
    found += [stored(row) for row in series]  # an exception may lie before the pattern begins
    return [event for event in found if isinstance(event, Event)]


def event_by_uid(database: Database, uid: str) -> Event | None:
    """The event of that UID, if the calendar has one."""
    if not uid:
        return None
    row = database.one(f"{_SELECT} WHERE i.uid = ? AND i.class = 'Calendar' AND i.gone = 0 AND i.cached = 1", (uid,))
    found = stored(row) if row is not None else None
    return found if isinstance(found, Event) else None


def vip_addresses(database: Database) -> set[str]:
    """The mail addresses of contacts marked VIP, folded."""
    rows = database.all("SELECT i.people FROM items i JOIN vips v ON v.item_id = i.id WHERE i.gone = 0")
    return {address for row in rows for address in row[0].split()}


def mark_vip(database: Database, item_id: int, vip: bool) -> None:
    """Raises `NotFound` for what is no contact."""
    if not isinstance(item(database, item_id), Contact):
        raise NotFound(f"item {item_id} is no contact")
    with database.transaction():
        if vip:
            database.execute("INSERT OR IGNORE INTO vips (item_id) VALUES (?)", (item_id,))
        else:
            database.execute("DELETE FROM vips WHERE item_id = ?", (item_id,))


def counts(database: Database) -> dict[str, int]:
    """Items by class; a class without any is left out."""
    return dict(database.all("SELECT class, count(*) FROM items WHERE gone = 0 GROUP BY class ORDER BY class"))


__all__ = ["MODELS", "ChangeOutcome", "ItemKeeper", "counts", "event_by_uid", "events_touching", "item", "items"]
