"""Answers to meeting requests at rest: one row a message, until the server has taken it (`model.answers`)."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from ..errors import NotFound, UsageError
from ..model import answers as model
from ..model.answers import AnswerState, Fate, PendingAnswer, shows, signature
from ..model.event import Event
from ..model.folder import FolderType
from ..model.meeting import MeetingRequest
from . import items, outbox
from .database import Database, Handlers, Row
from .values import loads

_COLUMNS = (
    "id, message_id, collection_id, server_id, subject, uid, response, reply, proposed_start, proposed_end, created, "
    "attempts, state, status, reason, revision, tried, told, shown, discarded, "
    "(SELECT count(*) FROM outbox WHERE answer_id = answers.id)"
)
_PLACE = (
    "SELECT f.server_id, coalesce(c.server_id, m.server_id), f.type FROM messages m "
    "LEFT JOIN mail_changes c ON c.message_id = m.id AND c.kind = 'move' AND c.state = 'queued' "
    "JOIN folders f ON f.id = coalesce(c.folder_id, m.folder_id)"
)
"""Where the server has a message: for one whose move waits, where it comes from."""


def pending(database: Database, *, waiting: bool = False) -> list[PendingAnswer]:
    """Every answer that waits, oldest first; with those that failed unless `waiting`."""
    where = " WHERE state <> 'failed'" if waiting else ""
    return [_read(database, row) for row in database.all(f"SELECT {_COLUMNS} FROM answers{where} ORDER BY created, id")]


def _read(database: Database, row: Row) -> PendingAnswer:
    message_id, collection_id, server_id, uid, response, discarded = row[1], row[2], row[3], row[5], row[6], row[19]
    place = _where(database, message_id, collection_id, server_id)
    event, calendar_id, known = _event(database, uid)
    return PendingAnswer(
        id=row[0], message_id=message_id, subject=row[4], collection_id=place[0] if place else collection_id,
        server_id=place[1] if place else server_id, response=response, reply=row[7], proposed=_proposed(row[8], row[9]),
        created=row[10], attempts=row[11], state=AnswerState(row[12]), status=row[13], reason=row[14], revision=row[15],
        tried=row[16], told=bool(row[17]), shown_before=None if row[18] is None else bool(row[18]), mails=row[20],
        discarded=bool(discarded),
        there=place is not None and (bool(discarded) or place[2] != FolderType.DELETED_ITEMS),
        shown=shows(event, response) if known else None, calendar_id=calendar_id,
    )  # fmt: skip


def _proposed(start: str, end: str) -> tuple[datetime, datetime] | None:
    return (datetime.fromisoformat(start), datetime.fromisoformat(end)) if start else None


def _where(database: Database, message_id: int, collection_id: str, server_id: str) -> Row | None:
    """CollectionId, ServerId and type of folder of a request; None: it is not on the server any more."""
    found = database.one(f"{_PLACE} WHERE m.id = ? AND m.gone <> 1", (message_id,))
    if found is None:  # kept as an id only, under another number
        found = database.one(
            f"{_PLACE} WHERE f.server_id = ? AND m.server_id = ? AND m.gone <> 1", (collection_id, server_id)
        )
    return found


def _event(database: Database, uid: str) -> tuple[Event | None, str, bool]:
    """The event as the server has it, its ServerId, and whether the calendar can tell: it is here whole."""
    whole = database.scalar("SELECT min(sync_key <> '0' AND pass_open = 0) FROM folders WHERE type = 8")
    if not uid or not whole:
        return None, "", False
    row = database.one(
        "SELECT server_id, coalesce(base, data), cached FROM items WHERE uid = ? AND class = 'Calendar' AND gone <> 1",
        (uid,),
    )
    if row is None:
        only_ids = database.scalar("SELECT 1 FROM items WHERE class = 'Calendar' AND cached = 0 LIMIT 1")
        return None, "", not only_ids
    event = items.MODELS["Calendar"](**loads(row[1]))
    return (event if isinstance(event, Event) else None), row[0], True


def answer(database: Database, batch: model.AnswerMeeting) -> int:
    """See `AnswerMeeting`."""
    with database.transaction():
        database.execute("DELETE FROM answers WHERE state = 'failed'")
        row = database.one(
            "SELECT subject, details FROM messages WHERE id = ? AND gone = 0 AND cached = 1", (batch.message_id,)
        )
        place = _where(database, batch.message_id, "", "")
        if row is None or place is None:
            raise NotFound(f"there is no message {batch.message_id} in this store")
        meeting = loads(row[1] or "{}").get("meeting")
        uid = meeting.uid if isinstance(meeting, MeetingRequest) and meeting.recurrence_id is None else ""
        proposed = [moment.isoformat() for moment in batch.proposed or ()] or ["", ""]
        wish = (row[0], uid, batch.response, batch.reply, *proposed, batch.now)
        known = database.one("SELECT id, state FROM answers WHERE message_id = ?", (batch.message_id,))
        if known is None:
            number = database.scalar(
                "INSERT INTO answers (message_id, collection_id, server_id, subject, uid, response, reply, "
                "proposed_start, proposed_end, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
                (batch.message_id, *place[:2], *wish),
            )
        else:  # what may be on the server already is looked for before the later wish goes
            number = known[0]
            state = AnswerState.QUEUED if known[1] == AnswerState.QUEUED else AnswerState.UNCERTAIN
            database.execute(
                "UPDATE answers SET subject = ?, uid = ?, response = ?, reply = ?, proposed_start = ?, "
                "proposed_end = ?, created = ?, state = ?, revision = revision + 1, attempts = 0, status = NULL, "
                "reason = '' WHERE id = ?",
                (*wish, state.value, number),
            )
        outbox.attach(database, number, [batch.mail] if batch.mail is not None else [], owner="answer_id")
        return int(number)


def _mark_sent(database: Database, batch: model.MarkAnswerSent) -> bool:
    with database.transaction():
        row = database.one(
            f"SELECT {_COLUMNS} FROM answers WHERE id = ? AND revision = ? AND state <> 'failed'",
            (batch.answer_id, batch.revision),
        )
        if row is None:
            return False
        found = _read(database, row)
        place = _where(database, found.message_id, found.collection_id, found.server_id)
        told = batch.told or (found.told and found.tried == found.signature)
        database.execute(
            "UPDATE answers SET state = 'sent', attempts = attempts + 1, status = NULL, reason = '', tried = ?, "
            "told = ?, shown = ?, discarded = ?, collection_id = ?, server_id = ? WHERE id = ?",
            (
                signature(found.response, found.proposed), int(told), found.shown,
                int(place is not None and place[2] == FolderType.DELETED_ITEMS), found.collection_id, found.server_id,
                batch.answer_id,
            ),
        )  # fmt: skip
        return True


def settle(database: Database, batch: model.SettleAnswer) -> None:
    """See `SettleAnswer`: the answer goes and its mail may leave, or is dropped, in one transaction."""
    with database.transaction():
        row = database.one("SELECT revision, told FROM answers WHERE id = ?", (batch.answer_id,))
        if row is None:
            return
        if row[0] != batch.revision:
            if batch.fate in (Fate.QUEUED, Fate.FAILED):  # nothing of the earlier wish is there
                database.execute("UPDATE answers SET state = 'queued', tried = '', told = 0 WHERE id = ?",
                                 (batch.answer_id,))  # fmt: skip
            return
        if batch.fate is Fate.TAKEN:
            if not row[1]:
                outbox.release(database, batch.answer_id, owner="answer_id")
            database.execute("DELETE FROM answers WHERE id = ?", (batch.answer_id,))
            return
        if batch.fate is Fate.FAILED:
            outbox.attach(database, batch.answer_id, [], owner="answer_id")
        forgotten = ", tried = '', told = 0" if batch.fate is Fate.QUEUED else ""
        database.execute(
            f"UPDATE answers SET state = ?, reason = ?, status = ?, attempts = attempts - ?{forgotten} WHERE id = ?",
            (batch.fate.value, batch.reason, batch.status, int(not batch.attempted), batch.answer_id),
        )


def drop(database: Database, answer_id: int) -> None:
    """See `DropAnswer`."""
    with database.transaction():
        state = database.scalar("SELECT state FROM answers WHERE id = ?", (answer_id,))
        if state is None:
            raise NotFound(f"there is no answer {answer_id} in this store")
        if state in (AnswerState.SENT, AnswerState.UNCERTAIN):
            raise UsageError(f"answer {answer_id} was sent and its outcome is not known yet: synchronise first")
        database.execute("DELETE FROM answers WHERE id = ?", (answer_id,))


def forget(database: Database) -> None:
    """Every answer, with the mail that waits for one; in a transaction."""
    database.execute("DELETE FROM answers")


APPLYING: Final[Handlers] = {
    model.AnswerMeeting: answer,
    model.MarkAnswerSent: _mark_sent,
    model.SettleAnswer: settle,
    model.DropAnswer: lambda database, batch: drop(database, batch.answer_id),
}
"""What the store does with the batches of `model.answers`."""

LOADING: Final[Handlers] = {model.WaitingAnswers: lambda database, _: pending(database, waiting=True)}
"""What the store answers to its queries."""
