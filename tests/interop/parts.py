"""A message as its MIME leaves, byte for byte: what the server holds, read without the code under test."""

from __future__ import annotations

import base64
import binascii
import email
import quopri
import re
from dataclasses import dataclass, field
from email.header import decode_header, make_header
from email.message import Message

ENCODINGS = frozenset({"", "7bit", "8bit", "binary", "base64", "quoted-printable"})


@dataclass
class Leaf:
    """A part without parts; an attached message is one. `raw` is its body as it stands."""

    headers: Message
    raw: bytes
    is_root: bool = False
    path: str = "1"
    enclosing: tuple[str, ...] = ()
    """Content types of the multiparts around it, outermost first."""

    @property
    def kind(self) -> str:
        return self.headers.get_content_type()

    @property
    def encoding(self) -> str:
        return str(self.headers.get("Content-Transfer-Encoding", "")).strip().lower()

    @property
    def name(self) -> str:
        written = self.headers.get_filename()
        try:
            return str(make_header(decode_header(written))) if written else ""
        except (LookupError, ValueError):
            return written or ""

    @property
    def is_inline_text(self) -> bool:
        """A part that a reader shows as the text: text/plain or text/html, not attached and without a file name."""
        attached = self.headers.get_content_disposition() == "attachment" or bool(self.name)
        return self.kind in ("text/plain", "text/html") and not attached

    def decoded(self) -> bytes:
        """Without the transfer encoding (RFC 2045 6.7, 6.8); unknown encodings and broken base64 as they stand."""
        if self.encoding == "base64":
            try:
                return base64.b64decode(self.raw)
            except binascii.Error:
                return self.raw
        if self.encoding == "quoted-printable":
            return quopri.decodestring(self.raw)
        return self.raw

    def base64_is_broken(self) -> bool:
        data = self.raw.translate(None, b"\r\n\t ")
        try:
            base64.b64decode(data, validate=True)
        except binascii.Error:
            return True
        return False

    def text(self) -> str:
        """Text in the declared charset, then UTF-8, then latin-1."""
        data = self.decoded()
        for charset in (self.headers.get_content_charset(), "utf-8"):
            try:
                return data.decode(charset or "utf-8")
            except (LookupError, UnicodeDecodeError):
                continue
        return data.decode("latin-1")


@dataclass
class Parsed:
    headers: Message
    leaves: list[Leaf] = field(default_factory=list)

    @property
    def texts(self) -> list[Leaf]:
        return [leaf for leaf in self.leaves if leaf.is_inline_text]


def parse(raw: bytes) -> Parsed:
    """Read a message. Never raises for broken mail: what cannot be split is one leaf."""
    headers, body = _split_head(raw)
    parsed = Parsed(headers)
    _collect(headers, body, "", (), parsed.leaves)
    if len(parsed.leaves) == 1 and headers.get_content_maintype() != "multipart":
        parsed.leaves[0].is_root = True
    return parsed


def _split_head(raw: bytes) -> tuple[Message, bytes]:
    if raw[:1] in (b"\r", b"\n"):
        head, body = b"", raw.removeprefix(b"\r").removeprefix(b"\n")
    else:
        found = re.search(rb"\r?\n\r?\n", raw)
        head, body = (raw[: found.start()], raw[found.end() :]) if found else (raw, b"")
    # A line that is no field ends the head for the parser of the standard library, for servers it does not.
    fields = [line for line in head.splitlines(keepends=True) if b":" in line or line[:1] in (b" ", b"\t")]
    return email.message_from_bytes(b"".join(fields) + b"\r\n\r\n"), body


def _collect(headers: Message, body: bytes, path: str, around: tuple[str, ...], leaves: list[Leaf]) -> None:
    boundary = re.sub(r"\r?\n(?=[ \t])", "", headers.get_boundary() or "")
    if headers.get_content_maintype() == "multipart" and boundary and len(around) < 50:
        inner = (*around, headers.get_content_type())
        default = "message/rfc822" if inner[-1] == "multipart/digest" else "text/plain"
        for number, piece in enumerate(_pieces(body, boundary.encode("utf-8", "surrogateescape")), 1):
            part, content = _split_head(piece)
            part.set_default_type(default)
            _collect(part, content, f"{path}.{number}" if path else str(number), inner, leaves)
    else:
        leaves.append(Leaf(headers, body, path=path or "1", enclosing=around))


def _pieces(body: bytes, boundary: bytes) -> list[bytes]:
    """The parts between delimiter lines (RFC 2046 5.1.1); the line end before a delimiter belongs to it."""
    delimiter = re.compile(rb"(?:^|\r?\n)--" + re.escape(boundary) + rb"(--)?[ \t]*(?=\r?\n|\Z)")
    found: list[bytes] = []
    start = None
    for match in delimiter.finditer(body):
        if start is not None:
            found.append(_after_line_end(body[start : match.start()]))
        start = None if match[1] else match.end()
        if match[1]:
            break
    if start is not None:
        found.append(_after_line_end(body[start:]))
    return found


def _after_line_end(piece: bytes) -> bytes:
    return piece.removeprefix(b"\r").removeprefix(b"\n")
