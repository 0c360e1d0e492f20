"""Fetching revocation lists from the distribution points that certificates name (RFC 5280 4.2.1.13, RFC 2585).

Only lists of certificates on a path to a configured anchor are ever wanted (`store.certificates.want_lists`), so what a
stranger writes into a certificate makes nobody call his server. Whoever drives this gives it a network without the
mailbox's credentials.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from ..errors import ServerError
from ..flow import Flow, HttpRequest, commit, http, load
from ..model.changes import StoreRevocationList
from ..model.queries import DueRevocationLists

MAX_LISTS = 50
"""Lists fetched in one go; the others stay due."""
MAX_LIST_BYTES = 32 << 20
"""The largest lists of public authorities have some 10 MB."""
MAX_REDIRECTS = 3


@dataclass(slots=True)
class RevocationNews:
    """What a round of fetching brought, by URL; `failed` with the reason. What failed is tried again in an hour."""

    fetched: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def fetch_revocation_lists(now: float, user_agent: str) -> Flow[RevocationNews]:
    """Fetch every list that is due at `now` (Unix time). Never raises for a list that cannot be had."""
    news = RevocationNews()
    silent: set[str] = set()
    for url in (yield from load(DueRevocationLists(now)))[:MAX_LISTS]:
        server = _server(url)
        data, problem = None, "its server did not answer before"
        if server not in silent:
            data, problem, answered = yield from _fetch(url, user_agent)
            if not answered:
                silent.add(server)
        kept = yield from commit(StoreRevocationList(url, data, now, problem))
        if kept:
            news.fetched.append(url)
        else:
            news.failed[url] = problem or "what was fetched is not a revocation list"
    return news


def _fetch(url: str, user_agent: str) -> Flow[tuple[bytes | None, str, bool]]:
    """(the bytes or None, the problem, whether the server answered at all)."""
    for _ in range(MAX_REDIRECTS + 1):
        try:
            response = yield from http(HttpRequest("GET", url, {"User-Agent": user_agent}))
        except ServerError as problem:
            return None, f"it cannot be fetched ({type(problem).__name__})", False
        if response.status in (301, 302, 303, 307, 308):
            url = _target(url, response.headers.get("location", ""))
            if not url:
                return None, "it is redirected to no address", True
            continue
        if response.status != 200:
            return None, f"its server answers {response.status}", True
        if len(response.body) > MAX_LIST_BYTES:
            return None, f"it is larger than {MAX_LIST_BYTES >> 20} MB", True
        return response.body, "", True
    return None, "it is redirected without an end", True


def _target(url: str, location: str) -> str:
    try:
        target = urljoin(url, location)
        return target if location and urlsplit(target).scheme in ("http", "https") else ""
    except ValueError:
        return ""


def _server(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:
        return url
