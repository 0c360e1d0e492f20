"""A MIME message as its readable text and its attachments (RFC 2045 to 2049), tolerant of what real mail does.

Used off the synchronisation path only: to index, to show and to export.
"""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.header import decode_header, make_header
from email.message import Message as MimePart

MAX_PARTS = 1000
"""Parts that are looked at; deeper or wider mail is cut there."""


@dataclass(slots=True)
class PartView:
    """One attachment inside the MIME."""

    name: str
    content_type: str
    content_id: str
    inline: bool
    data: bytes


@dataclass(slots=True)
class MimeView:
    """`text` and `html` are the bodies found, "" where there is none."""

    text: str = ""
    html: str = ""
    attachments: list[PartView] = field(default_factory=list)


def view(data: bytes, *, contents: bool = True) -> MimeView:
    """Read a message. `contents` False leaves the attachments' bytes out."""
    message = email.message_from_bytes(data, policy=email.policy.compat32)
    result = MimeView()
    for number, part in enumerate(_leaves(message)):
        if number >= MAX_PARTS:
            break
        kind = part.get_content_type()
        name = _name(part)
        attached = part.get_content_disposition() == "attachment" or bool(name)
        if kind == "text/plain" and not attached:
            result.text = "\n".join(filter(None, (result.text, decoded_text(part))))
        elif kind == "text/html" and not attached:
            result.html = "\n".join(filter(None, (result.html, decoded_text(part))))
        else:
            result.attachments.append(
                PartView(
                    name=name,
                    content_type=kind,
                    content_id=str(part.get("Content-ID", "")).strip().strip("<>"),
                    inline=part.get_content_disposition() == "inline",
                    data=payload(part) if contents else b"",
                )
            )
    return result


def _leaves(part: MimePart) -> Iterator[MimePart]:
    """Parts without parts, in order; an attached message is a leaf."""
    stack = [part]
    while stack:
        current = stack.pop()
        inner = current.get_payload()
        if current.get_content_maintype() == "multipart" and isinstance(inner, list):
            stack.extend(reversed([child for child in inner if isinstance(child, MimePart)]))
        else:
            yield current


def payload(part: MimePart) -> bytes:
    """Decoded bytes of a leaf; an attached message as it stands."""
    inner = part.get_payload()
    if isinstance(inner, list):
        return inner[0].as_bytes() if inner and isinstance(inner[0], MimePart) else b""
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def decoded_text(part: MimePart) -> str:
    """Text of a part: the declared charset, then UTF-8, then windows-1252."""
    data = payload(part)
    for charset in (part.get_content_charset(), "utf-8", "cp1252"):
        if charset:
            try:
                return data.decode(charset)
            except (LookupError, UnicodeDecodeError):
                continue
    return data.decode("latin-1")


def header_text(value: object) -> str:
    """A header with its encoded words decoded (RFC 2047); as it stands where they are broken."""
    try:
        return str(make_header(decode_header(str(value))))
    except (LookupError, UnicodeDecodeError, ValueError):
        return str(value)


def _name(part: MimePart) -> str:
    name = part.get_filename()
    return header_text(name) if name else ""
