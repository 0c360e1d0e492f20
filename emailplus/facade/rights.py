"""Protected mail: what may be done with it, the server's templates, taking protection off."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from .. import account
from ..config import AppConfig
from ..eas.flows import rights as flows
from ..eas.flows import settings
from ..errors import ConnectionFailed, NotFound, PolicyDenied, ServerBusy
from ..model.account import RightsTemplate
from ..model.draft import Draft
from ..model.rights import Licence
from ..policy.body_preference import BodyPreference, BodyRequest
from ..policy.features import TEMPLATES, Features
from ..rms.compose import NO_RESTRICTION, named
from ..rms.gate import Door, Operation, Verdict, judge
from ..store import rights
from ..store.store import Store
from . import AsyncOnline, Dialogue, Online

TEMPLATES_LAST = 24 * 3600.0
"""Seconds for which the list of templates is relied on."""
_WHOLE = BodyRequest((BodyPreference(2, None), BodyPreference(1, None)), 0, rights=True)


def _permits(store: Store, message_id: int, operation: Operation | str, door: Door) -> Verdict:
    found = store.messages([message_id])
    if not found:
        raise NotFound(f"there is no message {message_id} in this store")
    return judge(found[0].rights, Operation(operation), door, account.utc_now())


def _known(store: Store) -> list[RightsTemplate] | None:
    """The templates of the store while they are fresh; None: ask the server."""
    found, fetched = rights.templates(store.database)
    fresh = fetched is not None and 0 <= account.utc_now().timestamp() - fetched < TEMPLATES_LAST
    return found if fresh else None


def _last(store: Store, refresh: bool) -> list[RightsTemplate] | None:
    """What the server offered when it was last reached; None where that is not wanted, or not known. A message under a
    template that is gone since is refused by the server (status 171)."""
    found, fetched = rights.templates(store.database)
    return None if refresh or fetched is None else found


def _kept(store: Store, found: list[RightsTemplate]) -> list[RightsTemplate]:
    found = found[:TEMPLATES]
    rights.keep_templates(store.database, found, account.utc_now().timestamp())
    return found


def require_rms(config: AppConfig) -> None:
    """Raises `PolicyDenied` where rights management is off: nothing protected is asked for then."""
    if not Features.of(config).rights_management:
        raise PolicyDenied("rights management is off (enabled_features, rms_support)", rule="enabled_features")


def _again(config: AppConfig, store: Store, message_id: int, *, remove: bool, door: Door) -> Dialogue[Licence | None]:
    """The dialogue that fetches a protected message anew. Raises `NotFound` and `RightsDenied`."""
    row = store.database.one(
        "SELECT f.server_id, m.server_id FROM messages m JOIN folders f ON f.id = m.folder_id WHERE m.id = ?",
        (message_id,),
    )
    if row is None:
        raise NotFound(f"there is no message {message_id} in this store")
    require_rms(config)
    if remove:
        rights.require(store.database, message_id, Operation.REMOVE_PROTECTION, door, account.utc_now())
    return partial(
        flows.fetch_protected, message_id=message_id, collection_id=row[0], server_id=row[1], body=_WHOLE, remove=remove
    )


class Protecting(Online):
    """Methods of `Mailbox`."""

    door: Door

    def permits(self, message_id: int, operation: Operation | str) -> Verdict:
        """Whether something may be done with a message; the verdict is true where it may, else it has a reason.

        `operation` is one of `emailplus.rms.gate.Operation`, or its value: "print", "forward" ... Raises `NotFound`.
        """
        return _permits(self.store, message_id, operation, self.door)

    def templates(self, *, refresh: bool = False) -> list[RightsTemplate]:
        """The rights policy templates that a message can be protected with, at most 20; asked for once a day, and after
        the server refused one. Without the server those are given that it offered last, unless `refresh` wants others.

        Raises `PolicyDenied` without `rms_support`, `NotOffered` where the server has none to give (below 14.1, or
        rights management switched off), and as `sync`.
        """
        require_rms(self.config)
        known = None if refresh else _known(self.store)
        if known is not None:
            return known
        try:
            return _kept(self.store, self._converse(settings.rights_templates))
        except (ConnectionFailed, ServerBusy):
            last = _last(self.store, refresh)
            if last is None:
                raise
            return last

    def protect(self, draft: Draft, template: str | None) -> Draft:
        """The draft, to be sent under a template, which its name or TemplateID tells (`templates`).

        None: an answer goes out without the protection of its original, where that may be (ExportAllowed). Raises
        `UsageError` for a template that the server does not offer, and as `templates`.
        """
        return replace(draft, template=NO_RESTRICTION if template is None else named(self.templates(), template).id)

    def remove_protection(self, message_id: int) -> None:
        """Take the protection off a message, here and on the server (MS-ASRM 2.2.2.11).

        Raises `RightsDenied` without ExportAllowed, `NotOffered` below 14.1, `RightsManagementFailed` from the server.
        """
        self._converse(_again(self.config, self.store, message_id, remove=True, door=self.door))

    def renew(self, message_id: int) -> Licence | None:
        """Fetch the content and licence of a protected message again, after it expired say (MS-ASRM_R25); the licence.

        Raises as `remove_protection`.
        """
        return self._converse(_again(self.config, self.store, message_id, remove=False, door=self.door))


class AsyncProtecting(AsyncOnline):
    """Methods of `AsyncMailbox`."""

    @property
    def _held(self) -> Protecting:
        held: Protecting = self._mailbox  # type: ignore[attr-defined]
        return held

    async def permits(self, message_id: int, operation: Operation | str) -> Verdict:
        """See `Mailbox.permits`."""
        return self._held.permits(message_id, operation)

    async def templates(self, *, refresh: bool = False) -> list[RightsTemplate]:
        """See `Mailbox.templates`."""
        store = self._held.store
        require_rms(self._held.config)
        known = None if refresh else _known(store)
        if known is not None:
            return known
        try:
            return _kept(store, await self._converse(settings.rights_templates))
        except (ConnectionFailed, ServerBusy):
            last = _last(store, refresh)
            if last is None:
                raise
            return last

    async def protect(self, draft: Draft, template: str | None) -> Draft:
        """See `Mailbox.protect`."""
        if template is None:
            return replace(draft, template=NO_RESTRICTION)
        return replace(draft, template=named(await self.templates(), template).id)

    async def remove_protection(self, message_id: int) -> None:
        """See `Mailbox.remove_protection`."""
        held = self._held
        await self._converse(_again(held.config, held.store, message_id, remove=True, door=held.door))

    async def renew(self, message_id: int) -> Licence | None:
        """See `Mailbox.renew`."""
        held = self._held
        return await self._converse(_again(held.config, held.store, message_id, remove=False, door=held.door))
