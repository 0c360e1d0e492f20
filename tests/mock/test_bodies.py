"""Bodies and properties of mail items: forms, truncation, attachments, classes, in every version."""

from __future__ import annotations

import base64

import pytest

from emailplus.eas.wbxml import Node
from emailplus.mock import Flag, MockExchange

from .client import Client, data, find_all, options, preference, value
from .conftest import NOW
from .mail import ENVELOPED, FILE, MIXED, PLAIN, SIGNED, numbered
from .requirements import proves

MIME: Node = ("AirSync:MIMESupport", "2")
SMIME_ONLY: Node = ("AirSync:MIMESupport", "1")


def one(exchange: MockExchange, raw: bytes, *wishes: Node, version: str = "14.1") -> Node:
    """The Add of a single message with these Options."""
    server_id = exchange.user("alice").deliver(raw)
    client = Client(exchange, version=version, device=f"device{len(exchange.requests)}")
    changes = client.sync_all("1", options(("AirSync:FilterType", "0"), *wishes))
    return next(change for change in changes if value(change, "ServerId") == server_id)


def test_properties_of_a_message(exchange: MockExchange) -> None:
    add = one(exchange, MIXED, preference(2), version="16.1")
    assert data(add, "To") == 'alice@example.test, "Carol N" <carol@example.test>'
    assert data(add, "Cc") == "dave@example.org"
    assert data(add, "From") == "Bob <bob@example.test>"
    assert data(add, "ReplyTo") == "answers@example.test"
    assert data(add, "Subject") == "Re: Files"
    assert data(add, "ThreadTopic") == "Files"
    assert data(add, "DateReceived") == "2026-11-24T12:00:00.000Z"
    assert data(add, "DisplayTo") == "alice@example.test; Carol N"
    assert data(add, "Importance") == "2"
    assert data(add, "MessageClass") == "IPM.Note"
    assert data(add, "InternetCPID") == "65001"
    assert data(add, "ContentClass") == "urn:content-classes:message"
    assert data(add, "NativeBodyType") == "2"
    assert data(add, "IsDraft") == "0"
    assert len(data(add, "ConversationId") or b"") == 16
    assert len(data(add, "ConversationIndex") or b"") == 10  # five bytes of time, five for the one before


def test_one_conversation_for_a_thread(exchange: MockExchange) -> None:
    first, reply = one(exchange, PLAIN), one(exchange, MIXED)
    assert data(first, "ConversationId") == data(reply, "ConversationId")
    assert data(one(exchange, numbered(7)), "ConversationId") != data(first, "ConversationId")


def test_old_versions_know_less(exchange: MockExchange) -> None:
    add = one(exchange, MIXED, preference(1), version="12.1")
    assert data(add, "ConversationId") is None
    assert data(add, "Categories") is None
    assert data(add, "NativeBodyType") == "2"
    legacy = one(exchange, MIXED, version="2.5")
    for name in ("Flag", "ContentClass", "NativeBodyType"):
        assert data(legacy, name) is None


@proves("MS-ASAIRS_R77")
@pytest.mark.parametrize(
    ("wishes", "kind", "text"),
    [
        ([preference(1)], "1", "Café plain"),
        ([preference(2)], "2", "<p>Café <b>rich</b></p>"),
        ([preference(1), preference(2)], "2", "<p>Café <b>rich</b></p>"),
        ([preference(4)], None, None),
        ([preference(4), preference(1)], "1", "Café plain"),
    ],
    ids=["plain", "html", "native", "mime-without-support", "mime-or-plain"],
)
def test_the_form_is_chosen(exchange: MockExchange, wishes: list[Node], kind: str | None, text: str | None) -> None:
    add = one(exchange, MIXED, *wishes)
    assert data(add, "Body/Data") == text
    if kind is not None:
        assert data(add, "Body/Type") == kind


def test_a_form_the_message_does_not_have_is_made(exchange: MockExchange) -> None:
    made = str(data(one(exchange, PLAIN, preference(2)), "Body/Data"))
    assert "<html>" in made
    assert "Grüße aus Köln" in made
    rich = PLAIN.replace(b"text/plain", b"text/html").replace(b"aus ", b"<b>aus</b> &amp; ")
    assert data(one(exchange, rich, preference(1)), "Body/Data") == "Grüße aus & Köln"


def test_without_a_preference_only_the_size_is_told(exchange: MockExchange) -> None:
    add = one(exchange, PLAIN)
    assert (data(add, "Body/Type"), data(add, "Body/EstimatedDataSize")) == ("1", "19")
    assert data(add, "Body/Truncated") == "1"
    assert data(add, "Body/Data") is None


@proves("MS-ASAIRS_R180", "MS-ASAIRS_R202")
@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, None), (1, "G"), (2, "Gr"), (3, "Gr"), (4, "Grü"), (5, "Grü"), (19, "Grüße aus Köln\r\n")],
)
def test_truncation_counts_bytes_and_splits_no_character(exchange: MockExchange, size: int, shown: str | None) -> None:
    add = one(exchange, PLAIN, preference(1, size))
    assert data(add, "Body/Data") == shown
    assert (data(add, "Body/Truncated") == "1") is (size < 19)
    assert data(add, "Body/EstimatedDataSize") == "19"


