"""A proxy for tests: in this process with a clock that is set, or as the command that it is."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import uvicorn
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from emailplus.config.secret import Secret
from emailplus.mock.tls import ServerTls
from emailplus.notify.proxy.options import Exchange, Limits, Options, Organization, Webhook
from emailplus.notify.proxy.serve import Proxy
from emailplus.store.keys import RawKey

T = TypeVar("T")

KEY = "5a" * 32
ORGANIZATION = "000000b0-e000-00eb-a0ba-000000ba000c"
TOKEN = "organisation-token-of-the-tests"
SECRET = base64.b64encode(bytes(range(32))).decode()
DEVICE = "ab" * 32
MONDAY_NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC).timestamp()
SUBSCRIPTION = "JgBleDAxLmV4YW1wbGUub3JnEAAAAHNhbXBsZS1zdWJzY3JpcHRpb24="

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"
TYPES = "http://schemas.microsoft.com/exchange/services/2006/types"
EMPTY_RULES: dict[str, Any] = {}


def signing_key() -> tuple[str, bytes]:
    """An APNs key as its owner has it, and the public half: PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public


def send_notification(
    *items: tuple[str, str], subscription: str = SUBSCRIPTION, at: float | None = None, code: str = "NoError"
) -> bytes:
    """A post as Exchange makes it; `items`: (ItemId, Watermark). Without any, a StatusEvent."""
    moment = datetime.fromtimestamp(MONDAY_NOON if at is None else at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    events = "".join(
        f"<t:NewMailEvent><t:Watermark>{mark}</t:Watermark><t:TimeStamp>{moment}</t:TimeStamp>"
        f'<t:ItemId Id="{item}" ChangeKey="CQ=="/><t:ParentFolderId Id="inbox" ChangeKey="AQ=="/></t:NewMailEvent>'
        for item, mark in items
    )
    events = events or "<t:StatusEvent><t:Watermark>AQAAAA==</t:Watermark></t:StatusEvent>"
    kind = "Success" if code == "NoError" else "Error"
    return (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{SOAP}" xmlns:m="{MESSAGES}" xmlns:t="{TYPES}">'
        f'<s:Body><m:SendNotification><m:ResponseMessages><m:SendNotificationResponseMessage ResponseClass="{kind}">'
        f"<m:ResponseCode>{code}</m:ResponseCode><m:Notification><t:SubscriptionId>{subscription}</t:SubscriptionId>"
        f"<t:PreviousWatermark>AQ==</t:PreviousWatermark><t:MoreEvents>false</t:MoreEvents>{events}</m:Notification>"
        "</m:SendNotificationResponseMessage></m:ResponseMessages></m:SendNotification></s:Body></s:Envelope>"
    ).encode()


@dataclass
class Clock:
    """A time that stands until it is moved."""

    now: float = MONDAY_NOON

    def __call__(self) -> float:
        return self.now


@dataclass
class Receiver:
    """What stands behind the proxy: requests to it, and its answers."""

    answer: Callable[[httpx2.Request], httpx2.Response] = lambda request: httpx2.Response(200)
    requests: list[httpx2.Request] = field(default_factory=list)

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        self.requests.append(request)
        return self.answer(request)

    def transport(self) -> httpx2.AsyncBaseTransport:
        return httpx2.MockTransport(self)


class Desk:
    """A proxy in this process whose servers are functions; `clock` is moved by `advance`."""

    def __init__(self, options: Options, clock: Clock, gateway: Receiver, exchange: Receiver) -> None:
        self.options, self.clock = options, clock
        self.gateway, self.exchange = gateway, exchange
        self.proxy = Proxy(options, RawKey(KEY), clock=clock, transports=self._transports())
        self.client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=self.proxy.asgi, client=("127.0.0.1", 1)), base_url=options.public_url
        )

    def _transports(self) -> dict[str, httpx2.AsyncBaseTransport]:
        names = [*self.options.gateways(), "exchange"]
        return {name: (self.exchange if name == "exchange" else self.gateway).transport() for name in names}

    async def __aenter__(self) -> Desk:
        await self.proxy.dispatcher.start()
        self.proxy.dispatcher.schedule(self.clock())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()
        await self.proxy.stop()

    async def register(self, **wishes: Any) -> dict[str, Any]:
        document = {"mailbox": "alice@example.com", "gateway": "webhook:desk", "device": DEVICE, **wishes}
        response = await self.client.post("/v1/registrations", json=document, headers=credentials())
        assert response.status_code == 201, response.text
        shown: dict[str, Any] = response.json()
        return shown

    async def post(self, registration: dict[str, Any], *items: tuple[str, str], **how: Any) -> str:
        """What a post of Exchange is answered: OK, Unsubscribe, or the status."""
        body = send_notification(*items, **{"at": self.clock(), **how})
        response = await self.client.post(registration["callback_url"], content=body)
        if response.status_code != 200:
            return str(response.status_code)
        return "Unsubscribe" if b"Unsubscribe" in response.content else "OK"

    async def work(self, turns: int = 4) -> None:
        """Let the dispatcher do all that is due now."""
        for _ in range(turns):
            self.proxy.dispatcher.turn()
            await self.proxy.dispatcher.settle()

    async def advance(self, seconds: float, step: float = 1.0) -> None:
        """Move the clock, the dispatcher working at each step."""
        end = self.clock.now + seconds
        while self.clock.now < end:
            self.clock.now = min(end, self.clock.now + step)
            await self.work(1)


