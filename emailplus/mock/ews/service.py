"""The switches and the state of the mock's EWS: `exchange.ews`. Loads no XML."""

from __future__ import annotations

import ssl
import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from ...errors import UsageError
from .events import Event, EventLog

if TYPE_CHECKING:
    from ..exchange import Exchange
    from ..mailbox import Mailbox
    from .push import Pusher

PATH = "/ews/exchange.asmx"  # compared in lower case; IIS does not care
MODES = ("on", "off", "blocked", "retired")


class Validator(Protocol):
    """What a schema says against a document: `schema.Schemas`."""

    def problems(self, root: Any, /) -> list[str]: ...


@dataclass(slots=True)
class Subscription:
    """One subscription. `sent`: the number of the last event its client has acknowledged."""

    id: str
    kind: str  # "push", "pull", "streaming"
    owner: str  # whose credentials made it
    email: str  # whose mailbox it watches
    epoch: int
    folders: frozenset[str] | None  # None: all
    event_types: frozenset[str]
    sent: int
    minutes: float = 0  # StatusFrequency of push, Timeout of pull
    url: str = ""
    caller_data: str = ""
    touched: datetime | None = None
    connection: int = 0  # of streaming: the number of the one that counts
    connected: bool = False
    pusher: Pusher | None = None


@dataclass(slots=True)
class Dropped:
    """A subscription that ended, and why: "unsubscribed", "refused", "unreachable", "expired", "moved"."""

    subscription: Subscription
    reason: str


@dataclass(slots=True)
class Ews:
    """What the mock's EWS does, and what clients have of it.

    `mode`: "on"; "off" (404: no such service); "blocked" (403, as Exchange Online answers an application that may not
    use EWS); "retired" (410). `impersonators`: email addresses of those with the role ApplicationImpersonation.
    `minute`: seconds of a protocol minute (StatusFrequency, ConnectionTimeout), shorter in tests. `keep_alive`: seconds
    between the StatusEvents of a stream. `retry_pauses`: seconds before each repeat of a notification that was not
    taken; after the last of them the subscription is dropped. `push_tls`: whom to trust when posting over HTTPS.
    `validator`: what breaks the schema is refused (ErrorSchemaValidation), as Exchange refuses it.
    """

    exchange: Exchange
    mode: str = "on"
    impersonators: set[str] = field(default_factory=set)
    minute: float = 60.0
    keep_alive: float = 45.0
    retry_pauses: tuple[float, ...] = (30, 60, 120, 240, 480)
    post_timeout: float = 30.0
    push_tls: ssl.SSLContext | None = None
    batch: int = 50  # events in one notification
    keep_events: int = 20_000  # events of a mailbox that are remembered
    max_subscriptions: int = 20  # of one user at a time, a quota as Exchange's EWSMaxSubscriptions
    max_streams: int = 200  # subscriptions in one GetStreamingEvents
    stream_idle: float = 30  # minutes a streaming subscription lives without a connection
    max_changes: int = 512
    validator: Validator | None = None
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    dropped: list[Dropped] = field(default_factory=list)
    posts: list[tuple[str, int]] = field(default_factory=list)  # subscription id and HTTP status (0: none) of each post
    _logs: dict[str, EventLog] = field(default_factory=dict)
    _epochs: dict[str, int] = field(default_factory=dict)

    def is_ews(self, path: str) -> bool:
        """Whether a request is for this service; paths in any case."""
        return path.rstrip("/").lower() == PATH

    # -- for the test

    def allow_impersonation(self, login: str) -> None:
        """Give a user the role ApplicationImpersonation."""
        self.impersonators.add(self.exchange.user(login).email)

    def set_mode(self, mode: str) -> None:
        """Switch the service on or off, see `mode`."""
        if mode not in MODES:
            raise UsageError(f"mode is one of {', '.join(MODES)}")
        self.mode = mode

    def forget(self, login: str) -> None:
        """Lose what the server knows of a mailbox, as after a move: subscriptions, watermarks, sync states."""
        email = self.exchange.user(login).email
        with self.exchange.lock:
            self._epochs[email] = self.epoch(email) + 1
            self._logs.pop(email, None)
            for subscription in [each for each in self.subscriptions.values() if each.email == email]:
                self.drop(subscription, "moved")

    def of(self, login: str) -> list[Subscription]:
        """The subscriptions on a user's mailbox."""
        email = self.exchange.user(login).email
        with self.exchange.lock:
            return [each for each in self.subscriptions.values() if each.email == email]

    # -- for the endpoint

    def epoch(self, email: str) -> int:
        """How often this mailbox was moved."""
        return self._epochs.get(email, 0)

    def log(self, mailbox: Mailbox) -> EventLog:
        """What happens in a mailbox, noted from the first time somebody asks."""
        log = self._logs.get(mailbox.email)
        if log is None:
            log = self._logs[mailbox.email] = EventLog(mailbox, self.keep_events)
        return log

    def events(self, subscription: Subscription) -> tuple[list[Event], bool]:
        """The next events of a subscription, at most `batch`, and whether there are more."""
        log = self.log(self.exchange.user(subscription.email))
        found = []
        for event in log.after(subscription.sent):
            if event.kind not in subscription.event_types:
                continue
            if subscription.folders is not None and not subscription.folders & {event.parent, event.old_parent}:
                continue
            found.append(event)
            if len(found) > self.batch:
                return found[: self.batch], True
        return found, False

    def changed(self) -> None:
        """A mailbox changed: note what happened, and let those who post know."""
        if not self._logs:
            return
        with self.exchange.lock:
            for log in self._logs.values():
                log.note()
            for subscription in self.subscriptions.values():
                if subscription.pusher is not None:
                    subscription.pusher.wake()

    def drop(self, subscription: Subscription, reason: str) -> None:
        """End a subscription."""
        if self.subscriptions.pop(subscription.id, None) is not None:
            self.dropped.append(Dropped(subscription, reason))
        if subscription.pusher is not None:
            subscription.pusher.stop()
        self.exchange.user(subscription.email).announce()  # a stream finds that it lost one

    def stop(self) -> None:
        """End all posting and wait for it; called when the server stops."""
        with self.exchange.lock:
            pushers = [each.pusher for each in self.subscriptions.values() if each.pusher is not None]
        for pusher in pushers:
            pusher.stop()
        for pusher in pushers:
            if pusher is not threading.current_thread():
                pusher.join(5)
