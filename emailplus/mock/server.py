"""The mock Exchange on loopback: an asyncio and h11 HTTP/1 server in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import logging
import socket
import ssl
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import h11

from ..eas.wbxml import encode
from ..errors import UsageError
from . import versions as protocol_versions
from .connection import Connection
from .context import Answer, Hold, Stream
from .exchange import MAX_REQUEST, PATH, Exchange, content_type, multipart_body
from .faults import (
    Chunked,
    ContentType,
    CutAfter,
    Drip,
    Drop,
    Empty,
    ExtraHeaders,
    Garbage,
    Gzip,
    LoseResponse,
    Rewrite,
    Stall,
    Truncated,
)
from .listening import stop_listening
from .mailbox import utc_now
from .policy import MockPolicy
from .record import Request
from .users import MockUser

if TYPE_CHECKING:
    from .tls import ServerTls

_READ = 256 * 1024
_GZIP_FROM = 1024  # bytes; smaller answers are not worth compressing
EWS_PATH = "/EWS/Exchange.asmx"
_REASONS = {449: "Retry after sending a PROVISION command", 451: "Redirect", 507: "Insufficient Storage"}

logger = logging.getLogger(__name__)


class _Cut(Exception):
    """The connection is to be cut now."""


class MockExchange(Exchange):
    """A mock Exchange server on 127.0.0.1. Use it as a context manager, or `start` and `stop` it.

    `users`: who has a mailbox (none given: alice, bob and carol @example.test, password ``NAME-secret``).
    `versions`: the protocol versions offered. `policy`: None enforces none. `strict`: requests that break the schema
    are refused (Status 103, HTTP 400) and not only recorded. `tls`: serve HTTPS as well. `port`, `tls_port`: 0 takes
    a free one. `clock`: the present, as an aware datetime. `sign_in`: the ways in, some of ``basic``, ``ntlm``,
    ``bearer`` and ``certificate``. `certificate_required`: a TLS handshake without a client certificate fails. Further
    keywords: see `Exchange`.
    """

    def __init__(
        self,
        users: Iterable[MockUser] = (),
        *,
        versions: Iterable[str] = protocol_versions.VERSIONS,
        policy: MockPolicy | None = None,
        strict: bool = False,
        tls: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
        tls_port: int = 0,
        clock: Callable[[], datetime] = utc_now,
        sign_in: Iterable[str] = ("basic",),
        certificate_required: bool = False,
        **limits: Any,
    ) -> None:
        people = list(users) or default_users()
        super().__init__(
            people, versions=versions, policy=policy, strict=strict, clock=clock, sign_in=sign_in, **limits
        )
        self.host = host
        self._ports = [port, tls_port if tls else -1]
        ways = self.sign_in.schemes
        self._tls = _new_tls(certificate_required, asking="certificate" in ways) if tls else None
        self._ca_file: Path | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._waiters: set[asyncio.Event] = set()
        self._failures: list[BaseException] = []
        self.listen(self._wake)

    # -- life

    def start(self) -> Self:
        """Listen, and return once connections are accepted. Raises `UsageError` when the port is taken."""
        if self._thread is not None:
            raise UsageError("the mock server is running already")
        ready = threading.Event()
        self._failures.clear()
        self._thread = threading.Thread(target=self._main, args=(ready,), name="emailplus-mock", daemon=True)
        self._thread.start()
        ready.wait()
        for failure in self._failures:
            self._thread.join()
            self._thread = None
            raise UsageError(f"the mock server cannot listen: {failure}") from failure
        return self

    def stop(self) -> None:
        """Close every connection and wait for the thread to end. Mailboxes and records stay readable."""
        if self._thread is None:
            return
        loop, stopping = self._loop, self._stopping
        if loop is not None and stopping is not None:
            loop.call_soon_threadsafe(stopping.set)
        self._thread.join()
        self._thread = None
        self.ews.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- addresses

    @property
    def url(self) -> str:
        """The ActiveSync address over HTTP."""
        return f"http://{self.host}:{self._ports[0]}{PATH}"

    @property
    def url_tls(self) -> str:
        """The ActiveSync address over HTTPS; "" without TLS."""
        return f"https://{self.host}:{self._ports[1]}{PATH}" if self._tls is not None else ""

    @property
    def ews_url(self) -> str:
        """The address of Exchange Web Services over HTTP."""
        return f"http://{self.host}:{self._ports[0]}{EWS_PATH}"

    @property
    def ews_url_tls(self) -> str:
        """The address of Exchange Web Services over HTTPS; "" without TLS."""
        return f"https://{self.host}:{self._ports[1]}{EWS_PATH}" if self._tls is not None else ""

    @property
    def ca_pem(self) -> bytes:
        """The certificate authority to trust, PEM. Raises `UsageError` without TLS."""
        if self._tls is None:
            raise UsageError("the mock server was started without tls=True")
        return self._tls.ca_pem

    def write_ca(self, path: str | Path) -> Path:
        """Write `ca_pem` to a file and name it in `server_json`."""
        self._ca_file = Path(path)
        self._ca_file.write_bytes(self.ca_pem)
        return self._ca_file

    def client_p12(self, login: str, password: str) -> bytes:
        """A client certificate of a user with its key, as PKCS#12. Raises `UsageError` without TLS."""
        if self._tls is None:
            raise UsageError("the mock server was started without tls=True")
        user = self._find_user(login)
        return self._tls.client_p12(user.email, user.name or user.username, password)

    def server_json(self) -> dict[str, Any]:
        """The running server as one document, for clients and tests."""
        document: dict[str, Any] = {"eas_url": self.url, "ews_url": self.ews_url}
        if self._tls is not None:
            document["eas_url_tls"] = self.url_tls
            document["ews_url_tls"] = self.ews_url_tls
            document["ca_file"] = str(self._ca_file) if self._ca_file is not None else None
        document["users"] = [
            {"email": u.email, "username": u.username, "password": u.password, "domain": u.domain, "name": u.name}
            for u in self.users
        ]
        document["sign_in"] = list(self.sign_in.schemes)
        if "bearer" in self.sign_in.schemes:
            document["oauth"] = self.sign_in.oauth.description()
        document["versions"] = {"mock": ",".join(self.versions)}
        return document

    # -- the loop

    def _main(self, ready: threading.Event) -> None:
        try:
            asyncio.run(self._serve(ready))
        except BaseException as error:
            self._failures.append(error)
            if ready.is_set():
                logger.exception("the mock server ended")
            ready.set()

    async def _serve(self, ready: threading.Event) -> None:
        loop = self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        tasks: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = loop.create_task(_Connection(self, reader, writer).run())
            tasks.add(task)

            def ended(_: asyncio.Task[None]) -> None:  # also where it was cancelled before it began
                tasks.discard(task)
                writer.transport.abort()
                if not task.cancelled() and (problem := task.exception()) is not None:
                    loop.call_exception_handler({"message": "a connection of the mock failed", "exception": problem})

            task.add_done_callback(ended)

        servers = []
        contexts: list[ssl.SSLContext | None] = [None, self._tls.context if self._tls is not None else None]
        for index, context in enumerate(contexts):
            if self._ports[index] < 0:
                continue
            server = await asyncio.start_server(connected, self.host, self._ports[index], ssl=context, limit=_READ)
            self._ports[index] = server.sockets[0].getsockname()[1]
            servers.append(server)
        self.sign_in.oauth.base = (self.url_tls or self.url).removesuffix(PATH)
        ready.set()
        await self._stopping.wait()
        await stop_listening(servers)
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=5)
        await asyncio.sleep(0)  # what was aborted is closed in the next turn of the loop
        self._loop = None

    def _wake(self) -> None:
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has just closed
                loop.call_soon_threadsafe(self._stirred)

    def _stirred(self) -> None:
        for waiter in self._waiters:
            waiter.set()

    async def answer(self, request: Request) -> Answer | Stream:
        """The answer of a request, waiting where the command waits."""
        outcome = self.handle(request)
        return await self._hold(outcome) if isinstance(outcome, Hold) else outcome

    async def pieces(self, stream: Stream) -> AsyncGenerator[bytes, None]:
        """What a stream has to say, as it comes."""
        ends = time.monotonic() + stream.seconds
        quiet = time.monotonic() + stream.pause
        waiter = asyncio.Event()
        self._waiters.add(waiter)
        try:
            last = False
            while not last:
                waiter.clear()
                now = time.monotonic()
                with self.lock:
                    told, last = stream.poll(now >= quiet, now >= ends)
                if told:
                    quiet = time.monotonic() + stream.pause
                    yield told
                if not last:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(waiter.wait(), max(min(quiet, ends) - time.monotonic(), 0))
        finally:
            self._waiters.discard(waiter)
            with self.lock:
                stream.close()

    async def _hold(self, hold: Hold) -> Answer:
        deadline = time.monotonic() + hold.seconds
        waiter = asyncio.Event()
        self._waiters.add(waiter)
        try:
            while True:
                waiter.clear()
                left = deadline - time.monotonic()
                with self.lock:
                    answer = hold.poll(left <= 0)
                if answer is not None:
                    return answer
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(waiter.wait(), max(left, 0))
        finally:
            self._waiters.discard(waiter)


