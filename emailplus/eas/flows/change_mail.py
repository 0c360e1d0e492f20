"""Telling the server what was changed of mail here, before its own changes are asked for (MS-ASCMD 3.1.5.6).

Property changes and deletions go by Sync, moves by MoveItems, emptied folders by ItemOperations. All of them may be
repeated after a lost answer: setting a state twice sets it once, an item that is no longer where it was is found again
by its content, and the server keeps the previous SyncKey for a repeated request.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from ...errors import (
    CommandFailed,
    EndpointNotFound,
    FolderHierarchyChanged,
    HttpStatusError,
    InvalidSyncKey,
    MalformedResponse,
    ServerBusy,
)
from ...flow import Flow, commit, emit, load
from ...model.changes import ResetCollections, Window
from ...model.events import ChangesTold, Phase, Warned
from ...model.folder import Collection
from ...model.mail_changes import (
    ChangeKind,
    ConflictPolicy,
    EmptyByDeletions,
    PendingChange,
    PendingChanges,
    SettleChanges,
    Settled,
)
from ...model.queries import MailCollections
from .. import status
from ..commands import item_operations, mail_changes, move_items, sync
from ..wbxml import Node
from .provision import apply_policy
from .session import Session, perform
from .sync_mail import MailPlan, Run, fill

AT_ONCE = 100
"""Changes in one request."""
CONFLICT, NOT_FOUND = 7, 8

_AGAIN = frozenset({5, 16})
_WHAT = {
    ChangeKind.READ: "the read state",
    ChangeKind.FLAG: "the flag",
    ChangeKind.CATEGORIES: "the categories",
    ChangeKind.MOVE: "the folder",
    ChangeKind.DELETE: "the deletion",
    ChangeKind.EMPTY: "the emptying of a folder",
}


def push_changes(session: Session, plan: MailPlan, now: float) -> Flow[None]:
    """Everything that waits and can be told: a folder that begins anew is told after its pass. Never raises for what
    one change or one folder meets; what was not told waits for the next run."""
    waiting: list[PendingChange] = yield from load(PendingChanges())
    if not session.version.item_operations and any(change.kind is ChangeKind.EMPTY for change in waiting):
        yield from commit(EmptyByDeletions())
        waiting = yield from load(PendingChanges())
    if not waiting:
        return
    yield from emit(Phase("changes", len(waiting)))
    collections: list[Collection] = yield from load(MailCollections())
    ready = {
        collection.folder_id: collection
        for collection in collections
        if collection.sync_key != "0" and not collection.pass_open and collection.options == plan.options_fingerprint()
    }
    told = 0
    try:
        for group in _groups(change for change in waiting if change.kind not in (ChangeKind.MOVE, ChangeKind.EMPTY)):
            collection = ready.get(group[0].folder_id)
            if collection is not None:
                told += yield from _by_sync(session, plan, collection, group, now)
        moves = [change for change in waiting if change.kind is ChangeKind.MOVE]
        for start in range(0, len(moves), AT_ONCE):
            told += yield from _move(session, moves[start : start + AT_ONCE])
        for change in waiting:
            if change.kind is ChangeKind.EMPTY:
                told += yield from _empty(session, change)
    except (CommandFailed, HttpStatusError, MalformedResponse, ServerBusy) as problem:
        if isinstance(problem, EndpointNotFound):
            raise
        yield from emit(Warned(f"changes made here wait for the next run: {problem}"))
    if told:
        yield from emit(ChangesTold(told))


def _groups(changes: Iterable[PendingChange]) -> list[list[PendingChange]]:
    """What may share a request: one folder, one answer to conflicts, one kind of deletion; bounded."""
    groups: dict[tuple[int, bool, bool], list[PendingChange]] = {}
    for change in changes:
        key = (change.folder_id, change.permanent, change.conflict is ConflictPolicy.CLIENT_WINS)
        groups.setdefault(key, []).append(change)
    return [group[at : at + AT_ONCE] for group in groups.values() for at in range(0, len(group), AT_ONCE)]


def _by_sync(
    session: Session, plan: MailPlan, collection: Collection, group: list[PendingChange], now: float
) -> Flow[int]:
    """One Sync with the changes of one folder; how many the server took."""
    unsupported = [change for change in group if not _supported(session, change)]
    if unsupported:
        yield from _settle_all(unsupported, "this server's protocol version has no place for it")
        group = [change for change in group if change not in unsupported]
    commands = _commands(group, datetime.fromtimestamp(now, UTC))
    if not commands:
        return 0
    current: list[Collection] = yield from load(MailCollections())  # an earlier group moved the key on
    key = next(c.sync_key for c in current if c.folder_id == collection.folder_id)
    request = mail_changes.build(
        collection.server_id,
        key,
        commands,
        sync.options(Run(session, plan).filter_of(collection), plan.body_request(), session.version),
        session.version,
        permanent=group[0].permanent,
        conflict=0 if group[0].conflict is ConflictPolicy.CLIENT_WINS else None,
    )
    try:
        root = yield from perform(session, sync.NAME, request, apply_policy)
        answers = sync.parse(root) if root is not None else []
    except (InvalidSyncKey, FolderHierarchyChanged):
        answers = []
    if root is None or not answers:
        return 0
    (answer,) = answers
    if answer.status != status.OK:
        if status.describe(sync.NAME, answer.status)[1] == "full_resync":
            yield from commit(ResetCollections([collection.folder_id]))
        return 0
    window = Window(collection.folder_id, answer.sync_key, collection.options)
    fill(window, answer, plan)
    refused = {(r.command, r.server_id): r.status for r in mail_changes.responses(root) if r.status != status.OK}
    outcomes = [_outcome(change, refused) for change in group]
    yield from commit(SettleChanges(outcomes, [window], plan.keep_content))
    yield from _tell(group, outcomes)
    return sum(outcome.status is None for outcome in outcomes)


def _supported(session: Session, change: PendingChange) -> bool:
    if change.kind is ChangeKind.FLAG:
        return session.version.airsyncbase  # from 12.0 on (MS-ASEMAIL 2.2.2.34)
    return change.kind is not ChangeKind.CATEGORIES or session.version.conversations  # from 14.0 on


def _commands(group: list[PendingChange], now: datetime) -> list[Node]:
    """One Change a message, with all that changed of it; and the deletions."""
    properties: dict[str, list[Node]] = {}
    commands: list[Node] = []
    for change in group:
        if change.kind is ChangeKind.DELETE:
            commands.append(mail_changes.delete(change.server_id))
            continue
        if change.kind is ChangeKind.READ:
            node = mail_changes.read(change.value == "1")
        elif change.kind is ChangeKind.FLAG:
            node = mail_changes.flag(int(change.value), now)
        else:
            node = mail_changes.categories([line for line in change.value.split("\n") if line])
        properties.setdefault(change.server_id, []).append(node)
    return [mail_changes.change(server_id, nodes) for server_id, nodes in properties.items()] + commands


def _outcome(change: PendingChange, refused: dict[tuple[str, str], int]) -> Settled:
    command = "Delete" if change.kind is ChangeKind.DELETE else "Change"
    code = refused.get((command, change.server_id))
    if code is None:
        return Settled(change.id)
    if code == NOT_FOUND:
        if change.kind is ChangeKind.DELETE:
            return Settled(change.id)
        # Not known in this folder yet, or gone: the server's changes will tell.
        return Settled(change.id, code, "the server does not find the message", again=True)
    if code == CONFLICT:
        again = change.conflict is ConflictPolicy.KEEP_BOTH and change.kind is ChangeKind.CATEGORIES
        return Settled(change.id, code, "it was changed on the server too, and the server's version stays", again=again)
    name, _ = status.describe(sync.NAME, code)
    return Settled(change.id, code, f"the server refuses it (status {code}, {name})", again=code in _AGAIN)


def _move(session: Session, moves: list[PendingChange]) -> Flow[int]:
    request = move_items.build([move_items.Move(m.server_id, m.collection_id, m.target_id) for m in moves])
    root = yield from perform(session, move_items.NAME, request, apply_policy)
    if root is None:
        return 0
    results = {result.item: result for result in move_items.parse(root)}
    outcomes = [_moved(change, results[change.server_id]) for change in moves if change.server_id in results]
    yield from commit(SettleChanges(outcomes))
    yield from _tell([change for change in moves if change.server_id in results], outcomes)
    return sum(outcome.status is None for outcome in outcomes)


def _moved(change: PendingChange, result: move_items.Moved) -> Settled:
    if result.status == move_items.MOVED and result.new_id:
        return Settled(change.id, new_server_id=result.new_id)
    if result.status == move_items.SAME_FOLDER:
        return Settled(change.id, new_server_id=change.server_id)
    if result.status in (move_items.SOURCE_INVALID, move_items.MOVED):
        return Settled(change.id, result.status, "the server no longer has the message there", gone=True)
    again = result.status in (move_items.FAILED, move_items.LOCKED)
    name, _ = status.describe(move_items.NAME, result.status)
    reason = f"the server does not move it (status {result.status}, {name})"
    return Settled(change.id, result.status, reason, again=again)


def _empty(session: Session, change: PendingChange) -> Flow[int]:
    request = item_operations.build_empty_folder(change.collection_id)
    root = yield from perform(session, item_operations.NAME, request, apply_policy)
    if root is None:
        return 0
    code = item_operations.parse_operation(root, "EmptyFolderContents")
    name, action = status.describe(item_operations.NAME, code)
    outcome = Settled(change.id)
    if code != status.OK:
        reason = f"the server does not empty the folder (status {code}, {name})"
        outcome = Settled(change.id, code, reason, again=action == "retry_later")
    yield from commit(SettleChanges([outcome]))
    yield from _tell([change], [outcome])
    return int(outcome.status is None)


def _settle_all(changes: list[PendingChange], reason: str) -> Flow[None]:
    outcomes = [Settled(change.id, 0, reason) for change in changes]
    yield from commit(SettleChanges(outcomes))
    yield from _tell(changes, outcomes)


def _tell(changes: list[PendingChange], outcomes: list[Settled]) -> Flow[None]:
    """Say what was undone."""
    for change, outcome in zip(changes, outcomes, strict=True):
        if outcome.status is not None and not outcome.again and not outcome.gone:
            where = f" of {change.subject!r}" if change.subject else ""
            yield from emit(Warned(f"{_WHAT[change.kind]}{where} was not changed: {outcome.reason}"))
