"""Bringing the folder list up to date (MS-ASCMD 2.2.1.5, 3.1.5.2)."""

from __future__ import annotations

from ...errors import InvalidSyncKey, MalformedResponse
from ...flow import Flow, commit, emit
from ...model.changes import FolderChanges
from ...model.events import FoldersSynced
from ..commands import folder_sync
from .provision import apply_policy
from .session import Session, perform


def sync_folders(session: Session, sync_key: str) -> Flow[str]:
    """Changes since `sync_key` ("0": all); the new key. A key that the server does not know (status 9) starts over.

    Nothing is removed by a start-over that names no folder at all: a mailbox has an inbox.
    """
    full = sync_key == "0"
    try:
        root = yield from perform(session, folder_sync.NAME, folder_sync.build(sync_key), apply_policy)
        if root is None:
            return sync_key
        result = folder_sync.parse(root)
    except InvalidSyncKey:
        if full:
            raise
        return (yield from sync_folders(session, "0"))
    if full and not result.added:
        raise MalformedResponse("the server names no folder at all; nothing was changed. Is the device admitted?")
    if full:
        session.resync_ordered = False  # nothing older than this answer is left to doubt (MS-ASHTTP 2.2.2.1.2.9)
    yield from commit(FolderChanges(result.sync_key, result.added, result.updated, result.deleted, full))
    yield from emit(FoldersSynced(len(result.added), len(result.added), len(result.updated), len(result.deleted)))
    return result.sync_key
