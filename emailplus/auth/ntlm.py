"""NTLM and Negotiate (MS-NTHT, RFC 4559): proofs of the password, bound to one connection.

A connection is authenticated, not a request: the driver keeps one, and what follows on it carries no credentials. The
first leg is an OPTIONS without a body, so no command travels before the server has given its challenge; the second
leg carries the command itself, which is carried out once, since the first cannot be.

With the extra ``kerberos`` the server is asked first, without credentials, what it offers; where that is Negotiate, a
ticket is shown, bound to the certificate of that answer. Where there is no ticket, or it is not taken, NTLM remains.
"""

from __future__ import annotations

import base64
import binascii
import importlib.util
import re
from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from ..errors import AuthenticationFailed, ExtraMissing
from ..flow import HttpRequest, HttpResponse
from .certificate import server_end_point
from .kerberos import RefusedByKdc, Ticket, Unusable, describe, kerberos_available, sign_in

MAX_LEGS = 4
"""After the first. NTLM takes one, NTLM inside SPNEGO at most two."""
MAX_BEGINNINGS = 4
"""The other scheme, the server's certificate, and once more for a certificate that was renewed."""
_CHALLENGE = re.compile(r"(?:^|[,\n])\s*([A-Za-z][A-Za-z0-9-]*)(?:[ \t]+([A-Za-z0-9+/]+=*))?\s*(?=$|[,\n])")
"""A scheme alone, or with a token (RFC 9110 11.3); those with parameters are of no interest here."""
_SCHEME = re.compile(r"(?:^|[,\n])\s*([A-Za-z][A-Za-z0-9-]{0,20})(?=\s*(?:$|[,\n])|[ \t])")


