"""The public face: a mailbox to synchronise, search and read. `AsyncMailbox` has the same methods, awaitable."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from . import account
from .config import AppConfig
from .diagnosis.crash import CrashReport, Reporter
from .diagnosis.session import Diagnosis
from .diagnosis.traffic import TrafficLog
from .driver import Network, arun, run
from .eas.flows.synchronise import RunPlan, synchronise
from .errors import AuthenticationFailed, FeatureNotAllowed, RemoteWiped
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
    """Feeds a report, the log and a listener, and notes how long each phase takes."""

    def __init__(self, report: SyncReport, diagnosis: Diagnosis, listener: Listener | None) -> None:
        self._report, self._diagnosis, self._listener = report, diagnosis, listener
        self._mistake: BaseException | None = None
        self._phase, self._since = "", time.monotonic()

    def __call__(self, event: Any) -> None:
        if isinstance(event, events.Phase):
            self.close()
            self._phase = event.name
        self._report.take(event)
        self._diagnosis.take(event)
        if self._listener is not None:
            try:
                self._listener(event)
            except BaseException as mistake:
                self._mistake = mistake
                raise

    def blames(self, problem: BaseException) -> bool:
        """Whether the listener raised it."""
        return problem is self._mistake

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

    def __init__(
        self,
        config: AppConfig,
        store: Store,
        password: str | None,
        query_form: str = "plain",
        reporter: Reporter | None = None,
    ) -> None:
        self.config = config
        self.store = store
        self._password = password
        self._query_form = query_form
        self._diagnosis = Diagnosis(config, store, password, lambda: account.utc_now().timestamp(), reporter)
        try:
            with self._diagnosis.watching("open"):
                bound = account.bind(store, config, query_form=query_form)
        except BaseException:
            self._diagnosis.close()
            raise
        self.notices = [*self._diagnosis.notices, *bound]
        """What had to start anew because the config names another account or device, or because starts crashed."""

    @classmethod
    def open(
        cls,
        config: AppConfig,
        *,
        store: str | os.PathLike[str],
        key: KeyProvider | bytes | str,
        password: str | None = None,
        query_form: str = "plain",
        reporter: Reporter | None = None,
    ) -> Mailbox:
        """Open the mailbox and its store, making the store if there is none.

        `key`: 32 bytes, 64 hexadecimal digits or a `KeyProvider`. `password` goes before `email_password`.
        `query_form`: "plain" or "base64" (from 12.1 on); servers take another form for another device.
        `reporter` takes crash reports; without one they stay in the store (`emailplus.diagnosis.crash`).
        Three opens in a row that each crash within 60 seconds wipe the cached data (`emailplus.diagnosis.recovery`).
        Raises `StoreError` and its kinds.
        """
        opened = Store.open(store, key, lock=True)
        try:
            return cls(config, opened, password, query_form, reporter)
        except BaseException:
            opened.close()
            raise

    def close(self) -> None:
        """Close the store. Safe to call twice."""
        self._diagnosis.close()
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
            with self._diagnosis.watching("sync", clock.blames):
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
        decide = account.mail_decision(self.config, now, period, tell_messages=tell)
        plan = RunPlan(decide, now.timestamp(), pinned=version)
        session = account.session(self.config, query_form=self._query_form)
        network = account.network(self.config, self._secret())
        network.traffic.observer = self._diagnosis
        return synchronise(session, plan), network, report, _Clock(report, self._diagnosis, listener)

    def _conclude(
        self, report: SyncReport, clock: _Clock, troubles: list[Trouble], network: Network, started: float
    ) -> SyncReport:
        clock.close()
        report.seconds = time.monotonic() - started
        report.conclude(troubles, network.traffic)
        report.warnings += self._diagnosis.taken_warnings()
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

    def traffic_log(self, path: str | os.PathLike[str], *, full: bool = False) -> TrafficLog:
        """Write every request and answer from now on to `path`, readable, until the mailbox or the log is closed.

        Values are replaced by their sizes; `full` keeps them, and then the file holds mail in the clear. Raises
        `FeatureNotAllowed` unless `allow_logging` is true, and `UsageError` if the file cannot be made.
        """
        return self._diagnosis.write_traffic(path, full=full)

    def show_configuration(self) -> dict[str, Any]:
        """Every key with the value in effect, secrets masked; `FeatureNotAllowed` unless `allow_show_configuration`."""
        if not self.config.allow_show_configuration:
            raise FeatureNotAllowed(
                "the configuration is not shown: allow_show_configuration is false", key="allow_show_configuration"
            )
        return self.config.redacted()

    def crash_reports(self) -> list[CrashReport]:
        """The crash reports that the store keeps, oldest first; none under `disable_analytics`."""
        return self._diagnosis.crash_reports()

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
        reporter: Reporter | None = None,
    ) -> AsyncMailbox:
        """See `Mailbox.open`."""
        opening = partial(
            Mailbox.open, config, store=store, key=key, password=password, query_form=query_form, reporter=reporter
        )
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
            with mailbox._diagnosis.watching("sync", clock.blames):
                troubles = await arun(flow, network, mailbox.store, clock)
        except RemoteWiped:
            await self.close()
            raise
        return await asyncio.to_thread(mailbox._conclude, report, clock, troubles, network, started)

    async def traffic_log(self, path: str | os.PathLike[str], *, full: bool = False) -> TrafficLog:
        """See `Mailbox.traffic_log`."""
        return await asyncio.to_thread(partial(self._mailbox.traffic_log, path, full=full))

    async def show_configuration(self) -> dict[str, Any]:
        """See `Mailbox.show_configuration`."""
        return self._mailbox.show_configuration()

    async def crash_reports(self) -> list[CrashReport]:
        """See `Mailbox.crash_reports`."""
        return await asyncio.to_thread(self._mailbox.crash_reports)

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
