"""A MIME message (RFC 5322, RFC 2045 to 2049) made of what the store has of a mail whose MIME was never fetched.

It says so in a header, ``X-Emailplus-Reconstructed: yes``; what is not in the store is named in a note beside the body.
Pieces come one after the other: an attachment is never whole in memory.
"""

from __future__ import annotations

import mimetypes
import re
import secrets
from base64 import b64encode
from collections.abc import Iterable, Iterator
from email import message_from_bytes
from email.header import Header
from email.message import EmailMessage, MIMEPart
from email.policy import SMTP, default
from email.utils import format_datetime, formataddr

from ..errors import NotFound
from ..mime.transfer import base64_stream
from ..model.message import BodyType, StoredAttachment, StoredMessage, addresses
from .store import Store

_IMPORTANCE = {0: "low", 2: "high"}
_TYPE = re.compile(r"(?!multipart/)[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_CONTENT_ID = re.compile(r"[\x21-\x3b\x3d\x3f-\x7e]{1,900}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]+")

Missing = list[tuple[str, str, str]]
"""(name, state, reason) of what is not in the store; name "" is the body."""


def reconstruct(store: Store, message: StoredMessage) -> tuple[Iterator[bytes], Missing]:
    """The pieces of a MIME message for `message` (as `Store.message` gives it), and what they lack."""
    missing: Missing = []
    if message.body_state not in ("stored", "none"):
        missing.append(("", message.body_state, message.reason))
    beside: list[Iterable[bytes]] = []
    within: list[Iterable[bytes]] = []
    for attachment in message.attachments:
        try:
            content = store.attachment_content(attachment.id)
        except NotFound:
            missing.append((attachment.name, attachment.state, attachment.reason))
            continue
        belongs = attachment.inline and attachment.content_id and message.body_type == BodyType.HTML
        (within if belongs else beside).append(_attachment(attachment, content))
    root: Iterable[bytes] = _body(store, message)
    if within:
        root = _multipart("related", [root, *within])
    if missing:
        beside.append([_note(message, missing)])
    if beside:
        root = _multipart("mixed", [root, *beside])
    return _joined(_headers(store, message), root), missing


