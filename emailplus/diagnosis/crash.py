"""Crash reports: what went wrong in our own code, without anything that tells whose mailbox it was.

A report holds the random id of the installation, versions, the size of the machine, the types of the errors, and the
places in our own modules that led there. No message of an error (it may hold the value that it stumbled over), no
name, address, host, path, subject; of code that is not ours not even the names. `disable_analytics` switches them off.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from .. import __version__
from ..errors import EmailplusError
from ..store import diagnosis as kept
from ..store.database import Database

FRAMES = 40
"""Places of one report, the innermost."""
CAUSES = 10

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_LIBRARIES = frozenset({"httpx2", "sqlcipher3", "cryptography", "asn1crypto", "keyring"})
"""Packages of our own dependencies, whose error types are named."""
_RELEASE = re.compile(r"\d+(\.\d+)*")


@dataclass(frozen=True, slots=True)
class CrashReport:
    """One crash. `kind` is "exception", or "ended" for a process that died without saying anything.

    `errors` are the error's type and those of its causes, `frames` places in our own code, innermost last, as
    ``module:function:line``. `time` is UTC to the minute, `seconds` the age of the process, `memory` and `disk_free`
    are in megabytes, rounded. `starts` counts the starts in a row that crashed, this one included.
    """

    installation: str
    kind: str
    time: str
    version: str
    python: str
    system: str
    memory: int
    disk_free: int
    errors: tuple[str, ...] = ()
    frames: tuple[str, ...] = ()
    phase: str = ""
    protocol: str = ""
    seconds: int = 0
    starts: int = 1

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, text: str) -> CrashReport:
        """What `as_dict` wrote."""
        document: dict[str, Any] = json.loads(text)
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in document.items()
        }
        return cls(**values)


class Reporter(Protocol):
    """Takes crash reports somewhere. Without one they stay in the store, and nothing is sent."""

    def deliver(self, report: CrashReport) -> None:
        """Called once a report. What it raises is swallowed, and the report offered again at the next start."""


def describe(
    database: Database, problem: BaseException | None, now: float, *, phase: str = "", protocol: str = "",
    seconds: float = 0.0, starts: int = 1,
) -> CrashReport:  # fmt: skip
    """The report of `problem`, or of a process that died (None)."""
    release = _RELEASE.match(platform.release())
    return CrashReport(
        installation=kept.installation(database),
        kind="ended" if problem is None else "exception",
        time=datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%MZ"),
        version=__version__,
        python=f"{platform.python_implementation()} {platform.python_version()}",
        system=f"{platform.system()} {release[0] if release else ''} {platform.machine()}".replace("  ", " ").strip(),
        memory=_memory(),
        disk_free=_disk_free(database.path),
        errors=tuple(_chain(problem)),
        frames=tuple(own_frames(problem)),
        phase=phase,
        protocol=protocol,
        seconds=max(0, round(seconds)),
        starts=starts,
    )


def report(database: Database, made: CrashReport, reporter: Reporter | None) -> None:
    """Keep a report and offer it to the reporter, with those that it did not take before. Never raises."""
    try:
        kept.keep_crash(database, json.dumps(made.as_dict()))
        offer(database, reporter)
    except Exception:  # the store may be what crashed: the first error is the one that matters
        return


def offer(database: Database, reporter: Reporter | None) -> None:
    """Give the reporter what it has not taken yet. Never raises."""
    if reporter is None:
        return
    try:
        for number, text in kept.crashes(database, undelivered=True):
            reporter.deliver(CrashReport.from_json(text))
            kept.mark_delivered(database, number)
    except Exception:
        return


def own_frames(problem: BaseException | None) -> list[str]:
    """Places in our own modules, outermost first: ``emailplus.driver:_perform:171``."""
    if problem is None:
        return []
    return list(_frames(problem.__traceback__))[-FRAMES:]


def _frames(traceback: TracebackType | None) -> Iterator[str]:
    while traceback is not None:
        code = traceback.tb_frame.f_code
        path = os.path.abspath(code.co_filename)
        if path.startswith(_OURS + os.sep):
            module = path[len(_OURS) + 1 :].removesuffix(".py").replace(os.sep, ".")
            yield f"emailplus.{module}:{code.co_qualname}:{traceback.tb_lineno}"
        traceback = traceback.tb_next


def _chain(problem: BaseException | None) -> Iterator[str]:
    for _ in range(CAUSES):
        if problem is None:
            return
        yield _type(problem)
        problem = problem.__cause__ or (None if problem.__suppress_context__ else problem.__context__)


def _type(problem: BaseException) -> str:
    """The type's name; of a type that is neither ours, nor Python's, nor a dependency's, only that it is another."""
    kind = type(problem)
    if isinstance(problem, EmailplusError) and kind.__module__ == EmailplusError.__module__:
        return kind.__name__
    package = kind.__module__.partition(".")[0]
    known = package in sys.stdlib_module_names or package in _LIBRARIES or package == "emailplus"
    return f"{kind.__module__}.{kind.__qualname__}" if known and package != "__main__" else "(another type)"


def _memory() -> int:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return 0
    return round(size / (256 << 20)) * 256


def _disk_free(path: Path) -> int:
    try:
        return round(shutil.disk_usage(path.parent).free / (100 << 20)) * 100
    except OSError:
        return 0
