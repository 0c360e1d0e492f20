"""Answers to meeting requests: what waits for the server, and the batches and queries of the store about it.

    queued ──► sent ──► taken (the row goes, its mail leaves)
      ▲          │
      │          ▼
      └─── uncertain ──► taken (the calendar shows it, or the request went)
       not there
    queued, sent, uncertain ──► failed (the server refuses it, or was answered otherwise meanwhile)

`sent` is written before the request leaves, so that a process which dies in between knows that it cannot know.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .event import BusyStatus, Event, ResponseStatus
from .outbox import QueueMail


class AnswerState(StrEnum):
    """Where an answer stands. One that the server has taken is not kept."""

    QUEUED = "queued"
    SENT = "sent"
    UNCERTAIN = "uncertain"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PendingAnswer:
    """One answer that waits, or that failed."""

    id: int
    message_id: int
    subject: str
    collection_id: str
    server_id: str
    """Where the server has the request, as far as is known here."""
    response: str
    """"accept", "tentative" or "decline"."""
    reply: str | None
    """What the organiser is told; None: nothing."""
    proposed: tuple[datetime, datetime] | None
    created: float
    """Unix time."""
    attempts: int
    state: AnswerState
    status: int | None
    reason: str
    revision: int
    mails: int
    """Messages in the outbox that leave when the server has taken it."""
    tried: str
    """`signature` of the request whose outcome is not known, "" without one."""
    told: bool
    """That request asked the server to mail the organiser."""
    there: bool
    """The request is still where it was answered, or where its user put it: not gone, and not put away since."""
    discarded: bool
    """It lay in Deleted Items when it was answered: that it is there says nothing."""
    shown: bool | None
    """Whether the calendar shows this answer; None: it cannot tell."""
    shown_before: bool | None
    """Whether it did before the request whose outcome is not known."""
    calendar_id: str
    """ServerId of the event, "" without one."""

    @property
    def signature(self) -> str:
        """What a request says; the same for what is no other answer."""
        return signature(self.response, self.proposed)


def signature(response: str, proposed: tuple[datetime, datetime] | None) -> str:
    """See `PendingAnswer.signature`."""
    return " ".join((response, *(moment.isoformat() for moment in proposed or ())))


def shows(event: Event | None, response: str) -> bool | None:
    """Whether a calendar that has `event` shows the response; None: it does not tell.

    Exact from 14.0 on (ResponseType, MS-ASCAL 2.2.2.40). Below there is only BusyStatus, which is tentative for what
    was not accepted; servers that enter every request as tentative cannot show that one was answered so.
    """
    if event is None:
        return response == "decline"
    if event.response_type is not None:
        wanted = {
            "accept": ResponseStatus.ACCEPTED, "tentative": ResponseStatus.TENTATIVE,
            "decline": ResponseStatus.DECLINED,
        }  # fmt: skip
        return bool(event.response_type == wanted[response])
    if response == "decline":
        return False
    if event.busy_status is None:
        return None
    return (event.busy_status == BusyStatus.TENTATIVE) == (response == "tentative")


@dataclass(slots=True)
class AnswerMeeting:
    """Answer a request, in the place of an answer that waits; `mail` leaves when the server has taken it.

    Result: id of the answer. Raises `NotFound` for a message that is not there.
    """

    message_id: int
    response: str
    now: float
    reply: str | None = None
    proposed: tuple[datetime, datetime] | None = None
    mail: QueueMail | None = None


@dataclass(slots=True)
class MarkAnswerSent:
    """The request is about to leave. Result: False where the answer was taken back or replaced meanwhile."""

    answer_id: int
    revision: int
    told: bool
    """It asks the server to mail the organiser."""


class Fate(StrEnum):
    """What became of an attempt."""

    TAKEN = "taken"
    """The server has it: its mail may leave, unless the server was asked to write it."""
    QUEUED = "queued"
    """The server has not got it."""
    UNCERTAIN = "uncertain"
    FAILED = "failed"
    """It never will: its mail is dropped."""


@dataclass(slots=True)
class SettleAnswer:
    """What became of an answer; where it was replaced meanwhile, the later wish stays. Result: None."""

    answer_id: int
    revision: int
    fate: Fate
    reason: str = ""
    status: int | None = None
    attempted: bool = True
    """False: nothing left the house, that was no attempt."""


@dataclass(slots=True)
class DropAnswer:
    """Take an answer back. Result: None. Raises `NotFound`, or `UsageError` for one that may be on the server."""

    answer_id: int


@dataclass(frozen=True, slots=True)
class WaitingAnswers:
    """Result: list of `PendingAnswer` that wait, oldest first."""
