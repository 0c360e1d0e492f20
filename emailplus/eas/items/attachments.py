"""Announced attachments on the wire (MS-ASAIRS 2.2.2.8; Email Attachments of 2.5)."""

from __future__ import annotations

from typing import Any

from ...model.message import Attachment
from ..wbxml import Content, Node
from .values import Reader, read_boolean, read_integer, read_text

_ROWS: dict[str, tuple[str, Reader]] = {
    "AirSyncBase:FileReference": ("file_reference", read_text),
    "AirSyncBase:DisplayName": ("name", read_text),
    "AirSyncBase:EstimatedDataSize": ("size", read_integer),
    "AirSyncBase:Method": ("method", read_integer),
    "AirSyncBase:ContentId": ("content_id", read_text),
    "AirSyncBase:ContentLocation": ("content_location", read_text),
    "AirSyncBase:ContentType": ("content_type", read_text),
    "AirSyncBase:IsInline": ("inline", read_boolean),
    "Email2:UmAttDuration": ("voice_seconds", read_integer),
    "Email2:UmAttOrder": ("voice_order", read_integer),
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
            row = _ROWS.get(tag)
            if row is not None:
                values[row[0]] = row[1](part)
        if values.get("file_reference"):
            found.append(Attachment(**values))
    return found


def write_old_attachments(attachments: list[Attachment], version: int, request: bool) -> Content:
    """Email Attachments, as a server of 2.5 writes them."""
    nodes: list[Node] = [
        (
            "Email:Attachment",
            [
                ("Email:AttName", attachment.file_reference),
                ("Email:DisplayName", attachment.name or None),
                ("Email:AttSize", str(attachment.size)),
                ("Email:AttMethod", str(attachment.method)),
                *([("Email:Att0Id", attachment.content_id)] if attachment.content_id else []),
            ],
        )
        for attachment in attachments
    ]
    return nodes or None
