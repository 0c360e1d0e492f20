"""What a watch does about networks, servers, policies and passwords."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from emailplus import waiting
from emailplus.errors import AuthenticationFailed
from emailplus.mock import Garbage, Http, MockPolicy
from emailplus.model.watch import State

from ..flows.world import World, deliver, mail
from .watcher import PATIENCE, Watcher, new_password, pinged, watching


def test_a_server_that_goes_away_and_comes_back(make_world: Callable[..., World]) -> None:
    world = make_world()
    with watching(world) as watcher:
        pinged(world, 1)
        world.exchange._ports[0] = int(world.host.partition(":")[2])
        world.exchange.stop()
        watcher.until(lambda event: isinstance(event, State) and event.name == "offline")
        deliver(world.alice, mail("meanwhile"))
        world.exchange.start()
        watcher.mail()
        watcher.watching(2)
    assert watcher.subjects() == ["meanwhile"]


def test_a_busy_server_and_garbage(world: World) -> None:
    world.exchange.faults.add(Http(503, {"Retry-After": "1"}), "Ping")
    with watching(world) as watcher:
        watcher.until(lambda event: isinstance(event, State) and event.name == "busy")
        watcher.watching(2)
        pinged(world, 2)
        world.exchange.faults.add(Garbage(), "Ping")
        deliver(world.alice, mail("one"))
        watcher.mail()
        deliver(world.alice, mail("two"), days=0.01)
        watcher.mail(2)


def test_garbage_for_ever_leaves_another_way(make_world: Callable[..., World]) -> None:
    world = make_world(hold_factor=0.0005)
    world.exchange.faults.add(Garbage(), "Ping", times=99)
    with watching(world) as watcher:
        watcher.until(lambda event: isinstance(event, State) and event.method == "sync")
        deliver(world.alice, mail("all the same"))
        watcher.mail()
    assert len(world.exchange.requests.of("Ping")) == 3


@pytest.mark.parametrize("version", ["12.1", "14.1", "16.1"])
def test_a_sync_that_waits(make_world: Callable[..., World], version: str) -> None:
    world = make_world(versions=(version,))
    with watching(world, method="sync") as watcher:
        time.sleep(0.3)
        deliver(world.alice, mail("held"))
        watcher.mail()
    assert world.exchange.requests.of("Ping") == []
    waits = [request for request in world.exchange.requests.of("Sync") if "Wait" in repr(request.tree)]
    waits += [request for request in world.exchange.requests.of("Sync") if "Heartbeat" in repr(request.tree)]
    assert waits


def test_before_12_1_only_the_interval_is_left(make_world: Callable[..., World]) -> None:
    world = make_world(versions=("12.0",))
    with watching(world, method="sync") as watcher:
        watcher.until(lambda event: isinstance(event, State) and event.method == "interval")
    assert watcher.told(State)[-1].seconds == 900


@pytest.mark.parametrize(("configured", "seconds"), [("900", 900.0), ("450", 450.0), (None, 900.0)])
def test_the_configured_interval_is_how_long_it_waits(
    world: World, monkeypatch: pytest.MonkeyPatch, configured: str | None, seconds: float
) -> None:
    paused: list[float] = []
    real = waiting.Interrupt.pause
    monkeypatch.setattr(
        waiting.Interrupt,
        "pause",
        lambda self, wanted, look=None, **more: (paused.append(wanted), real(self, wanted, look, **more))[1],
    )
    with watching(world, {"notification_interval": configured}, method="interval") as watcher:
        assert watcher.told(State)[-1].seconds == seconds
        end = time.monotonic() + PATIENCE
        while not paused and time.monotonic() < end:
            time.sleep(0.01)
    assert seconds - 30 < paused[0] <= seconds
    assert world.exchange.requests.of("Ping") == []


def test_a_policy_that_changes(make_world: Callable[..., World]) -> None:
    world = make_world(policy=MockPolicy())
    with watching(world) as watcher:
        pinged(world, 1)
        world.exchange.expire_policy()
        deliver(world.alice, mail("under another policy"))
        watcher.mail()


def test_a_changed_password_is_asked_for_and_the_old_one_is_not_sent_again(world: World) -> None:
    asked: list[str] = []

    def another(problem: AuthenticationFailed) -> str | None:
        asked.append(str(problem))
        return "a-new-one"

    with watching(world, password=another) as watcher:
        pinged(world, 1)
        new_password(world, "a-new-one")
        deliver(world.alice, mail("behind the change"))
        watcher.mail()
    assert len(asked) == 1
    refused = [request for request in world.exchange.requests if request.status == 401]
    assert len(refused) == 1


def test_without_another_password_it_ends(world: World) -> None:
    with world.open() as mailbox:
        watcher = Watcher(mailbox)
        pinged(world, 1)
        new_password(world, "a-new-one")
        deliver(world.alice, mail("never seen"))
        watcher.thread.join(PATIENCE)
        assert isinstance(watcher.failure, AuthenticationFailed)
        assert len([request for request in world.exchange.requests if request.status == 401]) == 1


def test_a_password_that_came_by_another_way_is_used(world: World) -> None:
    with watching(world) as watcher:
        pinged(world, 1)
        new_password(world, "a-new-one")
        watcher.watch._mailbox.change_password("a-new-one")
        deliver(world.alice, mail("behind the change"))
        watcher.mail()


def test_the_request_waits_for_the_heartbeat_and_the_network_timeout(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[float, float]] = []
    real = waiting._once

    async def once(client: Any, network: Any, request: Any) -> Any:
        seen.append((network.timeout, request.wait))
        return await real(client, network, request)

    monkeypatch.setattr(waiting, "_once", once)
    with watching(world, {"default_network_timeout": "45"}, heartbeat=600):
        pinged(world, 1)
    assert seen == [(45.0, 600.0)]
