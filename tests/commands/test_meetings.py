"""Answering meetings against the mock's calendar, in every version."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from emailplus.eas.commands.meeting_response import MeetingAnswer, Reply, UserResponse
from emailplus.eas.flows import meetings
from emailplus.errors import CommandFailed, NotFound, NotOffered, UsageError
from emailplus.model.outbox import OutboxState

from ..flows.world import NOW, World, deliver, mail

EVERY = ["2.5", "12.0", "12.1", "14.0", "14.1", "16.0", "16.1"]
START = NOW + timedelta(days=2)


def request(organizer: str = "bob@example.test", uid: str = "UID-1") -> bytes:
    lines = [
        f"From: {organizer}", "To: alice@example.test", "Subject: Planning", "Message-ID: <m1@example.test>",
        "MIME-Version: 1.0", 'Content-Type: text/calendar; charset="utf-8"; method=REQUEST', "",
        "BEGIN:VCALENDAR", "VERSION:2.0", "METHOD:REQUEST", "BEGIN:VEVENT", f"UID:{uid}",
        f"DTSTART:{START:%Y%m%dT%H%M%SZ}", f"DTEND:{START + timedelta(hours=1):%Y%m%dT%H%M%SZ}",
        "SUMMARY:Planning of the", "  year", "LOCATION:Room 1", f'ORGANIZER;CN="Bob Brown":mailto:{organizer}',
        "ATTENDEE:mailto:alice@example.test", "END:VEVENT", "END:VCALENDAR", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode()


def events(world: World) -> list[dict[str, Any]]:
    return [dict(item.nodes or []) for item in world.alice.items("Calendar")]


@pytest.mark.parametrize("version", EVERY)
def test_accept_change_of_mind_and_decline(make_world: Callable[..., World], version: str) -> None:
    world = make_world(versions=(version,))
    deliver(world.alice, request())
    with world.open() as mailbox:
        mailbox.sync()
        (invite,) = mailbox.search("subject:planning")
        accepted = mailbox.respond(invite.id, "accept")
        (event,) = events(world)
        assert (event["Calendar:Subject"], event["Calendar:UID"]) == ("Planning of the year", "UID-1")
        assert (event["Calendar:BusyStatus"], event["Calendar:OrganizerEmail"]) == ("2", "bob@example.test")
        assert accepted.calendar_id == world.alice.items("Calendar")[0].server_id
        mailbox.sync()
        (moved,) = mailbox.search("subject:planning")
        assert (moved.id, moved.folder) == (invite.id, "Deleted Items")
        mailbox.respond(moved.id, "tentative")
        assert [e["Calendar:BusyStatus"] for e in events(world)] == ["1"]
        assert mailbox.respond(moved.id, "decline").calendar_id == ""
        assert events(world) == []
    assert world.exchange.user("bob").items() == []  # nobody was told


@pytest.mark.parametrize("version", ["16.0", "16.1"])
def test_the_organiser_is_told_where_that_is_asked_for(make_world: Callable[..., World], version: str) -> None:
    world = make_world(versions=(version,))
    deliver(world.alice, request())
    with world.open() as mailbox:
        mailbox.sync()
        (invite,) = mailbox.search("subject:planning")
        proposed = (START + timedelta(hours=3), START + timedelta(hours=4))
        if version == "16.1":
            mailbox.respond(invite.id, "tentative", reply="Later, please", proposed=proposed)
        else:
            with pytest.raises(UsageError):
                mailbox.respond(invite.id, "tentative", reply="Later, please", proposed=proposed)
            mailbox.respond(invite.id, "tentative", reply="Later, please")
    (told,) = world.exchange.user("bob").items()
    text = told.raw.decode()
    assert "Later, please" in text
    assert ("METHOD:COUNTER" if version == "16.1" else "METHOD:REPLY") in text
    assert (f"DTSTART:{proposed[0]:%Y%m%dT%H%M%SZ}" in text) == (version == "16.1")
    assert "PARTSTAT=TENTATIVE" in text


@pytest.mark.parametrize("version", ["2.5", "14.1"])
def test_up_to_14_1_the_reply_is_our_mail(make_world: Callable[..., World], version: str) -> None:
    """MS-ASCMD_R268."""
    world = make_world(versions=(version,))
    deliver(world.alice, request())
    with world.open() as mailbox:
        mailbox.sync()
        (invite,) = mailbox.search("subject:planning")
        mailbox.respond(invite.id, "decline", reply="Not this time")
        assert [entry.state for entry in mailbox.outbox()] == [OutboxState.CONFIRMED]
        told = MeetingAnswer(UserResponse.ACCEPT, "5", invite.server_id, reply=Reply("I come"))
        with pytest.raises(NotOffered, match=re.escape(version)):  # nobody would tell: nothing is answered
            mailbox._converse(lambda session: meetings.respond(session, [told]))
    assert events(world) == []
    (told_by_mail,) = world.exchange.user("bob").items()
    assert b"METHOD:REPLY" in told_by_mail.raw
    assert b"PARTSTAT=DECLINED" in told_by_mail.raw.replace(b"\r\n ", b"")


def test_an_answer_that_the_server_refuses_mails_nobody(make_world: Callable[..., World]) -> None:
    world = make_world(versions=("14.1",))
    deliver(world.alice, request())
    with world.open() as mailbox:
        mailbox.sync()
        (invite,) = mailbox.search("subject:planning")
        world.alice.delete(invite.server_id)
        with pytest.raises(CommandFailed):
            mailbox.respond(invite.id, "accept", reply="I come")
        assert mailbox.outbox() == []
    assert world.exchange.user("bob").items() == []


def test_what_cannot_be_answered(world: World) -> None:
    deliver(world.alice, mail("no invite"))
    deliver(world.alice, request("alice@example.test"))
    with world.open() as mailbox:
        mailbox.sync()
        for subject in ("invite", "planning"):
            (message,) = mailbox.search(f"subject:{subject}")
            with pytest.raises(CommandFailed) as caught:
                mailbox.respond(message.id, "accept")
            assert caught.value.status == 2
        with pytest.raises(UsageError):
            mailbox.respond(message.id, "maybe")
        with pytest.raises(NotFound):
            mailbox.respond(99, "accept")


@pytest.mark.parametrize(("version", "status"), [("14.0", 2), ("14.1", 1), ("16.1", 1)])
def test_an_event_of_the_calendar_is_answered_from_14_1_on(
    make_world: Callable[..., World], version: str, status: int
) -> None:
    world = make_world(versions=(version,))
    nodes = [("Calendar:OrganizerEmail", "bob@example.test"), ("Calendar:UID", "X"), ("Calendar:MeetingStatus", "3")]
    server_id = world.alice.add_item("Calendar", nodes)
    calendar = server_id.partition(":")[0]
    with world.open() as mailbox:
        plain = MeetingAnswer(UserResponse.TENTATIVE, calendar, server_id)
        (result,) = mailbox._converse(lambda session: meetings.respond(session, [plain]))
        assert result.status == status
        if status == 1:
            single = MeetingAnswer(UserResponse.ACCEPT, calendar, server_id, instance=START)
            (one,) = mailbox._converse(lambda session: meetings.respond(session, [single]))
            assert one.status == 146  # it does not recur


def test_what_was_accepted_is_busy_time(world: World) -> None:
    deliver(world.alice, request())
    world.alice.add_item(
        "Contacts", [("Contacts:LastName", "Friend"), ("Contacts:Email1Address", "friend@example.net")]
    )
    with world.open() as mailbox:
        mailbox.sync()
        (invite,) = mailbox.search("subject:planning")
        mailbox.respond(invite.id, "accept")
        alice = mailbox.free_busy(["alice"], START, START + timedelta(hours=2))["alice"]
        assert [(p.start, p.end) for p in alice.busy()] == [(START, START + timedelta(hours=1))]
        (friend,) = mailbox.resolve(["friend"])
        assert [(r.email, r.source) for r in friend.recipients] == [("friend@example.net", "contacts")]
