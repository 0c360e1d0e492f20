"""Ids, change keys, watermarks and sync states: opaque to a client, and each bound to its mailbox."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import Any

from .soap import Refused


def _pack(kind: str, *fields: object) -> str:
    return base64.b64encode("\0".join((kind, *map(str, fields))).encode()).decode()


def _unpack(kind: str, text: str, count: int, code: str) -> list[str]:
    try:
        parts = base64.b64decode(text, validate=True).decode().split("\0")
    except (binascii.Error, ValueError):
        raise Refused(code, "Id is malformed.") from None
    if parts[0] != kind or len(parts) != count + 1:
        raise Refused(code, "Id is malformed.")
    return parts[1:]


def item_id(email: str, server_id: str) -> str:
    return _pack("item", email, server_id)


def read_item_id(text: str) -> tuple[str, str]:
    """Mailbox and server id. Raises `Refused`."""
    email, server_id = _unpack("item", text, 2, "ErrorInvalidIdMalformed")
    return email, server_id


def folder_id(email: str, server_id: str) -> str:
    return _pack("folder", email, server_id)


def read_folder_id(text: str) -> tuple[str, str]:
    """Mailbox and server id of a folder. Raises `Refused`."""
    email, server_id = _unpack("folder", text, 2, "ErrorInvalidIdMalformed")
    return email, server_id


def attachment_id(email: str, server_id: str, reference: str) -> str:
    return _pack("attachment", email, server_id, reference)


def read_attachment_id(text: str) -> tuple[str, str, str]:
    """Mailbox, server id of the item, and which of its attachments. Raises `Refused`."""
    email, server_id, reference = _unpack("attachment", text, 3, "ErrorInvalidAttachmentId")
    return email, server_id, reference


def change_key(version: int) -> str:
    return base64.b64encode(b"\x09\0\0\0" + version.to_bytes(8, "big")).decode()


def watermark(email: str, epoch: int, number: int) -> str:
    return _pack("mark", email, epoch, number)


def read_watermark(text: str, email: str, epoch: int) -> int:
    """The number of the event. Raises `Refused`."""
    owner, told, number = _unpack("mark", text, 3, "ErrorInvalidWatermark")
    if owner != email or told != str(epoch) or not number.isdecimal():
        raise Refused("ErrorInvalidWatermark", "The watermark used for creating this subscription was not found.")
    return int(number)


def sync_state(email: str, epoch: int, folder: str, number: int) -> str:
    return _pack("sync", email, epoch, folder, number)


def read_sync_state(text: str, email: str, epoch: int, folder: str) -> int:
    """How much of a folder's log the client knows. Raises `Refused`."""
    owner, told, of, number = _unpack("sync", text, 4, "ErrorInvalidSyncStateData")
    if (owner, told, of) != (email, str(epoch), folder) or not number.isdecimal():
        raise Refused("ErrorInvalidSyncStateData", "Synchronization state data is corrupt or otherwise invalid.")
    return int(number)


def hierarchy_state(email: str, epoch: int, folders: dict[str, list[str]]) -> str:
    packed = zlib.compress(json.dumps([email, epoch, folders]).encode())
    return base64.b64encode(packed).decode()


def read_hierarchy_state(text: str, email: str, epoch: int) -> dict[str, list[str]]:
    """The folders a client knows. Raises `Refused`."""
    refused = Refused("ErrorInvalidSyncStateData", "Synchronization state data is corrupt or otherwise invalid.")
    try:
        reader = zlib.decompressobj()
        document: Any = json.loads(reader.decompress(base64.b64decode(text, validate=True), 1 << 20))
    except (binascii.Error, zlib.error, ValueError):
        raise refused from None
    if not isinstance(document, list) or document[:2] != [email, epoch] or not isinstance(document[-1], dict):
        raise refused
    known: dict[str, list[str]] = document[2]
    return known
