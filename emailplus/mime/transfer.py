"""Base64 as a transfer encoding: lines of 76 digits that end with CRLF (RFC 2045 6.8)."""

from __future__ import annotations

import binascii
import struct
from collections.abc import Iterable, Iterator

_LINE = 57
"""Bytes in a line of 76 digits (RFC 2045 6.8)."""
_LINES = 4096
_CUT = struct.Struct("76s" * _LINES).unpack
"""76-digit lines of a whole block; cutting them so costs half of what slicing does."""


def base64_lines(data: bytes) -> bytes:
    """Base64 in lines, the last one ended too."""
    return b"".join(base64_blocks(data))


def base64_stream(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same of what comes piece by piece."""
    left = bytearray()
    for piece in pieces:
        left += piece
        whole = len(left) - len(left) % (_LINE * _LINES)
        if whole:
            yield from base64_blocks(bytes(left[:whole]))
            del left[:whole]
    yield from base64_blocks(bytes(left))


def base64_blocks(data: bytes) -> Iterator[bytes]:
    """The same in pieces of whole lines, some 300 KB each."""
    view = memoryview(data)
    for at in range(0, len(view), _LINE * _LINES):
        text = binascii.b2a_base64(view[at : at + _LINE * _LINES], newline=False)
        if len(text) == 76 * _LINES:
            lines: Iterable[bytes] = _CUT(text)
        else:
            lines = (text[start : start + 76] for start in range(0, len(text), 76))
        yield b"\r\n".join((*lines, b""))
