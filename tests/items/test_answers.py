"""Answers to meeting requests as durable changes, in every version: nothing is lost, the organiser is told once.

MS-ASCMD 2.2.1.11, MS-ASCMD_R268, R7113. Every step opens the store anew.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from emailplus import driver
from emailplus.eas.commands.meeting_response import MeetingResult
from emailplus.errors import (
    CommandFailed,
    HttpStatusError,
    NotFound,
    NotOffered,
    ReadOnlyMailbox,
    ServerUnreachable,
    UsageError,
)
from emailplus.mailbox import AsyncMailbox, Mailbox
from emailplus.mock import Drop, Http, LoseResponse, Rewrite, Status
from emailplus.model.answers import AnswerState, PendingAnswer, shows
from emailplus.model.event import Event
from emailplus.model.outbox import OutboxState
from emailplus.store.diagnosis import wipe_cached
from emailplus.store.store import Store

from ..commands.test_meetings import START, events, request
from ..flows.world import DEVICE, KEY, World, commands, deliver
from ..stops import every_commit

EVERY = ("2.5", "12.1", "14.1", "16.0", "16.1")
FEW = ("2.5", "14.1", "16.1")
NEW = ("16.0", "16.1")
OTHER = {"email_device_id": DEVICE[::-1]}
FAULTS = pytest.mark.parametrize("fault", [Drop(), LoseResponse()], ids=["cut before", "cut after"])
PARTSTAT = {"accept": "ACCEPTED", "tentative": "TENTATIVE", "decline": "DECLINED"}
BUSY = {"accept": ["2"], "tentative": ["1"], "decline": []}

Make = Callable[..., World]


@pytest.fixture
def make(make_world: Callable[..., World]) -> Make:
    def made(*versions: str) -> World:
        world = make_world(versions=versions)
        deliver(world.alice, request())
        world.sync()
        return world

    return made


class Line:
    """The network, which can be away."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.away = False
        real = driver._send_once

        def send(*arguments: Any) -> Any:
            if self.away:
                raise ServerUnreachable("the server cannot be reached")
            return real(*arguments)

        patch.setattr(driver, "_send_once", send)


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Line:
    return Line(monkeypatch)


def invite(mailbox: Mailbox) -> int:
    (found,) = [message for message in mailbox.search("planning") if message.folder != "Sent Items"]
    return found.id


def respond(world: World, response: str = "accept", reply: str | None = "I see", **more: Any) -> MeetingResult:
    with world.open() as mailbox:
        return mailbox.respond(invite(mailbox), response, reply=reply, **more)


def waiting(world: World) -> list[PendingAnswer]:
    with world.open() as mailbox:
        return mailbox.waiting_answers()


def outbox(world: World) -> list[Any]:
    with world.open() as mailbox:
        return mailbox.outbox()


def told(world: World) -> list[str]:
    """What bob got, in order."""
    mails = [item.raw.replace(b"\r\n ", b"").decode() for item in world.exchange.user("bob").items()]
    return [next(word for word in PARTSTAT.values() if f"PARTSTAT={word}" in mail) for mail in mails]


def busy(world: World) -> list[str]:
    return [event["Calendar:BusyStatus"] for event in events(world)]


def settled(world: World, response: str) -> None:
    """The server and bob have the answer, and nothing is left to be done."""
    assert busy(world) == BUSY[response]
    assert told(world) == [PARTSTAT[response]]
    assert waiting(world) == []
    assert {entry.state for entry in outbox(world)} <= {OutboxState.CONFIRMED}


@FAULTS
@pytest.mark.parametrize("response", PARTSTAT)
@pytest.mark.parametrize("version", [*EVERY, "12.0", "14.0"])
def test_a_lost_answer_is_looked_for(make: Make, version: str, response: str, fault: Any) -> None:
    world = make(version)
    world.exchange.faults.add(fault, "MeetingResponse")
    result = respond(world, response)
    assert (result.waits, result.status) == (True, 0)
    (answer,) = waiting(world)
    assert (answer.state, answer.response, answer.attempts) == (AnswerState.UNCERTAIN, response, 1)
    world.sync()
    settled(world, response)
    assert commands(world).count("MeetingResponse") == (2 if isinstance(fault, Drop) else 1)
    world.sync()
    settled(world, response)


