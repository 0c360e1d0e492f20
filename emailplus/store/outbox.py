"""Drafts and the outbox at rest: one transaction a step, contents in the same encrypted pages as everything else."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any, Final

from ..errors import NotFound, UsageError
from ..model import outbox as model
from ..model.apps import FILES, App, DocumentApp, Origin
from ..model.draft import Draft, DraftAttachment, DraftKind, Invitation, Quote, StoredDraft
from ..model.folder import FolderType
from ..model.mail_changes import ChangeKind, ChangeMail
from ..model.message import Address
from ..model.outbox import OutboxEntry, OutboxState
from ..model.rights import Licence
from . import mail_changes, spool
from .database import Database, Handlers, Row

KEPT_CONFIRMED = 200
"""Confirmed messages of which a line (no content) is kept."""

INVALID_TEMPLATE = 171
"""Status IRM_InvalidTemplateID (MS-ASRM_R200, R356)."""

_WAITING = (OutboxState.QUEUED, OutboxState.SENT, OutboxState.UNCERTAIN)
_ACCOUNT = "coalesce((SELECT value FROM account WHERE name = 'account'), '')"
_ENTRY = (
    "o.id, o.state, o.command, o.client_id, o.message_id, o.subject, o.recipients, o.created, o.size, o.attempts, "
    "o.sent_at, o.status, o.reason, o.save, o.template, coalesce(f.server_id, o.source_folder), "
    f"coalesce(m.server_id, o.source_item), o.replace, o.fallback, o.draft_id, o.account <> {_ACCOUNT}, "
    "o.change_id IS NOT NULL OR o.answer_id IS NOT NULL"
)
_FROM = "FROM outbox o LEFT JOIN messages m ON m.id = o.source AND m.gone = 0 LEFT JOIN folders f ON f.id = m.folder_id"


# Drafts.


def save_draft(database: Database, draft: Draft, now: float, licence: Licence | None = None) -> int:
    """Write a draft; attachments whose bytes are not here keep the name of their source. Its id. Raises `NotFound`.

    `licence`: see `SaveDraft`. A draft that was under one stays under it, whoever writes over it.
    """
    values = (
        draft.message_id, now, draft.kind.value, draft.subject,
        ", ".join(person.address for person in draft.recipients), json.dumps(draft_as_dict(draft)),
    )  # fmt: skip
    with database.transaction():
        number = draft.id
        if number is None:
            number = database.scalar(
                "INSERT INTO drafts (message_id, saved, kind, subject, recipients, content, account) "
                f"VALUES (?, ?, ?, ?, ?, ?, {_ACCOUNT}) RETURNING id",
                values,
            )
        else:
            cursor = database.execute(
                "UPDATE drafts SET message_id = ?, saved = ?, kind = ?, subject = ?, recipients = ?, content = ?, "
                "revision = revision + 1 WHERE id = ?",
                (*values, number),
            )
            if not cursor.rowcount:
                raise NotFound(f"there is no draft {number} in this store")
            database.execute("DELETE FROM draft_attachments WHERE draft_id = ?", (number,))
        if licence is not None:
            database.execute(
                "UPDATE drafts SET licence = ?, original = ? WHERE id = ?", (licence.to_json(), draft.original, number)
            )
        for position, attachment in enumerate(draft.attachments):
            if attachment.content is None:
                continue
            identifier = database.scalar(
                "INSERT INTO draft_attachments (draft_id, position, size) VALUES (?, ?, ?) RETURNING id",
                (number, position, attachment.size),
            )
            _store_blob(database, "draft", identifier, attachment.content)
    return int(number)


def load_draft(database: Database, draft_id: int) -> Draft:
    """A draft with its attachments. Raises `NotFound`."""
    row = database.one("SELECT content FROM drafts WHERE id = ?", (draft_id,))
    if row is None:
        raise NotFound(f"there is no draft {draft_id} in this store")
    kept: dict[int, int] = dict(
        database.all(
            "SELECT a.position, b.id FROM draft_attachments a JOIN blobs b ON b.kind = 'draft' AND b.item_id = a.id "
            "WHERE a.draft_id = ?",
            (draft_id,),
        )
    )
    contents = {position: spool.read_all(database, blob) for position, blob in kept.items()}
    return draft_from_dict(json.loads(row[0]), contents, draft_id)


def drafts(database: Database) -> list[StoredDraft]:
    """The drafts that are not on their way out, latest first."""
    rows = database.all(
        "SELECT d.id, d.kind, d.subject, d.recipients, d.saved, d.server_id, "
        "coalesce((SELECT sum(size) FROM draft_attachments WHERE draft_id = d.id), 0), "
        "(SELECT count(*) FROM draft_attachments WHERE draft_id = d.id) FROM drafts d "
        f"WHERE d.account = {_ACCOUNT} AND d.id NOT IN (SELECT draft_id FROM outbox WHERE draft_id IS NOT NULL) "
        "ORDER BY d.saved DESC, d.id DESC"
    )
    return [
        StoredDraft(row[0], DraftKind(row[1]), row[2], row[3], row[4], row[6], row[7], server_id=row[5]) for row in rows
    ]


def drop_draft(database: Database, draft_id: int) -> bool:
    """Remove a draft; one that waits in the outbox stays. True if it is gone. Raises `UsageError`."""
    with database.transaction():
        if database.scalar("SELECT 1 FROM outbox WHERE draft_id = ? AND state <> 'failed'", (draft_id,)):
            raise UsageError(f"draft {draft_id} waits in the outbox: take it back from there first")
        drop_copy(database, str(database.scalar("SELECT server_id FROM drafts WHERE id = ?", (draft_id,)) or ""))
        cursor = database.execute("DELETE FROM drafts WHERE id = ?", (draft_id,))
        database.execute("DELETE FROM outbox WHERE draft_id = ?", (draft_id,))
        return bool(cursor.rowcount)


def drop_copy(database: Database, server_id: str) -> None:
    """The draft was discarded or sent: its copy in the server's Drafts goes, here at once, there with the next run."""
    message = database.scalar(
        "SELECT m.id FROM messages m JOIN folders f ON f.id = m.folder_id WHERE f.type = ? AND m.server_id = ? "
        "AND m.server_id <> '' AND m.gone = 0",
        (int(FolderType.DRAFTS), server_id),
    )
    if message is not None:
        now = datetime.now(UTC).timestamp()
        mail_changes.change(database, ChangeMail(ChangeKind.DELETE, [message], now, permanent=True))


