"""What servers should not send: it is kept, the sync goes on, the report says so."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from emailplus.mock import Rewrite
from emailplus.model.event import Event

from ..flows.world import World, deliver, mail

WINDOW = datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)


def event(subject: str, *more: Any) -> list[Any]:
    named = {tag for tag, _ in more}
    plain = [
        ("Calendar:Subject", subject),
        ("Calendar:StartTime", "20261201T090000Z"),
        ("Calendar:EndTime", "20261201T100000Z"),
    ]
    return [node for node in plain if node[0] not in named] + list(more)


def subjects(world: World) -> list[str]:
    with world.open() as mailbox:
        return [made.event.subject for made in mailbox.events(*WINDOW)]


def test_an_impossible_date_is_quarantined_and_the_rest_arrives(world: World) -> None:
    world.alice.add_item("Calendar", event("good"))
    bad = world.alice.add_item("Calendar", event("bad", ("Calendar:StartTime", "20261399T990000Z")))
    deliver(world.alice, mail("hello"))
    report = world.sync()
    assert subjects(world) == ["good"]
    assert world.subjects() == ["hello"]
    assert [(trouble.state, trouble.folder, trouble.subject) for trouble in report.quarantined] == [
        ("quarantined", "Calendar", bad)
    ]
    assert report.news_of_trouble
    world.alice.change_item(bad, [("Calendar:StartTime", "20261202T090000Z"), ("Calendar:EndTime", "20261202T100000Z")])
    report = world.sync()
    assert report.quarantined == []
    assert subjects(world) == ["good", "bad"]


def test_a_value_of_the_wrong_type_is_kept_aside(world: World) -> None:
    world.alice.add_item("Contacts", [("Contacts:LastName", "Lee"), ("Contacts:Birthday", "in spring")])
    report = world.sync()
    with world.open() as mailbox:
        (contact,) = mailbox.contacts()
    assert contact.last_name == "Lee"
    assert contact.birthday is None
    assert b"in spring" in contact.extra
    assert any("Contacts:Birthday" in line and "'Contacts'" in line for line in report.warnings)


def test_properties_nobody_knows_are_kept(world: World) -> None:
    def foreign(node: Any) -> Any:
        tag, content = node
        if not isinstance(content, list):
            return node
        if tag == "AirSync:ApplicationData":
            return tag, [*content, ("DocumentLibrary:DisplayName", "?")]
        return tag, [foreign(inner) for inner in content]

    world.alice.add_item("Tasks", [("Tasks:Subject", "tax"), ("Tasks:Complete", "0")])
    world.exchange.faults.add(Rewrite(foreign), command="Sync", times=None)
    report = world.sync()
    with world.open() as mailbox:
        (task,) = mailbox.tasks()
    assert task.subject == "tax"
    assert task.extra
    assert report.quarantined == []


def test_zones_of_garbage(world: World) -> None:
    for number, blob in enumerate(("AAAA", "%%%%", "", "/" * 232)):
        world.alice.add_item("Calendar", event(f"zone {number}", ("Calendar:Timezone", blob)))
    report = world.sync(version="14.1")
    assert len(subjects(world)) == 4
    assert report.quarantined == []


def test_endless_series_cost_nothing(world: World) -> None:
    series = ("Calendar:Recurrence", [("Calendar:Type", "0"), ("Calendar:Interval", "1")])
    start = ("Calendar:StartTime", "19000101T090000Z"), ("Calendar:EndTime", "19000101T100000Z")
    world.alice.add_item("Calendar", event("for ever", series, *start))
    world.sync()
    with world.open() as mailbox:
        before = time.process_time()
        found = mailbox.events(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
        assert time.process_time() - before < 5
    assert len(found) == 31


def test_five_thousand_attendees(world: World) -> None:
    crowd = [
        ("Calendar:Attendee", [("Calendar:Email", f"a{n}@example.test"), ("Calendar:Name", f"A {n}")])
        for n in range(5000)
    ]
    world.alice.add_item("Calendar", event("assembly", ("Calendar:Attendees", crowd)))
    report = world.sync()
    assert report.quarantined == []
    with world.open() as mailbox:
        (made,) = mailbox.events(*WINDOW, query="a4999@example.test")
    assert len(made.event.attendees) == 5000


def test_an_attachment_name_with_a_path_is_only_a_name(world: World) -> None:
    files = ("AirSyncBase:Attachments", [("AirSyncBase:Attachment", [
        ("AirSyncBase:DisplayName", "../../etc/passwd"), ("AirSyncBase:FileReference", "7:1:0"),
        ("AirSyncBase:Method", "1"), ("AirSyncBase:EstimatedDataSize", "3"),
    ])])  # fmt: skip
    world.alice.add_item("Calendar", event("files", files))
    world.sync(version="16.1")
    with world.open() as mailbox:
        (made,) = mailbox.events(*WINDOW)
    assert [attachment.name for attachment in made.event.attachments] == ["../../etc/passwd"]


def test_a_series_of_nonsense_is_shown_once(world: World) -> None:
    numbers = {"Type": 6, "WeekOfMonth": 5, "DayOfWeek": 1, "MonthOfYear": 2, "Interval": 999}
    series = ("Calendar:Recurrence", [(f"Calendar:{name}", str(number)) for name, number in numbers.items()])
    world.alice.add_item("Calendar", event("odd", series))
    world.sync()
    assert len(subjects(world)) <= 1


def test_a_folder_that_the_server_refuses_does_not_stop_the_others(world: World) -> None:
    from emailplus.mock import Status

    world.alice.add_item("Contacts", [("Contacts:LastName", "Lee")])
    deliver(world.alice, mail("hello"))
    calendar = world.alice.folder("Calendar").server_id
    world.exchange.faults.add(Status(4, collection=calendar), command="Sync", times=None)
    report = world.sync()
    with world.open() as mailbox:
        assert len(mailbox.contacts()) == 1
    assert world.subjects() == ["hello"]
    assert any("'Calendar' is left out" in line for line in report.warnings)


def test_the_calendar_comes_whole_whatever_the_period(world: World) -> None:
    """An old appointment stays although mail of its time is out of the period."""
    old = ("Calendar:StartTime", "20200101T090000Z"), ("Calendar:EndTime", "20200101T100000Z")
    world.alice.add_item("Calendar", event("long ago", *old))
    deliver(world.alice, mail("old mail"), days=60)
    keys = {"email_max_sync_period": "1", "email_default_sync_period": "1"}
    world.sync(keys)
    world.sync(keys)
    with world.open(keys) as mailbox:
        found = mailbox.events(datetime(2019, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC))
    assert [made.event.subject for made in found] == ["long ago"]
    assert world.subjects() == []


def test_ids_only_keeps_no_content(world: World) -> None:
    world.alice.add_item("Contacts", [("Contacts:LastName", "Secretname")])
    keys = {"disabled_features": "local_cache_all"}
    report = world.sync(keys)
    assert report.items["Contacts"] == 1
    with world.open(keys) as mailbox:
        assert mailbox.contacts() == []
    assert world.scalar("SELECT count(*) FROM items WHERE data LIKE '%Secretname%'") == 0


def test_a_key_that_is_lost_compares_everything_and_loses_nothing(world: World) -> None:
    for number in range(5):
        world.alice.add_item("Notes", [("Notes:Subject", f"n{number}")])
    world.sync()
    ids = world.scalar("SELECT group_concat(id) FROM (SELECT id FROM items ORDER BY id)")
    gone = world.alice.items("Notes")[2].server_id
    world.alice.delete(gone)
    world.exchange.forget_sync_state("alice")
    report = world.sync()
    assert report.deleted == 1
    with world.open() as mailbox:
        assert [note.subject for note in mailbox.notes()] == ["n0", "n1", "n3", "n4"]
    assert set(ids.split(",")) > set(world.scalar("SELECT group_concat(id) FROM items").split(","))


def test_an_item_that_moves_between_folders_keeps_its_id(world: World) -> None:
    world.alice.create_folder("Team", type=13)
    server_id = world.alice.add_item("Calendar", event("moving"))
    world.sync()
    with world.open() as mailbox:
        (before,) = mailbox.events(*WINDOW)
    world.alice.move(server_id, "Team")
    world.sync()
    with world.open() as mailbox:
        (after,) = mailbox.events(*WINDOW)
        assert isinstance(after.event, Event)
        assert (after.event.id, after.event.folder) == (before.event.id, "Team")


@pytest.mark.parametrize("version", ["2.5", "14.1", "16.1"])
def test_all_of_it_at_once(world: World, version: str) -> None:
    """Bad and good items of every class in one run: nothing stops, what cannot be read is told, the rest is here."""
    alice = world.alice
    impossible = alice.add_item("Calendar", event("never", ("Calendar:StartTime", "20260230T250000Z")))
    alice.add_item("Calendar", event("zone", ("Calendar:Timezone", "!" * 230)))
    endless = ("Calendar:Recurrence", [("Calendar:Type", "1"), ("Calendar:Interval", "1"), ("Calendar:DayOfWeek", "2")])
    alice.add_item("Calendar", event("endless", endless))
    crowd = [("Calendar:Attendee", [("Calendar:Email", f"a{n}@x.test"), ("Calendar:Name", "A")]) for n in range(5000)]
    alice.add_item("Calendar", event("crowd", ("Calendar:Attendees", crowd)))
    alice.add_item("Contacts", [("Contacts:LastName", "Lee"), ("Contacts:Anniversary", "soon")])
    alice.add_item("Tasks", [("Tasks:Subject", "tax"), ("Tasks:Complete", "0"), ("Tasks:Importance", "very")])
    deliver(alice, mail("path", attachments=(("../../etc/passwd", b"root"),)))
    deliver(alice, mail("good"))
    report = world.sync(version=version)
    assert world.subjects() == ["good", "path"]
    assert set(subjects(world)) == {"zone", "endless", "crowd"}
    assert [trouble.subject for trouble in report.quarantined] == [impossible]
    assert any("Contacts:Anniversary" in line for line in report.warnings)
    assert any("Tasks:Importance" in line for line in report.warnings)
    with world.open() as mailbox:
        assert [contact.last_name for contact in mailbox.contacts()] == ["Lee"]
        assert [task.subject for task in mailbox.tasks()] == ["tax"]
        (attachment,) = mailbox.message(mailbox.search("subject:path")[0].id).attachments
        assert attachment.name == "../../etc/passwd"  # a name, never a place
    again = world.sync(version=version)
    assert (again.added, again.deleted) == (0, 0)
