"""Autodiscover of the mock (MS-ASCMD 2.2.1.1, MS-OXDSCLI 3.2.5): XML with credentials, JSON without.

It answers on the same port as ActiveSync, whatever host a client called it by; a test that wants several hosts routes
them here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote
from xml.etree import ElementTree

from ..errors import NotFound
from .context import Answer, HttpError
from .record import Request

if TYPE_CHECKING:
    from .exchange import Exchange
    from .users import MockUser

PATH = "/autodiscover/autodiscover.xml"
JSON_PATH = "/autodiscover/autodiscover.json"
REQUEST = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/requestschema/2006"
OUTER = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
INNER = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"


@dataclass(slots=True)
class Autodiscover:
    """What it answers. `url` "" takes it out of service (404).

    `hosts`: host names it answers for, () for any. `json`: whether the JSON form is there. `location`: where a request
    is sent on to (302); `plain_location`: the same for GET over plain HTTP. `moved`: email address -> the address to
    ask for instead.
    """

    url: str = ""
    hosts: tuple[str, ...] = ()
    json: bool = True
    location: str = ""
    plain_location: str = ""
    moved: dict[str, str] = field(default_factory=dict)
    enrolment: str = ""


def is_autodiscover(path: str) -> bool:
    """Whether a request is for this service."""
    return path.lower().startswith((PATH, JSON_PATH))


def handle(exchange: Exchange, request: Request, user: MockUser | None) -> Answer:
    """The answer; `user` is who the credentials belong to, None without good ones."""
    service = exchange.autodiscover
    request.command = "Autodiscover"
    path, _, query = request.target.partition("?")
    host = request.header("Host").partition(":")[0].lower()
    if service.hosts and host not in service.hosts:
        raise HttpError(404, "no such host")
    if request.method == "GET" and path.lower() == PATH:
        if service.plain_location:
            return Answer(302, headers=[("Location", service.plain_location)], content_type="text/plain")
        raise HttpError(405, "only POST")
    if not service.url:
        raise HttpError(404, "no Autodiscover here")
    if path.lower().startswith(JSON_PATH):
        if not service.json:
            raise HttpError(404, "no JSON form here")
        return _json(exchange, path, query)
    if service.location:
        return Answer(302, headers=[("Location", service.location)], content_type="text/plain")
    if user is None:
        return exchange.refused(request)
    return _pox(exchange, request, user)


def _json(exchange: Exchange, path: str, query: str) -> Answer:
    email = unquote(path.rpartition("/")[2])
    wanted = dict(pair.partition("=")[::2] for pair in query.lower().split("&"))
    if wanted.get("protocol") != "activesync":
        return _document(400, {"ErrorCode": "ProtocolNotSupported", "ErrorMessage": "The protocol is not supported."})
    try:
        exchange.user(email)
    except NotFound:
        return _document(404, {"ErrorCode": "UserNotFound", "ErrorMessage": f"The user {email} is not found."})
    return _document(200, {"Protocol": "ActiveSync", "Url": exchange.autodiscover.url})


def _document(status: int, content: dict[str, str]) -> Answer:
    return Answer(status, body=json.dumps(content).encode(), content_type="application/json")


def _pox(exchange: Exchange, request: Request, user: MockUser) -> Answer:
    """MS-ASCMD 2.2.3.153.1; a request that is none gets ErrorCode 600 (MS-ASCMD_R3799), an unknown schema 601."""
    if request.header("Content-Type").partition(";")[0].strip().lower() != "text/xml":
        request.problems.append("Content-Type of Autodiscover is text/xml (MS-ASCMD_R42)")
    try:
        root = ElementTree.fromstring(request.body)
    except ElementTree.ParseError:
        return _framework_error("600", "Invalid Request")
    requests = root.findall(f"{{{REQUEST}}}Request")
    if root.tag != f"{{{REQUEST}}}Autodiscover" or len(requests) != 1:
        return _framework_error("600", "Invalid Request")
    email = (requests[0].findtext(f"{{{REQUEST}}}EMailAddress") or "").strip()
    if (requests[0].findtext(f"{{{REQUEST}}}AcceptableResponseSchema") or "").strip() != INNER:
        return _framework_error("601", "Provider is not available")
    moved = exchange.autodiscover.moved.get(email.lower())
    if moved is None and not user.answers_to(email):
        return _response(user, _error("2", "The address is not that of the user."))
    return _response(user, _text("Redirect", moved) if moved else _settings(exchange.autodiscover))


def _settings(service: Autodiscover) -> ElementTree.Element:
    settings = ElementTree.Element(f"{{{INNER}}}Settings")
    rows = [("MobileSync", service.url, service.url)]
    if service.enrolment:
        rows.append(("CertEnroll", service.enrolment, ""))
    for kind, url, name in rows:
        server = ElementTree.SubElement(settings, f"{{{INNER}}}Server")
        server.append(_text("Type", kind))
        server.append(_text("Url", url))
        server.append(_text("Name", name))
    return settings


def _error(status: str, message: str) -> ElementTree.Element:
    error = ElementTree.Element(f"{{{INNER}}}Error")
    error.append(_text("Status", status))
    error.append(_text("Message", message))
    return error


def _text(name: str, value: str) -> ElementTree.Element:
    element = ElementTree.Element(f"{{{INNER}}}{name}")
    element.text = value
    return element


def _response(user: MockUser, inside: ElementTree.Element) -> Answer:
    root = ElementTree.Element(f"{{{OUTER}}}Autodiscover")
    response = ElementTree.SubElement(root, f"{{{INNER}}}Response")
    response.append(_text("Culture", "en:us"))
    who = ElementTree.SubElement(response, f"{{{INNER}}}User")
    who.append(_text("DisplayName", user.name or user.username))
    who.append(_text("EMailAddress", user.email))
    ElementTree.SubElement(response, f"{{{INNER}}}Action").append(inside)
    return _xml(root)


def _framework_error(code: str, message: str) -> Answer:
    root = ElementTree.Element(f"{{{OUTER}}}Autodiscover")
    response = ElementTree.SubElement(root, f"{{{OUTER}}}Response")
    error = ElementTree.SubElement(response, f"{{{OUTER}}}Error", {"Time": "12:00:00.0000000", "Id": "1"})
    for name, value in (("ErrorCode", code), ("Message", message), ("DebugData", "")):
        ElementTree.SubElement(error, f"{{{OUTER}}}{name}").text = value
    return _xml(root)


def _xml(root: ElementTree.Element) -> Answer:
    body = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return Answer(200, body=body, content_type="text/xml; charset=utf-8")
