"""Search and Find: published messages, people in every version, mail, document libraries, wrong answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from emailplus.eas.commands import find, search
from emailplus.eas.commands.search import Credentials
from emailplus.eas.flows import search as flows
from emailplus.eas.versions import VERSIONS
from emailplus.eas.wbxml import Node
from emailplus.errors import (
    AuthenticationFailed,
    CommandFailed,
    FolderHierarchyChanged,
    MalformedResponse,
    NotOffered,
    UsageError,
)
from emailplus.mock import Http, Rewrite, Status
from emailplus.mock.mailbox import long_id
from emailplus.model.search import MailQuery
from emailplus.policy.body_preference import BodyPreference, BodyRequest

from ..flows.world import NOW, World, deliver, mail
from ..mock.validate import problems
from .published import example

EVERY = ["2.5", "12.0", "12.1", "14.0", "14.1", "16.0", "16.1"]
GUID = "01234567-89ab-cdef-0123-456789abcdef"
V141, V161 = VERSIONS["14.1"], VERSIONS["16.1"]


# -- what was published


def ordered(node: Node) -> Node:
    """Options may stand in any order (the schema's choice); the rest may not."""
    tag, content = node
    if not isinstance(content, list):
        return node
    children = [ordered(child) for child in content]
    return tag, sorted(children, key=lambda child: child[0]) if tag == "Search:Options" else children


@pytest.mark.parametrize(
    ("number", "built"),
    [
        (31, search.build_mailbox(MailQuery("Sales Totals", "7", deep=False), 0, 4, None, V141)),
        (84, search.build_documents("\\\\somehost\\directory", 0, 999, V141)),
    ],
)
def test_published_requests_are_built(number: int, built: Node) -> None:
    assert ordered(built) == ordered(example(number, "request"))


def test_the_published_request_without_a_class_differs_in_it_alone() -> None:
    """We always name the class: without it an old server also answers with other items."""
    built = search.build_mailbox(MailQuery("Presentation", "7"), 0, 4, None, V141)
    published = repr(ordered(example(41, "request")))
    assert repr(ordered(built)).replace("('AirSync:Class', 'Email'), ", "") == published


def test_the_published_people_are_read() -> None:
    page = search.parse_gal(example(47, "response"))
    assert (page.first, page.total, page.complete, page.unreadable) == (0, 11, False, 0)
    kerry, gray = page.results
    assert (kerry.display_name, kerry.alias, kerry.title, kerry.office) == (
        "Anat Kerry", "anatk", "SDE", "Bldg36/6163",
    )  # fmt: skip
    assert (gray.email, gray.mobile_phone, gray.photo) == ("anatg@contoso.com", "+1 (953) 5550167", None)


@pytest.mark.parametrize("number", [32, 42, 45])
def test_the_published_mail_is_read(number: int) -> None:
    page = search.parse_mailbox(example(number, "response"))
    (hit,) = page.results
    assert hit.message.subject in ("Sales Totals for April", "Presentation", "Subject")
    assert hit.long_id.startswith("RgAAAA")
    assert hit.collection_id in ("6", "7")
    assert hit.message.received is not None
    assert hit.message.received.year == 2007
    assert (page.total, page.complete) == (1, True)


def test_the_published_library_is_read() -> None:
    root, folder, file = search.parse_documents(example(85, "response")).results
    assert (root.link_id, root.is_folder) == ("\\\\somehost\\directory", True)
    assert (folder.name, folder.size) == ("resource", None)
    assert (file.name, file.is_folder, file.size, file.content_type) == ("TestFile.txt", False, 88, "text/plain")
    assert file.created == datetime(2004, 3, 2, 12, 34, 56, 123000, tzinfo=UTC)


# -- people


@pytest.mark.parametrize("version", EVERY)
def test_people_in_every_version(make_world: Callable[..., World], version: str) -> None:
    world = make_world(versions=(version,))
    bob = world.exchange.directory.entry("bob")
    bob.photo, bob.title, bob.phone, bob.mobile_phone = b"\x89PNG", "Buyer", "+61 2 5550 0101", "+61 4 5550 0102"
    with world.open() as mailbox:
        (found,) = mailbox.search_gal("bob", photo_size=1000)
        assert mailbox.search_gal("nobody") == []
    assert (found.display_name, found.first_name, found.last_name) == ("Bob Brown", "Bob", "Brown")
    assert (found.email, found.alias, found.title) == ("bob@example.test", "bob", "Buyer")
    assert (found.phone, found.mobile_phone) == ("+61 2 5550 0101", "+61 4 5550 0102")
    assert (found.photo.data if found.photo else None) == (b"\x89PNG" if VERSIONS[version].code >= 141 else None)
    asked = {request.command for request in world.exchange.requests if request.command in ("Find", "Search")}
    assert asked == ({"Find"} if version == "16.1" else {"Search"})


@pytest.mark.parametrize("fault", [Status(137), Http(501), Status(2)])
def test_a_server_without_find_is_asked_by_search(make_world: Callable[..., World], fault: Any) -> None:
    world = make_world(versions=("16.1",))
    world.exchange.faults.add(fault, "Find")
    with world.open() as mailbox:
        (found,) = mailbox.search_gal("bob")
    assert found.email == "bob@example.test"


def test_people_are_named_and_ordered_as_the_user_wants(world: World) -> None:
    for first, last in (("Dan", "Zimmer"), ("Zoe", "Adams"), ("Émile", "Ng")):
        entry = world.exchange.directory.add_person(f"{last} {first}", f"x.{first.lower()}@example.test")
        entry.first_name, entry.last_name = first, last
    keys = {"gal_search_display_name": "false", "contacts_display_order": "first_last"}
    with world.open(keys) as mailbox:
        assert [p.shown_name for p in mailbox.search_gal("x.")] == ["Dan Zimmer", "Émile Ng", "Zoe Adams"]
        mailbox.settings.choose("contacts_display_order", "last_first")
        assert [p.shown_name for p in mailbox.search_gal("x.")] == ["Adams, Zoe", "Ng, Émile", "Zimmer, Dan"]
        mailbox.settings.choose("gal_display_name", True)
        assert [p.shown_name for p in mailbox.search_gal("x.")] == ["Adams Zoe", "Ng Émile", "Zimmer Dan"]


def test_a_look_up_while_typing_starts_at_the_configured_length(world: World) -> None:
    with world.open({"gal_search_minimum_characters": "3"}) as mailbox:
        mailbox.sync()
        before = len(world.exchange.requests)
        assert mailbox.search_gal("bo", automatic=True) == []
        assert len(world.exchange.requests) == before
        assert [p.email for p in mailbox.search_gal("bob", automatic=True)] == ["bob@example.test"]
        assert [p.email for p in mailbox.search_gal("bo")] == ["bob@example.test"]  # a person asked for it
    with world.open({"gal_search_minimum_characters": "5"}) as mailbox:
        assert mailbox.search_gal("bob", automatic=True) == []


# -- mail


def run(world: World, flow: Callable[[Any], Any], **more: Any) -> Any:
    with world.open(**more) as mailbox:
        return mailbox._converse(flow)


@pytest.mark.parametrize("version", EVERY[1:])
def test_mail_in_every_version(make_world: Callable[..., World], version: str) -> None:
    world = make_world(versions=(version,))
    server_id = deliver(world.alice, mail("Quarterly figures", "All about turnips."), days=3)
    deliver(world.alice, mail("Lunch", "Soup."), days=2)
    found = run(world, lambda session: flows.search_mail(session, MailQuery("turnips"), 10, GUID))
    (hit,) = found.results
    assert (hit.message.subject, hit.collection_id) == ("Quarterly figures", "1")
    assert hit.server_id == server_id if version == "16.1" else hit.long_id == long_id(server_id)
    assert (found.total, found.complete) == (1, True)


def test_mail_search_does_not_exist_in_2_5(make_world: Callable[..., World]) -> None:
    world = make_world(versions=("2.5",))
    with pytest.raises(NotOffered, match=r"12\.0"):
        run(world, lambda session: flows.search_mail(session, MailQuery("x"), 10, GUID))


def test_dates_folders_and_conversations(make_world: Callable[..., World]) -> None:
    world = make_world(versions=("14.1",))
    world.alice.create_folder("Projects", "Inbox")
    for days in range(1, 6):
        deliver(world.alice, mail(f"day {days}", "turnips"), days=days)
    deliver(world.alice, mail("filed", "turnips"), days=2, folder="Projects")
    inbox = "1"

    def subjects(query: MailQuery) -> list[str]:
        page = run(world, lambda session: flows.search_mail(session, query, 50, GUID))
        return [hit.message.subject for hit in page.results]

    assert subjects(MailQuery("turnips", inbox, deep=False)) == [f"day {n}" for n in range(1, 6)]
    assert "filed" in subjects(MailQuery("turnips", inbox))
    span = MailQuery(after=NOW - timedelta(days=3.5), before=NOW - timedelta(days=1.5), folder=inbox, deep=False)
    assert subjects(span) == ["day 2", "day 3"]
    first = run(world, lambda session: flows.search_mail(session, MailQuery("day"), 1, GUID)).results[0]
    assert first.message.conversation_id
    assert subjects(MailQuery(conversation=first.message.conversation_id)) == ["day 1"]


@pytest.mark.parametrize("version", ["14.1", "16.1"])
def test_page_after_page(make_world: Callable[..., World], version: str) -> None:
    world = make_world(versions=(version,))
    for number in range(230):
        deliver(world.alice, mail(f"turnip {number}"), days=1 + number / 1000)
    page = run(world, lambda session: flows.search_mail(session, MailQuery("turnip"), 1000, GUID))
    names = [hit.message.subject for hit in page.results]
    assert names == [f"turnip {number}" for number in range(len(names))]
    # Search gives a hundred results at most (MS-ASCMD_R3733), Find up to position 999.
    assert (len(names), page.total, page.complete) == ((230, 230, True) if version == "16.1" else (100, 230, False))


def test_a_body_comes_along_as_asked(make_world: Callable[..., World]) -> None:
    world = make_world(versions=("14.1",))
    deliver(world.alice, mail("turnip", "0123456789" * 10))
    body = BodyRequest((BodyPreference(1, 20),), 0)
    page = run(world, lambda session: flows.search_mail(session, MailQuery("turnip"), 5, GUID, body))
    (hit,) = page.results
    assert hit.message.body is not None
    assert (hit.message.body.data, hit.message.body.truncated) == (b"01234567890123456789", True)


def test_find_gives_a_preview_and_tells_of_attachments(make_world: Callable[..., World]) -> None:
    world = make_world(versions=("16.1",))
    deliver(world.alice, mail("turnip one", "See  the\nfile.", attachments=(("a.bin", b"abc"),)), days=1)
    deliver(world.alice, mail("turnip two"), days=2)
    page = run(world, lambda session: flows.search_mail(session, MailQuery("subject:turnip"), 5, GUID))
    assert [(hit.message.preview, hit.has_attachments) for hit in page.results] == [
        ("See the file.", True),
        ("Hello.", False),
    ]
    assert page.results[0].message.sender == '"Bob" <bob@example.test>'


def test_an_outdated_hierarchy_is_told_as_such(make_world: Callable[..., World]) -> None:
    world = make_world(versions=("16.1",))
    with pytest.raises(FolderHierarchyChanged):
        run(world, lambda session: flows.search_mail(session, MailQuery("x", "gone"), 5, GUID))


# -- document libraries


def test_a_library_is_listed(world: World) -> None:
    library = world.exchange.library
    library.add("\\\\files\\team\\notes.txt", b"text", "text/plain")
    library.add("\\\\files\\team\\old\\a.bin", b"1234")
    page = run(world, lambda session: flows.search_documents(session, "\\\\files\\team"))
    assert [(d.name, d.is_folder, d.size) for d in page.results] == [
        ("team", True, None),
        ("notes.txt", False, 4),
        ("old", True, None),
    ]
    (one,) = run(world, lambda session: flows.search_documents(session, "\\\\files\\team\\notes.txt")).results
    assert (one.content_type, one.link_id) == ("text/plain", "\\\\files\\team\\notes.txt")
    for link, code in (("\\\\files\\none", 6), ("notes.txt", 4)):
        with pytest.raises(CommandFailed) as caught:
            run(world, lambda session, link=link: flows.search_documents(session, link))
        assert caught.value.status == code


def test_credentials_for_a_library_travel_only_when_asked_for_and_only_over_tls(
    make_world: Callable[..., World],
) -> None:
    world = make_world(tls=True, versions=("14.1",))
    library = world.exchange.library
    library.add("\\\\files\\team\\notes.txt", b"text")
    secret = Credentials("DOM\\ann", "library-secret")

    def listed(session: Any) -> Any:
        return flows.search_documents(session, "\\\\files\\team", credentials=secret)

    assert len(run(world, listed).results) == 2
    library.account = (secret.user, secret.password)
    with pytest.raises(AuthenticationFailed, match="library"):
        run(world, listed)  # over plain HTTP
    sent = [request.tree for request in world.exchange.requests.of("Search")]
    assert "library-secret" not in repr(sent)
    keys = {
        "email_ssl_required": "true",
        "email_trust_all_certificates": "true",
        "email_exchange_host": world.exchange.url_tls.split("/")[2],
    }
    assert len(run(world, listed, keys=keys).results) == 2


# -- what may go wrong


def test_what_no_server_takes_is_not_built() -> None:
    for call in (
        lambda: search.build_gal(" ", 0, 1, V141),
        lambda: search.build_gal("x" * 1025, 0, 1, V141),
        lambda: search.build_gal("x", 0, 100, V141),
        lambda: search.build_gal("x", 5, 4, V141),
        lambda: search.build_mailbox(MailQuery(), 0, 1, None, V141),
        lambda: search.build_mailbox(MailQuery("x", after=datetime(2026, 1, 1)), 0, 1, None, V141),
        lambda: search.build_documents("", 0, 1, V141),
        lambda: search.build_documents("\\\\a\\b", 0, 1, V141, Credentials("u" * 101, "p")),
        lambda: find.build_mailbox(MailQuery(), GUID, 0, 1, V161),
        lambda: find.build_mailbox(MailQuery("x"), "no guid", 0, 1, V161),
        lambda: find.build_gal("x", GUID, 0, 1000, V161),
        lambda: find.build_gal("", GUID, 0, 9, V161),
    ):
        with pytest.raises(UsageError):
            call()
    with pytest.raises(NotOffered):
        find.build_gal("x", GUID, 0, 9, VERSIONS["16.0"])


@pytest.mark.parametrize("query", [MailQuery("x"), MailQuery("x", "7", deep=False, after=NOW, before=NOW)])
def test_every_request_obeys_its_schema(query: MailQuery) -> None:
    body = BodyRequest((BodyPreference(2, 100), BodyPreference(4, None)), 2)
    for version in (VERSIONS[name] for name in EVERY[1:]):
        for request in (
            search.build_mailbox(query, 0, 9, body, version),
            search.build_gal("x", 0, 9, version, photo_size=5, max_photos=2),
            search.build_documents("\\\\a\\b", 0, 9, version, Credentials("u", "p")),
        ):
            assert problems(request, version.name, "Request") == []
    assert problems(find.build_mailbox(query, GUID, 0, 9, V161), "16.1", "Request") == []
    assert problems(find.build_gal("x", GUID, 0, 9, V161, photo_size=5, max_photos=1), "16.1", "Request") == []


def _store(*nodes: Node) -> Node:
    return ("Search:Search", [("Search:Status", "1"), ("Search:Response", [("Search:Store", list(nodes))])])


def test_hostile_answers_give_typed_errors_or_less() -> None:
    for answer in (
        ("AirSync:Sync", None),
        ("Search:Search", None),
        ("Search:Search", [("Search:Status", "x")]),
        _store(("Search:Status", "1.5")),
    ):
        with pytest.raises(MalformedResponse):
            search.parse_gal(answer)
    for answer in (("Find:Find", [("Find:Status", "1")]), ("Search:Search", None)):
        with pytest.raises(MalformedResponse):
            find.parse_mailbox(answer)
    bad: Node = ("Search:Result", [("Search:Properties", [("Email:DateReceived", "some day")])])
    good: Node = ("Search:Result", [("Search:Properties", [("Email:Subject", "fine")])])
    page = search.parse_mailbox(_store(("Search:Status", "1"), bad, good, ("Search:Range", "9-many")))
    assert [hit.message.subject for hit in page.results] == ["fine"]
    assert (page.unreadable, page.first, page.total) == (1, 0, 2)
    nobody: Node = ("Search:Result", [("Search:Properties", [("GAL:Picture", [("GAL:Status", "173")])])])
    assert search.parse_gal(_store(nobody)).results == []
    assert search.parse_documents(_store(("Search:Result", [("Search:Properties", None)]))).unreadable == 1


def test_a_server_that_never_ends_is_not_asked_for_ever(make_world: Callable[..., World]) -> None:
    world = make_world(versions=("16.1",))
    deliver(world.alice, mail("turnip"))

    def endless(tree: Node) -> Node:
        tag, content = tree
        if tag == "Find:Total":
            return tag, "999999"
        return tag, [endless(node) for node in content] if isinstance(content, list) else content

    world.exchange.faults.add(Rewrite(endless), "Find", times=50)
    page = run(world, lambda session: flows.search_mail(session, MailQuery("turnip"), 1000, GUID))
    assert (len(page.results), page.complete) == (1, False)
    assert len(world.exchange.requests.of("Find")) == 2
