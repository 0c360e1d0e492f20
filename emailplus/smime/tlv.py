"""Reading definite-length BER (X.690 8.1), which DER is: elements as offsets into the bytes, nothing copied.

A generic ASN.1 library builds an object for each element; a signature has a hundred of them and its reader wants ten.
What has indefinite lengths or strings in pieces raises `Indefinite`: `ber.to_der` puts it into this form first.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import NamedTuple

from ..errors import MalformedCms, SmimeLimitExceeded

_OCTETS_IN_PIECES = 0x24


_element = tuple.__new__  # what the constructor of a NamedTuple comes down to, at a third of its cost


class Indefinite(Exception):
    """This has to be put into definite form first."""


class Element(NamedTuple):
    """One element of `data`: its tag, where it starts, where its content starts, and where both end."""

    data: bytes
    tag: int
    start: int
    body: int
    end: int

    @property
    def raw(self) -> bytes:
        return self.data[self.start : self.end]

    @property
    def content(self) -> bytes:
        return self.data[self.body : self.end]

    def children(self, limit: int = 10_000, what: str = "elements") -> list[Element]:
        """The elements inside. Raises `MalformedCms`, `Indefinite`, `SmimeLimitExceeded` beyond `limit`."""
        found: list[Element] = []
        data, position, end = self.data, self.body, self.end
        while position < end:
            if len(found) >= limit:
                raise SmimeLimitExceeded(f"a CMS object with more than {limit} {what}")
            body = position + 2
            if body <= end and (length := data[position + 1]) < 0x80 and body + length <= end:
                tag = data[position]
                if tag & 0x1F != 0x1F and tag != _OCTETS_IN_PIECES:  # as nearly all are: without a call for each
                    found.append(_element(Element, (data, tag, position, body, body + length)))
                    position = body + length
                    continue
            element = read(data, position, end)
            found.append(element)
            position = element[4]
        return found


def read(data: bytes, at: int, end: int) -> Element:
    """The element at `at`, which must end before `end`. Raises `MalformedCms`, `Indefinite`."""
    if at + 2 > end:
        raise MalformedCms(f"the CMS object is cut short at byte {at}")
    tag, length, body = data[at], data[at + 1], at + 2
    if tag & 0x1F == 0x1F:
        raise MalformedCms(f"an impossible tag at byte {at}")
    if length & 0x80:
        size = length & 0x7F
        if not size:
            raise Indefinite
        if size > 8 or body + size > end:
            raise MalformedCms(f"an impossible length at byte {at}")
        length = int.from_bytes(data[body : body + size], "big")
        body += size
    if tag == _OCTETS_IN_PIECES:
        raise Indefinite
    if length > end - body:
        raise MalformedCms(f"the CMS object is cut short at byte {at}")
    return _element(Element, (data, tag, at, body, body + length))


def expect(element: Element, tag: int) -> Element:
    """`element`, which must have that tag. Raises `MalformedCms`."""
    if element.tag != tag:
        raise MalformedCms(f"element {tag:#x} is missing at byte {element.start}")
    return element


def integer(element: Element) -> int:
    return int.from_bytes(expect(element, 0x02).content, "big", signed=True)


def oid(element: Element) -> str:
    return dotted(expect(element, 0x06).content)


@lru_cache(maxsize=1024)
def dotted(content: bytes) -> str:
    """An object identifier as people write it (X.690 8.19). Raises `MalformedCms`."""
    if not content or content[-1] & 0x80 or len(content) > 64:
        raise MalformedCms("an object identifier that is none")
    arcs, value = [], 0
    for octet in content:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def moment(element: Element) -> datetime | None:
    """UTCTime or GeneralizedTime (X.680 46, 47; RFC 5652 11.3: years below 50 are after 2000). None: it is neither."""
    try:
        text = element.content.decode("ascii")
        if element.tag == 0x17:
            text = ("20" if int(text[:2]) < 50 else "19") + text
        elif element.tag != 0x18:
            return None
        return _parsed(text)
    except (ValueError, OverflowError):
        return None


def _parsed(text: str) -> datetime:
    zone = UTC
    if text.endswith("Z"):
        text = text[:-1]
    elif text[-5:-4] in ("+", "-"):
        sign = -1 if text[-5] == "-" else 1
        zone = timezone(sign * timedelta(hours=int(text[-4:-2]), minutes=int(text[-2:])))
        text = text[:-5]
    whole, _, _ = text.partition(".")
    if not whole.isdigit() or len(whole) not in (10, 12, 14):
        raise ValueError(text)
    whole = whole.ljust(14, "0")
    month, day, hour, minute, second = (int(whole[at : at + 2]) for at in range(4, 14, 2))
    return datetime(int(whole[:4]), month, day, hour, minute, second, tzinfo=zone).astimezone(UTC)
