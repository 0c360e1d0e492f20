"""A message on its way out, before it is MIME: plain data that stages pass on and the store keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from .apps import FILES, Origin
from .message import Address
from .rights import Licence


class DraftKind(StrEnum):
    """How a draft came about. It decides about threading and about which command sends it."""

    NEW = "new"
    REPLY = "reply"
    REPLY_ALL = "reply_all"
    FORWARD = "forward"
    REDIRECT = "redirect"
    """The message itself to other people, as it was: nothing above it, nothing quoted."""

    @property
    def command(self) -> str:
        """The command that tells the server what it answers or passes on (MS-ASCMD 2.2.1.18, 2.2.1.19)."""
        return "SmartForward" if self in (DraftKind.FORWARD, DraftKind.REDIRECT) else "SmartReply"


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftAttachment:
    """A file of a draft. Either `content` is here, or `source` names the attachment of the original that it is."""

    name: str
    content: bytes | None = None
    content_type: str = ""
    """"" is guessed from the name; "message/rfc822" is a whole message."""
    content_id: str = ""
    """Set: an image inside the HTML, which names it as ``cid:...``. Without angle brackets."""
    source: int | None = None
    """Id of an attachment in the store whose content this is."""
    announced: int = 0
    """Bytes that the server announced; counts where `content` is not here."""
    origin: Origin = FILES
    """Where the file was taken from; `apps.PHOTOS`, another app or the document app fall under rules of their own."""
    handed_over: bool = False
    """The app of `origin` opened it into mail, nobody picked it in the composer (`openin_compose`)."""

    @property
    def size(self) -> int:
        """Bytes, before any transfer encoding."""
        return len(self.content) if self.content is not None else self.announced


@dataclass(frozen=True, slots=True)
class Invitation:
    """The calendar part of a message: a meeting request, an update, a cancellation or an answer (RFC 6047)."""

    method: str
    """"REQUEST", "CANCEL", "REPLY" or "COUNTER", as in `calendar` (RFC 5546 1.4)."""
    calendar: bytes
    """The iCalendar object, UTF-8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What an original says, as it stands below a reply or forward."""

    sender: str = ""
    sent: str = ""
    to: str = ""
    cc: str = ""
    subject: str = ""
    text: str = ""
    html: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One message to be sent. Make one with `Mailbox.new`, `reply`, `reply_all`, `forward`, `redirect`; change it with
    `dataclasses.replace`. `message_id` makes it one and the same message however often it is handed in.
    """

    message_id: str
    """Message-ID without angle brackets; given once, when the draft is made (RFC 5322 3.6.4)."""
    sender: Address
    kind: DraftKind = DraftKind.NEW
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    subject: str = ""
    text: str = ""
    html: str = ""
    """The same as `text` in HTML; "" sends plain text only."""
    signature: str = ""
    """Plain text below the message, behind the separator of RFC 3676 4.3."""
    quote: Quote | None = None
    attachments: tuple[DraftAttachment, ...] = ()
    invitation: Invitation | None = None
    """Makes it meeting mail: the calendar stands beside the text, as another form of it."""
    original: int | None = None
    """Our id of the message that is answered or forwarded."""
    in_reply_to: str = ""
    """Message-ID of the original, "" where it is not known."""
    references: tuple[str, ...] = ()
    thread_topic: str = ""
    original_rights: Licence | None = None
    """The licence of a protected original, as it was when the draft was begun: it holds here also when the original is
    gone (`rms.gate`)."""
    thread_index: bytes = b""
    """Thread-Index of this message (MS-OXOMSG 2.2.1.3), for servers and clients that thread by it."""
    importance: int = 1
    """0 low, 1 normal, 2 high."""
    read_receipt: bool = False
    sign: bool | None = None
    """S/MIME; None: as the settings say."""
    encrypt: bool | None = None
    template: str = ""
    """TemplateID of a rights policy template (MS-ASRM 2.2.2.17)."""
    classification: Mapping[str, Any] | None = None
    """Markings as `classification` saves them; None: its default."""
    headers: tuple[tuple[str, str], ...] = ()
    """Further header fields, as stages write them."""
    id: int | None = None
    """Row among the drafts of the store; None: never saved."""

    @property
    def recipients(self) -> tuple[Address, ...]:
        """To, Cc and Bcc."""
        return (*self.to, *self.cc, *self.bcc)

    @property
    def body_size(self) -> int:
        """Bytes of what is written, without attachments."""
        return len(self.text.encode(errors="replace")) + len(self.html.encode(errors="replace"))


@dataclass(frozen=True, slots=True)
class StoredDraft:
    """A draft in the list of drafts."""

    id: int
    kind: DraftKind
    subject: str
    recipients: str
    saved: float
    """Unix time."""
    size: int
    """Bytes of its attachments."""
    attachments: int
    server_id: str = ""
    """ServerId of its copy on the server (16.0 on), "" where it is only here."""
    facts: Mapping[str, Any] = field(default_factory=dict)
