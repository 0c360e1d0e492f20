"""Sync: keys, windows, filters, several collections, what a client may send, waiting, and requests without a body."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest

from emailplus.eas.wbxml import Node
from emailplus.mock import Flag, MockExchange

from .client import Client, data, find, find_all, options, preference, value
from .conftest import NOW, Clock
from .mail import MIXED, PLAIN, numbered
from .requirements import proves

ALL: Node = ("AirSync:FilterType", "0")


def window(size: int) -> Node:
    return ("AirSync:WindowSize", str(size))


def commands(*nodes: Node) -> Node:
    return ("AirSync:Commands", list(nodes))


def change(server_id: str, *properties: Node) -> Node:
    return ("AirSync:Change", [("AirSync:ServerId", server_id), ("AirSync:ApplicationData", list(properties))])


def delete(server_id: str) -> Node:
    return ("AirSync:Delete", [("AirSync:ServerId", server_id)])


def identities(changes: list[Node]) -> list[tuple[str, str]]:
    return [(tag.partition(":")[2], str(value((tag, content), "ServerId"))) for tag, content in changes]


@proves("MS-ASCMD_R4598", "MS-ASCMD_R4599", "MS-ASCMD_R5555")
def test_key_zero_gives_a_key_and_no_items(exchange: MockExchange) -> None:
    exchange.user("alice").deliver(PLAIN)
    answer = Client(exchange).sync("1", key="0")
    assert value(answer, "Status") == "1"
    assert value(answer, "SyncKey") not in (None, "0")
    assert find(answer, "Commands") is None


@proves("MS-ASCMD_R3128", "MS-ASCMD_R5838", "MS-ASCMD_R3129", "MS-ASCMD_R5839")
@pytest.mark.parametrize(("content", "status"), [(None, "4"), ("1", "4"), ("0", "1")], ids=["empty", "true", "false"])
def test_get_changes_with_key_zero(exchange: MockExchange, content: str | None, status: str) -> None:
    answer = Client(exchange).sync("1", ("AirSync:GetChanges", content), key="0")
    assert value(answer, "Status") == status


@proves("MS-ASCMD_R5556", "MS-ASCMD_R3125", "MS-ASCMD_R3127")
def test_get_changes_false_holds_changes_back(exchange: MockExchange) -> None:
    exchange.user("alice").deliver(PLAIN)
    client = Client(exchange)
    client.prime("1")
    assert client.sync("1", ("AirSync:GetChanges", "0")) is None
    assert len(find_all(client.sync("1", ("AirSync:GetChanges", None)), "Commands/Add")) == 1


@proves("MS-ASCMD_R3458", "MS-ASCMD_R4768", "MS-ASCMD_R4767", "MS-ASCMD_R3459", "MS-ASCMD_R4771", "MS-ASCMD_R3456")
@pytest.mark.parametrize(("asked", "sizes"), [(None, [100, 100]), (0, [512]), (900, [512]), (7, [7, 7])])
def test_window_sizes(exchange: MockExchange, asked: int | None, sizes: list[int]) -> None:
    mailbox = exchange.user("alice")
    mailbox.deliver_many((numbered(n), NOW - timedelta(minutes=n)) for n in range(600))
    client = Client(exchange)
    client.prime("1")
    wish = [window(asked)] if asked is not None else []
    for size in sizes:
        answer = client.sync("1", *wish, options(ALL))
        assert len(find_all(answer, "Commands/Add")) == size
        assert find(answer, "MoreAvailable") is not None
    rest = client.sync_all("1", window(512), options(ALL))
    assert len(rest) == 600 - sum(sizes)


def test_nothing_is_sent_twice_and_nothing_is_missing(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    expected = set(mailbox.deliver_many((numbered(n), NOW - timedelta(minutes=n)) for n in range(60)))
    client = Client(exchange)
    client.prime("1")
    received = []
    for step in range(12):
        answer = client.sync("1", window(9), options(ALL))
        received += [name for _, name in identities(find_all(answer, "Commands/Add"))]
        if step == 2:
            expected.add(mailbox.deliver(PLAIN))  # arrives while the client is in the middle
        if answer is None:
            break
    assert len(received) == len(set(received))
    assert set(received) == expected


@proves("MS-ASCMD_R4776", "MS-ASCMD_R4778")
def test_global_window_over_several_collections(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    for folder in ("Inbox", "Sent Items"):
        mailbox.deliver_many(((numbered(n), NOW) for n in range(8)), folder)
    client = Client(exchange)
    inbox, sent = "1", "4"
    keys = {name: client.prime(name) for name in (inbox, sent)}
    collections: list[Node] = [
        (
            "AirSync:Collection",
            [("AirSync:SyncKey", keys[name]), ("AirSync:CollectionId", name), window(6), options(ALL)],
        )
        for name in (inbox, sent)
    ]
    tree: Node = ("AirSync:Sync", [("AirSync:Collections", collections), window(10)])
    answers = find_all(client.command("Sync", tree).tree, "Collections/Collection")
    assert [value(a, "CollectionId") for a in answers] == [inbox, sent]
    assert [len(find_all(a, "Commands/Add")) for a in answers] == [6, 4]
    assert all(find(a, "MoreAvailable") is not None for a in answers)


@proves("MS-ASCMD_R3064", "MS-ASCMD_R3964", "MS-ASCMD_R3967")
def test_ageing_and_a_narrower_filter_soft_delete(exchange: MockExchange, clock: Clock) -> None:
    mailbox = exchange.user("alice")
    old, middle, new = (mailbox.deliver(numbered(n), received=NOW - timedelta(days=n)) for n in (20, 5, 1))
    client = Client(exchange)
    assert set(identities(client.sync_all("1", options(("AirSync:FilterType", "3"))))) == {
        ("Add", middle),
        ("Add", new),
    }
    clock.advance(days=3)
    assert identities(client.sync_all("1", options(("AirSync:FilterType", "3")))) == [("SoftDelete", middle)]
    assert identities(client.sync_all("1", options(("AirSync:FilterType", "1")))) == [("SoftDelete", new)]
    widened = client.sync_all("1", options(ALL))
    assert set(identities(widened)) == {("Add", old), ("Add", middle), ("Add", new)}


def test_a_delete_and_a_move_are_not_soft(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    gone, moved = mailbox.deliver(PLAIN), mailbox.deliver(PLAIN)
    client = Client(exchange)
    client.sync_all("1")
    mailbox.delete(gone)
    mailbox.move(moved, "Junk Email")
    assert set(identities(client.sync_all("1"))) == {("Delete", gone), ("Delete", moved)}


def test_options_are_remembered(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    mailbox.deliver(MIXED)
    client = Client(exchange)
    client.prime("1")
    first = client.sync("1", options(preference(1)))
    assert data(find_all(first, "Commands/Add")[0], "Body/Data") == "Café plain"
    mailbox.deliver(MIXED)
    second = client.sync("1")
    assert data(find_all(second, "Commands/Add")[0], "Body/Data") == "Café plain"


def test_a_filter_that_mail_does_not_know_is_a_protocol_error(exchange: MockExchange) -> None:
    client = Client(exchange)
    client.prime("1")
    assert value(client.sync("1", options(("AirSync:FilterType", "7"))), "Status") == "4"


def test_server_changes_arrive_as_changes(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    server_id = mailbox.deliver(PLAIN)
    client = Client(exchange)
    client.sync_all("1")
    mailbox.mark_read(server_id)
    mailbox.flag(server_id, Flag(due=NOW))
    changes = client.sync_all("1")
    assert identities(changes) == [("Change", server_id)]
    assert data(changes[0], "Read") == "1"
    assert data(changes[0], "Flag/Status") == "2"
    assert data(changes[0], "Subject") is None
    mailbox.flag(server_id, None)
    assert data(client.sync_all("1")[0], "Flag") is None
    assert client.sync_all("1") == []


# -- what the client sends


def test_read_and_flag_from_the_client_are_not_echoed(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    server_id = mailbox.deliver(PLAIN)
    client = Client(exchange)
    client.sync_all("1")
    flag: Node = ("Email:Flag", [("Email:Status", "2"), ("Email:FlagType", "Flag for follow up")])
    answer = client.sync("1", commands(change(server_id, flag, ("Email:Read", "1"))))
    assert value(answer, "Status") == "1"
    assert find(answer, "Responses") is None
    item = mailbox.items()[0]
    assert item.read
    assert item.flag is not None
    assert item.flag.kind == "Flag for follow up"
    assert client.sync("1") is None
    second = Client(exchange, device="device02")
    assert data(second.sync_all("1")[0], "Read") == "1"


@pytest.mark.parametrize(("as_moves", "in_bin"), [("1", 1), (None, 1), ("0", 0)])
def test_deletes_as_moves(exchange: MockExchange, as_moves: str | None, in_bin: int) -> None:
    mailbox = exchange.user("alice")
    server_id = mailbox.deliver(PLAIN)
    client = Client(exchange)
    client.sync_all("1")
    answer = client.sync("1", ("AirSync:DeletesAsMoves", as_moves), commands(delete(server_id)))
    assert value(answer, "Status") == "1"
    assert mailbox.items() == []
    assert len(mailbox.items("Deleted Items")) == in_bin
    assert client.sync("1") is None


def test_a_lost_answer_does_not_repeat_what_the_client_did(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    kept, gone = mailbox.deliver(numbered(1)), mailbox.deliver(numbered(2))
    client = Client(exchange)
    client.sync_all("1")
    key = client.keys["1"]
    todo = commands(change(kept, ("Email:Read", "1")), delete(gone))
    first = client.sync("1", todo, key=key)
    new = mailbox.deliver(numbered(3))
    again = client.sync("1", todo, key=key)
    assert value(first, "Status") == value(again, "Status") == "1"
    assert find(again, "Responses") is None
    assert identities(find_all(again, "Commands/Add")) == [("Add", new)]
    assert find_all(again, "Commands/Delete") == []
    assert len(mailbox.items("Deleted Items")) == 1
    assert client.sync("1") is None


@proves("MS-ASCMD_R2069")
def test_a_conflict_is_won_by_the_server_unless_the_client_says_otherwise(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    server_id = mailbox.deliver(PLAIN)
    client = Client(exchange)
    client.sync_all("1")
    flag: Node = ("Email:Flag", [("Email:Status", "2"), ("Email:FlagType", "mine")])
    mailbox.flag(server_id, Flag(kind="theirs"))
    answer = client.sync("1", commands(change(server_id, flag)))
    assert value(answer, "Responses/Change/Status") == "7"
    assert value(answer, "Commands/Change/ApplicationData/Flag/FlagType") == "theirs"
    mailbox.flag(server_id, None)
    answer = client.sync("1", options(("AirSync:Conflict", "0")), commands(change(server_id, flag)))
    assert find(answer, "Responses") is None
    item = mailbox.items()[0]
    assert item.flag is not None
    assert item.flag.kind == "mine"


def test_changes_of_different_properties_meet(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    server_id = mailbox.deliver(PLAIN)
    client = Client(exchange)
    client.sync_all("1")
    mailbox.flag(server_id, Flag())
    answer = client.sync("1", commands(change(server_id, ("Email:Read", "1"))))
    assert find(answer, "Responses") is None
    assert value(answer, "Commands/Change/ApplicationData/Flag/Status") == "2"
    assert mailbox.items()[0].read
    assert client.sync("1") is None


@proves("MS-ASEMAIL_R75", "MS-ASEMAIL_R76", "MS-ASEMAIL_R10604", "MS-ASEMAIL_R10608", "MS-ASEMAIL_R10612")
@proves("MS-ASEMAIL_R10606", "MS-ASEMAIL_R77", "MS-ASEMAIL_R81")
def test_a_change_carries_what_changed_and_no_more(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    server_id = mailbox.deliver(PLAIN)
    client = Client(exchange)
    client.sync_all("1")

    def names() -> list[str]:
        (one,) = client.sync_all("1")
        found = find(one, "ApplicationData")
        assert found is not None
        return [tag.partition(":")[2] for tag, _ in found[1] or [] if isinstance(tag, str)]

    mailbox.mark_read(server_id)
    assert names() == ["Read"]
    mailbox.flag(server_id, Flag())
    assert names() == ["Flag"]
    mailbox.categorise(server_id, "red", "blue")
    assert names() == ["Categories"]
    mailbox.mark_read(server_id, False)
    mailbox.flag(server_id, None)
    assert names() == ["Read", "Flag"]
    mailbox.mark_read(server_id)
    mailbox.set_verb(server_id, 1)
    assert "Subject" in names()
    assert client.sync_all("1") == []
    old = Client(exchange, version="2.5", device="old")
    old.sync_all("1")
    mailbox.flag(server_id, Flag())
    assert old.sync_all("1") == []  # 2.5 knows no flags


@proves("MS-ASEMAIL_R757", "MS-ASEMAIL_R702", "MS-ASEMAIL_R407", "MS-ASEMAIL_R409", "MS-ASEMAIL_R741")
@proves("MS-ASEMAIL_R853", "MS-ASEMAIL_R864", "MS-ASEMAIL_R851", "MS-ASEMAIL_R92", "MS-ASEMAIL_R86")
@proves("MS-ASEMAIL_R723", "MS-ASEMAIL_R648", "MS-ASEMAIL_R347")
@pytest.mark.parametrize(
    "wrong",
    [
        ("Email:Flag", [("Email:Status", "3"), ("Email:FlagType", "x")]),
        ("Email:Flag", [("Email:Status", "2")]),
        ("Email:Flag", [("Email:Status", "1"), ("Email:FlagType", "x")]),
        ("Email:Flag", [("Email:Status", "2"), ("Email:FlagType", "x"), ("Tasks:ReminderSet", "1")]),
        (
            "Email:Flag",
            [("Email:Status", "2"), ("Email:FlagType", "x"), ("Tasks:DueDate", "2026-01-01T00:00:00.000Z")],
        ),
        (
            "Email:Flag",
            [
                ("Email:Status", "2"),
                ("Email:FlagType", "x"),
                ("Tasks:StartDate", "2026-01-02T00:00:00.000Z"),
                ("Tasks:UtcStartDate", "2026-01-02T00:00:00.000Z"),
                ("Tasks:DueDate", "2026-01-01T00:00:00.000Z"),
                ("Tasks:UtcDueDate", "2026-01-01T00:00:00.000Z"),
            ],
        ),
        ("Email2:Sender", "someone@example.test"),
        ("Email2:ReceivedAsBcc", "1"),
        ("Email2:ConversationId", b"0123456789abcdef"),
    ],
    ids=["status", "type", "complete", "reminder", "dates", "order", "sender", "bcc", "conversation"],
)
def test_changes_that_are_refused(exchange: MockExchange, wrong: Node) -> None:
    mailbox = exchange.user("alice")
    server_id = mailbox.deliver(PLAIN)
    client = Client(exchange)
    client.sync_all("1")
    answer = client.sync("1", commands(change(server_id, ("Email:Read", "1"), wrong)))
    assert value(answer, "Responses/Change/Status") == "6"
    assert not mailbox.items()[0].read
    assert mailbox.items()[0].flag is None


@proves("MS-ASEMAIL_R1053", "MS-ASEMAIL_R88", "MS-ASEMAIL_R8800", "MS-ASEMAIL_R82")
def test_a_flag_with_dates_reminder_and_the_subject(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    server_id = mailbox.deliver(PLAIN)
    client = Client(exchange)
    client.sync_all("1")
    day = "2026-12-01T08:00:00.000Z"
    dates = [(f"Tasks:{name}", day) for name in ("StartDate", "DueDate", "UtcStartDate", "UtcDueDate")]
    flag: list[Node] = [("Email:Status", "2"), ("Email:FlagType", "Flag for follow up"), *dates]
    flag += [("Tasks:ReminderSet", "1"), ("Tasks:ReminderTime", day)]
    client.sync("1", commands(change(server_id, ("Email:Flag", flag))))
    (add,) = Client(exchange, device="other").sync_all("1")
    assert data(add, "Flag/Subject") == "Grüße"
    assert data(add, "Flag/ReminderTime") == data(add, "Flag/UtcDueDate") == day
    for cleared in (None, [("Email:Status", "0")]):
        client.sync("1", commands(change(server_id, ("Email:Flag", flag))))
        client.sync("1", commands(change(server_id, ("Email:Flag", cleared))))
        assert mailbox.items()[0].flag is None


@proves("MS-ASCMD_R930")
def test_options_of_one_class_stand_once(exchange: MockExchange) -> None:
    client = Client(exchange)
    client.prime("1")
    twice = client.sync_reply("1", options(ALL), options(ALL)).tree
    assert value(twice, "Status") == "4"


def test_unknown_items_are_answered_one_by_one(exchange: MockExchange) -> None:
    client = Client(exchange)
    client.prime("1")
    fetch: Node = ("AirSync:Fetch", [("AirSync:ServerId", "1:99")])
    answer = client.sync("1", commands(change("1:98", ("Email:Read", "1")), delete("1:97"), fetch))
    for name in ("Change", "Delete", "Fetch"):
        assert value(answer, f"Responses/{name}/Status") == "8"


def test_fetch_in_sync_ignores_truncation(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    server_id = mailbox.deliver(numbered(1, "x" * 5000))
    client = Client(exchange, version="12.0")
    changes = client.sync_all("1", options(preference(1, 100)))
    assert len(str(data(changes[0], "Body/Data"))) == 100
    answer = client.sync("1", commands(("AirSync:Fetch", [("AirSync:ServerId", server_id)])))
    fetched = find(answer, "Responses/Fetch")
    assert fetched is not None
    assert len(str(data(fetched, "Body/Data"))) == 5002


def test_mail_cannot_be_added(exchange: MockExchange) -> None:
    client = Client(exchange)
    client.prime("1")
    node: Node = (
        "AirSync:Add",
        [("AirSync:ClientId", "c1"), ("AirSync:ApplicationData", [("Email:Subject", "no")])],
    )
    assert value(client.sync("1", commands(node)), "Responses/Add/Status") == "6"


def test_drafts_are_added_edited_and_sent(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    client = Client(exchange, version="16.1")
    drafts = mailbox.folder("Drafts").server_id
    client.prime(drafts)
    body: Node = ("AirSyncBase:Body", [("AirSyncBase:Type", "1"), ("AirSyncBase:Data", "first version")])
    file: list[Node] = [
        ("AirSyncBase:ClientId", "a1"),
        ("AirSyncBase:Method", "1"),
        ("AirSyncBase:Content", b"\x00\x01file"),
        ("AirSyncBase:DisplayName", "f.bin"),
    ]
    properties: list[Node] = [
        body,
        ("AirSyncBase:Attachments", [("AirSyncBase:Add", file)]),
        ("Email:To", "bob@example.test"),
        ("Email:Subject", "draft"),
    ]
    add: Node = ("AirSync:Add", [("AirSync:ClientId", "c1"), ("AirSync:ApplicationData", properties)])
    key = client.keys[drafts]
    client.sync(drafts, commands(add), key=key)
    answer = client.sync(drafts, commands(add), key=key)  # once more, as after a lost answer
    server_id = str(value(answer, "Responses/Add/ServerId"))
    assert value(answer, "Responses/Add/ApplicationData/Attachments/Attachment/ClientId") == "a1"
    assert len(mailbox.items("Drafts")) == 1
    edited = change(server_id, ("Email:Subject", "draft, second version"))
    assert value(client.sync(drafts, commands(edited)), "Status") == "1"
    send: Node = ("AirSync:Change", [("AirSync:ServerId", server_id), ("Email2:Send", None)])
    assert value(client.sync(drafts, commands(send)), "Status") == "1"
    assert mailbox.items("Drafts") == []
    (received,) = exchange.user("bob").items()
    assert b"Subject: draft, second version" in received.raw
    assert exchange.user("bob").message(received).content(exchange.user("bob").message(received).attachments()[0]) == (
        b"\x00\x01file"
    )
    nobody: Node = ("AirSync:ApplicationData", [("Email:Subject", "to nobody")])
    bad: Node = ("AirSync:Add", [("AirSync:ClientId", "c2"), nobody, ("Email2:Send", None)])
    assert value(client.sync(drafts, commands(bad)), "Responses/Add/Status") == "183"


def test_a_draft_given_as_mime_with_its_state(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    client = Client(exchange, version="16.1")
    drafts = mailbox.folder("Drafts").server_id
    client.prime(drafts)
    body: Node = ("AirSyncBase:Body", [("AirSyncBase:Type", "4"), ("AirSyncBase:Data", MIXED.decode())])
    flag: Node = ("Email:Flag", [("Email:Status", "2"), ("Email:FlagType", "x")])
    properties: list[Node] = [body, ("Email:Read", "0"), flag]
    add: Node = ("AirSync:Add", [("AirSync:ClientId", "c1"), ("AirSync:ApplicationData", properties)])
    server_id = str(value(client.sync(drafts, commands(add)), "Responses/Add/ServerId"))
    (item,) = mailbox.items("Drafts")
    assert item.raw == MIXED
    assert (item.read, item.draft) == (False, True)
    assert item.flag is not None
    client.sync(drafts, commands(change(server_id, ("Email:Read", "1"))))
    assert (item.raw, item.read) == (MIXED, True)
    assert client.sync(drafts) is None


# -- errors


def test_an_unknown_collection_asks_for_folder_sync(exchange: MockExchange) -> None:
    assert value(Client(exchange).sync("77", key="0"), "Status") == "12"


def test_an_invalid_key_is_refused_for_its_collection_alone(exchange: MockExchange) -> None:
    exchange.user("alice").deliver(PLAIN)
    client = Client(exchange)
    good = client.prime("1")
    collections: list[Node] = [
        ("AirSync:Collection", [("AirSync:SyncKey", key), ("AirSync:CollectionId", name)])
        for name, key in (("1", good), ("4", "made-up"))
    ]
    answers = find_all(
        client.command("Sync", ("AirSync:Sync", [("AirSync:Collections", collections)])).tree, "Collections/Collection"
    )
    assert [value(a, "Status") for a in answers] == ["1", "3"]
    assert len(find_all(answers[0], "Commands/Add")) == 1


def test_keys_after_the_server_lost_its_state(exchange: MockExchange) -> None:
    exchange.user("alice").deliver(PLAIN)
    client = Client(exchange)
    client.sync_all("1")
    exchange.forget_sync_state("alice")
    assert value(client.sync("1"), "Status") == "3"


def test_too_many_collections(exchange: MockExchange) -> None:
    exchange.max_collections = 2
    nodes: list[Node] = [
        ("AirSync:Collection", [("AirSync:SyncKey", "0"), ("AirSync:CollectionId", str(n))]) for n in range(1, 4)
    ]
    tree = Client(exchange).command("Sync", ("AirSync:Sync", [("AirSync:Collections", nodes)])).tree
    assert value(tree, "Status") == "15"
    assert value(tree, "Limit") == "2"


# -- empty requests and answers


@proves("MS-ASCMD_R667", "MS-ASCMD_R673", "MS-ASCMD_R674", "MS-ASCMD_R679")
def test_an_empty_request_repeats_the_cached_one(exchange: MockExchange) -> None:
    client = Client(exchange)
    client.prime("1")
    reply = client.sync_reply("1", options(ALL))
    assert (reply.status, reply.body) == (200, b"")
    assert client.command("Sync", None).body == b""
    server_id = exchange.user("alice").deliver(PLAIN)
    tree = client.command("Sync", None).tree
    assert value(tree, "Collections/Collection/Commands/Add/ServerId") == server_id


def test_an_empty_request_without_a_cached_one_is_status_13(exchange: MockExchange) -> None:
    assert value(Client(exchange).command("Sync", None).tree, "Status") == "13"


def test_a_request_with_commands_is_not_cached(exchange: MockExchange) -> None:
    server_id = exchange.user("alice").deliver(PLAIN)
    client = Client(exchange)
    client.sync_all("1")
    client.sync("1", commands(change(server_id, ("Email:Read", "1"))))
    assert value(client.command("Sync", None).tree, "Status") == "13"


def test_12_0_knows_no_empty_answer(exchange: MockExchange) -> None:
    client = Client(exchange, version="12.0")
    client.prime("1")
    answer = client.sync("1")
    assert value(answer, "Status") == "1"
    assert value(client.command("Sync", None).tree, "Status") == "13"


def test_partial_takes_the_rest_from_the_cache(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    client = Client(exchange)
    keys = {name: client.prime(name) for name in ("1", "4")}
    nodes: list[Node] = [
        ("AirSync:Collection", [("AirSync:SyncKey", key), ("AirSync:CollectionId", name), options(ALL)])
        for name, key in keys.items()
    ]
    assert client.command("Sync", ("AirSync:Sync", [("AirSync:Collections", nodes)])).body == b""
    mailbox.deliver(numbered(1))
    mailbox.deliver(numbered(2), "Sent Items")
    partial: Node = ("AirSync:Sync", [("AirSync:Collections", [nodes[0]]), ("AirSync:Partial", None)])
    answers = find_all(client.command("Sync", partial).tree, "Collections/Collection")
    assert {value(a, "CollectionId") for a in answers} == {"1", "4"}
    unknown = Client(exchange, device="other").command("Sync", partial).tree
    assert value(unknown, "Status") == "13"


# -- waiting


def test_a_waiting_sync_returns_when_mail_arrives(exchange: MockExchange) -> None:
    client = Client(exchange)
    client.prime("1")
    timer = threading.Timer(0.3, lambda: exchange.user("alice").deliver(PLAIN))
    timer.start()
    started = time.monotonic()
    reply = client.sync_reply("1", more=[("AirSync:HeartbeatInterval", "60")])
    timer.join()
    assert value(reply.tree, "Collections/Collection/Commands/Add/ServerId") == "1:1"
    assert 0.2 < time.monotonic() - started < 10


def test_a_waiting_sync_ends_empty(exchange: MockExchange) -> None:
    exchange.hold_factor = 0.005
    client = Client(exchange)
    client.prime("1")
    started = time.monotonic()
    reply = client.sync_reply("1", more=[("AirSync:Wait", "1")])
    assert reply.body == b""
    assert time.monotonic() - started >= 0.25


@pytest.mark.parametrize(
    ("node", "limit"),
    [
        (("AirSync:Wait", "60"), "59"),
        (("AirSync:HeartbeatInterval", "59"), "60"),
        (("AirSync:HeartbeatInterval", "3600"), "3540"),
    ],
)
def test_an_interval_outside_the_limits(exchange: MockExchange, node: Node, limit: str) -> None:
    client = Client(exchange)
    client.prime("1")
    tree = client.sync_reply("1", more=[node]).tree
    assert (value(tree, "Status"), value(tree, "Limit")) == ("14", limit)
