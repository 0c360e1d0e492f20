"""A stored message as the Email class of a protocol version (MS-ASEMAIL 2.2.2, MS-ASAIRS 2.2.2)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import getaddresses
from urllib.parse import quote

from ..eas.wbxml import Node
from .bodies import ItemOptions, body_node, body_part_node, legacy_body, native_type
from .mailbox import Flag, Item
from .meetings import meeting_node
from .mime import Message, Part
from .rights import licence_node, sealed

_PREFIX = re.compile(r"^\s*(?:(?:re|fwd?|aw|wg|sv|antw|tr|rv)(?:\[\d+\])?\s*:\s*)+", re.I)
_MESSAGE_ID = re.compile(r"<([^<>\s]+)>")
TEXT_MESSAGE = "IPM.Note.Mobile.SMS"
_MAX_PEOPLE = 32768  # characters of To and From (MS-ASEMAIL 2.2.2.82, 2.2.2.30)
_FILETIME_1601 = 116_444_736_000_000_000  # 100 ns ticks between 1601 and 1970

CODE_PAGES = {
    "utf-8": 65001, "us-ascii": 20127, "ascii": 20127, "iso-8859-1": 28591, "iso-8859-2": 28592, "iso-8859-5": 28595,
    "iso-8859-6": 28596, "iso-8859-7": 28597, "iso-8859-8": 28598, "iso-8859-9": 28599, "iso-8859-15": 28605,
    "windows-1250": 1250, "windows-1251": 1251, "windows-1252": 1252, "windows-1253": 1253, "windows-1254": 1254,
    "windows-1255": 1255, "windows-1256": 1256, "windows-1257": 1257, "koi8-r": 20866, "koi8-u": 21866,
    "iso-2022-jp": 50220, "shift_jis": 932, "euc-jp": 51932, "gb2312": 936, "gbk": 936, "gb18030": 54936,
    "big5": 950, "euc-kr": 51949, "ks_c_5601-1987": 949, "windows-874": 874, "utf-7": 65000,
}  # fmt: skip
"""Charset name -> InternetCPID."""


def dashed(moment: datetime) -> str:
    """A date as MS-ASDTYPE 2.3 writes it: ``2026-11-23T09:30:00.000Z``."""
    moment = moment.astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def email_properties(
    item: Item,
    message: Message,
    options: ItemOptions,
    version: int,
    parts: list[bytes] | None = None,
    *,
    user: str = "",
) -> list[Node]:
    """The children of ApplicationData (or of ItemOperations:Properties) for one message.

    Protected mail comes opened with its licence to a client that asks for it, to any other as a wrapper.
    """
    opened = item.licence is not None and options.rights and version >= 141
    if item.licence is not None and not opened:
        message = sealed(message)
    headers = message.headers
    to = headers.all("to")
    subject = headers.get("subject")
    nodes: list[Node] = []
    people = (("Email:To", to), ("Email:Cc", headers.all("cc")), ("Email:From", headers.all("from")))
    for tag, text in (*people, ("Email:ReplyTo", headers.all("reply-to"))):
        if text:
            nodes.append((tag, text[:_MAX_PEOPLE]))
    nodes.append(("Email:Subject", subject))
    nodes.append(("Email:DateReceived", dashed(item.received)))
    display_to = display_names(to)
    if display_to:
        nodes.append(("Email:DisplayTo", display_to))
    nodes.append(("Email:ThreadTopic", _PREFIX.sub("", subject)))
    nodes.append(("Email:Importance", _importance(message)))
    nodes.append(("Email:Read", "1" if item.read else "0"))
    attachments = message.attachments()
    if attachments:
        nodes.append(_attachments(item, message, attachments, version))
    if version < 120:
        nodes += legacy_body(message, options)
    else:
        part = options.part_preference is not None and version >= 141
        if options.preferences or not part:  # MS-ASCON_R247
            nodes.append(body_node(message, options, version, parts))
        if options.part_preference is not None and part:
            nodes.append(body_part_node(message, options.part_preference, version))
    nodes.append(("Email:MessageClass", TEXT_MESSAGE if item.text_message else message.message_class))
    meeting = meeting_node(message, version) if message.message_class.startswith("IPM.Schedule.Meeting.") else None
    if meeting is not None:
        nodes.append(meeting)
    nodes.append(("Email:InternetCPID", str(_code_page(message))))
    if version >= 120:
        nodes.append(flag_node(item.flag))
        content_class = "message" if meeting is None else "calendarmessage"
        nodes.append(("Email:ContentClass", f"urn:content-classes:{content_class}"))
        nodes.append(("AirSyncBase:NativeBodyType", str(native_type(message))))
    if version >= 140:
        nodes += _conversation(item, message)
        nodes += _version_14(item, message, version)
    if item.licence is not None and opened:
        nodes.append(licence_node(item.licence, message.headers.all("from"), user))
    return nodes


def changed_properties(item: Item, since: int, version: int) -> list[Node] | None:
    """What a Change carries for a client that has version `since` of the item (MS-ASEMAIL 3.2.5.4.1).

    Only the blocks that changed: Read, Flag, Categories; None when anything else did and the whole item is due.
    """
    if item.other_at > since:
        return None
    nodes: list[Node] = []
    if item.read_at > since:
        nodes.append(("Email:Read", "1" if item.read else "0"))
    if item.flag_at > since and version >= 120:
        nodes.append(flag_node(item.flag))
    if item.categories_at > since and version >= 140:
        nodes.append(("Email:Categories", [("Email:Category", name) for name in item.categories] or None))
    return nodes


def flag_node(flag: Flag | None) -> Node:
    """Email:Flag (MS-ASEMAIL 2.2.2.27); empty when there is none."""
    if flag is None or flag.status == 0:
        return ("Email:Flag", None)
    nodes: list[Node] = []
    if flag.subject:
        nodes.append(("Tasks:Subject", flag.subject))
    nodes += [("Email:Status", str(flag.status)), ("Email:FlagType", flag.kind)]
    if flag.completed is not None:
        nodes += [("Tasks:DateCompleted", dashed(flag.completed)), ("Email:CompleteTime", dashed(flag.completed))]
    if flag.start is not None:
        nodes += [("Tasks:StartDate", dashed(flag.start)), ("Tasks:UtcStartDate", dashed(flag.start))]
    if flag.due is not None:
        nodes += [("Tasks:DueDate", dashed(flag.due)), ("Tasks:UtcDueDate", dashed(flag.due))]
    if flag.reminder is not None:
        nodes += [("Tasks:ReminderSet", "1"), ("Tasks:ReminderTime", dashed(flag.reminder))]
    return ("Email:Flag", nodes)


def _attachments(item: Item, message: Message, parts: list[Part], version: int) -> Node:
    nodes: list[Node] = []
    for index, part in enumerate(parts):
        reference = quote(f"{item.server_id}:{index}").replace("%3A", "%3a")  # as Exchange writes it: 1%3a3%3a0
        name = attachment_name(message, part)
        method = "5" if part.content_type == "message/rfc822" else "1"
        size = str(message.content_size(part))
        if version < 120:
            nodes.append(
                (
                    "Email:Attachment",
                    [
                        ("Email:AttName", reference),
                        ("Email:AttSize", size),
                        ("Email:AttMethod", method),
                        ("Email:DisplayName", name),
                    ],
                )
            )
            continue
        children: list[Node] = [
            ("AirSyncBase:DisplayName", name),
            ("AirSyncBase:FileReference", reference),
            ("AirSyncBase:Method", method),
            ("AirSyncBase:EstimatedDataSize", size),
        ]
        if part.content_id:
            children.append(("AirSyncBase:ContentId", part.content_id))
        location = part.headers.get("content-location")
        if location:
            children.append(("AirSyncBase:ContentLocation", location))
        if part.content_id and part.disposition != "attachment":
            children.append(("AirSyncBase:IsInline", "1"))
        nodes.append(("AirSyncBase:Attachment", children))
    return ("Email:Attachments" if version < 120 else "AirSyncBase:Attachments", nodes)


def attachment_name(message: Message, part: Part) -> str:
    """DisplayName: its file name, else one made from what it is."""
    if message.stands_for_all(part):
        return "smime.p7m"
    if part.file_name:
        return part.file_name
    if part.content_type == "message/rfc822":
        return (Message(message.content(part)).headers.get("subject") or "Untitled") + ".eml"
    return f"{part.content_type.partition('/')[0]}.{_EXTENSIONS.get(part.content_type, 'dat')}"


_EXTENSIONS = {"text/plain": "txt", "text/html": "htm", "image/png": "png", "image/jpeg": "jpg", "text/calendar": "ics"}


def display_names(people: str) -> str:
    if not people:
        return ""
    return "; ".join(name or address for name, address in getaddresses([people]) if name or address)


def _importance(message: Message) -> str:
    value = (message.headers.get("importance") or message.headers.get("x-priority")).lower()
    if value.startswith(("high", "1", "2")):
        return "2"
    return "0" if value.startswith(("low", "4", "5")) else "1"


def _code_page(message: Message) -> int:
    plain, rich = message.body_parts()
    part = rich or plain
    charset = part.parameters.get("charset", "us-ascii").lower() if part is not None else "us-ascii"
    return CODE_PAGES.get(charset, 65001)


def _references(message: Message) -> Iterator[str]:
    for name in ("references", "in-reply-to"):
        for match in _MESSAGE_ID.finditer(message.headers.get(name)):
            yield match.group(1)


def conversation_id(message: Message) -> bytes:
    """One id a thread: made from the first message it refers to, else from its own Message-ID or subject."""
    root = next(_references(message), "")
    if not root:
        own = _MESSAGE_ID.search(message.headers.get("message-id"))
        root = own.group(1) if own else _PREFIX.sub("", message.headers.get("subject"))
    return hashlib.sha256(root.encode("utf-8", "replace")).digest()[:16]


def _conversation(item: Item, message: Message) -> list[Node]:
    """ConversationId and ConversationIndex (MS-ASCON 2.2.2.2): five bytes of time, then five a reply."""
    ticks = int(item.received.timestamp() * 10_000_000) + _FILETIME_1601
    index = ticks.to_bytes(8, "big")[:5]
    for reference in dict.fromkeys(_references(message)):
        index += hashlib.sha256(reference.encode("utf-8", "replace")).digest()[:5]
    return [("Email2:ConversationId", conversation_id(message)), ("Email2:ConversationIndex", index)]


def _version_14(item: Item, message: Message, version: int) -> list[Node]:
    nodes: list[Node] = [("Email:Categories", [("Email:Category", name) for name in item.categories] or None)]
    if item.verb:
        nodes.append(("Email2:LastVerbExecuted", str(item.verb)))
    sender = message.headers.get("sender")
    if sender and sender != message.headers.get("from"):  # MS-ASEMAIL_R726
        nodes.append(("Email2:Sender", sender))
    if version >= 160:
        nodes.append(("Email2:IsDraft", "1" if item.draft else "0"))
        bcc = message.headers.all("bcc")
        if bcc and item.draft:
            nodes.append(("Email2:Bcc", bcc[:1024]))
    return nodes
