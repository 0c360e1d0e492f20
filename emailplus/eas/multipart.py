"""MultiPartResponse: WBXML whose large contents travel as bytes behind it (MS-ASCMD 2.2.2.10.1).

count, then offset and length of each part (32 bits, little-endian), then the parts; part 0 is the WBXML.
"""

from __future__ import annotations

import struct

from ..errors import MalformedResponse
from .wbxml import Content, Node, decode

MAX_PARTS = 10_000
_PART = "ItemOperations:Part"


def split(body: bytes) -> list[bytes]:
    """The parts of an answer. Raises `MalformedResponse` for a table that does not fit its body."""
    try:
        (count,) = struct.unpack_from("<i", body)
        if not 1 <= count <= MAX_PARTS:
            raise MalformedResponse(f"a multipart answer of {count} parts")
        table = struct.unpack_from(f"<{2 * count}i", body, 4)
    except struct.error:
        raise MalformedResponse("a multipart answer ends within its table of parts") from None
    parts = []
    for offset, length in zip(table[::2], table[1::2], strict=True):
        if offset < 4 + 8 * count or length < 0 or offset + length > len(body):
            raise MalformedResponse("a part of a multipart answer lies outside of it")
        parts.append(body[offset : offset + length])
    if sum(map(len, parts)) > len(body):
        raise MalformedResponse("the parts of a multipart answer overlap")
    return parts


def decode_multipart(body: bytes) -> Node:
    """The tree of a multipart answer, each Part replaced by a Data with the bytes it names: parsers need not know.

    Raises `MalformedResponse`, `WbxmlError`.
    """
    parts = split(body)
    return _resolved(decode(parts[0]), parts)


def _resolved(node: Node, parts: list[bytes]) -> Node:
    tag, content = node
    if not isinstance(content, list):
        return node
    children: list[Node] = []
    for child in content:
        if child[0] == _PART:
            namespace = "AirSyncBase" if tag.startswith("AirSyncBase:") else "ItemOperations"
            children.append((f"{namespace}:Data", _named(child[1], parts)))
        else:
            children.append(_resolved(child, parts))
    return tag, children


def _named(content: Content, parts: list[bytes]) -> bytes:
    number = int(content) if isinstance(content, str) and content.isascii() and content.isdigit() else 0
    if not 1 <= number < len(parts):
        raise MalformedResponse("a Part names none of the parts of its answer")
    return parts[number]
