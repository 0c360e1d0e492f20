"""Stamping a MIME message, and reading the marking of one.

    stamp_message(data, marks)    # bytes to bytes: header fields, subject, text and HTML bodies
    receive_message(receiver, data)

Signed and protected mail is stamped before it is signed or protected; afterwards it is refused.
"""

from __future__ import annotations

import base64
import email
import email.policy
import re
from collections.abc import Iterator
from email.generator import BytesGenerator
from email.header import Header
from email.message import Message
from email.parser import BytesHeaderParser
from io import BytesIO
from typing import Final

from ..errors import UsageError
from ..mime.view import decoded_text, header_text
from .receive import Received, Receiver
from .stamp import Marks, stamp_html, stamp_subject, stamp_text

MAX_PARTS: Final = 1_000
MAX_LINE: Final = 78
"""RFC 5322 2.1.1: characters a line should have at most."""

_CLOSED: Final = frozenset(
    ("multipart/signed", "multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime")
)
_POLICY = email.policy.compat32.clone(linesep="\r\n", max_line_length=0)


def stamp_message(data: bytes, marks: Marks) -> bytes:
    """The message with its marking. Stamping twice gives the same bytes.

    Header fields of the scheme are replaced, all others stay as they are. Raises `UsageError` for a message that is
    signed, encrypted or protected already.
    """
    message: Message = email.message_from_bytes(data, policy=_POLICY)
    if closed := next((kind for part in _parts(message) if (kind := part.get_content_type()) in _CLOSED), None):
        raise UsageError(f"a marking is stamped before signing and protecting; the message is {closed} already")
    subjects = [header_text(_unfolded(value)) for value in message.get_all("Subject", [])]
    subject = stamp_subject(subjects[0] if subjects else "", marks)
    if subjects or subject:
        _set(message, "Subject", encoded_header("Subject", subject))
    for name in {name.lower() for name in marks.old_headers} - {name.lower() for name, _ in marks.headers}:
        del message[name]
    for name, text in marks.headers:
        _set(message, name, encoded_header(name, text))
    _stamp_bodies(message, marks)
    out = BytesIO()
    BytesGenerator(out, mangle_from_=False, maxheaderlen=0, policy=_POLICY).flatten(message)
    return out.getvalue()


def receive_message(receiver: Receiver, data: bytes) -> Received:
    """The marking of a whole message, by its header fields and subject."""
    return receiver.receive(*fields_of(data))


def fields_of(data: bytes) -> tuple[list[tuple[str, str]], str]:
    """The header fields of a message as they stand, and its subject decoded; its body is not looked at."""
    message: Message = BytesHeaderParser(policy=_POLICY).parsebytes(data)
    subject = next((header_text(_unfolded(value)) for value in message.get_all("Subject", [])), "")
    return [(name, str(value)) for name, value in message.items()], subject


def encoded_header(name: str, text: str) -> str:
    """A header value folded at blanks (RFC 5322 2.2.3); ASCII stays as it is, other text becomes encoded words."""
    if not text.isascii():
        return str(Header(text, "utf-8", header_name=name, maxlinelen=MAX_LINE).encode())
    lines: list[str] = []
    line = ""
    room = MAX_LINE - len(name) - 2
    for word in text.split(" "):
        grown = f"{line} {word}" if line else word
        if line.strip() and word and len(grown) > room:
            lines.append(line)
            line, room = word, MAX_LINE - 1
        else:
            line = grown if line or word else " "
    lines.append(line)
    return "\n ".join(lines)


def _unfolded(value: object) -> str:
    return str(value).replace("\r\n", "").replace("\n", "").replace("\r", "")


def _parts(message: Message) -> Iterator[Message]:
    """The parts of the message itself; an attached message is a leaf."""
    stack = [message]
    for _ in range(MAX_PARTS):
        if not stack:
            return
        part = stack.pop()
        yield part
        inner = part.get_payload()
        if part.get_content_maintype() == "multipart" and isinstance(inner, list):
            stack.extend(reversed([child for child in inner if isinstance(child, Message)]))
    raise UsageError(f"the message has more than {MAX_PARTS:,} parts")


def _stamp_bodies(message: Message, marks: Marks) -> None:
    if marks.header is None and marks.footer is None and not marks.old_blocks:
        return
    bodies: dict[str, Message] = {}
    for part in _parts(message):
        kind = part.get_content_type()
        attached = part.get_content_disposition() == "attachment" or bool(part.get_filename())
        if kind in ("text/plain", "text/html") and not attached:
            bodies.setdefault(kind, part)
    for kind, part in bodies.items():
        old = decoded_text(part)
        new = stamp_html(old, marks) if kind == "text/html" else stamp_text(old, marks)
        if new != old:
            _replace_text(part, new)
    if not bodies and (marks.header is not None or marks.footer is not None):
        _add_text(message, stamp_text("", marks))


def _set(message: Message, name: str, value: str) -> None:
    """One header field of the name, where the first one stood or at the end."""
    if len(message.get_all(name, [])) == 1:
        message.replace_header(name, value)
    else:
        del message[name]
        message[name] = value


def _replace_text(part: Message, text: str) -> None:
    """`text` as the content of a part, in its charset where that can say it."""
    charset = str(part.get_content_charset() or "us-ascii")
    text = re.sub(r"\r\n|\r|\n", "\r\n", text)
    try:
        data = text.encode(charset)
    except (LookupError, UnicodeError, ValueError):
        charset = "utf-8"
        data = text.encode(charset, "replace")
    plain = data.isascii() and b"\0" not in data and all(len(line) <= 900 for line in data.split(b"\r\n"))
    part.set_param("charset", charset)
    part.set_payload(data.decode("ascii") if plain else base64.encodebytes(data).decode("ascii"))
    _set(part, "Content-Transfer-Encoding", "7bit" if plain else "base64")


def _add_text(message: Message, text: str) -> None:
    """A text part in front of a message that has none: its content moves into a part of its own."""
    body: Message = Message(policy=_POLICY)
    body["Content-Type"] = "text/plain"
    _replace_text(body, text)
    inner = message.get_payload()
    if message.get_content_type() == "multipart/mixed" and isinstance(inner, list):
        inner.insert(0, body)
        return
    content: Message = Message(policy=_POLICY)
    for name, value in list(message.items()):
        if name.lower().startswith("content-"):
            content[name] = value
            del message[name]
    content.set_payload(inner)
    message["Content-Type"] = "multipart/mixed"
    if "MIME-Version" not in message:
        message["MIME-Version"] = "1.0"
    message.set_payload([body, content])
