"""Search (MS-ASCMD 2.2.1.16): people by prefix, the mailbox by words, folder and date, a library by its link.

A mailbox search is kept for its device: a further range comes out of what was found then, until RebuildResults or
another query (MS-ASCMD_R3739, R3754, R5426).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from ...eas.wbxml import Node
from ..bodies import PLAIN, ItemOptions, body_data
from ..context import Answer, Context, StatusError, item_options
from ..gal import find_people, with_pictures
from ..items import conversation_id, email_properties
from ..mailbox import Folder, Item, long_id
from ..tree import as_text, child, children, every, text

_RANGE = re.compile(r"^(\d{1,3})-(\d{1,3})$")
MAX_RESULTS = 100  # MS-ASCMD_R416, R3733
MAX_DOCUMENTS = 1000  # MS-ASCMD_R3734


@dataclass(slots=True)
class Criteria:
    """A mailbox query taken apart."""

    words: list[str] = field(default_factory=list)
    collections: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    after: datetime | None = None
    before: datetime | None = None
    conversation: bytes | None = None

    def empty(self) -> bool:
        """Whether it asks for nothing in particular."""
        return not (self.words or self.after or self.before or self.conversation)


class TooComplex(Exception):
    """A query of a shape that Search does not take (store Status 8)."""


def handle(context: Context) -> Answer:
    store = child(context.tree, "Search:Store")
    if store is None:
        raise StatusError(103)
    name = text(store, "Search:Name").lower()
    options = child(store, "Search:Options")
    most = MAX_DOCUMENTS if name == "documentlibrary" else MAX_RESULTS
    wanted = text(options, "Search:Range") or f"0-{most - 1}"
    limits = _RANGE.match(wanted)
    if limits is None or int(limits.group(2)) < int(limits.group(1)):
        return _store("2")
    first, last = int(limits.group(1)), int(limits.group(2))
    if last >= most:
        return _store("12")  # MS-ASCMD_R3736
    results: list[Callable[[], Node]]
    if name == "gal":
        found = find_people(context.exchange.directory, text(store, "Search:Query"))
        picture = child(options, "Search:Picture") if context.version >= 141 else None
        results = [partial(_gal_result, row) for row in with_pictures(found, picture, "Search")]
    elif name == "mailbox" and context.version >= 120:
        try:
            results = _search_mailbox(context, child(store, "Search:Query"), options)
        except TooComplex:
            return _store("8")
    elif name == "documentlibrary" and context.version >= 120:
        documents = _documents(context, child(store, "Search:Query"), options)
        if isinstance(documents, int):
            return _store(str(documents))
        results = documents
    else:
        return _store("2")
    if first and first >= len(results):
        return _store("12")
    shown = [render() for render in results[first : last + 1]]
    if not shown:
        return _store("1", ("Search:Result", None), ("Search:Total", "0"))
    answered: Node = ("Search:Range", f"{first}-{first + len(shown) - 1}")
    return _store("1", *shown, answered, ("Search:Total", str(len(results))))


def _store(status: str, *nodes: Node) -> Answer:
    store: Node = ("Search:Store", [("Search:Status", status), *nodes])
    return Answer(tree=("Search:Search", [("Search:Status", "1"), ("Search:Response", [store])]))


def _gal_result(properties: list[Node]) -> Node:
    return ("Search:Result", [("Search:Properties", properties)])


def _documents(context: Context, query: Node | None, options: Node | None) -> list[Callable[[], Node]] | int:
    """What a link leads to, or the Status that it leads nowhere."""
    equal = child(query, "Search:EqualTo")
    if equal is None or len(children(query)) != 1:
        return 2  # only LinkId == value is supported (MS-ASCMD_R3700)
    link = text(equal, "Search:Value").strip()
    library = context.exchange.library
    status = library.status(link, text(options, "Search:UserName"), text(options, "Search:Password"))
    if status:
        return status
    return [partial(_gal_result, document.properties()) for document in library.listing(link)]


def _search_mailbox(context: Context, query: Node | None, options: Node | None) -> list[Callable[[], Node]]:
    """Messages with all the words, newest first."""
    criteria = _criteria(query)
    form = item_options(options)
    deep = child(options, "Search:DeepTraversal") is not None
    device = context.device
    asked = repr((query, deep))
    if device.search_query != asked or child(options, "Search:RebuildResults") is not None:
        found = [
            item
            for folder, item in context.mailbox.walk()
            if "Email" in (criteria.classes or ["Email"])
            and in_scope(context, folder, criteria.collections, deep)
            and _matches(context, item, criteria)
        ]
        found.sort(key=lambda item: item.received, reverse=True)
        device.search_query, device.search_found = asked, [item.server_id for item in found]
    alive = [(context.mailbox.folders.get(name.partition(":")[0]), name) for name in device.search_found]
    return [
        partial(_mail_result, context, folder, folder.items[name], form)
        for folder, name in alive
        if folder is not None and name in folder.items
    ]


def _mail_result(context: Context, folder: Folder, item: Item, options: ItemOptions) -> Node:
    properties = email_properties(
        item, context.mailbox.message(item), options, context.version, user=context.user.email
    )
    return (
        "Search:Result",
        [
            ("AirSync:Class", "Email"),
            ("Search:LongId", long_id(item.server_id)),
            ("AirSync:CollectionId", folder.server_id),
            ("Search:Properties", properties),
        ],
    )


def _criteria(query: Node | None) -> Criteria:
    conjunctions = every(query, "Search:And")
    if len(conjunctions) != 1 or len(children(query)) != 1:
        raise TooComplex  # MS-ASCMD_R772, R3105
    conjunction = conjunctions[0]
    criteria = Criteria()
    for tag, content in children(conjunction):
        if tag == "Search:FreeText":
            criteria.words += as_text(content).lower().split()
        elif tag == "AirSync:CollectionId":
            criteria.collections.append(as_text(content))
        elif tag == "AirSync:Class":
            criteria.classes.append(as_text(content))
        elif tag == "Search:GreaterThan":
            criteria.after = _date((tag, content))
        elif tag == "Search:LessThan":
            criteria.before = _date((tag, content))
        elif tag == "Search:ConversationId" and isinstance(content, bytes):
            criteria.conversation = content
        else:
            raise TooComplex
    if criteria.empty():
        raise TooComplex
    return criteria


def _date(node: Node) -> datetime:
    try:
        return datetime.fromisoformat(text(node, "Search:Value")).astimezone(UTC)
    except ValueError:
        raise StatusError(104) from None


def in_scope(context: Context, folder: Folder, wanted: list[str], deep: bool) -> bool:
    """Whether a folder is searched: any without a wish, else those wished for, with `deep` their subfolders too."""
    if not wanted or folder.server_id in wanted:
        return True
    parent, seen = folder.parent_id, 0
    while deep and parent in context.mailbox.folders and seen < 64:
        if parent in wanted:
            return True
        parent, seen = context.mailbox.folders[parent].parent_id, seen + 1
    return False


def _matches(context: Context, item: Item, criteria: Criteria) -> bool:
    if criteria.after is not None and item.received <= criteria.after:
        return False
    if criteria.before is not None and item.received >= criteria.before:
        return False
    message = context.mailbox.message(item)
    if criteria.conversation is not None and conversation_id(message) != criteria.conversation:
        return False
    names = ("subject", "from", "to", "cc")
    hay = " ".join(message.headers.all(name) for name in names) + " " + body_data(message, PLAIN).decode()
    hay = hay.lower()
    return all(word in hay for word in criteria.words)
