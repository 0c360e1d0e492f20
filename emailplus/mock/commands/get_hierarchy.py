"""GetHierarchy (2.5 to 12.1, MS-ASCMD 2.2.1.8): the mail folders, without a key."""

from __future__ import annotations

from ...eas.wbxml import Node
from ..context import Answer, Context
from ..mailbox import MAIL_TYPES


def handle(context: Context) -> Answer:
    folders: list[Node] = [
        (
            "FolderHierarchy:Folder",
            [
                ("FolderHierarchy:DisplayName", folder.name),
                ("FolderHierarchy:ServerId", folder.server_id),
                ("FolderHierarchy:Type", str(folder.type)),
                ("FolderHierarchy:ParentId", folder.parent_id),
            ],
        )
        for folder in context.mailbox.folders.values()
        if folder.type in MAIL_TYPES
    ]
    return Answer(tree=("FolderHierarchy:Folders", folders))
