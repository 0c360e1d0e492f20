"""Drafts that a client writes through Sync (16.0 and 16.1): their properties made into a message."""

from __future__ import annotations

import base64
import secrets
from datetime import datetime
from email.utils import format_datetime, formataddr

from ..eas.wbxml import Node
from .bodies import HTML, MIME
from .mime import Message
from .tree import as_text, child, children, every, text
from .users import MockUser

PEOPLE = (("To", "Email:To"), ("Cc", "Email:Cc"), ("Bcc", "Email2:Bcc"), ("Reply-To", "Email:ReplyTo"))
_IMPORTANCE = {"0": "low", "2": "high"}


def build(data: Node, user: MockUser, now: datetime, old: Message | None = None) -> bytes:
    """The message of ApplicationData; what a Change leaves out stays as it was in `old`.

    A Body of Type 4 is the whole message as it stands.
    """
    body = child(data, "AirSyncBase:Body")
    if text(body, "AirSyncBase:Type") == str(MIME):
        content = child(body, "AirSyncBase:Data")
        raw = content[1] if content is not None else b""
        return raw if isinstance(raw, bytes) else as_text(raw).encode()
    lines = [f"From: {formataddr((user.name, user.email))}", f"Date: {format_datetime(now)}"]
    identity = old.headers.get("message-id") if old is not None else ""
    lines.append(f"Message-ID: {identity or f'<{secrets.token_hex(16)}@mock>'}")
    for name, tag in PEOPLE:
        value = _kept(data, tag, old, name.lower())
        if value:
            lines.append(f"{name}: {value}")
    lines.append(f"Subject: {_kept(data, 'Email:Subject', old, 'subject')}")
    importance = _IMPORTANCE.get(text(data, "Email:Importance"))
    if importance is not None:
        lines.append(f"Importance: {importance}")
    head = "\r\n".join(" ".join(line.splitlines()) for line in lines).encode() + b"\r\nMIME-Version: 1.0\r\n"
    return head + _content(data, old)


def _kept(data: Node, tag: str, old: Message | None, header: str) -> str:
    if child(data, tag) is not None:
        return text(data, tag)
    return old.headers.all(header) if old is not None else ""


def _content(data: Node, old: Message | None) -> bytes:
    entities = [_body(data, old)]
    attachments = child(data, "AirSyncBase:Attachments")
    removed = {text(node, "AirSyncBase:FileReference") for node in every(attachments, "AirSyncBase:Delete")}
    indexes = {reference.rpartition("%3a")[2] for reference in removed}
    if old is not None:
        for index, part in enumerate(old.attachments()):
            if str(index) not in indexes:
                entities.append(old.raw[part.start : part.end])
    entities += [_attachment(node) for node in every(attachments, "AirSyncBase:Add")]
    if len(entities) == 1:
        return entities[0]
    boundary = b"=_draft_" + secrets.token_hex(12).encode()
    parts = b"".join(b"--" + boundary + b"\r\n" + entity + b"\r\n" for entity in entities)
    return b'Content-Type: multipart/mixed; boundary="' + boundary + b'"\r\n\r\n' + parts + b"--" + boundary + b"--\r\n"


def _body(data: Node, old: Message | None) -> bytes:
    node = child(data, "AirSyncBase:Body")
    if node is None and old is not None:
        plain, rich = old.body_parts()
        kept = rich or plain
        return old.raw[kept.start : kept.end] if kept is not None and kept is not old.root else _text_of(old)
    kind = "html" if text(node, "AirSyncBase:Type") == str(HTML) else "plain"
    return _entity(f"text/{kind}; charset=utf-8", text(node, "AirSyncBase:Data").encode())


def _text_of(old: Message) -> bytes:
    plain, rich = old.body_parts()
    part = rich or plain
    content = old.text(part) if part is not None else ""
    return _entity(f"{part.content_type if part is not None else 'text/plain'}; charset=utf-8", content.encode())


def _attachment(node: Node) -> bytes:
    name = text(node, "AirSyncBase:DisplayName").replace('"', "'")
    content = child(node, "AirSyncBase:Content")
    raw = content[1] if content is not None else None
    data = raw if isinstance(raw, bytes) else base64.b64decode(as_text(raw))
    kind = text(node, "AirSyncBase:ContentType") or "application/octet-stream"
    fields = [f'Content-Disposition: attachment; filename="{name}"']
    if child(node, "AirSyncBase:ContentId") is not None:
        fields.append(f"Content-ID: <{text(node, 'AirSyncBase:ContentId')}>")
    return _entity(f'{kind}; name="{name}"', data, *fields)


def _entity(content_type: str, data: bytes, *fields: str) -> bytes:
    head = "\r\n".join((f"Content-Type: {content_type}", *fields, "Content-Transfer-Encoding: base64"))
    return head.encode() + b"\r\n\r\n" + base64.encodebytes(data).replace(b"\n", b"\r\n")


def client_ids(data: Node) -> list[str]:
    """The ClientIds of the attachments a request adds, in order."""
    return [
        text(node, "AirSyncBase:ClientId")
        for node in children(child(data, "AirSyncBase:Attachments"))
        if node[0] == "AirSyncBase:Add"
    ]
