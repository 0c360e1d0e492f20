"""Plain text of markup, for the index, for plain display and for protocols that have only text."""

from __future__ import annotations

import re
from html import unescape

_MARKUP = re.compile(r"<(script|style|head|title)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)", re.IGNORECASE | re.DOTALL)
_BREAK = re.compile(r"<(?:br|/p|/div|/tr|/li|/h[1-6]|/table|hr)\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")


def html_to_text(html: str) -> str:
    """Readable text of an HTML body for the index and for plain display, in linear time. It is not a sanitiser."""
    body = _MARKUP.sub(" ", html)
    body = _BREAK.sub("\n", body)
    body = _TAG.sub("", body)
    text = unescape(body)
    lines = (" ".join(line.split()) for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
