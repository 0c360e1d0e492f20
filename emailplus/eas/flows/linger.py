"""The Sync that waits: one request that the server holds until something changes (MS-ASCMD 2.2.3.93, 2.2.3.198)."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import ConnectionFailed, FolderHierarchyChanged, ServerBusy
from ...flow import Flow, emit, load
from ...model.events import Phase, Warned
from ...model.folder import Collection
from ...model.queries import ItemCollections, MailCollections
from ..commands import long_poll
from .session import Session
from .sync_items import NOTES_SINCE
from .sync_mail import MailPlan, Run, Work, round_, wanted


def linger(session: Session, plan: MailPlan, seconds: int) -> Flow[bool]:
    """As `wait_in_sync`; a wait that a proxy cuts is no failure: the same keys ask again next time."""
    try:
        return (yield from wait_in_sync(session, plan, seconds))
    except (ConnectionFailed, ServerBusy) as problem:
        yield from emit(Warned(f"waiting for changes was cut short ({problem})"))
        return False


def wait_in_sync(session: Session, plan: MailPlan, seconds: int) -> Flow[bool]:
    """Wait so many seconds for changes in every folder that is up to date, mail first; True if something changed.

    What comes is stored at once. Raises `NotOffered` before 12.1; nothing is repeated, and nobody is waited for.
    """
    run = Run(session, plan, lenient=True, wait=long_poll.waiting(seconds, session.version))
    yield from _take_up(run)
    active = list(run.works.values())[: run.at_once]
    if not active:
        return False
    yield from emit(Phase("linger"))
    patience = session.patience
    try:
        session.patience = 0.0
        active = yield from round_(run, active)
        run.wait, session.patience = None, patience
        while active:
            active = yield from round_(run, active)
    except FolderHierarchyChanged:
        return True
    finally:
        session.patience = patience
    return run.done > 0


def glance(session: Session, plan: MailPlan, folders: Sequence[str]) -> Flow[bool]:
    """Take what is new in folders (CollectionIds) that are up to date, and nothing else; True if something changed.

    What a full run does besides is left to one: this is the shortest way from "something changed" to a message.
    """
    run = Run(session, plan, lenient=True)
    yield from _take_up(run, frozenset(folders))
    active = list(run.works.values())
    try:
        while active:
            active = yield from round_(run, active)
    except FolderHierarchyChanged:
        return True
    return run.done > 0


def _take_up(run: Run, only: frozenset[str] | None = None) -> Flow[None]:
    """Every folder that has a key in use, mail first."""
    mail: list[Collection] = yield from load(MailCollections())
    items: list[Collection] = yield from load(ItemCollections())
    if run.session.version.code < NOTES_SINCE:
        items = [collection for collection in items if collection.item_class != "Notes"]
    for collection in (*wanted(run.session, run.plan, mail), *items):
        if only is not None and collection.server_id not in only:
            continue
        ready = collection.sync_key != "0" and not collection.pass_open
        if ready and collection.options == run.options(collection.item_class):
            run.works[collection.server_id] = Work(collection, collection.sync_key, False)
