"""Drafts here and their copies in the server's Drafts folder (from 16.0 on).

The copy is a message like any other, in `messages`; the draft it belongs to knows its ServerId. What is saved here
gets a new revision, and waits until the server has that one. What the server says of a copy marks its draft, and is
taken over once its contents are here.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import replace
from typing import Final

from ..model import drafts as model
from ..model.changes import StoreContents, SyncWindows
from ..model.draft import Draft
from ..model.folder import FolderType
from ..model.message import addresses
from . import mail_changes, outbox, rights, spool
from .database import Database, Handlers

_ACCOUNT = "coalesce((SELECT value FROM account WHERE name = 'account'), '')"
_LIVE = f"d.account = {_ACCOUNT} AND d.id NOT IN (SELECT draft_id FROM outbox WHERE draft_id IS NOT NULL)"
_FOLDER = f"(SELECT id FROM folders WHERE type = {int(FolderType.DRAFTS)})"


def digest(draft: Draft) -> str:
    """The same for the same attachments."""
    made = hashlib.blake2b(digest_size=16)
    for attachment in draft.attachments:
        made.update(repr((attachment.name, attachment.content_id, attachment.size)).encode(errors="replace"))
        made.update(hashlib.blake2b(attachment.content or b"").digest())
    return made.hexdigest()


def waiting(database: Database) -> list[model.WaitingDraft]:
    """See `WaitingDrafts`."""
    rows = database.all(
        "SELECT d.id, d.client_id, d.server_id, d.revision, d.refs, d.files, d.theirs FROM drafts d "
        # What holds protected content stays here: there is no template for a draft on the server (MS-ASRM 2.2.2.19).
        f"WHERE {_LIVE} AND d.licence = '' AND d.revision <> d.known AND d.revision <> d.refused ORDER BY d.id"
    )
    found = []
    for number, client_id, server_id, revision, references, files, theirs in rows:
        draft = outbox.load_draft(database, number)
        if not client_id:
            client_id = secrets.token_hex(16)
            with database.transaction():
                database.execute("UPDATE drafts SET client_id = ? WHERE id = ?", (client_id, number))
        known = tuple(filter(None, references.split("\n")))
        found.append(
            model.WaitingDraft(number, draft, client_id, server_id, revision, known, digest(draft) != files, theirs)
        )
    return found


def _mark_sent(database: Database, batch: model.MarkDraftSent) -> None:
    with database.transaction():
        database.execute(
            "UPDATE drafts SET sent = CASE sent WHEN 0 THEN ? ELSE sent END WHERE id = ?",
            (batch.revision, batch.draft_id),
        )


def settle(database: Database, batch: model.SettleDraft) -> None:
    """See `SettleDraft`."""
    outcome = batch.outcome
    with database.transaction():
        if batch.windows:
            mail_changes.apply_windows(database, SyncWindows(list(batch.windows), batch.keep_content))
        row = database.one("SELECT sent, server_id FROM drafts WHERE id = ?", (outcome.draft_id,))
        if row is None:  # discarded meanwhile: its copy goes too
            outbox.drop_copy(database, outcome.server_id)
        elif outcome.refused:
            database.execute(
                "UPDATE drafts SET refused = ?, reason = ?, sent = 0 WHERE id = ?",
                (outcome.revision, outcome.refused, outcome.draft_id),
            )
        elif outcome.lost:
            _lost(database, outcome, row[1])
        else:
            _taken(database, outcome, first=not row[1], earlier=row[0])


def _taken(database: Database, outcome: model.DraftOutcome, *, first: bool, earlier: int) -> None:
    """The server has it. A repeated Add is answered for the first of its attempts, which may have said less."""
    known = earlier if first and earlier and earlier != outcome.revision else outcome.revision
    database.execute(
        "UPDATE drafts SET known = ?, sent = 0, refused = 0, reason = '', theirs = '', server_id = ? WHERE id = ?",
        (known, outcome.server_id, outcome.draft_id),
    )
    if outcome.files and known == outcome.revision:
        draft = outbox.load_draft(database, outcome.draft_id)
        database.execute(
            "UPDATE drafts SET refs = ?, files = ? WHERE id = ?",
            ("\n".join(outcome.references.values()), digest(draft), outcome.draft_id),
        )
        _contents(database, draft, outcome)


def _contents(database: Database, draft: Draft, outcome: model.DraftOutcome) -> None:
    """The bytes of the attachments are here already: the copy does not fetch them."""
    by_reference = {reference: int(client_id[-8:], 16) for client_id, reference in outcome.references.items()}
    rows = database.all(
        f"SELECT a.id, a.file_reference FROM attachments a JOIN messages m ON m.id = a.message_id "
        f"WHERE m.server_id = ? AND m.folder_id = {_FOLDER} AND a.state = 'pending'",
        (outcome.server_id,),
    )
    contents = []
    for number, reference in rows:
        position = by_reference.get(reference, -1)
        if 0 <= position < len(draft.attachments) and draft.attachments[position].content is not None:
            attachment = draft.attachments[position]
            contents.append((number, attachment.content or b"", attachment.content_type))
    spool.store_contents(database, StoreContents(contents))


def _lost(database: Database, outcome: model.DraftOutcome, server_id: str) -> None:
    """Both sides changed it."""
    if outcome.lost == "both":
        draft = outbox.load_draft(database, outcome.draft_id)
        domain = draft.message_id.rpartition("@")[2] or "emailplus"
        copy = replace(draft, id=None, message_id=f"{secrets.token_hex(16)}@{domain}")
        saved = database.scalar("SELECT saved FROM drafts WHERE id = ?", (outcome.draft_id,))
        outbox.save_draft(database, copy, saved, rights.of_draft(database, outcome.draft_id))
    if outcome.lost == "client":  # the copy is gone: ours is a new one
        _as_new(database, outcome.draft_id)
    else:  # from here on it is what the server has
        database.execute(
            "UPDATE drafts SET known = revision, sent = 0, theirs = CASE theirs WHEN '' THEN 'changed' ELSE theirs END "
            "WHERE id = ?",
            (outcome.draft_id,),
        )
        if not database.scalar(
            f"SELECT 1 FROM messages WHERE server_id = ? AND folder_id = {_FOLDER} AND gone = 0", (server_id,)
        ):
            database.execute("UPDATE drafts SET theirs = 'deleted' WHERE id = ?", (outcome.draft_id,))


def _as_new(database: Database, draft_id: int) -> None:
    database.execute(
        "UPDATE drafts SET server_id = '', client_id = '', known = 0, sent = 0, refused = 0, refs = '', files = '', "
        "theirs = '' WHERE id = ?",
        (draft_id,),
    )


def to_take(database: Database) -> list[model.ServerDraft]:
    """See `ServerDrafts`. An Add of ours whose answer was lost is recognised by what it says."""
    rows = database.all(
        "SELECT m.id, m.server_id, d.id, m.bcc, m.subject, m.recipients FROM messages m "
        f"LEFT JOIN drafts d ON d.server_id = m.server_id AND d.account = {_ACCOUNT} "
        f"WHERE m.folder_id = {_FOLDER} AND m.gone = 0 AND m.cached = 1 AND m.body_state IN ('stored', 'none') "
        "AND NOT EXISTS (SELECT 1 FROM attachments a WHERE a.message_id = m.id AND a.state = 'pending') "
        "AND (d.id IS NULL OR (d.theirs = 'changed' AND d.known = d.revision)) ORDER BY m.id"
    )
    lost = {
        (row[1], _addresses(row[2])): row[0]
        for row in database.all(
            f"SELECT d.id, d.subject, d.recipients FROM drafts d WHERE {_LIVE} AND d.server_id = '' AND d.sent > 0"
        )
    }
    found = []
    for message, server_id, draft, bcc, subject, recipients in rows:
        ours = lost.pop((subject, _addresses(f"{recipients}, {bcc}")), None) if draft is None else None
        if ours is not None:
            with database.transaction():
                database.execute(
                    "UPDATE drafts SET server_id = ?, known = sent, sent = 0 WHERE id = ?", (server_id, ours)
                )
            continue
        found.append(model.ServerDraft(message, server_id, draft, bcc or ""))
    return found


def _addresses(header: str) -> frozenset[str]:
    return frozenset(person.address.casefold() for person in addresses(header or "") if person.address)


def take(database: Database, batch: model.TakeDraft) -> int:
    """See `TakeDraft`."""
    with database.transaction():
        number = outbox.save_draft(database, batch.draft, batch.now)
        references = database.all(
            "SELECT a.file_reference FROM attachments a JOIN messages m ON m.id = a.message_id "
            f"WHERE m.server_id = ? AND m.folder_id = {_FOLDER} ORDER BY a.id",
            (batch.server_id,),
        )
        database.execute(
            "UPDATE drafts SET server_id = ?, known = revision, sent = 0, refused = 0, reason = '', theirs = '', "
            "refs = ?, files = ? WHERE id = ?",
            (batch.server_id, "\n".join(row[0] for row in references), digest(batch.draft), number),
        )
    return number


def forget_deleted(database: Database) -> list[str]:
    """See `ForgetDeletedDrafts`."""
    with database.transaction():
        rows = database.all(
            f"SELECT d.id, d.subject, d.known = d.revision FROM drafts d WHERE {_LIVE} AND d.theirs = 'deleted'"
        )
        for number, _, unchanged in rows:
            if unchanged:
                database.execute("DELETE FROM drafts WHERE id = ?", (number,))
            else:
                _as_new(database, number)
    return [subject for _, subject, unchanged in rows if not unchanged]


APPLYING: Final[Handlers] = {
    model.MarkDraftSent: _mark_sent,
    model.SettleDraft: settle,
    model.TakeDraft: take,
    model.ForgetDeletedDrafts: lambda database, _: forget_deleted(database),
}
"""What the store does with the batches of `model.drafts`."""

LOADING: Final[Handlers] = {
    model.WaitingDrafts: lambda database, _: waiting(database),
    model.ServerDrafts: lambda database, _: to_take(database),
}
"""What the store answers to its queries."""
