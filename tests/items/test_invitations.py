"""Invitations, updates, cancellations and answers by mail, up to 14.1: read by the package icalendar and by bob.

MS-ASCMD_R7479, MS-ASEMAIL_R15, MS-ASCMD_R268, MS-ASCMD_R3347.
"""

from __future__ import annotations

import email
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from email.policy import default
from typing import Any

import icalendar
import pytest

from emailplus.calendar import invitation
from emailplus.errors import ConfirmationNeeded, UsageError
from emailplus.mailbox import Mailbox
from emailplus.mock import Drop, LoseResponse, Status
from emailplus.model.draft import Invitation
from emailplus.model.event import Attendee, Event, Location
from emailplus.model.message import Address
from emailplus.model.outbox import OutboxState
from emailplus.model.recurrence import Recurrence

from ..flows.world import KEY, NOW, World
from ..sending.test_classified import BOB
from ..stops import every_commit, given_up
from .two import START, text

OLD = ("2.5", "12.1", "14.1")
GUESTS = (
    Attendee(email="bob@example.test", name="Bob Brown", type=1),
    Attendee(email="carol@example.test", name="Carol", type=2),
)
PEOPLE = ("bob", "carol")


def meeting(**more: Any) -> Event:
    values: dict[str, Any] = {
        "subject": "Überblick", "start": START, "end": START + timedelta(hours=1), "timezone": "Europe/Berlin",
        "location": Location("Room 1"), "body": text("agenda"), "reminder": 15, "categories": ("private",),
        "attendees": GUESTS,
    }  # fmt: skip
    return Event(**{**values, **more})


@pytest.fixture
def make(make_world: Callable[..., World]) -> Callable[[str], World]:
    def made(version: str) -> World:
        world = make_world(versions=(version,))
        world.sync()
        return world

    return made


def arrived(world: World, name: str = "bob") -> list[tuple[str, Any, Any]]:
    """(method, the event of the calendar part, the mail) of everything in that Inbox, oldest first."""
    found = []
    for item in sorted(world.exchange.user(name).items("Inbox"), key=lambda item: int(item.server_id.split(":")[1])):
        mail = email.message_from_bytes(item.raw, policy=default)
        (part,) = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]
        calendar = icalendar.Calendar.from_ical(part.get_payload(decode=True))
        method = str(calendar["method"])
        assert part.get_param("method") == method
        assert part.get_content_disposition() is None
        found.append((method, calendar.walk("VEVENT")[0], mail))
    return found


def bob(world: World) -> Mailbox:
    return Mailbox.open(world.config(**BOB), store=world.folder / "bob.db", key=KEY)


@pytest.mark.parametrize("version", OLD)
def test_the_life_of_a_meeting(make: Callable[[str], World], version: str) -> None:
    world = make(version)
    with world.open() as alice:
        number = alice.create_item(meeting(), send_updates=True)
        (waiting,) = alice.outbox()
        assert waiting.waits
        assert arrived(world) == []
        alice.sync()
        for name in PEOPLE:
            ((method, event, mail),) = arrived(world, name)
            assert (method, str(event["summary"]), int(event["sequence"])) == ("REQUEST", "Überblick", 0)
            assert (event.decoded("dtstart"), event.decoded("dtend")) == (START, START + timedelta(hours=1))
            assert str(event["organizer"]).lower() == "mailto:alice@example.test"
            asked = {str(one).lower(): one.params for one in event["attendee"]}
            assert set(asked) == {"mailto:bob@example.test", "mailto:carol@example.test"}
            assert {(one["RSVP"], one["PARTSTAT"]) for one in asked.values()} == {("TRUE", "NEEDS-ACTION")}
            assert (str(event["location"]), str(event["description"])) == ("Room 1", "agenda")
            assert "categories" not in event
            assert event.walk("VALARM") == []
            assert mail["To"] == "Bob Brown <bob@example.test>"
            if version != "2.5":  # AttendeeType exists from 12.0 on
                assert mail["Cc"] == "Carol <carol@example.test>"
            words = mail.get_body(("plain",)).get_content()
            assert "Tuesday, 01 December 2026, 10:00 to 11:00 (Europe/Berlin)" in words
            assert "Where: Room 1" in words
        uid = str(event["uid"])
        assert world.alice.items("Calendar")[0].server_id
        assert len(world.alice.items("Sent Items")) == 1

        alice.change_item(number, start=START + timedelta(hours=2), attendees=GUESTS[:1], send_updates=True)
        alice.sync()
        _, (method, event, _) = arrived(world)
        assert (method, str(event["uid"]), int(event["sequence"])) == ("REQUEST", uid, 1)
        assert event.decoded("dtstart") == START + timedelta(hours=2)
        _, (method, event, mail) = arrived(world, "carol")
        assert (method, str(event["uid"]), str(event["status"])) == ("CANCEL", uid, "CANCELLED")
        assert mail["Subject"] == "Canceled: Überblick"

        alice.change_item(number, reminder=30, send_updates=True)  # one's own
        alice.change_item(number, subject="Overview")  # nobody shall hear of it
        alice.sync()
        assert len(arrived(world)) == 2

        alice.delete_item(number, send_updates=True)
        alice.sync()
        method, event, mail = arrived(world)[-1]
        assert (method, str(event["uid"]), int(event["sequence"])) == ("CANCEL", uid, 2)
        assert len(arrived(world, "carol")) == 2
        assert world.alice.items("Calendar") == []
        assert [entry.state for entry in alice.outbox()] == [OutboxState.CONFIRMED] * 4


