"""Sync (MS-ASCMD 2.2.1.21): reading the request, several collections, waiting, and the cached request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...eas.wbxml import Node
from ..bodies import ItemOptions
from ..collection import accept_key, issue_key
from ..context import Answer, Context, Hold, StatusError, item_options
from ..device import Collection, new_key
from ..mailbox import Folder
from ..tree import child, children, every, number, text, truth
from .sync_collection import Outcome, synchronise

DEFAULT_WINDOW, MAX_WINDOW = 100, 512  # MS-ASCMD 2.2.3.199

_DRAFTS = "the Drafts folder is not synchronised below 16.0 (MS-ASCMD_R5916)"


@dataclass(slots=True)
class Wish:
    """One Collection of a request."""

    node: Node
    collection_id: str
    key: str
    window: int
    get_changes: bool | None
    deletes_as_moves: bool
    commands: list[Node]
    options: ItemOptions | None


def handle(context: Context) -> Answer | Hold:
    request = _effective_request(context)
    wishes = [_read(node) for node in _collections(request)]
    if not wishes:
        raise StatusError(4)
    if len(wishes) > context.exchange.max_collections:
        return _status("15", ("AirSync:Limit", str(context.exchange.max_collections)))
    heartbeat = _heartbeat(context, request)
    if isinstance(heartbeat, Answer):
        return heartbeat
    budget = number(request, "AirSync:WindowSize")
    answer = _answer(context, wishes, budget)
    if answer.tree is not None or not heartbeat or any(wish.commands for wish in wishes):
        return answer

    def poll(expired: bool) -> Answer | None:
        again = _answer(context, wishes, budget)
        return again if expired or again.tree is not None else None

    return Hold(heartbeat, poll)


def _effective_request(context: Context) -> Node:
    """The request, or from 12.1 on the cached one that an empty or Partial request refers to (MS-ASCMD 2.2.2.19)."""
    device, tree = context.device, context.tree
    if tree is None:
        if context.version < 121 or device.cached_sync is None:
            raise StatusError(13)
        return device.cached_sync
    if child(tree, "AirSync:Partial") is not None:
        if context.version < 121 or device.cached_sync is None:
            raise StatusError(13)
        tree = _completed(tree, device.cached_sync)
    busy = any(child(collection, "AirSync:Commands") is not None for collection in _collections(tree))
    device.cached_sync = None if busy else tree
    return tree


def _collections(request: Node) -> list[Node]:
    return every(child(request, "AirSync:Collections"), "AirSync:Collection")


def _completed(partial: Node, cached: Node) -> Node:
    """A Partial request filled up from the cached one: what it names counts, the rest is as it was."""
    given = {
        text(c, "AirSync:CollectionId"): c for c in every(child(partial, "AirSync:Collections"), "AirSync:Collection")
    }
    collections: list[Node] = []
    for old in every(child(cached, "AirSync:Collections"), "AirSync:Collection"):
        new = given.pop(text(old, "AirSync:CollectionId"), None)
        if new is None:
            collections.append(old)
            continue
        present = {tag for tag, _ in children(new)}
        kept = [node for node in children(old) if node[0] not in present and node[0] != "AirSync:Commands"]
        collections.append((new[0], [*children(new), *kept]))
    collections += given.values()
    result: list[Node] = [("AirSync:Collections", collections)]
    for tag in ("AirSync:Wait", "AirSync:HeartbeatInterval", "AirSync:WindowSize"):
        node = child(partial, tag) or child(cached, tag)
        if node is not None:
            result.append(node)
    return (partial[0], result)


def _heartbeat(context: Context, request: Node) -> float | Answer:
    """Seconds to wait for a change; 0: none. An interval outside the limits is answered with Status 14 and Limit."""
    wait, seconds = number(request, "AirSync:Wait"), number(request, "AirSync:HeartbeatInterval")
    if wait is not None and seconds is not None:
        raise StatusError(4)
    if wait is not None:
        if not 1 <= wait <= 59:
            return _status("14", ("AirSync:Limit", "59" if wait > 59 else "1"))
        return wait * 60 * context.exchange.hold_factor
    if seconds is not None:
        low, high = context.exchange.ping_limits
        if not low <= seconds <= high:
            return _status("14", ("AirSync:Limit", str(high if seconds > high else low)))
        return seconds * context.exchange.hold_factor
    return 0.0


def _read(node: Node) -> Wish:
    window = number(node, "AirSync:WindowSize")
    if window is None:
        window = DEFAULT_WINDOW
    elif window == 0 or window > MAX_WINDOW:
        window = MAX_WINDOW  # MS-ASCMD_R3458
    by_class: dict[str, Node] = {}
    for options in every(node, "AirSync:Options"):
        name = text(options, "AirSync:Class") or "Email"
        if name in by_class:
            raise StatusError(4)  # MS-ASCMD_R930
        by_class[name] = options
    wanted = by_class.get("Email") if "SMS" in by_class else next(iter(by_class.values()), None)
    explicit = child(node, "AirSync:GetChanges")
    return Wish(
        node=node,
        collection_id=text(node, "AirSync:CollectionId"),
        key=text(node, "AirSync:SyncKey"),
        window=window,
        get_changes=None if explicit is None else truth(node, "AirSync:GetChanges", True),
        deletes_as_moves=truth(node, "AirSync:DeletesAsMoves", True),
        commands=children(child(node, "AirSync:Commands")),
        options=None if wanted is None else replace(item_options(wanted), texts="SMS" in by_class),
    )


def _answer(context: Context, wishes: Sequence[Wish], budget: int | None) -> Answer:
    left = MAX_WINDOW if budget == 0 or (budget or 0) > MAX_WINDOW else budget
    room = context.exchange.max_response
    failed = context.exchange.failed_collections(context.request)
    nodes: list[Node] = []
    for wish in wishes:
        status = failed.get(wish.collection_id)
        if status is not None:
            nodes.append(_collection(context, wish, "0" if status == 3 else wish.key, str(status)))
            continue
        outcome = _one(context, wish, left, room)
        if outcome is None:
            continue
        node, size, count = outcome
        nodes.append(node)
        room = max(0, room - size)
        if left is not None:
            left = max(0, left - count)
    if not nodes:
        return Answer(content_type="")  # MS-ASCMD_R679: no change, no body
    return Answer(tree=("AirSync:Sync", [("AirSync:Collections", nodes)]))


def _one(context: Context, wish: Wish, left: int | None, room: int) -> tuple[Node, int, int] | None:
    """One collection's answer, its rough size and how many changes it carries; None: nothing to say."""
    device = context.device
    folder = context.mailbox.folders.get(wish.collection_id)
    if not wish.key or not wish.collection_id:
        raise StatusError(4)
    if folder is None:
        return _collection(context, wish, wish.key, "12"), 0, 0
    if folder.type == 3 and context.version < 160 and _DRAFTS not in context.request.problems:
        context.request.problems.append(_DRAFTS)
    if wish.key == "0":
        if wish.get_changes or wish.commands:
            return _collection(context, wish, "0", "4"), 0, 0  # MS-ASCMD_R3128
        state = Collection(wish.collection_id, new_key(1), options=wish.options or ItemOptions())
        supported = child(wish.node, "AirSync:Supported")
        if supported is not None:
            if folder.item_class == "Notes":
                return _collection(context, wish, "0", "4"), 0, 0  # MS-ASNOTE_R114
            state.supported = frozenset(tag for tag, _ in children(supported))
        device.collections[wish.collection_id] = state
        return _collection(context, wish, state.key, "1"), 0, 0
    known = device.collections.get(wish.collection_id)
    if known is None or not accept_key(known, wish.key):
        return _collection(context, wish, "0", "3"), 0, 0
    if wish.options is not None:
        known.options = wish.options
    if not _filter_fits(folder, known.options.filter_type):
        return _collection(context, wish, wish.key, "4"), 0, 0
    conversations = truth(wish.node, "AirSync:ConversationMode", False)
    if conversations and folder.item_class != "Email":
        return _collection(context, wish, wish.key, "4"), 0, 0
    outcome = synchronise(
        context,
        folder,
        known,
        wish.commands,
        deletes_as_moves=wish.deletes_as_moves,
        get_changes=wish.get_changes is not False,
        window=wish.window if left is None else min(wish.window, left),
        room=room,
        conversations=conversations,
    )
    if outcome.empty and context.version >= 121:
        return None
    key = issue_key(known, wish.key)
    return _collection(context, wish, key, "1", outcome), outcome.size, len(outcome.commands)


