"""The way to one server, as the dispatcher sees it: what waits, how much is under way, and when to try again.

After a failure one request at a time probes, ever more slowly (1, 2, 4 ... `SLOWEST` seconds, less a random part), and
everything else waits here: a server that is down for an hour sees some seventy requests, however much waits.
"""

from __future__ import annotations

import random
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Final

from .gateway import Outcome
from .ledger import Entry
from .lookup import Headline
from .notice import Notice

SLOWEST: Final = 60.0
LONGEST: Final = 3600.0
"""Seconds that a server may ask to be left alone."""
ATTEMPT_SLOWEST: Final = 300.0


@dataclass(slots=True, eq=False)
class Job:
    """One notification on its way. `entry` None: a wake-up, which is not kept."""

    registration: str
    arrived: float
    entry: Entry | None = None
    headline: Headline | None = None
    notice: Notice | None = None
    attempts: int = 0
    needs_sender: bool = False
    """Whether it is told at all depends on who sent it."""
    counted: bool = False
    """Against the limit of its user."""

    @property
    def item(self) -> str:
        return self.entry.item if self.entry is not None else ""


class Channel:
    """Jobs wait by key (a mailbox, a device); keys take turns, so that no user keeps another waiting."""

    def __init__(
        self,
        name: str,
        perform: Callable[[list[Job]], Awaitable[list[Outcome]]],
        *,
        batch: int,
        limit: int,
        by_key: bool,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self.perform = perform
        self.batch = batch
        self.limit = limit
        self.by_key = by_key
        """One request a key at a time, and none for several keys."""
        self.open_at = 0.0
        self.failures = 0
        self.halted = ""
        """Why nothing is asked of it until the proxy is started anew."""
        self.busy = 0
        self._chance = chance
        self._waiting: OrderedDict[str, deque[Job]] = OrderedDict()
        self._size = 0
        self._locked: set[str] = set()

    def __len__(self) -> int:
        return self._size

    def put(self, key: str, job: Job, *, first: bool = False) -> None:
        """Have a job wait."""
        line = self._waiting.setdefault(key, deque())
        if first:
            line.appendleft(job)
        else:
            line.append(job)
        self._size += 1

    def take(self, now: float) -> tuple[str, list[Job]] | None:
        """The jobs of the next request; None: nothing, or not now."""
        if self.halted or not self._waiting or now < self.open_at or self.busy >= (1 if self.failures else self.limit):
            return None
        most = 1 if self.failures and not self.by_key else self.batch
        jobs: list[Job] = []
        for key in list(self._waiting) if self._locked else [next(iter(self._waiting))]:
            if key not in self._locked:
                self._draw(key, jobs, most)
                break
        else:
            return None
        first = key
        while not self.by_key and len(jobs) < most and self._waiting:
            self._draw(next(iter(self._waiting)), jobs, most)
        if self.by_key:
            self._locked.add(first)
        self.busy += 1
        return first, jobs

    def _draw(self, key: str, jobs: list[Job], most: int) -> None:
        line = self._waiting[key]
        while line and len(jobs) < most:
            jobs.append(line.popleft())
            self._size -= 1
        if line:
            self._waiting.move_to_end(key)
        else:
            del self._waiting[key]

    def ended(self, key: str) -> None:
        """The request of `take` is over."""
        self.busy -= 1
        self._locked.discard(key)

    def succeeded(self) -> None:
        self.failures = 0
        self.open_at = 0.0

    def failed(self, now: float, after: float | None) -> None:
        """Nothing for a while. Requests that were under way together count as one failure."""
        if now < self.open_at:
            return
        self.failures += 1
        pause = min(SLOWEST, 2.0 ** min(self.failures - 1, 10)) * (0.5 + self._chance() / 2)
        self.open_at = now + max(pause, min(after or 0.0, LONGEST))

    def overdue(self, before: float, given_up: float) -> Iterator[Job]:
        """Take out the jobs that arrived before a time and can do without this server, and all before another."""

        def late(job: Job) -> bool:
            return job.arrived < (given_up if job.needs_sender else before)

        for key in list(self._waiting):
            line = self._waiting[key]
            old = [job for job in line if late(job)]
            if not old:
                continue
            self._size -= len(old)
            rest = deque(job for job in line if not late(job))
            if rest:
                self._waiting[key] = rest
            else:
                del self._waiting[key]
            yield from old


def attempt_pause(attempts: int, after: float | None, chance: float) -> float:
    """Seconds until one notification is tried again."""
    return max(min(ATTEMPT_SLOWEST, 2.0 ** min(attempts, 10)) * (0.5 + chance / 2), min(after or 0.0, LONGEST))
