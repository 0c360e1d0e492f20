"""Answers too large for memory, read as they arrive: one fetched body or attachment goes straight into the spool.

`FetchPayload` understands all forms a Fetch is answered in (MS-ASCMD 2.2.1.10.1): WBXML with the content inline, as
base64 text, plain text or OPAQUE, and multipart with the bytes themselves. Everything but the content is kept as small
texts by their path.
"""

from __future__ import annotations

import binascii
from email.message import Message as Headers

from ..errors import LimitExceeded, MalformedResponse, WbxmlError
from ..flow import HttpResponse
from .code_pages import NAMESPACES, TAG_NAMES
from .http import MULTIPART_TYPE
from .wbxml import CONTENT_BIT, END, FIRST_TAG, OPAQUE, STR_I, SWITCH_PAGE

SMALL = 64 * 1024
"""Bytes of the text of any element that is not the content."""
MAX_PARTS = 16
"""Parts of a multipart answer to a request for one item."""
_MAX_DEPTH = 64
_RANGE_PATH = "ItemOperations:Response/ItemOperations:Fetch/ItemOperations:Properties/ItemOperations:Range"

ATTACHMENT_TAGS = frozenset({"ItemOperations:Data"})
BODY_TAGS = frozenset({"AirSyncBase:Data"})
BODY_TAGS_2_5 = frozenset({"Email:Body", "Email:MIMEData"})


def _tag(page: int, token: int) -> str:
    """Name of a tag token, as `wbxml.decode` names it; "" for a token that is no tag."""
    number = token & ~CONTENT_BIT
    if not FIRST_TAG <= number < CONTENT_BIT:
        return ""
    return TAG_NAMES.get((page, number)) or f"{NAMESPACES[page]}:0x{number:02X}"


class _NeedMore(Exception):
    """The next token is not complete yet."""


