"""`emailplus sync`: where the password and the store's key come from, under the keys that decide it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from emailplus.cli import common
from emailplus.cli.app import app
from emailplus.mock import MockExchange
from tests.flows.world import deliver, mail
from tests.store.mail import KEY
from tests.store.test_keys import FakeKeyring


@pytest.fixture
def exchange() -> Iterator[MockExchange]:
    exchange = MockExchange()
    exchange.start()
    deliver(exchange.user("alice"), mail("one"))
    yield exchange
    exchange.stop()


@pytest.fixture
def sync(exchange: MockExchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs the command with these keys on top of alice's."""
    monkeypatch.setenv("EMAILPLUS_STORE_KEY", KEY.hex())
    monkeypatch.delenv("EMAILPLUS_PASSWORD", raising=False)

    def run(**keys: Any) -> Result:
        pairs: dict[str, Any] = {
            "email_address": "alice@example.test", "email_device_id": "A" * 32, "email_exchange_username": "alice",
            "email_exchange_host": exchange.url.split("/")[2], "email_ssl_required": "false",
            "email_password": "alice-secret", **keys,
        }  # fmt: skip
        file = tmp_path / "app.json"
        file.write_text(json.dumps({name: value for name, value in pairs.items() if value is not None}))
        command = ["sync", "--config", str(file), "--store", str(tmp_path / "m.db"), "--json"]
        return CliRunner().invoke(app, command)

    return run


def test_the_password_of_the_configuration_is_used_and_without_one_nothing_is_sent(
    exchange: MockExchange, sync: Callable[..., Result]
) -> None:
    result = sync(email_password=None)
    assert result.exit_code == 3
    assert "no password" in json.loads(result.stdout)["error"]["message"]
    assert not list(exchange.requests)
    assert json.loads(sync().stdout)["added"] == 1
    assert sync(email_password="wrong").exit_code == 3


def test_an_unfilled_password_variable_means_ask_and_the_key_may_forbid_asking(
    exchange: MockExchange, sync: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def getpass(prompt: str) -> str:
        asked.append(prompt)
        return "alice-secret"

    monkeypatch.setattr(common.getpass, "getpass", getpass)
    monkeypatch.setattr(common, "at_terminal", lambda: True)
    assert sync(email_password="$PASSWORD$", allow_prompt_password="0").exit_code == 3
    assert asked == []
    assert not list(exchange.requests)
    assert json.loads(sync(email_password="$PASSWORD$", allow_prompt_password="1").stdout)["added"] == 1
    assert asked == ["Password of alice: "]


def test_the_keyring_holds_the_store_key_only_where_the_key_allows_it(
    sync: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EMAILPLUS_STORE_KEY")
    ring = FakeKeyring()
    monkeypatch.setitem(sys.modules, "keyring", ring)
    assert sync(allow_device_keychain="false").exit_code == 5
    assert ring.held == {}
    assert json.loads(sync(allow_device_keychain="true").stdout)["added"] == 1
    assert set(ring.held) == {("emailplus", "alice@example.test")}
    # Unattended: the next run needs nobody, and finds what is there.
    assert json.loads(sync(allow_device_keychain="true").stdout)["items"] == {"Email": 1}
    assert sync(allow_device_keychain="false").exit_code == 5
