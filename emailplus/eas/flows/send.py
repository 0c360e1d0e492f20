"""Sending what waits in the outbox, each message exactly once (MS-ASCMD 2.2.1.17, 2.2.1.19, 2.2.1.20).

`sent` is committed before the request leaves. An answer that does not come leaves the message uncertain, and nothing
uncertain is sent again before Sent Items was looked into. From 14.0 on the server helps: it takes a ClientId once and
answers a second time with status 118 (MessagePreviouslySent).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from ...errors import (
    CommandFailed,
    ConnectionFailed,
    EmailplusError,
    EndpointNotFound,
    HttpStatusError,
    MailboxFull,
    NotFound,
    ProtocolError,
    ServerBusy,
    ServerError,
    ServerUnreachable,
    TlsFailed,
)
from ...flow import Flow, commit, emit, load
from ...model.events import MailSent, Warned
from ...model.outbox import (
    MarkSent,
    OutboxContent,
    OutboxEntries,
    OutboxEntry,
    OutboxState,
    SentCandidates,
    SettleMail,
    UseComplete,
)
from .. import status
from ..commands import compose_mail, send_mail
from ..http import Command
from .answers import AnswersTold
from .fetch_mime import fetch_mime
from .provision import apply_policy
from .session import Session, perform_once

GRACE = 120.0
"""Seconds after which a message that is not in Sent Items counts as not sent, where no ClientId guards a repetition:
servers file a sent message when it has gone through their transport, not before."""
CLOCK_SKEW = 600.0
"""Seconds that the server's clock may be behind ours."""
HEAD = 16 * 1024
"""Bytes of a message that are enough to find its Message-ID in."""

MAX_ATTEMPTS = 5
"""Attempts without an answer after which a message counts as refused: below 14.0, HTTP 500 is how servers refuse."""

PREVIOUSLY_SENT = 118

RIGHTS_OFF = 168
"""Status: rights management is not available."""
_FALLBACK = frozenset({121, 150, 178, 179})
"""Statuses that say the server cannot build the reply or forward: the complete message goes instead."""


@dataclass(slots=True)
class FlushResult:
    """What a flush did. `problem` is why it stopped early; what was not sent waits."""

    sent: list[OutboxEntry] = field(default_factory=list)
    failed: list[OutboxEntry] = field(default_factory=list)
    uncertain: list[OutboxEntry] = field(default_factory=list)
    problem: EmailplusError | None = None
    tried: set[int] = field(default_factory=set)
    """Entries that were attempted."""
    answers: AnswersTold = field(default_factory=AnswersTold)
    """What became of answers to meeting requests, where they went first."""


def flush_outbox(session: Session, now: float, but: Collection[int] = ()) -> Flow[FlushResult]:
    """Send every queued message, oldest first, but for the entries in `but`.

    Raises what stops the whole conversation (credentials, policy). A server that cannot be reached or is busy ends the
    flush without an error: what waits goes with the next one.
    """
    result = FlushResult()
    waiting: list[OutboxEntry] = yield from load(OutboxEntries((OutboxState.QUEUED,)))
    for entry in waiting:
        if entry.id in but:
            continue
        result.tried.add(entry.id)
        yield from _send(session, entry, now, result)
        if result.problem is not None:
            break
    return result


def settle_outbox(session: Session, now: float) -> Flow[FlushResult]:
    """Find out about every uncertain message: it is in Sent Items, or it goes once more.

    Sent Items has to be synchronised before. What cannot be found out stays uncertain, and is told.
    """
    result = FlushResult()
    open_entries: list[OutboxEntry] = yield from load(OutboxEntries((OutboxState.SENT, OutboxState.UNCERTAIN)))
    for entry in open_entries:
        found = yield from _in_sent_items(session, entry)
        if found:
            yield from commit(SettleMail(entry.id, OutboxState.CONFIRMED, "found in Sent Items"))
            yield from emit(MailSent(entry.id, entry.subject))
            result.sent.append(entry)
        elif entry.attempts >= MAX_ATTEMPTS:
            yield from _fail(entry, f"the server gave no answer to {entry.attempts} attempts", None, result)
        elif _may_repeat(session, entry, found, now):
            if _doubts_the_command(session, entry):
                entry = yield from _as_a_whole(entry)
            yield from _send(session, entry, now, result)
        else:
            why = "the answer of the server was lost; it is looked for in Sent Items before it is sent again"
            if entry.state is not OutboxState.UNCERTAIN or entry.reason != why:
                yield from commit(SettleMail(entry.id, OutboxState.UNCERTAIN, why))
            result.uncertain.append(entry)
        if result.problem is not None:
            break
    return result


def _may_repeat(session: Session, entry: OutboxEntry, found: bool | None, now: float) -> bool:
    """Whether a message that was not found in Sent Items goes again. `found` None: there was nowhere to look."""
    if session.version.conversations:
        return True  # the same ClientId: the server takes it once
    return found is False and entry.save and now - (entry.sent_at or 0.0) >= GRACE


def _doubts_the_command(session: Session, entry: OutboxEntry) -> bool:
    """Whether the complete message goes instead of a SmartReply or SmartForward that got no answer: SOGo answers 500 to
    those of 12.1. Where ClientIds exist, the same command is repeated once first."""
    spare = entry.command != send_mail.NAME and (entry.fallback or entry.replace)
    return spare and (not session.version.conversations or entry.attempts > 1)


