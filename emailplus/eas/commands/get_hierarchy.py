"""GetHierarchy: the mail folders, all at once; 2.5 to 12.1, where FolderSync has been the better one since (MS-ASCMD
2.2.1.8). It has no request body and no key."""

from __future__ import annotations

from ...model.folder import Folder
from .. import tree
from ..wbxml import Node
from .folder_sync import read_folder

NAME = "GetHierarchy"
LAST = 121
"""The last version that has it."""


def parse(root: Node) -> list[Folder]:
    """The folders in the server's order. Raises `MalformedResponse`."""
    tree.expect(root, "FolderHierarchy:Folders")
    return [read_folder(node, NAME) for node in tree.each(root, "FolderHierarchy:Folder")]
