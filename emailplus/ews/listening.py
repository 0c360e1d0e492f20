"""A subscription kept alive: new mails, each once, whatever happens to connections and subscriptions in between.

    what happens                         what is done
    new mail event                       the mail is looked up and told
    stream closed by the server          connect again at once
    interval over                        subscribe anew (pull: from the last watermark), the old one is ended
    lifetime over                        unsubscribe; the listening ends
    subscription or watermark unknown    subscribe anew, fill the gap
    connection cut, server busy, 5xx     wait, longer each time or as long as the server says; fill the gap
    answers that cannot be read          the same, a few times in a row
    streams that end at once             the same, after a few in a row
    EWS off, credentials refused,        the error goes to the caller
      role missing

Filling a gap is SyncFolderItems from the last known state: what was created since and is unread. Where the server no
longer knows that state either, it is what is unread and was received since. Which mails were told
is remembered before the watermark behind them, so a mail is told once however often it is announced.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Literal, Protocol

from ..config import AppConfig
from ..errors import (
    ConnectionFailed,
    EwsRefused,
    HttpStatusError,
    ImpersonationDenied,
    MalformedResponse,
    NotFound,
    ServerBusy,
    ServerError,
    SubscriptionLost,
    TlsFailed,
)
from ..model.ews import EwsMail, EwsNotification, EwsSubscription, Kind
from . import lifetime

PAUSES: Final = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds before each attempt after the first, the last one again and again."""
CLOCKS: Final = 300.0
"""Seconds by which the clocks of server and client may differ."""
MAX_UNREADABLE: Final = 5
"""Answers in a row that cannot be read, before the caller hears of it."""
SHORT, MAX_SHORT = 5.0, 3
"""A stream that ends within so many seconds and told nothing was cut by something; how many in a row go on at once."""


class Lookup(Protocol):
    """What is needed of `client.EwsClient` to tell of mails."""

    def mails(self, item_ids: Iterable[str]) -> list[EwsMail]: ...
    def changes(self, folder: str, state: str | None, since: datetime | None = None) -> tuple[list[EwsMail], str]: ...


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
    def sync_state(self, folder: str) -> tuple[str, float] | None: ...
    def keep_sync_state(self, folder: str, state: str, at: float) -> None: ...
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
            known, began = self.memory.sync_state(folder), self.now()
            since = datetime.fromtimestamp(known[1] - CLOCKS, UTC) if known is not None else None
            try:
                created, state = self.client.changes(folder, known[0] if known is not None else None, since)
            except NotFound:
                continue  # deleted meanwhile
            yield from self._once(created)
            self.memory.keep_sync_state(folder, state, began)

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
        short = 0
        while not self.stop.is_set():
            try:
                subscription, fresh = self._subscription()
                if subscription is None:
                    return
                if gap or fresh:
                    yield from teller.missed(self.folders)
                    gap = False
                    self.told("listening")
                began, quiet = time.monotonic(), True
                for mail in self._round(teller, subscription):
                    attempts, quiet = 0, False
                    yield mail
                attempts = 0
                cut = self.kind == "streaming" and quiet and time.monotonic() - began < SHORT
                short = short + 1 if cut else 0
                if short > MAX_SHORT:
                    self.stop.wait(PAUSES[min(short - MAX_SHORT, len(PAUSES)) - 1])
            except SubscriptionLost:
                self.memory.forget(self.kind)
                self.told("lost")
                gap = True
                attempts += 1
                if attempts > 1:
                    self.stop.wait(PAUSES[min(attempts, len(PAUSES)) - 1])
            except (ConnectionFailed, ServerBusy, HttpStatusError, MalformedResponse) as problem:
                if not _passes(problem, attempts):
                    raise
                gap = True
                pause = PAUSES[min(attempts, len(PAUSES) - 1)]
                if isinstance(problem, ServerBusy) and problem.retry_after is not None:
                    pause = max(pause, problem.retry_after)
                attempts += 1
                self.told("waiting")
                self.stop.wait(pause)

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
        self.stop.wait(self.every)


def _passes(problem: ServerError, attempts: int) -> bool:
    """Whether waiting may cure it."""
    if isinstance(problem, HttpStatusError):
        return problem.status >= 500
    if isinstance(problem, MalformedResponse):
        return attempts < MAX_UNREADABLE
    return not isinstance(problem, TlsFailed)
