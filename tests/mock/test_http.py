"""The HTTP side: versions of HTTP, query forms, chunks, compression, TLS, logins, and what is no ActiveSync at all."""

from __future__ import annotations

import base64
import gzip
import http.client
import socket
import ssl
import struct
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from emailplus.eas.code_pages import TAG_TOKENS
from emailplus.eas.wbxml import Node, decode, encode
from emailplus.errors import UsageError
from emailplus.mock import LoseResponse, MockExchange, MockUser

from .client import Client, Reply, find_all, options, preference, value
from .conftest import Clock
from .mail import PLAIN, numbered
from .requirements import proves

FOLDER_SYNC: Node = ("FolderHierarchy:FolderSync", [("FolderHierarchy:SyncKey", "0")])
BASIC = "Basic " + base64.b64encode(b"alice:alice-secret").decode()


def raw(exchange: MockExchange, data: bytes) -> bytes:
    """Whatever the server sends back for these bytes, until it closes."""
    url = urlsplit(exchange.url)
    with socket.create_connection((url.hostname, url.port), timeout=10) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        pieces = []
        while piece := connection.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


def post(exchange: MockExchange, query: str, body: bytes, *fields: str, version: str = "1.1") -> bytes:
    head = [
        f"POST /Microsoft-Server-ActiveSync?{query} HTTP/{version}",
        "Host: 127.0.0.1",
        f"Authorization: {BASIC}",
        "Content-Type: application/vnd.ms-sync.wbxml",
        f"Content-Length: {len(body)}",
        *fields,
    ]
    return raw(exchange, "\r\n".join(head).encode() + b"\r\n\r\n" + body)


PLAIN_QUERY = "Cmd=FolderSync&User=alice&DeviceId=d1&DeviceType=t"


@proves("MS-ASHTTP_R1107", "MS-ASHTTP_R1108", "MS-ASHTTP_R296")
def test_options_lists_what_the_server_was_given() -> None:
    with MockExchange(versions=("12.1", "14.1")) as exchange:
        reply = Client(exchange).options()
    assert reply.headers["ms-asprotocolversions"] == "12.1,14.1"
    assert "GetAttachment" in reply.headers["ms-asprotocolcommands"].split(",")
    with MockExchange(versions=("14.1", "16.1")) as exchange:
        reply = Client(exchange).options()
    assert "GetAttachment" not in reply.headers["ms-asprotocolcommands"].split(",")
    assert reply.body == b""


@proves("MS-ASHTTP_R1104", "MS-ASHTTP_R1202")
def test_the_first_folder_sync_names_the_versions_too(exchange: MockExchange) -> None:
    reply = Client(exchange).command("FolderSync", FOLDER_SYNC)
    assert reply.headers["x-ms-rp"] == reply.headers["ms-asprotocolversions"]
    assert "Sync" in reply.headers["ms-asprotocolcommands"]


def test_http_1_0(exchange: MockExchange) -> None:
    exchange.user("alice").deliver(PLAIN)
    client = Client(exchange, http_version=10)
    assert len(client.sync_all("1")) == 1
    assert exchange.requests[0].http_version == "1.0"


def test_keep_alive_serves_many_requests_on_one_connection(exchange: MockExchange) -> None:
    client = Client(exchange)
    client.folder_sync()
    connection = client.connection
    assert connection is not None
    port = connection.sock.getsockname()[1]
    for _ in range(5):
        client.folder_sync()
    assert connection.sock.getsockname()[1] == port


def test_chunked_request(exchange: MockExchange) -> None:
    client = Client(exchange)
    body = encode(FOLDER_SYNC)
    reply = client.request(
        "POST",
        client.target("FolderSync"),
        iter([body[:3], body[3:]]),  # type: ignore[arg-type]
        {"Content-Type": "application/vnd.ms-sync.wbxml", "Transfer-Encoding": "chunked"},
        encode_chunked=True,
    )
    assert value(reply.tree, "Status") == "1"


def test_expect_100_continue(exchange: MockExchange) -> None:
    answer = post(exchange, PLAIN_QUERY, encode(FOLDER_SYNC), "MS-ASProtocolVersion: 14.1", "Expect: 100-continue")
    assert b" 200 " in answer


