"""One file a command, and the table that finds them."""

from __future__ import annotations

from dataclasses import dataclass

from ...eas.wbxml import Node
from ..context import Handler
from . import folder_sync, item_operations, provision, sync


@dataclass(frozen=True, slots=True)
class Command:
    """How to carry out a command, its root element, and where a Status of the whole command stands."""

    handler: Handler
    root: str
    status_path: tuple[str, ...]
    wbxml_from: int = 25  # the first version whose requests of this command are WBXML

    def failure(self, status: int) -> Node:
        """The shortest answer that says `status`."""
        node: Node = (self.status_path[-1], str(status))
        for tag in reversed(self.status_path[:-1]):
            node = (tag, [node])
        return (self.root, [node])


COMMANDS: dict[str, Command] = {
    "FolderSync": Command(folder_sync.handle, "FolderHierarchy:FolderSync", ("FolderHierarchy:Status",)),
    "ItemOperations": Command(item_operations.handle, "ItemOperations:ItemOperations", ("ItemOperations:Status",)),
    "Provision": Command(provision.handle, "Provision:Provision", ("Provision:Status",)),
    "Sync": Command(sync.handle, "AirSync:Sync", ("AirSync:Status",)),
}
"""Command name -> how it is served."""
