"""A second reading of ActiveSync XML, and random trees: what the codec is compared with.

The reading goes through ElementTree and knows nothing of `emailplus.eas.wbxml_xml`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection
from typing import Any
from xml.etree import ElementTree

from hypothesis import strategies as st

from emailplus.eas.code_pages import ALIASES, NAMESPACES, TAG_NAMES
from emailplus.eas.wbxml import TEXT, Content, Node
from tests.shared import shared


def vectors(name: str = "wbxml.json") -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(shared("spec", "eas", "vectors", name).read_text())
    return entries


def tree_of_xml(xml: str, opaque: Collection[str] = ()) -> Node:
    """The node of a published XML document; the text of the tags in `opaque` is base64 of an opaque value.

    Its line ends stay as they are, which an XML parser would not do by itself. Older writers end a namespace in a
    colon, and some write Gal for GAL.
    """
    return _node(ElementTree.fromstring(xml.replace("\r", "&#13;").encode()), opaque)


def _node(element: ElementTree.Element, opaque: Collection[str]) -> Node:
    namespace, _, name = element.tag[1:].partition("}")
    namespace = namespace.removesuffix(":")
    tag = f"{'GAL' if namespace == 'Gal' else namespace}:{name}"
    tag = ALIASES.get(tag, tag)
    if len(element):
        assert not (element.text or "").strip(), "mixed content in a published document"
        return tag, [_node(child, opaque) for child in element]
    if tag in opaque:
        return tag, base64.b64decode(element.text or "")
    return tag, element.text


def without_empty_texts(node: Node) -> Node:
    """The tree with "" and None made one, as XML does not tell them apart."""
    tag, content = node
    if isinstance(content, list):
        return tag, [without_empty_texts(child) for child in content]
    return tag, content or None


_TAGS = [
    TAG_NAMES.get((page, token), f"{namespace}:0x{token:02X}")
    for page, namespace in enumerate(NAMESPACES)
    for token in range(0x05, 0x40)
]


def _numbered(number: int) -> str:
    return _TAGS[number]


tags = st.integers(0, len(_TAGS) - 1).map(_numbered)
"""All tags, those without a row in the code pages included."""

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
"""Text that WBXML carries: everything but NUL and lone surrogates."""


def escaped_bytes(data: bytes) -> str:
    return data.replace(b"\0", b"").decode(errors="surrogateescape")


foreign_texts = st.binary(max_size=12).map(escaped_bytes)
"""What `decode` makes of inline strings that are not UTF-8."""

leaves: st.SearchStrategy[Content] = st.one_of(st.none(), texts, foreign_texts, st.binary(max_size=200))
_loose = st.tuples(st.just(TEXT), st.one_of(texts, st.binary(max_size=20)))


def _as_decoded(children: list[Node]) -> bool:
    """Whether `decode` makes such a list: never an empty one, lone text or a run of texts."""
    return any(tag != TEXT for tag, _ in children) or (
        len(children) > 1 and any(isinstance(content, bytes) for _, content in children)
    )


def _extend(nodes: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    plain = st.lists(nodes, min_size=1, max_size=6)
    mixed = st.lists(st.one_of(nodes, _loose), min_size=1, max_size=6).filter(_as_decoded)
    return st.tuples(tags, st.one_of(plain, mixed))


nodes: st.SearchStrategy[Node] = st.recursive(st.tuples(tags, leaves), _extend, max_leaves=25)
"""Trees in the very form that `decode` gives."""
