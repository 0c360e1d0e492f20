"""The example messages of MS-ASCMD, as the trees that their WBXML would give."""

from __future__ import annotations

from typing import Any

from lxml import etree

from emailplus.eas.code_pages import ALIASES, OPAQUE_TAGS
from emailplus.eas.wbxml import Node

from ..shared import shared


def example(number: int, kind: str) -> Node:
    """One of the 101 examples by its number; skips where the reference data is absent."""
    folder = shared("spec", "eas", "examples")
    (path,) = folder.glob(f"{number:03d}-*-{kind}.xml")
    return from_xml(etree.parse(str(path)).getroot())


def from_xml(element: Any) -> Node:
    """A tree from XML with namespaces; text without the white space around it."""
    name = etree.QName(element)
    tag = f"{name.namespace}:{name.localname}"
    tag = ALIASES.get(tag, tag)
    if len(element):
        return tag, [from_xml(child) for child in element if isinstance(child.tag, str)]
    text = (element.text or "").strip()
    if tag in OPAQUE_TAGS and text:
        return tag, text.encode()
    return tag, text or None
