"""Diagnosis of one open mailbox: its log, its start, its traffic log, its crash reports, tied together.

`Mailbox` makes one when it opens, asks it to watch each run, and ends it when it closes.
"""

from __future__ import annotations

import logging
import platform
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from .. import __version__
from ..config import AppConfig
from ..errors import EmailplusError, FeatureNotAllowed
from ..flow import HttpRequest, HttpResponse
from ..model import events
from ..store import diagnosis as kept
from ..store.store import Store
from . import crash, log
from .recovery import CRASHES, Start
from .redact import redactor
from .traffic import LIMIT, TrafficLog

RECOVERED = (
    f"the last {CRASHES} starts crashed within a minute each: cached data was wiped and is fetched again; settings and "
    "unsent mail were kept"
)


class Diagnosis:
    """`now` gives Unix time. Nothing here raises but `FeatureNotAllowed`, and what the store raises while opening."""

    def __init__(
        self,
        config: AppConfig,
        store: Store,
        password: str | None,
        now: Callable[[], float],
        reporter: crash.Reporter | None = None,
    ) -> None:
        self.config = config
        self.store = store
        self.notices: list[str] = []
        self.traffic: TrafficLog | None = None
        self._now = now
        self._reporter = reporter
        self._born = time.monotonic()
        self._phase = self._protocol = ""
        database = store.database
        keep = partial(kept.append_log, database) if config.allow_logging else None
        self.log = log.Log(redactor(config, password), keep)
        if config.allow_logging:
            log.to_console()
        self.start = Start(database, now())
        # A program that forgets to close its mailbox has not crashed; one that is killed does not get here.
        self._ending = weakref.finalize(self, _end, self.start, self.log, now)
        self._opened()

    def _opened(self) -> None:
        database, found = self.store.database, self.start.found
        if not self.config.allow_logging:
            kept.forget_log(database)
        self.log.write(
            "opened", version=__version__, python=platform.python_version(), installation=self.installation,
            crashed_starts=found.crashed,
        )  # fmt: skip
        if found.wiped:
            self.notices.append(RECOVERED)
            self.log.write("recovered", level=logging.WARNING, message=RECOVERED)
        if self.config.disable_analytics:
            kept.forget_crashes(database)
        elif found.unreported:
            self._report(None, starts=found.crashed)
        else:
            crash.offer(database, self._reporter)

    @property
    def installation(self) -> str:
        """The random id that the log and the crash reports of this store carry."""
        return kept.installation(self.store.database)

    def crash_reports(self) -> list[crash.CrashReport]:
        """The crash reports that are kept, oldest first."""
        return [crash.CrashReport.from_json(text) for _, text in kept.crashes(self.store.database)]

    def write_traffic(self, path: Any, *, full: bool, limit: int = LIMIT) -> TrafficLog:
        """Begin a traffic log, ending the one before it. Raises `FeatureNotAllowed` and `UsageError`."""
        if not self.config.allow_logging:
            raise FeatureNotAllowed("there is no traffic log: allow_logging is false", key="allow_logging")
        if self.traffic is not None:
            self.traffic.close()
        self.traffic = TrafficLog(path, full=full, limit=limit)
        self.log.write("traffic log", full=full)
        return self.traffic

    def taken_warnings(self) -> list[str]:
        """What the caller should know of diagnosis itself, each told once."""
        if self.traffic is None or not self.traffic.failure:
            return []
        failure, self.traffic = self.traffic.failure, None
        return [failure]

    # `driver.Observer`: every request of the mailbox.

    def answered(self, request: HttpRequest, response: HttpResponse, received: int, seconds: float) -> None:
        self.log.answered(request, response, received, seconds)
        if self.traffic is not None:
            self.traffic.answered(request, response, received, seconds)

    def unanswered(self, request: HttpRequest, problem: EmailplusError, seconds: float) -> None:
        self.log.unanswered(request, problem, seconds)
        if self.traffic is not None:
            self.traffic.unanswered(request, problem, seconds)

    # Runs.

    def take(self, event: Any) -> None:
        """An event of a run."""
        if isinstance(event, events.Phase):
            self._phase = event.name
        elif isinstance(event, events.Connected):
            self._protocol = event.version
        self.log.take(event)

    @contextmanager
    def watching(self, name: str, innocent: Callable[[BaseException], bool] = lambda problem: False) -> Iterator[None]:
        """Log how a piece of work ends. An error that nobody expected is a crash, unless `innocent` says that the
        caller's own code raised it."""
        began, done = time.monotonic(), False
        self.log.write("begin", work=name)
        try:
            yield
            done = True
        except EmailplusError as problem:
            self.log.failed(problem)
            raise
        except Exception as problem:
            if not innocent(problem):
                self.log.failed(problem, crash.own_frames(problem))
                self.start.crashed()
                if not self.config.disable_analytics:
                    self._report(problem, starts=self.start.found.crashed + 1)
            raise
        finally:
            self.log.write("end", work=name, ok=done, seconds=time.monotonic() - began)
            self.log.flush()

    def _report(self, problem: BaseException | None, *, starts: int) -> None:
        seconds = time.monotonic() - self._born if problem is not None else self.start.found.since
        try:
            made = crash.describe(
                self.store.database, problem, self._now(), phase=self._phase, protocol=self._protocol,
                seconds=seconds, starts=starts,
            )  # fmt: skip
        except Exception:  # reporting a fault must not become one
            return
        crash.report(self.store.database, made, self._reporter)

    def close(self) -> None:
        """The mailbox is closed; the store still is open. Safe to call twice."""
        if self.traffic is not None:
            self.traffic.close()
        self._ending()


def _end(start: Start, written: log.Log, now: Callable[[], float]) -> None:
    start.end(now())
    written.flush()
