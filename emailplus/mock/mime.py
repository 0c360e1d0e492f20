"""Reading a stored message: headers, structure, text. Quick, forgiving, and never changing a byte of it.

This is the mock's own reader, apart from the client's, so that one misreading cannot hide in both.
A `Part` holds offsets into the message; nothing is copied or decoded before it is asked for.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_tz

MAX_DEPTH = 20  # nested multiparts; deeper ones are shown as one attachment
MAX_PARTS = 500  # parts of one message

MEETING_METHODS = {"REQUEST": "Request", "CANCEL": "Canceled", "REPLY": "Resp", "COUNTER": "Resp"}
"""Methods of iCalendar that make a mail one about a meeting, and what they are called."""
_ANSWERS = {"ACCEPTED": "Pos", "DECLINED": "Neg", "TENTATIVE": "Tent"}
_PARTSTAT = re.compile(r"PARTSTAT=([A-Za-z-]+)")

_HEADERS_END = re.compile(rb"\r?\n\r?\n")
_FIELD = re.compile(rb"^([!-9;-~]+)[ \t]*:[ \t]*([^\n]*(?:\n[ \t][^\n]*)*)", re.M)
_FOLD = re.compile(rb"\r?\n(?=[ \t])")
_ENCODED_WORD = re.compile(r"=\?([^?*\s]+)(?:\*[^?]*)?\?([bBqQ])\?([^?]*)\?=")
_BETWEEN_WORDS = re.compile(r"(=\?[^?\s]+\?[bBqQ]\?[^?]*\?=)\s+(?==\?[^?\s]+\?[bBqQ]\?)")
_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*("(?:\\.|[^"\\])*"|[^;]*)')
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_TAG = re.compile(
    r"<(?:!--.*?--|style\b.*?</style\s*|script\b.*?</script\s*|head\b.*?</head\s*|/?[a-zA-Z!][^<>]*)>", re.S | re.I
)
_BREAKING_TAG = re.compile(r"<(?:br|/p|/div|/tr|/li|/h[1-6])\b[^<>]*>", re.I)


def xml_text(text: str) -> str:
    """`text` without the characters that XML 1.0 cannot hold (MS-ASCMD bodies are XML before they are WBXML)."""
    return _NOT_XML.sub("", text) if _NOT_XML.search(text) else text


CONTROLS = bytes(code for code in range(32) if code not in (9, 10, 13))
"""Control characters that XML cannot hold."""


def holds_controls(data: bytes) -> bool:
    """Whether any of `CONTROLS` is in `data`; several times quicker than a search by pattern."""
    return len(data.translate(None, CONTROLS)) != len(data)


def decode_bytes(data: bytes, charset: str) -> str:
    """Text of `data`: the declared charset, else UTF-8, else Windows-1252; never an error."""
    for candidate in (charset, "utf-8", "cp1252"):
        try:
            if candidate and codecs.lookup(candidate).name not in ("hex", "base64", "zlib", "bz2", "rot13", "uu"):
                return data.decode(candidate)
        except (LookupError, UnicodeError, ValueError):
            continue
    return data.decode("latin-1")


def decode_words(raw: bytes) -> str:
    """A header field body unfolded, its encoded words (RFC 2047) decoded, raw 8-bit text guessed."""
    text = decode_bytes(_FOLD.sub(b"", raw), "utf-8").strip()
    if "=?" not in text:
        return xml_text(text)
    text = _BETWEEN_WORDS.sub(r"\1", text)
    return xml_text(_ENCODED_WORD.sub(_decode_word, text))


def _decode_word(match: re.Match[str]) -> str:
    charset, encoding, text = match.groups()
    try:
        if encoding in "bB":
            data = base64.b64decode(text + "=" * (-len(text) % 4))
        else:
            data = quopri.decodestring(text.replace("_", "=20").encode("ascii", "replace"))
    except (binascii.Error, ValueError):
        return match.group()
    return decode_bytes(data, charset)


class Headers:
    """The header fields of a message or part, by lower-case name, undecoded."""

    __slots__ = ("_parameters", "fields")

    def __init__(self, block: bytes) -> None:
        self._parameters: dict[str, tuple[str, dict[str, str]]] = {}
        self.fields: list[tuple[str, bytes]] = [
            (name.decode("ascii").lower(), value) for name, value in _FIELD.findall(block)
        ]

    def raw(self, name: str) -> bytes | None:
        """The first field of that name, folded as it stands."""
        for key, value in self.fields:
            if key == name:
                return value
        return None

    def get(self, name: str) -> str:
        """The first field of that name, decoded; "" when there is none."""
        value = self.raw(name)
        return decode_words(value) if value is not None else ""

    def all(self, name: str) -> str:
        """All fields of that name, decoded, joined by commas (several To fields are one list)."""
        return ", ".join(text for key, value in self.fields if key == name and (text := decode_words(value)))

    def parameters(self, name: str) -> tuple[str, dict[str, str]]:
        """A structured field (RFC 2045 5.1): its value in lower case and its parameters (RFC 2231 joined)."""
        known = self._parameters.get(name)
        if known is None:
            known = self._parameters[name] = self._read_parameters(name)
        return known

    def _read_parameters(self, name: str) -> tuple[str, dict[str, str]]:
        raw = self.raw(name)
        if raw is None:
            return "", {}
        text = decode_bytes(_FOLD.sub(b"", raw), "utf-8")
        value, _, _ = text.partition(";")
        plain: dict[str, str] = {}
        pieces: dict[str, list[tuple[int, bool, str]]] = {}
        for key, content in _PARAMETER.findall(text[len(value) :]):
            content = content.strip()
            if len(content) > 1 and content[0] == content[-1] == '"':
                content = re.sub(r"\\(.)", r"\1", content[1:-1])
            base, star, rest = key.lower().partition("*")
            if not star:
                plain.setdefault(base, xml_text(decode_words(content.encode("utf-8", "replace"))))
                continue
            encoded = rest.endswith("*") or rest == ""
            number = rest.rstrip("*")
            pieces.setdefault(base, []).append((int(number) if number.isdecimal() else 0, encoded, content))
        for base, parts in pieces.items():
            plain[base] = xml_text(_join_2231(sorted(parts)))
        return value.strip().lower(), plain


def _join_2231(parts: list[tuple[int, bool, str]]) -> str:
    charset = "utf-8"
    data = b""
    for position, (_, encoded, content) in enumerate(parts):
        if position == 0 and encoded and content.count("'") >= 2:
            charset, _, content = content.split("'", 2)
        raw = content.encode("utf-8", "replace")
        if encoded:
            raw = re.sub(rb"%([0-9A-Fa-f]{2})", lambda m: bytes([int(m.group(1), 16)]), raw)
        data += raw
    return decode_bytes(data, charset)


@dataclass(slots=True)
class Part:
    """One part of a message: where it lies in the message's bytes, and its children."""

    headers: Headers
    start: int  # of its headers
    body: int
    end: int
    content_type: str
    parameters: dict[str, str]
    disposition: str
    file_name: str
    children: list[Part] = field(default_factory=list)

    @property
    def content_id(self) -> str:
        return self.headers.get("content-id").strip("<> ")

    @property
    def encoding(self) -> str:
        return self.headers.get("content-transfer-encoding").lower()


