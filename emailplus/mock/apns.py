"""A stand-in of the Apple Push Notification service: HTTP/2 over TLS on loopback, provider tokens verified.

    with MockApns(key_pem, team_id="TEAM000001", key_id="KEY0000001", topic="com.example.mail") as apns:
        apns.host                  # 127.0.0.1:port, trusted through apns.ca_pem
        apns.unregister(token)     # 410 from now on
        apns.faults.append(...)    # Answer, Cut, Lose, Stall: what happens to the next requests
        apns.shown(token)          # what a person would see on the device
        apns.requests              # everything that came

Written from Apple's pages "Sending notification requests to APNs" (headers, payload), "Establishing a token-based
connection to APNs" and "Handling notification responses from APNs" (statuses and reasons). A request whose
apns-collapse-id is that of an earlier one takes its place on the device.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
import threading
import time
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from ..errors import UsageError
from .listening import stop_listening
from .tls import ServerTls

MAX_PAYLOAD: Final = 4096
_PATH: Final = re.compile(r"/3/device/([0-9a-fA-F]{16,200})")
_TYPES: Final = {"alert", "background", "location", "voip", "complication", "fileprovider", "mdm"}
_TOKEN_AGE: Final = 3600
_TOKEN_CHANGE: Final = 20 * 60


@dataclass(frozen=True, slots=True)
class Answer:
    """Not taken: this status and reason instead."""

    status: int
    reason: str
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """Not taken: the connection is cut."""


@dataclass(frozen=True, slots=True)
class Lose:
    """Taken; the connection is cut before the answer."""


@dataclass(frozen=True, slots=True)
class Stall:
    """Taken; the answer comes after `seconds`."""

    seconds: float


Fault: TypeAlias = Answer | Cut | Lose | Stall


@dataclass(slots=True)
class PushRequest:
    """One request as it came, and what it was answered."""

    device: str
    headers: dict[str, str]
    body: bytes
    at: float
    status: int = 0
    reason: str = ""

    @property
    def id(self) -> str:
        return self.headers.get("apns-id", "")

    @property
    def payload(self) -> dict[str, Any]:
        """The JSON of the body."""
        document: dict[str, Any] = json.loads(self.body)
        return document


@dataclass(slots=True)
class _Stream:
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)


class MockApns:
    """The stand-in. `public_key_pem`: of the key that signs provider tokens. `clock`: the present, Unix time."""

    def __init__(
        self,
        public_key_pem: bytes,
        *,
        team_id: str,
        key_id: str,
        topic: str,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        key = serialization.load_pem_public_key(public_key_pem)
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise UsageError("provider tokens are signed with a P-256 key")
        self._key = key
        self._team, self._key_id, self._topic = team_id, key_id, topic
        self._address = (host, port)
        self._clock = clock
        self._tls = ServerTls()
        self._tls.context.set_alpn_protocols(["h2"])
        self._gone: dict[str, float] = {}
        self._token = ("", 0.0)
        self._shown: dict[str, OrderedDict[str, PushRequest]] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._open: set[_Connection] = set()
        self.requests: list[PushRequest] = []
        self.faults: deque[Fault | None] = deque()
        """One for each request to come; None: nothing happens to it."""
        self.chance: Callable[[], Fault | None] = lambda: None
        """Asked where `faults` is empty."""
        self.down = False
        """Takes no connection, and cuts those it has."""

    # -- life

    def start(self) -> Self:
        """Listen. Raises `UsageError` where the port is taken."""
        ready = threading.Event()
        failures: list[OSError] = []

        async def main() -> None:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            try:
                server = await self._loop.create_server(
                    lambda: _Connection(self), *self._address, ssl=self._tls.context
                )
            except OSError as problem:
                failures.append(problem)
                return
            finally:
                ready.set()
            self._address = server.sockets[0].getsockname()[:2]
            ready.set()
            await self._stop.wait()
            await stop_listening([server])
            self._cut_open()

        def run() -> None:
            asyncio.run(main())

        self._thread = threading.Thread(target=run, name="emailplus-mock-apns", daemon=True)
        self._thread.start()
        ready.wait()
        if failures:
            self._thread.join()
            raise UsageError(f"the stand-in cannot listen: {failures[0]}") from failures[0]
        while self._address[1] == 0:
            time.sleep(0.001)
        return self

    def stop(self) -> None:
        """Cut every connection and end."""
        if self._thread is None or self._loop is None or self._stop is None:
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- what tests look at

    @property
    def host(self) -> str:
        return f"{self._address[0]}:{self._address[1]}"

    @property
    def ca_pem(self) -> bytes:
        return self._tls.ca_pem

    def unregister(self, device: str) -> None:
        """The app was removed from this device."""
        with self._lock:
            self._gone[device.lower()] = self._clock()

    def shown(self, device: str) -> list[PushRequest]:
        """What the device shows: what took the place of another once."""
        with self._lock:
            return list(self._shown.get(device.lower(), OrderedDict()).values())

    def taken(self) -> list[PushRequest]:
        """The requests that were answered 200, or would have been."""
        with self._lock:
            return [request for request in self.requests if request.status == 200]

    def cut_all(self) -> None:
        """Cut every connection now."""
        loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(self._cut_open)

    def _cut_open(self) -> None:
        for connection in list(self._open):
            connection.cut()

    def forget_all(self) -> None:
        """What comes over the connections of now is not read any more, as if something on the way forgot them."""
        for connection in list(self._open):
            connection.forgotten = True

    # -- the service

    def next_fault(self) -> Fault | None:
        with self._lock:
            return self.faults.popleft() if self.faults else self.chance()

    def judge(self, method: str, path: str, headers: dict[str, str], body: bytes) -> PushRequest:
        """Take a request, or refuse it as the service does."""
        found = _PATH.fullmatch(path)
        request = PushRequest(found[1].lower() if found else "", headers, body, self._clock())
        with self._lock:
            request.status, request.reason = self._verdict(method, found is not None, request)
            if request.status == 200:
                self._show(request)
            self.requests.append(request)
        return request

    def refuse(self, path: str, headers: dict[str, str], body: bytes, answer: Answer) -> PushRequest:
        """Note a request that a fault refused."""
        found = _PATH.fullmatch(path)
        request = PushRequest(found[1].lower() if found else "", headers, body, self._clock())
        request.status, request.reason = answer.status, answer.reason
        with self._lock:
            self.requests.append(request)
        return request

    def _show(self, request: PushRequest) -> None:
        if request.headers.get("apns-push-type") != "alert":
            return
        place = request.headers.get("apns-collapse-id") or request.id
        device = self._shown.setdefault(request.device, OrderedDict())
        device.pop(place, None)
        device[place] = request

    def _verdict(self, method: str, path: bool, request: PushRequest) -> tuple[int, str]:
        if method != "POST":
            return 405, "MethodNotAllowed"
        if not path:
            return 404, "BadPath"
        refused = self._token_refusal(request.headers.get("authorization", ""))
        if refused is not None:
            return refused
        refused = self._header_refusal(request.headers)
        if refused is not None:
            return refused
        if request.device in self._gone:
            return 410, "Unregistered"
        if not request.body:
            return 400, "PayloadEmpty"
        if len(request.body) > MAX_PAYLOAD:
            return 413, "PayloadTooLarge"
        try:
            aps = json.loads(request.body)["aps"]
        except (ValueError, KeyError, TypeError):
            return 400, "BadPayload"
        wake = request.headers["apns-push-type"] == "background"
        if not isinstance(aps, dict) or (wake and ("alert" in aps or aps.get("content-available") != 1)):
            return 400, "BadPayload"
        return 200, ""

    def _header_refusal(self, headers: dict[str, str]) -> tuple[int, str] | None:
        try:
            if headers.get("apns-id"):
                uuid.UUID(headers["apns-id"])
        except ValueError:
            return 400, "BadMessageId"
        if not headers.get("apns-topic"):
            return 400, "MissingTopic"
        if headers["apns-topic"] != self._topic:
            return 400, "DeviceTokenNotForTopic"
        kind = headers.get("apns-push-type", "")
        if kind not in _TYPES:
            return 400, "InvalidPushType"
        if headers.get("apns-priority", "10") not in (("5", "1") if kind == "background" else ("10", "5", "1")):
            return 400, "BadPriority"
        if not headers.get("apns-expiration", "0").isdigit():
            return 400, "BadExpirationDate"
        if len(headers.get("apns-collapse-id", "").encode()) > 64:
            return 400, "BadCollapseId"
        return None

    def _token_refusal(self, header: str) -> tuple[int, str] | None:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token:
            return 403, "MissingProviderToken"
        claims = self._claims(token)
        if claims is None or claims.get("iss") != self._team or not isinstance(claims.get("iat"), int):
            return 403, "InvalidProviderToken"
        now = self._clock()
        if not now - _TOKEN_AGE <= claims["iat"] <= now + 60:
            return 403, "ExpiredProviderToken"
        before, since = self._token
        if token != before:
            if before and now - since < _TOKEN_CHANGE:
                return 429, "TooManyProviderTokenUpdates"
            self._token = (token, now)
        return None

    def _claims(self, token: str) -> dict[str, Any] | None:
        """The claims of a JWT (RFC 7519) signed with ES256 (RFC 7518 3.4); None where anything is wrong with it."""
        try:
            head, body, signature = token.split(".")
            header = json.loads(_unbase64(head))
            raw = _unbase64(signature)
            if header.get("alg") != "ES256" or header.get("kid") != self._key_id or len(raw) != 64:
                return None
            both = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
            self._key.verify(both, f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256()))
            claims = json.loads(_unbase64(body))
        except (ValueError, AttributeError, binascii.Error, InvalidSignature):
            return None
        return claims if isinstance(claims, dict) else None

    def connected(self, connection: _Connection) -> None:
        self._open.add(connection)

    def disconnected(self, connection: _Connection) -> None:
        self._open.discard(connection)


def _unbase64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class _Connection(asyncio.Protocol):
    """One HTTP/2 connection (RFC 9113), many requests at once."""

    def __init__(self, service: MockApns) -> None:
        self._service = service
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self._transport: asyncio.Transport | None = None
        self._streams: dict[int, _Stream] = {}
        self.forgotten = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._service.down:
            transport.abort()
            return
        self._service.connected(self)
        self._h2.initiate_connection()
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        self._service.disconnected(self)
        self._transport = None

    def cut(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._service.down:
            self.cut()
            return
        if self.forgotten:
            return
        try:
            events = self._h2.receive_data(data)
        except h2.exceptions.ProtocolError:
            self._flush()
            self.cut()
            return
        for event in events:
            self._event(event)
        self._flush()

    def _event(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            names = {str(name): str(value) for name, value in event.headers or ()}
            self._streams[event.stream_id or 0] = _Stream(names)
        elif isinstance(event, h2.events.DataReceived):
            stream = self._streams.get(event.stream_id or 0)
            if stream is not None and len(stream.body) <= MAX_PAYLOAD:
                stream.body += event.data or b""
            self._h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 0)
        elif isinstance(event, h2.events.StreamEnded):
            stream = self._streams.pop(event.stream_id or 0, None)
            if stream is not None:
                self._request(event.stream_id or 0, stream)
        elif isinstance(event, h2.events.StreamReset):
            self._streams.pop(event.stream_id or 0, None)
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.cut()

    def _request(self, number: int, stream: _Stream) -> None:
        pseudo = {name: value for name, value in stream.headers.items() if name.startswith(":")}
        headers = {name: value for name, value in stream.headers.items() if not name.startswith(":")}
        path, body = pseudo.get(":path", ""), bytes(stream.body)
        fault = self._service.next_fault()
        if isinstance(fault, Cut):
            self.cut()
            return
        if isinstance(fault, Answer):
            self._answer(number, self._service.refuse(path, headers, body, fault), fault.retry_after)
            return
        request = self._service.judge(pseudo.get(":method", ""), path, headers, body)
        if isinstance(fault, Lose):
            self.cut()
        elif isinstance(fault, Stall):
            asyncio.get_running_loop().call_later(fault.seconds, self._late, number, request)
        else:
            self._answer(number, request)

    def _late(self, number: int, request: PushRequest) -> None:
        if self._transport is None:
            return
        try:
            self._answer(number, request)
            self._flush()
        except h2.exceptions.ProtocolError:  # the client gave the request up
            return

    def _answer(self, number: int, request: PushRequest, retry_after: int | None = None) -> None:
        headers = [(":status", str(request.status)), ("apns-id", request.id or str(uuid.uuid4()).upper())]
        if retry_after is not None:
            headers.append(("retry-after", str(retry_after)))
        if request.status == 200:
            self._h2.send_headers(number, headers, end_stream=True)
            return
        document: dict[str, object] = {"reason": request.reason}
        if request.status == 410:
            document["timestamp"] = int(request.at * 1000)
        self._h2.send_headers(number, headers)
        self._h2.send_data(number, json.dumps(document).encode(), end_stream=True)

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data and self._transport is not None:
            self._transport.write(data)