_NOT_WRITTEN = frozenset({"attachments", "id", "thread_index", "quote", "sender", "to", "cc", "bcc", "reply_to",
                          "invitation", "original_rights"})  # fmt: skip


def draft_as_dict(draft: Draft) -> dict[str, Any]:
    """A draft as JSON has it, without the bytes of its attachments."""
    plain = {entry.name: getattr(draft, entry.name) for entry in fields(Draft) if entry.name not in _NOT_WRITTEN}
    for name in ("to", "cc", "bcc", "reply_to"):
        plain[name] = [[person.name, person.address] for person in getattr(draft, name)]
    plain["sender"] = [draft.sender.name, draft.sender.address]
    plain["thread_index"] = draft.thread_index.hex()
    if draft.original_rights is not None:
        plain["original_rights"] = draft.original_rights.to_json()
    if draft.quote is not None:
        plain["quote"] = {entry.name: getattr(draft.quote, entry.name) for entry in fields(Quote)}
    if draft.invitation is not None:
        plain["invitation"] = {"method": draft.invitation.method, "calendar": draft.invitation.calendar.decode()}
    plain["attachments"] = [
        {
            "name": attachment.name,
            "content_type": attachment.content_type,
            "content_id": attachment.content_id,
            "source": attachment.source,
            "announced": attachment.announced,
            "origin": {"kind": type(attachment.origin).__name__, **asdict(attachment.origin)},
            "handed_over": attachment.handed_over,
        }
        for attachment in draft.attachments
    ]
    return plain


