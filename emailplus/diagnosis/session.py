"""Diagnosis of one open mailbox: its log, its start, its traffic log, its crash reports, tied together.

`Mailbox` makes one when it opens, asks it to watch each run, and ends it when it closes.
"""

from __future__ import annotations

import logging
import platform
import time
import weakref
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from .. import __version__
from ..config import AppConfig
from ..errors import ConfigurationError, EmailplusError, PolicyDenied
from ..flow import HttpRequest, HttpResponse
from ..model import events
from ..model.changes import Trouble
from ..store import diagnosis as kept
from ..store.store import Store
from . import crash, feedback, log
from .recovery import CRASHES, Start
from .redact import redactor, secrets_of
from .traffic import LIMIT, TrafficLog

RECOVERED = (
    f"the last {CRASHES} starts crashed within a minute each: cached data was wiped and is fetched again; settings and "
    "unsent mail were kept"
)


class Diagnosis:
    """`now` gives Unix time. Nothing here raises but `PolicyDenied`, and what the store raises while opening."""

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
        self._secrets = {password: None} if password else {}
        """Of this configuration and of those before it, as an ordered set."""
        self._mistake: BaseException | None = None
        self.log = self._new_log()
        self.start = Start(store.database, now())
        # A program that forgets to close its mailbox has not crashed; one that is killed does not get here.
        self._ending = weakref.finalize(self, _end, self.start, now)
        self._opened()

    def _opened(self) -> None:
        found = self.start.found
        self._obey()
        if self.log.allowed:
            python, crashed = platform.python_version(), found.crashed
            identifier = self.installation
            self.log.write(
                "opened", version=__version__, python=python, installation=identifier, crashed_starts=crashed
            )
        if found.wiped:
            self.notices.append(RECOVERED)
            self.log.write("recovered", level=logging.WARNING, message=RECOVERED)
        if self.config.disable_analytics:
            return
        if found.unreported:
            self._report(None, starts=found.crashed)
        else:
            crash.offer(self.store.database, self._reporter)

    def _new_log(self) -> log.Log:
        keep = partial(kept.append_log, self.store.database) if self.config.allow_logging else None
        if self.config.allow_logging:
            log.to_console()
        self._secrets |= dict.fromkeys(secrets_of(self.config))
        return log.Log(redactor(self.config, self._secrets), keep)

    def _obey(self) -> None:
        """What was kept while it was allowed goes when it no longer is."""
        if not self.config.allow_logging:
            kept.forget_log(self.store.database)
        if self.config.disable_analytics:
            kept.forget_crashes(self.store.database)

    def adopt(self, config: AppConfig) -> None:
        """Another configuration is in force."""
        self.log.flush()
        self.config = config
        self.log = self._new_log()
        self._obey()
        if not config.allow_logging and self.traffic is not None:
            self.traffic.close()
            self.traffic = None
        self.log.write("configured")

    def conceal(self, secret: str) -> None:
        """A secret is in use that was not known when the mailbox was opened: it is kept out of what is written."""
        if secret and secret not in self._secrets:
            self._secrets[secret] = None
            self.log.redactor = redactor(self.config, self._secrets)

    def misconfigured(self, problem: ConfigurationError) -> None:
        """A new configuration cannot be used; which keys are wrong, not their values."""
        keys = [str(getattr(entry, "key", "")) for entry in problem.problems if getattr(entry, "critical", True)]
        self.log.write("configuration refused", level=logging.ERROR, keys=keys)
        self.log.flush()
        if self.config.exit_on_configuration_error:
            problem.bundle = None
            return
        try:
            problem.bundle = feedback.error_bundle(self.store, self.config, problem.problems)
        except EmailplusError:
            return  # the configuration is what is wrong; the bundle it came with stays

    def collect(
        self, comment: str, certificate: bytes | None, policy_report: Mapping[str, object] | None
    ) -> feedback.Feedback:
        """The feedback bundle as things stand; see `feedback.collect`."""
        self.log.flush()
        now = datetime.fromtimestamp(self._now(), UTC)
        return feedback.collect(
            self.store, self.config, comment=comment, certificate=certificate, policy_report=policy_report, now=now
        )

    @property
    def installation(self) -> str:
        """The random id that the log and the crash reports of this store carry."""
        return kept.installation(self.store.database)

    def crash_reports(self) -> list[crash.CrashReport]:
        """The crash reports that are kept, oldest first."""
        return [crash.CrashReport.from_json(text) for _, text in kept.crashes(self.store.database)]

    def write_traffic(self, path: Any, *, full: bool, limit: int = LIMIT) -> TrafficLog:
        """Begin a traffic log, ending the one before it. Raises `PolicyDenied` and `UsageError`."""
        if not self.config.allow_logging:
            raise PolicyDenied("there is no traffic log: allow_logging is false", rule="allow_logging")
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

    def concluded(self, report: Mapping[str, Any], troubles: Sequence[Trouble]) -> None:
        """What a synchronisation did: the counts of its report, and of each trouble why, not of what."""
        counts: dict[str, Any] = {name: value for name, value in report.items() if isinstance(value, int | float | str)}
        self.log.write("synchronised", **counts, items=report.get("items"))
        for trouble in troubles[: log.MOST_ENTRIES]:
            self.log.write(
                "left out", level=logging.WARNING, kind=trouble.kind, state=trouble.state, size=trouble.size,
                reason=trouble.reason, new=trouble.new,
            )  # fmt: skip
        self.log.flush()

    def blaming(self, listener: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """`listener`, whose errors are the caller's own and no crash of ours."""

        def call(event: Any) -> Any:
            try:
                answer = listener(event)
            except BaseException as mistake:
                self._mistake = mistake
                raise
            return self._awaited(answer) if isinstance(answer, Awaitable) else answer

        return call

    async def _awaited(self, answer: Awaitable[Any]) -> Any:
        try:
            return await answer
        except BaseException as mistake:
            self._mistake = mistake
            raise

    def telling(self, listener: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
        """The log and `listener`, both told of every event."""
        heard = None if listener is None else self.blaming(listener)

        def call(event: Any) -> Any:
            self.take(event)
            return None if heard is None else heard(event)

        return call

    @contextmanager
    def watching(self, name: str) -> Iterator[None]:
        """Log how a piece of work ends. An error that nobody expected is a crash, unless the caller's own code raised
        it (`blaming`)."""
        began, done = time.monotonic(), False
        self.log.write("begin", work=name)
        try:
            yield
            done = True
        except EmailplusError as problem:
            self.log.failed(problem)
            raise
        except Exception as problem:
            if problem is not self._mistake:
                self.log.failed(problem, crash.own_frames(problem))
                self.start.crashed()
                if not self.config.disable_analytics:
                    self._report(problem, starts=self.start.found.crashed + 1)
            raise
        finally:
            self._mistake = None
            self.log.write("end", work=name, ok=done, seconds=time.monotonic() - began)
            if not done:
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
        self.log.flush()
        self._ending()


def _end(start: Start, now: Callable[[], float]) -> None:
    start.end(now())
