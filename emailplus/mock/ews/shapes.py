"""Items and folders as EWS tells them, in the order of the schema (MS-OXWSCORE, OXWSMSG, OXWSMTGS, OXWSFOLD)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import getaddresses

from lxml import etree

from ...eas.wbxml import Node
from .. import items as eas_items
from .. import tree
from ..mailbox import Folder, Item, Mailbox
from ..mime import Message, html_to_text
from ..pim import Refused as BadDate
from ..pim import moment
from . import ids
from .soap import el, local, q, text

ROOT, TOP = "root", "top"  # the two folders above those of the mailbox
DISTINGUISHED = {
    2: "inbox", 3: "drafts", 4: "deleteditems", 5: "sentitems", 6: "outbox", 7: "tasks", 8: "calendar", 9: "contacts",
    10: "notes", 11: "journal",
}  # fmt: skip
_FOLDER_KINDS = {
    "Calendar": ("t:CalendarFolder", "IPF.Appointment"), "Contacts": ("t:ContactsFolder", "IPF.Contact"),
    "Tasks": ("t:TasksFolder", "IPF.Task"), "Notes": ("t:Folder", "IPF.StickyNote"), "Email": ("t:Folder", "IPF.Note"),
}  # fmt: skip
_BUSY = ("Free", "Tentative", "Busy", "OOF")
_PROPERTY_TAGS = {
    "0x1035": lambda shown: shown.message.headers.get("message-id"),
    "0x007d": lambda shown: shown.message.raw[: shown.message.root.body].decode("latin-1"),
    "0x001a": lambda shown: shown.item_class,
}  # fmt: skip
"""Extended properties by tag: internet message id, transport headers, message class."""


@dataclass(slots=True)
class Shape:
    """What a request wants to see (ItemShape, FolderShape)."""

    base: str = "Default"
    mime: bool = False
    body_type: str = "Best"
    fields: frozenset[str] = frozenset()
    tags: tuple[str, ...] = ()  # extended properties asked for by tag
    listed: bool = False  # in FindItem: no bodies, recipients, attachments (MS-OXWSSRCH)

    @classmethod
    def read(cls, node: etree._Element | None, *, listed: bool = False) -> Shape:
        """From the request."""
        shape = cls(listed=listed)
        if node is None:
            return shape
        shape.base = text(node, "t:BaseShape") or "Default"
        shape.mime = text(node, "t:IncludeMimeContent").lower() in ("true", "1")
        shape.body_type = text(node, "t:BodyType") or "Best"
        wanted = node.find(q("t:AdditionalProperties"))
        if wanted is not None:
            shape.fields = frozenset(each.get("FieldURI", "") for each in wanted if local(each) == "FieldURI")
            tags = [each.get("PropertyTag") for each in wanted if local(each) == "ExtendedFieldURI"]
            shape.tags = tuple(tag.lower() for tag in tags if tag)
        return shape

    def wants(self, uri: str, default: bool) -> bool:
        """Whether a property is told."""
        if self.base == "AllProperties" and uri != "item:MimeContent":
            return True
        return uri in self.fields or (self.base == "Default" and default)


@dataclass(slots=True)
class Shown:
    """An item on its way into an answer."""

    mailbox: Mailbox
    folder: Folder
    item: Item
    shape: Shape
    data: Node = field(init=False)

    def __post_init__(self) -> None:
        self.data = ("", self.item.nodes or [])

    @property
    def message(self) -> Message:
        return self.mailbox.message(self.item)

    @property
    def is_mail(self) -> bool:
        return self.item.nodes is None

    @property
    def item_class(self) -> str:
        if self.is_mail:
            return self.message.message_class
        return {"Calendar": "IPM.Appointment", "Contacts": "IPM.Contact", "Tasks": "IPM.Task"}.get(
            self.folder.item_class, "IPM.StickyNote"
        )

    def get(self, name: str) -> str:
        """A property of an item that is no mail."""
        return tree.text(self.data, name)


def instant(when: datetime) -> str:
    """A moment as Exchange writes it, whole seconds of UTC."""
    return f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


# -- folders


def distinguished(folder: Folder) -> str:
    """The name of a default folder, "" for others."""
    if folder.type == 12 and folder.name == "Junk Email" and folder.parent_id == "0":
        return "junkemail"
    return DISTINGUISHED.get(folder.type, "")


def folder_element(mailbox: Mailbox, server_id: str, shape: Shape) -> etree._Element:
    """A folder, or one of the two above them all."""
    folder = mailbox.folders.get(server_id)
    children = _children(mailbox, server_id)
    if folder is not None:
        kind, folder_class = _FOLDER_KINDS[folder.item_class]
        if folder.type == 11:
            folder_class = "IPF.Journal"
        parent = TOP if folder.parent_id == "0" else folder.parent_id
        name, items = folder.name, list(folder.items.values())
    else:
        kind, folder_class, parent, items = "t:Folder", "IPF" if server_id == TOP else "", ROOT, []
        name = "Top of Information Store" if server_id == TOP else "Root"
    known = distinguished(folder) if folder is not None else {ROOT: "root", TOP: "msgfolderroot"}[server_id]
    node = el(kind, el("t:FolderId", Id=ids.folder_id(mailbox.email, server_id), ChangeKey=ids.change_key(0)))

    def add(uri: str, element: etree._Element, default: bool = False) -> None:
        if shape.wants(uri, default):
            node.append(element)

    add("folder:ParentFolderId", el("t:ParentFolderId", Id=ids.folder_id(mailbox.email, parent)))
    if folder_class:
        add("folder:FolderClass", el("t:FolderClass", folder_class))
    add("folder:DisplayName", el("t:DisplayName", name), True)
    add("folder:TotalCount", el("t:TotalCount", len(items)), True)
    add("folder:ChildFolderCount", el("t:ChildFolderCount", len(children)), True)
    if shape.wants("folder:EffectiveRights", False):
        node.append(_rights())
    if known:
        add("folder:DistinguishedFolderId", el("t:DistinguishedFolderId", known))
    if kind in ("t:Folder", "t:TasksFolder"):
        add("folder:UnreadCount", el("t:UnreadCount", sum(not each.read for each in items)), True)
    return node


def _children(mailbox: Mailbox, server_id: str) -> list[str]:
    if server_id == ROOT:
        return [TOP]
    parent = "0" if server_id == TOP else server_id
    return [each.server_id for each in mailbox.folders.values() if each.parent_id == parent]


def below(mailbox: Mailbox, server_id: str, *, deep: bool) -> list[str]:
    """The folders in a folder; with `deep` all below it."""
    found = []
    for child in _children(mailbox, server_id):
        found.append(child)
        if deep:
            found += below(mailbox, child, deep=True)
    return found


def _rights() -> etree._Element:
    names = ("CreateAssociated", "CreateContents", "CreateHierarchy", "Delete", "Modify", "Read")
    return el("t:EffectiveRights", None, *(el(f"t:{name}", True) for name in names), el("t:ViewPrivateItems", True))


# -- items


def item_element(shown: Shown) -> etree._Element:
    """An item with the properties that its shape wants."""
    kind = "t:Message"
    rows: Iterable[tuple[str, bool, Callable[[Shown], object]]] = _MESSAGE
    if not shown.is_mail:
        kind, rows = {
            "Calendar": ("t:CalendarItem", _CALENDAR), "Contacts": ("t:Contact", _CONTACT), "Tasks": ("t:Task", _TASK),
        }.get(shown.folder.item_class, ("t:Message", ()))  # fmt: skip
    node = el(kind)
    for uri, default, make in (*_ITEM, *rows):
        if uri in _UNLISTED and shown.shape.listed:
            continue
        wanted = uri == "item:ItemId" or (uri == "item:MimeContent" and shown.shape.mime)
        if not wanted and uri != "extended" and not shown.shape.wants(uri, default):
            continue
        made = make(shown)
        for element in made if isinstance(made, list) else [made]:
            if isinstance(element, etree._Element):
                node.append(element)
            elif element is not None and element != "":
                node.append(el("t:" + uri.partition(":")[2], element))
    return node


_UNLISTED = frozenset(
    {
        "item:MimeContent", "item:Body", "item:TextBody", "item:Attachments", "item:InternetMessageHeaders",
        "message:ToRecipients", "message:CcRecipients", "message:BccRecipients", "message:ReplyTo",
        "calendar:RequiredAttendees", "calendar:OptionalAttendees", "calendar:Resources",
    }
)  # fmt: skip


def item_id(shown: Shown) -> etree._Element:
    email, server_id = shown.mailbox.email, shown.item.server_id
    return el("t:ItemId", Id=ids.item_id(email, server_id), ChangeKey=ids.change_key(shown.item.version))


def _mime(shown: Shown) -> object:
    if not shown.is_mail:
        return None
    return el("t:MimeContent", base64.b64encode(shown.item.raw).decode(), CharacterSet="UTF-8")


def _subject(shown: Shown) -> object:
    if shown.is_mail:
        return shown.message.headers.get("subject")
    class_ = shown.folder.item_class
    return shown.get("Contacts:FileAs") if class_ == "Contacts" else shown.get(f"{class_}:Subject")


def _body(shown: Shown, plain: bool = False) -> object:
    if shown.is_mail:
        words, rich = shown.message.body_parts()
        wanted = shown.shape.body_type
        part, kind = (rich, "HTML") if rich is not None and wanted != "Text" and not plain else (words, "Text")
        content = shown.message.text(part) if part is not None else ""
        if part is None and rich is not None:
            content = html_to_text(shown.message.text(rich))
    else:
        body = tree.child(shown.data, "AirSyncBase:Body")
        content = tree.text(body, "AirSyncBase:Data")
        kind = "HTML" if tree.text(body, "AirSyncBase:Type") == "2" and not plain else "Text"
    name = "t:TextBody" if plain else "t:Body"
    return el(name, content, BodyType="Text" if plain else kind)


@dataclass(frozen=True, slots=True)
class Attached:
    """One attachment: how it is named, and where its bytes are."""

    reference: str
    name: str
    content_type: str
    content_id: str
    inline: bool
    content: Callable[[], bytes]
    size: int


def attachments(shown: Shown) -> list[Attached]:
    """The attachments of an item."""
    if shown.is_mail:
        message = shown.message
        return [
            Attached(
                str(index),
                eas_items.attachment_name(message, part),
                part.content_type,
                part.content_id,
                bool(part.content_id) and part.disposition != "attachment",
                lambda part=part: message.content(part),  # type: ignore[misc]
                message.content_size(part),
            )
            for index, part in enumerate(message.attachments())
        ]
    found = []
    for node in tree.children(tree.child(shown.data, "AirSyncBase:Attachments")):
        reference = tree.text(node, "AirSyncBase:FileReference")
        data = shown.item.files.get(reference, b"")
        kind = tree.text(node, "AirSyncBase:ContentType") or "application/octet-stream"
        name = tree.text(node, "AirSyncBase:DisplayName")
        found.append(Attached(reference, name, kind, "", False, lambda data=data: data, len(data)))  # type: ignore[misc]
    return found


def attachment_element(
    shown: Shown, attached: Attached, *, content: bool = False, root: bool = False
) -> etree._Element:
    """A FileAttachment, or an ItemAttachment for a message within a message."""
    email, server_id = shown.mailbox.email, shown.item.server_id
    more = {}
    if root:
        root_id = ids.item_id(email, server_id)
        more = {"RootItemId": root_id, "RootItemChangeKey": ids.change_key(shown.item.version)}
    identity = el("t:AttachmentId", Id=ids.attachment_id(email, server_id, attached.reference), **more)
    nested = attached.content_type == "message/rfc822"
    inside = None
    if content and nested:
        raw = base64.b64encode(attached.content()).decode()
        headers = Message(attached.content()).headers
        inside = el(
            "t:Message", el("t:MimeContent", raw, CharacterSet="UTF-8"), el("t:Subject", headers.get("subject"))
        )
    elif content:
        inside = el("t:Content", base64.b64encode(attached.content()).decode())
    return el(
        "t:ItemAttachment" if nested else "t:FileAttachment",
        identity,
        el("t:Name", attached.name),
        el("t:ContentType", attached.content_type),
        el("t:ContentId", attached.content_id) if attached.content_id else None,
        el("t:Size", attached.size),
        el("t:LastModifiedTime", instant(shown.item.received)),
        el("t:IsInline", attached.inline),
        inside,
    )


def _attachments(shown: Shown) -> object:
    found = attachments(shown)
    return el("t:Attachments", None, *(attachment_element(shown, each) for each in found)) if found else None


def size(shown: Shown) -> int:
    """Size of an item in bytes."""
    return len(shown.item.raw) if shown.is_mail else sum(len(data) for data in shown.item.files.values()) + 512


def _headers(shown: Shown) -> object:
    if not shown.is_mail:
        return None
    fields = shown.message.headers.fields
    told = [el("t:InternetMessageHeader", shown.message.headers.get(name), HeaderName=name) for name, _ in fields[:100]]
    return el("t:InternetMessageHeaders", None, *told) if told else None


def _sent(shown: Shown) -> object:
    return instant(shown.message.date or shown.item.received) if shown.is_mail else None


def _importance(shown: Shown) -> object:
    if not shown.is_mail:
        return "Normal"
    value = (shown.message.headers.get("importance") or shown.message.headers.get("x-priority")).lower()
    if value.startswith(("high", "1", "2")):
        return "High"
    return "Low" if value.startswith(("low", "4", "5")) else "Normal"


def _extended(shown: Shown) -> object:
    told = []
    for tag in shown.shape.tags if shown.is_mail else ():
        make = _PROPERTY_TAGS.get(tag)
        if make is not None and (value := make(shown)):
            uri = el("t:ExtendedFieldURI", PropertyTag=tag, PropertyType="String")
            told.append(el("t:ExtendedProperty", uri, el("t:Value", value)))
    return told


def _conversation(shown: Shown) -> object:
    if not shown.is_mail:
        return None
    return el("t:ConversationId", Id=base64.b64encode(eas_items.conversation_id(shown.message)).decode())


def _flag(shown: Shown) -> object:
    flag = shown.item.flag
    if not shown.is_mail:
        return None
    status = {1: "Complete", 2: "Flagged"}.get(flag.status if flag is not None else 0, "NotFlagged")
    return el("t:Flag", el("t:FlagStatus", status))


def _categories(shown: Shown) -> object:
    names = shown.item.categories
    return el("t:Categories", None, *(el("t:String", name) for name in names)) if names else None


_Row = tuple[str, bool, Callable[[Shown], object]]
_ITEM: tuple[_Row, ...] = (
    ("item:MimeContent", False, _mime),
    ("item:ItemId", True, item_id),
    ("item:ParentFolderId", False,
     lambda s: el("t:ParentFolderId", Id=ids.folder_id(s.mailbox.email, s.folder.server_id))),
    ("item:ItemClass", False, lambda s: s.item_class),
    ("item:Subject", True, _subject),
    ("item:Sensitivity", True, lambda s: "Normal"),
    ("item:Body", True, _body),
    ("item:Attachments", True, _attachments),
    ("item:DateTimeReceived", False, lambda s: instant(s.item.received)),
    ("item:Size", True, size),
    ("item:Categories", False, _categories),
    ("item:Importance", False, _importance),
    ("item:InReplyTo", False, lambda s: s.message.headers.get("in-reply-to") if s.is_mail else None),
    ("item:IsDraft", False, lambda s: s.item.draft),
    ("item:IsFromMe", False, lambda s: s.folder.type == 5),
    ("item:InternetMessageHeaders", False, _headers),
    ("item:DateTimeSent", True, _sent),
    ("item:DateTimeCreated", True, lambda s: instant(s.item.received)),
    ("item:HasAttachments", True, lambda s: bool(attachments(s))),
    ("extended", False, _extended),
    ("item:EffectiveRights", False, lambda s: _rights()),
    ("item:LastModifiedTime", False, lambda s: instant(s.item.received)),
    ("item:ConversationId", False, _conversation),
    ("item:Flag", False, _flag),
    ("item:InstanceKey", False,
     lambda s: base64.b64encode(hashlib.sha256(s.item.server_id.encode()).digest()[:12]).decode()),
    ("item:Preview", False, lambda s: " ".join((_body(s, True).text or "").split())[:255]),  # type: ignore[attr-defined]
    ("item:TextBody", False, lambda s: _body(s, True)),
)  # fmt: skip
"""FieldURI, whether it is in the Default shape, and what it says; in the order of ItemType."""


def _people(name: str, header: str) -> Callable[[Shown], object]:
    def make(shown: Shown) -> object:
        pairs = getaddresses([shown.message.headers.all(header)])
        boxes = [mailbox_element(person, address) for person, address in pairs if address]
        if name in ("t:Sender", "t:From"):
            boxes = boxes[:1]
        return el(name, None, *boxes) if boxes else None

    return make


def mailbox_element(name: str, address: str, kind: str = "") -> etree._Element:
    """t:Mailbox of a person."""
    return el(
        "t:Mailbox",
        el("t:Name", name or address),
        el("t:EmailAddress", address),
        el("t:RoutingType", "SMTP"),
        el("t:MailboxType", kind) if kind else None,
    )


_MESSAGE: tuple[_Row, ...] = (
    ("message:Sender", True, lambda s: _people("t:Sender", "sender")(s) or _people("t:Sender", "from")(s)),
    ("message:ToRecipients", True, _people("t:ToRecipients", "to")),
    ("message:CcRecipients", True, _people("t:CcRecipients", "cc")),
    ("message:BccRecipients", True, _people("t:BccRecipients", "bcc")),
    ("message:IsReadReceiptRequested", True,
     lambda s: s.message.headers.raw("disposition-notification-to") is not None),
    ("message:ConversationTopic", False, lambda s: s.message.headers.get("subject")),
    ("message:From", True, _people("t:From", "from")),
    ("message:InternetMessageId", False, lambda s: s.message.headers.get("message-id")),
    ("message:IsRead", True, lambda s: s.item.read),
    ("message:References", False, lambda s: s.message.headers.get("references")),
    ("message:ReplyTo", False, _people("t:ReplyTo", "reply-to")),
)  # fmt: skip


def _when(name: str) -> Callable[[Shown], object]:
    def make(shown: Shown) -> object:
        try:
            return instant(moment(shown.get(name)))
        except BadDate:
            return None

    return make


def _organiser(shown: Shown) -> object:
    address = shown.get("Calendar:OrganizerEmail")
    return el("t:Organizer", mailbox_element(shown.get("Calendar:OrganizerName"), address)) if address else None


def _attendees(name: str, kind: str) -> Callable[[Shown], object]:
    def make(shown: Shown) -> object:
        told = []
        for node in tree.children(tree.child(shown.data, "Calendar:Attendees")):
            if (tree.text(node, "Calendar:AttendeeType") or "1") == kind:
                box = mailbox_element(tree.text(node, "Calendar:Name"), tree.text(node, "Calendar:Email"))
                told.append(el("t:Attendee", box, el("t:ResponseType", "Unknown")))
        return el(name, None, *told) if told else None

    return make


def _location(shown: Shown) -> object:
    return tree.text(tree.child(shown.data, "AirSyncBase:Location"), "AirSyncBase:DisplayName")


def _kind_of_event(shown: Shown) -> object:
    return "RecurringMaster" if tree.child(shown.data, "Calendar:Recurrence") is not None else "Single"


_CALENDAR: tuple[_Row, ...] = (
    ("calendar:UID", True, lambda s: s.get("Calendar:UID")),
    ("calendar:DateTimeStamp", False, _when("Calendar:DtStamp")),
    ("calendar:Start", True, _when("Calendar:StartTime")),
    ("calendar:End", True, _when("Calendar:EndTime")),
    ("calendar:IsAllDayEvent", True, lambda s: s.get("Calendar:AllDayEvent") == "1"),
    ("calendar:LegacyFreeBusyStatus", True, lambda s: _BUSY[int(s.get("Calendar:BusyStatus") or "2")]),
    ("calendar:Location", True, _location),
    ("calendar:IsMeeting", False, lambda s: tree.child(s.data, "Calendar:Attendees") is not None),
    ("calendar:IsCancelled", False, lambda s: s.get("Calendar:MeetingStatus") in ("5", "7", "13", "15")),
    ("calendar:IsRecurring", False, lambda s: False),
    ("calendar:CalendarItemType", True, _kind_of_event),
    ("calendar:Organizer", True, _organiser),
    ("calendar:RequiredAttendees", False, _attendees("t:RequiredAttendees", "1")),
    ("calendar:OptionalAttendees", False, _attendees("t:OptionalAttendees", "2")),
    ("calendar:Resources", False, _attendees("t:Resources", "3")),
)
_CONTACT: tuple[_Row, ...] = (
    ("contacts:FileAs", True, lambda s: s.get("Contacts:FileAs")),
    ("contacts:GivenName", True, lambda s: s.get("Contacts:FirstName")),
    ("contacts:CompanyName", True, lambda s: s.get("Contacts:CompanyName")),
    ("contacts:JobTitle", False, lambda s: s.get("Contacts:JobTitle")),
    ("contacts:Surname", True, lambda s: s.get("Contacts:LastName")),
)
_TASK: tuple[_Row, ...] = (
    ("task:DueDate", True, _when("Tasks:DueDate")),
    ("task:IsComplete", False, lambda s: s.get("Tasks:Complete") == "1"),
    ("task:StartDate", True, _when("Tasks:StartDate")),
    ("task:Status", True, lambda s: "Completed" if s.get("Tasks:Complete") == "1" else "NotStarted"),
)
