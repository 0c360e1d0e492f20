"""The mock's Find (16.1) and what Search got beside the mailbox: photos, libraries, kept results."""

from __future__ import annotations

from datetime import timedelta

import pytest

from emailplus.eas.wbxml import Node
from emailplus.mock import Flag, MockExchange
from emailplus.mock.kql import QueryError, compile_query

from .client import Client, find, find_all, value
from .conftest import NOW
from .mail import MIXED, PLAIN, numbered
from .requirements import proves

GUID = "01234567-89ab-cdef-0123-456789abcdef"


def command(
    client: Client, criterion: str, query: str | list[Node], *options: Node, search_id: str = GUID
) -> Node | None:
    parts: list[Node] = [("Find:Query", query)]
    if options:
        parts.append(("Find:Options", list(options)))
    execute: Node = ("Find:ExecuteSearch", [(f"Find:{criterion}", parts)])
    return client.command("Find", ("Find:Find", [("Find:SearchId", search_id), execute])).tree


def mails(client: Client, words: str, *options: Node, folder: str = "", search_id: str = GUID) -> Node | None:
    query: list[Node] = [("Find:FreeText", words), ("AirSync:Class", "Email")]
    if folder:
        query.append(("AirSync:CollectionId", folder))
    return command(client, "MailBoxSearchCriterion", query, *options, search_id=search_id)


def people(client: Client, text: str, *options: Node) -> Node | None:
    return command(client, "GALSearchCriterion", text, *options)


def subjects(tree: Node | None) -> list[object]:
    return [value(node, "Properties/Subject") for node in find_all(tree, "Response/Result")]


@pytest.fixture
def client(exchange: MockExchange) -> Client:
    return Client(exchange, version="16.1")


@proves(
    "MS-ASCMD_R10031995", "MS-ASCMD_R10031996", "MS-ASCMD_R131999", "MS-ASCMD_R132000", "MS-ASCMD_R132004",
    "MS-ASCMD_R1002501", "MS-ASCMD_R10032003", "MS-ASCMD_R72172508", "MS-ASCMD_R45251807",
)  # fmt: skip
def test_people_by_prefix(exchange: MockExchange, client: Client) -> None:
    for number in range(120):
        exchange.directory.add_person(f"Mike {number:03d}", f"mike{number}@example.test", alias=f"m{number}")
    tree = people(client, "mike", ("Find:Range", "0-149"))
    found = find_all(tree, "Response/Result")
    assert (value(tree, "Status"), value(tree, "Response/Status"), value(tree, "Response/Store")) == (
        "1",
        "1",
        "Mailbox",
    )
    assert (len(found), value(tree, "Response/Total"), value(tree, "Response/Range")) == (100, "120", "0-99")
    names = [str(value(node, "Properties/DisplayName")) for node in found]
    assert names == sorted(names)
    assert value(found[0], "Properties/Alias") == "m0"
    for text in ("Bob", "brown", "bob@"):
        assert value(people(client, text), "Response/Result/Properties/EmailAddress") == "bob@example.test"
    assert find_all(people(client, "rown"), "Response/Result") == []


def test_photos_of_people(exchange: MockExchange, client: Client) -> None:
    for name, size in (("Ann A", 10), ("Ann B", 10), ("Ann C", 900), ("Ann D", 0)):
        exchange.directory.add_person(name, f"{name[-1].lower()}@example.test").photo = bytes(size)
    wanted: list[Node] = [("Find:MaxSize", "100"), ("Find:MaxPictures", "1")]
    tree = people(client, "Ann", ("Find:Range", "0-9"), ("Find:Picture", wanted))
    rows = find_all(tree, "Response/Result")
    assert [value(row, "Properties/Picture/Status") for row in rows] == ["1", "175", "174", "173"]
    assert value(rows[0], "Properties/Picture/Data") == bytes(10)
    old = Client(exchange, version="14.1", device="old")
    options: Node = ("Search:Options", [("Search:Picture", [("Search:MaxSize", "100"), ("Search:MaxPictures", "1")])])
    store: Node = ("Search:Store", [("Search:Name", "GAL"), ("Search:Query", "Ann"), options])
    answer = old.command("Search", ("Search:Search", [store])).tree
    rows = find_all(answer, "Response/Store/Result")
    assert [value(row, "Properties/Picture/Status") for row in rows] == ["1", "175", "174", "173"]


