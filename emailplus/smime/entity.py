"""MIME entities as raw bytes: cut, never rewritten, because signatures are over the bytes as they came."""

from __future__ import annotations

import binascii
import email.parser
import email.policy
import email.utils
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from functools import cached_property

from .limits import MAX_PARTS

_CLEAN = re.compile(rb"(?:[!-9;-~]+:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)+\r\n")
_FIELD = re.compile(r"([!-9;-~]+):[ \t]*([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)\r\n")
_PARSER = email.parser.BytesHeaderParser(policy=email.policy.compat32)
_HEADER_END = re.compile(rb"\r?\n\r?\n|\A\r?\n")
REST_OF_DELIMITER = re.compile(rb"(--)?[ \t]*(?:\r?\n|\Z)")


@dataclass(frozen=True)
class Entity:
    """Header fields and the body of one MIME entity; `raw` is both with the blank line between."""

    raw: bytes
    headers: Message
    body_start: int

    @property
    def body(self) -> bytes:
        return self.raw[self.body_start :]

    @cached_property
    def content_type(self) -> str:
        return self.headers.get_content_type()

    def parameter(self, name: str) -> str:
        """A parameter of Content-Type, "" where absent; RFC 2231 is undone."""
        return self._parameters.get(name, "")

    @cached_property
    def _parameters(self) -> dict[str, str]:
        return _parameters(str(self.headers.get("Content-Type", "")))

    @cached_property
    def filename(self) -> str:
        return str(self.headers.get_filename() or "")

    @property
    def is_attachment(self) -> bool:
        return self.headers.get_content_disposition() == "attachment"

    def decoded(self) -> bytes:
        """The body without its transfer encoding (RFC 2045 6). Damaged base64 is taken as far as it goes."""
        encoding = str(self.headers.get("Content-Transfer-Encoding", "")).strip().lower()
        if encoding == "base64":
            return _base64(self.body)
        return quopri.decodestring(self.body) if encoding == "quoted-printable" else self.body

    def parts(self) -> list[Entity]:
        """The parts of a multipart, each exactly between its delimiter lines (RFC 2046 5.1.1); [] for anything else."""
        return list(self._parts)

    @cached_property
    def _parts(self) -> tuple[Entity, ...]:
        boundary = self.parameter("boundary")
        if not self.content_type.startswith("multipart/") or not boundary:
            return ()
        return tuple(parse(self.raw[start:end]) for start, end in self._spans(boundary.encode("utf-8", "replace")))

    def _spans(self, boundary: bytes) -> Iterator[tuple[int, int]]:
        """(start, end) of the parts. A part that no delimiter ends goes to the end (cut mail)."""
        raw, delimiter = self.raw, b"--" + boundary
        start, position = -1, self.body_start
        for _ in range(MAX_PARTS):
            at, after, last = _delimiter(raw, delimiter, position, self.body_start)
            if start >= 0:
                yield start, max(start, without_line_end(raw, at))
            if at == len(raw) or last:
                return
            start = position = after


def _delimiter(raw: bytes, delimiter: bytes, position: int, first: int) -> tuple[int, int, bool]:
    """(start, byte after its line, closing) of the next delimiter line; its start is the end of `raw` for none."""
    while (at := raw.find(delimiter, position)) >= 0:
        rest = REST_OF_DELIMITER.match(raw, at + len(delimiter))
        if rest and (at == first or raw[at - 1 : at] == b"\n"):
            return at, rest.end(), bool(rest.group(1))
        position = at + 1
    return len(raw), len(raw), True


def without_line_end(raw: bytes, at: int) -> int:
    """The line end before a delimiter belongs to the delimiter."""
    if at == len(raw) or raw[at - 1 : at] != b"\n":
        return at
    return at - 2 if raw[at - 2 : at] == b"\r\n" else at - 1


def parse(raw: bytes) -> Entity:
    """Never fails: what has no header is all body, as in any mail reader."""
    found = _HEADER_END.search(raw)
    end = found.end() if found else len(raw)
    return Entity(raw, _headers(raw[:end]), end)


def _headers(block: bytes) -> Message:
    """The library's header object. Its parser is a machine for whole messages, so a block that is nothing but clean
    fields is put into the object directly; anything else goes through that parser."""
    if _CLEAN.fullmatch(block) is None:
        return _PARSER.parsebytes(block)
    headers = Message(policy=email.policy.compat32)
    for name, value in _FIELD.findall(block.decode("ascii", "surrogateescape")):
        headers.set_raw(name, value)
    return headers


def _base64(body: bytes) -> bytes:
    try:
        return binascii.a2b_base64(body)
    except binascii.Error:
        clean = re.sub(rb"[^A-Za-z0-9+/]", b"", body)
        return binascii.a2b_base64(clean[: len(clean) - len(clean) % 4])


_PLAIN_PARAMETERS = re.compile(r'\s*[\w.+-]+/[\w.+-]+\s*(?:;\s*[\w-]+=(?:"[^"\\]*"|[^\s;"()\\]+)\s*)*')
_PLAIN_PARAMETER = re.compile(r';\s*([\w-]+)=(?:"([^"]*)"|([^\s;]+))')


def _parameters(content_type: str) -> dict[str, str]:
    """The parameters of a Content-Type, by names in lower case; the first of a name counts.

    What is written plainly is read here; comments, escapes and RFC 2231 are the library's.
    """
    found: dict[str, str] = {}
    if _PLAIN_PARAMETERS.fullmatch(content_type):
        for name, quoted, bare in _PLAIN_PARAMETER.findall(content_type):
            found.setdefault(name.lower(), quoted or bare)
        return found
    holder = Message(policy=email.policy.compat32)
    holder["Content-Type"] = content_type
    for name, value in (holder.get_params([]) or [])[1:]:
        found.setdefault(name.lower(), email.utils.collapse_rfc2231_value(value))
    return found


_PLAIN_ADDRESS = re.compile(r'(?:(?:"[^"\\@]*"|[\w .\'-]*) ?<([\w.+=-]+@[\w.-]+)>|([\w.+=-]+@[\w.-]+))', re.ASCII)


def addresses(headers: Message, name: str) -> tuple[str, ...]:
    """Addresses of every field of that name, in lower case."""
    values = [str(value) for value in headers.get_all(name, [])]
    if len(values) == 1 and (plain := _PLAIN_ADDRESS.fullmatch(values[0])):
        return ((plain[1] or plain[2]).lower(),)  # one person, nothing quoted: as nearly all mail has it
    return tuple(address.lower() for _, address in email.utils.getaddresses(values) if address)
