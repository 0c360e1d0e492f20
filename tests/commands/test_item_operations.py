"""ItemOperations: published messages, found mail, documents piece by piece, folders emptied, conversations moved."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailplus.eas import multipart
from emailplus.eas.commands import item_operations
from emailplus.eas.commands.search import Credentials
from emailplus.eas.flows import operations, search
from emailplus.eas.wbxml import Node, encode
from emailplus.errors import (
    AuthenticationFailed,
    CommandFailed,
    ItemUnavailable,
    MalformedResponse,
    NotOffered,
    ResponseTooLarge,
    UsageError,
    WbxmlError,
)
from emailplus.mock import LoseResponse, Rewrite, Status
from emailplus.mock.exchange import multipart_body
from emailplus.mock.mailbox import long_id
from emailplus.model.search import FoundMail, MailQuery
from emailplus.policy.body_preference import BodyPreference, BodyRequest

from ..flows.world import World, deliver, mail, noise
from ..mock.validate import problems
from .published import example

GUID = "01234567-89ab-cdef-0123-456789abcdef"
LINK = "\\\\files\\team\\report.bin"
FROM_12 = ["12.0", "12.1", "14.0", "14.1", "16.0", "16.1"]
TEXT = BodyRequest((BodyPreference(1, None),), 0)


def test_published_requests() -> None:
    assert item_operations.build_empty_folder("15") == example(54, "request")
    assert item_operations.build_attachments(["7%3a1%3a0"]) == example(37, "request")
    link = "\\\\somehost\\directory\\ActiveSyncDocumentFetch.txt"
    assert repr(item_operations.build_document(link, 10, 19)) == repr(example(86, "request")).replace("\\n", "")
    moved = item_operations.build_move(b"...", "15")
    assert sorted(moved[1][0][1], key=repr) == sorted(example(100, "request")[1][0][1], key=repr)  # type: ignore
    found = item_operations.build_found("X", TEXT)
    shape = [child[0] for child in found[1][0][1]]  # type: ignore[index, union-attr]
    assert shape == [child[0] for child in example(33, "request")[1][0][1]]  # type: ignore[index, union-attr]


def test_published_answers() -> None:
    for number, subject in ((28, "Subject"), (30, "opaque s + e"), (34, "Sales Totals for April")):
        item = item_operations.parse_item(example(number, "response"))
        assert item.message is not None
        assert item.message.subject == subject
        assert item.message.body is not None
        assert item.item_class == "Email"
    (attachment,) = item_operations.parse_attachments(example(38, "response"))
    assert attachment.data.startswith(b"Source Depot System Requirements")
    document = item_operations.parse_document(example(87, "response"))
    assert (document.data, document.first, document.total) == (b"KLMNOPQRST", 10, 26)
    assert item_operations.parse_operation(example(55, "response"), "EmptyFolderContents") == 1
    assert item_operations.parse_operation(example(101, "response"), "Move") == 1
    with pytest.raises(MalformedResponse):  # an answer about something else is no success
        item_operations.parse_operation(example(101, "response"), "EmptyFolderContents")


def test_every_request_obeys_its_schema() -> None:
    for request in (
        item_operations.build_found("X", BodyRequest((BodyPreference(2, 9), BodyPreference(4, None)), 2)),
        item_operations.build_document(LINK, 0, 9, Credentials("u", "p")),
        item_operations.build_empty_folder("1", subfolders=True),
        item_operations.build_move(b"\x01\x02", "5"),
        item_operations.build_attachments(["a", "b"], 5),
    ):
        assert problems(request, "16.1", "Request") == []


# -- found mail


@pytest.mark.parametrize("version", FROM_12)
def test_found_mail_is_fetched_whole(make_world: Callable[..., World], version: str) -> None:
    world = make_world(versions=(version,))
    text = "A long line of turnips.\n" * 2000
    server_id = deliver(world.alice, mail("found", text))
    with world.open() as mailbox:
        page = mailbox._converse(lambda session: search.search_mail(session, MailQuery("turnips"), 5, GUID))
        message = mailbox.fetch_found(page.results[0])
        assert message.body is not None
        assert (message.subject, message.body.truncated) == ("found", False)
        assert b"".join(message.body.data.split()).count(b"turnips") == 2000
        assert mailbox.search() == []  # nothing came into the store
        world.alice.delete(server_id)
        with pytest.raises(CommandFailed) as caught:
            mailbox.fetch_found(page.results[0])
        assert caught.value.status == 6
    multiparts = [r for r in world.exchange.requests.of("ItemOperations") if "multipart" in repr(r.response_headers)]
    assert multiparts, "the body was to come beside the tree"


# -- documents


@pytest.mark.parametrize("size", [0, 1, 5000, (1 << 20), (1 << 20) + 1, 2_500_000])
def test_a_document_comes_piece_by_piece(world: World, size: int) -> None:
    content = noise(size)
    world.exchange.library.add(LINK, content)
    with world.open() as mailbox:
        assert mailbox.document(LINK) == content
        assert [document.size for document in mailbox.documents(LINK)] == [size]
    pieces = len(world.exchange.requests.of("ItemOperations"))
    assert pieces == max(1, -(-size // (1 << 20)))


def test_a_lost_answer_is_asked_for_again(world: World) -> None:
    content = noise(1_500_000)
    world.exchange.library.add(LINK, content)
    world.exchange.faults.add(LoseResponse(), "ItemOperations", nth=2)
    with world.open() as mailbox:
        assert mailbox.document(LINK) == content


def test_a_document_that_changes_is_begun_anew(world: World) -> None:
    document = world.exchange.library.add(LINK, noise(1_500_000, 1))
    fresh = noise(1_600_000, 2)

    def change(tree: Node) -> Node:
        if document.content != fresh:
            document.content = fresh
            document.modified += timedelta(seconds=5)
        return tree

    world.exchange.faults.add(Rewrite(change), "ItemOperations", times=1)
    with world.open() as mailbox:
        assert mailbox.document(LINK) == fresh


def test_what_is_no_document(world: World) -> None:
    world.exchange.library.add(LINK, noise(5000))
    with world.open() as mailbox:
        for link, code in (("\\\\files\\team", 6), ("\\\\files\\none", 6), ("report.bin", 4)):
            with pytest.raises(CommandFailed) as caught:
                mailbox.document(link)
            assert caught.value.status == code
        with pytest.raises(ResponseTooLarge):
            mailbox.document(LINK, max_bytes=4999)
        world.exchange.library.account = ("ann", "library-secret")
        with pytest.raises(AuthenticationFailed):
            mailbox.document(LINK, user="ann", password="library-secret")  # not over plain HTTP
    assert "library-secret" not in repr([r.tree for r in world.exchange.requests])


def test_credentials_over_tls(make_world: Callable[..., World]) -> None:
    world = make_world(tls=True, versions=("14.1",))
    world.exchange.library.add(LINK, b"content")
    world.exchange.library.account = ("ann", "library-secret")
    keys = {
        "email_ssl_required": "true",
        "email_trust_all_certificates": "true",
        "email_exchange_host": world.exchange.url_tls.split("/")[2],
    }
    with world.open(keys) as mailbox:
        assert mailbox.document(LINK, user="ann", password="library-secret") == b"content"
        with pytest.raises(AuthenticationFailed):
            mailbox.document(LINK, user="ann", password="wrong")


# -- whole folders and conversations


@pytest.mark.parametrize("version", ["14.0", "14.1", "16.0", "16.1"])
def test_a_conversation_is_moved(make_world: Callable[..., World], version: str) -> None:
    world = make_world(versions=(version,))
    world.alice.create_folder("Projects", "Inbox")
    deliver(world.alice, mail("turnips"))
    deliver(world.alice, mail("other"))
    with world.open() as mailbox:
        mailbox.sync()
        (turnips,) = mailbox.search("subject:turnips")
        mailbox.move_conversation(turnips.id, "Inbox/Projects")
        mailbox.sync()
        (moved,) = mailbox.search("subject:turnips")
        assert (moved.id, moved.folder) == (turnips.id, "Projects")
        with pytest.raises(CommandFailed) as caught:
            mailbox.move_conversation(turnips.id, "Calendar")
        assert caught.value.status == 156


def test_conversations_that_cannot_be_moved(make_world: Callable[..., World]) -> None:
    world = make_world(versions=("12.1",))
    deliver(world.alice, mail("turnips"))
    with world.open() as mailbox:
        mailbox.sync()
        (turnips,) = mailbox.search()
        with pytest.raises(UsageError):
            mailbox.move_conversation(turnips.id, "Inbox")
        with pytest.raises(NotOffered):
            mailbox._converse(lambda session: operations.move_conversation(session, b"x", "1"))


# -- multipart


def test_parts_take_the_place_of_data() -> None:
    body: Node = ("AirSyncBase:Body", [("AirSyncBase:Type", "1"), ("ItemOperations:Part", "2")])
    properties: Node = ("ItemOperations:Properties", [("ItemOperations:Part", "1"), body])
    tree: Node = ("ItemOperations:ItemOperations", [properties])
    resolved = multipart.decode_multipart(multipart_body(encode(tree), [b"file", b"text"]))
    assert resolved == (
        "ItemOperations:ItemOperations",
        [
            (
                "ItemOperations:Properties",
                [
                    ("ItemOperations:Data", b"file"),
                    ("AirSyncBase:Body", [("AirSyncBase:Type", "1"), ("AirSyncBase:Data", b"text")]),
                ],
            )
        ],
    )


def test_multiparts_that_do_not_fit() -> None:
    good = multipart_body(encode(("ItemOperations:ItemOperations", [("ItemOperations:Part", "1")])), [b"x"])
    for number in ("0", "2", "-1", "one"):
        tree: Node = ("ItemOperations:ItemOperations", [("ItemOperations:Part", number)])
        with pytest.raises(MalformedResponse):
            multipart.decode_multipart(multipart_body(encode(tree), [b"x"]))
    counts = [struct.pack("<i", count) + good[4:] for count in (-1, 0, 3, 10**6)]
    for bad in (b"", good[:3], good[:9], good[:-1], *counts):
        with pytest.raises((MalformedResponse, WbxmlError)):
            multipart.decode_multipart(bad)
    overlapping = struct.pack("<iiiii", 2, 20, 40, 20, 40) + bytes(40)
    with pytest.raises(MalformedResponse, match="overlap"):
        multipart.split(overlapping)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_multipart_or_a_typed_error(body: bytes) -> None:
    try:
        multipart.decode_multipart(body)
    except (MalformedResponse, WbxmlError):
        pass


def test_cut_and_garbled_multiparts_end_in_typed_errors() -> None:
    good = multipart_body(encode(("ItemOperations:ItemOperations", [("ItemOperations:Part", "1")])), [b"x" * 50])
    chance = random.Random(4)
    for _ in range(500):
        bad = bytearray(good[: chance.randrange(len(good) + 1)])
        for _ in range(chance.randrange(4)):
            if bad:
                bad[chance.randrange(len(bad))] = chance.randrange(256)
        try:
            multipart.decode_multipart(bytes(bad))
        except (MalformedResponse, WbxmlError):
            pass


# -- what may go wrong


def _answer(*nodes: Node) -> Node:
    status: Node = ("ItemOperations:Status", "1")
    return ("ItemOperations:ItemOperations", [status, ("ItemOperations:Response", list(nodes))])


def test_hostile_answers(world: World) -> None:
    for parse in (
        item_operations.parse_item,
        item_operations.parse_document,
    ):
        for bad in (("AirSync:Sync", None), _answer()):
            with pytest.raises(MalformedResponse):
                parse(bad)
    data: Node = ("ItemOperations:Properties", [("ItemOperations:Data", "no base64!")])
    with pytest.raises(MalformedResponse):
        item_operations.parse_document(_answer(("ItemOperations:Fetch", [("ItemOperations:Status", "1"), data])))
    odd: Node = ("ItemOperations:Properties", [("Email:Importance", "high")])
    fetched = item_operations.parse_item(_answer(("ItemOperations:Fetch", [("ItemOperations:Status", "1"), odd])))
    assert fetched.message is None
    deliver(world.alice, mail("x"))

    def senseless(tree: Any) -> Any:
        tag, content = tree
        if tag == "Email:DateReceived":
            return tag, "some day"
        return tag, [senseless(node) for node in content] if isinstance(content, list) else content

    world.exchange.faults.add(Rewrite(senseless), "ItemOperations")
    with world.open() as mailbox:
        with pytest.raises(ItemUnavailable):
            mailbox.fetch_found(FoundMail(None, "1", long_id=long_id("1:1")))  # type: ignore[arg-type]
        world.exchange.faults.add(Status(2), "ItemOperations")
        with pytest.raises(CommandFailed):
            mailbox._converse(lambda session: operations.move_conversation(session, b"x", "1"))


def test_ranges_that_are_none() -> None:
    for first, last in ((-1, 5), (5, 4), (0, 10**9)):
        with pytest.raises(UsageError):
            item_operations.build_document(LINK, first, last)
