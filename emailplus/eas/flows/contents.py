"""Fetching what a Sync left out: whole bodies and attachments (MS-ASCMD 2.2.1.10, 2.2.1.6, 2.2.3.67.2).

Small attachments come several in one answer. Everything else streams into the spool, chunk by durable chunk, and goes
on by Range where a cut left it. What a limit refuses or the server does not have is settled with its reason; the
others go on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ...errors import (
    CommandFailed,
    ConnectionFailed,
    HttpStatusError,
    LimitExceeded,
    MalformedResponse,
    ProtocolError,
    ServerBusy,
    WbxmlError,
)
from ...flow import Flow, commit, emit, load, sleep
from ...model.changes import ClaimBlob, FinishBlob, RestartBlob, SettleFetch, StoreContents, SyncWindows, Window
from ...model.events import Phase, Progress, Warned
from ...model.folder import Collection
from ...model.message import BodyType
from ...model.queries import MailCollections, PendingFetch, PendingFetches
from ...policy.body_preference import BodyRequest, ContentPolicy
from ...policy.contents import FORBIDDEN
from ...policy.limits import ATTACHMENT_MESSAGE, BODY_MESSAGE
from .. import status
from ..commands import get_attachment, item_operations, sync
from ..stream import ATTACHMENT_TAGS, BODY_TAGS, BODY_TAGS_2_5, FetchPayload, RawPayload
from .provision import apply_policy
from .session import Session, perform, perform_to_spool

SMALL = 96 * 1024
"""Announced bytes up to which attachments share a request."""
BATCH_BYTES, BATCH_ITEMS = 1 << 20, 20
"""Bounds of one shared request."""
MAX_MISSED = 2
"""Contents in a row that a busy server may fail to give before the run ends."""
MAX_RESUMES = 3
"""Times a cut download is resumed in one run."""

_FETCH = "ItemOperations:Response/ItemOperations:Fetch/"


def fetch_contents(session: Session, policy: ContentPolicy) -> Flow[None]:
    """Everything that is pending, bodies before attachments. Raises only what stops the whole conversation."""
    after, done, patience = (0, 0), 0, _Patience()
    while pending := (yield from load(PendingFetches(after=after))):
        if not done:
            yield from emit(Phase("contents"))
        pending, last = (yield from _refuse(policy, pending)), pending[-1].position
        small = [item for item in pending if _is_small(item, session)]
        for batch in _batches(small):
            yield from _fetch_small(session, policy, batch, patience)
            done += len(batch)
            yield from emit(Progress("contents", done))
        for item in pending:
            if not _is_small(item, session):
                yield from _fetch_large(session, policy, item, patience)
                done += 1
                yield from emit(Progress("contents", done))
        after = last


@dataclass(slots=True)
class _Patience:
    """What a busy server did not give stays pending for the next run, until it gives nothing at all."""

    missed: int = 0

    def leave(self, item: PendingFetch, problem: ServerBusy) -> Flow[None]:
        """Raises `problem` where going on is of no use."""
        self.missed += 1
        if self.missed > MAX_MISSED or problem.retry_after is not None:
            raise problem
        what = item.name or "the body"
        yield from emit(Warned(f"{what} of {item.subject!r} is left for the next run: {problem}"))


def _refuse(policy: ContentPolicy, pending: list[PendingFetch]) -> Flow[list[PendingFetch]]:
    """Settle what is known beforehand to be refused; the others."""
    allowed = []
    for item in pending:
        limit, reason = policy.max_attachment, ATTACHMENT_MESSAGE
        if item.kind == "body":
            limit, reason = policy.max_body, BODY_MESSAGE
        elif not policy.attachments:
            limit, reason = -1, FORBIDDEN
        if limit is not None and item.size > limit:
            yield from commit(SettleFetch(item.kind, item.item_id, "refused", reason))
        else:
            allowed.append(item)
    return allowed


def _is_small(item: PendingFetch, session: Session) -> bool:
    return item.kind == "attachment" and item.size <= SMALL and session.version.item_operations


def _batches(items: Iterable[PendingFetch]) -> Iterable[list[PendingFetch]]:
    batch: list[PendingFetch] = []
    for item in items:
        if batch and (len(batch) >= BATCH_ITEMS or sum(i.size for i in batch) + item.size > BATCH_BYTES):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch


def _fetch_small(session: Session, policy: ContentPolicy, batch: list[PendingFetch], patience: _Patience) -> Flow[None]:
    request = item_operations.build_attachments(
        [item.file_reference for item in batch], rights=policy.rights and session.version.rights
    )
    try:
        root = yield from perform(session, item_operations.NAME, request, apply_policy)
        fetched = item_operations.parse_attachments(root) if root is not None else []
    except (ProtocolError, HttpStatusError, ServerBusy) as problem:
        if len(batch) > 1 and getattr(problem, "retry_after", None) is None:
            for item in batch:  # one of them is the culprit
                yield from _fetch_small(session, policy, [item], patience)
        elif isinstance(problem, ServerBusy):
            yield from patience.leave(batch[0], problem)
        else:
            yield from commit(SettleFetch("attachment", batch[0].item_id, "failed", _reason(problem)))
        return
    patience.missed = 0
    by_reference = {answer.file_reference: answer for answer in fetched}
    contents: list[tuple[int, bytes, str]] = []
    for number, item in enumerate(batch):
        answer = by_reference.get(item.file_reference)
        if answer is None and len(fetched) == len(batch):
            answer = fetched[number]  # the server left the references out, but the order is the request's
        if answer is None or answer.status != status.OK:
            code = answer.status if answer is not None else 0
            refusal = status.error(item_operations.NAME, code)
            if isinstance(refusal, ServerBusy):
                yield from patience.leave(item, refusal)
                continue
            yield from commit(SettleFetch("attachment", item.item_id, "failed", _missing(code)))
        elif policy.max_attachment is not None and len(answer.data) > policy.max_attachment:
            yield from commit(SettleFetch("attachment", item.item_id, "refused", ATTACHMENT_MESSAGE))
        else:
            contents.append((item.item_id, answer.data, answer.content_type))
    if contents:
        yield from commit(StoreContents(contents))


def _fetch_large(session: Session, policy: ContentPolicy, item: PendingFetch, patience: _Patience) -> Flow[None]:
    fetch = _fetch_body if item.kind == "body" else _fetch_attachment
    unreadable = False
    for attempt in range(MAX_RESUMES + 1):
        try:
            yield from fetch(session, policy, item)
            patience.missed = 0
            return
        except LimitExceeded:
            reason = BODY_MESSAGE if item.kind == "body" else ATTACHMENT_MESSAGE
            yield from commit(SettleFetch(item.kind, item.item_id, "refused", reason))
            return
        except ConnectionFailed:
            if attempt == MAX_RESUMES:
                raise
            yield from sleep(2.0**attempt)
        except ServerBusy as problem:
            yield from patience.leave(item, problem)
            return
        except (ProtocolError, HttpStatusError) as problem:
            if isinstance(problem, (WbxmlError, MalformedResponse)) and not unreadable:
                unreadable = True  # bytes that went wrong on their way: once more, from the start
                blob, _ = yield from commit(ClaimBlob(item.kind, item.item_id))
                yield from commit(RestartBlob(blob))
                continue
            yield from commit(SettleFetch(item.kind, item.item_id, "failed", _reason(problem)))
            return


def _fetch_attachment(session: Session, policy: ContentPolicy, item: PendingFetch) -> Flow[None]:
    blob, there = yield from commit(ClaimBlob("attachment", item.item_id))
    left = None if policy.max_attachment is None else policy.max_attachment - there
    if not session.version.item_operations:
        raw = RawPayload(left, skip=there)
        parameters = get_attachment.parameters(item.file_reference)
        yield from perform_to_spool(session, get_attachment.NAME, None, apply_policy, raw, blob, parameters=parameters)
        content_type = raw.content_type or get_attachment.DEFAULT_TYPE
        yield from commit(FinishBlob("attachment", item.item_id, blob, content_type=content_type))
        return
    payload = FetchPayload(ATTACHMENT_TAGS, base64_text=True, limit=left, resume_at=there)
    request = item_operations.build_attachments(
        [item.file_reference], there, rights=policy.rights and session.version.rights
    )
    yield from perform_to_spool(session, item_operations.NAME, request, apply_policy, payload, blob, multipart=True)
    code = _fetch_status(payload)
    if code == 8 and there:  # the range is not honoured: begin again (ItemOperations status 8)
        yield from commit(RestartBlob(blob))
        raise ConnectionFailed("the server does not continue this download")
    if code not in (None, status.OK, 10):
        raise status.error(item_operations.NAME, code)
    content_type = payload.texts.get(f"{_FETCH}ItemOperations:Properties/AirSyncBase:ContentType", "")
    yield from commit(FinishBlob("attachment", item.item_id, blob, content_type=content_type))


def _fetch_body(session: Session, policy: ContentPolicy, item: PendingFetch) -> Flow[None]:
    blob, there = yield from commit(ClaimBlob("body", item.item_id))
    if there:
        yield from commit(RestartBlob(blob))  # Range is for attachments (MS-ASCMD 2.2.3.143.1)
    wanted = policy.body_request().whole() if item.size else _without_mime(policy)
    wanted = replace(wanted, rights=wanted.rights and session.version.rights)
    if not session.version.item_operations:
        yield from _fetch_body_by_sync(session, policy, item, blob, wanted)
        return
    payload = FetchPayload(BODY_TAGS, base64_text=False, limit=policy.max_body)
    request = item_operations.build_body(item.collection_id, item.server_id, wanted)
    yield from perform_to_spool(session, item_operations.NAME, request, apply_policy, payload, blob)
    code = _fetch_status(payload)
    if code not in (None, status.OK):
        raise status.error(item_operations.NAME, code)
    form = payload.texts.get(f"{_FETCH}ItemOperations:Properties/AirSyncBase:Body/AirSyncBase:Type", "")
    yield from commit(FinishBlob("body", item.item_id, blob, body_type=int(form) if form.isdigit() else 0))


def _without_mime(policy: ContentPolicy) -> BodyRequest:
    """Text only: the MIME would carry an attachment that is refused. MIME must not even be offered: SOGo's
    ItemOperations takes the last preference whatever MIMESupport says."""
    readable = policy.readable_request().whole()
    return replace(
        readable, preferences=tuple(p for p in readable.preferences if p.type != BodyType.MIME), mime_support=0
    )


def _fetch_body_by_sync(
    session: Session, policy: ContentPolicy, item: PendingFetch, blob: int, wanted: BodyRequest
) -> Flow[None]:
    """2.5: Fetch inside Sync, which moves the SyncKey on; the key is committed with an empty window."""
    collections: list[Collection] = yield from load(MailCollections())
    collection = next(c for c in collections if c.server_id == item.collection_id)
    payload = FetchPayload(BODY_TAGS_2_5, base64_text=False, limit=policy.max_body)
    request = sync.build_fetch(collection.server_id, collection.sync_key, item.server_id, wanted, session.version)
    yield from perform_to_spool(session, sync.NAME, request, apply_policy, payload, blob)
    root = "AirSync:Collections/AirSync:Collection/"
    key = payload.texts.get(f"{root}AirSync:SyncKey", "")
    code = payload.texts.get(f"{root}AirSync:Responses/AirSync:Fetch/AirSync:Status", "1")
    if key:
        window = Window(collection.folder_id, key, collection.options)
        yield from commit(SyncWindows([window]))
    if code != "1" or not key:
        raise CommandFailed(
            f"the server does not give the whole body (status {code or 'missing'})",
            command=sync.NAME,
            status=int(code) if code.isdigit() else 0,
        )
    form = 4 if payload.content_tag == "Email:MIMEData" else 1
    yield from commit(FinishBlob("body", item.item_id, blob, body_type=form))


def _fetch_status(payload: FetchPayload) -> int | None:
    """Status of the Fetch, or of the command where that says more."""
    for path in (f"{_FETCH}ItemOperations:Status", "ItemOperations:Status"):
        written = payload.texts.get(path, "").strip()
        if written.isdigit():
            return int(written)
    return None


def _missing(code: int) -> str:
    name, _ = status.describe(item_operations.NAME, code)
    return f"the server does not give it (status {code}, {name})" if code else "the server does not give it"


def _reason(problem: Exception) -> str:
    return str(problem)[:200]
