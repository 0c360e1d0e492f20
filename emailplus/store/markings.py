"""The rows of markings: written with their messages, loaded for reading.

A marking is `stale` where what it was read from changed, `waiting` where header fields have to be fetched first, else
`read` (`classification` brings the first two to the last).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from ..model.marking import WAITING, Lowered, Marking
from ..model.message import Message
from .database import Database, Row

_INSERT = (
    "INSERT OR REPLACE INTO markings (message_id, state, label, flagged, missing, facts) VALUES (?, ?, ?, ?, ?, ?)"
)
_INSERT_VALUE = "INSERT INTO marking_values (message_id, place, field, value, since, until) VALUES (?, ?, ?, ?, ?, ?)"
_BATCH = 400


def write(database: Database, messages: Iterable[tuple[int, Message]], *, known: bool = False) -> None:
    """Markings of messages that a window brought. `known`: the rows were here; what is read of them stays."""
    fresh = []
    for local_id, message in messages:
        if message.marking is None:
            continue
        if message.head:
            database.execute("INSERT OR REPLACE INTO heads (message_id, data) VALUES (?, ?)", (local_id, message.head))
        if known:
            # What changed about it made it stale by itself (a trigger); a row may not be there yet.
            again = "UPDATE SET state = 'stale'" if message.head else "NOTHING"
            database.execute(
                f"INSERT INTO markings (message_id, state) VALUES (?, 'stale') ON CONFLICT DO {again}", (local_id,)
            )
        else:
            fresh.append((local_id, message.marking))
    if fresh:
        insert(database, fresh)


def insert(database: Database, markings: Sequence[tuple[int, Marking]]) -> None:
    """Write what was read of messages; what was read of them before is gone already."""
    database.executemany(_INSERT, [_row(local_id, marking) for local_id, marking in markings])
    values = [row for local_id, marking in markings for row in _values(local_id, marking)]
    if values:
        database.executemany(_INSERT_VALUE, values)


def _row(local_id: int, marking: Marking) -> Row:
    state = "waiting" if marking.missing == WAITING else "read"
    facts = ""
    if marking.text or marking.unknown or marking.notes or marking.lowered:
        lowered = marking.lowered
        facts = json.dumps(
            {
                "place": marking.place,
                "text": marking.text,
                "unknown": marking.unknown,
                "notes": marking.notes,
                "lowered": [lowered.field, lowered.value, lowered.moment] if lowered is not None else None,
            },
            ensure_ascii=True,
        )
    return (local_id, state, marking.label, int(marking.flagged), marking.missing, facts)


def _values(local_id: int, marking: Marking) -> list[Row]:
    rows: list[Row] = []
    lowered = marking.lowered
    for name, values in marking.fields.items():
        until = lowered.moment if lowered is not None and lowered.field == name else None
        rows += [(local_id, len(rows) + at, name, value, None, until) for at, value in enumerate(values)]
    if lowered is not None:
        rows.append((local_id, len(rows), lowered.field, lowered.value, lowered.moment, None))
    return rows


def load(database: Database, ids: Sequence[int]) -> dict[int, Marking]:
    """Markings of messages; those that have none, or none of today, are left out."""
    found: dict[int, Marking] = {}
    for start in range(0, len(ids), _BATCH):
        part = list(ids[start : start + _BATCH])
        marks = ", ".join("?" * len(part))
        fields: dict[int, dict[str, tuple[str, ...]]] = {}
        for local_id, name, value in database.all(
            f"SELECT message_id, field, value FROM marking_values WHERE since IS NULL AND message_id IN ({marks}) "
            "ORDER BY message_id, place",
            part,
        ):
            of = fields.setdefault(local_id, {})
            of[name] = (*of.get(name, ()), value)
        for local_id, missing, facts in database.all(
            f"SELECT message_id, missing, facts FROM markings WHERE state <> 'stale' AND message_id IN ({marks})", part
        ):
            found[local_id] = _marking(fields.get(local_id, {}), missing, facts)
    return found


def _marking(fields: dict[str, tuple[str, ...]], missing: str, written: str) -> Marking:
    facts: dict[str, Any] = json.loads(written) if written else {}
    lowered = facts.get("lowered")
    return Marking(
        fields=fields,
        place=facts.get("place", ""),
        text=facts.get("text", ""),
        unknown=tuple((name, text) for name, text in facts.get("unknown", ())),
        notes=tuple(facts.get("notes", ())),
        lowered=Lowered(*lowered) if lowered else None,
        missing=missing,
    )
