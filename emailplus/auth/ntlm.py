"""NTLM and Negotiate (MS-NTHT, RFC 4559): proofs of the password, bound to one connection.

A connection is authenticated, not a request: the driver keeps one, and what follows on it carries no credentials. The
first leg is an OPTIONS without a body, so no command travels before the server has given its challenge; the second
leg carries the command itself, which is carried out once, since the first cannot be.
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

MAX_LEGS = 4
"""After the first. NTLM takes one, NTLM inside SPNEGO at most two."""
MAX_BEGINNINGS = 4
"""The other scheme, the server's certificate, and once more for a certificate that was renewed."""
_CHALLENGE = re.compile(r"(?:^|[,\n])\s*([A-Za-z][A-Za-z0-9-]*)(?:[ \t]+([A-Za-z0-9+/]+=*))?\s*(?=$|[,\n])")
"""A scheme alone, or with a token (RFC 9110 11.3); those with parameters are of no interest here."""
_SCHEME = re.compile(r"(?:^|[,\n])\s*([A-Za-z][A-Za-z0-9-]{0,20})(?=\s*(?:$|[,\n])|[ \t])")


def kerberos_available() -> bool:
    """Whether the libraries of the extra ``kerberos`` are here."""
    return all(importlib.util.find_spec(name) is not None for name in ("gssapi", "krb5"))


class NtlmAuth:
    """`username` may be ``user``, ``user@domain`` or ``DOMAIN\\user``. Raises `ExtraMissing` without pyspnego."""

    def __init__(self, username: str, password: str, *, kerberos: bool | None = None) -> None:
        if importlib.util.find_spec("spnego") is None:
            raise ExtraMissing("NTLM", "ntlm")
        self._username, self._password = username, password
        self._kerberos = kerberos_available() if kerberos is None else kerberos
        self._scheme = "Negotiate" if self._kerberos else "NTLM"
        self._switched = False
        self._certificate = b""
        self._host = ""
        """The connection to this host is authenticated, as far as is known here."""

    def __repr__(self) -> str:
        return "NtlmAuth(...)"

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
        for _ in range(MAX_BEGINNINGS):
            context = self._context(request.url)
            token = self._step(context, None)
            response = yield from self._begin(request, token)
            if response.status != 401:
                return response  # Kerberos takes one leg; or the server has other troubles than who we are
            offered = challenges(response.headers)
            if self._scheme.lower() not in offered:
                self._switch(offered, response.headers)
            elif response.certificate not in (b"", self._certificate):
                self._certificate = response.certificate  # known only now: what follows is bound to it (RFC 5929)
            else:
                return (yield from self._finish(context, request, response))
        raise AuthenticationFailed("the server's certificate changes with every answer; nothing was sent")

    def _begin(self, request: HttpRequest, token: bytes) -> Generator[HttpRequest, HttpResponse, HttpResponse]:
        """The first leg. Of NTLM it is nothing but a question, so the command stays here."""
        if self._kerberos and self._scheme == "Negotiate":
            return (yield self._leg(request, token))
        harmless = replace(request, method="OPTIONS", content=b"", aside=True)
        response = yield self._leg(harmless, token)
        if response.status < 300:  # OPTIONS is open to all here: ask with the command's own method, without its body
            response = yield self._leg(replace(harmless, method=request.method), token)
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
                raise AuthenticationFailed(f"the server offers {self._scheme} and gives no challenge; nothing was sent")
            response = yield self._leg(request, self._step(context, answer))
        raise AuthenticationFailed(f"the server's {self._scheme} does not end")

    def _switch(self, offered: Mapping[str, bytes], headers: Mapping[str, str]) -> None:
        """The server does not have our scheme: take the other one, if it has that."""
        other = "NTLM" if self._scheme == "Negotiate" else "Negotiate"
        if other.lower() not in offered or self._switched:
            raise AuthenticationFailed(
                f"the server does not take NTLM (it offers {_names(headers) or 'nothing'}); no password was sent"
            )
        self._scheme, self._switched = other, True

    def _leg(self, request: HttpRequest, token: bytes) -> HttpRequest:
        value = f"{self._scheme} {base64.b64encode(token).decode('ascii')}"
        return replace(request, headers={**request.headers, "Authorization": value})

    def _context(self, url: str) -> Any:
        import spnego
        from spnego.channel_bindings import GssChannelBindings

        bindings = None
        if self._certificate:
            bindings = GssChannelBindings(application_data=server_end_point(self._certificate))
        ntlm = self._scheme == "NTLM"
        options = spnego.NegotiateOptions.none if self._kerberos and not ntlm else spnego.NegotiateOptions.use_ntlm
        try:
            return spnego.client(
                self._username,
                self._password,
                hostname=urlsplit(url).hostname or "",
                service="http",
                protocol="ntlm" if ntlm else "negotiate",
                channel_bindings=bindings,
                options=options,
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