@proves("MS-ASAIRS_R78", "MS-ASAIRS_R376", "MS-ASAIRS_R373", "MS-ASAIRS_R75", "MS-ASAIRS_R401")
def test_all_or_none(exchange: MockExchange) -> None:
    cut = one(exchange, MIXED, preference(2, 5, all_or_none=True))
    assert data(cut, "Body/Data") is None
    assert (data(cut, "Body/Type"), data(cut, "Body/Truncated")) == ("2", "1")
    fallback = one(exchange, MIXED, preference(2, 5, all_or_none=True), preference(1, 4))
    assert (data(fallback, "Body/Type"), data(fallback, "Body/Data")) == ("1", "Caf")
    whole = one(exchange, MIXED, preference(2, 5000, all_or_none=True))
    assert data(whole, "Body/Data") is not None
    without_size = one(exchange, MIXED, preference(2, None, all_or_none=True))
    assert data(without_size, "Body/Data") is not None


def test_preview_from_14_0_on(exchange: MockExchange) -> None:
    add = one(exchange, MIXED, preference(2, 0, preview=4))
    assert data(add, "Body/Preview") == "Café"
    assert data(one(exchange, MIXED, preference(1), version="12.1"), "Body/Preview") is None


def test_mime_is_byte_for_byte(exchange: MockExchange) -> None:
    assert data(one(exchange, MIXED, MIME, preference(4)), "Body/Data") == MIXED.decode()
    strange = PLAIN + b"\x00\xff\x0b not text\n"
    assert data(one(exchange, strange, MIME, preference(4)), "Body/Data") == strange


@pytest.mark.parametrize(("code", "size"), [("0", 0), ("1", 4096), ("2", 5120), ("7", 102400), ("8", None)])
def test_mime_truncation(exchange: MockExchange, code: str, size: int | None) -> None:
    raw = numbered(1, "x" * 120_000)
    add = one(exchange, raw, MIME, ("AirSync:MIMETruncation", code), preference(4))
    shown = data(add, "Body/Data") or ""
    assert len(shown) == (len(raw) if size is None else size)
    assert (data(add, "Body/Truncated") == "1") is (size is not None)
    assert data(add, "Body/EstimatedDataSize") == str(len(raw))


@pytest.mark.parametrize("raw", [SIGNED, ENVELOPED], ids=["signed", "enveloped"])
def test_smime_classes_and_mime_for_them_alone(exchange: MockExchange, raw: bytes) -> None:
    add = one(exchange, raw, SMIME_ONLY, preference(4), preference(1))
    expected = "IPM.Note.SMIME.MultipartSigned" if raw is SIGNED else "IPM.Note.SMIME"
    assert data(add, "MessageClass") == expected
    assert (data(add, "Body/Type"), data(add, "Body/Data")) == ("4", raw.decode())
    assert data(add, "Attachments/Attachment/DisplayName") == "smime.p7m"
    ordinary = one(exchange, PLAIN, SMIME_ONLY, preference(4), preference(1))
    assert data(ordinary, "Body/Type") == "1"


def test_attachments(exchange: MockExchange) -> None:
    add = one(exchange, MIXED, preference(1))
    first, second = find_all(add, "ApplicationData/Attachments/Attachment")
    assert value(first, "DisplayName") == "data.bin"
    assert value(first, "FileReference") == "1%3a1%3a0"
    assert (value(first, "Method"), value(first, "EstimatedDataSize")) == ("1", str(len(FILE)))
    assert value(first, "IsInline") is None
    assert (value(second, "ContentId"), value(second, "IsInline")) == ("logo@example.test", "1")
    legacy = one(exchange, MIXED, version="2.5")
    old = find_all(legacy, "ApplicationData/Attachments/Attachment")[0]
    assert [value(old, name) for name in ("AttName", "AttSize", "AttMethod", "DisplayName")] == [
        "1%3a2%3a0",
        str(len(FILE)),
        "1",
        "data.bin",
    ]


def test_an_attached_message_has_method_5(exchange: MockExchange) -> None:
    raw = (
        b"Subject: fwd\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
        b"--x\r\nContent-Type: text/plain\r\n\r\nhi\r\n"
        b"--x\r\nContent-Type: message/rfc822\r\n\r\n" + PLAIN + b"\r\n--x--\r\n"
    )
    add = one(exchange, raw, preference(1))
    assert data(add, "Attachments/Attachment/Method") == "5"
    assert data(add, "Attachments/Attachment/DisplayName") == "Grüße.eml"


@pytest.mark.parametrize(("code", "size"), [("0", 0), ("1", 512), ("4", 5120), ("9", 7002)])
def test_truncation_of_2_5(exchange: MockExchange, code: str, size: int) -> None:
    add = one(exchange, numbered(1, "x" * 7000), ("AirSync:Truncation", code), version="2.5")
    assert len(str(data(add, "Body") or "")) == size
    assert data(add, "BodySize") == "7002"
    assert data(add, "BodyTruncated") == ("0" if code == "9" else "1")


