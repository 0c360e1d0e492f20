"""The small form of a message, for the index and the store: its texts and its attachments as they stand in the MIME."""

from __future__ import annotations

from dataclasses import dataclass, field
from email.message import Message as MimePart

from . import charset, headers
from .parts import Part, parse
from .source import Source


@dataclass(slots=True)
class PartView:
    """One attachment inside the MIME. `name` is as written."""

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


def is_attached(part: Part) -> bool:
    """Whether a text part is a file and not part of the body."""
    return part.disposition == "attachment" or bool(part.name)


def files(source: Source) -> list[Part]:
    """The parts that are no text of the body, in order: what `view` calls attachments."""
    return [part for part in parse(source).leaves() if not _is_body(part)]


def _is_body(part: Part) -> bool:
    return part.content_type in ("text/plain", "text/html") and not is_attached(part)


def view(source: Source, *, contents: bool = True) -> MimeView:
    """The texts and attachments of a message. `contents` False leaves the attachments' bytes out."""
    texts: list[str] = []
    rich: list[str] = []
    result = MimeView()
    for part in parse(source).leaves():
        if _is_body(part):
            (texts if part.content_type == "text/plain" else rich).append(part.text()[0])
        else:
            inline = part.disposition == "inline"
            content = part.content() if contents else b""
            result.attachments.append(PartView(part.name, part.content_type, part.content_id, inline, content))
    result.text = "\n".join(filter(None, texts))
    result.html = "\n".join(filter(None, rich))
    return result


def decoded_text(part: MimePart) -> str:
    """Text of a part that Python's email package has parsed."""
    payload = part.get_payload(decode=True)
    return charset.decode(payload if isinstance(payload, bytes) else b"", str(part.get_content_charset() or ""))[0]


def header_text(value: object) -> str:
    """A header with its encoded words decoded (RFC 2047)."""
    return headers.decoded(str(value))
