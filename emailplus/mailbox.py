"""The public face: a mailbox to synchronise, search and read. `AsyncMailbox` has the same methods, awaitable."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from . import account
from .classification.classifier import from_config
from .config import AppConfig
from .diagnosis import log
from .driver import Network, arun, run
from .eas.flows.synchronise import RunPlan, synchronise
from .errors import AuthenticationFailed, RemoteWiped
from .flow import Flow
from .model import events
from .model.changes import Trouble
from .model.folder import Folder
from .model.message import StoredMessage
from .report import SyncReport
from .store.keys import KeyProvider
from .store.search import search as find
from .store.store import Store

T = TypeVar("T")
Listener = Callable[[Any], None]


class _Clock:
    """Feeds a report and a listener, and notes how long each phase takes."""

    def __init__(self, report: SyncReport, listener: Listener | None) -> None:
        self._report, self._listener = report, listener
        self._phase, self._since = "", time.monotonic()

    def __call__(self, event: Any) -> None:
        if isinstance(event, events.Phase):
            self.close()
            self._phase = event.name
        self._report.take(event)
        if self._listener is not None:
            self._listener(event)

    def close(self) -> None:
        now = time.monotonic()
        if self._phase:
            seconds = self._report.seconds_by_phase
            seconds[self._phase] = seconds.get(self._phase, 0.0) + now - self._since
        self._since = now


class Mailbox:
    """One mailbox: an app config, the server it names, and the encrypted store it lives in.

    Use as a context manager. One `Mailbox` at a time may work on a store (`StoreBusy` otherwise); reading needs none.
    """

    def __init__(self, config: AppConfig, store: Store, password: str | None, query_form: str = "plain") -> None:
        self.config = config
        self.store = store
        self._password = password
        self._query_form = query_form
        self.classifier, wrong = from_config(config)
        """What the config makes of classification; None: it is off."""
        self.notices = [*account.bind(store, config, query_form=query_form), *wrong]
        """What had to start anew because the config names another account or device."""

    @classmethod
    def open(
        cls,
        config: AppConfig,
        *,
        store: str | os.PathLike[str],
        key: KeyProvider | bytes | str,
        password: str | None = None,
        query_form: str = "plain",
    ) -> Mailbox:
        """Open the mailbox and its store, making the store if there is none.

        `key`: 32 bytes, 64 hexadecimal digits or a `KeyProvider`. `password` goes before `email_password`.
        `query_form`: "plain" or "base64" (from 12.1 on); servers take another form for another device.
        Raises `StoreError` and its kinds.
        """
        opened = Store.open(store, key, lock=True)
        try:
            return cls(config, opened, password, query_form)
        except BaseException:
            opened.close()
            raise

    def close(self) -> None:
        """Close the store. Safe to call twice."""
        self.store.close()

    def __enter__(self) -> Mailbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def sync(
        self,
        *,
        period: int | None = None,
        listener: Listener | None = None,
        tell_messages: bool = False,
        version: str | None = None,
    ) -> SyncReport:
        """Bring the store up to date with the server.

        `period` is the user's sync period (0 all, 1 one day, 2 three days, 3 one week, 4 two weeks, 5 one month), never
        longer than `email_max_sync_period`. `listener` gets every event of `model.events`; `tell_messages` adds
        `MessageReceived`. `version` pins the protocol version. Raises the errors of `emailplus.errors`; what was
        stored before an error stays, and the next run goes on from there.
        """
        flow, network, report, clock = self._prepare(period, listener, tell_messages, version)
        started = time.monotonic()
        try:
            troubles = run(flow, network, self.store, clock)
        except RemoteWiped:
            self.close()
            raise
        return self._conclude(report, clock, troubles, network, started)

    def _prepare(
        self, period: int | None, listener: Listener | None, tell_messages: bool, version: str | None
    ) -> tuple[Flow[list[Trouble]], Network, SyncReport, _Clock]:
        report = SyncReport(warnings=list(self.notices))
        self.notices = []
        now = account.utc_now()
        tell = tell_messages or (listener is not None and "local_cache_all" in self.config.disabled_features)
        decide = account.mail_decision(self.config, now, period, tell_messages=tell, classifier=self.classifier)
        plan = RunPlan(decide, now.timestamp(), pinned=version)
        session = account.session(self.config, query_form=self._query_form)
        network = account.network(self.config, self._secret())
        if self.config.allow_logging:
            network.traffic.log = log.traffic
        return synchronise(session, plan), network, report, _Clock(report, listener)

    def _conclude(
        self, report: SyncReport, clock: _Clock, troubles: list[Trouble], network: Network, started: float
    ) -> SyncReport:
        clock.close()
        report.seconds = time.monotonic() - started
        report.conclude(troubles, network.traffic)
        stats = self.store.stats()
        report.folders, report.items = stats["folders"], stats["items"]
        return report

    def _secret(self) -> str:
        if self._password is not None:
            return self._password
        configured = self.config.email_password
        if configured is None:
            raise AuthenticationFailed("no password: give one, or set email_password in the app config")
        return configured.reveal()

    def folders(self) -> list[tuple[Folder, int, int]]:
        """Every folder with its number of messages and of unread ones."""
        return self.store.folders()

    def search(self, query: str = "", *, limit: int | None = 50) -> list[StoredMessage]:
        """Messages that match, newest first; the language is described in `store.search`. Raises `UsageError`."""
        return self.store.messages(find(self.store.database, query, limit))

    def message(self, message_id: int) -> StoredMessage:
        """One message with its text and attachments. Raises `NotFound`."""
        return self.store.message(message_id)

    def attachment(self, attachment_id: int) -> Iterator[bytes]:
        """The content of an attachment, piece by piece. Raises `NotFound`."""
        return self.store.attachment_content(attachment_id)


class AsyncMailbox:
    """`Mailbox` for asyncio: the same methods, awaitable; the event loop is never blocked."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    @classmethod
    async def open(
        cls,
        config: AppConfig,
        *,
        store: str | os.PathLike[str],
        key: KeyProvider | bytes | str,
        password: str | None = None,
        query_form: str = "plain",
    ) -> AsyncMailbox:
        """See `Mailbox.open`."""
        opening = partial(Mailbox.open, config, store=store, key=key, password=password, query_form=query_form)
        return cls(await asyncio.to_thread(opening))

    async def close(self) -> None:
        """See `Mailbox.close`."""
        await asyncio.to_thread(self._mailbox.close)

    async def __aenter__(self) -> AsyncMailbox:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def sync(
        self,
        *,
        period: int | None = None,
        listener: Listener | None = None,
        tell_messages: bool = False,
        version: str | None = None,
    ) -> SyncReport:
        """See `Mailbox.sync`. `listener` is called in the event loop."""
        mailbox = self._mailbox
        flow, network, report, clock = mailbox._prepare(period, listener, tell_messages, version)
        started = time.monotonic()
        try:
            troubles = await arun(flow, network, mailbox.store, clock)
        except RemoteWiped:
            await self.close()
            raise
        return await asyncio.to_thread(mailbox._conclude, report, clock, troubles, network, started)

    async def folders(self) -> list[tuple[Folder, int, int]]:
        """See `Mailbox.folders`."""
        return await asyncio.to_thread(self._mailbox.folders)

    async def search(self, query: str = "", *, limit: int | None = 50) -> list[StoredMessage]:
        """See `Mailbox.search`."""
        return await asyncio.to_thread(partial(self._mailbox.search, query, limit=limit))

    async def message(self, message_id: int) -> StoredMessage:
        """See `Mailbox.message`."""
        return await asyncio.to_thread(self._mailbox.message, message_id)

    async def attachment(self, attachment_id: int) -> bytes:
        """The content of an attachment; see `Mailbox.attachment`."""
        return await asyncio.to_thread(lambda: b"".join(self._mailbox.attachment(attachment_id)))