def draft_from_dict(plain: Mapping[str, Any], contents: Mapping[int, bytes], draft_id: int | None) -> Draft:
    """The draft that `draft_as_dict` wrote; fields of a later version are left out."""
    known = {entry.name for entry in fields(Draft)}
    values = {name: value for name, value in plain.items() if name in known}
    for name in ("to", "cc", "bcc", "reply_to"):
        values[name] = tuple(Address(*person) for person in plain.get(name, ()))
    values["sender"] = Address(*plain["sender"])
    values["kind"] = DraftKind(plain["kind"])
    values["references"] = tuple(plain.get("references", ()))
    values["headers"] = tuple((name, value) for name, value in plain.get("headers", ()))
    values["thread_index"] = bytes.fromhex(plain.get("thread_index", ""))
    values["quote"] = Quote(**plain["quote"]) if plain.get("quote") else None
    licence = plain.get("original_rights")
    values["original_rights"] = Licence.from_json(licence) if licence else None
    held = plain.get("invitation")
    values["invitation"] = Invitation(held["method"], held["calendar"].encode()) if held else None
    values["attachments"] = tuple(
        DraftAttachment(**{**attachment, "origin": _origin(attachment.get("origin"))}, content=contents.get(position))
        for position, attachment in enumerate(plain.get("attachments", ()))
    )
    return Draft(**{**values, "id": draft_id})


def _origin(plain: Mapping[str, Any] | None) -> Origin:
    values = dict(plain or {"kind": "App", "id": FILES.id})
    return App(**values) if values.pop("kind") == "App" else DocumentApp(**values)


# The outbox.


def queue(database: Database, batch: model.QueueMail) -> list[OutboxEntry]:
    """See `QueueMail`."""
    with database.transaction():
        there = database.all(
            f"SELECT id, state FROM outbox WHERE message_id = ? AND account = {_ACCOUNT}", (batch.message_id,)
        )
        if any(state not in (OutboxState.FAILED, OutboxState.QUEUED) for _, state in there):
            return [entry(database, number) for number, _ in there]
        database.executemany("DELETE FROM outbox WHERE id = ?", [(number,) for number, _ in there])
        draft_id = None
        if batch.draft is not None:
            draft_id = save_draft(database, batch.draft, batch.now, batch.licence)
        numbers = [_insert(database, batch, parcel, draft_id) for parcel in batch.parcels]
        return [entry(database, number) for number in numbers]


def _insert(database: Database, batch: model.QueueMail, parcel: model.Parcel, draft_id: int | None) -> int:
    source = None
    if parcel.source is not None:
        source = database.one(
            "SELECT f.server_id, m.server_id FROM messages m JOIN folders f ON f.id = m.folder_id WHERE m.id = ?",
            (parcel.source,),
        )
    number = database.scalar(
        "INSERT INTO outbox (account, state, command, client_id, message_id, subject, recipients, created, size, save, "
        "template, source, source_folder, source_item, replace, fallback, draft_id) "
        f"VALUES ({_ACCOUNT}, 'queued', {', '.join('?' * 15)}) RETURNING id",
        (
            parcel.command, secrets.token_hex(16), batch.message_id, batch.subject, batch.recipients, batch.now,
            len(parcel.mime), int(parcel.save), parcel.template, parcel.source, *(source or ("", "")),
            int(parcel.replace), int(parcel.complete is not None), draft_id,
        ),
    )  # fmt: skip
    _store_blob(database, "outbox", number, parcel.mime)
    if parcel.complete is not None:
        _store_blob(database, "outbox_complete", number, parcel.complete)
    return int(number)


_FOR = {"change_id": "it leaves when the server has taken the event",
        "answer_id": "it leaves when the server has taken the answer"}  # fmt: skip
"""What mail may wait for: a change of an event, an answer to a meeting request."""


def attach(database: Database, number: int, mails: Sequence[model.QueueMail], *, owner: str = "change_id") -> None:
    """Mail that leaves when the server has taken a change, in the place of what waited for it; in a transaction."""
    reason = _FOR[owner]
    database.execute(f"DELETE FROM outbox WHERE {owner} = ?", (number,))
    for mail in mails:
        for parcel in mail.parcels:
            entry_id = _insert(database, mail, parcel, None)
            database.execute(f"UPDATE outbox SET {owner} = ?, reason = ? WHERE id = ?", (number, reason, entry_id))


def release(database: Database, number: int, *, owner: str = "change_id") -> None:
    """The change is on a server that mails nobody by itself: what waits for it may leave; in a transaction."""
    database.execute(f"UPDATE outbox SET {owner} = NULL, reason = '' WHERE {owner} = ?", (number,))


