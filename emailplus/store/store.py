"""The store: applies what flows commit, answers what they load, and lets a mailbox be read.

Everything about one mailbox lies in one encrypted file; see `database` for the file, `mail` for synchronisation,
`spool` for contents, `index` and `search` for finding.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

from ..errors import NotFound
from ..mime.brief import announced_part, view
from ..mime.html_text import linear
from ..mime.parts import Part
from ..mime.source import Source, Windowed
from ..model import changes, queries
from ..model.folder import CLASS_OF_TYPE, ITEM_TYPES, MAIL_TYPES, Collection, Folder, FolderType
from ..model.message import BodyType, StoredAttachment, StoredMessage
from ..policy.server_policy import ServerPolicy
from . import (
    answers,
    attempts,
    certificates,
    classification,
    diagnosis,
    drafts,
    ews,
    index,
    item_changes,
    item_moves,
    items,
    mail,
    mail_changes,
    markings,
    outbox,
    pictures,
    push,
    rights,
    settings,
    sign_in,
    spool,
    watch,
)
from .database import Database, Handlers
from .keys import KeyProvider, as_provider
from .schema.keychain import NAMES as KEYCHAIN_TABLES
from .values import loads

HELD = 4 << 20
"""Bytes of a body that are read whole where parts of it are wanted; what is larger is read where it lies."""
_MESSAGE = (
    "m.id, f.name, m.server_id, m.subject, m.sender, m.recipients, m.cc, m.reply_to, m.received, m.importance, "
    "m.read, m.flag_status, m.message_class, m.thread, m.thread_topic, m.categories, m.preview, m.body_size, "
    "m.body_type, m.body_state, m.body_reason, m.details, m.licence"
)


class Store:
    """One mailbox at rest."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.unwrap: index.Unwrap = index.as_it_is
        """What protected mail is indexed by; a mailbox sets it."""
        self.shown: Callable[[StoredMessage], StoredMessage] | None = None
        """What is shown of a message, e.g. what lies inside its protection; a mailbox sets it."""

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        key: KeyProvider | bytes | str,
        *,
        create: bool = True,
        lock: bool = False,
    ) -> Store:
        """Open or make a store. Raises as `Database.open`, and `PolicyDenied` after too many wrong passphrases."""
        provider = as_provider(key)
        with attempts.counted(Path(path), provider):
            return cls(Database.open(path, provider, create=create, lock=lock))

    def close(self) -> None:
        self.database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def path(self) -> Path:
        return self.database.path

    # What flows write and read.

    def apply(self, batch: Any) -> Any:
        """Write one batch of `model.changes` in one transaction; the result is the one its class documents."""
        return _APPLY[type(batch)](self, batch)

    def load(self, query: Any) -> Any:
        """Answer one of `model.queries`."""
        return _LOAD[type(query)](self, query)

    def blob_writer(self, blob: int) -> spool.BlobWriter:
        return spool.BlobWriter(self.database, blob)

    def _save_account(self, batch: changes.SaveAccount) -> None:
        if "policy" in batch.values:
            written = batch.values["policy"]
            policy = ServerPolicy.from_json(written) if written is not None else ServerPolicy()
            attempts.set_limit(self.path, policy.failed_attempts)
        with self.database.transaction():
            for name, value in batch.values.items():
                if value is None:
                    self.database.execute("DELETE FROM account WHERE name = ?", (name,))
                else:
                    self.database.execute("INSERT OR REPLACE INTO account (name, value) VALUES (?, ?)", (name, value))

    def account(self) -> dict[str, str]:
        """The facts about the account that outlive a run."""
        return dict(self.database.all("SELECT name, value FROM account"))

    def _folder_changes(self, batch: changes.FolderChanges) -> None:
        with self.database.transaction():
            for folder in (*batch.added, *batch.updated):
                self.database.execute(
                    "INSERT INTO folders (server_id, parent_id, name, type) VALUES (?, ?, ?, ?) "
                    "ON CONFLICT (server_id) DO UPDATE SET parent_id = excluded.parent_id, name = excluded.name, "
                    "type = excluded.type",
                    (folder.server_id, folder.parent_id, folder.name, folder.type),
                )
            gone = list(batch.deleted)
            if batch.full:
                named = {folder.server_id for folder in batch.added}
                gone += [row[0] for row in self.database.all("SELECT server_id FROM folders") if row[0] not in named]
            self.database.executemany("DELETE FROM folders WHERE server_id = ?", [(name,) for name in gone])
            self._save_account(changes.SaveAccount({"folder_sync_key": batch.sync_key}))

    def _mail_collections(self) -> list[Collection]:
        return self._collections(MAIL_TYPES)

    def _collections(self, types: frozenset[int]) -> list[Collection]:
        marks = ", ".join(str(number) for number in sorted(types))
        rows = self.database.all(
            "SELECT f.id, f.server_id, f.name, f.type, f.sync_key, f.options, f.pass_open, coalesce(p.name, '') "
            f"FROM folders f LEFT JOIN folders p ON p.server_id = f.parent_id WHERE f.type IN ({marks}) "
            "ORDER BY f.type <> 2, f.id"
        )
        return [Collection(*(*row[:6], bool(row[6]), row[7])) for row in rows]

    def _pending_fetches(self, query: queries.PendingFetches) -> list[queries.PendingFetch]:
        kind, after = query.after
        found: list[queries.PendingFetch] = []
        if kind == 0:
            rows = self.database.all(
                "SELECT m.id, m.id, f.server_id, m.server_id, '', m.body_size, m.subject, '' FROM messages m "
                "JOIN folders f ON f.id = m.folder_id WHERE m.body_state = 'pending' AND m.gone = 0 AND m.id > ? "
                "ORDER BY m.id LIMIT ?",
                (after, query.limit),
            )
            found += [queries.PendingFetch(*("body", *row, (0, row[0]))) for row in rows]
            after = 0
        rows = self.database.all(
            "SELECT a.id, m.id, f.server_id, m.server_id, a.file_reference, a.size, m.subject, a.name "
            "FROM attachments a JOIN messages m ON m.id = a.message_id JOIN folders f ON f.id = m.folder_id "
            "WHERE a.state = 'pending' AND m.gone = 0 AND a.id > ? ORDER BY a.id LIMIT ?",
            (after, query.limit - len(found)),
        )
        return found + [queries.PendingFetch(*("attachment", *row, (1, row[0]))) for row in rows]

    def _old_quarantine(self, query: queries.OldQuarantine) -> list[queries.OldItem]:
        rows = self.database.all(
            "SELECT q.folder_id, f.sync_key, f.options, q.server_id, q.raw, f.type FROM quarantine q "
            "JOIN folders f ON f.id = q.folder_id WHERE q.version <> ? AND f.sync_key <> '0' LIMIT 200",
            (query.version,),
        )
        return [
            queries.OldItem(row[0], row[1], row[2], row[3], row[4], CLASS_OF_TYPE.get(row[5], "Email")) for row in rows
        ]

    def _review_limits(self, batch: changes.ReviewLimits) -> None:
        body = batch.max_body if batch.max_body is not None else 1 << 62
        attachment = batch.max_attachment if batch.max_attachment is not None else 1 << 62
        run = self.database.execute
        with self.database.transaction():
            run(
                "UPDATE messages SET body_state = 'pending', body_reason = '', told = 0 "
                "WHERE body_state = 'refused' AND body_size <= ?",
                (body,),
            )
            run(
                "UPDATE attachments SET state = 'pending', reason = '', told = 0 WHERE state = 'refused' AND size <= ?",
                (attachment,),
            )
            for row in self.database.all(
                "SELECT id FROM messages WHERE body_state = 'stored' AND body_size > ?", (body,)
            ):
                self._drop_body(row[0])
                run(
                    "UPDATE messages SET body_state = 'refused', body_reason = ? WHERE id = ?",
                    (batch.body_reason, row[0]),
                )
            for number, message_id, blob in self.database.all(
                "SELECT id, message_id, blob FROM attachments WHERE state = 'stored' AND size > ?", (attachment,)
            ):
                run("DELETE FROM blobs WHERE kind = 'attachment' AND item_id = ?", (number,))
                run(
                    "UPDATE attachments SET state = 'refused', reason = ?, blob = NULL WHERE id = ?",
                    (batch.attachment_reason, number),
                )
                if blob is None and self._drop_body(message_id):
                    # It was inside the MIME: the text is fetched in its place, as for new mail (`policy.contents`).
                    run("UPDATE messages SET body_state = 'pending', body_type = 2 WHERE id = ?", (message_id,))

    def _drop_body(self, message_id: int) -> bool:
        """Remove a stored body; attachments that were only inside it have to come apart. False: none was stored."""
        run = self.database.execute
        if self.database.scalar("SELECT body_state FROM messages WHERE id = ?", (message_id,)) != "stored":
            return False
        mail.unindex(self.database, message_id)
        run("DELETE FROM bodies WHERE message_id = ?", (message_id,))
        run("DELETE FROM blobs WHERE kind = 'body' AND item_id = ?", (message_id,))
        run("UPDATE messages SET body_blob = NULL WHERE id = ?", (message_id,))
        run(
            "UPDATE attachments SET state = 'pending' WHERE message_id = ? AND state = 'stored' AND blob IS NULL",
            (message_id,),
        )
        return True

    def _take_troubles(self) -> list[changes.Trouble]:
        with self.database.transaction():
            rows = self.database.all(
                "SELECT 'body', m.body_state, m.id, f.name, m.subject, '', m.body_size, m.body_reason, m.told = 0 "
                "FROM messages m JOIN folders f ON f.id = m.folder_id "
                "WHERE m.body_state IN ('refused', 'failed') AND m.gone = 0 "
                "UNION ALL "
                "SELECT 'attachment', a.state, m.id, f.name, m.subject, a.name, a.size, a.reason, a.told = 0 "
                "FROM attachments a JOIN messages m ON m.id = a.message_id JOIN folders f ON f.id = m.folder_id "
                "WHERE a.state IN ('refused', 'failed') AND m.gone = 0 "
                "UNION ALL "
                "SELECT 'item', 'quarantined', 0, f.name, q.server_id, '', length(q.raw), q.error, q.told = 0 "
                "FROM quarantine q JOIN folders f ON f.id = q.folder_id "
                "UNION ALL "
                "SELECT 'change', 'failed', i.id, f.name, i.title, c.kind, 0, c.reason, c.told = 0 FROM item_changes c "
                "JOIN items i ON i.id = c.item_id JOIN folders f ON f.id = c.folder_id WHERE c.state = 'failed'"
            )
            self.database.execute("UPDATE item_changes SET told = 1 WHERE state = 'failed'")
            self.database.execute("UPDATE messages SET told = 1 WHERE body_state IN ('refused', 'failed')")
            self.database.execute("UPDATE attachments SET told = 1 WHERE state IN ('refused', 'failed')")
            self.database.execute("UPDATE quarantine SET told = 1")
        return [changes.Trouble(*(*row[:8], bool(row[8]))) for row in rows]

    def _end_run(self, batch: changes.EndRun) -> int:
        if batch.now is not None:
            rights.purge(self.database, batch.now)
        with self.database.transaction():
            self.database.execute("DELETE FROM messages WHERE gone = 1")
            self.database.execute("DELETE FROM items WHERE gone = 1")
            removed = 0
            if batch.cutoff is not None:
                cursor = self.database.execute(
                    "DELETE FROM messages WHERE received IS NOT NULL AND received < ? "
                    "AND folder_id IN (SELECT id FROM folders WHERE pass_open = 0 AND type <> ?) "
                    "AND id NOT IN (SELECT message_id FROM answers WHERE state <> 'failed')",
                    (batch.cutoff, int(FolderType.DRAFTS)),
                )
                removed = max(0, int(cursor.rowcount))
            index.forget_if_empty(self.database)
        self.database.all("PRAGMA incremental_vacuum(2000)")  # a page for each row of the answer
        return removed

    def _forget_contents(self) -> int:
        with self.database.transaction():
            forgotten = mail.forget_contents(self.database)
            index.forget_if_empty(self.database)
        return forgotten

    def _wipe(self, batch: changes.Wipe) -> None:
        if not batch.account_only:
            self.database.destroy()
            return
        attempts.set_limit(self.path, None)
        with self.database.transaction():
            self.database.execute("DELETE FROM folders")
            answers.forget(self.database)
            outbox.drop_outgoing(self.database)
            self.database.execute("DELETE FROM blobs")
            self.database.execute("DELETE FROM account")
            for table in KEYCHAIN_TABLES:
                self.database.execute(f"DELETE FROM {table}")
            settings.forget(self.database)
            pictures.forget(self.database)
            watch.forget(self.database)
            rights.forget(self.database)
            push.forget(self.database)
            sign_in.forget(self.database)
            ews.wipe(self.database)
            diagnosis.forget_all(self.database)
            index.forget_if_empty(self.database)
        self.database.all("PRAGMA incremental_vacuum")
        self.database.all("PRAGMA wal_checkpoint(TRUNCATE)")

    # What people read.

    def folders(self) -> list[tuple[Folder, int, int]]:
        """Every folder with its messages and how many of them are unread."""
        rows = self.database.all(
            "SELECT f.server_id, f.parent_id, f.name, f.type, count(m.id), "
            "coalesce(sum(CASE WHEN m.cached = 1 AND m.read = 0 THEN 1 ELSE 0 END), 0) FROM folders f "
            "LEFT JOIN messages m ON m.folder_id = f.id AND m.gone = 0 GROUP BY f.id ORDER BY f.type <> 2, f.id"
        )
        return [(Folder(*row[:4]), row[4], row[5]) for row in rows]

    def messages(self, ids: list[int]) -> list[StoredMessage]:
        """Messages without bodies, in the order of `ids`; ids that are not there are left out."""
        found: dict[int, StoredMessage] = {}
        for start in range(0, len(ids), 500):
            part = ids[start : start + 500]
            rows = self.database.all(
                f"SELECT {_MESSAGE} FROM messages m JOIN folders f ON f.id = m.folder_id "
                f"WHERE m.gone = 0 AND m.cached = 1 AND m.id IN ({', '.join('?' * len(part))})",
                part,
            )
            found.update((row[0], _stored(row)) for row in rows)
        for number, marking in markings.load(self.database, list(found)).items():
            found[number].marking = marking
        return [found[number] for number in ids if number in found]

    def ids(self) -> Iterator[int]:
        """Ids of every message, oldest first, a page at a time."""
        last = 0
        while rows := self.database.all(
            "SELECT id FROM messages WHERE gone = 0 AND cached = 1 AND id > ? ORDER BY id LIMIT 1000", (last,)
        ):
            for row in rows:
                yield row[0]
            last = rows[-1][0]

    def message(self, message_id: int) -> StoredMessage:
        """One message with its body as text (and HTML) and its attachments. Raises `NotFound`."""
        found = self.messages([message_id])
        if not found:
            raise NotFound(f"there is no message {message_id} in this store")
        message = found[0]
        if message.body_state == "stored" and message.body_type == BodyType.MIME:
            parts = view(self.body_source(message_id), contents=False)
            message.html = parts.html
            message.text = parts.text or linear(parts.html)
        elif message.body_state == "stored":
            written = self.body(message_id).decode(errors="replace")
            message.html = written if message.body_type == BodyType.HTML else ""
            message.text = linear(written) if message.body_type == BodyType.HTML else written
        message.attachments = self.attachments(message_id)
        return message if self.shown is None else self.shown(message)

    def body(self, message_id: int, limit: int | None = None) -> bytes:
        """The body's bytes as stored (MIME: the whole message), at most `limit` of them."""
        blob = self.database.scalar("SELECT body_blob FROM messages WHERE id = ?", (message_id,))
        return index.body_bytes(self.database, message_id, blob, limit)[:limit]

    def body_source(self, message_id: int) -> Source:
        """The same for reading parts of it: a large one stays where it is and comes a window at a time."""
        row = self.database.one(
            "SELECT b.id, b.size FROM messages m JOIN blobs b ON b.id = m.body_blob WHERE m.id = ?", (message_id,)
        )
        if row is None or row[1] <= HELD:
            return self.body(message_id)
        return Windowed(row[1], partial(spool.window, self.database, row[0]))

    def body_pieces(self, message_id: int) -> Iterator[bytes]:
        """The same in the pieces in which it is stored."""
        blob = self.database.scalar("SELECT body_blob FROM messages WHERE id = ?", (message_id,))
        return iter([self.body(message_id)]) if blob is None else spool.read(self.database, blob)

    def attachments(self, message_id: int) -> list[StoredAttachment]:
        """The attachments of a message, in the server's order."""
        rows = self.database.all(
            "SELECT id, name, size, content_type, content_id, inline, state, reason FROM attachments "
            "WHERE message_id = ? ORDER BY id",
            (message_id,),
        )
        return [StoredAttachment(*(*row[:5], bool(row[5]), *row[6:])) for row in rows]

    def attachment_content(self, attachment_id: int) -> Iterator[bytes]:
        """The pieces of an attachment's content; one inside stored MIME comes from there. Raises `NotFound`."""
        row = self.database.one(
            "SELECT a.blob, a.state, a.message_id, m.body_type, m.body_state FROM attachments a "
            "JOIN messages m ON m.id = a.message_id WHERE a.id = ?",
            (attachment_id,),
        )
        if row is None:
            raise NotFound(f"there is no attachment {attachment_id} in this store")
        if row[0] is not None:
            return spool.read(self.database, row[0])
        if row[1] == "stored" and row[3] == BodyType.MIME and row[4] == "stored":
            return self._part_of_mime(attachment_id, row[2]).pieces()
        raise NotFound(f"attachment {attachment_id} is not in the store ({row[1]})")

    def _part_of_mime(self, attachment_id: int, message_id: int) -> Part:
        """The MIME part that an announced attachment is. Raises `NotFound` where that cannot be told."""
        announced = self.attachments(message_id)
        position = next(number for number, item in enumerate(announced) if item.id == attachment_id)
        named = [(item.name, item.content_id) for item in announced]
        part = announced_part(self.body_source(message_id), named, position)
        if part is None:
            raise NotFound(
                f"which part of message {message_id} the server means by its attachment {announced[position].name!r} "
                "cannot be told; the message is here whole"
            )
        return part

    def stats(self) -> dict[str, Any]:
        """Counts of everything in the store."""
        scalar = self.database.scalar
        live = "FROM messages WHERE gone = 0"
        return {
            "items": {"Email": scalar(f"SELECT count(*) {live}"), **items.counts(self.database)},
            "changes_waiting": scalar("SELECT count(*) FROM item_changes WHERE state <> 'failed'"),
            "changes_failed": scalar("SELECT count(*) FROM item_changes WHERE state = 'failed'"),
            "folders": scalar("SELECT count(*) FROM folders"),
            "unread": scalar(f"SELECT count(*) {live} AND cached = 1 AND read = 0"),
            "ids_only": scalar(f"SELECT count(*) {live} AND cached = 0"),
            "bodies": dict(self.database.all(f"SELECT body_state, count(*) {live} AND cached = 1 GROUP BY 1")),
            "attachments": dict(self.database.all("SELECT state, count(*) FROM attachments GROUP BY 1")),
            "attachment_bytes": scalar("SELECT coalesce(sum(size), 0) FROM blobs WHERE kind = 'attachment'"),
            "quarantined": scalar("SELECT count(*) FROM quarantine"),
            "unindexed": scalar(f"SELECT count(*) {live} AND cached = 1 AND indexed = 0"),
            "bytes": int(scalar("PRAGMA page_count")) * int(scalar("PRAGMA page_size")),
            "schema_version": scalar("PRAGMA user_version"),
        }


