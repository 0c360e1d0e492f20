"""GetItemEstimate (MS-ASCMD 2.2.1.9): how many changes wait in each collection."""

from __future__ import annotations

from functools import partial

from ...eas.wbxml import Node
from ..collection import FILTER_DAYS, look
from ..context import Answer, Context, StatusError
from ..items import conversation_id
from ..mailbox import Item
from ..tree import child, every, number, text, truth

MAX_COLLECTIONS = 1000  # MS-ASCMD_R5646


def handle(context: Context) -> Answer:
    collections = every(child(context.tree, "GetItemEstimate:Collections"), "GetItemEstimate:Collection")
    if not collections or len(collections) > MAX_COLLECTIONS:
        raise StatusError(103)
    failed = context.exchange.failed_collections(context.request)
    return Answer(tree=("GetItemEstimate:GetItemEstimate", [_estimate(context, node, failed) for node in collections]))


def _estimate(context: Context, node: Node, failed: dict[str, int]) -> Node:
    collection_id = text(node, "GetItemEstimate:CollectionId")
    folder = context.mailbox.folders.get(collection_id)
    identity: list[Node] = []
    if context.version <= 121:
        identity.append(("GetItemEstimate:Class", folder.item_class if folder is not None else "Email"))
    identity.append(("GetItemEstimate:CollectionId", collection_id))
    if collection_id in failed:
        return _response(str(failed[collection_id]), identity)
    options = child(node, "AirSync:Options")
    if folder is None or child(options, "AirSync:MaxItems") is not None:  # MaxItems: MS-ASCMD_R3265
        return _response("2", identity)
    collection = context.device.collections.get(collection_id)
    key = text(node, "AirSync:SyncKey")
    if collection is None or key == "0":
        return _response("3", identity)
    filter_type = number(node, "AirSync:FilterType")
    if filter_type is None:
        filter_type = number(options, "AirSync:FilterType")
    if filter_type is None:
        filter_type = collection.options.filter_type
    if filter_type not in FILTER_DAYS or (folder.item_class == "Email" and filter_type > 5):
        return _response("110", identity)
    thread = None
    if truth(node, "AirSync:ConversationMode", False):
        if folder.item_class != "Email":
            return _response("4", identity)  # MS-ASCON_R336
        thread = partial(_thread, context)
    changes = look(collection, key, folder, filter_type, context.exchange.clock(), thread)
    if changes is None:
        return _response("4", identity)
    return _response("1", [*identity, ("GetItemEstimate:Estimate", str(changes.pending()))])


def _thread(context: Context, item: Item) -> bytes:
    return conversation_id(context.mailbox.message(item))


def _response(status: str, collection: list[Node]) -> Node:
    return (
        "GetItemEstimate:Response",
        [("GetItemEstimate:Status", status), ("GetItemEstimate:Collection", collection)],
    )
