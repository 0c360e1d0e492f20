"""Markings of stored messages at the end of a run: read again where something changed, header fields fetched apart.

An ordinary Sync carries no arbitrary header fields (MS-ASEMAIL 2.2.2); they come with the MIME form of a body. Of
messages that came without it, the beginning of the MIME is fetched, several in one ItemOperations.
"""

from __future__ import annotations

from ...errors import CommandFailed, HttpStatusError, ProtocolError, ResponseTooLarge, ServerBusy
from ...flow import Flow, commit, emit, load
from ...model.changes import MarkingCounts, ReadMarkings, RestartMarkings, StoreHeads, TakeMarkings
from ...model.events import MarkingsRead, Phase, Progress, Warned
from ...model.marking import MarkingReader, head_of
from ...model.queries import HeadsWanted, HeadWanted
from .. import status
from ..commands import item_operations
from ..commands.item_operations import FetchedHead
from .provision import apply_policy
from .session import Session, perform
from .sync_mail import MailPlan

HEAD_BYTES = 32 * 1024
"""Bytes of MIME that are fetched for its header fields first; a message whose fields are longer is asked again."""
LONG_HEAD_BYTES = 256 * 1024
BATCH = 50
"""Messages in one request."""


def begin_markings(plan: MailPlan) -> Flow[None]:
    """Notice another configuration: then every stored message is read anew, off line as far as that goes."""
    count = yield from commit(RestartMarkings(plan.marking_fingerprint))
    if count:
        yield from emit(Warned(f"the classification changed: the markings of {count:,} messages are read anew"))


def finish_markings(session: Session, plan: MailPlan) -> Flow[None]:
    """Read what is stale, fetch the header fields that are wanted, and tell the counts."""
    reader = plan.reader
    if reader is None or not plan.keep_content:
        return
    yield from _read(reader)
    after, done = 0, 0
    while wanted := (yield from load(HeadsWanted(after=after))):
        if not done:
            yield from emit(Phase("markings"))
        after = wanted[-1].message_id
        try:
            for start in range(0, len(wanted), BATCH):
                yield from _fetch(session, wanted[start : start + BATCH])
                done += len(wanted[start : start + BATCH])
                yield from emit(Progress("markings", done))
        except ServerBusy as problem:
            yield from emit(Warned(f"header fields that hold markings are left for the next run: {problem}"))
            break
    if done:
        yield from _read(reader)
    counts: MarkingCounts = yield from commit(TakeMarkings())
    yield from emit(MarkingsRead(counts.by_label, counts.flagged, tuple(counts.missing)))


def _read(reader: MarkingReader) -> Flow[None]:
    while (yield from commit(ReadMarkings(reader))):
        pass


def _fetch(session: Session, wanted: list[HeadWanted], size: int = HEAD_BYTES) -> Flow[None]:
    """The header fields of a few messages; one that spoils the others is asked for alone."""
    if not session.version.item_operations:
        reason = f"protocol {session.version.name} fetches no header fields apart"
        yield from commit(StoreHeads(missing=[(one.message_id, reason) for one in wanted]))
        return
    request = item_operations.build_heads([(one.collection_id, one.server_id) for one in wanted], size)
    try:
        root = yield from perform(session, item_operations.NAME, request, apply_policy)
        answers = item_operations.parse_heads(root) if root is not None else []
    except (ProtocolError, HttpStatusError, ResponseTooLarge) as problem:
        if len(wanted) > 1:
            for one in wanted:
                yield from _fetch(session, [one], size)
        else:
            yield from commit(StoreHeads(missing=[(wanted[0].message_id, str(problem)[:200])]))
        return
    found = StoreHeads()
    longer: list[HeadWanted] = []
    by_id = {answer.server_id: answer for answer in answers}
    for number, one in enumerate(wanted):
        answer = by_id.get(one.server_id)
        if answer is None and len(answers) == len(wanted):
            answer = answers[number]  # the server left the ids out, but the order is the request's
        head = head_of(answer.data, cut=answer.truncated) if answer is not None and answer.data else b""
        if head:
            found.heads.append((one.message_id, head))
        elif answer is not None and answer.data and size < LONG_HEAD_BYTES:
            longer.append(one)
        elif answer is not None and isinstance(_problem(answer), ServerBusy):
            continue  # it waits for the next run
        else:
            found.missing.append((one.message_id, _reason(answer)))
    yield from commit(found)
    if longer:
        yield from _fetch(session, longer, LONG_HEAD_BYTES)


def _problem(answer: FetchedHead) -> Exception | None:
    return status.error(item_operations.NAME, answer.status) if answer.status != status.OK else None


def _reason(answer: FetchedHead | None) -> str:
    if answer is None:
        return "the server does not answer for its header fields"
    problem = _problem(answer)
    if isinstance(problem, CommandFailed):
        name, _ = status.describe(item_operations.NAME, answer.status)
        return f"the server does not give its header fields (status {answer.status}, {name})"
    return "its header fields are too long" if answer.data else "the server does not give it as MIME"
