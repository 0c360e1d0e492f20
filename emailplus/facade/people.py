"""Asking the server about people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from uuid import uuid4

from ..eas.commands.resolve_recipients import Retrieval, Wish
from ..eas.flows import people
from ..eas.flows.search import search_gal
from ..model.directory import CertificateVerdict, FreeBusy, GalEntry, Resolution
from ..model.search import Page
from ..policy import gal
from ..policy.user_settings import Settings
from . import AsyncOnline, Dialogue, Online


def _wish(certificates: bool, photo_size: int | None, max_ambiguous: int | None) -> Wish:
    retrieval = Retrieval.FULL if certificates else Retrieval.NONE
    return Wish(retrieval, photo_size=photo_size, max_ambiguous=max_ambiguous)


def _people(page: Page[GalEntry], settings: Settings) -> list[GalEntry]:
    """In the order and with the names that the user's settings want."""
    return [replace(entry, shown_name=gal.shown_name(entry, settings)) for entry in gal.ordered(page.results, settings)]


def _gal(text: str, limit: int, photo_size: int | None) -> Dialogue[Page[GalEntry]]:
    return partial(search_gal, text=text.strip(), limit=limit, search_id=str(uuid4()), photo_size=photo_size)


class People(Online):
    """Methods of `Mailbox`."""

    def search_gal(
        self, text: str, *, automatic: bool = False, limit: int = 100, photo_size: int | None = None
    ) -> list[GalEntry]:
        """People of the company's address list whose names or addresses begin with `text`, at most `limit` (100).

        Named and ordered as the user's settings say (`gal_search_display_name`, `contacts_display_order`).
        `automatic`: a look-up while somebody types, which starts at `gal_search_minimum_characters`; below that
        nothing is asked and nobody found. `photo_size`: with photos up to so many bytes, from 14.1 on. Raises
        `UsageError` for an empty text.
        """
        if automatic and not gal.automatic_lookup(text, self.config):
            return []
        return _people(self._converse(_gal(text, limit, photo_size)), self.settings.in_force())

    def resolve(
        self,
        names: Sequence[str],
        *,
        certificates: bool = False,
        photo_size: int | None = None,
        max_ambiguous: int | None = None,
    ) -> list[Resolution]:
        """Who each of `names` (addresses, names or parts of them) stands for, in their order (ResolveRecipients).

        `certificates`: with their S/MIME certificates. `photo_size`: with photos up to so many bytes, from 14.1 on.
        `max_ambiguous`: suggestions for a name that may be several people. Raises `NotOffered` where the server lacks
        the command, and the errors of any conversation.
        """
        return self._converse(partial(people.resolve, names=names, wish=_wish(certificates, photo_size, max_ambiguous)))

    def free_busy(self, names: Sequence[str], start: datetime, end: datetime) -> dict[str, FreeBusy]:
        """When people are free or busy between two aware times, in steps of 30 minutes.

        `FreeBusy.status` and `reason` tell where and why that is not known.

        Raises `NotOffered` below ActiveSync 14.0, `UsageError` for a period under 30 minutes.
        """
        return self._converse(partial(people.free_busy, names=names, start=start, end=end))

    def validate_certificates(
        self, certificates: Sequence[bytes], chain: Sequence[bytes] = (), *, check_revocation: bool = False
    ) -> list[CertificateVerdict]:
        """The server's verdict on certificates (DER, at most 100 with the chain), in their order (ValidateCert).

        `check_revocation`: a revocation status that the server cannot find out counts against a certificate.
        """
        return self._converse(
            partial(
                people.validate_certificates,
                certificates=certificates,
                chain=chain,
                check_revocation=check_revocation,
            )
        )


class AsyncPeople(AsyncOnline):
    """Methods of `AsyncMailbox`."""

    async def search_gal(
        self, text: str, *, automatic: bool = False, limit: int = 100, photo_size: int | None = None
    ) -> list[GalEntry]:
        """See `Mailbox.search_gal`."""
        if automatic and not gal.automatic_lookup(text, self.config):
            return []
        return _people(await self._converse(_gal(text, limit, photo_size)), self.settings.in_force())

    async def resolve(
        self,
        names: Sequence[str],
        *,
        certificates: bool = False,
        photo_size: int | None = None,
        max_ambiguous: int | None = None,
    ) -> list[Resolution]:
        """See `Mailbox.resolve`."""
        wish = _wish(certificates, photo_size, max_ambiguous)
        return await self._converse(partial(people.resolve, names=names, wish=wish))

    async def free_busy(self, names: Sequence[str], start: datetime, end: datetime) -> dict[str, FreeBusy]:
        """See `Mailbox.free_busy`."""
        return await self._converse(partial(people.free_busy, names=names, start=start, end=end))

    async def validate_certificates(
        self, certificates: Sequence[bytes], chain: Sequence[bytes] = (), *, check_revocation: bool = False
    ) -> list[CertificateVerdict]:
        """See `Mailbox.validate_certificates`."""
        return await self._converse(
            partial(
                people.validate_certificates,
                certificates=certificates,
                chain=chain,
                check_revocation=check_revocation,
            )
        )
