"""How exchangelib's requests leave: signed in as everything else is, with the trust of this mailbox alone.

exchangelib does its own HTTP, through requests. What it would share between accounts is taken from it here: its cache
of protocols (keyed by user name and password), its process-wide TLS adapter, the machine's proxies and netrc. An answer
is bounded in time and bytes, holds no DTD, and an HTTP status is named as the rest of emailplus names it.
"""

from __future__ import annotations

import logging
import random
import ssl
import time
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import requests
from exchangelib.protocol import Protocol
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError as Urllib3Error
from urllib3.exceptions import InsecureRequestWarning

from ..errors import (
    AuthenticationFailed,
    ConnectionFailed,
    EmailplusError,
    EwsUnavailable,
    HttpStatusError,
    MalformedResponse,
    NetworkTimeout,
    ResponseTooLarge,
    ServerBusy,
    ServerUnreachable,
    TlsFailed,
)
from ..flow import HttpRequest, HttpResponse
from .endpoint import Access
from .notifications import checked

MAX_ANSWER = 64 << 20
"""Bytes of one answer: an attachment of 45 MB in base64."""
MAX_DOCUMENT = 4 << 20
"""Bytes of one document of a stream."""
DEADLINE_FACTOR = 10
"""An answer may take this many timeouts in all, as long as bytes keep coming."""
_PIECE = 64 << 10
_ON_THE_WAY = (301, 302, 303, 307, 308)

if logging.getLogger("exchangelib").level == logging.NOTSET:
    # Its log quotes requests and answers whole, and mail is for nobody's log. Who wants it all the same sets a level.
    logging.getLogger("exchangelib").setLevel(logging.CRITICAL + 1)


class Adapter(HTTPAdapter):
    """Sends a request of one mailbox, with its sign-in and its trust."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._auth = access.auth()
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0, pool_block=True)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Connections with this mailbox's TLS context."""
        super().init_poolmanager(*arguments, ssl_context=self._access.tls, **options)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """The context says whom to trust: requests adds nothing of its own."""

    def send(  # type: ignore[override]
        self, request: requests.PreparedRequest, stream: bool = False, timeout: Any = None, **_: Any
    ) -> requests.Response:
        """One request with its credentials; the strategy may answer a challenge with another request."""
        content = request.body or b""
        asked = HttpRequest(
            str(request.method),
            str(request.url),
            headers={name: str(value) for name, value in request.headers.items()},
            content=content if isinstance(content, bytes) else str(content).encode(),
        )
        steps = self._auth.authorize(asked)
        wanted = next(steps)
        while True:
            response = self._send_once(request, wanted, timeout)
            try:
                wanted = steps.send(self._seen(response))
            except StopIteration:
                return self._judged(response, stream)
            except EmailplusError:
                response.close()
                raise
            self._drain(response)

    def _send_once(self, request: requests.PreparedRequest, wanted: HttpRequest, timeout: Any) -> requests.Response:
        sent = request.copy()
        sent.method = wanted.method
        sent.headers.clear()
        sent.headers.update(wanted.headers)
        sent.body = wanted.content
        sent.headers["Content-Length"] = str(len(wanted.content))
        trusting = self._access.tls.verify_mode != ssl.CERT_NONE
        patience = (self._access.timeout, timeout or self._access.timeout)
        try:
            with warnings.catch_warnings():
                if not trusting:  # `config check` warns of email_trust_all_certificates
                    warnings.simplefilter("ignore", InsecureRequestWarning)
                return super().send(sent, stream=True, timeout=patience, verify=trusting, proxies={})
        except (requests.RequestException, Urllib3Error, OSError) as problem:
            raise mapped(problem, self._access.timeout) from problem

    def _seen(self, response: requests.Response) -> HttpResponse:
        """What a strategy looks at: status, headers, and with a 401 the server's certificate."""
        connection = getattr(response.raw, "connection", None) or getattr(response.raw, "_connection", None)
        socket = getattr(connection, "sock", None)
        certificate = b""
        if response.status_code == 401 and isinstance(socket, ssl.SSLSocket):
            certificate = socket.getpeercert(binary_form=True) or b""
        return HttpResponse(response.status_code, _headers(response), certificate=certificate)

    def _drain(self, response: requests.Response) -> None:
        """Read what is left of an answer that nobody wants, so that its connection can be used again."""
        left = _PIECE
        try:
            for piece in response.raw.stream(_PIECE):
                left -= len(piece)
                if left < 0:
                    response.close()
                    return
        except (Urllib3Error, OSError):
            response.close()
        response.raw.release_conn()

    def _judged(self, response: requests.Response, stream: bool) -> requests.Response:
        """The answer, if it is one of EWS."""
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        fault = response.status_code == 500 and kind == "text/xml"
        if response.status_code != 200 and not fault:
            response.close()
            raise named(response.status_code, _headers(response))
        if kind != "text/xml":
            response.close()
            raise EwsUnavailable("not there", f"the server answers {kind or 'without a Content-Type'} instead of SOAP")
        if stream and not fault:
            return response
        body = bytearray()
        deadline = time.monotonic() + self._access.timeout * DEADLINE_FACTOR
        for piece in pieces(response, self._access.timeout):
            body += piece
            if len(body) > MAX_ANSWER:
                response.close()
                raise ResponseTooLarge(f"the answer of EWS is larger than {MAX_ANSWER >> 20} MB")
            if time.monotonic() > deadline:
                response.close()
                raise NetworkTimeout("the answer of EWS did not end")
        response.raw.release_conn()
        response._content = checked(bytes(body), limit=MAX_ANSWER)
        response._content_consumed = True
        return response


