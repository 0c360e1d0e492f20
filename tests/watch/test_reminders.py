"""Reminders of the calendar as events of a watch: when they are due, once each, with and without details."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from emailplus.mailbox import Mailbox
from emailplus.model.event import Event, EventException
from emailplus.model.recurrence import Recurrence, RecurrenceType
from emailplus.model.watch import Reminder
from emailplus.telling import Teller

from ..flows.world import NOW, World


@pytest.fixture
def mailbox(world: World) -> Iterator[Mailbox]:
    with world.open() as mailbox:
        mailbox.sync()
        yield mailbox


def teller(mailbox: Mailbox, world: World) -> Teller:
    return Teller(mailbox.store, lambda: mailbox.config, mailbox.settings, mailbox.door, None, world.clock)


def told(mailbox: Mailbox, world: World) -> list[Reminder]:
    """Those that are due, taken as told."""
    found, _ = teller(mailbox, world).reminders()
    for reminder in found:
        teller(mailbox, world).reminded(reminder)
    return found


def event(minutes: float, **more: Any) -> Event:
    start = NOW + timedelta(minutes=minutes)
    return Event(**{"subject": "meeting", "start": start, "end": start + timedelta(minutes=30), "reminder": 15, **more})


def test_it_comes_when_it_is_due_and_once(mailbox: Mailbox, world: World) -> None:
    mailbox.create_item(event(60))
    found, following = teller(mailbox, world).reminders()
    assert (found, following) == ([], NOW + timedelta(minutes=45))
    world.clock.now = following
    (reminder,) = told(mailbox, world)
    assert (reminder.event.subject, reminder.starts, reminder.minutes) == ("meeting", NOW + timedelta(minutes=60), 15)
    assert told(mailbox, world) == []
    assert teller(mailbox, world).reminders()[1] == following + timedelta(hours=24)


def test_an_event_that_moves_is_reminded_of_again(mailbox: Mailbox, world: World) -> None:
    number = mailbox.create_item(event(10))
    assert len(told(mailbox, world)) == 1
    start = NOW + timedelta(minutes=12)
    mailbox.change_item(number, start=start, end=start + timedelta(minutes=30))
    assert [reminder.starts for reminder in told(mailbox, world)] == [start]


def test_the_default_reminder_is_the_administrator_s(world: World) -> None:
    with world.open({"calendar_default_reminder": "30"}) as mailbox:
        mailbox.sync()
        mailbox.create_item(event(20, reminder=None))
        mailbox.create_item(event(20, reminder=-1, subject="without"))
        assert [(one.event.subject, one.minutes) for one in told(mailbox, world)] == [("meeting", 30)]


def test_every_instance_of_a_series_and_its_exceptions(mailbox: Mailbox, world: World) -> None:
    daily = Recurrence(type=RecurrenceType.DAILY, interval=1, occurrences=4)
    moved = EventException(NOW + timedelta(days=1, minutes=30), changes={"start": NOW + timedelta(days=1, minutes=90)})
    gone = EventException(NOW + timedelta(days=2, minutes=30), deleted=True)
    mailbox.create_item(event(30, recurrence=daily, exceptions=(moved, gone), timezone="UTC"))
    seen = []
    for _ in range(5 * 24 * 4):
        seen += [reminder.starts for reminder in told(mailbox, world)]
        world.clock.now += timedelta(minutes=15)
    assert seen == [
        NOW + timedelta(minutes=30),
        NOW + timedelta(days=1, minutes=90),
        NOW + timedelta(days=3, minutes=30),
    ]


def test_one_that_was_missed_is_told_while_it_helps(mailbox: Mailbox, world: World) -> None:
    mailbox.create_item(event(60, subject="short"))
    mailbox.create_item(event(60, subject="long", end=NOW + timedelta(hours=9)))
    world.clock.now = NOW + timedelta(minutes=91)
    assert [one.event.subject for one in told(mailbox, world)] == ["long"]
    world.clock.now = NOW + timedelta(minutes=121)
    mailbox.create_item(event(60, subject="too late", end=NOW + timedelta(hours=9)))
    assert told(mailbox, world) == []


def test_an_all_day_event_begins_at_midnight_of_the_user(mailbox: Mailbox, world: World) -> None:
    mailbox.settings.choose("time_zone", "Asia/Tokyo")
    day = date(2026, 11, 26)
    mailbox.create_item(Event(subject="holiday", start=day, end=date(2026, 11, 27), all_day=True, reminder=60))
    _, following = teller(mailbox, world).reminders()
    assert following <= datetime(2026, 11, 25, 14, 0, tzinfo=UTC)
    world.clock.now = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)
    assert [one.event.subject for one in told(mailbox, world)] == ["holiday"]


def test_details_only_where_they_are_allowed(mailbox: Mailbox, world: World) -> None:
    from emailplus.model.event import Location

    mailbox.create_item(event(10, subject="merger", location=Location("Room 5")))
    (plain,), _ = teller(mailbox, world).reminders()
    assert plain.notification is not None
    assert (plain.notification.title, plain.notification.body) == ("You have a reminder", "")
    mailbox.apply(world.config(allow_detailed_notifications="true"))
    (detailed,), _ = teller(mailbox, world).reminders()
    assert detailed.notification is not None
    assert (detailed.notification.title, detailed.notification.body) == ("merger", "12:10 to 12:40, Room 5")


def test_a_watch_tells_them(world: World) -> None:
    with world.open() as mailbox:
        mailbox.sync()
        mailbox.create_item(event(10))
        with mailbox.watch() as events:
            assert any(isinstance(found, Reminder) for found in events)
        with mailbox.watch() as events:
            for found in events:
                assert not isinstance(found, Reminder)
                if getattr(found, "name", "") == "watching":
                    break
