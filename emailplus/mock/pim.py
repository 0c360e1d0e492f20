"""Calendar items, contacts, tasks and notes behind the mock: kept as 16.1 writes them, told as each version has it.

Written from MS-ASCAL, MS-ASCNTC, MS-ASTASK, MS-ASNOTE and MS-ASAIRS, apart from the client's tables.
"""

from __future__ import annotations

import base64
import re
import secrets
import struct
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from ..eas.wbxml import Content, Node
from .bodies import ItemOptions, cut
from .mime import html_to_text
from .tree import as_text, child, children, every, text
from .versions import tag_valid

MAX_PICTURE = 48 << 10  # characters of base64 (MS-ASCNTC_R384)
FLOATING = 160  # from here on all-day events are dates without a zone (MS-ASCAL_R2006)
_NAMESPACE = {"Calendar": "Calendar", "Contacts": "Contacts", "Tasks": "Tasks", "Notes": "Notes"}
_COMPACT = re.compile(r"^\d{8}T\d{6}Z$")
UTC_ZONE = base64.b64encode(struct.pack("<i64s16si64s16si", 0, "UTC".encode("utf-16-le"), b"", 0, b"", b"", 0)).decode()

COMPACT_DATES = frozenset(
    {
        "Calendar:StartTime", "Calendar:EndTime", "Calendar:DtStamp", "Calendar:ExceptionStartTime", "Calendar:Until",
        "AirSyncBase:InstanceId", "Calendar:AppointmentReplyTime",
    }
)  # fmt: skip
DASHED_DATES = frozenset(
    {
        "Contacts:Birthday", "Contacts:Anniversary", "Tasks:StartDate", "Tasks:UtcStartDate", "Tasks:DueDate",
        "Tasks:UtcDueDate", "Tasks:DateCompleted", "Tasks:ReminderTime", "Tasks:Start", "Tasks:Until",
    }
)  # fmt: skip
NUMBERS: dict[str, tuple[int, int]] = {
    "Calendar:AllDayEvent": (0, 1), "Calendar:BusyStatus": (0, 3), "Calendar:Sensitivity": (0, 3),
    "Calendar:MeetingStatus": (0, 15), "Calendar:Type": (0, 6), "Calendar:Interval": (0, 999),
    "Calendar:DayOfWeek": (1, 127), "Calendar:DayOfMonth": (1, 31), "Calendar:WeekOfMonth": (1, 5),
    "Calendar:MonthOfYear": (1, 12), "Calendar:FirstDayOfWeek": (0, 6), "Calendar:CalendarType": (0, 23),
    "Tasks:Complete": (0, 1), "Tasks:ReminderSet": (0, 1), "Tasks:Sensitivity": (0, 3), "Tasks:Type": (0, 6),
    "Tasks:FirstDayOfWeek": (0, 6), "Tasks:Interval": (0, 999), "Tasks:DayOfMonth": (1, 31),
    "Tasks:WeekOfMonth": (1, 5), "Tasks:MonthOfYear": (1, 12),
}  # fmt: skip
"""Ranges whose violation is a conversion error, Status 6 (MS-ASTASK_R171, R252; MS-ASCAL 2.2.2)."""
SERVERS_OWN_16 = frozenset(
    {"Calendar:OrganizerName", "Calendar:OrganizerEmail", "Calendar:DtStamp", "Calendar:AttendeeStatus", "Calendar:UID"}
)
"""What a client must not send from 16.0 on (MS-ASCAL_R2028, R2088, R2168, R2174, R2221)."""
NEVER_SENT = frozenset(
    {
        "Calendar:ResponseType", "Calendar:AppointmentReplyTime", "Calendar:OnlineMeetingConfLink",
        "Calendar:OnlineMeetingExternalLink", "AirSyncBase:NativeBodyType", "Contacts:Alias", "Contacts:WeightedRank",
        "Notes:LastModifiedDate",
    }
)  # fmt: skip
"""The server's to say; what a client says of it is ignored (MS-ASNOTE_R84)."""
KEPT = frozenset({"AirSyncBase:Body", "Contacts:Picture", "Calendar:Exceptions", "AirSyncBase:Attachments"})
"""Left out of a Change, these stay in every version (MS-ASCMD_R876, R878)."""
OWN = frozenset(
    {
        "Calendar:UID", "Calendar:DtStamp", "Calendar:OrganizerName", "Calendar:OrganizerEmail", "Calendar:ClientUid",
        "Notes:LastModifiedDate", "Notes:Subject", "Notes:MessageClass",
    }
    | NEVER_SENT
)  # fmt: skip
"""What the server keeps up by itself."""


