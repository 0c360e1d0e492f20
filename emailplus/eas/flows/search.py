"""Looking for people, mail and files on the server: Find where it exists (16.1), else Search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from ...errors import AuthenticationFailed, CommandFailed, NotOffered
from ...flow import Flow
from ...model.directory import GalEntry
from ...model.search import Document, FoundMail, MailQuery, Page
from ...policy.body_preference import BodyRequest
from ..commands import find, search
from ..commands.search import Credentials
from ..wbxml import Node
from .ask import ask
from .session import Session

T = TypeVar("T")

FIND_FROM = 161


def search_gal(
    session: Session, text: str, limit: int, search_id: str, *, photo_size: int | None = None
) -> Flow[Page[GalEntry]]:
    """People of the company's address list whose names or addresses begin with `text`, at most `limit` (1 to 100).

    `search_id` is a new GUID. Raises `NotOffered` where the server has neither command.
    """
    last = max(1, min(limit, search.MAX_RESULTS)) - 1
    version = session.version
    if version.code >= FIND_FROM:
        request = find.build_gal(text, search_id, 0, last, version, photo_size=photo_size)
        found = yield from _find(session, request, find.parse_gal)
        if found is not None:
            return found
    request = search.build_gal(text, 0, last, version, photo_size=photo_size)
    return (yield from ask(session, search.NAME, request, search.parse_gal))


def search_mail(
    session: Session, query: MailQuery, limit: int, search_id: str, body: BodyRequest | None = None
) -> Flow[Page[FoundMail]]:
    """Mails that the server finds anywhere in the mailbox, at most `limit`.

    `body` says how much of each body comes along; Find gives a preview only. `search_id` is a new GUID. Raises
    `NotOffered` where the server has neither command.
    """
    if session.version.code >= FIND_FROM and not query.conversation:
        found = yield from _pages(
            partial(_find_mail, session, query, search_id), limit, find.MAX_RESULTS, search.MAX_RESULTS
        )
        if found is not None:
            return replace(found, source=find.NAME)
    found = yield from _pages(partial(_search_mail, session, query, body), limit, search.MAX_RESULTS, 50)
    assert found is not None  # `_search_mail` raises where it has nothing
    return replace(found, source=search.NAME)


def _find_mail(
    session: Session, query: MailQuery, search_id: str, first: int, last: int
) -> Flow[Page[FoundMail] | None]:
    request = find.build_mailbox(query, search_id, first, last, session.version)
    return (yield from _find(session, request, find.parse_mailbox))


def _search_mail(
    session: Session, query: MailQuery, body: BodyRequest | None, first: int, last: int
) -> Flow[Page[FoundMail] | None]:
    request = search.build_mailbox(query, first, last, body, session.version, rebuild=first == 0)
    return (yield from ask(session, search.NAME, request, search.parse_mailbox))


def _pages(page: Callable[[int, int], Flow[Page[T] | None]], limit: int, most: int, step: int) -> Flow[Page[T] | None]:
    """Page after page up to `limit`; None if the first one could not be had. A page without progress is the last."""
    limit = max(1, min(limit, most))
    results: list[T] = []
    asked, unreadable, total, complete = 0, 0, 0, True
    while asked < limit:
        found = yield from page(asked, min(asked + step, limit) - 1)
        if found is None:
            return Page(results, 0, total, False, unreadable) if asked else None
        results += found.results
        count = len(found.results) + found.unreadable
        unreadable += found.unreadable
        total, complete = max(total, found.total), found.complete
        asked += count
        if not count or complete:
            break
    return Page(results[:limit], 0, max(total, len(results)), complete and asked >= total, unreadable)


def _find(session: Session, request: Node, parse: Callable[[Node], T]) -> Flow[T | None]:
    """Ask by Find; None where this server does not answer it, so that Search is tried."""
    try:
        return (yield from ask(session, find.NAME, request, parse))
    except (NotOffered, CommandFailed) as problem:
        if isinstance(problem, CommandFailed) and problem.action not in ("fix_request", "stop"):
            raise
        return None


def search_documents(
    session: Session, link_id: str, limit: int = search.MAX_DOCUMENTS, credentials: Credentials | None = None
) -> Flow[Page[Document]]:
    """A file or folder of a document library, and what the folder holds.

    `credentials` are sent only after the server has asked for them, and only over TLS (MS-ASCMD_R3579, R3581); without
    them, or without TLS, that is `AuthenticationFailed`.
    """
    last = max(1, min(limit, search.MAX_DOCUMENTS)) - 1
    request = search.build_documents(link_id, 0, last, session.version)
    try:
        return (yield from ask(session, search.NAME, request, search.parse_documents))
    except AuthenticationFailed as problem:
        if credentials is None or not session.url.startswith("https://"):
            raise AuthenticationFailed("the document library wants a user name and password of its own") from problem
    request = search.build_documents(link_id, 0, last, session.version, credentials)
    return (yield from ask(session, search.NAME, request, search.parse_documents))
