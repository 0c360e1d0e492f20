"""Where the bytes of a message lie: in memory, in a mapped file, or elsewhere, from where they come a window at a time.

`parts` reads all of them in the same way, by offsets. `Windowed` is for messages that are too large to be held: it
keeps the windows that were used last and asks for the others again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from mmap import mmap
from threading import Lock
from typing import TypeAlias

KEPT = 4
"""Windows that are kept."""
_FIRST_LOOK = 4096

Window = Callable[[int], tuple[int, bytes]]
"""Given an offset, a window that holds it: (offset of its first byte, its bytes)."""


class Windowed:
    """Bytes that lie elsewhere, with as much of the interface of `bytes` as `parts` uses. Any thread may read."""

    def __init__(self, size: int, window: Window) -> None:
        self._size = size
        self._read = window
        self._kept: list[tuple[int, bytes]] = []
        self._mutex = Lock()

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, span: slice) -> bytes:
        start, stop, step = span.indices(self._size)
        if step != 1:
            raise ValueError("a slice of a windowed source has no step")
        if start >= stop:
            return b""
        first, data = self._window(start)
        if stop <= first + len(data):
            return data[start - first : stop - first]
        found = bytearray(data[start - first :])
        while start + len(found) < stop:
            first, data = self._window(start + len(found))
            found += data[start + len(found) - first : stop - first]
        return bytes(found)

    def find(self, wanted: bytes, start: int = 0, end: int | None = None) -> int:
        """As `bytes.find`, for offsets that are not negative and something to be found."""
        end = self._size if end is None else min(end, self._size)
        over = len(wanted) - 1
        at = start
        while at < end:
            first, data = self._window(at)
            stop = min(end, first + len(data))
            found = data.find(wanted, at - first, stop - first)
            if found >= 0:
                return first + found
            if over and stop < end:  # it may begin in this window and end in a later one
                begun = max(start, stop - over)
                found = self[begun : min(end, stop + over)].find(wanted)
                if found >= 0:
                    return begun + found
            at = stop
        return -1

    def rfind(self, wanted: bytes, start: int, end: int) -> int:
        """As `bytes.rfind`, for offsets that are not negative; the span is read whole."""
        found = self[start:end].rfind(wanted)
        return start + found if found >= 0 else -1

    def _window(self, at: int) -> tuple[int, bytes]:
        with self._mutex:
            for number, (first, data) in enumerate(self._kept):
                if first <= at < first + len(data):
                    if number:
                        self._kept.insert(0, self._kept.pop(number))
                    return first, data
            read = self._read(at)
            self._kept.insert(0, read)
            del self._kept[KEPT:]
            return read


def beginning(pieces: Callable[[], Iterable[bytes]], size: int) -> bytes:
    """The first `size` bytes of what comes in pieces, or all where there are fewer."""
    found = bytearray()
    for piece in pieces():
        found += piece
        if len(found) >= size:
            break
    return bytes(found[:size])


Source: TypeAlias = "bytes | mmap | Windowed"


def search(pattern: re.Pattern[bytes], source: Source, start: int, end: int) -> tuple[int, int] | None:
    """Where `pattern` first matches: (start, end). It must be one that a later byte cannot make match differently."""
    if not isinstance(source, Windowed):
        match = pattern.search(source, start, end)
        return match.span() if match is not None else None
    size = _FIRST_LOOK
    while True:
        stop = min(end, start + size)
        match = pattern.search(source[start:stop])
        if match is not None:
            return start + match.start(), start + match.end()
        if stop >= end:
            return None
        size *= 8
