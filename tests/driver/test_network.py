"""The driver against a transport that a test writes: counts, errors and their names, and no secret in any of them."""

from __future__ import annotations

import base64
import gzip
import ssl
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from emailplus import driver
from emailplus.auth.basic import BasicAuth
from emailplus.driver import Network, run, tls_context
from emailplus.eas.stream import RawPayload
from emailplus.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    EmailplusError,
    NetworkTimeout,
    ResponseTooLarge,
    ServerUnreachable,
    TlsFailed,
)
from emailplus.flow import Flow, Http, HttpRequest, HttpResponse, HttpToSink, http, http_to_sink
from emailplus.model.changes import ClaimBlob
from emailplus.store import spool
from emailplus.store.store import Store

from ..flows.world import KEY, World

SECRET = "correct-horse-battery"
TOKEN = base64.b64encode(f"alice:{SECRET}".encode()).decode()
URL = "https://mail.example.test/Microsoft-Server-ActiveSync?Cmd=Sync&User=alice"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "s.db", KEY) as store:
        yield store


def network(answer: Callable[[httpx2.Request], httpx2.Response], **more: Any) -> Network:
    return Network(BasicAuth("alice", SECRET), transport=httpx2.MockTransport(answer), **more)


def ask(content: bytes = b"question") -> Flow[Any]:
    return (yield from http(HttpRequest("POST", URL, {"X": "y"}, content)))


def test_request_and_answer_arrive_whole(store: Store) -> None:
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        headers = [("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2"), ("X-A", "1"), ("x-a", "2")]
        return httpx2.Response(200, headers=headers, content=b"answer")

    response = run(ask(), network(answer), store)
    assert (response.status, response.body) == (200, b"answer")
    assert response.headers["set-cookie"] == "a=1; Path=/\nb=2"
    assert response.headers["x-a"] == "1, 2"
    (request,) = seen
    assert request.content == b"question"
    assert request.headers["authorization"] == f"Basic {TOKEN}"
    assert request.headers["x"] == "y"


def test_cookies_are_left_to_the_flows(store: Store) -> None:
    sent: list[str | None] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request.headers.get("cookie"))
        return httpx2.Response(200, headers={"Set-Cookie": "a=1"})

    def twice() -> Flow[None]:
        yield from ask()
        yield from ask()

    run(twice(), network(answer), store)
    assert sent == [None, None]


def test_traffic_counts(store: Store) -> None:
    """Bodies as they travel: a compressed one counts what was sent, and a cut one what arrived."""
    packed = gzip.compress(b"answer" * 1000)

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx2.ByteStream(packed))

    logged: list[tuple[str, int, bytes, int]] = []

    class Observer:
        def answered(self, request: HttpRequest, response: HttpResponse, received: int, seconds: float) -> None:
            logged.append((request.method, response.status, response.body, received))

        def unanswered(self, request: HttpRequest, problem: EmailplusError, seconds: float) -> None:
            raise AssertionError(problem)

    used = network(answer)
    used.traffic.observer = Observer()
    assert run(ask(), used, store).body == b"answer" * 1000
    run(ask(b""), used, store)
    assert used.traffic.requests == 2
    assert used.traffic.bytes_out == len(b"question")
    assert used.traffic.bytes_in == 2 * len(packed)
    assert logged == [("POST", 200, b"answer" * 1000, len(packed))] * 2


def test_traffic_of_a_real_server(world: World) -> None:
    world.sync()
    (used,) = world.networks
    requests = list(world.exchange.requests)
    assert used.traffic.requests == len(requests)
    assert used.traffic.bytes_out == sum(request.bytes_in for request in requests)
    assert used.traffic.bytes_in == sum(request.bytes_out for request in requests)


def certificate_problem(request: httpx2.Request) -> httpx2.Response:
    problem = ssl.SSLCertVerificationError(1, "certificate verify failed")
    problem.verify_message = "self-signed certificate"  # type: ignore[misc]
    raise httpx2.ConnectError("ssl") from problem


