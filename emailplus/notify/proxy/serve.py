"""Running the proxy: its parts put together, one listener, housekeeping, a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ... import __version__
from ...auth.anonymous import Anonymous
from ...auth.base import Auth
from ...auth.basic import BasicAuth
from ...auth.ntlm import NtlmAuth
from ...errors import ConfigurationError, EmailplusError, UsageError
from ...store.keys import KeyProvider
from .apns import ApnsGateway
from .app import Service
from .dispatcher import Dispatcher
from .gateway import Gateway
from .ledger import Ledger
from .log import note
from .metrics import Metrics
from .options import Options
from .outgoing import Outgoing
from .registry import Registry
from .webhook import WebhookGateway

HOUSEKEEPING_SECONDS = 60.0
END_SECONDS = 5
"""For requests that are under way when the proxy is told to end."""


class Proxy:
    """One proxy. `start` it inside an event loop, then `asgi` serves; `stop` ends it with nothing lost.

    Raises what `Ledger` raises, `ConfigurationError` for a key that is none and `TlsFailed` for bad certificates.
    """

    def __init__(
        self,
        options: Options,
        key: KeyProvider,
        *,
        clock: Callable[[], float] = time.time,
        transports: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """`transports`: by gateway, or "exchange", what replaces the network; for tests."""
        self.options = options
        self.metrics = Metrics()
        self._clock = clock
        self._transports = transports
        single = options.exchange is not None and options.exchange.auth == "ntlm"
        self._lookups = 1 if single else options.limits.lookups
        self._ways: list[Outgoing] = []
        self._part = 0
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        exchange = self._exchange()
        self.ledger = Ledger(options.store, key)
        gateways = self._gateways()
        self.registry = Registry(self.ledger, options.limits, options.organizations)
        self.dispatcher = Dispatcher(
            self.ledger,
            self.registry,
            replace(options.limits, lookups=self._lookups),
            self.metrics,
            gateways,
            exchange,
            clock=clock,
        )
        service = Service(options, self.ledger, self.registry, self.dispatcher, self.metrics, clock)
        self.asgi = service.asgi()

    def _gateways(self) -> list[tuple[Gateway, Outgoing]]:
        options = self.options
        found: list[tuple[Gateway, Outgoing]] = []
        if options.apns is not None:
            found.append((ApnsGateway(options.apns, self.ledger), self._way("apns", options.apns.ca, http2=True)))
        for hook in options.webhooks:
            webhook = WebhookGateway(hook, f"emailplus/{__version__}")
            found.append((webhook, self._way(webhook.name, hook.ca)))
        return found

    def _exchange(self) -> tuple[Outgoing, str] | None:
        exchange = self.options.exchange
        if exchange is None:
            return None
        limits = self.options.limits
        strategy = BasicAuth if exchange.auth == "basic" else NtlmAuth
        auth: Auth = strategy(exchange.username, exchange.password.reveal())
        way = Outgoing(
            auth, ca=exchange.ca, timeout=limits.timeout, connections=self._lookups,
            transport=self._transports.get("exchange"),
        )  # fmt: skip
        self._ways.append(way)
        return way, exchange.ews_url

    def _way(self, name: str, ca: str | None, *, http2: bool = False) -> Outgoing:
        limits = self.options.limits
        # Over HTTP/2 one connection carries all requests; another beside it is for the moment when that one is cut.
        connections = 2 if http2 else limits.deliveries
        way = Outgoing(
            Anonymous(), ca=ca, http2=http2, timeout=limits.timeout, connections=connections,
            transport=self._transports.get(name),
        )  # fmt: skip
        self._ways.append(way)
        return way

    async def start(self) -> None:
        await self.dispatcher.start()
        await self._keep_house()
        self._tasks = [
            asyncio.create_task(self.dispatcher.run(self._stop)),
            asyncio.create_task(self._housekeeping()),
        ]

    async def stop(self) -> None:
        """End requests that are under way, write what became of them, close the ledger."""
        self._stop.set()
        self.dispatcher.stir()
        for task in self._tasks[1:]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.dispatcher.settle()
        for way in self._ways:
            await way.close()
        await self.ledger.close()

    async def _housekeeping(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING_SECONDS)
            try:
                await self._keep_house()
            except EmailplusError as problem:
                note("ledger", logging.ERROR, problem=type(problem).__name__)

    async def _keep_house(self) -> None:
        now = self._clock()
        limits = self.options.limits
        over = self.registry.expired(now, limits.max_age)
        if over:
            await self.registry.drop(over)
        await self.ledger.forget(now - limits.remember, self._part)
        self._part += 1
        self.dispatcher.schedule(now)
        self.metrics.registrations.set(len(self.registry))


async def serve(options: Options, key: KeyProvider, ready: Callable[[int], None] = lambda port: None) -> None:
    """Serve until SIGINT or SIGTERM. `ready` is told the port once connections are taken.

    Raises `UsageError` where the address cannot be listened on, and what `Proxy` raises.
    """
    host, port = options.listen
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as problem:
        raise UsageError(f"{host}:{port} cannot be listened on: {problem.strerror}") from problem
    with listener:
        proxy = Proxy(options, key)
        server = _Server(_uvicorn(proxy, options), lambda: ready(listener.getsockname()[1]))
        try:
            await proxy.start()
            note("started", gateways=",".join(options.gateways()), registrations=len(proxy.registry))
            await server.serve([listener])
        finally:
            await proxy.stop()
            note("stopped")


def _uvicorn(proxy: Proxy, options: Options) -> uvicorn.Config:
    certificate, key = options.tls or (None, None)
    try:
        config = uvicorn.Config(
            proxy.asgi, log_config=None, access_log=False, server_header=False, lifespan="off",
            ssl_certfile=certificate, ssl_keyfile=key, timeout_graceful_shutdown=END_SECONDS,
            limit_concurrency=2_000, timeout_keep_alive=60, http=_Connection.within(options.limits.timeout),
        )  # fmt: skip
        config.load()
    except (ssl.SSLError, OSError) as problem:
        raise ConfigurationError("tls.certificate and tls.key are no certificate and its key (PEM)") from problem
    return config


class _Connection(H11Protocol):
    """A connection on which the head of each request has to come in time: whoever is slow takes nobody's place."""

    seconds = 30.0
    _late: asyncio.TimerHandle | None = None

    @classmethod
    def within(cls, seconds: float) -> type[_Connection]:
        """The same with so many seconds for a head."""
        return type(cls.__name__, (cls,), {"seconds": seconds})

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._late = self.loop.call_later(self.seconds, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._in_time()
        elif self._late is None and not self.transport.is_closing():  # the next head has begun
            self._late = self.loop.call_later(self.seconds, self.transport.close)

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


class _Server(uvicorn.Server):
    """Says when it takes connections, and ends by signals without raising them again."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
        for number in numbers:
            loop.add_signal_handler(number, self._end)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    def _end(self) -> None:
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()