def _stored(row: tuple[Any, ...]) -> StoredMessage:
    received = datetime.fromtimestamp(row[8], UTC) if row[8] is not None else None
    details = loads(row[21]) if row[21] else {}
    return StoredMessage(
        id=row[0], folder=row[1], server_id=row[2], subject=row[3], sender=row[4], to=row[5], cc=row[6],
        reply_to=row[7], received=received, importance=row[9], read=bool(row[10]), flag_status=row[11],
        message_class=row[12], conversation_id=row[13], thread_topic=row[14],
        categories=tuple(filter(None, row[15].split("\n"))), preview=row[16], size=row[17], body_type=row[18],
        body_state=row[19], reason=row[20], flag=details.pop("flag", None), meeting=details.pop("meeting", None),
        details=details, rights=rights.stored(row[22]),
    )  # fmt: skip


_Handler: TypeAlias = Callable[[Store, Any], Any]


def _of(work: Callable[[Database, Any], Any]) -> _Handler:
    return lambda store, given: work(store.database, given)


def _each(handlers: Handlers) -> dict[type, _Handler]:
    return {kind: _of(work) for kind, work in handlers.items()}


_APPLY: Final[dict[type, _Handler]] = {
    changes.SaveAccount: Store._save_account,
    changes.FolderChanges: Store._folder_changes,
    changes.SyncWindows: _of(mail_changes.apply_windows),
    changes.ResetCollections: _of(mail.reset),
    changes.ForgetFolders: _of(mail.forget_folders),
    changes.ClaimBlob: _of(spool.claim),
    changes.RestartBlob: lambda store, batch: spool.restart(store.database, batch.blob),
    changes.FinishBlob: _of(spool.finish),
    changes.StoreContents: _of(spool.store_contents),
    changes.SettleFetch: _of(spool.settle),
    changes.ReviewLimits: Store._review_limits,
    changes.RestartMarkings: _of(classification.restart),
    changes.ReadMarkings: _of(classification.read_markings),
    changes.StoreHeads: _of(classification.store_heads),
    changes.TakeMarkings: lambda store, _: classification.take(store.database),
    changes.IndexMessages: lambda store, batch: index.index_messages(store.database, batch.limit, store.unwrap),
    changes.StoreRevocationList: _of(certificates.store_list),
    changes.TakeTroubles: lambda store, _: store._take_troubles(),
    changes.RefreshMessage: _of(rights.refresh),
    changes.EndRun: Store._end_run,
    changes.ForgetContents: lambda store, _: store._forget_contents(),
    changes.Wipe: Store._wipe,
    changes.SaveItem: _of(item_changes.save),
    changes.DeleteItem: _of(item_changes.delete),
    changes.MarkVip: lambda store, batch: items.mark_vip(store.database, batch.item_id, batch.vip),
    changes.MarkChangesSent: _of(item_changes.mark_sent),
    changes.MoveItem: _of(item_moves.move),
    changes.SettleItemMoves: _of(item_moves.settle),
    changes.DropChange: lambda store, batch: item_changes.drop(store.database, batch.change_id),
    **_each(outbox.APPLYING),
    **_each(drafts.APPLYING),
    **_each(mail_changes.APPLYING),
    **_each(answers.APPLYING),
    **_each(sign_in.APPLYING),
}
_LOAD: Final[dict[type, _Handler]] = {
    queries.AccountFacts: lambda store, _: store.account(),
    queries.AllFolders: lambda store, _: [folder for folder, _, _ in store.folders()],
    queries.MailCollections: lambda store, _: store._mail_collections(),
    queries.ItemCollections: lambda store, _: store._collections(ITEM_TYPES),
    queries.ItemChanges: _of(item_changes.queued),
    queries.ItemMoves: lambda store, _: item_moves.queued(store.database),
    queries.PendingFetches: Store._pending_fetches,
    queries.OldQuarantine: Store._old_quarantine,
    queries.HeadsWanted: _of(classification.heads_wanted),
    **_each(outbox.LOADING),
    **_each(drafts.LOADING),
    **_each(mail_changes.LOADING),
    **_each(answers.LOADING),
    **_each(sign_in.LOADING),
    queries.DueRevocationLists: lambda store, query: certificates.due_lists(store.database, query.now),
}
