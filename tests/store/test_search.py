"""The query language: what it finds, what it refuses, and that nothing typed into it reaches SQL or FTS5 as syntax."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emailplus.errors import UsageError
from emailplus.model.message import Body
from emailplus.store.search import FIELDS, MAX_TERMS, Query, Term, parse, search
from emailplus.store.store import Store
from tests.store.mail import attachment, index_all, message, new_store, window

NOW = datetime(2026, 1, 20, 12, 0, tzinfo=UTC)


def day(number: int, hour: int = 12) -> datetime:
    return datetime(2026, 1, number, hour, tzinfo=UTC)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Ten messages, subjects as names; ids 1 to 10."""
    with new_store(tmp_path_factory.mktemp("search") / "mailbox.db") as opened:
        window(
            opened,
            added=[
                message("a", "Invoice January", "please pay the invoice soon", received=day(1), read=True,
                        sender="Bob Müller <bob@example.com>", to="ann@example.com", categories=("Red", "Urgent")),
                message("b", "Lunch", "the cafe is open", received=day(2), flag_status=2, cc="Zoë <zoe@example.org>"),
                message("c", "東京の天気", "晴れです", received=day(3)),
                message("d", "Report", "figures inside", received=day(4),
                        attachments=[attachment("Übersicht.pdf", 20_000)]),
                message("e", "Newsletter", "picture", received=day(5),
                        attachments=[attachment("logo.png", 10, inline=True)]),
                message("f", "Signed", "order pay the", received=day(6), message_class="IPM.Note.SMIME",
                        draft=True),
            ],
        )  # fmt: skip
        window(opened, 2, added=[message("g", "Old invoice", "archived", received=None, message_class="IPM.Note")])
        window(opened, 3, added=[message("h", "Entwurf", "สวัสดีครับ", received=day(7))])
        window(opened, 1, added=[message("i", "Gone", "invoice", received=day(8))])
        window(opened, 1, deleted=["i"])
        window(opened, 1, keep=False, added=[message("j", "Nothing kept", "invoice", received=day(9))])
        index_all(opened)
        yield opened


def found(store: Store, query: str) -> str:
    """The server ids found, newest first."""
    ids = search(store.database, query)
    return "".join(hit.server_id for hit in store.messages(ids))


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", "hfedcbag"),
        ("invoice", "ag"),
        ("INVOICE pay", "a"),
        ("muller", "a"),
        ('"pay the"', "fa"),
        ('"pay the invoice"', "a"),
        ("invoice -archived", "a"),
        ("-invoice", "hfedcb"),
        ("lunch OR report", "db"),
        ("invoice lunch OR january", "a"),
        ("-invoice OR archived", "hfedcbg"),
        ("inv*", "ag"),
        ("inv", ""),
        ('"pay th"*', "fa"),
        ("東京", "c"),
        ("京東", ""),
        ("京の天", "c"),
        ("สวัสดี", "h"),
        ("from:BOB", "a"),
        ('from:"bob muller"', "a"),
        ("-from:bob", "hfedcbg"),
        ("to:ann@", "a"),
        ("cc:zoe", "b"),
        ("subject:天気", "c"),
        ("subject:voice", "ag"),
        ("body:invoice", "a"),
        ('body:"pay the"', "fa"),
        ("in:archive", "g"),
        ("in:ENTWÜRFE", "h"),
        ("in:drafts", "h"),
        ("-in:inbox", "hg"),
        ("has:attachment", "d"),
        ("-has:attachment", "hfecbag"),
        ("filename:ubersicht", "d"),
        ("filename:.png", "e"),
        ("unread -in:inbox", "hg"),
        ("is:read", "a"),
        ("-unread", "a"),
        ('"unread"', ""),
        ("is:flagged", "b"),
        ("is:draft", "hf"),
        ("category:urgent", "a"),
        ("class:ipm.note", "fg"),
        ("class:ipm.no", ""),
        ("larger:10k", "d"),
        ("smaller:31", "hfecbag"),
        ("invoice & lunch OR january", "a"),
        ("Re: invoice", ""),
    ],
)
def test_finds(store: Store, query: str, ids: str) -> None:
    assert found(store, query) == ids


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("before:2026-01-03", "ba"),
        ("after:2026-01-06", "hf"),
        ("on:2026-01-04", "d"),
        ("after:2026-01-02 before:2026-01-04", "cb"),
        ("-after:2026-01-02", "ag"),
        ("after:9999-12-30", ""),
        ("before:0001-01-01", ""),
    ],
)
def test_dates(store: Store, query: str, ids: str) -> None:
    assert found(store, query) == ids