def pieces(response: requests.Response, timeout: float) -> Iterator[bytes]:
    """The body as it comes, each piece as soon as it is there. Raises `ConnectionFailed` and its kinds."""
    raw = response.raw
    try:
        if getattr(raw, "chunked", False):
            yield from raw.stream(_PIECE, decode_content=True)
            return
        while piece := raw.read1(_PIECE, decode_content=True):
            yield piece
    except (requests.RequestException, Urllib3Error, OSError, ValueError) as problem:
        raise mapped(problem, timeout) from problem


def _headers(response: requests.Response) -> Mapping[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def named(status: int, headers: Mapping[str, str]) -> EmailplusError:
    """An HTTP status without a SOAP answer, as an error of ours."""
    if status == 401:
        return AuthenticationFailed("EWS refuses the credentials (HTTP 401); they were sent once")
    if status == 403:
        return EwsUnavailable("blocked", "the server does not let this application use it (HTTP 403)")
    if status == 410:
        return EwsUnavailable("retired", "the server no longer has it (HTTP 410)")
    if status == 404 or status in _ON_THE_WAY:
        return EwsUnavailable("not there", f"nothing answers for it at email_ews_host (HTTP {status})")
    if status in (429, 503):
        told = headers.get("retry-after", "")
        return ServerBusy("EWS is busy", float(told) if told.isdecimal() and len(told) < 6 else None)
    return HttpStatusError(f"EWS answers HTTP {status}", status)


def mapped(problem: BaseException, timeout: float) -> EmailplusError:
    """Errors of requests and urllib3 as ours, without the URL."""
    if isinstance(problem, EmailplusError):
        return problem
    cause: BaseException | None = problem
    seen = set()
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, ssl.SSLCertVerificationError):
            return TlsFailed(f"the certificate of EWS is not trusted ({cause.verify_message})")
        if isinstance(cause, ssl.SSLError):
            return TlsFailed(f"the TLS handshake with EWS failed ({cause.reason or 'unknown reason'})")
        reason = getattr(cause, "reason", None)
        nested = next((one for one in cause.args if isinstance(one, BaseException)), None)
        cause = (reason if isinstance(reason, BaseException) else None) or nested or cause.__cause__
    if isinstance(problem, (requests.ConnectTimeout, requests.ReadTimeout)) or "timed out" in str(problem):
        return NetworkTimeout(f"no answer from EWS within {timeout:.0f} s (default_network_timeout)")
    if isinstance(problem, requests.ConnectionError) and "NewConnectionError" in repr(problem):
        return ServerUnreachable("EWS cannot be reached: check email_ews_host and the network")
    if isinstance(problem, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)):
        return MalformedResponse("the address of EWS cannot be used")
    return ConnectionFailed(f"the connection to EWS was cut ({type(problem).__name__})")


class MailboxProtocol(Protocol):  # type: ignore[misc]
    """exchangelib's protocol with sessions of our own."""

    access: Access

    @classmethod
    def of(cls, access: Access, config: Any) -> MailboxProtocol:
        """A protocol that no other account gets: the cache in front of the class is gone around."""
        protocol: MailboxProtocol = type.__call__(cls, config=config)
        protocol.access = access
        protocol.TIMEOUT = access.timeout
        return protocol

    def create_session(self) -> Any:
        """A session that takes nothing from the environment."""
        session: Any = requests.Session()
        session.trust_env = False
        session.headers["Content-Type"] = "text/xml; charset=utf-8"
        session.headers["Accept-Encoding"] = "gzip"
        session.headers["User-Agent"] = self.access.user_agent
        adapter = Adapter(self.access)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        session.session_id = random.randint(10_000, 99_999)
        session.usage_count = 0
        return session
