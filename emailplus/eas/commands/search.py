"""Search: people in the address list, mail in the mailbox, files in a document library (MS-ASCMD 2.2.1.16).

The address list is searched from 2.5 on, mailbox and document library from 12.0 on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from ...errors import MalformedResponse, NotOffered, UsageError, WbxmlError
from ...model.directory import GalEntry, Photo
from ...model.message import Message
from ...model.search import Document, FoundMail, MailQuery, Page
from ...policy.body_preference import BodyRequest
from .. import status, tree
from ..items import email, values
from ..versions import Version
from ..wbxml import Node
from .resolve_recipients import MAX_PHOTO, picture_bytes
from .sync import body_preferences

NAME = "Search"
MAX_RESULTS = 100
"""Entries of the address list or the mailbox that can be had at all (MS-ASCMD_R3733, R3735)."""
MAX_DOCUMENTS = 1000
"""The same for a document library (MS-ASCMD_R3734)."""
MAX_QUERY = 1024
END_OF_RANGE = 12
"""Store status: the range goes beyond what can be retrieved."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Credentials:
    """User and password for a library; sent only after a Status 14 and over TLS (MS-ASCMD_R3579, R3581)."""

    user: str
    password: str

    def nodes(self, namespace: str) -> list[Node]:
        """UserName and Password of `namespace`, each of at most 100 characters. Raises `UsageError`."""
        if len(self.user) > 100 or len(self.password) > 100:
            raise UsageError("user name and password for a library have at most 100 characters")
        return [(f"{namespace}:UserName", self.user), (f"{namespace}:Password", self.password)]


def build_gal(
    text: str,
    first: int,
    last: int,
    version: Version,
    *,
    photo_size: int | None = None,
    max_photos: int | None = None,
) -> Node:
    """Entries `first` to `last` of the address list that begin with `text`; photos from 14.1 on.

    Raises `UsageError` for an empty or endless text, or a range that no server gives.
    """
    options: list[Node] = [("Search:Range", _range(first, last, MAX_RESULTS))]
    if photo_size is not None and version.code >= 141:
        photo: list[Node] = [("Search:MaxSize", str(max(0, min(photo_size, MAX_PHOTO))))]
        if max_photos is not None:
            photo.append(("Search:MaxPictures", str(max(0, max_photos))))
        options.append(("Search:Picture", photo))
    return _store("GAL", _checked(text), options)


def build_mailbox(
    query: MailQuery, first: int, last: int, body: BodyRequest | None, version: Version, *, rebuild: bool = True
) -> Node:
    """Mails `first` to `last` that `query` finds. `rebuild`: the server looks anew instead of in its last result.

    Raises `NotOffered` in 2.5, `UsageError` for a query without a word, date or conversation.
    """
    if not version.airsyncbase:
        raise NotOffered("mail is searched on the server from ActiveSync 12.0 on")
    parts: list[Node] = [("AirSync:Class", "Email")]
    if query.folder:
        parts.append(("AirSync:CollectionId", query.folder))
    if query.words.strip():
        parts.append(("Search:FreeText", _checked(query.words)))
    if query.conversation and version.conversations:
        parts.append(("Search:ConversationId", query.conversation))
    for tag, moment in (("Search:GreaterThan", query.after), ("Search:LessThan", query.before)):
        if moment is not None:
            parts.append((tag, [("Email:DateReceived", None), ("Search:Value", _dashed(moment))]))
    if not (query.words.strip() or query.conversation or query.after or query.before):
        raise UsageError("a search on the server needs a word, a date or a conversation")
    options: list[Node] = []
    if rebuild:
        options.append(("Search:RebuildResults", None))
    if query.deep:
        options.append(("Search:DeepTraversal", None))
    options.append(("Search:Range", _range(first, last, MAX_RESULTS)))
    if body is not None:
        options += [*body_preferences(body, version), ("AirSync:MIMESupport", str(body.mime_support))]
    return _store("Mailbox", [("Search:And", parts)], options)


def build_documents(
    link_id: str, first: int, last: int, version: Version, credentials: Credentials | None = None
) -> Node:
    """The file or folder at a UNC path or URL: itself first, then what it holds (MS-ASCMD_R3857).

    Raises `NotOffered` in 2.5, `UsageError` for a link or range that no server takes.
    """
    if not version.airsyncbase:
        raise NotOffered("document libraries exist from ActiveSync 12.0 on")
    equal: Node = ("Search:EqualTo", [("DocumentLibrary:LinkId", None), ("Search:Value", _checked(link_id))])
    options: list[Node] = [("Search:Range", _range(first, last, MAX_DOCUMENTS))]
    if credentials is not None:
        options += credentials.nodes("Search")
    return _store("DocumentLibrary", [equal], options)


def _store(name: str, query: str | list[Node], options: list[Node]) -> Node:
    parts: list[Node] = [("Search:Name", name), ("Search:Query", query), ("Search:Options", options)]
    return ("Search:Search", [("Search:Store", parts)])


def _checked(text: str) -> str:
    if not text.strip() or len(text.encode(errors="replace")) > MAX_QUERY:
        raise UsageError(f"a search needs a text of 1 to {MAX_QUERY} bytes")
    return text


