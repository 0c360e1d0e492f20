"""What the server makes of a message a client sends: sender, missing fields, the original under a reply or forward."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime, formataddr, getaddresses

from .bodies import HTML, PLAIN, body_data
from .mime import Message, Part, html_to_text
from .users import MockUser

RECIPIENT_FIELDS = ("to", "cc", "bcc")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message ready to go: `raw` for the recipients, `kept` (with Bcc) for Sent Items."""

    raw: bytes
    kept: bytes
    recipients: tuple[str, ...]


def recipients(message: Message) -> tuple[str, ...]:
    """The addresses of To, Cc and Bcc."""
    fields = [message.headers.all(name) for name in RECIPIENT_FIELDS]
    # Field by field, and no empty ones: Pythons that count the commas give nobody at all for those.
    people = [person for field in fields if field for person in getaddresses([field])]
    return tuple(dict.fromkeys(address for _, address in people if "@" in address))


def prepare(raw: bytes, user: MockUser, now: datetime) -> Outgoing:
    """Set From to the user (MS-ASCMD_R448), add Date and Message-ID where missing, take Bcc from the copies."""
    message = Message(raw)
    end = message.root.body
    fields = split_fields(raw[:end])
    names = {name for name, _ in fields}
    sender = getaddresses([message.headers.get("from")]) if "from" in names else []
    if len(sender) != 1 or sender[0][1].lower() != user.email.lower():
        fields = [field for field in fields if field[0] != "from"]
        shown = sender[0][0] if sender and sender[0][0] else user.name
        fields.insert(0, ("from", b"From: " + formataddr((shown, user.email)).encode() + b"\r\n"))
    if "date" not in names:
        fields.insert(0, ("date", b"Date: " + format_datetime(now).encode() + b"\r\n"))
    if "message-id" not in names:
        domain = user.email.partition("@")[2]
        fields.insert(0, ("message-id", f"Message-ID: <{secrets.token_hex(16)}@{domain}>\r\n".encode()))
    body = b"\r\n" + raw[end:]
    kept = b"".join(text for _, text in fields) + body
    public = b"".join(text for name, text in fields if name != "bcc") + body
    return Outgoing(public, kept, recipients(message))


def split_fields(block: bytes) -> list[tuple[str, bytes]]:
    """The fields of a header block with their bytes, folded lines included."""
    fields: list[tuple[str, bytes]] = []
    for line in block.splitlines(keepends=True):
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1] = (fields[-1][0], fields[-1][1] + line)
        elif b":" in line:
            text = line if line.endswith(b"\n") else line + b"\r\n"
            fields.append((line.partition(b":")[0].strip().decode("ascii", "replace").lower(), text))
    return fields


def with_original(raw: bytes, original: Message, *, forward: bool) -> bytes:
    """A reply or forward with the original message's text below the new one, in UTF-8 (MS-ASCMD_R548).

    A forward carries the original's attachments. A signed or encrypted new message is left as it is.
    """
    new = Message(raw)
    if new.message_class.startswith("IPM.Note.SMIME"):
        return raw
    kind = HTML if new.body_parts()[1] is not None else PLAIN
    quoted = _quoted(original, kind)
    entities: list[bytes] = []
    if not new.root.children and new.root.content_type in ("text/plain", "text/html"):
        entities.append(_text_entity(new.text(new.root) + quoted, kind))
    else:
        header = b"".join(text for name, text in split_fields(raw[: new.root.body]) if name.startswith("content-"))
        entities += [header + b"\r\n" + raw[new.root.body :], _text_entity(quoted, kind)]
    if forward:
        for part in original.attachments():
            entities.append(_entity(original, part))
    fields = [
        text
        for name, text in split_fields(raw[: new.root.body])
        if not name.startswith("content-") and name != "mime-version"
    ]
    head = b"".join(fields) + b"MIME-Version: 1.0\r\n"
    if len(entities) == 1:
        return head + entities[0]
    boundary = b"=_mock_" + secrets.token_hex(12).encode()
    parts = b"".join(b"--" + boundary + b"\r\n" + entity + b"\r\n" for entity in entities)
    return (
        head
        + b'Content-Type: multipart/mixed; boundary="'
        + boundary
        + b'"\r\n\r\n'
        + parts
        + b"--"
        + boundary
        + b"--\r\n"
    )


def _entity(message: Message, part: Part) -> bytes:
    if message.stands_for_all(part):
        return b"Content-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n" + message.raw
    if part is message.root:  # a message that is a file: its other fields stay behind
        fields = (text for name, text in split_fields(message.raw[: part.body]) if name.startswith("content-"))
        return b"".join(fields) + b"\r\n" + message.raw[part.body : part.end]
    return message.raw[part.start : part.end]


def _quoted(original: Message, kind: int) -> str:
    headers = original.headers
    lines = [
        f"{label}: {headers.all(name)}"
        for label, name in (("From", "from"), ("Sent", "date"), ("To", "to"), ("Subject", "subject"))
    ]
    text = body_data(original, kind).decode()
    if kind == HTML:
        shown = "<br>\r\n".join(line.replace("&", "&amp;").replace("<", "&lt;") for line in lines)
        return f"<hr>\r\n<p>{shown}</p>\r\n{text}"
    plain = text or html_to_text(body_data(original, HTML).decode())
    return "\r\n\r\n-----Original Message-----\r\n" + "\r\n".join(lines) + "\r\n\r\n" + plain


def _text_entity(text: str, kind: int) -> bytes:
    name = "html" if kind == HTML else "plain"
    encoded = base64.encodebytes(text.encode("utf-8", "replace")).replace(b"\n", b"\r\n")
    head = f"Content-Type: text/{name}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return head.encode() + encoded
