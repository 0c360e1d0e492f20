"""Bytes of an answer to message objects, against exchangelib: `python bench/parse.py [--json]`.

The same 512 mails (corpus A) are written as one ActiveSync Sync answer, and as EWS GetItem answers of 100 items, which
is how exchangelib fetches them. Measured is CPU time, from the bytes to the list of objects: `decode` and
`commands.sync.parse` here, `GetItem.parse` (SOAP to `exchangelib.Message`) there. No network, no login, no database.

exchangelib is given two answers: with the properties it asks for by default, as Exchange fills them for a received
mail, but without MimeContent, UniqueBody and all but six of the Internet headers; and with those alone that the Sync
answer has too, as after `.only(...)`. It takes recipients apart into Mailbox objects, while ours keeps the header for
whoever asks; so ours is also shown with every recipient of every mail taken apart.
"""

from __future__ import annotations

import argparse
import base64
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from email.utils import getaddresses
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

import corpora  # noqa: E402
from codec import load  # noqa: E402

from emailplus.eas.commands import sync  # noqa: E402
from emailplus.eas.wbxml import Node  # noqa: E402
from emailplus.model.message import Message, addresses  # noqa: E402

ROUNDS = 5
CHUNK = 100
TARGET = 50
DEFAULT, ONLY = "exchangelib, default properties", "exchangelib, these alone"

_IMPORTANCE = {"0": "Low", "1": "Normal", "2": "High"}


def items_of(root: Node) -> list[dict[str, Any]]:
    """ApplicationData of every Add, tag to content."""
    (collections,) = _list(root)
    (collection,) = _list(collections)
    commands = dict(_list(collection))["AirSync:Commands"]
    return [dict(_list(dict_of(add)["AirSync:ApplicationData"])) for add in commands]


def dict_of(node: Node) -> dict[str, Any]:
    return {tag: (tag, content) for tag, content in _list(node)}


def _list(node: Node) -> list[Node]:
    assert isinstance(node[1], list)
    return node[1]


def _mailboxes(element: str, header: str) -> str:
    inner = "".join(
        f"<t:Mailbox><t:Name>{escape(name)}</t:Name><t:EmailAddress>{escape(address)}</t:EmailAddress>"
        "<t:RoutingType>SMTP</t:RoutingType><t:MailboxType>Mailbox</t:MailboxType></t:Mailbox>"
        for name, address in getaddresses([header])
    )
    return f"<t:{element}>{inner}</t:{element}>"


def _attachments(content: list[Node] | None) -> str:
    files = ""
    for attachment in content or ():
        parts = dict(_list(attachment))
        files += (
            f'<t:FileAttachment><t:AttachmentId Id="{parts["AirSyncBase:FileReference"]}"/>'
            f"<t:Name>{escape(parts['AirSyncBase:DisplayName'])}</t:Name><t:ContentType>application/pdf</t:ContentType>"
            f"<t:Size>{parts['AirSyncBase:EstimatedDataSize']}</t:Size><t:IsInline>false</t:IsInline></t:FileAttachment>"
        )
    return f"<t:Attachments>{files}</t:Attachments>" if files else ""


def soap_message(number: int, item: dict[str, Any], everything: bool) -> str:
    """One mail as EWS writes it, elements in the order of its schema."""
    body = dict(item["AirSyncBase:Body"])
    topic = escape(item["Email:ThreadTopic"])
    date = item["Email:DateReceived"].replace(".000Z", "Z")
    message_id = f"&lt;{number:032x}@mail.contoso.example&gt;"
    more = _defaults(date, message_id, number) if everything else dict.fromkeys("abcdef", "")
    return (
        '<m:GetItemResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:Items><t:Message>'
        f'<t:ItemId Id="AAMkAGRm{number:0100d}" ChangeKey="CQAAABYAAAB{number:024d}"/>{more["a"]}'
        f"<t:ItemClass>{item['Email:MessageClass']}</t:ItemClass><t:Subject>{escape(item['Email:Subject'])}</t:Subject>"
        f'{more["b"]}<t:Body BodyType="Text" IsTruncated="true">{escape(body["AirSyncBase:Data"])}</t:Body>'
        f"{_attachments(item.get('AirSyncBase:Attachments'))}<t:DateTimeReceived>{date}</t:DateTimeReceived>{more['c']}"
        f"<t:Importance>{_IMPORTANCE[item['Email:Importance']]}</t:Importance>{more['d']}"
        f"<t:DisplayTo>{escape(item['Email:DisplayTo'])}</t:DisplayTo>"
        f"<t:HasAttachments>{str('AirSyncBase:Attachments' in item).lower()}</t:HasAttachments>{more['e']}"
        f'<t:ConversationId Id="{base64.b64encode(item["Email2:ConversationId"]).decode()}"/>'
        f"{_mailboxes('Sender', item['Email:From']) if everything else ''}"
        f"{_mailboxes('ToRecipients', item['Email:To'])}{_mailboxes('CcRecipients', item['Email:Cc'])}"
        f"<t:ConversationIndex>{base64.b64encode(item['Email2:ConversationIndex']).decode()}</t:ConversationIndex>"
        f"<t:ConversationTopic>{topic}</t:ConversationTopic>{_mailboxes('From', item['Email:From'])}{more['f']}"
        f"<t:IsRead>{'true' if item['Email:Read'] == '1' else 'false'}</t:IsRead>"
        f"{_mailboxes('ReplyTo', item['Email:ReplyTo'])}</t:Message></m:Items></m:GetItemResponseMessage>"
    )


