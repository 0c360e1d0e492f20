"""MIME entities as raw bytes: cut, never rewritten, because signatures are over the bytes as they came."""

from __future__ import annotations

import binascii
import email
import email.policy
import email.utils
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message

from .limits import MAX_PARTS

_HEADER_END = re.compile(rb"\r?\n\r?\n|\A\r?\n")
_TRANSPORT_PADDING = rb"[ \t]*(?:\r?\n|\Z)"


@dataclass(frozen=True, slots=True)
class Entity:
    """Header fields and the body of one MIME entity; `raw` is both with the blank line between."""

    raw: bytes
    headers: Message
    body_start: int

    @property
    def body(self) -> bytes:
        return self.raw[self.body_start :]

    @property
    def content_type(self) -> str:
        return self.headers.get_content_type()

    def parameter(self, name: str) -> str:
        """A parameter of Content-Type, "" where absent; RFC 2231 is undone."""
        value = self.headers.get_param(name, "")
        return email.utils.collapse_rfc2231_value(value) if isinstance(value, (str, tuple)) else ""

    @property
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
        boundary = self.parameter("boundary")
        if self.headers.get_content_maintype() != "multipart" or not boundary:
            return []
        return [parse(self.raw[start:end]) for start, end in self._spans(boundary.encode("utf-8", "replace"))]

    def _spans(self, boundary: bytes) -> Iterator[tuple[int, int]]:
        """(start, end) of the parts; the line end before a delimiter belongs to the delimiter."""
        line = re.compile(rb"(?:\A|\r?\n)--" + re.escape(boundary) + rb"(--)?" + _TRANSPORT_PADDING)
        body = self.body
        position, start = 0, -1
        for _ in range(MAX_PARTS):
            found = line.search(body, position)
            end = found.start() if found else len(body)
            if start >= 0:
                yield self.body_start + start, self.body_start + max(start, end)
            if not found or found.group(1):
                return
            start = found.end()
            # The line end of this delimiter may be the one before the next: an empty part.
            position = start - 2 if body[start - 2 : start] == b"\r\n" else start - 1


def parse(raw: bytes) -> Entity:
    """Never fails: what has no header is all body, as in any mail reader."""
    found = _HEADER_END.search(raw)
    end = found.end() if found else len(raw)
    return Entity(raw, email.message_from_bytes(raw[:end], policy=email.policy.compat32), end)


def _base64(body: bytes) -> bytes:
    try:
        return binascii.a2b_base64(body)
    except binascii.Error:
        clean = re.sub(rb"[^A-Za-z0-9+/]", b"", body)
        return binascii.a2b_base64(clean[: len(clean) - len(clean) % 4])


def addresses(headers: Message, name: str) -> tuple[str, ...]:
    """Addresses of every field of that name, in lower case."""
    values = [str(value) for value in headers.get_all(name, [])]
    return tuple(address.lower() for _, address in email.utils.getaddresses(values) if address)
