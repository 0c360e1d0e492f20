"""TNEF (``winmail.dat``): what Outlook packs a message into when it thinks that the other side is Outlook too.

Read by MS-OXTNEF: a list of attributes, some of which are lists of MAPI properties (MS-OXCDATA, MS-OXPROPS). Only what
a view needs is taken; every length is checked against what is there, and a stream that breaks off gives what came
before.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from . import charset

SIGNATURE = 0x223E9F78
MAX_ATTRIBUTES = 20_000
MAX_PROPERTIES = 5_000
MAX_VALUES = 20_000
MAX_ATTACHMENTS = 1_000

_SUBJECT, _BODY, _MESSAGE_PROPERTIES, _CODE_PAGE = 0x00018004, 0x0002800C, 0x00069003, 0x00069007
_RENDER_DATA, _TITLE, _DATA, _ATTACHMENT_PROPERTIES = 0x00069002, 0x00018010, 0x0006800F, 0x00069005

_SIZES = {0x0002: 2, 0x0003: 4, 0x0004: 4, 0x0005: 8, 0x0006: 8, 0x0007: 8, 0x000A: 4, 0x000B: 2, 0x0014: 8,
          0x0040: 8, 0x0048: 16, 0x0001: 0}  # fmt: skip
"""Property types of a fixed size (MS-OXCDATA 2.11.1)."""
_VARIABLE = frozenset({0x000D, 0x001E, 0x001F, 0x0102})

PR_SUBJECT, PR_BODY, PR_RTF, PR_HTML = 0x0037, 0x1000, 0x1009, 0x1013
PR_ATTACH_DATA, PR_ATTACH_NAME, PR_ATTACH_METHOD, PR_ATTACH_LONG_NAME = 0x3701, 0x3704, 0x3705, 0x3707
PR_ATTACH_MIME, PR_ATTACH_CONTENT_ID, PR_DISPLAY_NAME = 0x370E, 0x3712, 0x3001


class NotTnef(ValueError):
    """The bytes do not begin as TNEF does."""


@dataclass(slots=True)
class TnefAttachment:
    """A file inside. `embedded`: the data is a TNEF stream of its own, a message."""

    name: str = ""
    content_type: str = ""
    content_id: str = ""
    data: bytes = b""
    embedded: bool = False


@dataclass(slots=True)
class Tnef:
    """What was inside. `rtf` is still compressed (MS-OXRTFCP)."""

    subject: str = ""
    text: str = ""
    html: str = ""
    rtf: bytes = b""
    attachments: list[TnefAttachment] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class _Cut(Exception):
    """The data ends, or says a length, that cannot be."""


@dataclass(slots=True)
class _Reader:
    data: bytes
    at: int = 0

    def take(self, length: int) -> bytes:
        end = self.at + length
        if length < 0 or end > len(self.data):
            raise _Cut
        piece = self.data[self.at : end]
        self.at = end
        return piece

    def number(self, size: int = 4) -> int:
        return int.from_bytes(self.take(size), "little")

    def left(self) -> int:
        return len(self.data) - self.at


def read(data: bytes) -> Tnef:
    """Open a TNEF stream. Raises `NotTnef`."""
    if len(data) < 6 or struct.unpack_from("<I", data)[0] != SIGNATURE:
        raise NotTnef("no TNEF signature")
    found = Tnef()
    code_page = "cp1252"
    current: TnefAttachment | None = None
    try:
        for name, value in _attributes(_Reader(data, 6)):
            if name == _CODE_PAGE and len(value) >= 4:
                code_page = charset.codec_name(f"cp{struct.unpack_from('<I', value)[0]}") or code_page
            elif name == _SUBJECT:
                found.subject = _string(value, code_page)
            elif name == _BODY:
                found.text = _string(value, code_page)
            elif name == _MESSAGE_PROPERTIES:
                _message(found, value, code_page)
            elif name == _RENDER_DATA:
                if len(found.attachments) >= MAX_ATTACHMENTS:
                    found.problems.append(f"of more than {MAX_ATTACHMENTS:,} attachments the rest was left out")
                    break
                current = TnefAttachment()
                found.attachments.append(current)
            elif current is None:
                continue
            elif name == _TITLE:
                current.name = current.name or _string(value, code_page)
            elif name == _DATA:
                current.data = current.data or value
            elif name == _ATTACHMENT_PROPERTIES:
                _attachment(current, value, code_page)
    except _Cut:
        found.problems.append("winmail.dat breaks off: what came before is shown")
    return found


def _attributes(reader: _Reader) -> Iterator[tuple[int, bytes]]:
    """Level, id, length, data, checksum (MS-OXTNEF 2.1.3.1)."""
    for _ in range(MAX_ATTRIBUTES):
        if reader.left() < 11:
            return
        if reader.number(1) not in (1, 2):
            raise _Cut
        name = reader.number()
        value = reader.take(reader.number())
        reader.take(2)  # a sum of bytes: some writers get it wrong, and nothing depends on it
        yield name, value


def _string(value: bytes, code_page: str) -> str:
    return charset.decode(value.split(b"\0", 1)[0], code_page)[0]


def _message(found: Tnef, block: bytes, code_page: str) -> None:
    for identity, kind, value in _properties(block):
        if identity == PR_SUBJECT:
            found.subject = _text(kind, value, code_page)
        elif identity == PR_BODY and kind in (0x001E, 0x001F):
            found.text = _text(kind, value, code_page)
        elif identity == PR_HTML:
            found.html = _text(kind, value, code_page) if kind != 0x0102 else charset.decode(value, code_page)[0]
        elif identity == PR_RTF and kind == 0x0102:
            found.rtf = value


def _attachment(current: TnefAttachment, block: bytes, code_page: str) -> None:
    method = 1
    for identity, kind, value in _properties(block):
        if identity == PR_ATTACH_METHOD and len(value) >= 4:
            method = struct.unpack_from("<I", value)[0]
        elif identity == PR_ATTACH_LONG_NAME:
            current.name = _text(kind, value, code_page) or current.name
        elif identity in (PR_ATTACH_NAME, PR_DISPLAY_NAME):
            current.name = current.name or _text(kind, value, code_page)
        elif identity == PR_ATTACH_MIME:
            current.content_type = _text(kind, value, code_page).lower()
        elif identity == PR_ATTACH_CONTENT_ID:
            current.content_id = _text(kind, value, code_page).strip("<>")
        elif identity == PR_ATTACH_DATA and kind in (0x000D, 0x0102):
            data = value[16:] if kind == 0x000D else value  # an object begins with its interface id
            current.data = data
    current.embedded = method == 5 and current.data[:4] == struct.pack("<I", SIGNATURE)


def _text(kind: int, value: bytes, code_page: str) -> str:
    if kind == 0x001F:
        return charset.decode(value, "utf-16-le")[0].split("\0", 1)[0]
    return _string(value, code_page)


def _properties(block: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(property id, type, value) of a property list (MS-OXTNEF 2.1.3.4); of several values the first."""
    reader = _Reader(block)
    for _ in range(min(reader.number(), MAX_PROPERTIES)):
        if not reader.left():
            return
        kind, identity = reader.number(2), reader.number(2)
        if identity >= 0x8000:  # a named property
            reader.take(16)
            if reader.number() == 0:
                reader.take(4)
            else:
                _padded(reader, reader.number())
        several, kind = bool(kind & 0x1000), kind & 0x0FFF
        count = reader.number() if several or kind in _VARIABLE else 1
        if count > MAX_VALUES:
            raise _Cut
        first = b""
        for number in range(count):
            if kind in _VARIABLE:
                value = _padded(reader, reader.number())
            elif kind in _SIZES:
                value = _padded(reader, _SIZES[kind])
            else:
                raise _Cut
            if not number:
                first = value
        yield identity, kind, first


def _padded(reader: _Reader, length: int) -> bytes:
    """A value and the bytes that fill it up to a multiple of four."""
    value = reader.take(length)
    reader.take(min(-length % 4, reader.left()))
    return value
