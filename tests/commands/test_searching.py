"""Search for people: the guide's tokens, suggestions, one folder or all, and the server beyond what is here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailplus.errors import CommandFailed, ConnectionFailed, NotOffered, UsageError
from emailplus.mailbox import AsyncMailbox
from emailplus.mock import Drop, Flag, Status
from emailplus.searching import plan
from emailplus.store import tokens
from emailplus.store.search import parse, search
from emailplus.store.store import Store

from ..flows.world import KEY, World, deliver, mail
from ..store.mail import attachment, index_all, message, new_store, window

# -- the language: the guide's tokens


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with new_store(tmp_path_factory.mktemp("tokens") / "mailbox.db") as opened:
        invite = "IPM.Schedule.Meeting.Request"
        day = [datetime(2026, 1, number, 12, tzinfo=UTC) for number in range(1, 9)]
        window(
            opened,
            added=[
                message("a", "Turnips and radishes", "turnip soup", received=day[0], flag_status=2),
                message("b", "Planning", "turnip", received=day[1], message_class=invite, read=True,
                        sender='"Bob, Big" <BOB@example.com>', categories=("Garden", "Urgent")),
                message("c", "A date", received=day[2], sender="joann@example.com",
                        attachments=[attachment("party.ics", 100, content_type="application/octet-stream")]),
                message("d", "A file", "turnips turnips", received=day[3], sender="Ann <ann@example.com>",
                        attachments=[attachment("plan.pdf", 100)]),
            ],
        )  # fmt: skip
        window(opened, 2, added=[message("e", "Old", "turnip", received=day[4], sender="Bob <bob@example.com>")])
        index_all(opened)
        yield opened


def found(store: Store, query: str, **more: Any) -> str:
    ids = search(store.database, query, **more)
    return "".join(hit.server_id for hit in store.messages(ids))


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("has:invite", "cb"),
        ("-has:invites", "eda"),
        ("sender:bob", "eb"),
        ("keyword:turnip", "eba"),
        ("keyword:turnip is:unread", "ea"),
        ("keyword:unread", ""),
        ("is:flagged keyword:turnip", "a"),
        ("has:attachment has:invite", "c"),
        ("is:vip", ""),
        ("-is:vip", "edcba"),
    ],
)
def test_tokens(store: Store, query: str, ids: str) -> None:
    assert found(store, query) == ids


def test_one_folder_or_all(store: Store) -> None:
    assert found(store, "turnip OR turnips") == "edba"
    assert found(store, "turnip OR turnips", folder="Inbox") == "dba"
    assert found(store, "", folder="archive") == "e"
    with pytest.raises(UsageError, match="no folder"):
        found(store, "turnip", folder="Attic")


def test_smart_folders_exist_where_the_feature_is_on(store: Store) -> None:
    for name in ('in:"all mails"', "in:starred", "in:spam"):
        with pytest.raises(UsageError, match="no folder"):
            found(store, name)
    assert found(store, 'in:"all mails"', smart_folders=True) == "edcba"
    assert found(store, "in:starred", smart_folders=True) == "a"
    assert found(store, "in:spam", smart_folders=True) == ""
    assert found(store, "turnip", folder="starred", smart_folders=True) == "a"


def test_mail_from_people_marked_vip(store: Store) -> None:
    database = store.database
    database.execute(
        "INSERT INTO items (id, folder_id, class, server_id, people) VALUES (7, 1, 'Contacts', 'x', 'ann@example.com')"
    )
    database.execute("INSERT INTO vips (item_id) VALUES (7)")
    try:
        assert found(store, "is:vip") == "da"  # and not joann@
        assert found(store, "is:vip has:attachment") == "d"
    finally:
        database.execute("DELETE FROM items")


# -- suggestions


def test_the_guide_s_five_are_suggested_by_themselves(store: Store) -> None:
    suggested = tokens.suggest(store.database)
    assert [token.label for token in suggested[:5]] == [
        "Unread Messages", "Flagged Messages", "Messages from VIP", "Messages with Attachments",
        "Messages with Calendar Invites",
    ]  # fmt: skip
    senders = [(token.kind, token.query, token.count) for token in suggested[5:]]
    assert senders[0] == ("sender", 'sender:"ann@example.com"', 2)
    assert senders[1] == ("sender", 'sender:"bob@example.com"', 2)


def test_the_user_s_own_mail_is_suggested(store: Store) -> None:
    def labels(typed: str, kind: str) -> list[tuple[str, int]]:
        return [(t.label, t.count) for t in tokens.suggest(store.database, typed) if t.kind == kind]

    assert labels("bo", "sender")[0][1] == 2
    assert labels("turn", "keyword") == [("turnip", 3), ("turnips", 2)]
    assert labels("gar", "category") == [("Garden", 1)]
    assert labels("arch", "folder") == [("Archive", 1)]
    assert labels("unr", "state") == [("Unread Messages", 0)]
    assert labels("messages", "state") == [(t.label, 0) for t in tokens.DEFAULTS]
    assert tokens.suggest(store.database, "xyzzy") == []
    smart = tokens.suggest(store.database, "star", smart_folders=True)
    assert [t.query for t in smart if t.label == "Starred"] == ["in:starred"]


@given(st.text(max_size=20))
def test_every_suggestion_is_a_query(store: Store, typed: str) -> None:
    for token in tokens.suggest(store.database, typed, smart_folders=True):
        search(store.database, token.query, smart_folders=True)


def test_suggestions_may_be_combined(store: Store) -> None:
    by_label = {token.label: token.query for token in tokens.suggest(store.database, "")}
    by_label |= {token.label: token.query for token in tokens.suggest(store.database, "turnip")}
    assert found(store, f"{by_label['Flagged Messages']} {by_label['turnip']} {by_label['Unread Messages']}") == "a"


# -- the server beyond what is here


def fill(world: World) -> None:
    deliver(world.alice, mail("Turnips here", "fresh turnips"), days=1)
    deliver(world.alice, mail("Turnips long ago", "old turnips", attachments=(("a.bin", b"x"),)), days=200)
    deliver(world.alice, mail("Flagged turnips", "old turnips"), days=210, read=True)
    world.alice.flag(world.alice.items()[-1].server_id, Flag())
    deliver(world.alice, mail("Beets", "nothing else"), days=220)


PERIOD = {"email_max_sync_period": "5", "email_default_sync_period": "5"}


@pytest.mark.parametrize("version", ["12.0", "12.1", "14.0", "14.1", "16.0", "16.1"])
def test_beyond_the_window_without_doubles(make_world: Callable[..., World], version: str) -> None:
    world = make_world(versions=(version,))
    fill(world)
    with world.open(PERIOD) as mailbox:
        mailbox.sync()
        assert [m.subject for m in mailbox.search("turnips")] == ["Turnips here"]
        result = mailbox.search_everywhere("turnips")
        assert [hit.subject for hit in result.hits] == ["Turnips here", "Turnips long ago", "Flagged turnips"]
        assert [hit.stored is not None for hit in result.hits] == [True, False, False]
        assert result.asked == ("Find" if version == "16.1" else "Search")
        assert (result.problem, result.complete) == (None, True)
        assert [hit.subject for hit in mailbox.search_everywhere("turnips has:attachment").hits] == ["Turnips long ago"]
        unread = mailbox.search_everywhere("turnips is:unread").hits
        assert [hit.subject for hit in unread] == ["Turnips here", "Turnips long ago"]
        flagged = mailbox.search_everywhere("turnips is:flagged").hits
        assert [hit.subject for hit in flagged] == ["Flagged turnips"]
        dated = mailbox.search_everywhere("turnips before:2026-05-01").hits
        assert [hit.subject for hit in dated] == ["Flagged turnips"]
        assert [hit.subject for hit in mailbox.search_everywhere("is:flagged", folder="Inbox").hits] == [
            "Flagged turnips"
        ]
        (whole,) = mailbox.search_everywhere("subject:beets").hits
        assert whole.found is not None
        assert mailbox.fetch_found(whole.found).subject == "Beets"
        assert mailbox.search("beets") == []


def test_the_order_find_search_store(make_world: Callable[..., World]) -> None:
    world = make_world(versions=("16.1",))
    fill(world)
    with world.open(PERIOD) as mailbox:
        mailbox.sync()
        world.exchange.faults.add(Status(137), "Find")
        assert mailbox.search_everywhere("turnips").asked == "Search"
        world.exchange.faults.add(Status(137), "Find")
        world.exchange.faults.add(Status(110), "Search")
        failed = mailbox.search_everywhere("turnips")
        assert (failed.asked, [hit.subject for hit in failed.hits]) == ("", ["Turnips here"])
        assert isinstance(failed.problem, CommandFailed)
        world.exchange.faults.add(Drop(), times=20)
        cut = mailbox.search_everywhere("turnips")
        assert isinstance(cut.problem, ConnectionFailed)
        assert [hit.subject for hit in cut.hits] == ["Turnips here"]


def test_what_the_server_cannot_be_asked(make_world: Callable[..., World]) -> None:
    world = make_world(versions=("14.1",))
    fill(world)
    with world.open(PERIOD) as mailbox:
        mailbox.sync()
        before = len(world.exchange.requests.of("Search"))
        for query in ("larger:10", "turnips larger:10", "turnips OR larger:1G"):
            result = mailbox.search_everywhere(query)
            assert isinstance(result.problem, NotOffered), query
        everything = mailbox.search_everywhere("")
        assert isinstance(everything.problem, UsageError)
        assert [hit.subject for hit in everything.hits] == ["Turnips here"]
        assert len(world.exchange.requests.of("Search")) <= before + 1
        with pytest.raises(UsageError):
            mailbox.search_everywhere("form:bob")
    old = make_world(versions=("2.5",))
    with old.open() as mailbox:
        mailbox.sync()
        assert isinstance(mailbox.search_everywhere("turnips").problem, NotOffered)


def test_what_was_deleted_here_does_not_come_back(make_world: Callable[..., World]) -> None:
    world = make_world(versions=("16.1",))
    fill(world)
    with world.open() as mailbox:
        mailbox.sync()
        with Store.open(world.path, KEY) as store:
            store.database.execute("UPDATE messages SET gone = 1 WHERE subject = 'Turnips here'")
        assert "Turnips here" not in [hit.subject for hit in mailbox.search_everywhere("turnips").hits]


def test_the_same_for_asyncio(make_world: Callable[..., World]) -> None:
    world = make_world(versions=("16.1",))
    fill(world)

    async def run() -> list[str]:
        async with await AsyncMailbox.open(world.config(**PERIOD), store=world.path, key=KEY) as mailbox:
            await mailbox.sync()
            assert [token.kind for token in await mailbox.search_tokens("turn")] == ["keyword"]
            assert len(await mailbox.search("turnips", folder="Inbox")) == 1
            return [hit.subject for hit in (await mailbox.search_everywhere("turnips")).hits]

    assert asyncio.run(run()) == ["Turnips here", "Turnips long ago", "Flagged turnips"]


def test_what_the_server_is_asked(store: Store) -> None:
    def asked(query: str) -> tuple[str, str]:
        made = plan(store.database, parse(query, now=datetime(2026, 1, 20, tzinfo=UTC))).query
        return made.words, made.keywords

    assert asked('turnip "red beet"') == ("turnip red beet", '"turnip" "red beet"')
    assert asked("from:bob OR to:ann -subject:x turn*") == ("turn", 'from:"bob" OR to:"ann" -subject:"x" turn*')
    assert asked("has:attachment is:unread after:2026-01-05") == (
        "",
        "hasattachment:true isread:false received>=2026-01-05",
    )
    assert plan(store.database, parse("in:archive turnip")).query.folder == "7"
    after = plan(store.database, parse("on:2026-01-05", now=datetime(2026, 1, 20, tzinfo=UTC))).query
    assert (after.after, after.before) == (
        datetime(2026, 1, 4, 23, 59, 59, tzinfo=UTC),
        datetime(2026, 1, 6, tzinfo=UTC),
    )
    assert after.after is not None
    assert timedelta(days=1) < datetime(2026, 1, 6, tzinfo=UTC) - after.after
