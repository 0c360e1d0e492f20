"""Provisioning: forced or not, in every version, acknowledged well or badly; wipes, blocks, expiry."""

from __future__ import annotations

import pytest

from emailplus.eas.wbxml import Node
from emailplus.mock import MockExchange, MockPolicy

from .client import Client, Reply, find, find_all, value
from .mail import PLAIN
from .requirements import proves

WBXML, WAP = "MS-EAS-Provisioning-WBXML", "MS-WAP-Provisioning-XML"
ABOUT: Node = ("Settings:DeviceInformation", [("Settings:Set", [("Settings:Model", "test")])])
FOLDER_SYNC: Node = ("FolderHierarchy:FolderSync", [("FolderHierarchy:SyncKey", "0")])


def policy(*nodes: Node, kind: str = WBXML) -> Node:
    return ("Provision:Policies", [("Provision:Policy", [("Provision:PolicyType", kind), *nodes])])


def provision(client: Client, *nodes: Node) -> Reply:
    return client.command("Provision", ("Provision:Provision", list(nodes)))


def offer(client: Client) -> str:
    """The first phase; returns the temporary key."""
    kind = WAP if client.version == "2.5" else WBXML
    nodes = [policy(kind=kind)] if float(client.version) < 14.1 else [ABOUT, policy(kind=kind)]
    tree = provision(client, *nodes).tree
    assert value(tree, "Status") == "1"
    assert value(tree, "Policies/Policy/Status") == "1"
    return str(value(tree, "Policies/Policy/PolicyKey"))


def acknowledge(client: Client, key: str, status: str = "1") -> Node | None:
    kind = WAP if client.version == "2.5" else WBXML
    return provision(client, policy(("Provision:PolicyKey", key), ("Provision:Status", status), kind=kind)).tree


def complete(client: Client) -> None:
    tree = acknowledge(client, offer(client))
    client.policy_key = str(value(tree, "Policies/Policy/PolicyKey"))


@proves("MS-ASPROV_R483", "MS-ASPROV_R417", "MS-ASPROV_R419", "MS-ASPROV_R466")
@pytest.mark.parametrize("version", ["2.5", "12.0", "12.1", "14.0", "14.1", "16.0", "16.1"])
def test_the_dialogue_in_every_version(exchange: MockExchange, version: str) -> None:
    exchange.set_policy(MockPolicy())
    client = Client(exchange, version=version)
    refused = client.command("FolderSync", FOLDER_SYNC)
    if float(version) < 14:
        assert refused.status == 449
    else:
        assert value(refused.tree, "Status") == "142"
    complete(client)
    assert value(client.folder_sync(), "Status") == "1"
    assert exchange.requests.problems() == []


def test_the_policy_reads_as_it_was_set(exchange: MockExchange) -> None:
    settings = {
        "DevicePasswordEnabled": "1",
        "MinDevicePasswordLength": "6",
        "MaxAttachmentSize": "1000",
        "AllowWiFi": "0",
    }
    exchange.set_policy(MockPolicy(settings))
    tree = provision(Client(exchange), ABOUT, policy()).tree
    document = find(tree, "Policies/Policy/Data/EASProvisionDoc")
    assert document is not None
    assert {tag.partition(":")[2]: text for tag, text in document[1] or []} == settings  # type: ignore[misc]
    old = find(provision(Client(exchange, version="12.0"), policy()).tree, "Policies/Policy/Data/EASProvisionDoc")
    assert value(old, "MaxAttachmentSize") == "1000"
    assert value(old, "AllowWiFi") is None  # 12.1 and later
    wap = provision(Client(exchange, version="2.5"), policy(kind=WAP)).tree
    assert '<parm name="4131" value="0"/>' in str(value(wap, "Policies/Policy/Data"))


@proves("MS-ASPROV_R379", "MS-ASPROV_R468")
def test_no_policy_is_said_and_is_no_obstacle(exchange: MockExchange) -> None:
    client = Client(exchange)
    tree = provision(client, ABOUT, policy()).tree
    assert (value(tree, "Status"), value(tree, "Policies/Policy/Status")) == ("1", "2")
    assert find(tree, "Policies/Policy/PolicyKey") is None
    assert value(client.folder_sync(), "Status") == "1"


