"""A mock server that judges every request of a test at its end, and a client whose waiting is only noted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from emailplus import account
from emailplus.mock import MockExchange

from ..flows.world import Clock, World, requests_obey_the_schema
from .certificates import Authority


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(account, "utc_now", clock)
    return clock


@pytest.fixture
def make_world(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., World]]:
    worlds: list[World] = []
    real = account.network

    def network(*arguments: Any) -> Any:
        made = real(*arguments)
        for world in worlds:
            made.sleep = world.sleeps.append
            world.networks.append(made)
        return made

    monkeypatch.setattr(account, "network", network)

    def make(**keywords: Any) -> World:
        exchange = MockExchange(clock=clock, **keywords)
        exchange.start()
        folder = tmp_path / f"world{len(worlds)}"
        folder.mkdir()
        worlds.append(World(exchange, folder, clock))
        return worlds[-1]

    yield make
    for world in worlds:
        world.exchange.stop()
    for world in worlds:
        requests_obey_the_schema(world.exchange)


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()
