"""ItemOperations (MS-ASCMD 2.2.1.10): fetching items and attachments, inline or multipart, whole or a range."""

from __future__ import annotations

import base64
import re
from urllib.parse import unquote

from ...eas.wbxml import Node
from ...errors import NotFound
from ..context import Answer, Context, StatusError, item_options
from ..items import conversation_id, email_properties
from ..mailbox import MAIL_TYPES
from ..pim import properties
from ..rights import NOT_PERMITTED, sealed
from ..tree import child, children, text

MAX_OPERATIONS = 100  # MS-ASCMD_R7489
_RANGE = re.compile(r"^(\d{1,9})-(\d{1,9})$")
SENT = 5
"""Folder type of Sent Items (MS-ASCMD 2.2.3.186.3)."""


def handle(context: Context) -> Answer:
    if not children(context.tree):
        raise StatusError(2)
    if len(children(context.tree)) > MAX_OPERATIONS:
        raise StatusError(11)  # MS-ASCMD_R7490
    parts: list[bytes] | None = [] if context.multipart else None
    answers: list[Node] = []
    for operation in children(context.tree):
        name = operation[0].partition(":")[2]
        if name == "Fetch":
            answers.append(_fetch(context, operation, parts))
        elif name == "EmptyFolderContents":
            answers.append(_empty_folder(context, operation))
        elif name == "Move" and context.version >= 140:
            answers.append(_move(context, operation))
        else:
            raise StatusError(2)
    order = {"ItemOperations:Move": 0, "ItemOperations:EmptyFolderContents": 1, "ItemOperations:Fetch": 2}
    answers.sort(key=lambda node: order.get(node[0], 3))
    tree: Node = (
        "ItemOperations:ItemOperations",
        [("ItemOperations:Status", "1"), ("ItemOperations:Response", answers)],
    )
    return Answer(tree=tree, parts=parts)


def _fetch(context: Context, operation: Node, parts: list[bytes] | None) -> Node:
    store = text(operation, "ItemOperations:Store")
    if _foreign_option(operation, "DeleteSubFolders", "MoveAlways"):
        return ("ItemOperations:Fetch", [("ItemOperations:Status", "2")])
    reference = child(operation, "AirSyncBase:FileReference")
    if store.lower() == "documentlibrary":
        return _fetch_document(context, operation, parts)
    if store.lower() != "mailbox":
        return ("ItemOperations:Fetch", [("ItemOperations:Status", "9")])
    if reference is not None:
        return _fetch_attachment(context, text(operation, "AirSyncBase:FileReference"), operation, parts)
    long_id = text(operation, "Search:LongId")
    server_id = text(operation, "AirSync:ServerId")
    identity: list[Node] = (
        [("Search:LongId", long_id)]
        if long_id
        else [
            ("AirSync:CollectionId", text(operation, "AirSync:CollectionId")),
            ("AirSync:ServerId", server_id),
        ]
    )
    try:
        folder, item = context.mailbox.find_long(long_id) if long_id else context.mailbox.find(server_id)
        if not long_id and folder.server_id != text(operation, "AirSync:CollectionId"):
            raise NotFound("the item is in another folder")
    except NotFound:
        return ("ItemOperations:Fetch", [("ItemOperations:Status", "6"), *identity])
    options = item_options(child(operation, "ItemOperations:Options"))
    if child(operation, "RightsManagement:RemoveRightsManagementProtection") is not None and item.licence is not None:
        if not item.licence.export:  # MS-ASRM_R94
            return ("ItemOperations:Fetch", [("ItemOperations:Status", str(NOT_PERMITTED)), *identity])
        context.mailbox.protect(item.server_id, None)
    if item.nodes is not None:
        shown = properties(item.nodes, folder.item_class, options, context.version)
    else:
        message = context.mailbox.message(item)
        shown = email_properties(item, message, options, context.version, parts, user=context.user.email)
    return (
        "ItemOperations:Fetch",
        [
            ("ItemOperations:Status", "1"),
            *identity,
            ("AirSync:Class", folder.item_class),
            ("ItemOperations:Properties", shown),
        ],
    )


def _fetch_document(context: Context, operation: Node, parts: list[bytes] | None) -> Node:
    """A document, whole or a range of it (MS-ASCMD 2.2.3.143.2); UserName and Password where the library asks."""
    link = text(operation, "DocumentLibrary:LinkId").strip()
    identity: Node = ("DocumentLibrary:LinkId", link)
    options = child(operation, "ItemOperations:Options")
    library = context.exchange.library
    user, password = text(options, "ItemOperations:UserName"), text(options, "ItemOperations:Password")
    status = {14: 18}.get(found := library.status(link, user, password), found)
    document = library.content(link) if not status else None
    if document is None or document.content is None:
        return ("ItemOperations:Fetch", [("ItemOperations:Status", str(status or 6)), identity])
    if not document.content:
        return ("ItemOperations:Fetch", [("ItemOperations:Status", "10"), identity])
    data = document.content
    properties: list[Node] = []
    wanted = text(options, "ItemOperations:Range")
    if wanted:
        limits = _RANGE.match(wanted)
        first, last = (int(limits[1]), int(limits[2])) if limits else (1, 0)
        if last < first or first >= len(data):
            return ("ItemOperations:Fetch", [("ItemOperations:Status", "8"), identity])
        data = data[first : last + 1]
        properties.append(("ItemOperations:Range", f"{first}-{first + len(data) - 1}"))
        properties.append(("ItemOperations:Total", str(len(document.content))))
    if parts is None:
        properties.append(("ItemOperations:Data", base64.b64encode(data).decode()))
    else:
        parts.append(data)
        properties.append(("ItemOperations:Part", str(len(parts))))
    properties.append(("ItemOperations:Version", document.modified.isoformat().replace("+00:00", "Z")))
    return (
        "ItemOperations:Fetch",
        [("ItemOperations:Status", "1"), identity, ("ItemOperations:Properties", properties)],
    )


