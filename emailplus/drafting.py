"""Drafts: of new mail, of answers, of a MIME message; kept and given up. What becomes of them is `sending`."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from email.message import Message as HeaderFields
from email.parser import BytesHeaderParser
from email.policy import compat32

from . import protecting
from .calendar import invitation as invitations
from .errors import EmailplusError, NotFound, PolicyDenied, UsageError
from .mime.compose import plain_text
from .mime.fields import checked_address
from .mime.headers import decoded_people
from .mime.quoted import quotable
from .mime.view import PartView, header_text, view
from .model.draft import Draft, DraftAttachment, DraftKind, Invitation
from .model.drafts import ForgetDeletedDrafts, ServerDraft, ServerDrafts, TakeDraft
from .model.event import Event
from .model.message import Address, BodyType, StoredMessage, addresses
from .model.outbox import DropDraft, SaveDraft
from .policy.addresses import read as read_addresses
from .protecting import quote_of
from .sealing import inner_attachments
from .sending import MESSAGE, Sending
from .stamping import carried
from .store import outbox
from .store.originals import Original, original
from .store.store import Store

People = str | Address | Iterable[str | Address]

_IDENTIFIER = re.compile(r"<([\x21-\x3b\x3d\x3f-\x7e]{1,900})>")
_ANSWER = re.compile(r"\s*(?:re|aw|sv|antw|vs)\s*(?:\[\d+\])?\s*:", re.IGNORECASE)
_FORWARD = re.compile(r"\s*(?:fw|fwd|wg|tr|rv)\s*(?:\[\d+\])?\s*:", re.IGNORECASE)


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
    invitation: Invitation | Event | None = None,
) -> Draft:
    """A new message, with the signature that holds. An event as `invitation` asks its attendees to come, and gives the
    recipients, the subject and the text that are not given."""
    sender = me(sending)
    if isinstance(invitation, Event):
        event = invitation
        invited, also = invitations.people(invitations.guests(event, sender.address))
        to, cc = (to, cc) if to or cc else (invited, also)
        subject = subject or event.subject
        text = text or ("" if html else invitations.text_of(event))
        invitation = invitations.request(event, organizer=sender, now=sending.now)
    return Draft(
        message_id=new_message_id(sender), sender=sender, to=people(to), cc=people(cc), bcc=people(bcc),
        subject=subject, text=text, html=html, signature=sending.settings.signature, attachments=tuple(attachments),
        invitation=invitation,
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
    return replace(draft, attachments=_carried_files(message))


def _carried_files(message: StoredMessage) -> tuple[DraftAttachment, ...]:
    """The attachments of a message as those of a draft; of a protected one that opened, those inside it."""
    inside = inner_attachments(message)
    if inside is not None:
        return inside
    return tuple(
        DraftAttachment(
            name=attachment.name,
            content_type=attachment.content_type,
            content_id=attachment.content_id.strip("<> ") if attachment.inline else "",
            source=attachment.id,
            announced=attachment.size,
        )
        for attachment in message.attachments
    )


def redirect(sending: Sending, source: int | Draft, *, to: People, cc: People = (), bcc: People = ()) -> Draft:
    """A message, or a draft, for other people: the same content with nothing added, as a message of its own.

    What someone else wrote is sent by us, since a server lets no other sender pass (MS-ASCMD_R448), and answers go to
    who wrote it; its HTML goes in the safe form of `mime.quoted`. Raises `NotFound`, also where the text is not all
    here, `RightsDenied`, and `UsageError` for an address that is none.
    """
    if isinstance(source, Draft):
        draft = replace(source, id=None, message_id=new_message_id(source.sender))
    else:
        draft = _taken_over(sending, original(sending.store, source))
    return replace(draft, to=people(to), cc=people(cc), bcc=people(bcc))


def _taken_over(sending: Sending, source: Original) -> Draft:
    """What a message says, as a draft that says it."""
    message, sender = source.message, me(sending)
    protecting.take_over(sending, message.rights)
    if not source.complete:
        raise NotFound(f"the text of message {message.id} is not all in the store; synchronise, or forward it")
    wrote = _known(message.reply_to) or _known(message.sender)
    ours = any(person.address.casefold() == sender.address.casefold() for person in wrote)
    return Draft(
        message_id=new_message_id(sender), sender=sender, kind=DraftKind.REDIRECT, reply_to=() if ours else wrote,
        subject=message.subject, text=message.text, html=quotable(message.html), attachments=_carried_files(message),
        original=message.id, original_rights=message.rights, thread_topic=message.thread_topic,
        importance=message.importance,
    )  # fmt: skip


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
        original_rights=message.rights,
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


def save(sending: Sending, draft: Draft) -> int:
    """Keep a draft; contents that it only names come along, so that it outlives its original. Raises `NotFound`."""
    kept = tuple(
        replace(attachment, content=sending.content(attachment))
        if sending.has_content(attachment) and protecting.may_keep(sending, draft, attachment)
        else attachment
        for attachment in draft.attachments
    )
    licence = protecting.held(sending, draft)
    number: int = sending.store.apply(SaveDraft(replace(draft, attachments=kept), sending.now.timestamp(), licence))
    return number


def adopt(sending: Sending) -> list[str]:
    """Take over what other devices made of drafts on the server (from 16.0 on); what is to be told about it.

    What was written here of a draft that was deleted there stays, as a new one.
    """
    store = sending.store
    kept: list[str] = store.apply(ForgetDeletedDrafts())
    copies: list[ServerDraft] = store.load(ServerDrafts())
    lost: list[str] = []
    for copy in copies:
        try:
            draft = _unsigned(_of_copy(sending, copy), sending.settings.signature)
            if copy.draft_id is not None:
                draft = _over(outbox.load_draft(store.database, copy.draft_id), draft)
        except EmailplusError as problem:  # it stays a message in Drafts; the others go on
            lost.append(f"a draft on the server cannot be taken over: {problem}")
            continue
        store.apply(TakeDraft(draft, copy.server_id, sending.now.timestamp()))
    said = "was deleted on the server: what was written here is a new draft"
    return [*(f"the draft {subject!r} {said}" for subject in kept), *lost]


def _of_copy(sending: Sending, copy: ServerDraft) -> Draft:
    """The draft that a message in the server's Drafts is."""
    store = sending.store
    message = store.message(copy.message_id)
    if message.body_type == BodyType.MIME and message.body_state == "stored":
        try:
            draft = from_mime(sending, store.body(message.id))
        except UsageError:  # half an address, say: what can be read of it is taken
            pass
        else:
            return draft if draft.bcc or not copy.bcc else replace(draft, bcc=_known(copy.bcc))
    files = []
    for attachment in message.attachments:
        try:
            content = b"".join(store.attachment_content(attachment.id))
        except NotFound:  # refused by a limit: it stays on the server
            continue
        files.append(
            DraftAttachment(
                name=attachment.name,
                content=content,
                content_type=attachment.content_type,
                content_id=attachment.content_id.strip("<> ") if attachment.inline else "",
            )
        )
    sender = me(sending)
    return Draft(
        message_id=new_message_id(sender),
        sender=sender,
        to=_known(message.to),
        cc=_known(message.cc),
        bcc=_known(copy.bcc),
        reply_to=_known(message.reply_to),
        subject=message.subject,
        text=message.text,
        html=message.html if message.body_type == BodyType.HTML else "",
        attachments=tuple(files),
        importance=message.importance,
    )


