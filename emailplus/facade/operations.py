"""Single operations on the server: found mail, documents, whole folders, whole conversations."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from .. import account
from ..config import AppConfig
from ..eas.commands.search import Credentials
from ..eas.flows import operations, search
from ..eas.flows.folders import find_folder
from ..errors import NotFound, UsageError
from ..model.message import Message
from ..model.search import Document, FoundMail
from ..policy.body_preference import BodyPreference, BodyRequest
from ..policy.features import Features
from ..rms.gate import Door, Operation, require
from ..store.store import Store
from . import AsyncOnline, Dialogue, Online

MAX_DOCUMENT = 64 << 20
"""Bytes of a document that are taken into memory unless the caller says otherwise."""
_READABLE = BodyRequest((BodyPreference(2, None), BodyPreference(1, None)), 0)


def _readable(config: AppConfig) -> BodyRequest:
    return replace(_READABLE, rights=Features.of(config).rights_management)


def _opened(message: Message, door: Door) -> Message:
    """A fetched mail, if its licence lets it through this door."""
    require(message.rights, Operation.READ, door, account.utc_now())
    return message


def _credentials(user: str | None, password: str | None) -> Credentials | None:
    return Credentials(user, password) if user is not None and password is not None else None


def _conversation(store: Store, message_id: int, folder: str) -> Dialogue[None]:
    folders = [known for known, _, _ in store.folders()]
    found = store.messages([message_id])
    if not found:
        raise NotFound(f"there is no message {message_id} in this store")
    written = found[0].conversation_id
    try:
        identity = bytes.fromhex(written)
    except ValueError:
        identity = b""
    if not identity:
        raise UsageError("this message belongs to no conversation that the server knows")
    destination = find_folder(folders, folder).server_id
    return partial(operations.move_conversation, conversation_id=identity, destination=destination)


class Operations(Online):
    """Methods of `Mailbox`."""

    door: Door

    def fetch_found(self, found: FoundMail) -> Message:
        """A mail that the server found, with its body as HTML or text; it need not be in the store.

        Raises `CommandFailed` or `ItemUnavailable` where it is gone by now, `RightsDenied` where it is protected and
        its licence does not give its content to programs.
        """
        body = _readable(self.config)
        return _opened(self._converse(partial(operations.fetch_found, found=found, body=body)), self.door)

    def documents(self, link_id: str, *, user: str | None = None, password: str | None = None) -> list[Document]:
        """The file or folder at a UNC path or URL, then what the folder holds (document library, from 12.0 on).

        `user` and `password` are sent only if the library asks for them, and only over TLS.
        """
        listed = partial(search.search_documents, link_id=link_id, credentials=_credentials(user, password))
        return self._converse(listed).results

    def document(
        self,
        link_id: str,
        *,
        user: str | None = None,
        password: str | None = None,
        max_bytes: int = MAX_DOCUMENT,
    ) -> bytes:
        """The content of a file in a document library. `ResponseTooLarge` beyond `max_bytes`; else as `documents`."""
        credentials = _credentials(user, password)
        return self._converse(
            partial(operations.fetch_document, link_id=link_id, max_bytes=max_bytes, credentials=credentials)
        )

    def move_conversation(self, message_id: int, folder: str) -> None:
        """Move the conversation of a message, with all that will yet come to it; the next `sync` moves it here.

        From ActiveSync 14.0 on. Raises `NotFound`, `UsageError` for a message without a conversation.
        """
        self._changing(_conversation(self.store, message_id, folder))


class AsyncOperations(AsyncOnline):
    """Methods of `AsyncMailbox`."""

    async def fetch_found(self, found: FoundMail) -> Message:
        """See `Mailbox.fetch_found`."""
        held: Operations = self._mailbox  # type: ignore[attr-defined]
        body = _readable(held.config)
        return _opened(await self._converse(partial(operations.fetch_found, found=found, body=body)), held.door)

    async def documents(self, link_id: str, *, user: str | None = None, password: str | None = None) -> list[Document]:
        """See `Mailbox.documents`."""
        listed = partial(search.search_documents, link_id=link_id, credentials=_credentials(user, password))
        return (await self._converse(listed)).results

    async def document(
        self,
        link_id: str,
        *,
        user: str | None = None,
        password: str | None = None,
        max_bytes: int = MAX_DOCUMENT,
    ) -> bytes:
        """See `Mailbox.document`."""
        credentials = _credentials(user, password)
        return await self._converse(
            partial(operations.fetch_document, link_id=link_id, max_bytes=max_bytes, credentials=credentials)
        )

    async def move_conversation(self, message_id: int, folder: str) -> None:
        """See `Mailbox.move_conversation`."""
        await self._changing(_conversation(self.store, message_id, folder))
