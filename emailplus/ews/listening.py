"""A subscription kept alive: new mails, each once, whatever happens to connections and subscriptions in between.

    what happens                         what is done
    new mail event                       the mail is looked up and told
    stream closed by the server          connect again at once
    interval over                        subscribe anew (pull: from the last watermark), the old one is ended
    lifetime over                        unsubscribe; the listening ends
    subscription or watermark unknown    subscribe anew, fill the gap
    connection cut, server busy          wait, longer each time or as long as the server says; fill the gap
    EWS off, credentials refused,        the error goes to the caller
      role missing

Filling a gap is SyncFolderItems from the last known state: what was created since and is unread. Which mails were told
is remembered before the watermark behind them, so a mail is told once however often it is announced.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, Literal, Protocol

from ..config import AppConfig
from ..errors import (
    ConnectionFailed,
    EwsRefused,
    ImpersonationDenied,
    NotFound,
    ServerBusy,
    SubscriptionLost,
    TlsFailed,
)
from ..model.ews import EwsMail, EwsNotification, EwsSubscription, Kind
from . import lifetime

PAUSES: Final = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds before each attempt after the first, the last one again and again."""


class Lookup(Protocol):
    """What is needed of `client.EwsClient` to tell of mails."""

    def mails(self, item_ids: Iterable[str]) -> list[EwsMail]: ...
    def changes(self, folder: str, state: str | None) -> tuple[list[EwsMail], str]: ...


class Client(Lookup, Protocol):
    """What is needed of `client.EwsClient` to listen."""

    def subscribe_pull(self, folders: tuple[str, ...], *, minutes: int, watermark: str = "") -> tuple[str, str]: ...
    def subscribe_streaming(self, folders: tuple[str, ...]) -> str: ...
    def unsubscribe(self, subscription_id: str) -> None: ...
    def events(self, subscription_id: str, watermark: str) -> list[EwsNotification]: ...
    def stream(self, subscription_id: str, minutes: int, stop: threading.Event) -> Iterator[EwsNotification]: ...


class Memory(Protocol):
    """What is needed of `store.ews.EwsMemory`."""

    def subscription(self, kind: Kind) -> EwsSubscription | None: ...
    def save(self, subscription: EwsSubscription) -> None: ...
    def forget(self, kind: Kind) -> None: ...
    def sync_state(self, folder: str) -> str | None: ...
    def keep_sync_state(self, folder: str, state: str) -> None: ...
    def untold(self, item_ids: Iterable[str]) -> list[str]: ...
    def tell(self, item_id: str, now: float) -> None: ...


class Teller:
    """Unread mails that nobody was told about yet. One counts as told once whoever takes it asks for the next one."""

    def __init__(self, client: Lookup, memory: Memory, now: Callable[[], float]) -> None:
        self.client, self.memory, self.now = client, memory, now

    def announced(self, notification: EwsNotification) -> Iterator[EwsMail]:
        """The new mails of a notification."""
        named = (event.item_id for event in notification.events if event.kind == "NewMail" and event.item_id)
        yield from self._once(self.client.mails(self.memory.untold(named)))

    def missed(self, folders: Iterable[str]) -> Iterator[EwsMail]:
        """What came into the folders since their last known state; a folder without one has no past."""
        for folder in folders:
            try:
                created, state = self.client.changes(folder, self.memory.sync_state(folder))
            except NotFound:
                continue  # deleted meanwhile
            yield from self._once(created)
            self.memory.keep_sync_state(folder, state)

    def _once(self, mails: Iterable[EwsMail]) -> Iterator[EwsMail]:
        for mail in mails:
            if self.memory.untold([mail.item_id]):
                if not mail.read:
                    yield mail
                self.memory.tell(mail.item_id, self.now())


