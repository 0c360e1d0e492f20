"""MeetingResponse (MS-ASCMD 2.2.1.11): a meeting request, or from 14.1 on an event, accepted or declined."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from ...eas.wbxml import Node
from ...errors import NotFound
from ..context import Answer, Context, StatusError
from ..mailbox import MAIL_TYPES, Folder, Item
from ..meetings import Meeting, answer_mail, event_of, request_of
from ..mime import html_to_text
from ..pim import moment
from ..tree import as_text, child, every, number, text

MAX_REQUESTS = 100  # MS-ASCMD_R5649
DELETED, CALENDAR = 4, 8
_DASHED = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


class Refused(Exception):
    """One request fails with a Status of its own."""

    def __init__(self, status: int) -> None:
        super().__init__(f"Status {status}")
        self.status = status


def handle(context: Context) -> Answer:
    requests = every(context.tree, "MeetingResponse:Request")
    if not requests or len(requests) > MAX_REQUESTS:
        raise StatusError(103)
    results: list[Node] = []
    for request in requests:
        nodes: list[Node] = []
        request_id = text(request, "MeetingResponse:RequestId")
        if request_id:  # MS-ASCMD_R5374
            nodes.append(("MeetingResponse:RequestId", request_id))
        try:
            calendar_id = _respond(context, request)
            nodes.append(("MeetingResponse:Status", "1"))
            if calendar_id:
                nodes.append(("MeetingResponse:CalendarId", calendar_id))
        except Refused as refusal:
            nodes.append(("MeetingResponse:Status", str(refusal.status)))
        results.append(("MeetingResponse:Result", nodes))
    return Answer(tree=("MeetingResponse:MeetingResponse", results))


def _respond(context: Context, request: Node) -> str:
    """Carry out one answer; the event's id, "" for a declined meeting (MS-ASCMD_R837)."""
    response = number(request, "MeetingResponse:UserResponse")
    if response not in (1, 2, 3):
        raise Refused(2)
    folder, item = _find(context, request)
    meeting = request_of(context.mailbox.message(item)) if item.nodes is None else _event(context, folder, item)
    if meeting is None or meeting.organizer.lower() == context.user.email.lower():
        raise Refused(2)  # MS-ASCMD_R4183, R4184
    _check_instance(context, request, item, meeting)
    event = event_of(context.mailbox, meeting.uid)
    if event is None and response != 3:
        made = context.mailbox.add_item("Calendar", meeting.nodes(response))
        event = context.mailbox.find(made)[1]
    elif event is not None and response == 3:
        context.mailbox.delete(event.server_id)
        event = None
    elif event is not None:
        changed = [
            node for node in meeting.nodes(response) if node[0] in ("Calendar:BusyStatus", "Calendar:ResponseType")
        ]
        context.mailbox.change_item(event.server_id, changed)
    if item.nodes is None and folder.type != DELETED:
        context.mailbox.move(item.server_id, context.mailbox.by_type(DELETED).server_id)
    _mail(context, request, meeting, response)
    return event.server_id if event is not None else ""


def _find(context: Context, request: Node) -> tuple[Folder, Item]:
    """The mail or event that is meant (MS-ASCMD_R7036: by one of its two names)."""
    long_id, server_id = text(request, "Search:LongId"), text(request, "MeetingResponse:RequestId")
    if bool(long_id) == bool(server_id):
        raise Refused(2)
    try:
        mailbox = context.mailbox
        folder, item = mailbox.find_long(long_id) if long_id else mailbox.find(server_id)
    except NotFound:
        raise Refused(2) from None
    if server_id and folder.server_id != text(request, "MeetingResponse:CollectionId"):
        raise Refused(2)
    return folder, item


def _event(context: Context, folder: Folder, item: Item) -> Meeting | None:
    """An event of the calendar, which is answered from 14.1 on (MS-ASCMD_R6068, R7510)."""
    if folder.item_class != "Calendar" or context.version < 141 or folder.type in MAIL_TYPES:
        return None
    data: Node = ("", item.nodes or [])
    return Meeting(
        text(data, "Calendar:UID"),
        moment(text(data, "Calendar:StartTime")),
        moment(text(data, "Calendar:EndTime")),
        text(data, "Calendar:Subject"),
        organizer=text(data, "Calendar:OrganizerEmail"),
        recurs=child(data, "Calendar:Recurrence") is not None,
    )


def _check_instance(context: Context, request: Node, item: Item, meeting: Meeting) -> None:
    written = child(request, "MeetingResponse:InstanceId")
    if written is None:
        return
    value = as_text(written[1])
    if context.version < 141 or not value:
        raise Refused(2)  # MS-ASCMD_R6712, R4186
    if not _DASHED.match(value):
        raise Refused(104)  # MS-ASCMD_R3195
    if item.nodes is None:
        raise Refused(2)  # MS-ASCMD_R4185
    if not meeting.recurs:
        raise Refused(146)  # MS-ASCMD_R3196
    if datetime.fromisoformat(value).astimezone(UTC) < meeting.start:
        raise Refused(2)  # MS-ASCMD_R4186


def _mail(context: Context, request: Node, meeting: Meeting, response: int) -> None:
    """From 16.0 on the organiser is told where SendResponse asks for it (MS-ASCMD_R7113, R7114, R7115)."""
    wanted = child(request, "MeetingResponse:SendResponse")
    if wanted is None or context.version < 160 or not meeting.organizer:
        return
    body = child(wanted, "AirSyncBase:Body")
    written = text(body, "AirSyncBase:Data")
    if text(body, "AirSyncBase:Type") == "2":
        written = html_to_text(written)
    times = [text(wanted, f"MeetingResponse:Proposed{name}Time") for name in ("Start", "End")]
    proposed = (times[0], times[1]) if context.version >= 161 and all(times) else None
    now = context.exchange.clock()
    context.exchange.submit(answer_mail(context.user, meeting, response, now, written, proposed), [meeting.organizer])
