"""MoveItems (MS-ASCMD 2.2.1.12): items from one folder to another, each with a status of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .. import status, tree
from ..wbxml import Node

NAME = "MoveItems"

SOURCE_INVALID, TARGET_INVALID, MOVED, SAME_FOLDER, FAILED, LOCKED = 1, 2, 3, 4, 5, 7
"""Status of a Response (MS-ASCMD 2.2.3.177.10): here 1 is no success."""


@dataclass(frozen=True, slots=True)
class Move:
    """One item to be moved: SrcMsgId, SrcFldId, DstFldId."""

    item: str
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of one item; `new_id` is its DstMsgId where it was moved."""

    item: str
    status: int
    new_id: str = ""


def build(moves: Sequence[Move]) -> Node:
    """The request for all `moves`."""
    return (
        f"Move:{NAME}",
        [
            (
                "Move:Move",
                [("Move:SrcMsgId", move.item), ("Move:SrcFldId", move.source), ("Move:DstFldId", move.target)],
            )
            for move in moves
        ],
    )


def parse(root: Node) -> list[Moved]:
    """One result a move. Raises the error of a status for the whole command, or `MalformedResponse`."""
    tree.expect(root, f"Move:{NAME}")
    code = tree.status(root, "Move:Status")
    if code not in (None, MOVED):
        raise status.error(NAME, code)
    return [
        Moved(
            tree.text(node, "Move:SrcMsgId"),
            tree.status(node, "Move:Status") or FAILED,
            tree.text(node, "Move:DstMsgId"),
        )
        for node in tree.each(root, "Move:Response")
    ]
