"""What the proxy keeps: registrations, the queue, and which notifications it has seen. One encrypted file.

The queue holds ids and times, never a word of a message. One thread writes; what waits for it is written in one
transaction, so that durability costs one flush of the disk for many posts. A post is answered OK after the commit that
holds its notifications. A notification leaves the queue after a gateway took it: what a crash leaves in between is sent
again under the same key, and the receiver drops the second (APNs replaces it).
"""

from __future__ import annotations

import asyncio
import hashlib
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from ...errors import EmailplusError, StoreError
from ...store.database import Database
from ...store.keys import KeyProvider
from .registration import Registration, dumped, loaded

T = TypeVar("T")

MIGRATIONS: Final = (
    """
    CREATE TABLE registrations (
        id TEXT PRIMARY KEY,
        target BLOB NOT NULL UNIQUE,
        secret BLOB NOT NULL,
        callback BLOB NOT NULL UNIQUE,
        expires REAL NOT NULL,
        document TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE queue (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        registration TEXT NOT NULL,
        item TEXT NOT NULL,
        watermark TEXT NOT NULL,
        arrived REAL NOT NULL
    );
    CREATE INDEX queue_registration ON queue(registration);
    CREATE TABLE seen (
        mark BLOB PRIMARY KEY,
        day INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX seen_day ON seen(day);
    CREATE TABLE facts (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) WITHOUT ROWID;
    """,
)

_GROUP: Final = 1024
"""Steps of one transaction at most."""
_DAY: Final = 24 * 3600
_PRUNED: Final = 5000
"""Marks forgotten in one transaction."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One notification as it comes in."""

    registration: str
    target: bytes
    subscription: str
    watermark: str
    item: str
    arrived: float


@dataclass(frozen=True, slots=True)
class Entry:
    """One notification in the queue."""

    number: int
    registration: str
    item: str
    arrived: float


