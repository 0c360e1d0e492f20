"""The whole job of one run: connect, outbox, folders, mail, contents, markings, index (architecture: its way)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ...errors import FolderHierarchyChanged, RightsManagementOff, ServerError
from ...flow import Flow, commit, emit, load
from ...model.changes import EndRun, IndexMessages, ResetCollections, ReviewLimits, SaveAccount, TakeTroubles, Trouble
from ...model.events import Phase, Progress, Warned
from ...model.folder import FolderType
from ...model.outbox import OutboxEntries, OutboxState
from ...model.queries import AccountFacts
from ...policy.contents import FORBIDDEN
from ...policy.limits import ATTACHMENT_MESSAGE, BODY_MESSAGE
from ...policy.server_policy import ServerPolicy
from .answers import push_answers
from .begin import begin
from .change_mail import push_changes
from .contents import fetch_contents
from .folder_sync import sync_folders
from .linger import glance, linger, wait_in_sync
from .markings import begin_markings, finish_markings
from .quarantine import retry_quarantine
from .send import FlushResult, flush_outbox, settle_outbox
from .session import Session
from .sync_drafts import push_drafts
from .sync_items import sync_items
from .sync_mail import MailPlan, sync_mail

FULL_SYNC_FACT = "full_sync"
"""When the last full sync ended (Unix time): one that began with a new store, account or device. Absent: it is due."""
RIGHTS_OFF_FACT = "rights_off"
"""Until when (Unix time) the server is not asked to open protected mail: it said that rights management is off
(MS-ASRM_R196)."""
RIGHTS_OFF_LASTS = 24 * 3600.0
MAX_POLICY_CHANGES = 3
"""Times the server's policy may change under one run."""
MAX_HIERARCHY_CHANGES = 3
"""Times the folder list may change under one run."""


@dataclass(frozen=True, slots=True)
class RunPlan:
    """One run. `now` is Unix time; `pinned` allows only one protocol version."""

    decide: Callable[[ServerPolicy | None], tuple[MailPlan, float | None]]
    """What to synchronise under the server's policy, and the Unix time before which mail leaves the store."""
    now: float
    pinned: str | None = None
    conflicts: str = "server_wins"
    """Who wins where both sides changed an item: "server_wins", "client_wins" or "keep_both"."""
    fetch: bool = True
    """Fetch bodies and attachments that a Sync left out."""
    linger: int = 0
    """Seconds to wait on the server for changes once everything is here (from 12.1 on); 0: none."""
    read_only: bool = False
    """Tell the server nothing: no mail is sent, no change of ours is told."""
    after_full_sync: Mapping[str, str] = field(default_factory=dict)
    """Facts that hold from the end of a full sync on, for keys that wait for one."""


def synchronise(session: Session, plan: RunPlan) -> Flow[list[Trouble]]:
    """Bring the store up to date with the server; what could not be had, with reasons."""
    yield from emit(Phase("connect"))
    yield from begin(session, plan.now, plan.pinned)
    for _ in range(MAX_POLICY_CHANGES):
        facts: dict[str, str] = yield from load(AccountFacts())
        try:
            yield from _under_policy(session, plan, facts)
        except RightsManagementOff as problem:
            if not _mail_plan(plan, facts).content.rights:
                raise
            yield from commit(SaveAccount({RIGHTS_OFF_FACT: repr(plan.now + RIGHTS_OFF_LASTS)}))
            yield from emit(Warned(f"protected mail comes as the server has it, sealed: {problem}"))
            continue
        known: dict[str, str] = yield from load(AccountFacts())
        if known.get("policy") == facts.get("policy"):
            break
        yield from emit(Warned("the server's policy changed on the way; the run goes on under the new one"))
    yield from _index()
    if plan.linger and (yield from linger(session, _mail_plan(plan, facts), plan.linger)):
        yield from _under_policy(session, plan, facts)  # the contents of what came, and all that follows from it
        yield from _index()
    if FULL_SYNC_FACT not in facts:
        yield from commit(SaveAccount({FULL_SYNC_FACT: repr(plan.now), **plan.after_full_sync}))
    troubles: list[Trouble] = yield from commit(TakeTroubles())
    return troubles


def _under_policy(session: Session, plan: RunPlan, facts: dict[str, str]) -> Flow[None]:
    """Folders, mail and contents as the policy that is known has them. What it acknowledged holds for the whole run:
    a policy that changed on the way (MS-ASPROV_R625) is the caller's to notice."""
    mail = _mail_plan(plan, facts)
    content = mail.content
    limit, reason = content.max_attachment, ATTACHMENT_MESSAGE
    if not content.attachments:  # none is small enough
        limit, reason = -1, FORBIDDEN
    yield from commit(ReviewLimits(content.max_body, limit, BODY_MESSAGE, reason))
    yield from begin_markings(mail)
    yield from retry_quarantine(mail)
    flushed = FlushResult()
    if not plan.read_only:
        yield from push_answers(session, looked=False)
        flushed = yield from flush_outbox(session, plan.now)
        yield from push_changes(session, mail, plan.now)
        yield from push_drafts(session, mail)
    whole = yield from _folders_and_mail(session, mail)
    if not plan.read_only:
        yield from push_answers(session, looked=True, calendars=whole)
        if flushed.problem is None:  # invitations to what the server has taken just now, and answers
            yield from flush_outbox(session, plan.now, but=flushed.tried)
        yield from settle_outbox(session, plan.now)
        yield from push_changes(session, mail, plan.now)  # of folders that began anew
        yield from push_drafts(session, mail)
    # Before the contents: a server that filters by another date than it reports sends mail that does not stay.
    removed = yield from commit(EndRun(mail.cutoff, plan.now))
    if removed:
        yield from emit(Progress("expired", removed))
    if plan.fetch and mail.keep_content:
        yield from fetch_contents(session, content)
    yield from finish_markings(session, mail)


