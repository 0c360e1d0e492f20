"""What a server finds: people, mail, files. Plain data, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from .message import Message, StoredMessage

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MailQuery:
    """What mail is looked for on the server: all that is given must hold.

    `words` are looked for in all that the server indexes; `keywords` is what Find is asked instead, in keyword query
    language (``from:bob received>=2026-01-31``), where it is not "".
    `folder` is a CollectionId, "" all folders; `deep` takes its subfolders in. `after` and `before` are aware.
    """

    words: str = ""
    folder: str = ""
    deep: bool = True
    after: datetime | None = None
    before: datetime | None = None
    conversation: bytes = b""
    keywords: str = ""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of what was found: `results` begin at `first` (from 0); `total` is the server's own estimate of all.

    `complete` False: the server has more than it gives (Search status 12), or says so by `total`.
    """

    results: list[T] = field(default_factory=list)
    first: int = 0
    total: int = 0
    complete: bool = True
    unreadable: int = 0
    """Results that were left out because they make no sense."""
    source: str = ""
    """The command that answered: "Find" or "Search"."""


@dataclass(frozen=True, slots=True)
class FoundMail:
    """One mail that the server found. Search gives a `long_id`, Find a `server_id`; either fetches the whole."""

    message: Message
    collection_id: str
    server_id: str = ""
    long_id: str = ""
    has_attachments: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """One mail of a search everywhere: `stored` here, or only `found` on the server; exactly one of them is there."""

    stored: StoredMessage | None = None
    found: FoundMail | None = None

    @property
    def subject(self) -> str:
        return self.stored.subject if self.stored is not None else self._message().subject

    @property
    def sender(self) -> str:
        return self.stored.sender if self.stored is not None else self._message().sender

    @property
    def received(self) -> datetime | None:
        return self.stored.received if self.stored is not None else self._message().received

    @property
    def preview(self) -> str:
        return self.stored.preview if self.stored is not None else self._message().preview

    def _message(self) -> Message:
        return self.found.message if self.found is not None else Message()


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Mail found here and on the server, newest first, none twice.

    `asked` is the command that the server answered, "" where it was not asked or did not answer: then `problem` is the
    error that says why, and `hits` are those of the store. `complete` False: the server has more.
    """

    hits: list[Hit]
    asked: str = ""
    problem: Exception | None = None
    complete: bool = True


@dataclass(frozen=True, slots=True)
class SearchToken:
    """One thing to search by, ready to be shown and chosen; several may stand in one query, with blanks between.

    `kind`: "state" (the guide's five), "sender", "keyword", "category" or "folder".
    """

    kind: str
    label: str
    query: str
    count: int = 0
    """Messages it stands for, where that was counted."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file or folder of a document library (MS-ASDOC). `link_id` is its UNC path or URL."""

    link_id: str
    name: str = ""
    is_folder: bool = False
    hidden: bool = False
    created: datetime | None = None
    modified: datetime | None = None
    size: int | None = None
    content_type: str = ""