def _range(first: int, last: int, most: int) -> str:
    if not 0 <= first <= last < most:
        raise UsageError(f"results are numbered from 0 to {most - 1}, the first before the last")
    return f"{first}-{last}"


def _dashed(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise UsageError("a search by date needs times with a zone")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_gal(root: Node) -> Page[GalEntry]:
    """People. Raises the error of a status, or `MalformedResponse`."""
    return _page(root, lambda result: gal_entry(tree.child(result, "Search:Properties")))


def parse_mailbox(root: Node) -> Page[FoundMail]:
    """Mails. One that cannot be read is left out; the others count. Raises as `parse_gal`."""
    return _page(root, _mail)


def parse_documents(root: Node) -> Page[Document]:
    """Files and folders. Raises as `parse_gal`; status 14 is `AuthenticationFailed`."""
    return _page(root, lambda result: document(tree.child(result, "Search:Properties")))


def _page(root: Node, read: Callable[[Node], T | None]) -> Page[T]:
    tree.expect(root, f"{NAME}:{NAME}")
    code = tree.status(root, f"{NAME}:Status")
    if code not in (None, status.OK):
        raise status.error(NAME, code)
    store = tree.descend(root, f"{NAME}:Response", f"{NAME}:Store")
    if store is None:
        raise MalformedResponse("Search answered without a Store")
    code = tree.status(store, f"{NAME}:Status")
    if code not in (None, status.OK, END_OF_RANGE):
        raise status.error(f"{NAME}/Store", code)
    nodes = [node for node in tree.each(store, f"{NAME}:Result") if tree.children(node)]  # none found: an empty Result
    results = [result for result in map(read, nodes) if result is not None]
    first, last = span(tree.text(store, f"{NAME}:Range"), len(nodes))
    total = tree.number(store, f"{NAME}:Total")
    if total is None:
        total = last + 1 if nodes else 0
    return Page(results, first, total, code != END_OF_RANGE and total <= last + 1, len(nodes) - len(results))


def span(written: str, count: int) -> tuple[int, int]:
    """First and last position that a Range names; by the number of results where it is missing or no range."""
    first, _, last = written.partition("-")
    if first.isascii() and first.isdigit() and last.isascii() and last.isdigit() and len(written) < 20:
        return int(first), int(last)
    return 0, count - 1


_GAL_ROWS = {
    "GAL:DisplayName": "display_name",
    "GAL:FirstName": "first_name",
    "GAL:LastName": "last_name",
    "GAL:EmailAddress": "email",
    "GAL:Alias": "alias",
    "GAL:Title": "title",
    "GAL:Company": "company",
    "GAL:Office": "office",
    "GAL:Phone": "phone",
    "GAL:MobilePhone": "mobile_phone",
    "GAL:HomePhone": "home_phone",
}


def gal_entry(properties: Node | None) -> GalEntry | None:
    """A row of the address list (MS-ASCMD 2.2.3.139.3); None without any property of it."""
    values: dict[str, str] = {}
    photo = None
    for node in tree.children(properties):
        attribute = _GAL_ROWS.get(node[0])
        if attribute is not None:
            values[attribute] = tree.value(node).strip()
        elif node[0] == "GAL:Picture":
            photo = _photo(node)
    return GalEntry(**values, photo=photo) if values else None


def _photo(node: Node) -> Photo:
    data = tree.child(node, "GAL:Data")
    code = tree.status(node, "GAL:Status") or (status.OK if data is not None else 173)
    if code != status.OK:
        return Photo(code, reason=status.describe(NAME, code)[0])
    return Photo(code, picture_bytes(data))


def _mail(result: Node) -> FoundMail | None:
    properties = tree.children(tree.child(result, f"{NAME}:Properties"))
    message = read_found("", properties)
    if message is None:
        return None
    return FoundMail(
        message,
        tree.text(result, "AirSync:CollectionId"),
        long_id=tree.text(result, f"{NAME}:LongId"),
        has_attachments=any(not each.inline for each in message.attachments),
    )


def read_found(server_id: str, properties: list[Node]) -> Message | None:
    """A found mail by the table of the Email class; None where a value cannot be one."""
    try:
        return email.read_message(server_id, properties)
    except (ValueError, TypeError, OverflowError, WbxmlError):
        return None


def document(properties: Node | None) -> Document | None:
    """A row of a document library (MS-ASDOC 2.2.2); None without its LinkId."""
    link = tree.text(properties, "DocumentLibrary:LinkId")
    if not link:
        return None
    return Document(
        link_id=link,
        name=tree.text(properties, "DocumentLibrary:DisplayName"),
        is_folder=tree.text(properties, "DocumentLibrary:IsFolder") == "1",
        hidden=tree.text(properties, "DocumentLibrary:IsHidden") == "1",
        created=_date(tree.text(properties, "DocumentLibrary:CreationDate")),
        modified=_date(tree.text(properties, "DocumentLibrary:LastModifiedDate")),
        size=tree.number(properties, "DocumentLibrary:ContentLength"),
        content_type=tree.text(properties, "DocumentLibrary:ContentType"),
    )


def _date(written: str) -> datetime | None:
    try:
        return values.read_date(written)
    except ValueError:
        return None
