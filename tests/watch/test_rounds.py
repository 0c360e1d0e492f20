"""The loop of a watch in simulated time: what it costs, what it survives, and that nothing makes it storm a server."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from emailplus.eas.commands.ping import CHANGES, EXPIRED, HEARTBEAT, HIERARCHY, TOO_MANY, PingAnswer
from emailplus.errors import (
    AuthenticationFailed,
    CommandFailed,
    ConnectionFailed,
    DeviceBlocked,
    EmailplusError,
    EwsUnavailable,
    MalformedResponse,
    NetworkTimeout,
    NotOffered,
    PolicyDenied,
    ServerBusy,
    ServerUnreachable,
    StoreDamaged,
    TlsFailed,
)
from emailplus.model.watch import Announced, Badge, NewMail, Reminder, State, Withdrawn
from emailplus.report import SyncReport
from emailplus.waiting import Woken
from emailplus.watching import LAGS

from .simulated import World

HOUR, DAY = 3600.0, 86400.0


def test_an_idle_day_costs_one_request_a_heartbeat() -> None:
    world = World()
    world.run(DAY - 60, heartbeat=900)
    assert world.requests["Ping"] == DAY / 900
    assert world.requests["Sync"] == 1
    assert world.states() == ["syncing", "watching"]


def test_the_heartbeat_grows_on_a_good_network_and_is_remembered() -> None:
    world = World()
    world.run(DAY)
    assert world.pings[-1][1].seconds == 3540
    assert world.requests["Ping"] <= DAY / 3540 + 8
    again = World(store=world.store)
    again.run(HOUR)
    assert again.pings[0][1].seconds == 3540


def test_once_a_day_everything_is_synchronised() -> None:
    world = World()
    world.run(3 * DAY + 4 * HOUR)  # it is noticed when a heartbeat is over
    assert world.requests["Sync"] == 4


@pytest.mark.parametrize("silent", [False, True])
def test_a_proxy_that_cuts_silent_connections(silent: bool) -> None:
    """Cut with a reset, or without a word: then the request's own time-out ends it."""

    def ping(step: Any) -> tuple[float, Any]:
        if step.seconds <= 240:
            return float(step.seconds), PingAnswer(EXPIRED)
        return (step.seconds + 90.0, NetworkTimeout("silence")) if silent else (240.0, ConnectionFailed("cut"))

    world = World(ping=ping, mail=[DAY - 1000])
    world.run(DAY)
    assert 60 <= world.pings[-1][1].seconds <= 400
    assert world.requests["Ping"] < DAY / 100
    assert [at for at, _ in world.of(NewMail)] == [pytest.approx(DAY - 1000, abs=2)]
    assert "offline" not in world.states()


def test_mail_is_told_when_it_comes_and_once() -> None:
    world = World(mail=[100.0, 100.0, 5000.0, 5001.0])
    world.run(2 * HOUR)
    assert [(round(at), event.id) for at, event in world.of(NewMail)] == [(100, 0), (100, 1), (5000, 2), (5001, 3)]
    assert world.told == [0, 1, 2, 3]
    assert [event.unread for _, event in world.of(Badge)] == [0, 2, 3, 4]
    assert world.requests["Sync"] == 4


def test_the_first_notice_is_replaced_or_withdrawn() -> None:
    cry = iter([(10.0, PingAnswer(CHANGES, ("0",)))])
    world = World(mail=[500.0], announces=True)
    honest = world.ping
    world.ping = lambda step: next(cry, None) or honest(step)
    world.run(HOUR)
    kinds = [type(event) for _, event in world.events if isinstance(event, (Announced, Withdrawn, NewMail))]
    assert kinds == [Announced, Withdrawn, Announced, NewMail]
    ((_, mail),) = world.of(NewMail)
    assert mail.notification.replaces == "first"


# -- servers that answer anything; an hour of each costs a handful of requests

FLIP = itertools.cycle((120, 600, 61, 3000))
STORMS: dict[str, Any] = {
    "expired at once": lambda step: (0.01, PingAnswer(EXPIRED)),
    "changes for ever": lambda step: (0.01, PingAnswer(CHANGES, ("0",))),
    "hierarchy for ever": lambda step: (0.01, PingAnswer(HIERARCHY)),
    "another heartbeat each time": lambda step: (0.01, PingAnswer(HEARTBEAT, heartbeat=next(FLIP))),
    "heartbeat zero": lambda step: (0.01, PingAnswer(HEARTBEAT, heartbeat=0)),
    "heartbeat of a year": lambda step: (0.01, PingAnswer(HEARTBEAT, heartbeat=31_536_000)),
    "ever fewer folders": lambda step: (0.01, PingAnswer(TOO_MANY, max_folders=len(step.folders) - 1)),
    "no folders at all": lambda step: (0.01, PingAnswer(TOO_MANY, max_folders=-7)),
    "garbage": lambda step: (0.01, MalformedResponse("not WBXML")),
    "server error (8)": lambda step: (0.01, ServerBusy("Ping: ServerError (status 8)", status=8)),
    "parameters missing (3)": lambda step: (0.01, CommandFailed("status 3", command="Ping", status=3)),
    "connection refused": lambda step: (0.0, ServerUnreachable("nobody there")),
    "cut at once": lambda step: (0.0, ConnectionFailed("cut")),
    "cut after half a minute": lambda step: (30.0, ConnectionFailed("cut")),
    "certificate changed": lambda step: (0.0, TlsFailed("not trusted")),
    "busy": lambda step: (0.0, ServerBusy("busy", 0.0)),
}


