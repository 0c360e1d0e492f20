"""Pictures that came with the message, as data: addresses for its HTML. Nothing is fetched and nothing is converted."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from urllib.parse import unquote

MAX_PICTURE = 6 << 20
MAX_TOGETHER = 24 << 20
"""Bytes of one inline picture, and of all of them; what is larger stays an attachment."""

_USED = re.compile(r"""\bsrc\s*=\s*["']?\s*((?:cid:)?[^"'\s>]{1,1000})""", re.IGNORECASE)

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"), (b"BM", "image/bmp"),
)  # fmt: skip


def raster_type(data: bytes) -> str:
    """The type that the bytes themselves say; "" where they are no picture that is shown (SVG is a program)."""
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            return kind
    return "image/webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else ""


def inline_pictures(html: str, resources: Mapping[str, Callable[[], bytes]]) -> tuple[dict[str, str], list[str]]:
    """Content-ID or location (lower case) -> data: address, for those that `html` names; and what was too large.

    `resources` has the same keys and gives the bytes when called.
    """
    found: dict[str, str] = {}
    problems: list[str] = []
    if not resources:
        return found, problems
    together = 0
    tried: set[str] = set()
    for written in _USED.findall(html):
        key = written.lower().removeprefix("cid:")
        for candidate in (key, unquote(key)):
            load = resources.get(candidate)
            if load is None or key in found or candidate in tried:
                continue
            tried.add(candidate)
            data = load()
            kind = raster_type(data[:16])
            if not kind:
                continue
            if len(data) > MAX_PICTURE or together + len(data) > MAX_TOGETHER:
                problems.append("a picture in the text is too large to be shown in its place; it is an attachment")
                continue
            together += len(data)
            found[key] = f"data:{kind};base64,{b64encode(data).decode()}"
    return found, list(dict.fromkeys(problems))
