"""Crash recovery: three starts in a row that each crash within 60 seconds wipe the cached data (guide, "Email+ crash
recovery").

A start is opening a mailbox for work. It is noted in the store before anything else is read, and struck out when the
mailbox is closed, when the interpreter ends, or when the start is 60 seconds old. What is still noted at the next start
was a crash: a process that was killed, or an error in our own code that nobody expected. An error of
`emailplus.errors` is none: it says what to do.

What is wiped is what the server has (`store.schema.diagnosis.CACHED`) and the state of the protocol; the next
synchronisation fetches it again. The binding to the account, settings, drafts and the outbox stay: mail that was not
sent yet must not be lost to a fault in something else.
"""

from __future__ import annotations

import heapq
import itertools
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import EmailplusError
from ..store import diagnosis as kept
from ..store.database import Database

CRASHES = 3
SHORT = 60.0
"""Seconds: a start that lived longer did not crash at the start."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a start met: crashed starts in a row before it, and the seconds since the last of them began."""

    crashed: int
    wiped: bool
    unreported: bool
    """The last of them died without a report."""
    since: float = 0.0


class Start:
    """The start of one mailbox. `now` is Unix time wherever it is asked for."""

    def __init__(self, database: Database, now: float) -> None:
        """Note the start; after `CRASHES` crashed ones in a row, wipe the cached data first."""
        self._database = database
        self._started = now
        self._crashed = False
        self._process = os.getpid()
        before = kept.crashed_starts(database)
        with database.transaction():
            wiped = len(before) >= CRASHES
            if wiped:
                kept.wipe_cached(database)
            elif before:
                kept.mark_reported(database)
            kept.note_start(database, now)
        since = max(0.0, now - before[-1][0]) if before else 0.0
        self.found = Found(len(before), wiped, bool(before) and not before[-1][1], since)
        self._watched = _WATCH.add(SHORT, self.settle)

    def crashed(self) -> None:
        """Something of ours failed in an unexpected way; unless the start has settled, it counts, and is reported."""
        self._crashed = True
        self._quietly(lambda: kept.mark_reported(self._database))

    def settle(self) -> None:
        """The start has lived long enough."""
        self._crashed = False
        rested = self._database.resting
        self._quietly(lambda: kept.clear_starts(self._database))
        if rested:
            self._database.rest()

    def end(self, now: float) -> None:
        """The mailbox is closed: all is well, unless something crashed shortly after the start. Safe to call twice."""
        if os.getpid() != self._process:
            return  # a fork of the process that works here: the store is not its own
        _WATCH.drop(self._watched)
        if not self._crashed or now - self._started >= SHORT:
            self.settle()

    @staticmethod
    def _quietly(act: Callable[[], None]) -> None:
        try:
            act()
        except EmailplusError:
            return  # closed or wiped: there is nothing left to keep count of


class _Watch:
    """One thread for all mailboxes of a process, which calls back when a start is old enough; it ends when idle."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._waiting: list[tuple[float, int]] = []
        self._calls: dict[int, Callable[[], None]] = {}
        self._numbers = itertools.count(1)
        self._running = False

    def add(self, seconds: float, call: Callable[[], None]) -> int:
        with self._condition:
            number = next(self._numbers)
            self._calls[number] = call
            heapq.heappush(self._waiting, (time.monotonic() + seconds, number))
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="emailplus-starts", daemon=True).start()
            self._condition.notify()
            return number

    def drop(self, number: int) -> None:
        with self._condition:
            if self._calls.pop(number, None) is not None:
                self._condition.notify()

    def _run(self) -> None:
        while True:
            with self._condition:
                while self._waiting and self._waiting[0][1] not in self._calls:
                    heapq.heappop(self._waiting)
                if not self._waiting:
                    self._running = False
                    return
                due, number = self._waiting[0]
                if (rest := due - time.monotonic()) > 0:
                    self._condition.wait(rest)
                    continue
                call = self._calls.pop(number)
            call()


_WATCH = _Watch()