class NtlmAuth:
    """`username` may be ``user``, ``user@domain`` or ``DOMAIN\\user``. Raises `ExtraMissing` without pyspnego."""

    def __init__(self, username: str, password: str, *, kerberos: bool | None = None) -> None:
        if importlib.util.find_spec("spnego") is None:
            raise ExtraMissing("NTLM", "ntlm")
        self._username, self._password = username, password
        self._kerberos = kerberos_available() if kerberos is None else kerberos
        self._ticket: Ticket | None = None
        self._refused: RefusedByKdc | None = None
        self._without = ""
        """Why there is no Kerberos, for people."""
        self._scheme = "NTLM"
        self._switched = False
        self._certificate = b""
        self._host = ""
        """The connection to this host is authenticated, as far as is known here."""

    def __repr__(self) -> str:
        return "NtlmAuth(...)"

    @property
    def may_block(self) -> bool:
        """Whether a KDC may be asked, which takes its time."""
        return self._kerberos

    def authorize(self, request: HttpRequest) -> Generator[HttpRequest, HttpResponse, None]:
        host = urlsplit(request.url).netloc
        if self._host != host:
            self._certificate = b""
        else:
            response = yield request
            if response.status != 401:
                return
            self._host = ""  # the server had closed the connection; it carried nothing out
        response = yield from self._dialogue(request)
        if response.status != 401:
            self._host = host

    def _dialogue(self, request: HttpRequest) -> Generator[HttpRequest, HttpResponse, HttpResponse]:
        """Authenticate the connection; the leg that completes it is the request. The answer to that."""
        if self._kerberos:
            answered = yield from self._kerberos_first(request)
            if answered is not None:
                return answered
        for _ in range(MAX_BEGINNINGS):
            context = self._context(request.url)
            token = self._step(context, None)
            response = yield from self._begin(request, token)
            if response.status != 401:
                return response  # the server has other troubles than who we are
            offered = challenges(response.headers)
            if self._scheme.lower() not in offered:
                self._switch(offered, response.headers)
            elif response.certificate not in (b"", self._certificate):
                self._certificate = response.certificate  # known only now: what follows is bound to it (RFC 5929)
            else:
                return (yield from self._finish(context, request, response))
        raise AuthenticationFailed("the server's certificate changes with every answer; nothing was sent")

    def _kerberos_first(self, request: HttpRequest) -> Generator[HttpRequest, HttpResponse, HttpResponse | None]:
        """Kerberos, if the server offers it and there is a ticket; else None, and not again. `RefusedByKdc` ends it."""
        response = yield from self._begin(request, None)
        if response.status != 401:
            return response
        self._certificate = response.certificate
        offered = challenges(response.headers)
        if "negotiate" in offered:
            try:
                return (yield from self._show_ticket(request))
            except Unusable as problem:
                self._without = f"; without Kerberos, because {problem}"
        self._kerberos = False
        if "negotiate" in offered and "ntlm" not in offered:
            self._scheme = "Negotiate"
        return None

    def _show_ticket(self, request: HttpRequest) -> Generator[HttpRequest, HttpResponse, HttpResponse]:
        """The command with a ticket for this server. Raises `Unusable`, `RefusedByKdc`."""
        host = urlsplit(request.url).hostname or ""
        if self._refused is not None:
            raise self._refused  # it was counted once
        try:
            if self._ticket is None or not self._ticket.good:
                self._ticket = sign_in(self._username, self._password)
        except RefusedByKdc as problem:
            self._refused = problem
            raise
        context = self._kerberos_context(host, self._ticket)
        token: bytes | None = None
        for _ in range(MAX_LEGS):
            try:
                token = context.step(token) or b""
            except Exception as problem:  # every mechanism has errors of its own, and the token is the server's
                raise Unusable(describe(problem, host)) from problem
            response = yield self._leg(request, token, "Negotiate")
            token = challenges(response.headers).get("negotiate", b"")
            if response.status != 401:
                self._verify(context, token)
                return response
            if not token or context.complete:
                break
        raise Unusable("the server does not take the ticket")

    def _verify(self, context: Any, token: bytes) -> None:
        """The server's own proof (RFC 4559 4.1), where it gives one."""
        if not token or context.complete:
            return
        try:
            context.step(token)
        except Exception as problem:  # every mechanism has errors of its own, and the token is the server's
            raise AuthenticationFailed("the server did not prove by Kerberos who it is") from problem

    def _begin(self, request: HttpRequest, token: bytes | None) -> Generator[HttpRequest, HttpResponse, HttpResponse]:
        """The first leg is nothing but a question, so the command stays here. Without a token: what is offered?"""
        harmless = replace(request, method="OPTIONS", content=b"", aside=True)
        response = yield harmless if token is None else self._leg(harmless, token)
        if response.status < 300:  # OPTIONS is open to all here: ask with the command's own method, without its body
            asked = replace(harmless, method=request.method)
            response = yield asked if token is None else self._leg(asked, token)
            if response.status < 300:
                raise AuthenticationFailed(
                    "the server does not ask who we are, so NTLM cannot say it; nothing was sent"
                )
        return response

    def _finish(
        self, context: Any, request: HttpRequest, response: HttpResponse
    ) -> Generator[HttpRequest, HttpResponse, HttpResponse]:
        for leg in range(MAX_LEGS):
            answer = challenges(response.headers).get(self._scheme.lower(), b"")
            if response.status != 401 or (leg and not answer):
                return response
            if not answer:
                raise AuthenticationFailed(
                    f"the server offers {self._scheme} and gives no challenge; nothing was sent{self._without}"
                )
            response = yield self._leg(request, self._step(context, answer))
        raise AuthenticationFailed(f"the server's {self._scheme} does not end")

    def _switch(self, offered: Mapping[str, bytes], headers: Mapping[str, str]) -> None:
        """The server does not have our scheme: take the other one, if it has that."""
        other = "NTLM" if self._scheme == "Negotiate" else "Negotiate"
        if other.lower() not in offered or self._switched:
            raise AuthenticationFailed(
                f"the server does not take NTLM (it offers {_names(headers) or 'nothing'}); no password was sent"
                f"{self._without}"
            )
        self._scheme, self._switched = other, True

    def _leg(self, request: HttpRequest, token: bytes, scheme: str = "") -> HttpRequest:
        value = f"{scheme or self._scheme} {base64.b64encode(token).decode('ascii')}"
        return replace(request, headers={**request.headers, "Authorization": value})

    def _bindings(self) -> Any:
        from spnego.channel_bindings import GssChannelBindings

        if not self._certificate:
            return None
        return GssChannelBindings(application_data=server_end_point(self._certificate))

    def _kerberos_context(self, host: str, ticket: Ticket) -> Any:
        """SPNEGO with Kerberos alone: nothing in it may become NTLM, which would be another attempt."""
        import spnego

        try:
            return spnego.client(
                spnego.KerberosCCache(ticket.ccache),
                hostname=host,
                service="HTTP",  # as RFC 4559 4.1 spells it; a KDC may tell cases apart
                protocol="negotiate",
                channel_bindings=self._bindings(),
                options=spnego.NegotiateOptions.use_negotiate,
            )
        except Exception as problem:  # every mechanism has errors of its own
            raise Unusable(describe(problem, host)) from problem

    def _context(self, url: str) -> Any:
        import spnego

        try:
            return spnego.client(
                self._username,
                self._password,
                hostname=urlsplit(url).hostname or "",
                service="HTTP",
                protocol="ntlm" if self._scheme == "NTLM" else "negotiate",
                channel_bindings=self._bindings(),
                options=spnego.NegotiateOptions.use_ntlm,
            )
        except Exception as problem:  # every mechanism has errors of its own
            raise AuthenticationFailed(f"{self._scheme} cannot begin ({type(problem).__name__})") from problem

    def _step(self, context: Any, token: bytes | None) -> bytes:
        try:
            return context.step(token) or b""
        except Exception as problem:  # every mechanism has errors of its own, and the token is the server's
            raise AuthenticationFailed(
                f"the server's {self._scheme} challenge cannot be answered ({type(problem).__name__})"
            ) from problem


def challenges(headers: Mapping[str, str]) -> dict[str, bytes]:
    """Schemes that a 401 offers, in lower case, with their tokens; b"" where one has none."""
    found: dict[str, bytes] = {}
    text = headers.get("www-authenticate", "")
    for scheme, token in _CHALLENGE.findall(text):
        try:
            raw = base64.b64decode(token, validate=True) if len(token) < 65_536 else b""
        except binascii.Error:
            raw = b""
        found[scheme.lower()] = raw or found.get(scheme.lower(), b"")
    return found


def _names(headers: Mapping[str, str]) -> str:
    """The schemes of a 401, for people."""
    return ", ".join(dict.fromkeys(_SCHEME.findall(headers.get("www-authenticate", "")[:2000])))
