"""The whole job of one run: connect, folders, mail, contents, markings, index (architecture: the way of the data)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from ...errors import CommandFailed, FolderHierarchyChanged, HttpStatusError, ServerBusy
from ...flow import Flow, commit, emit, load
from ...model.changes import EndRun, IndexMessages, ResetCollections, ReviewLimits, SaveAccount, TakeTroubles, Trouble
from ...model.events import Connected, Phase, Progress, Warned
from ...model.queries import AccountFacts
from ...policy.contents import FORBIDDEN
from ...policy.limits import ATTACHMENT_MESSAGE, BODY_MESSAGE
from ...policy.server_policy import ServerPolicy
from ..versions import VERSIONS
from .connect import connect
from .contents import fetch_contents
from .folder_sync import sync_folders
from .markings import begin_markings, finish_markings
from .provision import apply_policy
from .quarantine import retry_quarantine
from .session import Session
from .sync_mail import MailPlan, sync_mail

OPTIONS_LIFETIME = 24 * 3600.0
"""Seconds for which the answer to OPTIONS is relied on."""
MAX_HIERARCHY_CHANGES = 3
"""Times the folder list may change under one run."""


@dataclass(frozen=True, slots=True)
class RunPlan:
    """One run. `now` is Unix time; `pinned` allows only one protocol version."""

    decide: Callable[[ServerPolicy | None], tuple[MailPlan, float | None]]
    """What to synchronise under the server's policy, and the Unix time before which mail leaves the store."""
    now: float
    pinned: str | None = None
    fetch: bool = True
    """Fetch bodies and attachments that a Sync left out."""


def synchronise(session: Session, plan: RunPlan) -> Flow[list[Trouble]]:
    """Bring the store up to date with the server; what could not be had, with reasons."""
    facts: dict[str, str] = yield from load(AccountFacts())
    session.policy_key = facts.get("policy_key")
    session.cookies.update(json.loads(facts.get("cookies", "{}")))
    yield from emit(Phase("connect"))
    yield from _connect(session, plan, facts)
    if "provisioned" not in facts:
        yield from _introduce(session)
    facts = yield from load(AccountFacts())
    mail, cutoff = plan.decide(ServerPolicy.from_json(facts["policy"]) if "policy" in facts else None)
    mail = replace(mail, cutoff=cutoff)
    content = mail.content
    limit, reason = content.max_attachment, ATTACHMENT_MESSAGE
    if not content.attachments:  # none is small enough
        limit, reason = -1, FORBIDDEN
    yield from commit(ReviewLimits(content.max_body, limit, BODY_MESSAGE, reason))
    yield from begin_markings(mail)
    yield from retry_quarantine(mail)
    yield from _folders_and_mail(session, mail)
    # Before the contents: a server that filters by another date than it reports sends mail that does not stay.
    removed = yield from commit(EndRun(cutoff))
    if removed:
        yield from emit(Progress("expired", removed))
    if plan.fetch and mail.keep_content:
        yield from fetch_contents(session, content)
    yield from finish_markings(session, mail)
    yield from _index()
    troubles: list[Trouble] = yield from commit(TakeTroubles())
    return troubles


def _connect(session: Session, plan: RunPlan, facts: dict[str, str]) -> Flow[None]:
    known = facts.get("version", "")
    checked = float(facts.get("options_at", "0"))
    fresh = plan.now - checked < OPTIONS_LIFETIME and known in VERSIONS and plan.pinned in (None, known)
    if fresh:
        session.version = VERSIONS[known]
        session.url = facts.get("endpoint", session.url)
        yield from emit(Connected(known, session.url))
        return
    yield from connect(session, plan.pinned)
    yield from commit(SaveAccount({"options_at": repr(plan.now)}))


def _introduce(session: Session) -> Flow[None]:
    """Provision once unasked: it announces the device, without which some servers list folders but send no items.

    A server that has no policy command at all is none the worse for it.
    """
    try:
        yield from apply_policy(session)
    except (CommandFailed, HttpStatusError, ServerBusy) as problem:
        yield from emit(Warned(f"the server does not provision devices ({problem})"))
        yield from commit(SaveAccount({"provisioned": "refused"}))


def _folders_and_mail(session: Session, plan: MailPlan) -> Flow[None]:
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
            if session.resync_ordered and not resynced:
                yield from _resync(session)
                yield from sync_mail(session, plan)
            return
        except FolderHierarchyChanged:
            if attempt == MAX_HIERARCHY_CHANGES - 1:
                raise
            # The list we hold does not lead to what the server names: read it as a whole.
            if attempt:
                yield from commit(SaveAccount({"folder_sync_key": "0"}))


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
