"""Performing effects: the only code that knows the HTTP client. `run` for threads, `arun` for asyncio.

Both drivers advance the same flows; they differ in how they wait. Limits kept here: the network timeout of every read,
a total deadline of a request, and the bytes of an answer that may lie in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import ssl
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Protocol, TypeVar

import httpx2

from .auth.base import Auth
from .errors import (
    ConnectionFailed,
    EmailplusError,
    NetworkTimeout,
    ResponseTooLarge,
    ServerUnreachable,
    TlsFailed,
    UsageError,
)
from .flow import Commit, Effect, Emit, Flow, Http, HttpRequest, HttpResponse, HttpToSink, Load, Payload, Sleep
from .store.store import Store

T = TypeVar("T")

THREADS = 16
"""In which the runs of asyncio advance."""
MAX_BODY = 128 << 20
"""Bytes of an answer in memory; equal to the codec's own limit."""
_WANTED = "CERTIFICATE_REQUIRED"
DEADLINE_FACTOR = 10
"""A request may take this many network timeouts in all, as long as bytes keep coming."""


def tls_context(roots: Iterable[bytes] = (), *, trust_all: bool = False, client: bytes = b"") -> ssl.SSLContext:
    """Trust for a server: the system's roots and `roots` in DER (`email_certificate_X`).

    `trust_all` is `email_trust_all_certificates`: any certificate is taken, for test environments only. `client` is
    the key and the certificate to show where a server asks for one (PEM).
    """
    context = ssl.create_default_context()
    for root in roots:
        try:
            context.load_verify_locations(cadata=root)
        except ssl.SSLError as problem:
            raise TlsFailed("a certificate of email_certificate_X is not a DER certificate") from problem
    if trust_all:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if client:
        _show(context, client)
    return context


def _show(context: ssl.SSLContext, client: bytes) -> None:
    """Load a client certificate. OpenSSL reads files only: this one lies in memory, without a name.

    Where there is no such thing it is a file that only this user can read, gone before this returns.
    """
    if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
        descriptor, path, named = os.memfd_create("client", os.MFD_CLOEXEC), "", False
        path = f"/proc/self/fd/{descriptor}"
    else:
        (descriptor, path), named = tempfile.mkstemp(suffix=".pem"), True
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(client)
        context.load_cert_chain(path)
    except (OSError, ssl.SSLError) as problem:
        raise TlsFailed("email_login_certificate cannot be used in a TLS handshake") from problem
    finally:
        os.close(descriptor)
        if named:
            os.unlink(path)


@functools.lru_cache(maxsize=64)
def shared_tls_context(roots: tuple[bytes, ...], trust_all: bool) -> ssl.SSLContext:
    """`tls_context`, the same object for the same trust: each has the system's roots in memory. Not to be changed: a
    client certificate belongs into a context of one's own."""
    return tls_context(roots, trust_all=trust_all)


class Observer(Protocol):
    """Told of every request as it travelled, credentials included: what it writes down is for it to redact."""

    def answered(self, request: HttpRequest, response: HttpResponse, received: int, seconds: float) -> None:
        """`response` without a body where that was streamed into the store; `received` bytes, still compressed."""

    def unanswered(self, request: HttpRequest, problem: EmailplusError, seconds: float) -> None:
        """No whole answer came."""


@dataclass(slots=True)
class Traffic:
    """What went over the wire: bodies as they travelled (compressed), not headers."""

    requests: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    observer: Observer | None = None


@dataclass(slots=True)
class Network:
    """How requests leave: credentials, trust, timeouts."""

    auth: Auth
    timeout: float = 90.0
    """`default_network_timeout`."""
    tls: ssl.SSLContext | bool = True
    traffic: Traffic = field(default_factory=Traffic)
    sleep: Callable[[float], None] = time.sleep
    transport: httpx2.BaseTransport | None = None
    """Replaces the network, for tests."""
    held_transport: httpx2.AsyncBaseTransport | None = None
    """The same for requests that wait (`emailplus.waiting`)."""


def run(
    flow: Flow[T],
    network: Network,
    store: Store | None,
    tell: Callable[[Any], None] | None = None,
    hold: Callable[[HttpRequest], HttpResponse] | None = None,
) -> T:
    """Drive a flow to its end in this thread. Without a store it may only talk to the network.

    `hold` sends the requests that the server may hold (`HttpRequest.wait`); None: as any other.
    """
    with contextlib.closing(_Line(network)) as client:
        result: Any = None
        failure: EmailplusError | None = None
        try:
            while True:
                effect = flow.throw(failure) if failure is not None else flow.send(result)
                result, failure = None, None
                try:
                    if hold is not None and isinstance(effect, Http) and effect.request.wait:
                        client.close()  # it would lie idle, and the server would keep it open, for all that time
                        result = hold(effect.request)
                    else:
                        result = _perform(effect, client, network, store, tell)
                except EmailplusError as problem:
                    failure = problem
        except StopIteration as end:
            value: T = end.value
            return value
        finally:
            flow.close()


