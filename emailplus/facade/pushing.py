"""This device at the notification service: registered, renewed, ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from .. import account
from ..config import AppConfig
from ..driver import arun, run
from ..errors import NotFound
from ..flow import Flow
from ..flows import registration as calls
from ..flows.registration import Service
from ..model.push import PushRegistration, PushState
from ..notify.rules import Rules
from ..settings import MailboxSettings
from ..store import items, push
from ..store.store import Store
from . import AsyncOnline, Online

if TYPE_CHECKING:
    from ..ews.pushing import STATUS_FREQUENCY
    from ..model.ews import EwsSubscription

T = TypeVar("T")


def _registering(
    config: AppConfig, store: Store, settings: MailboxSettings, gateway: str, device: str
) -> Flow[PushRegistration]:
    service = Service.of(config)
    rules = Rules.of(config, settings.in_force(), items.vip_addresses(store.database))
    return calls.register(service, calls.wishes(config, rules.as_dict(), gateway, device))


def _renewing(
    config: AppConfig, store: Store, settings: MailboxSettings, subscription: str | None
) -> Flow[PushRegistration]:
    known = _known(store)
    service = Service.of(config)
    rules = Rules.of(config, settings.in_force(), items.vip_addresses(store.database))
    body = calls.wishes(config, rules.as_dict(), known.gateway, known.device)
    return calls.renew(service, known, body, subscription)


def _known(store: Store) -> PushRegistration:
    found = push.registration(store.database)
    if found is None:
        raise NotFound("this mailbox has no registration at a notification service; register_push makes one")
    return found


def _kept(store: Store, made: PushRegistration) -> PushRegistration:
    push.keep(store.database, made)
    return made


class Pushing(Online):
    """Methods of `Mailbox`."""

    if TYPE_CHECKING:

        def subscribe_by_ews(
            self, url: str, *, folders: Sequence[str] = ("Inbox",), status_frequency: int = STATUS_FREQUENCY
        ) -> EwsSubscription:
            """See `Mailbox.subscribe_by_ews`."""

    def _ask(self, flow: Flow[T]) -> T:
        return run(flow, account.open_network(self.config), None)

    @property
    def push_registration(self) -> PushRegistration | None:
        """This mailbox's registration at the notification service, as it was made."""
        return push.registration(self.store.database)

    def register_push(self, device: str, *, gateway: str = "apns", subscribe: bool = True) -> PushRegistration:
        """Register a device (its token, of `gateway`) at `notification_server_host` with the rules in force.

        With `allow_realtime_notifications` Exchange then tells the service of new mail, by a push subscription over
        EWS (`subscribe_by_ews`; `subscribe` False: the caller has Exchange post to `callback_url`). Without it the
        service wakes the device every `notification_interval` seconds. Once more for the same device: what waits is
        kept, and the subscription before counts until the new one is at work. Raises `UsageError` for missing keys,
        what `flows.registration.register` raises, and `EwsUnavailable` where Exchange pushes nothing.
        """
        made = _kept(self.store, self._ask(_registering(self.config, self.store, self.settings, gateway, device)))
        if made.mode != "realtime" or not subscribe:
            return made
        return self.renew_push(subscription=self.subscribe_by_ews(made.callback_url).id)

    def renew_push(self, *, subscription: str | None = None) -> PushRegistration:
        """Another period (`subscription_valid_until`) under the rules in force now; changed alert times hold from
        `times_from` on. `subscription`: the SubscriptionId at Exchange. Raises `NotFound` where there is none."""
        return _kept(self.store, self._ask(_renewing(self.config, self.store, self.settings, subscription)))

    def push_state(self) -> PushState:
        """What the service says of the registration. Raises `NotFound`: register anew."""
        return self._ask(calls.state(Service.of(self.config), _known(self.store)))

    def end_push(self) -> None:
        """No more notifications from the service."""
        self._ask(calls.end(Service.of(self.config), _known(self.store)))
        push.forget(self.store.database)


class AsyncPushing(AsyncOnline):
    """The same, awaitable."""

    if TYPE_CHECKING:

        async def subscribe_by_ews(
            self, url: str, *, folders: Sequence[str] = ("Inbox",), status_frequency: int = STATUS_FREQUENCY
        ) -> EwsSubscription:
            """See `Mailbox.subscribe_by_ews`."""

    async def _ask(self, make: Callable[[], Flow[T]]) -> T:
        return await arun(make(), account.open_network(self.config), None)

    @property
    def push_registration(self) -> PushRegistration | None:
        """See `Mailbox.push_registration`."""
        return push.registration(self.store.database)

    async def register_push(self, device: str, *, gateway: str = "apns", subscribe: bool = True) -> PushRegistration:
        """See `Mailbox.register_push`."""
        asked = await self._ask(lambda: _registering(self.config, self.store, self.settings, gateway, device))
        made = _kept(self.store, asked)
        if made.mode != "realtime" or not subscribe:
            return made
        return await self.renew_push(subscription=(await self.subscribe_by_ews(made.callback_url)).id)

    async def renew_push(self, *, subscription: str | None = None) -> PushRegistration:
        """See `Mailbox.renew_push`."""
        made = await self._ask(lambda: _renewing(self.config, self.store, self.settings, subscription))
        return _kept(self.store, made)

    async def push_state(self) -> PushState:
        """See `Mailbox.push_state`."""
        return await self._ask(lambda: calls.state(Service.of(self.config), _known(self.store)))

    async def end_push(self) -> None:
        """See `Mailbox.end_push`."""
        await self._ask(lambda: calls.end(Service.of(self.config), _known(self.store)))
        push.forget(self.store.database)
