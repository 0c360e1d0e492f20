"""Waiting for changes on the server."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ..eas.flows.folders import find_folder
from ..eas.flows.watch import watch
from ..model.folder import Folder
from ..model.watch import Watched
from ..store.store import Store
from . import AsyncOnline, Dialogue, Online


def _watch(store: Store, names: Sequence[str] | None, heartbeat: int | None) -> Dialogue[Watched]:
    """The folders named, else every folder that holds items, inbox first."""
    known = [folder for folder, _, _ in store.folders()]
    wanted: list[Folder] = known if names is None else [find_folder(known, name) for name in names]
    pairs = [(folder.server_id, folder.item_class) for folder in wanted if folder.item_class is not None]
    return partial(watch, folders=pairs, heartbeat=heartbeat)


class Watching(Online):
    """Methods of `Mailbox`."""

    def wait_for_changes(self, folders: Sequence[str] | None = None, *, heartbeat: int | None = None) -> Watched:
        """Wait once, without load, until something is new in `folders` (names, paths or ServerIds; None: all).

        `heartbeat`: seconds to wait at most; None: what this account was found to allow. A result that is true says
        that it is time to `sync`. Raises `NotFound` for an unknown folder, `UsageError` where there is none yet.
        """
        return self._converse(_watch(self.store, folders, heartbeat))


class AsyncWatching(AsyncOnline):
    """Methods of `AsyncMailbox`."""

    async def wait_for_changes(self, folders: Sequence[str] | None = None, *, heartbeat: int | None = None) -> Watched:
        """See `Mailbox.wait_for_changes`."""
        return await self._converse(_watch(self.store, folders, heartbeat))