REQUESTS_ONLY = frozenset({"Calendar:ClientUid", "AirSyncBase:ContentType"})
"""Elements of items that stand in no answer of Sync (MS-ASCAL_R2058, MS-ASAIRS_R1109)."""


class Refused(Exception):
    """An item that cannot be taken; the item's Status."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


# -- time


def moment(written: str) -> datetime:
    """A compact or dashed date. Raises `Refused`."""
    try:
        return datetime.fromisoformat(written).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refused(6, f"{written[:20]!r} is no date") from None


def compact(when: datetime) -> str:
    return f"{when:%Y%m%dT%H%M%SZ}"


def _offset(blob: str, wall: datetime) -> timedelta:
    """Local time less UTC at a wall-clock time, by the rules of a TIME_ZONE_INFORMATION blob (MS-ASDTYPE 2.7.6)."""
    try:
        values = struct.unpack("<i64s8Hi64s8Hi", base64.b64decode(blob))
    except (ValueError, struct.error):
        return timedelta()
    bias, standard, standard_bias, daylight, daylight_bias = (
        values[0],
        values[2:10],
        values[10],
        values[12:20],
        values[20],
    )
    ends, begins = _change(standard, wall.year), _change(daylight, wall.year)
    extra = standard_bias
    if ends is not None and begins is not None:
        summer = begins <= wall < ends if begins < ends else not ends <= wall < begins
        extra = daylight_bias if summer else standard_bias
    return timedelta(minutes=-(bias + extra))


def _change(rule: tuple[int, ...], year: int) -> datetime | None:
    """When the clock changes: the nth weekday of a month, 5 the last."""
    _, month, weekday, nth, hour, minute, _, _ = rule
    if not 1 <= month <= 12:
        return None
    day = datetime(year, month, 1, min(hour, 23), min(minute, 59))
    day += timedelta(days=(weekday - day.isoweekday()) % 7, weeks=max(1, min(nth, 5)) - 1)
    while day.month != month:
        day -= timedelta(weeks=1)
    return day


def _to_zone(written: str, blob: str) -> str:
    """A floating midnight as the UTC moment at which that day begins in the zone."""
    wall = moment(written).replace(tzinfo=None)
    return compact((wall - _offset(blob, wall)).replace(tzinfo=UTC))


def _to_floating(written: str, blob: str) -> str:
    """The UTC moment of a local midnight as that midnight, whatever stands beside it taken for the nearest one."""
    utc = moment(written).replace(tzinfo=None)
    wall = utc + _offset(blob, utc + _offset(blob, utc)) + timedelta(hours=12)
    return f"{wall:%Y%m%d}T000000Z"


def _moved(node: Node, change: object, blob: str) -> Node:
    """The node with every time in it moved between the two ways of saying all-day."""
    tag, content = node
    if (
        tag in COMPACT_DATES - {"Calendar:DtStamp", "Calendar:AppointmentReplyTime"}
        and isinstance(content, str)
        and content
    ):
        return tag, change(content, blob)  # type: ignore[operator]
    if isinstance(content, list):
        return tag, [_moved(inner, change, blob) for inner in content]
    return node


# -- from a client


def accept(nodes: list[Node], version: int, item_class: str) -> list[Node]:
    """What a client sent, as it is kept. Raises `Refused`."""
    kept: list[Node] = []
    body: dict[str, str] = {}
    for node in nodes:
        tag, content = node
        if tag in NEVER_SENT:
            continue
        _check(node, version)
        if tag in (f"{item_class}:Body", f"{item_class}:BodyTruncated", f"{item_class}:BodySize"):
            body[tag] = as_text(content)
        elif tag == "Calendar:Location":
            kept.append(_place(as_text(content)))
        elif tag == "Calendar:Exceptions":
            exceptions: list[Node] = [
                ("Calendar:Exception", _accept_exception(children(inner), version)) for inner in children(node)
            ]
            kept.append((tag, exceptions or None))
        else:
            kept.append(node)
    if f"{item_class}:Body" in body:
        written = body[f"{item_class}:Body"]
        kept.append(("AirSyncBase:Body", [("AirSyncBase:Type", "1"), ("AirSyncBase:Data", written or None)]))
    return kept


def _place(name: str) -> Node:
    return ("AirSyncBase:Location", [("AirSyncBase:DisplayName", name)] if name else None)


def _accept_exception(nodes: list[Node], version: int) -> list[Node]:
    kept: list[Node] = []
    for tag, content in accept(nodes, version, "Calendar"):
        kept.append(("AirSyncBase:InstanceId" if tag == "Calendar:ExceptionStartTime" else tag, content))
    if not any(tag == "AirSyncBase:InstanceId" for tag, _ in kept):
        raise Refused(6, "an exception names its instance")
    return kept


def _check(node: Node, version: int) -> None:
    tag, content = node
    if version >= FLOATING and tag in SERVERS_OWN_16:
        raise Refused(6, f"{tag} is the server's to say from 16.0 on")
    if isinstance(content, list):
        for inner in content:
            _check(inner, version)
        return
    written = as_text(content)
    if written and tag in COMPACT_DATES:
        if not _COMPACT.match(written):
            raise Refused(6, f"{tag} is no Compact DateTime: {written[:30]!r}")
        moment(written)
    elif written and tag in DASHED_DATES:
        moment(written)
    limits = NUMBERS.get(tag)
    if limits is not None and written and not (written.isdecimal() and limits[0] <= int(written) <= limits[1]):
        raise Refused(6, f"{tag} is {written[:20]!r}")
    if tag == "Contacts:Picture" and len(written) > MAX_PICTURE:
        raise Refused(6, "a picture of more than 48 KB (MS-ASCNTC_R384)")
    if tag == "Notes:MessageClass" and written != "IPM.StickyNote" and not written.startswith("IPM.StickyNote."):
        raise Refused(6, "a note is of class IPM.StickyNote (MS-ASNOTE_R119)")


def complete(nodes: list[Node], item_class: str, now: datetime, name: str, email: str, version: int) -> list[Node]:
    """A new item with what the server adds."""
    data: Node = ("", nodes)
    made = list(nodes)

    def default(tag: str, content: Content) -> None:
        if child(data, tag) is None:
            made.append((tag, content))

    if item_class == "Calendar":
        if child(data, "Calendar:StartTime") is None or child(data, "Calendar:EndTime") is None:
            start = now.replace(minute=0, second=0, microsecond=0) + timedelta(minutes=30 * (1 + now.minute // 30))
            default("Calendar:StartTime", compact(start))
            default("Calendar:EndTime", compact(start + timedelta(minutes=30)))
        default("Calendar:AllDayEvent", "0")
        default("Calendar:BusyStatus", "2")
        default("Calendar:Sensitivity", "0")
        default("Calendar:UID", secrets.token_hex(20).upper())
        default("Calendar:DtStamp", compact(now))
        default("Calendar:OrganizerName", name)
        default("Calendar:OrganizerEmail", email)
        default("Calendar:MeetingStatus", "1" if children(child(data, "Calendar:Attendees")) else "0")
        default("Calendar:Timezone", UTC_ZONE)
        if text(data, "Calendar:AllDayEvent") == "1" and version < FLOATING:
            blob = text(("", made), "Calendar:Timezone")
            made = [_moved(node, _to_floating, blob) for node in made]
    elif item_class == "Contacts" and child(data, "Contacts:FileAs") is None:
        names = [text(data, f"Contacts:{part}") for part in ("LastName", "FirstName")]
        filed = (
            ", ".join(filter(None, names)) or text(data, "Contacts:CompanyName") or text(data, "Contacts:Email1Address")
        )
        made.append(("Contacts:FileAs", filed))
    elif item_class == "Tasks":
        if child(data, "Tasks:Complete") is None:
            raise Refused(6, "Complete is required (MS-ASTASK_R116)")
        for one, other in (("StartDate", "UtcStartDate"), ("DueDate", "UtcDueDate")):
            if (child(data, f"Tasks:{one}") is None) != (child(data, f"Tasks:{other}") is None):
                raise Refused(6, f"{one} and {other} come together")
        default("Tasks:Importance", "1")
        default("Tasks:Sensitivity", "0")
        default("Tasks:ReminderSet", "0")
        if text(data, "Tasks:Complete") == "1":
            default("Tasks:DateCompleted", f"{now:%Y-%m-%dT%H:%M:%S.000Z}")
    elif item_class == "Notes":
        default("Notes:MessageClass", "IPM.StickyNote")
        made = [node for node in made if node[0] != "Notes:LastModifiedDate"]
        made.append(("Notes:LastModifiedDate", compact(now)))
    return [node for node in made if node[1] is not None]


def merge(
    old: list[Node], new: list[Node], item_class: str, version: int, supported: frozenset[str] | None
) -> list[Node]:
    """An item after a client's Change (MS-ASCMD_R873 to R880, R5906 to R5912)."""
    single = item_class == "Calendar" and version >= FLOATING
    named = dict(new)
    kept: list[Node] = []
    for tag, content in old:
        if tag in named:
            continue
        ghosted = supported is not None and tag not in supported and _as_supported(tag) not in supported
        if single or tag in KEPT or tag in OWN or ghosted or tag == "Calendar:Timezone":
            kept.append((tag, content))
    if single and named.keys() & {"Calendar:StartTime", "Calendar:EndTime", "Calendar:Recurrence"}:
        before = dict(old)
        changed = [
            tag
            for tag in ("Calendar:StartTime", "Calendar:EndTime", "Calendar:Recurrence")
            if tag in named and named[tag] != before.get(tag)
        ]
        if changed:  # MS-ASCAL_R2114
            kept = [node for node in kept if node[0] != "Calendar:Exceptions"]
    elif "Calendar:Exceptions" in named:
        joined = _join_exceptions(
            children(child(("", old), "Calendar:Exceptions")), children(("", named["Calendar:Exceptions"]))
        )
        new = [node if node[0] != "Calendar:Exceptions" else (node[0], joined) for node in new]
    return [*kept, *(node for node in new if node[1] is not None)]


