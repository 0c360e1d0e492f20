"""Everything around a proxy: a mock Exchange that pushes, an APNs stand-in, a webhook receiver, the proxy's process."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2

from emailplus.mock import MockExchange, MockUser
from emailplus.mock.apns import MockApns

from ..notify.proxy_desk import KEY, ORGANIZATION, SECRET, TOKEN, credentials, signing_key

ROOT = Path(__file__).resolve().parents[2]
SERVICE = MockUser("notify@example.com", "notify", "service-secret")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Webhook:
    """A receiver that checks the signature and knows every id again; `chance` decides about faults."""

    def __init__(self) -> None:
        self.delivered: dict[str, dict[str, Any]] = {}
        """Id -> the notification that was shown."""
        self.repeated = 0
        self.forged = 0
        self.secret = SECRET
        self.requests = 0
        self.chance: Callable[[], str] = lambda: ""
        self._lock = threading.Lock()
        world = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                if len(body) < length:  # whoever sent it was killed
                    self.close_connection = True
                    return
                fault = world.chance()
                if fault == "refuse":
                    self._say(503)
                    return
                if fault == "slow":
                    time.sleep(0.5)
                self._say(world.take(dict(self.headers), body)) if fault != "lose" else self._lose(body)

            def _lose(self, body: bytes) -> None:
                world.take(dict(self.headers), body)
                self.close_connection = True

            def _say(self, status: int) -> None:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                return

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                return  # a proxy that was killed

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def take(self, headers: dict[str, str], body: bytes) -> int:
        names = {name.lower(): value for name, value in headers.items()}
        signed = f"{names['webhook-id']}.{names['webhook-timestamp']}.".encode() + body
        mac = hmac.new(base64.b64decode(self.secret), signed, hashlib.sha256).digest()
        with self._lock:
            self.requests += 1
            if names["webhook-signature"] != "v1," + base64.b64encode(mac).decode():
                self.forged += 1
                return 401
            for entry in json.loads(body)["notifications"]:
                if entry["id"] in self.delivered:
                    self.repeated += 1
                self.delivered.setdefault(entry["id"], entry)
        return 204

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class ProxyProcess:
    """`emailplus notify serve`, killed and started again."""

    def __init__(self, folder: Path, config: str) -> None:
        self.folder = folder
        self.log = folder / "proxy.log"
        (folder / "proxy.toml").write_text(config, encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> dict[str, Any]:
        """Start it, and wait until it takes connections; what it says of itself."""
        described = self.folder / "proxy.json"
        described.unlink(missing_ok=True)
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "EMAILPLUS_STORE_KEY": KEY,
                       "EMAILPLUS_SERVICE_PASSWORD": SERVICE.password}  # fmt: skip
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "emailplus.cli", "notify", "serve", "-c", "proxy.toml", "--server-json",
                 "proxy.json"],
                cwd=self.folder, env=environment, stdout=log, stderr=log,
            )  # fmt: skip
        self.starts += 1
        end = time.monotonic() + 60
        while not described.exists():
            if self._process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"the proxy did not start\n{self.log.read_text()[-2000:]}")
            time.sleep(0.02)
        document: dict[str, Any] = json.loads(described.read_text())
        return document

    def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def end(self) -> int:
        """SIGTERM; its exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=30)


