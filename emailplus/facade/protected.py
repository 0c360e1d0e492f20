"""S/MIME: the keychain, certificates of others, revocation lists."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .. import __version__, account
from ..config import AppConfig
from ..driver import arun, run
from ..flow import Flow
from ..flows.revocation import RevocationNews, fetch_revocation_lists
from ..protection import AskPassword, Protection
from ..smime.keychain import Keychain, KeyEntry
from ..smime.message import OpenedMessage
from ..store.store import Store

if TYPE_CHECKING:
    from ..mailbox import Mailbox


def _revocation_flow() -> Flow[RevocationNews]:
    return fetch_revocation_lists(account.utc_now().timestamp(), f"emailplus/{__version__}")


class Protected:
    """Methods of `Mailbox`."""

    config: AppConfig
    store: Store
    protection: Protection
    """Everything of S/MIME that is not an everyday call."""

    @property
    def keychain(self) -> Keychain:
        """Our certificates with their keys: what is there, what is selected for which role, what may be used."""
        return self.protection.keychain

    def opened(self, message_id: int) -> OpenedMessage:
        """A stored message with its raw bytes, what lies inside its S/MIME layers, and the report.

        Raises `NotFound`, also where the MIME of the message is not in the store.
        """
        return self.protection.open(message_id)

    def import_certificate(self, attachment_id: int, ask: AskPassword) -> list[KeyEntry]:
        """Import the PFX that came as an attachment; `ask` is given its name and returns its password, or None.

        Raises `WrongKeyPassword`, `KeyImportFailed`, `NotFound`.
        """
        return self.protection.import_attachment(attachment_id, ask)

    def fetch_revocation_lists(self) -> RevocationNews:
        """Fetch the revocation lists that are wanted and due; a sync does it by itself where
        `allow_certificate_revocation_check` is set. A list that cannot be had is no error: it is told."""
        news = run(_revocation_flow(), account.open_network(self.config), self.store)
        self.protection.mark_revoked()
        return news

    def _after_sync(self) -> None:
        """What new mail asks of this room."""
        self.protection.examine()
        if self.config.allow_certificate_revocation_check:
            self.fetch_revocation_lists()


class AsyncProtected:
    """Methods of `AsyncMailbox`."""

    _mailbox: Mailbox

    @property
    def keychain(self) -> Keychain:
        """See `Mailbox.keychain`."""
        return self._mailbox.keychain

    async def opened(self, message_id: int) -> OpenedMessage:
        """See `Mailbox.opened`."""
        return await asyncio.to_thread(self._mailbox.opened, message_id)

    async def import_certificate(self, attachment_id: int, ask: AskPassword) -> list[KeyEntry]:
        """See `Mailbox.import_certificate`; `ask` is called in a thread."""
        return await asyncio.to_thread(self._mailbox.import_certificate, attachment_id, ask)

    async def fetch_revocation_lists(self) -> RevocationNews:
        """See `Mailbox.fetch_revocation_lists`."""
        mailbox = self._mailbox
        news = await arun(_revocation_flow(), account.open_network(mailbox.config), mailbox.store)
        await asyncio.to_thread(mailbox.protection.mark_revoked)
        return news

    async def _after_sync(self) -> None:
        """See `Mailbox._after_sync`."""
        await asyncio.to_thread(self._mailbox.protection.examine)
        if self._mailbox.config.allow_certificate_revocation_check:
            await self.fetch_revocation_lists()
