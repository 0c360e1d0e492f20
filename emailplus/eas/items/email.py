"""The Email class on the wire: one row a property (MS-ASEMAIL 2.2.2, MS-ASAIRS 2.2.2).

`PROPERTIES` maps a tag to the attribute of `Message` it fills and the function that reads it. A property without a
row is kept in `Message.extra` as it came. This is the hot path of a synchronisation: plain dict look-ups, no copies.
"""

from __future__ import annotations

from typing import Any

from ...model.message import Attachment, Body, Message
from ..tree import octets
from ..wbxml import Content, Node, encode
from .attachments import read_attachments, write_old_attachments
from .body import read_body
from .calendar import write_attachments
from .meeting import read_flag, read_meeting, write_flag, write_meeting
from .rights import read_licence
from .values import (
    Reader,
    Row,
    read_boolean,
    read_date,
    read_integer,
    read_octets,
    read_text,
    write_boolean,
    write_date,
    write_integer,
    write_list,
    write_octets,
    write_text,
)


def read_categories(content: Content) -> tuple[str, ...]:
    if not isinstance(content, list):
        return ()
    return tuple(read_text(inner) for tag, inner in content if tag == "Email:Category")


def read_body_part(content: Content) -> Body | None:
    """BodyPart (MS-ASAIRS 2.2.2.13); None where the server could not make it (Status 176)."""
    nodes = content if isinstance(content, list) else []
    if any(tag == "AirSyncBase:Status" and inner != "1" for tag, inner in nodes):
        return None
    return read_body(content)


def _write_body(body: Body | None) -> Content:
    """A body as a server writes it."""
    if body is None:
        return None
    nodes: list[Node] = [("AirSyncBase:Type", str(body.type)), ("AirSyncBase:EstimatedDataSize", str(body.size))]
    if body.truncated:
        nodes.append(("AirSyncBase:Truncated", "1"))
    return [*nodes, ("AirSyncBase:Data", body.data or None)]


def _write_body_part(body: Body | None) -> Content:
    written = _write_body(body)
    return [("AirSyncBase:Status", "1"), *written] if isinstance(written, list) else None


def _write_attachments(attachments: list[Attachment], version: int, request: bool) -> Content:
    return write_attachments(tuple(attachments), version, request)


_write_categories = write_list("Email:Category")

ROWS: tuple[Row, ...] = (
    Row("Email:Subject", "subject", read_text, write_text),
    Row("Email:From", "sender", read_text, write_text),
    Row("Email:To", "to", read_text, write_text),
    Row("Email:Cc", "cc", read_text, write_text),
    Row("Email2:Bcc", "bcc", read_text, write_text, since=160),
    Row("Email:ReplyTo", "reply_to", read_text, write_text),
    Row("Email:DisplayTo", "display_to", read_text, write_text),
    Row("Email:DateReceived", "received", read_date, write_date),
    Row("Email:Importance", "importance", read_integer, write_integer),
    Row("Email:Read", "read", read_boolean, write_boolean),
    Row("Email:Flag", "flag", read_flag, None, since=120, compose=write_flag),
    Row("Email:MessageClass", "message_class", read_text, write_text),
    Row("Email:ContentClass", "content_class", read_text, write_text, since=120),
    Row("Email:ThreadTopic", "thread_topic", read_text, write_text),
    Row("Email:InternetCPID", "internet_code_page", read_integer, write_integer),
    Row("Email:Categories", "categories", read_categories, _write_categories, since=140),
    Row("Email:MeetingRequest", "meeting", read_meeting, None, compose=write_meeting),
    Row("Email2:ConversationId", "conversation_id", read_octets, write_octets, since=140),
    Row("Email2:ConversationIndex", "conversation_index", read_octets, write_octets, since=140),
    Row("Email2:LastVerbExecuted", "last_verb", read_integer, write_integer, since=140),
    Row("Email2:LastVerbExecutionTime", "last_verb_time", read_date, write_date, since=140),
    Row("Email2:ReceivedAsBcc", "received_as_bcc", read_boolean, write_boolean, since=140),
    Row("Email2:Sender", "actual_sender", read_text, write_text, since=140),
    Row("Email2:AccountId", "account_id", read_text, write_text, since=141),
    Row("Email2:UmCallerID", "caller_id", read_text, write_text, since=140),
    Row("Email2:UmUserNotes", "voice_notes", read_text, write_text, since=140),
    Row("Email2:IsDraft", "draft", read_boolean, write_boolean, since=160),
    Row("AirSyncBase:NativeBodyType", "native_body_type", read_integer, write_integer, since=120),
    Row("AirSyncBase:Body", "body", read_body, _write_body, since=120),
    Row("AirSyncBase:BodyPart", "body_part", read_body_part, _write_body_part, since=141),
    Row("AirSyncBase:Attachments", "attachments", read_attachments, None, since=120, compose=_write_attachments),
    Row("Email:Attachments", "attachments", read_attachments, None, until=25, compose=write_old_attachments),
)
"""The table. What a client changes of a mail is written by `emailplus.eas.commands.mail_changes`."""

