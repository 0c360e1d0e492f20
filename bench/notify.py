"""The notification proxy against a bare handler in the same server framework: `bench/notify.py [--json] [--quick]`.

    rate     posts answered in a second by the proxy, which keeps each on the disk before it answers and tells a
             webhook, against a handler that parses the SOAP and answers OK; the rounds of the two take turns
    delay    from the post to the request at the gateway, at a quarter of that rate: the 99th hundredth against
             the median
    memory   of the proxy after 200,000 notifications, against that after the first 20,000

Everything is on loopback; the load and the webhook are one process, the server another.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

from table import Row, at_least, at_most, text  # noqa: E402

TOKEN = "benchmark"
ORGANIZATION = "bench"
DEVICES = 500
CONNECTIONS = 256


def envelope(events: list[tuple[str, str]], subscription: str) -> bytes:
    """A SendNotification with so many NewMailEvents: (ItemId, Watermark)."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    inside = "".join(
        f"<t:NewMailEvent><t:Watermark>{mark}</t:Watermark><t:TimeStamp>{moment}</t:TimeStamp>"
        f'<t:ItemId Id="{item}" ChangeKey="CQAAAA=="/><t:ParentFolderId Id="AAMkAGinbox" ChangeKey="AQAAAA=="/>'
        "</t:NewMailEvent>"
        for item, mark in events
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages" '
        'xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><s:Body><m:SendNotification>'
        '<m:ResponseMessages><m:SendNotificationResponseMessage ResponseClass="Success"><m:ResponseCode>NoError'
        f"</m:ResponseCode><m:Notification><t:SubscriptionId>{subscription}</t:SubscriptionId>"
        f"<t:PreviousWatermark>AQ==</t:PreviousWatermark><t:MoreEvents>false</t:MoreEvents>{inside}</m:Notification>"
        "</m:SendNotificationResponseMessage></m:ResponseMessages></m:SendNotification></s:Body></s:Envelope>"
    ).encode()


class Messages(asyncio.Protocol):
    """One HTTP/1.1 connection, either end: whole messages by Content-Length, as lean as it can be."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data
        while True:
            end = self.data.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self.data[:end])
            mark = head.lower().find(b"content-length:")
            size = int(head[mark + 15 :].split(b"\r\n", 1)[0]) if mark >= 0 else 0
            if len(self.data) < end + 4 + size:
                return
            body = bytes(self.data[end + 4 : end + 4 + size])
            del self.data[: end + 4 + size]
            self.message(head, body)

    def message(self, head: bytes, body: bytes) -> None:
        raise NotImplementedError


class Client(Messages):
    """Asks, and waits for the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.answer: asyncio.Future[tuple[bytes, bytes]] | None = None

    async def ask(self, path: str, host: str, body: bytes, more: str = "") -> tuple[bytes, bytes]:
        self.answer = asyncio.get_running_loop().create_future()
        head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
        self.transport.write(head.encode() + body)
        return await self.answer

    def message(self, head: bytes, body: bytes) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_result((head, body))

    def connection_lost(self, error: Exception | None) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(error or ConnectionError("closed"))


class Hook(Messages):
    """The webhook: when each item came."""

    came: dict[str, float] = {}  # noqa: RUF012  # shared by all connections on purpose
    count = 0

    def message(self, head: bytes, body: bytes) -> None:
        now = time.perf_counter()
        entries = json.loads(body)["notifications"]
        Hook.count += len(entries)
        for entry in entries:
            Hook.came[entry["item"]] = now
        self.transport.write(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")


class Server:
    """A server in a process of its own, and connections to it."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process, self.port = process, port
        self.host = f"127.0.0.1:{port}"
        self.clients: list[Client] = []

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(CONNECTIONS):
            _, client = await loop.create_connection(Client, "127.0.0.1", self.port)
            self.clients.append(client)

    def memory(self) -> int:
        """Resident bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    def stop(self) -> None:
        for client in self.clients:
            client.transport.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def started(arguments: list[str], folder: Path, described: Path) -> Server:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "EMAILPLUS_STORE_KEY": "5a" * 32}
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    end = time.monotonic() + 60
    while not described.exists():
        if process.poll() is not None or time.monotonic() > end:
            raise SystemExit("a server of the benchmark did not start; it wants emailplus[cli,notify]")
        time.sleep(0.02)
    return Server(process, json.loads(described.read_text())["port"])


