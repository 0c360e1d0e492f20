"""A MIME message taken apart in place (RFC 2045, RFC 2046): offsets into the bytes, no copies, nothing decoded early.

The splitter looks for boundary lines and reads header blocks; a content is decoded when it is asked for, attachments
piece by piece. It takes `bytes`, an `mmap`, or a `Windowed` source, so a large message costs no more memory than its
largest text.

Everything is bounded, and what was left out is told in `Tree.problems`: parts (`MAX_PARTS`), levels (`MAX_DEPTH`), the
length of headers, and the bytes searched for boundaries (`SCANS` times the message).
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from . import charset, headers
from .source import Source, search

MAX_PARTS = 1000
MAX_DEPTH = 60
SCANS = 12
"""How many times the whole message may be gone through in search of boundaries: bounds deep nesting of large parts."""
_SMALL = 4096
PIECE = 768 * 1024
"""Bytes decoded at a time."""
MAX_DELIMITER_LINE = 1000
"""Bytes behind a boundary in which its line must end."""
FALSE_DELIMITER = 256
"""What a line that only begins like a boundary costs of the bytes that may be searched."""

_HEADERS_END = re.compile(rb"\r?\n\r?\n")
_AFTER_BOUNDARY = re.compile(rb"(--)?[ \t]*(?:\r?\n|\Z)")
_TYPE = re.compile(r"[\w!#$&^.+-]{1,120}/[\w!#$&^.+-]{1,120}", re.ASCII)
_BLANKS = b"\r\n\t "
IDENTITY = frozenset(("", "7bit", "8bit", "binary", "7-bit", "8-bit", "none"))


@dataclass(slots=True)
class Part:
    """One entity: its header block lies in ``source[start:body]``, its content, still encoded, in ``[body:end]``."""

    source: Source
    start: int
    body: int
    end: int
    fields: headers.Fields
    content_type: str = "text/plain"
    parameters: dict[str, str] = field(default_factory=dict)
    disposition: str = ""
    """"inline", "attachment" or ""."""
    name: str = ""
    """The file name as written (`names.safe_name` makes one that can be used)."""
    encoding: str = ""
    depth: int = 0
    children: list[Part] = field(default_factory=list)

    def header(self, name: str) -> str:
        """The first field of that name, as it stands; "" where there is none."""
        for key, value in self.fields:
            if key == name:
                return value
        return ""

    @property
    def content_id(self) -> str:
        return self.header("content-id").strip().strip("<>")

    @property
    def size(self) -> int:
        """Bytes of the content, as far as they are known without decoding: exact for a small one in base64, and for a
        larger one close to it; for the other encodings as it is written."""
        length = self.end - self.body
        if self.encoding != "base64":
            return length
        return len(self.content()) if length <= _SMALL else length * 3 // 4 - length // 54

    def raw(self) -> bytes:
        """The content still encoded."""
        return self.source[self.body : self.end]

    def beginning(self, limit: int) -> bytes:
        """The first `limit` bytes of the content, decoded; the rest is not read."""
        data = bytearray()
        for piece in self.pieces():
            data += piece
            if len(data) >= limit:
                break
        return bytes(data[:limit])

    def content(self) -> bytes:
        """The content, decoded. Encodings that are not known, or broken, give what can be had."""
        if self.encoding in IDENTITY:
            return self.raw()
        if self.encoding == "quoted-printable":
            return binascii.a2b_qp(self.raw())
        if self.encoding == "base64":
            return headers.base64_bytes(self.raw())
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        """The decoded content in pieces of about `PIECE` bytes."""
        if self.encoding == "base64":
            yield from _base64_pieces(self.source, self.body, self.end)
        elif self.encoding == "quoted-printable":
            yield from _line_pieces(self.source, self.body, self.end, binascii.a2b_qp)
        elif self.encoding in ("x-uuencode", "uuencode", "x-uue", "uue"):
            yield from _line_pieces(self.source, self.body, self.end, _uudecoded)
        else:
            for at in range(self.body, self.end, PIECE):
                yield self.source[at : min(at + PIECE, self.end)]

    def text(self, limit: int | None = None) -> tuple[str, str]:
        """The content as text, at most about `limit` bytes of it, and what had to be repaired ("" for nothing)."""
        if limit is not None and self.end - self.body > 2 * limit:
            data = self.beginning(limit).rstrip(b"=\r\n")
            text, note = charset.decode(data, self.parameters.get("charset", ""))
            return text.rstrip("\ufffd"), note
        return charset.decode(self.content(), self.parameters.get("charset", ""))


@dataclass(slots=True)
class Tree:
    """A message taken apart. `problems` says in words what could not be read or was left out."""

    root: Part
    problems: list[str] = field(default_factory=list)

    def leaves(self) -> Iterator[Part]:
        """Parts without parts, in order; an attached message is one."""
        stack = [self.root]
        while stack:
            part = stack.pop()
            if part.children:
                stack.extend(reversed(part.children))
            elif not part.content_type.startswith("multipart/"):
                yield part


def parse(source: Source, start: int = 0, end: int | None = None) -> Tree:
    """Take a message apart. Never fails: what makes no sense is a problem of the tree, and its bytes are a text."""
    end = len(source) if end is None else end
    state = _Splitter(source, end - start)
    root = state.part(start, end, "text/plain", 0)
    queue = [root]
    while queue:
        part = queue.pop()
        if part.content_type.startswith("multipart/"):
            state.split(part)
            queue.extend(reversed(part.children))
    return Tree(root, list(state.problems))


class _Splitter:
    def __init__(self, source: Source, size: int) -> None:
        self.source = source
        self.budget = SCANS * size + (1 << 20)
        self.parts = 0
        self.problems: dict[str, None] = {}

    def part(self, start: int, end: int, default: str, depth: int) -> Part:
        """Read one header block; what follows is the content."""
        self.parts += 1
        source = self.source
        block_end, body = self._header_end(start, end)
        fields = headers.read(source[start:block_end])
        part = Part(source, start, body, end, fields, content_type=default, depth=depth)
        for name, value in fields:
            if not name.startswith("content-"):
                continue
            if name == "content-type":
                kind, part.parameters = headers.with_parameters(value)
                kind = kind.replace(" ", "")
                if _TYPE.fullmatch(kind):
                    part.content_type = kind
                elif kind in ("text", "text/"):
                    part.content_type = "text/plain"
                elif kind:
                    part.content_type = "application/octet-stream"
                    self.problems[f"a content type that is none ({kind[:40]!r})"] = None
            elif name == "content-transfer-encoding":
                part.encoding = value.partition(";")[0].strip().lower()
            elif name == "content-disposition":
                disposition, parameters = headers.with_parameters(value)
                part.disposition = disposition if disposition in ("inline", "") else "attachment"
                part.name = parameters.get("filename", "")
        if not part.name and part.parameters:
            part.name = part.parameters.get("name", "")
        if part.encoding not in IDENTITY and part.content_type.startswith("multipart/"):
            part.encoding = ""  # RFC 2045 6.4: a multipart is not encoded, whatever it says
        return part

    def _header_end(self, start: int, end: int) -> tuple[int, int]:
        """Where the header block ends and where the content begins."""
        source = self.source
        first = source[start : start + 2]
        if first[:1] == b"\n" or first == b"\r\n":
            return start, min(end, start + (1 if first[:1] == b"\n" else 2))
        limit = min(end, start + headers.MAX_HEADER)
        found = search(_HEADERS_END, source, start, limit)
        if found is not None:
            return found
        if limit == end:
            return end, end
        self.problems[f"a header of more than {headers.MAX_HEADER:,} bytes was cut"] = None
        for blank in (b"\n\r\n", b"\n\n"):
            at = source.find(blank, limit, end)
            if at >= 0:
                return limit, at + len(blank)
        return limit, end

    def split(self, part: Part) -> None:
        """Find the children of a multipart."""
        boundary = part.parameters.get("boundary", "").rstrip()
        if not boundary or len(boundary) > 1000:
            self._as_text(part, "a multipart without a boundary")
            return
        if part.depth >= MAX_DEPTH:
            self._as_text(part, f"parts nested deeper than {MAX_DEPTH} levels were not opened")
            return
        self.budget -= part.end - part.body
        if self.budget < 0:
            self._as_text(part, "parts nested too deep for their size were not opened")
            return
        default = "message/rfc822" if part.content_type == "multipart/digest" else "text/plain"
        spans, closed = self._spans(part, b"--" + boundary.encode("utf-8", "surrogateescape"))
        if not spans:
            self._as_text(part, "a multipart in which its boundary does not occur")
            return
        if not closed:
            self.problems["a multipart without an end: the message may be cut"] = None
        for start, end in spans:
            if self.parts >= MAX_PARTS:
                self.problems[f"of more than {MAX_PARTS:,} parts the rest was left out"] = None
                break
            part.children.append(self.part(start, end, default, part.depth + 1))

    def _spans(self, part: Part, delimiter: bytes) -> tuple[list[tuple[int, int]], bool]:
        """(start, end) of each child, and whether the closing boundary was there (RFC 2046 5.1.1)."""
        source, at, end = self.source, part.body, part.end
        line = b"\n" + delimiter
        spans: list[tuple[int, int]] = []
        begun = -1
        first = source[at : min(end, at + len(delimiter))] == delimiter
        while True:
            found = at if first else source.find(line, max(part.body, at - 1), end) + 1
            if not first and not found:
                break
            first = False
            at = found + len(delimiter)
            after = self._after_boundary(at, end)
            if after is None:
                self.budget -= FALSE_DELIMITER
                if self.budget >= 0:
                    continue
                self.problems["too many lines that begin like a boundary: what follows was not taken apart"] = None
                break
            if begun >= 0:
                spans.append((begun, self._without_line_end(begun, found)))
            begun, closing = after
            at = begun
            if closing or len(spans) > MAX_PARTS:
                return spans, True
        if 0 <= begun <= end:
            spans.append((begun, end))
        return spans, False

    def _after_boundary(self, at: int, end: int) -> tuple[int, bool] | None:
        """(byte after the line, closing) behind a boundary; None where more stands on its line."""
        block = self.source[at : min(end, at + MAX_DELIMITER_LINE)]
        match = _AFTER_BOUNDARY.match(block)
        if match is None or (match.end() == len(block) < end - at and block[-1:] != b"\n"):
            return None
        return at + match.end(), match[1] is not None

    def _without_line_end(self, start: int, found: int) -> int:
        """The line end before a boundary belongs to the boundary."""
        if found > start and self.source[found - 1 : found] == b"\n":
            found -= 1
            if found > start and self.source[found - 1 : found] == b"\r":
                found -= 1
        return found

    def _as_text(self, part: Part, problem: str) -> None:
        self.problems[problem] = None
        part.content_type = "text/plain"


def _base64_pieces(source: Source, at: int, end: int) -> Iterator[bytes]:
    rest = b""
    step = PIECE // 3 * 4
    while at < end:
        chunk = rest + source[at : min(at + step, end)].translate(None, _BLANKS)
        at += step
        if b"=" in chunk or at >= end:
            yield headers.base64_bytes(chunk)
            if b"=" in chunk:  # RFC 2045 6.8: the end of the data
                return
            rest = b""
            continue
        whole = len(chunk) - len(chunk) % 4
        try:
            yield binascii.a2b_base64(chunk[:whole], strict_mode=True)
            rest = chunk[whole:]
        except binascii.Error:  # foreign characters in between: they shift the groups of four
            digits = re.sub(rb"[^A-Za-z0-9+/]", b"", chunk)
            whole = len(digits) - len(digits) % 4
            yield binascii.a2b_base64(digits[:whole])
            rest = digits[whole:]


def _line_pieces(source: Source, at: int, end: int, decode: object) -> Iterator[bytes]:
    """Whole lines at a time, through `decode`."""
    assert callable(decode)
    while at < end:
        stop = min(at + PIECE, end)
        if stop < end:
            newline = source.rfind(b"\n", at, stop)
            stop = newline + 1 if newline > at else stop
        yield decode(source[at:stop])
        at = stop


def _uudecoded(lines: bytes) -> bytes:
    out = []
    for line in lines.split(b"\n"):
        line = line.rstrip(b"\r")
        if not line or line[:6] == b"begin " or line == b"end":
            continue
        try:
            out.append(binascii.a2b_uu(line))
        except binascii.Error:
            try:  # broken encoders pad wrongly: use the length that the line itself states
                length = (((line[0] - 32) & 63) * 4 + 5) // 3
                out.append(binascii.a2b_uu(line[:length]))
            except binascii.Error:
                continue
    return b"".join(out)
