"""The methods of a mailbox by subject: each module has them twice, for `Mailbox` and for `AsyncMailbox`.

A method makes a dialogue of `eas.flows` and has it run; what is decided is decided below.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from ..config import AppConfig
from ..eas.flows.session import Session
from ..flow import Flow
from ..store.store import Store

T = TypeVar("T")
Listener = Callable[[Any], None]
Dialogue = Callable[[Session], Flow[T]]


class Online(Protocol):
    """What the methods of this room need of a mailbox."""

    config: AppConfig
    store: Store

    def _converse(self, dialogue: Dialogue[T], listener: Listener | None = None, version: str | None = None) -> T: ...


class AsyncOnline(Protocol):
    """The same, awaitable."""

    @property
    def config(self) -> AppConfig: ...

    async def _converse(
        self, dialogue: Dialogue[T], listener: Listener | None = None, version: str | None = None
    ) -> T: ...
