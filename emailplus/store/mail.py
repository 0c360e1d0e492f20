"""Applying Sync answers: items and their key in one transaction, nothing removed before a pass has proved it gone.

A full pass (after SyncKey 0) marks what it meets with its number. Only when it is complete do rows with an older number
go. A row that goes is first marked `gone` and stays hidden until the run ends: an Add with the same content takes it
over with its id, so a message that moved, or whose ServerIds the server made anew, stays the same message for us.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..model.changes import ForgetFolders, ItemChange, ResetCollections, SyncCounts, Window
from ..model.meeting import MeetingRequest
from ..model.message import Attachment, Message
from ..model.rights import Licence
from . import markings
from .database import Database, Row
from .values import dumps, loads

_COLUMNS = (
    "subject", "sender", "recipients", "cc", "bcc", "reply_to", "display_to", "received", "importance", "read",
    "flag_status", "message_class", "content_class", "thread_topic", "thread", "conversation_index",
    "internet_code_page", "native_body_type", "last_verb", "draft", "categories", "preview", "extra",
    "licence", "licence_expires", "body_type", "body_size", "body_state", "body_reason", "details", "meeting_uid",
    "fingerprint",
)  # fmt: skip
DETAILS = (
    "flag", "meeting", "last_verb_time", "received_as_bcc", "actual_sender", "account_id", "caller_id", "voice_notes",
    "body_part",
)  # fmt: skip
"""Attributes of `Message` that are shown, but neither searched nor sorted by: JSON in one column."""
_INSERT = (
    f"INSERT INTO messages (id, folder_id, server_id, pass, {', '.join(_COLUMNS)}) "
    f"VALUES ({', '.join('?' * (len(_COLUMNS) + 4))})"
)
_BODY_COLUMNS = frozenset({"body_type", "body_size", "body_state", "body_reason"})
_ATTACHMENT_COLUMNS = (
    "message_id, file_reference, name, size, method, content_id, content_location, content_type, inline, state, reason"
)
_INSERT_ATTACHMENT = f"INSERT INTO attachments ({_ATTACHMENT_COLUMNS}) VALUES ({', '.join('?' * 11)})"
_INSERT_BODY = "INSERT INTO bodies (message_id, data) VALUES (?, ?)"
_BATCH = 400

_COLUMN_OF = {
    "to": "recipients", "subject": "subject", "sender": "sender", "cc": "cc", "bcc": "bcc", "reply_to": "reply_to",
    "display_to": "display_to", "importance": "importance", "read": "read", "flag_status": "flag_status",
    "message_class": "message_class", "content_class": "content_class", "thread_topic": "thread_topic",
    "internet_code_page": "internet_code_page", "native_body_type": "native_body_type", "last_verb": "last_verb",
    "draft": "draft", "preview": "preview", "conversation_index": "conversation_index", "extra": "extra",
}  # fmt: skip
"""Attribute of `Message` -> column, where the value is stored as it is."""

_EMPTIED: dict[str, Any] = {"to": "", "cc": "", "bcc": "", "reply_to": "", "attachments": []}
"""What a Change that tells all of a draft leaves out is empty: nobody else's mail loses its recipients."""

_PREFIX = re.compile(r"^\s*((re|aw|fw|fwd|wg|sv|vs|tr|rv|antw)\s*(\[\d+\])?\s*:\s*)+", re.IGNORECASE)


def reset(database: Database, batch: ResetCollections) -> None:
    """Forget the keys; items stay."""
    if batch.folder_ids:
        marks = ", ".join("?" * len(batch.folder_ids))
        database.execute(
            f"UPDATE folders SET sync_key = '0', pass_open = 0 WHERE id IN ({marks})", tuple(batch.folder_ids)
        )
    else:
        database.execute("UPDATE folders SET sync_key = '0', pass_open = 0")


def forget_folders(database: Database, batch: ForgetFolders) -> None:
    """See `ForgetFolders`."""
    with database.transaction():
        reset(database, ResetCollections(batch.folder_ids))
        database.executemany(
            "DELETE FROM messages WHERE folder_id = ? AND id NOT IN "
            "(SELECT message_id FROM mail_changes WHERE message_id IS NOT NULL)",
            [(folder,) for folder in batch.folder_ids],
        )


