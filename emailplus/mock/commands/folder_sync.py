"""FolderSync (MS-ASCMD 2.2.1.5): the folder hierarchy, whole or since a key."""

from __future__ import annotations

from ...eas.wbxml import Node
from ..context import Answer, Context, StatusError
from ..device import FolderState
from ..mailbox import Mailbox
from ..tree import child, text


def snapshot(mailbox: Mailbox) -> FolderState:
    """The hierarchy as it is now."""
    return {folder.server_id: (folder.parent_id, folder.name, folder.type) for folder in mailbox.folders.values()}


def handle(context: Context) -> Answer:
    if context.tree is None:
        raise StatusError(10)
    if child(context.tree, "FolderHierarchy:SyncKey") is None:
        return _answer("10")
    key = text(context.tree, "FolderHierarchy:SyncKey")
    hierarchy = context.device.hierarchy
    known: FolderState | None = {} if key == "0" else hierarchy.at(key)
    if known is None:
        return _answer("9")  # MS-ASCMD_R4581
    now = snapshot(context.mailbox)
    changes = _changes(known, now)
    unchanged = not changes and key == hierarchy.key
    new_key = key if unchanged else hierarchy.advance(known, key, now)
    answer = _answer("1", new_key, changes)
    if key == "0":  # MS-ASHTTP_R1202
        answer.headers.append(("X-MS-RP", ",".join(context.exchange.versions)))
        answer.headers += context.exchange.advertisement()
    return answer


def _changes(known: FolderState, now: FolderState) -> list[Node]:
    updates: list[Node] = []
    adds: list[Node] = []
    for server_id, (parent_id, name, kind) in now.items():
        if known.get(server_id) == (parent_id, name, kind):
            continue
        children: list[Node] = [
            ("FolderHierarchy:ServerId", server_id),
            ("FolderHierarchy:ParentId", parent_id),
            ("FolderHierarchy:DisplayName", name),
            ("FolderHierarchy:Type", str(kind)),
        ]
        if server_id in known:
            updates.append(("FolderHierarchy:Update", children))
        else:
            adds.append(("FolderHierarchy:Add", children))
    deletes: list[Node] = [
        ("FolderHierarchy:Delete", [("FolderHierarchy:ServerId", server_id)])
        for server_id in known
        if server_id not in now
    ]
    return updates + deletes + adds


def _answer(status: str, key: str = "", changes: list[Node] | None = None) -> Answer:
    children: list[Node] = [("FolderHierarchy:Status", status)]
    if changes is not None:
        children.append(("FolderHierarchy:SyncKey", key))
        count: Node = ("FolderHierarchy:Count", str(len(changes)))
        children.append(("FolderHierarchy:Changes", [count, *changes]))
    return Answer(tree=("FolderHierarchy:FolderSync", children))
