"""Header fields as real mail has them: unfolded, encoded words decoded (RFC 2047), parameters in all their forms
(RFC 2045 5.1, RFC 2231). Tolerant, bounded, and without regular expressions that look back.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

from . import charset

MAX_HEADER = 256 * 1024
"""Bytes of a header block that are read; what is longer is cut there."""
MAX_FIELD = 64 * 1024
"""Bytes of one field that are read."""
MAX_PARAMETERS = 64

_CONTROL = r"\t\r\n\x0b\x0c\x1c-\x1f\x85\u2028\u2029"
_BREAK = re.compile(rf"(?<! ) *+[{_CONTROL}][ {_CONTROL}]*+")
_WORD = re.compile(r"=\?([A-Za-z0-9_.:()+-]{1,60})(?:\*[A-Za-z0-9-]{0,20})?\?([bBqQ])\?([^?]{0,8000})\?=")
_PARAMETER = re.compile(r';\s*([^\s=;"()<>]{1,80})\s*=\s*(?:"((?:[^"\\]|\\.)*)"?|([^;]*))', re.DOTALL)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.|\\\Z)*+)(?:"|\Z)', re.DOTALL)
_TO_ESCAPE = re.compile(r'[\\"]')
_SPECIAL = re.compile(r'[()<>\[\]:;@\\,"]')
"""What has a meaning of its own in an address list (RFC 5322 3.2.3), the full stop aside."""
_ESCAPED = re.compile(r"\\([\\\"])")
"""Only these two: mailers write ``C:\\TEMP`` without escaping it."""
_SECTION = re.compile(r"([^*]+)(?:\*(\d{1,3}))?(\*)?")

Fields = list[tuple[str, str]]
"""Names in lower case with their values, unfolded but not decoded; bytes beyond ASCII as surrogates."""


def read(block: bytes) -> Fields:
    """The fields of a header block, in order. Lines that are none are passed over."""
    fields: Fields = []
    name, value = "", b""
    for line in block.split(b"\n"):
        if line.endswith(b"\r"):
            line = line[:-1]
        if line[:1] in (b" ", b"\t"):
            if name and len(value) < MAX_FIELD:
                value += line
            continue
        if name:
            fields.append((name, _text(value)))
        left, colon, value = line.partition(b":")
        name = left.rstrip().decode("ascii", "replace").lower() if colon and left and b" " not in left.rstrip() else ""
    if name:
        fields.append((name, _text(value)))
    return fields


def _text(value: bytes) -> str:
    return value[:MAX_FIELD].strip().decode("ascii", "surrogateescape")


def decoded(value: str) -> str:
    """A value as people read it: encoded words decoded, raw bytes repaired, on one line."""
    if value.isascii():
        if "=?" not in value:
            return value if value.isprintable() else _one_line(charset.decode(value.encode())[0])
    else:
        value = charset.decode(value.encode("utf-8", "surrogateescape"))[0]
    return _one_line(_words(value))


def decoded_people(value: str) -> str:
    """An address list as people read it, and as it can be taken apart again: what an encoded word says is a name or a
    piece of one (RFC 2047 5), so it stands in quotes where it would otherwise count as an address or end one."""
    if (value.isascii() and "=?" not in value) or "@" not in _WORD.sub("", value):
        return decoded(value)  # some mailers encode the addresses too
    if not value.isascii():
        value = charset.decode(value.encode("utf-8", "surrogateescape"))[0]
    pieces = _QUOTED.split(value)  # text and the inside of quoted strings by turns
    pieces[1::2] = [_in_quotes(_words(_ESCAPED.sub(r"\1", inside))) for inside in pieces[1::2]]
    pieces[::2] = [_words(outside, _phrase) for outside in pieces[::2]]
    return _one_line("".join(pieces))


def _in_quotes(text: str) -> str:
    return '"' + _TO_ESCAPE.sub(r"\\\g<0>", text) + '"'


def _phrase(text: str) -> str:
    return _in_quotes(text) if _SPECIAL.search(text) else text


def _one_line(text: str) -> str:
    """Line breaks and tabs, with the blanks around them, as one blank; other blanks are what the writer meant."""
    return _BREAK.sub(" ", text).strip(" ")


def _words(value: str, write: Callable[[str], str] = str) -> str:
    """RFC 2047 6.2: blanks between two encoded words vanish; neighbours of one charset are decoded together, since
    some mailers cut a character in two. `write` has the last word about what they say."""
    out: list[str] = []
    at = 0
    run, run_charset = b"", ""
    for match in _WORD.finditer(value):
        between = value[at : match.start()]
        data = _word(match[2], match[3])
        if run and between.strip() == "" and match[1].lower() == run_charset:
            run += data
        else:
            if run:
                out.append(write(charset.decode(run, run_charset)[0]))
            if not run or between.strip():
                out.append(between)
            run, run_charset = data, match[1].lower()
        if not run:
            run_charset = ""
        at = match.end()
    if run:
        out.append(write(charset.decode(run, run_charset)[0]))
    out.append(value[at:])
    return "".join(out)


def _word(form: str, text: str) -> bytes:
    if form in "bB":
        return base64_bytes(text.encode("ascii", "ignore"))
    return binascii.a2b_qp(text.encode("utf-8", "surrogateescape"), header=True)


def base64_bytes(data: bytes) -> bytes:
    """Base64 (RFC 2045 6.8), with what is no digit passed over and a missing end made up for."""
    try:
        return binascii.a2b_base64(data)
    except binascii.Error:
        digits = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
        if len(digits) % 4 == 1:
            digits = digits[:-1]
        return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))


def with_parameters(value: str) -> tuple[str, dict[str, str]]:
    """``text/plain; charset=utf-8`` as its first word in lower case and its parameters, names in lower case.

    RFC 2231 continuations and charsets are resolved, encoded words in values too (many mailers write them there).
    """
    first, semicolon, rest = value.partition(";")
    if not semicolon:
        return first.strip().lower(), {}
    plain: dict[str, str] = {}
    sections: dict[str, dict[int, tuple[str, bool]]] = {}
    for number, match in enumerate(_PARAMETER.finditer(";" + rest)):
        if number >= MAX_PARAMETERS:
            break
        written = _ESCAPED.sub(r"\1", match[2]) if match[2] is not None else match[3].strip()
        name = match[1].lower()
        if "*" not in name:
            plain.setdefault(name, written)
            continue
        section = _SECTION.fullmatch(name)
        if section is not None:
            pieces = sections.setdefault(section[1], {})
            pieces.setdefault(int(section[2] or 0), (written, bool(section[3])))
    found = {name: decoded(text) if "=?" in text or not text.isascii() else text for name, text in plain.items()}
    found.update((name, _joined(pieces)) for name, pieces in sections.items())
    return first.strip().lower(), found


def _joined(pieces: dict[int, tuple[str, bool]]) -> str:
    """RFC 2231 3 and 4: sections in order; the first extended one names the charset."""
    label, data = "", b""
    for number in sorted(pieces):
        text, extended = pieces[number]
        raw = text.encode("utf-8", "surrogateescape")
        if extended:
            if number == min(pieces) and text.count("'") >= 2:
                label, _, text = text.split("'", 2)
                raw = text.encode("utf-8", "surrogateescape")
            raw = unquote_to_bytes(raw)
        data += raw
    return charset.decode(data, label)[0]
