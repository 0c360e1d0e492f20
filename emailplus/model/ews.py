"""What Exchange Web Services tell: mails, events, subscriptions, files of an event."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Kind = Literal["push", "pull", "streaming"]


@dataclass(frozen=True, slots=True)
class EwsMail:
    """A mail as EWS knows it, without its body. `received` is in UTC, whole seconds; `size` is the server's."""

    item_id: str
    message_id: str = ""
    """Internet message id (RFC 5322 3.6.4) without its brackets."""
    subject: str = ""
    sender: str = ""
    """Address only."""
    received: datetime | None = None
    size: int = 0
    read: bool = False


@dataclass(frozen=True, slots=True)
class EwsEvent:
    """One event of a notification (types.xsd, BaseNotificationEventType). `kind`: NewMail, Created, Status, ..."""

    kind: str
    item_id: str = ""
    folder_id: str = ""
    when: datetime | None = None
    watermark: str = ""


@dataclass(frozen=True, slots=True)
class EwsNotification:
    """What a server posts or answers for one subscription. `problem`: its ResponseCode where it is an error."""

    subscription_id: str
    events: tuple[EwsEvent, ...] = ()
    previous_watermark: str = ""
    more: bool = False
    problem: str = ""

    @property
    def watermark(self) -> str:
        """The last one that it carries, "" in a stream."""
        return next((event.watermark for event in reversed(self.events) if event.watermark), "")


@dataclass(frozen=True, slots=True)
class EwsSubscription:
    """A subscription as it is remembered. Times are Unix times.

    `created` is when its lifetime began (`subscription_valid_until`); a renewal keeps it and moves `renewed`.
    `retired`: earlier ids of a push subscription, which end when the server is answered with Unsubscribe. `interval`
    and `valid_until`, in seconds, are those of the configuration under which its lifetime began; another configuration
    acts when it is over.
    """

    kind: Kind
    id: str
    watermark: str = ""
    created: float = 0.0
    renewed: float = 0.0
    url: str = ""
    folders: tuple[str, ...] = ("inbox",)
    retired: tuple[str, ...] = ()
    interval: float = 3600.0
    valid_until: float = 86_400.0


@dataclass(frozen=True, slots=True)
class EventFile:
    """A file attached to an event. `key` names it to the server in the way it was listed: "eas" or "ews"."""

    key: str
    name: str
    content_type: str
    size: int
    inline: bool
    way: Literal["eas", "ews"]
