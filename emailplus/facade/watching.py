"""Waiting for changes on the server."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, cast

from ..eas.flows.folders import find_folder
from ..eas.flows.watch import watch
from ..model.folder import Folder
from ..model.watch import Watched
from ..notify.rules import App
from ..store.store import Store
from ..watching import Method
from . import AsyncOnline, Dialogue, Online
from .announcing import EwsKind
from .watch import AsyncWatch, RenewPassword, Watch

if TYPE_CHECKING:
    from ..mailbox import AsyncMailbox, Mailbox


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

    def watch(
        self,
        folders: Sequence[str] | None = None,
        *,
        heartbeat: int | None = None,
        method: Method = "ping",
        password: RenewPassword | None = None,
        app: App = App.OPEN,
        ews: EwsKind | None = None,
    ) -> Watch:
        """Watch the mailbox: events of `emailplus.model.watch`, until the watch is stopped.

        It synchronises, tells what is new, and waits until the server has something newer. `folders`: those whose new
        mail is told and counted (names, paths or ServerIds; None: the inbox); all are kept up to date. `heartbeat`:
        seconds that one request waits at most; None: what the network and the server turn out to allow. `method`: the
        best way of waiting that may be used: "ping", "sync" or "interval". `password` is asked for another password
        when the server refuses the one in use; without it, or if it has none, the watch ends with
        `AuthenticationFailed`. `app`: how the engine was started, for the rules of notification: in the background, or
        again after it was ended by force, the user is shown no more than `allow_device_keychain` and
        `should_cache_tunneling_config` let be read then. `ews`: have Exchange Web Services, beside that, tell of new
        mail by a "streaming" or a "pull" subscription (``emailplus[ews]``): that ends the wait, ActiveSync brings the
        mail, and one mail is one event. What goes wrong there is told as a `State`, and the watch goes on without.

        The network, a busy server and the like are waited for; see `emailplus.watching` for what ends a watch. One
        watch runs at a time (`UsageError`). The first one tells what came since the last synchronisation.
        """
        return Watch(cast("Mailbox", self), folders, heartbeat, method, password, app, ews)


class AsyncWatching(AsyncOnline):
    """Methods of `AsyncMailbox`."""

    async def wait_for_changes(self, folders: Sequence[str] | None = None, *, heartbeat: int | None = None) -> Watched:
        """See `Mailbox.wait_for_changes`."""
        return await self._converse(_watch(self.store, folders, heartbeat))

    async def watch(
        self,
        folders: Sequence[str] | None = None,
        *,
        heartbeat: int | None = None,
        method: Method = "ping",
        password: RenewPassword | None = None,
        app: App = App.OPEN,
        ews: EwsKind | None = None,
    ) -> AsyncWatch:
        """See `Mailbox.watch`. Other work on the mailbox goes on while it waits, but for the method "sync"."""
        return AsyncWatch(cast("AsyncMailbox", self), folders, heartbeat, method, password, app, ews)
