"""Host names as the keys write them: `host`, `host:port`, `host/path`, `[::1]:8080`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+-]*):/")
_PATH = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+)*")


class BadHost(ValueError):
    """Not a host; the text says what to write instead."""


@dataclass(frozen=True, slots=True)
class Host:
    """`host` in lower case and without brackets, `port` if one was given, `path` "" or beginning with a slash."""

    host: str
    port: int | None = None
    path: str = ""

    def __str__(self) -> str:
        return f"{self.authority}{self.path}"

    @property
    def authority(self) -> str:
        """`host[:port]` as a URL or a Host header writes it (RFC 3986 3.2.2: IPv6 in brackets)."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port is None else f"{name}:{self.port}"


def parse_host(text: str, *, path: bool = False) -> Host:
    """Read `host[:port][/path]`; a path only where `path` allows it. Raises `BadHost`.

    A final slash and the final dot of a fully qualified name are dropped. A scheme is refused: whether https is spoken
    is for `email_ssl_required` to say.
    """
    scheme = _SCHEME.match(text)
    if scheme:
        rest = text[scheme.end() :].lstrip("/")
        example = rest if rest and "@" not in rest and rest.isprintable() and len(rest) <= 100 else "mail.example.com"
        if not path:
            example = example.partition("/")[0]
        raise BadHost(f"the host without {scheme[1].lower()}://, for example {example}")
    if "@" in text:
        raise BadHost("the host without a user name or an @")
    if any(char in text for char in "?#\\"):
        raise BadHost("the host without ?, # or backslash")
    authority, slash, rest = text.partition("/")
    trail = (slash + rest).rstrip("/")
    if trail and not path:
        raise BadHost(f"the host without a path, for example {authority or 'mail.example.com'}")
    if not _PATH.fullmatch(trail) or any(part in (".", "..") for part in trail.split("/")):
        raise BadHost("a path of the form /traveler, without blanks or double slashes")
    name, port = _split_port(authority)
    return Host(_name(name), port, trail)


def _split_port(authority: str) -> tuple[str, int | None]:
    if authority.startswith("["):
        name, bracket, rest = authority[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")) or ":" not in name:
            raise BadHost("an IPv6 address in brackets, for example [2001:db8::1]:443")
        return name, _port(rest[1:]) if rest else None
    if authority.count(":") > 1:
        raise BadHost("an IPv6 address in brackets, for example [2001:db8::1]:443")
    name, colon, port = authority.partition(":")
    return name, _port(port) if colon else None


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65_535):
        raise BadHost("a port from 1 to 65535 after the colon")
    return int(text)


def _name(text: str) -> str:
    name = text.lower().removesuffix(".")
    if ":" in name:
        try:
            return str(IPv6Address(name))
        except ValueError:
            raise BadHost("an IPv6 address such as [2001:db8::1]") from None
    if not name.isascii():
        raise BadHost("an international host name in its xn-- form")
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise BadHost("a host name such as mail.example.com, or an IP address")
    if labels[-1].isdigit():
        try:
            return str(ip_address(name))
        except ValueError:
            raise BadHost("an IPv4 address of four numbers from 0 to 255") from None
    return name