PROPERTIES: dict[str, tuple[str, Reader]] = {
    **{row.tag: (row.attribute, row.read) for row in ROWS},
    "RightsManagement:RightsManagementLicense": ("rights", read_licence),  # only servers write it
}

_LEGACY_BODY = frozenset(
    {
        "Email:Body",
        "Email:BodySize",
        "Email:BodyTruncated",
        "Email:MIMEData",
        "Email:MIMESize",
        "Email:MIMETruncated",
    }
)


def _legacy_body(nodes: list[Node]) -> Body | None:
    """The body of 2.5: plain text in Email:Body, or MIME in Email:MIMEData (MS-ASEMAIL 2.2.2.9, .47)."""
    parts = {tag: content for tag, content in nodes if tag in _LEGACY_BODY}
    if parts.get("Email:MIMEData") is not None or "Email:MIMESize" in parts:
        form, data_tag, size_tag, cut_tag = 4, "Email:MIMEData", "Email:MIMESize", "Email:MIMETruncated"
    else:
        form, data_tag, size_tag, cut_tag = 1, "Email:Body", "Email:BodySize", "Email:BodyTruncated"
    data = octets(("", parts.get(data_tag)))
    size = read_integer(parts[size_tag]) if size_tag in parts else len(data)
    return Body(form, data, size, cut_tag in parts and read_boolean(parts[cut_tag]))


def read_properties(nodes: list[Node]) -> dict[str, Any]:
    """Attributes of `Message` for the properties that are there, and only those.

    Raises `ValueError` or `TypeError` for a value that cannot be one (the item is quarantined).
    """
    values: dict[str, Any] = {}
    extra: list[Node] = []
    legacy = False
    rows = PROPERTIES
    for node in nodes:
        row = rows.get(node[0])
        if row is not None:
            values[row[0]] = row[1](node[1])
        elif node[0] in _LEGACY_BODY:
            legacy = True
        else:
            extra.append(node)
    if legacy:
        values["body"] = _legacy_body(nodes)
    if "flag" in values:
        flag = values["flag"]
        values["flag_status"] = flag.status if flag is not None else 0
    body = values.get("body")
    if body is not None:
        preview = _preview(nodes)
        if preview:
            values["preview"] = preview
    if extra:
        values["extra"] = encode(("AirSync:ApplicationData", extra))
    return values


def _preview(nodes: list[Node]) -> str:
    """AirSyncBase Preview (MS-ASAIRS 2.2.2.35) stands inside Body, from 14.0 on."""
    for tag, content in nodes:
        if tag == "AirSyncBase:Body" and isinstance(content, list):
            for inner_tag, inner in content:
                if inner_tag == "AirSyncBase:Preview":
                    return read_text(inner)
    return ""


def read_message(server_id: str, nodes: list[Node]) -> Message:
    """A whole message. Raises as `read_properties`."""
    message = Message.__new__(Message)
    values = read_properties(nodes)
    values["server_id"] = server_id
    if "attachments" not in values:
        values["attachments"] = []
    message.__dict__.update(values)
    return message