@pytest.mark.parametrize("version", OLD)
def test_bob_reads_a_meeting_request_and_answers(make: Callable[[str], World], version: str) -> None:
    world = make(version)
    with world.open() as alice:
        number = alice.create_item(meeting(), send_updates=True)
        alice.sync()
    with bob(world) as his:
        his.sync()
        (found,) = his.search("in:inbox")
        request = his.message(found.id)
        assert request.message_class == "IPM.Schedule.Meeting.Request"
        assert request.meeting is not None
        assert (request.meeting.start, request.meeting.end) == (START, START + timedelta(hours=1))
        assert request.meeting.organizer.endswith("alice@example.test") or "alice@" in request.meeting.organizer
        assert [message.id for message in his.search("has:invite")] == [request.id]
        his.respond(request.id, "accept", reply="I come")
        assert [entry.state for entry in his.outbox()] == [OutboxState.CONFIRMED]
    with world.open() as alice:
        event = alice.item(number)
        assert isinstance(event, Event)
        assert request.meeting.uid == event.uid
        alice.sync()
        sent, answer = alice.mails_of(number)
        assert (sent.folder, answer.folder) == ("Sent Items", "Inbox")
        assert answer.message_class == "IPM.Schedule.Meeting.Resp.Pos"
        assert answer.subject == "Accepted: Überblick"
        assert "I come" in alice.message(answer.id).text
        assert alice.event_of(answer.id) == event
    ((method, reply, _),) = arrived(world, "alice")
    assert (method, str(reply["uid"])) == ("REPLY", event.uid)
    assert str(reply["attendee"]).lower() == "mailto:bob@example.test"
    assert reply["attendee"].params["PARTSTAT"] == "ACCEPTED"
    assert str(reply["organizer"]).lower() == "mailto:alice@example.test"
    assert str(reply["comment"]) == "I come"


@pytest.mark.parametrize("version", OLD)
def test_another_time_is_proposed_by_mail(make: Callable[[str], World], version: str) -> None:
    world = make(version)
    with world.open() as alice:
        alice.create_item(meeting(), send_updates=True)
        alice.sync()
    later = (START + timedelta(hours=3), START + timedelta(hours=4))
    with bob(world) as his:
        his.sync()
        (found,) = his.search("in:inbox")
        with pytest.raises(UsageError):
            his.respond(found.id, "tentative", reply="", proposed=later[::-1])
        his.respond(found.id, "tentative", reply="", proposed=later)
    ((method, event, mail),) = arrived(world, "alice")
    assert (method, event.decoded("dtstart"), event.decoded("dtend")) == ("COUNTER", *later)
    assert mail["Subject"] == "New Time Proposed: Überblick"


