"""What each operation does with a request, and the table of them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage

from lxml import etree

from ...eas.wbxml import Node
from ...errors import NotFound
from .. import pim
from ..mailbox import Folder, Item, Mailbox
from . import ids, notifications
from .endpoint import Asked, Operation
from .find import find_items
from .shapes import (
    DISTINGUISHED,
    ROOT,
    TOP,
    Shape,
    Shown,
    attachment_element,
    attachments,
    below,
    folder_element,
    item_element,
    mailbox_element,
)
from .soap import Refused, child, el, failure, local, message, q, text


def each(
    operation: str, nodes: list[etree._Element], carry_out: Callable[[etree._Element], list[etree._Element]]
) -> list[etree._Element]:
    """One response message for each of `nodes`, with its own code."""
    messages = []
    for node in nodes:
        try:
            messages.append(message(operation, *carry_out(node)))
        except Refused as error:
            messages.append(failure(operation, error))
        except NotFound:
            gone = Refused("ErrorItemNotFound", "The specified object was not found in the store.")
            messages.append(failure(operation, gone))
    return messages


# -- which folder, which item


def folder_of(asked: Asked, node: etree._Element) -> str:
    """Server id of a FolderId or DistinguishedFolderId. Raises `Refused`."""
    mailbox = asked.mailbox
    if local(node) == "FolderId":
        email, server_id = ids.read_folder_id(node.get("Id", ""))
        if email != mailbox.email:
            raise Refused("ErrorAccessDenied", "Access is denied. Check credentials and try again.")
        if server_id not in mailbox.folders and server_id not in (ROOT, TOP):
            raise Refused("ErrorFolderNotFound", "The specified folder could not be found in the store.")
        return server_id
    whose = text(child(node, "t:Mailbox"), "t:EmailAddress")
    if whose and whose.lower() != mailbox.email.lower():
        raise Refused("ErrorItemNotFound", "The specified object was not found in the store.")
    return distinguished_folder(mailbox, node.get("Id", ""))


def distinguished_folder(mailbox: Mailbox, name: str) -> str:
    """Server id of a default folder. Raises `Refused`."""
    if name in ("root", "msgfolderroot"):
        return ROOT if name == "root" else TOP
    for folder in mailbox.folders.values():
        if DISTINGUISHED.get(folder.type) == name:
            return folder.server_id
        if name == "junkemail" and folder.name == "Junk Email" and folder.parent_id == "0":
            return folder.server_id
    raise Refused("ErrorFolderNotFound", "The specified folder could not be found in the store.")


def item_of(asked: Asked, node: etree._Element) -> tuple[Folder, Item]:
    """The item of an ItemId. Raises `Refused`, `NotFound`."""
    return _item(asked, *ids.read_item_id(node.get("Id", "")))


def _item(asked: Asked, email: str, server_id: str) -> tuple[Folder, Item]:
    if email != asked.mailbox.email:
        raise Refused("ErrorAccessDenied", "Access is denied. Check credentials and try again.")
    return asked.mailbox.find(server_id)


def _children(asked: Asked, name: str) -> list[etree._Element]:
    found = asked.body.find(q(name))
    return list(found) if found is not None else []


# -- folders


def get_folder(asked: Asked) -> list[etree._Element]:
    """MS-OXWSFOLD 3.1.4.6."""
    shape = Shape.read(child(asked.body, "m:FolderShape"))

    def one(node: etree._Element) -> list[etree._Element]:
        return [el("m:Folders", folder_element(asked.mailbox, folder_of(asked, node), shape))]

    return each("GetFolder", _children(asked, "m:FolderIds"), one)


def find_folder(asked: Asked) -> list[etree._Element]:
    """MS-OXWSSRCH: the folders in a folder, Shallow or Deep, in pages."""
    shape = Shape.read(child(asked.body, "m:FolderShape"))
    view = child(asked.body, "m:IndexedPageFolderView")
    start = int(view.get("Offset", "0")) if view is not None else 0
    most = int(view.get("MaxEntriesReturned", "1000")) if view is not None else 1000

    def one(node: etree._Element) -> list[etree._Element]:
        found = below(asked.mailbox, folder_of(asked, node), deep=asked.body.get("Traversal") == "Deep")
        shown = found[start : start + most]
        inside = el("t:Folders", None, *(folder_element(asked.mailbox, server_id, shape) for server_id in shown))
        return [page("m:RootFolder", inside, start + len(shown), len(found))]

    return each("FindFolder", _children(asked, "m:ParentFolderIds"), one)


def page(name: str, inside: etree._Element, reached: int, total: int) -> etree._Element:
    """A page of a search: what is in it, and where the next one begins."""
    last = "true" if reached >= total else "false"
    return el(name, inside, IndexedPagingOffset=str(reached), TotalItemsInView=str(total), IncludesLastItemInRange=last)


def sync_folder_hierarchy(asked: Asked) -> list[etree._Element]:
    """MS-OXWSSYNC 3.1.4.1."""
    mailbox, epoch = asked.mailbox, asked.ews.epoch(asked.mailbox.email)
    shape = Shape.read(child(asked.body, "m:FolderShape"))

    def one(node: etree._Element) -> list[etree._Element]:
        state = text(node, "m:SyncState")
        known = ids.read_hierarchy_state(state, mailbox.email, epoch) if state else {}
        now = {f.server_id: [f.name, f.parent_id] for f in mailbox.folders.values()}
        changes = el("m:Changes")
        for server_id, told in now.items():
            if known.get(server_id) != told:
                kind = "t:Update" if server_id in known else "t:Create"
                changes.append(el(kind, folder_element(mailbox, server_id, shape)))
        for server_id in known.keys() - now.keys():
            changes.append(el("t:Delete", el("t:FolderId", Id=ids.folder_id(mailbox.email, server_id))))
        fresh = ids.hierarchy_state(mailbox.email, epoch, now)
        return [el("m:SyncState", fresh), el("m:IncludesLastFolderInRange", True), changes]

    return each("SyncFolderHierarchy", [asked.body], one)


# -- items


def find_item(asked: Asked) -> list[etree._Element]:
    """MS-OXWSSRCH: the items of folders."""

    def one(node: etree._Element) -> list[etree._Element]:
        server_id = folder_of(asked, node)
        folder = asked.mailbox.folders.get(server_id)
        found, reached, total = find_items(asked, folder) if folder is not None else ([], 0, 0)
        return [page("m:RootFolder", el("t:Items", None, *found), reached, total)]

    return each("FindItem", _children(asked, "m:ParentFolderIds"), one)


def get_item(asked: Asked) -> list[etree._Element]:
    """MS-OXWSCORE 3.1.4.4."""
    shape = Shape.read(child(asked.body, "m:ItemShape"))

    def one(node: etree._Element) -> list[etree._Element]:
        if local(node) != "ItemId":
            raise Refused("ErrorInvalidIdMalformed", "The mock knows items by ItemId.")
        return [el("m:Items", item_element(Shown(asked.mailbox, *item_of(asked, node), shape)))]

    return each("GetItem", _children(asked, "m:ItemIds"), one)


def sync_folder_items(asked: Asked) -> list[etree._Element]:
    """MS-OXWSSYNC 3.1.4.2: a window of a folder's log, each item as it is now."""
    mailbox, epoch = asked.mailbox, asked.ews.epoch(asked.mailbox.email)
    shape = Shape.read(child(asked.body, "m:ItemShape"), listed=True)
    most = int(text(asked.body, "m:MaxChangesReturned", "512"))
    if not 1 <= most <= asked.ews.max_changes:
        wrong = Refused("ErrorInvalidOperation", f"MaxChangesReturned is 1 to {asked.ews.max_changes}.")
        return [failure("SyncFolderItems", wrong)]

    def one(node: etree._Element) -> list[etree._Element]:
        where = child(node, "m:SyncFolderId")
        server_id = folder_of(asked, where[0]) if where is not None and len(where) else TOP
        folder = mailbox.folders.get(server_id)
        if folder is None:
            raise Refused("ErrorFolderNotFound", "The specified folder could not be found in the store.")
        state = text(node, "m:SyncState")
        start = ids.read_sync_state(state, mailbox.email, epoch, server_id) if state else 0
        end, changes = _window(mailbox, folder, start, most, shape)
        fresh = ids.sync_state(mailbox.email, epoch, server_id, end)
        return [el("m:SyncState", fresh), el("m:IncludesLastItemInRange", end >= folder.modification), changes]

    return each("SyncFolderItems", [asked.body], one)


