"""What a command handler gets, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ..eas.wbxml import Node
from .bodies import HTML, ItemOptions, read_options
from .device import Device
from .mailbox import Mailbox
from .query import Query
from .record import Request
from .tree import children
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


@dataclass(slots=True)
class Stream:
    """An answer that goes on for at most `seconds`: bytes as they come, one chunk each time.

    `poll(quiet, over)` gives what to send now and whether that is the end; it is asked whenever a mailbox changes,
    with `quiet` when nothing was sent for `pause` seconds, and with `over` when the time is up. `close` is called once
    the connection is done with it.
    """

    head: Answer
    seconds: float
    pause: float
    poll: Callable[[bool, bool], tuple[bytes, bool]]
    close: Callable[[], None]


HTTP_BEFORE_14 = {
    101: 400, 102: 400, 103: 400, 104: 400, 105: 400, 106: 400, 107: 400, 108: 400, 109: 400, 110: 500, 111: 503,
    112: 403, 113: 507, 119: 500, 125: 403, 126: 403, 129: 403, 130: 403, 131: 403, 132: 403, 137: 501, 138: 400,
    140: 449, 141: 449, 142: 449, 143: 449, 144: 449, 147: 400, 150: 500, 177: 403,
}  # fmt: skip
"""Common status -> what 2.5, 12.0 and 12.1 get instead (MS-ASCMD 2.2.2, R7461, R7462)."""


class StatusError(Exception):
    """The whole command fails with a Status; a common one (101 and up) before 14.0 with an HTTP status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"Status {status}")
        self.status = status

    def http(self, version: int) -> int | None:
        """The HTTP status that stands for it in a protocol version; None where it goes into the answer."""
        return HTTP_BEFORE_14.get(self.status, 500) if self.status > 100 and version < 140 else None


def item_options(node: Node | None) -> ItemOptions:
    """Options of Sync, ItemOperations or Search. Raises `StatusError` 164: BodyPartPreference takes Type 2 alone."""
    options = read_options(children(node))
    if options.part_preference is not None and options.part_preference.type != HTML:
        raise StatusError(164)
    return options


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
