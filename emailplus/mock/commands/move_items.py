"""MoveItems (MS-ASCMD 2.2.1.12)."""

from __future__ import annotations

from ...eas.wbxml import Node
from ..context import Answer, Context, StatusError
from ..tree import every, fits, text


def handle(context: Context) -> Answer:
    moves = every(context.tree, "Move:Move")
    if not moves:
        raise StatusError(103)
    return Answer(tree=("Move:MoveItems", [_move(context, move) for move in moves]))


def _move(context: Context, move: Node) -> Node:
    message, source, target = (text(move, f"Move:{name}") for name in ("SrcMsgId", "SrcFldId", "DstFldId"))
    if not fits(message):
        raise StatusError(103)
    answer: list[Node] = [("Move:SrcMsgId", message)]
    folder = context.mailbox.folders.get(source)
    if folder is None or message not in folder.items:
        return ("Move:Response", [*answer, ("Move:Status", "1")])
    if len(every(move, "Move:DstFldId")) > 1:
        return ("Move:Response", [*answer, ("Move:Status", "5")])
    if target not in context.mailbox.folders:
        return ("Move:Response", [*answer, ("Move:Status", "2")])
    if target == source:
        return ("Move:Response", [*answer, ("Move:Status", "4")])
    moved = context.mailbox.move(message, target)
    return ("Move:Response", [*answer, ("Move:Status", "3"), ("Move:DstMsgId", moved)])
