"""From a draft to the outbox: the stages of sending, in their one order.

    draft ─► recipients ─► features ─► size ─► domains ─► classification ─► rights ─► form ─► mime ─► smime ─► parcels
             everyone has   attach_     10 MB   safe       the markings     template  rich    RFC     sign,    which
             an address     files       asks    domains                               text    5322    encrypt  command

A stage is a plain function ``(Outgoing, Sending) -> Outgoing``, listed in `STAGES` under its name in `ORDER`; what asks
a person does it through `Sending.ask`. Nothing is written before every stage has passed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime

from . import protecting
from .classification.classifier import Classifier
from .config import AppConfig
from .errors import ConfirmationNeeded, Declined, NotFound, UsageError
from .mime.compose import BodyStamp, Composed, compose
from .mime.fields import checked_address
from .model.draft import Draft, DraftAttachment, DraftKind
from .model.outbox import Parcel, QueueMail
from .model.questions import Confirm, Question
from .policy import limits
from .policy import recipients as safe_domains
from .policy.user_settings import Settings
from .protecting import quote_of
from .rms.gate import Door
from .sealing import seal
from .stamping import stamp
from .store.app_policy import guard
from .store.originals import Original, original
from .store.store import Store
from .store.text import html_to_text

SMART_FROM = 64 * 1024
"""Bytes of attachments from which on a forward leaves them to the server."""
MESSAGE = "message/rfc822"
MAX_RECIPIENTS = 1000
"""People one message may be addressed to; beyond it a list is what is wanted, and servers refuse."""


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
        if attachment.content is not None or attachment.source is None:
            return attachment.content is not None
        try:
            self.store.attachment_content(attachment.source)
        except NotFound:
            return False
        return True


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
    """Files may be attached, each by the rule of its origin (`dlp.may_attach`); what a forward carries stays."""
    draft = outgoing.draft
    carried = draft.original is not None
    own = [a for a in draft.attachments if a.source is None and not (carried and a.content_type == MESSAGE)]
    if own:
        rules = guard(sending.store.database, sending.config)
        for origin, handed_over in dict.fromkeys((a.origin, a.handed_over) for a in own):
            rules.may_attach(origin, handed_over=handed_over).require()
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
    command = draft.kind.command
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


TEXT_STAGES = ("classification", "rights", "form", "mime")
"""The stages that make the message what it will look like; they ask nobody anything."""


def preview(draft: Draft, sending: Sending) -> Composed:
    """The message as it will be before S/MIME covers it, with nobody asked and nothing written.

    Raises what these stages refuse, and `NotFound` for an attachment that is not in the store.
    """
    outgoing = Outgoing(draft)
    for name in TEXT_STAGES:
        outgoing = STAGES[name](outgoing, sending)
    if outgoing.composed is None:
        missing = next(a.name for a in outgoing.draft.attachments if not sending.has_content(a))
        raise NotFound(f"the attachment {missing!r} is not in the store; synchronise, or take it out")
    return outgoing.composed


def prepare(draft: Draft, sending: Sending, *, without: Collection[str] = ()) -> QueueMail:
    """Take a draft through every stage but those in `without`; what is to be written into the outbox.

    Raises what a stage refuses (`UsageError`, `PolicyError`, `SmimeError`...), `ConfirmationNeeded` or `Declined`.
    """
    outgoing = Outgoing(draft)
    for name in ORDER:
        stage = STAGES.get(name)
        if stage is not None and name not in without:
            outgoing = stage(outgoing, sending)
    shown = ", ".join(person.address for person in draft.recipients)
    return QueueMail(
        draft.message_id, outgoing.draft.subject, shown, outgoing.parcels, sending.now.timestamp(), draft,
        protecting.held(sending, draft),
    )  # fmt: skip