class Ledger:
    """The open file and its one writer. Use from one event loop; `close` waits for what is under way."""

    def __init__(self, path: Path, key: KeyProvider) -> None:
        """Raises what `Database.open` raises; `StoreBusy` where another proxy has the file."""
        self._database = Database.open(path, key, lock=True, migrations=MIGRATIONS)
        self._steps: queue.SimpleQueue[_Step | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="emailplus-ledger", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Write what waits, and close the file."""
        self._steps.put(None)
        await asyncio.to_thread(self._thread.join)
        self._database.close()

    # -- registrations

    def registrations(self) -> list[Registration]:
        """All of them, at the start."""
        rows = self._database.all("SELECT id, secret, callback, expires, document FROM registrations")
        return [loaded(*row) for row in rows]

    async def keep(self, registration: Registration) -> None:
        """Write a registration in place of what was kept of it."""

        def step(database: Database) -> None:
            target = registration.wishes.target
            database.execute(
                "INSERT OR REPLACE INTO registrations VALUES (?, ?, ?, ?, ?, ?)",
                (
                    registration.id, target, registration.secret, registration.callback, registration.expires,
                    dumped(registration),
                ),
            )  # fmt: skip

        await self._do(step)

    async def drop(self, identities: Sequence[str]) -> None:
        """Forget registrations, and what waits for them."""

        def step(database: Database) -> None:
            for identity in identities:
                _drop(database, identity)

        await self._do(step)

    # -- the queue

    async def take(self, arrivals: Sequence[Arrival]) -> list[Entry]:
        """Put what is new into the queue; returns it. Durable when this returns."""

        def step(database: Database) -> list[Entry]:
            return [entry for arrival in arrivals if (entry := _take(database, arrival)) is not None]

        return await self._do(step)

    def done(self, numbers: Iterable[int]) -> asyncio.Future[None]:
        """Take notifications out of the queue."""
        rows = [(number,) for number in numbers]
        return self._do(lambda database: database.executemany("DELETE FROM queue WHERE number = ?", rows))

    async def after(self, number: int, most: int) -> list[Entry]:
        """Up to `most` entries behind `number`, oldest first."""

        def step(database: Database) -> list[Entry]:
            rows = database.all(
                "SELECT number, registration, item, arrived FROM queue WHERE number > ? ORDER BY number LIMIT ?",
                (number, most),
            )
            return [Entry(*row) for row in rows]

        return await self._do(step)

    async def waiting(self) -> dict[str, int]:
        """How many notifications wait for each registration."""

        def step(database: Database) -> dict[str, int]:
            return dict(database.all("SELECT registration, count(*) FROM queue GROUP BY registration"))

        return await self._do(step)

    async def forget(self, before: float) -> int:
        """Forget what was seen before a Unix time; how many marks went. Call again while there are any."""

        def step(database: Database) -> int:
            found = database.execute(
                "DELETE FROM seen WHERE mark IN (SELECT mark FROM seen WHERE day < ? LIMIT ?)",
                (int(before // _DAY), _PRUNED),
            )
            return int(found.rowcount)

        return await self._do(step)

    # -- what else has to outlive the process

    def fact(self, name: str) -> str | None:
        """What was remembered under a name."""
        value = self._database.scalar("SELECT value FROM facts WHERE name = ?", (name,))
        return None if value is None else str(value)

    def remember(self, name: str, value: str) -> asyncio.Future[None]:
        """Remember something; what was remembered under names like it (the first two words) is forgotten."""
        like = " ".join(name.split(" ")[:2]) + " %"

        def step(database: Database) -> None:
            database.execute("DELETE FROM facts WHERE name LIKE ?", (like,))
            database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

        return self._do(step)

    async def ready(self) -> None:
        """Whether it can be written. Raises `StoreError`."""
        await self._do(lambda database: database.execute("DELETE FROM queue WHERE number = -1"))

    # -- the writer

    def _do(self, work: Callable[[Database], T]) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if not self._thread.is_alive():
            future.set_exception(StoreError("the ledger is closed"))
            return future
        self._steps.put(_Step(work, future, loop))
        return future

    def _write(self) -> None:
        closing = False
        while not closing:
            group: list[_Step] = []
            step = self._steps.get()
            while step is not None:
                group.append(step)
                if len(group) >= _GROUP:
                    break
                try:
                    step = self._steps.get_nowait()
                except queue.Empty:
                    break
            closing = step is None
            if group:
                self._write_group(group)

    def _write_group(self, group: list[_Step]) -> None:
        results: list[Any] = []
        failure: EmailplusError | None = None
        try:
            with self._database.transaction():
                results = [step.work(self._database) for step in group]
        except EmailplusError as problem:  # all or nothing: whoever waits is told, and posts come again
            failure = problem
        try:
            group[0].loop.call_soon_threadsafe(_settle, group, results, failure)
        except RuntimeError:  # the loop is over
            return


@dataclass(slots=True)
class _Step:
    work: Callable[[Database], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


def _settle(group: list[_Step], results: list[Any], failure: EmailplusError | None) -> None:
    """In the event loop, in the order in which it was written."""
    for index, step in enumerate(group):
        if step.future.done():
            continue
        if failure is not None:
            step.future.set_exception(failure)
        else:
            step.future.set_result(results[index])


def _take(database: Database, arrival: Arrival) -> Entry | None:
    """None: this watermark of this subscription, or this mail on this device, was seen before."""
    day = int(arrival.arrived // _DAY)
    event = _mark(arrival.target, arrival.subscription, arrival.watermark)
    mail = _mark(arrival.target, arrival.item)
    marked = database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?), (?, ?)", (event, day, mail, day))
    if marked.rowcount < 2:
        return None
    cursor = database.execute(
        "INSERT INTO queue (registration, item, watermark, arrived) VALUES (?, ?, ?, ?)",
        (arrival.registration, arrival.item, arrival.watermark, arrival.arrived),
    )
    return Entry(cursor.lastrowid, arrival.registration, arrival.item, arrival.arrived)


def _mark(target: bytes, *parts: str) -> bytes:
    return hashlib.blake2b("\0".join(parts).encode(), key=target, digest_size=16).digest()


def _drop(database: Database, identity: str) -> None:
    database.execute("DELETE FROM queue WHERE registration = ?", (identity,))
    database.execute("DELETE FROM registrations WHERE id = ?", (identity,))
