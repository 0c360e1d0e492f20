"""A document library behind the mock: folders and files by their UNC path or URL (MS-ASDOC)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from ..eas.wbxml import Node

_MADE = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


@dataclass(slots=True)
class Document:
    """A file, or a folder where `content` is None."""

    link_id: str
    content: bytes | None = None
    content_type: str = ""
    hidden: bool = False
    created: datetime = _MADE
    modified: datetime = _MADE

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.link_id.rstrip("/\\").replace("\\", "/").rpartition("/")[2]

    def properties(self) -> list[Node]:
        """What Search tells of it (MS-ASDOC 2.2.2)."""
        nodes: list[Node] = [
            ("DocumentLibrary:LinkId", self.link_id),
            ("DocumentLibrary:DisplayName", self.name),
            ("DocumentLibrary:IsFolder", "1" if self.content is None else "0"),
            ("DocumentLibrary:CreationDate", _dashed(self.created)),
            ("DocumentLibrary:LastModifiedDate", _dashed(self.modified)),
            ("DocumentLibrary:IsHidden", "1" if self.hidden else "0"),
        ]
        if self.content is not None:
            nodes.append(("DocumentLibrary:ContentLength", str(len(self.content))))
            nodes.append(("DocumentLibrary:ContentType", self.content_type or "application/octet-stream"))
        return nodes


@dataclass(slots=True)
class Library:
    """`documents` by link id in lower case. `account`: the user and password it asks for; None asks for none."""

    documents: dict[str, Document] = field(default_factory=dict)
    account: tuple[str, str] | None = None
    reachable: bool = True

    def add(self, link_id: str, content: bytes | None = None, content_type: str = "") -> Document:
        """A file, or without content a folder; the folders above it are made as needed."""
        document = Document(link_id.rstrip("/\\"), content, content_type)
        self.documents[_key(link_id)] = document
        parent = _parent(document.link_id)
        if parent and _key(parent) not in self.documents:
            self.add(parent)
        return document

    def status(self, link_id: str, user: str, password: str) -> int:
        """0, or what is wrong: 14 credentials wanted, 5 refused, 4 bad link, 7 not reachable, 6 not found."""
        if not link_id.startswith(("\\\\", "http://", "https://")):
            return 4
        if not self.reachable:
            return 7
        if self.account is not None and (user, password) != self.account:
            return 5 if user or password else 14
        return 0 if _key(link_id) in self.documents else 6

    def listing(self, link_id: str) -> list[Document]:
        """The item itself, then what a folder holds directly (MS-ASCMD_R3856, R3858)."""
        root = self.documents[_key(link_id)]
        inside = [each for each in self.documents.values() if _key(_parent(each.link_id)) == _key(link_id)]
        return [root, *sorted(inside, key=lambda each: each.link_id.lower())]

    def content(self, link_id: str) -> Document:
        """The item of that link."""
        return self.documents[_key(link_id)]


def _key(link_id: str) -> str:
    return link_id.rstrip("/\\").lower()


def _parent(link_id: str) -> str:
    cut = max(link_id.rfind("\\"), link_id.rfind("/"))
    above = link_id[:cut] if cut > 0 else ""
    # A server's name alone is no folder.
    return above if above.count("\\") > 2 or above.replace("://", "").count("/") > 0 else ""


def _dashed(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