def _as_supported(tag: str) -> str:
    """The tag under which Supported names what is kept in its 16.x form."""
    return "Calendar:Location" if tag == "AirSyncBase:Location" else tag


def _join_exceptions(old: list[Node], new: list[Node]) -> list[Node]:
    """Exceptions that are not named stay (MS-ASCMD_R877)."""
    named = {text(node, "AirSyncBase:InstanceId") for node in new}
    return [node for node in old if text(node, "AirSyncBase:InstanceId") not in named] + new


def change_instance(old: list[Node], instance: str, changes: list[Node] | None) -> list[Node]:
    """An event after a Change (or, None, a Delete) of one instance by its InstanceId (MS-ASCMD_R6238, R6420)."""
    if child(("", old), "Calendar:Recurrence") is None:
        raise Refused(6, "an InstanceId needs a series")
    exceptions = children(child(("", old), "Calendar:Exceptions"))
    mine = next((node for node in exceptions if text(node, "AirSyncBase:InstanceId") == instance), None)
    others = [node for node in exceptions if node is not mine]
    identity: Node = ("AirSyncBase:InstanceId", instance)
    if changes is None:
        made: Node = ("Calendar:Exception", [("Calendar:Deleted", "1"), identity])
    else:
        named = dict(changes)
        before = [node for node in children(mine) if node[0] not in named and node[0] != identity[0]]
        made = ("Calendar:Exception", [identity, *before, *changes])
    rest = [node for node in old if node[0] != "Calendar:Exceptions"]
    return [*rest, ("Calendar:Exceptions", [*others, made])]