class _Connection:
    """One client connection: requests one after the other, faults applied to the bytes."""

    def __init__(self, exchange: MockExchange, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.exchange = exchange
        self.reader = reader
        self.writer = writer
        self.http = h11.Connection(h11.SERVER, max_incomplete_event_size=64 * 1024)
        self.connection = _new_connection(exchange, writer)
        sock = writer.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def run(self) -> None:
        try:
            while await self._one():
                self.http.start_next_cycle()
        except (_Cut, ConnectionError, ssl.SSLError):
            return
        except h11.RemoteProtocolError as error:
            await self._refuse(error)

    async def _one(self) -> bool:
        """Serve one request; False when the connection is over."""
        event = await self._event()
        if not isinstance(event, h11.Request):
            return False
        started = time.monotonic()
        request = Request(
            number=self.exchange.requests.next_number(),
            method=event.method.decode("ascii"),
            target=event.target.decode("ascii", "replace"),
            http_version=event.http_version.decode("ascii"),
            headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers.raw_items()],
            received=self.exchange.clock(),
            secure=self.writer.get_extra_info("ssl_object") is not None,
            connection=self.connection,
        )
        self.exchange.requests.begin(request)
        request.body = await self._body()
        request.bytes_in = len(request.body)
        self.exchange.strike(request)
        if any(isinstance(action, Drop) for action in request.faults):
            raise _Cut
        answer = await self.exchange.answer(request)
        if isinstance(answer, Stream):
            return await self._stream(request, answer)
        body, headers = self._encoded(request, answer), self._headers(request, answer)
        body = self._compressed(request, headers, body)
        request.response_headers, request.bytes_out = headers, len(body)
        request.seconds = time.monotonic() - started
        self.exchange.requests.finish(request)  # before a byte goes out: whoever has the answer finds its record
        await self._send(request, answer.status, headers, body)
        if self.http.our_state is h11.MUST_CLOSE or self.http.their_state is h11.MUST_CLOSE:
            return False
        return self.http.our_state is h11.DONE and self.http.their_state is h11.DONE

    async def _stream(self, request: Request, stream: Stream) -> bool:
        """Send a stream in chunks, and end the connection after it; over when the client goes, too."""
        headers = [*self._headers(request, stream.head), ("Content-Type", stream.head.content_type)]
        headers.append(("Connection", "close"))
        request.status, request.response_headers = stream.head.status, headers
        self.exchange.requests.finish(request)
        left = next((fault.bytes for fault in request.faults if isinstance(fault, CutAfter)), None)
        gone = asyncio.ensure_future(self.reader.read(1))
        pieces = self.exchange.pieces(stream)
        try:
            if any(isinstance(fault, LoseResponse) for fault in request.faults):
                raise _Cut
            await self._write(self.http.send(h11.Response(status_code=stream.head.status, headers=headers)))
            while True:
                piece = asyncio.ensure_future(anext(pieces, b""))
                await asyncio.wait((piece, gone), return_when=asyncio.FIRST_COMPLETED)
                if not piece.done():
                    piece.cancel()
                    raise _Cut
                told = piece.result()
                if not told:
                    break
                request.response_body += told
                request.bytes_out = len(request.response_body)
                await self._write(self.http.send(h11.Data(data=told if left is None else told[:left])))
                left = None if left is None else left - len(told)
                if left is not None and left <= 0:
                    raise _Cut
            await self._write(self.http.send(h11.EndOfMessage()))
        finally:
            gone.cancel()
            with contextlib.suppress(BaseException):
                await gone
            with contextlib.suppress(RuntimeError):
                await pieces.aclose()
        return False

    async def _event(self) -> Any:
        while True:
            event = self.http.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self.http.they_are_waiting_for_100_continue:
                await self._write(self.http.send(h11.InformationalResponse(status_code=100, headers=[])))
            self.http.receive_data(await self.reader.read(_READ))

    async def _body(self) -> bytes:
        pieces = []
        size = 0
        while True:
            event = await self._event()
            if isinstance(event, h11.Data):
                pieces.append(bytes(event.data))
                size += len(event.data)
                if size > MAX_REQUEST:
                    raise h11.RemoteProtocolError("request body too large", error_status_hint=413)
            elif isinstance(event, h11.EndOfMessage):
                return b"".join(pieces)
            else:
                raise _Cut

    async def _write(self, data: bytes | None) -> None:
        if data:
            self.writer.write(data)
            await self.writer.drain()

    async def _refuse(self, error: h11.RemoteProtocolError) -> None:
        if self.http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        headers = [("Connection", "close"), ("Content-Length", "0")]
        response = h11.Response(status_code=error.error_status_hint, headers=headers)
        try:
            await self._write(self.http.send(response))
            await self._write(self.http.send(h11.EndOfMessage()))
        except (ConnectionError, h11.LocalProtocolError):
            return

    # -- the answer

    async def _send(self, request: Request, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        chunk: int | None = None
        cut: int | None = None
        drip: Drip | None = None
        for fault in request.faults:
            if isinstance(fault, Stall):
                await asyncio.sleep(fault.seconds)
            elif isinstance(fault, LoseResponse):
                raise _Cut
            elif isinstance(fault, Chunked):
                chunk = fault.size
            elif isinstance(fault, CutAfter):
                cut = fault.bytes
            elif isinstance(fault, Drip):
                drip = fault
        if chunk is None or request.http_version == "1.0":
            headers = [*headers, ("Content-Length", str(len(body)))]
        self.exchange.sent(request)
        reason = _REASONS.get(status, "").encode()
        await self._write(self.http.send(h11.Response(status_code=status, headers=headers, reason=reason)))
        await self._send_body(body, chunk, cut, drip)
        await self._write(self.http.send(h11.EndOfMessage()))

    async def _send_body(self, body: bytes, chunk: int | None, cut: int | None, drip: Drip | None) -> None:
        step = drip.chunk if drip is not None else chunk or len(body) or 1
        end = len(body) if cut is None else min(cut, len(body))
        for start in range(0, end, step):
            await self._write(self.http.send(h11.Data(data=body[start : min(start + step, end)])))
            if drip is not None:
                await asyncio.sleep(drip.delay)
        if cut is not None:
            raise _Cut

    def _encoded(self, request: Request, answer: Answer) -> bytes:
        tree = answer.tree
        for fault in request.faults:
            if isinstance(fault, Rewrite) and tree is not None:
                tree = fault.change(tree)
        request.response_tree = tree
        body = encode(tree) if tree is not None else answer.body
        for fault in request.faults:
            if isinstance(fault, Garbage):
                body = fault.body
            elif isinstance(fault, Truncated):
                body = body[: fault.bytes]
            elif isinstance(fault, Empty):
                body = b""
        if answer.parts is not None:
            body = multipart_body(body, answer.parts)
        request.response_body = body
        request.status = answer.status
        return body

    def _headers(self, request: Request, answer: Answer) -> list[tuple[str, str]]:
        headers = [
            ("Date", time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())),
            ("Server", "emailplus-mock"),
            ("MS-Server-ActiveSync", self.exchange.build),
        ]
        kind = content_type(answer)
        for fault in request.faults:
            if isinstance(fault, ContentType):
                kind = fault.value
            elif isinstance(fault, ExtraHeaders):
                headers += fault.headers.items()
        if kind and request.response_body:
            headers.append(("Content-Type", kind))
        headers += answer.headers
        headers += self.exchange.set_cookies(request)
        return headers

    def _compressed(self, request: Request, headers: list[tuple[str, str]], body: bytes) -> bytes:
        wanted = "gzip" in request.header("Accept-Encoding").lower()
        on = wanted and self.exchange.gzip and len(body) >= _GZIP_FROM
        for fault in request.faults:
            if isinstance(fault, Gzip):
                on = fault.on
        if not on:
            return body
        headers.append(("Content-Encoding", "gzip"))
        return gzip.compress(body, 1, mtime=0)


def _new_tls(required: bool, *, asking: bool) -> ServerTls:
    from .tls import ServerTls  # cryptography is slow to load and rarely needed here

    return ServerTls(client_certificates="required" if required else "asked" if asking else "")


def _new_connection(exchange: MockExchange, writer: asyncio.StreamWriter) -> Connection:
    tls = writer.get_extra_info("ssl_object")
    if tls is None or exchange._tls is None:
        return Connection()
    return Connection(peer=tls.getpeercert(True) or b"", served=exchange._tls.certificate_der)


def default_users() -> list[MockUser]:
    """alice, bob and carol @example.test."""
    people = (("alice", "Alice Anderson"), ("bob", "Bob Brown"), ("carol", "Carol Núñez"))
    return [MockUser(f"{name}@example.test", name, f"{name}-secret", name=full) for name, full in people]
