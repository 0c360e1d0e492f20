"""The public face: a mailbox to synchronise, search and read. `AsyncMailbox` has the same methods, awaitable."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from . import __version__, account
from .config import AppConfig
from .diagnosis import log
from .driver import Network, arun, run
from .eas.flows.synchronise import RunPlan, synchronise
from .errors import AuthenticationFailed, RemoteWiped
from .flow import Flow
from .flows.revocation import RevocationNews, fetch_revocation_lists
from .model import events
from .model.changes import Trouble
from .model.folder import Folder
from .model.message import StoredMessage
from .protection import AskPassword, Protection
from .report import SyncReport
from .smime.keychain import Keychain, KeyEntry
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
        self.notices = account.bind(store, config, query_form=query_form)
        """What had to start anew because the config names another account or device, and keys that cannot be used."""
        self.protection = Protection(store)
        self.notices += self.protection.apply(config).problems

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
            self.protection.examine()
            if self.config.allow_certificate_revocation_check:
                self.fetch_revocation_lists()
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
        decide = account.mail_decision(self.config, now, period, tell_messages=tell)
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
        found = self.store.messages(find(self.store.database, query, limit))
        return [self.protection.attach(message) for message in found]

    def message(self, message_id: int) -> StoredMessage:
        """One message with its text and attachments, those inside its S/MIME layers as `parts`. Raises `NotFound`."""
        return self.protection.attach(self.store.message(message_id), contents=True)

    def attachment(self, attachment_id: int) -> Iterator[bytes]:
        """The content of an attachment, piece by piece. Raises `NotFound`."""
        return self.store.attachment_content(attachment_id)

    @property
    def keychain(self) -> Keychain:
        """Our certificates with their keys: what is there, what is selected for which role, what may be used."""
        return self.protection.keychain

    def import_certificate(self, attachment_id: int, ask: AskPassword) -> list[KeyEntry]:
        """Import the PFX that came as an attachment; `ask` is given its name and returns its password, or None.

        Raises `WrongKeyPassword`, `KeyImportFailed`, `NotFound`.
        """
        return self.protection.import_attachment(attachment_id, ask)

    def fetch_revocation_lists(self) -> RevocationNews:
        """Fetch the revocation lists that are wanted and due; a sync does it by itself where
        `allow_certificate_revocation_check` is set. A list that cannot be had is no error: it is told."""
        return run(self._revocation_flow(), account.open_network(self.config), self.store)

    def _revocation_flow(self) -> Flow[RevocationNews]:
        return fetch_revocation_lists(account.utc_now().timestamp(), f"emailplus/{__version__}")


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
            await asyncio.to_thread(mailbox.protection.examine)
            if mailbox.config.allow_certificate_revocation_check:
                await self.fetch_revocation_lists()
        except RemoteWiped:
            await self.close()
            raise
        return await asyncio.to_thread(mailbox._conclude, report, clock, troubles, network, started)

    @property
    def keychain(self) -> Keychain:
        """See `Mailbox.keychain`."""
        return self._mailbox.keychain

    async def import_certificate(self, attachment_id: int, ask: AskPassword) -> list[KeyEntry]:
        """See `Mailbox.import_certificate`; `ask` is called in a thread."""
        return await asyncio.to_thread(self._mailbox.import_certificate, attachment_id, ask)

    async def fetch_revocation_lists(self) -> RevocationNews:
        """See `Mailbox.fetch_revocation_lists`."""
        mailbox = self._mailbox
        return await arun(mailbox._revocation_flow(), account.open_network(mailbox.config), mailbox.store)

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