def entries(database: Database, states: tuple[OutboxState, ...] = ()) -> list[OutboxEntry]:
    """See `OutboxEntries`."""
    where, values = "", ()
    if states:
        marks = ", ".join("?" * len(states))
        where = (
            f"WHERE o.state IN ({marks}) AND o.account = {_ACCOUNT} AND o.change_id IS NULL AND o.answer_id IS NULL "
        )
        values = tuple(state.value for state in states)  # type: ignore[assignment]
    return [_entry(row) for row in database.all(f"SELECT {_ENTRY} {_FROM} {where}ORDER BY o.id", values)]


def entry(database: Database, entry_id: int) -> OutboxEntry:
    """One message of the outbox. Raises `NotFound`."""
    row = database.one(f"SELECT {_ENTRY} {_FROM} WHERE o.id = ?", (entry_id,))
    if row is None:
        raise NotFound(f"there is no message {entry_id} in the outbox")
    return _entry(row)


def _entry(row: Row) -> OutboxEntry:
    return OutboxEntry(
        id=row[0], state=OutboxState(row[1]), command=row[2], client_id=row[3], message_id=row[4], subject=row[5],
        recipients=row[6], created=row[7], size=row[8], attempts=row[9], sent_at=row[10], status=row[11],
        reason=row[12], save=bool(row[13]), template=row[14], source_folder=row[15], source_item=row[16],
        replace=bool(row[17]), fallback=bool(row[18]), draft_id=row[19], held=bool(row[20]),
        waits=bool(row[21]),
    )  # fmt: skip


def content(database: Database, entry_id: int) -> bytes:
    """The MIME message of an entry. Raises `NotFound` for one that is confirmed, or held what expired."""
    blob = database.scalar("SELECT id FROM blobs WHERE kind = 'outbox' AND item_id = ?", (entry_id,))
    if blob is None:
        raise NotFound(f"message {entry_id} of the outbox has no content any more: it was sent, or it expired")
    return spool.read_all(database, blob)


def _mark_sent(database: Database, batch: model.MarkSent) -> bool:
    with database.transaction():
        cursor = database.execute(
            "UPDATE outbox SET state = 'sent', sent_at = ?, attempts = attempts + 1, reason = '', status = NULL "
            "WHERE id = ? AND state IN ('queued', 'sent', 'uncertain')",
            (batch.at, batch.entry_id),
        )
        return bool(cursor.rowcount)


def _settle(database: Database, batch: model.SettleMail) -> None:
    with database.transaction():
        database.execute(
            "UPDATE outbox SET state = ?, reason = ?, status = ?, attempts = attempts - ? WHERE id = ?",
            (
                batch.state.value,
                batch.reason,
                batch.status,
                int(not batch.attempted),
                batch.entry_id,
            ),
        )
        if batch.status == INVALID_TEMPLATE:  # what is known of the server's templates is out of date
            database.execute("DELETE FROM rights_templates")
        if batch.state is not OutboxState.CONFIRMED:
            return
        database.execute(
            "DELETE FROM blobs WHERE kind IN ('outbox', 'outbox_complete') AND item_id = ?", (batch.entry_id,)
        )
        _drop_sent_draft(database, batch.entry_id)
        database.execute(
            "DELETE FROM outbox WHERE state = 'confirmed' AND id NOT IN "
            "(SELECT id FROM outbox WHERE state = 'confirmed' ORDER BY id DESC LIMIT ?)",
            (KEPT_CONFIRMED,),
        )


def _drop_sent_draft(database: Database, entry_id: int) -> None:
    """The draft goes with the last of the parcels that were made of it."""
    draft_id = database.scalar("SELECT draft_id FROM outbox WHERE id = ?", (entry_id,))
    if draft_id is None:
        return
    left = database.scalar("SELECT count(*) FROM outbox WHERE draft_id = ? AND state <> 'confirmed'", (draft_id,))
    if not left:
        drop_copy(database, str(database.scalar("SELECT server_id FROM drafts WHERE id = ?", (draft_id,)) or ""))
        database.execute("UPDATE outbox SET draft_id = NULL WHERE draft_id = ?", (draft_id,))
        database.execute("DELETE FROM drafts WHERE id = ?", (draft_id,))


