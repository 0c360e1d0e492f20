"""The Email class on the wire: one row a property (MS-ASEMAIL 2.2.2, MS-ASAIRS 2.2.2).

`PROPERTIES` maps a tag to the attribute of `Message` it fills and the function that reads it. A property without a
row is kept in `Message.extra` as it came. This is the hot path of a synchronisation: plain dict look-ups, no copies.
"""

from __future__ import annotations

from typing import Any

from ...model.message import Body, Message
from ..tree import octets
from ..wbxml import Content, Node, encode
from .attachments import read_attachments
from .body import read_body
from .values import Reader, read_boolean, read_date, read_integer, read_octets, read_text


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
