"""Sync (MS-ASCMD 2.2.1.21): requests for several collections of any class, answers with items kept apart.

An item that cannot be read does not stop the others: it is quarantined with its raw bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ...errors import MalformedResponse, WbxmlError
from ...model.changes import ItemChange, QuarantinedItem
from ...model.item import Item
from ...model.message import Message
from ...policy.body_preference import BodyRequest
from .. import status, tree
from ..items import email
from ..items.classes import ITEM_TYPES
from ..versions import Version
from ..wbxml import Node, encode

NAME = "Sync"
MAX_WINDOW = 512
"""WindowSize above it counts as 512 (MS-ASCMD 2.2.3.199)."""

_TRUNCATION_2_5 = ((0, 0), (512, 1), (1024, 2), (2048, 3), (5120, 4), (10240, 5), (20480, 6), (51200, 7), (102400, 8))
_MIME_TRUNCATION = ((0, 0), (4096, 1), (5120, 2), (7168, 3), (10240, 4), (20480, 5), (51200, 6), (102400, 7))


ITEM_BODY = 1 << 20
"""Bytes of the text of an event, contact, task or note that a Sync brings; more is cut and never written back."""
SERVER_WINS, CLIENT_WINS = 1, 0
"""Conflict (MS-ASCMD 2.2.3.34)."""


@dataclass(frozen=True, slots=True)
class CollectionRequest:
    """What is asked about one collection. `window` is its WindowSize."""

    server_id: str
    sync_key: str
    window: int
    filter_type: int
    body: BodyRequest
    item_class: str = "Email"
    commands: Sequence[Node] = ()
    """Add, Change, Delete and Fetch of the client (MS-ASCMD 2.2.3.32)."""
    get_changes: bool = True
    """False: only the client's commands are carried out, the server's changes stay for later."""
    conflict: int | None = None
    """`SERVER_WINS` or `CLIENT_WINS`; None leaves it to the server, which then wins."""
    deletes_as_moves: bool | None = None
    """Whether a Delete goes to Deleted Items; None: as the server does by itself, which is to move."""
    text_messages: bool = False
    """Ask a mail collection for text messages too (class SMS, MS-ASMS, from 14.0 on)."""


@dataclass(frozen=True, slots=True)
class ItemResponse:
    """What the server says of one command of the client (MS-ASCMD 2.2.3.154)."""

    command: str
    """"Add", "Change", "Delete" or "Fetch"."""
    status: int
    client_id: str = ""
    server_id: str = ""
    nodes: Sequence[Node] = ()
    """ApplicationData: what the server made of it."""


@dataclass(slots=True)
class CollectionAnswer:
    """What the server says about one collection."""

    server_id: str
    status: int = status.OK
    sync_key: str = ""
    more: bool = False
    added: list[Message] = field(default_factory=list)
    items_added: list[Item] = field(default_factory=list)
    """The same for the classes other than Email."""
    changed: list[ItemChange] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    soft_deleted: list[str] = field(default_factory=list)
    quarantined: list[QuarantinedItem] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    """Properties that could not be read, of items that could."""
    responses: list[ItemResponse] = field(default_factory=list)

    @property
    def items(self) -> int:
        """Commands in this answer."""
        gone = len(self.deleted) + len(self.soft_deleted)
        return len(self.added) + len(self.items_added) + len(self.changed) + gone + len(self.quarantined)


def build(collections: Sequence[CollectionRequest], version: Version, wait: Node | None = None) -> Node:
    """One request for all `collections`; those with SyncKey "0" are primed: they answer with a key and no items.

    `wait` is how long the answer may be held (`long_poll.waiting`).
    """
    parts: list[Node] = [("AirSync:Collections", [_collection(c, version) for c in collections])]
    return ("AirSync:Sync", parts if wait is None else [*parts, wait])


def _collection(request: CollectionRequest, version: Version) -> Node:
    parts: list[Node] = []
    if version.class_in_collection:
        parts.append(("AirSync:Class", request.item_class))
    parts += [("AirSync:SyncKey", request.sync_key), ("AirSync:CollectionId", request.server_id)]
    if request.sync_key == "0":
        if has_ghosts(request.item_class, version):
            parts.append(("AirSync:Supported", ITEM_TYPES[request.item_class].supported(version.code)))
        return ("AirSync:Collection", parts)
    if request.deletes_as_moves is not None:
        parts.append(("AirSync:DeletesAsMoves", "1" if request.deletes_as_moves else "0"))
    if request.get_changes:
        parts.append(("AirSync:GetChanges", "1" if version.airsyncbase else None))
    elif version.airsyncbase:  # in 2.5 its absence says so
        parts.append(("AirSync:GetChanges", "0"))
    parts.append(("AirSync:WindowSize", str(request.window)))
    if request.item_class == "Email":
        chosen = options(request.filter_type, request.body, version)
        if request.conflict is not None:
            chosen.append(("AirSync:Conflict", str(request.conflict)))
    else:
        chosen = item_options(request.item_class, request.filter_type, request.conflict, version)
    parts.append(("AirSync:Options", chosen))
    if request.text_messages and request.item_class == "Email" and version.conversations:
        parts.append(("AirSync:Options", text_options(request.filter_type)))
    if request.commands:
        parts.append(("AirSync:Commands", list(request.commands)))
    return ("AirSync:Collection", parts)


def has_ghosts(item_class: str, version: Version) -> bool:
    """Whether Supported says which properties we manage: contacts, and calendars before 16.0 (MS-ASCMD_R7309)."""
    return item_class == "Contacts" or (item_class == "Calendar" and version.code < 160)


def item_options(item_class: str, filter_type: int, conflict: int | None, version: Version) -> list[Node]:
    """The Options of a class other than Email.

    FilterType is for email, calendars and tasks only (MS-ASCMD 2.2.3.68.2).
    """
    parts: list[Node] = []
    if item_class in ("Calendar", "Tasks"):
        parts.append(("AirSync:FilterType", str(filter_type)))
    if not version.airsyncbase:
        parts.append(("AirSync:Truncation", "9"))
    else:
        if version.conversations:
            parts.append(("AirSync:Class", item_class))
        size: Node = ("AirSyncBase:TruncationSize", str(ITEM_BODY))
        parts.append(("AirSyncBase:BodyPreference", [("AirSyncBase:Type", "1"), size]))
    if conflict is not None:
        parts.append(("AirSync:Conflict", str(conflict)))
    return parts


def options(filter_type: int, body: BodyRequest, version: Version) -> list[Node]:
    """The Options of a mail collection: sent unchanged with every request, or the server resets its window."""
    parts: list[Node] = [("AirSync:FilterType", str(filter_type))]
    if not version.airsyncbase:
        cut = body.preferences[-1].truncation_size
        parts.append(("AirSync:Truncation", str(_step(_TRUNCATION_2_5, cut, 9))))
        if body.mime_support:
            parts.append(("AirSync:MIMESupport", str(body.mime_support)))
            parts.append(("AirSync:MIMETruncation", str(_step(_MIME_TRUNCATION, cut, 8))))
        return parts
    if version.conversations:
        parts.append(("AirSync:Class", "Email"))
    parts.extend(body_preferences(body, version))
    parts.append(("AirSync:MIMESupport", str(body.mime_support)))
    return parts


def body_preferences(body: BodyRequest, version: Version | None = None) -> list[Node]:
    """One BodyPreference a type (MS-ASAIRS 2.2.2.12), and RightsManagementSupport where protected mail is to be opened
    (MS-ASRM 2.2.2.15). `version` leaves the latter out where it does not exist yet.
    """
    nodes: list[Node] = []
    for preference in body.preferences:
        parts: list[Node] = [("AirSyncBase:Type", str(preference.type))]
        if preference.truncation_size is not None:
            parts.append(("AirSyncBase:TruncationSize", str(preference.truncation_size)))
        nodes.append(("AirSyncBase:BodyPreference", parts))
    if body.rights and (version is None or version.rights):
        nodes.append(("RightsManagement:RightsManagementSupport", "1"))
    return nodes


def text_options(filter_type: int) -> list[Node]:
    """The Options of text messages, beside those of the mail that they lie among (MS-ASCMD 2.2.3.27.5, R907)."""
    preference: Node = ("AirSyncBase:BodyPreference", [("AirSyncBase:Type", "1")])
    return [("AirSync:FilterType", str(filter_type)), ("AirSync:Class", "SMS"), preference]


def _step(steps: tuple[tuple[int, int], ...], size: int | None, unlimited: int) -> int:
    """The largest step that does not exceed `size`."""
    if size is None:
        return unlimited
    return max(code for limit, code in steps if limit <= size)


def build_fetch(collection_id: str, sync_key: str, server_id: str, body: BodyRequest, version: Version) -> Node:
    """Fetch one item inside Sync, for versions without ItemOperations (MS-ASCMD 2.2.3.67.2)."""
    fetch: Node = ("AirSync:Fetch", [("AirSync:ServerId", server_id)])
    parts: list[Node] = [
        ("AirSync:Class", "Email"),
        ("AirSync:SyncKey", sync_key),
        ("AirSync:CollectionId", collection_id),
        ("AirSync:Options", options(0, body, version)),
        ("AirSync:Commands", [fetch]),
    ]
    return ("AirSync:Sync", [("AirSync:Collections", [("AirSync:Collection", parts)])])


def parse(root: Node, classes: Mapping[str, str] | None = None) -> list[CollectionAnswer]:
    """The answers of all collections; one whose own status is not 1 is returned with it, for the caller to act on.

    `classes` tells the class of a CollectionId, Email where it does not. Raises the error of a status for the whole
    command, or `MalformedResponse`.
    """
    tree.expect(root, "AirSync:Sync")
    code = tree.status(root, "AirSync:Status")
    if code not in (None, status.OK):
        raise status.error(NAME, code, tree.number(root, "AirSync:Limit"))
    nodes = tree.each(tree.child(root, "AirSync:Collections"), "AirSync:Collection")
    return [_answer(node, classes or {}) for node in nodes]


def _answer(node: Node, classes: Mapping[str, str]) -> CollectionAnswer:
    answer = CollectionAnswer(tree.text(node, "AirSync:CollectionId"))
    commands: list[Node] = []
    for tag, content in tree.children(node):
        if tag == "AirSync:SyncKey":
            answer.sync_key = tree.value((tag, content)).strip()
        elif tag == "AirSync:Status":
            answer.status = tree.status((tag, content)) or status.OK
        elif tag == "AirSync:MoreAvailable":
            answer.more = True
        elif tag == "AirSync:Commands":
            commands = tree.children((tag, content))
        elif tag == "AirSync:Responses":
            answer.responses = [_response(response) for response in tree.children((tag, content))]
    if not answer.server_id:
        raise MalformedResponse("Sync answered for a collection without a CollectionId")
    if answer.status == status.OK and not answer.sync_key:
        raise MalformedResponse("Sync answered without a SyncKey")
    item_class = classes.get(answer.server_id, "Email")
    for command in commands:
        take(command, answer, item_class)
    return answer


def _response(node: Node) -> ItemResponse:
    return ItemResponse(
        command=node[0].partition(":")[2],
        status=tree.status(node, "AirSync:Status") or status.OK,
        client_id=tree.text(node, "AirSync:ClientId"),
        server_id=tree.text(node, "AirSync:ServerId"),
        nodes=tree.children(tree.child(node, "AirSync:ApplicationData")),
    )


def take(command: Node, answer: CollectionAnswer, item_class: str = "Email") -> None:
    """Sort one command of the server into the answer."""
    tag, parts = command[0], command[1]
    server_id, data = "", None
    if isinstance(parts, list):
        for part_tag, part in parts:
            if part_tag == "AirSync:ServerId":
                server_id = part if isinstance(part, str) else tree.value((part_tag, part))
            elif part_tag == "AirSync:ApplicationData":
                data = part
    if not server_id:
        raise MalformedResponse(f"Sync sent {tag} without a ServerId")
    properties = data if isinstance(data, list) else []
    try:
        if tag == "AirSync:Add":
            if item_class == "Email":
                answer.added.append(email.read_message(server_id, properties))
            else:
                item, unreadable = ITEM_TYPES[item_class].read_item(server_id, properties)
                answer.items_added.append(item)
                answer.unreadable += unreadable
        elif tag == "AirSync:Change":
            if item_class == "Email":
                answer.changed.append(ItemChange(server_id, email.read_properties(properties)))
            else:
                values, unreadable = ITEM_TYPES[item_class].read_change(properties)
                whole = ITEM_TYPES[item_class].whole_by in values
                answer.changed.append(ItemChange(server_id, values, whole))
                answer.unreadable += unreadable
        elif tag == "AirSync:Delete":
            answer.deleted.append(server_id)
        elif tag == "AirSync:SoftDelete":
            answer.soft_deleted.append(server_id)
    except (ValueError, TypeError, OverflowError, WbxmlError) as problem:
        answer.quarantined.append(QuarantinedItem(server_id, encode(command), f"{type(problem).__name__}: {problem}"))


def parse_fetched(root: Node) -> bytes | None:
    """The MIME (or text) that a Fetch inside Sync brought (2.5); None where it brought none."""
    collection = tree.descend(root, "AirSync:Collections", "AirSync:Collection")
    fetched = tree.descend(collection, "AirSync:Responses", "AirSync:Fetch", "AirSync:ApplicationData")
    for tag in ("Email:MIMEData", "Email:Body"):
        data = tree.child(fetched, tag)
        if data is not None:
            return tree.octets(data)
    return None
