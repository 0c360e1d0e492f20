"""What the mock makes of answers to protected mail: the tables of MS-ASRM 3.2.5.1, row by row, asked over the wire."""

from __future__ import annotations

import email
from itertools import product

import pytest

from emailplus.eas.wbxml import Node
from emailplus.mock import MockExchange, MockLicence

from .client import Client, Reply, find, options, preference, value
from .requirements import proves

T1, T2, GONE = MockLicence().template_id, "22222222-2222-2222-2222-222222222222", "99999999"
ORIGINAL = (
    b"From: Bob <bob@example.test>\r\nTo: alice@example.test, carol@example.test\r\nSubject: Plan\r\n"
    b"Message-ID: <1@example.test>\r\nContent-Type: text/plain\r\n\r\nThe plan is zebra.\r\n"
)
SENDER, EVERYONE, OTHERS = ["bob"], ["bob", "carol"], ["dave"]


@pytest.fixture
def client(exchange: MockExchange) -> Client:
    exchange.rights_templates = [(T1, "Do Not Forward", "No."), (T2, "Second", "Another.")]
    return Client(exchange, version="14.1")


def protect(exchange: MockExchange, **granted: bool) -> None:
    exchange.user("alice").deliver(ORIGINAL, licence=MockLicence(**granted))


def answer(
    client: Client, command: str = "SmartReply", to: list[str] = SENDER, template: str = T1, replace: bool = False
) -> Reply:
    """One SmartReply or SmartForward of the mail in the inbox."""
    (item,) = client.exchange.user("alice").items()
    people = ", ".join(f"{name}@example.test" for name in to)
    mime = f"To: {people}\r\nSubject: Re: Plan\r\nContent-Type: text/plain\r\n\r\nMine.\r\n".encode()
    source: Node = ("ComposeMail:Source", [("ComposeMail:FolderId", "1"), ("ComposeMail:ItemId", item.server_id)])
    nodes: list[Node] = [("ComposeMail:ClientId", "c1"), source]
    if replace:
        nodes.append(("ComposeMail:ReplaceMime", None))
    nodes.append(("ComposeMail:Mime", mime))
    if template:
        nodes.append(("RightsManagement:TemplateID", template))
    return client.command(command, (f"ComposeMail:{command}", nodes))


def status(reply: Reply) -> str:
    """ "" for success, which has no body (MS-ASCMD_R463)."""
    return str(value(reply.tree, "Status")) if reply.body else ""


def inside(raw: bytes) -> bytes:
    """Every part of a mail, decoded."""
    parts = [part.get_payload(decode=True) for part in email.message_from_bytes(raw).walk()]
    return b"".join(part for part in parts if isinstance(part, bytes))


@proves(
    "MS-ASRM_R383", "MS-ASRM_R385", "MS-ASRM_R387", "MS-ASRM_R400", "MS-ASRM_R389", "MS-ASRM_R390", "MS-ASRM_R392",
    "MS-ASRM_R652", "MS-ASRM_R653", "MS-ASRM_R654", "MS-ASRM_R201", "MS-ASRM_R376",
    "MS-ASRM_R375",
)  # fmt: skip
@pytest.mark.parametrize(("one", "all_"), list(product([True, False], repeat=2)))
@pytest.mark.parametrize("to", [SENDER, EVERYONE, [*EVERYONE, "alice"], OTHERS, [*SENDER, *OTHERS]])
def test_replies(exchange: MockExchange, client: Client, one: bool, all_: bool, to: list[str]) -> None:
    protect(exchange, reply=one, reply_all=all_)
    others = [name for name in to if name != "alice"]
    allowed = (one and others == SENDER) or (all_ and others == EVERYONE)
    assert status(answer(client, to=to)) == ("" if allowed else "172")


@proves("MS-ASRM_R383")
@pytest.mark.parametrize("to", [SENDER, EVERYONE, OTHERS])
def test_replies_to_anybody(exchange: MockExchange, client: Client, to: list[str]) -> None:
    protect(exchange, modify_recipients=True)
    assert status(answer(client, to=to)) == ""


@proves("MS-ASRM_R384", "MS-ASRM_R386", "MS-ASRM_R360", "MS-ASRM_R359")
@pytest.mark.parametrize("forward", [True, False])
def test_forwards(exchange: MockExchange, client: Client, forward: bool) -> None:
    protect(exchange, forward=forward, reply=True, reply_all=True, modify_recipients=not forward)
    assert status(answer(client, "SmartForward", to=OTHERS)) == ("" if forward else "172")


@proves(
    "MS-ASRM_R200", "MS-ASRM_R356", "MS-ASRM_R358", "MS-ASRM_R374", "MS-ASRM_R361", "MS-ASRM_R362", "MS-ASRM_R377",
    "MS-ASRM_R378", "MS-ASRM_R363", "MS-ASRM_R379", "MS-ASRM_R364", "MS-ASRM_R380", "MS-ASRM_R224", "MS-ASRM_R373",
)  # fmt: skip
@pytest.mark.parametrize("command", ["SmartReply", "SmartForward"])
@pytest.mark.parametrize("protected", [True, False])
def test_templates(exchange: MockExchange, client: Client, command: str, protected: bool) -> None:
    if protected:
        protect(exchange, reply=True, forward=True)
    else:
        exchange.user("alice").deliver(ORIGINAL)
    assert status(answer(client, command, template=GONE)) == "171"
    assert status(answer(client, command, template=T2)) == ""
    (item,) = exchange.user("bob").items()
    assert item.licence is not None
    assert (item.licence.template_id, item.licence.template_name) == (T2, "Second")
    if protected and command == "SmartReply":
        assert status(answer(client, command, template=T2, to=OTHERS)) == "172"


