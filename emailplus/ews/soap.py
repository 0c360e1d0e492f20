"""The two messages of a push subscription: SendNotification as Exchange posts it, and what it is answered.

Pure. A document has no entities, no DTD (SOAP 1.1 section 3) and no more events than `MAX_EVENTS`; its size is bounded
by whoever receives it, before anything is parsed. Sources: the EWS schema (messages.xsd SendNotificationResponseType,
SendNotificationResultType; types.xsd NotificationType).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from lxml import etree

from ..errors import MalformedResponse

SOAP: Final = "http://schemas.xmlsoap.org/soap/envelope/"
MESSAGES: Final = "http://schemas.microsoft.com/exchange/services/2006/messages"
TYPES: Final = "http://schemas.microsoft.com/exchange/services/2006/types"

MAX_EVENTS: Final = 1000
"""Events of one post."""
MAX_ID: Final = 2048
"""Characters of an id or a watermark."""

_M: Final = f"{{{MESSAGES}}}"
_T: Final = f"{{{TYPES}}}"
_PATH: Final = (f"{{{SOAP}}}Body", f"{_M}SendNotification", f"{_M}ResponseMessages")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a mailbox. `item_id` is "" for a StatusEvent and for events of folders."""

    kind: str
    watermark: str
    item_id: str = ""
    folder_id: str = ""
    at: float | None = None
    """Unix time by the server's clock."""


@dataclass(frozen=True, slots=True)
class Notification:
    """What is new in one subscription. `code` other than NoError: the subscription is broken and has no events."""

    subscription_id: str
    events: tuple[Event, ...] = ()
    code: str = "NoError"
    more_events: bool = False
    previous_watermark: str = ""


_PARSER: Final = etree.XMLParser(
    encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True,
    remove_pis=True,
)  # fmt: skip
"""Making one costs more than reading a post with it."""


def document(body: bytes) -> etree._Element:
    """The root of an XML document from outside. Raises `MalformedResponse`."""
    if b"<!DOCTYPE" in body or b"\0" in body:  # also what is meant for another encoding than the one read here
        raise MalformedResponse("a SOAP message has no document type and is UTF-8")
    try:
        root = etree.fromstring(body, _PARSER)
    except etree.XMLSyntaxError as problem:
        raise MalformedResponse("the SOAP message is not well-formed XML") from problem
    if root.getroottree().docinfo.internalDTD is not None:
        raise MalformedResponse("a SOAP message has no document type")
    return root


def parse_send_notification(body: bytes) -> tuple[Notification, ...]:
    """The notifications of a post, in order. Raises `MalformedResponse` for anything else."""
    node: etree._Element | None = document(body)
    if node is None or node.tag != f"{{{SOAP}}}Envelope":
        raise MalformedResponse("the post is not a SOAP 1.1 envelope")
    for name in _PATH:
        node = node.find(name)
        if node is None:
            raise MalformedResponse("the post is no SendNotification")
    left = MAX_EVENTS
    found = []
    for message in node.iterfind(f"{_M}SendNotificationResponseMessage"):
        notification = _notification(message, left)
        left -= len(notification.events)
        found.append(notification)
    if not found:
        raise MalformedResponse("the SendNotification holds no message")
    return tuple(found)


def _notification(message: etree._Element, room: int) -> Notification:
    code = message.findtext(f"{_M}ResponseCode") or "NoError"
    node = message.find(f"{_M}Notification")
    if node is None:
        if code == "NoError":
            raise MalformedResponse("a SendNotification without error names no subscription")
        return Notification("", code=_text(code))
    events: list[Event] = []
    subscription, previous, more = "", "", False
    for child in node:
        name = str(child.tag).removeprefix(_T)
        if name == "SubscriptionId":
            subscription = _text(child.text)
        elif name == "PreviousWatermark":
            previous = _text(child.text)
        elif name == "MoreEvents":
            more = (child.text or "").strip() in ("true", "1")
        elif name.endswith("Event"):
            if len(events) >= room:
                raise MalformedResponse(f"more than {MAX_EVENTS} events in one post")
            events.append(_event(name, child))
    if not subscription:
        raise MalformedResponse("a notification names no subscription")
    return Notification(subscription, tuple(events), _text(code), more, previous)


def _event(kind: str, node: etree._Element) -> Event:
    item = node.find(f"{_T}ItemId")
    at = None
    written = node.findtext(f"{_T}TimeStamp")
    if written:
        try:
            moment = datetime.fromisoformat(written.strip())
            at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            raise MalformedResponse("an event has a time stamp that is none") from None
    watermark = _text(node.findtext(f"{_T}Watermark"))
    item_id = _text(item.get("Id")) if item is not None else ""
    if kind == "NewMailEvent" and not (item_id and watermark):
        raise MalformedResponse("a NewMailEvent names no item or no watermark")
    folder = node.find(f"{_T}ParentFolderId")
    return Event(kind, watermark, item_id, _text(folder.get("Id")) if folder is not None else "", at)


def _text(value: str | None) -> str:
    text = (value or "").strip()
    if len(text) > MAX_ID:
        raise MalformedResponse(f"an id is longer than {MAX_ID} characters")
    return text


def _result(status: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<s:Envelope xmlns:s="{SOAP}" xmlns:m="{MESSAGES}"><s:Body><m:SendNotificationResult>'
        f"<m:SubscriptionStatus>{status}</m:SubscriptionStatus></m:SendNotificationResult></s:Body></s:Envelope>"
    ).encode()


OK: Final = _result("OK")
"""Keep the subscription."""
UNSUBSCRIBE: Final = _result("Unsubscribe")
"""End it."""
