"""Every switch for what goes wrong does what it says, to the request it was meant for and to no other."""

from __future__ import annotations

import gzip
import http.client
import time

import pytest

from emailplus.eas.wbxml import Node, decode
from emailplus.errors import WbxmlError
from emailplus.mock import (
    Chunked,
    ContentType,
    CutAfter,
    Drip,
    Drop,
    Empty,
    ExtraHeaders,
    Fault,
    Garbage,
    Gzip,
    Http,
    LoseResponse,
    MockExchange,
    Rewrite,
    Stall,
    Status,
    Truncated,
)

from .client import Client, find_all, value
from .mail import PLAIN

FOLDER_SYNC: Node = ("FolderHierarchy:FolderSync", [("FolderHierarchy:SyncKey", "0")])


def test_the_nth_request_of_a_command(exchange: MockExchange) -> None:
    exchange.faults.append(Fault(command="Sync", nth=3, action=Status(111)))
    client = Client(exchange)
    client.folder_sync()
    assert value(client.sync_reply("1", key="0").tree, "Collections/Collection/Status") == "1"
    assert value(client.sync_reply("4", key="0").tree, "Collections/Collection/Status") == "1"
    assert value(client.sync_reply("5", key="0").tree, "Status") == "111"
    assert value(client.sync_reply("5", key="0").tree, "Collections/Collection/Status") == "1"
    assert exchange.faults.pending() == []


def test_several_times_for_ever_and_cleared(exchange: MockExchange) -> None:
    client = Client(exchange)
    exchange.faults.add(Http(503, {"Retry-After": "7"}), times=2)
    replies = [client.options() for _ in range(3)]
    assert [reply.status for reply in replies] == [503, 503, 200]
    assert replies[0].headers["retry-after"] == "7"
    exchange.faults.add(Http(500), "OPTIONS", times=None)
    assert [client.options().status for _ in range(3)] == [500] * 3
    exchange.faults.clear()
    assert client.options().status == 200


def test_narrowed_to_a_user_a_device_or_any_condition(exchange: MockExchange) -> None:
    exchange.faults.add(Http(403), user="bob", times=None)
    exchange.faults.add(Http(449), device="d2", times=None)
    exchange.faults.add(Http(507), when=lambda request: "Range" in str(request.headers), times=None)
    assert Client(exchange).command("FolderSync", FOLDER_SYNC).status == 200
    assert Client(exchange, user="bob").command("FolderSync", FOLDER_SYNC).status == 403
    assert Client(exchange, device="d2").command("FolderSync", FOLDER_SYNC).status == 449
    assert Client(exchange).command("FolderSync", FOLDER_SYNC, {"X-Test": "Range"}).status == 507


@pytest.mark.parametrize(
    ("status", "headers"),
    [(449, {}), (451, {"X-MS-Location": "http://127.0.0.1:1/x"}), (401, {}), (403, {}), (500, {}), (507, {})],
)
def test_http_statuses(exchange: MockExchange, status: int, headers: dict[str, str]) -> None:
    exchange.faults.add(Http(status, headers, b"reason"), "FolderSync")
    reply = Client(exchange).command("FolderSync", FOLDER_SYNC)
    assert (reply.status, reply.body) == (status, b"reason")
    assert all(reply.headers[name.lower()] == text for name, text in headers.items())


def test_a_status_for_one_collection(exchange: MockExchange) -> None:
    client = Client(exchange)
    client.prime("1")
    exchange.faults.add(Status(3, collection="1"), "Sync")
    answer = client.sync("1")
    assert (value(answer, "Status"), value(answer, "SyncKey")) == ("3", "0")
    assert client.sync("1") is None