def forget_contents(database: Database) -> int:
    """Keep ids only from now on (`disabled_features` = local_cache_all); how many messages were kept before."""
    with database.transaction():
        rows = database.all("SELECT folder_id, server_id, pass FROM messages WHERE cached = 1 AND gone = 0")
        database.execute("DELETE FROM messages WHERE cached = 1")
        database.executemany(
            "INSERT OR IGNORE INTO messages (folder_id, server_id, pass, cached) VALUES (?, ?, ?, 0)", rows
        )
    return len(rows)


class MailKeeper:
    """Mail as `emailplus.store.passes` keeps it."""

    table = "messages"
    dated = True

    def add(self, database: Database, window: Window, number: int, keep: bool, counts: SyncCounts) -> None:
        _add(database, window.added, window.folder_id, number, keep, counts)

    def change(
        self, database: Database, change: ItemChange, window: Window, number: int, keep: bool, counts: SyncCounts
    ) -> None:
        _change(database, change, window.folder_id, number, keep, counts)

    def settle(self, database: Database, window: Window, number: int) -> None:
        """Mail's own changes are settled by the outbox."""


def _add(database: Database, messages: list[Message], folder: int, number: int, keep: bool, counts: SyncCounts) -> None:
    if not messages:
        return
    known = _known(database, folder, [message.server_id for message in messages])
    if database.scalar("SELECT 1 FROM quarantine WHERE folder_id = ? LIMIT 1", (folder,)):
        database.executemany(
            "DELETE FROM quarantine WHERE folder_id = ? AND server_id = ?",
            [(folder, message.server_id) for message in messages],
        )
    if not keep:
        for message in messages:
            counts.added += message.server_id not in known
            _add_id(database, folder, message.server_id, number)
            known[message.server_id] = 0
        return
    rows = [(message, _values(message)) for message in messages]
    twins = _twins(database, folder, number, rows, known)
    fresh = _Fresh(database, folder, number)
    for message, values in rows:
        present = known.get(message.server_id)
        waiting = twins.get(values[-1]) if present is None else None
        if waiting:
            present = waiting.pop(0)
        if present is None:
            counts.added += 1
            known[message.server_id] = fresh.take(message, values)
            continue
        known[message.server_id] = present
        if present in fresh:  # named twice in one answer
            fresh.write()
        if _replace(database, present, message, values, folder, number):
            counts.changed += 1
        else:
            counts.unchanged += 1
    fresh.write()


class _Fresh:
    """New messages of one window, written together: a statement a table instead of three a message.

    Their ids are chosen here. ``RETURNING`` would build a temporary table for every row, which costs as much as the
    row; AUTOINCREMENT never gives an id again, chosen by us or not.
    """

    def __init__(self, database: Database, folder: int, number: int) -> None:
        self._database, self._folder, self._number = database, folder, number
        self._first = self._next = 1 + (database.scalar("SELECT seq FROM sqlite_sequence WHERE name = 'messages'") or 0)
        self._messages: list[Row] = []
        self._bodies: list[Row] = []
        self._attachments: list[Row] = []
        self._marked: list[tuple[int, Message]] = []

    def __contains__(self, local_id: int) -> bool:
        return local_id >= self._first

    def take(self, message: Message, values: Row) -> int:
        """Put a message in line; its id."""
        local_id = self._next
        self._next += 1
        self._messages.append((local_id, self._folder, message.server_id, self._number, *values))
        if _has_inline_body(message) and message.body is not None:
            self._bodies.append((local_id, message.body.data))
        self._attachments += [_attachment_row(local_id, attachment) for attachment in message.attachments]
        if message.marking is not None:
            self._marked.append((local_id, message))
        return local_id

    def write(self) -> None:
        """Write what is in line."""
        if self._messages:
            self._database.executemany(_INSERT, self._messages)
            self._database.executemany(_INSERT_BODY, self._bodies)
            self._database.executemany(_INSERT_ATTACHMENT, self._attachments)
            markings.write(self._database, self._marked)
        self._first = self._next
        self._messages, self._bodies, self._attachments, self._marked = [], [], [], []


def _known(database: Database, folder: int, server_ids: list[str]) -> dict[str, int]:
    """ServerId -> local id, for those that the folder has."""
    found: dict[str, int] = {}
    for start in range(0, len(server_ids), _BATCH):
        part = server_ids[start : start + _BATCH]
        marks = ", ".join("?" * len(part))
        query = f"SELECT server_id, id FROM messages WHERE folder_id = ? AND server_id IN ({marks})"
        found.update(database.all(query, (folder, *part)))
    return found