def _use_complete(database: Database, entry_id: int) -> None:
    with database.transaction():
        if database.scalar("SELECT fallback FROM outbox WHERE id = ?", (entry_id,)):
            database.execute("DELETE FROM blobs WHERE kind = 'outbox' AND item_id = ?", (entry_id,))
            database.execute(
                "UPDATE blobs SET kind = 'outbox' WHERE kind = 'outbox_complete' AND item_id = ?", (entry_id,)
            )
        database.execute(
            "UPDATE outbox SET command = 'SendMail', replace = 0, fallback = 0, state = 'queued', source = NULL, "
            "source_folder = '', source_item = '', "
            "size = (SELECT size FROM blobs WHERE kind = 'outbox' AND item_id = ?) WHERE id = ?",
            (entry_id, entry_id),
        )


def withdraw(database: Database, entry_id: int) -> int | None:
    """Take a message that did not leave out of the outbox; the id of its draft, which is in the list of drafts again.

    Raises `NotFound`, or `UsageError` for one that was or may have been sent.
    """
    with database.transaction():
        found = entry(database, entry_id)
        if found.state not in (OutboxState.QUEUED, OutboxState.FAILED):
            raise UsageError(f"message {entry_id} of the outbox is {found.state}: it cannot be taken back")
        if found.draft_id is None:
            # An answer to a meeting goes on without it.
            database.execute(
                "UPDATE answers SET reply = NULL WHERE id = (SELECT answer_id FROM outbox WHERE id = ?)", (entry_id,)
            )
            database.execute("DELETE FROM outbox WHERE id = ?", (entry_id,))
            return None
        siblings = entries(database)
        if any(e.draft_id == found.draft_id and e.state in _WAITING[1:] for e in siblings):
            raise UsageError(f"a part of message {entry_id} of the outbox was sent: it cannot be taken back")
        database.execute("DELETE FROM outbox WHERE draft_id = ?", (found.draft_id,))
        return found.draft_id


def drop_outgoing(database: Database) -> model.Dropped:
    """Remove all drafts and the outbox (`migrate_from_email_exchange_host`); what that was."""
    with database.transaction():
        waiting = database.all("SELECT subject FROM outbox WHERE state <> 'confirmed' ORDER BY id")
        written = database.all(
            "SELECT subject FROM drafts WHERE id NOT IN (SELECT draft_id FROM outbox WHERE draft_id IS NOT NULL) "
            "ORDER BY id"
        )
        database.execute("DELETE FROM outbox")
        database.execute("DELETE FROM drafts")
        return model.Dropped(tuple(row[0] for row in written), tuple(row[0] for row in waiting))


def _sent_candidates(database: Database, query: model.SentCandidates) -> list[Row] | None:
    folder = database.scalar("SELECT id FROM folders WHERE type = 5 AND sync_key <> '0' AND pass_open = 0")
    if folder is None:
        return None
    return database.all(
        "SELECT f.server_id, m.server_id FROM messages m JOIN folders f "
        "ON f.id = m.folder_id WHERE m.folder_id = ? AND m.gone = 0 "
        "AND (m.cached = 0 OR (m.received >= ? AND m.subject = ?)) ORDER BY m.id DESC LIMIT 50",
        (folder, query.since, query.subject),
    )


def _store_blob(database: Database, kind: str, item: int, data: bytes) -> None:
    blob = database.scalar("INSERT INTO blobs (kind, item_id, complete) VALUES (?, ?, 1) RETURNING id", (kind, item))
    writer = spool.BlobWriter(database, blob)
    writer.write(data)
    writer.flush()


APPLYING: Final[Handlers] = {
    model.SaveDraft: lambda database, batch: save_draft(database, batch.draft, batch.now, batch.licence),
    model.DropDraft: lambda database, batch: drop_draft(database, batch.draft_id),
    model.QueueMail: queue,
    model.MarkSent: _mark_sent,
    model.SettleMail: _settle,
    model.UseComplete: lambda database, batch: _use_complete(database, batch.entry_id),
    model.DropOutgoing: lambda database, _: drop_outgoing(database),
}
"""What the store does with the batches of `model.outbox`."""

LOADING: Final[Handlers] = {
    model.OutboxEntries: lambda database, query: entries(database, query.states),
    model.OutboxContent: lambda database, query: content(database, query.entry_id),
    model.SentCandidates: _sent_candidates,
}
"""What the store answers to the queries of `model.outbox`."""
