"""iCalendar both ways, read back by another reader (python-dateutil) and by our own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from emailplus.calendar.ical import read, rule_of, write
from emailplus.calendar.occurrences import occurrences
from emailplus.errors import UsageError
from emailplus.model.event import Attendee, Event, EventException, Location
from emailplus.model.message import Body
from emailplus.model.recurrence import Recurrence

from .test_occurrences import patterns

START = datetime(2026, 3, 23, 9, 0, tzinfo=UTC)
WINDOW = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 6, 1, tzinfo=UTC)


def full() -> Event:
    text = b"agenda; with, signs\nand lines"
    return Event(
        subject="Review: a, b; c", start=START, end=START + timedelta(hours=1), timezone="Europe/Berlin", uid="u-1",
        location=Location("Room 1"), body=Body(1, text, len(text)), categories=("work", "x, y"), sensitivity=2,
        busy_status=2, reminder=30, organizer_email="alice@example.test", organizer_name="Alice", meeting_status=1,
        attendees=(Attendee(email="bob@example.test", name="Bob", status=3, type=1),
                   Attendee(email="room@example.test", name="Room", status=5, type=3)),
        recurrence=Recurrence(type=1, day_of_week=2, occurrences=6),
        exceptions=(
            EventException(START + timedelta(days=14, hours=-1), deleted=True),
            EventException(START + timedelta(days=21, hours=-1), changes={
                "start": START + timedelta(days=22), "end": START + timedelta(days=22, hours=2), "subject": "moved"}),
        ),
    )  # fmt: skip


def test_there_and_back() -> None:
    written = write([full()])
    (found,) = read(written).events
    assert found.properties() == full().properties()
    before, after = occurrences(full(), *WINDOW), occurrences(found, *WINDOW)
    assert [(made.start, made.end, made.event.subject) for made in before] == [
        (made.start, made.end, made.event.subject) for made in after
    ]
    assert len(before) == 5


def test_all_day_events_are_dates() -> None:
    event = Event(
        subject="fair", start=date(2026, 12, 24), end=date(2026, 12, 27), all_day=True, uid="u", busy_status=0
    )
    written = write([event])
    assert b"DTSTART;VALUE=DATE:20261224" in written
    assert b"DTEND;VALUE=DATE:20261227" in written
    assert read(written).events[0].properties() == event.properties()


@settings(max_examples=80, deadline=None)
@given(patterns, st.dates(date(2023, 1, 1), date(2025, 12, 31)))
def test_rules_mean_the_same_to_another_reader(pattern: Recurrence, first: date) -> None:
    """The RRULE read by python-dateutil names the days that our own expansion shows."""
    series = Event(subject="s", start=first, end=first + timedelta(days=1), all_day=True, uid="u", recurrence=pattern)
    lines = [line for line in write([series]).decode().replace("\r\n ", "").splitlines() if line.startswith("RRULE:")]
    begin = datetime(first.year, first.month, first.day)
    until = begin + timedelta(days=700)
    theirs = [moment.date() for moment in rrulestr(lines[0], dtstart=begin).between(begin, until, inc=True)]
    window = begin.replace(tzinfo=UTC), until.replace(tzinfo=UTC) + timedelta(days=1)
    ours = [made.start for made in occurrences(series, *window)]
    assert ours == theirs
    back = read(write([series])).events[0]
    assert [made.start for made in occurrences(back, *window)] == theirs


def test_what_activesync_cannot_say_is_named() -> None:
    text = (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART:20261201T090000Z\r\n"
        "SUMMARY:hourly\r\nRRULE:FREQ=HOURLY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    found = read(text.encode())
    assert [event.subject for event in found.events] == ["hourly"]
    assert found.events[0].recurrence is None
    assert "hourly" in found.lost[0]


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xfe\x00", b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n"])
def test_what_is_no_calendar_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(UsageError, match="iCalendar"):
        read(data)


def test_a_lunar_series_has_no_rule() -> None:
    assert rule_of(Recurrence(type=5, calendar_type=15, day_of_month=1, month_of_year=1)) == {}
    event = replace(
        full(), recurrence=Recurrence(type=5, calendar_type=15, day_of_month=1, month_of_year=1), exceptions=()
    )
    assert b"RRULE" not in write([event])
