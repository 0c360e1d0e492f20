"""JSON as administrators paste it: read with repairs, each reported, and a position where repair ends.

Repaired: a byte order mark, trailing commas, unquoted property names, curly quotes around names and texts, comments.
Nothing inside a text is touched and no bracket is ever added (classification reference, "Validation").
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MAX_LENGTH: Final = 1_000_000
"""Characters of a document, as the key table has it."""
MAX_DEPTH: Final = 64
"""Nesting; the deepest documented property stands at nine."""

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

_LAYOUT = re.compile(r"[ \t\r\n\u00a0]+|//[^\n]*|/\*")
_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,17})(?:\.\d{1,20})?(?:[eE][+-]?\d{1,3})?(?![\w.])")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*"')
_CURLY = re.compile(r'[“”„](?:[^“”"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*[“”]')
_WORDS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True)
class Repair:
    """One repair. `place` is `line 3, column 7` of the text, both from 1."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class Irreparable(ValueError):
    """Text that no repair makes JSON: where reading stopped, why, and what was repaired before."""

    def __init__(self, place: str, message: str, repairs: Sequence[Repair] = ()) -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.place = place
        self.message = message
        self.repairs = tuple(repairs)


class _Stop(Exception):
    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.offset = offset
        self.message = message


def read(text: str) -> tuple[Json, list[Repair]]:
    """The value of `text` and every repair. Raises `Irreparable` with the position where reading stopped."""
    if len(text) > MAX_LENGTH:
        raise Irreparable("", f"longer than {MAX_LENGTH:,} characters")
    reader = _Reader(text)
    try:
        value = reader.document()
    except _Stop as stop:
        raise Irreparable(reader.place(stop.offset), stop.message, reader.repairs()) from None
    return value, reader.repairs()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self._repairs: list[tuple[int, str]] = []
        self._lines = [0, *(found.end() for found in re.finditer("\n", text))]

    def place(self, offset: int) -> str:
        line = bisect_right(self._lines, offset)
        return f"line {line}, column {offset - self._lines[line - 1] + 1}"

    def repairs(self) -> list[Repair]:
        return [Repair(self.place(offset), message) for offset, message in self._repairs]

    def document(self) -> Json:
        if self.text.startswith("\ufeff"):
            self._repairs.append((0, "byte order mark skipped"))
            self.at = 1
        value = self._value(0)
        self._layout()
        if self.at < len(self.text):
            raise _Stop(self.at, "text behind the end of the document")
        return value

    def _layout(self) -> None:
        while found := _LAYOUT.match(self.text, self.at):
            if found[0] == "/*":
                end = self.text.find("*/", found.end())
                if end < 0:
                    raise _Stop(self.at, "comment without an end")
                self._repairs.append((self.at, "comment skipped"))
                self.at = end + 2
                continue
            if found[0].startswith("//"):
                self._repairs.append((self.at, "comment skipped"))
            elif "\u00a0" in found[0]:
                self._repairs.append((self.at, "no-break space read as a blank"))
            self.at = found.end()

    def _peek(self) -> str:
        self._layout()
        return self.text[self.at : self.at + 1]

    def _value(self, depth: int) -> Json:
        if depth > MAX_DEPTH:
            raise _Stop(self.at, f"nested deeper than {MAX_DEPTH}")
        char = self._peek()
        if char == "{":
            return self._object(depth)
        if char == "[":
            return self._array(depth)
        if char == '"' or (char in "“”„" and char):
            return self._string()
        if found := _NUMBER.match(self.text, self.at):
            self.at = found.end()
            number = float(found[0]) if set(found[0]) & set(".eE") else int(found[0])
            if number in (float("inf"), float("-inf")):
                raise _Stop(found.start(), "number out of range")
            return number
        if (found := _NAME.match(self.text, self.at)) and found[0] in _WORDS:
            self.at = found.end()
            return _WORDS[found[0]]
        raise _Stop(self.at, f"a value is missing before {char!r}" if char else "the document ends too early")

    def _string(self) -> str:
        if found := _STRING.match(self.text, self.at):
            self.at = found.end()
            return str(json.loads(found[0]))
        if found := _CURLY.match(self.text, self.at):
            self._repairs.append((self.at, "curly quotes read as quotes"))
            self.at = found.end()
            return str(json.loads(f'"{found[0][1:-1]}"'))
        raise _Stop(self.at, "text without a closing quote, or with a raw line break or unknown escape in it")

    def _object(self, depth: int) -> Json:
        result: dict[str, Json] = {}
        self.at += 1
        while True:
            char = self._peek()
            if char == "}":
                self.at += 1
                return result
            start = self.at
            if char == '"' or (char in "“”„" and char):
                name = self._string()
            elif found := _NAME.match(self.text, self.at):
                name = found[0]
                self._repairs.append((self.at, f"quotes added around the name {name[:60]}"))
                self.at = found.end()
            else:
                raise _Stop(self.at, f"a property name is missing before {char!r}" if char else "a } is missing")
            if self._peek() != ":":
                raise _Stop(self.at, f'a ":" is missing after the name {name[:60]!r}')
            self.at += 1
            value = self._value(depth + 1)
            if name in result:
                self._repairs.append((start, f"{name[:60]!r} is given twice; the last one counts"))
            result[name] = value
            self._comma("}")

    def _array(self, depth: int) -> Json:
        result: list[Json] = []
        self.at += 1
        while self._peek() != "]":
            result.append(self._value(depth + 1))
            self._comma("]")
        self.at += 1
        return result

    def _comma(self, end: str) -> None:
        """A comma, or the end of the object or array, which stays to be read."""
        char = self._peek()
        if char == ",":
            comma = self.at
            self.at += 1
            if self._peek() == end:
                self._repairs.append((comma, "trailing comma skipped"))
        elif char != end:
            raise _Stop(self.at, f'"," or "{end}" expected' + (f", not {char!r}" if char else ", not the end"))
