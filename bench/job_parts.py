"""The contestants of `job.py`, each in a process of its own: `python bench/job_parts.py NAME ARGUMENTS-AS-JSON`.

Each prints one JSON document. Times are `time.perf_counter` (wall) and user plus system time of the process (CPU),
both without starting the interpreter and importing.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

KEY = bytes(range(32))
USER, PASSWORD = "alice@example.test", "alice-secret"


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_kilobytes() -> int:
    """Peak resident memory. ru_maxrss would count what the parent had when it forked."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def mock(count: int, size: int, seconds: float, policy: bool) -> None:
    """Serve a mailbox of `count` messages until standard input ends, or for `seconds`."""
    import threading

    from emailplus.mock.fixture_mailbox import large_mailbox
    from emailplus.mock.policy import MockPolicy
    from emailplus.mock.server import MockExchange

    exchange = MockExchange(tls=True, gzip=False, record_bytes=0, policy=MockPolicy() if policy else None)
    exchange.user(USER).deliver_many(large_mailbox(count, size))
    with exchange:
        print(json.dumps(exchange.server_json()), flush=True)
        ended = threading.Event()
        threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
        ended.wait(seconds)


def sync(url: str, device: str, store: str) -> dict[str, Any]:
    """Our whole job. `wall` and `cpu` end when everything is stored and readable; `index_*` is what comes after."""
    from emailplus.config import AppConfig
    from emailplus.mailbox import Mailbox
    from emailplus.model import events

    config = AppConfig.load(
        {
            "email_address": USER,
            "email_exchange_host": url.partition("//")[2].partition("/")[0],
            "email_exchange_username": USER,
            "email_device_id": device,
            "email_ssl_required": url.startswith("https"),
            "email_trust_all_certificates": True,
            "email_default_sync_period": 0,
            "email_max_sync_period": 0,
        }
    )
    marks: dict[str, tuple[float, float]] = {}
    windows: list[int] = []

    def listen(event: Any) -> None:
        if isinstance(event, events.Phase):
            marks.setdefault(event.name, (time.perf_counter(), cpu()))
        elif isinstance(event, events.WindowStored) and event.added:
            windows.append(event.added)

    with Mailbox.open(config, store=store, key=KEY, password=PASSWORD) as mailbox:
        begin = (time.perf_counter(), cpu())
        report = mailbox.sync(period=0, listener=listen)
        end = (time.perf_counter(), cpu())
        stored = mailbox.store.database.scalar("SELECT count(*) FROM messages m JOIN bodies b ON b.message_id = m.id")
    ready = marks["index"]
    return {
        "messages": stored,
        "windows": windows,
        "bytes": report.bytes_in,
        "wall": ready[0] - begin[0],
        "cpu": ready[1] - begin[1],
        "index_wall": end[0] - ready[0],
        "index_cpu": end[1] - ready[1],
        "phases": report.seconds_by_phase,
        "peak_kilobytes": peak_kilobytes(),
    }


def download(url: str, device: str, windows: list[int]) -> dict[str, Any]:
    """The same answers, read with the HTTP client and let go. The key of the next request is cut out of the bytes."""
    import httpx2

    from emailplus.eas.commands import sync as command
    from emailplus.eas.versions import VERSIONS
    from emailplus.eas.wbxml import encode
    from emailplus.policy.body_preference import ContentPolicy

    version = VERSIONS["16.1"]
    body = ContentPolicy(max_body=4 << 20, max_attachment=3 << 20).body_request()
    headers = {"MS-ASProtocolVersion": "16.1", "Content-Type": "application/vnd.ms-sync.wbxml"}
    query = f"User={USER}&DeviceId={device}&DeviceType=bench"

    def ask(client: httpx2.Client, name: str, content: bytes) -> bytes:
        answer = client.post(f"{url}?Cmd={name}&{query}", content=content, headers=headers)
        answer.raise_for_status()
        return answer.content

    def key_of(answer: bytes) -> str:
        start = answer.index(b"\x4b\x03") + 2  # AirSync:SyncKey, an inline string
        return answer[start : answer.index(b"\0", start)].decode()

    total, wall, used = 0, 0.0, 0.0
    with httpx2.Client(auth=(USER, PASSWORD), trust_env=False, verify=False, timeout=90) as client:
        ask(client, "FolderSync", encode(("FolderHierarchy:FolderSync", [("FolderHierarchy:SyncKey", "0")])))
        key = "0"
        for window in [1, *windows]:
            request = encode(command.build([command.CollectionRequest("1", key, window, 0, body)], version))
            begin = (time.perf_counter(), cpu())
            answer = ask(client, "Sync", request)
            wall, used = wall + time.perf_counter() - begin[0], used + cpu() - begin[1]
            total, key = total + len(answer), key_of(answer)
    return {"wall": wall, "cpu": used, "bytes": total}