_UU = ("x-uuencode", "x-uue", "uuencode")


class Message:
    """A message read from its stored bytes `raw`."""

    __slots__ = ("_bodies", "_root", "headers", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        end = _headers_end(raw, 0, len(raw))[0]
        self.headers = Headers(raw[:end])
        self._root: Part | None = None
        self._bodies: tuple[Part | None, Part | None] | None = None

    @property
    def root(self) -> Part:
        if self._root is None:
            self._root = _read_part(self.raw, 0, len(self.raw), 0, [MAX_PARTS], "text/plain", self.headers)
        return self._root

    def content(self, part: Part) -> bytes:
        """A part's bytes with their transfer encoding undone."""
        data = self.raw[part.body : part.end]
        encoding = part.encoding
        if encoding == "base64":
            try:
                return base64.b64decode(re.sub(rb"[^A-Za-z0-9+/]", b"", data) + b"==")
            except binascii.Error:
                return data
        if encoding == "quoted-printable":
            return quopri.decodestring(data)
        return _uu_decoded(data) if encoding in _UU else data

    def content_size(self, part: Part) -> int:
        """Size of `content(part)` in bytes; for base64 reckoned from its length, not decoded."""
        if part.encoding == "base64":
            letters = part.end - part.body
            for blank in (b"\r", b"\n", b" ", b"="):
                letters -= self.raw.count(blank, part.body, part.end)
            return letters * 3 // 4
        return len(self.content(part))

    def text(self, part: Part) -> str:
        """A text part as text, without what XML cannot hold."""
        data = self.content(part)
        text = decode_bytes(data, part.parameters.get("charset", ""))
        return text if text.isascii() and not holds_controls(data) else xml_text(text)

    def body_parts(self) -> tuple[Part | None, Part | None]:
        """The (plain, HTML) parts that make up the visible body."""
        if self._bodies is None:
            self._bodies = self._find_bodies()
        return self._bodies

    def _find_bodies(self) -> tuple[Part | None, Part | None]:
        plain: Part | None = None
        rich: Part | None = None
        for part in _leaves(self.root):
            if part.disposition == "attachment" or part.file_name:
                continue
            if part.content_type == "text/plain" and plain is None:
                plain = part
            elif part.content_type == "text/html" and rich is None:
                rich = part
        return plain, rich

    def attachments(self) -> list[Part]:
        """Everything that is not the visible body, in message order. A signed entity counts as one attachment."""
        if self.message_class.startswith("IPM.Note.SMIME"):
            return [self.root]
        body = [part for part in self.body_parts() if part is not None]
        calendar = self.calendar_part()  # it is the meeting itself (MS-ASEMAIL 2.2.2.48)
        if calendar is not None:
            body.append(calendar)
        return [part for part in _leaves(self.root) if not any(part is shown for shown in body)]

    def stands_for_all(self, part: Part) -> bool:
        """Whether an attachment is the signed or enveloped message itself (MS-ASEMAIL 2.2.2.49)."""
        return part is self.root and self.message_class.startswith("IPM.Note.SMIME")

    def calendar_part(self) -> Part | None:
        """The iCalendar part with a method that makes this meeting mail; None for other mail."""
        for part in _leaves(self.root):
            method = part.parameters.get("method", "").upper()
            if part.content_type == "text/calendar" and part.disposition != "attachment" and method in MEETING_METHODS:
                return part
        return None

    @property
    def message_class(self) -> str:
        """MessageClass (MS-ASEMAIL 2.2.2.50)."""
        kind, parameters = self.headers.parameters("content-type")
        if kind == "multipart/signed" and "pkcs7-signature" in parameters.get("protocol", ""):
            return "IPM.Note.SMIME.MultipartSigned"
        if kind in ("application/pkcs7-mime", "application/x-pkcs7-mime"):
            return "IPM.Note.SMIME"
        if kind == "multipart/report":
            report = parameters.get("report-type", "")
            return "REPORT.IPM.Note.IPNRN" if "disposition" in report else "REPORT.IPM.Note.NDR"
        calendar = self.calendar_part() if b"text/calendar" in self.raw.lower() else None
        return meeting_class(self, calendar) if calendar is not None else "IPM.Note"

    @property
    def date(self) -> datetime | None:
        """The Date field in UTC; None when absent or unreadable."""
        raw = self.headers.raw("date")
        fields = parsedate_tz(decode_words(raw)) if raw is not None else None
        if fields is None:
            return None
        try:
            moment = datetime(*fields[:6], tzinfo=UTC)
            return datetime.fromtimestamp(moment.timestamp() - (fields[9] or 0), UTC)
        except (ValueError, OverflowError, OSError):
            return None


def _uu_decoded(data: bytes) -> bytes:
    """What stands between ``begin`` and ``end``; the data itself where a line is none of uuencode's."""
    lines = iter(data.splitlines())
    found = bytearray()
    for line in lines:
        if line.startswith(b"begin "):
            break
    for line in lines:
        if line.strip() in (b"end", b"`", b""):
            break
        try:
            found += binascii.a2b_uu(line)
        except binascii.Error:
            return data
    return bytes(found)


def meeting_class(message: Message, calendar: Part) -> str:
    """MessageClass of meeting mail (MS-ASEMAIL 2.2.2.50)."""
    method = calendar.parameters.get("method", "").upper()
    if method in ("REPLY", "COUNTER"):
        found = _PARTSTAT.search(message.text(calendar).replace("\r\n ", ""))
        return f"IPM.Schedule.Meeting.Resp.{_ANSWERS.get(found.group(1).upper() if found else '', 'Tent')}"
    return f"IPM.Schedule.Meeting.{MEETING_METHODS[method]}"


def html_to_text(markup: str) -> str:
    """Readable text of HTML, for a client that asks for Type 1."""
    text = re.sub(r"[ \t\r\n]+", " ", markup)
    text = _BREAKING_TAG.sub("\r\n", text)
    return xml_text(html.unescape(_TAG.sub("", text)).strip())


def text_to_html(text: str) -> str:
    """HTML of plain text, for a client that asks for Type 2."""
    lines = html.escape(text, quote=False).replace("\r\n", "\n").replace("\n", "<br>\r\n")
    return f"<html><body>\r\n{lines}\r\n</body></html>"


def _headers_end(raw: bytes, start: int, end: int) -> tuple[int, int]:
    """Where the header block that begins at `start` ends, and where the body begins."""
    for mark in (b"\r\n", b"\n"):
        if raw.startswith(mark, start):
            return start, start + len(mark)
    found = _HEADERS_END.search(raw, start, end)
    return (found.start(), found.end()) if found else (end, end)


def _read_part(
    raw: bytes, start: int, end: int, depth: int, budget: list[int], default_type: str, headers: Headers | None = None
) -> Part:
    budget[0] -= 1
    header_end, body = _headers_end(raw, start, end)
    headers = headers or Headers(raw[start:header_end])
    kind, parameters = headers.parameters("content-type")
    disposition, details = headers.parameters("content-disposition")
    part = Part(
        headers=headers,
        start=start,
        body=body,
        end=end,
        content_type=kind if "/" in kind else default_type,
        parameters=parameters,
        disposition=disposition,
        file_name=details.get("filename") or parameters.get("name", ""),
    )
    boundary = parameters.get("boundary", "")
    if kind.startswith("multipart/") and boundary and depth < MAX_DEPTH:
        inner = "message/rfc822" if kind == "multipart/digest" else "text/plain"
        for first, last in _between(raw, body, end, boundary.encode("utf-8", "replace")):
            if budget[0] <= 0:
                break
            part.children.append(_read_part(raw, first, last, depth + 1, budget, inner))
    return part


def _between(raw: bytes, start: int, end: int, boundary: bytes) -> Iterator[tuple[int, int]]:
    """The stretches between the boundary lines of a multipart (RFC 2046 5.1.1)."""
    mark = b"--" + boundary
    opened = -1
    position = start
    while (found := raw.find(mark, position, end)) >= 0:
        position = found + len(mark)
        if found > start and raw[found - 1 : found] != b"\n":
            continue
        closing = raw[position : position + 2] == b"--"
        line_end = raw.find(b"\n", position, end)
        if not closing and raw[position : line_end if line_end >= 0 else end].strip():
            continue  # a longer boundary that begins like this one
        if opened >= 0:
            last = found - 1 if found > opened else found
            if last > opened and raw[last - 1 : last] == b"\r":
                last -= 1
            yield opened, max(opened, last)
        if closing or line_end < 0:
            return
        opened = position = line_end + 1
    if opened >= 0:
        yield opened, end  # never closed: what came is shown


def _leaves(part: Part) -> Iterator[Part]:
    if not part.children:
        if not part.content_type.startswith("multipart/"):
            yield part
        return
    for child in part.children:
        yield from _leaves(child)
