"""From a draft to the outbox: the stages of sending, in their one order, and the drafts of new mail and of answers.

    draft ─► recipients ─► features ─► size ─► domains ─► classification ─► rights ─► form ─► mime ─► smime ─► parcels
             everyone has   attach_     10 MB   safe       the markings     template  rich    RFC     sign,    which
             an address     files       asks    domains                               text    5322    encrypt  command

A stage is a plain function ``(Outgoing, Sending) -> Outgoing``, listed in `STAGES` under its name in `ORDER`; what asks
a person does it through `Sending.ask`. Nothing is written before every stage has passed.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.message import Message as HeaderFields
from email.parser import BytesHeaderParser
from email.policy import compat32

from . import protecting
from .classification.classifier import Classifier
from .config import AppConfig
from .errors import ConfirmationNeeded, Declined, NotFound, PolicyDenied, UsageError
from .mime.compose import BodyStamp, Composed, compose
from .mime.fields import checked_address
from .mime.view import header_text, view
from .model.draft import Draft, DraftAttachment, DraftKind
from .model.message import Address, BodyType, StoredMessage, addresses
from .model.outbox import DropDraft, Parcel, QueueMail, SaveDraft
from .model.questions import Confirm, Question
from .policy import limits
from .policy import recipients as safe_domains
from .policy.addresses import read as read_addresses
from .policy.dlp import FILES, Action
from .policy.user_settings import Settings
from .protecting import quote_of
from .rms.gate import Door
from .sealing import inner_attachments, seal
from .stamping import carried, stamp
from .store.app_policy import guard
from .store.originals import Original, original
from .store.store import Store
from .store.text import html_to_text

SMART_FROM = 64 * 1024
"""Bytes of attachments from which on a forward leaves them to the server."""
MESSAGE = "message/rfc822"
MAX_RECIPIENTS = 1000
"""People one message may be addressed to; beyond it a list is what is wanted, and servers refuse."""

People = str | Address | Iterable[str | Address]

_IDENTIFIER = re.compile(r"<([\x21-\x3b\x3d\x3f-\x7e]{1,900})>")
_ANSWER = re.compile(r"\s*(?:re|aw|sv|antw|vs)\s*(?:\[\d+\])?\s*:", re.IGNORECASE)
_FORWARD = re.compile(r"\s*(?:fw|fwd|wg|tr|rv)\s*(?:\[\d+\])?\s*:", re.IGNORECASE)


@dataclass(slots=True)
class Sending:
    """What the stages may know: the config, what holds of it, the store, the time, and who answers questions."""

    config: AppConfig
    settings: Settings
    store: Store
    now: datetime
    confirm: Confirm | None = None
    classifier: Classifier | None = None
    """None: classification is off."""
    door: Door = Door.PROGRAM
    """Who writes: content of a protected original is not for programs unless its licence says so."""

    def ask(self, question: Question) -> str:
        """The answer of a person. Raises `ConfirmationNeeded` without one who can be asked, `Declined` for a no."""
        if self.confirm is None:
            raise ConfirmationNeeded(question)
        answer = self.confirm(question)
        if answer not in question.choices:
            raise UsageError(f"{answer!r} is no answer: {', '.join(question.choices)}")
        if answer == question.choices[0]:
            raise Declined(question)
        return answer

    def content(self, attachment: DraftAttachment) -> bytes:
        """The bytes of an attachment. Raises `NotFound` where the store does not have them."""
        if attachment.content is not None:
            return attachment.content
        if attachment.source is None:
            raise UsageError(f"the attachment {attachment.name!r} has no content")
        return b"".join(self.store.attachment_content(attachment.source))

    def has_content(self, attachment: DraftAttachment) -> bool:
        """Whether the bytes of an attachment are here."""
        if attachment.content is not None:
            return True
        try:
            return attachment.source is not None and bool(self.store.attachment_content(attachment.source) or True)
        except NotFound:
            return False


@dataclass(slots=True)
class Outgoing:
    """A message between two stages: a draft first, then MIME, then what the server gets."""

    draft: Draft
    composed: Composed | None = None
    """From the stage `mime` on: the complete message, header fields and entity apart."""
    stamp: BodyStamp | None = None
    """Set by `classification`: what stands above and below the bodies."""
    by_server: bool = False
    """Set by `rights`: the server adds the original, protected; nothing of it is in the draft."""
    parcels: list[Parcel] = field(default_factory=list)
    """Filled by `smime` where it protects the message, else by `parcels`."""


Stage = Callable[[Outgoing, Sending], Outgoing]


# Drafts.


def new_message_id(sender: Address) -> str:
    """A Message-ID that no other message has (RFC 5322 3.6.4)."""
    return f"{secrets.token_hex(16)}@{checked_address(sender.address).rpartition('@')[2].strip('[]')}"


def people(given: People) -> tuple[Address, ...]:
    """Addresses from one or several, written as in a header or given apart. Raises `UsageError` for what is none."""
    found: list[Address] = []
    for entry in (given,) if isinstance(given, (str, Address)) else given:
        if isinstance(entry, Address):
            found.append(entry)
            continue
        for read in read_addresses(entry):
            if read.fault:
                raise UsageError(f"{read.raw[:80]!r} is no email address: it {read.fault}")
            found.append(Address(read.name, read.address))
    for person in found:
        checked_address(person.address)
    return tuple(found)


def new(
    sending: Sending,
    *,
    to: People = (),
    cc: People = (),
    bcc: People = (),
    subject: str = "",
    text: str = "",
    html: str = "",
    attachments: Iterable[DraftAttachment] = (),
) -> Draft:
    """A new message, with the signature that holds."""
    sender = me(sending)
    return Draft(
        message_id=new_message_id(sender), sender=sender, to=people(to), cc=people(cc), bcc=people(bcc),
        subject=subject, text=text, html=html, signature=sending.settings.signature, attachments=tuple(attachments),
    )  # fmt: skip


def me(sending: Sending) -> Address:
    """Who sends: `email_address`."""
    return Address("", sending.config.email_address)


def reply(sending: Sending, message_id: int, *, text: str = "", html: str = "", to_all: bool = False) -> Draft:
    """An answer to the sender (Reply-To goes before From), or to everyone but ourselves. Raises `NotFound`."""
    source = original(sending.store, message_id)
    message = source.message
    own = sending.config.email_address.casefold()
    to = _known(message.reply_to) or _known(message.sender)
    cc: tuple[Address, ...] = ()
    if to_all:
        if any(person.address.casefold() == own for person in to):  # our own message: on to those it went to
            to = _known(message.to) or to
            cc = _known(message.cc)
        else:
            to = (*to, *_known(message.to))
            cc = _known(message.cc)
        to = _others(to, own) or to[:1]
        cc = tuple(person for person in _others(cc, own) if person.address.casefold() not in _keys(to))
    kind = DraftKind.REPLY_ALL if to_all else DraftKind.REPLY
    subject = message.subject if _ANSWER.match(message.subject) else f"Re: {message.subject}".strip()
    return _answer(sending, source, kind, to=to, cc=cc, subject=subject, text=text, html=html)


def forward(
    sending: Sending,
    message_id: int,
    *,
    to: People = (),
    text: str = "",
    html: str = "",
    as_attachment: bool = False,
) -> Draft:
    """The message for someone else, with its attachments, or whole as an attachment where its MIME is here.

    Raises `NotFound`, or `UsageError` for `as_attachment` of a message whose MIME is not in the store.
    """
    source = original(sending.store, message_id)
    message = source.message
    subject = message.subject if _FORWARD.match(message.subject) else f"Fwd: {message.subject}".strip()
    draft = _answer(sending, source, DraftKind.FORWARD, to=people(to), cc=(), subject=subject, text=text, html=html)
    if as_attachment:
        protecting.attach_whole(sending, message)
        return replace(draft, quote=None, attachments=(whole(sending.store, message),))
    attachments = tuple(
        DraftAttachment(
            name=attachment.name,
            content_type=attachment.content_type,
            content_id=attachment.content_id.strip("<> ") if attachment.inline else "",
            source=attachment.id,
            announced=attachment.size,
        )
        for attachment in message.attachments
    )
    inside = inner_attachments(message)
    return replace(draft, attachments=attachments if inside is None else inside)


def whole(store: Store, message: StoredMessage) -> DraftAttachment:
    """A message as an attachment, byte for byte (message/rfc822). Raises `UsageError` where its MIME is not here."""
    if message.body_type != BodyType.MIME or message.body_state != "stored":
        raise UsageError(f"the MIME of message {message.id} is not in the store: it cannot be attached whole")
    return DraftAttachment(name=_file_name(message), content=store.body(message.id), content_type=MESSAGE)


def _file_name(message: StoredMessage) -> str:
    return (re.sub(r'[\\/:*?"<>|\x00-\x1f]+', " ", message.subject).strip()[:60] or "message") + ".eml"


def phishing_report(sending: Sending, message_id: int, mime: bytes, *, text: str = "") -> Draft:
    """The report of a message to `report_phishing_address`, the message attached whole, byte for byte.

    Raises `NotFound`, or `PolicyDenied` where the key is not set: reporting is off then.
    """
    address = sending.config.report_phishing_address
    if address is None:
        raise PolicyDenied(
            "reporting phishing is off: report_phishing_address is not set", rule="report_phishing_address"
        )
    message = sending.store.message(message_id)
    attached = DraftAttachment(name=_file_name(message), content=mime, content_type=MESSAGE)
    draft = new(sending, to=[Address("", address)], subject=f"Phishing: {message.subject}", text=text)
    return replace(draft, original=message_id, signature="", attachments=(attached,))


def _answer(
    sending: Sending,
    source: Original,
    kind: DraftKind,
    *,
    to: tuple[Address, ...],
    cc: tuple[Address, ...],
    subject: str,
    text: str,
    html: str,
) -> Draft:
    sender = me(sending)
    message = source.message
    references = (*source.references, source.message_id) if source.message_id else source.references
    return Draft(
        message_id=new_message_id(sender),
        sender=sender,
        kind=kind,
        to=to,
        cc=cc,
        subject=subject,
        text=text,
        html=html,
        signature=sending.settings.signature,
        quote=quote_of(message) if protecting.begin(sending, message, kind) else None,
        original=message.id,
        in_reply_to=source.message_id,
        references=references,
        thread_topic=message.thread_topic,
        thread_index=thread_index(source, sending.now),
    )


def thread_index(source: Original, now: datetime) -> bytes:
    """Thread-Index of an answer: that of the original and one response level (MS-OXOMSG 2.2.1.3), b"" if unknown.

    The Email class gives the index without its first byte and the conversation's GUID, which is the ConversationId
    (MS-ASCON 2.2.2.3, 2.2.2.4).
    """
    index, identity = source.conversation_index, source.conversation_id
    if len(identity) != 16 or len(index) < 5 or (len(index) - 5) % 5:
        return b""
    started = int.from_bytes(b"\x01" + index[:5], "big") << 16
    ticks = int((now.timestamp() + 11_644_473_600) * 10_000_000)
    passed = max(0, ticks - started)
    wide = passed >= 1 << 49
    delta = (passed >> 23 if wide else passed >> 18) & 0x7FFFFFFF
    level = (delta | (0x80000000 if wide else 0)).to_bytes(4, "big") + bytes([secrets.randbits(8)])
    return b"\x01" + index[:5] + identity + index[5:] + level


def _known(header: str) -> tuple[Address, ...]:
    """The people of a received header that can be written to."""
    found = []
    for person in addresses(header):
        try:
            checked_address(person.address)
        except UsageError:
            continue
        found.append(person)
    return tuple(found)


def _others(given: tuple[Address, ...], own: str) -> tuple[Address, ...]:
    """Everyone once, without ourselves."""
    seen = {own}
    found = []
    for person in given:
        key = person.address.casefold()
        if key not in seen:
            seen.add(key)
            found.append(person)
    return tuple(found)


def _keys(given: tuple[Address, ...]) -> set[str]:
    return {person.address.casefold() for person in given}


# Stages.


def recipients(outgoing: Outgoing, sending: Sending) -> Outgoing:
    """Somebody is addressed, and everybody has an address (MS-ASCMD status 119)."""
    draft = outgoing.draft
    if not draft.recipients:
        raise UsageError("a message needs at least one recipient")
    if len(draft.recipients) > MAX_RECIPIENTS:
        raise UsageError(f"{len(draft.recipients)} recipients are more than {MAX_RECIPIENTS}: use a list")
    for person in (*draft.recipients, *draft.reply_to, draft.sender):
        checked_address(person.address)
    return outgoing


def features(outgoing: Outgoing, sending: Sending) -> Outgoing:
    """Files may be attached (`disabled_features` = `attach_files`, the app policy); what a forward carries stays."""
    draft = outgoing.draft
    carried = draft.original is not None
    if any(a.source is None and not (carried and a.content_type == MESSAGE) for a in draft.attachments):
        guard(sending.store.database, sending.config).may(Action.ATTACH_FILE, FILES).require()
    return outgoing


def size(outgoing: Outgoing, sending: Sending) -> Outgoing:
    """Ask where an attachment, all of them together, or the text exceed 10 MB; exactly 10 MB passes."""
    draft = outgoing.draft
    sizes = [(attachment.name, attachment.size) for attachment in draft.attachments]
    question = limits.outgoing(max(sum(number for _, number in sizes), draft.body_size), sizes)
    if question is not None:
        sending.ask(question)
    return outgoing


def domains(outgoing: Outgoing, sending: Sending) -> Outgoing:
    """Ask where a recipient is outside `email_safe_domains` and `email_alert_unsafe_domains` is set."""
    chosen = {sending.config.report_phishing_address, sending.config.feedback_email_address}
    people_asked_about = [p for p in outgoing.draft.recipients if p.address not in chosen]  # the administrator's own
    question = safe_domains.question(people_asked_about, sending.config)
    if question is not None:
        sending.ask(question)
    return outgoing


def form(outgoing: Outgoing, sending: Sending) -> Outgoing:
    """Text for every HTML; HTML only with `enabled_features` = `richtext_email_support`."""
    draft = outgoing.draft
    if draft.html and not draft.text:
        draft = replace(draft, text=html_to_text(draft.html))
    if draft.html and "richtext_email_support" not in sending.config.enabled_features:
        draft = replace(draft, html="")
    outgoing.draft = draft
    return outgoing


def mime(outgoing: Outgoing, sending: Sending) -> Outgoing:
    """Write the complete message, where everything that belongs into it is here."""
    draft = outgoing.draft
    if all(sending.has_content(attachment) for attachment in draft.attachments):
        outgoing.composed = compose(draft, sending.now, sending.content, stamp=outgoing.stamp)
    return outgoing


def parcels(outgoing: Outgoing, sending: Sending) -> Outgoing:
    """Which command sends it, and whether the server adds the original.

    A complete message answers by SmartReply or SmartForward with ReplaceMime, so that the server notes the answer and
    changes nothing. The server adds the original where that saves bytes (a forward with attachments nobody touched) or
    where it is not all here; never to a protected original, of which it could only add the shell.
    """
    if outgoing.parcels:
        return outgoing
    draft = outgoing.draft
    complete = outgoing.composed.message if outgoing.composed is not None else None
    source = _source(draft, sending)
    command = "SmartForward" if draft.kind is DraftKind.FORWARD else "SmartReply"
    # Below what the server adds nothing of ours can stand, so a marking keeps the whole message with us where it can.
    ours = outgoing.stamp is not None and complete is not None
    if source is not None and not (source.protected or ours) and _leaves_to_server(draft, source, complete is not None):
        own = tuple(attachment for attachment in draft.attachments if attachment.source is None)
        short = compose(
            replace(draft, attachments=own), sending.now, sending.content, quote=False, stamp=outgoing.stamp
        ).message
        outgoing.parcels = [
            Parcel(short, command, source=draft.original, complete=complete, template=draft.template)
        ]  # fmt: skip
        return outgoing
    if complete is None:
        missing = next(a.name for a in draft.attachments if not sending.has_content(a))
        raise NotFound(f"the attachment {missing!r} is not in the store; synchronise, or take it out")
    if source is not None:
        outgoing.parcels = [
            Parcel(complete, command, source=draft.original, replace=not outgoing.by_server, template=draft.template)
        ]
    else:
        outgoing.parcels = [Parcel(complete, template=draft.template)]
    return outgoing


def _source(draft: Draft, sending: Sending) -> Original | None:
    """The original, if there is one and it is still here."""
    if draft.kind is DraftKind.NEW or draft.original is None:
        return None
    try:
        return original(sending.store, draft.original)
    except NotFound:
        return None


def _leaves_to_server(draft: Draft, source: Original, complete_here: bool) -> bool:
    if draft.quote is None or draft.quote != quote_of(source.message):
        return False  # edited: what the server would add is not what was meant
    if draft.kind is not DraftKind.FORWARD:
        return not source.complete
    kept = {attachment.source for attachment in draft.attachments if attachment.source is not None}
    if kept != {attachment.id for attachment in source.message.attachments}:
        return False
    carried = sum(attachment.size for attachment in draft.attachments if attachment.source is not None)
    return not source.complete or not complete_here or carried >= SMART_FROM


ORDER: tuple[str, ...] = (
    "recipients", "features", "size", "domains", "classification", "rights", "form", "mime", "smime", "parcels",
)  # fmt: skip
"""Every stage there is, in the one right order: questions, then what changes the text, then MIME and its cover."""

STAGES: dict[str, Stage] = {
    "recipients": recipients,
    "features": features,
    "size": size,
    "domains": domains,
    "classification": stamp,
    "rights": protecting.stage,
    "form": form,
    "mime": mime,
    "smime": seal,
    "parcels": parcels,
}
"""The stage of each name. A name without one has nothing to do."""


def prepare(draft: Draft, sending: Sending) -> QueueMail:
    """Take a draft through every stage; what is to be written into the outbox.

    Raises what a stage refuses (`UsageError`, `PolicyError`, `SmimeError`...), `ConfirmationNeeded` or `Declined`.
    """
    outgoing = Outgoing(draft)
    for name in ORDER:
        stage = STAGES.get(name)
        if stage is not None:
            outgoing = stage(outgoing, sending)
    shown = ", ".join(person.address for person in draft.recipients)
    return QueueMail(draft.message_id, outgoing.draft.subject, shown, outgoing.parcels, sending.now.timestamp(), draft)


def save(sending: Sending, draft: Draft) -> int:
    """Keep a draft; contents that it only names come along, so that it outlives its original. Raises `NotFound`."""
    kept = tuple(
        replace(attachment, content=sending.content(attachment)) if sending.has_content(attachment) else attachment
        for attachment in draft.attachments
    )
    number: int = sending.store.apply(SaveDraft(replace(draft, attachments=kept), sending.now.timestamp()))
    return number


def discard(store: Store, draft_id: int) -> None:
    """Remove a draft. Raises `NotFound`, or `UsageError` for one that waits in the outbox."""
    if not store.apply(DropDraft(draft_id)):
        raise NotFound(f"there is no draft {draft_id} in this store")


def _canonical(data: bytes) -> bytes:
    """A message with CRLF line ends, which it needs to be attached as one."""
    return re.sub(rb"\r?\n", b"\r\n", data)


def _list(head: HeaderFields, name: str) -> str:
    """Every field of that name as one address list."""
    return ", ".join(header_text(value) for value in head.get_all(name, []))


def from_mime(sending: Sending, data: bytes) -> Draft:
    """A draft from a MIME message: recipients, subject, text, HTML, attachments and threading.

    The sender is always the account (MS-ASCMD_R448 lets the server say so too). Raises `UsageError` for a message
    without a header.
    """
    head = BytesHeaderParser(policy=compat32).parsebytes(data[: 1 << 20])
    if not head.keys():
        raise UsageError("this is no MIME message: it has no header")
    sender = me(sending)
    parts = view(data)
    lists = {name: people(_list(head, name)) for name in ("To", "Cc", "Bcc", "Reply-To")}
    identifiers = {name: _IDENTIFIER.findall(str(head.get(name, ""))) for name in ("Message-ID", "In-Reply-To")}
    importance = {"low": 0, "high": 2}.get(str(head.get("Importance", "")).strip().lower(), 1)
    return Draft(
        message_id=(identifiers["Message-ID"] or [new_message_id(sender)])[0],
        sender=sender,
        to=lists["To"],
        cc=lists["Cc"],
        bcc=lists["Bcc"],
        reply_to=lists["Reply-To"],
        subject=header_text(head.get("Subject", "")),
        text=parts.text,
        html=parts.html,
        attachments=tuple(
            DraftAttachment(
                name=part.name,
                content=_canonical(part.data) if part.content_type == MESSAGE else part.data,
                content_type=part.content_type,
                content_id=part.content_id if part.inline or (part.content_id and not part.name) else "",
            )
            for part in parts.attachments
        ),
        in_reply_to=(identifiers["In-Reply-To"] or [""])[0],
        references=tuple(_IDENTIFIER.findall(str(head.get("References", "")))),
        importance=importance,
        read_receipt="Disposition-Notification-To" in head,
        classification=carried(sending, data, header_text(head.get("Subject", ""))),
    )