def test_mime_of_2_5(exchange: MockExchange) -> None:
    add = one(exchange, MIXED, MIME, version="2.5")
    assert data(add, "MIMEData") == MIXED.decode()
    assert (data(add, "MIMESize"), data(add, "MIMETruncated")) == (str(len(MIXED)), "0")
    assert data(add, "Body") is None


def test_flags_in_full(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    mailbox.deliver(PLAIN, flag=Flag(1, "Call", "ring back", NOW, NOW, NOW))
    (add,) = Client(exchange).sync_all("1")
    assert data(add, "Flag/Status") == "1"
    assert data(add, "Flag/FlagType") == "Call"
    assert data(add, "Flag/Subject") == "ring back"
    for name in ("DateCompleted", "CompleteTime", "StartDate", "UtcStartDate", "DueDate", "UtcDueDate"):
        assert data(add, f"Flag/{name}") == "2026-11-24T12:00:00.000Z"


def test_body_part_from_14_1_on(exchange: MockExchange) -> None:
    part: Node = ("AirSyncBase:BodyPartPreference", [("AirSyncBase:Type", "2"), ("AirSyncBase:TruncationSize", "3")])
    add = one(exchange, MIXED, preference(1), part)
    assert data(add, "BodyPart/Data") == "<p>"
    assert data(add, "BodyPart/Truncated") == "1"


def test_body_parts_are_html_only(exchange: MockExchange) -> None:
    exchange.user("alice").deliver(MIXED)
    client = Client(exchange)
    client.prime("1")
    part: Node = ("AirSyncBase:BodyPartPreference", [("AirSyncBase:Type", "1")])
    assert value(client.sync_reply("1", options(part)).tree, "Status") == "164"


def test_what_xml_cannot_hold_is_left_out_of_text(exchange: MockExchange) -> None:
    raw = b"Subject: a\x08b =?utf-8?b?AAE=?= c\r\n\r\nbell \x07 and null \x00 here\r\n"
    add = one(exchange, raw, preference(1))
    assert data(add, "Subject") == "ab  c"
    assert data(add, "Body/Data") == "bell  and null  here\r\n"


def fetch_file(client: Client, reference: str, *wishes: Node) -> Node | None:
    nodes: list[Node] = [("ItemOperations:Store", "Mailbox"), ("AirSyncBase:FileReference", reference)]
    if wishes:
        nodes.append(("ItemOperations:Options", list(wishes)))
    return client.command("ItemOperations", ("ItemOperations:ItemOperations", [("ItemOperations:Fetch", nodes)])).tree


def test_attachments_are_fetched_whole_and_in_ranges(exchange: MockExchange) -> None:
    exchange.user("alice").deliver(MIXED)
    client = Client(exchange)
    whole = fetch_file(client, "1%3a1%3a0")
    assert base64.b64decode(str(value(whole, "Response/Fetch/Properties/Data"))) == FILE
    assert value(whole, "Response/Fetch/Properties/ContentType") == "application/octet-stream"
    got = b""
    for first in range(0, len(FILE), 4000):
        tree = fetch_file(client, "1%3a1%3a0", ("ItemOperations:Range", f"{first}-{first + 3999}"))
        got += base64.b64decode(str(value(tree, "Response/Fetch/Properties/Data")))
        last = min(first + 3999, len(FILE) - 1)
        assert value(tree, "Response/Fetch/Properties/Range") == f"{first}-{last}"
        assert value(tree, "Response/Fetch/Properties/Total") == str(len(FILE))
    assert got == FILE
    beyond = fetch_file(client, "1%3a1%3a0", ("ItemOperations:Range", "999999-1000000"))
    assert value(beyond, "Response/Fetch/Status") == "8"


@proves("MS-ASAIRS_R214")
@pytest.mark.parametrize("reference", ["", "1%3a1%3a9", "1%3a77%3a0", "nonsense", "1%3a1%3a-1"])
def test_attachments_that_are_none(exchange: MockExchange, reference: str) -> None:
    exchange.user("alice").deliver(MIXED)
    assert value(fetch_file(Client(exchange), reference), "Response/Fetch/Status") == "15"


@proves("MS-ASCMD_R166")
@pytest.mark.parametrize("version", ["2.5", "12.0", "12.1"])
def test_get_attachment(exchange: MockExchange, version: str) -> None:
    exchange.user("alice").deliver(MIXED)
    client = Client(exchange, version=version)
    reply = client.request("POST", client.target("GetAttachment", AttachmentName="1%3a1%3a0"))
    assert (reply.status, reply.body) == (200, FILE)
    assert reply.headers["content-type"] == "application/octet-stream"
    assert client.request("POST", client.target("GetAttachment", AttachmentName="1%3a1%3a7")).status == 500


def test_get_attachment_is_gone_from_14_0_on(exchange: MockExchange) -> None:
    client = Client(exchange, version="14.0")
    assert client.request("POST", client.target("GetAttachment", AttachmentName="1%3a1%3a0")).status == 400
