"""Telling the server what was written of drafts here, from 16.0 on (MS-ASEMAIL 3.1.5.4).

One Sync a draft, before the server's changes are asked for: so the server sees whether both sides changed it, and
its Conflict option decides. What another device wrote comes with the mail and is taken over after the run
(`drafting.adopt`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from ...errors import CommandFailed, FolderHierarchyChanged, InvalidSyncKey, ServerBusy
from ...flow import Flow, commit, emit, load
from ...mime.compose import html_text, plain_text
from ...model.changes import ResetCollections, Window
from ...model.drafts import DraftOutcome, MarkDraftSent, SettleDraft, WaitingDraft, WaitingDrafts
from ...model.events import ChangesTold, Warned
from ...model.folder import Collection, FolderType
from ...model.message import Attachment, Body, Message
from ...model.queries import MailCollections
from .. import status
from ..commands import drafts, sync
from ..commands.sync import CollectionAnswer, ItemResponse
from .provision import apply_policy
from .session import Session, perform
from .sync_mail import MailPlan, Run, Work, fill, request_for

CONFLICT, GONE = 7, 8
_LATER = frozenset({5, 16})


def push_drafts(session: Session, plan: MailPlan) -> Flow[None]:
    """Every draft that the server does not have as it is here. Never raises for what one draft meets; a folder that has
    no key yet, or begins anew, is told after its pass."""
    if session.version.code < drafts.SINCE or not plan.keep_content:
        return
    waiting: list[WaitingDraft] = yield from load(WaitingDrafts())
    told = 0
    for entry in waiting:
        collections: list[Collection] = yield from load(MailCollections())  # each answer moves the key on
        folder = next((c for c in collections if c.type == FolderType.DRAFTS), None)
        options = plan.options_fingerprint()
        if folder is None or folder.sync_key == "0" or folder.pass_open or folder.options != options:
            break
        try:
            done = yield from _push(session, plan, folder, entry)
        except (CommandFailed, ServerBusy) as problem:
            yield from emit(Warned(f"drafts written here wait for the next run: {problem}"))
            break
        if done is None:
            break
        told += done
    if told:
        yield from emit(ChangesTold(told))


def _push(session: Session, plan: MailPlan, folder: Collection, entry: WaitingDraft) -> Flow[int | None]:
    """One draft; 1 if the server has it now, None where nothing more can be told at present."""
    draft = entry.draft
    missing = [a.name for a in draft.attachments if a.content is None]
    if missing:
        refused = f"its attachment {missing[0]!r} is not in the store"
        yield from _settle(SettleDraft(DraftOutcome(entry.id, entry.revision, refused=refused)), draft.subject)
        return 0
    if entry.theirs and plan.conflicts != "client_wins":
        lost = _lost(plan, GONE if entry.theirs == "deleted" else CONFLICT)
        outcome = DraftOutcome(entry.id, entry.revision, entry.server_id, lost=lost)
        yield from _settle(SettleDraft(outcome), draft.subject)
        return 0
    text = plain_text(draft, draft.quote)
    html = html_text(draft, draft.quote) if draft.html else ""
    data = drafts.properties(draft, text, html)
    if entry.new_files:
        data += drafts.attachments(draft.attachments, entry.client_id, entry.references)
    command = drafts.change(entry.server_id, data) if entry.server_id else drafts.add(entry.client_id, data)
    run = Run(session, plan)
    work = Work(folder, folder.sync_key, False)
    request = replace(request_for(run, work, 1, commands=[command], get_changes=False), conflict=plan.conflict)
    yield from commit(MarkDraftSent(entry.id, entry.revision))
    try:
        root = yield from perform(session, sync.NAME, sync.build([request], session.version), apply_policy)
        answers = sync.parse(root) if root is not None else []
    except (InvalidSyncKey, FolderHierarchyChanged):
        answers = []
    if not answers:
        return None
    answer = answers[0]
    if answer.status != status.OK:
        if status.describe(sync.NAME, answer.status)[1] == "full_resync":
            yield from commit(ResetCollections([folder.folder_id]))
        return None
    return (yield from _answered(run, work, entry, answer, text, html))


def _answered(
    run: Run, work: Work, entry: WaitingDraft, answer: CollectionAnswer, text: str, html: str
) -> Flow[int | None]:
    """Commit what became of the draft with the key of the answer, its copy among the mail."""
    response = next((r for r in answer.responses if r.client_id == entry.client_id), None)
    if entry.server_id:
        response = next((r for r in answer.responses if r.server_id == entry.server_id), None)
    window = run.window_of(work, answer.sync_key)
    fill(window, answer, run.plan)
    code = status.OK if response is None else response.status
    if response is None and not entry.server_id:
        code = 5  # the server must answer an Add; one that does not has not done it
    settle = SettleDraft(DraftOutcome(entry.id, entry.revision, entry.server_id), [window], run.plan.keep_content)
    if code == status.OK:
        server_id = entry.server_id or (response.server_id if response is not None else "")
        references = drafts.references(response.nodes) if response is not None else {}
        settle.outcome = replace(
            settle.outcome, server_id=server_id, references=references, files=entry.new_files
        )  # fmt: skip
        window.added = [*window.added, _copy(run, entry, server_id, response, text, html)]
    elif code in (CONFLICT, GONE):
        settle.outcome = replace(settle.outcome, lost=_lost(run.plan, code))
    elif code in _LATER:
        yield from commit(SettleDraft(DraftOutcome(-1, 0), [window], run.plan.keep_content))
        return None
    else:
        name, _ = status.describe(sync.NAME, code)
        settle.outcome = replace(settle.outcome, refused=f"the server refuses it (status {code}, {name})")
    yield from _settle(settle, entry.draft.subject)
    return int(code == status.OK)


def _lost(plan: MailPlan, code: int) -> str:
    """Whose version stays: of a draft that was deleted there nothing but ours is left, and it is not thrown away."""
    if code == GONE:
        return "client"
    return {"client_wins": "client", "keep_both": "both"}.get(plan.conflicts, "server")


def _settle(settle: SettleDraft, subject: str) -> Flow[None]:
    yield from commit(settle)
    outcome = settle.outcome
    said = {
        "server": "was changed on both sides: the server's version is kept",
        "both": "was changed on both sides: both versions are kept",
        "client": "was deleted on the server: what was written here is a new draft",
    }.get(outcome.lost)
    if said is not None:
        yield from emit(Warned(f"the draft {subject!r} {said}"))
    elif outcome.refused:
        yield from emit(Warned(f"the draft {subject!r} is here only: {outcome.refused}"))


def _copy(
    run: Run, entry: WaitingDraft, server_id: str, response: ItemResponse | None, text: str, html: str
) -> Message:
    """The draft as a message in Drafts: the server does not tell us our own changes."""
    draft = entry.draft
    data = (html or text).encode(errors="replace")
    names = drafts.references(response.nodes) if response is not None else {}
    by_position = {int(client_id[-8:], 16): reference for client_id, reference in names.items()}
    if not entry.new_files:
        by_position = dict(enumerate(entry.references))
    message = Message(
        server_id=server_id,
        subject=draft.subject,
        sender=str(draft.sender),
        to=", ".join(map(str, draft.to)),
        cc=", ".join(map(str, draft.cc)),
        bcc=", ".join(map(str, draft.bcc)),
        reply_to=", ".join(map(str, draft.reply_to)),
        received=datetime.fromtimestamp(run.plan.now, UTC),
        importance=draft.importance,
        read=True,
        message_class="IPM.Note",
        draft=True,
        body=Body(2 if html else 1, data, len(data)),
        attachments=[
            Attachment(
                by_position[number], a.name, a.size, content_id=a.content_id, content_type=a.content_type,
                inline=bool(a.content_id),
            )
            for number, a in enumerate(draft.attachments)
            if number in by_position
        ],
    )  # fmt: skip
    window = Window(0, "", "", added=[message])
    fill(window, CollectionAnswer("", added=[message]), run.plan)
    return message