@proves(
    "MS-ASCMD_R38391804", "MS-ASCMD_R38391805",
)  # fmt: skip
def test_mail_in_folders(exchange: MockExchange, client: Client) -> None:
    mailbox = exchange.user("alice")
    inner = mailbox.create_folder("Projects", "Inbox")
    for number, folder in enumerate(("Inbox", "Projects", "Sent Items")):
        mailbox.deliver(numbered(number), folder, received=NOW - timedelta(days=number))
    word = "body"
    everything = mails(client, word, search_id=GUID.replace("0", "1"))
    assert len(subjects(everything)) == 3
    inbox = mails(client, word, folder="1", search_id=GUID.replace("0", "2"))
    assert len(subjects(inbox)) == 1
    deep = mails(client, word, ("Find:DeepTraversal", None), folder="1", search_id=GUID.replace("0", "3"))
    assert len(subjects(deep)) == 2
    ids = {(value(r, "ServerId"), value(r, "CollectionId")) for r in find_all(deep, "Response/Result")}
    assert ids == {("1:1", "1"), (f"{inner.server_id}:1", inner.server_id)}
    nothing = mails(client, "turnip", search_id=GUID.replace("0", "4"))
    assert (subjects(nothing), value(nothing, "Response/Total"), find(nothing, "Response/Range")) == ([], "0", None)


@proves(
    "MS-ASCMD_R3707101813",
    "MS-ASCMD_R37071816",
    "MS-ASCMD_R72172517",
    "MS-ASCMD_R72172518",
)
def test_pages_of_one_search(exchange: MockExchange, client: Client) -> None:
    mailbox = exchange.user("alice")
    ids = [mailbox.deliver(numbered(n), received=NOW - timedelta(hours=n)) for n in range(10)]
    early = mails(client, "body", ("Find:Range", "5-9"))
    assert (value(early, "Status"), value(early, "Response/Status")) == ("1", "4")
    first = mails(client, "body", ("Find:Range", "0-4"))
    assert (len(subjects(first)), value(first, "Response/Range"), value(first, "Response/Total")) == (5, "0-4", "10")
    mailbox.deliver(numbered(99), received=NOW)  # not in a search that is under way
    mailbox.delete(ids[6])
    second = mails(client, "body", ("Find:Range", "5-14"))
    assert [value(r, "ServerId") for r in find_all(second, "Response/Result")] == [ids[n] for n in (5, 7, 8, 9)]


@proves("MS-ASCMD_R72172511", "MS-ASCMD_R72172512", "MS-ASCMD_R72172514", "MS-ASCMD_R72172515")
def test_requests_that_find_refuses(client: Client) -> None:
    assert value(mails(client, "x", search_id="1"), "Status") == "2"
    assert value(mails(client, "x", ("Find:Range", "9-1")), "Status") == "2"
    assert value(mails(client, "colour:red"), "Status") == "2"
    assert value(mails(client, ""), "Status") == "2"
    assert value(mails(client, "x", folder="gone"), "Status") == "3"
    tasks: list[Node] = [("Find:FreeText", "x"), ("AirSync:Class", "Tasks")]
    assert value(command(client, "MailBoxSearchCriterion", tasks), "Status") == "2"
    assert value(people(client, ""), "Status") == "2"


def test_find_exists_in_16_1_alone(exchange: MockExchange) -> None:
    assert value(mails(Client(exchange, version="16.0"), "x"), "Status") == "138"
    assert "Find" in Client(exchange).options().headers["ms-asprotocolcommands"].split(",")


def test_what_a_mail_tells(exchange: MockExchange, client: Client) -> None:
    exchange.user("alice").deliver(MIXED, read=True)
    row = find(mails(client, "hasattachment:true"), "Response/Result")
    assert value(row, "Properties/HasAttachments") == "1"
    assert value(row, "Properties/Read") == "1"
    assert value(row, "Properties/Preview")


