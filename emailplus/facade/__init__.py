"""The methods of a mailbox by subject: each module has them twice, for `Mailbox` and for `AsyncMailbox`.

A method makes a dialogue of `eas.flows` and has it run; what is decided is decided below.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

from ..changing import writable
from ..config import AppConfig
from ..eas.flows.session import Session
from ..flow import Flow
from ..settings import MailboxSettings
from ..store.store import Store

T = TypeVar("T")
Listener = Callable[[Any], None]
Dialogue = Callable[[Session], Flow[T]]


class Online(ABC):
    """What the methods of this room need of a mailbox."""

    config: AppConfig
    store: Store
    settings: MailboxSettings
    read_only: bool

    @abstractmethod
    def _converse(self, dialogue: Dialogue[T], listener: Listener | None = None, version: str | None = None) -> T:
        """Run a dialogue; its result."""

    def _changing(self, dialogue: Dialogue[T]) -> T:
        """Run a dialogue that changes something on the server. Raises `ReadOnlyMailbox`."""
        writable(self.read_only)
        return self._converse(dialogue)


class AsyncOnline(ABC):
    """The same, awaitable."""

    settings: MailboxSettings

    @property
    @abstractmethod
    def config(self) -> AppConfig:
        """The app config."""

    @property
    @abstractmethod
    def store(self) -> Store:
        """The store."""

    @abstractmethod
    async def _converse(self, dialogue: Dialogue[T], listener: Listener | None = None, version: str | None = None) -> T:
        """Run a dialogue; its result."""

    async def _changing(self, dialogue: Dialogue[T]) -> T:
        """See `Online._changing`."""
        writable(self._mailbox.read_only)  # type: ignore[attr-defined]
        return await self._converse(dialogue)