def insert(source: str, target: str, windows: list[int]) -> dict[str, Any]:
    """The rows of the store `source` into a new one: its tables, indexes and pragmas, and bare `executemany`."""
    from emailplus.store.database import Database
    from emailplus.store.keys import RawKey

    first = Database.open(source, RawKey(KEY), create=False)
    tables: dict[str, tuple[str, list[list[Any]]]] = {}
    for table, order in (("messages", "id"), ("bodies", "message_id")):
        columns = [row[1] for row in first.all(f"PRAGMA table_info({table})")]
        names = ", ".join(columns)
        rows = [list(row) for row in first.all(f"SELECT {names} FROM {table} ORDER BY {order}")]
        if "indexed" in columns:  # as they stood before the index was made
            for row in rows:
                row[columns.index("indexed")] = 0
        tables[table] = (f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(columns))})", rows)
    folders = first.all("SELECT id, server_id, parent_id, name, type FROM folders")
    first.close()
    database = Database.open(target, RawKey(KEY))
    connection = database._connection
    connection.executemany("INSERT INTO folders (id, server_id, parent_id, name, type) VALUES (?, ?, ?, ?, ?)", folders)
    begin = (time.perf_counter(), cpu())
    at = 0
    for number, window in enumerate(windows):
        connection.execute("BEGIN IMMEDIATE")
        for statement, rows in tables.values():
            connection.executemany(statement, rows[at : at + window])
        connection.execute("UPDATE folders SET sync_key = ? WHERE id = 1", (str(number),))
        connection.execute("COMMIT")
        at += window
    result = {"wall": time.perf_counter() - begin[0], "cpu": cpu() - begin[1]}
    count = database.scalar("SELECT count(*) FROM bodies")
    database.close()
    return {**result, "messages": count}


def opening(store: str, times: int) -> dict[str, Any]:
    """Opening a store with a raw key, and closing it, `times` over; the median of the openings."""
    from emailplus.store.store import Store

    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        opened = Store.open(store, KEY, create=False)
        taken.append(time.perf_counter() - begin)
        opened.close()
    return {"median": statistics.median(taken), "worst": max(taken)}


def imap_fetch(port: int, user: str, password: str, directory: str, batch: int) -> dict[str, Any]:
    """imaplib: the mailbox in batches of FETCH, every message to a file of its own."""
    import imaplib

    target = Path(directory)
    target.mkdir(parents=True)
    begin = (time.perf_counter(), cpu())
    client = imaplib.IMAP4("127.0.0.1", port)
    client.login(user, password)
    count = int(client.select("INBOX", readonly=True)[1][0] or b"0")
    written = 0
    for first in range(1, count + 1, batch):
        _, answers = client.fetch(f"{first}:{min(count, first + batch - 1)}", "(UID BODY.PEEK[])")
        for answer in answers:
            if isinstance(answer, tuple):
                written += 1
                (target / str(written)).write_bytes(answer[1])
    client.logout()
    return {"wall": time.perf_counter() - begin[0], "cpu": cpu() - begin[1], "messages": written}


def pyactivesync(url: str, device: str, limit: int) -> dict[str, Any]:
    """pyactivesync: list the inbox, then each body apart, which is how it gives bodies; nothing is stored."""
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    from pyactivesync import Client, FolderType

    host = url.partition("//")[2].partition("/")[0]
    with Client(device_id=device, server=host, username=USER, password=PASSWORD, verify_ssl=False) as client:
        inbox = next(folder for folder in client.list_folders() if folder.type == FolderType.INBOX)
        begin = (time.perf_counter(), cpu())
        state = client.sync_folder(inbox.id)
        found: list[str] = []
        whole = 0
        while len(found) < limit:
            state = client.sync_folder(inbox.id, sync_key=state.sync_key, window_size=100)
            found += [item.server_id for item in state.added]
            whole += sum(len(str(item.fields)) > 5_000 for item in state.added)
            if not state.more_available:
                break
        listed = time.perf_counter() - begin[0]
        fetched = 0
        for identifier in found[:limit]:
            fetched += bool(client.fetch_item(inbox.id, identifier).body)
    return {
        "wall": time.perf_counter() - begin[0],
        "cpu": cpu() - begin[1],
        "messages": fetched,
        "listed": len(found),
        "listed_with_body": whole,
        "list_wall": listed,
    }


PARTS: dict[str, Callable[..., Any]] = {
    "mock": mock,
    "sync": sync,
    "download": download,
    "insert": insert,
    "opening": opening,
    "imap_fetch": imap_fetch,
    "pyactivesync": pyactivesync,
}


if __name__ == "__main__":
    os.umask(0o077)
    outcome = PARTS[sys.argv[1]](**json.loads(sys.argv[2]))
    if outcome is not None:
        json.dump(outcome, sys.stdout)
