"""The pytest plugin: a `mock_exchange` fixture for any project that has emailplus installed.

Loaded by pytest through its entry point in every run, so nothing heavy is imported before the fixture is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .server import MockExchange


@pytest.fixture
def mock_exchange_factory() -> Iterator[Callable[..., MockExchange]]:
    """A function that starts a `MockExchange` with the given keywords; all are stopped after the test."""
    from emailplus.mock import MockExchange

    running: list[MockExchange] = []

    def start(*args: Any, **keywords: Any) -> MockExchange:
        exchange = MockExchange(*args, **keywords)
        running.append(exchange.start())
        return exchange

    yield start
    for exchange in running:
        exchange.stop()


@pytest.fixture
def mock_exchange(mock_exchange_factory: Callable[..., MockExchange]) -> MockExchange:
    """A running `MockExchange` with alice, bob and carol @example.test (password ``NAME-secret``) and no policy."""
    return mock_exchange_factory()
