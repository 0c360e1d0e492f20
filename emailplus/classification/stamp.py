"""Stamping: what a selection writes into the subject, the headers and the bodies of an outgoing message.

    marks = render(selection, origin="a@example.test")   # Marks: headers, subject suffix, two body blocks
    stamp_subject("Plan [SEC=OFFICIAL]", marks)           # "Plan [SEC=SECRET]"
    stamp_text(body, marks), stamp_html(html, marks)

Stamping replaces what an earlier stamp wrote, that of the original message included, and never doubles it. Everything
here works on text; `emailplus.classification.message` stamps a MIME message.
"""

from __future__ import annotations

import html as html_escapes
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from .receive import MAX_HITS, Receiver
from .scheme import Look, Scheme, TextBlock
from .selection import Chosen, Selection
from .template import one_line

MARK_CLASS: Final = "emailplus-marking"
"""Class of the element around a body block, by which it is found again."""
MAX_QUOTE_DEPTH: Final = 20

_BLOCK = re.compile(rf'<div class="{MARK_CLASS}"(?: style="[^"<>]*")?>(?:[^<]|<br>)*+</div>(?:\r?\n)?')
_LINE_QUOTE = re.compile(r">[ \t]?")


@dataclass(frozen=True, slots=True)
class Block:
    """A rendered body block: plain text with line breaks, and the style declarations of its HTML element."""

    text: str
    style: str = ""

    @property
    def html(self) -> str:
        """One element; the text is escaped, line breaks are `<br>`."""
        lines = html_escapes.escape(self.text).split("\n")
        return f'<div class="{MARK_CLASS}" style="{html_escapes.escape(self.style)}">{"<br>".join(lines)}</div>'


@dataclass(frozen=True, slots=True)
class Marks:
    """What is written. `old_headers`, `old_suffixes` and `old_blocks` are what an earlier stamp may have written;
    `strip` takes a bounded marking out of a subject."""

    headers: tuple[tuple[str, str], ...] = ()
    suffix: str = ""
    header: Block | None = None
    footer: Block | None = None
    old_headers: tuple[str, ...] = ()
    old_suffixes: tuple[str, ...] = ()
    old_blocks: tuple[str, ...] = ()
    strip: Callable[[str], str] = field(default=str, compare=False)


def render(selection: Selection, *, origin: str = "") -> Marks:
    """The marks of a selection; `origin` is the sender's address. Raises `ClassificationRequired`."""
    selection.require()
    scheme = selection.scheme
    send = scheme.send
    new = _Rendered(scheme, selection.chosen, origin)
    old = _Rendered(scheme, selection.original, origin)
    receiver = Receiver(scheme)
    blocks = (new.header, new.footer, old.header, old.footer)
    return Marks(
        headers=new.headers,
        suffix=new.suffix,
        header=new.header,
        footer=new.footer,
        old_headers=tuple(name for name, _ in send.headers),
        old_suffixes=tuple(dict.fromkeys(suffix for suffix in (new.suffix, old.suffix) if suffix)),
        old_blocks=tuple(dict.fromkeys(block.text for block in blocks if block is not None)),
        strip=lambda subject: receiver.stripped(subject, every=True),
    )


class _Rendered:
    def __init__(self, scheme: Scheme, chosen: Chosen, origin: str) -> None:
        self.scheme = scheme
        self.chosen = chosen
        self.origin = origin
        send = scheme.send
        self.headers = tuple(
            (name, text)
            for name, template in send.headers
            if (text := one_line(template.render(chosen, scheme.titles, origin=origin)))
        )
        suffix = send.subject_suffix
        rendered = suffix.render(chosen, scheme.titles, origin=origin) if suffix is not None else ""
        self.suffix = re.sub(r"[\x00-\x1f\x7f\u0085\u2028\u2029]+", " ", rendered).rstrip()
        self.header = self.block(send.body_header)
        self.footer = self.block(send.body_footer)

    def block(self, block: TextBlock | None) -> Block | None:
        """A body block with its conditions applied in document order; None where its text is empty."""
        if block is None:
            return None
        looks = [block.look, *(one.result for one in block.conditions if self.matches(one.when))]
        text = next((look.text for look in reversed(looks) if look.text is not None), None)
        rendered = text.render(self.chosen, self.scheme.titles, origin=self.origin) if text is not None else ""
        lines = re.sub(r"\r\n?", "\n", rendered).split("\n")
        cleaned = "\n".join(one_line(line) for line in lines).strip("\n")
        return Block(cleaned, _style(looks)) if cleaned.strip() else None

    def matches(self, when: object) -> bool:
        return isinstance(when, dict) and all(set(self.chosen.get(name, ())) & values for name, values in when.items())


def _style(looks: Sequence[Look]) -> str:
    """The last `style` given wins over colour and alignment (reading A18)."""
    style = next((look.style for look in reversed(looks) if look.style is not None), None)
    if style is not None:
        return style
    color = next((look.color for look in reversed(looks) if look.color), "#000000")
    alignment = next((look.alignment for look in reversed(looks) if look.alignment), "LEFT")
    return f"color:{color};text-align:{alignment.lower()}"


# -- subject


def stamp_subject(subject: str, marks: Marks) -> str:
    """`subject` without old markings, one blank, the suffix. Stamping twice gives the same."""
    kept = one_line(strip_subject(subject, marks))
    if not marks.suffix:
        return kept
    return kept + marks.suffix if not kept or marks.suffix[0].isspace() else f"{kept} {marks.suffix}"


