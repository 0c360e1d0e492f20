"""FolderCreate, FolderDelete and FolderUpdate (MS-ASCMD 2.2.1.3, 2.2.1.4, 2.2.1.6)."""

from __future__ import annotations

from ...eas.wbxml import Node
from ..context import Answer, Context
from ..device import FolderState
from ..mailbox import Folder
from ..tree import child, number, text

CREATABLE = frozenset({1, 12, 13, 14, 15, 16, 17})  # MS-ASCMD 2.2.3.186.2
MAX_NAME = 256


def create(context: Context) -> Answer:
    known = _known(context, "FolderCreate")
    if isinstance(known, Answer):
        return known
    parent = text(context.tree, "FolderHierarchy:ParentId")
    name = text(context.tree, "FolderHierarchy:DisplayName")
    kind = number(context.tree, "FolderHierarchy:Type")
    if not 1 <= len(name) <= MAX_NAME or kind not in CREATABLE:
        return _answer("FolderCreate", "10")
    if parent not in context.mailbox.folders and parent != "0":
        return _answer("FolderCreate", "5")
    if _taken(context, parent, name) is not None:
        return _answer("FolderCreate", "2")
    folder = context.mailbox.create_folder(name, None if parent == "0" else parent, 12 if kind == 1 else kind)
    key = _advance(context, known, folder)
    identity: Node = ("FolderHierarchy:ServerId", folder.server_id)
    return _answer("FolderCreate", "1", ("FolderHierarchy:SyncKey", key), identity)


def delete(context: Context) -> Answer:
    known = _known(context, "FolderDelete")
    if isinstance(known, Answer):
        return known
    folder = context.mailbox.folders.get(text(context.tree, "FolderHierarchy:ServerId"))
    if folder is None:
        return _answer("FolderDelete", "4")
    if folder.type not in CREATABLE:
        return _answer("FolderDelete", "3")
    context.mailbox.delete_folder(folder.server_id)
    base = dict(known)
    remaining = {name: row for name, row in known.items() if name in context.mailbox.folders}
    hierarchy = context.device.hierarchy
    key = hierarchy.advance(base, text(context.tree, "FolderHierarchy:SyncKey"), remaining)
    return _answer("FolderDelete", "1", ("FolderHierarchy:SyncKey", key))


def update(context: Context) -> Answer:
    known = _known(context, "FolderUpdate")
    if isinstance(known, Answer):
        return known
    if child(context.tree, "FolderHierarchy:Status") is not None:
        return _answer("FolderUpdate", "10")  # MS-ASCMD_R3102
    folder = context.mailbox.folders.get(text(context.tree, "FolderHierarchy:ServerId"))
    parent = text(context.tree, "FolderHierarchy:ParentId")
    name = text(context.tree, "FolderHierarchy:DisplayName")
    if folder is None:
        return _answer("FolderUpdate", "4")
    if not 1 <= len(name) <= MAX_NAME:
        return _answer("FolderUpdate", "10")
    if parent != "0" and (parent not in context.mailbox.folders or _below(context, parent, folder)):
        return _answer("FolderUpdate", "5")
    taken = _taken(context, parent, name)
    if folder.type not in CREATABLE or (taken is not None and taken is not folder):
        return _answer("FolderUpdate", "2")
    context.mailbox.rename_folder(folder.server_id, name, parent)
    return _answer("FolderUpdate", "1", ("FolderHierarchy:SyncKey", _advance(context, known, folder)))


def _known(context: Context, command: str) -> FolderState | Answer:
    """The hierarchy the client knows, or the answer that its key is missing (10) or wrong (9)."""
    if child(context.tree, "FolderHierarchy:SyncKey") is None:
        return _answer(command, "10")
    known = context.device.hierarchy.at(text(context.tree, "FolderHierarchy:SyncKey"))
    return _answer(command, "9") if known is None else known


def _taken(context: Context, parent: str, name: str) -> Folder | None:
    for folder in context.mailbox.folders.values():
        if folder.parent_id == parent and folder.name.lower() == name.lower():
            return folder
    return None


def _below(context: Context, parent: str, folder: Folder) -> bool:
    """Whether `parent` is the folder itself or lies below it."""
    seen: set[str] = set()
    while parent in context.mailbox.folders and parent not in seen:
        if parent == folder.server_id:
            return True
        seen.add(parent)
        parent = context.mailbox.folders[parent].parent_id
    return False


def _advance(context: Context, known: FolderState, folder: Folder) -> str:
    """A key for what the client knows plus its own change; other changes are left for FolderSync."""
    after = {**known, folder.server_id: (folder.parent_id, folder.name, folder.type)}
    return context.device.hierarchy.advance(known, text(context.tree, "FolderHierarchy:SyncKey"), after)


def _answer(command: str, status: str, *more: Node) -> Answer:
    return Answer(tree=(f"FolderHierarchy:{command}", [("FolderHierarchy:Status", status), *more]))
