"""The meeting of a mail beside its text: from ActiveSync's properties, in every version, once, on page and terminal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from emailplus.calendar.meeting_card import add, card
from emailplus.eas.items.timezone import ZoneInformation, pack
from emailplus.mime import cards
from emailplus.mime.cards import EventView, Person
from emailplus.model.event import Location
from emailplus.model.meeting import FollowUp, MeetingRequest
from emailplus.model.message import StoredMessage
from emailplus.model.recurrence import CalendarType, Recurrence
from emailplus.reading import Reading
from emailplus.store.store import Store

from ..flows.world import World, deliver
from ..store.mail import KEY, message, new_store, window

EVERY = ["2.5", "12.0", "12.1", "14.0", "14.1", "16.0", "16.1"]
START = datetime(2026, 12, 3, 9, 0, tzinfo=UTC)
REQUEST = "IPM.Schedule.Meeting.Request"


def stored(message_class: str = REQUEST, **fields: Any) -> StoredMessage:
    meeting = fields.pop("meeting", "none")
    if meeting == "none":
        meeting = MeetingRequest(
            uid="U-1", start=START, end=START + timedelta(hours=1), timezone="Europe/Berlin", organizer="Bob <b@x.test>"
        )
    made = StoredMessage(
        1, "Inbox", "1:1", "Updated: Tea", "Carol <c@x.test>", "a@x.test", "", "", START, 1, True, 0, message_class,
        "", "Tea", (), "", 0, 2, "stored",
    )  # fmt: skip
    made.meeting = meeting
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def shown(message: StoredMessage) -> tuple[str, dict[str, str]]:
    event = card(message)
    assert event is not None
    return cards.title(event), dict(cards.rows(event))


@pytest.mark.parametrize(
    ("message_class", "title"),
    [
        (REQUEST, "Invitation"),
        ("ipm.schedule.MEETING.request.our.form", "Invitation"),
        ("IPM.Schedule.Meeting.Canceled", "Cancelled"),
        ("IPM.Schedule.Meeting.Resp.Pos", "Accepted"),
        ("IPM.Schedule.Meeting.Resp.Tent", "Tentatively accepted"),
        ("IPM.Schedule.Meeting.Resp.Neg", "Declined"),
        ("IPM.Notification.Meeting", "Appointment"),
        ("IPM.Note", "Invitation"),  # it has a meeting, whatever it is called
    ],
)
def test_what_the_mail_is(message_class: str, title: str) -> None:
    kind, rows = shown(stored(message_class))
    assert kind == title
    assert rows["When"] == "2026-12-03 10:00 – 11:00 (Europe/Berlin)"
    assert rows["Organizer"] == "Bob <b@x.test>"
    assert ("Carol" in rows.get("People", "")) == ("Resp" in message_class)


def test_an_answer_without_its_meeting_is_still_one() -> None:
    assert shown(stored("IPM.Schedule.Meeting.Resp.Neg", meeting=None)) == ("Declined", {"People": "Carol (declined)"})
    assert card(stored(meeting=None)) is None
    assert card(stored("IPM.Note", meeting=None)) is None
    assert card(stored("IPM.Schedule.MeetingX", meeting=None)) is None


@pytest.mark.parametrize(("kind", "note"), [(None, ""), (1, ""), (2, "updated"), (3, "no new answer"), (4, "outdated"),
                                            (5, "delegator"), (6, "cannot be answered"), (99, "")])  # fmt: skip
def test_what_became_of_a_request(kind: int | None, note: str) -> None:
    _, rows = shown(stored(meeting=MeetingRequest(uid="U", start=START, message_type=kind)))
    assert note in rows.get("Note", "")
    assert ("Note" in rows) == bool(note)


def times(**fields: Any) -> str:
    return shown(stored(meeting=MeetingRequest(**fields)))[1].get("When", "")


def test_when() -> None:
    first = date(2026, 12, 24)
    assert times(start=first, end=date(2026, 12, 25), all_day=True) == "2026-12-24, all day"
    assert times(start=first, end=date(2026, 12, 27), all_day=True) == "2026-12-24 – 2026-12-26, all day"
    assert times(start=START, end=START) == "2026-12-03 09:00 – 09:00 (UTC)"
    late = START.replace(hour=23)
    assert times(start=late, end=late + timedelta(hours=2)) == "2026-12-03 23:00 – 2026-12-04 01:00 (UTC)"
    odd = pack(ZoneInformation(bias=-345, standard_name="Nowhere", daylight_name="Nowhere"))
    assert times(start=START, end=START, timezone_blob=odd) == "2026-12-03 14:45 – 14:45 (UTC+05:45)"
    assert times(start=datetime.max.replace(tzinfo=UTC), timezone_blob=odd).startswith("9999-12-31 23:59")
    assert times(start=datetime.min.replace(tzinfo=UTC), timezone="America/New_York") == "0001-01-01 00:00 (UTC)"
    assert times() == ""


@pytest.mark.parametrize(
    ("recurrence", "said"),
    [
        (Recurrence(type=0), "every day"),
        (Recurrence(type=0, day_of_week=62), "every day, on each weekday"),
        (Recurrence(type=1, interval=2, day_of_week=2 | 8, occurrences=4),
         "every 2 weeks, on Monday, Wednesday, 4 times"),
        (Recurrence(type=2, day_of_month=13, until=datetime(2027, 5, 31, 22, 30, tzinfo=UTC)),
         "every month, on day 13, until 2027-06-01"),  # the day in the meeting's zone
        (Recurrence(type=2, day_of_month=31), "every month, on day 31 or the last before it"),
        (Recurrence(type=3, week_of_month=5, day_of_week=62), "every month, on the last weekday"),
        (Recurrence(type=3, week_of_month=2, day_of_week=4), "every month, on the second Tuesday"),
        (Recurrence(type=5, day_of_month=5, month_of_year=3), "every year, on day 5 of March"),
        (Recurrence(type=6, week_of_month=5, day_of_week=32, month_of_year=10, until=date(2030, 1, 1)),
         "every year, on the last Friday of October, until 2030-01-01"),
        (Recurrence(type=5, day_of_month=15, month_of_year=8, calendar_type=CalendarType.CHINESE_LUNAR, leap_month=True,
                    occurrences=3), "every year, on day 15, in leap month 8, 3 times (Chinese Lunar calendar)"),
        (Recurrence(type=77), ""),
    ],
)  # fmt: skip
def test_how_often(recurrence: Recurrence, said: str) -> None:
    meeting = MeetingRequest(start=START, timezone="Europe/Berlin", recurrences=(recurrence,), instance_type=1)
    assert shown(stored(meeting=meeting))[1].get("Repeats", "") == said


def test_one_instance_and_another_time() -> None:
    one = MeetingRequest(start=START, instance_type=3, recurrence_id=START - timedelta(days=1))
    assert shown(stored(meeting=one))[1]["Instance"] == "the one of 2026-12-02 09:00 (UTC)"
    other = MeetingRequest(
        start=START, end=START, proposed_start=START + timedelta(hours=2), proposed_end=START + timedelta(hours=3)
    )
    title, rows = shown(stored("IPM.Schedule.Meeting.Resp.Tent", meeting=other))
    assert title == "New time proposed"
    assert (rows["Proposed"], rows["People"]) == ("2026-12-03 11:00 – 12:00 (UTC)", "Carol (tentative)")


def test_a_meeting_stands_there_once() -> None:
    about = EventView(method="REQUEST", uid="u-1", summary="Tea", attendees=[Person("A", "a@x.test")])
    other = EventView(method="PUBLISH", uid="other")
    events = [other, about]
    add(events, stored(meeting=MeetingRequest(uid="U-1", start=START, message_type=4)))
    assert events == [other, about]
    assert about.notes == ["outdated: a newer one has come"]
    nameless = [EventView(method="REQUEST")]
    add(nameless, stored())
    assert len(nameless) == 1
    beside = [EventView(method="PUBLISH", uid="other"), EventView(kind="task", method="REQUEST")]
    add(beside, stored())
    assert [event.summary for event in beside] == ["Tea", "", ""]


def ics() -> bytes:
    lines = [
        "From: Bob <bob@example.test>", "To: alice@example.test", "Subject: Planning", "Message-ID: <m1@example.test>",
        "MIME-Version: 1.0", 'Content-Type: multipart/alternative; boundary="b"', "", "--b",
        "Content-Type: text/plain", "", "Please come", "--b",
        'Content-Type: text/calendar; charset="utf-8"; method=REQUEST', "",
        "BEGIN:VCALENDAR", "VERSION:2.0", "METHOD:REQUEST", "BEGIN:VEVENT", "UID:UID-1",
        "DTSTART:20261203T090000Z", "DTEND:20261203T100000Z", "SUMMARY:Planning", "LOCATION:Room 1",
        'ORGANIZER;CN="Bob Brown":mailto:bob@example.test',
        "ATTENDEE:mailto:alice@example.test", "END:VEVENT", "END:VCALENDAR", "--b--", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize("version", EVERY)
def test_from_the_server_to_the_reader(make_world: Callable[..., World], version: str) -> None:
    world = make_world(versions=(version,))
    deliver(world.alice, ics())
    with world.open() as mailbox:
        mailbox.sync()
        (found,) = mailbox.search("subject:planning")
        seen = mailbox.view(found.id)
        page = mailbox.page(found.id).html
        lines = mailbox.reading.terminal(found.id)
    (event,) = seen.events
    assert (event.summary, event.method, event.uid.upper()) == ("Planning", "REQUEST", "UID-1")
    assert "Please come" in seen.text
    assert page.count("Invitation: Planning") == 1
    assert lines.count("[Invitation: Planning]") == 1
    for what in ("2026-12-03 09:00 – 10:00", "Room 1", "bob@example.test"):
        assert what in page, (version, what)
        assert what in lines, (version, what)


def test_cells_of_what_the_server_knows(tmp_path: Any) -> None:
    now = datetime.now(UTC)
    flag = FollowUp(status=2, due_date=now.replace(tzinfo=None), utc_due_date=now - timedelta(days=1))
    done = FollowUp(status=1, date_completed=datetime(2026, 1, 2, tzinfo=UTC))
    with new_store(tmp_path / "mailbox.db") as store:
        window(store, added=[
            message("1", "plain", text="x"),
            message("2", "much", text="x", importance=0, categories=("Red", "<b>"), flag_status=2, flag=flag,
                    actual_sender="Eve <eve@x.test>", received_as_bcc=True),
            message("3", "done", text="x", flag_status=1, flag=done),
            message("4", "open", text="x", flag_status=2, actual_sender="ann@example.com"),
        ])  # fmt: skip
    with Store.open(tmp_path / "mailbox.db", KEY) as store:
        reading = Reading(store)
        cells = {number: reading.look(store.messages([number])[0]).cells for number in (1, 2, 3, 4)}
        page, lines = reading.page(2).html, reading.terminal(2)
    assert cells[1] == ()
    assert [cell.kind for cell in cells[2]] == ["importance", "sender", "bcc", "flag", "categories"]
    assert [(c.title, c.tone) for c in cells[2] if c.kind == "flag"] == [("Follow up", "warning")]
    assert [(c.title, c.text) for c in cells[3]] == [("Followed up", "on 2026-01-02")]
    assert [(c.title, c.text) for c in cells[4]] == [("Follow up", "")]
    for what in ("Low importance", "Sent by Eve", "blind copy", "Follow up", "Red, "):
        assert what in page
        assert what in lines
    assert "&lt;b&gt;" in page


def test_a_place_is_written_as_a_person_does() -> None:
    place = Location(name="", street="Main St 1", city="Town")
    assert shown(stored(meeting=MeetingRequest(start=START, location=place)))[1]["Where"] == "Main St 1, Town"