_RIGHTS = ("CreateAssociated", "CreateContents", "CreateHierarchy", "Delete", "Modify", "Read", "ViewPrivateItems")
_RESPONSES = ("ReplyToItem", "ReplyAllToItem", "ForwardItem")
_HEADERS = {
    "Received": "from mail.contoso.example (10.0.0.5) by mailbox.contoso.example (10.0.0.7) with Microsoft SMTP Server",
    "Content-Type": "multipart/alternative",
    "MIME-Version": "1.0",
    "X-MS-Exchange-Organization-AuthAs": "Internal",
    "X-MS-Exchange-Organization-AuthSource": "mail.contoso.example",
    "X-Originating-IP": "[10.0.0.20]",
}


def _defaults(date: str, message_id: str, number: int) -> dict[str, str]:
    """What exchangelib asks for by default beyond the properties of the Sync answer, by place in the schema's order."""
    headers = "".join(
        f'<t:InternetMessageHeader HeaderName="{name}">{escape(value)}</t:InternetMessageHeader>'
        for name, value in _HEADERS.items()
    )
    rights = "".join(f"<t:{right}>{str(right != 'CreateHierarchy').lower()}</t:{right}>" for right in _RIGHTS)
    return {
        "a": '<t:ParentFolderId Id="AAMkAGRmfolder" ChangeKey="AQAAAA=="/>',
        "b": "<t:Sensitivity>Normal</t:Sensitivity>",
        "c": f"<t:Size>{20_000 + number}</t:Size>",
        "d": (
            f"<t:InReplyTo>{message_id}</t:InReplyTo><t:IsSubmitted>false</t:IsSubmitted><t:IsDraft>false</t:IsDraft>"
            "<t:IsFromMe>false</t:IsFromMe><t:IsResend>false</t:IsResend><t:IsUnmodified>true</t:IsUnmodified>"
            f"<t:InternetMessageHeaders>{headers}</t:InternetMessageHeaders><t:DateTimeSent>{date}</t:DateTimeSent>"
            f"<t:DateTimeCreated>{date}</t:DateTimeCreated><t:ResponseObjects>"
            f"{''.join(f'<t:{response}/>' for response in _RESPONSES)}</t:ResponseObjects>"
            "<t:ReminderIsSet>false</t:ReminderIsSet><t:ReminderMinutesBeforeStart>0</t:ReminderMinutesBeforeStart>"
            "<t:DisplayCc/>"
        ),
        "e": (
            f"<t:Culture>en-US</t:Culture><t:EffectiveRights>{rights}</t:EffectiveRights>"
            "<t:LastModifiedName>A Person</t:LastModifiedName>"
            f"<t:LastModifiedTime>{date}</t:LastModifiedTime><t:IsAssociated>false</t:IsAssociated>"
            "<t:WebClientReadFormQueryString>https://mail.contoso.example/owa/?ItemID=AAMkAGRm&amp;exvsurl=1"
            "</t:WebClientReadFormQueryString>"
        ),
        "f": (
            f"<t:InternetMessageId>{message_id}</t:InternetMessageId>"
            "<t:IsReadReceiptRequested>false</t:IsReadReceiptRequested>"
            "<t:IsDeliveryReceiptRequested>false</t:IsDeliveryReceiptRequested>"
            f"<t:IsResponseRequested>false</t:IsResponseRequested><t:References>{message_id}</t:References>"
        ),
    }