def _twins(
    database: Database, folder: int, number: int, rows: list[tuple[Message, Row]], known: dict[str, int]
) -> dict[bytes, list[int]]:
    """Fingerprint -> rows with that content that are off the server, or that an open pass has not met.

    A row whose own ServerId is in this answer too is there for that message alone.
    """
    candidates = [values[-1] for message, values in rows if values[-1] is not None and message.server_id not in known]
    wanted = list(dict.fromkeys(candidates))  # asked for twice, a row would be given twice
    taken = set(known.values())
    found: dict[bytes, list[int]] = {}
    for start in range(0, len(wanted), _BATCH):
        part = wanted[start : start + _BATCH]
        marks = ", ".join("?" * len(part))
        query = (
            "SELECT m.fingerprint, m.id FROM messages m JOIN folders f ON f.id = m.folder_id "
            f"WHERE m.fingerprint IN ({marks}) "
            "AND (m.gone = 1 OR (m.folder_id = ? AND f.pass_open = 1 AND m.pass < ?)) ORDER BY m.id"
        )
        for fingerprint, local_id in database.all(query, (*part, folder, number)):
            if local_id not in taken:
                found.setdefault(bytes(fingerprint), []).append(local_id)
    return found


def _add_id(database: Database, folder: int, server_id: str, number: int) -> None:
    """Keep the id of an item only; what was kept of it before goes."""
    database.execute("DELETE FROM messages WHERE folder_id = ? AND server_id = ? AND cached = 1", (folder, server_id))
    database.execute(
        "INSERT INTO messages (folder_id, server_id, pass, cached) VALUES (?, ?, ?, 0) "
        "ON CONFLICT (folder_id, server_id) DO UPDATE SET pass = excluded.pass, gone = 0",
        (folder, server_id, number),
    )


def _replace(database: Database, local_id: int, message: Message, values: Row, folder: int, number: int) -> bool:
    """Bring a row up to what the server says now; True if anything a user sees changed.

    A body or attachment that is here already in full stays, so that a second pass fetches nothing twice.
    """
    old = database.one(f"SELECT {', '.join(_COLUMNS)}, server_id, folder_id FROM messages WHERE id = ?", (local_id,))
    if old is None:
        raise LookupError(local_id)
    new = dict(zip(_COLUMNS, values, strict=True))
    before = dict(zip(_COLUMNS, old, strict=False))
    same_mail = before["fingerprint"] is not None and before["fingerprint"] == new["fingerprint"]
    if before["licence"] and not new["licence"]:
        same_mail = False  # what the server had opened is under its licence, and does not stay without it
    keeps_body = same_mail and _has_body(database, local_id, message, before["body_state"], before["body_type"])
    if keeps_body:
        new.update({name: before[name] for name in _BODY_COLUMNS})
    changed = any(before[name] != new[name] for name in _COLUMNS)
    database.execute(
        f"UPDATE messages SET {', '.join(f'{name} = ?' for name in _COLUMNS)}, server_id = ?, folder_id = ?, "
        "pass = ?, gone = 0, cached = 1 WHERE id = ?",
        (*new.values(), message.server_id, folder, number, local_id),
    )
    if old[-2:] != (message.server_id, folder):
        _follow(database, local_id, new, message.server_id, folder)
    if not keeps_body:
        database.execute("UPDATE messages SET body_blob = NULL, examined = 0 WHERE id = ?", (local_id,))
        database.execute("DELETE FROM blobs WHERE kind = 'body' AND item_id = ?", (local_id,))
        database.execute("DELETE FROM bodies WHERE message_id = ?", (local_id,))
        _store_body(database, local_id, message)
    changed |= _replace_attachments(database, local_id, message.attachments, keep=same_mail)
    markings.write(database, [(local_id, message)], known=True)
    if changed:
        unindex(database, local_id)
    return changed


def _follow(database: Database, local_id: int, served: dict[str, Any], server_id: str, folder: int) -> None:
    """A message that was moved elsewhere takes along what waits here to be done with it."""
    database.execute(
        "UPDATE mail_changes SET folder_id = ?, server_id = ?, attempts = 0, before = CASE kind WHEN 'read' THEN ? "
        "WHEN 'flag' THEN ? WHEN 'categories' THEN ? ELSE before END WHERE message_id = ? AND state = 'queued' "
        "AND kind <> 'move'",
        (folder, server_id, str(served["read"]), str(served["flag_status"]), served["categories"], local_id),
    )
    database.execute(
        "DELETE FROM mail_changes WHERE message_id = ? AND state = 'queued' AND value = before "
        "AND kind IN ('read', 'flag', 'categories')",
        (local_id,),
    )


