"""The log of an engine: on only under `allow_logging`, and never with a secret or a word of mail in it.

A line is one JSON object with `time`, `level`, `event` and what belongs to that event. It goes to the logger
``emailplus`` of the standard library, and to a record of bounded length in the encrypted store, which a feedback
bundle takes along: a file of its own would lie about in the clear and outlive a wipe. Lines gather in memory and are
stored between two requests, at most once a second; what a killed process had not stored yet is lost.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from ..errors import EmailplusError
from ..flow import HttpRequest, HttpResponse
from ..model import events
from .redact import TEXT_LENGTH, Redactor, command_of, type_name

LOGGER = logging.getLogger("emailplus")

PENDING = 500
"""Lines that wait in memory; older ones are dropped where the store does not take any."""
PAUSE = 1.0
"""Seconds between two writes to the store."""
_AS_IT_IS = frozenset({"installation"})
MOST_ENTRIES = 20
"""Entries of a list in one line."""


class Log:
    """The log of one mailbox. Without `keep` (`allow_logging` is false) nothing is written anywhere.

    `keep` stores lines; what it raises of `EmailplusError` is swallowed: a log never stands in the way of the work.
    """

    def __init__(self, redactor: Redactor, keep: Callable[[Sequence[str]], None] | None) -> None:
        self.redactor = redactor
        self._keep = keep
        self._pending: deque[str] = deque(maxlen=PENDING)
        self._kept_at = time.monotonic()

    @property
    def allowed(self) -> bool:
        return self._keep is not None

    def write(self, event: str, /, *, level: int = logging.INFO, **values: Any) -> None:
        """One line. Texts among `values` are redacted; values that are no plain data are named by their type."""
        if self._keep is None:
            return
        line: dict[str, Any] = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": logging.getLevelName(level).lower(),
            "event": event,
        }
        line |= {
            name: value if name in _AS_IT_IS else self._plain(value)
            for name, value in values.items() if value is not None
        }  # fmt: skip
        written = json.dumps(line, ensure_ascii=False)
        self._pending.append(written)
        LOGGER.log(level, "%s", written, extra={"emailplus": True})

    def _plain(self, value: Any) -> Any:
        if isinstance(value, bool | int):
            return value
        if isinstance(value, float):
            return round(value, 3)
        if isinstance(value, str):
            return self.redactor.text(value)
        if isinstance(value, dict):
            return {self.redactor.text(str(name)): self._plain(entry) for name, entry in value.items()}
        if isinstance(value, list | tuple):
            return [self._plain(entry) for entry in value[:MOST_ENTRIES]]
        return f"({type(value).__name__})"

    def flush(self, *, now: bool = True) -> None:
        """Store what waits; without `now` only if the last time was a while ago. Not within a transaction."""
        if self._keep is None or not self._pending or (not now and time.monotonic() - self._kept_at < PAUSE):
            return
        lines = list(self._pending)
        self._kept_at = time.monotonic()
        try:
            self._keep(lines)
        except EmailplusError:
            return  # closed, wiped, full: they wait, up to PENDING of them
        for _ in lines:
            self._pending.popleft()

    # What is told of a run.

    def answered(self, request: HttpRequest, response: HttpResponse, received: int, seconds: float) -> None:
        """One line a request: the command, never the user, the device or a header."""
        self.write(
            "request", command=command_of(request), status=response.status, bytes_out=len(request.content),
            bytes_in=received, seconds=seconds,
        )  # fmt: skip
        self.flush(now=False)

    def unanswered(self, request: HttpRequest, problem: EmailplusError, seconds: float) -> None:
        """A request without a whole answer."""
        self.write(
            "request", level=logging.WARNING, command=command_of(request), bytes_out=len(request.content),
            seconds=seconds, error=type_name(problem), message=self.redactor.problem(problem),
        )  # fmt: skip
        self.flush(now=False)

    def take(self, event: Any) -> None:
        """An event of a run, if it is one that helps in diagnosis."""
        match event:
            case events.Phase(name):
                self.write("phase", name=name)
            case events.Connected(version, endpoint):
                self.write("connected", version=version, endpoint=endpoint)
            case events.FoldersSynced(total, added, updated, deleted):
                self.write("folders", total=total, added=added, updated=updated, deleted=deleted)
            case events.WindowStored(added, changed, deleted, expired, quarantined):
                self.write(
                    "window", added=added, changed=changed, deleted=deleted, expired=expired, quarantined=quarantined
                )
            case events.Warned(message):
                self.write("warning", level=logging.WARNING, message=message)
            case events.Waiting(seconds, reason):
                self.write("waiting", level=logging.WARNING, seconds=seconds, message=reason)

    def failed(self, problem: BaseException, frames: Sequence[str] = ()) -> None:
        """A run ended with an error. `frames` are places in our own code."""
        causes: list[str] = []
        cause = problem.__cause__ or (None if problem.__suppress_context__ else problem.__context__)
        while cause is not None and len(causes) < MOST_ENTRIES:
            causes.append(type_name(cause))
            cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
        self.write(
            "failed", level=logging.ERROR, error=type_name(problem), message=self.redactor.problem(problem),
            causes=causes, frames=list(frames),
        )  # fmt: skip


class JsonLines(logging.Formatter):
    """Our lines as they are; a record that somebody else wrote to this logger as a line of the same form.

    Of an exception the type is said, not the message: it may hold the value that it stumbled over.
    """

    def format(self, record: logging.LogRecord) -> str:
        if getattr(record, "emailplus", False):
            return record.getMessage()
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": "message",
            "message": Redactor().text(record.getMessage())[:TEXT_LENGTH],
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = type_name(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False)


def to_console() -> None:
    """Write the log to standard error, as `allow_logging` says, unless the application handles it; safe to call twice.

    An application that wants it elsewhere adds its handlers to the logger ``emailplus`` or to the root logger first.
    """
    if not LOGGER.hasHandlers():
        LOGGER.setLevel(logging.INFO)
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(JsonLines())
        LOGGER.addHandler(handler)
