"""The world of the flow tests, and a logger as it is before anybody logs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from emailplus.diagnosis import log
from emailplus.mock import default_users

from ..flows.conftest import clock, make_world
from ..flows.world import World
from .planted import PASSWORD

__all__ = ["clock", "lines", "make_world", "world"]


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """With a password of which one can tell where it turns up."""
    return make_world(users=[replace(user, password=PASSWORD) for user in default_users()])


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What goes to the logger `emailplus`, formatted as on the console."""
    found: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(self.format(record))

    handler = Collect()
    handler.setFormatter(log.JsonLines())
    level = log.LOGGER.level
    log.LOGGER.addHandler(handler)
    log.LOGGER.setLevel(logging.INFO)
    yield found
    log.LOGGER.removeHandler(handler)
    log.LOGGER.setLevel(level)
