"""Which form of a body an item is sent in, and how much of it (MS-ASAIRS 2.2.2.9, 3.2.5; MS-ASCMD 2.2.3.115)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..eas.wbxml import Content, Node
from .mime import Message, holds_controls, html_to_text, text_to_html
from .tree import integer

PLAIN, HTML, RTF, MIME = 1, 2, 3, 4

MIME_TRUNCATION = {0: 0, 1: 4096, 2: 5120, 3: 7168, 4: 10240, 5: 20480, 6: 51200, 7: 102400, 8: None}
"""MIMETruncation -> characters (MS-ASCMD 2.2.3.111)."""

TRUNCATION = {0: 0, 1: 512, 2: 1024, 3: 2048, 4: 5120, 5: 10240, 6: 20480, 7: 51200, 8: 102400, 9: None}
"""Truncation of protocol 2.5 -> bytes."""

_NONCHARACTER = re.compile(rb"\xef\xbf[\xbe\xbf]")  # U+FFFE and U+FFFF


@dataclass(frozen=True, slots=True)
class BodyPreference:
    """One BodyPreference or BodyPartPreference of a request."""

    type: int
    truncation: int | None = None
    all_or_none: bool = False
    preview: int = 0


@dataclass(frozen=True, slots=True)
class ItemOptions:
    """What a request asked about the form of items."""

    preferences: tuple[BodyPreference, ...] = ()
    part_preference: BodyPreference | None = None
    mime_support: int = 0
    mime_truncation: int | None = None
    truncation: int = 9
    filter_type: int = 0
    conflict: int = 1
    max_items: int | None = None
    rights: bool = False
    """RightsManagementSupport: protected mail is to be opened (MS-ASRM 2.2.2.15)."""
    texts: bool = False
    """Text messages are wanted beside the mail (Options of class SMS, MS-ASCMD 2.2.3.27.5)."""


def wire_text(data: bytes) -> Content:
    """`data` as an inline string where XML could hold it unchanged, else as an opaque value."""
    if not holds_controls(data) and _NONCHARACTER.search(data) is None:
        try:
            return data.decode()
        except UnicodeDecodeError:
            pass
    return data


def cut(data: bytes, limit: int | None) -> bytes:
    """The first `limit` bytes of UTF-8 text, not splitting a character."""
    if limit is None or len(data) <= limit:
        return data
    while limit and data[limit] & 0xC0 == 0x80:
        limit -= 1
    return data[:limit]


def native_type(message: Message) -> int:
    """NativeBodyType: 2 when the message has an HTML body, else 1."""
    return HTML if message.body_parts()[1] is not None else PLAIN


def body_data(message: Message, kind: int) -> bytes:
    """The body in the form `kind`, UTF-8; Type 4 is the stored message, byte for byte."""
    if kind == MIME:
        return message.raw
    plain, rich = message.body_parts()
    if kind == HTML:
        text = message.text(rich) if rich else text_to_html(message.text(plain)) if plain else ""
    else:
        text = message.text(plain) if plain else html_to_text(message.text(rich)) if rich else ""
    return text.encode("utf-8", "replace")


def ranked(message: Message, options: ItemOptions) -> list[BodyPreference]:
    """The preferences that can be served, best first: MIME where asked for, the native form, then the others."""
    smime = message.message_class.startswith("IPM.Note.SMIME")
    wants_mime = options.mime_support == 2 or (options.mime_support == 1 and smime)
    native = native_type(message)
    rank = {MIME: 0, native: 1, HTML: 2 if native != HTML else 1, PLAIN: 3 if native != PLAIN else 1}
    usable = [p for p in options.preferences if p.type in (PLAIN, HTML) or (p.type == MIME and wants_mime)]
    return sorted(usable, key=lambda preference: rank[preference.type])


def body_node(message: Message, options: ItemOptions, version: int, parts: list[bytes] | None = None) -> Node:
    """AirSyncBase:Body. With `parts` (a multipart answer) the data goes there and Part names its place."""
    choices = ranked(message, options)
    if not choices:
        kind = native_type(message)
        size = len(body_data(message, kind))
        return (
            "AirSyncBase:Body",
            [
                ("AirSyncBase:Type", str(kind)),
                ("AirSyncBase:EstimatedDataSize", str(size)),
                ("AirSyncBase:Truncated", "1" if size else "0"),
            ],
        )
    refused: tuple[BodyPreference, int] | None = None
    for choice in choices:
        data = body_data(message, choice.type)
        limit = choice.truncation
        if choice.type == MIME and options.mime_truncation is not None:
            limit = options.mime_truncation if limit is None else min(limit, options.mime_truncation)
        if choice.all_or_none and choice.truncation is not None and len(data) > choice.truncation:
            refused = refused or (choice, len(data))  # MS-ASAIRS_R78: this one not at all, perhaps the next
            continue
        return _body(choice, data, limit, version, parts, message)
    assert refused is not None
    choice, size = refused
    return (
        "AirSyncBase:Body",
        [
            ("AirSyncBase:Type", str(choice.type)),
            ("AirSyncBase:EstimatedDataSize", str(size)),
            ("AirSyncBase:Truncated", "1"),
            *_preview(choice, message, version),
        ],
    )


def _body(
    choice: BodyPreference, data: bytes, limit: int | None, version: int, parts: list[bytes] | None, message: Message
) -> Node:
    shown = cut(data, limit)
    children: list[Node] = [
        ("AirSyncBase:Type", str(choice.type)),
        ("AirSyncBase:EstimatedDataSize", str(len(data))),
    ]
    if len(shown) < len(data):
        children.append(("AirSyncBase:Truncated", "1"))
    if parts is not None:
        parts.append(shown)
        children += _preview(choice, message, version)
        children.append(("ItemOperations:Part", str(len(parts))))
    else:
        if shown:
            children.append(("AirSyncBase:Data", wire_text(shown)))
        children += _preview(choice, message, version)
    return ("AirSyncBase:Body", children)


def _preview(choice: BodyPreference, message: Message, version: int) -> list[Node]:
    if not choice.preview or version < 140:
        return []
    text = " ".join(body_data(message, PLAIN).decode().split())
    return [("AirSyncBase:Preview", text[: choice.preview])]


def body_part_node(message: Message, preference: BodyPreference, version: int) -> Node:
    """AirSyncBase:BodyPart (14.1): the HTML of this message alone, the quoted thread being left in."""
    data = body_data(message, HTML)
    shown = cut(data, preference.truncation)
    children: list[Node] = [
        ("AirSyncBase:Status", "1"),
        ("AirSyncBase:Type", str(HTML)),
        ("AirSyncBase:EstimatedDataSize", str(len(data))),
    ]
    if len(shown) < len(data):
        children.append(("AirSyncBase:Truncated", "1"))
    if not (preference.all_or_none and len(shown) < len(data)):
        children.append(("AirSyncBase:Data", wire_text(shown)))
    return ("AirSyncBase:BodyPart", children + _preview(preference, message, version))


def legacy_body(message: Message, options: ItemOptions) -> list[Node]:
    """Body or MIMEData of protocol 2.5."""
    smime = message.message_class.startswith("IPM.Note.SMIME")
    if options.mime_support == 2 or (options.mime_support == 1 and smime):
        shown = cut(message.raw, options.mime_truncation)
        return [
            ("Email:MIMETruncated", "1" if len(shown) < len(message.raw) else "0"),
            ("Email:MIMEData", wire_text(shown)),
            ("Email:MIMESize", str(len(message.raw))),
        ]
    data = body_data(message, PLAIN)
    shown = cut(data, TRUNCATION.get(options.truncation))
    return [
        ("Email:BodyTruncated", "1" if len(shown) < len(data) else "0"),
        ("Email:Body", wire_text(shown)),
        ("Email:BodySize", str(len(data))),
    ]


def read_options(options: Sequence[Node], base: ItemOptions | None = None) -> ItemOptions:
    """AirSync:Options, ItemOperations:Options or Search:Options as `ItemOptions`."""
    values: dict[str, int] = {}
    preferences: list[BodyPreference] = []
    part: BodyPreference | None = None
    for tag, content in options:
        if tag == "AirSyncBase:BodyPreference" and isinstance(content, list):
            preferences.append(_preference(content))
        elif tag == "AirSyncBase:BodyPartPreference" and isinstance(content, list):
            part = _preference(content)
        elif isinstance(content, str) and (value := integer(content)) is not None:
            values[tag] = value
    base = base or ItemOptions()
    return ItemOptions(
        preferences=tuple(preferences),
        part_preference=part,
        mime_support=values.get("AirSync:MIMESupport", base.mime_support),
        mime_truncation=MIME_TRUNCATION.get(values.get("AirSync:MIMETruncation", 8)),
        truncation=values.get("AirSync:Truncation", 9),
        filter_type=values.get("AirSync:FilterType", 0),
        conflict=values.get("AirSync:Conflict", 1),
        max_items=values.get("AirSync:MaxItems"),
        rights=values.get("RightsManagement:RightsManagementSupport", 0) == 1,
    )


def _preference(children: Sequence[Node]) -> BodyPreference:
    values = {tag: value for tag, text in children if isinstance(text, str) and (value := integer(text)) is not None}
    return BodyPreference(
        type=values.get("AirSyncBase:Type", PLAIN),
        truncation=values.get("AirSyncBase:TruncationSize"),
        all_or_none=values.get("AirSyncBase:AllOrNone", 0) == 1,
        preview=values.get("AirSyncBase:Preview", 0),
    )
