"""Who asks: Basic, NTLM, bearer tokens and client certificates, with a limit of wrong passwords.

scheme        WWW-Authenticate                    bound to
basic         Basic realm="mock"                  a request
ntlm          NTLM, then NTLM <challenge>         a connection, once its proof was taken
bearer        Bearer ...                          a request
certificate   (nothing: it is in the handshake)   a connection
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from ..errors import NotFound, UsageError
from . import ntlm
from .oauth import Authority
from .users import MockUser

if TYPE_CHECKING:
    from .exchange import Exchange
    from .record import Request

SCHEMES: Final = ("basic", "ntlm", "bearer", "certificate")


@dataclass(slots=True)
class Attempts:
    """Wrong passwords, counted by user. From `limit` on the user is locked, with the right password too.

    `count_missing`: a request without credentials counts too (guide, `prompt_email_password`): for the user that its
    query line names, else for the first one.
    """

    limit: int | None = None
    count_missing: bool = False
    failed: dict[str, int] = field(default_factory=dict)
    tried: list[tuple[str, bool]] = field(default_factory=list)
    """Every password that was judged: of whom, and whether it was right."""

    def locked(self, email: str) -> bool:
        return self.limit is not None and self.failed.get(email, 0) >= self.limit

    def judge(self, email: str, right: bool) -> bool:
        """Count an attempt; whether the user is let in."""
        self.tried.append((email, right))
        if self.locked(email):
            return False
        if right:
            self.failed.pop(email, None)
            return True
        self.failed[email] = self.failed.get(email, 0) + 1
        return False

    def unlock(self, email: str) -> None:
        """As an administrator does."""
        self.failed.pop(email, None)


class SignIn:
    """The ways in that are open, and who came by them. `oauth` is the authority for bearer tokens."""

    def __init__(self, exchange: Exchange, schemes: Iterable[str]) -> None:
        self.schemes = tuple(schemes)
        unknown = set(self.schemes) - set(SCHEMES)
        if unknown or not self.schemes:
            raise UsageError(f"ways to sign in are {', '.join(SCHEMES)}, not {', '.join(sorted(unknown)) or 'none'}")
        self.attempts = Attempts()
        self.extended_protection = False
        """Demand the channel binding of NTLM over TLS (RFC 5929)."""
        self.oauth = Authority(exchange, self.attempts)
        self._exchange = exchange

    def who(self, request: Request) -> MockUser | None:
        """Whose request it is; judged once a request, since an attempt counts. `request.challenges` gets the 401's."""
        if not request.judged:
            request.judged = True
            request.challenges = list(self._offered())
            request.known_as = self._judge(request)
        return request.known_as

    def _offered(self) -> Iterable[str]:
        if "ntlm" in self.schemes:
            yield "NTLM"
        if "bearer" in self.schemes:
            yield f'Bearer realm="", authorization_uri="{self.oauth.authorize_url}"'
        if "basic" in self.schemes:
            yield 'Basic realm="mock"'

    def _judge(self, request: Request) -> MockUser | None:
        connection = request.connection
        scheme, _, token = request.header("Authorization").partition(" ")
        scheme = scheme.lower()
        if scheme == "basic" and "basic" in self.schemes:
            return self._basic(token)
        if scheme == "bearer" and "bearer" in self.schemes:
            return self._bearer(request, token.strip())
        if scheme == "ntlm" and "ntlm" in self.schemes:
            return self._ntlm(request, token)
        if scheme:
            return None
        if connection.user is not None:
            return connection.user
        if "certificate" in self.schemes and connection.peer:
            return self._certificate(connection.peer)
        self._missing(request)
        return None

    def _missing(self, request: Request) -> None:
        if self.attempts.count_missing:
            self.attempts.judge((self._find(_named(request)) or self._exchange.users[0]).email, False)

    def _basic(self, token: str) -> MockUser | None:
        try:
            login, _, password = base64.b64decode(token).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        user = self._find(login)
        if user is None:
            return None
        right = secrets.compare_digest(user.password.encode(), password.encode())
        return user if self.attempts.judge(user.email, right) else None

    def _ntlm(self, request: Request, token: str) -> MockUser | None:
        connection = request.connection
        connection.user = None
        handshake, connection.handshake = connection.handshake, None
        try:
            raw = base64.b64decode(token, validate=True)
            if ntlm.message_type(raw) == 1:
                connection.handshake = ntlm.begin(raw, "EXAMPLE", self._exchange.clock())
                answer = base64.b64encode(connection.handshake.challenge).decode("ascii")
                request.challenges = [f"NTLM {answer}"]
                return None
            if handshake is None:
                return None
            proof = ntlm.read(raw)
        except (ntlm.BadMessage, binascii.Error):
            return None
        user = self._find(f"{proof.domain}\\{proof.user}") or self._find(proof.user)
        if user is None:
            return None
        binding = None
        if self.extended_protection and connection.served:
            binding = b"tls-server-end-point:" + hashlib.sha256(connection.served).digest()
        right = ntlm.proves(proof, handshake, user.password, binding=binding)
        if self.attempts.judge(user.email, right):
            connection.user = user
        return connection.user

    def _bearer(self, request: Request, token: str) -> MockUser | None:
        found = self.oauth.judge(token)
        if isinstance(found, str):
            request.challenges = [f'Bearer realm="", authorization_uri="{self.oauth.authorize_url}", {found}']
            return None
        if found.service:
            named = request.header("X-AnchorMailbox") or _named(request)
            return self._find(named) if named or request.method != "OPTIONS" else self._exchange.users[0]
        return self._find(found.email)

    def _certificate(self, der: bytes) -> MockUser | None:
        from .tls import addresses_of

        return next((user for name in addresses_of(der) if (user := self._find(name)) is not None), None)

    def _find(self, login: str) -> MockUser | None:
        try:
            return self._exchange._find_user(login) if login else None
        except NotFound:
            return None


def _named(request: Request) -> str:
    """The user that a plain query line names."""
    return parse_qs(request.target.partition("?")[2]).get("User", [""])[0]
