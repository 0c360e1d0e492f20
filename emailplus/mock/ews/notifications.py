"""Subscribe, Unsubscribe, GetEvents and GetStreamingEvents (MS-OXWSNTIF, MS-OXWSPSNTIF)."""

from __future__ import annotations

import base64
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lxml import etree

from ..context import Answer, Stream
from . import ids, soap
from .events import Event
from .push import Pusher
from .service import Ews, Subscription
from .shapes import instant
from .soap import Refused, child, el, failure, local, message, q, text

if TYPE_CHECKING:
    from .endpoint import Asked

EVENT_TYPES = frozenset(
    {
        "CopiedEvent", "CreatedEvent", "DeletedEvent", "ModifiedEvent", "MovedEvent", "NewMailEvent",
        "FreeBusyChangedEvent",
    }
)  # fmt: skip
_KINDS = {
    "PullSubscriptionRequest": "pull",
    "PushSubscriptionRequest": "push",
    "StreamingSubscriptionRequest": "streaming",
}
MAX_STREAM = 30  # minutes a stream may stay open


def subscribe(asked: Asked) -> list[etree._Element]:
    """A new subscription of one of three kinds."""
    try:
        subscription = _read(asked, asked.body[0])
        _expire(asked.ews)
        own = [each for each in asked.ews.subscriptions.values() if each.owner == asked.caller.email]
        if asked.mailbox.email == asked.caller.email and len(own) >= asked.ews.max_subscriptions:
            raise Refused("ErrorExceededSubscriptionCount", "The number of subscriptions is at its limit.")
    except Refused as error:
        return [failure("Subscribe", error)]
    asked.ews.subscriptions[subscription.id] = subscription
    inside = [el("m:SubscriptionId", subscription.id)]
    if subscription.kind != "streaming":
        inside.append(el("m:Watermark", ids.watermark(subscription.email, subscription.epoch, subscription.sent)))
    if subscription.kind == "push":
        subscription.pusher = Pusher(asked.exchange, subscription)
        subscription.pusher.start()
    return [message("Subscribe", *inside)]


def _read(asked: Asked, node: etree._Element) -> Subscription:
    from .operations import folder_of

    ews, mailbox = asked.ews, asked.mailbox
    kind = _KINDS.get(local(node))
    if kind is None:
        raise Refused("ErrorInvalidSubscriptionRequest", "No kind of subscription.")
    named = child(node, "t:FolderIds")
    everything = node.get("SubscribeToAllFolders", "").lower() in ("true", "1")
    if (named is not None) == everything:
        raise Refused("ErrorInvalidSubscriptionRequest", "Folders, or all folders.")
    folders = None if named is None else frozenset(folder_of(asked, each) for each in named)
    wanted = child(node, "t:EventTypes")
    types = frozenset((each.text or "").strip() for each in wanted) if wanted is not None else frozenset()
    if not types or not types <= EVENT_TYPES:
        raise Refused("ErrorInvalidSubscriptionRequest", "The event types are not known.")
    log, epoch = ews.log(mailbox), ews.epoch(mailbox.email)
    mark = text(node, "t:Watermark")
    sent = ids.read_watermark(mark, mailbox.email, epoch) if mark else log.last
    if not log.knows(sent):
        raise Refused("ErrorInvalidWatermark", "The watermark used for creating this subscription was not found.")
    minutes = text(node, "t:StatusFrequency") or text(node, "t:Timeout") or "0"
    if kind != "streaming" and not (minutes.isdecimal() and 1 <= int(minutes) <= 1440):
        raise Refused("ErrorInvalidPullSubscriptionTimeout" if kind == "pull" else "ErrorInvalidSubscriptionRequest")
    url = text(node, "t:URL")
    if kind == "push" and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
        raise Refused("ErrorInvalidPushSubscriptionUrl", "The push URL is not valid.")
    return Subscription(
        id=base64.b64encode(f"{mailbox.email}\0{secrets.token_hex(16)}".encode()).decode(),
        kind=kind,
        owner=asked.caller.email,
        email=mailbox.email,
        epoch=epoch,
        folders=folders,
        event_types=types,
        sent=sent,
        minutes=float(minutes),
        url=url,
        caller_data=text(node, "t:CallerData"),
        touched=asked.exchange.clock(),
    )