def credentials(token: str = TOKEN, organization: str = ORGANIZATION) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "Emailplus-Organization": organization}


def options(folder: Path, *, exchange: bool = True, limits: Limits | None = None, **changed: Any) -> Options:
    """Options of a proxy with one webhook."""
    values: dict[str, Any] = {
        "public_url": "https://push.example.com/PROD",
        "host": "push.example.com",
        "path": "/PROD",
        "listen": ("127.0.0.1", 0),
        "store": folder / "notify.db",
        "tls": None,
        "exchange": Exchange("https://mail.example.com/EWS/Exchange.asmx", "EXAMPLE\\notify", Secret("service-secret")),
        "organizations": (Organization(ORGANIZATION, hashlib.sha256(TOKEN.encode()).hexdigest(), ("example.com",)),),
        "apns": None,
        "webhooks": (Webhook("desk", "https://desk.example.com/hook", Secret(SECRET)),),
        "limits": limits or Limits(),
    }
    if not exchange:
        values["exchange"] = None
    return Options(**{**values, **changed})


def get_item_response(*entries: tuple[str, str, str, str] | str) -> bytes:
    """An answer to GetItem: (item, sender, subject, preview) each, or a ResponseCode."""
    messages = []
    for entry in entries:
        if isinstance(entry, str):
            messages.append(
                '<m:GetItemResponseMessage ResponseClass="Error"><m:MessageText>no</m:MessageText>'
                f"<m:ResponseCode>{entry}</m:ResponseCode><m:Items/></m:GetItemResponseMessage>"
            )
            continue
        item, sender, subject, preview = entry
        messages.append(
            '<m:GetItemResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:Items>'
            f'<t:Message><t:ItemId Id="{item}" ChangeKey="CQ=="/><t:Subject>{subject}</t:Subject>'
            f"<t:DateTimeReceived>2026-11-23T12:00:00Z</t:DateTimeReceived><t:Preview>{preview}</t:Preview>"
            f"<t:From><t:Mailbox><t:Name>{sender.partition('@')[0].title()}</t:Name>"
            f"<t:EmailAddress>{sender}</t:EmailAddress></t:Mailbox></t:From></t:Message></m:Items>"
            "</m:GetItemResponseMessage>"
        )
    return (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{SOAP}" xmlns:m="{MESSAGES}" xmlns:t="{TYPES}">'
        f"<s:Body><m:GetItemResponse><m:ResponseMessages>{''.join(messages)}</m:ResponseMessages>"
        "</m:GetItemResponse></s:Body></s:Envelope>"
    ).encode()


def run(work: Callable[[], Awaitable[T]]) -> T:
    """An event loop for one test."""

    async def main() -> T:
        return await work()

    return asyncio.run(main())


def each(found: Iterable[T]) -> list[T]:
    return list(found)


class LiveProxy:
    """A proxy behind TLS in a thread of this process: what a client finds at `notification_server_host`."""

    def __init__(self, folder: Path, **changed: Any) -> None:
        self.tls = ServerTls()
        (folder / "proxy-cert.pem").write_bytes(self.tls.certificate_pem)
        (folder / "proxy-key.pem").write_bytes(self.tls.key_pem)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.gateway = Receiver()
        self.clock = Clock(time.time())
        values: dict[str, Any] = {"public_url": f"https://{self.host}/PROD", "host": self.host, "exchange": False}
        self.options = options(folder, **{**values, **changed})
        self._files = (folder / "proxy-cert.pem", folder / "proxy-key.pem")
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self.proxy: Proxy

    async def _serve(self) -> None:
        names = self.options.gateways()
        self.proxy = Proxy(
            self.options, RawKey(KEY), clock=self.clock, transports=dict.fromkeys(names, self.gateway.transport())
        )
        config = uvicorn.Config(
            self.proxy.asgi, log_config=None, lifespan="off", ssl_certfile=self._files[0], ssl_keyfile=self._files[1],
            timeout_graceful_shutdown=2,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        await self.proxy.start()
        self._ready.set()
        await self._server._serve([self._listener])
        await self.proxy.stop()

    def __enter__(self) -> LiveProxy:
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        while not self._server.started:
            time.sleep(0.01)
        self._server.should_exit = True
        self._thread.join(20)
        self._listener.close()

    def keys(self) -> dict[str, str]:
        """The app config's part."""
        return {
            "notification_server_host": f"{self.host}/PROD",
            "notification_server_organization_id": ORGANIZATION,
            "notification_server_authorization": TOKEN,
            "email_certificate_1": base64.b64encode(ssl.PEM_cert_to_DER_cert(self.tls.ca_pem.decode())).decode(),
        }
