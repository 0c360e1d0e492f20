"""FolderCreate: a new folder (MS-ASCMD 2.2.1.3)."""

from __future__ import annotations

from ...errors import MalformedResponse, UsageError
from .. import tree
from ..wbxml import Node
from .folder_sync import check_name, hierarchy_key

NAME = "FolderCreate"
CREATABLE = frozenset({1, 12, 13, 14, 15, 16, 17})
"""Types that a client may create (MS-ASCMD 2.2.3.186.2)."""


def build(sync_key: str, parent_id: str, name: str, folder_type: int) -> Node:
    """The request; `parent_id` "0" is the root. Raises `UsageError` for a name or type that cannot be created."""
    if folder_type not in CREATABLE:
        raise UsageError(f"folders of type {folder_type} cannot be created")
    parts: list[Node] = [
        ("FolderHierarchy:SyncKey", sync_key),
        ("FolderHierarchy:ParentId", parent_id),
        ("FolderHierarchy:DisplayName", check_name(name)),
        ("FolderHierarchy:Type", str(folder_type)),
    ]
    return (f"FolderHierarchy:{NAME}", parts)


def parse(root: Node) -> tuple[str, str]:
    """The hierarchy's next key and the new folder's ServerId. Raises the error of a status, or `MalformedResponse`."""
    key = hierarchy_key(root, NAME)
    server_id = tree.text(root, "FolderHierarchy:ServerId")
    if not server_id:
        raise MalformedResponse("FolderCreate answered without a ServerId")
    return key, server_id
