"""The public face: a mailbox to synchronise, search and read. `AsyncMailbox` has the same methods, awaitable."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

from . import account, drafting
from .config import AppConfig, Identity
from .config.app_policy import AppConnectPolicy
from .config.loaders import Source
from .credentials import Credentials
from .diagnosis.crash import Reporter
from .diagnosis.session import Diagnosis
from .driver import Network, arun, run
from .eas.flows.begin import begin
from .eas.flows.synchronise import RunPlan, synchronise
from .errors import ConfigurationError, RemoteWiped
from .facade import Dialogue, Listener
from .facade.changing import AsyncChanging, Changing
from .facade.commands import AsyncCommands, Commands
from .facade.diagnosis import AsyncDiagnosing, Diagnosing
from .facade.governed import AsyncGoverned, Governed, admit, remember_claims
from .facade.items import AsyncItems, Items
from .facade.protected import AsyncProtected, Protected
from .facade.pushing import AsyncPushing, Pushing
from .facade.rights import AsyncProtecting, Protecting
from .facade.sign_in import AsyncSigningIn, SigningIn
from .facade.view import AsyncViewing, Viewing
from .facade.watch import _Watching
from .flow import Flow, HttpRequest, HttpResponse
from .markings import MailboxClassification
from .model import events
from .model.changes import Trouble
from .model.folder import Folder
from .model.message import StoredMessage
from .model.sign_in import AskPassword, BringToken
from .policy.dlp import DataLossPrevention, Unlock
from .protection import Protection
from .reading import Reading
from .reconfigure import ConfigChange, put_in_force
from .report import SyncReport
from .rms.gate import Door, Operation, require
from .settings import PICTURES_FACT, MailboxSettings
from .store import app_policy as governance
from .store import rights
from .store.guarded import GuardedStore
from .store.keys import KeyProvider, as_provider
from .store.store import Store

T = TypeVar("T")
Hold = Callable[[Network, HttpRequest], HttpResponse]
AsyncHold = Callable[[Network, HttpRequest], Awaitable[HttpResponse]]


def _now() -> float:
    return account.utc_now().timestamp()


class _Clock:
    """Feeds a report, the log and a listener, and notes how long each phase takes."""

    def __init__(self, report: SyncReport, diagnosis: Diagnosis, listener: Listener | None) -> None:
        self._report, self._diagnosis = report, diagnosis
        self._listener = None if listener is None else diagnosis.blaming(listener)
        self._phase, self._since = "", time.monotonic()

    def __call__(self, event: Any) -> None:
        if isinstance(event, events.Phase):
            self.close()
            self._phase = event.name
        self._report.take(event)
        self._diagnosis.take(event)
        if self._listener is not None:
            self._listener(event)

    def close(self) -> None:
        now = time.monotonic()
        if self._phase:
            seconds = self._report.seconds_by_phase
            seconds[self._phase] = seconds.get(self._phase, 0.0) + now - self._since
        self._since = now


class Mailbox(Commands, Governed, Items, Diagnosing, Changing, Protected, Protecting, Pushing, SigningIn, Viewing):
    """One mailbox: an app config, the server it names, and the encrypted store it lives in.

    Use as a context manager. One `Mailbox` at a time may work on a store (`StoreBusy` otherwise); reading needs none.
    """

    read_only = False
    """Opened to be read only."""
    _watch: _Watching | None = None
    """The watch that runs; there is one at a time."""

    def __init__(
        self,
        config: AppConfig,
        store: Store,
        password: str | AskPassword | None,
        query_form: str = "plain",
        reporter: Reporter | None = None,
        *,
        acting_for_person: bool = False,
        token: BringToken | None = None,
    ) -> None:
        self.config = config
        self.door = Door.PERSON if acting_for_person else Door.PROGRAM
        """Who reads here: it decides about protected content (`emailplus.rms.gate`)."""
        self.store: Store = GuardedStore(store, self.door, account.utc_now)
        """The store; what a licence does not give out at this door, it does not either."""
        self._password, self._token = password, token
        self._query_form = query_form
        given = password if isinstance(password, str) else None
        self._diagnosis = Diagnosis(config, store, given, _now, reporter)
        self.credentials = self._new_credentials()
        """What the mailbox signs in with; see `emailplus.credentials`."""
        try:
            with self._diagnosis.watching("open"):
                self.change = put_in_force(store, config, now=account.utc_now(), query_form=query_form)
                """What this configuration changed against the one that the store had last."""
        except BaseException:
            self._diagnosis.close()
            raise
        self.notices = [*self._diagnosis.notices, *self.change.notices, *self.credentials.decision().warnings]
        """What the next sync report begins with."""
        self.settings = MailboxSettings(store, lambda: self.config)
        """What the user chose and what holds; see `emailplus.settings`."""
        self.classification = MailboxClassification(store, lambda: self.config)
        """Markings: what may be chosen for a message, and what is wrong with the configuration; see
        `emailplus.markings`."""
        self.protection = Protection(store, settings=self.settings.in_force, door=self.door)
        self.protection.install()
        self.settings.listeners.append(self.protection.settle)
        self.reading = Reading(store, lambda: self.config, door=self.door, protection=self.protection)
        """Messages as people see them; see `emailplus.reading`."""
        rights.purge(store.database, account.utc_now().timestamp())

    @classmethod
    def open(
        cls,
        config: AppConfig,
        *,
        store: str | os.PathLike[str],
        key: KeyProvider | bytes | str,
        password: str | AskPassword | None = None,
        token: BringToken | None = None,
        query_form: str = "plain",
        app_policy: AppConnectPolicy | None = None,
        host_enforces: Collection[str] | None = None,
        read_only: bool = False,
        reporter: Reporter | None = None,
        acting_for_person: bool = False,
    ) -> Mailbox:
        """Open the mailbox and its store, making the store if there is none.

        `key`: 32 bytes, 64 hexadecimal digits or a `KeyProvider`. `password` goes before `email_password`; a callable
        asks a person when one is needed (`emailplus.model.sign_in.AskPassword`). `token` brings access tokens for
        modern_auth (`emailplus.model.sign_in.BringToken`); without it `sign_in` does.
        `query_form`: "plain" or "base64" (from 12.1 on); servers take another form for another device.
        `reporter` takes crash reports; without one they stay in the store (`emailplus.diagnosis.crash`).
        Three opens in a row that each crash within 60 seconds wipe the cached data (`emailplus.diagnosis.recovery`).
        `app_policy`: what the device manager allows the app; the store remembers it, None leaves that one in force.
        `host_enforces`: elements of the server's policy (MS-ASPROV 2.2.2.28) that the machine around the engine keeps,
        "*" where a device manager provisions it; remembered likewise.
        `acting_for_person`: this client shows mail to its user, and does nothing else with it: protected content is
        open to it as to a person, not only where its licence allows programs. It is logged.
        `read_only`: nothing is changed or sent, here or on the server; `sync` only reads.
        Raises `StoreError` and its kinds, and `PolicyDenied` where the app policy does not let the data be opened.
        """
        provider = as_provider(key)
        unlock = Unlock(passphrase=provider.new_kdf() is not None)
        if app_policy is not None and not os.path.exists(store):
            admit(DataLossPrevention(config, app_policy), unlock)  # before a store is made
        opened = Store.open(store, provider, lock=True)
        try:
            if app_policy is not None:
                governance.remember(opened.database, app_policy)
            admit(governance.guard(opened.database, config), unlock)
            mailbox = cls(
                config, opened, password, query_form, reporter, acting_for_person=acting_for_person, token=token
            )
            remember_claims(opened, host_enforces, provider)
            mailbox.read_only = read_only
            if acting_for_person:
                mailbox._diagnosis.log.write("acting for a person: protected content is shown")
            return mailbox
        except BaseException:
            opened.close()
            raise

    def close(self) -> None:
        """End the watch, if there is one, and close the store. Safe to call twice."""
        if self._watch is not None:
            self._watch.close()
        self._diagnosis.close()
        self.store.close()

    def __enter__(self) -> Mailbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def apply(
        self, config: AppConfig | Source, identity: Identity | Mapping[str, object] | None = None
    ) -> ConfigChange:
        """Put another configuration in force; what changed, and what came of each change.

        `config` is an `AppConfig`, or what `AppConfig.load` reads (with `identity`). A configuration that cannot be
        used raises `ConfigurationError` and changes nothing: the old one stays in force. Under
        `exit_on_configuration_error` of the old one the engine stops then: the mailbox is closed. Without it the error
        carries the log bundle (`ConfigurationError.bundle`).
        """
        if not isinstance(config, AppConfig):
            try:
                config = AppConfig.load(config, identity)
            except ConfigurationError as problem:
                self._diagnosis.misconfigured(problem)
                if self.config.exit_on_configuration_error:
                    self.close()
                raise
        change = put_in_force(self.store, config, now=account.utc_now(), query_form=self._query_form)
        self.config, self.change = config, change
        self._diagnosis.adopt(config)
        self.credentials = self._new_credentials()
        self.notices += [*change.notices, *self.credentials.decision().warnings]
        return change

    def sync(
        self,
        *,
        period: int | None = None,
        listener: Listener | None = None,
        tell_messages: bool = False,
        version: str | None = None,
        linger: int = 0,
    ) -> SyncReport:
        """Bring the store up to date with the server.

        `period` is the user's sync period (0 all, 1 one day, 2 three days, 3 one week, 4 two weeks, 5 one month), never
        longer than `email_max_sync_period`; None: as chosen in `settings`. `listener` gets every event of
        `model.events`; `tell_messages` adds `MessageReceived`. `version` pins the protocol version. Raises the errors
        of `emailplus.errors`; what was stored before an error stays, and the next run goes on from there. `linger`:
        once everything is here, wait so many seconds (60 to 3540) on the server, and take what changes in that time;
        from ActiveSync 12.1 on, else `NotOffered`.
        """
        tell = tell_messages or (listener is not None and "local_cache_all" in self.config.disabled_features)
        return self._run(self._plan(period, version, tell, linger=linger), listener)

    def _run(
        self, plan: RunPlan, listener: Listener | None, sleep: Callable[[float], None] | None = None
    ) -> SyncReport:
        """One run. `sleep` waits for a server that asks for patience."""
        flow, network, report, clock = self._prepare(plan, listener)
        if sleep is not None:
            network.sleep = sleep
        started = time.monotonic()
        try:
            with self._diagnosis.watching("sync"):
                troubles = run(flow, network, self.store, clock)
                self._after_sync()
                report.warnings += drafting.adopt(self._sending())
        except RemoteWiped:
            self.close()
            raise
        return self._conclude(report, clock, troubles, network, started)

    def _plan(
        self, period: int | None, version: str | None, tell: bool, *, linger: int = 0, fetch: bool = True
    ) -> RunPlan:
        """What a run shall do, under the configuration and the settings in force."""
        now = account.utc_now()
        choice = period if period is not None else self.settings.choices().sync_period
        decide = account.mail_decision(
            self.config,
            now,
            self.settings.in_force(),
            period=choice,
            tell_messages=tell,
            classifier=self.classification.classifier,
        )
        pictures = "true" if self.config.show_pictures_default else "false"
        return RunPlan(
            decide,
            now.timestamp(),
            pinned=version,
            fetch=fetch,
            read_only=self.read_only,
            linger=linger,
            after_full_sync={PICTURES_FACT: pictures},
            conflicts=self.conflicts,
        )

    def _prepare(
        self, plan: RunPlan, listener: Listener | None
    ) -> tuple[Flow[list[Trouble]], Network, SyncReport, _Clock]:
        report = SyncReport(warnings=[*self.notices, *self.classification.problems])
        self.notices = []
        session = account.session(self.config, query_form=self._query_form)
        return synchronise(session, plan), self._network(), report, _Clock(report, self._diagnosis, listener)

    def _conclude(
        self, report: SyncReport, clock: _Clock, troubles: list[Trouble], network: Network, started: float
    ) -> SyncReport:
        clock.close()
        report.seconds = time.monotonic() - started
        report.conclude(troubles, network.traffic)
        report.warnings += self._diagnosis.taken_warnings()
        stats = self.store.stats()
        report.folders, report.items = stats["folders"], stats["items"]
        self._diagnosis.concluded(report.as_dict(), troubles)
        return report

    def _converse(
        self,
        dialogue: Dialogue[T],
        listener: Listener | None = None,
        version: str | None = None,
        hold: Hold | None = None,
    ) -> T:
        """Run one dialogue with the server, behind the beginning that every conversation has; its result.

        `hold` sends what the server may hold, over the network it is given.
        """
        flow, network = self._dialogue(dialogue, version)
        try:
            with self._diagnosis.watching("conversation"):
                held = None if hold is None else partial(hold, network)
                return run(flow, network, self.store, self._diagnosis.telling(listener), held)
        except RemoteWiped:
            self.close()
            raise

    def _dialogue(self, dialogue: Dialogue[T], version: str | None) -> tuple[Flow[T], Network]:
        session = account.session(self.config, query_form=self._query_form)

        def whole() -> Flow[T]:
            yield from begin(session, account.utc_now().timestamp(), version)
            return (yield from dialogue(session))

        return whole(), self._network()

    def _network(self) -> Network:
        network = account.network(self.config, self.credentials)
        network.traffic.observer = self._diagnosis
        return network

    def _new_credentials(self) -> Credentials:
        blaming = self._diagnosis.blaming
        password = blaming(self._password) if callable(self._password) else self._password
        token = blaming(self._token) if self._token is not None else None
        return Credentials(self.config, password, token, self.store, hide=self._diagnosis.conceal, now=_now)

    def _password_in_use(self) -> str | None:
        """The password that requests carry; None: there is none yet, or the mode has none."""
        return self.credentials.purse().current

    def change_password(self, password: str) -> None:
        """From now on use this password; a watch that was refused goes on with it. It goes before `email_password`."""
        self._password = password
        self._diagnosis.conceal(password)
        self.credentials = self._new_credentials()

    def folders(self) -> list[tuple[Folder, int, int]]:
        """Every folder with its number of messages and of unread ones."""
        return self.store.folders()

    def message(self, message_id: int) -> StoredMessage:
        """One message with its text and attachments, those inside its S/MIME layers as `parts`.

        Raises `NotFound`, and `RightsDenied` where it is protected and its licence does not give its content to
        programs (see `Mailbox.open`).
        """
        rights.require(self.store.database, message_id, Operation.READ, self.door, account.utc_now())
        return self.store.message(message_id)

    def attachment(self, attachment_id: int) -> Iterator[bytes]:
        """The content of an attachment, piece by piece. Raises `NotFound` and `RightsDenied`, as `message`."""
        licence = rights.licence_of_attachment(self.store.database, attachment_id)
        require(licence, Operation.READ, self.door, account.utc_now())
        return self.store.attachment_content(attachment_id)


class AsyncMailbox(
    AsyncCommands,
    AsyncGoverned,
    AsyncItems,
    AsyncDiagnosing,
    AsyncChanging,
    AsyncProtected,
    AsyncProtecting,
    AsyncPushing,
    AsyncSigningIn,
    AsyncViewing,
):
    """`Mailbox` for asyncio: the same methods, awaitable; the event loop is never blocked."""

    _mailbox: Mailbox

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._turn = asyncio.Lock()
        """Conversations and changes of configuration take turns."""
        self.settings = mailbox.settings
        """See `Mailbox.settings`: a few rows of the store, read and written in place."""
        self.classification = mailbox.classification
        """See `Mailbox.classification`."""

    @property
    def config(self) -> AppConfig:
        """The app config."""
        return self._mailbox.config

    @property
    def store(self) -> Store:
        """The store; its reads are fast, and made in place."""
        return self._mailbox.store

    @classmethod
    async def open(
        cls,
        config: AppConfig,
        *,
        store: str | os.PathLike[str],
        key: KeyProvider | bytes | str,
        password: str | AskPassword | None = None,
        token: BringToken | None = None,
        query_form: str = "plain",
        app_policy: AppConnectPolicy | None = None,
        host_enforces: Collection[str] | None = None,
        read_only: bool = False,
        reporter: Reporter | None = None,
        acting_for_person: bool = False,
    ) -> AsyncMailbox:
        """See `Mailbox.open`."""
        opening = partial(
            Mailbox.open,
            config,
            store=store,
            key=key,
            password=password,
            token=token,
            query_form=query_form,
            app_policy=app_policy,
            host_enforces=host_enforces,
            read_only=read_only,
            reporter=reporter,
            acting_for_person=acting_for_person,
        )
        return cls(await asyncio.to_thread(opening))

    async def close(self) -> None:
        """See `Mailbox.close`."""
        await asyncio.to_thread(self._mailbox.close)

    async def __aenter__(self) -> AsyncMailbox:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def apply(
        self, config: AppConfig | Source, identity: Identity | Mapping[str, object] | None = None
    ) -> ConfigChange:
        """See `Mailbox.apply`. Waits for a sync that is under way."""
        async with self._turn:
            return await asyncio.to_thread(self._mailbox.apply, config, identity)

    async def change_password(self, password: str) -> None:
        """See `Mailbox.change_password`."""
        self._mailbox.change_password(password)

    async def sync(
        self,
        *,
        period: int | None = None,
        listener: Listener | None = None,
        tell_messages: bool = False,
        version: str | None = None,
        linger: int = 0,
    ) -> SyncReport:
        """See `Mailbox.sync`. `listener` is called in the event loop."""
        tell = tell_messages or (listener is not None and "local_cache_all" in self.config.disabled_features)
        return await self._run(self._mailbox._plan(period, version, tell, linger=linger), listener)

    async def _run(self, plan: RunPlan, listener: Listener | None) -> SyncReport:
        """See `Mailbox._run`."""
        mailbox = self._mailbox
        async with self._turn:
            flow, network, report, clock = mailbox._prepare(plan, listener)
            started = time.monotonic()
            try:
                with mailbox._diagnosis.watching("sync"):
                    troubles = await arun(flow, network, mailbox.store, clock)
                    await self._after_sync()
                    report.warnings += await asyncio.to_thread(lambda: drafting.adopt(self._mailbox._sending()))
            except RemoteWiped:
                await self.close()
                raise
            return await asyncio.to_thread(mailbox._conclude, report, clock, troubles, network, started)

    async def _converse(
        self,
        dialogue: Dialogue[T],
        listener: Listener | None = None,
        version: str | None = None,
        hold: AsyncHold | None = None,
        in_turn: bool = True,
    ) -> T:
        """See `Mailbox._converse`. `in_turn` False: others may converse meanwhile; no state of the protocol changes."""
        async with self._turn if in_turn else contextlib.nullcontext():
            flow, network = self._mailbox._dialogue(dialogue, version)
            try:
                diagnosis = self._mailbox._diagnosis
                with diagnosis.watching("conversation"):
                    held = None if hold is None else partial(hold, network)
                    return await arun(flow, network, self._mailbox.store, diagnosis.telling(listener), held)
            except RemoteWiped:
                await self.close()
                raise

    async def folders(self) -> list[tuple[Folder, int, int]]:
        """See `Mailbox.folders`."""
        return await asyncio.to_thread(self._mailbox.folders)

    async def message(self, message_id: int) -> StoredMessage:
        """See `Mailbox.message`."""
        return await asyncio.to_thread(self._mailbox.message, message_id)

    async def attachment(self, attachment_id: int) -> bytes:
        """The content of an attachment; see `Mailbox.attachment`."""
        return await asyncio.to_thread(lambda: b"".join(self._mailbox.attachment(attachment_id)))