@pytest.mark.parametrize("name", STORMS)
def test_no_answer_makes_a_storm(name: str) -> None:
    world = World(ping=STORMS[name])
    world.run(HOUR)
    assert sum(world.requests.values()) <= 80, world.requests
    first_minute = sum(1 for at, _ in world.pings if at < 60)
    assert first_minute <= 10


@pytest.mark.parametrize("name", STORMS)
def test_mail_is_found_as_soon_as_the_server_behaves(name: str) -> None:
    world = World(mail=[2 * HOUR])
    honest = world.ping
    world.ping = lambda step: STORMS[name](step) if world.clock < HOUR else honest(step)
    world.run(3 * HOUR)
    ((at, _),) = world.of(NewMail)
    assert at - 2 * HOUR <= 905  # a way that was given up leaves the interval


def test_changes_that_never_end_are_slowed_down() -> None:
    """A server that always has something: what comes is taken, not faster than the machine may be kept busy for."""
    world = World(ping=lambda step: (0.01, PingAnswer(CHANGES, ("0",))), sync=lambda number: SyncReport(changed=1))
    world.run(600.0)
    assert world.requests["Sync"] <= 21 + 600 / 5 + 1


# -- ways of waiting

NOT_OFFERED = NotOffered("the server has no command Ping")


def test_without_ping_a_sync_waits_and_without_that_the_interval() -> None:
    world = World(ping=lambda step: (0.0, NOT_OFFERED))
    world.run(2 * HOUR, heartbeat=600)
    assert (world.requests["Ping"], world.requests["Linger"]) == (1, 12)
    plain = World(ping=lambda step: (0.0, NOT_OFFERED), linger=lambda step: (0.0, NotOffered("before 12.1")))
    plain.run(2 * HOUR)
    assert (plain.requests["Ping"], plain.requests["Linger"], plain.requests["Sync"]) == (1, 1, 8)
    assert [event.method for _, event in plain.of(State) if event.method] == ["ping", "sync", "interval"]


def test_garbage_gives_a_way_up() -> None:
    world = World(ping=STORMS["garbage"])
    world.run(HOUR)
    assert world.requests["Ping"] == 3
    assert world.requests["Linger"] > 0


def test_a_sync_that_waits_tells_at_once() -> None:
    world = World(mail=[70.0])
    world.run(HOUR, method="sync")
    assert [round(at) for at, _ in world.of(NewMail)] == [70]


@pytest.mark.parametrize(("configured", "expected"), [(900, 4), (300, 12), (3600, 1), (5, 12)])
def test_the_interval_is_the_administrator_s_and_never_under_five_minutes(configured: int, expected: int) -> None:
    world = World()
    world.settings.notification_interval = configured
    world.run(HOUR, method="interval")
    assert world.requests["Sync"] == expected
    assert world.requests["Ping"] == 0


# -- trouble


def test_the_network_comes_and_goes() -> None:
    world = World(mail=[3000.0])
    honest = world.ping

    def ping(step: Any) -> tuple[float, Any]:
        return (0.0, ServerUnreachable("no network")) if 100 < world.clock < 4000 else honest(step)

    world.ping = ping
    world.run(2 * HOUR, heartbeat=100)
    ((at, _),) = world.of(NewMail)
    assert 4000 <= at <= 4000 + 301
    assert world.states()[:3] == ["syncing", "watching", "offline"]
    assert world.states()[-1] == "watching"
    assert sum(1 for at, _ in world.pings if 100 < at < 4000) <= 25


def test_it_begins_without_a_network() -> None:
    world = World(sync=lambda number: ServerUnreachable("no network") if number < 5 else SyncReport())
    world.run(HOUR)
    assert world.requests["Sync"] == 5
    assert world.states()[-1] == "watching"


def test_a_busy_server_is_left_alone_for_as_long_as_it_wants() -> None:
    world = World(sync=lambda number: ServerBusy("busy", 1800.0) if number == 1 else SyncReport())
    world.run(HOUR)
    ((at, state),) = [(at, event) for at, event in world.of(State) if event.name == "busy"]
    assert state.seconds == 1800.0
    assert world.pings[0][0] == pytest.approx(at + 1800.05, abs=0.2)


@pytest.mark.parametrize(
    "problem", [DeviceBlocked("quarantined"), MalformedResponse("odd"), TlsFailed("not trusted"), NOT_OFFERED]
)
def test_what_is_wrong_in_the_first_run_is_said_and_later_waited_for(problem: EmailplusError) -> None:
    with pytest.raises(type(problem)):
        World(sync=lambda number: problem).run(HOUR)
    world = World(mail=[60.0], sync=lambda number: problem if number == 2 else SyncReport())
    world.run(HOUR)
    assert len(world.of(NewMail)) == 1


