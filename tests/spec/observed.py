"""What was seen on the wire in a session of every version: one row an element in its place.

`tests/spec/observed.tsv` is what `write` makes of `session.speak`; a test makes it anew and compares. Rows of the
requirement tables are read against it (`tests/spec/wire_rows.py`).
"""

from __future__ import annotations

import base64
import binascii
import csv
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from emailplus.eas.wbxml import Content, Node
from emailplus.mock.versions import COMMAND_VERSIONS

from .session import Spoken, speak

FILE = Path(__file__).with_name("observed.tsv")
VERSIONS = ("2.5", "12.0", "12.1", "14.0", "14.1", "16.0", "16.1")
NO_DOCUMENT: Node = ("-", None)
"""Stands for a request that is no document: MIME, or all in the query line."""
_HEAD = ("command", "direction", "place", "versions", "least", "most", "fits")

_DASHED = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
_COMPACT = re.compile(r"^\d{8}T\d{6}Z$")
_DATE = re.compile(r"^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?Z?)?$")
_FLOAT = re.compile(r"^-?\d+(\.\d+)?([eE][-+]?\d+)?$")


@dataclass(frozen=True, slots=True)
class Seen:
    """An element of one command's requests or answers, below the elements named in `place` (tags, outermost first).

    `least` and `most` count it in one parent, `fits` are the data types (MS-ASDTYPE) that all of its values have.
    """

    command: str
    direction: str
    place: tuple[str, ...]
    versions: frozenset[str]
    least: int
    most: int
    fits: frozenset[str]

    @property
    def name(self) -> str:
        return self.place[-1].partition(":")[2]

    @property
    def parent(self) -> str:
        return self.place[-2].partition(":")[2] if len(self.place) > 1 else ""


def types_of(content: Content) -> set[str]:
    """The data types that a value has (MS-ASDTYPE 2.1 to 2.9)."""
    if isinstance(content, list):
        return {"container"}
    if content is None or content == "":
        return {"container", "string", "empty", "none", "boolean", "byte array"}
    if isinstance(content, bytes):
        return {"byte array", "string"}
    found = {"string"}
    if content.lstrip("-").isdigit() and content.isascii():
        found |= {"integer", "float"}
        if -(2**31) <= int(content) < 2**31:
            found.add("int")
        if content.isdigit():
            found |= {"unsignedint"} if int(content) < 2**32 else set()
            found |= {"unsignedshort"} if int(content) < 2**16 else set()
            found |= {"unsignedbyte"} if int(content) < 256 else set()
    if content.lower() in ("0", "1", "true", "false"):
        found.add("boolean")
    if _FLOAT.match(content):
        found |= {"float", "double", "decimal"}
    if _DASHED.match(content) or _DATE.match(content):
        found.add("datetime")
    if _COMPACT.match(content):
        found |= {"compact datetime", "datetime"}
    try:
        base64.b64decode(content, validate=True)
        found.add("byte array")
    except (binascii.Error, ValueError):
        pass
    return found


class _Gathering:
    def __init__(self) -> None:
        self.versions: dict[tuple[str, str, tuple[str, ...]], set[str]] = {}
        self.counts: dict[tuple[str, str, tuple[str, ...]], list[int]] = {}
        self.parents: dict[tuple[str, str, tuple[str, ...]], int] = {}
        self.fits: dict[tuple[str, str, tuple[str, ...]], set[str]] = {}

    def take(self, version: str, command: str, direction: str, node: Node, above: tuple[str, ...] = ()) -> None:
        place = (*above, node[0])
        key = (command, direction, place)
        self.versions.setdefault(key, set()).add(version)
        types = types_of(node[1])
        self.fits[key] = self.fits[key] & types if key in self.fits else types
        if not above:
            self.counts.setdefault(key, []).append(1)
        self.parents[key] = self.parents.get(key, 0) + 1
        if isinstance(node[1], list):
            seen: dict[str, int] = {}
            for child in node[1]:
                seen[child[0]] = seen.get(child[0], 0) + 1
                self.take(version, command, direction, child, place)
            for tag, number in seen.items():
                self.counts.setdefault((command, direction, (*place, tag)), []).append(number)

    def rows(self) -> Iterator[Seen]:
        for key, versions in self.versions.items():
            command, direction, place = key
            counts = self.counts[key]
            above = (command, direction, place[:-1])
            least = min(counts) if len(place) == 1 or len(counts) == self.parents[above] else 0
            yield Seen(command, direction, place, frozenset(versions), least, max(counts), frozenset(self.fits[key]))


def gather(spoken: Iterable[Spoken]) -> list[Seen]:
    """Everything in requests and answers, sorted."""
    found = _Gathering()
    for one in spoken:
        for direction, root in (("request", one.request), ("response", one.answer)):
            if root is not None:
                found.take(one.version, one.command, direction, root)
            elif direction == "request" and one.command in COMMAND_VERSIONS:
                found.take(one.version, one.command, direction, NO_DOCUMENT)
    return sorted(found.rows(), key=lambda seen: (seen.command, seen.direction, seen.place))


def lines(rows: Iterable[Seen]) -> list[str]:
    """The file's lines."""
    written = ["\t".join(_HEAD)]
    for seen in rows:
        order = [version for version in VERSIONS if version in seen.versions]
        fields = (
            seen.command, seen.direction, "/".join(seen.place), ",".join(order), str(seen.least), str(seen.most),
            ",".join(sorted(seen.fits)),
        )  # fmt: skip
        written.append("\t".join(fields))
    return written


@cache
def read() -> tuple[Seen, ...]:
    """The rows of the file."""
    with FILE.open(encoding="utf-8", newline="") as file:
        return tuple(
            Seen(
                row["command"],
                row["direction"],
                tuple(row["place"].split("/")),
                frozenset(row["versions"].split(",")),
                int(row["least"]),
                int(row["most"]),
                frozenset(row["fits"].split(",")),
            )
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        )


def observe(versions: Sequence[str] = VERSIONS) -> list[Spoken]:
    """The sessions of all versions, one after the other."""
    spoken: list[Spoken] = []
    for version in versions:
        with tempfile.TemporaryDirectory() as folder:
            spoken += speak(version, Path(folder))[0]
    return spoken


def write() -> None:
    """Make the file anew."""
    FILE.write_text("\n".join(lines(gather(observe()))) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(write())
