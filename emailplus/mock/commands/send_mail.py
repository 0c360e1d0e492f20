"""SendMail, SmartReply and SmartForward (MS-ASCMD 2.2.1.17, 2.2.1.19, 2.2.1.20).

Up to 12.1 the body is the message and the rest stands in the query; from 14.0 on it is a ComposeMail document.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...errors import NotFound
from ..compose import prepare, recipients, with_original
from ..context import Answer, Context, StatusError
from ..invitations import mail_to
from ..mailbox import Item
from ..mime import Message
from ..query import SAVE_IN_SENT
from ..rights import NO_RESTRICTION, NOT_PERMITTED, MockLicence, check_answer, check_send, sealed
from ..tree import child, every, text

_INSTANCE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")

REMEMBERED = 200  # ClientIds of sent mail kept per device


@dataclass(frozen=True, slots=True)
class Parcel:
    """What a request asks to send."""

    mime: bytes
    save: bool
    client_id: str = ""
    folder_id: str = ""
    item_id: str = ""
    long_id: str = ""
    instance_id: str = ""
    replace: bool = False
    template: str = ""


def send_mail(context: Context) -> Answer:
    parcel = _read(context)
    status = check_send(context.exchange.rights_templates, parcel.template)
    if status:
        raise StatusError(status)
    return _send(context, parcel, parcel.mime)


def smart_reply(context: Context) -> Answer:
    return _smart(context, forward=False)


def smart_forward(context: Context) -> Answer:
    if context.version >= 160 and any(child(context.tree, tag) is not None for tag in _OF_EVENTS):
        return _forward_event(context)
    return _smart(context, forward=True)


_OF_EVENTS = ("ComposeMail:Forwardees", "AirSyncBase:Body")


def _forward_event(context: Context) -> Answer:
    """A calendar item to the people of Forwardees (MS-ASCMD 2.2.3.79): the server writes the mail."""
    tree = context.tree
    if any(child(tree, f"ComposeMail:{name}") is not None for name in ("Mime", "ReplaceMime")):
        raise StatusError(178)
    people = [
        (text(node, "ComposeMail:Name"), text(node, "ComposeMail:Email"))
        for node in every(child(tree, "ComposeMail:Forwardees"), "ComposeMail:Forwardee")
    ]
    if not people or not all("@" in address for _, address in people):
        raise StatusError(179)
    client_id = text(tree, "ComposeMail:ClientId")
    if client_id in context.device.sent:
        raise StatusError(118)
    source = child(tree, "ComposeMail:Source")
    folder_id, item_id = text(source, "ComposeMail:FolderId"), text(source, "ComposeMail:ItemId")
    item = _original(context, Parcel(b"", False, folder_id=folder_id, item_id=item_id))
    if item.nodes is None:
        raise StatusError(178)  # MS-ASCMD_R7177: of calendar items only
    mail_to(context, item, people, note=text(child(tree, "AirSyncBase:Body"), "AirSyncBase:Data"))
    context.device.sent[client_id] = True
    return Answer(content_type="")


def _smart(context: Context, *, forward: bool) -> Answer:
    parcel = _read(context)
    if not (parcel.item_id or parcel.long_id):
        raise StatusError(103)
    if parcel.instance_id and not _INSTANCE.match(parcel.instance_id):
        raise StatusError(104)  # MS-ASCMD_R541, R578
    item = _original(context, parcel)
    mime = parcel.mime
    _permitted(context, parcel, item, forward=forward)
    if item.licence is not None and not parcel.replace:
        if not parcel.template:  # MS-ASRM_R367: the original does not go out unprotected
            mime = with_original(mime, sealed(context.mailbox.message(item)), forward=forward)
        elif item.licence.edit and (item.licence.export or parcel.template == item.licence.template_id):
            mime = with_original(mime, context.mailbox.message(item), forward=forward)
        else:  # MS-ASRM_R41, R470: as an attachment, still protected
            mime = with_original(mime, sealed(context.mailbox.message(item)), forward=True)
    elif not parcel.replace:
        mime = with_original(mime, context.mailbox.message(item), forward=forward)
    answer = _send(context, parcel, mime)
    verb = 3 if forward else 2 if len(recipients(Message(mime))) > 1 else 1
    context.mailbox.set_verb(item.server_id, verb)
    return answer


def _permitted(context: Context, parcel: Parcel, item: Item, *, forward: bool) -> None:
    """What the licence of the original, if it has one, says of an answer (MS-ASRM 3.2.5.1)."""
    status = check_send(context.exchange.rights_templates, parcel.template)
    if item.licence is not None:
        same = parcel.template == item.licence.template_id and context.exchange.rights_templates is not None
        status = 0 if same else status
        if not status and parcel.template == NO_RESTRICTION and not item.licence.export:
            status = NOT_PERMITTED
        original = context.mailbox.message(item)
        people = recipients(Message(parcel.mime))
        status = status or check_answer(item.licence, original, people, context.user.email, forward=forward)
    if status:
        raise StatusError(status)


def _original(context: Context, parcel: Parcel) -> Item:
    try:
        mailbox = context.mailbox
        folder, item = mailbox.find_long(parcel.long_id) if parcel.long_id else mailbox.find(parcel.item_id)
    except NotFound:
        raise StatusError(150) from None
    if parcel.folder_id and folder.server_id != parcel.folder_id:
        raise StatusError(150)
    return item


def _read(context: Context) -> Parcel:
    if context.version < 140:
        kind = context.request.header("Content-Type").partition(";")[0].strip().lower()
        if kind != "message/rfc822":
            context.request.problems.append(f"Content-Type {kind or 'missing'}, not message/rfc822 (MS-ASCMD_R7537)")
        parameters = context.query.parameters
        return Parcel(
            mime=context.body,
            save=bool(context.query.options & SAVE_IN_SENT),
            folder_id=parameters.get("CollectionId", ""),
            item_id=parameters.get("ItemId", ""),
            long_id=parameters.get("LongId", ""),
        )
    tree = context.tree
    mime = child(tree, "ComposeMail:Mime")
    client_id = text(tree, "ComposeMail:ClientId")
    if mime is None or not 1 <= len(client_id) <= 40:
        raise StatusError(103)
    if child(tree, "ComposeMail:AccountId") is not None:
        raise StatusError(166)  # MS-ASCMD_R724; Settings names no AccountId
    content = mime[1]
    source = child(tree, "ComposeMail:Source")
    return Parcel(
        mime=content if isinstance(content, bytes) else content.encode() if isinstance(content, str) else b"",
        save=child(tree, "ComposeMail:SaveInSentItems") is not None,
        client_id=client_id,
        folder_id=text(source, "ComposeMail:FolderId"),
        item_id=text(source, "ComposeMail:ItemId"),
        long_id=text(source, "ComposeMail:LongId"),
        instance_id=text(source, "ComposeMail:InstanceId"),
        replace=child(tree, "ComposeMail:ReplaceMime") is not None,
        template=text(tree, "RightsManagement:TemplateID"),
    )


def _send(context: Context, parcel: Parcel, mime: bytes) -> Answer:
    sent = context.device.sent
    if parcel.client_id and parcel.client_id in sent:
        raise StatusError(118)
    if not Message(mime).headers.fields:
        raise StatusError(107)
    outgoing = prepare(mime, context.user, context.exchange.clock())
    if not outgoing.recipients:
        raise StatusError(119)
    licence = _licence(context, parcel)
    context.exchange.submit(outgoing.raw, outgoing.recipients, licence)
    if parcel.save:
        folder = context.mailbox.by_type(5)
        received = context.exchange.received_now(context.mailbox.email)
        context.mailbox.deliver(outgoing.kept, folder.server_id, received, read=True, licence=licence)
    if parcel.client_id:
        sent[parcel.client_id] = True
        if len(sent) > REMEMBERED:
            sent.popitem(last=False)
    return Answer(content_type="")  # MS-ASCMD_R463


def _licence(context: Context, parcel: Parcel) -> MockLicence | None:
    """What the message is protected with on its way: the template that it names, as its sender's content."""
    if not parcel.template or parcel.template == NO_RESTRICTION:
        return None
    names = {identity: (name, description) for identity, name, description in context.exchange.rights_templates or ()}
    name, description = names.get(parcel.template, ("Protected", ""))
    return MockLicence(
        template_id=parcel.template,
        template_name=name,
        template_description=description or name,
        content_owner=context.user.email,
        reply=True,
        reply_all=True,
    )
