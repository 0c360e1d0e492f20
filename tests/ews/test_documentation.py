"""The examples of docs/ews.md run in order, against a mock in the place of the server they name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emailplus.mock import MockExchange

from ..test_documentation import Desk, desk, run_examples

__all__ = ["desk"]

EVENT = [
    ("Calendar:Subject", "Board"), ("Calendar:StartTime", "20261201T090000Z"),
    ("Calendar:EndTime", "20261201T100000Z"),
]  # fmt: skip


def test_the_examples_run(desk: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert isinstance(desk, Desk)
    assert isinstance(desk.server, MockExchange)
    desk.server.ews.retry_pauses = (60,)
    desk.server.user("alice").add_item("Calendar", list(EVENT))
    run_examples("docs/ews.md", desk)
    assert (desk.folder / "saved.txt").read_bytes() == b"1. Welcome\n"
    assert desk.ran == ["event-files"] * 3 + ["ews"] * 3
    printed = capsys.readouterr().out
    assert "agenda.txt 11 ews" in printed
    assert "['push']" in printed
    assert "True\nFalse\n" in printed


def test_the_page_names_every_error_and_key() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "ews.md").read_text(encoding="utf-8")
    for word in ("EwsUnavailable", "ImpersonationDenied", "calendar_attachments", "email_ews_host"):
        assert f"`{word}`" in text