@pytest.mark.parametrize("version", OLD)
def test_one_instance_of_a_series(make: Callable[[str], World], version: str) -> None:
    world = make(version)
    second = START + timedelta(days=1)
    with world.open() as alice:
        rule = Recurrence(type=0, interval=1, occurrences=5)
        number = alice.create_item(meeting(recurrence=rule), send_updates=True)
        alice.sync()
        ((_, event, _),) = arrived(world)
        assert event["rrule"] == {"FREQ": ["DAILY"], "COUNT": [5]}
        alice.change_item(number, instance=second, start=second + timedelta(hours=5), send_updates=True)
        alice.sync()
        method, event, _ = arrived(world)[-1]
        assert (method, event.decoded("recurrence-id")) == ("REQUEST", second)
        assert event.decoded("dtstart") == second + timedelta(hours=5)
        assert "rrule" not in event
        alice.delete_item(number, instance=START + timedelta(days=3), send_updates=True)
        alice.sync()
        method, event, _ = arrived(world)[-1]
        assert (method, event.decoded("recurrence-id")) == ("CANCEL", START + timedelta(days=3))
        assert len(arrived(world)) == 3


def test_an_all_day_meeting(make: Callable[[str], World]) -> None:
    world = make("14.1")
    with world.open() as alice:
        alice.create_item(meeting(start=date(2026, 12, 24), end=date(2026, 12, 26)), send_updates=True)
        alice.sync()
    ((_, event, mail),) = arrived(world)
    assert (event.decoded("dtstart"), event.decoded("dtend")) == (date(2026, 12, 24), date(2026, 12, 26))
    assert "When: Thursday, 24 December 2026 to Friday, 25 December 2026, all day" in mail.get_body().get_content()


@pytest.mark.parametrize("version", OLD)
def test_changes_before_the_first_sync_are_one_invitation(make: Callable[[str], World], version: str) -> None:
    world = make(version)
    with world.open() as alice:
        number = alice.create_item(meeting(), send_updates=True)
        alice.change_item(number, subject="Better")  # the mail that waits says so too
        alice.change_item(number, attendees=GUESTS[:1], send_updates=True)
        alice.sync()
        ((method, event, _),) = arrived(world)
        assert (method, str(event["summary"]), int(event["sequence"])) == ("REQUEST", "Better", 0)
        assert arrived(world, "carol") == []  # was never told
        gone = alice.create_item(meeting(subject="never"), send_updates=True)
        alice.delete_item(gone, send_updates=True)
        alice.sync()
    assert len(arrived(world)) == 1


def test_nobody_is_invited_to_what_the_server_refuses(make: Callable[[str], World]) -> None:
    world = make("14.1")
    with world.open() as alice:
        number = alice.create_item(meeting(), send_updates=True)
        world.exchange.faults.add(Status(6), "Sync", nth=2)
        alice.sync()
        alice.sync()
        mails = len(arrived(world))
        assert mails == (0 if any(change.state == "failed" for change in alice.waiting_changes()) else 1)
        for change in alice.waiting_changes():
            alice.drop_change(change.id)
        assert [entry for entry in alice.outbox() if entry.state is OutboxState.QUEUED] == []
        assert number


@pytest.mark.parametrize("version", OLD)
@pytest.mark.parametrize("command", ["Sync", "SendMail"])
@pytest.mark.parametrize("fault", [Drop(), LoseResponse()], ids=["cut before", "cut after"])
def test_a_lost_answer_invites_once(make: Callable[[str], World], version: str, command: str, fault: Any) -> None:
    world = make(version)
    with world.open() as alice:
        alice.create_item(meeting(), send_updates=True)
        world.exchange.faults.add(fault, command, nth=2 if command == "Sync" else 1)
        for _ in range(3):
            with given_up():
                alice.sync()
            world.clock.now += timedelta(seconds=130)
        assert [entry.state for entry in alice.outbox()] == [OutboxState.CONFIRMED]
    assert len(arrived(world)) == 1
    assert len(world.alice.items("Calendar")) == 1