def test_a_drop_does_nothing_and_a_lost_response_has_acted(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    client = Client(exchange)
    create: Node = (
        "FolderHierarchy:FolderCreate",
        [
            ("FolderHierarchy:SyncKey", ""),
            ("FolderHierarchy:ParentId", "0"),
            ("FolderHierarchy:DisplayName", "New"),
            ("FolderHierarchy:Type", "12"),
        ],
    )
    client.folder_sync()
    assert isinstance(create[1], list)
    create[1][0] = ("FolderHierarchy:SyncKey", client.folder_key)
    before = len(mailbox.folders)
    exchange.faults.add(Drop(), "FolderCreate")
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        client.command("FolderCreate", create)
    assert len(mailbox.folders) == before
    exchange.faults.add(LoseResponse(), "FolderCreate")
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        client.command("FolderCreate", create)
    assert len(mailbox.folders) == before + 1
    assert value(client.command("FolderCreate", create).tree, "Status") == "2"  # it is there already


def test_cut_in_the_middle_of_the_body(exchange: MockExchange) -> None:
    exchange.faults.add(CutAfter(10), "FolderSync")
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        Client(exchange).command("FolderSync", FOLDER_SYNC)
    exchange.faults.add(CutAfter(0), "FolderSync")
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        Client(exchange).command("FolderSync", FOLDER_SYNC)


def test_slow_bytes_and_a_stall(exchange: MockExchange) -> None:
    exchange.faults.add(Drip(delay=0.02, chunk=50), "FolderSync")
    exchange.faults.add(Stall(0.2), "FolderSync")
    started = time.monotonic()
    reply = Client(exchange).command("FolderSync", FOLDER_SYNC)
    assert value(reply.tree, "Status") == "1"
    assert time.monotonic() - started > 0.2 + 0.02 * (len(reply.body) // 50)


def test_bodies_that_are_not_what_they_should_be(exchange: MockExchange) -> None:
    client = Client(exchange, validate=False)
    for action in (Garbage(), Truncated(-1), Truncated(20)):
        exchange.faults.add(action, "FolderSync")
        with pytest.raises(WbxmlError):
            client.command("FolderSync", FOLDER_SYNC)
    exchange.faults.add(Empty(), "FolderSync")
    reply = client.command("FolderSync", FOLDER_SYNC)
    assert (reply.status, reply.body) == (200, b"")


def test_a_rewritten_answer(exchange: MockExchange) -> None:
    exchange.faults.add(Rewrite(lambda tree: (tree[0], [("FolderHierarchy:Status", "77")])), "FolderSync")
    reply = Client(exchange).command("FolderSync", FOLDER_SYNC)
    assert value(reply.tree, "Status") == "77"
    assert exchange.requests[-1].response_tree == reply.tree


def test_transfer_switches(exchange: MockExchange) -> None:
    client = Client(exchange)
    for action in (Chunked(7), Gzip(True), ContentType("text/html"), ExtraHeaders({"Set-Cookie": "a=b"})):
        exchange.faults.add(action, "FolderSync")
    reply = client.command("FolderSync", FOLDER_SYNC)
    assert reply.headers["transfer-encoding"] == "chunked"
    assert reply.headers["content-type"] == "text/html"
    assert reply.headers["set-cookie"] == "a=b"
    assert decode(gzip.decompress(reply.body))[0] == "FolderHierarchy:FolderSync"
    exchange.faults.add(ContentType(""), "FolderSync")
    assert "content-type" not in client.command("FolderSync", FOLDER_SYNC).headers
    exchange.faults.add(Gzip(False), "FolderSync")
    plain = client.command("FolderSync", FOLDER_SYNC, {"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers


def test_the_record_names_the_faults(exchange: MockExchange) -> None:
    exchange.user("alice").deliver(PLAIN)
    client = Client(exchange)
    client.prime("1")
    exchange.faults.add(LoseResponse(), "Sync")
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        client.sync("1")
    lost = exchange.requests[-1]
    assert lost.faults == [LoseResponse()]
    assert find_all(lost.response_tree, "Collections/Collection/Commands/Add") != []
    assert len(client.sync_all("1")) == 1
