"""Telling the server the answers to meeting requests that wait, and finding out about those whose answer was lost.

`sent` is committed before the request leaves. One that got no answer is looked for after a synchronisation and before
it goes again: in the calendar (from 14.0 on by ResponseType; below, BusyStatus tells an acceptance from the rest), and
by the request itself, which servers put away once it is answered. Where neither can tell, the request having lain in
Deleted Items and the calendar having shown the same before, it goes again without asking the server to mail: answering
twice changes nothing, and what we mail ourselves leaves once, when the answer is settled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from types import MappingProxyType

from ...errors import (
    CommandFailed,
    ConnectionFailed,
    EmailplusError,
    HttpStatusError,
    MailboxFull,
    NotOffered,
    ProtocolError,
    ResponseTooLarge,
    ServerBusy,
    ServerUnreachable,
    TlsFailed,
    UsageError,
)
from ...flow import Flow, commit, emit, load
from ...model.answers import AnswerState, Fate, MarkAnswerSent, PendingAnswer, SettleAnswer, WaitingAnswers
from ...model.events import ChangesTold, Phase, Warned
from .. import status
from ..commands import meeting_response
from ..commands.meeting_response import MeetingAnswer, MeetingResult, Reply, UserResponse
from . import meetings
from .session import Session

MAX_ATTEMPTS = 5
"""Attempts without success after which an answer counts as refused."""
INVALID = 2
"""Status: the server knows no such request there (MS-ASCMD 2.2.3.177.9)."""

RESPONSES: Mapping[str, UserResponse] = MappingProxyType(
    {"accept": UserResponse.ACCEPT, "tentative": UserResponse.TENTATIVE, "decline": UserResponse.DECLINE}
)


class Look(Enum):
    """What a synchronised store says about an answer whose outcome is not known."""

    TAKEN = auto()
    MISSING = auto()
    """The server has not got it: it goes again."""
    OVERTAKEN = auto()
    """The request went, and the calendar shows something else: another device answered."""
    UNKNOWN = auto()
    """It goes again, and the server is not asked to mail a second time."""


@dataclass(slots=True)
class AnswersTold:
    """What became of the answers that waited, by their ids. `problem` is why it stopped early; the rest waits."""

    taken: dict[int, MeetingResult] = field(default_factory=dict)
    refused: dict[int, EmailplusError] = field(default_factory=dict)
    doubtful: bool = False
    """Some cannot go on before a synchronisation."""
    problem: EmailplusError | None = None


def look(answer: PendingAnswer) -> Look:
    """Whether the server has taken an answer, by what a synchronisation has just brought."""
    same = answer.tried == answer.signature and (answer.reply is None or answer.told or answer.mails > 0)
    if not same:  # a change of mind: the later wish goes, whatever became of the earlier
        return Look.MISSING
    if answer.shown is False:
        return Look.MISSING if answer.there else Look.OVERTAKEN
    if not answer.there or (answer.shown and answer.shown_before is False):
        return Look.TAKEN
    return Look.UNKNOWN if answer.discarded else Look.MISSING


def push_answers(session: Session, *, looked: bool, calendars: bool = True) -> Flow[AnswersTold]:
    """Tell the server every answer that waits, oldest first.

    `looked`: everything was synchronised just now, so that what is uncertain can be settled, and what the server does
    not find is not there; without `calendars` all but those, which cannot tell then. Raises what stops the whole
    conversation (credentials, policy). A server that cannot be reached or is busy ends it without an error: what waits
    goes with the next one.
    """
    result = AnswersTold()
    waiting: list[PendingAnswer] = yield from load(WaitingAnswers())
    if waiting:
        yield from emit(Phase("changes", len(waiting)))
    for answer in waiting:
        if answer.state is AnswerState.QUEUED:
            yield from _send(session, answer, result, looked=looked, found=Look.MISSING)
        elif looked:
            yield from _found(session, answer if calendars else replace(answer, shown=None), result)
        else:
            result.doubtful = True
        if result.problem is not None:
            break
    if result.taken:
        yield from emit(ChangesTold(len(result.taken)))
    return result


def _found(session: Session, answer: PendingAnswer, result: AnswersTold) -> Flow[None]:
    """Settle an uncertain answer by what was found, or send it again."""
    found = look(answer)
    if found is Look.TAKEN:
        yield from commit(SettleAnswer(answer.id, answer.revision, Fate.TAKEN))
        result.taken[answer.id] = MeetingResult(
            status.OK, answer.server_id, answer.calendar_id if answer.response != "decline" else "", "Success"
        )
    elif found is Look.OVERTAKEN:
        reason = "the request was dealt with elsewhere meanwhile, and the calendar shows another answer"
        yield from _fail(answer, CommandFailed(reason, command=meeting_response.NAME, status=INVALID), result)
    elif answer.attempts >= MAX_ATTEMPTS:
        yield from _fail(answer, ConnectionFailed(f"the server gave no answer to {answer.attempts} attempts"), result)
    else:
        yield from _send(session, answer, result, looked=True, found=found)


def _send(session: Session, answer: PendingAnswer, result: AnswersTold, *, looked: bool, found: Look) -> Flow[None]:
    """One attempt, with its outcome committed and noted in `result`."""
    reply = Reply(answer.reply, proposed=answer.proposed) if answer.reply is not None else None
    if found is Look.UNKNOWN and session.version.code >= meetings.MAILS_BY_ITSELF:
        if answer.told:
            doubt = f"it is not certain whether the organiser of {answer.subject!r} was told of the answer"
            yield from emit(Warned(doubt))
        reply = None
    wanted = MeetingAnswer(RESPONSES[answer.response], answer.collection_id, answer.server_id, reply=reply)
    told = reply is not None and session.version.code >= meetings.MAILS_BY_ITSELF
    if not (yield from commit(MarkAnswerSent(answer.id, answer.revision, told))):
        return
    undone = Fate.UNCERTAIN if found is Look.UNKNOWN else Fate.QUEUED
    try:
        (outcome, *_) = yield from meetings.respond(session, [wanted], mailed=answer.mails > 0)
    except ServerBusy as problem:  # the server says that it did nothing
        said_so = problem.status is not None
        if said_so and answer.attempts + 1 >= MAX_ATTEMPTS:
            yield from _fail(answer, problem, result)
            return
        yield from _settle(answer, undone, problem, attempted=said_so)
        result.problem = problem
    except (ServerUnreachable, TlsFailed) as problem:  # nothing was sent
        yield from _settle(answer, undone, problem, attempted=False)
        result.problem = problem
    except (CommandFailed, HttpStatusError, MailboxFull, NotOffered, UsageError) as problem:
        yield from _fail(answer, problem, result)
    except (ConnectionFailed, ProtocolError, ResponseTooLarge) as problem:
        yield from _settle(answer, Fate.UNCERTAIN, problem)
        yield from emit(Warned(f"it is not certain whether the answer to {answer.subject!r} arrived: {problem}"))
        result.problem = problem
    except EmailplusError as problem:  # credentials, policy: the server acted on nothing
        yield from _settle(answer, undone, problem, attempted=False)
        raise
    else:
        yield from _answered(answer, outcome, result, looked=looked, undone=undone)


def _answered(
    answer: PendingAnswer, outcome: MeetingResult, result: AnswersTold, *, looked: bool, undone: Fate
) -> Flow[None]:
    """The server said something about this answer."""
    if outcome.status == status.OK:
        yield from commit(SettleAnswer(answer.id, answer.revision, Fate.TAKEN))
        result.taken[answer.id] = outcome
        return
    problem = status.error(meeting_response.NAME, outcome.status)
    repeated = answer.tried == answer.signature
    if outcome.status == INVALID and (repeated or not looked) and answer.attempts + 1 < MAX_ATTEMPTS:
        # Put away by the first attempt, or moved: the next synchronisation shows it.
        yield from _settle(answer, Fate.UNCERTAIN if repeated else undone, problem, outcome.status)
        result.doubtful = True
    elif outcome.action == "retry_later" and answer.attempts + 1 < MAX_ATTEMPTS:
        yield from _settle(answer, undone, problem, outcome.status)
    else:
        yield from _fail(answer, problem, result, outcome.status)


def _settle(
    answer: PendingAnswer, fate: Fate, problem: EmailplusError, code: int | None = None, *, attempted: bool = True
) -> Flow[None]:
    yield from commit(SettleAnswer(answer.id, answer.revision, fate, str(problem), code, attempted))


def _fail(answer: PendingAnswer, problem: EmailplusError, result: AnswersTold, code: int | None = None) -> Flow[None]:
    """It is undone: nobody is told, and the user may answer again."""
    yield from _settle(answer, Fate.FAILED, problem, code if code is not None else getattr(problem, "status", None))
    yield from emit(Warned(f"the answer to {answer.subject!r} was not taken: {problem}"))
    result.refused[answer.id] = problem