def bare(described: Path) -> None:
    """The peer: Starlette and uvicorn as the proxy uses them; it parses the SOAP and answers OK."""
    import socket

    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from emailplus.ews import soap

    async def notified(request: Request) -> Response:
        soap.parse_send_notification(await request.body())
        return Response(soap.OK, media_type="text/xml; charset=utf-8")

    listener = socket.create_server(("127.0.0.1", 0))
    app = Starlette(routes=[Route("/ews/{token:str}", notified, methods=["POST"])])
    config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False, lifespan="off")
    described.write_text(json.dumps({"port": listener.getsockname()[1]}))
    uvicorn.Server(config).run([listener])


def configuration(folder: Path, hook: int) -> Path:
    import base64
    import hashlib
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "secret.txt").write_text(base64.b64encode(bytes(32)).decode())
    path = folder / "proxy.toml"
    path.write_text(f"""
public_url = "http://127.0.0.1:{port}"
listen = "127.0.0.1:{port}"

[[organizations]]
id = "{ORGANIZATION}"
token_sha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}"
domains = ["example.com"]

[[webhooks]]
name = "bench"
url = "http://127.0.0.1:{hook}/"
secret_file = "secret.txt"

[limits]
per_minute = 10000000
pending_per_device = 1000000
""")
    return path


class Bench:
    """The two servers and the load."""

    def __init__(self, proxy: Server, peer: Server) -> None:
        self.proxy, self.peer = proxy, peer
        self.callbacks: list[str] = []
        self.number = 0
        self.sent: dict[str, float] = {}
        self.expected = 0

    async def register(self) -> None:
        client = self.proxy.clients[0]
        more = f"Authorization: Bearer {TOKEN}\r\nEmailplus-Organization: {ORGANIZATION}\r\n"
        for number in range(DEVICES):
            wishes = {"mailbox": f"user{number}@example.com", "gateway": "webhook:bench", "device": f"d{number}"}
            _, body = await client.ask("/v1/registrations", self.proxy.host, json.dumps(wishes).encode(), more)
            self.callbacks.append(json.loads(body)["callback_url"].partition(self.proxy.host)[2])

    def post(self, events: int, peer: bool) -> tuple[str, bytes]:
        """The next post: where to, and what."""
        self.number += 1
        device = self.number % DEVICES
        names = [f"AAMkAGI2NGVhZTVlLTI1OGMtNDI4My1iZmE5-{self.number}-{n}" for n in range(events)]
        body = envelope([(name, f"AQAAAO{name[-20:]}") for name in names], f"subscription-{device}")
        if not peer:
            self.expected += events
            now = time.perf_counter()
            self.sent.update(dict.fromkeys(names, now))
        return (f"/ews/{device}" if peer else self.callbacks[device]), body

    async def rate(self, server: Server, seconds: float) -> float:
        """Posts answered in a second, every connection busy."""
        end = time.perf_counter() + seconds
        count = 0

        async def busy(client: Client) -> None:
            nonlocal count
            while time.perf_counter() < end:
                head, body = await client.ask(*self._aimed(server, 1))
                if b" 200 " not in head[:20] or b"OK" not in body:
                    raise SystemExit(f"a server of the benchmark answered {head[:30]!r}")
                count += 1

        start = time.perf_counter()
        await asyncio.gather(*map(busy, server.clients))
        return count / (time.perf_counter() - start)

    def _aimed(self, server: Server, events: int) -> tuple[str, str, bytes]:
        path, body = self.post(events, server is self.peer)
        return path, server.host, body

    async def drain(self) -> None:
        end = time.monotonic() + 120
        while Hook.count < self.expected:
            if time.monotonic() > end:
                raise SystemExit(f"lost: {self.expected - Hook.count} notifications")
            await asyncio.sleep(0.05)

    async def delays(self, rate: float, seconds: float) -> list[float]:
        """Seconds from post to gateway, at a steady rate."""
        Hook.came.clear()
        self.sent.clear()
        tasks = set()
        free = list(self.proxy.clients)
        start = time.perf_counter()
        count = 0

        async def one(client: Client) -> None:
            await client.ask(*self._aimed(self.proxy, 1))
            free.append(client)

        while (now := time.perf_counter()) < start + seconds:
            if count < (now - start) * rate and free:
                count += 1
                task = asyncio.create_task(one(free.pop()))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            await asyncio.sleep(0 if count < (now - start) * rate else 0.0005)
        await asyncio.gather(*tasks)
        await self.drain()
        return [Hook.came[name] - since for name, since in self.sent.items()]

    async def load(self, notifications: int, events: int = 10) -> None:
        """So many notifications, `events` a post."""
        left = notifications // events

        async def busy(client: Client) -> None:
            nonlocal left
            while left > 0:
                left -= 1
                await client.ask(*self._aimed(self.proxy, events))
                self.sent.clear()
                Hook.came.clear()

        await asyncio.gather(*map(busy, self.proxy.clients[:8]))
        await self.drain()


