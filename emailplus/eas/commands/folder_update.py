"""FolderUpdate: a folder renamed, or moved to another parent (MS-ASCMD 2.2.1.6)."""

from __future__ import annotations

from ..wbxml import Node
from .folder_sync import check_name, hierarchy_key

NAME = "FolderUpdate"


def build(sync_key: str, server_id: str, parent_id: str, name: str) -> Node:
    """The request: all of it as it shall be. Raises `UsageError` for a name that cannot be one."""
    parts: list[Node] = [
        ("FolderHierarchy:SyncKey", sync_key),
        ("FolderHierarchy:ServerId", server_id),
        ("FolderHierarchy:ParentId", parent_id),
        ("FolderHierarchy:DisplayName", check_name(name)),
    ]
    return (f"FolderHierarchy:{NAME}", parts)


def parse(root: Node) -> str:
    """The hierarchy's next key. Raises the error of a status, or `MalformedResponse`."""
    return hierarchy_key(root, NAME)
