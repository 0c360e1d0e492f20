"""What a server posts to a push subscription's address, and what it is answered (MS-OXWSPSNTIF).

The post carries no credentials: the address has to be unguessable, and the subscription id is compared with those that
are remembered. Whatever else comes is refused before it costs anything.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..errors import ExtraMissing, MalformedResponse
from ..model.ews import EwsEvent, EwsNotification

if TYPE_CHECKING:
    from . import soap

MAX_POST = 1 << 20
"""Bytes of one SendNotification; Exchange sends a few kilobytes."""
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


def read(body: bytes) -> list[EwsNotification]:
    """The notifications of a SendNotification. Raises `MalformedResponse`."""
    try:
        from . import soap
    except ImportError as problem:
        raise ExtraMissing("reading SOAP", "ews") from problem
    return [_notification(found) for found in soap.parse_send_notification(checked(body))]


def _notification(found: soap.Notification) -> EwsNotification:
    return EwsNotification(
        subscription_id=found.subscription_id,
        events=tuple(
            EwsEvent(
                kind=event.kind.removesuffix("Event"),
                item_id=event.item_id,
                folder_id=event.folder_id,
                when=None if event.at is None else datetime.fromtimestamp(event.at, UTC),
                watermark=event.watermark,
            )
            for event in found.events
        ),
        previous_watermark=found.previous_watermark,
        more=found.more_events,
        problem="" if found.code == "NoError" else found.code,
    )


def answer(*, keep: bool) -> bytes:
    """SendNotificationResult: OK keeps the subscription, Unsubscribe ends it. Sent with HTTP 200."""
    from . import soap

    return soap.OK if keep else soap.UNSUBSCRIBE