def _has_body(database: Database, local_id: int, message: Message, state: str, form: int) -> bool:
    """Whether the stored body is the one announced: the same bytes, or one fetched apart after the server cut it."""
    body = message.body
    if state != "stored" or body is None or body.type != form or message.body_state not in ("stored", "pending"):
        return False
    if message.body_state == "pending":
        return True
    inline = database.scalar("SELECT data FROM bodies WHERE message_id = ?", (local_id,))
    return bytes(inline or b"") == body.data


def _store_body(database: Database, local_id: int, message: Message) -> None:
    if message.body is not None and _has_inline_body(message):
        database.execute(_INSERT_BODY, (local_id, message.body.data))


def _has_inline_body(message: Message) -> bool:
    return message.body is not None and message.body_state == "stored" and bool(message.body.data)


def _store_attachments(database: Database, local_id: int, attachments: Iterable[Attachment]) -> None:
    rows = [_attachment_row(local_id, attachment) for attachment in attachments]
    if rows:
        database.executemany(_INSERT_ATTACHMENT, rows)


def _attachment_row(local_id: int, a: Attachment) -> Row:
    return (
        local_id, a.file_reference, a.name, a.size, a.method, a.content_id, a.content_location, a.content_type,
        int(a.inline), a.state, a.reason,
    )  # fmt: skip


def _replace_attachments(database: Database, local_id: int, attachments: list[Attachment], *, keep: bool) -> bool:
    """Match by name, size and ContentId; what matches keeps its content and takes the new FileReference.

    `keep` False: it is not sure that this is the same mail, so nothing is taken over.
    """
    if not keep:
        database.execute("DELETE FROM attachments WHERE message_id = ?", (local_id,))
    left: dict[tuple[str, int, str], list[int]] = {}
    for row in database.all(
        "SELECT id, name, size, content_id FROM attachments WHERE message_id = ? ORDER BY id DESC", (local_id,)
    ):
        left.setdefault((row[1], row[2], row[3]), []).append(row[0])
    fresh = []
    for attachment in attachments:
        same = left.get((attachment.name, attachment.size, attachment.content_id))
        if same:
            database.execute(
                "UPDATE attachments SET file_reference = ? WHERE id = ?", (attachment.file_reference, same.pop())
            )
        else:
            fresh.append(attachment)
    stale = [(identifier,) for identifiers in left.values() for identifier in identifiers]
    database.executemany("DELETE FROM attachments WHERE id = ?", stale)
    _store_attachments(database, local_id, fresh)
    return bool(fresh or stale)


def _change(database: Database, change: ItemChange, folder: int, number: int, keep: bool, counts: SyncCounts) -> None:
    """Apply a Change: what it does not name stays as it is (absent is not empty)."""
    database.execute("DELETE FROM quarantine WHERE folder_id = ? AND server_id = ?", (folder, change.server_id))
    local_id = database.scalar(
        "SELECT id FROM messages WHERE folder_id = ? AND server_id = ?", (folder, change.server_id)
    )
    if local_id is None:
        return  # it left the store by the sync period while the server still counted it
    if not keep:
        counts.changed += 1
        return
    if change.values.get("draft") and "body" in change.values:
        change = ItemChange(change.server_id, {**_EMPTIED, **change.values})
    values = {_COLUMN_OF[name]: value for name, value in change.values.items() if name in _COLUMN_OF}
    for name in ("read", "draft"):
        if name in values:
            values[name] = int(values[name])
    if any(name in change.values for name in DETAILS):
        before = database.scalar("SELECT details FROM messages WHERE id = ?", (local_id,))
        values["details"] = _details(change.values, before)
    if "meeting" in change.values:
        values["meeting_uid"] = _meeting_uid(change.values["meeting"])
    if "categories" in change.values:
        values["categories"] = "\n".join(change.values["categories"])
    if "rights" in change.values:
        values["licence"], values["licence_expires"] = _licence(change.values["rights"])
    if change.values.get("received") is not None:
        values["received"] = change.values["received"].timestamp()
    if change.values.get("conversation_id"):
        values["thread"] = change.values["conversation_id"].hex()
    body = change.values.get("body")
    probe = Message(body=body, body_state=change.values.get("body_state", "none"))
    if body is not None and (body.data or probe.body_state != "none"):
        values |= {
            "body_type": body.type, "body_size": body.size, "body_state": probe.body_state,
            "body_reason": change.values.get("body_reason", ""), "body_blob": None,
        }  # fmt: skip
        database.execute("DELETE FROM blobs WHERE kind = 'body' AND item_id = ?", (local_id,))
        database.execute("DELETE FROM bodies WHERE message_id = ?", (local_id,))
        _store_body(database, local_id, probe)
    if values:
        assignments = ", ".join(f"{name} = ?" for name in values)
        database.execute(f"UPDATE messages SET {assignments} WHERE id = ?", (*values.values(), local_id))
    if "attachments" in change.values:
        _replace_attachments(database, local_id, change.values["attachments"], keep=True)
    if values.keys() - {"details", "read", "flag_status", "importance", "last_verb", "categories"}:
        unindex(database, local_id)
    database.execute("UPDATE messages SET pass = ?, gone = 0 WHERE id = ?", (number, local_id))
    counts.changed += 1


