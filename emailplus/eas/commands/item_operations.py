"""ItemOperations Fetch: whole bodies and attachments (MS-ASCMD 2.2.1.10)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

from ...policy.body_preference import BodyRequest
from .. import status, tree
from ..wbxml import Node
from .sync import body_preferences

NAME = "ItemOperations"
LAST_BYTE = 999_999_999
"""End of a Range that means the rest: the schema allows nine digits."""


@dataclass(frozen=True, slots=True)
class FetchedAttachment:
    """One attachment of an answer. `status` other than 1: `data` is empty."""

    file_reference: str
    status: int
    content_type: str
    data: bytes


def build_attachments(file_references: Sequence[str], first_byte: int = 0) -> Node:
    """Fetch attachments; `first_byte` other than 0 asks for the rest from there on (Range, MS-ASCMD 2.2.3.143.1)."""
    return (f"{NAME}:{NAME}", [_attachment(reference, first_byte) for reference in file_references])


def _attachment(file_reference: str, first_byte: int) -> Node:
    parts: list[Node] = [(f"{NAME}:Store", "Mailbox"), ("AirSyncBase:FileReference", file_reference)]
    if first_byte:
        parts.append((f"{NAME}:Options", [(f"{NAME}:Range", f"{first_byte}-{LAST_BYTE}")]))
    return (f"{NAME}:Fetch", parts)


def build_body(collection_id: str, server_id: str, body: BodyRequest) -> Node:
    """Fetch one message with its whole body."""
    options: list[Node] = [("AirSync:MIMESupport", str(body.mime_support)), *body_preferences(body)]
    parts: list[Node] = [
        (f"{NAME}:Store", "Mailbox"),
        ("AirSync:CollectionId", collection_id),
        ("AirSync:ServerId", server_id),
        (f"{NAME}:Options", options),
    ]
    return (f"{NAME}:{NAME}", [(f"{NAME}:Fetch", parts)])


def parse_attachments(root: Node) -> list[FetchedAttachment]:
    """Every attachment of an answer with inline data. Raises the error of a status for the whole command."""
    tree.expect(root, f"{NAME}:{NAME}")
    code = tree.status(root, f"{NAME}:Status")
    if code not in (None, status.OK, 17):
        raise status.error(NAME, code)
    return [_fetched(node) for node in tree.each(tree.child(root, f"{NAME}:Response"), f"{NAME}:Fetch")]


def _fetched(node: Node) -> FetchedAttachment:
    code = tree.status(node, f"{NAME}:Status") or status.OK
    properties = tree.child(node, f"{NAME}:Properties")
    content_type = tree.text(properties, "AirSyncBase:ContentType")
    reference = tree.text(node, "AirSyncBase:FileReference")
    written = tree.child(properties, f"{NAME}:Data")
    if code == 10:  # the file is empty
        return FetchedAttachment(reference, status.OK, content_type, b"")
    if code != status.OK:
        return FetchedAttachment(reference, code, content_type, b"")
    if written is not None and isinstance(written[1], bytes):
        return FetchedAttachment(reference, code, content_type, written[1])
    try:
        data = base64.b64decode(tree.octets(written).translate(None, b"\r\n\t "), validate=True)
    except (binascii.Error, ValueError):
        return FetchedAttachment(reference, 15, content_type, b"")  # SOGo answers "(null)" with status 1
    return FetchedAttachment(reference, code, content_type, data)


def parse_body(root: Node) -> bytes | None:
    """The body of a single fetched message; None where the server does not give it. Raises as `parse_attachments`."""
    tree.expect(root, f"{NAME}:{NAME}")
    code = tree.status(root, f"{NAME}:Status")
    if code not in (None, status.OK, 17):
        raise status.error(NAME, code)
    fetched = tree.descend(root, f"{NAME}:Response", f"{NAME}:Fetch")
    if (tree.status(fetched, f"{NAME}:Status") or status.OK) != status.OK:
        return None
    data = tree.descend(fetched, f"{NAME}:Properties", "AirSyncBase:Body", "AirSyncBase:Data")
    return tree.octets(data) if data is not None else None
