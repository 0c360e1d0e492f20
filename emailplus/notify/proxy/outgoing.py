"""Performing the dialogues of the proxy on asyncio: connections are kept, shared and multiplexed.

The one module beside `driver` that knows the HTTP client. A driver serves one mailbox, a request at a time, with a
store beside it; this serves one server, many requests at once, and `Http` is the only effect.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Generator
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final, TypeVar

import httpx2

from ...auth.base import Auth
from ...driver import headers_of, server_certificate
from ...errors import (
    ConnectionFailed,
    EmailplusError,
    NetworkTimeout,
    ResponseTooLarge,
    ServerUnreachable,
    TlsFailed,
    UsageError,
)
from ...flow import Flow, Http, HttpRequest, HttpResponse

T = TypeVar("T")

MAX_BODY: Final = 4 << 20
"""Bytes of an answer."""


def trust(ca: str | None) -> ssl.SSLContext:
    """The system's roots, or the PEM certificates given. Raises `TlsFailed` where they are none."""
    try:
        return ssl.create_default_context(cadata=ca)
    except (ssl.SSLError, ValueError) as problem:
        raise TlsFailed("a ca_file holds no PEM certificates") from problem


class Outgoing:
    """The way to one server. `transport` replaces the network, for tests."""

    def __init__(
        self,
        auth: Auth,
        *,
        ca: str | None = None,
        http2: bool = False,
        timeout: float = 20.0,
        connections: int = 8,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._auth = auth
        self._timeout = timeout
        self._renewed = http2 and transport is None
        self._open = partial(
            httpx2.AsyncClient,
            trust_env=False,
            verify=trust(ca),
            http1=not http2,
            http2=http2,
            follow_redirects=False,
            timeout=timeout,
            transport=transport,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            limits=httpx2.Limits(max_connections=connections, keepalive_expiry=60),
        )
        self._client = self._open()
        self._left: dict[asyncio.Task[None], httpx2.AsyncClient] = {}

    async def close(self) -> None:
        clients = [self._client, *self._left.values()]
        for task in self._left:
            task.cancel()
        for client in clients:
            await client.aclose()

    def _silent(self, client: httpx2.AsyncClient) -> None:
        """No answer came: the requests to come take another connection, those under way may end on this one.

        One of HTTP/1.1 the client gives up by itself. One of HTTP/2 it would use on, and where something on the way has
        forgotten the connection, no notification would arrive for minutes.
        """
        if self._renewed and client is self._client:
            self._client = self._open()
            task = asyncio.create_task(self._end(client))
            self._left[task] = client
            task.add_done_callback(self._left.pop)

    async def _end(self, client: httpx2.AsyncClient) -> None:
        await asyncio.sleep(self._timeout)
        await client.aclose()

    async def perform(self, flow: Flow[T]) -> T:
        """Run a dialogue to its end. Raises what it raises."""
        result: Any = None
        failure: EmailplusError | None = None
        try:
            while True:
                effect = flow.throw(failure) if failure is not None else flow.send(result)
                result, failure = None, None
                if not isinstance(effect, Http):
                    raise UsageError(f"the proxy performs no {type(effect).__name__}")
                client = self._client
                try:
                    async with asyncio.timeout(self._timeout):
                        result = await self._send(effect.request)
                except TimeoutError:
                    failure = NetworkTimeout(f"no answer within {self._timeout:.0f} s")
                except EmailplusError as problem:
                    failure = problem
                if isinstance(failure, NetworkTimeout):
                    self._silent(client)
        except StopIteration as end:
            value: T = end.value
            return value
        finally:
            flow.close()

    async def _send(self, request: HttpRequest) -> HttpResponse:
        steps = self._auth.authorize(request)
        response: HttpResponse | None = None
        while True:
            step = partial(_advance, steps, response)
            if getattr(self._auth, "may_block", False):  # a KDC is asked between two requests
                wanted = await asyncio.to_thread(step)
            else:
                wanted = step()
            if wanted is None:
                assert response is not None
                return response
            response = await self._send_once(wanted)

    async def _send_once(self, request: HttpRequest) -> HttpResponse:
        try:
            async with self._client.stream(
                request.method, request.url, headers=request.headers, content=request.content or None
            ) as raw:
                body = bytearray()
                async for piece in raw.aiter_bytes():
                    body += piece
                    if len(body) > MAX_BODY:
                        raise ResponseTooLarge(f"an answer is larger than {MAX_BODY >> 20} MB")
                return HttpResponse(raw.status_code, headers_of(raw.headers), bytes(body), server_certificate(raw))
        except (httpx2.HTTPError, httpx2.InvalidURL) as problem:
            raise _mapped(problem) from problem


def _advance(steps: Generator[HttpRequest, HttpResponse, None], response: HttpResponse | None) -> HttpRequest | None:
    """The next request of a strategy; None: it has no more."""
    try:
        return next(steps) if response is None else steps.send(response)
    except StopIteration:
        return None


def _mapped(problem: Exception) -> EmailplusError:
    """The HTTP client's errors as ours, without the URL: it may name a device."""
    if isinstance(problem, httpx2.InvalidURL):
        return ConnectionFailed("the address cannot be used")
    if isinstance(problem, httpx2.TimeoutException):
        return NetworkTimeout("no answer in time")
    cause: BaseException | None = problem
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return TlsFailed(f"the server's certificate is not trusted ({cause.verify_message})")
        if isinstance(cause, ssl.SSLError):
            return TlsFailed("the TLS handshake failed")
        cause = cause.__cause__ or cause.__context__
    if isinstance(problem, httpx2.ConnectError):
        return ServerUnreachable("the server cannot be reached")
    return ConnectionFailed(f"the connection was cut ({type(problem).__name__})")
