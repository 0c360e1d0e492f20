"""The Email class on the wire: one row a property (MS-ASEMAIL 2.2.2, MS-ASAIRS 2.2.2).

`PROPERTIES` maps a tag to the attribute of `Message` it fills and the function that reads it. A property without a
row is kept in `Message.extra` as it came. This is the hot path of a synchronisation: plain dict look-ups, no copies.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ...model.message import Attachment, Body, Message
from ..tree import octets, value
from ..wbxml import Content, Node, encode
from .rights import read_licence

Reader = Callable[[Content], Any]


def read_text(content: Content) -> str:
    """Text; bytes that were not UTF-8 become U+FFFD."""
    if content.__class__ is str:
        if content.isascii():
            return content
        return content.encode(errors="surrogateescape").decode(errors="replace")
    return value(("", content))


def read_integer(content: Content) -> int:
    """A number; an empty element is 0."""
    return int(content) if content.__class__ is str else int(value(("", content)) or 0)


def read_boolean(content: Content) -> bool:
    """MS-ASDTYPE 2.1: 1 or 0; an empty element counts as TRUE, as in requests; some servers write words."""
    written = value(("", content)).strip().lower()
    return written in ("1", "true", "")


def read_date(content: Content) -> datetime | None:
    """MS-ASDTYPE 2.3: ``2026-11-23T09:30:00.000Z``, or the compact form; None for an empty element."""
    written = value(("", content)).strip()
    if not written:
        return None
    moment = datetime.fromisoformat(written)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def read_octets(content: Content) -> bytes:
    return octets(("", content))


def read_flag(content: Content) -> int:
    """Status of the Flag container (MS-ASEMAIL 2.2.2.34); an empty Flag is no flag."""
    if isinstance(content, list):
        for tag, inner in content:
            if tag in ("Email:Status", "Email:FlagStatus"):
                return read_integer(inner)
    return 0


def read_categories(content: Content) -> tuple[str, ...]:
    if not isinstance(content, list):
        return ()
    return tuple(read_text(inner) for tag, inner in content if tag == "Email:Category")


def read_body(content: Content) -> Body:
    """AirSyncBase Body (MS-ASAIRS 2.2.2.10). Data may be inline or opaque; its bytes are kept as they are."""
    body_type, data, size, truncated = 1, b"", -1, False
    if isinstance(content, list):
        for tag, inner in content:
            if tag == "AirSyncBase:Data":
                data = octets((tag, inner))
            elif tag == "AirSyncBase:Type":
                body_type = read_integer(inner)
            elif tag == "AirSyncBase:EstimatedDataSize":
                size = read_integer(inner)
            elif tag == "AirSyncBase:Truncated":
                truncated = read_boolean(inner)
    return Body(body_type, data, len(data) if size < 0 else size, truncated)


_ATTACHMENT_ROWS: dict[str, tuple[str, Reader]] = {
    "AirSyncBase:FileReference": ("file_reference", read_text),
    "AirSyncBase:DisplayName": ("name", read_text),
    "AirSyncBase:EstimatedDataSize": ("size", read_integer),
    "AirSyncBase:Method": ("method", read_integer),
    "AirSyncBase:ContentId": ("content_id", read_text),
    "AirSyncBase:ContentLocation": ("content_location", read_text),
    "AirSyncBase:ContentType": ("content_type", read_text),
    "AirSyncBase:IsInline": ("inline", read_boolean),
    # 2.5: the Email namespace has its own
    "Email:AttName": ("file_reference", read_text),
    "Email:DisplayName": ("name", read_text),
    "Email:AttSize": ("size", read_integer),
    "Email:AttMethod": ("method", read_integer),
    "Email:Att0Id": ("content_id", read_text),
}


def read_attachments(content: Content) -> list[Attachment]:
    """AirSyncBase Attachments (MS-ASAIRS 2.2.2.8), or Email Attachments of 2.5."""
    found = []
    for _, inner in content if isinstance(content, list) else ():
        values: dict[str, Any] = {}
        for tag, part in inner if isinstance(inner, list) else ():
            row = _ATTACHMENT_ROWS.get(tag)
            if row is not None:
                values[row[0]] = row[1](part)
        if values.get("file_reference"):
            found.append(Attachment(**values))
    return found


PROPERTIES: dict[str, tuple[str, Reader]] = {
    "Email:Subject": ("subject", read_text),
    "Email:From": ("sender", read_text),
    "Email:To": ("to", read_text),
    "Email:Cc": ("cc", read_text),
    "Email2:Bcc": ("bcc", read_text),
    "Email:ReplyTo": ("reply_to", read_text),
    "Email:DisplayTo": ("display_to", read_text),
    "Email:DateReceived": ("received", read_date),
    "Email:Importance": ("importance", read_integer),
    "Email:Read": ("read", read_boolean),
    "Email:Flag": ("flag_status", read_flag),
    "Email:MessageClass": ("message_class", read_text),
    "Email:ContentClass": ("content_class", read_text),
    "Email:ThreadTopic": ("thread_topic", read_text),
    "Email:InternetCPID": ("internet_code_page", read_integer),
    "Email:Categories": ("categories", read_categories),
    "Email2:ConversationId": ("conversation_id", read_octets),
    "Email2:ConversationIndex": ("conversation_index", read_octets),
    "Email2:LastVerbExecuted": ("last_verb", read_integer),
    "Email2:IsDraft": ("draft", read_boolean),
    "RightsManagement:RightsManagementLicense": ("rights", read_licence),
    "AirSyncBase:NativeBodyType": ("native_body_type", read_integer),
    "AirSyncBase:Body": ("body", read_body),
    "AirSyncBase:Attachments": ("attachments", read_attachments),
    "Email:Attachments": ("attachments", read_attachments),
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
