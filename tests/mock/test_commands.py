"""The commands beside Sync: folders, estimates, Ping, moving, sending, searching, settings."""

from __future__ import annotations

import threading

import pytest

from emailplus.eas.wbxml import Node
from emailplus.mock import MockExchange
from emailplus.mock.mailbox import long_id

from .client import Client, Reply, data, find, find_all, options, preference, value
from .conftest import NOW, Clock
from .mail import FILE, MIXED, PLAIN, numbered
from .requirements import proves


def hierarchy(client: Client, command: str, **values: str) -> Node | None:
    order = ("SyncKey", "ServerId", "ParentId", "DisplayName", "Type")
    nodes: list[Node] = [(f"FolderHierarchy:{name}", values[name]) for name in order if name in values]
    return client.command(command, (f"FolderHierarchy:{command}", nodes)).tree


# -- FolderSync and the folder commands


@proves("MS-ASCMD_R4578", "MS-ASCMD_R4581")
def test_folder_sync_tells_what_changed(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    client = Client(exchange)
    first = client.folder_sync()
    assert value(first, "Changes/Count") == str(len(mailbox.folders))
    assert {value(f, "Type") for f in find_all(first, "Changes/Add")} >= {"2", "3", "4", "5", "6", "8", "9"}
    key = client.folder_key
    nothing = client.folder_sync()
    assert (value(nothing, "SyncKey"), value(nothing, "Changes/Count")) == (key, "0")
    folder = mailbox.create_folder("Projects", "Inbox")
    mailbox.create_folder("Old")
    client.folder_sync()
    mailbox.rename_folder("Projects", "Plans", "0")
    mailbox.delete_folder("Old")
    tree = client.folder_sync()
    update = find(tree, "Changes/Update")
    assert [value(update, name) for name in ("ServerId", "ParentId", "DisplayName")] == [folder.server_id, "0", "Plans"]
    assert len(find_all(tree, "Changes/Delete")) == 1
    assert value(client.folder_sync("{bogus}9"), "Status") == "9"
    assert value(client.folder_sync(key), "Status") == "9"


def test_a_lost_folder_sync_answer_is_made_again(exchange: MockExchange) -> None:
    client = Client(exchange)
    client.folder_sync()
    key = client.folder_key
    exchange.user("alice").create_folder("Projects")
    client.folder_sync(key)
    again = client.folder_sync(key)
    assert value(again, "Changes/Count") == "1"
    assert value(client.folder_sync(), "Changes/Count") == "0"


@proves("MS-ASCMD_R4569", "MS-ASCMD_R5783", "MS-ASCMD_R5784", "MS-ASCMD_R4570", "MS-ASCMD_R5785", "MS-ASCMD_R5786")
@proves("MS-ASCMD_R4573")
def test_folder_commands(exchange: MockExchange) -> None:
    client = Client(exchange)
    client.folder_sync()
    made = hierarchy(client, "FolderCreate", SyncKey=client.folder_key, ParentId="0", DisplayName="A", Type="12")
    assert value(made, "Status") == "1"
    folder_id, key = str(value(made, "ServerId")), str(value(made, "SyncKey"))
    assert value(client.folder_sync(key), "Changes/Count") == "0"
    moved = hierarchy(client, "FolderUpdate", SyncKey=key, ServerId=folder_id, ParentId="1", DisplayName="B")
    assert value(moved, "Status") == "1"
    assert exchange.user("alice").folder("Inbox/B").server_id == folder_id
    key = str(value(moved, "SyncKey"))
    gone = hierarchy(client, "FolderDelete", SyncKey=key, ServerId=folder_id)
    assert value(gone, "Status") == "1"
    assert value(client.folder_sync(str(value(gone, "SyncKey"))), "Changes/Count") == "0"
    stale = hierarchy(client, "FolderDelete", SyncKey="{0}1", ServerId="1")
    assert (value(stale, "Status"), find(stale, "SyncKey")) == ("9", None)


@proves("MS-ASCMD_R4012", "MS-ASCMD_R4046", "MS-ASCMD_R4102", "MS-ASCMD_R5438", "MS-ASCMD_R4568", "MS-ASCMD_R3102")
def test_folder_commands_that_fail(exchange: MockExchange) -> None:
    exchange.user("alice").create_folder("Inner", exchange.user("alice").create_folder("Outer").name)
    client = Client(exchange)
    client.folder_sync()
    key = client.folder_key
    outer, inner = (exchange.user("alice").folder(name).server_id for name in ("Outer", "Inner"))

    def status(command: str, **values: str) -> str:
        tree = hierarchy(client, command, **{"SyncKey": key, **values})
        assert find(tree, "SyncKey") is None
        return str(value(tree, "Status"))

    assert status("FolderCreate", ParentId="0", DisplayName="outer", Type="12") == "2"
    assert status("FolderCreate", ParentId="99", DisplayName="X", Type="12") == "5"
    assert status("FolderCreate", ParentId="0", DisplayName="X", Type="2") == "10"
    assert status("FolderCreate", ParentId="0", DisplayName="", Type="12") == "10"
    assert status("FolderUpdate", ServerId="99", ParentId="0", DisplayName="X") == "4"
    assert status("FolderUpdate", ServerId="1", ParentId="0", DisplayName="X") == "2"
    assert status("FolderUpdate", ServerId=inner, ParentId="0", DisplayName="Outer") == "2"
    assert status("FolderUpdate", ServerId=outer, ParentId=inner, DisplayName="Outer") == "5"
    assert status("FolderDelete", ServerId="99") == "4"
    assert status("FolderDelete", ServerId="1") == "3"
    without_key: Node = ("FolderHierarchy:FolderUpdate", [("FolderHierarchy:ServerId", outer)])
    assert value(client.command("FolderUpdate", without_key).tree, "Status") == "10"
    with_status: Node = (
        "FolderHierarchy:FolderUpdate",
        [("FolderHierarchy:SyncKey", key), ("FolderHierarchy:ServerId", outer), ("FolderHierarchy:Status", "1")],
    )
    assert value(client.command("FolderUpdate", with_status).tree, "Status") == "10"


# -- GetItemEstimate


def estimate(client: Client, collection: str, key: str, *wishes: Node) -> Node | None:
    nodes: list[Node] = [("AirSync:SyncKey", key), ("GetItemEstimate:CollectionId", collection)]
    if wishes:
        nodes.append(options(*wishes))
    if float(client.version) < 14:
        filters = [node for node in wishes if node[0] == "AirSync:FilterType"]
        identity: Node = ("GetItemEstimate:CollectionId", collection)
        nodes = [("GetItemEstimate:Class", "Email"), identity, *filters, ("AirSync:SyncKey", key)]
    collections: Node = ("GetItemEstimate:Collections", [("GetItemEstimate:Collection", nodes)])
    return client.command("GetItemEstimate", ("GetItemEstimate:GetItemEstimate", [collections])).tree


@proves("MS-ASCMD_R4591", "MS-ASCMD_R4594", "MS-ASCMD_R4135", "MS-ASCMD_R4139")
@pytest.mark.parametrize("version", ["2.5", "12.1", "14.1"])
def test_get_item_estimate(exchange: MockExchange, version: str) -> None:
    mailbox = exchange.user("alice")
    mailbox.deliver(numbered(1))
    client = Client(exchange, version=version)
    assert value(estimate(client, "1", "0"), "Response/Status") == "3"
    assert value(estimate(client, "77", "0"), "Response/Status") == "2"
    key = client.prime("1")
    assert value(estimate(client, "1", key, ("AirSync:FilterType", "0")), "Response/Collection/Estimate") == "1"
    for _ in range(2):  # asking changes nothing
        assert value(estimate(client, "1", key), "Response/Collection/Estimate") == "1"
    client.sync("1")
    assert value(estimate(client, "1", client.keys["1"]), "Response/Collection/Estimate") == "0"
    assert value(estimate(client, "1", key), "Response/Collection/Estimate") == "1"  # the answer may have been lost
    assert value(estimate(client, "1", "{0}99"), "Response/Status") == "4"
    assert exchange.requests.problems() == []


def test_estimates_follow_the_filter(exchange: MockExchange, clock: Clock) -> None:
    mailbox = exchange.user("alice")
    for days in (0, 2, 5, 20, 50):
        mailbox.deliver(numbered(days), received=clock())
        clock.advance(days=-days)
        mailbox.deliver(numbered(days), received=clock())
        clock.now = NOW
    client = Client(exchange)
    key = client.prime("1")
    counts = [
        value(estimate(client, "1", key, ("AirSync:FilterType", f)), "Response/Collection/Estimate") for f in "12350"
    ]
    assert counts == ["6", "7", "8", "9", "10"]
    assert value(estimate(client, "1", key, ("AirSync:FilterType", "6")), "Response/Status") == "110"


# -- Ping


def ping(client: Client, seconds: int | None, *folders: str) -> Node | None:
    nodes: list[Node] = [("Ping:HeartbeatInterval", str(seconds))] if seconds is not None else []
    if folders:
        rows: list[Node] = [("Ping:Folder", [("Ping:Id", name), ("Ping:Class", "Email")]) for name in folders]
        nodes.append(("Ping:Folders", rows))
    return client.command("Ping", ("Ping:Ping", nodes) if nodes else None).tree


@proves("MS-ASCMD_R4235", "MS-ASCMD_R4236", "MS-ASCMD_R4233", "MS-ASCMD_R322", "MS-ASCMD_R335")
def test_ping(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    client = Client(exchange)
    client.folder_sync()
    client.sync_all("1")
    exchange.hold_factor = 0.003
    assert value(ping(client, 60, "1", "4"), "Status") == "1"
    assert value(ping(client, None), "Status") == "1"  # an empty request repeats the last one
    exchange.hold_factor = 1.0
    timer = threading.Timer(0.2, lambda: mailbox.deliver(PLAIN))
    timer.start()
    tree = ping(client, 60, "1", "4")
    timer.join()
    assert value(tree, "Status") == "2"
    assert find_all(tree, "Folders/Folder") == [("Ping:Folder", "1")]
    assert value(ping(client, 60, "1"), "Status") == "2"  # until it is synchronised
    client.sync_all("1")
    exchange.hold_factor = 0.003
    assert value(ping(client, 60, "1"), "Status") == "1"


@proves("MS-ASCMD_R4239", "MS-ASCMD_R4241", "MS-ASCMD_R4247", "MS-ASCMD_R4248", "MS-ASCMD_R4252", "MS-ASCMD_R4256")
@proves("MS-ASCMD_R5690", "MS-ASCMD_R5691", "MS-ASCMD_R3259")
def test_pings_that_are_refused(exchange: MockExchange) -> None:
    exchange.max_ping_folders = 2
    client = Client(exchange)
    assert value(ping(client, None), "Status") == "3"
    assert value(ping(client, 60), "Status") == "3"
    low, high = ping(client, 10, "1"), ping(client, 9000, "1")
    assert (value(low, "Status"), value(low, "HeartbeatInterval")) == ("5", "60")
    assert (value(high, "Status"), value(high, "HeartbeatInterval")) == ("5", "3540")
    many = ping(client, 60, "1", "4", "5")
    assert (value(many, "Status"), value(many, "MaxFolders")) == ("6", "2")
    client.folder_sync()
    exchange.user("alice").create_folder("New")
    assert value(ping(client, 60, "1"), "Status") == "7"


# -- MoveItems


@proves("MS-ASCMD_R4215", "MS-ASCMD_R4206", "MS-ASCMD_R4211", "MS-ASCMD_R4218", "MS-ASCMD_R289", "MS-ASCMD_R290")
def test_move_items(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    server_id = mailbox.deliver(PLAIN, read=True)
    target = mailbox.folder("Junk Email").server_id
    client = Client(exchange)
    for collection in ("1", target):
        client.sync_all(collection)

    def move(message: str, source: str, destination: str) -> Node | None:
        names = zip(("SrcMsgId", "SrcFldId", "DstFldId"), (message, source, destination), strict=True)
        nodes: list[Node] = [(f"Move:{name}", text) for name, text in names]
        return client.command("MoveItems", ("Move:MoveItems", [("Move:Move", nodes)])).tree

    tree = move(server_id, "1", target)
    assert value(tree, "Response/Status") == "3"
    new_id = value(tree, "Response/DstMsgId")
    assert [tag for tag, _ in client.sync_all("1")] == ["AirSync:Delete"]
    (added,) = client.sync_all(target)
    assert (value(added, "ServerId"), data(added, "Read")) == (new_id, "1")
    assert value(move(server_id, "1", target), "Response/Status") == "1"
    assert value(move(str(new_id), target, "99"), "Response/Status") == "2"
    assert value(move(str(new_id), target, target), "Response/Status") == "4"
    assert value(move("9:9", "99", "1"), "Response/Status") == "1"


# -- sending

LETTER = (
    b"To: bob@example.test, nobody@elsewhere.example\r\nCc: CAROL@example.test\r\nBcc: alice@example.test\r\n"
    b"Subject: hello\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nna\xc3\xafve text\r\n"
)


def send(client: Client, mime: bytes, client_id: str = "c1", save: bool = True, **source: str) -> Reply:
    """SendMail, or with ItemId SmartReply, or with Forward=1 SmartForward, in the form of the version."""
    forward = source.pop("Forward", "")
    replace = source.pop("ReplaceMime", "")
    command = "SmartForward" if forward else "SmartReply" if source else "SendMail"
    if float(client.version) < 14:
        extra = {"SaveInSent": "T" if save else "F"} if not client.base64_query else {"Options": "1" if save else "0"}
        parameters = {"CollectionId": source["FolderId"], "ItemId": source["ItemId"]} if source else {}
        return client.request(
            "POST", client.target(command, **extra, **parameters), mime, {"Content-Type": "message/rfc822"}
        )
    nodes: list[Node] = [("ComposeMail:ClientId", client_id)]
    if source:
        nodes.append(("ComposeMail:Source", [(f"ComposeMail:{name}", text) for name, text in source.items()]))
    if save:
        nodes.append(("ComposeMail:SaveInSentItems", None))
    if replace:
        nodes.append(("ComposeMail:ReplaceMime", None))
    nodes.append(("ComposeMail:Mime", mime))
    return client.command(command, (f"ComposeMail:{command}", nodes))


@proves("MS-ASCMD_R463", "MS-ASCMD_R448", "MS-ASCMD_R443", "MS-ASHTTP_R92", "MS-ASHTTP_R121", "MS-ASHTTP_R122")
@pytest.mark.parametrize(
    ("version", "form"),
    [("2.5", "plain"), ("12.1", "plain"), ("12.1", "base64"), ("14.1", "plain"), ("16.1", "base64")],
)
def test_mail_is_delivered_and_kept(exchange: MockExchange, version: str, form: str) -> None:
    client = Client(exchange, version=version, base64_query=form == "base64")
    reply = send(client, LETTER)
    assert (reply.status, reply.body) == (200, b"")
    for name in ("bob", "carol", "alice"):
        (item,) = exchange.user(name).items()
        message = exchange.user(name).message(item)
        assert message.headers.get("from") == "Alice Anderson <alice@example.test>"
        assert message.headers.get("message-id") != ""
        assert message.headers.get("bcc") == ""
        assert message.raw.endswith(b"na\xc3\xafve text\r\n")
        assert not item.read
    (kept,) = exchange.user("alice").items("Sent Items")
    assert exchange.user("alice").message(kept).headers.get("bcc") == "alice@example.test"
    assert kept.read
    assert [address for address, _ in exchange.undelivered] == ["nobody@elsewhere.example"]
    assert exchange.requests.problems() == []


@proves("MS-ASHTTP_R437")
@pytest.mark.parametrize("version", ["12.1", "14.1"])
def test_nothing_is_kept_unasked(exchange: MockExchange, version: str) -> None:
    assert send(Client(exchange, version=version), LETTER, save=False).status == 200
    assert exchange.user("alice").items("Sent Items") == []


def test_mail_that_is_not_sent(exchange: MockExchange) -> None:
    client = Client(exchange)
    assert value(send(client, b"Subject: to nobody\r\n\r\nx").tree, "Status") == "119"
    assert value(send(client, b"no header at all").tree, "Status") == "107"
    assert send(client, LETTER).body == b""
    assert value(send(client, LETTER).tree, "Status") == "118"  # the same ClientId once more
    assert send(client, LETTER, "c2").body == b""
    assert len(exchange.user("bob").items()) == 2
    old = Client(exchange, version="12.1")
    assert send(old, b"Subject: to nobody\r\n\r\nx").status == 500
    bare: Node = ("ComposeMail:SendMail", [("ComposeMail:Mime", LETTER)])
    assert value(client.command("SendMail", bare).tree, "Status") == "103"


@proves("MS-ASCMD_R545", "MS-ASCMD_R580", "MS-ASCMD_R568", "MS-ASCMD_R605")
@pytest.mark.parametrize("version", ["2.5", "12.1", "14.1"])
def test_smart_reply_and_forward_carry_the_original(exchange: MockExchange, version: str) -> None:
    mailbox = exchange.user("alice")
    server_id = mailbox.deliver(MIXED)
    client = Client(exchange, version=version)
    assert send(client, LETTER, "r1", FolderId="1", ItemId=server_id).status == 200
    item = mailbox.items()[0]
    assert item.verb == 2  # to more than one
    reply = exchange.user("bob").message(exchange.user("bob").items()[0])
    (plain, _) = reply.body_parts()
    assert plain is not None
    text = reply.text(plain)
    assert text.startswith("naïve text\r\n")
    assert "Original Message" in text
    assert "Café plain" in text
    assert reply.attachments() == []
    assert send(client, LETTER, "f1", FolderId="1", ItemId=server_id, Forward="1").status == 200
    forwarded = exchange.user("bob").message(exchange.user("bob").items()[1])
    assert next(forwarded.content(part) for part in forwarded.attachments()) == FILE
    assert item.verb == 3


def test_replace_mime_and_signed_mail_go_as_they_are(exchange: MockExchange) -> None:
    server_id = exchange.user("alice").deliver(MIXED)
    client = Client(exchange)
    send(client, LETTER, "r1", FolderId="1", ItemId=server_id, ReplaceMime="1")
    assert exchange.user("bob").items()[0].raw.endswith(b"\r\n\r\nna\xc3\xafve text\r\n")
    signed = LETTER.replace(b"text/plain; charset=utf-8", b"application/pkcs7-mime; smime-type=signed-data")
    send(client, signed, "r2", FolderId="1", ItemId=server_id)
    assert exchange.user("bob").items()[1].raw.endswith(b"\r\n\r\nna\xc3\xafve text\r\n")


def test_a_reply_to_what_is_not_there(exchange: MockExchange) -> None:
    assert value(send(Client(exchange), LETTER, FolderId="1", ItemId="1:5").tree, "Status") == "150"
    assert send(Client(exchange, version="12.1"), LETTER, FolderId="1", ItemId="1:5").status == 500


# -- ItemOperations beside attachments


def test_fetching_items(exchange: MockExchange) -> None:
    server_id = exchange.user("alice").deliver(PLAIN)
    client = Client(exchange)

    def fetch(*nodes: Node) -> Node | None:
        operation: Node = ("ItemOperations:Fetch", [("ItemOperations:Store", "Mailbox"), *nodes])
        return client.command("ItemOperations", ("ItemOperations:ItemOperations", [operation])).tree

    wish: Node = ("ItemOperations:Options", [preference(1)])
    tree = fetch(("AirSync:CollectionId", "1"), ("AirSync:ServerId", server_id), wish)
    assert value(tree, "Response/Fetch/Properties/Subject") == "Grüße"
    assert value(tree, "Response/Fetch/Class") == "Email"
    wrong_folder = fetch(("AirSync:CollectionId", "4"), ("AirSync:ServerId", server_id))
    assert value(wrong_folder, "Response/Fetch/Status") == "6"
    assert value(fetch(("Search:LongId", long_id(server_id))), "Response/Fetch/Status") == "1"
    assert value(fetch(("Search:LongId", server_id)), "Response/Fetch/Status") == "6"
    other: Node = ("ItemOperations:Fetch", [("ItemOperations:Store", "Attic")])
    assert (
        value(
            client.command("ItemOperations", ("ItemOperations:ItemOperations", [other])).tree, "Response/Fetch/Status"
        )
        == "9"
    )
    assert value(client.command("ItemOperations", ("ItemOperations:ItemOperations", None)).tree, "Status") == "2"


def test_emptying_a_folder(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    inner = mailbox.create_folder("Inner", "Deleted Items")
    mailbox.deliver(PLAIN, "Deleted Items")
    client = Client(exchange)
    subfolders: Node = ("ItemOperations:Options", [("ItemOperations:DeleteSubFolders", None)])
    bin_id = mailbox.folder("Deleted Items").server_id
    empty: Node = ("ItemOperations:EmptyFolderContents", [("AirSync:CollectionId", bin_id), subfolders])
    tree = client.command("ItemOperations", ("ItemOperations:ItemOperations", [empty])).tree
    assert value(tree, "Response/EmptyFolderContents/Status") == "1"
    assert mailbox.items("Deleted Items") == []
    assert inner.server_id not in mailbox.folders
    missing: Node = ("ItemOperations:EmptyFolderContents", [("AirSync:CollectionId", "99")])
    tree = client.command("ItemOperations", ("ItemOperations:ItemOperations", [missing])).tree
    assert value(tree, "Response/EmptyFolderContents/Status") == "6"


# -- Search


def search(client: Client, name: str, query: Node, *wishes: Node) -> Node | None:
    nodes: list[Node] = [("Search:Name", name), query]
    if wishes:
        nodes.append(("Search:Options", list(wishes)))
    return find(client.command("Search", ("Search:Search", [("Search:Store", nodes)])).tree, "Response/Store")


@proves(
    "MS-ASCMD_R416",
    "MS-ASCMD_R419",
    "MS-ASCMD_R420",
    "MS-ASCMD_R421",
    "MS-ASCMD_R425",
    "MS-ASCMD_R426",
    "MS-ASCMD_R5711",
)
def test_the_address_list(exchange: MockExchange) -> None:
    client = Client(exchange)
    store = search(client, "GAL", ("Search:Query", "nú"))
    entry = find(store, "Result/Properties")
    assert [value(entry, name) for name in ("DisplayName", "Alias", "FirstName", "LastName", "EmailAddress")] == [
        "Carol Núñez",
        "carol",
        "Carol",
        "Núñez",
        "carol@example.test",
    ]
    assert (value(store, "Range"), value(store, "Total")) == ("0-0", "1")
    everyone = search(client, "GAL", ("Search:Query", "b"), ("Search:Range", "0-0"))
    assert value(everyone, "Result/Properties/Alias") == "bob"
    nobody = search(client, "GAL", ("Search:Query", "zzz"))
    assert (value(nobody, "Status"), value(nobody, "Total")) == ("1", "0")


@proves("MS-ASCMD_R3105")
def test_searching_the_mailbox(exchange: MockExchange, clock: Clock) -> None:
    mailbox = exchange.user("alice")
    server_id = mailbox.deliver(PLAIN)
    mailbox.deliver(MIXED)
    mailbox.deliver(numbered(5, "köln again"), "Junk Email")
    client = Client(exchange)

    def query(*nodes: Node) -> Node:
        return ("Search:Query", [("Search:And", list(nodes))])

    text: Node = ("Search:FreeText", "KÖLN")
    both = search(client, "Mailbox", query(("AirSync:Class", "Email"), text), ("Search:RebuildResults", None))
    assert len(find_all(both, "Result")) == 2
    inbox = search(client, "Mailbox", query(("AirSync:CollectionId", "1"), text), preference(1))
    (hit,) = find_all(inbox, "Result")
    assert (value(hit, "LongId"), value(hit, "CollectionId")) == (long_id(server_id), "1")
    assert value(hit, "Properties/Body/Data") == "Grüße aus Köln\r\n"
    later: Node = ("Search:GreaterThan", [("Email:DateReceived", None), ("Search:Value", "2026-11-25T00:00:00.000Z")])
    assert value(search(client, "Mailbox", query(text, later)), "Total") == "0"
    earlier: Node = ("Search:LessThan", [("Email:DateReceived", None), ("Search:Value", "2026-11-25T00:00:00.000Z")])
    assert value(search(client, "Mailbox", query(earlier)), "Total") == "3"
    thread = value(hit, "Properties/ConversationId")
    assert value(search(client, "Mailbox", query(("Search:ConversationId", thread))), "Total") == "2"
    assert value(search(client, "Mailbox", query(("AirSync:Class", "Email"))), "Status") == "8"
    bad: Node = ("Search:Query", [("Search:FreeText", "x")])
    assert value(search(client, "Mailbox", bad), "Status") == "8"
    assert value(search(client, "Mailbox", query(text), ("Search:Range", "5-9")), "Status") == "12"
    assert value(search(client, "DocumentLibrary", query(text)), "Status") == "2"


# -- Settings and MeetingResponse


def settings(client: Client, *nodes: Node) -> Node | None:
    return client.command("Settings", ("Settings:Settings", list(nodes))).tree


def test_settings(exchange: MockExchange) -> None:
    client = Client(exchange)
    about: Node = ("Settings:DeviceInformation", [("Settings:Set", [("Settings:Model", "m"), ("Settings:OS", "o")])])
    assert value(settings(client, about), "DeviceInformation/Status") == "1"
    assert exchange.devices_of("alice")[0].information == {"Model": "m", "OS": "o"}
    get: Node = ("Settings:UserInformation", [("Settings:Get", None)])
    account = find(settings(client, get), "UserInformation/Get/Accounts/Account")
    assert value(account, "EmailAddresses/PrimarySmtpAddress") == "alice@example.test"
    old = settings(Client(exchange, version="12.1"), get)
    assert value(old, "UserInformation/Get/EmailAddresses/SMTPAddress") == "alice@example.test"
    password: Node = ("Settings:DevicePassword", [("Settings:Set", [("Settings:Password", "x")])])
    assert value(settings(client, password), "DevicePassword/Status") == "7"
    rights: Node = ("Settings:RightsManagementInformation", [("Settings:Get", None)])
    assert value(settings(client, rights), "RightsManagementInformation/Status") == "168"
    assert value(settings(client), "Status") == "2"


def test_out_of_office_is_kept(exchange: MockExchange) -> None:
    client = Client(exchange)
    ask: Node = ("Settings:Oof", [("Settings:Get", [("Settings:BodyType", "Text")])])
    assert value(settings(client, ask), "Oof/Get/OofState") == "0"
    message: list[Node] = [
        ("Settings:AppliesToInternal", None),
        ("Settings:Enabled", "1"),
        ("Settings:ReplyMessage", "away"),
        ("Settings:BodyType", "Text"),
    ]
    new: Node = ("Settings:Set", [("Settings:OofState", "1"), ("Settings:OofMessage", message)])
    assert value(settings(client, ("Settings:Oof", [new])), "Oof/Status") == "1"
    assert value(settings(client, ask), "Oof/Get/OofMessage/ReplyMessage") == "away"


def test_meeting_responses_are_refused_honestly(exchange: MockExchange) -> None:
    request: list[Node] = [
        ("MeetingResponse:UserResponse", "1"),
        ("MeetingResponse:CollectionId", "1"),
        ("MeetingResponse:RequestId", "1:1"),
    ]
    tree: Node = ("MeetingResponse:MeetingResponse", [("MeetingResponse:Request", request)])
    answer = Client(exchange).command("MeetingResponse", tree).tree
    assert (value(answer, "Result/RequestId"), value(answer, "Result/Status")) == ("1:1", "2")


@proves("MS-ASCMD_R7559")
def test_commands_wait_for_their_version(exchange: MockExchange) -> None:
    old = Client(exchange, version="2.5")
    for command in ("ItemOperations", "Settings"):
        assert old.request("POST", old.target(command)).status == 400
