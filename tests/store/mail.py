"""Stores and messages for tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from emailplus.model.changes import FolderChanges, IndexMessages, SyncCounts, SyncWindows, Window
from emailplus.model.folder import Folder
from emailplus.model.message import Attachment, Body, Message
from emailplus.store.store import Store

KEY = bytes(range(32))

FOLDERS = (
    Folder("5", "0", "Inbox", 2),
    Folder("7", "0", "Archive", 12),
    Folder("9", "0", "Entwürfe", 3),
)


def new_store(path: Path, folders: Sequence[Folder] = FOLDERS, key: bytes = KEY) -> Store:
    """A fresh store with folders 1, 2, 3."""
    store = Store.open(path, key)
    store.apply(FolderChanges("1", added=folders))
    return store


def message(server_id: str, subject: str = "Hello", text: str | None = None, **fields: Any) -> Message:
    """A stored mail; `text` becomes a plain body."""
    fields.setdefault("sender", "Ann Lee <ann@example.com>")
    fields.setdefault("received", datetime(2026, 1, 15, 12, 0, tzinfo=UTC))
    if text is not None:
        data = text.encode()
        fields.setdefault("body", Body(1, data, len(data)))
        fields.setdefault("body_state", "stored")
    return Message(server_id=server_id, subject=subject, **fields)


def attachment(name: str, size: int = 100, reference: str = "", **fields: Any) -> Attachment:
    return Attachment(reference or f"ref-{name}", name=name, size=size, **fields)


def window(store: Store, folder: int = 1, *, key: str = "2", keep: bool = True, **content: Any) -> SyncCounts:
    """One Sync answer about one folder."""
    counts: SyncCounts = store.apply(SyncWindows([Window(folder, key, "", **content)], keep_content=keep))
    return counts


def index_all(store: Store) -> int:
    done = 0
    while count := store.apply(IndexMessages(7)):
        done += count
    return done
