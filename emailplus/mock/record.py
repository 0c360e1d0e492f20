"""The record of what clients did: one `Request` a request, with both trees and what the schema says about it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from ..eas.wbxml import Node
from .connection import Connection
from .users import MockUser

KEEP_BYTES = 64 << 20  # bodies and trees are kept for the latest requests up to this many bytes, then let go


@dataclass(slots=True)
class Request:
    """One request and its answer. Trees are None when there was no WBXML, or when it was let go to save memory.

    `bytes_in` and `bytes_out` count bodies as they travel; `seconds` is the time until the answer was ready.
    """

    number: int
    method: str
    target: str
    http_version: str
    headers: list[tuple[str, str]]
    received: datetime
    secure: bool = False
    command: str = ""
    version: str = ""
    query_form: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    user: str = ""
    email: str = ""
    device_id: str = ""
    device_type: str = ""
    policy_key: str = ""
    body: bytes = b""
    tree: Node | None = None
    problems: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)  # why items of a Sync were not taken
    faults: list[object] = field(default_factory=list)
    status: int = 0
    response_headers: list[tuple[str, str]] = field(default_factory=list)
    response_body: bytes = b""
    response_tree: Node | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    seconds: float = 0.0
    connection: Connection = field(default_factory=Connection)
    judged: bool = False
    known_as: MockUser | None = None  # whose credentials came along
    challenges: list[str] = field(default_factory=list)  # WWW-Authenticate, should it become a 401

    def header(self, name: str) -> str:
        """The first request header of that name, or ""."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")


class Recorder:
    """All requests in order. Thread-safe; iterate, index or ask `of`."""

    def __init__(self, keep_bytes: int = KEEP_BYTES) -> None:
        self._requests: list[Request] = []
        self._lock = threading.Lock()
        self._keep_bytes = keep_bytes
        self._kept = 0
        self._oldest_kept = 0

    def begin(self, request: Request) -> None:
        with self._lock:
            self._requests.append(request)

    def next_number(self) -> int:
        with self._lock:
            return len(self._requests) + 1

    def finish(self, request: Request) -> None:
        """Account for a finished request, letting the oldest bodies go when too much is kept."""
        with self._lock:
            self._kept += len(request.body) + len(request.response_body)
            while self._kept > self._keep_bytes and self._oldest_kept < len(self._requests):
                old = self._requests[self._oldest_kept]
                self._kept -= len(old.body) + len(old.response_body)
                old.body = old.response_body = b""
                old.tree = old.response_tree = None
                self._oldest_kept += 1

    def of(self, command: str) -> list[Request]:
        """The requests of one command."""
        with self._lock:
            return [request for request in self._requests if request.command == command]

    def problems(self) -> list[str]:
        """Everything that any request did against the schema."""
        with self._lock:
            return [f"#{r.number} {r.command}: {problem}" for r in self._requests for problem in r.problems]

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._requests.clear()
            self._kept = self._oldest_kept = 0

    def __iter__(self) -> Iterator[Request]:
        with self._lock:
            return iter(list(self._requests))

    def __len__(self) -> int:
        return len(self._requests)

    def __getitem__(self, index: int) -> Request:
        return self._requests[index]
