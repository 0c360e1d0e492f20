"""What a server finds: people, mail, files. Plain data, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from .message import Message

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MailQuery:
    """What mail is looked for on the server: all that is given must hold.

    `words` are looked for in all that the server indexes, or with Find in the keyword query language (``from:bob``).
    `folder` is a CollectionId, "" all folders; `deep` takes its subfolders in. `after` and `before` are aware.
    """

    words: str = ""
    folder: str = ""
    deep: bool = True
    after: datetime | None = None
    before: datetime | None = None
    conversation: bytes = b""


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


@dataclass(frozen=True, slots=True)
class FoundMail:
    """One mail that the server found. Search gives a `long_id`, Find a `server_id`; either fetches the whole."""

    message: Message
    collection_id: str
    server_id: str = ""
    long_id: str = ""
    has_attachments: bool = False


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
