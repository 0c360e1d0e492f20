"""Rights management on the server's side (MS-ASRM 3.2): licences issued with protected mail, and enforced."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from email.message import EmailMessage
from email.utils import getaddresses

from ..eas.wbxml import Node
from .mime import Message

NO_RESTRICTION = "00000000-0000-0000-0000-000000000000"
NEVER = "9999-12-30T23:59:59.999Z"

DISABLED, INVALID_TEMPLATE, NOT_PERMITTED = 168, 171, 172


@dataclass(frozen=True, slots=True, kw_only=True)
class MockLicence:
    """What a message is protected with. `content_owner` "" is its sender; `raw_expiry` is sent as it stands."""

    template_id: str = "11111111-1111-1111-1111-111111111111"
    template_name: str = "Do Not Forward"
    template_description: str = "Recipients can read this message, but cannot forward, print, or copy content."
    content_owner: str = ""
    expires: datetime | None = None
    raw_expiry: str = ""
    edit: bool = False
    export: bool = False
    extract: bool = False
    forward: bool = False
    modify_recipients: bool = False
    print: bool = False
    programmatic_access: bool = False
    reply: bool = False
    reply_all: bool = False

    @classmethod
    def everything(cls, **changes: object) -> MockLicence:
        """Every right granted, but for `changes`."""
        granted = {field.name: True for field in fields(cls) if field.type in (bool, "bool")}
        return cls(**{**granted, **changes})  # type: ignore[arg-type]


def licence_node(licence: MockLicence, sender: str, user: str) -> Node:
    """RightsManagementLicense with all of its elements, all of which are required (MS-ASRM 2.2.2.14)."""
    people = getaddresses([sender])
    owner = licence.content_owner or (people[0][1] if people else "") or "owner@example.test"
    expiry = licence.raw_expiry or (_date(licence.expires) if licence.expires is not None else NEVER)
    flags = (
        ("EditAllowed", licence.edit), ("ReplyAllowed", licence.reply), ("ReplyAllAllowed", licence.reply_all),
        ("ForwardAllowed", licence.forward), ("ModifyRecipientsAllowed", licence.modify_recipients),
        ("ExtractAllowed", licence.extract), ("PrintAllowed", licence.print), ("ExportAllowed", licence.export),
        ("ProgrammaticAccessAllowed", licence.programmatic_access), ("Owner", owner.lower() == user.lower()),
    )  # fmt: skip
    texts = (
        ("ContentExpiryDate", expiry), ("TemplateID", licence.template_id), ("TemplateName", licence.template_name),
        ("TemplateDescription", licence.template_description), ("ContentOwner", owner),
    )  # fmt: skip
    nodes: list[Node] = [(f"RightsManagement:{name}", "1" if granted else "0") for name, granted in flags]
    nodes += [(f"RightsManagement:{name}", text) for name, text in texts]
    return ("RightsManagement:RightsManagementLicense", nodes)


def _date(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def sealed(message: Message) -> Message:
    """Protected mail as a client gets it that does not ask for it to be opened (MS-OXORMMS 2.2.3): a wrapper."""
    wrapper = EmailMessage()
    for name in ("From", "To", "Cc", "Subject", "Date", "Message-ID"):
        value = message.headers.all(name.lower())
        if value:
            wrapper[name] = " ".join(value.split())
    wrapper.set_content("This message is protected. Open it with a client that supports rights management.\n")
    wrapper.add_attachment(b"sealed:" + bytes(64), "application", "x-microsoft-rpmsg-message", filename="message.rpmsg")
    return Message(wrapper.as_bytes())


def check_send(templates: Iterable[tuple[str, str, str]] | None, template: str) -> int:
    """Status for a TemplateID of a message that is sent; 0: it is fine (MS-ASRM_R372, R374)."""
    if not template:
        return 0
    if templates is None:
        return DISABLED
    known = {identity for identity, _, _ in templates}
    return 0 if template in known or template == NO_RESTRICTION else INVALID_TEMPLATE


def check_answer(licence: MockLicence, original: Message, wanted: Iterable[str], user: str, *, forward: bool) -> int:
    """Status 172 for a reply or forward that the licence of the original does not permit, else 0.

    MS-ASRM 3.2.5.1: ForwardAllowed for forwards; ModifyRecipientsAllowed lets replies go to anybody; without it a reply
    goes to exactly the sender (ReplyAllowed) or to exactly everyone (ReplyAllAllowed), oneself at will.
    """
    if forward:
        return 0 if licence.forward else NOT_PERMITTED
    if licence.modify_recipients:
        return 0
    me = user.lower()
    given = {address.lower() for address in wanted} - {me}
    sender = _addresses(original, "from") - {me}
    everyone = (sender | _addresses(original, "to") | _addresses(original, "cc")) - {me}
    allowed = (licence.reply and given == sender) or (licence.reply_all and given == everyone)
    return 0 if allowed else NOT_PERMITTED


def _addresses(message: Message, name: str) -> set[str]:
    return {address.lower() for _, address in getaddresses([message.headers.all(name)]) if address}