def _window(mailbox: Mailbox, folder: Folder, start: int, most: int, shape: Shape) -> tuple[int, etree._Element]:
    """At most `most` changes from `start` of the log on, and how far they reach."""
    known = set(folder.log[:start])
    told: dict[str, None] = {}
    end = start
    while end < len(folder.log) and len(told) < most:
        told[folder.log[end]] = None
        end += 1
    changes = el("m:Changes")
    for server_id in told:
        item = folder.items.get(server_id)
        if item is None:
            if server_id in known:
                gone = el("t:ItemId", Id=ids.item_id(mailbox.email, server_id))
                changes.append(el("t:Delete", gone))
            continue
        shown = Shown(mailbox, folder, item, shape)
        if server_id not in known:
            changes.append(el("t:Create", item_element(shown)))
        elif max(item.other_at, item.flag_at, item.categories_at) <= start < item.read_at:
            identity = el("t:ItemId", Id=ids.item_id(mailbox.email, server_id), ChangeKey=ids.change_key(item.version))
            changes.append(el("t:ReadFlagChange", identity, el("t:IsRead", item.read)))
        else:
            changes.append(el("t:Update", item_element(shown)))
    return end, changes


# -- attachments (MS-OXWSATT)


def get_attachment(asked: Asked) -> list[etree._Element]:
    """MS-OXWSATT 3.1.4.3."""

    def one(node: etree._Element) -> list[etree._Element]:
        email, server_id, reference = ids.read_attachment_id(node.get("Id", ""))
        shown = Shown(asked.mailbox, *_item(asked, email, server_id), Shape())
        for attached in attachments(shown):
            if attached.reference == reference:
                return [el("m:Attachments", attachment_element(shown, attached, content=True))]
        raise Refused("ErrorInvalidAttachmentId", "The attachment ID is not valid.")

    return each("GetAttachment", _children(asked, "m:AttachmentIds"), one)


