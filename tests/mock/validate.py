"""Trees against the published schemas, by libxml2: the second opinion on what the mock and its clients say."""

from __future__ import annotations

import base64
from functools import cache
from typing import Any

from lxml import etree

from emailplus.eas.wbxml import Node

from ..shared import root, shared

AVAILABLE = root.is_dir()
"""Without the reference data answers are not validated; `test_schema` says so by being skipped."""

UNTIL_121 = {"AirSync:Collection": "AirSync:Class", "GetItemEstimate:Collection": "GetItemEstimate:Class"}
"""Children that 2.5 to 12.1 have and the (16.1) schemas do not: MS-ASCMD_R6319, R6313."""


@cache
def schema(name: str) -> Any:
    return etree.XMLSchema(etree.parse(str(shared("spec", "eas", "xsd", f"{name}.xsd"))))


def to_xml(node: Node) -> Any:
    """The XML a WBXML tree stands for; opaque values as base64."""
    tag, content = node
    namespace, _, name = tag.partition(":")
    element = etree.Element(f"{{{namespace}}}{name}")
    if isinstance(content, str):
        element.text = content
    elif isinstance(content, bytes):
        element.text = base64.b64encode(content).decode()
    elif content is not None:
        for child in content:
            element.append(to_xml(child))
    return element


def problems(tree: Node, version: str, kind: str = "Response") -> list[str]:
    """What the schema of an answer (or request) says against a tree."""
    number = int(version.replace(".", ""))
    if number <= 121:
        tree = _without_old(tree, number)
    command = tree[0].partition(":")[2]
    command = "GetHierarchy" if command == "Folders" else command
    validator = schema(command + kind)
    try:
        document = to_xml(tree)
    except ValueError as error:
        return [f"{command}: {error}"]
    if validator.validate(document):
        return []
    return [f"{error.path}: {error.message}" for error in validator.error_log]


def _without_old(node: Node, version: int) -> Node:
    tag, content = node
    if version == 25 and tag == "Provision:Policy" and isinstance(content, list):
        # Data is text (WAP XML) in 2.5; the schema knows EASProvisionDoc alone (MS-ASPROV_R965).
        content = [child for child in content if child[0] != "Provision:Data"]
    if isinstance(content, list):
        dropped = UNTIL_121.get(tag)
        return tag, [_without_old(child, version) for child in content if child[0] != dropped]
    return tag, content
