"""A CMS object too large for memory, taken apart: its content aside, and everything around it as a small object.

What is left when the content is taken out is read by `cms.parse` like any other; so there is one reader of signers,
recipients and algorithms. BER and DER (X.690 8.1), every length definite or not.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

from ..errors import MalformedCms, SmimeLimitExceeded, UnsupportedCms
from . import algorithms as alg
from . import der, tlv
from .ber import FILLER
from .limits import MAX_ASN1_DEPTH
from .pieces import Source

MAX_AROUND = 16 << 20
"""Bytes of everything but the content: 5,000 recipients are 3 MB, certificates and revocation lists the rest."""

_SEQUENCE, _SET, _OCTETS, _OCTETS_IN_PIECES = 0x30, 0x31, 0x04, 0x24
_ENCRYPTED = {alg.ENVELOPED_DATA, alg.AUTH_ENVELOPED_DATA}
_END = b"\0\0"


@dataclass(frozen=True, slots=True)
class Apart:
    """`around`: the object with empty content, for `cms.parse`. `content`: None where the object has none at all."""

    around: bytes
    content: Source | None


def take_apart(source: Source) -> Apart:
    """Read one ContentInfo to its end. Raises `MalformedCms`, `UnsupportedCms`, `SmimeLimitExceeded`."""
    walk = _walk(source())
    found = False
    while True:
        try:
            next(walk)
            found = True
        except StopIteration as end:
            around, has_content = end.value
            return Apart(around, _content_of(source) if found or has_content else None)


def _content_of(source: Source) -> Source:
    def pieces() -> Iterator[bytes]:
        yield from _walk(source())

    return pieces


@dataclass(slots=True)
class _Level:
    """An element whose inside is being read; `end` is None for an indefinite length."""

    end: int | None


class _Reader:
    """Elements off a stream, with as little of it in memory as an element demands."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = b""
        self._at = 0
        self.position = 0
        self._around = 0

    def _fill(self, count: int) -> bool:
        while len(self._held) - self._at < count:
            piece = next(self._pieces, None)
            if piece is None:
                return False
            self._held = self._held[self._at :] + piece
            self._at = 0
        return True

    def take(self, count: int) -> bytes:
        """Bytes that are kept: they count against the limit."""
        self._around += count
        if self._around > MAX_AROUND:
            raise SmimeLimitExceeded(f"a CMS object with more than {MAX_AROUND >> 20} MB beside its content")
        if not self._fill(count):
            raise MalformedCms(f"the CMS object is cut short at byte {self.position}")
        found = self._held[self._at : self._at + count]
        self._at += count
        self.position += count
        return found

    def stream(self, count: int) -> Iterator[bytes]:
        """Bytes that are handed on."""
        while count:
            if not self._fill(1):
                raise MalformedCms(f"the CMS object is cut short at byte {self.position}")
            found = self._held[self._at : self._at + count]
            self._at += len(found)
            self.position += len(found)
            count -= len(found)
            yield found

    def header(self) -> tuple[int, int | None, bytes]:
        """(tag, length or None for an indefinite one, the octets of both)."""
        raw = self.take(2)
        tag, first = raw
        if tag & 0x1F == 0x1F:
            raise MalformedCms(f"an impossible tag at byte {self.position - 2}")
        if first < 0x80:
            return tag, first, raw
        if first == 0x80:
            if not tag & 0x20:
                raise MalformedCms(f"a primitive element of indefinite length at byte {self.position - 2}")
            return tag, None, raw
        if first > 0x88:
            raise MalformedCms(f"an impossible length at byte {self.position - 2}")
        more = self.take(first & 0x7F)
        return tag, int.from_bytes(more, "big"), raw + more

    def open(self, wanted: int) -> _Level:
        tag, length, _ = self.header()
        if tag != wanted:
            raise MalformedCms(f"element {wanted:#x} is missing at byte {self.position}")
        return _Level(None if length is None else self.position + length)

    def more(self, level: _Level) -> bool:
        if level.end is not None:
            return self.position < level.end
        return self._fill(2) and self._held[self._at : self._at + 2] != _END

    def close(self, level: _Level) -> None:
        if level.end is None:
            if self.take(2) != _END:
                raise MalformedCms(f"an element has no end at byte {self.position}")
        elif self.position != level.end:
            raise MalformedCms(f"an element does not end where its length says, at byte {self.position}")

    def element(self, depth: int = 0) -> bytes:
        """One element as it stands, whole."""
        if depth > MAX_ASN1_DEPTH:
            raise SmimeLimitExceeded("the CMS object is nested too deep")
        _, length, raw = self.header()
        if length is not None:
            return raw + self.take(length)
        found = [raw]
        level = _Level(None)
        while self.more(level):
            found.append(self.element(depth + 1))
        self.close(level)
        return b"".join((*found, _END))

    def octets(self, tag: int, length: int | None, depth: int = 0) -> Iterator[bytes]:
        """The octets of a string whose header was read, in one piece or in pieces (X.690 8.7.3)."""
        if not tag & 0x20:
            yield from self.stream(length or 0)
            return
        if depth > MAX_ASN1_DEPTH:
            raise SmimeLimitExceeded("the CMS object is nested too deep")
        level = _Level(None if length is None else self.position + length)
        while self.more(level):
            inner, size, raw = self.header()
            self._around -= len(raw)  # of the content, not beside it
            if inner not in (_OCTETS, _OCTETS_IN_PIECES):
                raise MalformedCms(f"a string of other things than strings at byte {self.position}")
            yield from self.octets(inner, size, depth + 1)
        self.close(level)

    def rest(self) -> Iterator[bytes]:
        yield self._held[self._at :]
        yield from self._pieces


