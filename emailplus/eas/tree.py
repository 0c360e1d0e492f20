"""Reading a decoded WBXML tree: always by path from a known element, never by a flat search."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import MalformedResponse
from .wbxml import TEXT, Node


def children(node: Node | None) -> list[Node]:
    """The child elements; none for text, opaque or an empty element."""
    return node[1] if node is not None and isinstance(node[1], list) else []


def child(node: Node | None, tag: str) -> Node | None:
    """The first child with that tag."""
    for candidate in children(node):
        if candidate[0] == tag:
            return candidate
    return None


def each(node: Node | None, tag: str) -> Iterator[Node]:
    """The children with that tag."""
    return (candidate for candidate in children(node) if candidate[0] == tag)


def descend(node: Node | None, *tags: str) -> Node | None:
    """The node at the end of a path of tags."""
    for tag in tags:
        node = child(node, tag)
    return node


def value(node: Node | None) -> str:
    """Text of a node; opaque data read as UTF-8, "" for an empty or absent element."""
    if node is None or node[1] is None:
        return ""
    content = node[1]
    if isinstance(content, str):
        return content
    return octets(node).decode(errors="replace")


def octets(node: Node | None) -> bytes:
    """Bytes of a node, whichever way the server wrote them: OPAQUE, inline text or both in pieces."""
    if node is None or node[1] is None:
        return b""
    content = node[1]
    if isinstance(content, bytes):
        return content
    if isinstance(content, str):
        return content.encode(errors="surrogateescape")
    return b"".join(octets(piece) for piece in content if piece[0] == TEXT)


def text(node: Node | None, *tags: str) -> str:
    """Text at the end of a path, "" where there is none."""
    return value(descend(node, *tags)).strip()


def status(node: Node | None, *tags: str) -> int | None:
    """A Status at the end of a path; None where the server left it out. Raises `MalformedResponse`."""
    written = text(node, *tags)
    if not written:
        return None
    try:
        return int(written)
    except ValueError:
        raise MalformedResponse(f"Status is not a number: {written[:20]!r}") from None


def number(node: Node | None, *tags: str) -> int | None:
    """A number at the end of a path; None where there is none, or something else stands there."""
    written = text(node, *tags)
    return int(written) if written.isascii() and written.isdigit() and len(written) <= 18 else None


def expect(root: Node, tag: str) -> Node:
    """The root, if it is the element that was asked for. Raises `MalformedResponse`."""
    if root[0] != tag:
        raise MalformedResponse(f"the answer is a {root[0]} where {tag} belongs")
    return root
