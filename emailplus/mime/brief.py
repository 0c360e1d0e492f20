"""The small form of a message, for the index and the store: its texts and its attachments as they stand in the MIME."""

from __future__ import annotations

from collections.abc import Sequence
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


_TEXTS = ("text/plain", "text/html")


def is_attached(part: Part) -> bool:
    """Whether a text part is a file and not part of the body."""
    return part.disposition == "attachment" or bool(part.name)


def _is_body(part: Part) -> bool:
    return part.content_type in _TEXTS and not is_attached(part)


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


def announced_part(source: Source, announced: Sequence[tuple[str, str]], position: int) -> Part | None:
    """The part that a server means by one of the attachments it announced, each a name and a Content-ID.

    By Content-ID or name where that is unique, else by its place, but only where both sides count the same: servers
    differ in which texts they take for the body. None where it cannot be told.
    """
    leaves = list(parse(source).leaves())
    body = {part.content_type: part for part in reversed(leaves) if _is_body(part)}
    files = [part for part in leaves if not _is_body(part)]
    others = [part for part in leaves if part is not body.get(part.content_type)]  # a second text is a file to some
    name, content_id = announced[position][0], announced[position][1].strip("<>")
    for matching in (
        [part for part in files if content_id and part.content_id == content_id],
        [part for part in files if name and part.name == name],
    ):
        if len(matching) == 1:
            return matching[0]
    return next((found[position] for found in (files, others) if len(found) == len(announced)), None)


def decoded_text(part: MimePart) -> str:
    """Text of a part that Python's email package has parsed."""
    payload = part.get_payload(decode=True)
    return charset.decode(payload if isinstance(payload, bytes) else b"", str(part.get_content_charset() or ""))[0]


def header_text(value: object) -> str:
    """A header with its encoded words decoded (RFC 2047)."""
    return headers.decoded(str(value))
