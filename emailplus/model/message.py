"""A mail as the Email class carries it (MS-ASEMAIL), free of wire and database."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import getaddresses
from enum import IntEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..smime.report import SecurityReport

from .marking import Marking
from .rights import Licence, Right

if TYPE_CHECKING:
    from .meeting import FollowUp, MeetingRequest


class BodyType(IntEnum):
    """Form of a body (MS-ASAIRS 2.2.2.41.1)."""

    PLAIN = 1
    HTML = 2
    RTF = 3
    MIME = 4


@dataclass(slots=True)
class Body:
    """The body as received: `data` in UTF-8 (MIME: the bytes themselves), `size` as the server estimates it."""

    type: int
    data: bytes
    size: int
    truncated: bool = False


@dataclass(slots=True)
class Attachment:
    """One attachment as announced with its message; the content comes apart from it."""

    file_reference: str
    name: str = ""
    size: int = 0
    """EstimatedDataSize in bytes."""
    method: int = 1
    """1 file, 5 embedded message, 6 OLE object."""
    content_id: str = ""
    content_location: str = ""
    content_type: str = ""
    inline: bool = False
    voice_seconds: int = 0
    """UmAttDuration of a voice message (from 14.0)."""
    voice_order: int = 0
    state: str = "pending"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox of a person: display name (may be empty) and address."""

    name: str
    address: str

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>" if self.name else self.address


_NAME = re.compile(r'"(?:[^"\\]|\\.)*+"|((?:^|(?<=[,;:]))[^",;:<>()\\]*+(?=<))', re.DOTALL)


def addresses(header: str) -> list[Address]:
    """The mailboxes of an address header in the form the Email class uses (RFC 5322 section 3.4).

    What stands before ``<`` is a name even where it looks like an address: nobody becomes two.
    """
    if "<" in header and "@" in header[: header.rfind("<")]:
        header = _NAME.sub(lambda name: f'"{name[1].strip()}" ' if name[1] and "@" in name[1] else name[0], header)
    return [Address(name, address) for name, address in getaddresses([header]) if name or address]


@dataclass
class Message:
    """A mail. What the server did not send keeps its default.

    No slots on purpose: defaults live on the class, so that the parser fills only what is there.
    """

    server_id: str = ""
    subject: str = ""
    sender: str = ""
    """The From header as the server gives it; `addresses` takes it apart."""
    to: str = ""
    cc: str = ""
    bcc: str = ""
    reply_to: str = ""
    display_to: str = ""
    received: datetime | None = None
    importance: int = 1
    read: bool = False
    flag_status: int = 0
    """0 none, 1 complete, 2 active."""
    message_class: str = ""
    content_class: str = ""
    thread_topic: str = ""
    conversation_id: bytes = b""
    conversation_index: bytes = b""
    internet_code_page: int = 0
    native_body_type: int = 0
    last_verb: int = 0
    draft: bool = False
    rights: Licence | None = None
    """The licence of protected mail (MS-ASRM 2.2.2.14)."""
    categories: tuple[str, ...] = ()
    preview: str = ""
    body: Body | None = None
    attachments: list[Attachment] = field(default_factory=list)
    extra: bytes = b""
    """WBXML of the properties this version has no place for, kept as received."""
    flag: FollowUp | None = None
    """The follow-up flag with its dates; `flag_status` is its status."""
    meeting: MeetingRequest | None = None
    last_verb_time: datetime | None = None
    received_as_bcc: bool = False
    actual_sender: str = ""
    """Who sent it on behalf of `sender` (Email2 Sender, from 14.0)."""
    account_id: str = ""
    """The account it came by, where the server collects mail of several (from 14.1)."""
    caller_id: str = ""
    """A voice message: number of the caller (from 14.0)."""
    voice_notes: str = ""
    body_part: Body | None = None
    """The part of a conversation that is new (BodyPart, from 14.1)."""
    body_state: str = "none"
    """"stored", "pending", "refused", "failed" or "none": decided by `policy.contents`."""
    body_reason: str = ""
    marking: Marking | None = None
    """None: classification is not configured."""
    head: bytes = b""
    """The header fields, where markings are read from them and the MIME is not kept."""


@dataclass(slots=True)
class StoredAttachment:
    """An attachment in the store."""

    id: int
    name: str
    size: int
    content_type: str
    content_id: str
    inline: bool
    state: str
    """"stored", "pending" (not fetched yet), "refused" (a limit), "failed" (the server does not give it)."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """An attachment inside the layers of a protected message, with its bytes."""

    name: str
    content_type: str
    content_id: str
    inline: bool
    data: bytes = field(repr=False)


@dataclass(slots=True)
class StoredMessage:
    """A mail in the store, with our own stable `id`."""

    id: int
    folder: str
    server_id: str
    subject: str
    sender: str
    to: str
    cc: str
    reply_to: str
    received: datetime | None
    importance: int
    read: bool
    flag_status: int
    message_class: str
    conversation_id: str
    thread_topic: str
    categories: tuple[str, ...]
    preview: str
    size: int
    body_type: int
    body_state: str
    """"stored", "pending", "refused", "failed" or "none"."""
    reason: str = ""
    text: str = ""
    """Body as plain text."""
    html: str = ""
    attachments: list[StoredAttachment] = field(default_factory=list)
    flag: FollowUp | None = None
    """The follow-up flag with its dates, as the server told it last."""
    meeting: MeetingRequest | None = None
    """The meeting that the mail is about; `Mailbox.event_of` gives its event."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Rarer properties by the name of their attribute of `Message`: caller_id, actual_sender, ..."""
    rights: Licence | None = None
    """The licence of a protected message; None: it is not protected."""

    def may(self, right: Right) -> bool:
        """Whether its licence grants a right; without a licence every right is granted. What is done with the message
        asks `rms.gate`, which knows about expiry and doors too."""
        return self.rights is None or self.rights.grants(right)

    marking: Marking | None = None
    """None: classification is not configured."""
    parts: list[Part] = field(default_factory=list)
    """Of a protected message: the attachments inside its layers. `attachments` stay those the server announced."""
    judge: Callable[[], SecurityReport] | None = field(default=None, repr=False, compare=False)
    """Finds out what `security` says; set by the mailbox."""
    _report: SecurityReport | None = field(default=None, repr=False, compare=False)

    @property
    def security(self) -> SecurityReport | None:
        """What is true of its signatures and encryption, found out when first asked for; None outside a mailbox."""
        if self._report is None and self.judge is not None:
            self._report = self.judge()
        return self._report
