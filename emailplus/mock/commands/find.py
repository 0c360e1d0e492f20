"""Find (16.1, MS-ASCMD 2.2.1.2): people by prefix, mail by the keyword query language, page by page of one search."""

from __future__ import annotations

import re
from email.utils import getaddresses

from ...eas.wbxml import Node
from ..bodies import PLAIN, body_data
from ..context import Answer, Context
from ..gal import find_people, with_pictures
from ..items import display_names
from ..kql import QueryError, compile_query
from ..mailbox import Folder, Item
from ..rights import sealed
from ..tree import as_text, child, children, every, text
from .search import in_scope

_RANGE = re.compile(r"^(\d{1,3})-(\d{1,3})$")
_GUID = re.compile(r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")
DEFAULT_RANGE = "0-99"
MAX_PEOPLE = 100  # MS-ASCMD_R10031996
MAX_PREVIEW = 255
KEPT = 20  # searches of a device that can be paged through


def handle(context: Context) -> Answer:
    search_id = text(context.tree, "Find:SearchId")
    execute = child(context.tree, "Find:ExecuteSearch")
    mailbox = child(execute, "Find:MailBoxSearchCriterion")
    people = child(execute, "Find:GALSearchCriterion")
    criterion = mailbox or people
    if not _GUID.match(search_id) or criterion is None or (mailbox is not None and people is not None):
        return _failed("2")
    options = child(criterion, "Find:Options")
    limits = _RANGE.match(text(options, "Find:Range") or DEFAULT_RANGE)
    if limits is None or int(limits[2]) < int(limits[1]):
        return _failed("2")
    first, last = int(limits[1]), int(limits[2])
    if people is not None:
        return _people(context, people, options, first, last)
    finds = context.device.finds
    if search_id not in finds:
        if first:
            return _response("4")  # MS-ASCMD_R72172518
        found = _search(context, child(criterion, "Find:Query"), child(options, "Find:DeepTraversal") is not None)
        if isinstance(found, Answer):
            return found
        finds[search_id] = found
        while len(finds) > KEPT:
            del finds[next(iter(finds))]
    rows = [_alive(context, server_id) for server_id in finds[search_id]]
    results = [_mail(context, *row) for row in rows[first : last + 1] if row is not None]
    return _response("1", results, first, len(rows))


def _search(context: Context, query: Node | None, deep: bool) -> list[str] | Answer:
    """Server ids, newest first; or the answer that the query is none, or names a folder that is not there."""
    words, folders, classes = "", [], []
    for tag, content in children(query):
        if tag == "Find:FreeText":
            words += f" {as_text(content)}"
        elif tag == "AirSync:CollectionId":
            folders.append(as_text(content))
        elif tag == "AirSync:Class":
            classes.append(as_text(content))
    if classes != ["Email"] or len(folders) > 1:
        return _failed("2")  # MS-ASCMD_R901100613
    if any(name not in context.mailbox.folders for name in folders):
        return _failed("3")
    try:
        meant = compile_query(words)
    except QueryError:
        return _failed("2")
    found = [
        item
        for folder, item in context.mailbox.walk()
        if in_scope(context, folder, folders, deep) and meant(item, context.mailbox.message(item))
    ]
    return [item.server_id for item in sorted(found, key=lambda item: item.received, reverse=True)]


def _alive(context: Context, server_id: str) -> tuple[Folder, Item] | None:
    folder = context.mailbox.folders.get(server_id.partition(":")[0])
    item = folder.items.get(server_id) if folder is not None else None
    return (folder, item) if folder is not None and item is not None else None


def _mail(context: Context, folder: Folder, item: Item) -> Node:
    message = context.mailbox.message(item)
    if item.licence is not None:  # Find cannot ask for it to be opened
        message = sealed(message)
    headers = message.headers
    received = item.received.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    preview = " ".join(body_data(message, PLAIN).decode().split())[:MAX_PREVIEW]
    nodes: list[Node] = [
        ("Email:Subject", headers.get("subject") or None),
        ("Email:DateReceived", received),
        ("Email:DisplayTo", display_names(headers.all("to"))[:1024] or None),
    ]
    for name in ("cc", "bcc"):
        if headers.get(name):
            nodes.append((f"Find:Display{name.title()}", display_names(headers.all(name))[:1024]))
    nodes += [
        ("Email:Importance", "1"),
        ("Email:Read", "1" if item.read else "0"),
        ("Email2:IsDraft", "1" if item.draft else "0"),
        ("Find:Preview", preview or None),
        ("Find:HasAttachments", "1" if message.attachments() else "0"),
        ("Email:From", _sender(headers.get("from"))),
    ]
    return (
        "Find:Result",
        [
            ("AirSync:Class", "Email"),
            ("AirSync:ServerId", item.server_id),
            ("AirSync:CollectionId", folder.server_id),
            ("Find:Properties", nodes),
        ],
    )


def _sender(header: str) -> str | None:
    for name, address in getaddresses([header]):
        return f'"{name}" <{address}>' if name else address
    return None


def _people(context: Context, criterion: Node, options: Node | None, first: int, last: int) -> Answer:
    query = text(criterion, "Find:Query")
    if not query.strip() or every(criterion, "Find:DeepTraversal"):
        return _failed("2")
    found = find_people(context.exchange.directory, query)
    shown = found[:MAX_PEOPLE][first : last + 1]
    rows = with_pictures(shown, child(options, "Find:Picture"), "Find")
    results: list[Node] = [("Find:Result", [("Find:Properties", nodes)]) for nodes in rows]
    return _response("1", results, first, len(found))


def _failed(status: str) -> Answer:
    return Answer(tree=("Find:Find", [("Find:Status", status)]))


def _response(status: str, results: list[Node] | None = None, first: int = 0, total: int = 0) -> Answer:
    nodes: list[Node] = [("ItemOperations:Store", "Mailbox"), ("Find:Status", status)]
    if results is not None:
        nodes += results
        if results:
            nodes.append(("Find:Range", f"{first}-{first + len(results) - 1}"))
        nodes.append(("Find:Total", str(total)))
    return Answer(tree=("Find:Find", [("Find:Status", "1"), ("Find:Response", nodes)]))