@pytest.mark.parametrize("version", EVERY)
def test_without_a_network_it_waits(make: Make, line: Line, version: str) -> None:
    world = make(version)
    line.away = True
    assert respond(world).waits
    (answer,) = waiting(world)
    assert (answer.state, answer.attempts, answer.reply) == (AnswerState.QUEUED, 0, "I see")
    assert [entry.waits for entry in outbox(world)] == ([True] if version not in NEW else [])
    line.away = False
    with world.open() as mailbox:
        assert mailbox.flush() == []
    settled(world, "accept")


@pytest.mark.parametrize("version", FEW)
def test_a_busy_server_is_asked_later(make: Make, version: str) -> None:
    world = make(version)
    world.exchange.faults.add(Http(503), "MeetingResponse", times=5)
    assert respond(world, "tentative").waits
    world.exchange.faults.add(Status(4), "MeetingResponse")  # server error, often transient
    world.sync()
    world.sync()
    settled(world, "tentative")


@pytest.mark.parametrize("version", FEW)
def test_the_last_of_two_wishes_counts(make: Make, line: Line, version: str) -> None:
    world = make(version)
    line.away = True
    respond(world, "accept", "yes")
    respond(world, "decline", "no")
    assert [answer.response for answer in waiting(world)] == ["decline"]
    line.away = False
    world.sync()
    settled(world, "decline")
    assert commands(world).count("MeetingResponse") == 1


@FAULTS
@pytest.mark.parametrize("version", FEW)
def test_a_change_of_mind_after_a_lost_answer(make: Make, version: str, fault: Any) -> None:
    world = make(version)
    world.exchange.faults.add(fault, "MeetingResponse")
    respond(world, "accept", "yes")
    assert not respond(world, "decline", "no").waits  # it looks first, where the request has gone
    assert busy(world) == []
    first = ["ACCEPTED"] if version in NEW and isinstance(fault, LoseResponse) else []
    assert told(world) == [*first, "DECLINED"]
    assert waiting(world) == []


@FAULTS
@pytest.mark.parametrize("version", FEW)
def test_the_same_answer_again_after_a_lost_one(make: Make, version: str, fault: Any) -> None:
    world = make(version)
    world.exchange.faults.add(fault, "MeetingResponse")
    respond(world)
    assert respond(world).status == 1
    settled(world, "accept")


@FAULTS
@pytest.mark.parametrize("version", FEW)
def test_where_neither_calendar_nor_request_can_tell(make: Make, version: str, fault: Any) -> None:
    """The request is in Deleted Items and the calendar shows that answer already: nobody is told twice."""
    world = make(version)
    respond(world, "accept", None)
    world.sync()
    world.exchange.faults.add(fault, "MeetingResponse")
    respond(world, "accept", "gladly")
    report = world.sync()
    world.sync()
    assert (busy(world), waiting(world)) == (["2"], [])
    lost = version in NEW and isinstance(fault, Drop)
    assert told(world) == ([] if lost else ["ACCEPTED"])
    assert any("not certain whether the organiser" in line for line in report.warnings) == (version in NEW)


