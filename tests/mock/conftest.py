"""Every client a test opened is closed behind it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .client import OPENED


@pytest.fixture(autouse=True)
def _close_clients() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()
