"""The configuration of the proxy: one TOML file, all its problems at once. Secrets stand in files it names, not in it.

    public_url = "https://push.example.com/PROD"   what clients and Exchange call; its host is the only one served
    listen = "127.0.0.1:8443"                      address and port
    store = "notify.db"                            the encrypted ledger

    [tls]                                          without it: plain HTTP, for a listener behind a TLS front end
    certificate = "proxy.pem"
    key = "proxy-key.pem"

    [exchange]                                     without it: no look-up, so no details and no VIPs
    ews_url = "https://mail.example.com/EWS/Exchange.asmx"
    username = "EXAMPLE\\\\notify"                   the service account, with the role ApplicationImpersonation
    password_file = "service-password.txt"         else EMAILPLUS_SERVICE_PASSWORD
    auth = "basic"                                 or "ntlm" (Negotiate or NTLM; the extra `ntlm`)
    ca_file = "ca.pem"

    [[organizations]]
    id = "..."                                     notification_server_organization_id
    token_sha256 = "..."                           of notification_server_authorization
    domains = ["example.com"]                      whose mailboxes it may register

    [apns]
    host = "api.push.apple.com"                    team_id, key_id, key_file (PEM, ES256), topic, ca_file

    [[webhooks]]
    name = "desk"                                  url, secret_file, ca_file

    [limits]                                       see `Limits`

Paths are relative to the file.
"""

from __future__ import annotations

import base64
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from ...config.hosts import BadHost, parse_host
from ...config.secret import Secret
from ...errors import ConfigurationError

