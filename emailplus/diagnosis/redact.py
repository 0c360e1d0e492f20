"""What may be said: texts without secrets, people, mail content or places on the disk.

Messages of errors and warnings are made of constant text and of what came from the server or the user. Only the second
kind can give something away; it stands in quotes, is an address, a path, or looks like a token. Those are replaced,
and so are the secrets and names of the account, wherever and in whatever encoding they turn up.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, quote, urlsplit

from ..config import AppConfig
from ..config.secret import Secret
from ..eas.http import COMMAND_CODES
from ..errors import (
    AuthenticationFailed,
    ClassificationRefused,
    EmailplusError,
    PolicyError,
    ServerError,
    StoreError,
)
from ..flow import HttpRequest

HIDDEN = "(hidden)"
TEXT_LENGTH = 300
"""Characters of one text that are kept."""

_NAMED_SECRET = re.compile(
    r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie|password|passwd|passphrase|pwd|token|secret|api[-_]?key)\b"
    r"(\s*[:=]\s*)(?:(?:basic|bearer|negotiate|ntlm)\s+)?[^\s,;&]+"
)
_SCHEME_SECRET = re.compile(r"(?i)\b(basic|bearer|negotiate|ntlm)\s+[A-Za-z0-9+/=._~-]{8,}")
_URL = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]*)://[^\s'\"<>]+")
_QUOTED = re.compile(r"(?<!\w)(?:'(?:[^'\\]|\\.)*(?:'(?!\w)|$)|\"(?:[^\"\\]|\\.)*(?:\"|$)|“[^”]*(?:”|$))", re.S)
_ADDRESS = re.compile(r"[^\s@<>\"'(),;:/]+@(\w[\w.-]*)")
_PATH = re.compile(r"(?<![\w/.])(?:~|[A-Za-z]:)?[/\\][^\s:,;'\"]+[/\\][^\s:,;'\"]*|(?<![\w/.])/[\w.-]{2,}")
_TOKEN = re.compile(r"\b[A-Za-z0-9+/_-]{24,}={0,2}(?![A-Za-z0-9+/_-])")
_COMMANDS = {code: name for name, code in COMMAND_CODES.items()}
_SPOKEN = (ServerError, StoreError, AuthenticationFailed, PolicyError)


@dataclass(slots=True)
class Redactor:
    """Takes out of texts what must not be in them.

    `secrets` are hidden in every encoding in which they travel, `names` (of the user, of the device) as whole words.
    """

    secrets: Iterable[str] = ()
    names: Iterable[str] = ()
    _known: re.Pattern[str] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        names = [name for name in dict.fromkeys(self.names) if name]
        forms: dict[str, None] = {}
        for secret in filter(None, self.secrets):
            forms |= dict.fromkeys(_encodings(secret))
            forms |= dict.fromkeys(_base64(f"{name}:{secret}") for name in names)
        patterns = [re.escape(form) if len(form) > 3 else _word(form) for form in sorted(forms, key=len, reverse=True)]
        spellings = {form: None for name in names for form in (name, quote(name, safe=""))}
        patterns += [_word(name) for name in sorted(spellings, key=len, reverse=True) if len(name) > 1]
        if patterns:
            self._known = re.compile("|".join(patterns), re.I)

    def text(self, text: str) -> str:
        """`text` on one line, cut to `TEXT_LENGTH`, with nothing in it that must stay here."""
        text = text[: 8 * TEXT_LENGTH]
        text = self.without_secrets(text)
        text = _NAMED_SECRET.sub(rf"\1\2{HIDDEN}", text)
        text = _SCHEME_SECRET.sub(rf"\1 {HIDDEN}", text)
        text = _QUOTED.sub(_size, text)
        text = _URL.sub(_host_only, text)
        text = _ADDRESS.sub(r"…@\1", text)
        text = _PATH.sub("(path)", text)
        text = _TOKEN.sub(HIDDEN, text)
        text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
        return text if len(text) <= TEXT_LENGTH else f"{text[:TEXT_LENGTH]}…"

    def without_secrets(self, text: str) -> str:
        """`text` as it is, but for the secrets and names that are known."""
        return text if self._known is None else self._known.sub(HIDDEN, text)

    def problem(self, problem: BaseException) -> str:
        """What an exception says, where it is one of ours that speaks of server, store or policy; else nothing.

        Anything else (a fault in a program, a query that somebody typed) may hold the very value it stumbled over.
        """
        spoken = isinstance(problem, _SPOKEN) and not isinstance(problem, ClassificationRefused)
        return self.text(str(problem)) if spoken else ""


def redactor(config: AppConfig, secrets: Iterable[str]) -> Redactor:
    """The redactor of an account: its secrets, and the names of its user and device."""
    user, address = config.email_exchange_username, config.email_address
    names = [user, user.rpartition("\\")[2], user.partition("@")[0], address, address.partition("@")[0]]
    return Redactor(list(secrets), [*names, config.email_device_id])


def secrets_of(config: AppConfig) -> list[str]:
    """Every password and token of a configuration."""
    found = [getattr(config, name) for name in config.__slots__]
    found += [entry.password for entry in config.email_escrow_certificates]
    return [value.reveal() for value in found if isinstance(value, Secret) and value]


def command_of(request: HttpRequest) -> str:
    """The command of a request, from either form of query line; else the method."""
    query = urlsplit(request.url).query
    named = parse_qs(query).get("Cmd", [""])[0]
    if named in COMMAND_CODES:
        return named
    try:
        code = base64.b64decode(query, validate=True)[1]
    except (ValueError, IndexError):
        return request.method
    return _COMMANDS.get(code, request.method)


def type_name(problem: BaseException) -> str:
    """The name of an exception's class, for our own as it is written in `except`."""
    kind = type(problem)
    return kind.__name__ if isinstance(problem, EmailplusError) else f"{kind.__module__}.{kind.__qualname__}"


def _encodings(secret: str) -> list[str]:
    written = json.dumps(secret)[1:-1]
    return [secret, quote(secret, safe=""), quote(secret), written, repr(secret)[1:-1], _base64(secret)]


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def _word(text: str) -> str:
    return rf"(?<!\w){re.escape(text)}(?!\w)"


def _size(found: re.Match[str]) -> str:
    return f"({max(0, len(found[0]) - 2)} characters)"


def _host_only(found: re.Match[str]) -> str:
    try:
        parts = urlsplit(found[0])
        port = f":{parts.port}" if parts.port else ""
        return f"{found[1]}://{parts.hostname or ''}{port}/…"
    except ValueError:
        return f"{found[1]}://{HIDDEN}"
