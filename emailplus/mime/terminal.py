"""One message for a terminal: text only. Nothing in a message may drive the terminal or turn what stands beside it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from ..errors import UsageError
from ..model.message import addresses
from . import cards, disguise
from .page import Cell, Look, notices, readable_size
from .view import MessageView, SafeBody

_DRIVES = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff]"
)
"""Control characters, and the marks that turn the direction of text."""

_TONES = {"plain": " ", "good": "+", "warning": "!", "bad": "!"}


def plain(text: str) -> str:
    """Without what moves the cursor, colours, or turns the direction of text; line ends and tabs stay."""
    return _DRIVES.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def render(seen: MessageView, look: Look | None = None, *, width: int = 0) -> str:
    """The message as lines. `width`: longer lines of text are wrapped (0: they are left)."""
    return "\n".join(_lines(seen, look or Look(), width))


def _lines(seen: MessageView, look: Look, width: int) -> Iterator[str]:
    if look.watermark is not None:
        yield f"[{_one_line(look.watermark.text)}]"
    yield from (_cell(cell) for cell in look.cells if cell.kind != "rights")
    yield from head(seen, look)
    yield from (_cell(cell) for cell in look.cells if cell.kind == "rights")  # guide: below the subject
    body = _body(seen, look)
    for _, notice in notices(body):
        yield _one_line(f"[{notice}]")
    for warning in disguise.of(seen, body.links):
        yield _one_line(f"! {warning}")
    yield ""
    yield from _wrapped(plain(seen.readable_text(body)).strip("\n"), width)
    for event in seen.events:
        yield _one_line(f"[{cards.title(event)}: {event.summary}]")
        yield from (f"  {_one_line(f'{name}: {value}')}" for name, value in cards.rows(event))
    for contact in seen.contacts:
        facts = (contact.organization, contact.title, *(f"{what} {value}" for what, value in contact.details[:10]))
        details = ", ".join(filter(None, facts))
        yield _one_line(f"[contact: {contact.name}{', ' + details if details else ''}]")
    for item in seen.attachments:
        number = f" {item.number}" if item.number else ""
        yield _one_line(f"[attachment{number}: {item.name}, {item.content_type}, {readable_size(item.size)}]")
    for problem in dict.fromkeys([*seen.problems, *body.problems]):
        yield _one_line(f"[{problem}]")


def _cell(cell: Cell) -> str:
    return _one_line(f"{_TONES[cell.tone]} {cell.title}{': ' + cell.text if cell.text else ''}")


def _body(seen: MessageView, look: Look) -> SafeBody:
    """The HTML body, for what is to be said of it; empty where a message has a text and HTML cannot be read here."""
    if not seen.html:
        return SafeBody("")
    try:
        return seen.safe_html(pictures=look.pictures, rewrite=look.rewrite)
    except UsageError:
        if not seen.text_is_written:
            raise
        return SafeBody("")


def structure(seen: MessageView) -> Iterator[str]:
    """`MessageView.parts` as lines: each part below the multipart that it stands in."""
    for part in seen.parts:
        told = filter(None, (part.name, part.disposition, part.charset, part.encoding))
        facts = ", ".join((f"{part.size:,} bytes", *told))
        yield f"{'  ' * part.level}{_one_line(f'{part.content_type} ({facts})')}"
    for problem in seen.problems:
        yield _one_line(f"[{problem}]")


def head(seen: MessageView, look: Look) -> Iterator[str]:
    """The header lines."""
    rows = [("From", seen.sender), ("To", seen.to), ("Cc", seen.cc), ("Bcc", seen.bcc)]
    if seen.reply_to and addresses(seen.reply_to) != addresses(seen.sender):
        rows.append(("Reply-To", seen.reply_to))
    for name, value in rows:
        if value:
            yield _one_line(f"{name}: {_people(value, look)}")
    if seen.date is not None:
        yield f"Date: {seen.date:%Y-%m-%d %H:%M %z}".rstrip()
    yield _one_line(f"Subject: {seen.subject}")


def _people(header: str, look: Look) -> str:
    people = addresses(header)
    if look.unsafe is None or not people:
        return header
    return ", ".join(f"{person} (outside)" if look.unsafe(person.address) else str(person) for person in people[:500])


def _one_line(text: str) -> str:
    return " ".join(plain(disguise.shown(text)).split())


def _wrapped(text: str, width: int) -> Iterator[str]:
    for line in text.split("\n"):
        if width <= 0 or len(line) <= width:
            yield line
            continue
        quoted = re.match(r"(?:> ?)*", line)
        prefix = quoted[0] if quoted is not None and len(quoted[0]) < width // 2 else ""
        yield from textwrap.wrap(
            line,
            width,
            subsequent_indent=prefix,
            break_long_words=False,
            break_on_hyphens=False,
            replace_whitespace=False,
        )
