"""What a server posts to a push subscription's address, and what it is answered (MS-OXWSPSNTIF).

The post carries no credentials: the address has to be unguessable, and the subscription id is compared with those that
are remembered. Whatever else comes is refused before it costs anything.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from ..errors import ExtraMissing, MalformedResponse
from ..model.ews import EwsEvent, EwsNotification

MAX_POST = 1 << 20
"""Bytes of one SendNotification; Exchange sends a few kilobytes."""
MAX_EVENTS = 1000
_MESSAGES = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
_TYPES = "{http://schemas.microsoft.com/exchange/services/2006/types}"
_SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
_ENCODING = re.compile(rb"""^\s*<\?xml[^>]{0,200}\bencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")


def checked(document: bytes, *, limit: int = MAX_POST) -> bytes:
    """A document that holds nothing but elements and text: no DTD (SOAP 1.1 section 3), nothing but UTF-8.

    Raises `MalformedResponse`.
    """
    if len(document) > limit:
        raise MalformedResponse(f"a SOAP message of more than {limit >> 10} KB")
    document = document.removeprefix(b"\xef\xbb\xbf")
    declared = _ENCODING.match(document)
    if b"\0" in document[:64] or (declared and declared[1].lower() not in (b"utf-8", b"us-ascii")):
        raise MalformedResponse("a SOAP message that is not in UTF-8")
    if b"<!DOCTYPE" in document or b"<!ENTITY" in document:
        raise MalformedResponse("a SOAP message with a document type declaration")
    return document


def parse(document: bytes) -> Any:
    """The root element. Raises `MalformedResponse`."""
    try:
        from lxml import etree
    except ImportError as problem:
        raise ExtraMissing("reading SOAP", "ews") from problem
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_pis=True)
    try:
        return etree.fromstring(document, parser)
    except etree.XMLSyntaxError:
        raise MalformedResponse("a SOAP message that is not XML") from None  # its text quotes the message


def read(body: bytes) -> list[EwsNotification]:
    """The notifications of a SendNotification. Raises `MalformedResponse`."""
    root = parse(checked(body))
    messages = root.find(f"{_SOAP}Body/{_MESSAGES}SendNotification/{_MESSAGES}ResponseMessages")
    if root.tag != f"{_SOAP}Envelope" or messages is None:
        raise MalformedResponse("this is no SendNotification")
    found = [_notification(message) for message in messages.iterfind(f"{_MESSAGES}SendNotificationResponseMessage")]
    if not found or sum(len(each.events) for each in found) > MAX_EVENTS:
        raise MalformedResponse(f"a SendNotification holds 1 to {MAX_EVENTS} events")
    return found


def _notification(message: Any) -> EwsNotification:
    code = message.findtext(f"{_MESSAGES}ResponseCode") or ""
    inside = message.find(f"{_MESSAGES}Notification")
    if inside is None:
        return EwsNotification("", problem=code or "no Notification")
    events = []
    for node in inside:
        name = node.tag.removeprefix(_TYPES) if isinstance(node.tag, str) else ""
        if name.endswith("Event"):
            events.append(_event(name.removesuffix("Event"), node))
    return EwsNotification(
        subscription_id=_text(inside, "SubscriptionId"),
        events=tuple(events),
        previous_watermark=_text(inside, "PreviousWatermark"),
        more=_text(inside, "MoreEvents").lower() in ("true", "1"),
        problem="" if code == "NoError" else code,
    )


def _event(kind: str, node: Any) -> EwsEvent:
    item, folder = node.find(f"{_TYPES}ItemId"), node.find(f"{_TYPES}ParentFolderId")
    return EwsEvent(
        kind=kind,
        item_id=item.get("Id", "") if item is not None else "",
        folder_id=folder.get("Id", "") if folder is not None else "",
        when=_moment(_text(node, "TimeStamp")),
        watermark=_text(node, "Watermark"),
    )


def _text(node: Any, name: str) -> str:
    return (node.findtext(f"{_TYPES}{name}") or "").strip()


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None


def answer(*, keep: bool) -> bytes:
    """SendNotificationResult: OK keeps the subscription, Unsubscribe ends it. Sent with HTTP 200."""
    status = "OK" if keep else "Unsubscribe"
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<s:Envelope xmlns:s="{_SOAP[1:-1]}"><s:Body><m:SendNotificationResult xmlns:m="{_MESSAGES[1:-1]}">'
        f"<m:SubscriptionStatus>{status}</m:SubscriptionStatus></m:SendNotificationResult></s:Body></s:Envelope>"
    ).encode()
