"""Rights in answers and in new mail: what the licence of an original permits, and the template that goes out.

`begin` is asked when an answer is begun, `stage` when it is sent: in between the licence may have changed, and the
recipients have. See `rms.gate` and `rms.compose` for the rules.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .errors import UsageError
from .mime.quoted import quotable
from .model.draft import Draft, DraftAttachment, DraftKind, Quote
from .model.message import StoredMessage, addresses
from .model.rights import Licence, Right
from .rms.compose import NO_RESTRICTION, protection
from .rms.compose import Protection as Settled
from .rms.gate import ALLOWED, Door, Operation, Verdict, check_recipients, judge, refuse, require
from .store import rights

if TYPE_CHECKING:
    from .sending import Outgoing, Sending

OPERATIONS: dict[DraftKind, Operation] = {
    DraftKind.REPLY: Operation.REPLY,
    DraftKind.REPLY_ALL: Operation.REPLY_ALL,
    DraftKind.FORWARD: Operation.FORWARD,
    DraftKind.REDIRECT: Operation.FORWARD,
}
AS_ONES_OWN = (Operation.EDIT, Operation.EXPORT)
"""What a redirection needs besides: the content stands in it as if we had written it."""


def begin(sending: Sending, message: StoredMessage, kind: DraftKind) -> bool:
    """Whether the original may be quoted in an answer. Raises `RightsDenied` where there may be no such answer."""
    licence = message.rights
    require(licence, OPERATIONS[kind], Door.PERSON, sending.now)
    readable = judge(licence, Operation.READ, sending.door, sending.now)
    return bool(readable) and bool(judge(licence, Operation.EDIT, Door.PERSON, sending.now))


def quote_of(message: StoredMessage) -> Quote:
    """What stands below an answer; its HTML in the safe form of `mime.quoted`."""
    sent = message.received.strftime("%A, %d %B %Y %H:%M UTC") if message.received is not None else ""
    return Quote(
        sender=message.sender, sent=sent, to=message.to, cc=message.cc, subject=message.subject, text=message.text,
        html=quotable(message.html),
    )  # fmt: skip


def take_over(sending: Sending, licence: Licence | None) -> None:
    """The content of a message as our own, in a redirection. Raises `RightsDenied` where it may not be."""
    require(licence, OPERATIONS[DraftKind.REDIRECT], Door.PERSON, sending.now)
    for operation in AS_ONES_OWN:
        require(licence, operation, sending.door, sending.now)


def attach_whole(sending: Sending, message: StoredMessage) -> None:
    """A protected message as a file in another one, a copy in the clear. Raises `RightsDenied` where it may not be."""
    require(message.rights, Operation.EXPORT, sending.door, sending.now)


def held(sending: Sending, draft: Draft) -> Licence | None:
    """The licence that a draft is under: that of its protected original, where whoever writes may read that. Text that
    was written beside it may hold words of it. None: nothing of a protected original is in it."""
    licence = _licence(sending, draft)[1]
    if licence is None or not judge(licence, Operation.READ, sending.door, sending.now):
        return None
    return licence


def may_keep(sending: Sending, draft: Draft, attachment: DraftAttachment) -> bool:
    """Whether the bytes of an attachment that is only named may be copied into the draft."""
    return attachment.source is None or bool(_may_take(sending, draft, attachment.source))


def _may_take(sending: Sending, draft: Draft, source: int) -> Verdict:
    """Whether an attachment in the store may go into a draft: with its protected original as far as that may be read,
    elsewhere as an export."""
    owner = rights.of_source(sending.store.database, source)
    if owner is None:
        return ALLOWED
    answers = draft.kind is not DraftKind.NEW and draft.original == owner[0]
    return judge(owner[1], Operation.READ if answers else Operation.EXPORT, sending.door, sending.now)


def _licence(sending: Sending, draft: Draft) -> tuple[StoredMessage | None, Licence | None]:
    """The original, where it is here, and the licence that an answer to it is held against."""
    if draft.original is None:
        return None, draft.original_rights
    found = sending.store.messages([draft.original])
    licence = found[0].rights if found else None
    return (found[0] if found else None), licence or draft.original_rights


def _check_files(sending: Sending, draft: Draft) -> None:
    """Files of other protected mail leave it by this: raises `RightsDenied` where they may not."""
    for attachment in draft.attachments:
        owner = rights.of_source(sending.store.database, attachment.source) if attachment.source is not None else None
        if owner is not None and (draft.kind is DraftKind.NEW or owner[0] != draft.original):
            require(owner[1], Operation.EXPORT, sending.door, sending.now)


def _without_original(sending: Sending, draft: Draft) -> Draft:
    """The draft without anything of its original."""
    own = []
    for attachment in draft.attachments:
        owner = rights.of_source(sending.store.database, attachment.source) if attachment.source is not None else None
        if attachment.source is None or (owner is not None and owner[0] != draft.original):
            own.append(attachment)
    return replace(draft, quote=None, attachments=tuple(own))


def stage(outgoing: Outgoing, sending: Sending) -> Outgoing:
    """Hold an answer against the licence of its original, and settle the template.

    Raises `RightsDenied`, and `UsageError` for a template without `enabled_features` = `rms_support`.
    """
    draft = outgoing.draft
    _check_files(sending, draft)
    if draft.template and "rms_support" not in sending.config.enabled_features:
        raise UsageError("the message names a template, but rights management is off (enabled_features, rms_support)")
    original, licence = _licence(sending, draft) if draft.kind is not DraftKind.NEW else (None, None)
    settled = protection(draft.template, licence)
    if licence is not None:
        _permitted(draft, original, licence, sending, settled)
    draft = replace(draft, template=settled.template)
    hidden = licence is not None and not judge(licence, Operation.READ, sending.door, sending.now)
    if licence is not None and (hidden or not settled.inline):
        # Nothing of the original goes into what is ours: a forward leaves it to the server, which keeps it protected.
        draft = _without_original(sending, draft)
        outgoing.by_server = draft.kind is DraftKind.FORWARD
    outgoing.draft = draft
    return outgoing


def _permitted(
    draft: Draft, original: StoredMessage | None, licence: Licence, sending: Sending, settled: Settled
) -> None:
    operation = OPERATIONS[draft.kind]
    if draft.kind is DraftKind.REDIRECT:
        take_over(sending, licence)
    require(licence, operation, Door.PERSON, sending.now)
    if draft.template == NO_RESTRICTION:
        require(licence, Operation.REMOVE_PROTECTION, sending.door, sending.now)
    elif settled.inline and not settled.inherited:
        # Under another template the server itself puts the original into a forward (MS-ASRM_R261 to R269).
        require(licence, Operation.EXPORT, sending.door, sending.now)
    if original is None:
        if not licence.grants(Right.MODIFY_RECIPIENTS) and operation is not Operation.FORWARD:
            gone = Verdict(
                False, "its recipients may not be changed, and who they were is not known any more",
                Right.MODIFY_RECIPIENTS,
            )  # fmt: skip
            refuse(licence, Operation.CHANGE_RECIPIENTS, gone)
        return
    verdict = check_recipients(
        licence,
        operation,
        addresses(original.reply_to) or addresses(original.sender),
        [*addresses(original.to), *addresses(original.cc)],
        draft.recipients,
        sending.config.email_address,
    )
    if not verdict:
        refuse(licence, Operation.CHANGE_RECIPIENTS, verdict)
