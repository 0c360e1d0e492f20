"""URLs that other apps hand to this one, read into a typed request.

    form                                             gives
    mailto:a@x?subject=..                            ComposeRequest          RFC 6068
    email+app://compose?to=..&cc=..&bcc=..&..        ComposeRequest          4.x; "&to=" in place of "?to=" too
    email+launcher://BROWSER?url=mailto:..           ComposeRequest          what `mailto_prefix` makes (guide, p. 48)
    email+app://email | calendar | contacts          OpenApp                 what `mailto_prefix` makes (guide, p. 48)

Whoever wrote the URL is not trusted. It can fill in recipients, subject and text of a message that a person then sees
and sends, and nothing else: other header fields and attachments are left out and named in `ignored`. What cannot be a
message (control characters, line breaks outside the body, bytes that are no UTF-8, a length beyond bounds) is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from ..errors import UsageError
from . import addresses

LENGTH: Final = 65_536
"""Characters of a URL; more is refused unread."""
RECIPIENTS: Final = 500
PARAMETERS: Final = 1000
APPS: Final = ("email", "calendar", "contacts")

_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*):")
_BROWSER = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
_BREAK = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class ComposeRequest:
    """A message to be begun. Lines of `body` end in "\\n"; recipients are "address" or "Name <address>"."""

    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    subject: str = ""
    body: str = ""
    ignored: tuple[str, ...] = ()
    """Fields that the URL named and a URL may not set, in lower case."""


@dataclass(frozen=True, slots=True)
class OpenApp:
    """One part of the app to be shown: "email", "calendar" or "contacts"."""

    app: str


def parse(url: str) -> ComposeRequest | OpenApp:
    """Read a URL of the forms above. Raises `UsageError` saying what is wrong with any other."""
    if len(url) > LENGTH:
        raise UsageError(f"a link of more than {LENGTH:,} characters is not read")
    match = _SCHEME.match(url)
    if match is None:
        raise UsageError("the link has no scheme")
    scheme, rest = match[1].lower(), url[match.end() :].strip()
    if scheme == "mailto":
        return _mailto(rest)
    if scheme == "email+app":
        return _app(rest)
    if scheme == "email+launcher":
        return _launcher(rest)
    raise UsageError(f"{scheme[:40]} is no scheme of this app; it reads mailto, email+app and email+launcher")


def _mailto(rest: str) -> ComposeRequest:
    """RFC 6068 section 2. A "+" is a plus sign, not a blank."""
    rest = rest.partition("#")[0]
    path, _, query = rest.removeprefix("//").partition("?")
    parameters = [("to", path)] if path else []
    return _request(parameters + _parameters(query))


def _app(rest: str) -> ComposeRequest | OpenApp:
    if not rest.startswith("//"):
        raise UsageError("an email+app link goes on with //")
    name, mark, query = _split(rest[2:])
    name = name.rstrip("/").lower()
    if name == "compose":
        return _request(_parameters(query))
    if name in APPS and not (mark and query.strip("&?/")):
        return OpenApp(name)
    raise UsageError("email+app opens email, calendar, contacts or compose; calendar and the others take no parameters")


def _split(text: str) -> tuple[str, str, str]:
    """Name, mark and parameters. The 4.x guide writes every parameter with a leading &, the first one too."""
    match = re.search(r"[?&#]", text)
    if match is None:
        return text, "", ""
    return text[: match.start()], match[0], text[match.end() :]


def _launcher(rest: str) -> ComposeRequest:
    """The browser puts its link behind ``url=`` as it stands, so all that follows belongs to it."""
    if not rest.startswith("//"):
        raise UsageError("an email+launcher link goes on with //")
    browser, _, query = rest[2:].partition("?")
    name, equals, inner = query.partition("=")
    if not _BROWSER.fullmatch(browser.rstrip("/")) or name.lower() != "url" or not equals:
        raise UsageError("an email+launcher link has the form email+launcher://mibrowser?url=mailto:...")
    if re.match(r"mailto%3a", inner, re.I):
        inner = _text(inner, "url")  # encoded as a whole
    scheme = _SCHEME.match(inner)
    if scheme is None or scheme[1].lower() != "mailto":
        raise UsageError("an email+launcher link carries a mailto link, nothing else")
    return _mailto(inner[scheme.end() :])


def _parameters(query: str) -> list[tuple[str, str]]:
    """Name, in lower case, and raw value of each; an HTML reader may have left "&amp;" between them."""
    query = query.partition("#")[0]
    parts = [part for part in query.replace("&amp;", "&").lstrip("?").split("&") if part]
    if len(parts) > PARAMETERS:
        raise UsageError(f"a link with more than {PARAMETERS} parameters is not read")
    return [(_text(name, "name").strip().lower(), value) for name, _, value in (part.partition("=") for part in parts)]


def _request(parameters: list[tuple[str, str]]) -> ComposeRequest:
    people: dict[str, list[str]] = {"to": [], "cc": [], "bcc": []}
    subject, bodies = "", []
    ignored: dict[str, None] = {}
    for name, raw in parameters:
        value = _text(raw, name)
        if name == "body":
            if _CONTROL_BUT_LINES.search(value):
                raise UsageError("the body of the link holds control characters")
            bodies.append(_BREAK.sub("\n", value))
            continue
        if name not in people and name != "subject":
            ignored[name[:100] if not _CONTROL.search(name) else "?"] = None
            continue
        if _CONTROL.search(value):
            raise UsageError(f"{name} of the link holds a line break or control characters")
        if name == "subject":
            subject = subject or value.strip()
        else:
            people[name] += _people(value, name)
    if sum(map(len, people.values())) > RECIPIENTS:
        raise UsageError(f"a link with more than {RECIPIENTS} recipients is not read")
    to, cc, bcc = (tuple(dict.fromkeys(people[name])) for name in ("to", "cc", "bcc"))
    return ComposeRequest(to, cc, bcc, subject, "\n".join(bodies), tuple(ignored))


def _people(value: str, field: str) -> list[str]:
    """The recipients of one value. A name that holds a comma is often left unquoted: it is put together again."""
    found: list[str] = []
    pending: list[str] = []
    for entry in addresses.read(value):
        if entry.fault and "@" not in entry.raw and "<" not in entry.raw:
            pending.append(entry.raw)
            continue
        if entry.fault:
            raise UsageError(f"{field} of the link: {entry.raw[:100]!r} {entry.fault}")
        if pending and not entry.name:
            raise UsageError(f"{field} of the link: {pending[0][:100]!r} is no address")
        name = ", ".join([*pending, entry.name]) if entry.name else ""
        found.append(_with_name(name, entry.address))
        pending = []
    if pending:
        raise UsageError(f"{field} of the link: {pending[0][:100]!r} is no address")
    return found


def _with_name(name: str, address: str) -> str:
    if not name:
        return address
    if re.fullmatch(r"[\w !#$%&'*+/=?^`{|}~-]+", name):
        return f"{name} <{address}>"
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}" <{address}>'


def _text(raw: str, what: str) -> str:
    """Percent-decoded once, as UTF-8 (RFC 6068 2, 4)."""
    try:
        return unquote_to_bytes(raw.encode("utf-8", "surrogatepass")).decode()
    except UnicodeDecodeError:
        raise UsageError(f"{what[:40]} of the link is not UTF-8") from None
