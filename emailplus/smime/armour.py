"""The MIME dress of CMS objects: base64 in lines, and the header of application/pkcs7-mime (RFC 8551 3.2)."""

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
    """Base64 in lines of 76 with CRLF, the last one ended too."""
    return b"".join(_blocks(memoryview(data)))


def base64_stream(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same of what comes piece by piece."""
    left = bytearray()
    for piece in pieces:
        left += piece
        whole = len(left) - len(left) % (_LINE * _LINES)
        if whole:
            yield from _blocks(memoryview(bytes(left[:whole])))
            del left[:whole]
    yield from _blocks(memoryview(bytes(left)))


def _blocks(data: memoryview) -> Iterator[bytes]:
    for at in range(0, len(data), _LINE * _LINES):
        text = binascii.b2a_base64(data[at : at + _LINE * _LINES], newline=False)
        if len(text) == 76 * _LINES:
            lines: Iterable[bytes] = _CUT(text)
        else:
            lines = (text[start : start + 76] for start in range(0, len(text), 76))
        yield b"\r\n".join((*lines, b""))


def pkcs7_head(smime_type: str) -> bytes:
    """The header of an entity whose body is base64 of a CMS object."""
    extension = "p7z" if smime_type == "compressed-data" else "p7m"
    return (
        f'Content-Type: application/pkcs7-mime; smime-type={smime_type}; name="smime.{extension}"\r\n'
        "Content-Transfer-Encoding: base64\r\n"
        f'Content-Disposition: attachment; filename="smime.{extension}"\r\n\r\n'
    ).encode()
