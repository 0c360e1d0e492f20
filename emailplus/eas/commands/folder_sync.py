"""FolderSync: the folder hierarchy (MS-ASCMD 2.2.1.5)."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...errors import MalformedResponse, UsageError
from ...model.folder import Folder
from .. import status, tree
from ..wbxml import Node

NAME = "FolderSync"
MAX_NAME = 256
"""Characters of a folder's name, by the schema."""


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
            result.added.append(read_folder(node, NAME))
        elif node[0] == "FolderHierarchy:Update":
            result.updated.append(read_folder(node, NAME))
        elif node[0] == "FolderHierarchy:Delete":
            result.deleted.append(tree.text(node, "FolderHierarchy:ServerId"))
    return result


def read_folder(node: Node, command: str) -> Folder:
    """One folder of an answer. Raises `MalformedResponse`."""
    server_id = tree.text(node, "FolderHierarchy:ServerId")
    kind = tree.text(node, "FolderHierarchy:Type")
    if not server_id:
        raise MalformedResponse(f"{command} names a folder without a ServerId")
    return Folder(
        server_id=server_id,
        parent_id=tree.text(node, "FolderHierarchy:ParentId") or "0",
        name=tree.text(node, "FolderHierarchy:DisplayName") or server_id,
        type=int(kind) if kind.isascii() and kind.isdigit() and len(kind) < 4 else 18,
    )


def check_name(name: str) -> str:
    """A name that a folder can have. Raises `UsageError`."""
    if not name.strip() or len(name) > MAX_NAME:
        raise UsageError(f"the name of a folder has 1 to {MAX_NAME} characters")
    return name


def hierarchy_key(root: Node, command: str) -> str:
    """The key that an answer to FolderCreate, FolderUpdate or FolderDelete carries.

    Raises the error of its status, or `MalformedResponse`.
    """
    tree.expect(root, f"FolderHierarchy:{command}")
    code = tree.status(root, "FolderHierarchy:Status")
    if code not in (None, status.OK):
        raise status.error(command, code)
    key = tree.text(root, "FolderHierarchy:SyncKey")
    if not key:
        raise MalformedResponse(f"{command} answered without a SyncKey")
    return key
