"""Rights in answers and in new mail: what the licence of an original permits, and the template that goes out.

`begin` is asked when an answer is begun, `stage` when it is sent: in between the licence may have changed, and the
recipients have. See `rms.gate` and `rms.compose` for the rules.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .errors import UsageError
from .mime.quoted import quotable
from .model.draft import Draft, DraftKind, Quote
from .model.message import StoredMessage, addresses
from .model.rights import Licence
from .rms.compose import NO_RESTRICTION, protection
from .rms.gate import Door, Operation, check_recipients, judge, refuse, require

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


def take_over(sending: Sending, message: StoredMessage) -> None:
    """The content of a message as our own, in a redirection. Raises `RightsDenied` where it may not be."""
    require(message.rights, OPERATIONS[DraftKind.REDIRECT], Door.PERSON, sending.now)
    for operation in AS_ONES_OWN:
        require(message.rights, operation, sending.door, sending.now)


def attach_whole(sending: Sending, message: StoredMessage) -> None:
    """A protected message as a file in another one, a copy in the clear. Raises `RightsDenied` where it may not be."""
    require(message.rights, Operation.EXPORT, sending.door, sending.now)


def stage(outgoing: Outgoing, sending: Sending) -> Outgoing:
    """Hold an answer against the licence of its original, and settle the template.

    Raises `RightsDenied`, and `UsageError` for a template without `enabled_features` = `rms_support`.
    """
    draft = outgoing.draft
    if draft.template and "rms_support" not in sending.config.enabled_features:
        raise UsageError("the message names a template, but rights management is off (enabled_features, rms_support)")
    answered = draft.kind is not DraftKind.NEW and draft.original is not None
    found = sending.store.messages([draft.original]) if answered and draft.original is not None else []
    licence = found[0].rights if found else None
    if licence is not None:
        _permitted(draft, found[0], licence, sending)
    settled = protection(draft.template, licence)
    draft = replace(draft, template=settled.template)
    hidden = licence is not None and not judge(licence, Operation.READ, sending.door, sending.now)
    if licence is not None and (hidden or not settled.inline):
        # Nothing of the original goes into what is ours: a forward leaves it to the server, which keeps it protected.
        own = tuple(attachment for attachment in draft.attachments if attachment.source is None)
        draft = replace(draft, quote=None, attachments=own)
        outgoing.by_server = draft.kind is DraftKind.FORWARD
    outgoing.draft = draft
    return outgoing


def _permitted(draft: Draft, original: StoredMessage, licence: Licence, sending: Sending) -> None:
    operation = OPERATIONS[draft.kind]
    if draft.kind is DraftKind.REDIRECT:
        take_over(sending, original)
    require(licence, operation, Door.PERSON, sending.now)
    if draft.template == NO_RESTRICTION:
        require(licence, Operation.REMOVE_PROTECTION, Door.PERSON, sending.now)
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
