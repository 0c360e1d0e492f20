from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from .driver import Browser, Listener, programs


@pytest.fixture(scope="session")
def listener() -> Iterator[Listener]:
    heard = Listener()
    yield heard
    heard.close()


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory, listener: Listener) -> Iterator[Browser]:
    if programs() is None:
        if os.environ.get("EMAILPLUS_BROWSER") == "required":
            pytest.fail("chromium and chromium-driver are not installed: tests/browser/install.sh")
        pytest.skip("chromium and chromium-driver are not installed: tests/browser/install.sh")
    opened = Browser(tmp_path_factory.mktemp("profile"), listener)
    yield opened
    opened.close()
