"""Watching: `python bench/watch.py [--json] [--quick]`.

A mock Exchange in a process of its own, with one user and many devices. Measured:

- *memory*: the resident memory of one process in which 2,000 mailboxes of their own (a store, a device, a Ping each)
  wait in asyncio, and what the same process has before the first is opened; the difference by watcher. --quick: fewer.
- *news*: from the delivery on the server to the event; as the peer two bare requests over the same HTTP client, since
  a FolderSync and a Sync are what no client can do without.
- *idle*: requests of those watchers while nothing happens.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

from table import Row, at_most, text  # noqa: E402

WATCHERS = 2_000
QUICK = 60
MEMORY = 300.0  # MB
NEWS = 0.2  # seconds
HEARTBEAT = 900  # seconds, of an account that has learnt nothing yet
ROUNDS = 15
KEY = bytes(range(32))

SERVER = """
import copy, json, sys, time
from emailplus.mock import MockExchange
exchange = MockExchange(record_bytes=0)
box = exchange.user("alice")
for name in [folder.name for folder in box.folders.values() if folder.name != "Inbox"]:
    try:
        box.delete_folder(name)
    except Exception:
        pass  # a folder that no mailbox is without
mail = b"From: bob@example.test\\r\\nTo: alice@example.test\\r\\nSubject: news\\r\\n\\r\\nHello.\\r\\n"
with exchange:
    print(exchange.url, flush=True)
    for line in sys.stdin:
        if line.startswith("deliver"):
            at = time.monotonic()
            box.deliver(mail)
            print(at, flush=True)
        elif line.startswith("clone"):  # devices that are as far as the first one
            (known,) = exchange.devices.values()
            for number in range(int(line.split()[1])):
                device = copy.deepcopy(known)
                device.device_id = f"{number:032X}"
                exchange.devices[device.user, device.device_id] = device
            print(flush=True)
        else:
            pings = len(exchange.requests.of("Ping"))
            print(json.dumps([pings, len(list(exchange.requests))]), flush=True)
"""


class Server:
    """The mock, in a process of its own. Its clock is ours: both are the machine's monotonic one."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        self.url = self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def _tell(self, what: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()
        return self._answer()

    def deliver(self) -> float:
        return float(self._tell("deliver"))

    def clone(self, count: int) -> None:
        self._tell(f"clone {count}")

    def requests(self) -> tuple[int, int]:
        pings, every = json.loads(self._tell("count"))
        return pings, every

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


def config(url: str, number: int) -> Any:
    from emailplus.config import AppConfig

    return AppConfig.load(
        {
            "email_address": "alice@example.test", "email_device_id": f"{number:032X}",
            "email_exchange_host": url.split("/")[2], "email_exchange_username": "alice",
            "email_password": "alice-secret", "email_ssl_required": "false",
        }
    )  # fmt: skip


