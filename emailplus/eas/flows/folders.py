"""Making, renaming, moving and deleting folders (MS-ASCMD 2.2.1.3, 2.2.1.4, 2.2.1.6), safe against lost answers.

Each change carries the hierarchy's SyncKey. A key that the server no longer takes, or a folder that is not where we
believe it, is answered by reading the hierarchy again, once. If what was wanted is there then, the answer of the first
attempt was lost and the work is done: nothing is made twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from ...errors import CommandFailed, FolderHierarchyChanged, InvalidSyncKey, NotFound, NotOffered, UsageError
from ...flow import Flow, commit, load
from ...model.changes import FolderChanges
from ...model.folder import Folder
from ...model.queries import AccountFacts, AllFolders
from ..commands import folder_create, folder_delete, folder_update, get_hierarchy
from ..wbxml import Node
from .ask import ask
from .folder_sync import sync_folders
from .session import Session

T = TypeVar("T")
ROOT = "0"

_STALE = (2, 4, 5, 9)
"""Statuses that may come from a repeated request whose first answer was lost, or from a hierarchy that moved on."""


def find_folder(folders: Sequence[Folder], name: str) -> Folder:
    """The folder of a path (``Inbox/Projects``), a name or a ServerId; case does not matter.

    Raises `NotFound`, or `UsageError` where several folders have that name.
    """
    wanted = name.strip().strip("/").casefold()
    for matches in (
        [folder for folder in folders if path(folders, folder).casefold() == wanted],
        [folder for folder in folders if folder.server_id == name],
        [folder for folder in folders if folder.name.casefold() == wanted],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            ways = ", ".join(sorted(path(folders, folder) for folder in matches))
            raise UsageError(f"several folders are called {name!r}; say which: {ways}")
    raise NotFound(f"there is no folder {name!r} in this store; synchronise, or see the list of folders")


def path(folders: Sequence[Folder], folder: Folder) -> str:
    """The names from the root down to a folder, joined by slashes."""
    by_id = {each.server_id: each for each in folders}
    names = [folder.name]
    seen = {folder.server_id}
    while (parent := by_id.get(folder.parent_id)) is not None and parent.server_id not in seen:
        seen.add(parent.server_id)
        names.append(parent.name)
        folder = parent
    return "/".join(reversed(names))


def create_folder(session: Session, name: str, parent: str | None, folder_type: int) -> Flow[Folder]:
    """Make a folder below `parent` (path, name or ServerId; None: the root) and return it.

    Raises `UsageError` for a name that is taken or impossible, `NotFound` for an unknown parent.
    """
    before = yield from _known(session)
    above = find_folder(before, parent).server_id if parent is not None else ROOT
    if _child(before, above, name) is not None:
        raise UsageError(f"there is a folder {name!r} already")

    def request(key: str) -> Node:
        return folder_create.build(key, above, name, folder_type)

    def done(folders: Sequence[Folder]) -> Folder | None:
        return _child(folders, above, name)

    answer = yield from _change(session, folder_create.NAME, request, folder_create.parse, done)
    if isinstance(answer, Folder):
        return answer
    key, server_id = answer
    made = Folder(server_id, above, name, folder_type)
    yield from commit(FolderChanges(key, added=[made]))
    return made


def update_folder(session: Session, folder: str, name: str | None, parent: str | None) -> Flow[Folder]:
    """Rename a folder, or move it below `parent` ("0": to the root); None leaves either as it is.

    Raises as `create_folder`, and `UsageError` for a folder that would lie within itself.
    """
    before = yield from _known(session)
    old = find_folder(before, folder)
    above = old.parent_id
    if parent is not None:
        above = ROOT if parent == ROOT else find_folder(before, parent).server_id
    new = replace(old, name=name if name is not None else old.name, parent_id=above)
    if new == old:
        return old
    if above in below(before, old.server_id):
        raise UsageError("a folder cannot lie within itself")
    other = _child(before, above, new.name)
    if other is not None and other.server_id != old.server_id:
        raise UsageError(f"there is a folder {new.name!r} already")

    def request(key: str) -> Node:
        return folder_update.build(key, old.server_id, above, new.name)

    def done(folders: Sequence[Folder]) -> Folder | None:
        found = next((each for each in folders if each.server_id == old.server_id), None)
        return found if found is not None and (found.name, found.parent_id) == (new.name, above) else None

    answer = yield from _change(session, folder_update.NAME, request, folder_update.parse, done)
    if isinstance(answer, Folder):
        return answer
    yield from commit(FolderChanges(answer, updated=[new]))
    return new


def delete_folder(session: Session, folder: str) -> Flow[Folder]:
    """Delete a folder with its subfolders and all they hold, here and on the server; the folder that was deleted."""
    before = yield from _known(session)
    old = find_folder(before, folder)

    def request(key: str) -> Node:
        return folder_delete.build(key, old.server_id)

    def done(folders: Sequence[Folder]) -> Folder | None:
        return None if any(each.server_id == old.server_id for each in folders) else old

    answer = yield from _change(session, folder_delete.NAME, request, folder_delete.parse, done)
    if isinstance(answer, str):
        gone = below(before, old.server_id)
        yield from commit(FolderChanges(answer, deleted=sorted(gone)))
    return old


def below(folders: Sequence[Folder], server_id: str) -> set[str]:
    """A folder and all that lies in it, by ServerId."""
    found = {server_id}
    while True:
        more = {each.server_id for each in folders if each.parent_id in found} - found
        if not more:
            return found
        found |= more


def hierarchy(session: Session) -> Flow[list[Folder]]:
    """The mail folders as GetHierarchy tells them (2.5 to 12.1), without touching the store.

    Raises `NotOffered` in later versions.
    """
    if session.version.code > get_hierarchy.LAST:
        raise NotOffered(f"GetHierarchy ended with ActiveSync 12.1; this server speaks {session.version.name}")
    return (yield from ask(session, get_hierarchy.NAME, None, get_hierarchy.parse))


def _known(session: Session) -> Flow[list[Folder]]:
    """The folders of the store; read from the server first where none were yet."""
    facts: dict[str, str] = yield from load(AccountFacts())
    if facts.get("folder_sync_key", ROOT) == ROOT:
        yield from sync_folders(session, ROOT)
    folders: list[Folder] = yield from load(AllFolders())
    return folders


def _child(folders: Sequence[Folder], parent_id: str, name: str) -> Folder | None:
    wanted = name.casefold()
    return next((each for each in folders if each.parent_id == parent_id and each.name.casefold() == wanted), None)


def _change(
    session: Session,
    name: str,
    request: Callable[[str], Node],
    parse: Callable[[Node], T],
    done: Callable[[Sequence[Folder]], Folder | None],
) -> Flow[T | Folder]:
    """Send one change. After a stale key or a surprise, read the hierarchy: what is `done` then is not sent again."""
    for attempt in range(2):
        facts: dict[str, str] = yield from load(AccountFacts())
        key = facts["folder_sync_key"]
        try:
            return (yield from ask(session, name, request(key), parse))
        except (InvalidSyncKey, FolderHierarchyChanged, CommandFailed) as problem:
            if problem.status not in _STALE or attempt:
                raise
            yield from sync_folders(session, key)
            folders: list[Folder] = yield from load(AllFolders())
            found = done(folders)
            if found is not None:
                return found
            if problem.status == 2:
                raise
    raise AssertionError("unreachable")  # the second attempt returns or raises
