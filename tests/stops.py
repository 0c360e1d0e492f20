"""A process that dies: everything that it wrote stays, nothing after it happens."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import pytest

from emailplus.errors import EmailplusError
from emailplus.store.store import Store


class Stopped(BaseException):
    """The process died."""


@dataclass
class Stop:
    """``with stop:`` lets the block make `at` commits; at the next one the process dies, and the block ends."""

    at: int
    patch: pytest.MonkeyPatch
    died: bool = False
    used: bool = False

    def __enter__(self) -> Stop:
        real, left = Store.apply, self.at
        self.used = True

        def apply(store: Store, batch: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise Stopped
            return real(store, batch)

        self._context = self.patch.context()
        self._context.__enter__().setattr(Store, "apply", apply)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._context.__exit__(None, None, None)
        self.died = isinstance(error, Stopped)
        return self.died


def every_commit(patch: pytest.MonkeyPatch, *, step: int = 1, more_than: int) -> Iterator[Stop]:
    """A `Stop` at every commit of a block (at every `step`th), until the block ends alive: a test that loops over
    them runs it once for each, in a world of its own. It has to make more than so many commits."""
    at = 0
    while True:
        stop = Stop(at, patch)
        yield stop
        assert stop.used, "the loop did not enter its stop"
        at += step
        if not stop.died:
            break
    assert at > more_than


def given_up() -> contextlib.suppress:
    """A run may give up before a server or a line that fails; the next goes on."""
    return contextlib.suppress(EmailplusError)
