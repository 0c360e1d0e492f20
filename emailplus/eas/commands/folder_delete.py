"""FolderDelete: a folder, its subfolders and all they hold (MS-ASCMD 2.2.1.4)."""

from __future__ import annotations

from ..wbxml import Node
from .folder_sync import hierarchy_key

NAME = "FolderDelete"


def build(sync_key: str, server_id: str) -> Node:
    """The request."""
    parts: list[Node] = [("FolderHierarchy:SyncKey", sync_key), ("FolderHierarchy:ServerId", server_id)]
    return (f"FolderHierarchy:{NAME}", parts)


def parse(root: Node) -> str:
    """The hierarchy's next key. Raises the error of a status, or `MalformedResponse`."""
    return hierarchy_key(root, NAME)
