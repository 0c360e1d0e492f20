"""Single rules of the specifications that a server has to keep, row by row."""

from __future__ import annotations

import threading
import time

import pytest

from emailplus.eas.wbxml import Node
from emailplus.mock import MockExchange, MockPolicy, Status
from emailplus.mock.items import conversation_id

from .client import Client, find, find_all, options, preference, value
from .mail import MIXED, PLAIN, numbered
from .requirements import proves

FOLDER_SYNC: Node = ("FolderHierarchy:FolderSync", [("FolderHierarchy:SyncKey", "0")])


@proves("MS-ASCMD_R7461", "MS-ASCMD_R7462", "MS-ASCMD_R7545", "MS-ASCMD_R7547", "MS-ASCMD_R7548", "MS-ASCMD_R7550")
@proves("MS-ASCMD_R7551", "MS-ASCMD_R7552", "MS-ASCMD_R7553", "MS-ASCMD_R7554", "MS-ASCMD_R7555", "MS-ASCMD_R7556")
@proves("MS-ASCMD_R7558", "MS-ASCMD_R7562", "MS-ASCMD_R7563", "MS-ASCMD_R7564", "MS-ASCMD_R7565", "MS-ASCMD_R7566")
@proves("MS-ASCMD_R7567", "MS-ASCMD_R7546")
@pytest.mark.parametrize(
    ("status", "http"),
    [
        (101, 400), (103, 400), (106, 400), (110, 500), (111, 503), (112, 403), (113, 507), (125, 403), (126, 403),
        (132, 403), (137, 501), (138, 400), (140, 449), (141, 449), (142, 449), (143, 449), (144, 449), (147, 400),
    ],
)  # fmt: skip
def test_common_statuses_are_http_before_14_0(exchange: MockExchange, status: int, http: int) -> None:
    exchange.faults.add(Status(status), times=None)
    assert value(Client(exchange).command("FolderSync", FOLDER_SYNC).tree, "Status") == str(status)
    for version in ("2.5", "12.0", "12.1"):
        assert Client(exchange, version=version).command("FolderSync", FOLDER_SYNC).status == http


def test_a_commands_own_status_is_in_the_answer_of_every_version(exchange: MockExchange) -> None:
    exchange.faults.add(Status(6), times=None)
    for version in ("2.5", "12.1", "16.1"):
        assert value(Client(exchange, version=version).command("FolderSync", FOLDER_SYNC).tree, "Status") == "6"


@proves("MS-ASCMD_R4987", "MS-ASCMD_R4989", "MS-ASCMD_R4990", "MS-ASCMD_R5026", "MS-ASCMD_R5028")
def test_provisioning_without_a_policy_type(exchange: MockExchange) -> None:
    exchange.set_policy(MockPolicy())
    client = Client(exchange)
    assert value(client.folder_sync(), "Status") == "142"
    about: Node = ("Settings:DeviceInformation", [("Settings:Set", [("Settings:Model", "m")])])
    bare: Node = ("Provision:Policies", [("Provision:Policy", None)])
    assert value(client.command("Provision", ("Provision:Provision", [about, bare])).tree, "Status") == "2"
    kind: Node = ("Provision:PolicyType", "MS-EAS-Provisioning-WBXML")
    ask: Node = ("Provision:Policies", [("Provision:Policy", [kind])])
    offer = find(client.command("Provision", ("Provision:Provision", [ask])).tree, "Policies/Policy")
    assert [tag.partition(":")[2] for tag, _ in (offer or ("", []))[1] or [] if isinstance(tag, str)] == [
        "PolicyType",
        "Status",
        "PolicyKey",
        "Data",
    ]


@proves("MS-ASCMD_R6699")
def test_ping_of_one_folder_twice(exchange: MockExchange) -> None:
    folder: Node = ("Ping:Folder", [("Ping:Id", "1"), ("Ping:Class", "Email")])
    tree: Node = ("Ping:Ping", [("Ping:HeartbeatInterval", "60"), ("Ping:Folders", [folder, folder])])
    assert value(Client(exchange).command("Ping", tree).tree, "Status") == "4"


