"""Requests and answers of the ActiveSync HTTP protocol (MS-ASHTTP), as plain functions."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from urllib.parse import quote, urlsplit

from ..errors import (
    AuthenticationFailed,
    DeviceBlocked,
    EmailplusError,
    EndpointNotFound,
    HttpStatusError,
    MailboxFull,
    MalformedResponse,
    ServerBusy,
)
from ..flow import HttpRequest, HttpResponse
from .versions import Version

PATH = "/Microsoft-Server-ActiveSync"
TRAVELER_PATH = "/traveler" + PATH
CONTENT_TYPE = "application/vnd.ms-sync.wbxml"
MULTIPART_TYPE = "application/vnd.ms-sync.multipart"
MESSAGE_TYPE = "message/rfc822"
"""Body of SendMail, SmartReply and SmartForward up to 12.1 (MS-ASCMD_R7537)."""

COMMAND_CODES: dict[str, int] = {
    "Sync": 0,
    "SendMail": 1,
    "SmartForward": 2,
    "SmartReply": 3,
    "GetAttachment": 4,
    "FolderSync": 9,
    "FolderCreate": 10,
    "FolderDelete": 11,
    "FolderUpdate": 12,
    "MoveItems": 13,
    "GetItemEstimate": 14,
    "MeetingResponse": 15,
    "Search": 16,
    "Settings": 17,
    "Ping": 18,
    "ItemOperations": 19,
    "Provision": 20,
    "ResolveRecipients": 21,
    "ValidateCert": 22,
    "Find": 23,
}
"""Command codes of base64 query lines (MS-ASHTTP 2.2.1.1.1.1.2)."""

PARAMETER_TAGS: dict[str, int] = {
    "AttachmentName": 0,
    "CollectionId": 1,
    "ItemId": 3,
    "LongId": 4,
    "Occurrence": 6,
    "Options": 7,
    "User": 8,
}
"""Tags of command parameters in base64 query lines (MS-ASHTTP 2.2.1.1.1.1.3)."""

ACCEPT_MULTIPART = 0x02
"""Options bit that asks for a multipart answer in a base64 query."""
SAVE_IN_SENT = 0x01
"""Options bit of SaveInSent in a base64 query (MS-ASHTTP 2.2.1.1.1.1.3)."""

ENGLISH_US = 0x0409


@dataclass(slots=True)
class Identity:
    """Who speaks: constant for the life of a device partnership (MS-ASHTTP 2.2.1.1.1)."""

    user: str
    device_id: str
    device_type: str
    user_agent: str
    query_form: str = "plain"
    """"plain" or "base64"; servers take a change of form for another device."""
    locale: int = ENGLISH_US


@dataclass(slots=True)
class Command:
    """One command ready to be sent."""

    name: str
    body: bytes = b""
    parameters: Mapping[str, str] = field(default_factory=dict)
    multipart: bool = False
    wait: float = 0.0
    content_type: str = CONTENT_TYPE
    save_in_sent: bool = False
    """SaveInSent of SendMail and its like up to 12.1 (MS-ASHTTP 2.2.1.1.1.2.5)."""


def endpoint_url(host: str, *, tls: bool, traveler: bool = False) -> str:
    """The URL of the ActiveSync endpoint for `email_exchange_host`, which may carry a port and a path.

    A path other than the standard one (Traveler: ``/traveler``, ``/servlet/traveler``) is followed by the standard
    one, unless it already ends with it; `email_enable_lotus` without a path means ``/traveler``.
    """
    name, _, path = host.strip().partition("/")
    path = "/" + path.strip("/") if path.strip("/") else ""
    if not path and traveler:
        path = "/traveler"
    if not path.lower().endswith(PATH.lower()):
        path += PATH
    return f"{'https' if tls else 'http'}://{name}{path}"


def request(
    url: str, identity: Identity, version: Version, command: Command, policy_key: str | None, cookies: str = ""
) -> HttpRequest:
    """The POST of a command (MS-ASHTTP 2.2.1.1). `policy_key` None: the header is left out."""
    headers = {"User-Agent": identity.user_agent, "Accept-Language": "en-us"}
    if command.body:
        headers["Content-Type"] = command.content_type
    if cookies:
        headers["Cookie"] = cookies
    if identity.query_form == "base64" and version.base64_query and command.name in COMMAND_CODES:
        query = base64_query(identity, version, command, policy_key)
    else:
        query = plain_query(identity, command)
        headers["MS-ASProtocolVersion"] = version.name
        if policy_key is not None:
            headers["X-MS-PolicyKey"] = policy_key
        if command.multipart:
            headers["MS-ASAcceptMultiPart"] = "T"
    return HttpRequest("POST", f"{url}?{query}", headers, command.body, command.wait)


def options_request(url: str, identity: Identity) -> HttpRequest:
    """OPTIONS, which asks for versions and commands (MS-ASHTTP 2.2.3)."""
    return HttpRequest("OPTIONS", url, {"User-Agent": identity.user_agent})


def plain_query(identity: Identity, command: Command) -> str:
    """A plain-text query line (MS-ASHTTP 2.2.1.1.1.2)."""
    pairs = {
        "Cmd": command.name,
        "User": identity.user,
        "DeviceId": identity.device_id,
        "DeviceType": identity.device_type,
        **command.parameters,
    }
    if command.save_in_sent:
        pairs["SaveInSent"] = "T"
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs.items())


def base64_query(identity: Identity, version: Version, command: Command, policy_key: str | None) -> str:
    """A base64 query line (MS-ASHTTP 2.2.1.1.1.1)."""
    fields = bytearray([version.code, COMMAND_CODES[command.name]])
    fields += identity.locale.to_bytes(2, "little")
    fields += _counted(identity.device_id.encode("ascii"))
    key = int(policy_key) if policy_key and policy_key.isdigit() else None
    fields += _counted(key.to_bytes(4, "little") if key is not None and key < 1 << 32 else b"")
    fields += _counted(identity.device_type.encode("ascii"))
    for name, value in command.parameters.items():
        fields += bytes([PARAMETER_TAGS[name]]) + _counted(value.encode())
    bits = (ACCEPT_MULTIPART if command.multipart else 0) | (SAVE_IN_SENT if command.save_in_sent else 0)
    if bits:
        fields += bytes([PARAMETER_TAGS["Options"], 1, bits])
    fields += bytes([PARAMETER_TAGS["User"]]) + _counted(identity.user.encode())
    return base64.b64encode(fields).decode("ascii")


def _counted(value: bytes) -> bytes:
    if len(value) > 255:
        raise MalformedResponse("a name that the server gave does not fit a base64 query (255 bytes)")
    return bytes([len(value)]) + value


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that Retry-After asks for (RFC 9110 section 10.2.3: seconds or a date), None where absent.

    A date counts from the answer's Date, else from `now` (Unix time; 0: not known, then a date says nothing).
    """
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    if value.isdigit():
        return float(min(int(value), 86_400))
    try:
        if headers.get("date"):  # the server's own clock, which its date was made with
            now = parsedate_to_datetime(headers["date"]).timestamp()
        wanted = parsedate_to_datetime(value).timestamp() - now
        return max(0.0, min(wanted, 86_400.0)) if now else None
    except (ValueError, TypeError, OverflowError):
        return None