def take_attachments(
    old: list[Node], nodes: list[Node], server_id: str
) -> tuple[list[Node], dict[str, bytes], list[Node]]:
    """Attachments added and deleted (16.0): the item's nodes, the contents, and what the response says of them."""
    wanted = child(("", nodes), "AirSyncBase:Attachments")
    rest = [node for node in nodes if node[0] != "AirSyncBase:Attachments"]
    present = children(child(("", old), "AirSyncBase:Attachments"))
    gone = {text(node, "AirSyncBase:FileReference") for node in every(wanted, "AirSyncBase:Delete")}
    present = [node for node in present if text(node, "AirSyncBase:FileReference") not in gone]
    contents: dict[str, bytes] = {}
    told: list[Node] = []
    for node in every(wanted, "AirSyncBase:Add"):
        content = child(node, "AirSyncBase:Content")
        raw = content[1] if content is not None else b""
        data = raw if isinstance(raw, bytes) else base64.b64decode(as_text(raw))
        reference = quote(f"{server_id}:{secrets.token_hex(4)}", safe="")
        contents[reference] = data
        present.append(
            (
                "AirSyncBase:Attachment",
                [
                    ("AirSyncBase:DisplayName", text(node, "AirSyncBase:DisplayName")),
                    ("AirSyncBase:FileReference", reference),
                    ("AirSyncBase:Method", "1"),
                    ("AirSyncBase:EstimatedDataSize", str(len(data))),
                    ("AirSyncBase:ContentType", text(node, "AirSyncBase:ContentType")),
                ],
            )
        )
        told.append(
            (
                "AirSyncBase:Attachment",
                [
                    ("AirSyncBase:ClientId", text(node, "AirSyncBase:ClientId")),
                    ("AirSyncBase:FileReference", reference),
                ],
            )
        )
    rest.append(("AirSyncBase:Attachments", present or None))
    return rest, contents, told