class World:
    """The servers, and what each device was told."""

    def __init__(self, folder: Path, users: int, *, limits: str = "", auth: str = "basic") -> None:
        private, public = signing_key()
        self.people = [MockUser(f"user{n}@example.com", f"user{n}", "secret") for n in range(users)]
        self.auth = auth
        self.exchange = MockExchange([*self.people, SERVICE], sign_in=("basic", auth)).start()
        self.exchange.ews.allow_impersonation(SERVICE.username)
        self.exchange.ews.retry_pauses = (0.3,) * 100_000
        self.exchange.ews.post_timeout = 10
        self.exchange.ews.max_subscriptions = 50
        self.apns = MockApns(public, team_id="TEAM000001", key_id="KEY0000001", topic="com.example.mail").start()
        self.webhook = Webhook()
        self.port = free_port()
        (folder / "apns.p8").write_text(private)
        (folder / "apns-ca.pem").write_bytes(self.apns.ca_pem)
        (folder / "hook-secret.txt").write_text(SECRET)
        self.base = f"http://127.0.0.1:{self.port}/PROD"
        self.proxy = ProxyProcess(folder, self._config(limits))
        self.client = httpx2.Client(trust_env=False, timeout=10)

    def _config(self, limits: str) -> str:
        return f"""
public_url = "{self.base}"
listen = "127.0.0.1:{self.port}"
store = "notify.db"

[exchange]
ews_url = "{self.exchange.ews_url}"
username = "{SERVICE.username}"
auth = "{self.auth}"

[[organizations]]
id = "{ORGANIZATION}"
token_sha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}"
domains = ["example.com"]

[apns]
host = "{self.apns.host}"
team_id = "TEAM000001"
key_id = "KEY0000001"
key_file = "apns.p8"
topic = "com.example.mail"
ca_file = "apns-ca.pem"

[[webhooks]]
name = "desk"
url = "{self.webhook.url}"
secret_file = "hook-secret.txt"

[limits]
{limits}
"""

    def register(self, **wishes: Any) -> dict[str, Any]:
        response = self.client.post(f"{self.base}/v1/registrations", json=wishes, headers=credentials())
        assert response.status_code == 201, response.text
        found: dict[str, Any] = response.json()
        return found

    def subscribe(self, user: MockUser, url: str) -> None:
        """A push subscription of the inbox, as the recorded request makes it."""
        body = (
            '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
            'xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages" '
            'xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><s:Header>'
            '<t:RequestServerVersion Version="Exchange2016"/></s:Header><s:Body><m:Subscribe>'
            "<m:PushSubscriptionRequest>"
            '<t:FolderIds><t:DistinguishedFolderId Id="inbox"/></t:FolderIds><t:EventTypes>'
            "<t:EventType>NewMailEvent</t:EventType><t:EventType>CreatedEvent</t:EventType></t:EventTypes>"
            f"<t:StatusFrequency>5</t:StatusFrequency><t:URL>{url}</t:URL>"
            "</m:PushSubscriptionRequest></m:Subscribe></s:Body></s:Envelope>"
        )
        answer = self.client.post(
            self.exchange.ews_url, content=body, auth=(user.username, user.password),
            headers={"Content-Type": "text/xml; charset=utf-8"},
        )  # fmt: skip
        assert b"NoError" in answer.content, answer.text

    def stop(self) -> None:
        self.client.close()
        self.exchange.stop()
        self.apns.stop()
        self.webhook.stop()

    # -- what the devices were told

    def told(self, device: str) -> Counter[str]:
        """Notification id -> how often a person saw it: repeats are dropped, or take the place of the first."""
        found = Counter(entry["id"] for entry in list(self.webhook.delivered.values()) if entry["device"] == device)
        places: dict[str, set[str]] = {}
        for request in self.apns.taken():
            if request.device == device and request.headers["apns-push-type"] == "alert":
                places.setdefault(request.id, set()).add(request.headers["apns-collapse-id"])
        found.update({name: len(where) for name, where in places.items()})
        return found


def letter(subject: str, sender: str) -> bytes:
    return (
        f"From: {sender}\r\nTo: user@example.com\r\nSubject: {subject}\r\nMessage-ID: <{subject}@example.com>\r\n"
        f"\r\nThe body of {subject}.\r\n"
    ).encode()


def at_random(chance: random.Random, faults: dict[str, float]) -> str:
    """One of the faults, by their probabilities; "" for none."""
    drawn = chance.random()
    for name, share in faults.items():
        if drawn < share:
            return name
        drawn -= share
    return ""
