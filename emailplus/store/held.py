"""Changes that the server of an account was not told before the store went to another account: kept, and given out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from ..model.answers import PendingAnswer
from ..model.mail_changes import PendingChange
from ..model.queries import QueuedChange
from . import answers, item_changes, mail_changes
from .database import Database
from .values import dumps


def hold(database: Database, account: str, now: float) -> int:
    """Keep what waits for the server of `account`; how many changes. In the transaction in which its mail goes."""
    waiting = [change_as_dict(change) for change in mail_changes.pending(database, waiting=True)]
    waiting += [item_change_as_dict(change) for change in item_changes.every(database)]
    waiting += [answer_as_dict(answer) for answer in answers.pending(database, waiting=True)]
    answers.forget(database)
    database.executemany(
        "INSERT INTO held_changes (account, held, content) VALUES (?, ?, ?)",
        [(account, now, json.dumps(change)) for change in waiting],
    )
    return len(waiting)


def listing(database: Database) -> list[dict[str, Any]]:
    """Every change that is held, oldest first, with the time (ISO 8601) since when."""
    rows = database.all("SELECT held, content FROM held_changes ORDER BY id")
    return [
        {"held": datetime.fromtimestamp(row[0], UTC).isoformat(timespec="seconds"), **json.loads(row[1])}
        for row in rows
    ]


def item_change_as_dict(change: QueuedChange) -> dict[str, Any]:
    """For JSON: attributes as the store writes them."""
    return {
        "id": change.id,
        "kind": change.kind,
        "class": change.item_class,
        "item_id": change.item_id,
        "title": change.title,
        "server_id": change.server_id,
        "instance": change.instance.isoformat() if change.instance is not None else None,
        "values": json.loads(dumps(change.values)),
        "state": change.state,
        "reason": change.reason,
    }


def answer_as_dict(answer: PendingAnswer) -> dict[str, Any]:
    """For JSON."""
    return {
        "id": answer.id,
        "kind": "answer",
        "message_id": answer.message_id,
        "subject": answer.subject,
        "collection_id": answer.collection_id,
        "server_id": answer.server_id,
        "value": answer.response,
        "reply": answer.reply,
        "proposed": [moment.isoformat() for moment in answer.proposed] if answer.proposed is not None else None,
        "created": datetime.fromtimestamp(answer.created, UTC).isoformat(timespec="seconds"),
        "state": answer.state.value,
        "status": answer.status,
        "reason": answer.reason,
    }


def change_as_dict(change: PendingChange) -> dict[str, Any]:
    """For JSON."""
    return {
        "id": change.id,
        "kind": change.kind.value,
        "message_id": change.message_id,
        "subject": change.subject,
        "collection_id": change.collection_id,
        "server_id": change.server_id,
        "value": change.value,
        "target_id": change.target_id,
        "permanent": change.permanent,
        "created": datetime.fromtimestamp(change.created, UTC).isoformat(timespec="seconds"),
        "state": change.state,
        "status": change.status,
        "reason": change.reason,
    }