# -- to a client


def properties(nodes: list[Node], item_class: str, options: ItemOptions, version: int) -> list[Node]:
    """An item as a version tells it: all of it, in Adds and Changes alike."""
    data: Node = ("", nodes)
    all_day = item_class == "Calendar" and text(data, "Calendar:AllDayEvent") == "1"
    blob = text(data, "Calendar:Timezone") or UTC_ZONE
    shown: list[Node] = []
    for node in nodes:
        if all_day and version >= FLOATING and node[0] == "Calendar:Timezone":
            continue
        if all_day and version < FLOATING:
            node = _moved(node, _to_zone, blob)
        shown += _told(node, item_class, options, version)
    return shown


def _told(node: Node, item_class: str, options: ItemOptions, version: int) -> list[Node]:
    tag, content = node
    if tag == "AirSyncBase:Body":
        return _body(node, item_class, options, version)
    if tag == "AirSyncBase:Location" and version < FLOATING:
        return [("Calendar:Location", text(node, "AirSyncBase:DisplayName") or None)]
    if tag == "AirSyncBase:InstanceId" and version < FLOATING:
        return [("Calendar:ExceptionStartTime", content)]
    if tag == "AirSyncBase:Attachments" and version < FLOATING:
        return []
    if tag in REQUESTS_ONLY:
        return []
    if not tag_valid(tag, version) or (version < 140 and item_class == "Exception" and tag == "Calendar:Attendees"):
        return []
    if isinstance(content, list):
        inner_class = "Exception" if tag == "Calendar:Exception" else item_class
        return [(tag, [part for inner in content for part in _told(inner, inner_class, options, version)] or None)]
    return [node]


def _body(node: Node, item_class: str, options: ItemOptions, version: int) -> list[Node]:
    kind, written = text(node, "AirSyncBase:Type") or "1", text(node, "AirSyncBase:Data")
    plain = html_to_text(written) if kind == "2" else written
    if version < 120:
        namespace = "Calendar" if item_class == "Exception" else item_class
        nodes: list[Node] = [(f"{namespace}:Body", plain or None), (f"{namespace}:BodyTruncated", "0")]
        if namespace in ("Contacts", "Tasks"):
            nodes.append((f"{namespace}:BodySize", str(len(plain.encode()))))
        return nodes
    choice = next((preference for preference in options.preferences if str(preference.type) == kind), None)
    if choice is None and options.preferences:
        choice, kind, written = options.preferences[0], "1", plain
    whole = written.encode()
    shown = cut(whole, choice.truncation if choice is not None else None)
    parts: list[Node] = [("AirSyncBase:Type", kind), ("AirSyncBase:EstimatedDataSize", str(len(whole)))]
    if len(shown) < len(whole):
        parts.append(("AirSyncBase:Truncated", "1"))
    parts.append(("AirSyncBase:Data", shown.decode("utf-8", "ignore") or None))
    native: Node = ("AirSyncBase:NativeBodyType", text(node, "AirSyncBase:Type") or "1")
    return [("AirSyncBase:Body", parts)] + ([] if item_class == "Exception" else [native])
