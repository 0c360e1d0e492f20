"""MeetingResponse: accepting, tentatively accepting or declining a meeting (MS-ASCMD 2.2.1.11).

Up to 14.1 the client mails its answer to the organiser itself; from 16.0 on the server does, where `Reply` asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum

from ...errors import MalformedResponse, UsageError
from .. import status, tree
from ..versions import Version
from ..wbxml import Node

NAME = "MeetingResponse"
MAX_REQUESTS = 100
"""Answers of one request that a server takes unless it is set up otherwise (MS-ASCMD 3.1.5.10)."""


class UserResponse(IntEnum):
    """UserResponse (MS-ASCMD 2.2.3.193.1)."""

    ACCEPT = 1
    TENTATIVE = 2
    DECLINE = 3


@dataclass(frozen=True, slots=True)
class Reply:
    """The mail that the server sends to the organiser (16.0 on). `body` may be empty; `html` tells its form.

    `proposed`: another time, aware start and end (16.1).
    """

    body: str = ""
    html: bool = False
    proposed: tuple[datetime, datetime] | None = None


@dataclass(frozen=True, slots=True)
class MeetingAnswer:
    """One answer: to a request by its place (`collection_id`, `server_id`) or by the `long_id` of a search.

    `instance`: the start of one meeting of a series (from 14.1 on); None answers for all. `reply` None: no mail.
    """

    response: UserResponse
    collection_id: str = ""
    server_id: str = ""
    long_id: str = ""
    instance: datetime | None = None
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class MeetingResult:
    """What became of one answer. `calendar_id` is the event's ServerId, "" for a declined meeting.

    `waits`: the server has not taken it yet (`status` 0); it is kept, and goes with the next synchronisation.
    """

    status: int
    server_id: str = ""
    calendar_id: str = ""
    name: str = ""
    action: str = "ok"
    """Advice of the status table: "stop_item" is for good, "retry_later" may be tried again."""
    waits: bool = False


def build(answers: Sequence[MeetingAnswer], version: Version) -> Node:
    """The request. Raises `UsageError` for what the version, or any server, does not take."""
    if not 1 <= len(answers) <= MAX_REQUESTS:
        raise UsageError(f"one request answers 1 to {MAX_REQUESTS} meetings")
    return (f"{NAME}:{NAME}", [_request(answer, version) for answer in answers])


def _request(answer: MeetingAnswer, version: Version) -> Node:
    if bool(answer.long_id) == bool(answer.collection_id and answer.server_id):
        raise UsageError("a meeting is named by its folder and id, or by the long id of a search, and not by both")
    parts: list[Node] = [(f"{NAME}:UserResponse", str(int(answer.response)))]
    if answer.long_id:
        parts.append(("Search:LongId", answer.long_id))
    else:
        parts += [(f"{NAME}:CollectionId", answer.collection_id), (f"{NAME}:RequestId", answer.server_id)]
    if answer.instance is not None:
        if version.code < 141:
            raise UsageError("one meeting of a series is answered from ActiveSync 14.1 on; answer for the whole series")
        parts.append((f"{NAME}:InstanceId", _dashed(answer.instance)))
    if answer.reply is not None and version.code >= 160:
        parts.append((f"{NAME}:SendResponse", _reply(answer.reply, version) or None))
    return (f"{NAME}:Request", parts)


def _reply(reply: Reply, version: Version) -> list[Node]:
    nodes: list[Node] = []
    if reply.body:
        body: list[Node] = [("AirSyncBase:Type", "2" if reply.html else "1"), ("AirSyncBase:Data", reply.body)]
        nodes.append(("AirSyncBase:Body", body))
    if reply.proposed is not None:
        start, end = reply.proposed
        if version.code < 161:
            raise UsageError("another time is proposed from ActiveSync 16.1 on; write it into the reply")
        if start.tzinfo is None or end.tzinfo is None or end <= start:
            raise UsageError("a proposed time needs a start and a later end, both with a zone")
        for name, moment in (("ProposedStartTime", start), ("ProposedEndTime", end)):
            nodes.append((f"{NAME}:{name}", f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"))
    return nodes


def _dashed(moment: datetime) -> str:
    """``2010-04-08T18:16:00.000Z`` (MS-ASCMD_R3194)."""
    if moment.tzinfo is None:
        raise UsageError("the start of a meeting needs a zone")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(root: Node) -> list[MeetingResult]:
    """A result for each answer, in their order; each has its own status.

    Raises the error of a status for the whole command, or `MalformedResponse`.
    """
    tree.expect(root, f"{NAME}:{NAME}")
    code = tree.status(root, f"{NAME}:Status")
    if code not in (None, status.OK):
        raise status.error(NAME, code)
    results = [_result(node) for node in tree.each(root, f"{NAME}:Result")]
    if not results:
        raise MalformedResponse("MeetingResponse answered without a Result")
    return results


def _result(node: Node) -> MeetingResult:
    code = tree.status(node, f"{NAME}:Status")
    if code is None:
        raise MalformedResponse("MeetingResponse answered for a meeting without a Status")
    name, action = ("Success", "ok") if code == status.OK else status.describe(NAME, code)
    return MeetingResult(
        code, tree.text(node, f"{NAME}:RequestId"), tree.text(node, f"{NAME}:CalendarId"), name, action
    )
