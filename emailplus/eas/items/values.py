"""The data types of properties on the wire, both ways (MS-ASDTYPE), and what a row of an item table is.

A reader takes the content of an element and raises `ValueError` for what cannot be of its type. A writer gives the
content of an element; a value that is the attribute's default becomes an empty element, which empties the property.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from ..tree import octets, value
from ..wbxml import Content, Node

Reader = Callable[[Content], Any]
Writer = Callable[[Any], Content]

Composer = Callable[[Any, int, bool], Content]
"""A writer of a container, which also needs the version and whether a client writes."""

FIRST, LAST = 25, 161
"""Versions as numbers: 2.5 is 25, 16.1 is 161 (`emailplus.eas.versions.Version.code`)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One property: its tag, the attribute it fills, both directions, and the versions that have it."""

    tag: str
    attribute: str
    read: Reader
    write: Writer | None
    since: int = FIRST
    until: int = LAST
    sent_until: int = LAST
    """The last version in which a client sends it; 0: never, it is the server's to say."""
    ghosted: bool = False
    """Left out of Supported: a Change that does not name it keeps it (MS-ASCMD 2.2.3.179)."""
    empties_from: int = FIRST
    """From this version on an empty element empties it; before, it is emptied by being left out."""
    compose: Composer | None = None
    """Takes the place of `write` for containers."""

    def valid(self, version: int, *, request: bool) -> bool:
        """Whether it may be written in that version, by a client (`request`) or by a server."""
        return self.since <= version <= (min(self.until, self.sent_until) if request else self.until)

    def content(self, value: Any, version: int, *, request: bool) -> Content:
        """What stands in the element for `value`."""
        if self.compose is not None:
            return self.compose(value, version, request)
        if self.write is None:
            raise TypeError(f"{self.tag} has no writer")
        return self.write(value)

    def nodes(self, value: Any, version: int, *, request: bool) -> list[Node]:
        """The element for `value`, or none where the version has none or cannot empty it so."""
        if not self.valid(version, request=request):
            return []
        content = self.content(value, version, request=request)
        return [(self.tag, content)] if content is not None or version >= self.empties_from else []


NEVER = 1000
"""`Row.empties_from` of what no empty element empties."""


# -- readers


def read_text(content: Content) -> str:
    """Text; bytes that were not UTF-8 become U+FFFD."""
    if content.__class__ is str:
        if content.isascii():
            return content
        return content.encode(errors="surrogateescape").decode(errors="replace")
    return value(("", content))


def read_integer(content: Content) -> int:
    """A number; an empty element is 0."""
    return int(content) if content.__class__ is str else int(value(("", content)) or 0)


def read_optional_integer(content: Content) -> int | None:
    """A number; an empty element is None."""
    written = value(("", content)).strip()
    return int(written) if written else None


def read_float(content: Content) -> float | None:
    written = value(("", content)).strip()
    number = float(written) if written else None
    if number is not None and not -1e12 < number < 1e12:  # no NaN, no infinity
        raise ValueError(f"not a measure: {written[:20]!r}")
    return number


def read_boolean(content: Content) -> bool:
    """MS-ASDTYPE 2.1: 1 or 0; an empty element counts as TRUE, as in requests; some servers write words."""
    written = value(("", content)).strip().lower()
    return written in ("1", "true", "")


def read_optional_boolean(content: Content) -> bool | None:
    """The same, but an empty element is None: the property is not set."""
    written = value(("", content)).strip().lower()
    return written in ("1", "true") if written else None


def read_date(content: Content) -> datetime | None:
    """MS-ASDTYPE 2.3, 2.7.2: ``2026-11-23T09:30:00.000Z``, or the compact form; None for an empty element."""
    written = value(("", content)).strip()
    if not written:
        return None
    moment = datetime.fromisoformat(written)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def read_local_date(content: Content) -> datetime | None:
    """A local time; the Z that the format asks for means nothing (MS-ASTASK 2.2.2.12)."""
    moment = read_date(content)
    return moment.replace(tzinfo=None) if moment is not None else None


def read_octets(content: Content) -> bytes:
    return octets(("", content))


def read_base64(content: Content) -> bytes:
    """Bytes that stand on the wire as base64 text; a server that writes them opaque is understood too."""
    raw = octets(("", content))
    try:
        return base64.b64decode(b"".join(raw.split()), validate=True)
    except binascii.Error as problem:
        if isinstance(content, bytes):
            return raw
        raise ValueError("not base64") from problem


def read_list(tag: str) -> Reader:
    """A container of texts, such as Categories."""

    def read(content: Content) -> tuple[str, ...]:
        if not isinstance(content, list):
            return ()
        return tuple(read_text(inner) for name, inner in content if name == tag)

    return read


# -- writers


def write_text(text: str) -> Content:
    return text or None


def write_integer(number: int | None) -> Content:
    return None if number is None else str(int(number))


def write_float(number: float | None) -> Content:
    return None if number is None else repr(number)


def write_boolean(flag: bool | None) -> Content:
    return None if flag is None else str(int(flag))


def write_date(moment: datetime | None) -> Content:
    """MS-ASDTYPE 2.3: with punctuation and milliseconds."""
    if moment is None:
        return None
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z".rjust(24, "0")


def write_local_date(moment: datetime | None) -> Content:
    """A local time in the form of `write_date`."""
    return write_date(moment.replace(tzinfo=UTC)) if moment is not None else None


def write_compact(moment: datetime | None) -> Content:
    """Compact DateTime (MS-ASDTYPE 2.7.2): ``20261123T093000Z``."""
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%S}Z".rjust(16, "0") if moment is not None else None


def write_octets(data: bytes) -> Content:
    return data or None


def write_base64(data: bytes | None) -> Content:
    return base64.b64encode(data).decode() if data else None


def write_list(tag: str) -> Writer:
    def write(texts: Iterable[str]) -> Content:
        nodes: list[Node] = [(tag, text) for text in texts]
        return nodes or None

    return write


# -- tables


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a class, by tag to read and in order to write."""

    rows: tuple[Row, ...]

    def by_tag(self) -> dict[str, Row]:
        return {row.tag: row for row in self.rows}


def read_container(rows: Mapping[str, Row], content: Content) -> dict[str, Any]:
    """Attribute values of the elements of a container that have a row."""
    found: dict[str, Any] = {}
    for tag, inner in content if isinstance(content, list) else ():
        row = rows.get(tag)
        if row is not None:
            found[row.attribute] = row.read(inner)
    return found


def write_container(
    rows: Sequence[Row], source: object, version: int, *, request: bool, always: frozenset[str] = frozenset()
) -> list[Node]:
    """The elements of an object's attributes that are set; those in `always` also when they are empty."""
    nodes: list[Node] = []
    for row in rows:
        if not row.valid(version, request=request):
            continue
        content = row.content(getattr(source, row.attribute), version, request=request)
        if content is not None or row.attribute in always:
            nodes.append((row.tag, content))
    return nodes


def midnight_date(moment: datetime) -> date:
    """The date of the midnight that is nearest: what an all-day event means by a time that lies a little beside."""
    return (moment + timedelta(hours=12)).date()
