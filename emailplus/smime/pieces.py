"""Bytes that do not fit into memory: they come piece by piece, and again from the beginning when asked again."""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ..errors import MalformedCms

Source = Callable[[], Iterator[bytes]]
"""Gives the same bytes each time it is called, in pieces of any size."""

PIECE = 1 << 20
_NO_DIGIT = bytes(
    octet for octet in range(256) if not (chr(octet).isascii() and (chr(octet).isalnum() or octet in b"+/="))
)


def of_file(path: Path) -> Source:
    """The content of a file, which must not change meanwhile."""

    def read() -> Iterator[bytes]:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece

    return read


def of_bytes(data: bytes) -> Source:
    return lambda: (data[at : at + PIECE] for at in range(0, len(data), PIECE))


def span(source: Source, start: int, end: int | None = None) -> Source:
    """The bytes of `source` from `start` to before `end`; None: to its end."""

    def cut() -> Iterator[bytes]:
        at = 0
        for piece in source():
            first, last = max(start - at, 0), len(piece) if end is None else min(end - at, len(piece))
            if first < last:
                yield piece[first:last]
            at += len(piece)
            if end is not None and at >= end:
                return

    return cut


def canonical(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """With CRLF line ends (RFC 8551 3.1.1)."""
    carried = b""
    for piece in pieces:
        data = carried + piece
        carried = b"\r" if data.endswith(b"\r") else b""
        data = data[: len(data) - len(carried)]
        if data.count(b"\n") == data.count(b"\r\n") == data.count(b"\r"):
            whole = data
        else:
            whole = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
        if whole:
            yield whole
    if carried:
        yield b"\r\n"


def from_base64(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """What base64 stands for, up to its padding; what is no digit is passed over (RFC 2045 6.8).

    Raises `MalformedCms` where the digits end amid an octet.
    """
    left = b""
    for piece in pieces:
        digits = left + piece.translate(None, _NO_DIGIT)
        padding = digits.find(b"=")
        if padding >= 0:
            digits = digits[: padding + -padding % 4]
            yield _decoded(digits + b"=" * (-len(digits) % 4))
            return
        whole = len(digits) - len(digits) % 4
        left = digits[whole:]
        if whole:
            yield _decoded(digits[:whole])
    if left:
        yield _decoded(left + b"=" * (-len(left) % 4))


def _decoded(digits: bytes) -> bytes:
    try:
        return binascii.a2b_base64(digits)
    except binascii.Error as error:
        raise MalformedCms("the base64 of the CMS object is cut short") from error