def refresh(database: Database, local_id: int, message: Message) -> None:
    """Bring body, attachments and licence of a row up to what was just fetched."""
    row = database.one("SELECT folder_id, server_id, pass FROM messages WHERE id = ?", (local_id,))
    if row is None:
        return
    values: dict[str, Any] = {"rights": message.rights, "body": message.body, "body_state": "stored"}
    if message.attachments:
        values["attachments"] = message.attachments
        database.execute(
            "UPDATE attachments SET state = 'pending' WHERE message_id = ? AND state = 'expired'", (local_id,)
        )
    _change(database, ItemChange(row[1], values), row[0], row[2], True, SyncCounts())


def unindex(database: Database, local_id: int) -> None:
    """Take a message out of the full-text index; the next `IndexMessages` takes it in again."""
    if database.scalar("SELECT indexed FROM messages WHERE id = ?", (local_id,)):
        database.execute("DELETE FROM search WHERE rowid = ?", (local_id,))
        database.execute("UPDATE messages SET indexed = 0 WHERE id = ?", (local_id,))


def _values(message: Message) -> Row:
    """Column values in the order of `_COLUMNS`."""
    body = message.body
    received = message.received.timestamp() if message.received is not None else None
    return (
        message.subject, message.sender, message.to, message.cc, message.bcc, message.reply_to, message.display_to,
        received, message.importance, int(message.read), message.flag_status, message.message_class,
        message.content_class, message.thread_topic, _thread(message), message.conversation_index,
        message.internet_code_page, message.native_body_type, message.last_verb, int(message.draft),
        "\n".join(message.categories), message.preview, message.extra, *_licence(message.rights),
        body.type if body else 0, body.size if body else 0, message.body_state, message.body_reason,
        _details(message.__dict__), _meeting_uid(message.meeting), _fingerprint(message, received),
    )  # fmt: skip


def _licence(licence: Licence | None) -> tuple[str, float | None]:
    """The two columns of a licence."""
    if licence is None:
        return "", None
    return licence.to_json(), licence.expires.timestamp() if licence.expires is not None else None


def _details(values: Mapping[str, Any], before: str = "") -> str:
    """The details among some attributes, over those that are there."""
    named = {name: values[name] for name in DETAILS if name in values}
    if not named:
        return before
    kept = {**(loads(before) if before else {}), **named}
    kept = {name: value for name, value in kept.items() if value}
    return dumps(kept) if kept else ""


def _meeting_uid(meeting: MeetingRequest | None) -> str:
    return meeting.uid if meeting is not None else ""


def _thread(message: Message) -> str:
    """The conversation: the server's ConversationId (14.0 on), or the topic without its reply prefixes."""
    if message.conversation_id:
        return message.conversation_id.hex()
    return _PREFIX.sub("", message.thread_topic or message.subject).strip().casefold()


def _fingerprint(message: Message, received: float | None) -> bytes | None:
    """The same for the same mail under another ServerId; None where too little is known to say so."""
    if received is None or not (message.subject or message.sender):
        return None
    attachments = ";".join(f"{a.name}:{a.size}" for a in message.attachments)
    facts = "\0".join((message.subject, message.sender, message.to, repr(received), attachments))
    return hashlib.blake2b(facts.encode(errors="replace") + message.conversation_index, digest_size=12).digest()