def _expire(ews: Ews) -> None:
    """Subscriptions that nobody asked about for too long end."""
    now = ews.exchange.clock()
    for subscription in list(ews.subscriptions.values()):
        minutes = subscription.minutes if subscription.kind == "pull" else ews.stream_idle
        idle = subscription.kind != "push" and not subscription.connected and subscription.touched is not None
        if idle and now - subscription.touched > timedelta(minutes=minutes):  # type: ignore[operator]
            ews.drop(subscription, "expired")


def find(asked: Asked, identity: str, *kinds: str) -> Subscription:
    """A subscription of this caller. Raises `Refused`."""
    _expire(asked.ews)
    subscription = asked.ews.subscriptions.get(identity)
    if subscription is None or (kinds and subscription.kind not in kinds):
        raise Refused("ErrorSubscriptionNotFound", "The subscription was not found.")
    if subscription.owner != asked.caller.email or subscription.email != asked.mailbox.email:
        raise Refused("ErrorSubscriptionAccessDenied", "Access is denied to the subscription.")
    return subscription


def unsubscribe(asked: Asked) -> list[etree._Element]:
    """The end of a subscription."""
    try:
        asked.ews.drop(find(asked, text(asked.body, "m:SubscriptionId")), "unsubscribed")
    except Refused as error:
        return [failure("Unsubscribe", error)]
    return [message("Unsubscribe")]


def get_events(asked: Asked) -> list[etree._Element]:
    """What happened since a watermark, for a pull subscription."""
    try:
        subscription = find(asked, text(asked.body, "m:SubscriptionId"), "pull")
        number = ids.read_watermark(text(asked.body, "m:Watermark"), subscription.email, subscription.epoch)
        if not asked.ews.log(asked.mailbox).knows(number):
            raise Refused("ErrorInvalidWatermark", "The watermark used was not found.")
    except Refused as error:
        return [failure("GetEvents", error)]
    subscription.sent, subscription.touched = number, asked.exchange.clock()
    return [message("GetEvents", notification(asked.ews, subscription)[0])]


# -- notifications


def notification(ews: Ews, subscription: Subscription) -> tuple[etree._Element, int, bool]:
    """The next Notification with its watermarks, the number of its last event, and whether more follows.

    Without events it holds a StatusEvent.
    """
    events, more = ews.events(subscription)
    email, epoch = subscription.email, subscription.epoch
    last = events[-1].number if events else subscription.sent
    node = el(
        "m:Notification",
        el("t:SubscriptionId", subscription.id),
        el("t:PreviousWatermark", ids.watermark(email, epoch, subscription.sent)),
        el("t:MoreEvents", more),
    )
    for event in events:
        node.append(event_element(email, event, ids.watermark(email, epoch, event.number)))
    if not events:
        node.append(el("t:StatusEvent", el("t:Watermark", ids.watermark(email, epoch, last))))
    return node, last, more


def event_element(email: str, event: Event, watermark: str) -> etree._Element:
    """One event, about an item or a folder; a watermark "" is left out, as streams have none."""
    parent = el("t:ParentFolderId", Id=ids.folder_id(email, event.parent), ChangeKey=ids.change_key(0))
    if event.item:
        about = el("t:ItemId", Id=ids.item_id(email, event.item), ChangeKey=ids.change_key(event.version))
    else:
        about = el("t:FolderId", Id=ids.folder_id(email, event.parent), ChangeKey=ids.change_key(0))
    old = []
    if event.old_item:
        old = [
            el("t:OldItemId", Id=ids.item_id(email, event.old_item)),
            el("t:OldParentFolderId", Id=ids.folder_id(email, event.old_parent)),
        ]
    return el(
        f"t:{event.kind}",
        el("t:Watermark", watermark) if watermark else None,
        el("t:TimeStamp", instant(event.when)),
        about,
        parent,
        *old,
        el("t:UnreadCount", event.unread) if event.unread is not None else None,
    )