def create_attachment(asked: Asked) -> list[etree._Element]:
    """MS-OXWSATT 3.1.4.1."""
    parent = child(asked.body, "m:ParentItemId")

    def one(node: etree._Element) -> list[etree._Element]:
        if parent is None or local(node) != "FileAttachment":
            raise Refused("ErrorCannotAttachSelectedItem" if parent is not None else "ErrorInvalidRequest")
        folder, item = item_of(asked, parent)
        try:
            data = base64.b64decode(text(node, "t:Content"), validate=True)
        except binascii.Error:
            raise Refused("ErrorSchemaValidation", "Content is no base64.") from None
        name, kind = text(node, "t:Name"), text(node, "t:ContentType") or "application/octet-stream"
        if not name:
            raise Refused("ErrorRequiredPropertyMissing", "An attachment needs a name.")
        attach(asked.mailbox, folder, item, (name, kind, data))
        shown = Shown(asked.mailbox, folder, item, Shape())
        return [el("m:Attachments", _short(shown))]

    return each("CreateAttachment", _children(asked, "m:Attachments"), one)


def _short(shown: Shown) -> etree._Element:
    """The new attachment's id and that of its item, nothing else."""
    made = attachment_element(shown, attachments(shown)[-1], root=True)
    for node in list(made)[1:]:
        made.remove(node)
    return made


def attach(mailbox: Mailbox, folder: Folder, item: Item, file: tuple[str, str, bytes]) -> None:
    """Add a file to an item, a message or one of another class."""
    name, kind, data = file
    if item.nodes is None:
        made = message_from_bytes(item.raw, policy=policy.SMTP)
        assert isinstance(made, EmailMessage)
        main, _, sub = kind.partition("/")
        made.add_attachment(data, maintype=main, subtype=sub or "octet-stream", filename=name)
        mailbox.replace(item.server_id, made.as_bytes())
        return
    wanted: list[Node] = [
        ("AirSyncBase:Attachments", [("AirSyncBase:Add", [
            ("AirSyncBase:DisplayName", name), ("AirSyncBase:ContentType", kind), ("AirSyncBase:Content", data),
        ])]),
    ]  # fmt: skip
    rest, contents, _ = pim.take_attachments(item.nodes, wanted, item.server_id)
    item.files.update(contents)
    kept = [node for node in item.nodes if node[0] != "AirSyncBase:Attachments"]
    mailbox.rewrite(folder, item, [*kept, *(node for node in rest if node[1] is not None)])