def test_gzip_only_when_accepted(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    mailbox.deliver_many((numbered(n, "text " * 200), exchange.clock()) for n in range(20))
    client = Client(exchange)
    client.prime("1")
    key = client.keys["1"]
    tree: Node = (
        "AirSync:Sync",
        [
            (
                "AirSync:Collections",
                [
                    (
                        "AirSync:Collection",
                        [("AirSync:SyncKey", key), ("AirSync:CollectionId", "1"), options(preference(1))],
                    )
                ],
            )
        ],
    )
    plain = client.command("Sync", tree)
    packed = client.command("Sync", tree, {"Accept-Encoding": "gzip, deflate"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert len(packed.body) < len(plain.body) / 3
    assert len(gzip.decompress(packed.body)) == len(plain.body)


@pytest.mark.parametrize("version", ["12.1", "14.0", "14.1", "16.0", "16.1"])
def test_base64_query(exchange: MockExchange, version: str) -> None:
    exchange.user("alice").deliver(PLAIN)
    client = Client(exchange, version=version, base64_query=True)
    assert len(client.sync_all("1")) == 1
    record = exchange.requests[-1]
    assert (record.query_form, record.command, record.version) == ("base64", "Sync", version)
    assert (record.device_id, record.device_type) == ("device01", "test")


def test_base64_query_with_a_policy_key_and_parameters(exchange: MockExchange) -> None:
    client = Client(exchange, base64_query=True, policy_key="3942919513")
    client.command("FolderSync", FOLDER_SYNC, CollectionId="5", ItemId="5:1", Options="3")
    record = exchange.requests[-1]
    assert record.policy_key == "3942919513"
    assert record.parameters == {"CollectionId": "5", "ItemId": "5:1"}


@pytest.mark.parametrize("query", ["!!!!", "jAAJ", "jGMJBAJkMQABdA==", ""])
def test_a_query_that_is_none_is_400(exchange: MockExchange, query: str) -> None:
    assert post(exchange, query, b"").startswith(b"HTTP/1.1 400")


def redundant(node: Node) -> bytes:
    """WBXML with a SWITCH_PAGE before every element, as some phones write it."""

    def element(tag: str, content: object) -> bytes:
        page, token = TAG_TOKENS[tag]
        head = bytes([0, page])
        if content is None:
            return head + bytes([token])
        inner = content.encode() if isinstance(content, str) else b""
        body = b"\x03" + inner + b"\x00" if isinstance(content, str) else b""
        if isinstance(content, list):
            body = b"".join(element(*child) for child in content)
        return head + bytes([token | 0x40]) + body + b"\x01"

    return b"\x03\x01\x6a\x00" + element(*node)


def test_a_switch_page_before_every_element(exchange: MockExchange) -> None:
    client = Client(exchange)
    client.prime("1")
    collection: list[Node] = [
        ("AirSync:SyncKey", client.keys["1"]),
        ("AirSync:CollectionId", "1"),
        options(("AirSync:FilterType", "0"), preference(2, 100)),
    ]
    tree: Node = ("AirSync:Sync", [("AirSync:Collections", [("AirSync:Collection", collection)])])
    body = redundant(tree)
    assert decode(body) == tree
    reply = client.request("POST", client.target("Sync"), body, {"Content-Type": "application/vnd.ms-sync.wbxml"})
    assert reply.status == 200
    assert exchange.requests.problems() == []


@proves("MS-ASHTTP_R182", "MS-ASHTTP_R465", "MS-ASHTTP_R176")
def test_wrong_addresses_methods_commands_and_versions(exchange: MockExchange) -> None:
    client = Client(exchange)
    assert client.request("POST", "/elsewhere").status == 404
    assert client.request("PUT", "/Microsoft-Server-ActiveSync").status == 501
    assert client.request("POST", client.target("Unheard")).status == 501
    client.version = "13.0"
    assert client.request("POST", client.target("FolderSync"), encode(FOLDER_SYNC)).status == 400


def test_a_version_not_offered_is_refused(clock: Clock) -> None:
    with MockExchange(versions=("14.1",), clock=clock) as exchange:
        assert Client(exchange, version="16.1").command("FolderSync", FOLDER_SYNC).status == 400


def test_what_a_line_and_its_headers_do_wrong(exchange: MockExchange) -> None:
    post(exchange, "Cmd=FolderSync&DeviceId=a,b&DeviceType=t", encode(FOLDER_SYNC))
    assert len(exchange.requests[-1].problems) == 3
    client = Client(exchange, base64_query=True)
    client.command("FolderSync", FOLDER_SYNC, {"X-MS-PolicyKey": "0"})
    assert len(exchange.requests[-1].problems) == 1
    client = Client(exchange)
    client.request("POST", client.target("Ping"), None, {"Content-Type": "application/vnd.ms-sync.wbxml"})
    assert exchange.requests[-1].problems == ["Content-Type without a body (MS-ASHTTP_R407)"]


def test_a_request_without_a_version_is_taken_for_2_5(exchange: MockExchange) -> None:
    answer = post(exchange, PLAIN_QUERY, encode(FOLDER_SYNC))
    assert b" 200 " in answer
    assert exchange.requests[-1].version == "2.5"


@pytest.mark.parametrize(
    ("query", "status"),
    [("Cmd=FolderSync&User=alice&DeviceType=t", "108"), ("Cmd=FolderSync&User=alice&DeviceId=d", "109")],
)
def test_a_device_needs_id_and_type(exchange: MockExchange, query: str, status: str) -> None:
    answer = post(exchange, query, encode(FOLDER_SYNC), "MS-ASProtocolVersion: 14.1", "Connection: close")
    tree = decode(answer.partition(b"\r\n\r\n")[2])
    assert value(tree, "Status") == status
    assert post(exchange, query, encode(FOLDER_SYNC), "MS-ASProtocolVersion: 12.1").startswith(b"HTTP/1.1 400")


def test_bytes_that_are_no_http_get_400(exchange: MockExchange) -> None:
    assert raw(exchange, b"\x16\x03\x01\x00\xff hello\r\n\r\n").startswith(b"HTTP/1.1 400")
    assert Client(exchange).options().status == 200


def test_bodies_that_are_no_wbxml(exchange: MockExchange) -> None:
    wbxml = {"Content-Type": "application/vnd.ms-sync.wbxml"}
    client = Client(exchange)
    reply = client.request("POST", client.target("FolderSync"), b"<FolderSync/>", wbxml)
    assert value(reply.tree, "Status") == "102"
    reply = client.request("POST", client.target("FolderSync"), b"<FolderSync/>", {"Content-Type": "text/xml"})
    assert value(reply.tree, "Status") == "101"
    reply = client.command("FolderSync", ("Ping:Ping", None))
    assert value(reply.tree, "Status") == "103"
    old = Client(exchange, version="12.1")
    assert old.request("POST", old.target("FolderSync"), b"<FolderSync/>", wbxml).status == 400
    assert len(exchange.requests.problems()) == 5


def test_tls_with_its_own_authority(clock: Clock, tmp_path: Path) -> None:
    with MockExchange(clock=clock, tls=True) as exchange:
        exchange.user("alice").deliver(PLAIN)
        ca = exchange.write_ca(tmp_path / "ca.pem")
        assert exchange.server_json()["ca_file"] == str(ca)
        trusted = ssl.create_default_context(cafile=str(ca))
        assert len(Client(exchange, tls=trusted).sync_all("1")) == 1
        with pytest.raises(ssl.SSLCertVerificationError):
            Client(exchange, tls=ssl.create_default_context()).options()
        assert Client(exchange).options().status == 200


def test_without_tls_there_is_no_authority(exchange: MockExchange) -> None:
    with pytest.raises(UsageError):
        _ = exchange.ca_pem
    assert exchange.url_tls == ""


def test_a_taken_port_is_an_error(exchange: MockExchange) -> None:
    with pytest.raises(UsageError, match="cannot listen"):
        MockExchange(port=urlsplit(exchange.url).port or 0).start()


def test_a_restarted_server_knows_its_devices_and_keeps_its_port(clock: Clock) -> None:
    exchange = MockExchange(clock=clock)
    with exchange:
        exchange.user("alice").deliver(PLAIN)
        client = Client(exchange)
        assert len(client.sync_all("1")) == 1
        url = exchange.url
    exchange.user("alice").deliver(PLAIN)
    client.close()
    with exchange:
        assert exchange.url == url
        assert len(client.sync_all("1")) == 1
    with pytest.raises(UsageError, match="running"), exchange:
        exchange.start()


def test_users_do_not_see_each_other(exchange: MockExchange) -> None:
    exchange.user("alice").deliver(PLAIN)
    assert len(Client(exchange, user="alice").sync_all("1")) == 1
    assert Client(exchange, user="bob").sync_all("1") == []


def test_a_dozen_mailboxes_at_once(clock: Clock) -> None:
    users = [MockUser(f"u{n}@example.test", f"u{n}", f"u{n}-secret") for n in range(12)]
    results: dict[int, int] = {}
    with MockExchange(users, clock=clock) as exchange:
        for n, user in enumerate(users):
            exchange.user(user.email).deliver_many((numbered(i), clock()) for i in range(n + 1))
        clients = [Client(exchange, user=user.username) for user in users]

        def work(n: int) -> None:
            results[n] = len(clients[n].sync_all("1", ("AirSync:WindowSize", "3")))

        threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == {n: n + 1 for n in range(12)}


def test_stopping_ends_waiting_requests(clock: Clock) -> None:
    exchange = MockExchange(clock=clock).start()
    client = Client(exchange)
    client.prime("1")
    failed: list[BaseException] = []

    def wait() -> None:
        try:
            client.sync_reply("1", more=[("AirSync:HeartbeatInterval", "600")])
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    while not exchange.requests.of("Sync")[1:]:
        time.sleep(0.01)
    exchange.stop()
    thread.join(10)
    assert failed
    exchange.stop()  # twice does no harm
    assert len(exchange.requests.of("Sync")) == 2


@proves("MS-ASHTTP_R706", "MS-ASHTTP_R902", "MS-ASHTTP_R903", "MS-ASHTTP_R904", "MS-ASHTTP_R9044", "MS-ASHTTP_R906")
def test_cookies_of_16_0_and_later(exchange: MockExchange) -> None:
    client = Client(exchange, version="16.1", keep_cookies=False)
    wbxml = {"Content-Type": "application/vnd.ms-sync.wbxml"}
    client.connect().request("POST", client.target("FolderSync"), encode(FOLDER_SYNC), {**client.headers(), **wbxml})
    response = client.connect().getresponse()
    response.read()
    lines = response.headers.get_all("Set-Cookie") or []
    assert len(lines) == 2
    for line in lines:
        assert "; path=/Microsoft-Server-ActiveSync" in line
        assert "; expires=" in line
        assert line.endswith("; HttpOnly")
    pairs = "; ".join(line.partition(";")[0] for line in lines)
    good = client.command("FolderSync", FOLDER_SYNC, {"Cookie": pairs})
    assert "set-cookie" not in good.headers
    exchange.requests.clear()
    bad = client.command("FolderSync", FOLDER_SYNC)
    assert "set-cookie" in bad.headers
    assert exchange.requests.problems() == ["#1 FolderSync: cookies of the server were not sent back (MS-ASHTTP_R4076)"]
    old = Client(exchange, version="14.1", device="old").command("FolderSync", FOLDER_SYNC)
    assert "set-cookie" not in old.headers


def test_cookies_of_a_lost_answer_are_not_missed(exchange: MockExchange) -> None:
    exchange.faults.add(LoseResponse(), "FolderSync")
    client = Client(exchange, version="16.1")
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        client.command("FolderSync", FOLDER_SYNC)
    client.command("FolderSync", FOLDER_SYNC)
    assert exchange.requests.problems() == []


def multipart(reply: Reply) -> list[bytes]:
    """The parts of a MultiPartResponse (MS-ASCMD 2.2.2.10.1)."""
    (count,) = struct.unpack_from("<i", reply.body)
    table = [struct.unpack_from("<ii", reply.body, 4 + 8 * n) for n in range(count)]
    return [reply.body[offset : offset + length] for offset, length in table]


@proves("MS-ASHTTP_R94", "MS-ASHTTP_R154", "MS-ASHTTP_R155", "MS-ASHTTP_R440")
@pytest.mark.parametrize("form", ["header", "bit"])
def test_multipart_answers(exchange: MockExchange, form: str) -> None:
    exchange.user("alice").deliver(PLAIN)
    fetch: list[Node] = [
        ("ItemOperations:Store", "Mailbox"),
        ("AirSync:CollectionId", "1"),
        ("AirSync:ServerId", "1:1"),
        ("ItemOperations:Options", [preference(1)]),
    ]
    tree: Node = ("ItemOperations:ItemOperations", [("ItemOperations:Fetch", fetch)])
    client = Client(exchange, base64_query=form == "bit")
    reply = (
        client.command("ItemOperations", tree, Options="2")
        if form == "bit"
        else client.command("ItemOperations", tree, {"MS-ASAcceptMultiPart": "T"})
    )
    assert reply.headers["content-type"] == "application/vnd.ms-sync.multipart"
    document, body = multipart(reply)
    answer = decode(document)
    assert value(answer, "Response/Fetch/Properties/Body/Part") == "1"
    assert body.decode() == "Grüße aus Köln\r\n"
    inline = client.command("ItemOperations", tree, {"MS-ASAcceptMultiPart": "F"})
    assert value(inline.tree, "Response/Fetch/Properties/Body/Data") == "Grüße aus Köln\r\n"
    assert find_all(inline.tree, "Response/Fetch/Properties/Body/Part") == []
