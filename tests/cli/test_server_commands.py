"""`emailplus folders create | rename | delete`, `gal`, `oof`, `discover` against the mock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emailplus.cli.app import app
from emailplus.mock import MockExchange

from ..flows.world import DEVICE

RUNNER = CliRunner()


@pytest.fixture
def exchange() -> Iterator[MockExchange]:
    with MockExchange() as exchange:
        yield exchange
    assert exchange.defects == []


@pytest.fixture
def options(exchange: MockExchange, tmp_path: Path) -> list[str]:
    config = {
        "email_address": "alice@example.test",
        "email_device_id": DEVICE,
        "email_exchange_host": exchange.url.split("/")[2],
        "email_exchange_username": "alice",
        "email_password": "alice-secret",
        "email_ssl_required": "false",
    }
    (tmp_path / "app.json").write_text(json.dumps(config))
    (tmp_path / "key").write_text("0" * 64)
    files = (("--config", "app.json"), ("--store", "box.db"), ("--key-file", "key"))
    return [word for option, name in files for word in (option, str(tmp_path / name))]


def run(*arguments: str, code: int = 0) -> Any:
    result = RUNNER.invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return json.loads(result.stdout) if "--json" in arguments else result.output


def test_folders(exchange: MockExchange, options: list[str]) -> None:
    made = run("folders", "create", "Projects", "--in", "Inbox", *options, "--json")
    assert (made["done"], made["name"], made["parent_id"]) == ("created", "Projects", "1")
    run("folders", "rename", "Inbox/Projects", "Plans", "--in", "0", *options)
    assert exchange.user("alice").folder("Plans").parent_id == "0"
    names = [folder["name"] for folder in run("folders", *options[2:], "--json")]
    assert "Plans" in names
    assert "--yes" in run("folders", "delete", "Plans", *options, code=2)
    assert "Plans" in {folder.name for folder in exchange.user("alice").folders.values()}
    run("folders", "delete", "Plans", "--yes", *options)
    assert "Plans" not in {folder.name for folder in exchange.user("alice").folders.values()}
    assert "new name" in run("folders", "rename", "Inbox", *options, code=2)
    assert "--store" in run("folders", code=2)


def test_the_address_list(exchange: MockExchange, options: list[str]) -> None:
    exchange.directory.entry("bob").title = "Buyer"
    (bob,) = run("gal", "bob", *options, "--json")
    assert (bob["email"], bob["title"], bob["shown_name"]) == ("bob@example.test", "Buyer", "Bob Brown")
    assert "Bob Brown" in run("gal", "bob", *options)
    assert run("gal", "nobody", *options, "--json") == []


def test_out_of_office(options: list[str]) -> None:
    assert run("oof", *options, "--json")["state"] == "off"
    times = ["--begin", "2026-12-01", "--end", "2026-12-24T18:00"]
    shown = run("oof", "--set", "scheduled", *times, "--text", "Away", "--outside", "", *options, "--json")
    assert (shown["state"], shown["internal"]["text"]) == ("scheduled", "Away")
    assert shown["external_unknown"]["enabled"] is False
    assert "company: Away" in run("oof", *options)
    assert "scheduled" in run("oof", "--set", "maybe", *options, code=2)
    assert "--set" in run("oof", "--text", "x", *options, code=2)


def test_discovery_tells_its_steps(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("never-shown")
    told = run("discover", "alice@nowhere.invalid", "--password-file", str(tmp_path / "password"), code=4)
    assert "autodiscover.nowhere.invalid" in told
    assert "never-shown" not in told
    assert "no email address" in run("discover", "alice", "--password-file", str(tmp_path / "password"), code=2)
