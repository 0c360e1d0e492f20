"""Writing DER (X.690 10), as much of it as CMS needs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from .ber import encode_length

NULL = b"\x05\x00"


def element(tag: int, *parts: bytes) -> bytes:
    """One element with the content of all `parts`."""
    return b"".join((bytes([tag]), encode_length(sum(map(len, parts))), *parts))


def sequence(*parts: bytes) -> bytes:
    return element(0x30, *parts)


def set_of(parts: Iterable[bytes], tag: int = 0x31) -> bytes:
    """SET OF, in the order that DER demands (X.690 11.6)."""
    return element(tag, *sorted(parts))


def octets(data: bytes) -> bytes:
    return element(0x04, data)


def explicit(number: int, *parts: bytes) -> bytes:
    return element(0xA0 | number, *parts)


def integer(value: int) -> bytes:
    """A non-negative INTEGER."""
    return element(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def oid(dotted: str) -> bytes:
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    content = bytearray()
    for arc in (first * 40 + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | arc & 0x7F)
        content.extend(reversed(groups))
    return element(0x06, bytes(content))


def algorithm(dotted: str, parameters: bytes = b"") -> bytes:
    """AlgorithmIdentifier; `parameters` as DER, b"" for absent."""
    return sequence(oid(dotted), parameters)


def time(moment: datetime) -> bytes:
    """UTCTime until 2049, GeneralizedTime from then on (RFC 5652 11.3)."""
    moment = moment.astimezone(UTC)
    if 1950 <= moment.year < 2050:
        return element(0x17, moment.strftime("%y%m%d%H%M%SZ").encode())
    return element(0x18, moment.strftime("%Y%m%d%H%M%SZ").encode())