def _mail_plan(plan: RunPlan, facts: dict[str, str]) -> MailPlan:
    mail, cutoff = plan.decide(ServerPolicy.from_json(facts["policy"]) if "policy" in facts else None)
    if plan.now < float(facts.get(RIGHTS_OFF_FACT, 0)):
        mail = replace(mail, content=replace(mail.content, rights=False))
    return replace(mail, cutoff=cutoff, now=plan.now, conflicts=plan.conflicts, read_only=plan.read_only)


def complete(session: Session, plan: RunPlan) -> Flow[None]:
    """What a run without `fetch` left: bodies, attachments, markings that need them, the index.

    The conversation has begun (`begin`).
    """
    facts: dict[str, str] = yield from load(AccountFacts())
    mail = _mail_plan(plan, facts)
    if mail.keep_content:
        yield from fetch_contents(session, mail.content)
    yield from finish_markings(session, mail)
    yield from _index()


def wait_once_in_sync(session: Session, plan: RunPlan, seconds: int) -> Flow[bool]:
    """One Sync that the server holds; see `wait_in_sync`. The conversation has begun (`begin`)."""
    facts: dict[str, str] = yield from load(AccountFacts())
    return (yield from wait_in_sync(session, _mail_plan(plan, facts), seconds))


def glance_at(session: Session, plan: RunPlan, folders: Sequence[str]) -> Flow[bool]:
    """What is new in a few folders; see `glance`. The conversation has begun (`begin`)."""
    facts: dict[str, str] = yield from load(AccountFacts())
    return (yield from glance(session, _mail_plan(plan, facts), folders))


def send_outbox(session: Session, plan: RunPlan) -> Flow[FlushResult]:
    """Send what waits, answers to meeting requests first, and find out about what is uncertain, without synchronising
    more than that needs.

    The conversation has begun (`begin`).
    """
    yield from emit(Phase("send"))
    answers = yield from push_answers(session, looked=False)
    result = yield from flush_outbox(session, plan.now)
    result.answers = answers
    if answers.doubtful and answers.problem is None:
        yield from _look_for_answers(session, plan, result)
    uncertain = yield from load(OutboxEntries((OutboxState.SENT, OutboxState.UNCERTAIN)))
    if not uncertain:
        return result
    try:
        facts: dict[str, str] = yield from load(AccountFacts())
        yield from sync_folders(session, facts.get("folder_sync_key", "0"))
        yield from sync_mail(session, _mail_plan(plan, facts), only=FolderType.SENT_ITEMS)
    except ServerError as problem:  # it is found out another time
        result.problem = problem
        return result
    settled = yield from settle_outbox(session, plan.now)
    result.sent += settled.sent
    result.failed += settled.failed
    result.uncertain, result.problem = settled.uncertain, settled.problem
    return result


def _look_for_answers(session: Session, plan: RunPlan, result: FlushResult) -> Flow[None]:
    """Settle the answers that need a synchronisation for it; contents and changes of ours wait for the next run."""
    facts: dict[str, str] = yield from load(AccountFacts())
    try:
        whole = yield from _folders_and_mail(session, replace(_mail_plan(plan, facts), read_only=True))
    except ServerError as problem:  # it is found out another time
        result.answers.problem = problem
        return
    later = yield from push_answers(session, looked=True, calendars=whole)
    result.answers.taken |= later.taken
    result.answers.refused |= later.refused
    result.answers.problem = later.problem
    if result.problem is None:
        more = yield from flush_outbox(session, plan.now, but=result.tried)
        result.sent += more.sent
        result.failed += more.failed
        result.tried |= more.tried
        result.problem = more.problem


def _folders_and_mail(session: Session, plan: MailPlan) -> Flow[bool]:
    """Everything but contents; False if a folder with other items than mail was left out."""
    resynced = False
    for attempt in range(MAX_HIERARCHY_CHANGES):
        facts: dict[str, str] = yield from load(AccountFacts())
        yield from emit(Phase("folders"))
        yield from sync_folders(session, facts.get("folder_sync_key", "0"))
        if session.resync_ordered and not resynced:
            yield from _resync(session)
            resynced = True
        try:
            yield from sync_mail(session, plan)
            whole = yield from sync_items(session, plan)
            if session.resync_ordered and not resynced:
                yield from _resync(session)
                yield from sync_mail(session, plan)
                whole = yield from sync_items(session, plan)
            return whole
        except FolderHierarchyChanged:
            if attempt == MAX_HIERARCHY_CHANGES - 1:
                raise
            # The list we hold does not lead to what the server names: read it as a whole.
            if attempt:
                yield from commit(SaveAccount({"folder_sync_key": "0"}))
    return False


def _resync(session: Session) -> Flow[None]:
    """X-MS-RP: folders and items are compared anew, losing nothing (MS-ASHTTP 2.2.2.1.2.9)."""
    yield from emit(Warned("the server asks for a full resynchronisation; everything is compared anew"))
    yield from commit(ResetCollections([]))
    yield from sync_folders(session, "0")


def _index() -> Flow[None]:
    done = 0
    while count := (yield from commit(IndexMessages())):
        if not done:
            yield from emit(Phase("index"))
        done += count
        yield from emit(Progress("index", done))
