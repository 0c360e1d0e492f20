"""Dialogues as generators: a flow yields effects and receives their results.

    Flow[T] = Generator[Effect, Any, T]

A flow never touches the network, the clock or the disk. It yields one of six effects, and a driver (`driver.run`,
`driver.arun`) performs it and sends the result back in; an effect that fails is thrown in as an exception of
`emailplus.errors`. So every ``yield`` is a point where the process may die, and a test can stop a flow at each of them,
reopen the store and run again.

Use the helpers (``response = yield from http(request)``): they give the result its type.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One HTTP request without its credentials; the driver's `Auth` adds them."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    wait: float = 0.0
    """Seconds that the server may stay silent by agreement (heartbeat), on top of the network timeout."""
    anonymous: bool = False
    """Send it without credentials."""
    aside: bool = False
    """A strategy's own: its answer is for the strategy, never for the spool."""
    most: int = 0
    """Bytes of the answer that are taken into memory; 0: as many as the driver takes of any."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """Status, headers (names in lower case) and the whole body, decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    certificate: bytes = field(repr=False, default=b"")
    """The server's, in DER; only with a 401 over TLS, for channel bindings."""


class Payload(Protocol):
    """Takes a response body piece by piece and gives back what belongs into the spool."""

    def start(self, response: HttpResponse) -> bool:
        """Called with status and headers; False: collect the body as usual, this is no payload."""

    def feed(self, data: bytes) -> bytes:
        """Take the next piece of the body; return the payload bytes it held, maybe none."""

    def finish(self) -> None:
        """The body is complete. Raises `ProtocolError` if it ended too early."""


@dataclass(frozen=True, slots=True)
class Http:
    """Send a request; result: `HttpResponse`."""

    request: HttpRequest


@dataclass(frozen=True, slots=True)
class HttpToSink:
    """Send a request and stream the payload of its answer into the spool entry `blob`; result: `HttpResponse`.

    The answer's body stays in memory (and in the result) only where `payload.start` declines it.
    """

    request: HttpRequest
    payload: Payload
    blob: int


@dataclass(frozen=True, slots=True)
class Commit:
    """Write a batch of `model.changes` in one transaction; result: what the store says about it."""

    batch: Any


@dataclass(frozen=True, slots=True)
class Load:
    """Read from the store; `query` is one of `model.queries`; result: what that query documents."""

    query: Any


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait so many seconds; result: None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Emit:
    """Tell the caller something (`model.events`); result: None."""

    event: Any


Effect: TypeAlias = Http | HttpToSink | Commit | Load | Sleep | Emit
Flow: TypeAlias = Generator[Effect, Any, T]


def http(request: HttpRequest) -> Flow[HttpResponse]:
    response: HttpResponse = yield Http(request)
    return response


def http_to_sink(request: HttpRequest, payload: Payload, blob: int) -> Flow[HttpResponse]:
    response: HttpResponse = yield HttpToSink(request, payload, blob)
    return response


def commit(batch: Any) -> Flow[Any]:
    return (yield Commit(batch))


def load(query: Any) -> Flow[Any]:
    return (yield Load(query))


def sleep(seconds: float) -> Flow[None]:
    yield Sleep(seconds)


def emit(event: Any) -> Flow[None]:
    yield Emit(event)
