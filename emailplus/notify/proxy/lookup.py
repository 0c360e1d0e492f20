"""Looking messages up as the service account: sender, subject and snippet, and nothing else. A dialogue, and pure.

One GetItem for several messages of one mailbox, impersonating its owner (role ApplicationImpersonation). Sources:
guide, "Setting up service accounts on Exchange server"; MS-OXWSCORE 3.1.4.4 (GetItem); types.xsd
ExchangeImpersonationType, item:Preview (Exchange 2013 and later).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from ...errors import AuthenticationFailed, EndpointNotFound, HttpStatusError, ProtocolError, ServerBusy
from ...ews.soap import MESSAGES, SOAP, TYPES, document
from ...flow import Flow, HttpRequest, http

MAX_ITEMS: Final = 50
"""Messages of one request."""

GONE: Final = frozenset({"ErrorItemNotFound", "ErrorInvalidIdMalformed", "ErrorInvalidId", "ErrorInvalidIdEmpty"})
"""The message was moved or deleted meanwhile, or never was."""
DENIED: Final = frozenset(
    {
        "ErrorImpersonateUserDenied", "ErrorImpersonationDenied", "ErrorImpersonationFailed", "ErrorAccessDenied",
        "ErrorNonExistentMailbox", "ErrorInvalidExchangeImpersonationHeaderData",
    }
)  # fmt: skip
"""This account may not read this mailbox."""

_M: Final = f"{{{MESSAGES}}}"
_T: Final = f"{{{TYPES}}}"
_FIELDS: Final = ("item:Subject", "item:DateTimeReceived", "item:Preview", "message:From")


@dataclass(frozen=True, slots=True)
class Headline:
    """What a notification may show of a message. `received`: Unix time, None where the server does not say."""

    sender: str = ""
    """The address, in lower case."""
    name: str = ""
    subject: str = ""
    snippet: str = ""
    received: float | None = None


@dataclass(slots=True)
class Found:
    """What came of a request. Items in none of the three: the server could not answer just now."""

    headlines: dict[str, Headline] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    denied: str = ""
    """The ResponseCode with which the mailbox was refused."""


def look_up(url: str, mailbox: str, items: Sequence[str]) -> Flow[Found]:
    """Headlines of messages.

    Raises `AuthenticationFailed` for a refused service account, `ServerBusy`, `EndpointNotFound`, `HttpStatusError`,
    `ConnectionFailed` or `ProtocolError`.
    """
    headers = {"Content-Type": "text/xml; charset=utf-8", "X-AnchorMailbox": mailbox}
    response = yield from http(HttpRequest("POST", url, headers, get_item(mailbox, items)))
    if response.status == 401:
        raise AuthenticationFailed("Exchange refuses the service account; check its name and password")
    if response.status == 404:
        raise EndpointNotFound("there is no EWS at exchange.ews_url", status=404)
    if response.status in (429, 503):
        raise ServerBusy("Exchange is busy", retry_after=_seconds(response.headers.get("retry-after")))
    if response.status not in (200, 500):  # a SOAP fault comes with 500
        raise HttpStatusError(f"EWS answers {response.status}", status=response.status)
    return parse_get_item(response.body, items)


def get_item(mailbox: str, items: Sequence[str]) -> bytes:
    """The request."""
    wanted = "".join(f'<t:FieldURI FieldURI="{name}"/>' for name in _FIELDS)
    ids = "".join(f"<t:ItemId Id={quoteattr(item)}/>" for item in items)
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<s:Envelope xmlns:s="{SOAP}" xmlns:m="{MESSAGES}" xmlns:t="{TYPES}"><s:Header>'
        '<t:RequestServerVersion Version="Exchange2013"/><t:ExchangeImpersonation><t:ConnectingSID>'
        f"<t:SmtpAddress>{escape(mailbox)}</t:SmtpAddress></t:ConnectingSID></t:ExchangeImpersonation></s:Header>"
        "<s:Body><m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape>"
        f"<t:AdditionalProperties>{wanted}</t:AdditionalProperties></m:ItemShape><m:ItemIds>{ids}</m:ItemIds>"
        "</m:GetItem></s:Body></s:Envelope>"
    ).encode()


def parse_get_item(body: bytes, items: Sequence[str]) -> Found:
    """The answer; its messages stand in the order of the request. Raises `ProtocolError` or `ServerBusy`."""
    root = document(body)
    messages = root.find(f"{{{SOAP}}}Body/{_M}GetItemResponse/{_M}ResponseMessages")
    found = Found()
    if messages is None:
        code = _fault(root)
        if code in DENIED:
            found.denied = code
            return found
        raise ProtocolError(f"EWS answers with a fault ({code})" if code else "the answer is no GetItemResponse")
    answers = messages.findall(f"{_M}GetItemResponseMessage")
    codes = {(answer.findtext(f"{_M}ResponseCode") or "").strip() for answer in answers}
    if codes and codes <= DENIED:  # said once, or for each item
        found.denied = min(codes)
        return found
    if len(answers) != len(items):
        raise ProtocolError("EWS does not answer for each item")
    for item, answer in zip(items, answers, strict=True):
        code = (answer.findtext(f"{_M}ResponseCode") or "").strip()
        if code == "NoError":
            node = answer.find(f"{_M}Items/*")
            if node is not None:
                found.headlines[item] = _headline(node)
        elif code in GONE:
            found.gone.add(item)
        elif code in DENIED:
            found.denied = code
    return found


def _fault(root: etree._Element) -> str:
    """The ResponseCode of a SOAP fault, "" without one. Raises `ServerBusy` where that is it."""
    fault = root.find(f"{{{SOAP}}}Body/{{{SOAP}}}Fault")
    if fault is None:
        return ""
    code = next((node.text or "" for node in fault.iter() if str(node.tag).endswith("}ResponseCode")), "").strip()
    if code == "ErrorServerBusy":
        waits = [node.text for node in fault.iter(f"{_T}Value") if node.get("Name") == "BackOffMilliseconds"]
        seconds = _seconds(waits[0]) if waits else None
        raise ServerBusy("Exchange is busy", retry_after=seconds / 1000 if seconds is not None else None)
    return code[:60] if code.isalnum() else "an unnamed one"


def _headline(node: etree._Element) -> Headline:
    mailbox = node.find(f"{_T}From/{_T}Mailbox")
    address = (mailbox.findtext(f"{_T}EmailAddress") or "") if mailbox is not None else ""
    name = (mailbox.findtext(f"{_T}Name") or "") if mailbox is not None else ""
    received = None
    written = node.findtext(f"{_T}DateTimeReceived")
    if written:
        try:
            moment = datetime.fromisoformat(written.strip())
            received = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            received = None
    return Headline(
        sender=address.strip().lower(),
        name=name.strip() or address.strip(),
        subject=(node.findtext(f"{_T}Subject") or "").strip(),
        snippet=(node.findtext(f"{_T}Preview") or "").strip(),
        received=received,
    )


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 10 else None