def test_days_are_those_of_the_zone_given() -> None:
    tokyo = NOW.astimezone(timezone(timedelta(hours=9)))
    assert parse("after:2026-01-06", now=tokyo).groups[0][0].values == (day(5, 15).timestamp(),)
    assert parse("on:2026-01-06", now=NOW).groups[0][0].values == (day(6, 0).timestamp(), day(7, 0).timestamp())


@pytest.mark.parametrize(
    ("written", "moment"),
    [("7d", day(13)), ("12h", day(20, 0)), ("2w", day(6)), ("today", day(20, 0)), ("yesterday", day(19, 0))],
)
def test_ages(written: str, moment: datetime) -> None:
    assert parse(f"after:{written}", now=NOW) == Query(((Term("after", (moment.timestamp(),)),),))


def test_an_age_as_a_day() -> None:
    assert parse("on:7d", now=NOW).groups[0][0].values == (day(13, 0).timestamp(), day(14, 0).timestamp())


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ('"open', "not closed"),
        ('from:"open', "not closed"),
        ("from:", "needs a value"),
        ('from:""', "needs a value"),
        ("form:bob", "possible are from:, to:"),
        ("OR a", "OR stands between"),
        ("a OR", "OR stands between"),
        ("a OR OR b", "OR stands between"),
        ("is:nice", "is:unread, is:read, is:flagged, is:draft"),
        ("has:wings", "has:attachment"),
        ("before:soon", "2026-01-31"),
        ("after:2026-02-30", "not a date"),
        ("on:99999y", "not a date"),
        ("larger:big", "larger:10k"),
        ("!!!", "no letter or digit"),
        ("body:...", "no letter or digit"),
        ("in:nowhere", "Archive, Entwürfe, Inbox"),
        ("x" * 5000, "4096"),
        ("a " * (MAX_TERMS + 1), "64 terms"),
    ],
)
def test_refuses_by_saying_what_is_possible(store: Store, query: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        search(store.database, query)
    assert says in str(caught.value)


def test_limits(store: Store) -> None:
    everything = search(store.database, "", None)
    assert len(everything) == 8
    assert search(store.database, "", 3) == everything[:3]
    assert search(store.database, "", 0) == []


def test_what_is_not_indexed_is_found_by_everything_but_words(tmp_path: Path) -> None:
    with new_store(tmp_path / "mailbox.db") as store:
        window(store, added=[message("a", "Fresh", "words", body=Body(1, b"words", 5), body_state="stored")])
        assert found(store, "subject:fresh from:ann in:inbox") == "a"
        assert found(store, "words") == ""
        index_all(store)
        assert found(store, "words") == "a"


_PIECES = st.sampled_from(
    [*(f"{field}:" for field in FIELDS), '"', "-", "*", " OR ", " AND ", " NEAR(", "(", ")", "{body}", ":", "^", "+",
     "'", ";--", "\0", "\ud800", "7d", "2026-01-01", "invoice", "東京", "is:unread", "NOT ", "\\", "%", "?", "@"]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(query=st.one_of(st.text(max_size=60), st.lists(_PIECES, max_size=12).map("".join)))
@example(query='"' + "京" * 4000 + '"')
@example(query=" ".join("京" * 60 for _ in range(64)))
@example(query=" OR ".join("-a*" for _ in range(64)))
@example(query="from:'; DROP TABLE messages; --")
@example(query="a\0b")
@example(query='body:"a\0"*')
def test_any_query_finds_or_is_refused(store: Store, query: str) -> None:
    try:
        ids = search(store.database, query)
    except UsageError:
        return
    assert set(ids) <= set(store.ids())


@settings(max_examples=200, deadline=None)
@given(words=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12), max_size=4))
def test_quoting_takes_every_meaning_away(store: Store, words: list[str]) -> None:
    quoted = " ".join(f'"{word.replace(chr(34), " ")}"' for word in words)
    if words and not any(character.isalnum() for word in words for character in word):
        return  # refused, see above
    query = parse(quoted)
    assert all(term.kind == "match" and not term.negated for group in query.groups for term in group)
    assert set(search(store.database, quoted)) <= set(store.ids())