def handshake_problem(request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("ssl") from ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")


def raising(kind: type[Exception]) -> Callable[[httpx2.Request], httpx2.Response]:
    def answer(request: httpx2.Request) -> httpx2.Response:
        raise kind(f"something about {request.url} and {request.headers['authorization']}")

    return answer


CASES = [
    (raising(httpx2.ConnectError), ServerUnreachable, "cannot be reached"),
    (raising(httpx2.ReadError), ConnectionFailed, "cut"),
    (raising(httpx2.WriteError), ConnectionFailed, "cut"),
    (raising(httpx2.RemoteProtocolError), ConnectionFailed, "cut"),
    (raising(httpx2.DecodingError), ConnectionFailed, "cut"),
    (raising(httpx2.UnsupportedProtocol), ConnectionFailed, "cut"),
    (raising(httpx2.ConnectTimeout), NetworkTimeout, "within 90 s"),
    (raising(httpx2.ReadTimeout), NetworkTimeout, "within 90 s"),
    (raising(httpx2.WriteTimeout), NetworkTimeout, "within 90 s"),
    (raising(httpx2.PoolTimeout), NetworkTimeout, "within 90 s"),
    (certificate_problem, TlsFailed, "self-signed certificate"),
    (handshake_problem, TlsFailed, "handshake"),
]


@pytest.mark.parametrize(("answer", "error", "says"), CASES)
def test_errors_have_our_names(store: Store, answer: Any, error: type[EmailplusError], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        run(ask(), network(answer), store)
    assert type(caught.value) is error
    assert caught.value.__cause__ is not None
    for text in (str(caught.value), repr(caught.value)):
        assert SECRET not in text
        assert TOKEN not in text
        assert "alice" not in text


def test_broken_gzip(store: Store) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx2.ByteStream(b"no gzip at all"))

    with pytest.raises(ConnectionFailed):
        run(ask(), network(answer), store)


def test_an_unusable_address(store: Store) -> None:
    def flow() -> Flow[Any]:
        return (yield from http(HttpRequest("POST", "https://mail.example.test:port/")))

    with pytest.raises(ConnectionFailed, match="address"):
        run(flow(), network(lambda request: httpx2.Response(200)), store)


def test_too_large_an_answer(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "MAX_BODY", 100)
    sizes = iter((100, 101))
    used = network(lambda request: httpx2.Response(200, content=bytes(next(sizes))))
    assert len(run(ask(), used, store).body) == 100
    with pytest.raises(ResponseTooLarge):
        run(ask(), used, store)


def test_a_flow_may_deal_with_an_error(store: Store) -> None:
    def flow() -> Flow[str]:
        try:
            yield from ask()
        except NetworkTimeout:
            return "dealt with"
        return "nothing happened"

    assert run(flow(), network(raising(httpx2.ReadTimeout)), store) == "dealt with"


def test_heartbeat_extends_the_timeout(store: Store) -> None:
    timeouts: list[Any] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        timeouts.append(request.extensions["timeout"]["read"])
        return httpx2.Response(200)

    def flow() -> Flow[None]:
        yield Http(HttpRequest("POST", URL))
        yield Http(HttpRequest("POST", URL, wait=480.0))

    run(flow(), network(answer, timeout=20.0), store)
    assert timeouts == [20.0, 500.0]


def test_payload_streams_into_the_spool(store: Store) -> None:
    """What arrived before a cut stays, and an answer that is no payload is collected as usual."""
    store.database.execute("INSERT INTO folders (server_id, parent_id, name, type) VALUES ('1', '0', 'Inbox', 2)")
    blob, _ = store.apply(ClaimBlob("attachment", 1))

    class Cut(httpx2.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield b"first "
            raise httpx2.ReadError("cut")

    answers = iter(
        [
            httpx2.Response(503, content=b"not now"),
            httpx2.Response(200, stream=Cut()),
            httpx2.Response(200, content=b"second"),
        ]
    )

    def flow() -> Flow[Any]:
        request = HttpRequest("POST", URL)
        busy = yield from http_to_sink(request, RawPayload(None), blob)
        with pytest.raises(ConnectionFailed):
            yield from http_to_sink(request, RawPayload(None), blob)
        whole = yield from http_to_sink(request, RawPayload(None), blob)
        return busy, whole

    busy, whole = run(flow(), network(lambda request: next(answers)), store)
    assert (busy.status, busy.body) == (503, b"not now")
    assert (whole.status, whole.body) == (200, b"")
    assert spool.read_all(store.database, blob) == b"first second"


def test_no_secret_in_anything_shown(store: Store) -> None:
    used = network(raising(httpx2.ReadError))
    effects: list[object] = []

    def flow() -> Flow[None]:
        effect = Http(HttpRequest("POST", URL, {"X": "y"}))
        effects.append(effect)
        effects.append(HttpToSink(effect.request, RawPayload(None), 1))
        yield effect

    with pytest.raises(ConnectionFailed) as caught:
        run(flow(), used, store)
    shown = [repr(used), str(used), repr(used.auth), str(used.auth), *map(repr, effects), *map(str, effects)]
    shown += [repr(caught.value), "".join(traceback.format_exception_only(caught.value))]
    for text in shown:
        assert SECRET not in text
        assert TOKEN not in text


def test_no_secret_in_errors_of_a_run(world: World) -> None:
    keys = {"email_password": SECRET}
    with pytest.raises(AuthenticationFailed) as caught:
        world.sync(keys)
    config = world.config(**keys)
    for text in (
        str(caught.value),
        repr(caught.value),
        repr(config),
        str(config),
        repr(world.networks),
        *map(repr, world.events),
    ):
        assert SECRET not in text
        assert TOKEN not in text


def test_trust(tmp_path: Path) -> None:
    with pytest.raises(TlsFailed, match="email_certificate_X"):
        tls_context([b"not a certificate"])
    strict, lax = tls_context(), tls_context(trust_all=True)
    assert strict.verify_mode == ssl.CERT_REQUIRED
    assert strict.check_hostname
    assert lax.verify_mode == ssl.CERT_NONE


def test_the_environment_is_not_asked(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy and no .netrc of the machine gets between: the app config alone decides."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert run(ask(), network(lambda request: httpx2.Response(200)), store).status == 200
    with driver._client(Network(BasicAuth("alice", SECRET))) as client:
        assert client._mounts == {}
