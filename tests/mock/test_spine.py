"""The main job against the mock: options, provisioning, folders, mail, fetches."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from emailplus.eas.wbxml import Node
from emailplus.mock import MockExchange, MockPolicy

from .client import Client, data, find, find_all, options, preference, value

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PLAIN = (
    b"From: Bob <bob@example.test>\r\nTo: Alice <alice@example.test>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"Message-ID: <1@example.test>\r\nDate: Tue, 24 Nov 2026 09:00:00 +0000\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n\r\nGr\xc3\xbc\xc3\x9fe aus K\xc3\xb6ln\r\n"
)


@pytest.fixture
def exchange() -> Iterator[MockExchange]:
    with MockExchange(clock=lambda: NOW) as exchange:
        yield exchange


def test_options_names_versions_and_commands(exchange: MockExchange) -> None:
    reply = Client(exchange).options()
    assert reply.status == 200
    assert reply.headers["ms-asprotocolversions"] == "2.5,12.0,12.1,14.0,14.1,16.0,16.1"
    commands = reply.headers["ms-asprotocolcommands"].split(",")
    assert {"Sync", "FolderSync", "Provision", "ItemOperations"} <= set(commands)


@pytest.mark.parametrize("login", ["alice", "alice@example.test", "EXAMPLE\\alice", "ALICE@Example.TEST"])
def test_login_forms(exchange: MockExchange, login: str) -> None:
    assert Client(exchange, user=login, password="alice-secret").options().status == 200


def test_wrong_password_is_401_with_a_challenge(exchange: MockExchange) -> None:
    reply = Client(exchange, password="wrong").options()
    assert reply.status == 401
    assert reply.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize("version", ["2.5", "12.0", "12.1", "14.0", "14.1", "16.0", "16.1"])
def test_mail_arrives_in_every_version(exchange: MockExchange, version: str) -> None:
    exchange.user("alice").deliver(PLAIN)
    client = Client(exchange, version=version)
    tree = client.folder_sync()
    inbox = next(f for f in find_all(tree, "Changes/Add") if value(f, "Type") == "2")
    wanted = options(("AirSync:FilterType", "0"), *([preference(1)] if version != "2.5" else []))
    changes = client.sync_all(str(value(inbox, "ServerId")), wanted)
    assert len(changes) == 1
    assert data(changes[0], "Subject") == "Grüße"
    body = data(changes[0], "Body") if version == "2.5" else data(changes[0], "Body/Data")
    assert body == "Grüße aus Köln\r\n"
    assert exchange.requests.problems() == []


def test_windows_and_more_available(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    for number in range(25):
        mailbox.deliver(PLAIN, received=NOW - timedelta(hours=number))
    client = Client(exchange)
    client.prime("1")
    window: Node = ("AirSync:WindowSize", "10")
    sizes = []
    while (answer := client.sync("1", window, options(("AirSync:FilterType", "0")))) is not None:
        sizes.append(len(find_all(answer, "Commands/Add")))
        if find(answer, "MoreAvailable") is None:
            break
    assert sizes == [10, 10, 5]
    assert client.sync("1", window) is None


def test_lost_answer_is_made_again_and_older_keys_are_refused(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    for number in range(6):
        mailbox.deliver(PLAIN, received=NOW - timedelta(hours=number))
    client = Client(exchange)
    first = client.prime("1")
    window: Node = ("AirSync:WindowSize", "3")
    once = client.sync("1", window)
    again = client.sync("1", window, key=first)
    assert [value(a, "ServerId") for a in find_all(once, "Commands/Add")] == [
        value(a, "ServerId") for a in find_all(again, "Commands/Add")
    ]
    lost = value(once, "SyncKey")
    assert value(client.sync("1", key=str(lost)), "Status") == "3"
    rest = client.sync("1", window)
    assert len(find_all(rest, "Commands/Add")) == 3
    assert value(client.sync("1", key=first), "Status") == "3"


def test_provisioning_in_two_phases(exchange: MockExchange) -> None:
    exchange.set_policy(MockPolicy())
    client = Client(exchange)
    refused = client.folder_sync()
    assert value(refused, "Status") == "142"
    kind: Node = ("Provision:PolicyType", "MS-EAS-Provisioning-WBXML")
    ask: Node = ("Provision:Policies", [("Provision:Policy", [kind])])
    bare = client.command("Provision", ("Provision:Provision", [ask])).tree
    assert value(bare, "Status") == "165"
    about: Node = ("Settings:DeviceInformation", [("Settings:Set", [("Settings:Model", "test")])])
    offer = client.command("Provision", ("Provision:Provision", [about, ask])).tree
    temporary = value(offer, "Policies/Policy/PolicyKey")
    assert find(offer, "Policies/Policy/Data/EASProvisionDoc") is not None
    client.policy_key = str(temporary)
    assert value(client.folder_sync(), "Status") == "142"  # a temporary key opens nothing
    accept: Node = ("Provision:Policy", [kind, ("Provision:PolicyKey", client.policy_key), ("Provision:Status", "1")])
    final = client.command("Provision", ("Provision:Provision", [("Provision:Policies", [accept])])).tree
    client.policy_key = str(value(final, "Policies/Policy/PolicyKey"))
    assert client.policy_key != temporary
    assert value(client.folder_sync(), "Status") == "1"
    exchange.expire_policy()
    assert value(client.folder_sync(), "Status") == "143"


def test_fetch_of_mime_is_the_stored_bytes(exchange: MockExchange) -> None:
    raw = PLAIN + b"\x00\x01 latin \xe9\r\n"
    server_id = exchange.user("alice").deliver(raw)
    wish: list[Node] = [("AirSync:MIMESupport", "2"), preference(4)]
    fetch: list[Node] = [
        ("ItemOperations:Store", "Mailbox"),
        ("AirSync:CollectionId", "1"),
        ("AirSync:ServerId", server_id),
        ("ItemOperations:Options", wish),
    ]
    tree = Client(exchange).command(
        "ItemOperations", ("ItemOperations:ItemOperations", [("ItemOperations:Fetch", fetch)])
    )
    assert value(tree.tree, "Response/Fetch/Properties/Body/Data") == raw
