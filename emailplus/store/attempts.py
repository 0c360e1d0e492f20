"""Wrong passphrases of a store: counted, and answered with a pause once there were too many.

MaxDevicePasswordFailedAttempts (MS-ASPROV 2.2.2.32): "the client SHOULD perform a local wipe or enter a timed lock out
mode" (MS-ASPROV_R603). It is the pause: one minute, twice as long after each further failure, a day at most. A wipe
would let anyone who can type destroy the mailbox.

The count stands beside the store, in ``mailbox.db.attempts``, since it must be known before the store opens. It stops
hands at a keyboard. Against someone who takes the files away, the passphrase itself has to stand (scrypt).
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Final

from ..errors import PolicyDenied, WrongStoreKey
from .keys import KeyProvider, Passphrase

SUFFIX: Final = ".attempts"
FIRST_PAUSE: Final = 60.0
LONGEST_PAUSE: Final = 86_400.0
LEAST_LIMIT: Final = 4
"""The smallest limit there is (MS-ASPROV_R253); it holds where the count cannot be read."""


@dataclass(slots=True)
class _Count:
    limit: int = LEAST_LIMIT
    failed: int = 0
    until: float = 0.0
    """Unix time before which nobody tries."""


def set_limit(store: Path, limit: int | None) -> None:
    """Count from now on, or no longer. What was counted already stays."""
    path = _beside(store)
    if limit is None:
        path.unlink(missing_ok=True)
        return
    with _locked(path, create=True) as file:
        count = _read(file)
        if count.limit != limit or not os.fstat(file.fileno()).st_size:
            count.limit = limit
            _write(file, count)


@contextmanager
def counted(store: Path, key: KeyProvider, clock: Callable[[], float] = time.time) -> Iterator[None]:
    """One attempt to open. Raises `PolicyDenied` while the pause lasts.

    An attempt counts before its outcome is known, so that killing the program does not give it back; success, and any
    failure other than a wrong key, takes it off again.
    """
    path = _beside(store)
    if not isinstance(key, Passphrase) or not path.exists():
        yield
        return
    with _locked(path) as file:
        before = _read(file)
        now = clock()
        left = min(before.until - now, LONGEST_PAUSE)
        if left > 0:
            reason = f"{before.failed} wrong passphrases: nobody may try for another {int(left) + 1} seconds"
            raise PolicyDenied(reason, rule="MaxDevicePasswordFailedAttempts")
        failed = before.failed + 1
        over = failed - before.limit
        pause = min(FIRST_PAUSE * 2.0 ** min(over, 20), LONGEST_PAUSE) if over >= 0 else 0.0
        _write(file, _Count(before.limit, failed, now + pause if pause else 0.0))
    try:
        yield
    except WrongStoreKey:
        raise
    except BaseException:
        _settle(path, before)
        raise
    _settle(path, _Count(before.limit))


def _settle(path: Path, count: _Count) -> None:
    if path.exists():
        with _locked(path) as file:
            _write(file, count)


def _beside(store: Path) -> Path:
    return store.with_name(store.name + SUFFIX)


@contextmanager
def _locked(path: Path, *, create: bool = False) -> Iterator[IO[bytes]]:
    flags = os.O_RDWR | (os.O_CREAT if create else 0)
    with open(os.open(path, flags, 0o600), "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _read(file: IO[bytes]) -> _Count:
    file.seek(0)
    try:
        found = json.loads(file.read(1000) or b"{}")
        return (
            _Count(max(1, int(found["limit"])), max(0, int(found["failed"])), float(found["until"]))
            if found
            else _Count()
        )
    except (ValueError, TypeError, KeyError, OverflowError):
        return _Count()


def _write(file: IO[bytes], count: _Count) -> None:
    file.seek(0)
    file.truncate()
    file.write(json.dumps(asdict(count)).encode())
    file.flush()
    os.fsync(file.fileno())
