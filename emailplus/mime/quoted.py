"""What of an original's HTML stands in an answer: the safe form of it, since what we send on carries our name."""

from __future__ import annotations

import re

from ..errors import UsageError
from .sanitise import Choice, sanitise

_CONTENT_ID = re.compile(r"""cid:([^"'\s<>)]{1,900})""", re.IGNORECASE)


def quotable(html: str) -> str:
    """`html` without scripts, forms, frames and tracking pictures; "" where nothing is left, or it cannot be read.

    Pictures inside the text keep their Content-ID, remote ones their address. "" also where the extra `html` is not
    installed: the plain text is quoted then, nothing goes out unread.
    """
    if not html.strip():
        return ""
    inside = {name.lower(): f"cid:{name}" for name in _CONTENT_ID.findall(html)}
    try:
        return sanitise(html, Choice(pictures=True, inline=inside)).markup
    except UsageError:
        return ""