def strip_subject(subject: str, marks: Marks) -> str:
    """`subject` without any marking of its scheme: bounded ones anywhere, exact copies of a suffix at the end."""
    for _ in range(MAX_HITS):
        kept = marks.strip(subject).rstrip()
        for suffix in marks.old_suffixes:
            if kept == suffix.strip() or kept.endswith(suffix if suffix[0].isspace() else " " + suffix):
                kept = kept.removesuffix(suffix.strip()).rstrip()
        if kept == subject:
            break
        subject = kept
    return subject


# -- plain bodies


def stamp_text(body: str, marks: Marks) -> str:
    """A plain body with header and footer, one empty line apart from the message; old blocks at its edges go.

    Edges are the beginning and end of the body and of every quoted part ("> "). Line breaks are kept as the body has
    them.
    """
    line_break = "\r\n" if "\r\n" in body else "\n"
    lines = re.split(r"\r\n|\n|\r", body)
    kept = _without_blocks(lines, [block.split("\n") for block in marks.old_blocks], 0)
    if marks.header is not None:
        kept = [*marks.header.text.split("\n"), "", *kept]
    if marks.footer is not None:
        ended = bool(kept) and kept[-1] == ""
        kept = [*(kept[:-1] if ended else kept), "", *marks.footer.text.split("\n"), *([""] if ended else [])]
    return line_break.join(kept)


def _without_blocks(lines: list[str], blocks: list[list[str]], depth: int) -> list[str]:
    """`lines` without the blocks at their edges, quoted parts treated alike."""
    closing = [""] if lines and not lines[-1] else []
    start, end = 0, len(lines) - len(closing)
    changed = True
    while changed and blocks:
        changed = False
        for block in blocks:
            size = len(block)
            if end - start >= size and lines[start : start + size] == block:
                start += size
                start += start < end and not lines[start]
                changed = True
            if end - start >= size and lines[end - size : end] == block:
                end -= size
                end -= end > start and not lines[end - 1]
                changed = True
    result: list[str] = []
    lines = [*lines[start:end], *closing]
    at = 0
    while at < len(lines):
        if not lines[at].startswith(">") or depth >= MAX_QUOTE_DEPTH or not blocks:
            result.append(lines[at])
            at += 1
            continue
        first = at
        while at < len(lines) and lines[at].startswith(">"):
            at += 1
        quoted = lines[first:at]
        inner = [_LINE_QUOTE.sub("", line, count=1) for line in quoted]
        kept = _without_blocks(list(inner), blocks, depth + 1)
        result.extend(quoted if kept == inner else [f"> {line}" for line in kept])
    return result


# -- HTML bodies


def stamp_html(body: str, marks: Marks) -> str:
    """An HTML body with header and footer elements; those of earlier stamps are removed wherever they stand."""
    body = _BLOCK.sub("", body)
    if marks.footer is not None:
        end = _body_end(body)
        body = body[:end] + marks.footer.html + body[end:]
    if marks.header is not None:
        start = _body_start(body)
        body = body[:start] + marks.header.html + body[start:]
    return body


_LEADING = re.compile(r"\s+|<!--?>|<!doctype\b[^>]*>|<\?[^>]*>|</?(?:html|head|meta|link|base)\b", re.IGNORECASE)
_SKIPPED = re.compile(r"<(title|style|script)\b", re.IGNORECASE)


def _body_start(text: str) -> int:
    """Where visible content begins. A document that cannot be followed gets the block before everything, where no
    comment or unclosed tag can hide it."""
    at = 1 if text.startswith("\ufeff") else 0
    first = at
    while at < len(text):
        if text.startswith("<!--", at):
            if text.startswith(("<!-->", "<!--->"), at):
                at = text.index(">", at) + 1
                continue
            end = text.find("-->", at + 4)
            if end < 0 or "--!>" in text[at:end]:
                return first
            at = end + 3
        elif found := _LEADING.match(text, at):
            tag = text[at] == "<" and found[0][-1] != ">"
            at = _tag_end(text, found.end()) if tag else found.end()
        elif found := _SKIPPED.match(text, at):
            closed = re.compile(f"</{found[1]}", re.IGNORECASE).search(text, found.end())
            at = _tag_end(text, closed.end()) if closed else -1
        elif re.match(r"<body\b", text[at : at + 6], re.IGNORECASE):
            at = _tag_end(text, at + 5)
            return at if at >= 0 else first
        else:
            return at
        if at < 0:
            return first
    return first if at > len(text) else at


def _tag_end(text: str, at: int) -> int:
    """The position behind the ">" that ends a tag, quoted attributes passed over; -1 where there is none."""
    while at < len(text):
        char = text[at]
        if char == ">":
            return at + 1
        if char in "\"'":
            at = text.find(char, at + 1)
            if at < 0:
                return -1
        at += 1
    return -1


def _body_end(text: str) -> int:
    """Before the closing tags of the document, or its end."""
    found = re.search(r"</body\s*>\s*(?:</html\s*>)?\s*\Z", text[-200:], re.IGNORECASE)
    if found is None:
        found = re.search(r"</html\s*>\s*\Z", text[-200:], re.IGNORECASE)
    return max(0, len(text) - 200) + found.start() if found else len(text)