async def arun(
    flow: Flow[T],
    network: Network,
    store: Store | None,
    tell: Callable[[Any], Any] | None = None,
    hold: Callable[[HttpRequest], Awaitable[HttpResponse]] | None = None,
) -> T:
    """Drive a flow to its end without blocking the event loop: it advances in a thread, effects and all.

    The threads are `THREADS` for all runs of the process, and a run has one only while it advances. `tell` is called in
    the event loop, and awaited if it is a coroutine function. `hold` sends the requests that the server may hold
    (`HttpRequest.wait`), in the event loop; None: as any other. A cancelled run ends behind the effect that is under
    way.
    """
    loop = asyncio.get_running_loop()
    worker = _workers()
    stopped = threading.Event()
    client = _Line(network)
    result: Any = None
    try:
        failure: EmailplusError | None = None
        while True:
            working = loop.run_in_executor(
                worker, _advance, flow, result, failure, client, network, store, stopped, hold is not None
            )
            result = None
            try:
                step = await asyncio.shield(working)
            except asyncio.CancelledError:
                stopped.set()  # what is under way ends first: the store belongs to one thread at a time
                await asyncio.wait([working])
                raise
            failure = None
            if isinstance(step, _End):
                value: T = step.value
                return value
            try:
                if isinstance(step, Sleep):
                    await asyncio.sleep(step.seconds)
                elif isinstance(step, Http):
                    if hold is None:
                        raise AssertionError(step)
                    result = await hold(step.request)
                else:
                    answer = tell(step.event) if tell is not None else None
                    if isinstance(answer, Awaitable):
                        await answer
            except EmailplusError as problem:
                failure = problem
    finally:
        await asyncio.shield(loop.run_in_executor(worker, _conclude, flow, client))


@dataclass(frozen=True, slots=True)
class _End:
    """The flow is over; `value` is its result."""

    value: Any


def _advance(
    flow: Flow[Any],
    result: Any,
    failure: EmailplusError | None,
    client: _Line,
    network: Network,
    store: Store | None,
    stopped: threading.Event,
    holding: bool,
) -> Sleep | Emit | Http | _End:
    """Drive a flow to the next effect that belongs to the event loop; `result` or `failure` came of the last one."""
    try:
        while True:
            effect = flow.throw(failure) if failure is not None else flow.send(result)
            if isinstance(effect, (Sleep, Emit)):
                return effect
            if stopped.is_set():
                return _End(None)
            if holding and isinstance(effect, Http) and effect.request.wait:
                client.close()
                return effect
            result, failure = None, None
            try:
                result = _perform(effect, client, network, store, None)
            except EmailplusError as problem:
                failure = problem
    except StopIteration as end:
        return _End(end.value)


def _conclude(flow: Flow[Any], client: _Line) -> None:
    flow.close()
    client.close()