def delete_attachment(asked: Asked) -> list[etree._Element]:
    """MS-OXWSATT 3.1.4.2, of items that are no messages."""

    def one(node: etree._Element) -> list[etree._Element]:
        email, server_id, reference = ids.read_attachment_id(node.get("Id", ""))
        folder, item = _item(asked, email, server_id)
        if item.nodes is None:
            raise Refused("ErrorAccessDenied", "The mock takes no attachment out of a message.")
        if all(
            attached.reference != reference for attached in attachments(Shown(asked.mailbox, folder, item, Shape()))
        ):
            raise Refused("ErrorInvalidAttachmentId", "The attachment ID is not valid.")
        wanted: list[Node] = [
            ("AirSyncBase:Attachments", [("AirSyncBase:Delete", [("AirSyncBase:FileReference", reference)])])
        ]
        rest, _, _ = pim.take_attachments(item.nodes, wanted, server_id)
        item.files.pop(reference, None)
        kept = [row for row in item.nodes if row[0] != "AirSyncBase:Attachments"]
        asked.mailbox.rewrite(folder, item, [*kept, *(row for row in rest if row[1] is not None)])
        key = ids.change_key(item.version)
        return [el("m:RootItemId", RootItemId=ids.item_id(email, server_id), RootItemChangeKey=key)]

    return each("DeleteAttachment", _children(asked, "m:AttachmentIds"), one)


# -- people, ids


def convert_id(asked: Asked) -> list[etree._Element]:
    """MS-OXWSCVTID, of item ids: clients ask with a dummy to learn the server's version."""

    def one(node: etree._Element) -> list[etree._Element]:
        form, wanted = node.get("Format"), asked.body.get("DestinationFormat", "")
        if form != "EwsId" or wanted not in ("EwsId", "EntryId", "HexEntryId"):
            raise Refused("ErrorUnsupportedTypeForConversion", "The mock converts EWS ids only.")
        _, server_id = ids.read_item_id(node.get("Id", ""))
        raw = server_id.encode()
        made = {"EwsId": node.get("Id", ""), "EntryId": base64.b64encode(raw).decode(), "HexEntryId": raw.hex().upper()}
        name = {"Id": made[wanted], "Format": wanted, "Mailbox": node.get("Mailbox", "")}
        converted = el("m:AlternateId", **name)
        converted.set(XSI_TYPE, "t:AlternateIdType")
        return [converted]

    return each("ConvertId", _children(asked, "m:SourceIds"), one)


def resolve_names(asked: Asked) -> list[etree._Element]:
    """MS-OXWSRSLNM: whom a text stands for."""
    entry = text(asked.body, "m:UnresolvedEntry")
    wanted = entry[5:] if entry.lower().startswith("smtp:") else entry
    found = asked.exchange.directory.find(asked.mailbox.email, wanted)[:100] if wanted else []
    if not found:
        none = Refused("ErrorNameResolutionNoResults", "No results were found.")
        return [failure("ResolveNames", none)]
    resolutions = [
        el("t:Resolution", mailbox_element(person.name, person.email, "PublicDL" if person.members else "Mailbox"))
        for _, person in found
    ]
    everyone = el(
        "m:ResolutionSet",
        None,
        *resolutions,
        TotalItemsInView=str(len(found)),
        IncludesLastItemInRange="true",
    )
    if len(found) == 1:
        return [message("ResolveNames", everyone)]
    several = failure("ResolveNames", Refused("ErrorNameResolutionMultipleResults", "Multiple results were found."))
    several.set("ResponseClass", "Warning")
    several.append(everyone)
    return [several]


XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"

OPERATIONS: dict[str, Operation] = {
    "GetFolder": get_folder,
    "FindFolder": find_folder,
    "SyncFolderHierarchy": sync_folder_hierarchy,
    "FindItem": find_item,
    "GetItem": get_item,
    "SyncFolderItems": sync_folder_items,
    "GetAttachment": get_attachment,
    "CreateAttachment": create_attachment,
    "DeleteAttachment": delete_attachment,
    "ResolveNames": resolve_names,
    "ConvertId": convert_id,
    "Subscribe": notifications.subscribe,
    "Unsubscribe": notifications.unsubscribe,
    "GetEvents": notifications.get_events,
    "GetStreamingEvents": notifications.get_streaming_events,
}