def _fetch_attachment(context: Context, reference: str, operation: Node, parts: list[bytes] | None) -> Node:
    identity: Node = ("AirSyncBase:FileReference", reference)
    opened = item_options(child(operation, "ItemOperations:Options")).rights and context.version >= 141
    found = find_attachment(context, reference, opened=opened)
    if found is None:
        return ("ItemOperations:Fetch", [("ItemOperations:Status", "15"), identity])
    data, kind = found
    described: list[Node] = []
    wanted = text(child(operation, "ItemOperations:Options"), "ItemOperations:Range")
    if wanted:
        limits = _RANGE.match(wanted)
        first, last = (int(limits.group(1)), int(limits.group(2))) if limits else (1, 0)
        if last < first or first >= max(len(data), 1):
            return ("ItemOperations:Fetch", [("ItemOperations:Status", "8"), identity])
        total = len(data)
        data = data[first : last + 1]
        described.append(("ItemOperations:Range", f"{first}-{first + len(data) - 1 if data else first}"))
        described.append(("ItemOperations:Total", str(total)))
    described.append(("AirSyncBase:ContentType", kind))
    if parts is None:
        described.append(("ItemOperations:Data", base64.b64encode(data).decode()))
    else:
        parts.append(data)
        described.append(("ItemOperations:Part", str(len(parts))))
    return (
        "ItemOperations:Fetch",
        [("ItemOperations:Status", "1"), identity, ("ItemOperations:Properties", described)],
    )


def find_attachment(context: Context, reference: str, *, opened: bool = False) -> tuple[bytes, str] | None:
    """Bytes and content type of an attachment by its FileReference; None when there is none.

    `opened`: of protected mail those inside; else it has only the wrapper's.
    """
    server_id, _, index = unquote(reference).rpartition(":")
    try:
        _, item = context.mailbox.find(server_id)
    except NotFound:
        return None
    if item.nodes is not None:
        data = next((data for name, data in item.files.items() if unquote(name) == unquote(reference)), None)
        return (data, "application/octet-stream") if data is not None else None
    message = context.mailbox.message(item)
    if item.licence is not None and not opened:
        message = sealed(message)
    parts = message.attachments()
    if not index.isdecimal() or int(index) >= len(parts):
        return None
    part = parts[int(index)]
    if message.stands_for_all(part):
        return message.raw, "application/pkcs7-mime" if not part.children else "multipart/signed"
    return message.content(part), part.content_type


def _foreign_option(operation: Node, *names: str) -> bool:
    """Whether Options holds one that belongs to another operation (MS-ASCMD_R3547)."""
    options = child(operation, "ItemOperations:Options")
    return any(child(options, f"ItemOperations:{name}") is not None for name in names)


def _move(context: Context, operation: Node) -> Node:
    """Move of a conversation (MS-ASCON 3.2.5.3): every message of it to one folder, but for what was sent."""
    wanted = child(operation, "ItemOperations:ConversationId")
    if wanted is None or isinstance(wanted[1], list):
        raise StatusError(2)
    identity = wanted[1]
    status = "1"
    target = context.mailbox.folders.get(text(operation, "ItemOperations:DstFldId"))
    if not _foreign_option(operation, "MoveAlways"):
        status = "155"  # MS-ASCMD_R3475
    elif target is None or target.type not in MAIL_TYPES:
        status = "156"
    else:
        members = [
            item.server_id
            for folder, item in context.mailbox.walk()
            if folder is not target
            and folder.type != SENT
            and conversation_id(context.mailbox.message(item)) == identity
        ]
        for server_id in members:
            context.mailbox.move(server_id, target.server_id)
        if members and isinstance(identity, bytes):
            context.mailbox.always_move(identity, target.server_id, conversation_id)
        if not members:
            status = "6"
    echo: Node = ("ItemOperations:ConversationId", identity)
    return ("ItemOperations:Move", [("ItemOperations:Status", status), echo])


def _empty_folder(context: Context, operation: Node) -> Node:
    collection_id = text(operation, "AirSync:CollectionId")
    identity: Node = ("AirSync:CollectionId", collection_id)
    folder = context.mailbox.folders.get(collection_id)
    if folder is None or _foreign_option(operation, "Schema", "Range", "UserName", "Password", "MoveAlways"):
        status = "6" if folder is None else "2"
        return ("ItemOperations:EmptyFolderContents", [("ItemOperations:Status", status), identity])
    for server_id in list(folder.items):
        context.mailbox.delete(server_id)
    if child(child(operation, "ItemOperations:Options"), "ItemOperations:DeleteSubFolders") is not None:
        for inner in [f.server_id for f in context.mailbox.folders.values() if f.parent_id == collection_id]:
            context.mailbox.delete_folder(inner)
    return ("ItemOperations:EmptyFolderContents", [("ItemOperations:Status", "1"), identity])