@proves("MS-ASPROV_R380", "MS-ASPROV_R471")
def test_an_unknown_policy_type(exchange: MockExchange) -> None:
    exchange.set_policy(MockPolicy())
    tree = provision(Client(exchange), ABOUT, policy(kind="MS-Other")).tree
    assert value(tree, "Policies/Policy/Status") == "3"


@proves("MS-ASPROV_R382", "MS-ASPROV_R475", "MS-ASPROV_R761", "MS-ASPROV_R650", "MS-ASPROV_R606")
def test_keys_are_temporary_then_final_then_stale(exchange: MockExchange) -> None:
    exchange.set_policy(MockPolicy())
    client = Client(exchange)
    temporary = offer(client)
    assert 0 < int(temporary) < 2**32
    assert value(acknowledge(client, "12345"), "Policies/Policy/Status") == "5"
    tree = acknowledge(client, temporary)
    final = str(value(tree, "Policies/Policy/PolicyKey"))
    assert final != temporary
    assert value(acknowledge(client, temporary), "Policies/Policy/Status") == "5"
    client.policy_key = temporary
    assert value(client.folder_sync(), "Status") == "144"
    client.policy_key = final
    assert value(client.folder_sync(), "Status") == "1"
    exchange.expire_policy()
    assert value(client.folder_sync(), "Status") == "143"
    client.version = "12.1"
    assert client.command("FolderSync", FOLDER_SYNC).status == 449


@proves("MS-ASPROV_R681", "MS-ASPROV_R684", "MS-ASPROV_R686", "MS-ASPROV_R687")
@pytest.mark.parametrize(("applied", "status"), [("2", "139"), ("3", "139"), ("4", "145"), ("9", "2")])
def test_acknowledgements_that_are_not_enough(exchange: MockExchange, applied: str, status: str) -> None:
    exchange.set_policy(MockPolicy(allow_partial=False))
    client = Client(exchange)
    assert value(acknowledge(client, offer(client), applied), "Status") == status
    client.policy_key = "1"
    assert value(client.folder_sync(), "Status") == "142"


def test_partial_and_external_where_the_policy_allows_it(exchange: MockExchange) -> None:
    exchange.set_policy(MockPolicy(allow_partial=True, allow_external=True))
    for applied in ("2", "4"):
        client = Client(exchange, device=f"d{applied}")
        tree = acknowledge(client, offer(client), applied)
        assert value(tree, "Policies/Policy/Status") == "1"


@proves("MS-ASPROV_R488", "MS-ASPROV_R534")
def test_device_information_is_kept_and_asked_for(exchange: MockExchange) -> None:
    exchange.set_policy(MockPolicy())
    client = Client(exchange)
    assert value(provision(client, policy()).tree, "Status") == "165"
    tree = provision(client, ABOUT, policy()).tree
    assert value(tree, "DeviceInformation/Status") == "1"
    assert exchange.devices_of("alice")[0].information == {"Model": "test"}
    assert value(provision(client, policy()).tree, "Status") == "1"
    empty: Node = ("Settings:DeviceInformation", [("Settings:Set", [("Settings:OS", "x")])])
    assert value(provision(client, empty, policy()).tree, "DeviceInformation/Status") == "5"
    exchange.set_policy(MockPolicy(require_device_information=False))
    assert value(provision(Client(exchange, device="d2"), policy()).tree, "Status") == "1"
    assert value(provision(Client(exchange, device="d3", version="14.0"), policy()).tree, "Status") == "1"


