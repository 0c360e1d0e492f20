"""Search (MS-ASCMD 2.2.1.16): the address list by prefix, the mailbox by words, folder and date."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from ...eas.wbxml import Node
from ..bodies import PLAIN, ItemOptions, body_data
from ..context import Answer, Context, StatusError, item_options
from ..items import conversation_id, email_properties
from ..mailbox import Folder, Item
from ..tree import as_text, child, children, every, text
from ..users import MockUser

_RANGE = re.compile(r"^(\d{1,3})-(\d{1,3})$")
MAX_RESULTS = 100  # MS-ASCMD_R416


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
    wanted = text(options, "Search:Range") or f"0-{MAX_RESULTS - 1}"
    limits = _RANGE.match(wanted)
    if limits is None or int(limits.group(2)) < int(limits.group(1)):
        return _store("2")
    first, last = int(limits.group(1)), int(limits.group(2))
    if last >= MAX_RESULTS:
        return _store("12")  # MS-ASCMD_R3736
    if name == "gal":
        results = _search_gal(context, text(store, "Search:Query"))
    elif name == "mailbox" and context.version >= 120:
        try:
            results = _search_mailbox(context, child(store, "Search:Query"), options)
        except TooComplex:
            return _store("8")
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


def _search_gal(context: Context, query: str) -> list[Callable[[], Node]]:
    """Entries with a word that begins like the query (MS-ASCMD_R421), by display name."""
    query = " ".join(query.lower().split())
    if not query:
        return []
    found = [user for user in context.exchange.users if _gal_match(user, query)]
    found.sort(key=lambda user: user.name or user.username)
    return [partial(_gal_result, user) for user in found]


def _gal_result(user: MockUser) -> Node:
    return ("Search:Result", [("Search:Properties", _gal_entry(user))])


def _gal_match(user: MockUser, query: str) -> bool:
    fields = [user.name.lower(), user.username.lower(), user.email.lower(), *user.name.lower().split()]
    return any(text.startswith(query) for text in fields)


def _gal_entry(user: MockUser) -> list[Node]:
    first, _, last = user.name.partition(" ")
    nodes: list[Node] = [("GAL:DisplayName", user.name or user.username), ("GAL:Alias", user.username)]
    if first:
        nodes.append(("GAL:FirstName", first))
    if last:
        nodes.append(("GAL:LastName", last))
    return [*nodes, ("GAL:EmailAddress", user.email)]


def _search_mailbox(context: Context, query: Node | None, options: Node | None) -> list[Callable[[], Node]]:
    """Messages with all the words, newest first."""
    criteria = _criteria(query)
    form = item_options(options)
    deep = child(options, "Search:DeepTraversal") is not None
    found = [
        (folder, item)
        for folder, item in context.mailbox.walk()
        if _in_scope(context, folder, criteria, deep) and _matches(context, item, criteria)
    ]
    found.sort(key=lambda pair: pair[1].received, reverse=True)
    return [partial(_mail_result, context, folder, item, form) for folder, item in found]


def _mail_result(context: Context, folder: Folder, item: Item, options: ItemOptions) -> Node:
    properties = email_properties(item, context.mailbox.message(item), options, context.version)
    return (
        "Search:Result",
        [
            ("AirSync:Class", "Email"),
            ("Search:LongId", item.server_id),
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


def _in_scope(context: Context, folder: Folder, criteria: Criteria, deep: bool) -> bool:
    if criteria.classes and "Email" not in criteria.classes:
        return False
    if not criteria.collections or folder.server_id in criteria.collections:
        return True
    parent = folder.parent_id
    while deep and parent in context.mailbox.folders:
        if parent in criteria.collections:
            return True
        parent = context.mailbox.folders[parent].parent_id
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