class WbxmlStream:
    """A push parser for one WBXML document in which one element, named by `content_tags`, is large."""

    def __init__(self, content_tags: frozenset[str]) -> None:
        self.texts: dict[str, str] = {}
        """Path below the root ("A/B/C") -> text; the last one wins."""
        self.content_tag = ""
        self.content_opaque = False
        self.done = False
        self._tags = content_tags
        self._buffer = bytearray()
        self._offset = 0
        self._page = 0
        self._stack: list[str] = []
        self._header_read = False
        self._in_text = False
        self._opaque_left = 0

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes; return those that belong to the content. Raises `WbxmlError`."""
        self._buffer += data
        content = bytearray()
        position = 0
        try:
            while not self.done and position < len(self._buffer):
                position = self._step(position, content)
        except _NeedMore as stopped:
            position = stopped.args[0]
            if len(self._buffer) - position > SMALL + 16:
                raise WbxmlError(f"an element beside the content is longer than {SMALL} bytes", self._offset) from None
        self._offset += position
        del self._buffer[:position]
        return bytes(content)

    def finish(self) -> None:
        """Raises `WbxmlError` if the document is not complete."""
        if not self.done:
            raise WbxmlError("document ends in the middle of an element", self._offset + len(self._buffer))

    def _step(self, position: int, content: bytearray) -> int:
        buffer = self._buffer
        if self._opaque_left:
            piece = buffer[position : position + self._opaque_left]
            content += piece
            self._opaque_left -= len(piece)
            return position + len(piece)
        if self._in_text:
            end = buffer.find(0, position)
            if end < 0:
                content += buffer[position:]
                return len(buffer)
            content += buffer[position:end]
            self._in_text = False
            return end + 1
        if not self._header_read:
            return self._read_header(position)
        token = buffer[position]
        if token == SWITCH_PAGE:
            page = self._byte(position + 1, position)
            if page >= len(NAMESPACES):
                raise WbxmlError(f"unknown code page {page}", self._offset + position)
            self._page = page
            return position + 2
        if token == END:
            if not self._stack:
                raise WbxmlError("END without an open element", self._offset + position)
            self._stack.pop()
            self.done = not self._stack
            return position + 1
        if token in (STR_I, OPAQUE):
            return self._read_value(position, token)
        tag = _tag(self._page, token)
        if not tag:
            raise WbxmlError(f"token 0x{token:02X} is not used by ActiveSync", self._offset + position)
        if token & CONTENT_BIT:
            self._stack.append(tag)
            if len(self._stack) > _MAX_DEPTH:
                raise WbxmlError(f"elements nested deeper than {_MAX_DEPTH}", self._offset + position)
        else:
            self._note(tag, "")
            self.done = not self._stack
        return position + 1

    def _read_header(self, position: int) -> int:
        if len(self._buffer) - position < 4:
            raise _NeedMore(position)
        if self._buffer[position] not in (1, 2, 3) or self._buffer[position + 3]:
            raise WbxmlError("not WBXML as ActiveSync uses it", self._offset + position)
        self._header_read = True
        return position + 4

    def _read_value(self, position: int, token: int) -> int:
        if not self._stack:
            raise WbxmlError("text outside the root element", self._offset + position)
        tag = self._stack[-1]
        is_content = tag in self._tags
        if is_content:
            self.content_tag = tag
        if token == STR_I:
            if is_content:
                self._in_text = True
                return position + 1
            end = self._buffer.find(0, position + 1)
            if end < 0:
                raise _NeedMore(position)
            self._note_top(bytes(self._buffer[position + 1 : end]))
            return end + 1
        length, start = 0, position + 1
        while True:
            byte = self._byte(start, position)
            length, start = (length << 7) | (byte & 0x7F), start + 1
            if byte < 0x80:
                break
            if start - position > 5:
                raise WbxmlError("length of more than five bytes", self._offset + position)
        if is_content:
            self.content_opaque = True
            self._opaque_left = length
            return start
        if length > SMALL:
            raise WbxmlError(f"an element beside the content is longer than {SMALL} bytes", self._offset + position)
        if len(self._buffer) < start + length:
            raise _NeedMore(position)
        self._note_top(bytes(self._buffer[start : start + length]))
        return start + length

    def _byte(self, at: int, restart: int) -> int:
        if at >= len(self._buffer):
            raise _NeedMore(restart)
        return self._buffer[at]

    def _note_top(self, value: bytes) -> None:
        path = "/".join(self._stack[1:])
        if len(self.texts) < 1000:
            self.texts[path] = value.decode(errors="replace")

    def _note(self, tag: str, value: str) -> None:
        if len(self.texts) < 1000:
            self.texts["/".join((*self._stack[1:], tag))] = value


class Base64Stream:
    """Decodes base64 that comes in pieces, blanks and line ends allowed."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """Raises `MalformedResponse`."""
        clean = self._rest + data.translate(None, b"\r\n\t ")
        whole = len(clean) & ~3
        self._rest = clean[whole:]
        try:
            return binascii.a2b_base64(clean[:whole], strict_mode=True) if whole else b""
        except binascii.Error:
            raise MalformedResponse("the content of the attachment is not base64") from None

    def finish(self) -> None:
        """Raises `MalformedResponse` if the text ended inside a group."""
        if self._rest:
            raise MalformedResponse("the content of the attachment is cut off")


class FetchPayload:
    """Takes the answer to a Fetch of one item. After the end: `texts` (see `WbxmlStream`), `content_type`, `received`.

    `base64_text`: inline text is base64 (attachments); bodies are plain text. `limit` bounds the content; beyond it
    `LimitExceeded` is raised and nothing more is read. `resume_at`: that many bytes are in the spool already; an
    answer that names no Range begins at the start, and so many of its bytes are passed over.
    """

    def __init__(
        self, content_tags: frozenset[str], *, base64_text: bool, limit: int | None, resume_at: int = 0
    ) -> None:
        self.received = 0
        self._resume_at = resume_at
        self._skip: int | None = None
        self.multipart = False
        self._document = WbxmlStream(content_tags)
        self._base64 = Base64Stream() if base64_text else None
        self._limit = limit
        self._head = bytearray()
        self._parts: list[tuple[int, int]] = []
        self._position = 0

    @property
    def texts(self) -> dict[str, str]:
        return self._document.texts

    @property
    def content_tag(self) -> str:
        return self._document.content_tag

    def start(self, response: HttpResponse) -> bool:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        self.multipart = kind == MULTIPART_TYPE
        return response.status == 200

    def feed(self, data: bytes) -> bytes:
        content = self._feed_multipart(data) if self.multipart else self._feed_document(data)
        if content and self._resume_at:
            content = self._without_known(content)
        self.received += len(content)
        if self._limit is not None and self.received > self._limit:
            raise LimitExceeded("larger than the limit", size=self.received, limit=self._limit)
        return content

    def finish(self) -> None:
        self._document.finish()
        if self._base64 is not None and not self._document.content_opaque and not self.multipart:
            self._base64.finish()
        if self.multipart and self._parts and self._position < sum(self._parts[-1]):
            raise MalformedResponse("the multipart answer is cut off")

    def _without_known(self, content: bytes) -> bytes:
        if self._skip is None:
            begins = self.texts.get(_RANGE_PATH, "").partition("-")[0].strip()
            first = int(begins) if begins.isdigit() else 0
            if first > self._resume_at:
                raise MalformedResponse("the answer begins behind the place where the download stopped")
            self._skip = self._resume_at - first
        known = content[: self._skip]
        self._skip -= len(known)
        return content[len(known) :]

    def _feed_document(self, data: bytes) -> bytes:
        content = self._document.feed(data)
        if content and self._base64 is not None and not self._document.content_opaque:
            return self._base64.feed(content)
        return content

    def _feed_multipart(self, data: bytes) -> bytes:
        """MS-ASCMD 2.2.1.10.1.1: count, (offset, length) pairs, then the parts; part 0 is the WBXML."""
        if not self._parts:
            self._head += data
            if len(self._head) < 4:
                return b""
            count = int.from_bytes(self._head[:4], "little")
            if not 1 <= count <= MAX_PARTS:
                raise MalformedResponse(f"a multipart answer with {count} parts")
            size = 4 + 8 * count
            if len(self._head) < size:
                return b""
            table = [int.from_bytes(self._head[at : at + 4], "little") for at in range(4, size, 4)]
            self._parts = list(zip(table[::2], table[1::2], strict=True))
            ends = [offset + length for offset, length in self._parts]
            if any(offset < end for (offset, _), end in zip(self._parts, [size, *ends], strict=False)):
                raise MalformedResponse("the parts of a multipart answer overlap")
            self._position = size
            data = bytes(self._head[size:])
            self._head.clear()
        content = bytearray()
        start = self._position
        self._position += len(data)
        for number, (offset, length) in enumerate(self._parts):
            piece = data[max(0, offset - start) : max(0, offset + length - start)]
            if piece and number == 0:
                self._document.feed(piece)
            elif piece and number == 1:
                content += piece
        return bytes(content)


class RawPayload:
    """Takes an answer whose body is the content itself: GetAttachment (MS-ASCMD 2.2.1.6).

    It has no Range: `skip` bytes that are in the spool already are passed over.
    """

    def __init__(self, limit: int | None, skip: int = 0) -> None:
        self.received = 0
        self._skip = skip
        self.content_type = ""
        self._limit = limit

    def start(self, response: HttpResponse) -> bool:
        headers = Headers()
        headers["Content-Type"] = response.headers.get("content-type", "")
        self.content_type = headers.get_content_type() if response.headers.get("content-type") else ""
        return response.status == 200

    def feed(self, data: bytes) -> bytes:
        known = data[: self._skip]
        self._skip -= len(known)
        data = data[len(known) :]
        self.received += len(data)
        if self._limit is not None and self.received > self._limit:
            raise LimitExceeded("larger than the limit", size=self.received, limit=self._limit)
        return data

    def finish(self) -> None:
        """The HTTP layer has proved the body complete."""
