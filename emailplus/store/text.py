"""Text for the full-text index, and the same treatment for what is searched.

FTS5's ``unicode61`` knows words only where spaces are. Scripts written without them (Chinese, Japanese, Thai and their
neighbours) are split into characters, and a query for such a word becomes a phrase of characters.
"""

from __future__ import annotations

import re
import unicodedata

from ..mime.plain import html_to_text

__all__ = ["INDEX_LIMIT", "folded", "html_to_text", "spaced"]

from ..model.message import addresses

INDEX_LIMIT = 1 << 20
"""Characters of one body that are indexed: bounds the time a hostile body can cost."""

# Thai, Lao, Myanmar, Khmer; kana; CJK ideographs with extensions and compatibility forms; half-width kana
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U0003ffff"
)
_CHARACTER = re.compile(f"([{_UNSPACED}])")


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