@pytest.mark.parametrize("version", FEW)
@pytest.mark.parametrize("asked", ["at once", "later"])
def test_every_commit_may_be_the_last(
    make: Make, line: Line, version: str, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for stop in every_commit(monkeypatch, more_than=2):
        world = make(version)
        response = "decline" if stop.at % 2 else "accept"
        if asked == "later":
            line.away = True
            respond(world, response)
            line.away = False
        with stop:
            if asked == "later":
                world.sync()
            else:
                respond(world, response)
        if asked == "at once" and stop.at == 0:  # nothing was written: the user has to say it again
            assert waiting(world) == []
            respond(world, response)
        for _ in range(3):
            world.sync()
            world.clock.now += timedelta(seconds=130)
        settled(world, response)


@pytest.mark.parametrize("version", FEW)
def test_a_calendar_that_was_left_out_does_not_tell(make: Make, version: str) -> None:
    """Then the request has gone, and that is all there is to know."""
    world = make(version)
    world.exchange.faults.add(LoseResponse(), "MeetingResponse")
    respond(world)
    calendar = world.alice.folder("Calendar").server_id
    world.exchange.faults.add(Status(6, calendar), "Sync", times=None)
    report = world.sync()
    assert any("'Calendar' is left out" in line for line in report.warnings)
    world.exchange.faults.clear()
    world.sync()
    settled(world, "accept")


@pytest.mark.parametrize("version", FEW)
def test_what_the_server_refuses_later_is_undone(make: Make, line: Line, version: str) -> None:
    world = make(version)
    line.away = True
    respond(world)
    line.away = False
    world.alice.delete(world.alice.items("Inbox")[0].server_id)
    report = world.sync()
    assert any("'Planning' was not taken" in line for line in report.warnings)
    (answer,) = waiting(world)
    assert (answer.state, answer.status) == (AnswerState.FAILED, 2)
    assert (outbox(world), told(world), busy(world)) == ([], [], [])
    with world.open() as mailbox:
        mailbox.drop_answer(answer.id)
        assert mailbox.waiting_answers() == []


@pytest.mark.parametrize("version", FEW)
def test_what_the_server_refuses_at_once_is_raised(make: Make, version: str) -> None:
    world = make(version)
    world.exchange.faults.add(Status(103), "MeetingResponse")
    with pytest.raises((CommandFailed, HttpStatusError)) as caught:
        respond(world)
    assert caught.value.status == (400 if version == "2.5" else 103)
    assert [answer.state for answer in waiting(world)] == [AnswerState.FAILED]
    assert outbox(world) == []
    assert respond(world).status == 1  # the request is still there to be answered
    settled(world, "accept")


def test_a_server_that_never_answers_is_given_up(make: Make) -> None:
    world = make("16.1")
    world.exchange.faults.add(Drop(), "MeetingResponse", times=None)
    respond(world)
    for _ in range(6):
        world.sync()
    assert [answer.state for answer in waiting(world)] == [AnswerState.FAILED]
    assert commands(world).count("MeetingResponse") == 5


@pytest.mark.parametrize("version", FEW)
def test_a_request_that_another_device_moved_is_found(make: Make, version: str) -> None:
    world = make(version)
    world.alice.create_folder("Later")
    world.alice.move(world.alice.items("Inbox")[0].server_id, "Later")
    assert respond(world).status == 1
    settled(world, "accept")


@pytest.mark.parametrize("version", ["14.1", "16.1"])
@pytest.mark.parametrize("what", ["move", "delete", "delete for good"])
@pytest.mark.parametrize("fault", [None, Drop(), LoseResponse()], ids=["heard", "cut before", "cut after"])
def test_a_request_is_answered_before_it_goes(make: Make, line: Line, version: str, what: str, fault: Any) -> None:
    world = make(version)
    world.alice.create_folder("Later")
    world.sync()
    line.away = True
    respond(world)
    with world.open() as mailbox:
        if what == "move":
            mailbox.move([invite(mailbox)], "Later", confirm=lambda _: "proceed")
            assert respond_here(mailbox, "Later").waits  # where it will be
        else:
            mailbox.delete([invite(mailbox)], permanent=what != "delete")
    line.away = False
    if fault is not None:
        world.exchange.faults.add(fault, "MeetingResponse")
    world.sync()
    world.sync()
    settled(world, "accept")
    with world.open() as mailbox:
        assert [change for change in mailbox.pending_changes() if change.state == "queued"] == []


def respond_here(mailbox: Mailbox, folder: str) -> MeetingResult:
    (found,) = mailbox.search("planning")
    assert found.folder == folder
    return mailbox.respond(found.id, "accept", reply="I see")


@pytest.mark.parametrize("version", EVERY)
def test_two_devices_answer_and_the_last_counts(make: Make, line: Line, version: str) -> None:
    world = make(version)
    other = replace(world, folder=world.folder / "two")
    other.folder.mkdir()
    other.sync(OTHER)
    line.away = True
    respond(world, "accept")
    line.away = False
    with other.open(OTHER) as mailbox:
        mailbox.respond(invite(mailbox), "decline", reply="no")
    assert (told(world), busy(world)) == (["DECLINED"], [])
    world.sync()
    assert (told(world), busy(world)) == (["DECLINED", "ACCEPTED"], ["2"])
    assert waiting(world) == []


@pytest.mark.parametrize("version", FEW)
def test_a_lost_answer_that_another_device_overtook(make: Make, version: str) -> None:
    """Nobody is told of an answer that the server does not have."""
    world = make(version)
    other = replace(world, folder=world.folder / "two")
    other.folder.mkdir()
    other.sync(OTHER)
    world.exchange.faults.add(Drop(), "MeetingResponse")
    respond(world, "accept")
    with other.open(OTHER) as mailbox:
        mailbox.respond(invite(mailbox), "decline", reply="no")
    report = world.sync()
    assert any("dealt with elsewhere" in line for line in report.warnings)
    assert (told(world), busy(world)) == (["DECLINED"], [])
    assert [answer.state for answer in waiting(world)] == [AnswerState.FAILED]
    assert outbox(world) == []
    respond(world, "accept")
    assert (told(world), busy(world)) == (["DECLINED", "ACCEPTED"], ["2"])


@pytest.mark.parametrize("known", [True, False], ids=["version known", "not known"])
def test_a_server_that_is_upgraded_meanwhile_mails_instead(make: Make, line: Line, known: bool) -> None:
    world = make("14.1", "16.1")
    world.sync(version="14.1")
    if not known:
        with Store.open(world.path, KEY) as store, store.database.transaction():
            store.database.execute("DELETE FROM account WHERE name = 'version'")
    line.away = True
    respond(world)
    assert [entry.waits for entry in outbox(world)] == [True]
    line.away = False
    world.sync(version="16.1")
    assert outbox(world) == []
    settled(world, "accept")


def test_a_server_that_went_back_cannot_mail_for_us(make: Make, line: Line) -> None:
    world = make("14.1", "16.1")
    line.away = True
    respond(world)
    line.away = False
    report = world.sync(version="14.1")
    assert any("does not mail the organiser" in line for line in report.warnings)
    assert (told(world), busy(world)) == ([], [])
    assert [answer.state for answer in waiting(world)] == [AnswerState.FAILED]
    assert not respond(world).waits  # now the mail is ours
    settled(world, "accept")


def test_an_answer_lost_under_one_version_is_mailed_once_under_the_next(make: Make) -> None:
    world = make("14.1", "16.1")
    world.sync(version="14.1")
    world.exchange.faults.add(LoseResponse(), "MeetingResponse")
    respond(world)
    world.sync(version="16.1")
    settled(world, "accept")


@pytest.mark.parametrize("version", ["16.0", "16.1"])
def test_another_time_where_the_version_has_none(make: Make, line: Line, version: str) -> None:
    world = make(version)
    line.away = True
    later = (START + timedelta(hours=3), START + timedelta(hours=4))
    if version == "16.0":
        with pytest.raises(UsageError, match=r"16\.1"):
            respond(world, "tentative", "", proposed=later)
        assert waiting(world) == []
        return
    respond(world, "tentative", "", proposed=later)
    (answer,) = waiting(world)
    assert answer.proposed == later
    line.away = False
    world.sync()
    (mail,) = world.exchange.user("bob").items()
    assert b"METHOD:COUNTER" in mail.raw


def test_taken_back(make: Make, line: Line) -> None:
    world = make("14.1")
    line.away = True
    respond(world)
    (answer,) = waiting(world)
    with world.open() as mailbox:
        mailbox.drop_answer(answer.id)
        assert mailbox.outbox() == []
        with pytest.raises(NotFound):
            mailbox.drop_answer(answer.id)
    respond(world)
    (entry,) = outbox(world)
    with world.open() as mailbox:
        mailbox.withdraw(entry.id)  # the answer goes without it
    line.away = False
    world.exchange.faults.add(LoseResponse(), "MeetingResponse")
    respond(world, "accept", None)
    with world.open() as mailbox, pytest.raises(UsageError, match="synchronise first"):
        mailbox.drop_answer(waiting_id(mailbox))
    world.sync()
    assert (told(world), busy(world), waiting(world)) == ([], ["2"], [])


def waiting_id(mailbox: Mailbox) -> int:
    (answer,) = mailbox.waiting_answers()
    return answer.id


def test_read_only_tells_nothing(make: Make, line: Line) -> None:
    world = make("14.1")
    line.away = True
    respond(world)
    line.away = False
    with world.open(read_only=True) as mailbox:
        mailbox.sync()
        with pytest.raises(ReadOnlyMailbox):
            mailbox.respond(invite(mailbox), "decline")
        with pytest.raises(ReadOnlyMailbox):
            mailbox.drop_answer(waiting_id(mailbox))
    assert (told(world), busy(world)) == ([], [])
    world.sync()
    settled(world, "accept")


def test_another_account_is_not_told(make: Make, line: Line) -> None:
    world = make("14.1")
    line.away = True
    respond(world)
    with world.open() as mailbox:
        (kept,) = mailbox.export_pending()["answers"]
    assert (kept["kind"], kept["value"], kept["reply"], kept["state"]) == ("answer", "accept", "I see", "queued")
    line.away = False
    keys = {
        "email_address": "bob@example.test", "email_exchange_username": "bob", "email_password": "bob-secret",
    }  # fmt: skip
    with world.open(keys) as mailbox:
        assert any("the answer to 'Planning'" in line for line in mailbox.change.notices)
        mailbox.sync()
        assert mailbox.waiting_answers() == []
        assert [held["kind"] for held in mailbox.export_pending()["held"]] == ["answer"]
        assert mailbox.outbox() == []
    assert (told(world), busy(world)) == ([], [])


def test_a_wiped_account_keeps_no_answer(make: Make, line: Line) -> None:
    world = make("16.1")
    line.away = True
    respond(world)
    line.away = False
    world.exchange.remote_wipe("alice", account_only=True)
    with pytest.raises(Exception, match="wipe"):
        world.sync()
    assert world.scalar("SELECT count(*) FROM answers") == 0


def test_mail_that_falls_out_of_the_period_keeps_its_answer(make: Make, line: Line) -> None:
    world = make("14.1")
    line.away = True
    respond(world)
    line.away = False
    world.exchange.faults.add(Http(503), "MeetingResponse", times=10)
    world.clock.now += timedelta(days=9)
    keys = {"email_max_sync_period": "3", "email_default_sync_period": "3"}
    world.sync(keys)
    assert [answer.state for answer in waiting(world)] == [AnswerState.QUEUED]
    world.exchange.faults.clear()
    with world.open(keys) as mailbox:
        mailbox.flush()
    settled(world, "accept")


@FAULTS
@pytest.mark.parametrize("what", ["cache wiped after crashes", "nothing cached any more"])
def test_what_is_cached_may_go(make: Make, what: str, fault: Any) -> None:
    world = make("14.1")
    world.exchange.faults.add(fault, "MeetingResponse")
    respond(world)
    keys = {}
    if what == "nothing cached any more":
        keys = {"disabled_features": "local_cache_all"}
    else:
        with Store.open(world.path, KEY) as store:
            wipe_cached(store.database)
    world.sync(keys)
    settled(world, "accept")


def test_the_async_twin_waits_too(make: Make, line: Line) -> None:
    world = make("14.1")

    async def go() -> Any:
        async with await AsyncMailbox.open(world.config(), store=world.path, key=KEY) as mailbox:
            (found,) = await mailbox.search("planning")
            line.away = True
            first = await mailbox.respond(found.id, "accept", reply="I see")
            (answer,) = await mailbox.waiting_answers()
            await mailbox.drop_answer(answer.id)
            await mailbox.respond(found.id, "tentative", reply="I see")
            line.away = False
            second = await mailbox.respond(found.id, "decline", reply="I see")
            return first.waits, second.waits

    assert asyncio.run(go()) == (True, False)
    settled(world, "decline")


def test_an_odd_answer_of_the_server_is_a_lost_one(make: Make) -> None:
    world = make("14.1")
    world.exchange.faults.add(Rewrite(lambda tree: (tree[0], None)), "MeetingResponse")
    assert respond(world).waits
    world.sync()
    settled(world, "accept")


def test_without_the_extra_nothing_is_answered(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make("14.1")
    monkeypatch.setitem(sys.modules, "icalendar", None)
    with pytest.raises(ImportError, match=r"emailplus\[calendar\]"):
        respond(world)
    assert (waiting(world), busy(world)) == ([], [])


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (None, (False, False, True)),
        (Event(response_type=3), (True, False, False)),
        (Event(response_type=2), (False, True, False)),
        (Event(response_type=4), (False, False, True)),
        (Event(response_type=5), (False, False, False)),
        (Event(busy_status=2), (True, False, False)),  # below 14.0
        (Event(busy_status=0), (True, False, False)),
        (Event(busy_status=1), (False, True, False)),
        (Event(), (None, None, False)),
    ],
)
def test_what_a_calendar_tells(event: Event | None, shown: tuple[bool | None, ...]) -> None:
    assert tuple(shows(event, response) for response in PARTSTAT) == shown


def test_nobody_can_tell_the_organiser(make: Make) -> None:
    """A message that is no request, where the mail would be ours."""
    world = make("14.1")
    deliver(world.alice, b"Subject: lunch\r\n\r\nsoon\r\n")
    world.sync()
    with world.open() as mailbox:
        (found,) = mailbox.search("lunch")
        with pytest.raises(NotOffered):
            mailbox.respond(found.id, "accept", reply="")