def redirect_target(response: HttpResponse, current: str) -> str | None:
    """The URL that a 451 names in X-MS-Location (MS-ASHTTP 3.1.5.2.2), None where it is absent or unusable.

    A redirect never leads from https to http: the password would follow in the clear.
    """
    location = response.headers.get("x-ms-location", "").strip()
    parts = urlsplit(location)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return None
    if urlsplit(current).scheme == "https" and parts.scheme != "https":
        return None
    path = parts.path if parts.path.strip("/") else PATH
    return f"{parts.scheme}://{parts.netloc}{path}"


def status_error(response: HttpResponse, now: float) -> EmailplusError:
    """The error for an HTTP status that is neither 200 nor one that a dialogue answers itself (449, 451)."""
    status = response.status
    if status == 401:
        return AuthenticationFailed("the server refused user name or password (HTTP 401); they were not sent again")
    if status in (456, 457):  # MS-ASHTTP 2.2.2.1.1: account blocked, password expired
        what = "the account is blocked" if status == 456 else "the password has expired"
        where = _service_url(response.headers)
        return AuthenticationFailed(f"{what} (HTTP {status}){f'; see {where}' if where else ''}")
    if status == 403:
        return DeviceBlocked(
            "the server refuses this user or device (HTTP 403): an administrator must allow ActiveSync for it"
        )
    if status == 404:
        return EndpointNotFound("no ActiveSync at this address (HTTP 404): check email_exchange_host", 404)
    if status == 507:
        return MailboxFull("the mailbox is full (HTTP 507): delete mail on the server or ask for a larger quota")
    if status in (500, 502, 503, 504):
        wait = retry_after(response.headers, now)
        when = f" for {wait:.0f} s" if wait else ""
        return ServerBusy(f"the server is not able to answer{when} (HTTP {status})", wait)
    if status in (400, 501, 505):
        return HttpStatusError(f"the server does not accept the request (HTTP {status})", status)
    return HttpStatusError(f"unexpected HTTP status {status}", status)


def advice(headers: Mapping[str, str]) -> list[str]:
    """What the server's headers tell the user: a password about to expire, throttling (MS-ASHTTP 2.2.2.1.2)."""
    texts = []
    days = headers.get("x-ms-credentials-expire", "").strip()
    if days:
        where = _service_url(headers)
        texts.append(f"the password expires in {days[:20]} days{f'; change it at {where}' if where else ''}")
    reason = headers.get("x-ms-asthrottle", "").strip()
    if reason:
        texts.append(f"the server throttles this device ({reason[:80]}); synchronise less often")
    return texts


def _service_url(headers: Mapping[str, str]) -> str:
    """X-MS-Credential-Service-Url, if it is a web address."""
    address = headers.get("x-ms-credential-service-url", "").strip()
    return address[:300] if urlsplit(address).scheme in ("http", "https") else ""


def merge_cookies(jar: dict[str, str], set_cookie: Iterable[str]) -> None:
    """Take the name-value pairs of Set-Cookie lines into `jar` (MS-ASHTTP 2.2.1.1.2: cookies are returned)."""
    for line in set_cookie:
        name, equals, value = line.partition(";")[0].partition("=")
        if equals and name.strip():
            jar[name.strip()] = value.strip()
