"""Small helpers over the codec's plain tuples."""

from __future__ import annotations

from ..eas.wbxml import Content, Node
from .mime import xml_text


def children(node: Node | None) -> list[Node]:
    """The child nodes; none of an empty element or of text."""
    content = node[1] if node is not None else None
    return content if isinstance(content, list) else []


def child(node: Node | None, tag: str) -> Node | None:
    """The first child of that tag."""
    for candidate in children(node):
        if candidate[0] == tag:
            return candidate
    return None


def every(node: Node | None, tag: str) -> list[Node]:
    """All children of that tag."""
    return [candidate for candidate in children(node) if candidate[0] == tag]


def as_text(content: Content) -> str:
    """Text content without what XML cannot hold; opaque values read as UTF-8, everything else is ""."""
    if isinstance(content, str):
        return xml_text(content)
    return xml_text(content.decode("utf-8", "replace")) if isinstance(content, bytes) else ""


def text(node: Node | None, tag: str, default: str = "") -> str:
    """Text of the first child of that tag."""
    found = child(node, tag)
    return as_text(found[1]) if found is not None else default


def integer(text: str) -> int | None:
    """A number of at most 18 digits; None for anything else."""
    text = text.strip()
    return int(text) if len(text) <= 18 and text.isascii() and text.isdecimal() else None


def number(node: Node | None, tag: str) -> int | None:
    """Number in the first child of that tag; None when absent or not a number."""
    return integer(text(node, tag))


def truth(node: Node | None, tag: str, default: bool) -> bool:
    """Boolean in the first child of that tag; an empty element is TRUE (MS-ASCMD 2.2.3.84)."""
    found = child(node, tag)
    if found is None:
        return default
    return as_text(found[1]).strip().lower() not in ("0", "false")


MAX_IDENTIFIER = 64  # characters of a SyncKey, CollectionId, ServerId or ClientId


def fits(text: str, least: int = 1, most: int = MAX_IDENTIFIER) -> bool:
    """Whether `text` may be echoed as an identifier; longer ones are no identifiers of anybody's."""
    return least <= len(text) <= most
