"""HTML as plain text, and plain text as HTML.

linear(html)     for the index and as the last resort: one pass of regular expressions, any input, linear time
readable(safe)   for people: sanitised markup with links, quotes, lists and table rows kept apart
to_html(text)    plain text for a page: escaped, links made, line ends kept
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape, unescape
from typing import Any

from .disguise import address as web_address


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_MARKUP = re.compile(r"<(script|style|head|title)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)", re.IGNORECASE | re.DOTALL)
_BREAK = re.compile(r"<(?:br|/p|/div|/tr|/li|/h[1-6]|/table|hr)\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_BLANK_LINES = re.compile(r"\n{3,}")

_BLOCKS = _words(
    "address article aside blockquote center dd details div dl dt figcaption figure footer h1 h2 h3 h4 h5 h6 header hr "
    "li main menu nav ol p pre section summary table tbody tfoot thead tr ul"
)
_APART = _words("blockquote dl h1 h2 h3 h4 h5 h6 ol p pre table ul")
"""A blank line stands before and after them."""

_URL = re.compile(r"""\b(https?://[^\s<>"'\u201c\u201d]{1,2000}|www\.[^\s<>"']{1,2000})""", re.IGNORECASE)
_AFTER_URL = ".,;:!?)]}"


def linear(html: str) -> str:
    """Readable text of an HTML body, in linear time. It is not a sanitiser."""
    body = _MARKUP.sub(" ", html)
    body = _BREAK.sub("\n", body)
    body = _TAG.sub("", body)
    text = unescape(body)
    lines = (" ".join(line.split()) for line in text.splitlines())
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()


def readable(markup: str) -> str:
    """Text of sanitised markup (`sanitise.SafeHtml.markup`): what it links to stands behind a link, a quotation has
    ``> `` before its lines, a list its marks, a table a line for each row. Without selectolax: `linear`."""
    try:
        from selectolax.lexbor import LexborHTMLParser
    except ImportError:
        return linear(markup)
    body = LexborHTMLParser(markup).body
    if body is None:
        return ""
    return _Writer().run(body)


class _Writer:
    """Walks the tree without recursion; text is gathered in lines with the prefix of the quotations around them."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.line = ""
        self.quotes = 0
        self.literal = 0
        self.lists: list[int | None] = []

    def run(self, root: Any) -> str:
        stack: list[tuple[Any, bool]] = [(root, False)]
        while stack:
            node, leaving = stack.pop()
            if leaving:
                self._leave(node)
                continue
            tag = node.tag
            if tag == "-text":
                self._text(node.text_content or "")
                continue
            if tag.startswith("-") or not self._enter(node, tag):
                continue
            stack.append((node, True))
            children = []
            child = node.child
            while child is not None:
                children.append(child)
                child = child.next
            stack.extend((child, False) for child in reversed(children))
        self._end_line()
        return _BLANK_LINES.sub("\n\n", "\n".join(self.lines)).strip("\n")

    def _enter(self, node: Any, tag: str) -> bool:
        if tag == "br":
            self._end_line(always=True)
            return False
        if tag == "img":
            self._text(node.attributes.get("alt") or "")
            return False
        if tag in _BLOCKS:
            self._end_line()
            if tag in _APART and not self.lists:
                self._blank_line()
        if tag == "hr":
            self.line = "-" * 20
            self._end_line()
        elif tag == "blockquote":
            self.quotes += 1
        elif tag == "pre":
            self.literal += 1
        elif tag in ("ul", "ol", "menu"):
            self.lists.append(0 if tag == "ol" else None)
        elif tag == "li":
            self._mark()
        elif tag in ("td", "th") and self.line.strip():
            self.line += "  "
        return True

    def _mark(self) -> None:
        indent = "  " * max(0, len(self.lists) - 1)
        if self.lists and self.lists[-1] is not None:
            number = (self.lists[-1] or 0) + 1
            self.lists[-1] = number
            self.line = f"{indent}{number}. "
        else:
            self.line = f"{indent}- "

    def _leave(self, node: Any) -> None:
        tag = node.tag
        if tag == "a":
            address = node.attributes.get("href") or ""
            shown = (node.text() or "").strip()
            bare = address.partition(":")[2].lstrip("/")
            if (
                address
                and not address.startswith("#")
                and shown.rstrip("/") not in (address.rstrip("/"), bare.rstrip("/"))
            ):
                self.line += f" <{address}>"
        if tag in _BLOCKS:
            self._end_line()
        if tag in ("ul", "ol", "menu") and self.lists:
            self.lists.pop()
        if tag == "blockquote":
            self.quotes -= 1
        elif tag == "pre":
            self.literal -= 1
        if tag in _APART and not self.lists:
            self._blank_line()

    def _text(self, text: str) -> None:
        if self.literal:
            first, *others = text.split("\n")
            self.line += first
            for other in others:
                self._end_line(always=True)
                self.line = other
            return
        words = " ".join(text.split())
        if not words:
            if text and self.line and not self.line.endswith(" "):
                self.line += " "
            return
        if text[0].isspace() and self.line and not self.line.endswith(" "):
            words = f" {words}"
        self.line += f"{words} " if text[-1].isspace() else words

    def _end_line(self, always: bool = False) -> None:
        if self.line.strip() or always:
            self.lines.append("> " * self.quotes + self.line.rstrip())
        self.line = ""

    def _blank_line(self) -> None:
        blank = ("> " * self.quotes).rstrip()
        if self.lines and self.lines[-1].strip("> "):
            self.lines.append(blank)
        elif self.lines and len(blank) < len(self.lines[-1]):
            self.lines[-1] = blank  # a quotation ended: the blank line is no part of it


def to_html(text: str, link: Callable[[str], str | None] | None = None) -> str:
    """`text` as a fragment that shows it as written. `link` says where an address leads; None: nowhere."""
    out = []
    at = 0
    for match in _URL.finditer(text):
        url = match[1].rstrip(_AFTER_URL)
        start, end = match.start(), match.start() + len(url)
        address = web_address(url if "://" in url else f"http://{url}")
        target = address if link is None else link(address)
        out.append(escape(text[at:start]))
        if target:
            out.append(f'<a href="{escape(target)}" rel="noopener noreferrer">{escape(url)}</a>')
        else:
            out.append(escape(url))
        at = end
    out.append(escape(text[at:]))
    return f'<div class="text">{"".join(out)}</div>'


def unflowed(text: str, delete_space: bool = False) -> str:
    """``format=flowed`` text with its paragraphs joined (RFC 3676 4.2): a line that ends in a blank goes on."""
    out: list[str] = []
    open_depth = -1
    for line in text.split("\n"):
        line = line.rstrip("\r")
        depth = len(line) - len(line.lstrip(">"))
        content = line[depth:]
        content = content.removeprefix(" ")
        flows = content.endswith(" ") and content != "-- "
        if flows and delete_space:
            content = content[:-1]
        quoted = ">" * depth + " " if depth else ""
        if open_depth == depth and out and content != "-- ":
            out[-1] += content
        else:
            out.append(quoted + content)
        open_depth = depth if flows else -1
    return "\n".join(out)
