"""Calendars, contacts and tasks on a real server, each seen from the other side by CalDAV and CardDAV."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from emailplus.mailbox import Mailbox
from emailplus.model.contact import Contact
from emailplus.model.event import Event, Location
from emailplus.model.message import Body
from emailplus.model.recurrence import Recurrence
from emailplus.model.task import Task

from .dav import Dav
from .runs import open_mailbox
from .server import Server

START = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
WINDOW = datetime(2026, 11, 1, tzinfo=UTC), datetime(2027, 3, 1, tzinfo=UTC)


@pytest.fixture
def dav(server: Server) -> Iterator[Dav]:
    """The last user's calendar and address book; what a test made is removed behind it."""
    if "dav_url" not in server.document:
        pytest.skip("the server.json names no dav_url: nothing to compare with")
    made = Dav(server, server.users[-1])
    before = {kind: set(made.all(kind)) for kind in ("Calendar", "Contacts")}
    yield made
    for kind, names in before.items():
        for name in set(made.all(kind)) - names:
            made.remove(kind, "personal", name)


@pytest.fixture(params=["2.5", "12.1", "14.1"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def mailbox(server: Server, dav: Dav, tmp_path: Path, version: str) -> Iterator[Mailbox]:
    with open_mailbox(server, dav.user, tmp_path / "items.db") as opened:
        opened.sync(version=version)
        yield opened


def body(text: str) -> Body:
    return Body(1, text.encode(), len(text.encode()))


def shown(mailbox: Mailbox, mark: str) -> list[tuple[object, object, str]]:
    return [(made.start, made.end, made.event.subject) for made in mailbox.events(*WINDOW, query=mark)]


def entry(dav: Dav, kind: str, mark: str) -> tuple[str, str]:
    """The one entry on the server with that mark in it."""
    (found,) = [(name, text) for name, text in dav.all(kind).items() if mark in text]
    return found


def test_an_event_made_here_is_in_the_calendar_there(mailbox: Mailbox, dav: Dav, version: str) -> None:
    mark = secrets.token_hex(6)
    number = mailbox.create_item(
        Event(subject=f"Review {mark}", start=START, end=START + timedelta(hours=1), timezone="Europe/Berlin",
              location=Location("Room 1"), body=body("agenda"))
    )  # fmt: skip
    mailbox.sync(version=version)
    name, text = entry(dav, "Calendar", mark)
    assert "LOCATION:Room 1" in text
    assert "20261201T090000Z" in text or "20261201T100000" in text
    mailbox.change_item(number, subject=f"Moved {mark}", start=START + timedelta(hours=2))
    mailbox.sync(version=version)
    text = dav.get("Calendar", name)
    assert f"SUMMARY:Moved {mark}" in text
    assert "20261201T110000Z" in text or "20261201T120000" in text
    mailbox.delete_item(number)
    mailbox.sync(version=version)
    assert name not in dav.all("Calendar")
    assert mailbox.waiting_changes() == []


def test_an_event_made_there_is_here(mailbox: Mailbox, dav: Dav, version: str) -> None:
    mark = secrets.token_hex(6)
    text = (
        f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VEVENT\nUID:{mark}\nDTSTAMP:20261101T000000Z\n"
        f"SUMMARY:There {mark}\nDTSTART:20261202T080000Z\nDTEND:20261202T090000Z\n"
        "RRULE:FREQ=DAILY;COUNT=3\nEXDATE:20261203T080000Z\nEND:VEVENT\nEND:VCALENDAR\n"
    )
    dav.put("Calendar", f"{mark}.ics", text)
    mailbox.sync(version=version)
    first = datetime(2026, 12, 2, 8, tzinfo=UTC)
    hour = timedelta(hours=1)
    expected = [(start, start + hour, f"There {mark}") for start in (first, first + timedelta(days=2))]
    assert shown(mailbox, mark) == expected
    dav.put("Calendar", f"{mark}.ics", text.replace("SUMMARY:There", "SUMMARY:Then"))
    mailbox.sync(version=version)
    assert {line[2] for line in shown(mailbox, mark)} == {f"Then {mark}"}
    dav.delete("Calendar", f"{mark}.ics")
    mailbox.sync(version=version)
    assert shown(mailbox, mark) == []


def test_all_day_events_have_the_same_dates_on_both_sides(mailbox: Mailbox, dav: Dav, version: str) -> None:
    mark = secrets.token_hex(6)
    # SOGo reckons in the zone of its user's settings (UTC here), whatever zone the event names
    zone = "Etc/UTC" if dav.server.is_sogo else "Europe/Berlin"
    mailbox.create_item(Event(subject=f"Fair {mark}", start=date(2026, 12, 24), end=date(2026, 12, 27), timezone=zone))
    mailbox.sync(version=version)
    _, text = entry(dav, "Calendar", mark)
    assert "DTSTART;VALUE=DATE:20261224" in text
    assert "DTEND;VALUE=DATE:20261227" in text
    assert shown(mailbox, mark) == [(date(2026, 12, 24), date(2026, 12, 27), f"Fair {mark}")]


def test_a_series_with_a_deleted_and_a_changed_instance(mailbox: Mailbox, dav: Dav, version: str) -> None:
    mark = secrets.token_hex(6)
    number = mailbox.create_item(
        Event(subject=f"Daily {mark}", start=START, end=START + timedelta(hours=1), timezone="Europe/Berlin",
              recurrence=Recurrence(type=0, interval=1, occurrences=4))
    )  # fmt: skip
    mailbox.sync(version=version)
    mailbox.delete_item(number, instance=START + timedelta(days=1))
    mailbox.sync(version=version)
    _, text = entry(dav, "Calendar", mark)
    assert "RRULE:" in text
    assert "EXDATE" in text
    assert len(shown(mailbox, mark)) == 3


def test_contacts_both_ways(mailbox: Mailbox, dav: Dav, version: str) -> None:
    mark = secrets.token_hex(6)
    number = mailbox.create_item(
        Contact(first_name="Ann", last_name=f"Lee{mark}", file_as=f"Ann Lee{mark}", email1="ann@example.test",
                mobile_phone="+44 20 7946 0000", company_name="Works", job_title="clerk", home_city="Bath")
    )  # fmt: skip
    mailbox.sync(version=version)
    name, text = entry(dav, "Contacts", mark)
    assert "ann@example.test" in text
    assert "+44 20 7946 0000" in text
    mailbox.change_item(number, job_title="head clerk")
    mailbox.sync(version=version)
    text = dav.get("Contacts", name)
    assert "head clerk" in text
    assert "ann@example.test" in text
    time.sleep(1.5)  # SOGo tells changes apart by the second
    dav.put("Contacts", name, text.replace("head clerk", "director").replace("\r\n", "\n"))
    mailbox.sync(version=version)
    (contact,) = mailbox.contacts(mark)
    assert contact.job_title == "director"
    assert contact.id == number
    mailbox.delete_item(number)
    mailbox.sync(version=version)
    assert name not in dav.all("Contacts")


def test_tasks(mailbox: Mailbox, dav: Dav, version: str) -> None:
    mark = secrets.token_hex(6)
    number = mailbox.create_item(Task(subject=f"Tax {mark}", due_date=datetime(2026, 12, 24), importance=2))
    mailbox.sync(version=version)
    name, text = entry(dav, "Calendar", mark)
    assert "BEGIN:VTODO" in text
    mailbox.change_item(number, complete=True, date_completed=datetime(2026, 12, 1, tzinfo=UTC))
    mailbox.sync(version=version)
    assert "COMPLETED" in dav.get("Calendar", name)
    mailbox.delete_item(number)
    mailbox.sync(version=version)
    assert name not in dav.all("Calendar")
