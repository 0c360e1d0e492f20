"""Searching here, with suggestions, and beyond what is here on the server."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from uuid import uuid4

from .. import account, searching
from ..eas.flows.search import search_mail
from ..errors import EmailplusError, ServerError, UsageError
from ..model.message import StoredMessage
from ..model.search import FoundMail, Hit, Page, SearchResult, SearchToken
from ..policy.features import Features
from ..protection import Protection
from ..rms.gate import Door
from ..store import found as store_found
from ..store import rights, tokens
from ..store import search as local
from ..store.store import Store
from . import AsyncOnline, Dialogue, Online

MAX_FROM_SERVER = 200
"""Mails that one search takes from the server."""


@dataclass(slots=True)
class _Everywhere:
    """One search here and on the server. The steps that touch the store are apart from the one that asks."""

    store: Store
    protection: Protection
    door: Door
    query: str
    folder: str
    limit: int
    smart: bool
    rights: bool
    plan: searching.Plan | None = None
    problem: EmailplusError | None = None

    def here(self) -> list[StoredMessage]:
        """What the store finds, and the plan for the server. Raises `UsageError` for a query that is none."""
        database = self.store.database
        ids = local.search(database, self.query, self.limit, folder=self.folder, smart_folders=self.smart)
        written = f'in:"{self.folder}" {self.query}' if self.folder.strip() else self.query
        parsed = local.parse(written)
        if not parsed.groups:
            self.problem = UsageError("the server is not asked for everything; name something to look for")
        else:
            try:
                self.plan = searching.plan(database, parsed)
            except ServerError as problem:
                self.problem = problem
        return self._messages(ids)

    def _messages(self, ids: list[int]) -> list[StoredMessage]:
        found = self.store.messages(ids)
        rights.withheld(found, self.door)
        return [self.protection.attach(message) for message in found]

    def dialogue(self, plan: searching.Plan) -> Dialogue[Page[FoundMail]]:
        limit = min(MAX_FROM_SERVER, max(self.limit, 1))
        body = replace(searching.SNIPPET, rights=self.rights)
        return partial(search_mail, query=plan.query, limit=limit, search_id=str(uuid4()), body=body)

    def merged(self, here: list[StoredMessage], page: Page[FoundMail] | None) -> SearchResult:
        """Both, newest first; what the server found and the store has is the store's."""
        hits = {message.id: Hit(stored=message) for message in here}
        beyond: list[Hit] = []
        fresh: list[int] = []
        if page is not None and self.plan is not None:
            for found in page.results:
                if not searching.counts(self.store.database, found, self.plan.checked):
                    continue
                known = store_found.known(self.store.database, found)
                if known is None:
                    beyond.append(Hit(found=searching.with_snippet(found, self.door, account.utc_now())))
                elif known[1] and known[0] not in hits:
                    fresh.append(known[0])
        hits |= {message.id: Hit(stored=message) for message in self._messages(fresh)}
        everything = [*hits.values(), *beyond]
        everything.sort(key=lambda hit: hit.received.timestamp() if hit.received is not None else 0.0, reverse=True)
        asked = page.source if page is not None else ""
        return SearchResult(everything[: self.limit], asked, self.problem, page is None or page.complete)


class Searching(Online):
    """Methods of `Mailbox`."""

    door: Door
    protection: Protection

    def search(self, query: str = "", *, limit: int | None = 50, folder: str = "") -> list[StoredMessage]:
        """Messages here that match, newest first; the language is described in `store.search`.

        `folder`: in this one only, by its name; "" in all. Raises `UsageError`.
        """
        database, smart = self.store.database, Features.of(self.config).smart_folders
        found = self.store.messages(local.search(database, query, limit, folder=folder, smart_folders=smart))
        rights.withheld(found, self.door)
        return [self.protection.attach(message) for message in found]

    def search_tokens(self, typed: str = "") -> list[SearchToken]:
        """What may be meant by what was typed so far: unread, flagged, from VIP, with attachments, with invites, and
        senders, keywords, categories and folders of the user's own mail. Their queries may be combined."""
        return tokens.suggest(self.store.database, typed, smart_folders=Features.of(self.config).smart_folders)

    def search_everywhere(self, query: str, *, folder: str = "", limit: int = 50) -> SearchResult:
        """Mail here and, beyond what is synchronised, on the server: newest first, none twice.

        The server is asked by Find, else by Search; where it does not answer, `SearchResult.problem` says why and the
        hits are those of the store. Raises `UsageError` for a query that is none.
        """
        task = self._everywhere(query, folder, limit)
        here, page = task.here(), None
        if task.plan is not None:
            try:
                page = self._converse(task.dialogue(task.plan))
            except ServerError as problem:
                task.problem = problem
        return task.merged(here, page)

    def _everywhere(self, query: str, folder: str, limit: int) -> _Everywhere:
        features = Features.of(self.config)
        return _Everywhere(
            self.store, self.protection, self.door, query, folder, limit, features.smart_folders,
            features.rights_management,
        )  # fmt: skip


class AsyncSearching(AsyncOnline):
    """Methods of `AsyncMailbox`."""

    _mailbox: Searching

    async def search(self, query: str = "", *, limit: int | None = 50, folder: str = "") -> list[StoredMessage]:
        """See `Mailbox.search`."""
        return await asyncio.to_thread(partial(self._mailbox.search, query, limit=limit, folder=folder))

    async def search_tokens(self, typed: str = "") -> list[SearchToken]:
        """See `Mailbox.search_tokens`."""
        return await asyncio.to_thread(self._mailbox.search_tokens, typed)

    async def search_everywhere(self, query: str, *, folder: str = "", limit: int = 50) -> SearchResult:
        """See `Mailbox.search_everywhere`."""
        task = self._mailbox._everywhere(query, folder, limit)
        here, page = await asyncio.to_thread(task.here), None
        if task.plan is not None:
            try:
                page = await self._converse(task.dialogue(task.plan))
            except ServerError as problem:
                task.problem = problem
        return await asyncio.to_thread(task.merged, here, page)