@proves("MS-ASCMD_R5638", "MS-ASCMD_R5639", "MS-ASCMD_R5641", "MS-ASCMD_R5632", "MS-ASCMD_R5831", "MS-ASCMD_R5634")
@proves("MS-ASCMD_R5832", "MS-ASCMD_R5636", "MS-ASCMD_R3152", "MS-ASCMD_R5836")
def test_ping_waits_for_new_items_only(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    changed, deleted, moved = (mailbox.deliver(numbered(n)) for n in range(3))
    client = Client(exchange)
    client.folder_sync()
    client.sync_all("1")
    exchange.hold_factor = 0.01
    folder: Node = ("Ping:Folder", [("Ping:Id", "1"), ("Ping:Class", "Email")])
    tree: Node = ("Ping:Ping", [("Ping:HeartbeatInterval", "60"), ("Ping:Folders", [folder])])
    mailbox.mark_read(changed)
    mailbox.delete(deleted)
    mailbox.move(moved, "Junk Email")
    started = time.monotonic()
    assert value(client.command("Ping", tree).tree, "Status") == "1"
    assert time.monotonic() - started >= 0.5
    timer = threading.Timer(0.1, lambda: mailbox.deliver(PLAIN))
    timer.start()
    only_folders: Node = ("Ping:Ping", [("Ping:Folders", [folder])])
    assert value(client.command("Ping", only_folders).tree, "Status") == "2"
    timer.join()
    only_interval: Node = ("Ping:Ping", [("Ping:HeartbeatInterval", "70")])
    assert value(client.command("Ping", only_interval).tree, "Status") == "2"


@proves("MS-ASCMD_R3265")
def test_max_items_is_for_recipients(exchange: MockExchange) -> None:
    client = Client(exchange)
    client.prime("1")
    collection: Node = (
        "GetItemEstimate:Collection",
        [
            ("AirSync:SyncKey", client.keys["1"]),
            ("GetItemEstimate:CollectionId", "1"),
            options(("AirSync:MaxItems", "5")),
        ],
    )
    tree: Node = ("GetItemEstimate:GetItemEstimate", [("GetItemEstimate:Collections", [collection])])
    assert value(client.command("GetItemEstimate", tree).tree, "Response/Status") == "2"


@proves("MS-ASCMD_R3736", "MS-ASCMD_R772", "MS-ASCMD_R923", "MS-ASCMD_R2032", "MS-ASCMD_R3143", "MS-ASCMD_R3220")
@proves("MS-ASCMD_R3730", "MS-ASCMD_R3733", "MS-ASCMD_R3735", "MS-ASCMD_R922")
def test_search_queries_that_are_too_much(exchange: MockExchange) -> None:
    exchange.user("alice").deliver(PLAIN)
    client = Client(exchange)

    def status(*query: Node, span: str = "") -> str:
        nodes: list[Node] = [("Search:Name", "Mailbox"), ("Search:Query", list(query))]
        if span:
            nodes.append(("Search:Options", [("Search:Range", span)]))
        tree = client.command("Search", ("Search:Search", [("Search:Store", nodes)])).tree
        return str(value(tree, "Response/Store/Status"))

    words: Node = ("Search:FreeText", "köln")
    both: Node = ("Search:And", [words])
    when: Node = ("Search:LessThan", [("Email:DateReceived", None), ("Search:Value", "2026-11-25T00:00:00.000Z")])
    assert status(both) == "1"
    assert status(both, span="0-99") == "1"
    assert status(both, span="0-100") == "12"
    assert status(both, both) == "8"
    assert status(("AirSync:Class", "Email"), both) == "8"
    assert status(("AirSync:CollectionId", "1"), both) == "8"
    assert status(when, both) == "8"
    assert status(("Search:Or", [words])) == "8"


@proves("MS-ASCMD_R480", "MS-ASCMD_R484", "MS-ASCMD_R2272", "MS-ASCMD_R5681", "MS-ASCMD_R3992", "MS-ASCMD_R5827")
def test_settings_are_answered_in_their_order(exchange: MockExchange) -> None:
    get: Node = ("Settings:UserInformation", [("Settings:Get", None)])
    half: Node = ("Settings:Set", [("Settings:OofState", "2"), ("Settings:StartTime", "2026-12-01T00:00:00.000Z")])
    oof: Node = ("Settings:Oof", [half])
    about: Node = ("Settings:DeviceInformation", [("Settings:Set", [("Settings:Model", "m")])])
    for order in ((get, oof, about), (about, get, oof)):
        tree = Client(exchange).command("Settings", ("Settings:Settings", list(order))).tree
        assert tree is not None
        assert [tag for tag, _ in (tree[1] or []) if isinstance(tag, str)][1:] == [tag for tag, _ in order]
        assert (value(tree, "Status"), value(tree, "Oof/Status")) == ("1", "2")


@proves("MS-ASCMD_R724", "MS-ASCMD_R541", "MS-ASCMD_R578", "MS-ASCMD_R723")
@pytest.mark.parametrize("command", ["SmartReply", "SmartForward"])
def test_accounts_and_instances_that_are_none(exchange: MockExchange, command: str) -> None:
    server_id = exchange.user("alice").deliver(PLAIN)
    mime: Node = ("ComposeMail:Mime", b"To: bob@example.test\r\n\r\nhello\r\n")
    source: list[Node] = [("ComposeMail:FolderId", "1"), ("ComposeMail:ItemId", server_id)]

    def status(*extra: Node, instance: str = "") -> str:
        origin: list[Node] = [*source, *([("ComposeMail:InstanceId", instance)] if instance else [])]
        nodes: list[Node] = [("ComposeMail:ClientId", "c"), ("ComposeMail:Source", origin), *extra, mime]
        return str(value(Client(exchange).command(command, (f"ComposeMail:{command}", nodes)).tree, "Status"))

    assert status(("ComposeMail:AccountId", "x")) == "166"
    assert status(instance="tomorrow") == "104"
    assert exchange.user("bob").items() == []


@proves("MS-ASCMD_R194", "MS-ASCMD_R3475", "MS-ASCMD_R3547")
def test_item_operations_one_by_one(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    first, reply = mailbox.deliver(PLAIN), mailbox.deliver(MIXED)
    mailbox.deliver(numbered(1))
    identity = conversation_id(mailbox.message(mailbox.find(first)[1]))
    target = mailbox.create_folder("Thread").server_id
    calendar = mailbox.folder("Calendar").server_id

    def move(folder: str, always: bool) -> Node:
        nodes: list[Node] = [("ItemOperations:ConversationId", identity), ("ItemOperations:DstFldId", folder)]
        if always:
            nodes.append(("ItemOperations:Options", [("ItemOperations:MoveAlways", None)]))
        return ("ItemOperations:Move", nodes)

    fetch: Node = (
        "ItemOperations:Fetch",
        [
            ("ItemOperations:Store", "Mailbox"),
            ("AirSync:CollectionId", "1"),
            ("AirSync:ServerId", first),
            ("ItemOperations:Options", [("ItemOperations:DeleteSubFolders", None), preference(1)]),
        ],
    )
    operations = [fetch, move(target, False), move(calendar, True), move(target, True)]
    tree = Client(exchange).command("ItemOperations", ("ItemOperations:ItemOperations", operations)).tree
    assert value(tree, "Status") == "1"
    assert value(tree, "Response/Fetch/Status") == "2"
    assert [value(node, "Status") for node in find_all(tree, "Response/Move")] == ["155", "156", "1"]
    assert len(mailbox.items("Thread")) == 2
    assert len(mailbox.items()) == 1
    assert reply.startswith("1:")


@proves("MS-ASCMD_R3597", "MS-ASCMD_R3599")
def test_options_are_sticky_and_replaced_as_a_whole(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    client = Client(exchange)
    client.prime("1")
    client.sync("1", options(("AirSync:FilterType", "1"), preference(1, 3)))
    mailbox.deliver(PLAIN)
    (add,) = find_all(client.sync("1"), "Commands/Add")
    assert value(add, "ApplicationData/Body/Data") == "Gr"
    mailbox.deliver(PLAIN)
    (add,) = find_all(client.sync("1", options(preference(2))), "Commands/Add")
    assert value(add, "ApplicationData/Body/Type") == "2"


@proves("MS-ASCMD_R5106", "MS-ASCMD_R5108", "MS-ASCMD_R5115", "MS-ASCMD_R5121", "MS-ASCMD_R5122", "MS-ASCMD_R4606")
def test_the_most_recent_session_can_be_repeated(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    mailbox.deliver_many((numbered(n), exchange.clock()) for n in range(5))
    client = Client(exchange)
    key = client.prime("1")
    window: Node = ("AirSync:WindowSize", "3")
    answers = [client.sync("1", window, key=key) for _ in range(3)]
    assert len({str(find(answer, "Commands")) for answer in answers}) == 1
    assert len({value(answer, "SyncKey") for answer in answers}) == 3


@proves("MS-ASCMD_R885")
def test_folder_ids_outlive_key_zero(exchange: MockExchange) -> None:
    client = Client(exchange)
    first, second = client.folder_sync("0"), client.folder_sync("0")
    assert find(first, "Changes") == find(second, "Changes")


@proves("MS-ASCMD_R3109", "MS-ASCMD_R3180", "MS-ASCMD_R3445", "MS-ASCMD_R3607", "MS-ASCMD_R3613", "MS-ASCMD_R3666")
@proves("MS-ASCMD_R4700")
def test_device_information_is_not_judged(exchange: MockExchange) -> None:
    names = ("Model", "IMEI", "FriendlyName", "OS", "OSLanguage", "PhoneNumber", "UserAgent")
    values: list[Node] = [(f"Settings:{name}", f"<{name} ??>") for name in names]
    tree: Node = ("Settings:Settings", [("Settings:DeviceInformation", [("Settings:Set", values)])])
    assert value(Client(exchange).command("Settings", tree).tree, "DeviceInformation/Status") == "1"
    assert exchange.devices_of("alice")[0].information["IMEI"] == "<IMEI ??>"


@proves("MS-ASCMD_R3078", "MS-ASCMD_R3080")
def test_filters_that_a_class_does_not_know(exchange: MockExchange) -> None:
    client = Client(exchange)
    contacts = exchange.user("alice").folder("Contacts").server_id
    client.prime(contacts)
    assert client.sync(contacts, options(("AirSync:FilterType", "3"))) is None
    client.prime("1")
    assert value(client.sync("1", options(("AirSync:FilterType", "8"))), "Status") == "4"


@proves("MS-ASCMD_R4545")
def test_a_collection_without_its_id(exchange: MockExchange) -> None:
    tree: Node = ("AirSync:Sync", [("AirSync:Collections", [("AirSync:Collection", [("AirSync:SyncKey", "0")])])])
    assert value(Client(exchange).command("Sync", tree).tree, "Status") == "4"


@proves("MS-ASCMD_R755")
def test_mail_is_not_added_by_clients(exchange: MockExchange) -> None:
    client = Client(exchange)
    client.prime("1")
    data: Node = ("AirSync:ApplicationData", [("Email:Subject", "x")])
    add: Node = ("AirSync:Add", [("AirSync:ClientId", "c"), data])
    assert value(client.sync("1", ("AirSync:Commands", [add])), "Responses/Add/Status") == "6"


@proves("MS-ASCMD_R3775", "MS-ASCMD_R4379", "MS-ASCMD_R4407", "MS-ASCMD_R5776")
@pytest.mark.parametrize("command", ["SmartReply", "SmartForward"])
def test_replace_mime_leaves_the_original_out(exchange: MockExchange, command: str) -> None:
    server_id = exchange.user("alice").deliver(MIXED)
    nodes: list[Node] = [
        ("ComposeMail:ClientId", "c"),
        ("ComposeMail:Source", [("ComposeMail:FolderId", "1"), ("ComposeMail:ItemId", server_id)]),
        ("ComposeMail:ReplaceMime", None),
        ("ComposeMail:Mime", b"To: bob@example.test\r\nSubject: s\r\n\r\nonly this\r\n"),
    ]
    assert Client(exchange).command(command, (f"ComposeMail:{command}", nodes)).body == b""
    (item,) = exchange.user("bob").items()
    assert item.raw.endswith(b"\r\n\r\nonly this\r\n")


@proves("MS-ASCMD_R3160", "MS-ASCMD_R4746", "MS-ASCMD_R3223")
def test_limits_are_told(exchange: MockExchange) -> None:
    client = Client(exchange)
    client.prime("1")
    for node, limit in ((("AirSync:HeartbeatInterval", "5"), "60"), (("AirSync:Wait", "75"), "59")):
        tree = client.sync_reply("1", more=[node]).tree
        assert (value(tree, "Status"), value(tree, "Limit")) == ("14", limit)
