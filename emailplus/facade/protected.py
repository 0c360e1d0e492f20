"""S/MIME: the keychain, certificates of others, revocation lists."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from .. import __version__, account
from ..driver import arun, run
from ..eas.commands.resolve_recipients import Retrieval, Wish
from ..eas.flows import people
from ..errors import ServerError
from ..flow import Flow
from ..flows.revocation import RevocationNews, fetch_revocation_lists
from ..model.directory import CertificateVerdict, Resolution
from ..model.draft import Draft
from ..protection import AskPassword, Protection, signers_of, with_verdicts
from ..rms.gate import Door, Operation
from ..sealing import without_certificate
from ..smime.keychain import Keychain, KeyEntry
from ..smime.large import OpenedLarge
from ..smime.message import OpenedMessage
from ..smime.recipients import Choice, Source
from ..store import rights
from ..store.store import Store
from . import Dialogue
from .writing import AsyncWriting, Writing

if TYPE_CHECKING:
    from ..mailbox import Mailbox


def _revocation_flow() -> Flow[RevocationNews]:
    return fetch_revocation_lists(account.utc_now().timestamp(), f"emailplus/{__version__}")


def _directory_question(addresses: Sequence[str]) -> Dialogue[list[Resolution]]:
    return partial(people.resolve, names=list(addresses), wish=Wish(Retrieval.FULL))


def _server_question(opened: OpenedMessage, check_revocation: bool) -> Dialogue[list[CertificateVerdict]] | None:
    """ValidateCert for the signers of a message; None where there is none."""
    signers, others = signers_of(opened)
    if not signers:
        return None
    return partial(people.validate_certificates, certificates=signers, chain=others, check_revocation=check_revocation)


def _admit(store: Store, message_id: int, door: Door) -> None:
    rights.require(store.database, message_id, Operation.READ, door, account.utc_now())


class Protected(Writing):
    """Methods of `Mailbox`."""

    door: Door
    protection: Protection
    """Everything of S/MIME that is not an everyday call."""

    @property
    def keychain(self) -> Keychain:
        """Our certificates with their keys: what is there, what is selected for which role, what may be used."""
        return self.protection.keychain

    def opened(self, message_id: int, *, ask_server: bool = False) -> OpenedMessage:
        """A stored message with its raw bytes, what lies inside its S/MIME layers, and the report.

        `ask_server`: the server's verdict on the signers' certificates (ValidateCert) is asked for too, and one that
        it does not accept is one more reason for distrust; its acceptance removes none. Raises `NotFound`, also where
        the MIME of the message is not in the store, `RightsDenied` as `message`, and with `ask_server` what
        `validate_certificates` raises.
        """
        _admit(self.store, message_id, self.door)
        opened = self.protection.open(message_id)
        question = _server_question(opened, self.config.allow_certificate_revocation_check) if ask_server else None
        return opened if question is None else with_verdicts(opened, self._converse(question))

    def opened_in_pieces(self, message_id: int) -> OpenedLarge:
        """As `opened`, for a message of any size in little memory: `OpenedLarge.content()` gives the bytes inside its
        layers piece by piece, none before the layers were found right to their ends. Raises as `opened`."""
        _admit(self.store, message_id, self.door)
        return self.protection.open_large(message_id)

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

    def find_certificates(self, addresses: Sequence[str]) -> list[Choice]:
        """The certificate to encrypt to for each of `addresses`, asking the server's directory (ResolveRecipients)
        for them all. What it gives is kept; what it gave before and gives no longer is forgotten.

        `send` does this by itself for a message that is to be encrypted to somebody without a known certificate.
        Raises `NotOffered` where the server lacks the command, and the errors of any conversation.
        """
        found = self._converse(_directory_question(addresses))
        self.protection.take_directory(found)
        return [self.protection.choose(address) for address in addresses]

    def import_recipient(self, certificate: bytes, addresses: Sequence[str] = ()) -> list[str]:
        """Take in somebody's certificate (DER) by hand: for `addresses`, or for those it is made out to.

        The addresses. Raises `KeyImportFailed` for what is no certificate, or names nobody.
        """
        return self.protection.import_recipient(certificate, addresses, Source.IMPORT)

    def _before_send(self, draft: Draft) -> None:
        """Certificates of recipients who have none here, for a message that is to be encrypted. A directory that
        cannot be asked leaves it at what is known: the stage of sending says who is missing."""
        unknown = without_certificate(draft, self._sending())
        if unknown:
            try:
                self.find_certificates(unknown)
            except ServerError:
                pass

    def _after_sync(self) -> None:
        """What new mail asks of this room."""
        self.protection.examine()
        if self.config.allow_certificate_revocation_check:
            self.fetch_revocation_lists()


class AsyncProtected(AsyncWriting):
    """Methods of `AsyncMailbox`."""

    _mailbox: Mailbox

    @property
    def keychain(self) -> Keychain:
        """See `Mailbox.keychain`."""
        return self._mailbox.keychain

    async def opened(self, message_id: int, *, ask_server: bool = False) -> OpenedMessage:
        """See `Mailbox.opened`."""
        _admit(self.store, message_id, self._mailbox.door)
        opened = await asyncio.to_thread(self._mailbox.protection.open, message_id)
        check = self._mailbox.config.allow_certificate_revocation_check
        question = _server_question(opened, check) if ask_server else None
        return opened if question is None else with_verdicts(opened, await self._converse(question))

    async def opened_in_pieces(self, message_id: int) -> OpenedLarge:
        """See `Mailbox.opened_in_pieces`; its content is read from the store, in whatever thread asks for it."""
        _admit(self.store, message_id, self._mailbox.door)
        return await asyncio.to_thread(self._mailbox.protection.open_large, message_id)

    async def import_certificate(self, attachment_id: int, ask: AskPassword) -> list[KeyEntry]:
        """See `Mailbox.import_certificate`; `ask` is called in a thread."""
        return await asyncio.to_thread(self._mailbox.import_certificate, attachment_id, ask)

    async def fetch_revocation_lists(self) -> RevocationNews:
        """See `Mailbox.fetch_revocation_lists`."""
        mailbox = self._mailbox
        news = await arun(_revocation_flow(), account.open_network(mailbox.config), mailbox.store)
        await asyncio.to_thread(mailbox.protection.mark_revoked)
        return news

    async def find_certificates(self, addresses: Sequence[str]) -> list[Choice]:
        """See `Mailbox.find_certificates`."""
        protection = self._mailbox.protection
        found = await self._converse(_directory_question(addresses))

        def choices() -> list[Choice]:
            protection.take_directory(found)
            return [protection.choose(address) for address in addresses]

        return await asyncio.to_thread(choices)

    async def _before_send(self, draft: Draft) -> None:
        """See `Protected._before_send`."""
        mailbox = self._mailbox
        unknown = await asyncio.to_thread(lambda: without_certificate(draft, mailbox._sending()))
        if unknown:
            try:
                await self.find_certificates(unknown)
            except ServerError:
                pass

    async def import_recipient(self, certificate: bytes, addresses: Sequence[str] = ()) -> list[str]:
        """See `Mailbox.import_recipient`."""
        return await asyncio.to_thread(self._mailbox.import_recipient, certificate, addresses)

    async def _after_sync(self) -> None:
        """See `Mailbox._after_sync`."""
        await asyncio.to_thread(self._mailbox.protection.examine)
        if self._mailbox.config.allow_certificate_revocation_check:
            await self.fetch_revocation_lists()
