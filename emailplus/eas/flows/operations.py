"""Single operations on items: a found mail fetched whole, a document, a folder emptied, a conversation moved."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from ...errors import (
    AuthenticationFailed,
    ItemUnavailable,
    MalformedResponse,
    NotOffered,
    ResponseTooLarge,
    UsageError,
)
from ...flow import Flow
from ...model.message import Message
from ...model.search import FoundMail
from ...policy.body_preference import BodyRequest
from .. import status
from ..commands import item_operations
from ..commands.search import Credentials
from .ask import ask
from .provision import apply_policy
from .session import Session, perform

PIECE = 1 << 20
"""Bytes of a document that one request asks for."""


def fetch_found(session: Session, found: FoundMail, body: BodyRequest) -> Flow[Message]:
    """A mail that the server found, with its body; it need not be in the store. Raises `ItemUnavailable`."""
    body = replace(body, rights=body.rights and session.version.rights)
    if found.server_id:
        request = item_operations.build_body(found.collection_id, found.server_id, body)
    else:
        request = item_operations.build_found(found.long_id, body)
    root = yield from perform(session, item_operations.NAME, request, apply_policy, multipart=True)
    if root is None:
        raise MalformedResponse("ItemOperations was answered with nothing")
    item = item_operations.parse_item(root)
    if item.message is None:
        raise ItemUnavailable(
            "the server sends this mail in a form that makes no sense", command="ItemOperations", status=0
        )
    return item.message


def fetch_document(
    session: Session, link_id: str, max_bytes: int, credentials: Credentials | None = None
) -> Flow[bytes]:
    """The whole content of a document, piece by piece; at most `max_bytes`, else `ResponseTooLarge`.

    A document that changes under way is begun anew, once. Credentials as in `search.search_documents`.
    """
    sent: Credentials | None = None
    for _ in range(2):
        content = bytearray()
        version = ""
        while True:
            request = item_operations.build_document(link_id, len(content), len(content) + PIECE - 1, sent)
            try:
                piece = yield from ask(session, item_operations.NAME, request, item_operations.parse_document)
            except AuthenticationFailed as problem:
                if sent is not None or credentials is None or not session.url.startswith("https://"):
                    raise AuthenticationFailed(
                        "the document library wants a user name and password of its own"
                    ) from problem
                sent = credentials
                continue
            if content and piece.version != version:
                break  # another document by now
            version = piece.version
            if piece.first != len(content):
                raise MalformedResponse("ItemOperations sent another range of a document than was asked for")
            content += piece.data
            if len(content) > max_bytes or (piece.total or 0) > max_bytes:
                raise ResponseTooLarge(f"the document is larger than {max_bytes} bytes")
            if not piece.data or piece.total is None or len(content) >= piece.total:
                return bytes(content)
    raise ItemUnavailable(
        "the document changes while it is read", command="ItemOperations", status=0, action="retry_later"
    )


def move_conversation(session: Session, conversation_id: bytes, destination: str) -> Flow[None]:
    """Move a conversation, with all that will come to it; the next synchronisation moves it here.

    Raises `NotOffered` below 14.0, `UsageError` without a conversation, or the error of a status.
    """
    if not session.version.conversations:
        raise NotOffered(f"conversations exist from ActiveSync 14.0 on; this server speaks {session.version.name}")
    if not conversation_id:
        raise UsageError("the message belongs to no conversation")
    request = item_operations.build_move(conversation_id, destination)
    parse = partial(item_operations.parse_operation, operation="Move")
    code = yield from ask(session, item_operations.NAME, request, parse)
    if code != status.OK:
        raise status.error(item_operations.NAME, code)