@proves("MS-ASPROV_R493", "MS-ASPROV_R653", "MS-ASPROV_R654", "MS-ASPROV_R322")
@pytest.mark.parametrize(("version", "http"), [("2.5", 449), ("12.1", 449), ("14.1", 200), ("16.1", 200)])
def test_remote_wipe(exchange: MockExchange, version: str, http: int) -> None:
    exchange.user("alice").deliver(PLAIN)
    client = Client(exchange, version=version)
    client.folder_sync()
    assert find(provision(client, *([ABOUT] if version > "14" else [])).tree, "RemoteWipe") is None
    exchange.remote_wipe("alice")
    refused = client.command("FolderSync", FOLDER_SYNC)
    assert refused.status == http
    if http == 200:
        assert value(refused.tree, "Status") == "140"
    directive = provision(client).tree
    assert find(directive, "RemoteWipe") == ("Provision:RemoteWipe", None)
    assert find(directive, "Policies") is None
    failed = provision(client, ("Provision:RemoteWipe", [("Provision:Status", "2")])).tree
    assert value(failed, "Status") == "1"
    assert exchange.devices_of("alice")[0].wipe == "all"
    assert value(provision(client, ("Provision:RemoteWipe", [("Provision:Status", "1")])).tree, "Status") == "1"
    assert exchange.devices_of("alice")[0].wiped == "all"
    after = client.command("FolderSync", FOLDER_SYNC)
    assert after.status == 403 or value(after.tree, "Status") == "129"
    assert len(exchange.user("alice").items()) == 1  # the mailbox itself is untouched
    exchange.forget_device("alice", "device01")
    assert value(client.folder_sync("0"), "Status") == "1"


@proves("MS-ASPROV_R66612", "MS-ASPROV_R6903")
def test_account_only_wipe_waits_for_16_1(exchange: MockExchange) -> None:
    client = Client(exchange, version="16.0")
    client.folder_sync()
    exchange.remote_wipe("alice", account_only=True)
    assert value(client.folder_sync(), "Status") == "1"
    client.version = "16.1"
    assert value(client.folder_sync(), "Status") == "140"
    assert find(provision(client, ABOUT).tree, "AccountOnlyRemoteWipe") is not None
    wrong = provision(client, ("Provision:RemoteWipe", [("Provision:Status", "1")])).tree
    assert value(wrong, "Status") == "2"
    done: Node = ("Provision:AccountOnlyRemoteWipe", [("Provision:Status", "1")])
    assert value(provision(client, done).tree, "Status") == "1"
    assert exchange.devices_of("alice")[0].wiped == "account"
    assert value(client.folder_sync("0"), "Status") == "1"


def test_wipe_of_one_device_leaves_the_other(exchange: MockExchange) -> None:
    first, second = Client(exchange, device="d1"), Client(exchange, device="d2")
    first.folder_sync()
    second.folder_sync()
    exchange.remote_wipe("alice", device_id="d1")
    assert value(first.folder_sync(), "Status") == "140"
    assert value(second.folder_sync(), "Status") == "1"


@pytest.mark.parametrize("status", [126, 129, 177])
def test_a_blocked_device(exchange: MockExchange, status: int) -> None:
    client = Client(exchange)
    client.folder_sync()
    exchange.block("alice", status=status)
    assert value(client.folder_sync(), "Status") == str(status)
    assert Client(exchange, version="12.1").command("FolderSync", FOLDER_SYNC).status == 403
    assert value(client.sync_reply("1", key="0").tree, "Status") == str(status)
    exchange.unblock("alice")
    assert value(client.folder_sync(), "Status") == "1"


def test_every_command_says_142_in_its_own_tree(exchange: MockExchange) -> None:
    exchange.set_policy(MockPolicy())
    client = Client(exchange)
    for command, root, path in (
        ("Sync", "AirSync:Sync", "Status"),
        ("Ping", "Ping:Ping", "Status"),
        ("MoveItems", "Move:MoveItems", "Status"),
        ("GetItemEstimate", "GetItemEstimate:GetItemEstimate", "Status"),
        ("ItemOperations", "ItemOperations:ItemOperations", "Status"),
        ("Search", "Search:Search", "Status"),
        ("Settings", "Settings:Settings", "Status"),
        ("SendMail", "ComposeMail:SendMail", "Status"),
        ("SmartReply", "ComposeMail:SmartReply", "Status"),
        ("SmartForward", "ComposeMail:SmartForward", "Status"),
        ("FolderCreate", "FolderHierarchy:FolderCreate", "Status"),
        ("FolderDelete", "FolderHierarchy:FolderDelete", "Status"),
        ("FolderUpdate", "FolderHierarchy:FolderUpdate", "Status"),
        ("MeetingResponse", "MeetingResponse:MeetingResponse", "Result/Status"),
    ):
        reply = client.command(command, (root, None))
        assert reply.tree is not None
        assert reply.tree[0] == root
        assert value(reply.tree, path) == "142", command
    assert find_all(client.folder_sync(), "Changes") == []