def _filter_fits(folder: Folder, filter_type: int) -> bool:
    """The FilterType values of each class (MS-ASCMD 2.2.3.68.2)."""
    allowed = {"Email": range(6), "Calendar": (0, 4, 5, 6, 7), "Tasks": (0, 8)}
    return filter_type in allowed.get(folder.item_class, range(9))


def _collection(context: Context, wish: Wish, key: str, status: str, outcome: Outcome | None = None) -> Node:
    nodes: list[Node] = []
    if context.version <= 121:
        folder = context.mailbox.folders.get(wish.collection_id)
        nodes.append(("AirSync:Class", folder.item_class if folder else "Email"))
    nodes += [
        ("AirSync:SyncKey", key),
        ("AirSync:CollectionId", wish.collection_id),
        ("AirSync:Status", status),
    ]
    if outcome is not None:
        if outcome.more:
            nodes.append(("AirSync:MoreAvailable", None))
        if outcome.responses:
            nodes.append(("AirSync:Responses", outcome.responses))
        if outcome.commands:
            nodes.append(("AirSync:Commands", outcome.commands))
    return ("AirSync:Collection", nodes)


def _status(status: str, *more: Node) -> Answer:
    return Answer(tree=("AirSync:Sync", [("AirSync:Status", status), *more]))
