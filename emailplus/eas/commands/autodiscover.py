"""Autodiscover: from an email address to the ActiveSync address (MS-ASCMD 2.2.1.1, MS-OXDSCLI).

Two forms: plain XML (POX), a POST with credentials, and JSON ("version 2"), a GET that needs none. Neither is WBXML.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from ...errors import MalformedResponse, UsageError
from .. import status

NAME = "Autodiscover"
PATH = "/autodiscover/autodiscover.xml"
REQUEST_SCHEMA = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/requestschema/2006"
RESPONSE_SCHEMA = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"
MAX_ANSWER = 1 << 20
"""Bytes of an answer; real ones have two thousand."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one answer says: an address (`url`), another email address to ask for, or why there is none (`problem`)."""

    url: str = ""
    redirect_email: str = ""
    email: str = ""
    display_name: str = ""
    certificate_enrolment: str = ""
    problem: str = ""


def domain_of(email: str) -> str:
    """The domain of an address. Raises `UsageError` for what is none."""
    local, at, domain = email.strip().rpartition("@")
    labels = domain.split(".")
    plain = all(label and all(c.isalnum() or c == "-" for c in label) for label in labels)
    if not at or not local or not plain or len(domain) > 253 or any(c.isspace() for c in email.strip()):
        raise UsageError(f"{email[:80]!r} is no email address")
    return domain.lower()


def build_pox(email: str) -> bytes:
    """The body of the POST, UTF-8 (MS-ASCMD_R703, R711)."""
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<Autodiscover xmlns="{REQUEST_SCHEMA}"><Request><EMailAddress>{escape(email)}</EMailAddress>'
        f"<AcceptableResponseSchema>{RESPONSE_SCHEMA}</AcceptableResponseSchema></Request></Autodiscover>"
    ).encode()


def json_url(host: str, email: str) -> str:
    """The address of the JSON form for `email` on `host`."""
    return f"https://{host}/autodiscover/autodiscover.json/v1.0/{quote(email, safe='@')}?Protocol=ActiveSync"


def parse_json(body: bytes) -> Answer:
    """Raises `MalformedResponse`."""
    try:
        found = json.loads(_bounded(body))
    except (ValueError, RecursionError):
        raise MalformedResponse("the answer is no JSON") from None
    if not isinstance(found, dict):
        raise MalformedResponse("the answer is JSON, but no object")
    values = {str(name).lower(): value for name, value in found.items() if isinstance(value, str)}
    if values.get("url"):
        return Answer(url=_address(values["url"]))
    if values.get("errorcode"):
        return Answer(problem=_short(f"{values['errorcode']}: {values.get('errormessage', '')}"))
    raise MalformedResponse("the answer names neither an address nor an error")


def parse_pox(body: bytes) -> Answer:
    """Raises `MalformedResponse`. A document type is refused: no server sends one, and entities can be made endless."""
    if b"<!DOCTYPE" in _bounded(body).upper() or b"<!ENTITY" in body.upper():
        raise MalformedResponse("the answer has a document type")
    try:
        root = ElementTree.fromstring(body)
    except (ElementTree.ParseError, ValueError, LookupError):
        raise MalformedResponse("the answer is no XML") from None
    if _local(root.tag) != NAME:
        raise MalformedResponse(f"the answer is a {_local(root.tag)[:40]}, no Autodiscover")
    response = _child(root, "Response")
    action = _child(response, "Action")
    for holder in (response, action):
        error = _child(holder, "Error")
        if error is not None:
            return Answer(problem=_problem(error))
    user = _child(response, "User")
    email, name = _text(user, "EMailAddress"), _text(user, "DisplayName")
    redirect = _text(action, "Redirect")
    if redirect:
        return Answer(redirect_email=redirect, email=email, display_name=name)
    urls: dict[str, str] = {}
    for server in _children(_child(action, "Settings"), "Server"):
        written = _text(server, "Url") or _text(server, "Name")
        if written:
            urls.setdefault(_text(server, "Type").lower(), written)
    if "mobilesync" not in urls:
        return Answer(email=email, problem="the answer names no MobileSync server")
    return Answer(
        url=_address(urls["mobilesync"]),
        email=email,
        display_name=name,
        certificate_enrolment=urls.get("certenroll", ""),
    )


def _bounded(body: bytes) -> bytes:
    if len(body) > MAX_ANSWER:
        raise MalformedResponse("the answer is far too large")
    return body


def _address(written: str) -> str:
    """An ActiveSync address with its path. Raises `MalformedResponse` for anything but HTTPS."""
    parts = urlsplit(written.strip())
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme.lower() != "https" or not parts.hostname or port == -1 or parts.username is not None:
        raise MalformedResponse("the address that was found is no HTTPS address")
    return written.strip()


def _problem(error: ElementTree.Element) -> str:
    code = _text(error, "ErrorCode") or _text(error, "Status")
    message = _text(error, "Message")
    name = status.describe(NAME, int(code))[0] if code.isascii() and code.isdigit() and len(code) < 6 else "Error"
    return _short(f"{name} ({code or 'no code'}): {message}" if message else f"{name} ({code or 'no code'})")


def _short(text: str) -> str:
    return " ".join(text.split())[:200].rstrip(": ")


def _local(tag: object) -> str:
    return str(tag).rpartition("}")[2]


def _children(node: ElementTree.Element | None, name: str) -> list[ElementTree.Element]:
    """By local name: servers differ in which of the two response namespaces they put an element."""
    return [child for child in node if _local(child.tag) == name] if node is not None else []


def _child(node: ElementTree.Element | None, name: str) -> ElementTree.Element | None:
    return next(iter(_children(node, name)), None)


def _text(node: ElementTree.Element | None, name: str) -> str:
    found = _child(node, name)
    return (found.text or "").strip() if found is not None else ""