def resident() -> float:
    """MB of this process that are in memory."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def prepare(url: str, folder: Path, count: int) -> None:
    """Stores for so many mailboxes: one is synchronised, the others are made after it. In a process of its own."""
    import hashlib

    from emailplus.config.snapshot import Snapshot
    from emailplus.mailbox import Mailbox
    from emailplus.model.changes import SaveAccount
    from emailplus.store import settings
    from emailplus.store.store import Store

    with Mailbox.open(config(url, 0), store=folder / "0.db", key=KEY) as mailbox:
        mailbox.sync()
    for number in range(1, count):
        for suffix in (".db", ".db.key"):
            shutil.copy(folder / f"0{suffix}", folder / f"{number}{suffix}")
        made = config(url, number)
        with Store.open(folder / f"{number}.db", KEY) as store:
            device = hashlib.sha256(f"{made.email_device_id}/plain".encode()).hexdigest()
            store.apply(SaveAccount({"device": device}))
            settings.remember(store.database, Snapshot.of(made).to_json())


async def idle(server: Server, folder: Path, count: int) -> dict[str, Any]:
    """So many watchers in this process, once all of them wait."""
    from emailplus.mailbox import AsyncMailbox
    from emailplus.model.watch import State

    before = resident()
    began = time.monotonic()
    gate = asyncio.Semaphore(8)
    loop = asyncio.get_running_loop()
    ready = [loop.create_future() for _ in range(count)]

    async def one(number: int) -> None:
        try:
            async with gate:
                opening = AsyncMailbox.open(config(server.url, number), store=folder / f"{number}.db", key=KEY)
                mailbox = await opening
                watch = await mailbox.watch(heartbeat=3000)
                async for event in watch:
                    if isinstance(event, State) and event.name == "watching":
                        break
            ready[number].set_result(None)
        except Exception as problem:
            ready[number].set_exception(problem)
            return
        try:
            async for _ in watch:
                pass
        finally:
            await asyncio.shield(mailbox.close())

    tasks = [asyncio.create_task(one(number)) for number in range(count)]
    await asyncio.gather(*ready)
    deadline = time.monotonic() + 120
    while server.requests()[0] < count and time.monotonic() < deadline:
        await asyncio.sleep(0.5)
    await asyncio.sleep(2.0)
    pings, every = server.requests()
    after = resident()
    await asyncio.sleep(10.0)
    later = server.requests()[1]
    result = {
        "before": before,
        "after": after,
        "pings": pings,
        "more": later - every,
        "seconds": time.monotonic() - began,
    }
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return result


def news(server: Server, folder: Path) -> list[float]:
    """Seconds from the delivery to the event, again and again."""
    from emailplus.mailbox import Mailbox
    from emailplus.model.watch import NewMail, State

    found: list[float] = []
    sent = 0.0
    import threading

    def later() -> None:
        nonlocal sent
        time.sleep(0.3)  # the Ping is on its way
        sent = server.deliver()

    with Mailbox.open(config(server.url, 10**6), store=folder / "news.db", key=KEY) as mailbox:
        timers: list[threading.Thread] = []
        for event in mailbox.watch():
            if isinstance(event, NewMail):
                found.append(time.monotonic() - sent)
                if len(found) == ROUNDS:
                    break
            if isinstance(event, NewMail) or (isinstance(event, State) and event.name == "watching"):
                timers.append(threading.Thread(target=later))
                timers[-1].start()
        for timer in timers:
            timer.join()
    return found


def bare(server: Server) -> list[float]:
    """Seconds of two requests to the same server by the same client."""
    import base64

    import httpx2

    token = base64.b64encode(b"alice:alice-secret").decode()
    times = []
    with httpx2.Client(trust_env=False) as client:
        for _ in range(ROUNDS * 3):
            began = time.monotonic()
            for _ in range(2):
                client.request("OPTIONS", server.url, headers={"Authorization": f"Basic {token}"}).raise_for_status()
            times.append(time.monotonic() - began)
    return times


def main() -> int:
    parser = argparse.ArgumentParser(description="Watching, idle and with news.")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} watchers instead of {WATCHERS:,}")
    parser.add_argument("--prepare", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.prepare:
        url, folder, number = options.prepare
        prepare(url, Path(folder), int(number))
        return 0
    count = QUICK if options.quick else WATCHERS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 8 * WATCHERS) if hard != resource.RLIM_INFINITY else 8 * WATCHERS
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    rows = []
    scratch = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="emailplus-watch.", dir=scratch) as name:
        server = Server()
        try:
            told, least = news(server, Path(name)), bare(server)
        finally:
            server.close()
        server = Server()
        try:
            command = [sys.executable, __file__, "--prepare", server.url, name, str(count)]
            subprocess.run(command, check=True, timeout=1200)
            server.clone(count)
            found = asyncio.run(idle(server, Path(name), count))
        finally:
            server.close()
    ours, theirs = statistics.median(told), statistics.median(least)
    figure = "new mail on the server to its event, against two bare requests"
    row = Row(figure, f"{1000 * ours:.0f} ms", f"{1000 * theirs:.0f} ms", f"{ours / theirs:.1f}", f"<= {NEWS} s")
    row.met = ours <= NEWS
    rows.append(row)
    each = (found["after"] - found["before"]) * 1024 / count
    row = at_most(
        f"{count:,} idle watchers in one process, memory",
        f"{found['after']:.0f} MB",
        f"{found['before']:.0f} MB without",
        found["after"] / MEMORY,
        1,
    )
    row.target = f"<= {MEMORY:.0f} MB"
    row.note = f"{each:.0f} KB a watcher; all of them waited after {found['seconds']:.0f} s"
    rows.append(row)
    bound = 2 * (count * 10 // HEARTBEAT + 1)  # they began at different times
    row = Row(f"requests of {count:,} idle watchers in 10 s", str(found["more"]), "", "", f"<= {bound}")
    row.met = found["more"] <= bound
    row.note = f"one a heartbeat of {HEARTBEAT} s at first; {found['pings']:,} Pings until then"
    rows.append(row)
    print(json.dumps([row.as_dict() for row in rows]) if options.json else text(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
