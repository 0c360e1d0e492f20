"""Protected mail in the store: its licences, the end of its content when they expire, and the server's templates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from ..model.account import RightsTemplate
from ..model.changes import RefreshMessage
from ..model.message import StoredMessage
from ..model.rights import Licence
from ..rms import gate
from ..rms.gate import Door, Operation
from . import mail
from .database import Database
from .values import dumps, loads

CONTENT = ("body_part", "voice_notes")
"""Details of a message that are content."""
EXPIRED = "expired"
"""State of a body or attachment whose licence ran out. It is not fetched again unasked."""


def licence(database: Database, message_id: int) -> Licence | None:
    """The licence of a message; None where it is not protected."""
    return stored(database.scalar("SELECT licence FROM messages WHERE id = ?", (message_id,)))


def licence_of_attachment(database: Database, attachment_id: int) -> Licence | None:
    """The licence of the message that an attachment belongs to."""
    return stored(
        database.scalar(
            "SELECT m.licence FROM messages m JOIN attachments a ON a.message_id = m.id WHERE a.id = ?",
            (attachment_id,),
        )
    )


def require(database: Database, message_id: int, operation: Operation, door: Door, now: datetime | None = None) -> None:
    """Pass the gate for one message, or raise `RightsDenied`. `now` is the clock's unless given."""
    gate.require(licence(database, message_id), operation, door, now or datetime.now(UTC))


def withheld(messages: Iterable[StoredMessage], door: Door, now: datetime | None = None) -> None:
    """Take the previews from list entries whose content this door does not lead to."""
    moment = now or datetime.now(UTC)
    for message in messages:
        if message.preview and not gate.judge(message.rights, Operation.NOTIFY, door, moment):
            message.preview = ""
            message.details = {name: value for name, value in message.details.items() if name not in CONTENT}


def stored(text: str | None) -> Licence | None:
    """A licence as its column holds it."""
    return Licence.from_json(text) if text else None


def refresh(database: Database, batch: RefreshMessage) -> Licence | None:
    """Keep what was fetched anew."""
    message = batch.message
    if message is None or message.body is None:
        return licence(database, batch.message_id)
    with database.transaction():
        mail.refresh(database, batch.message_id, message)
    return message.rights


def purge(database: Database, now: float) -> int:
    """Remove the content of what has expired (MS-ASRM_R24): bodies, attachments, previews, index. How many messages.

    Header fields, the licence and the reason stay.
    """
    rows = database.all(
        "SELECT id FROM messages WHERE licence_expires IS NOT NULL AND licence_expires <= ? AND "
        "(body_state NOT IN ('expired', 'none') OR preview <> '' OR indexed = 1 AND body_state <> 'expired' OR "
        "EXISTS (SELECT 1 FROM attachments WHERE message_id = messages.id AND state <> 'expired'))",
        (now,),
    )
    if not rows:
        return 0
    with database.transaction():
        for (message_id,) in rows:
            _purge(database, message_id)
    return len(rows)


def _purge(database: Database, message_id: int) -> None:
    run = database.execute
    reason = "the licence of this message expired; its content was removed"
    run("DELETE FROM search WHERE rowid = ? AND EXISTS (SELECT 1 FROM messages WHERE id = ? AND indexed = 1)",
        (message_id, message_id))  # fmt: skip
    run("DELETE FROM bodies WHERE message_id = ?", (message_id,))
    details = database.scalar("SELECT details FROM messages WHERE id = ?", (message_id,))
    if details:
        kept = {name: value for name, value in loads(details).items() if name not in CONTENT}
        run("UPDATE messages SET details = ? WHERE id = ?", (dumps(kept) if kept else "", message_id))
    run("DELETE FROM blobs WHERE kind = 'body' AND item_id = ?", (message_id,))
    run(
        "DELETE FROM blobs WHERE kind = 'attachment' AND item_id IN (SELECT id FROM attachments WHERE message_id = ?)",
        (message_id,),
    )
    run("UPDATE attachments SET state = 'expired', reason = ?, blob = NULL WHERE message_id = ?", (reason, message_id))
    run(
        "UPDATE messages SET body_state = 'expired', body_reason = ?, body_blob = NULL, preview = '', indexed = 0 "
        "WHERE id = ?",
        (reason, message_id),
    )


def templates(database: Database) -> tuple[list[RightsTemplate], float | None]:
    """The server's templates as they were fetched last, and when that was (Unix time; None: never)."""
    rows = database.all("SELECT id, name, description, fetched FROM rights_templates ORDER BY position")
    return [RightsTemplate(*row[:3]) for row in rows if row[0]], rows[0][3] if rows else None


def keep_templates(database: Database, found: Sequence[RightsTemplate], now: float) -> None:
    """Keep what was fetched; a row without an id stands for "none, but asked"."""
    rows = [(template.id, template.name, template.description) for template in found] or [("", "", "")]
    with database.transaction():
        database.execute("DELETE FROM rights_templates")
        database.executemany(
            "INSERT INTO rights_templates (id, name, description, fetched) VALUES (?, ?, ?, ?)",
            [(*row, now) for row in rows],
        )


def forget(database: Database) -> None:
    """Remove the templates: the account is wiped."""
    database.execute("DELETE FROM rights_templates")