class _Line:
    """The HTTP client of one run, made when it is first needed."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._client: httpx2.Client | None = None

    @property
    def client(self) -> httpx2.Client:
        if self._client is None:
            self._client = _client(self._network)
        return self._client

    def close(self) -> None:
        """Close its connections; they are made again when needed."""
        if self._client is not None:
            self._client.close()
            self._client = None


@functools.cache
def _workers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="emailplus")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_workers.cache_clear)  # threads stay behind


def _perform(
    effect: Effect, line: _Line, network: Network, store: Store | None, tell: Callable[[Any], None] | None
) -> Any:
    if isinstance(effect, Http):
        return _send(line.client, network, effect.request, None, store, 0)
    if isinstance(effect, HttpToSink):
        return _send(line.client, network, effect.request, effect.payload, store, effect.blob)
    if isinstance(effect, Commit):
        return _stored(store).apply(effect.batch)
    if isinstance(effect, Load):
        return _stored(store).load(effect.query)
    if isinstance(effect, Sleep):
        return network.sleep(effect.seconds)
    if tell is not None:
        tell(effect.event)
    return None


def _stored(store: Store | None) -> Store:
    if store is None:
        raise UsageError("this dialogue needs a store, and was given none")
    return store


def _client(network: Network) -> httpx2.Client:
    return httpx2.Client(
        trust_env=False,
        verify=network.tls,
        follow_redirects=False,
        transport=network.transport,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # the flows keep them, by host and beyond the run
        limits=httpx2.Limits(max_connections=1, keepalive_expiry=60),
    )


def _send(
    client: httpx2.Client,
    network: Network,
    request: HttpRequest,
    payload: Payload | None,
    store: Store | None,
    blob: int,
) -> HttpResponse:
    """One request with its credentials; the strategy may answer a challenge with another request."""
    if request.anonymous:
        return _send_once(client, network, request, payload, store, blob)
    steps = network.auth.authorize(request)
    try:
        wanted = next(steps)
        while True:
            response = _send_once(client, network, wanted, None if wanted.aside else payload, store, blob)
            try:
                wanted = steps.send(response)
            except StopIteration:
                return response
    finally:
        steps.close()


def _send_once(
    client: httpx2.Client,
    network: Network,
    request: HttpRequest,
    payload: Payload | None,
    store: Store | None,
    blob: int,
) -> HttpResponse:
    timeout = network.timeout + request.wait
    started = time.monotonic()
    deadline = started + network.timeout * DEADLINE_FACTOR + request.wait
    traffic = network.traffic
    traffic.requests += 1
    traffic.bytes_out += len(request.content)
    raw: httpx2.Response | None = None
    try:
        with client.stream(
            request.method,
            request.url,
            headers={**request.headers, "Accept-Encoding": "gzip"},
            content=request.content or None,
            timeout=timeout,
        ) as raw:
            response = HttpResponse(raw.status_code, headers_of(raw.headers), b"", server_certificate(raw))
            pieces = _timed(raw.iter_bytes(), deadline, timeout)
            if payload is not None and payload.start(response):
                _spool(pieces, payload, store, blob)
            else:
                body = bytearray()
                most = request.most or MAX_BODY
                for piece in pieces:
                    body += piece
                    if len(body) > most:
                        size = f"{most >> 20} MB" if most >> 20 else f"{most >> 10} KB"
                        raise ResponseTooLarge(f"the server's answer is larger than {size}")
                response = replace(response, body=bytes(body))
    except (httpx2.HTTPError, httpx2.InvalidURL, EmailplusError) as problem:
        failure = mapped(problem, timeout)
        if traffic.observer is not None:
            traffic.observer.unanswered(request, failure, time.monotonic() - started)
        if failure is problem:
            raise
        raise failure from problem
    finally:
        received = raw.num_bytes_downloaded if raw is not None else 0
        traffic.bytes_in += received
    if traffic.observer is not None:
        traffic.observer.answered(request, response, received, time.monotonic() - started)
    return response


def _spool(pieces: Iterator[bytes], payload: Payload, store: Store | None, blob: int) -> None:
    writer = _stored(store).blob_writer(blob)
    try:
        for piece in pieces:
            content = payload.feed(piece)
            if content:
                writer.write(content)
        payload.finish()
    finally:
        writer.flush()  # what arrived before a cut is where the next attempt goes on


def _timed(pieces: Iterator[bytes], deadline: float, timeout: float) -> Iterator[bytes]:
    for piece in pieces:
        if time.monotonic() > deadline:
            raise NetworkTimeout(f"the server's answer did not end within {timeout * DEADLINE_FACTOR:.0f} s")
        yield piece


def server_certificate(raw: httpx2.Response) -> bytes:
    """What a proof of the password is bound to (RFC 5929), where one is asked for."""
    stream = raw.extensions.get("network_stream") if raw.status_code == 401 else None
    tls = stream.get_extra_info("ssl_object") if stream is not None else None
    return (tls.getpeercert(True) or b"") if tls is not None else b""


def headers_of(headers: httpx2.Headers) -> Mapping[str, str]:
    """Lower-case names; the lines of Set-Cookie are joined by line ends, other repeats by commas (RFC 9110 5.3)."""
    joined: dict[str, str] = {}
    for name, value in headers.multi_items():
        name = name.lower()
        separator = "\n" if name == "set-cookie" else ", "
        joined[name] = f"{joined[name]}{separator}{value}" if name in joined else value
    return joined


def mapped(problem: httpx2.HTTPError | httpx2.InvalidURL | EmailplusError, timeout: float) -> EmailplusError:
    """The HTTP client's errors as ours, without the URL: it names the user. Ours stay as they are."""
    if isinstance(problem, EmailplusError):
        return problem
    if isinstance(problem, httpx2.InvalidURL):
        return ConnectionFailed(f"the server's address cannot be used: {problem}")
    if isinstance(problem, httpx2.TimeoutException):
        return NetworkTimeout(f"no answer from the server within {timeout:.0f} s (default_network_timeout)")
    cause: BaseException | None = problem
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return TlsFailed(
                f"the server's certificate is not trusted ({cause.verify_message}); add its root as email_certificate_1"
            )
        if isinstance(cause, ssl.SSLError):
            reason = str(getattr(cause, "reason", None) or "unknown reason")
            hint = "; the server wants a client certificate: email_login_certificate" if _WANTED in reason else ""
            return TlsFailed(f"the TLS handshake failed ({reason}){hint}")
        cause = cause.__cause__ or cause.__context__
    if isinstance(problem, httpx2.ConnectError):
        return ServerUnreachable("the server cannot be reached: check email_exchange_host and the network")
    return ConnectionFailed(f"the connection to the server was cut ({type(problem).__name__})")
