"""The world of the flow tests, its files in memory where that is possible: these tests open a store many hundred times.

Without cookies: a server cannot know that the process died before it read them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..flows.conftest import clock, make_world
from ..flows.world import World

__all__ = ["clock", "make_world", "tmp_path", "world"]

MEMORY = Path("/dev/shm")


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="emailplus-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world(cookies=False)