def _walk(pieces: Iterator[bytes]) -> Generator[bytes, None, tuple[bytes, bool]]:
    """Yields the content; returns the object without it, and whether there was any."""
    reader = _Reader(pieces)
    outer = reader.open(_SEQUENCE)
    kind = reader.element()
    explicit = reader.open(0xA0)
    inner = reader.open(_SEQUENCE)
    name = tlv.oid(tlv.read(kind, 0, len(kind)))
    if name not in {alg.SIGNED_DATA, alg.COMPRESSED_DATA, *_ENCRYPTED}:
        raise UnsupportedCms(f"a CMS object of type {name}; signed, enveloped and compressed data are read")
    before = _before(reader, name)
    level = reader.open(_SEQUENCE)
    info = [reader.element()]
    if name in _ENCRYPTED:
        info.append(reader.element())
    has_content = reader.more(level)
    if has_content and name in _ENCRYPTED:
        tag, length, _ = reader.header()
        if tag not in (0x80, 0xA0):
            raise MalformedCms(f"no cipher text at byte {reader.position}")
        yield from reader.octets(tag, length)
        info.append(b"\x80\x00")
    elif has_content:
        holder = reader.open(0xA0)
        tag, length, _ = reader.header()
        if tag not in (_OCTETS, _OCTETS_IN_PIECES):
            raise UnsupportedCms("content that is no string of octets, in a CMS object of this size")
        yield from reader.octets(tag, length)
        reader.close(holder)
        info.append(der.explicit(0, der.octets(b"")))
    reader.close(level)
    after = []
    while reader.more(inner):
        after.append(reader.element())
    for open_level in (inner, explicit, outer):
        reader.close(open_level)
    if any(piece.strip(FILLER) for piece in reader.rest()):
        raise MalformedCms("there are bytes after the end of the CMS object")
    around = der.sequence(kind, der.explicit(0, der.sequence(*before, der.sequence(*info), *after)))
    return around, has_content


def _before(reader: _Reader, name: str) -> list[bytes]:
    """What stands before the content: the version, digest algorithms or recipients, the algorithm of compression."""
    found: list[bytes] = []
    wanted = _SEQUENCE if name == alg.COMPRESSED_DATA else _SET
    while not found or found[-1][0] != wanted:
        if len(found) > 3:
            raise MalformedCms(f"the content is missing at byte {reader.position}")
        found.append(reader.element())
    return found
