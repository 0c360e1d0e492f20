"""Find: people and mail from 16.1 on, by keywords of the keyword query language (MS-ASCMD 2.2.1.2).

A further page of one search is asked for with the same SearchId (MS-ASCMD_R70981808).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from ...errors import MalformedResponse, NotOffered, UsageError
from ...model.directory import GalEntry
from ...model.search import FoundMail, MailQuery, Page
from .. import status, tree
from ..items import values
from ..versions import Version
from ..wbxml import Node
from . import search
from .resolve_recipients import MAX_PHOTO

NAME = "Find"
MAX_RESULTS = 1000
"""Positions of results are numbers up to 999 (MS-ASCMD_R37071812)."""
_SEARCH_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

T = TypeVar("T")


def build_mailbox(query: MailQuery, search_id: str, first: int, last: int, version: Version) -> Node:
    """Mails `first` to `last` that `query` finds; its dates and conversation are terms of the query language.

    `search_id` is a GUID. Raises `NotOffered` below 16.1, `UsageError` for what no server takes.
    """
    words = _keywords(query)
    parts: list[Node] = [("Find:FreeText", words), ("AirSync:Class", "Email")]
    if query.folder:
        parts.append(("AirSync:CollectionId", query.folder))
    options: list[Node] = [("Find:Range", _range(first, last))]
    if query.deep:
        options.append(("Find:DeepTraversal", None))
    return _find("Find:MailBoxSearchCriterion", parts, options, search_id, version)


def build_gal(
    text: str,
    search_id: str,
    first: int,
    last: int,
    version: Version,
    *,
    photo_size: int | None = None,
    max_photos: int | None = None,
) -> Node:
    """People `first` to `last` of the address list that begin with `text`. Raises as `build_mailbox`."""
    if not text.strip() or len(text) > search.MAX_QUERY:
        raise UsageError(f"a search needs a text of 1 to {search.MAX_QUERY} characters")
    options: list[Node] = [("Find:Range", _range(first, last))]
    if photo_size is not None:
        photo: list[Node] = [("Find:MaxSize", str(max(0, min(photo_size, MAX_PHOTO))))]
        if max_photos is not None:
            photo.append(("Find:MaxPictures", str(max(0, max_photos))))
        options.append(("Find:Picture", photo))
    return _find("Find:GALSearchCriterion", text, options, search_id, version)


def _find(criterion: str, query: str | list[Node], options: list[Node], search_id: str, version: Version) -> Node:
    if version.code < 161:
        raise NotOffered(f"Find exists from ActiveSync 16.1 on; this server speaks {version.name}")
    if not _SEARCH_ID.fullmatch(search_id):
        raise UsageError("a SearchId is a GUID")
    parts: list[Node] = [("Find:Query", query), ("Find:Options", options)]
    execute: Node = ("Find:ExecuteSearch", [(criterion, parts)])
    return ("Find:Find", [("Find:SearchId", search_id), execute])


def _keywords(query: MailQuery) -> str:
    if query.conversation:
        raise UsageError("Find knows no conversations; Search does")
    if query.keywords.strip():
        return _fitting(query.keywords.strip())
    words = [query.words.strip()] if query.words.strip() else []
    if query.after is not None:
        words.append(f"received>={query.after.date().isoformat()}")
    if query.before is not None:
        words.append(f"received<={query.before.date().isoformat()}")
    return _fitting(" ".join(words))


def _fitting(written: str) -> str:
    if not written or len(written.encode(errors="replace")) > search.MAX_QUERY:
        raise UsageError(f"a search on the server needs a word or a date, in at most {search.MAX_QUERY} bytes")
    return written


def _range(first: int, last: int) -> str:
    if not 0 <= first <= last < MAX_RESULTS:
        raise UsageError(f"results are numbered from 0 to {MAX_RESULTS - 1}, the first before the last")
    return f"{first}-{last}"


def parse_mailbox(root: Node) -> Page[FoundMail]:
    """Mails. One that cannot be read is left out, and counted. Raises the error of a status, or `MalformedResponse`."""
    return _page(root, _mail)


def parse_gal(root: Node) -> Page[GalEntry]:
    """People. Raises as `parse_mailbox`."""
    return _page(root, lambda result: search.gal_entry(tree.child(result, "Find:Properties")))


def _page(root: Node, read: Callable[[Node], T | None]) -> Page[T]:
    tree.expect(root, "Find:Find")
    response = tree.child(root, "Find:Response")
    for node in (root, response):
        code = tree.status(node, "Find:Status")
        if code not in (None, status.OK):
            raise status.error(NAME, code)
    if response is None:
        raise MalformedResponse("Find answered without a Response")
    nodes = list(tree.each(response, "Find:Result"))
    results = [result for result in map(read, nodes) if result is not None]
    first, last = search.span(tree.text(response, "Find:Range"), len(nodes))
    total = tree.number(response, "Find:Total")
    if total is None:
        total = last + 1 if nodes else 0
    return Page(results, first, total, not nodes or total <= last + 1, len(nodes) - len(results))


def _mail(result: Node) -> FoundMail | None:
    properties = tree.child(result, "Find:Properties")
    server_id = tree.text(result, "AirSync:ServerId")
    message = search.read_found(server_id, [n for n in tree.children(properties) if not n[0].startswith("Find:")])
    if message is None:
        return None
    message.preview = tree.text(properties, "Find:Preview")
    has = tree.child(properties, "Find:HasAttachments")
    return FoundMail(
        message,
        tree.text(result, "AirSync:CollectionId"),
        server_id=server_id,
        has_attachments=has is not None and values.read_boolean(has[1]),
    )
