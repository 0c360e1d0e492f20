"""A client's drafts in Sync (MS-ASEMAIL 3.1.5, 16.0 and 16.1): added, edited, sent."""

from __future__ import annotations

from urllib.parse import quote

from ...eas.wbxml import Node
from .. import drafts
from ..collection import Changes
from ..compose import prepare
from ..context import Context
from ..mailbox import Folder, Item
from ..mime import Message
from ..tree import child, children, text
from .sync_changes import State, wanted_state

DRAFTS = 3  # folder Type


def add(context: Context, folder: Folder, changes: Changes, command: Node) -> Node:
    """Add: a new draft, or with Send a message that goes out at once. Other mail cannot be added (Status 6)."""
    client_id = text(command, "AirSync:ClientId")
    identity: Node = ("AirSync:ClientId", client_id)
    data = child(command, "AirSync:ApplicationData")
    if folder.type != DRAFTS or context.version < 160 or data is None:
        return ("AirSync:Add", [identity, ("AirSync:Status", "6")])
    made = changes.window.added.get(client_id)
    if made == "":  # sent already: the same request once more
        return ("AirSync:Add", [identity, ("AirSync:Status", "1")])
    if made is not None and made in folder.items:
        changes.note_sent(folder.items[made])
        return _added(identity, made, data)
    raw = drafts.build(data, context.user, context.exchange.clock())
    try:
        state = wanted_state(State(read=True, flag=None, categories=()), data, Message(raw))
    except ValueError:
        return ("AirSync:Add", [identity, ("AirSync:Status", "6")])
    if child(command, "Email2:Send") is not None:
        status = _send(context, raw)
        if status == "1":
            changes.window.added[client_id] = ""
        return ("AirSync:Add", [identity, ("AirSync:Status", status)])
    server_id = context.mailbox.deliver(raw, folder.server_id, draft=True)
    item = folder.items[server_id]
    item.read, item.flag, item.categories = state
    changes.window.added[client_id] = server_id
    changes.note_sent(folder.items[server_id])
    return _added(identity, server_id, data)


def _added(identity: Node, server_id: str, data: Node) -> Node:
    nodes: list[Node] = [identity, ("AirSync:ServerId", server_id), ("AirSync:Status", "1")]
    references = _references(server_id, drafts.client_ids(data), 0)
    if references:
        nodes.append(("AirSync:ApplicationData", [("AirSyncBase:Attachments", references)]))
    return ("AirSync:Add", nodes)


CONTENT = frozenset(
    {
        "Email:To", "Email:Cc", "Email2:Bcc", "Email:ReplyTo", "Email:Subject", "Email:Importance",
        "AirSyncBase:Body", "AirSyncBase:Attachments",
    }
)  # fmt: skip
"""Properties that only a draft lets a client change."""


def edits_draft(item: Item, command: Node) -> bool:
    """Whether a Change is about a draft's content or its sending, not only its read state or flag."""
    data = children(child(command, "AirSync:ApplicationData"))
    return item.draft and (child(command, "Email2:Send") is not None or any(tag in CONTENT for tag, _ in data))


def change_draft(context: Context, changes: Changes, item: Item, command: Node) -> Node | None:
    """Change of a draft: what it names replaces what was there; with Send the draft goes out and is gone."""
    data = child(command, "AirSync:ApplicationData")
    # What the client did in a request whose answer was lost is not a change of the server's.
    since = max(changes.client_version(item.server_id) or 0, changes.window.changed.get(item.server_id, 0))
    if item.other_at > since and changes.collection.options.conflict == 1:
        return ("AirSync:Change", [("AirSync:ServerId", item.server_id), ("AirSync:Status", "7")])
    raw = item.raw
    if children(data):
        assert data is not None
        raw = drafts.build(data, context.user, context.exchange.clock(), context.mailbox.message(item))
    if child(command, "Email2:Send") is None:
        context.mailbox.replace(item.server_id, raw)
        changes.window.changed[item.server_id] = item.version
        changes.note_sent(item)
        return _changed(item, raw, data)
    status = _send(context, raw)
    if status != "1":
        return ("AirSync:Change", [("AirSync:ServerId", item.server_id), ("AirSync:Status", status)])
    context.mailbox.delete(item.server_id)
    changes.note_gone(item.server_id)
    return None


def _changed(item: Item, raw: bytes, data: Node | None) -> Node | None:
    """The FileReferences of what was added (MS-ASAIRS_R1336); nothing where nothing was."""
    ids = drafts.client_ids(data) if data is not None else []
    if not ids:
        return None
    first = len(Message(raw).attachments()) - len(ids)
    made = _references(item.server_id, ids, first)
    identity: list[Node] = [("AirSync:ServerId", item.server_id), ("AirSync:Status", "1")]
    return ("AirSync:Change", [*identity, ("AirSync:ApplicationData", [("AirSyncBase:Attachments", made)])])


def _references(server_id: str, client_ids: list[str], first: int) -> list[Node]:
    return [
        (
            "AirSyncBase:Attachment",
            [
                ("AirSyncBase:ClientId", client_id),
                ("AirSyncBase:FileReference", quote(f"{server_id}:{index}").replace("%3A", "%3a")),
            ],
        )
        for index, client_id in enumerate(client_ids, first)
    ]


def _send(context: Context, raw: bytes) -> str:
    outgoing = prepare(raw, context.user, context.exchange.clock())
    if not outgoing.recipients:
        return "183"
    context.exchange.submit(outgoing.raw, outgoing.recipients)
    context.mailbox.deliver(outgoing.kept, context.mailbox.by_type(5).server_id, read=True)
    return "1"