@pytest.mark.parametrize("version", ["2.5", "14.1"])
def test_every_commit_may_be_the_last(
    make: Callable[[str], World], version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for stop in every_commit(monkeypatch, more_than=8):
        world = make(version)
        with world.open() as alice:
            alice.create_item(meeting(), send_updates=True)
        with stop:
            world.sync()
        for _ in range(3):
            world.sync()
            world.clock.now += timedelta(seconds=130)
        assert len(arrived(world)) == 1, stop.at
        assert len(world.alice.items("Calendar")) == 1


@pytest.mark.parametrize("version", ["16.0", "16.1"])
def test_from_16_on_the_server_mails_and_we_do_not(make: Callable[[str], World], version: str) -> None:
    world = make(version)
    with world.open() as alice:
        number = alice.create_item(meeting(), send_updates=True)
        assert alice.outbox() == []
        alice.sync()
        assert len(arrived(world)) == 1
        alice.delete_item(number, send_updates=True)
        alice.sync()
    assert [method for method, _, _ in arrived(world)] == ["REQUEST", "CANCEL"]


def test_a_server_that_is_upgraded_meanwhile_mails_instead(make_world: Callable[..., World]) -> None:
    world = make_world()
    with world.open() as alice:
        alice.sync(version="14.1")
        alice.create_item(meeting(attendees=GUESTS[:1]), send_updates=True)
        assert len(alice.outbox()) == 1
        alice.sync(version="16.1")
        assert alice.outbox() == []
    assert len(arrived(world)) == 1


def test_deleting_a_meeting_asks_about_unsafe_domains(world: World) -> None:
    keys = {"email_safe_domains": "example.test", "email_alert_unsafe_domains": "true"}
    with world.open(keys) as alice:
        alice.sync(version="14.1")
        asked: list[Any] = []

        def yes(question: Any) -> str:
            asked.append(question)
            return "proceed"

        outside = (*GUESTS, Attendee(email="eve@evil.example"))
        number = alice.create_item(meeting(attendees=outside), send_updates=True, confirm=yes)
        assert len(asked) == 1
        alice.sync(version="14.1")
        with pytest.raises(ConfirmationNeeded):
            alice.delete_item(number, send_updates=True)
        assert alice.item(number)
        alice.delete_item(number, send_updates=True, confirm=yes)
        assert len(asked) == 2
        alice.delete_item(alice.create_item(meeting(attendees=outside)))  # nobody is told: nothing is asked


def test_a_draft_carries_an_invitation(make: Callable[[str], World]) -> None:
    world = make("14.1")
    with world.open() as alice:
        event = meeting(uid="made-elsewhere", organizer_email="alice@example.test")
        draft = alice.new(invitation=event)
        assert [person.address for person in draft.recipients] == ["bob@example.test", "carol@example.test"]
        kept = alice.draft(alice.save(draft))
        assert kept.invitation == draft.invitation
        assert alice.send(kept).state is OutboxState.CONFIRMED
        ((method, found, mail),) = arrived(world)
        assert (method, str(found["uid"]), mail["Subject"]) == ("REQUEST", "made-elsewhere", "Überblick")
        assert [part.get_content_type() for part in mail.walk()] == [
            "multipart/alternative", "text/plain", "text/calendar",
        ]  # fmt: skip
        for bad in (Invitation("request", b"x"), Invitation("REQUEST", b"\xff")):
            with pytest.raises(UsageError):
                alice.send(alice.new(to="bob@example.test", invitation=bad))


def test_hostile_events_become_calendars() -> None:
    own = Address("", "alice@example.test")
    crowd = tuple(Attendee(email=f"p{n}@example.test", name="A;B,\r\nEND:VEVENT") for n in range(6000))
    event = meeting(subject="x\r\nATTENDEE:mailto:eve@evil.example", attendees=(*crowd, Attendee(email=" ")))
    part = invitation.request(replace(event, uid="u"), organizer=own, now=NOW)
    (found,) = icalendar.Calendar.from_ical(part.calendar).walk("VEVENT")
    assert len(found["attendee"]) == invitation.MAX_ATTENDEES
    assert b"evil" not in b"".join(line for line in part.calendar.splitlines() if line.startswith(b"ATTENDEE"))
    assert max(len(line) for line in part.calendar.split(b"\r\n")) <= 75
