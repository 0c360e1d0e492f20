"""Two devices on one mailbox, for every class in every version that has it; every step restarts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from emailplus.errors import UsageError
from emailplus.mock import LoseResponse
from emailplus.model.event import Attendee, Event, Location
from emailplus.model.recurrence import Recurrence

from ..flows.world import World
from ..stops import given_up
from .two import ALL_DAY, NAME, OTHER, SAMPLES, START, WINDOW, Device, devices, essence, text

VERSIONS = ("2.5", "12.1", "14.1", "16.0", "16.1")
EVERY = [
    (item_class, version)
    for item_class in SAMPLES
    for version in VERSIONS
    if not (item_class == "Notes" and version in ("2.5", "12.1"))
]
pair = pytest.fixture(lambda make_world: lambda version, **more: devices(make_world(), version, **more))

Pair = Callable[..., tuple[Device, Device]]


def shared(pair: Pair, item_class: str, version: str, **more: Any) -> tuple[Device, Device, int, int]:
    """Both devices with one item that the first made; its id on each."""
    one, two = pair(version, **more)
    one.sync()
    mine = one.create(SAMPLES[item_class]("first"))
    one.sync()
    two.sync()
    return one, two, mine, two.one(item_class).id


@pytest.mark.parametrize(("item_class", "version"), EVERY)
def test_what_one_creates_the_other_has(pair: Pair, item_class: str, version: str) -> None:
    one, two, mine, _ = shared(pair, item_class, version)
    here, there = one.one(item_class), two.one(item_class)
    assert here.id == mine
    assert here.server_id == there.server_id != ""
    assert essence(here) == essence(there)
    expected = essence(SAMPLES[item_class]("first"))
    assert {name: essence(there).get(name) for name in expected} == expected
    assert one.waiting() == []
    report = one.sync()
    assert (report.added, report.changed, report.deleted) == (0, 0, 0)


@pytest.mark.parametrize(("item_class", "version"), EVERY)
def test_changes_on_both_sides_meet(pair: Pair, item_class: str, version: str) -> None:
    one, two, mine, theirs = shared(pair, item_class, version)
    one.change(
        mine, **{NAME[item_class]: "renamed", **({"body": text("renamed\nrest")} if item_class == "Notes" else {})}
    )
    one.sync()
    two.sync()
    assert getattr(two.one(item_class), NAME[item_class]) == "renamed"
    two.change(theirs, **OTHER[item_class])
    two.sync()
    one.sync()
    assert essence(one.one(item_class)) == essence(two.one(item_class))
    (attribute, value), *_ = OTHER[item_class].items()
    assert getattr(one.one(item_class), attribute) == value
    assert getattr(one.one(item_class), NAME[item_class]) == "renamed"
    if item_class == "Contacts":
        assert one.one(item_class).picture == two.one(item_class).picture == bytes(range(256)) * 20


@pytest.mark.parametrize(("item_class", "version"), EVERY)
def test_a_property_is_emptied_on_both(pair: Pair, item_class: str, version: str) -> None:
    empty: dict[str, dict[str, Any]] = {
        "Calendar": {"location": None, "categories": ()},
        "Contacts": {"mobile_phone": "", "children": (), "birthday": None, "picture": None},
        "Tasks": {"categories": (), "due_date": None},
        "Notes": {"categories": ()},
    }
    one, two, mine, _ = shared(pair, item_class, version)
    one.change(mine, **empty[item_class])
    one.sync()
    two.sync()
    for name, value in empty[item_class].items():
        assert getattr(two.one(item_class), name) == value, name
    assert essence(one.one(item_class)) == essence(two.one(item_class))


@pytest.mark.parametrize(
    ("item_class", "version", "policy"),
    [
        (item_class, version, policy)
        for item_class, version in EVERY
        for policy in ("server_wins", "client_wins", "keep_both")
        if policy == "server_wins" or version in ("2.5", "14.1", "16.1")
    ],
)
def test_conflicts_are_decided_by_the_policy(pair: Pair, item_class: str, version: str, policy: str) -> None:
    one, two, mine, theirs = shared(pair, item_class, version, conflicts=policy)
    name = NAME[item_class]
    extra = {"body": text("server's\nx")} if item_class == "Notes" else {}
    two.change(theirs, **{name: "server's", **extra})
    two.sync()
    extra = {"body": text("client's\nx")} if item_class == "Notes" else {}
    one.change(mine, **{name: "client's", **extra})
    assert getattr(one.one(item_class), name) == "client's"  # seen here at once
    report = one.sync()
    one.sync()
    two.sync()
    found = sorted(getattr(item, name) for item in one.all(item_class))
    assert (
        found
        == {
            "server_wins": ["server's"],
            "client_wins": ["client's"],
            "keep_both": ["client's", "server's"],
        }[policy]
    )
    assert sorted(getattr(item, name) for item in two.all(item_class)) == found
    assert one.waiting() == []
    if policy != "client_wins":
        assert any("changed on both sides" in line for line in report.warnings)


@pytest.mark.parametrize(("item_class", "version"), EVERY)
def test_deletions_reach_the_other_side(pair: Pair, item_class: str, version: str) -> None:
    one, two, mine, theirs = shared(pair, item_class, version)
    one.delete(mine)
    assert one.all(item_class) == []  # hidden at once
    one.sync()
    two.change(theirs, **OTHER[item_class])
    report = two.sync()
    assert two.all(item_class) == []
    assert two.waiting() == []
    assert any("deleted on the server" in line for line in report.warnings)
    assert one.sync().deleted == 0


@pytest.mark.parametrize(("item_class", "version"), EVERY)
def test_offline_edits_wait_and_join(pair: Pair, item_class: str, version: str) -> None:
    """Several edits of one item before it ever reached the server are one Add of its last form."""
    one, two = pair(version)
    one.sync()
    mine = one.create(SAMPLES[item_class]("draft"))
    one.change(mine, **{NAME[item_class]: "second", **({"body": text("second\n")} if item_class == "Notes" else {})})
    one.change(mine, **OTHER[item_class])
    gone = one.create(SAMPLES[item_class]("never"))
    one.delete(gone)
    assert [change.kind for change in one.waiting()] == ["add"]
    one.sync()
    two.sync()
    assert getattr(two.one(item_class), NAME[item_class]) == "second"
    assert one.one(item_class).id == mine


@pytest.mark.parametrize(("item_class", "version"), EVERY)
def test_a_lost_answer_makes_no_double(pair: Pair, item_class: str, version: str) -> None:
    one, two = pair(version)
    one.sync()
    one.create(SAMPLES[item_class]("once"))
    exchange = one.world.exchange
    exchange.faults.add(LoseResponse(), command="Sync", nth=_next_push(one))
    with given_up():
        one.sync()
    one.sync()
    two.sync()
    assert len(one.all(item_class)) == len(two.all(item_class)) == 1
    assert one.waiting() == []


def _next_push(device: Device) -> int:
    """The Sync that carries the change: behind the one of mail."""
    return 2


@pytest.mark.parametrize(("item_class", "version"), EVERY)
def test_a_lost_key_after_a_lost_answer_makes_no_double(pair: Pair, item_class: str, version: str) -> None:
    """The Add arrived, its answer did not, and the server forgot the key: the pass that follows recognises the item."""
    one, _ = pair(version)
    one.sync()
    mine = one.create(SAMPLES[item_class]("once"))
    exchange = one.world.exchange
    exchange.faults.add(LoseResponse(), command="Sync", nth=2)
    with given_up():
        one.sync()
    exchange.forget_sync_state("alice")
    one.sync()
    assert [item.id for item in one.all(item_class)] == [mine]
    assert one.waiting() == []


@pytest.mark.parametrize("version", VERSIONS)
def test_exceptions_of_a_series(pair: Pair, version: str) -> None:
    one, two = pair(version)
    one.sync()
    series = Event(
        subject="standup", start=START, end=START + timedelta(minutes=15), timezone="Europe/Berlin",
        recurrence=Recurrence(type=0, occurrences=5), location=Location("Room 1"),
    )  # fmt: skip
    mine = one.create(series)
    one.sync()
    second, third, fourth = (START + timedelta(days=n) for n in (1, 2, 3))
    one.change(mine, instance=second, subject="long one", end=second + timedelta(hours=1))
    one.delete(mine, instance=third)
    one.sync()
    two.sync()

    def shown(device: Device) -> list[tuple[Any, Any, str]]:
        found = device.do(lambda mailbox: mailbox.events(*WINDOW))
        return [(made.start, made.end, made.event.subject) for made in found]

    quarter = timedelta(minutes=15)
    expected = [
        (START, START + quarter, "standup"),
        (second, second + timedelta(hours=1), "long one"),
        (fourth, fourth + quarter, "standup"),
        (START + timedelta(days=4), START + timedelta(days=4) + quarter, "standup"),
    ]
    assert shown(one) == shown(two) == expected
    theirs = two.one("Calendar").id
    two.change(theirs, instance=second, location=None)
    two.delete(theirs, instance=fourth)
    two.sync()
    one.sync()
    assert shown(one) == shown(two) == [expected[0], expected[1], expected[3]]
    made = one.do(lambda mailbox: mailbox.events(*WINDOW))[1]
    assert made.event.location is None
    assert made.event.subject == "long one"
    with pytest.raises(UsageError, match="deleted"):
        one.change(mine, instance=third, subject="?")


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Los_Angeles", "Pacific/Auckland"])
@pytest.mark.parametrize("version", VERSIONS)
def test_all_day_events_keep_their_dates(pair: Pair, version: str, zone: str) -> None:
    one, two = pair(version)
    one.sync()
    one.create(replace(ALL_DAY, timezone=zone))
    one.sync()
    two.sync()
    there = two.one("Calendar")
    assert (there.start, there.end, there.all_day) == (date(2026, 12, 24), date(2026, 12, 27), True)
    two.change(there.id, start=date(2026, 12, 25))
    two.sync()
    one.sync()
    assert (one.one("Calendar").start, one.one("Calendar").end) == (date(2026, 12, 25), date(2026, 12, 28))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_timed_event_becomes_all_day_and_back(pair: Pair, version: str) -> None:
    one, two, mine, _ = shared(pair, "Calendar", version)
    one.change(mine, start=date(2026, 12, 1), end=date(2026, 12, 2))
    one.sync()
    two.sync()
    assert two.one("Calendar").start == date(2026, 12, 1)
    assert two.one("Calendar").all_day
    two.change(two.one("Calendar").id, start=START, end=START + timedelta(hours=2), timezone="Europe/Berlin")
    two.sync()
    one.sync()
    assert (one.one("Calendar").start, one.one("Calendar").all_day) == (START, False)


@pytest.mark.parametrize("version", ["16.0", "16.1"])
def test_the_server_mails_attendees_only_by_the_callers_word(pair: Pair, version: str) -> None:
    one, _ = pair(version)
    one.sync()
    meeting = Event(
        subject="review", start=START, end=START + timedelta(hours=1), timezone="Europe/Berlin",
        attendees=(Attendee(email="bob@example.test", name="Bob"),),
    )  # fmt: skip
    with pytest.raises(UsageError, match="send_updates"):
        one.create(meeting)
    assert one.waiting() == []
    mine = one.create(meeting, send_updates=True)
    one.sync()
    bob = one.world.exchange.user("bob")
    assert len(bob.items("Inbox")) == 1
    with pytest.raises(UsageError, match="send_updates"):
        one.change(mine, subject="moved")
    one.change(mine, subject="moved", send_updates=True)
    one.sync()
    assert len(bob.items("Inbox")) == 2
    uid = one.one("Calendar").uid
    assert uid.encode() in bob.items("Inbox")[0].raw


@pytest.mark.parametrize("version", ["2.5", "12.1", "14.1"])
def test_before_16_nobody_is_mailed(pair: Pair, version: str) -> None:
    one, two = pair(version)
    one.sync()
    attendees = (Attendee(email="bob@example.test", name="Bob", **({} if version == "2.5" else {"type": 1})),)
    one.create(Event(subject="review", start=START, end=START + timedelta(hours=1), attendees=attendees))
    one.sync()
    two.sync()
    assert one.world.exchange.user("bob").items("Inbox") == []
    there = two.one("Calendar")
    assert [attendee.email for attendee in there.attendees] == ["bob@example.test"]
    assert there.organizer_email == "alice@example.test"
    assert there.is_meeting


def test_a_change_made_under_an_older_version_is_refused_by_a_newer_one(make_world: Callable[..., World]) -> None:
    """Queued where nobody would have been mailed; the server is upgraded before it leaves."""
    world = make_world()
    one, _ = devices(world, "14.1")
    one.sync()
    one.create(
        Event(subject="x", start=START, end=START + timedelta(hours=1), attendees=(Attendee(email="bob@example.test"),))
    )
    one.version = "16.1"
    report = one.sync()
    assert any("send_updates=True" in line for line in report.warnings)
    (change,) = one.waiting()
    assert change.state == "failed"
    assert world.exchange.user("bob").items("Inbox") == []
    assert [trouble.state for trouble in report.failed if trouble.kind == "change"] == ["failed"]
    one.do(lambda mailbox: mailbox.drop_change(change.id))
    assert one.all("Calendar") == []


def test_defaults_come_from_the_config(pair: Pair) -> None:
    one, _ = pair("14.1", keys={"calendar_default_reminder": "30"})
    one.sync()
    plain = Event(subject="a", start=START, end=START + timedelta(hours=1))
    number = one.create(plain)
    assert one.do(lambda mailbox: mailbox.item(number)).reminder == 30  # type: ignore[union-attr]
    number = one.create(replace(plain, reminder=-1))
    assert one.do(lambda mailbox: mailbox.item(number)).reminder is None  # type: ignore[union-attr]
    number = one.create(replace(plain, reminder=5))
    assert one.do(lambda mailbox: mailbox.item(number)).reminder == 5  # type: ignore[union-attr]


@pytest.mark.parametrize(("allowed", "title", "subject"), [("false", "milk", "milk"), ("true", "Shopping", "Shopping")])
def test_titles_of_notes(pair: Pair, allowed: str, title: str, subject: str) -> None:
    from emailplus.model.note import Note

    one, two = pair("14.1", keys={"allow_notes_title": allowed})
    one.sync()
    one.create(Note(subject="Shopping", body=text("milk\neggs")))
    one.sync()
    two.sync()
    note = two.one("Notes")
    assert note.subject == subject
    assert two.do(lambda mailbox: mailbox.note_title(note)) == title


def test_vip_is_a_local_mark_that_survives_changes(pair: Pair) -> None:
    one, two, mine, theirs = shared(pair, "Contacts", "14.1")
    one.do(lambda mailbox: mailbox.mark_vip(mine))
    two.change(theirs, first_name="Anna")
    two.sync()
    one.sync()
    assert one.one("Contacts").first_name == "Anna"
    assert one.one("Contacts").vip
    assert not two.one("Contacts").vip
    assert one.do(lambda mailbox: mailbox.is_vip("ANN@example.test"))
    assert one.do(lambda mailbox: len(mailbox.contacts(vip=True))) == 1


def test_wrong_input_is_said_before_anything_is_queued(pair: Pair) -> None:
    one, _ = pair("16.1")
    one.sync()
    naive = datetime(2026, 12, 1, 9)
    for wrong in (
        Event(subject="no times"),
        Event(start=naive, end=naive),
        Event(start=START, end=START - timedelta(hours=1)),
        Event(start=START, end=date(2026, 12, 2)),
        Event(start=date(2026, 12, 2), end=date(2026, 12, 2)),
        Event(start=START, end=START, timezone="Mars/Olympus"),
    ):
        with pytest.raises(UsageError):
            one.create(wrong)
    number = one.create(SAMPLES["Contacts"]("x"))
    with pytest.raises(UsageError, match="colour"):
        one.change(number, colour="red")
    with pytest.raises(UsageError, match="series"):
        one.change(number, instance=START, first_name="?")
    assert [change.kind for change in one.waiting()] == ["add"]


@pytest.mark.parametrize("version", ["16.0", "16.1"])
def test_attachments_of_events(pair: Pair, version: str) -> None:
    from emailplus.model.event import NewAttachment

    one, two = pair(version)
    one.sync()
    event = Event(
        subject="with files", start=START, end=START + timedelta(hours=1),
        attachments=(NewAttachment("../../plan.txt", b"\x00plan", "text/plain"),),
    )  # fmt: skip
    one.create(event)
    one.sync()
    two.sync()
    one.sync()
    (attachment,) = two.one("Calendar").attachments
    assert (attachment.name, attachment.size) == ("../../plan.txt", 5)
    (own,) = one.one("Calendar").attachments  # whose type we know; the server tells none
    assert replace(own, content_type="") == attachment
    two.change(two.one("Calendar").id, attachments=())
    two.sync()
    one.sync()
    assert one.one("Calendar").attachments == ()


def test_several_items_at_once_and_a_bad_one_among_them(pair: Pair) -> None:
    """The server refuses one item (a picture beyond its limit); the others go through, and the report names it."""
    one, two = pair("14.1")
    one.sync()
    for number in range(60):
        one.create(replace(SAMPLES["Contacts"](f"n{number}"), picture=b"\xff" * 60_000 if number == 30 else None))
    report = one.sync()
    two.sync()
    assert len(two.all("Contacts")) == 59
    (failed,) = one.waiting()
    assert (failed.state, failed.item.last_name) == ("failed", "n30")
    assert len(report.failed) == 1
    one.change(failed.item_id, picture=None)  # a new attempt
    one.sync()
    two.sync()
    assert len(two.all("Contacts")) == 60
    assert one.waiting() == []


def test_now_and_then(pair: Pair) -> None:
    """UTC on the wire, whatever zone a caller thinks in."""
    from zoneinfo import ZoneInfo

    one, two = pair("14.1")
    one.sync()
    begin = datetime(2026, 12, 1, 10, tzinfo=ZoneInfo("Europe/Berlin"))
    one.create(Event(subject="local", start=begin, end=begin + timedelta(hours=1)))
    one.sync()
    two.sync()
    assert two.one("Calendar").start == datetime(2026, 12, 1, 9, tzinfo=UTC)
