"""The stage `smime` of sending: whether a message is signed and encrypted, with which certificates, and what the server
gets. The decision is `policy.mail_protection`, the work `smime.outgoing`; here they meet the store and its user.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .errors import NotFound, PolicyDenied, UsageError
from .mime.compose import compose
from .model.draft import Draft, DraftAttachment, DraftKind
from .model.message import Address, StoredMessage
from .model.outbox import Parcel
from .model.questions import RecipientsCannotDecrypt
from .policy.mail_protection import MailProtection, decide
from .policy.server_policy import ServerPolicy
from .protection import Protection
from .smime.keychain import Role
from .smime.outgoing import Plan, ProtectedMessage, protect
from .smime.recipients import Choice, negotiated

if TYPE_CHECKING:
    from cryptography import x509

    from .sending import Outgoing, Sending


@dataclass(slots=True)
class _People:
    """Recipients with what is known of their certificates; Bcc apart, they are not to be seen."""

    visible: dict[str, Choice]
    hidden: dict[str, Choice]

    def without(self, addresses: Iterable[str]) -> _People:
        left_out = set(addresses)
        return _People(
            {address: choice for address, choice in self.visible.items() if address not in left_out},
            {address: choice for address, choice in self.hidden.items() if address not in left_out},
        )

    def reasons(self, addresses: Iterable[str]) -> tuple[str, ...]:
        choices = self.visible | self.hidden
        return tuple(_why(choices[address]) for address in addresses)


def _why(choice: Choice) -> str:
    return "; ".join(choice.passed_over) or "no certificate of this address is known"


def seal(outgoing: Outgoing, sending: Sending) -> Outgoing:
    """Sign and encrypt where the message, the settings, its thread or the server's policy ask for it.

    A recipient without a usable certificate stops it with the question `RecipientsCannotDecrypt`. Raises
    `CertificateUnusable` for our own certificate, `PolicyDenied` and `PolicyNotApplicable` as `decide`.
    """
    draft = outgoing.draft
    protection = Protection(sending.store)
    decision = decision_for(draft, sending)
    if not decision:
        return outgoing
    people = _People(_choices(protection, (*draft.to, *draft.cc)), _choices(protection, draft.bcc))
    plan = _plan(decision, people, protection, sending)
    if plan.encrypt:
        missing = [a for a, choice in (people.visible | people.hidden).items() if choice.certificate is None]
        if missing:
            draft, people, plan = _ask(draft, people, plan, missing, decision, sending)
            outgoing.draft, outgoing.composed = draft, None
            if not plan.encrypt and plan.signer is None:
                return _composed(outgoing, sending)
    _composed(outgoing, sending)
    if outgoing.composed is None:
        missing_name = next(a.name for a in draft.attachments if not sending.has_content(a))
        raise NotFound(f"the attachment {missing_name!r} is not in the store; synchronise, or take it out")
    made = protect(
        outgoing.composed.head, outgoing.composed.entity, plan, _certificates(people.visible),
        _certificates(people.hidden), now=sending.now,
    )  # fmt: skip
    outgoing.parcels = [_parcel(mail, draft) for mail in made]
    return outgoing


def decision_for(draft: Draft, sending: Sending) -> MailProtection:
    """What becomes of `draft`, before anybody's certificates are looked at. Raises as `decide`."""
    facts = sending.store.account()
    policy = ServerPolicy.from_json(facts["policy"]) if "policy" in facts else ServerPolicy()
    return decide(
        sending.settings, policy, sign=draft.sign, encrypt=draft.encrypt, thread_encrypted=_thread(draft, sending)
    )


def without_certificate(draft: Draft, sending: Sending) -> list[str]:
    """The recipients whom the directory should be asked about, because `draft` is to be encrypted. [] if it is not."""
    if not decision_for(draft, sending).encrypt:
        return []
    found = _choices(Protection(sending.store), draft.recipients)
    return [address for address, choice in found.items() if choice.certificate is None]