def soap_answer(messages: list[str]) -> bytes:
    return (
        '<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header>'
        '<h:ServerVersionInfo MajorVersion="15" MinorVersion="1" MajorBuildNumber="2507" MinorBuildNumber="6" '
        'Version="V2017_07_11" xmlns:h="http://schemas.microsoft.com/exchange/services/2006/types"/></s:Header><s:Body>'
        '<m:GetItemResponse xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages" '
        'xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><m:ResponseMessages>'
        f"{''.join(messages)}</m:ResponseMessages></m:GetItemResponse></s:Body></s:Envelope>"
    ).encode()


def exchangelib_reader() -> Callable[[list[bytes]], list[Any]]:
    from exchangelib import UTC, Build, Version
    from exchangelib.services import GetItem

    version = Version(build=Build(15, 1, 2507, 6))
    protocol = SimpleNamespace(version=version, service_endpoint="https://localhost/EWS/Exchange.asmx")
    account = SimpleNamespace(protocol=protocol, version=version, default_timezone=UTC)
    return lambda answers: [item for answer in answers for item in GetItem(account=account).parse(answer)]


def emailplus_reader(codec: ModuleType) -> Callable[[bytes], list[Message]]:
    return lambda data: sync.parse(codec.decode(data))[0].added


def with_addresses(read: Callable[[bytes], list[Message]]) -> Callable[[bytes], list[Message]]:
    def run(data: bytes) -> list[Message]:
        messages = read(data)
        for message in messages:
            for header in (message.sender, message.to, message.cc, message.reply_to):
                addresses(header)
        return messages

    return run


def compare(ours: list[Message], theirs: list[Any]) -> None:
    """Both read the same mails."""
    assert len(ours) == len(theirs) == 512
    for own, other in zip(ours, theirs, strict=True):
        assert (own.subject, own.display_to, own.read) == (other.subject, other.display_to, other.is_read)
        assert own.body is not None
        assert own.body.data.decode() == str(other.text_body or other.body)
        assert [address.address for address in addresses(own.to)] == [to.email_address for to in other.to_recipients]
        assert own.received == other.datetime_received
        assert len(own.attachments) == len(other.attachments or ())


def measure() -> dict[str, float]:
    """Name -> median CPU milliseconds for 512 mails."""
    ((root, data),) = corpora.corpus("A")
    soap = exchangelib_reader()
    readers: dict[str, Callable[[], object]] = {}
    for name, everything in ((DEFAULT, True), (ONLY, False)):
        messages = [soap_message(number, item, everything) for number, item in enumerate(items_of(root))]
        answers = [soap_answer(messages[at : at + CHUNK]) for at in range(0, len(messages), CHUNK)]
        readers[name] = partial(soap, answers)
    for form in ("pure", "compiled"):
        read = emailplus_reader(load(form))
        compare(read(data), soap(answers))
        readers[form] = partial(read, data)
        readers[f"{form}, and recipients"] = partial(with_addresses(read), data)
    times: dict[str, list[float]] = {name: [] for name in readers}
    gc.collect()
    gc.freeze()  # what is loaded by now, exchangelib above all, does not slow the collector down for anybody
    for _ in range(ROUNDS):
        for name, reader in readers.items():
            passes = 1 if "exchangelib" in name else 10
            begin = time.thread_time()
            for _ in range(passes):
                reader()
            times[name].append((time.thread_time() - begin) / passes * 1000)
    return {name: statistics.median(taken) for name, taken in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Sync answers to messages, against exchangelib.")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of the table")
    arguments = parser.parse_args()
    try:
        times = measure()
    except ModuleNotFoundError as error:
        sys.exit(f"bench/parse.py: {error} (wants the extra `bench`)")
    if arguments.json:
        json.dump(times, sys.stdout, indent=1)
        return
    print(f"512 mails, bytes to objects; CPU milliseconds, medians of {ROUNDS} interleaved rounds")
    print(f"{'':34}{'':12}   against default   against these alone   (target 1/{TARGET})")
    for name, taken in times.items():
        ratios = [times[peer] / taken for peer in (DEFAULT, ONLY)]
        cells = [f"1/{ratio:.1f} {'reached' if ratio >= TARGET else 'missed'}" for ratio in ratios]
        print(f"  {name:32}{taken:9.2f} ms" + ("" if "exchangelib" in name else f"   {cells[0]:>15}   {cells[1]:>19}"))


if __name__ == "__main__":
    main()
