"""What an answer needs to know of the message it answers, beyond what is shown of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from email.policy import compat32

from ..errors import NotFound
from ..model.message import BodyType, StoredMessage
from .store import Store

_IDENTIFIER = re.compile(r"<([\x21-\x3b\x3d\x3f-\x7e]{1,900})>")
_HEAD = 256 * 1024
"""Bytes of a stored MIME in which its header is looked for."""


@dataclass(frozen=True, slots=True)
class Original:
    """A message in the store as the source of a reply or forward."""

    message: StoredMessage
    message_id: str = ""
    """Its Message-ID, where its MIME is here; the Email class has no property for it."""
    references: tuple[str, ...] = ()
    conversation_id: bytes = b""
    conversation_index: bytes = b""

    @property
    def protected(self) -> bool:
        """Whether it is signed or encrypted (MS-ASEMAIL 2.2.2.49)."""
        return self.message.message_class.upper().startswith("IPM.NOTE.SMIME")

    @property
    def complete(self) -> bool:
        """Whether its whole text is here."""
        return self.message.body_state in ("stored", "none")


def original(store: Store, message_id: int) -> Original:
    """Raises `NotFound`."""
    message = store.message(message_id)
    row = store.database.one("SELECT thread, conversation_index FROM messages WHERE id = ?", (message_id,))
    thread, index = row if row is not None else ("", b"")
    try:
        conversation = bytes.fromhex(thread)
    except ValueError:  # a topic, where the server has no conversations
        conversation = b""
    identifier = ""
    references: tuple[str, ...] = ()
    if message.body_type == BodyType.MIME and message.body_state == "stored":
        identifier, references = _threading(store.body(message_id, _HEAD))
    if not identifier and (written := _IDENTIFIER.fullmatch(conversation.decode("latin-1"))):
        identifier = written[1]  # SOGo's ConversationId is the Message-ID
    return Original(message, identifier, references, conversation, bytes(index or b""))


def _threading(data: bytes) -> tuple[str, tuple[str, ...]]:
    """Message-ID and References (In-Reply-To where there are none) of a header (RFC 5322 3.6.4)."""
    head = BytesHeaderParser(policy=compat32).parsebytes(data)
    own = _IDENTIFIER.findall(str(head.get("Message-ID", "")))
    references = _IDENTIFIER.findall(str(head.get("References", "")))
    if not references:
        references = _IDENTIFIER.findall(str(head.get("In-Reply-To", "")))[:1]
    return (own[0] if own else ""), tuple(references)


def mime_of(store: Store, message_id: int) -> bytes | None:
    """The MIME of a message byte for byte; None where the store has it in another form: of protected mail it has what
    the server opened. Raises `NotFound`."""
    message = store.messages([message_id])
    if not message:
        raise NotFound(f"there is no message {message_id} in this store")
    if message[0].rights is None and message[0].body_type == BodyType.MIME and message[0].body_state == "stored":
        return store.body(message_id)
    return None


def place_of(store: Store, message_id: int) -> tuple[str, str]:
    """CollectionId and ServerId under which the server has a message. Raises `NotFound`."""
    row = store.database.one(
        "SELECT f.server_id, coalesce(c.server_id, m.server_id) FROM messages m "
        "LEFT JOIN mail_changes c ON c.message_id = m.id AND c.kind = 'move' AND c.state = 'queued' "
        "JOIN folders f ON f.id = coalesce(c.folder_id, m.folder_id) WHERE m.id = ? AND m.gone = 0",
        (message_id,),
    )
    if row is None:
        raise NotFound(f"there is no message {message_id} in this store")
    return row[0], row[1]
