"""Ping: being told when something changes in a folder (MS-ASCMD 2.2.1.13)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import MalformedResponse, UsageError
from .. import status, tree
from ..wbxml import Node

NAME = "Ping"
EXPIRED, CHANGES, HEARTBEAT, TOO_MANY, HIERARCHY = 1, 2, 5, 6, 7
"""Statuses that are answers, not errors (MS-ASCMD 2.2.3.177.11)."""


@dataclass(frozen=True, slots=True)
class PingAnswer:
    """One answer. `changed` holds CollectionIds; `heartbeat` and `max_folders` are the server's own, where it told."""

    status: int
    changed: tuple[str, ...] = ()
    heartbeat: int | None = None
    max_folders: int | None = None


def build(heartbeat: int, folders: Sequence[tuple[str, str]]) -> Node:
    """Wait up to `heartbeat` seconds for changes in `folders`, pairs of CollectionId and class.

    Raises `UsageError` for no folder, or a folder twice (MS-ASCMD_R6699).
    """
    if not folders or len({identity for identity, _ in folders}) != len(folders):
        raise UsageError("a Ping names at least one folder, and none twice")
    nodes: list[Node] = [
        (f"{NAME}:Folder", [(f"{NAME}:Id", identity), (f"{NAME}:Class", item_class)])
        for identity, item_class in folders
    ]
    parts: list[Node] = [(f"{NAME}:HeartbeatInterval", str(heartbeat)), (f"{NAME}:Folders", nodes)]
    return (f"{NAME}:{NAME}", parts)


def parse(root: Node) -> PingAnswer:
    """Raises the error of a status that is none of the five answers, or `MalformedResponse`."""
    tree.expect(root, f"{NAME}:{NAME}")
    code = tree.status(root, f"{NAME}:Status")
    if code is None:
        raise MalformedResponse("Ping answered without a Status")
    if code not in (EXPIRED, CHANGES, HEARTBEAT, TOO_MANY, HIERARCHY):
        raise status.error(NAME, code)
    found = [tree.value(node).strip() for node in tree.each(tree.child(root, f"{NAME}:Folders"), f"{NAME}:Folder")]
    changed = tuple(dict.fromkeys(filter(None, found)))
    if code == CHANGES and not changed:
        raise MalformedResponse("Ping tells of changes but names no folder")
    answer = PingAnswer(
        code, changed, tree.number(root, f"{NAME}:HeartbeatInterval"), tree.number(root, f"{NAME}:MaxFolders")
    )
    if (code == HEARTBEAT and not answer.heartbeat) or (code == TOO_MANY and not answer.max_folders):
        raise MalformedResponse("Ping refuses the request's bounds but names none of its own")
    return answer
