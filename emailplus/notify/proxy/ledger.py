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
import time
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
        number INTEGER PRIMARY KEY,
        registration TEXT NOT NULL,
        item TEXT NOT NULL,
        watermark TEXT NOT NULL,
        arrived REAL NOT NULL
    );
    CREATE TABLE seen (
        mark BLOB PRIMARY KEY,
        day INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE facts (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) WITHOUT ROWID;
    """,
)

_GROUP: Final = 1024
"""Steps of one transaction at most."""
_LINGER: Final = 0.003
"""Seconds for which a busy writer lets more steps come: a transaction costs as much as many of them."""
_DAY: Final = 24 * 3600
_ROWS: Final = 256
"""Rows of one statement."""
_SLICES: Final = 256
"""Parts in which marks are looked through for old ones: an index by day would double the cost of each."""


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
        self._number = int(self._database.scalar("SELECT max(number) FROM queue") or 0)
        self._steps: queue.SimpleQueue[list[_Step] | None] = queue.SimpleQueue()
        self._collected: list[_Step] = []
        """Steps of this round of the event loop: they go to the writer together, which wakes it once."""
        self._thread = threading.Thread(target=self._write, name="emailplus-ledger", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Write what waits, and close the file."""
        self._hand_over()
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

        found: list[Entry] = await self._do(None, arrivals)
        return found

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

    async def forget(self, before: float, part: int) -> int:
        """Forget what was seen before a Unix time, in one of 256 parts of the marks; how many went."""
        first = bytes([part % _SLICES])

        def step(database: Database) -> int:
            found = database.execute(
                "DELETE FROM seen WHERE mark >= ? AND mark < ? AND day < ?",
                (first, first + b"\xff" * 16, int(before // _DAY)),
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

    def _do(self, work: Callable[[Database], T] | None, arrivals: Sequence[Arrival] = ()) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if not self._thread.is_alive():
            future.set_exception(StoreError("the ledger is closed"))
            return future
        if not self._collected:
            loop.call_soon(self._hand_over)
        self._collected.append(_Step(work, arrivals, future, loop))
        return future

    def _hand_over(self) -> None:
        if self._collected:
            self._steps.put(self._collected)
            self._collected = []

    def _write(self) -> None:
        closing = False
        group: list[_Step] = []
        while not closing:
            busy = len(group) > 1
            group = []
            steps = self._steps.get()
            if busy:
                time.sleep(_LINGER)
            while steps is not None:
                group += steps
                if len(group) >= _GROUP:
                    break
                try:
                    steps = self._steps.get_nowait()
                except queue.Empty:
                    break
            closing = steps is None
            if group:
                self._write_group(group)

    def _take(self, arrivals: Sequence[Arrival]) -> list[Entry | None]:
        """Entries for what is new. None: this mail was seen for this device before.

        A watermark stands for one event and so for one mail: whatever is posted twice is known by its mail, also where
        a second subscription tells of it under a watermark of its own.
        """
        marks = [
            hashlib.blake2b(arrival.item.encode(), key=arrival.target, digest_size=16).digest() for arrival in arrivals
        ]
        new: set[bytes] = set()
        for start in range(0, len(arrivals), _ROWS):
            rows = [
                (mark, int(arrival.arrived // _DAY))
                for mark, arrival in zip(marks[start : start + _ROWS], arrivals[start : start + _ROWS], strict=True)
            ]
            places = ", ".join(["(?, ?)"] * len(rows))
            statement = f"INSERT OR IGNORE INTO seen VALUES {places} RETURNING mark"
            new.update(row[0] for row in self._database.all(statement, [value for row in rows for value in row]))
        entries: list[Entry | None] = []
        kept = []
        for mark, arrival in zip(marks, arrivals, strict=True):
            if mark not in new:
                entries.append(None)
                continue
            new.remove(mark)
            self._number += 1
            entries.append(Entry(self._number, arrival.registration, arrival.item, arrival.arrived))
            kept.append((self._number, arrival.registration, arrival.item, arrival.watermark, arrival.arrived))
        self._database.executemany("INSERT INTO queue VALUES (?, ?, ?, ?, ?)", kept)
        return entries

    def _write_group(self, group: list[_Step]) -> None:
        results: list[Any] = []
        failure: EmailplusError | None = None
        try:
            with self._database.transaction():
                taken = iter(self._take([arrival for step in group for arrival in step.arrivals]))
                for step in group:
                    if step.work is not None:
                        results.append(step.work(self._database))
                    else:
                        results.append([entry for _ in step.arrivals if (entry := next(taken)) is not None])
        except EmailplusError as problem:  # all or nothing: whoever waits is told, and posts come again
            failure = problem
        try:
            group[0].loop.call_soon_threadsafe(_settle, group, results, failure)
        except RuntimeError:  # the loop is over
            return


@dataclass(slots=True)
class _Step:
    work: Callable[[Database], Any] | None
    """None: take the arrivals."""
    arrivals: Sequence[Arrival]
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


def _drop(database: Database, identity: str) -> None:
    database.execute("DELETE FROM queue WHERE registration = ?", (identity,))
    database.execute("DELETE FROM registrations WHERE id = ?", (identity,))
