"""MeetingResponse (MS-ASCMD 2.2.1.11): the mock keeps no calendar, so every request is an invalid one (Status 2)."""

from __future__ import annotations

from ...eas.wbxml import Node
from ..context import Answer, Context, StatusError
from ..tree import every, text


def handle(context: Context) -> Answer:
    requests = every(context.tree, "MeetingResponse:Request")
    if not requests:
        raise StatusError(103)
    results: list[Node] = []
    for request in requests:
        nodes: list[Node] = []
        request_id = text(request, "MeetingResponse:RequestId")
        if request_id:
            nodes.append(("MeetingResponse:RequestId", request_id))
        results.append(("MeetingResponse:Result", [*nodes, ("MeetingResponse:Status", "2")]))
    return Answer(tree=("MeetingResponse:MeetingResponse", results))