def inner_attachments(message: StoredMessage) -> tuple[DraftAttachment, ...] | None:
    """Of a protected message that opened (`Protection.attach`), the attachments inside it; None of any other."""
    report = message.security
    if report is None or not report.layers or not all(layer.opened for layer in report.layers):
        return None
    carried = message.attachments[0].id if message.attachments else None
    return tuple(
        DraftAttachment(
            name=part.name,
            content=part.data,
            content_type=part.content_type,
            content_id=part.content_id if part.inline else "",
            source=carried,
        )
        for part in message.parts
    )


def _thread(draft: Draft, sending: Sending) -> bool:
    """Whether the original of a reply or forward was encrypted, readable or not."""
    if draft.kind is DraftKind.NEW or draft.original is None:
        return False
    (message,) = sending.store.messages([draft.original]) or (None,)
    if message is None:
        return False
    report = Protection(sending.store).attach(message).security
    return report is not None and report.encrypted


def _choices(protection: Protection, people: Iterable[Address]) -> dict[str, Choice]:
    addresses = dict.fromkeys(person.address.lower() for person in people)
    trust = protection.trust()
    return {address: protection.choose(address, trust) for address in addresses}


def _certificates(choices: dict[str, Choice]) -> dict[str, x509.Certificate | None]:
    return {address: choice.certificate for address, choice in choices.items()}


def _plan(decision: MailProtection, people: _People, protection: Protection, sending: Sending) -> Plan:
    keys = protection.keychain
    announced = [choice.capabilities for choice in (people.visible | people.hidden).values()]
    return Plan(
        signer=keys.required(Role.SIGNING, sending.now) if decision.sign else None,
        own=keys.required(Role.ENCRYPTION, sending.now).certificate if decision.encrypt else None,
        encrypt=decision.encrypt,
        clear=decision.clear,
        digest=decision.digest,
        cipher=decision.cipher or negotiated(announced, weak=decision.weak),
        protect_headers=sending.settings.protect_headers,
    )


def _ask(
    draft: Draft, people: _People, plan: Plan, missing: list[str], decision: MailProtection, sending: Sending
) -> tuple[Draft, _People, Plan]:
    """What a person says about recipients who could not read it. Raises `ConfirmationNeeded`, `Declined`."""
    names = ", ".join(missing)
    answer = sending.ask(
        RecipientsCannotDecrypt(
            text=f"The message cannot be encrypted to {names}: no usable certificate is known.",
            addresses=tuple(missing),
            reasons=people.reasons(missing),
        )
    )
    if answer == "unencrypted":
        if decision.must_encrypt:
            raise PolicyDenied(
                "the server's policy demands encrypted messages: it cannot go in the clear",
                rule="RequireEncryptedSMIMEMessages",
            )
        return draft, people, replace(plan, encrypt=False)
    left_out = set(missing)

    def kept(addressed: tuple[Address, ...]) -> tuple[Address, ...]:
        return tuple(person for person in addressed if person.address.lower() not in left_out)

    draft = replace(draft, to=kept(draft.to), cc=kept(draft.cc), bcc=kept(draft.bcc))
    if not draft.recipients:
        raise UsageError("nobody is left who could read the message")
    return draft, people.without(missing), plan


def _composed(outgoing: Outgoing, sending: Sending) -> Outgoing:
    """The complete message, written again where its recipients changed."""
    draft = outgoing.draft
    if outgoing.composed is None and all(sending.has_content(attachment) for attachment in draft.attachments):
        outgoing.composed = compose(draft, sending.now, sending.content, stamp=outgoing.stamp)
    return outgoing


def _parcel(mail: ProtectedMessage, draft: Draft) -> Parcel:
    """A complete message answers with ReplaceMime, so that the server notes the answer and adds nothing of its own. A
    Bcc's own copy is not the one to keep."""
    if mail.hidden or draft.kind is DraftKind.NEW or draft.original is None:
        return Parcel(mail.message, save=not mail.hidden, template=draft.template)
    command = draft.kind.command
    return Parcel(mail.message, command, source=draft.original, replace=True, template=draft.template)
