"""Switches for what goes wrong: a queue of `Fault` rules, each an action at the nth matching request.

Actions that answer instead of the command: `Status`, `Http`, `EwsError`, `Drop`. Actions on the answer of a command
that was carried out: all the others. Several actions may hit one request (say `Chunked` and `Drip`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from ..eas.wbxml import Node

if TYPE_CHECKING:
    from .record import Request


@dataclass(frozen=True, slots=True)
class Status:
    """Not carried out: this EAS Status, of the whole command or (Sync, GetItemEstimate) of one collection."""

    code: int
    collection: str | None = None


@dataclass(frozen=True, slots=True)
class Http:
    """Not carried out: this HTTP status, with headers such as X-MS-Location or Retry-After."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class EwsError:
    """Not carried out, of Exchange Web Services: this ResponseCode.

    `whole`: a SOAP fault for the request and not an error in its response message, as ErrorServerBusy comes, with
    `back_off` in milliseconds.
    """

    code: str
    message: str = ""
    whole: bool = False
    back_off: int = 0


@dataclass(frozen=True, slots=True)
class Drop:
    """Not carried out: the connection is cut before any byte of an answer."""


@dataclass(frozen=True, slots=True)
class LoseResponse:
    """Carried out, then the connection is cut before any byte of the answer."""


@dataclass(frozen=True, slots=True)
class CutAfter:
    """Carried out; the connection is cut after the headers and `bytes` of the body."""

    bytes: int


@dataclass(frozen=True, slots=True)
class Drip:
    """Carried out; the body comes `chunk` bytes at a time with `delay` seconds between."""

    delay: float = 0.05
    chunk: int = 1


@dataclass(frozen=True, slots=True)
class Stall:
    """Carried out; the answer waits `seconds` (the client may have gone by then)."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Garbage:
    """Carried out; this body is sent in place of the answer."""

    body: bytes = b"\x03\x01\x6a\x00\x45\xff\xfe not WBXML"


@dataclass(frozen=True, slots=True)
class Truncated:
    """Carried out; only the first `bytes` of the WBXML are sent (negative: all but so many), as a whole answer."""

    bytes: int = -1


@dataclass(frozen=True, slots=True)
class Empty:
    """Carried out; a 200 without a body."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Carried out; the answer's tree is what `change(tree)` returns."""

    change: Callable[[Node], Node]


@dataclass(frozen=True, slots=True)
class Gzip:
    """The answer is compressed or not, whatever the client asked for."""

    on: bool = True


@dataclass(frozen=True, slots=True)
class ContentType:
    """The answer says it is something else; "" leaves the header out."""

    value: str = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Chunked:
    """The answer comes in chunks of `size` bytes, without Content-Length."""

    size: int = 1024


@dataclass(frozen=True, slots=True)
class ExtraHeaders:
    """Headers added to the answer, such as X-MS-RP or Set-Cookie."""

    headers: Mapping[str, str]


Action: TypeAlias = (
    Status
    | Http
    | EwsError
    | Drop
    | LoseResponse
    | CutAfter
    | Drip
    | Stall
    | Garbage
    | Truncated
    | Empty
    | Rewrite
    | Gzip
    | ContentType
    | Chunked
    | ExtraHeaders
)

INSTEAD = (Status, Http, EwsError, Drop)
"""Actions that keep the command from being carried out."""


@dataclass(slots=True)
class Fault:
    """`action` at the `nth` request that matches, counted from when the rule was added, and `times` in a row.

    `command` is a command name, ``"OPTIONS"`` or None for any; `user` and `device` narrow it, `when` decides freely.
    `times` None means for ever.
    """

    action: Action
    command: str | None = None
    nth: int = 1
    times: int | None = 1
    user: str | None = None
    device: str | None = None
    when: Callable[[Request], bool] | None = None
    seen: int = 0
    hits: int = 0

    def _strikes(self, request: Request) -> bool:
        if self.command is not None and request.command != self.command:
            return False
        if self.user is not None and request.user != self.user:
            return False
        if self.device is not None and request.device_id != self.device:
            return False
        if self.when is not None and not self.when(request):
            return False
        self.seen += 1
        if self.seen < self.nth or (self.times is not None and self.hits >= self.times):
            return False
        self.hits += 1
        return True


class Faults:
    """The rules in force. Thread-safe."""

    def __init__(self) -> None:
        self._rules: list[Fault] = []
        self._lock = threading.Lock()

    def add(
        self,
        action: Action,
        command: str | None = None,
        *,
        nth: int = 1,
        times: int | None = 1,
        user: str | None = None,
        device: str | None = None,
        when: Callable[[Request], bool] | None = None,
    ) -> Fault:
        """Add a rule made from its parts and return it."""
        rule = Fault(action, command, nth, times, user, device, when)
        self.append(rule)
        return rule

    def append(self, rule: Fault) -> None:
        """Add a rule."""
        with self._lock:
            self._rules.append(rule)

    def clear(self) -> None:
        """Drop all rules."""
        with self._lock:
            self._rules.clear()

    def pending(self) -> list[Fault]:
        """The rules that have not struck as often as they may."""
        with self._lock:
            return [rule for rule in self._rules if rule.times is None or rule.hits < rule.times]

    def strike(self, request: Request) -> list[Action]:
        """The actions that hit this request, counting it for every rule."""
        with self._lock:
            return [rule.action for rule in self._rules if rule._strikes(request)]
