"""A push subscription: made, renewed, and each post of the server taken.

the post                               is answered     what is done
no SendNotification, too large, a DTD  not at all      `MalformedResponse`: the caller says HTTP 400
an unknown subscription                Unsubscribe     nothing is looked up
an earlier id of ours                  Unsubscribe     the id is forgotten
the watermark that is known already    OK              nothing: a repeat
new mail                               OK              the mails are told, then the watermark is kept
... which cannot be looked up now      not at all      the error: the caller says HTTP 503, the server repeats
an error of the subscription           Unsubscribe     it is forgotten
any, and the interval is over          Unsubscribe     a new one goes on from the watermark
any, and the lifetime is over          Unsubscribe     it is forgotten
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from ..config import AppConfig
from ..errors import SubscriptionLost, UsageError
from ..model.ews import EwsMail, EwsNotification, EwsSubscription
from . import lifetime, notifications
from .listening import Lookup, Memory, Teller

STATUS_FREQUENCY = 5
"""Minutes between two signs of life of the server."""


class Client(Lookup, Protocol):
    """What is needed of `client.EwsClient`."""

    def subscribe_push(
        self, folders: tuple[str, ...], url: str, *, status_frequency: int, watermark: str = ""
    ) -> tuple[str, str]: ...


@dataclass(slots=True)
class Pushing:
    """The push subscription of a mailbox."""

    client: Client
    memory: Memory
    config: AppConfig
    now: Callable[[], float] = field(kw_only=True)

    def subscribe(
        self, url: str, folders: tuple[str, ...] = ("inbox",), status_frequency: int = STATUS_FREQUENCY
    ) -> EwsSubscription:
        """Have the server post to `url`, where a secret part keeps strangers away. An earlier subscription is replaced.

        The lifetime begins anew. Raises `UsageError` for an address that is none.
        """
        if not url.startswith(("https://", "http://")):
            raise UsageError("a push subscription needs an http or https address that the server can reach")
        before = self.memory.subscription("push")
        identity, watermark = self._made(url, folders, status_frequency, before.watermark if before else "")
        made = lifetime.begin(self.config, "push", identity, self.now(), folders=folders, watermark=watermark, url=url)
        if before is not None:
            made = replace(made, retired=(*before.retired, before.id)[-8:])
        self.memory.save(made)
        for folder in folders:
            if self.memory.sync_state(folder) is None:
                began = self.now()
                self.memory.keep_sync_state(folder, self.client.changes(folder, None)[1], began)
        return made

    def _made(self, url: str, folders: tuple[str, ...], frequency: int, watermark: str) -> tuple[str, str]:
        try:
            return self.client.subscribe_push(folders, url, status_frequency=frequency, watermark=watermark)
        except SubscriptionLost:
            if not watermark:
                raise
            return self.client.subscribe_push(folders, url, status_frequency=frequency)

    def take(self, body: bytes, tell: Callable[[EwsMail], None]) -> bytes:
        """Take one post; what to answer with HTTP 200. `tell` gets each new mail once.

        Raises `MalformedResponse` (answer HTTP 400), and whatever kept the mails from being looked up (answer 503).
        """
        keep = [self._one(notification, tell) for notification in notifications.read(body)]
        return notifications.answer(keep=any(keep))

    def _one(self, notification: EwsNotification, tell: Callable[[EwsMail], None]) -> bool:
        """Whether the subscription goes on under this id."""
        known = self.memory.subscription("push")
        if known is None or notification.subscription_id != known.id:
            if known is not None and notification.subscription_id in known.retired:
                rest = tuple(each for each in known.retired if each != notification.subscription_id)
                self.memory.save(replace(known, retired=rest))
            return False
        if notification.problem:
            self.memory.forget("push")
            return False
        if notification.watermark != known.watermark or not notification.events:
            teller = Teller(self.client, self.memory, self.now)
            for mail in teller.announced(notification):
                tell(mail)
            known = replace(known, watermark=notification.watermark or known.watermark)
            self.memory.save(known)
        return self._in_time(known, tell)

    def _in_time(self, known: EwsSubscription, tell: Callable[[EwsMail], None]) -> bool:
        """Renew or end what is due. Whether it goes on under the same id."""
        what = lifetime.due(known, self.now())
        if what == "keep":
            return True
        if what == "end":
            self.memory.forget("push")
            return False
        identity, watermark = self._made(known.url, known.folders, STATUS_FREQUENCY, known.watermark)
        self.memory.save(replace(lifetime.renewed(known, identity, watermark, self.now()), retired=known.retired))
        return False

    def catch_up(self, tell: Callable[[EwsMail], None]) -> None:
        """After a time in which nobody took posts: tell what came meanwhile, and subscribe anew where it is due."""
        known = self.memory.subscription("push")
        if known is None:
            return
        for mail in Teller(self.client, self.memory, self.now).missed(known.folders):
            tell(mail)
        if lifetime.due(known, self.now()) != "keep":
            self._in_time(known, tell)
