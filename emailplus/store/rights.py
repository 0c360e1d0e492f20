"""Protected mail in the store: its licences, the end of its content when they expire, and the server's templates."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from ..model.account import RightsTemplate
from ..model.changes import RefreshMessage
from ..model.message import StoredMessage
from ..model.rights import Licence
from ..rms import gate
from ..rms.gate import Door, Operation
from . import mail, outbox
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


def of_source(database: Database, attachment_id: int) -> tuple[int, Licence | None] | None:
    """The message that an attachment belongs to, and its licence; None where it is gone."""
    row = database.one(
        "SELECT m.id, m.licence FROM messages m JOIN attachments a ON a.message_id = m.id WHERE a.id = ?",
        (attachment_id,),
    )
    return (row[0], stored(row[1])) if row is not None else None


def of_draft(database: Database, draft_id: int) -> Licence | None:
    """The licence that a draft is under: what its original's says now, else what it said; None: it holds nothing."""
    row = database.one(
        "SELECT d.licence, m.licence FROM drafts d LEFT JOIN messages m ON m.id = d.original WHERE d.id = ?",
        (draft_id,),
    )
    return stored(row[1] or row[0]) if row is not None and row[0] else None


def require(database: Database, message_id: int, operation: Operation, door: Door, now: datetime | None = None) -> None:
    """Pass the gate for one message, or raise `RightsDenied`. `now` is the clock's unless given."""
    gate.require(licence(database, message_id), operation, door, now or datetime.now(UTC))


def withheld(messages: Iterable[StoredMessage], door: Door, now: datetime | None = None) -> None:
    """Take the previews from list entries whose content this door does not lead to."""
    moment = now or datetime.now(UTC)
    for message in messages:
        if not gate.judge(message.rights, Operation.NOTIFY, door, moment):
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
        if message.rights is None:  # it is protected no longer, and neither is what was taken from it
            database.execute("UPDATE drafts SET licence = '' WHERE original = ?", (batch.message_id,))
    return message.rights


def purge(database: Database, now: float) -> int:
    """Remove the content of what has expired (MS-ASRM_R24): bodies, attachments, previews, index, and what was taken
    from it into drafts and the outbox. How many messages.

    Header fields, the licence and the reason stay. Nothing of it is left in the file, or in its log.
    """
    rows = database.all(
        "SELECT id FROM messages WHERE licence_expires IS NOT NULL AND licence_expires <= ? AND "
        "(body_state NOT IN ('expired', 'none') OR preview <> '' OR indexed = 1 AND body_state <> 'expired' OR "
        "EXISTS (SELECT 1 FROM attachments WHERE message_id = messages.id AND state <> 'expired'))",
        (now,),
    )
    drafts = _expired_drafts(database, now)
    if not rows and not drafts:
        return 0
    with database.overwriting(), database.transaction():
        for (message_id,) in rows:
            _purge(database, message_id)
        for draft_id in drafts:
            _strip(database, draft_id, now)
        if rows:  # the index strikes words out at first; this rewrites it without them
            database.execute("INSERT INTO search (search) VALUES ('optimize')")
    return len(rows)


def _expired_drafts(database: Database, now: float) -> list[int]:
    """Drafts with content whose licence ran out that have something left to take away."""
    moment = datetime.fromtimestamp(now, UTC)
    found = []
    for number, content in database.all("SELECT id, content FROM drafts WHERE licence <> ''"):
        under = of_draft(database, number)
        if under is None or under.undated or gate.readable(under, moment):
            continue
        waiting = database.scalar(
            "SELECT 1 FROM outbox o JOIN blobs b ON b.kind IN ('outbox', 'outbox_complete') AND b.item_id = o.id "
            "WHERE o.draft_id = ? AND o.state IN ('queued', 'failed')",
            (number,),
        )
        if waiting or json.loads(content).get("quote"):
            found.append(number)
    return found


def _strip(database: Database, draft_id: int, now: float) -> None:
    """Take the original out of a draft; what was written to it stays. Where both were made one text, the draft stays as
    it is, and shut."""
    reason = "the licence of the message that it answers expired: its content was removed"
    run = database.execute
    run(
        "DELETE FROM blobs WHERE kind IN ('outbox', 'outbox_complete') AND item_id IN "
        "(SELECT id FROM outbox WHERE draft_id = ? AND state IN ('queued', 'failed'))",
        (draft_id,),
    )
    run(
        "UPDATE outbox SET state = 'failed', reason = ? WHERE draft_id = ? AND state IN ('queued', 'failed')",
        (reason, draft_id),
    )
    draft = outbox.load_draft(database, draft_id)
    if draft.quote is not None:
        own = tuple(attachment for attachment in draft.attachments if attachment.source is None)
        outbox.save_draft(database, replace(draft, quote=None, attachments=own), now)
        run("UPDATE drafts SET licence = '' WHERE id = ?", (draft_id,))


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
