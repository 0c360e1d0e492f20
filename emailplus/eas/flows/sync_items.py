"""Calendars, contacts, tasks and notes: our changes up, the server's down (MS-ASCMD 2.2.1.21).

Where an item that the server has was changed here, its collection is brought up to date first: what both sides changed
of different properties is joined, and of the same one `conflicts` decides, also with servers that take whatever comes
last. What they change between that look and our request is decided by the Conflict option. Everything else goes up
first, and so does what was sent without an answer: that is repeated under the key that it had.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...errors import CommandFailed, EndpointNotFound, HttpStatusError, InvalidSyncKey, ServerBusy
from ...flow import Flow, commit, emit, load
from ...model.changes import (
    ChangeOutcome,
    MarkChangesSent,
    MoveOutcome,
    ResetCollections,
    SaveItem,
    SettleItemMoves,
    SyncCounts,
    SyncWindows,
)
from ...model.event import Event
from ...model.events import Warned, WindowStored
from ...model.folder import Collection
from ...model.queries import ItemChanges, ItemCollections, ItemMoves, QueuedChange, QueuedMove
from .. import status
from ..commands import move_items, sync
from ..commands.sync import CollectionAnswer, ItemResponse
from ..items.changes import PRIVATE, Unsendable, command_for, sent_values
from ..items.classes import ITEM_TYPES
from .meetings import MAILS_BY_ITSELF
from .provision import apply_policy
from .session import Session, perform
from .sync_mail import MailPlan, Run, Work, begin, fill, finish, request_for, round_

BATCH = 50
"""Changes in one request."""
NOTES_SINCE = 140
CONFLICT, GONE = 7, 8


def sync_items(session: Session, plan: MailPlan) -> Flow[bool]:
    """Every folder of these classes that the version has; False if one was left out, or there is none.

    Raises as `sync_mail`, but for folders the server refuses.
    """
    collections: list[Collection] = yield from load(ItemCollections())
    if session.version.code < NOTES_SINCE:
        collections = [collection for collection in collections if collection.item_class != "Notes"]
    if not collections:
        return False
    run = Run(session, plan, phase="items", lenient=True)
    yield from begin(run, collections)
    works = list(run.works.values())
    yield from _move(run)
    ready = [work for work in works if not work.pass_open]
    yield from _look(run, ready)
    for work in ready:
        yield from _push(run, work)
    yield from finish(run, list(run.works.values()))
    late = [work for work in works if work not in ready and work.collection.server_id in run.works]
    pushed = []
    for work in late:
        if (yield from _push(run, work)):
            pushed.append(work)
    if pushed:
        yield from finish(run, pushed)
    yield from _move(run)  # of items that were changed or made before they were moved
    return len(run.works) == len(collections)


def _move(run: Run) -> Flow[None]:
    """Tell the server what was moved between folders here (MS-ASCMD 2.2.1.12).

    A move whose answer was lost is told again: an item that is not where it was any more was moved, and the Add in its
    new folder finds it by its content.
    """
    if run.plan.read_only:
        return
    moves: list[QueuedMove] = yield from load(ItemMoves())
    for start in range(0, len(moves), BATCH):
        if not (yield from _move_group(run, moves[start : start + BATCH])):
            return


def _move_group(run: Run, group: list[QueuedMove]) -> Flow[bool]:
    """One request, or one for each where the server fails over them together; False if the rest has to wait."""
    request = move_items.build([move_items.Move(m.server_id, m.source_id, m.target_id) for m in group])
    yield from commit(MarkChangesSent([move.id for move in group]))
    try:
        root = yield from perform(run.session, move_items.NAME, request, apply_policy)
        results = {result.item: result for result in move_items.parse(root)} if root is not None else {}
        outcomes = [_moved(move, results[move.server_id]) for move in group if move.server_id in results]
    except (ServerBusy, CommandFailed) as problem:
        yield from emit(Warned(f"items moved here wait for the next time: {problem}"))
        return False
    except HttpStatusError as problem:
        if isinstance(problem, EndpointNotFound):
            raise
        if len(group) > 1:  # SOGo: HTTP 501 for all of them as soon as a contact is among them
            for move in group:
                if not (yield from _move_group(run, [move])):
                    return False
            return True
        outcomes = [MoveOutcome(group[0].id, status=problem.status, reason=f"the server cannot move it: {problem}")]
    yield from commit(SettleItemMoves(outcomes))
    titles = {move.id: move.title or move.item_class for move in group}
    for outcome in outcomes:
        if outcome.reason and not outcome.again:
            yield from emit(Warned(f"{titles[outcome.change_id]!r} was not moved: {outcome.reason}"))
    return True


def _moved(move: QueuedMove, result: move_items.Moved) -> MoveOutcome:
    if result.status == move_items.MOVED and result.new_id:
        return MoveOutcome(move.id, result.new_id)
    if result.status == move_items.SAME_FOLDER:
        return MoveOutcome(move.id, move.server_id)
    if result.status in (move_items.SOURCE_INVALID, move_items.MOVED):
        return MoveOutcome(move.id, gone=True, status=result.status)
    name, _ = status.describe(move_items.NAME, result.status)
    again = result.status in (move_items.FAILED, move_items.LOCKED)
    reason = f"the server refuses it (status {result.status}, {name})"
    return MoveOutcome(move.id, again=again, status=result.status, reason=reason)


def _look(run: Run, works: list[Work]) -> Flow[None]:
    """Bring the collections up to date in which items were changed that the server may have changed too."""
    if run.plan.read_only:
        return
    active = []
    for work in works:
        queued: list[QueuedChange] = yield from load(ItemChanges(work.collection.folder_id, BATCH))
        if any(change.kind == "change" for change in queued) and all(change.state == "queued" for change in queued):
            active.append(work)
    yield from _catch_up(run, active)


def _catch_up(run: Run, active: list[Work]) -> Flow[None]:
    while active:
        active = yield from round_(run, active)


def _give_up(run: Run, work: Work, change: QueuedChange, problem: HttpStatusError) -> Flow[None]:
    """The server fails over a change: it waits for the user, and nothing waits for it."""
    window = run.window_of(work, work.sync_key)
    window.outcomes = [ChangeOutcome(change.id, problem.status, reason=str(problem))]
    yield from commit(SyncWindows([window], run.plan.keep_content))
    name = change.title or change.item_class
    yield from emit(Warned(f"the server does not take the change of {name!r}: {problem}"))


def _push(run: Run, work: Work) -> Flow[bool]:
    """Send what waits for this collection, a batch at a time; True if anything went out."""
    went = alone = False
    if run.plan.read_only:
        return went
    while work.collection.server_id in run.works and work.sync_key != "0":
        queued: list[QueuedChange] = yield from load(ItemChanges(work.collection.folder_id, 1 if alone else BATCH))
        commands, carried, refused = _commands(run, queued)
        if refused:
            window = run.window_of(work, work.sync_key)
            window.outcomes = refused
            yield from commit(SyncWindows([window], run.plan.keep_content))
            by_id = {change.id: change for change in queued}
            for outcome in refused:
                if outcome.status == CONFLICT:
                    yield from _tell(run, work, by_id[outcome.change_id], outcome)
                else:
                    yield from emit(Warned(f"a change in {work.collection.name!r} is not sent: {outcome.reason}"))
        if not carried and any(outcome.status == CONFLICT for outcome in refused):
            continue  # what goes beside the server's version, and what waited behind
        if not carried:
            return went
        yield from commit(MarkChangesSent([change.id for change in carried]))
        try:
            answer = yield from _send(run, work, commands)
        except EndpointNotFound:
            raise
        except HttpStatusError as problem:
            # One of them is more than the server can take: each for itself, once those that arrived are known again.
            if len(carried) == 1:
                yield from _give_up(run, work, carried[0], problem)
            else:
                yield from _catch_up(run, [work])
            alone = True
            continue
        if answer is None:
            return went
        went = True
        if not (yield from _settle(run, work, carried, answer)):
            return went
    return went


def _commands(run: Run, queued: list[QueuedChange]) -> tuple[list[Any], list[QueuedChange], list[ChangeOutcome]]:
    """What can be sent in this version, the changes that it carries, and those that cannot be."""
    commands, carried, refused = [], [], []
    for change in queued:
        if change.contested and run.plan.conflicts != "client_wins":
            refused.append(ChangeOutcome(change.id, CONFLICT))
            continue
        try:
            commands.append(command_for(change, run.session.version))
            carried.append(change)
        except Unsendable as problem:
            refused.append(ChangeOutcome(change.id, 0, reason=str(problem)))
    return commands, carried, refused


def _send(run: Run, work: Work, commands: list[Any]) -> Flow[CollectionAnswer | None]:
    """One Sync with our commands alone; None where the collection has to start again or the server cannot now."""
    request = request_for(run, work, 1, commands=commands, get_changes=False)
    try:
        root = yield from perform(run.session, sync.NAME, sync.build([request], run.session.version), apply_policy)
        if root is None:
            raise status.error(sync.NAME, 5)
        (answer,) = sync.parse(root, {work.collection.server_id: work.item_class})
        if answer.status != status.OK:
            raise status.error(sync.NAME, answer.status)
    except InvalidSyncKey:
        # Whether they arrived is not known: the pass that follows will meet them if they did.
        yield from commit(ResetCollections([work.collection.folder_id]))
        work.sync_key, work.pass_open, work.met = "0", False, 0
        yield from begin(run, [replace(work.collection, sync_key="0", pass_open=False)])
        return None
    except ServerBusy as problem:
        yield from emit(Warned(f"changes in {work.collection.name!r} wait for the next time: {problem}"))
        return None
    except CommandFailed as problem:
        if problem.action == "foldersync":
            raise
        yield from emit(Warned(f"changes in {work.collection.name!r} could not be sent: {problem}"))
        return None
    return answer


def _settle(run: Run, work: Work, carried: list[QueuedChange], answer: CollectionAnswer) -> Flow[bool]:
    """Commit what the server says of each change together with its key; False if nothing of it went through."""
    outcomes = [_outcome(change, answer.responses) for change in carried]
    window = run.window_of(work, answer.sync_key)
    window.outcomes = outcomes
    fill(window, answer, run.plan)  # some servers tell their own changes all the same
    counts: SyncCounts = yield from commit(SyncWindows([window], run.plan.keep_content))
    yield from emit(WindowStored(counts.added, counts.changed, counts.deleted, counts.expired, counts.quarantined))
    work.sync_key = answer.sync_key
    for change, outcome in zip(carried, outcomes, strict=True):
        yield from _tell(run, work, change, outcome)
    return any(outcome.status == status.OK for outcome in outcomes)


def _outcome(change: QueuedChange, responses: list[ItemResponse]) -> ChangeOutcome:
    """The response to a change. Changes and deletions that went well have none (MS-ASCMD_R6234)."""
    for response in responses:
        if change.kind == "add":
            if response.command != "Add" or response.client_id != change.client_id:
                continue
        elif response.server_id != change.server_id or response.command not in ("Change", "Delete"):
            continue
        reason = "" if response.status == status.OK else status.describe(sync.NAME, response.status)[0]
        values: Mapping[str, Any] = {}
        if response.status == status.OK:
            values = sent_values(change, response.nodes, ITEM_TYPES[change.item_class])
        return ChangeOutcome(change.id, response.status, response.server_id, reason, values)
    if change.kind == "add":  # the server must answer an Add; one that does not has not done it
        return ChangeOutcome(change.id, 5, reason="the server did not answer the Add")
    return ChangeOutcome(change.id, status.OK)


def _tell_of_silence(run: Run, change: QueuedChange) -> Flow[None]:
    """A change that was made when the server mailed by itself, and was taken by one that does not (up to 14.1)."""
    item = change.item
    private = change.kind == "change" and change.values.keys() <= PRIVATE
    if run.session.version.code < MAILS_BY_ITSELF and isinstance(item, Event) and item.attendees and not private:
        yield from emit(Warned(f"the attendees of {item.subject!r} were not told: change it with send_updates again"))


def _tell(run: Run, work: Work, change: QueuedChange, outcome: ChangeOutcome) -> Flow[None]:
    """What the user should know; under "keep_both", our version of an item that the server kept goes in beside it."""
    name = change.title or change.item_class
    if outcome.status == status.OK and change.send_updates and not change.mails:
        yield from _tell_of_silence(run, change)
    ours = run.plan.conflicts == "keep_both" and change.kind == "change" and change.instance is None
    again = run.plan.conflicts in ("keep_both", "client_wins") and outcome.status == GONE and change.kind == "change"
    if (outcome.status == CONFLICT and ours) or again:
        values = {**change.item.properties(), "exceptions": ()} if change.item_class == "Calendar" else None
        kept = dict(values if values is not None else change.item.properties())
        for attribute in ("extra", "uid", "client_uid", "native_body_type"):
            kept.pop(attribute, None)
        if change.item_class == "Calendar":
            kept["uid"] = f"{secrets.token_hex(16)}@emailplus"
        yield from commit(SaveItem(kept, folder_id=work.collection.folder_id, item_class=change.item_class))
        yield from emit(Warned(f"{name!r} was changed on both sides: both versions are kept"))
    elif outcome.status == CONFLICT:
        yield from emit(Warned(f"{name!r} was changed on both sides: the server's version is kept"))
    elif outcome.status == GONE and change.kind == "change":
        yield from emit(Warned(f"{name!r} was deleted on the server: the change made here is dropped"))
    elif outcome.status not in (status.OK, GONE, 5, 16):
        yield from emit(Warned(f"the server does not take the change of {name!r}: {outcome.reason}"))