def _joined(head: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    yield head
    yield from rest


def _multipart(subtype: str, parts: list[Iterable[bytes]]) -> Iterator[bytes]:
    boundary = "=_" + secrets.token_hex(16)
    yield f'Content-Type: multipart/{subtype}; boundary="{boundary}"\r\n\r\n'.encode()
    for part in parts:
        yield f"--{boundary}\r\n".encode()
        yield from part
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def _headers(store: Store, message: StoredMessage) -> bytes:
    row = store.database.one("SELECT bcc, conversation_index FROM messages WHERE id = ?", (message.id,))
    bcc, index = row if row is not None else ("", None)
    lines = []
    if message.received is not None:
        lines.append(_header("Date", format_datetime(message.received)))
    for name, value in (
        ("From", message.sender), ("To", message.to), ("Cc", message.cc), ("Bcc", bcc), ("Reply-To", message.reply_to),
    ):  # fmt: skip
        if value.strip():
            lines.append(_address_header(name, value))
    lines.append(_header("Subject", message.subject))
    if message.thread_topic:
        lines.append(_header("Thread-Topic", message.thread_topic))
    if index:
        lines.append(_header("Thread-Index", b64encode(index).decode()))
    if message.importance in _IMPORTANCE:
        lines.append(_header("Importance", _IMPORTANCE[message.importance]))
    if message.categories:
        lines.append(_header("Keywords", ", ".join(message.categories)))
    lines += [b"X-Emailplus-Reconstructed: yes\r\n", b"MIME-Version: 1.0\r\n"]
    return b"".join(lines)


def _clean(value: str) -> str:
    """One line, without control characters: nothing in a value begins another header."""
    return _CONTROL.sub(" ", value).strip()


def _header(name: str, value: str) -> bytes:
    """A header line. The library's folding is checked by reading it back; where that fails all is base64."""
    value = _clean(value)
    try:
        holder = EmailMessage(policy=SMTP)
        holder[name] = value
        line = holder.as_bytes()[:-2]
        if message_from_bytes(line + b"\r\n", policy=default)[name] == value:
            return line
    except Exception:  # the library trips over odd values in its own ways
        pass
    return f"{name}: {Header(value, 'utf-8', header_name=name).encode(linesep=chr(13) + chr(10))}\r\n".encode()


def _address_header(name: str, value: str) -> bytes:
    value = _clean(value)
    people = addresses(value)
    try:
        holder = EmailMessage(policy=SMTP)
        holder[name] = value
        line = holder.as_bytes()[:-2]
        if people and addresses(str(message_from_bytes(line + b"\r\n", policy=default)[name])) == people:
            return line
    except Exception:  # as above
        pass
    try:
        written = ",\r\n ".join(formataddr((person.name, person.address)) for person in people)
    except UnicodeEncodeError:  # an address beyond ASCII
        written = ""
    return f"{name}: {written}\r\n".encode() if written else _header(name, value)


def _body(store: Store, message: StoredMessage) -> Iterator[bytes]:
    part = MIMEPart(policy=SMTP)
    if message.body_type == BodyType.RTF and message.body_state == "stored":
        yield from _attachment(
            StoredAttachment(0, "body.rtf", 0, "application/rtf", "", False, "stored"), iter([store.body(message.id)])
        )
        return
    if message.html:
        part.set_content(message.html, subtype="html", charset="utf-8")
    else:
        part.set_content(message.text, charset="utf-8")
    yield part.as_bytes()


def _attachment(attachment: StoredAttachment, content: Iterator[bytes]) -> Iterator[bytes]:
    name = _clean(attachment.name)
    kind = attachment.content_type.partition(";")[0].strip().lower()
    if not _TYPE.fullmatch(kind):
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    # An attached message may not be encoded (RFC 2046 5.2.1).
    message = kind == "message/rfc822"
    if kind.startswith("message/") and not message:
        kind = "application/octet-stream"
    yield f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {'8bit' if message else 'base64'}\r\n".encode()
    part = MIMEPart(policy=SMTP)
    parameters = {"filename": name} if name else {}
    part.add_header("Content-Disposition", "inline" if attachment.inline else "attachment", **parameters)
    yield part.as_bytes()[:-2]
    identifier = attachment.content_id.strip().strip("<>")
    if _CONTENT_ID.fullmatch(identifier):
        yield f"Content-ID: <{identifier}>\r\n".encode()
    yield b"\r\n"
    yield from content if message else base64_stream(content)


def base64_run(content: Iterable[bytes]) -> Iterator[bytes]:
    """Base64 without line ends, piece by piece."""
    return (b64encode(block) for block in _blocks(content, 3 << 16))


def _blocks(content: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in pieces of `size`; only the last may be shorter."""
    left = bytearray()
    for piece in content:
        left += piece
        whole = len(left) - len(left) % size
        for at in range(0, whole, size):
            yield bytes(left[at : at + size])
        del left[:whole]
    if left:
        yield bytes(left)


def _note(message: StoredMessage, missing: Missing) -> bytes:
    lines = ["This message was put together from a local copy that does not hold all of it.", ""]
    for name, state, reason in missing:
        what = f"Attachment {_clean(name)!r}" if name else "The body"
        lines.append(f"{what}: {state}" + (f" ({_clean(reason)})" if reason else ""))
    if message.preview and any(not name for name, _, _ in missing):
        lines += ["", "The body begins:", message.preview]
    part = MIMEPart(policy=SMTP)
    part.set_content("\n".join(lines), charset="utf-8")
    part.add_header("Content-Disposition", "attachment", filename="emailplus-note.txt")
    return part.as_bytes()
