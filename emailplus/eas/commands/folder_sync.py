"""FolderSync: the folder hierarchy (MS-ASCMD 2.2.1.5)."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...errors import MalformedResponse
from ...model.folder import Folder
from .. import status, tree
from ..wbxml import Node

NAME = "FolderSync"


@dataclass(slots=True)
class FolderSyncResult:
    """What changed since the key that was sent, and the next key."""

    sync_key: str
    added: list[Folder] = field(default_factory=list)
    updated: list[Folder] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)


def build(sync_key: str) -> Node:
    """The request for changes since `sync_key`; "0" asks for everything."""
    return (f"FolderHierarchy:{NAME}", [("FolderHierarchy:SyncKey", sync_key)])


def parse(root: Node) -> FolderSyncResult:
    """Raises `InvalidSyncKey` (status 9), another error of `status.error`, or `MalformedResponse`."""
    tree.expect(root, f"FolderHierarchy:{NAME}")
    code = tree.status(root, "FolderHierarchy:Status")
    if code not in (None, status.OK):
        raise status.error(NAME, code)
    key = tree.text(root, "FolderHierarchy:SyncKey")
    if not key:
        raise MalformedResponse("FolderSync answered without a SyncKey")
    result = FolderSyncResult(key)
    for node in tree.children(tree.child(root, "FolderHierarchy:Changes")):
        if node[0] == "FolderHierarchy:Add":
            result.added.append(_folder(node))
        elif node[0] == "FolderHierarchy:Update":
            result.updated.append(_folder(node))
        elif node[0] == "FolderHierarchy:Delete":
            result.deleted.append(tree.text(node, "FolderHierarchy:ServerId"))
    return result


def _folder(node: Node) -> Folder:
    server_id = tree.text(node, "FolderHierarchy:ServerId")
    kind = tree.text(node, "FolderHierarchy:Type")
    if not server_id:
        raise MalformedResponse("FolderSync names a folder without a ServerId")
    return Folder(
        server_id=server_id,
        parent_id=tree.text(node, "FolderHierarchy:ParentId") or "0",
        name=tree.text(node, "FolderHierarchy:DisplayName") or server_id,
        type=int(kind) if kind.isdigit() else 18,
    )
