"""Text for the full-text index, and the same treatment for what is searched.

FTS5's ``unicode61`` knows words only where spaces are. Scripts written without them (Chinese, Japanese, Thai and their
neighbours) are split into characters, and a query for such a word becomes a phrase of characters.
"""

from __future__ import annotations

import re
import unicodedata
from html import unescape

from ..model.message import addresses

INDEX_LIMIT = 1 << 20
"""Characters of one body that are indexed: bounds the time a hostile body can cost."""

# Thai, Lao, Myanmar, Khmer; kana; CJK ideographs with extensions and compatibility forms; half-width kana
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U0003ffff"
)
_CHARACTER = re.compile(f"([{_UNSPACED}])")

_MARKUP = re.compile(r"<(script|style|head|title)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)", re.IGNORECASE | re.DOTALL)
_BREAK = re.compile(r"<(?:br|/p|/div|/tr|/li|/h[1-6]|/table|hr)\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")


def spaced(text: str) -> str:
    """`text` with blanks around every character of a script that is written without them."""
    return text if text.isascii() else _CHARACTER.sub(r" \1 ", text)


def address_of(header: str) -> str:
    """The address of the first mailbox of a header, folded; "" where there is none."""
    return next((folded(each.address.strip()) for each in addresses(header) if each.address), "")


def folded(text: str) -> str:
    """`text` without case and accents, for comparing; the index does the same to its words."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in apart if not unicodedata.combining(character))


def html_to_text(html: str) -> str:
    """Readable text of an HTML body for the index and for plain display, in linear time. It is not a sanitiser."""
    body = _MARKUP.sub(" ", html)
    body = _BREAK.sub("\n", body)
    body = _TAG.sub("", body)
    text = unescape(body)
    lines = (" ".join(line.split()) for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
