"""What a request does against the schema: rules that hold at run time, without the published XSD files."""

from __future__ import annotations

from ..eas.wbxml import TEXT, Node
from .versions import tag_valid

ORDER: dict[str, tuple[str, ...]] = {
    "AirSync:Sync": ("Collections", "Wait", "HeartbeatInterval", "WindowSize", "Partial"),
    "AirSync:Collection": (
        "Class", "SyncKey", "CollectionId", "Supported", "DeletesAsMoves", "GetChanges", "WindowSize",
        "ConversationMode", "Options", "Commands",
    ),
}  # fmt: skip
"""Parent -> its children in the order of the xs:sequence (MS-ASCMD_R976); Class stands first below 14.0."""


def check(command: str, tree: Node, version: int) -> list[str]:
    """Everything a request's tree does against the schema of its version, as readable lines."""
    del command
    problems: list[str] = []
    stack = [tree]
    while stack:
        tag, content = stack.pop()
        if tag == TEXT:
            continue
        if not tag_valid(tag, version):
            problems.append(f"{tag} is not in version {version / 10:.1f}")
        if isinstance(content, list):
            stack += content
            order = ORDER.get(tag)
            if order is not None:
                problems += _out_of_order(tag, content, order)
    return problems


def _out_of_order(tag: str, content: list[Node], order: tuple[str, ...]) -> list[str]:
    problems = []
    last = -1
    for name, _ in content:
        local = name.partition(":")[2]
        if local not in order:
            problems.append(f"{name} cannot stand in {tag}")
            continue
        place = order.index(local)
        if place < last:
            problems.append(f"{name} stands too late in {tag}")
        last = max(last, place)
    return problems
