"""What the interop tests share: the server, and the figures that are printed at the end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emailplus.mailbox import Mailbox
from emailplus.report import SyncReport

from .imap import Imap
from .runs import open_mailbox
from .server import Server

VARIABLE = "EMAILPLUS_INTEROP_SERVER"
FIGURES: dict[str, Any] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.interop)


@pytest.fixture(scope="session")
def server() -> Server:
    """Of several, each worker of xdist takes its own: the tests change mailboxes and look at all of them."""
    paths = [path for path in os.environ.get(VARIABLE, "").split(os.pathsep) if path]
    if not paths:
        pytest.skip(f"INTEROP NOT RUN: {VARIABLE} names no server.json; see docs/interop.md")
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    found = Server.read(paths[worker % len(paths)])
    FIGURES.setdefault("server", found.name)
    return found


@pytest.fixture(scope="session")
def figures() -> dict[str, Any]:
    """Filled by the tests, printed after them, and written to the file EMAILPLUS_INTEROP_REPORT."""
    return FIGURES


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["interop figures"] = json.dumps(FIGURES)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker of xdist has ended: its figures are printed with the others."""
    FIGURES.update(json.loads(getattr(node, "workeroutput", {}).get("interop figures", "{}")))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not FIGURES:
        return
    written = json.dumps(FIGURES, indent=1, ensure_ascii=False)
    target = os.environ.get("EMAILPLUS_INTEROP_REPORT")
    if target:
        Path(target).write_text(written + "\n", encoding="utf-8")
    terminalreporter.section("interop figures")
    terminalreporter.write_line(written)


@pytest.fixture
def imap_of(server: Server) -> Iterator[Any]:
    """A function that opens IMAP for a user; skips where the server names none."""
    sessions: list[Imap] = []

    def start(user: Any) -> Imap:
        if server.imap is None:
            pytest.skip("the server.json names no imap: nothing to change or to compare with")
        session = Imap(server, user)
        sessions.append(session)
        return session

    yield start
    for session in sessions:
        session.__exit__()


class MainRun:
    """The first user's mailbox, synchronised with both periods at 0 and the limits at 50 MB."""

    def __init__(self, mailbox: Mailbox, report: SyncReport) -> None:
        self.mailbox, self.report = mailbox, report


@pytest.fixture(scope="session")
def main_run(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MainRun]:
    folder = tmp_path_factory.mktemp("main")
    with open_mailbox(server, server.users[0], folder / "mail.db") as mailbox:
        report = mailbox.sync()
        FIGURES["main run"] = report.as_dict()
        yield MainRun(mailbox, report)