def test_the_query_language(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    plain = mailbox.deliver(PLAIN, received=NOW - timedelta(days=3))
    mixed = mailbox.deliver(MIXED, received=NOW, read=True, flag=Flag())

    def found(query: str) -> set[str]:
        meant = compile_query(query)
        return {item.server_id for _, item in mailbox.walk() if meant(item, mailbox.message(item))}

    both = {plain, mixed}
    assert found("isread:true") == {mixed}
    assert found("-isread:true") == found("NOT isread:true") == {plain}
    assert found("isflagged:true") == {mixed}
    assert found(f"received>={NOW.date()}") == {mixed}
    assert found(f"received<{NOW.date()}") == {plain}
    assert found(f"received={NOW.date()} OR isread:false") == both
    assert found("isread:true AND hasattachment:false") == set()
    subject = mailbox.message(mailbox.find(plain)[1]).headers.get("subject")
    assert plain in found(f'subject:"{subject}"')
    assert found("from:nobody") == set()
    for query in ("", "   ", "colour:red", "received:someday"):
        with pytest.raises(QueryError):
            compile_query(query)


@proves("MS-ASCMD_R3739", "MS-ASCMD_R3755", "MS-ASCMD_R3757", "MS-ASCMD_R5426")
def test_a_search_is_kept_until_it_is_rebuilt(exchange: MockExchange) -> None:
    mailbox, client = exchange.user("alice"), Client(exchange)
    ids = [mailbox.deliver(numbered(n), received=NOW - timedelta(hours=n)) for n in range(3)]

    def total(word: str, *options: Node) -> object:
        query: Node = ("Search:Query", [("Search:And", [("Search:FreeText", word)])])
        store: list[Node] = [("Search:Name", "Mailbox"), query, ("Search:Options", list(options))]
        tree = client.command("Search", ("Search:Search", [("Search:Store", store)])).tree
        return value(tree, "Response/Store/Total")

    span: Node = ("Search:Range", "0-9")
    assert total("body", span) == "3"
    mailbox.deliver(numbered(9), received=NOW)
    assert total("body", span) == "3"
    mailbox.delete(ids[0])
    assert total("body", span) == "2"
    assert total("body", span, ("Search:RebuildResults", None)) == "3"
    mailbox.deliver(numbered(10), received=NOW)
    assert total("number", span) is not None  # another query is built anew
    assert total("body", span) == "4"


@proves(
    "MS-ASCMD_R3857", "MS-ASCMD_R3858", "MS-ASCMD_R4335", "MS-ASCMD_R4338", "MS-ASCMD_R4341",
    "MS-ASCMD_R4344", "MS-ASCMD_R4366", "MS-ASCMD_R3734",
)  # fmt: skip
def test_a_document_library(exchange: MockExchange) -> None:
    library, client = exchange.library, Client(exchange)
    library.add("\\\\files\\team\\a.txt", b"abc", "text/plain")
    library.add("\\\\files\\team\\sub\\b.txt", b"abc")

    def search(link: str, *options: Node) -> Node | None:
        equal: Node = ("Search:EqualTo", [("DocumentLibrary:LinkId", None), ("Search:Value", link)])
        parts: list[Node] = [("Search:Name", "DocumentLibrary"), ("Search:Query", [equal])]
        if options:
            parts.append(("Search:Options", list(options)))
        return find(client.command("Search", ("Search:Search", [("Search:Store", parts)])).tree, "Response/Store")

    folder = search("\\\\files\\team", ("Search:Range", "0-999"))
    names = [value(row, "Properties/DisplayName") for row in find_all(folder, "Result")]
    assert (value(folder, "Status"), names) == ("1", ["team", "a.txt", "sub"])
    (file,) = find_all(search("\\\\files\\team\\a.txt"), "Result")
    assert [value(file, f"Properties/{n}") for n in ("IsFolder", "ContentLength", "ContentType")] == [
        "0",
        "3",
        "text/plain",
    ]
    assert value(search("\\\\files\\team\\no"), "Status") == "6"
    assert value(search("a.txt"), "Status") == "4"
    library.account = ("ann", "secret")
    assert value(search("\\\\files\\team"), "Status") == "14"
    wrong: list[Node] = [("Search:UserName", "ann"), ("Search:Password", "x")]
    assert value(search("\\\\files\\team", *wrong), "Status") == "5"
    right: list[Node] = [("Search:UserName", "ann"), ("Search:Password", "secret")]
    assert value(search("\\\\files\\team", *right), "Status") == "1"
    library.reachable = False
    assert value(search("\\\\files\\team"), "Status") == "7"
