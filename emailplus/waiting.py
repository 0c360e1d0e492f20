"""Requests that the server holds for minutes, and pauses: all of them in one event loop, and ended at once on demand.

A watch in asyncio waits in the loop of its caller. One in a thread waits in a loop that all such watches of the process
share, so that a stop, Ctrl-C or a machine that wakes up ends a wait that a blocked socket would sit out. Nothing but
the connection is held meanwhile: the store rests, and there is no thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import CancelledError, Future
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, TypeVar

import httpx2

from .driver import MAX_BODY, Network, headers_of, mapped, server_certificate
from .errors import ConnectionFailed, EmailplusError, NetworkTimeout, ResponseTooLarge
from .flow import HttpRequest, HttpResponse

T = TypeVar("T")

LOOK = 30.0
"""Seconds after which a wait looks whether the machine slept."""
SLEPT = 15.0
"""Seconds of sleep behind which no connection is trusted any more."""


class Woken(BaseException):
    """The wait is over before the server answered: the machine `slept`, there is `news`, or it is time.

    No error, so that nothing on the way takes it for one (as `asyncio.CancelledError`).
    """

    def __init__(self, *, slept: bool = False, news: bool = False) -> None:
        super().__init__("the machine slept" if slept else "there is news" if news else "it is time")
        self.over = slept or news
        """Whether it is time to synchronise, and not only to look around."""


class Stopped(BaseException):
    """Somebody wants the waiting to end. No error either."""


def asleep() -> float:
    """Seconds that this machine has been suspended in all; only differences mean something.

    Where the system does not tell, a clock that was set looks the same: it costs one request.
    """
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    if boot is None:
        return time.time() - time.monotonic()
    return time.clock_gettime(boot) - time.clock_gettime(time.CLOCK_MONOTONIC)


async def send(request: HttpRequest, network: Network, sending: Callable[[], None] | None = None) -> HttpResponse:
    """Send a request with its credentials and wait for its answer. Raises what `driver.run` raises for it.

    `sending` is called before anything is sent, once the credentials are at hand; it must not take long.
    """
    async with httpx2.AsyncClient(
        trust_env=False,
        verify=network.tls,
        follow_redirects=False,
        transport=network.held_transport,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        limits=httpx2.Limits(max_connections=1),
    ) as client:
        if request.anonymous:
            if sending is not None:
                sending()
            return await _once(client, network, request)
        steps = network.auth.authorize(request)
        response: HttpResponse | None = None
        while True:
            wanted = await _advanced(network, partial(_advance, steps, response))
            if wanted is None:
                assert response is not None
                return response
            if sending is not None:
                sending()
            response = await _once(client, network, wanted)


def _advance(steps: Generator[HttpRequest, HttpResponse, None], response: HttpResponse | None) -> HttpRequest | None:
    """The next request of a strategy; None: it has no more."""
    try:
        return next(steps) if response is None else steps.send(response)
    except StopIteration:
        return None


async def _advanced(network: Network, step: Callable[[], HttpRequest | None]) -> HttpRequest | None:
    """Done here, where it takes no time; in a thread, where a token may have to be renewed or somebody be asked."""
    if not getattr(network.auth, "may_block", False):
        return step()
    return await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, step))


async def _once(client: httpx2.AsyncClient, network: Network, request: HttpRequest) -> HttpResponse:
    """As `driver._send_once`: connecting and sending are bounded by the network timeout, the answer by the wait too."""
    traffic, started, received = network.traffic, time.monotonic(), 0
    seconds = network.timeout + request.wait
    traffic.requests += 1
    traffic.bytes_out += len(request.content)
    try:
        async with asyncio.timeout(seconds + network.timeout):
            async with client.stream(
                request.method,
                request.url,
                headers={**request.headers, "Accept-Encoding": "gzip"},
                content=request.content or None,
                timeout=httpx2.Timeout(network.timeout, read=seconds),
            ) as raw:
                body, most = bytearray(), request.most or MAX_BODY
                async for piece in raw.aiter_bytes():
                    body += piece
                    if len(body) > most:
                        raise ResponseTooLarge(f"the server's answer is larger than {most >> 10} KB")
                received = raw.num_bytes_downloaded
                response = HttpResponse(raw.status_code, headers_of(raw.headers), bytes(body), server_certificate(raw))
    except (httpx2.HTTPError, httpx2.InvalidURL, EmailplusError, TimeoutError) as problem:
        if isinstance(problem, TimeoutError):
            failure: EmailplusError = NetworkTimeout(f"the server's answer did not end within {seconds:.0f} s")
        else:
            failure = mapped(problem, seconds)
        if traffic.observer is not None:
            traffic.observer.unanswered(request, failure, time.monotonic() - started)
        raise failure from problem
    finally:
        traffic.bytes_in += received
    if traffic.observer is not None:
        traffic.observer.answered(request, response, received, time.monotonic() - started)
    return response


async def awake(work: Coroutine[Any, Any, T], limit: float | None, look: Callable[[], None] | None = None) -> T:
    """What `work` gives. Raises `Woken` after `limit` seconds (None: never), and when the machine slept meanwhile.

    `look` is called now and then; it must not take long.
    """
    task = asyncio.ensure_future(work)
    before, end = asleep(), None if limit is None else time.monotonic() + limit
    try:
        while True:
            left = LOOK if end is None else min(LOOK, end - time.monotonic())
            done, _ = await asyncio.wait({task}, timeout=max(0.0, left))
            if done:
                return task.result()
            if end is not None and time.monotonic() >= end:
                raise Woken
            if asleep() - before > SLEPT:
                raise Woken(slept=True)
            if look is not None:
                look()
    finally:
        if not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, EmailplusError):
                await task


class Interrupt:
    """Ends the waiting of one watch in a thread; usable from any thread, and from a signal handler."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._future: Future[Any] | None = None
        self._deaf = False
        self._news = False

    @property
    def stopped(self) -> bool:
        return self._event.is_set()

    def stop(self) -> None:
        """End what waits now, and whatever would wait later."""
        self._event.set()
        future = self._future
        if future is not None:
            future.cancel()

    def wake(self) -> None:
        """End what waits for news now, or does so next, with `Woken`. From any thread."""
        self._news = True
        future = self._future
        if future is not None and not self._deaf:
            future.cancel()

    def heard(self) -> None:
        """Whatever news there were until now are being looked after."""
        self._news = False

    def pause(self, seconds: float, look: Callable[[], None] | None = None, *, deaf: bool = True) -> None:
        """Wait. Raises `Stopped`, and `Woken` when the machine slept meanwhile; news end it unless it is `deaf`."""
        self._await(lambda: _ROOM.run(awake(asyncio.sleep(seconds), None, look)), deaf)

    def send(
        self, request: HttpRequest, network: Network, limit: float | None, look: Callable[[], None] | None = None
    ) -> HttpResponse:
        """See `send` and `awake`. Raises `Stopped` besides."""
        return self._await(lambda: _ROOM.run(awake(send(request, network), limit, look)), deaf=False)

    def _await(self, begin: Callable[[], Future[T]], deaf: bool) -> T:
        if self.stopped:
            raise Stopped
        future = begin()
        self._deaf, self._future = deaf, future
        try:
            if self.stopped:  # between the look and the note
                raise Stopped
            if self._news and not deaf:
                self._news = False
                raise Woken(news=True)
            return future.result()
        except CancelledError as ended:
            if self.stopped:
                raise Stopped from None
            if self._news and not deaf:
                self._news = False
                raise Woken(news=True) from None
            raise ConnectionFailed("the waiting was ended") from ended
        finally:
            self._future = None
            if not future.done():
                future.cancel()


class _Room:
    """The event loop in which threads wait: one thread for the process, begun when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="emailplus-waiting", daemon=True).start()
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def forked(self) -> None:
        """A fork has no thread for the loop: it begins one of its own."""
        self._lock, self._loop = threading.Lock(), None


_ROOM = _Room()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ROOM.forked)
