"""The carriers of a configuration: JSON, iOS managed-app plist, `key=value` lines, a Python mapping.

Each yields name and value pairs as they stand; names and values are judged later, alike for all. What cannot be read at
all raises `ConfigurationError` with one critical problem.
"""

from __future__ import annotations

import codecs
import json
import os
import plistlib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final

from .keys import BY_NAME
from .problems import Problem, failure, printable

Pairs = list[tuple[object, object]]
Source = str | os.PathLike[str] | bytes | Mapping[str, object]

SIZE_LIMIT: Final = 16 * 1_048_576
"""Bytes of a configuration file. Ten roots, three archives and a classification stay below one megabyte."""

MANAGED: Final = "com.apple.configuration.managed"
"""User defaults domain under which iOS hands the managed configuration to an app."""

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read(source: Source) -> Pairs:
    """The pairs of `source`: a path (`str` or `PathLike`), the bytes of a file, or a mapping."""
    if isinstance(source, Mapping):
        return list(_unwrap(source).items())
    if isinstance(source, bytes | bytearray | memoryview):
        return parse(bytes(source))
    return parse(_read_file(source), name=str(source))


def _read_file(path: str | os.PathLike[str]) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(SIZE_LIMIT + 1)
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise failure([Problem("", str(path), f"a readable file ({reason})", True)]) from error


def parse(data: bytes, *, name: str = "the configuration") -> Pairs:
    """The pairs in `data`, whose form is recognised by how it begins. Raises `ConfigurationError`."""
    if len(data) > SIZE_LIMIT:
        raise _unreadable(name, f"a file of at most {SIZE_LIMIT // 1_048_576} MB")
    if data.startswith(b"bplist"):
        return _plist(data, name)
    text = _text(data, name)
    start = text.lstrip()[:1]
    if start == "<":
        return _plist(text.encode() if not data.lstrip().startswith(b"<") else data, name)
    if start in ("{", "["):
        return _json(text, name)
    if not start:
        raise _unreadable(name, "a configuration; this is empty")
    return _lines(text, name)


def _unreadable(name: str, expected: str) -> Exception:
    return failure([Problem("", name, expected, True)])


def _text(data: bytes, name: str) -> str:
    encoding = next((codec for bom, codec in _BOMS if data.startswith(bom)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise _unreadable(name, f"text in UTF-8 (byte {error.start} is not)") from None


def _unwrap(root: Mapping[str, object]) -> Mapping[str, object]:
    """The dictionary of pairs inside the envelopes of a managed configuration."""
    for envelope in (MANAGED, "Configuration"):
        inside = root.get(envelope)
        if isinstance(inside, Mapping) and not any(name in BY_NAME for name in root):
            return inside
    return root


# -- JSON --------------------------------------------------------------------------------------------------------------


class _Object(dict[str, object]):
    """A JSON object that remembers its pairs, a name that stands twice included."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


def _json(text: str, name: str) -> Pairs:
    try:
        root = json.loads(text, object_pairs_hook=_Object, parse_float=Decimal)
    except json.JSONDecodeError as error:
        raise _unreadable(name, f"JSON ({error.msg} at line {error.lineno}, column {error.colno})") from None
    except (ValueError, RecursionError):
        raise _unreadable(name, "JSON (a number or the nesting is absurd)") from None
    if not isinstance(root, _Object):
        raise _unreadable(name, "a JSON object of keys and values")
    inside = _unwrap(root)
    return list(inside.pairs if isinstance(inside, _Object) else inside.items())


# -- plist -------------------------------------------------------------------------------------------------------------


def _plist(data: bytes, name: str) -> Pairs:
    try:
        root = plistlib.loads(data)
    except Exception as error:  # plistlib raises a dozen kinds, expat's, struct's and its own among them
        kind = "binary plist" if data.startswith(b"bplist") else "XML plist"
        raise _unreadable(name, f"a whole {kind} ({type(error).__name__})") from None
    if not isinstance(root, Mapping):
        raise _unreadable(name, "a plist whose root is a dictionary of keys and values")
    return list(_unwrap(root).items())


# -- key=value ---------------------------------------------------------------------------------------------------------


def _lines(text: str, name: str) -> Pairs:
    """Lines `key=value` or `key<TAB>value`, as copied from the Core portal. `#` begins a comment line.

    Blanks around key and value do not count; a value that needs them belongs in JSON.
    """
    pairs: Pairs = []
    problems: list[Problem] = []
    for number, line in enumerate(text.splitlines(), 1):
        content = line.strip()
        if not content or content.startswith("#"):
            continue
        cut = min((at for at in (content.find("="), content.find("\t")) if at > 0), default=-1)
        if cut < 0:
            # The line could be a secret without its key: it is not repeated.
            problems.append(Problem("", f"{name}, line {number}", "key=value", True))
            continue
        pairs.append((content[:cut].strip(), content[cut + 1 :].strip()))
    if problems:
        raise failure(problems[:20])
    return pairs


def described(name: object) -> str:
    """A key as it can be printed: itself where it is plain, otherwise in quotes and cut."""
    text = name if isinstance(name, str) else repr(type(name).__name__)
    plain = len(text) <= 100 and text.isprintable() and text == text.strip()
    return text if plain and text else printable(text)