def _over(ours: Draft, theirs: Draft) -> Draft:
    """A draft here with what the server's copy says now; where that is what we wrote, it keeps its parts."""
    written = replace(
        ours, to=theirs.to, cc=theirs.cc, bcc=theirs.bcc, reply_to=theirs.reply_to, subject=theirs.subject,
        importance=theirs.importance, attachments=theirs.attachments,
    )  # fmt: skip
    if plain_text(ours, ours.quote).split() == plain_text(theirs).split():
        return written
    return replace(written, text=theirs.text, html=theirs.html, signature=theirs.signature, quote=None)


def _unsigned(draft: Draft, signature: str) -> Draft:
    """The user's signature below a text is one again, and not a part of it."""
    mark = f"-- \n{signature.strip()}"
    text = draft.text.rstrip()
    if draft.html or not signature.strip() or not text.endswith(mark):
        return draft
    return replace(draft, text=text.removesuffix(mark).rstrip("\n") + "\n", signature=signature)


def discard(store: Store, draft_id: int) -> None:
    """Remove a draft. Raises `NotFound`, or `UsageError` for one that waits in the outbox."""
    if not store.apply(DropDraft(draft_id)):
        raise NotFound(f"there is no draft {draft_id} in this store")


def _canonical(data: bytes) -> bytes:
    """A message with CRLF line ends, which it needs to be attached as one."""
    return re.sub(rb"\r?\n", b"\r\n", data)


_METHOD = re.compile(rb"^METHOD:([A-Za-z]{3,20})\r?$", re.MULTILINE)


def _invitation(files: list[PartView]) -> tuple[list[PartView], Invitation | None]:
    """(the files, the calendar that stands beside the text): a nameless calendar part with a method (RFC 6047 2.4)."""
    for number, part in enumerate(files):
        method = _METHOD.search(part.data) if part.content_type == "text/calendar" and not part.name else None
        if method:
            return files[:number] + files[number + 1 :], Invitation(method[1].decode().upper(), part.data)
    return files, None


def _list(head: HeaderFields, name: str) -> str:
    """Every field of that name as one address list."""
    return ", ".join(decoded_people(str(value)) for value in head.get_all(name, []))


def from_mime(sending: Sending, data: bytes) -> Draft:
    """A draft from a MIME message: recipients, subject, text, HTML, attachments, invitation and threading.

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
    files, invitation = _invitation(parts.attachments)
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
            for part in files
        ),
        invitation=invitation,
        in_reply_to=(identifiers["In-Reply-To"] or [""])[0],
        references=tuple(_IDENTIFIER.findall(str(head.get("References", "")))),
        importance=importance,
        read_receipt="Disposition-Notification-To" in head,
        classification=carried(sending, data, header_text(head.get("Subject", ""))),
    )