@proves("MS-ASRM_R223", "MS-ASRM_R372", "MS-ASRM_R196", "MS-ASRM_R355")
@pytest.mark.parametrize("command", ["SmartReply", "SmartForward"])
def test_switched_off(exchange: MockExchange, client: Client, command: str) -> None:
    exchange.user("alice").deliver(ORIGINAL)
    exchange.rights_templates = None
    assert status(answer(client, command)) == "168"
    get: Node = ("Settings:RightsManagementInformation", [("Settings:Get", None)])
    tree = client.command("Settings", ("Settings:Settings", [get])).tree
    assert value(tree, "RightsManagementInformation/Status") == "168"


@proves(
    "MS-ASRM_R253", "MS-ASRM_R254", "MS-ASRM_R255", "MS-ASRM_R256", "MS-ASRM_R257", "MS-ASRM_R258", "MS-ASRM_R259",
    "MS-ASRM_R260", "MS-ASRM_R261", "MS-ASRM_R262", "MS-ASRM_R263", "MS-ASRM_R264", "MS-ASRM_R265", "MS-ASRM_R266",
    "MS-ASRM_R267", "MS-ASRM_R268",
)  # fmt: skip
@pytest.mark.parametrize("command", ["SmartReply", "SmartForward"])
@pytest.mark.parametrize(
    ("export", "edit", "template", "replace"), list(product([True, False], [True, False], [T1, T2], [True, False]))
)
def test_where_the_original_stands(
    exchange: MockExchange, client: Client, command: str, export: bool, edit: bool, template: str, replace: bool
) -> None:
    """Inline, as an attachment that is still sealed, or (ReplaceMime) not at all."""
    protect(exchange, reply=True, forward=True, export=export, edit=edit)
    assert status(answer(client, command, template=template, replace=replace)) == ""
    (item,) = exchange.user("bob").items()
    inline = edit and (export or template == T1) and not replace
    assert (b"zebra" in inside(item.raw)) is inline
    assert (b"message.rpmsg" in item.raw) is (not inline and not replace)


@proves("MS-ASRM_R217", "MS-ASRM_R218", "MS-ASRM_R219", "MS-ASRM_R366", "MS-ASRM_R367", "MS-ASRM_R368")
@pytest.mark.parametrize("command", ["SmartReply", "SmartForward"])
def test_without_a_template(exchange: MockExchange, client: Client, command: str) -> None:
    protect(exchange, reply=True, forward=True, edit=True, export=True)
    assert status(answer(client, command, template="")) == ""
    (item,) = exchange.user("bob").items()
    assert item.licence is None
    assert b"zebra" not in inside(item.raw)
    assert (b"message.rpmsg" in item.raw) is (command == "SmartForward")


@proves("MS-ASRM_R217", "MS-ASRM_R366")
def test_unprotected_mail_without_a_template(exchange: MockExchange, client: Client) -> None:
    exchange.user("alice").deliver(ORIGINAL)
    assert status(answer(client, template="")) == ""
    (item,) = exchange.user("bob").items()
    assert b"zebra" in inside(item.raw)


@proves(
    "MS-ASRM_R208", "MS-ASRM_R209", "MS-ASRM_R410", "MS-ASRM_R210", "MS-ASRM_R411", "MS-ASRM_R211", "MS-ASRM_R202",
    "MS-ASRM_R203",
)  # fmt: skip
def test_where_a_licence_stands(exchange: MockExchange, client: Client) -> None:
    protect(exchange, print=True)
    ask: Node = ("RightsManagement:RightsManagementSupport", "1")
    client.folder_sync()
    (added,) = client.sync_all("1", options(preference(1), ask))
    assert value(added, "ApplicationData/RightsManagementLicense/PrintAllowed") == "1"
    (item,) = exchange.user("alice").items()
    fetch: Node = ("ItemOperations:Fetch", [
        ("ItemOperations:Store", "Mailbox"), ("AirSync:CollectionId", "1"), ("AirSync:ServerId", item.server_id),
        ("ItemOperations:Options", [ask]),
    ])  # fmt: skip
    tree = client.command("ItemOperations", ("ItemOperations:ItemOperations", [fetch])).tree
    assert value(tree, "Response/Fetch/Properties/RightsManagementLicense/TemplateID") == T1
    query: Node = ("Search:Query", [("Search:And", [("AirSync:Class", "Email"), ("Search:FreeText", "plan")])])
    store: Node = ("Search:Store", [("Search:Name", "Mailbox"), query, ("Search:Options", [ask])])
    tree = client.command("Search", ("Search:Search", [store])).tree
    assert find(tree, "Response/Store/Result/Properties/RightsManagementLicense") is not None
    get: Node = ("Settings:RightsManagementInformation", [("Settings:Get", None)])
    tree = client.command("Settings", ("Settings:Settings", [get])).tree
    listed = find(tree, "RightsManagementInformation/Get/RightsManagementTemplates")
    assert listed is not None
    assert isinstance(listed[1], list)
    assert [value(template, "TemplateName") for template in listed[1]] == ["Do Not Forward", "Second"]