async def measured(folder: Path, quick: bool) -> list[Row]:
    loop = asyncio.get_running_loop()
    hook = await loop.create_server(Hook, "127.0.0.1", 0)
    configuration(folder, hook.sockets[0].getsockname()[1])
    serve = ["-m", "emailplus.cli", "notify", "serve", "-c", "proxy.toml", "--server-json", "proxy.json"]
    proxy = started(serve, folder, folder / "proxy.json")
    peer = started([str(Path(__file__)), "--bare", str(folder / "bare.json")], folder, folder / "bare.json")
    try:
        await proxy.connect()
        await peer.connect()
        bench = Bench(proxy, peer)
        await bench.register()
        ours, theirs = [], []
        for _ in range(1 if quick else 5):
            theirs.append(await bench.rate(peer, 1 if quick else 3))
            ours.append(await bench.rate(proxy, 1 if quick else 3))
            await bench.drain()
        mine, its = statistics.median(ours), statistics.median(theirs)
        delays = sorted(await bench.delays(mine / 4, 2 if quick else 10))
        median, late = statistics.median(delays), delays[int(len(delays) * 0.99)]
        few, many = (2_000, 8_000) if quick else (20_000, 200_000)
        await bench.load(few)
        before = proxy.memory()
        await bench.load(many - few)
        after = proxy.memory()
    finally:
        proxy.stop()
        peer.stop()
        hook.close()
    return [
        at_least(
            "posts of Exchange taken, kept and told, against parsing and answering OK",
            f"{mine:,.0f}/s", f"{its:,.0f}/s", mine / its, 0.5,
        ),
        at_most(
            f"post to gateway at {mine / 4:,.0f}/s, 99th hundredth against the median",
            f"{late * 1000:.1f} ms", f"{median * 1000:.1f} ms", late / median, 20,
        ),
        at_most(
            f"memory after {many:,} notifications, against {few:,}",
            f"{after / 2**20:.0f} MB", f"{before / 2**20:.0f} MB", after / before, 1.1,
        ),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="The notification proxy.")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="small, to see that it runs")
    parser.add_argument("--bare", metavar="FILE", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.bare:
        bare(Path(arguments.bare))
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = asyncio.run(measured(Path(folder), arguments.quick))
    if arguments.json:
        json.dump([asdict(row) for row in rows], sys.stdout)
    else:
        print(text(rows))


if __name__ == "__main__":
    main()