def get_streaming_events(asked: Asked) -> list[etree._Element] | Stream:
    """A stream of complete envelopes: ConnectionStatus OK, notifications, StatusEvents, ConnectionStatus Closed."""
    wanted = [
        (each.text or "").strip() for each in asked.body.findall(f"{q('m:SubscriptionIds')}/{q('t:SubscriptionId')}")
    ]
    minutes = text(asked.body, "m:ConnectionTimeout")
    if not minutes.isdecimal() or not 1 <= int(minutes) <= MAX_STREAM:
        return [failure("GetStreamingEvents", Refused("ErrorInvalidRequest", "ConnectionTimeout is 1 to 30 minutes."))]
    if not 1 <= len(wanted) <= asked.ews.max_streams:
        return [failure("GetStreamingEvents", Refused("ErrorInvalidRequest", "too many subscriptions"))]
    found, missing, why = [], [], Refused("ErrorSubscriptionNotFound", "The subscription was not found.")
    for identity in wanted:
        try:
            found.append(find(asked, identity, "streaming"))
        except Refused as error:
            missing.append(identity)
            why = error
    if missing:
        listed = el("m:ErrorSubscriptionIds", None, *(el("m:SubscriptionId", identity) for identity in missing))
        return [failure("GetStreamingEvents", why, listed)]
    return _Streaming(asked, found).stream(int(minutes) * asked.ews.minute)


class _Streaming:
    """One open stream. A later one for the same subscription takes its place."""

    def __init__(self, asked: Asked, subscriptions: list[Subscription]) -> None:
        self.ews = asked.ews
        self.clock = asked.exchange.clock
        self.subscriptions = subscriptions
        self.first = True
        for subscription in subscriptions:
            subscription.connection += 1
            subscription.connected = True
        self.numbers = {subscription.id: subscription.connection for subscription in subscriptions}
        asked.mailbox.announce()  # an older stream finds that it was replaced

    def stream(self, seconds: float) -> Stream:
        head = Answer(200, content_type=soap.CONTENT_TYPE)
        return Stream(head, seconds, self.ews.keep_alive, self.poll, self.close)

    def poll(self, quiet: bool, over: bool) -> tuple[bytes, bool]:
        """What to send now, and whether that is the end. `quiet`: the time for a StatusEvent has come."""
        told = b""
        if self.first:
            self.first = False
            told = self._write(el("m:ConnectionStatus", "OK"))
        lost = [each.id for each in self.subscriptions if each.id not in self.ews.subscriptions]
        if lost:
            listed = el("m:ErrorSubscriptionIds", None, *(el("m:SubscriptionId", identity) for identity in lost))
            gone = failure(
                "GetStreamingEvents", Refused("ErrorSubscriptionNotFound", "The subscription was not found."), listed
            )
            return told + soap.write(soap.response("GetStreamingEvents", [gone])), True
        notifications = [node for each in self.subscriptions for node in self._notifications(each)]
        if not notifications and quiet:
            notifications = [
                el("m:Notification", el("t:SubscriptionId", each.id), el("t:StatusEvent"))
                for each in self.subscriptions
            ]
        if notifications:
            told += self._write(el("m:Notifications", None, *notifications))
        replaced = any(each.connection != self.numbers[each.id] for each in self.subscriptions)
        if over or replaced:
            return told + self._write(el("m:ConnectionStatus", "Closed")), True
        return told, False

    def _notifications(self, subscription: Subscription) -> list[etree._Element]:
        if subscription.connection != self.numbers[subscription.id]:
            return []
        told = []
        more = True
        while more:
            events, more = self.ews.events(subscription)
            if not events:
                break
            node = el("m:Notification", el("t:SubscriptionId", subscription.id))
            for event in events:
                node.append(event_element(subscription.email, event, ""))
            subscription.sent = events[-1].number
            told.append(node)
        return told

    def _write(self, inside: etree._Element) -> bytes:
        return soap.write(soap.response("GetStreamingEvents", [message("GetStreamingEvents", inside)]))

    def close(self) -> None:
        """The connection is over, whoever ended it."""
        for subscription in self.subscriptions:
            if subscription.connection == self.numbers[subscription.id]:
                subscription.connected = False
                subscription.touched = self.clock()
