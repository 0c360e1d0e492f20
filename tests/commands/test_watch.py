"""Waiting for changes: Ping in every version, its limits, cut connections, and the Sync that waits."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from emailplus.eas.commands import long_poll, ping, sync
from emailplus.eas.commands.sync import CollectionRequest
from emailplus.eas.versions import VERSIONS
from emailplus.eas.wbxml import Node
from emailplus.errors import CommandFailed, MalformedResponse, NotOffered, ServerBusy, UsageError
from emailplus.mock import Drop, Http, Rewrite, Status
from emailplus.model import events
from emailplus.policy.body_preference import BodyPreference, BodyRequest

from ..flows.world import World, deliver, mail
from ..mock.validate import problems
from .published import example

EVERY = ["2.5", "12.0", "12.1", "14.0", "14.1", "16.0", "16.1"]


def test_published_messages() -> None:
    assert ping.build(80, [("5", "Email")]) == example(20, "request")
    assert ping.parse(example(21, "response")).status == ping.EXPIRED
    assert ping.parse(example(22, "response")).changed == ("1234", "5678")
    assert ping.parse(example(23, "response")).heartbeat == 60
    assert ping.parse(example(24, "response")).max_folders == 200


@pytest.mark.parametrize("version", EVERY)
def test_new_mail_ends_the_wait_in_every_version(make_world: Callable[..., World], version: str) -> None:
    world = make_world(versions=(version,))
    with world.open() as mailbox:
        mailbox.sync()
        inbox = next(folder for folder, _, _ in mailbox.folders() if folder.name == "Inbox")
        timer = threading.Timer(0.3, deliver, (world.alice, mail("news")))
        timer.start()
        seen = mailbox.wait_for_changes(["Inbox"], heartbeat=60)
        timer.join()
        assert seen
        assert (seen.changed, seen.hierarchy, seen.heartbeat) == ((inbox.server_id,), False, 60)
        assert mailbox.sync().added == 1


def test_nothing_happens(make_world: Callable[..., World]) -> None:
    world = make_world(hold_factor=0.001)
    with world.open() as mailbox:
        mailbox.sync()
        seen = mailbox.wait_for_changes(heartbeat=100)
        assert not seen
        assert (seen.changed, seen.heartbeat) == ((), 100)
        (request,) = world.exchange.requests.of("Ping")
        assert repr(request.tree).count("Ping:Id") == len(mailbox.folders()) - 1  # the journal holds no class of ours


def test_a_changed_hierarchy_ends_the_wait(world: World) -> None:
    with world.open() as mailbox:
        mailbox.sync()
        world.alice.create_folder("New")
        assert mailbox.wait_for_changes(["Inbox"]).hierarchy


def test_the_server_s_bounds_are_kept(make_world: Callable[..., World]) -> None:
    world = make_world(hold_factor=0.001, ping_limits=(60, 300), max_ping_folders=2)
    with world.open() as mailbox:
        mailbox.sync()
        seen = mailbox.wait_for_changes(heartbeat=3000)
        assert (seen.heartbeat, bool(seen)) == (300, False)
        assert len(seen.dropped) == len(mailbox.folders()) - 1 - 2
        assert len(world.exchange.requests.of("Ping")) == 3
        mailbox.wait_for_changes(["Inbox"])
        last = world.exchange.requests.of("Ping")[-1]
        assert "('Ping:HeartbeatInterval', '300')" in repr(last.tree)  # it is remembered


def test_a_proxy_that_cuts_makes_the_heartbeat_shorter(make_world: Callable[..., World]) -> None:
    world = make_world(hold_factor=0.001)
    with world.open() as mailbox:
        mailbox.sync()
        world.exchange.faults.add(Drop(), "Ping", times=3)
        assert mailbox.wait_for_changes(["Inbox"], heartbeat=400).heartbeat == 200
        assert mailbox.wait_for_changes(["Inbox"], heartbeat=400).heartbeat == 200


def test_a_server_that_asks_for_a_pause_gets_it(world: World) -> None:
    with world.open() as mailbox:
        mailbox.sync()
        world.exchange.faults.add(Http(503, {"Retry-After": "3600"}), "Ping", times=9)
        with pytest.raises(ServerBusy):
            mailbox.wait_for_changes(["Inbox"])


def test_a_server_that_never_agrees_is_left_alone(world: World) -> None:
    flip = iter(range(100))

    def refuse(tree: Node) -> Node:
        seconds = str(100 + next(flip))
        return ("Ping:Ping", [("Ping:Status", "5"), ("Ping:HeartbeatInterval", seconds)])

    world.exchange.hold_factor = 0.001
    with world.open() as mailbox:
        mailbox.sync()
        world.exchange.faults.add(Rewrite(refuse), "Ping", times=99)
        assert not mailbox.wait_for_changes(["Inbox"])
        assert len(world.exchange.requests.of("Ping")) == 6


def test_what_cannot_be_watched(world: World) -> None:
    with world.open() as mailbox:
        with pytest.raises(UsageError):
            mailbox.wait_for_changes()  # no folder is known yet
        mailbox.sync()
        world.exchange.faults.add(Status(4), "Ping")
        with pytest.raises(CommandFailed) as caught:
            mailbox.wait_for_changes(["Inbox"])
        assert caught.value.status == 4
    for folders in ([], [("1", "Email"), ("1", "Email")]):
        with pytest.raises(UsageError):
            ping.build(60, folders)


@pytest.mark.parametrize(
    "answer",
    [
        ("AirSync:Sync", None),
        ("Ping:Ping", None),
        ("Ping:Ping", [("Ping:Status", "two")]),
        ("Ping:Ping", [("Ping:Status", "2")]),
        ("Ping:Ping", [("Ping:Status", "5")]),
        ("Ping:Ping", [("Ping:Status", "6"), ("Ping:MaxFolders", "all")]),
    ],
)
def test_hostile_answers(answer: Node) -> None:
    with pytest.raises(MalformedResponse):
        ping.parse(answer)


# -- the Sync that waits


def test_the_waiting_request() -> None:
    body = BodyRequest((BodyPreference(1, 100),), 0)
    request = CollectionRequest("1", "5", 100, 0, body)
    for name, wait in (("12.1", ("AirSync:Wait", "5")), ("14.0", ("AirSync:HeartbeatInterval", "300"))):
        version = VERSIONS[name]
        assert long_poll.waiting(300, version) == wait
        assert long_poll.held(wait) == 300  # type: ignore[arg-type]
        assert problems(sync.build([request], version, long_poll.waiting(9999, version)), name, "Request") == []
    assert long_poll.waiting(5, VERSIONS["16.1"]) == ("AirSync:HeartbeatInterval", "60")
    for name in ("2.5", "12.0"):
        with pytest.raises(NotOffered):
            long_poll.waiting(300, VERSIONS[name])


@pytest.mark.parametrize("version", EVERY[2:])
def test_mail_that_comes_while_the_sync_waits(make_world: Callable[..., World], version: str) -> None:
    world = make_world(versions=(version,))
    deliver(world.alice, mail("before"))
    with world.open() as mailbox:
        timer = threading.Timer(1.0, deliver, (world.alice, mail("while", "word " * 100_000)))
        timer.start()
        report = mailbox.sync(linger=120, listener=world.events.append)
        timer.join()
        assert sorted(m.subject for m in mailbox.search()) == ["before", "while"]
        assert [m.body_state for m in mailbox.search()] == ["stored", "stored"]
        assert report.added == 2
    assert "linger" in [event.name for event in world.told(events.Phase)]
    waits = [
        r for r in world.exchange.requests.of("Sync") if "HeartbeatInterval" in repr(r.tree) or "Wait" in repr(r.tree)
    ]
    assert len(waits) == 1


def test_a_wait_that_ends_with_nothing_or_is_cut(make_world: Callable[..., World]) -> None:
    world = make_world(hold_factor=0.001)
    deliver(world.alice, mail("before"))
    with world.open() as mailbox:
        assert mailbox.sync(linger=60).added == 1
        first = len(world.exchange.requests.of("Sync"))
        waiting = b"\x69\x0360\x00"  # HeartbeatInterval, 60
        world.exchange.faults.add(Drop(), "Sync", times=9, when=lambda request: waiting in request.body)
        report = mailbox.sync(linger=60)
        assert any("cut short" in warning for warning in report.warnings)
        world.exchange.faults.clear()
        deliver(world.alice, mail("after"))
        assert mailbox.sync().added == 1
        assert len(world.exchange.requests.of("Sync")) > first


def test_the_server_s_bounds_of_a_wait_are_kept(make_world: Callable[..., World]) -> None:
    world = make_world(hold_factor=0.001, ping_limits=(60, 300))
    with world.open() as mailbox:
        mailbox.sync(linger=3000)
    asked = [repr(r.tree) for r in world.exchange.requests.of("Sync") if "HeartbeatInterval" in repr(r.tree)]
    assert ["'3000'" in asked[0], "'300'" in asked[1], len(asked)] == [True, True, 2]


def test_waiting_below_12_1_is_not_offered(make_world: Callable[..., World]) -> None:
    world = make_world(versions=("12.0",))
    with world.open() as mailbox, pytest.raises(NotOffered):
        mailbox.sync(linger=60)
