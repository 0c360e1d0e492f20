"""Changing mail: read state, flag, categories, folder, deletion. What is asked first, and what is refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from .errors import ConfirmationNeeded, Declined, NotFound, ReadOnlyMailbox, UsageError
from .model.draft import StoredDraft
from .model.folder import MAIL_TYPES, Folder
from .model.mail_changes import ChangeKind, ChangeMail, ConflictPolicy
from .model.outbox import OutboxEntry, OutboxState
from .model.questions import Confirm, DeleteMany, MoveMessages, Question
from .rms.gate import Door, Operation, judge
from .store import answers, held, item_changes, mail_changes, outbox, rights
from .store.database import Database
from .store.held import answer_as_dict, change_as_dict, item_change_as_dict
from .store.outbox import draft_as_dict
from .store.store import Store

MANY = 50
"""Messages that may be deleted unasked, counting those whose deletion still waits for the server."""

FLAGS = {"none": "0", "complete": "1", "active": "2"}


def writable(read_only: bool) -> None:
    """Raises `ReadOnlyMailbox`."""
    if read_only:
        raise ReadOnlyMailbox("this mailbox was opened to be read only: nothing was changed")


def ask(confirm: Confirm | None, question: Question) -> None:
    """Go on only with the answer "proceed". Raises `ConfirmationNeeded` or `Declined`."""
    if confirm is None:
        raise ConfirmationNeeded(question)
    answer = confirm(question)
    if answer not in question.choices:
        raise UsageError(f"{answer!r} is no answer: {', '.join(question.choices)}")
    if answer == question.choices[0]:
        raise Declined(question)


def mail_folder(store: Store, name: str) -> tuple[int, Folder]:
    """The mail folder of that name, path of names or ServerId, with its local id. Raises `NotFound` or `UsageError`."""
    rows = store.database.all("SELECT id, server_id, parent_id, name, type FROM folders")
    folders = [(row[0], Folder(*row[1:])) for row in rows]
    by_id = {folder.server_id: folder for _, folder in folders}

    def path(folder: Folder) -> str:
        names = [folder.name]
        while folder.parent_id in by_id and len(names) < 64:
            folder = by_id[folder.parent_id]
            names.append(folder.name)
        return "/".join(reversed(names)).casefold()

    wanted = name.casefold()
    for matches in (
        [pair for pair in folders if pair[1].server_id == name],
        [pair for pair in folders if path(pair[1]) == wanted],
        [pair for pair in folders if pair[1].name.casefold() == wanted],
    ):
        mail = [pair for pair in matches if pair[1].type in MAIL_TYPES]
        if len(mail) > 1:
            raise UsageError(f"several folders are called {name!r}: give the path, or the server's id")
        if mail:
            return mail[0]
        if matches:
            raise UsageError(f"{name!r} holds no mail")
    raise NotFound(f"there is no folder {name!r}")


def set_property(store: Store, kind: ChangeKind, ids: Iterable[int], value: str, now: float, conflict: str) -> int:
    """Read state, flag or categories. How many messages changed. Raises `UsageError` for an unknown policy."""
    try:
        policy = ConflictPolicy(conflict)
    except ValueError:
        raise UsageError(f"conflict is one of {', '.join(ConflictPolicy)}, not {conflict!r}") from None
    return int(store.apply(ChangeMail(kind, list(ids), now, value=value, conflict=policy)))


def flag_value(status: str) -> str:
    """Raises `UsageError`."""
    if status not in FLAGS:
        raise UsageError(f"a flag is {', '.join(FLAGS)}, not {status!r}")
    return FLAGS[status]


def category_lines(values: Sequence[str]) -> str:
    """Raises `UsageError` for a name that no category can have, or for more than 300 (MS-ASEMAIL 2.2.2.16)."""
    cleaned = list(dict.fromkeys(value.strip() for value in values))
    if any(not value or "\n" in value or "\r" in value for value in cleaned) or len(cleaned) > 300:
        raise UsageError("categories are at most 300 names of one line each")
    return "\n".join(cleaned)


def move(store: Store, ids: Iterable[int], folder: str, now: float, *, asks: bool, confirm: Confirm | None) -> int:
    """Move messages; how many. Raises `NotFound`, `UsageError`, `ConfirmationNeeded` or `Declined`."""
    target, found = mail_folder(store, folder)
    wanted = list(dict.fromkeys(ids))
    if asks and wanted:
        text = f"Move {_messages(len(wanted))} to {found.name}?"
        ask(confirm, MoveMessages(text=text, count=len(wanted), folder=found.name))
    return int(store.apply(ChangeMail(ChangeKind.MOVE, wanted, now, target=target)))


def delete(store: Store, ids: Iterable[int], now: float, *, permanent: bool, confirm: Confirm | None) -> int:
    """Delete messages; how many. More than `MANY`, those that wait included, are asked about."""
    wanted = list(dict.fromkeys(ids))
    waiting = sum(change.kind is ChangeKind.DELETE for change in mail_changes.pending(store.database, waiting=True))
    question = many(len(wanted), waiting, "message")
    if question is not None:
        ask(confirm, question)
    return int(store.apply(ChangeMail(ChangeKind.DELETE, wanted, now, permanent=permanent)))


def many(count: int, waiting: int, what: str) -> DeleteMany | None:
    """The question about so many deletions, `waiting` ones included; None for few of them."""
    if count + waiting <= MANY:
        return None
    shown = f"1 {what}" if count == 1 else f"{count} {what}s"
    text = f"Delete {shown}, besides {waiting} that wait to be deleted?" if waiting else f"Delete {shown}?"
    return DeleteMany(text=text, count=count + waiting)


def empty(store: Store, folder: str, now: float, *, confirm: Confirm | None) -> int:
    """Delete everything in a folder for good; how many messages. Always asked about."""
    target, found = mail_folder(store, folder)
    count = int(store.database.scalar("SELECT count(*) FROM messages WHERE folder_id = ? AND gone = 0", (target,)))
    text = f"Delete everything in {found.name} for good ({_messages(count)} here)?"
    ask(confirm, DeleteMany(text=text, count=count, folder=found.name))
    return int(store.apply(ChangeMail(ChangeKind.EMPTY, (), now, folder=target)))


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count} messages"


def export_pending(store: Store, door: Door, now: datetime) -> dict[str, Any]:
    """Everything that is only here and not on the server: changes, drafts, what waits to be sent. For JSON, without the
    content of attachments, and without what holds content of protected mail that may not be taken through `door`."""
    database = store.database
    return {
        "changes": [change_as_dict(change) for change in mail_changes.pending(database)],
        "items": [item_change_as_dict(change) for change in item_changes.every(database)],
        "answers": [answer_as_dict(answer) for answer in answers.pending(database)],
        "held": held.listing(database),
        "drafts": [
            {"id": entry.id, **_draft(database, entry, door, now)} for entry in outbox.drafts(database)
        ],
        "outbox": [_unsent(database, entry, door, now) for entry in outbox.entries(database)
                   if entry.state is not OutboxState.CONFIRMED],
    }  # fmt: skip


def _withheld(database: Database, draft_id: int | None, door: Door, now: datetime) -> str:
    """Why what a draft holds may not be taken; "" where it may."""
    under = rights.of_draft(database, draft_id) if draft_id is not None else None
    return judge(under, Operation.READ, door, now).reason


def _draft(database: Database, entry: StoredDraft, door: Door, now: datetime) -> dict[str, Any]:
    reason = _withheld(database, entry.id, door, now)
    if reason:
        return {"subject": entry.subject, "recipients": entry.recipients, "withheld": reason}
    return draft_as_dict(outbox.load_draft(database, entry.id))


def _unsent(database: Database, entry: OutboxEntry, door: Door, now: datetime) -> dict[str, Any]:
    facts = {
        "id": entry.id,
        "state": entry.state.value,
        "subject": entry.subject,
        "recipients": entry.recipients,
        "message_id": entry.message_id,
    }
    reason = _withheld(database, entry.draft_id, door, now)
    if reason:
        return {**facts, "withheld": reason}
    try:
        return {**facts, "mime": outbox.content(database, entry.id).decode("utf-8", "surrogateescape")}
    except NotFound:  # a licence ran out
        return {**facts, "withheld": entry.reason}
