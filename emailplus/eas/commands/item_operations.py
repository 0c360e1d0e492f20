"""ItemOperations: bodies, attachments, found mail and documents fetched, folders emptied, conversations moved
(MS-ASCMD 2.2.1.10). From 12.0 on."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import MalformedResponse, UsageError
from ...model.message import Message
from ...policy.body_preference import BodyPreference, BodyRequest
from .. import status, tree
from ..wbxml import Node
from .search import Credentials, read_found, span
from .sync import body_preferences

NAME = "ItemOperations"
LAST_BYTE = 999_999_999
"""End of a Range that means the rest: the schema allows nine digits."""
EMPTY_FILE = 10
"""Status: the file has no bytes."""


@dataclass(frozen=True, slots=True)
class FetchedAttachment:
    """One attachment of an answer. `status` other than 1: `data` is empty."""

    file_reference: str
    status: int
    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class FetchedItem:
    """One item of an answer. `message` is None where `status` is not 1, or where it cannot be read."""

    status: int
    collection_id: str
    server_id: str
    long_id: str
    item_class: str
    message: Message | None


@dataclass(frozen=True, slots=True)
class FetchedDocument:
    """A piece of a document: `data` from byte `first` of `total` on; `version` changes when the document does."""

    data: bytes
    first: int
    total: int | None
    version: str


def build_attachments(file_references: Sequence[str], first_byte: int = 0, *, rights: bool = False) -> Node:
    """Fetch attachments; `first_byte` other than 0 asks for the rest from there on (Range, MS-ASCMD 2.2.3.143.1).

    `rights`: those of protected mail are to be opened (MS-ASRM 2.2.2.15).
    """
    return (f"{NAME}:{NAME}", [_attachment(reference, first_byte, rights) for reference in file_references])


def _attachment(file_reference: str, first_byte: int, rights: bool) -> Node:
    parts: list[Node] = [(f"{NAME}:Store", "Mailbox"), ("AirSyncBase:FileReference", file_reference)]
    options: list[Node] = []
    if first_byte:
        options.append((f"{NAME}:Range", f"{first_byte}-{LAST_BYTE}"))
    if rights:
        options.append(("RightsManagement:RightsManagementSupport", "1"))
    if options:
        parts.append((f"{NAME}:Options", options))
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


def build_unprotected(collection_id: str, server_id: str, body: BodyRequest) -> Node:
    """Fetch one message and take its protection off (MS-ASRM 2.2.2.11). From 14.1 on."""
    tag, fetches = build_body(collection_id, server_id, body)
    assert isinstance(fetches, list)
    name, parts = fetches[0]
    assert isinstance(parts, list)
    return (tag, [(name, [*parts, ("RightsManagement:RemoveRightsManagementProtection", None)])])


def build_found(long_id: str, body: BodyRequest) -> Node:
    """Fetch a mail by the LongId that Search gave (MS-ASCMD 2.2.3.98.2)."""
    options: list[Node] = [("AirSync:MIMESupport", str(body.mime_support)), *body_preferences(body)]
    parts: list[Node] = [(f"{NAME}:Store", "Mailbox"), ("Search:LongId", long_id), (f"{NAME}:Options", options)]
    return (f"{NAME}:{NAME}", [(f"{NAME}:Fetch", parts)])


def build_document(link_id: str, first: int, last: int, credentials: Credentials | None = None) -> Node:
    """Fetch the bytes `first` to `last` of a document (MS-ASCMD 2.2.3.143.2). Raises `UsageError` for no range."""
    if not 0 <= first <= last <= LAST_BYTE:
        raise UsageError(f"bytes are numbered from 0 to {LAST_BYTE}, the first before the last")
    options: list[Node] = [(f"{NAME}:Range", f"{first}-{last}")]
    if credentials is not None:
        options += credentials.nodes(NAME)
    parts: list[Node] = [
        (f"{NAME}:Store", "DocumentLibrary"),
        ("DocumentLibrary:LinkId", link_id),
        (f"{NAME}:Options", options),
    ]
    return (f"{NAME}:{NAME}", [(f"{NAME}:Fetch", parts)])


@dataclass(frozen=True, slots=True)
class FetchedHead:
    """The beginning of one message as MIME. `status` other than 1, or no MIME: `data` is empty."""

    server_id: str
    status: int
    data: bytes
    truncated: bool


def build_heads(messages: Sequence[tuple[str, str]], size: int) -> Node:
    """Fetch the first `size` bytes of each (CollectionId, ServerId) as MIME: its header fields."""
    options: list[Node] = [("AirSync:MIMESupport", "2"), *body_preferences(BodyRequest((BodyPreference(4, size),), 2))]
    fetches: list[Node] = [
        (
            f"{NAME}:Fetch",
            [
                (f"{NAME}:Store", "Mailbox"),
                ("AirSync:CollectionId", collection_id),
                ("AirSync:ServerId", server_id),
                (f"{NAME}:Options", options),
            ],
        )
        for collection_id, server_id in messages
    ]
    return (f"{NAME}:{NAME}", fetches)


def parse_heads(root: Node) -> list[FetchedHead]:
    """Every answer to `build_heads`. Raises the error of a status for the whole command."""
    tree.expect(root, f"{NAME}:{NAME}")
    code = tree.status(root, f"{NAME}:Status")
    if code not in (None, status.OK, 17):
        raise status.error(NAME, code)
    return [_fetched_head(node) for node in tree.each(tree.child(root, f"{NAME}:Response"), f"{NAME}:Fetch")]


def _fetched_head(node: Node) -> FetchedHead:
    body = tree.child(tree.child(node, f"{NAME}:Properties"), "AirSyncBase:Body")
    data = tree.child(body, "AirSyncBase:Data")
    mime = data is not None and tree.text(body, "AirSyncBase:Type").strip() == "4"
    return FetchedHead(
        tree.text(node, "AirSync:ServerId"),
        tree.status(node, f"{NAME}:Status") or status.OK,
        tree.octets(data) if mime else b"",
        tree.text(body, "AirSyncBase:Truncated").strip() in ("1", "true"),
    )


def parse_attachments(root: Node) -> list[FetchedAttachment]:
    """Every attachment of an answer with inline data. Raises the error of a status for the whole command."""
    return [_fetched(node) for node in tree.each(_response(root), f"{NAME}:Fetch")]


def _response(root: Node) -> Node | None:
    """What an answer says of its operations. Raises the error of a status for the whole command."""
    tree.expect(root, f"{NAME}:{NAME}")
    code = tree.status(root, f"{NAME}:Status")
    if code not in (None, status.OK, 17):
        raise status.error(NAME, code)
    return tree.child(root, f"{NAME}:Response")


def _operation(root: Node, name: str) -> Node:
    """The answer of the one operation that was asked for. Raises the error of its status, or `MalformedResponse`."""
    node = tree.child(_response(root), f"{NAME}:{name}")
    if node is None:
        raise MalformedResponse(f"ItemOperations answered without {name}")
    code = tree.status(node, f"{NAME}:Status")
    if code not in (None, status.OK):
        raise status.error(NAME, code)
    return node


def parse_item(root: Node) -> FetchedItem:
    """The one mail that was fetched. Raises the error of a status, or `MalformedResponse`."""
    node = _operation(root, "Fetch")
    server_id = tree.text(node, "AirSync:ServerId")
    message = read_found(server_id, tree.children(tree.child(node, f"{NAME}:Properties")))
    return FetchedItem(
        status.OK,
        tree.text(node, "AirSync:CollectionId"),
        server_id,
        tree.text(node, "Search:LongId"),
        tree.text(node, "AirSync:Class") or "Email",
        message,
    )


def parse_document(root: Node) -> FetchedDocument:
    """A piece of a document. An empty document (status 10) has no bytes. Raises as `parse_item`."""
    fetch = tree.child(_response(root), f"{NAME}:Fetch")
    if tree.status(fetch, f"{NAME}:Status") == EMPTY_FILE:
        return FetchedDocument(b"", 0, 0, "")
    properties = tree.child(_operation(root, "Fetch"), f"{NAME}:Properties")
    data = _data(tree.child(properties, f"{NAME}:Data"))
    if data is None:
        raise MalformedResponse("ItemOperations sent a document that is no base64")
    first, _ = span(tree.text(properties, f"{NAME}:Range"), 1)
    return FetchedDocument(
        data, first, tree.number(properties, f"{NAME}:Total"), tree.text(properties, f"{NAME}:Version")
    )


def _fetched(node: Node) -> FetchedAttachment:
    code = tree.status(node, f"{NAME}:Status") or status.OK
    properties = tree.child(node, f"{NAME}:Properties")
    content_type = tree.text(properties, "AirSyncBase:ContentType")
    reference = tree.text(node, "AirSyncBase:FileReference")
    written = tree.child(properties, f"{NAME}:Data")
    if code == EMPTY_FILE:
        return FetchedAttachment(reference, status.OK, content_type, b"")
    if code != status.OK:
        return FetchedAttachment(reference, code, content_type, b"")
    data = _data(written)
    if data is None:
        return FetchedAttachment(reference, 15, content_type, b"")  # SOGo answers "(null)" with status 1
    return FetchedAttachment(reference, code, content_type, data)


def _data(written: Node | None) -> bytes | None:
    """Bytes of a Data element: opaque as they are, text as base64; None where it is none."""
    if written is not None and isinstance(written[1], bytes):
        return written[1]
    try:
        return base64.b64decode(tree.octets(written).translate(None, b"\r\n\t "), validate=True)
    except (binascii.Error, ValueError):
        return None


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


def build_empty_folder(collection_id: str, *, subfolders: bool = False) -> Node:
    """Delete everything in a folder for good, with its subfolders if wanted (MS-ASCMD 2.2.3.59). From 12.0 on."""
    parts: list[Node] = [("AirSync:CollectionId", collection_id)]
    if subfolders:
        parts.append((f"{NAME}:Options", [(f"{NAME}:DeleteSubFolders", None)]))
    return (f"{NAME}:{NAME}", [(f"{NAME}:EmptyFolderContents", parts)])


def build_move(conversation_id: bytes, target: str, *, always: bool = True) -> Node:
    """Move a conversation, and what comes of it later while `always` (MS-ASCMD 2.2.3.117.1). From 14.0 on."""
    parts: list[Node] = [(f"{NAME}:ConversationId", conversation_id), (f"{NAME}:DstFldId", target)]
    if always:
        parts.append((f"{NAME}:Options", [(f"{NAME}:MoveAlways", None)]))
    return (f"{NAME}:{NAME}", [(f"{NAME}:Move", parts)])


def parse_operation(root: Node, operation: str) -> int:
    """Status of the one EmptyFolderContents or Move of an answer.

    Raises as `parse_attachments`, and `MalformedResponse` for an answer that says nothing of it: that is no success.
    """
    node = tree.child(_response(root), f"{NAME}:{operation}")
    code = tree.status(node, f"{NAME}:Status")
    if node is None or code is None:
        raise MalformedResponse(f"ItemOperations answered without the outcome of {operation}")
    return code