@pytest.mark.parametrize("problem", [StoreDamaged("bad page"), PolicyDenied("not authorised", rule="authorized")])
def test_what_nobody_can_wait_out_ends_it(problem: EmailplusError) -> None:
    world = World(mail=[60.0], sync=lambda number: problem if number == 2 else SyncReport())
    with pytest.raises(type(problem)):
        world.run(HOUR)


def test_a_refused_password_is_sent_once() -> None:
    refused = AuthenticationFailed("wrong password")
    world = World(mail=[60.0], sync=lambda number: refused if number == 2 else SyncReport())
    with pytest.raises(AuthenticationFailed):
        world.run(HOUR)
    assert world.requests["Sync"] == 2
    asked: list[float] = []
    world = World(mail=[60.0], sync=lambda number: refused if number == 2 else SyncReport())

    def renew() -> bool:
        asked.append(world.clock)
        world.clock += 40_000.0  # a person takes the time it takes
        return True

    world.renew = renew
    world.run(DAY)
    assert len(asked) == 1
    assert len(world.of(NewMail)) == 1
    assert world.requests["Sync"] == 3


# -- what EWS announces


def watched(world: World, until: float, **more: Any) -> World:
    world.run(until, announcements=world, **more)
    return world


@pytest.mark.parametrize("method", ["ping", "interval"])
def test_mail_that_ews_announces_ends_the_wait_and_is_told_once(method: str) -> None:
    silent = {"ping": lambda step: (float(step.seconds), PingAnswer(EXPIRED))}
    world = watched(World(mail=[100.0], ews=[(100.0, 0)], **silent), HOUR, method=method)
    ((at, _),) = world.of(NewMail)
    assert at < 101
    assert world.states() == ["syncing", "watching"]


def test_mail_that_is_announced_before_the_server_hands_it_out() -> None:
    world = watched(World(mail=[110.0], ews=[(100.0, 0)]), HOUR, method="interval")
    ((at, _),) = world.of(NewMail)
    assert at == pytest.approx(114, abs=1)


def test_mail_that_never_comes_costs_a_few_requests() -> None:
    """It lies outside of what is synchronised, or was deleted meanwhile."""
    world = watched(World(mail=[1e9], ews=[(100.0, 0)]), 890)
    assert world.requests["Sync"] == 2 + len(LAGS)
    assert world.of(NewMail) == []


def test_news_do_not_hurry_a_server_that_wants_to_be_let_alone() -> None:
    answers = itertools.chain([SyncReport()], itertools.repeat(ServerBusy("busy", retry_after=600)))
    world = World(
        sync=lambda number: next(answers), mail=[1e9], ews=[(20.0 * number, 0) for number in range(1, 180)]
    )  # fmt: skip
    watched(world, HOUR)
    assert world.requests["Sync"] <= 2 + HOUR / 600


def test_without_ews_the_watch_goes_on() -> None:
    world = watched(World(mail=[500.0], ews_problem=EwsUnavailable("off", "new mail")), HOUR)
    assert world.states() == ["syncing", "trouble", "watching"]
    assert len(world.of(NewMail)) == 1


# -- time


def test_a_machine_that_slept_synchronises_at_once() -> None:
    slept = iter([(200.0, Woken(slept=True))])
    world = World(mail=[150.0])
    honest = world.ping
    world.ping = lambda step: next(slept, None) or honest(step)
    world.run(HOUR)
    assert world.requests["Sync"] >= 2
    assert len(world.of(NewMail)) == 1


def test_reminders_interrupt_the_wait_and_come_once() -> None:
    world = World(reminders=[500.0, 700.0, 700.0 + HOUR])
    world.run(2 * HOUR, heartbeat=900)
    assert [round(at) for at, _ in world.of(Reminder)] == [500, 700, 700 + 3600]
    assert world.requests["Ping"] <= 2 * HOUR / 900 + 4


def test_reminders_come_while_there_is_no_network() -> None:
    world = World(reminders=[1000.0], ping=STORMS["connection refused"])
    world.run(HOUR)
    ((at, _),) = world.of(Reminder)
    assert at == pytest.approx(1000, abs=1)


@pytest.mark.parametrize("by", [-10 * DAY, -HOUR, HOUR, 10 * DAY])
def test_a_clock_that_jumps(by: float) -> None:
    world = World(wall_jumps={1000.0: by}, reminders=[600.0, 2000.0], mail=[3000.0])
    world.run(5 * HOUR, heartbeat=300)
    assert len(world.of(NewMail)) == 1
    assert [event.id for _, event in world.of(Reminder)] == ([600, 2000] if by > -DAY else [600])
    assert world.requests["Ping"] <= 5 * HOUR / 300 + 10
    assert world.requests["Sync"] <= 4