def _as_a_whole(entry: OutboxEntry) -> Flow[OutboxEntry]:
    """The entry as it stands once its complete message goes by SendMail; its ClientId stays."""
    yield from commit(UseComplete(entry.id))
    waiting: list[OutboxEntry] = yield from load(OutboxEntries((OutboxState.QUEUED,)))
    return next(candidate for candidate in waiting if candidate.id == entry.id)


def _send(session: Session, entry: OutboxEntry, now: float, result: FlushResult) -> Flow[None]:
    """One attempt, with its outcome committed and noted in `result`."""
    try:
        mime: bytes = yield from load(OutboxContent(entry.id))
    except NotFound:  # taken back meanwhile
        return
    if entry.template and not session.version.rights:  # it would leave unprotected (MS-ASRM 2.2.2.19)
        why = f"rights management exists from ActiveSync 14.1 on; this server speaks {session.version.name}"
        yield from _fail(entry, why, RIGHTS_OFF, result)
        return
    command = _command(session, entry, mime)
    if not (yield from commit(MarkSent(entry.id, now))):
        return
    try:
        root = yield from perform_once(session, command, apply_policy)
        code = compose_mail.parse(command.name, root)
    except ServerBusy as problem:  # the server says that it sent nothing
        said_so = problem.status is not None
        if said_so and entry.attempts + 1 >= MAX_ATTEMPTS:  # SOGo says so of recipients that do not exist
            yield from _fail(entry, str(problem), problem.status, result)
            return
        yield from commit(SettleMail(entry.id, OutboxState.QUEUED, str(problem), problem.status, attempted=said_so))
        result.problem = None if said_so else problem
        return
    except (ServerUnreachable, TlsFailed) as problem:  # nothing was sent
        yield from commit(SettleMail(entry.id, OutboxState.QUEUED, str(problem), attempted=False))
        result.problem = problem
        return
    except EndpointNotFound as problem:
        yield from commit(SettleMail(entry.id, OutboxState.QUEUED, str(problem), attempted=False))
        raise
    except (HttpStatusError, MailboxFull) as problem:
        code = 113 if isinstance(problem, MailboxFull) else problem.status
        yield from _fail(entry, str(problem), code, result)
        return
    except (ConnectionFailed, ProtocolError) as problem:
        yield from commit(SettleMail(entry.id, OutboxState.UNCERTAIN, str(problem)))
        yield from emit(Warned(f"it is not certain whether {entry.subject!r} was sent: {problem}"))
        result.uncertain.append(entry)
        result.problem = problem
        return
    except EmailplusError as problem:  # credentials, policy: the server acted on nothing
        yield from commit(SettleMail(entry.id, OutboxState.QUEUED, str(problem), attempted=False))
        raise
    if code in (status.OK, PREVIOUSLY_SENT):
        yield from commit(SettleMail(entry.id, OutboxState.CONFIRMED, status=code))
        yield from emit(MailSent(entry.id, entry.subject))
        result.sent.append(entry)
        return
    yield from _refused(session, entry, code, now, result)


def _refused(session: Session, entry: OutboxEntry, code: int, now: float, result: FlushResult) -> Flow[None]:
    """A status that is no success: the complete message instead, later, or never."""
    problem = status.error(entry.command, code)
    if code in _FALLBACK and (entry.fallback or entry.replace):
        yield from emit(Warned(f"the server cannot find the original of {entry.subject!r}: it is sent as a whole"))
        again = yield from _as_a_whole(entry)
        yield from _send(session, again, now, result)
        return
    if isinstance(problem, (CommandFailed, MailboxFull)):
        yield from _fail(entry, str(problem), code, result)
        return
    yield from commit(SettleMail(entry.id, OutboxState.QUEUED, str(problem), code, attempted=False))
    if not isinstance(problem, ServerError):
        raise problem
    result.problem = problem


def _fail(entry: OutboxEntry, reason: str, code: int | None, result: FlushResult) -> Flow[None]:
    yield from commit(SettleMail(entry.id, OutboxState.FAILED, reason, code))
    yield from emit(Warned(f"{entry.subject!r} was not sent: {reason}"))
    result.failed.append(entry)


def _command(session: Session, entry: OutboxEntry, mime: bytes) -> Command:
    name, source = entry.command, None
    if name != send_mail.NAME:
        source = compose_mail.Source(entry.source_folder, entry.source_item)
        if entry.replace and not session.version.conversations:  # no ReplaceMime: the server would add the original
            name, source = send_mail.NAME, None
    return compose_mail.build(
        name, session.version, mime, entry.client_id,
        save=entry.save, source=source, replace_mime=entry.replace, template=entry.template,
    )  # fmt: skip


# Looking for a message in Sent Items.


def _in_sent_items(session: Session, entry: OutboxEntry) -> Flow[bool | None]:
    """Whether the message lies in Sent Items; None where there is nowhere to look.

    Candidates have its subject and came after the first attempt; what makes one of them this message is its Message-ID.
    Where the server does not give the head of a candidate, subject and time decide.
    """
    if not entry.save or entry.sent_at is None:
        return None
    since = min(entry.created, entry.sent_at) - CLOCK_SKEW
    candidates: list[tuple[str, str]] | None = yield from load(SentCandidates(entry.subject, since))
    if candidates is None:
        return None
    wanted = f"<{entry.message_id}>".encode()
    unread = False
    for collection_id, server_id in candidates:
        try:
            head = yield from fetch_mime(session, collection_id, server_id, HEAD)
        except (ProtocolError, HttpStatusError, ServerBusy):
            unread = True
            continue
        if wanted in head:
            return True
    return unread
