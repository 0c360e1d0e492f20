"""Conversations (MS-ASCON): their ids and indexes, whole threads through a filter, moved, found, and message parts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from emailplus.eas.wbxml import Node
from emailplus.mock import MockExchange

from .client import Client, data, find, find_all, options, preference, value
from .conftest import NOW
from .mail import PLAIN
from .requirements import proves

CONVERSATIONS = ("14.0", "14.1", "16.0", "16.1")
WEEK: Node = ("AirSync:FilterType", "3")
MODE: Node = ("AirSync:ConversationMode", "1")


def letter(number: int, parent: int = 0, text: str = "<p>turnips and beets</p>") -> bytes:
    """Mail `number`; an answer to mail `parent`."""
    head = [
        "From: Bob <bob@example.test>", "To: alice@example.test", f"Subject: {'Re: ' if parent else ''}thread",
        f"Message-ID: <m{number}@example.test>", "Content-Type: text/html; charset=utf-8",
    ]  # fmt: skip
    if parent:
        head += [f"In-Reply-To: <m{parent}@example.test>", f"References: <m{parent}@example.test>"]
    return "\r\n".join([*head, "", text, ""]).encode()


def thread(exchange: MockExchange) -> tuple[str, str, str]:
    """An old message, a new answer to it, and an old message of another conversation."""
    box = exchange.user("alice")
    return (
        box.deliver(letter(1), received=NOW - timedelta(days=20)),
        box.deliver(letter(2, 1), received=NOW - timedelta(days=1)),
        box.deliver(letter(9), received=NOW - timedelta(days=20)),
    )


def adds(changes: list[Node]) -> set[str]:
    return {str(value(change, "ServerId")) for change in changes if change[0].endswith(":Add")}


@proves("MS-ASCON_R74", "MS-ASCON_R76", "MS-ASCON_R79", "MS-ASCON_R81", "MS-ASCON_R93", "MS-ASCON_R195")
@proves("MS-ASCON_R196", "MS-ASCON_R90", "MS-ASCON_R95", "MS-ASCON_R304", "MS-ASCON_R309", "MS-ASCON_R91")
@proves("MS-ASCON_R87", "MS-ASCON_R306", "MS-ASCON_R259", "MS-ASDTYPE_R97", "MS-ASDTYPE_R98")
@pytest.mark.parametrize("version", CONVERSATIONS)
def test_ids_and_indexes(exchange: MockExchange, version: str) -> None:
    """Byte arrays: sixteen bytes of id; the index is five bytes of the time sent, then five for each answer."""
    old, new, other = thread(exchange)
    client = Client(exchange, version=version)
    found = {str(value(c, "ServerId")): c for c in client.sync_all("1", options(("AirSync:FilterType", "0")))}
    ids = {key: data(change, "ConversationId") for key, change in found.items()}
    assert isinstance(ids[old], bytes)
    assert len(ids[old]) == 16
    assert ids[old] == ids[new] != ids[other]
    first, second = data(found[old], "ConversationIndex"), data(found[new], "ConversationIndex")
    assert isinstance(first, bytes)
    assert isinstance(second, bytes)
    assert (len(first), len(second)) == (5, 10)
    ticks = int((NOW - timedelta(days=20)).timestamp() + 11_644_473_600) * 10_000_000
    assert first == ticks.to_bytes(8, "big")[:5]


@proves("MS-ASCON_R330", "MS-ASCON_R180", "MS-ASCON_R116")
@pytest.mark.parametrize("content", ["1", None])
def test_a_conversation_passes_a_filter_whole(exchange: MockExchange, content: str | None) -> None:
    old, new, _ = thread(exchange)
    client = Client(exchange)
    mode: Node = ("AirSync:ConversationMode", content)
    assert adds(client.sync_all("1", mode, options(WEEK))) == {old, new}
    box = exchange.user("alice")
    late = box.deliver(letter(3, 1), received=NOW - timedelta(days=40))
    assert adds(client.sync_all("1", mode, options(WEEK))) == {late}
    assert client.sync_all("1", mode, options(WEEK)) == []


@proves("MS-ASCON_R343")
def test_without_the_mode_each_message_stands_alone(exchange: MockExchange) -> None:
    _, new, _ = thread(exchange)
    client = Client(exchange)
    assert adds(client.sync_all("1", options(WEEK))) == {new}
    assert adds(client.sync_all("1", ("AirSync:ConversationMode", "0"), options(WEEK))) == set()


@proves("MS-ASCON_R223")
def test_a_conversation_that_leaves_the_filter_is_softly_deleted(exchange: MockExchange) -> None:
    old, new, _ = thread(exchange)
    client = Client(exchange)
    client.sync_all("1", MODE, options(WEEK))
    exchange.user("alice").move(new, "Junk Email")
    changes = {(c[0].partition(":")[2], str(value(c, "ServerId"))) for c in client.sync_all("1", MODE, options(WEEK))}
    assert changes == {("Delete", new), ("SoftDelete", old)}


@proves("MS-ASCON_R261", "MS-ASCON_R332", "MS-ASCON_R211", "MS-ASCON_R336")
def test_estimates_of_conversations(exchange: MockExchange) -> None:
    thread(exchange)
    client = Client(exchange)
    client.prime("1")
    calendar = exchange.user("alice").folder("Calendar").server_id
    client.prime(calendar)

    def estimate(collection: str, *mode: Node) -> Node | None:
        nodes: list[Node] = [
            ("AirSync:SyncKey", client.keys[collection]),
            ("GetItemEstimate:CollectionId", collection),
            options(WEEK if collection == "1" else ("AirSync:FilterType", "4")),
            *mode,
        ]
        tree: Node = (
            "GetItemEstimate:GetItemEstimate",
            [("GetItemEstimate:Collections", [("GetItemEstimate:Collection", nodes)])],
        )
        return find(client.command("GetItemEstimate", tree).tree, "Response")

    assert value(estimate("1"), "Collection/Estimate") == "1"
    assert value(estimate("1", MODE), "Collection/Estimate") == "2"
    assert value(estimate(calendar, MODE), "Status") == "4"
    assert value(client.sync_reply(calendar, MODE).tree, "Collections/Collection/Status") == "4"


def move(client: Client, identity: object, target: str, *, always: bool = True) -> Node | None:
    nodes: list[Node] = [("ItemOperations:ConversationId", identity), ("ItemOperations:DstFldId", target)]  # type: ignore[list-item]
    if always:
        nodes.append(("ItemOperations:Options", [("ItemOperations:MoveAlways", None)]))
    tree: Node = ("ItemOperations:ItemOperations", [("ItemOperations:Move", nodes)])
    return find(client.command("ItemOperations", tree).tree, "Response/Move")


@proves("MS-ASCON_R172", "MS-ASCON_R215", "MS-ASCON_R216", "MS-ASCON_R69", "MS-ASCON_R126", "MS-ASCON_R139")
@proves("MS-ASCON_R142", "MS-ASCON_R143", "MS-ASCON_R213", "MS-ASCON_R214", "MS-ASCON_R146", "MS-ASCON_R338")
@proves("MS-ASCON_R130")
def test_a_conversation_is_moved_from_all_folders(exchange: MockExchange) -> None:
    old, _, other = thread(exchange)
    box = exchange.user("alice")
    box.move(old, "Junk Email")
    kept = box.deliver(letter(4, 1), folder="Sent Items")
    client = Client(exchange)
    shown = client.sync_all("1", options(("AirSync:FilterType", "0")))
    identity = next(data(c, "ConversationId") for c in shown if value(c, "ServerId") != other)
    bin_id = box.folder("Deleted Items").server_id
    answer = move(client, identity, bin_id)
    assert (value(answer, "Status"), value(answer, "ConversationId")) == ("1", identity)
    assert len(box.items("Deleted Items")) == 2
    assert [item.server_id for item in box.items("Sent Items")] == [kept]
    assert [item.server_id for item in box.items("Inbox")] == [other]
    later = box.deliver(letter(5, 1))
    assert later.partition(":")[0] == bin_id  # what comes of it from now on goes there too
    assert value(move(client, b"nobody", bin_id), "Status") == "6"
    assert value(move(client, identity, box.folder("Calendar").server_id), "Status") == "156"


@proves("MS-ASCON_R176", "MS-ASCON_R220", "MS-ASCON_R178")
def test_a_conversation_is_found_in_all_folders(exchange: MockExchange) -> None:
    old, _, _ = thread(exchange)
    exchange.user("alice").move(old, "Junk Email")
    client = Client(exchange)
    identity = data(client.sync_all("1", options(WEEK))[0], "ConversationId")
    query: Node = ("Search:And", [("AirSync:Class", "Email"), ("Search:ConversationId", identity)])
    tree: Node = (
        "Search:Search",
        [("Search:Store", [("Search:Name", "Mailbox"), ("Search:Query", [query])])],
    )
    store = find(client.command("Search", tree).tree, "Response/Store")
    assert len(find_all(store, "Result")) == 2


PART: Node = ("AirSyncBase:BodyPartPreference", [("AirSyncBase:Type", "2"), ("AirSyncBase:TruncationSize", "9")])


@proves("MS-ASCON_R237", "MS-ASCON_R245", "MS-ASCON_R246", "MS-ASCON_R247", "MS-ASCON_R248", "MS-ASCON_R243")
@proves("MS-ASCON_R234", "MS-ASCON_R239", "MS-ASCON_R240", "MS-ASCON_R46", "MS-ASCON_R47", "MS-ASCON_R38")
@pytest.mark.parametrize(
    ("wishes", "body", "part"),
    [((), True, False), ((preference(1),), True, False), ((PART,), False, True), ((preference(1), PART), True, True)],
    ids=["neither", "body", "part", "both"],
)
def test_parts_and_bodies(exchange: MockExchange, wishes: tuple[Node, ...], body: bool, part: bool) -> None:
    exchange.user("alice").deliver(letter(1))
    (add,) = Client(exchange).sync_all("1", options(("AirSync:FilterType", "0"), *wishes))
    assert (find(add, "ApplicationData/Body") is not None) is body
    shown = find(add, "ApplicationData/BodyPart")
    assert (shown is not None) is part
    if part:
        assert value(shown, "Data") == "<p>turnip"
        assert value(shown, "Truncated") == "1"
        assert int(str(value(shown, "EstimatedDataSize"))) > 9
        assert value(shown, "Status") == "1"
        assert value(shown, "Type") == "2"


@proves("MS-ASCON_R504", "MS-ASCON_R505")
@pytest.mark.parametrize(("version", "there"), [("14.0", False), ("14.1", True), ("16.0", True), ("16.1", True)])
def test_parts_exist_from_14_1_on(exchange: MockExchange, version: str, there: bool) -> None:
    exchange.user("alice").deliver(PLAIN)
    client = Client(exchange, version=version)
    changes = client.sync_all("1", options(("AirSync:FilterType", "0"), PART))
    assert (find(changes[0], "ApplicationData/BodyPart") is not None) is there