@dataclass(slots=True)
class Listening:
    """New mails of `folders` (distinguished names, or paths below one) over a pull or a streaming subscription.

    `every`: seconds between two questions of pull. `stop` ends it; a stream looks at it whenever the server speaks.
    `told` is called with what happens meanwhile: "subscribed", "listening",
    "renewed", "lost", "waiting", "ended".
    """

    client: Client
    memory: Memory
    config: AppConfig
    kind: Literal["pull", "streaming"] = "streaming"
    folders: tuple[str, ...] = ("inbox",)
    every: float = 60.0
    stop: threading.Event = field(default_factory=threading.Event)
    now: Callable[[], float] = field(kw_only=True)
    told: Callable[[str], None] = field(kw_only=True, default=lambda what: None)

    def __iter__(self) -> Iterator[EwsMail]:
        """Blocks between mails. Ends with the subscription's lifetime or `stop`."""
        teller = Teller(self.client, self.memory, self.now)
        attempts = 0
        gap = True  # whatever came while nobody listened
        listened = False
        while not self.stop.is_set():
            try:
                subscription, fresh = self._subscription()
                if subscription is None:
                    return
                if gap or fresh:
                    yield from teller.missed(self.folders)
                    gap = False
                if not listened:
                    listened = True
                    self.told("listening")
                for mail in self._round(teller, subscription):
                    attempts = 0
                    yield mail
                attempts = 0
            except SubscriptionLost:
                self.memory.forget(self.kind)
                self.told("lost")
                gap = True
                attempts += 1
                if attempts > 1:
                    self._wait(PAUSES[min(attempts, len(PAUSES)) - 1])
            except (ConnectionFailed, ServerBusy) as problem:
                if isinstance(problem, TlsFailed):
                    raise
                gap = True
                pause = PAUSES[min(attempts, len(PAUSES) - 1)]
                if isinstance(problem, ServerBusy) and problem.retry_after is not None:
                    pause = max(pause, problem.retry_after)
                attempts += 1
                self.told("waiting")
                self._wait(pause)

    def _wait(self, seconds: float) -> None:
        self.stop.wait(seconds)

    def _subscription(self) -> tuple[EwsSubscription | None, bool]:
        """The one in force, made or renewed where that is due, and whether it may not know what came before it; None
        when its lifetime is over."""
        known, now = self.memory.subscription(self.kind), self.now()
        if known is not None and known.folders != self.folders:
            self.client.unsubscribe(known.id)
            self.memory.forget(self.kind)
            known = None
        if known is None:
            identity, watermark = self._subscribe("")
            known = lifetime.begin(self.config, self.kind, identity, now, folders=self.folders, watermark=watermark)
            self.memory.save(known)
            self.told("subscribed")
            return known, True
        what = lifetime.due(known, now)
        if what == "keep":
            return known, False
        if what == "end":
            self.end(known)
            return None, False
        identity, watermark = self._subscribe(known.watermark)
        self.memory.save(fresh := lifetime.renewed(known, identity, watermark, now))
        self.client.unsubscribe(known.id)
        self.told("renewed")
        return fresh, not known.watermark

    def end(self, subscription: EwsSubscription) -> None:
        """Unsubscribe, and forget it."""
        try:
            self.client.unsubscribe(subscription.id)
        except ImpersonationDenied:
            raise
        except EwsRefused:
            pass  # whatever the server has against it, it is not used any more
        self.memory.forget(self.kind)
        self.told("ended")

    def _subscribe(self, watermark: str) -> tuple[str, str]:
        if self.kind == "streaming":
            return self.client.subscribe_streaming(self.folders), ""
        minutes = max(2, min(1440, round(self.every * 5 / 60) + 1))
        return self.client.subscribe_pull(self.folders, minutes=minutes, watermark=watermark)

    def _round(self, teller: Teller, subscription: EwsSubscription) -> Iterator[EwsMail]:
        """One streaming connection, or one question of pull with all that follows from it."""
        if self.kind == "streaming":
            minutes = lifetime.stream_minutes(subscription, self.now())
            for notification in self.client.stream(subscription.id, minutes, self.stop):
                yield from teller.announced(notification)
                if self.stop.is_set():
                    return
            return
        more, watermark = True, subscription.watermark
        while more and not self.stop.is_set():
            more = False
            for notification in self.client.events(subscription.id, watermark):
                yield from teller.announced(notification)
                watermark, more = notification.watermark or watermark, notification.more
            self.memory.save(replace(subscription, watermark=watermark))
        self._wait(self.every)