PASSWORD_VARIABLE: Final = "EMAILPLUS_SERVICE_PASSWORD"
AUTH: Final = ("basic", "ntlm")
_NAME: Final = re.compile(r"[a-z0-9-]{1,40}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_MAX_SECRET_FILE: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds. Each is a whole number greater than 0."""

    request_bytes: int = 256 * 1024
    """Of one request, before anything is parsed."""
    registrations: int = 50_000
    devices_per_mailbox: int = 20
    vips: int = 2_000
    """Addresses of one registration."""
    pending_per_device: int = 5_000
    """Notifications waiting for one device; beyond, Exchange is asked to come again."""
    pending: int = 1_000_000
    """Notifications waiting in all."""
    per_minute: int = 60
    """Notifications told to one device; what comes faster waits."""
    lookups: int = 8
    """Requests to Exchange at once."""
    deliveries: int = 64
    """Requests to a gateway at once."""
    details_wait: int = 30
    """Seconds after which a notification goes out without details that cannot be had."""
    max_age: int = 24 * 3600
    """Seconds after which a notification that cannot be delivered is given up."""
    remember: int = 7 * 24 * 3600
    """Seconds for which a notification is known again. Older events are not news."""
    timeout: int = 20
    """Seconds that Exchange or a gateway may take."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """Where and as whom messages are looked up."""

    ews_url: str
    username: str
    password: Secret
    ca: str | None = None
    auth: str = "basic"
    """One of `AUTH`. NTLM authenticates a connection: then there is one, and look-ups take turns."""


@dataclass(frozen=True, slots=True)
class Organization:
    """Who may register devices."""

    id: str
    token_sha256: str
    domains: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Apns:
    """Token-based connection to the Apple Push Notification service."""

    host: str
    team_id: str
    key_id: str
    key: Secret
    topic: str
    ca: str | None = None


@dataclass(frozen=True, slots=True)
class Webhook:
    """A receiver of notifications; `secret` as Standard Webhooks has it (base64, with or without ``whsec_``)."""

    name: str
    url: str
    secret: Secret
    ca: str | None = None

    @property
    def key(self) -> bytes:
        return base64.b64decode(self.secret.reveal().removeprefix("whsec_"), validate=True)


@dataclass(frozen=True, slots=True)
class Options:
    """The whole file, checked."""

    public_url: str
    host: str
    """The authority of `public_url`."""
    path: str
    """The path of `public_url`: "" or beginning with a slash."""
    listen: tuple[str, int]
    store: Path
    tls: tuple[Path, Path] | None
    exchange: Exchange | None
    organizations: tuple[Organization, ...]
    apns: Apns | None
    webhooks: tuple[Webhook, ...]
    limits: Limits = field(default_factory=Limits)

    def gateways(self) -> tuple[str, ...]:
        """Names that a registration may ask for."""
        apns = ("apns",) if self.apns is not None else ()
        return apns + tuple(f"webhook:{hook.name}" for hook in self.webhooks)


def load(path: Path, environment: Mapping[str, str] = os.environ) -> Options:
    """Read the file. Raises `ConfigurationError` with every problem in `problems`."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise ConfigurationError(f"{path.name} cannot be read: {problem.strerror}") from problem
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise ConfigurationError(f"{path.name} is not TOML: {problem}") from problem
    reader = _Reader(path.parent, environment)
    options = reader.options(document)
    if options is None or reader.problems:
        raise ConfigurationError(f"{path.name} has {len(reader.problems)} problems", reader.problems)
    return options


class _Reader:
    """Collects what is wrong while it reads."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.problems: list[str] = []

    def options(self, document: dict[str, Any]) -> Options | None:
        known = {"public_url", "listen", "store", "tls", "exchange", "organizations", "apns", "webhooks", "limits"}
        self._unknown("", document, known)
        public = self._url("public_url", document.get("public_url"))
        listen = self._listen(document.get("listen", "127.0.0.1:8443"))
        tls = self._tls(self._table(document, "tls"))
        exchange = self._exchange(self._table(document, "exchange"))
        organizations = tuple(filter(None, map(self._organization, self._tables(document, "organizations"))))
        apns = self._apns(self._table(document, "apns"))
        webhooks = tuple(filter(None, map(self._webhook, self._tables(document, "webhooks"))))
        limits = self._limits(self._table(document, "limits") or {})
        store = self.folder / self._text("store", document, "notify.db")
        if not organizations and not self.problems:
            self.problems.append("organizations: at least one, or nobody can register")
        if apns is None and not webhooks and not self.problems:
            self.problems.append("apns or webhooks: one gateway at least, or nothing can be delivered")
        for name, values in (
            ("organizations", [o.id for o in organizations]),
            ("webhooks", [w.name for w in webhooks]),
        ):
            if len(set(values)) != len(values):
                self.problems.append(f"{name}: each only once")
        if self.problems or public is None or listen is None:
            return None
        url = urlsplit(public)
        return Options(
            public, url.netloc.lower(), url.path.rstrip("/"), listen, store, tls, exchange, organizations, apns,
            webhooks, limits,
        )  # fmt: skip

    # -- parts

    def _tls(self, table: dict[str, Any] | None) -> tuple[Path, Path] | None:
        if table is None:
            return None
        self._unknown("tls.", table, {"certificate", "key"})
        pair = [self.folder / self._text(f"tls.{name}", table) for name in ("certificate", "key")]
        for name, path in zip(("certificate", "key"), pair, strict=True):
            if not path.is_file():
                self.problems.append(f"tls.{name}: there is no such file")
        return pair[0], pair[1]

    def _exchange(self, table: dict[str, Any] | None) -> Exchange | None:
        if table is None:
            return None
        self._unknown("exchange.", table, {"ews_url", "username", "password_file", "ca_file", "auth"})
        auth = self._text("exchange.auth", table, "basic")
        if auth not in AUTH:
            self.problems.append(f"exchange.auth: {' or '.join(AUTH)}")
        url = self._url("exchange.ews_url", table.get("ews_url"))
        username = self._text("exchange.username", table)
        if auth == "basic" and ":" in username:
            self.problems.append("exchange.username: without a colon (RFC 7617 section 2)")
        if "password_file" in table:
            password = self._secret("exchange.password_file", table)
        else:
            password = Secret(self.environment.get(PASSWORD_VARIABLE, ""))
            if not password.reveal():
                self.problems.append(f"exchange: password_file, or {PASSWORD_VARIABLE} in the environment")
        return Exchange(url or "", username, password, self._ca("exchange", table), auth)

    def _organization(self, table: dict[str, Any]) -> Organization:
        self._unknown("organizations.", table, {"id", "token_sha256", "domains"})
        digest = self._text("organizations.token_sha256", table).lower()
        if digest and not _SHA256.fullmatch(digest):
            self.problems.append("organizations.token_sha256: 64 hexadecimal digits; `notify organization` prints them")
        domains = table.get("domains")
        if not isinstance(domains, list) or not domains or not all(isinstance(name, str) for name in domains):
            self.problems.append("organizations.domains: a list of mail domains")
            domains = []
        return Organization(self._text("organizations.id", table), digest, tuple(name.lower() for name in domains))

    def _apns(self, table: dict[str, Any] | None) -> Apns | None:
        if table is None:
            return None
        self._unknown("apns.", table, {"host", "team_id", "key_id", "key_file", "topic", "ca_file"})
        host = self._text("apns.host", table, "api.push.apple.com")
        try:
            host = parse_host(host).authority
        except BadHost as problem:
            self.problems.append(f"apns.host: {problem}")
        team, key_id, topic = (self._text(f"apns.{name}", table) for name in ("team_id", "key_id", "topic"))
        return Apns(host, team, key_id, self._secret("apns.key_file", table), topic, self._ca("apns", table))

    def _webhook(self, table: dict[str, Any]) -> Webhook:
        self._unknown("webhooks.", table, {"name", "url", "secret_file", "ca_file"})
        name = self._text("webhooks.name", table)
        if name and not _NAME.fullmatch(name):
            self.problems.append("webhooks.name: letters a to z, digits and hyphens")
        url = self._url("webhooks.url", table.get("url")) or ""
        hook = Webhook(name, url, self._secret("webhooks.secret_file", table), self._ca("webhooks", table))
        try:
            short = len(hook.key) < 24
        except ValueError:
            short = True
        if short and hook.secret.reveal():
            self.problems.append("webhooks.secret_file: at least 24 random bytes in base64 (`openssl rand -base64 32`)")
        return hook

    def _limits(self, table: dict[str, Any]) -> Limits:
        self._unknown("limits.", table, {entry.name for entry in fields(Limits)})
        taken = {}
        for name, value in table.items():
            if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**40:
                taken[name] = value
            else:
                self.problems.append(f"limits.{name}: a whole number greater than 0")
        return Limits(**{entry.name: taken[entry.name] for entry in fields(Limits) if entry.name in taken})

    # -- values

    def _unknown(self, prefix: str, table: dict[str, Any], known: set[str]) -> None:
        self.problems += [f"{prefix}{name}: no such option" for name in table if name not in known]

    def _table(self, document: dict[str, Any], name: str) -> dict[str, Any] | None:
        table = document.get(name)
        if table is not None and not isinstance(table, dict):
            self.problems.append(f"{name}: a table, written [{name}]")
            return None
        return table

    def _tables(self, document: dict[str, Any], name: str) -> list[dict[str, Any]]:
        tables = document.get(name, [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            self.problems.append(f"{name}: tables, each written [[{name}]]")
            return []
        return tables

    def _text(self, name: str, table: dict[str, Any], default: str | None = None) -> str:
        value = table.get(name.rpartition(".")[2], default)
        if isinstance(value, str) and value.strip():
            return value.strip()
        self.problems.append(f"{name}: " + ("required" if value is None else "text"))
        return ""

    def _url(self, name: str, value: object) -> str | None:
        try:
            url = urlsplit(value if isinstance(value, str) else "")
            good = url.scheme in ("https", "http") and url.hostname and not (url.username or url.query or url.fragment)
            _ = url.port
        except ValueError:
            good = False
        if not good:
            self.problems.append(f"{name}: an address such as https://push.example.com, and no more")
            return None
        return str(value).strip().rstrip("/")

    def _listen(self, value: object) -> tuple[str, int] | None:
        host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
        if not host or not port.isdigit() or int(port) > 65535:
            self.problems.append("listen: address:port, for example 127.0.0.1:8443")
            return None
        return host.strip("[]"), int(port)

    def _file(self, name: str, table: dict[str, Any]) -> str:
        path = self._text(name, table)
        if not path:
            return ""
        try:
            with open(self.folder / path, encoding="utf-8") as file:
                text = file.read(_MAX_SECRET_FILE).strip()
        except (OSError, UnicodeDecodeError):
            self.problems.append(f"{name}: the file cannot be read")
            return ""
        if not text:
            self.problems.append(f"{name}: the file is empty")
        return text

    def _secret(self, name: str, table: dict[str, Any]) -> Secret:
        return Secret(self._file(name, table))

    def _ca(self, room: str, table: dict[str, Any]) -> str | None:
        return self._file(f"{room}.ca_file", table) if "ca_file" in table else None
