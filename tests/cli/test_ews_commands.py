"""`emailplus event-files` and `emailplus ews` against the mock."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from emailplus.mock import MockExchange

from .test_server_commands import exchange, options, run

__all__ = ["exchange", "options"]


@pytest.fixture
def event(exchange: MockExchange, options: list[str], tmp_path: Path) -> str:
    config = json.loads((tmp_path / "app.json").read_text())
    (tmp_path / "app.json").write_text(json.dumps({**config, "calendar_attachments": "true"}))
    for subject, day in (("Board meeting", "01"), ("Board dinner", "02")):
        exchange.user("alice").add_item(
            "Calendar",
            [("Calendar:Subject", subject), ("Calendar:StartTime", f"202612{day}T090000Z"),
             ("Calendar:EndTime", f"202612{day}T100000Z")],
        )  # fmt: skip
    run("sync", *options, "--protocol", "14.1")
    return "Board meeting"


def test_files_of_an_event(exchange: MockExchange, options: list[str], event: str, tmp_path: Path) -> None:
    (tmp_path / "agenda.txt").write_bytes(b"1. Welcome\n")
    run("event-files", "add", event, str(tmp_path / "agenda.txt"), "--type", "text/plain", *options)
    (file,) = run("event-files", "list", event, *options, "--json")
    assert (file["name"], file["size"], file["way"]) == ("agenda.txt", 11, "ews")
    assert "agenda.txt\t11\ttext/plain" in run("event-files", "list", event, *options)
    saved = tmp_path / "saved.txt"
    assert run("event-files", "save", event, "agenda.txt", "-o", str(saved), *options, "--json")["size"] == 11
    assert saved.read_bytes() == b"1. Welcome\n"
    assert "cannot be written" in run("event-files", "save", event, "agenda.txt", "-o", str(saved), *options, code=2)
    run("event-files", "remove", event, "agenda.txt", *options)
    assert run("event-files", "list", event, *options, "--json") == []
    assert "no file" in run("event-files", "remove", event, "agenda.txt", *options, code=1)
    assert "2 events" in run("event-files", "list", "Board", *options, code=2)
    assert "no event" in run("event-files", "list", "Nonsense", *options, code=1)
    exchange.ews.set_mode("blocked")
    assert "ActiveSync" in run("event-files", "list", event, *options, code=4)


def test_listening(exchange: MockExchange, options: list[str]) -> None:
    pull = ("ews", "listen", "--pull", "--every", "1", *options, "--json")
    assert run(*pull, "--seconds", "0.5") == []
    exchange.user("alice").deliver(
        b"From: Bob <bob@example.test>\r\nSubject: Lunch\r\nMessage-ID: <1@x>\r\n\r\nnoon\r\n"
    )
    (mail,) = run(*pull, "--count", "1")
    assert (mail["subject"], mail["sender"], mail["message_id"]) == ("Lunch", "bob@example.test", "1@x")
    assert run(*pull, "--seconds", "0.5") == []
    (known,) = run("ews", "subscriptions", *options, "--json")
    assert known["kind"] == "pull"
    run("ews", "subscriptions", "--end", *options)
    assert run("ews", "subscriptions", *options, "--json") == []
    assert not exchange.ews.subscriptions
    assert "ApplicationImpersonation" in run("ews", "listen", "--acting-for", "bob@example.test", *options, code=4)
