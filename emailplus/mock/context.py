"""What a command handler gets, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ..eas.wbxml import Node
from .device import Device
from .mailbox import Mailbox
from .query import Query
from .record import Request
from .users import MockUser

if TYPE_CHECKING:
    from .exchange import Exchange

WBXML_TYPE = "application/vnd.ms-sync.wbxml"
MULTIPART_TYPE = "application/vnd.ms-sync.multipart"


@dataclass(slots=True)
class Answer:
    """An HTTP answer: `tree` is written as WBXML, else `body` goes out as it is."""

    status: int = 200
    tree: Node | None = None
    body: bytes = b""
    content_type: str = WBXML_TYPE
    headers: list[tuple[str, str]] = field(default_factory=list)
    parts: list[bytes] | None = None  # a multipart answer: what follows the WBXML


@dataclass(slots=True)
class Hold:
    """No answer yet: ask `poll(False)` whenever a mailbox changes, and `poll(True)` when `seconds` are over."""

    seconds: float
    poll: Callable[[bool], Answer | None]


class StatusError(Exception):
    """The whole command fails with a Status; before 14.0 with an HTTP status where there is one for it."""

    def __init__(self, status: int, http: int | None = None) -> None:
        super().__init__(f"Status {status}")
        self.status = status
        self.http = http


class HttpError(Exception):
    """The request fails with an HTTP status."""

    def __init__(self, status: int, reason: str = "") -> None:
        super().__init__(f"HTTP {status} {reason}")
        self.status = status
        self.reason = reason


@dataclass(slots=True)
class Context:
    """One request of one device, ready to be carried out. `version` is 25, 120 ... 161."""

    exchange: Exchange
    user: MockUser
    mailbox: Mailbox
    device: Device
    version: int
    query: Query
    request: Request
    body: bytes
    tree: Node | None
    multipart: bool = False


class Handler(Protocol):
    """Carries out one command."""

    def __call__(self, context: Context, /) -> Answer | Hold: ...
