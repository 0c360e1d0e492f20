"""A client's changes of calendar items, contacts, tasks and notes in Sync, and who wins a conflict."""

from __future__ import annotations

from ...eas.wbxml import Node
from .. import invitations
from ..collection import Changes
from ..context import Context
from ..mailbox import Folder, Item
from ..pim import FLOATING, Refused, accept, change_instance, complete, merge, take_attachments
from ..tree import child, children, text

NOTES_FROM = 140


def add_item(context: Context, folder: Folder, changes: Changes, command: Node) -> Node:
    """Add: an item made by the client, once for every ClientId."""
    client_id = text(command, "AirSync:ClientId")
    identity: Node = ("AirSync:ClientId", client_id)
    made = changes.window.added.get(client_id)
    if made is not None and made in folder.items:
        changes.note_sent(folder.items[made])
        return _added(context, identity, folder.items[made], [])
    item_class = folder.item_class
    if item_class == "Notes" and context.version < NOTES_FROM:
        return ("AirSync:Add", [identity, ("AirSync:Status", "6")])
    nodes = children(child(command, "AirSync:ApplicationData"))
    try:
        kept = accept(nodes, context.version, item_class)
        now = context.exchange.clock()
        name = context.user.name or context.user.username
        kept = complete(kept, item_class, now, name, context.user.email, context.version)
    except Refused as problem:
        context.request.refusals.append(str(problem))
        return ("AirSync:Add", [identity, ("AirSync:Status", str(problem.status))])
    item = context.mailbox.place(folder, kept)
    told: list[Node] = []
    if child(("", kept), "AirSyncBase:Attachments") is not None:
        made_nodes, contents, told = take_attachments([], kept, item.server_id)
        item.nodes = [node for node in made_nodes if node[1] is not None]
        item.files.update(contents)
    changes.window.added[client_id] = item.server_id
    changes.note_sent(item)
    if context.version >= FLOATING:
        invitations.invite(context, item)
    return _added(context, identity, item, told)


def _added(context: Context, identity: Node, item: Item, attachments: list[Node]) -> Node:
    nodes: list[Node] = [identity, ("AirSync:ServerId", item.server_id), ("AirSync:Status", "1")]
    data: list[Node] = []
    uid = text(("", item.nodes or []), "Calendar:UID")
    if uid and context.version >= FLOATING:  # MS-ASCAL_R2223
        data.append(("Calendar:UID", uid))
    if attachments:
        data.append(("AirSyncBase:Attachments", attachments))
    if data:
        nodes.append(("AirSync:ApplicationData", data))
    return ("AirSync:Add", nodes)


def change_item(context: Context, folder: Folder, changes: Changes, item: Item, command: Node) -> Node | None:
    """Change; what Responses says of it, if anything: 6 refused, 7 lost to the server's change."""
    since = max(changes.client_version(item.server_id) or 0, changes.window.changed.get(item.server_id, 0))
    if item.version > since and changes.collection.options.conflict == 1:
        return _response("Change", item, "7")
    nodes = children(child(command, "AirSync:ApplicationData"))
    instance = text(command, "AirSyncBase:InstanceId")
    told: list[Node] = []
    assert item.nodes is not None
    try:
        if context.version >= FLOATING and any(tag == "Calendar:Exceptions" for tag, _ in nodes):
            raise Refused(6, "exceptions are changed one at a time from 16.0 on (MS-ASCAL_R2112)")
        kept = accept(nodes, context.version, folder.item_class)
        if instance:
            made = change_instance(item.nodes, instance, kept)
        else:
            if any(tag == "AirSyncBase:Attachments" for tag, _ in kept):
                kept, contents, told = take_attachments(item.nodes, kept, item.server_id)
                item.files.update(contents)
            made = merge(item.nodes, kept, folder.item_class, context.version, changes.collection.supported)
            made = _finished(context, folder, made)
    except Refused as problem:
        context.request.refusals.append(str(problem))
        return _response("Change", item, str(problem.status))
    context.mailbox.rewrite(folder, item, made)
    changes.window.changed[item.server_id] = item.version
    changes.note_sent(item)
    if context.version >= FLOATING:
        invitations.invite(context, item)
    if told:
        answer = _response("Change", item, "1")
        children(answer).append(("AirSync:ApplicationData", [("AirSyncBase:Attachments", told)]))
        return answer
    return None


def _finished(context: Context, folder: Folder, made: list[Node]) -> list[Node]:
    """The server's own properties renewed, and times brought to how they are kept."""
    stamps = {"Calendar:DtStamp", "Notes:LastModifiedDate"}
    made = [node for node in made if node[0] not in stamps]
    name = context.user.name or context.user.username
    return complete(made, folder.item_class, context.exchange.clock(), name, context.user.email, context.version)


def delete_instance(context: Context, folder: Folder, changes: Changes, item: Item, instance: str) -> Node | None:
    """Delete with an InstanceId: one instance of a series (MS-ASCMD_R6420)."""
    assert item.nodes is not None
    try:
        made = change_instance(item.nodes, instance, None)
    except Refused as problem:
        return _response("Delete", item, str(problem.status))
    context.mailbox.rewrite(folder, item, made)
    changes.window.changed[item.server_id] = item.version
    changes.note_sent(item)
    if context.version >= FLOATING:
        invitations.invite(context, item)
    return None


def _response(command: str, item: Item, status: str) -> Node:
    return (f"AirSync:{command}", [("AirSync:ServerId", item.server_id), ("AirSync:Status", status)])
