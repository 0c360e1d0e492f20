"""`emailplus policy recipients | link`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from emailplus.cli.app import app

PAIRS = {
    "email_address": "alice@a.com", "email_device_id": "A" * 32, "email_exchange_host": "mail.a.com",
    "email_exchange_username": "alice", "email_ssl_required": "true",
}  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Any:
    def call(keys: dict[str, str], *words: str) -> Result:
        path = tmp_path / "app.json"
        path.write_text(json.dumps({**PAIRS, **keys}))
        return CliRunner().invoke(app, ["policy", *words, "--config", str(path)])

    return call


def test_recipients(run: Any) -> None:
    keys = {"email_safe_domains": "a.com", "email_alert_unsafe_domains": "true"}
    done = run(keys, "recipients", "Bob <bob@a.com>, x@evil.example", "--json")
    assert done.exit_code == 6
    document = json.loads(done.stdout)
    assert [(one["address"], one["safe"]) for one in document["recipients"]] == [
        ("bob@a.com", True), ("x@evil.example", False),
    ]  # fmt: skip
    assert "x@evil.example" in document["question"]
    calm = run({"email_safe_domains": "a.com"}, "recipients", "x@evil.example")
    assert calm.exit_code == 0
    assert "UNSAFE x@evil.example" in calm.output
    assert run(keys, "recipients", "bob@a.com").exit_code == 0


@pytest.mark.parametrize(
    ("keys", "words", "code", "said"),
    [
        ({}, ("https://a.com/",), 0, "open mibrowsers://a.com/"),
        ({"allow_safari_browser": "true"}, ("https://a.com/",), 0, "open https://a.com/"),
        ({}, ("https://a.com/", "--installed", "opera-https"), 6, "refuse"),
        (
            {"webatwork_install_link": "https://get.example/"},
            ("https://a.com/", "--installed", "x"),
            0,
            "install https",
        ),
        ({}, ("javascript:alert(1)",), 6, "not followed"),
        ({}, ("mailto:b@a.com?subject=s",), 0, "b@a.com"),
    ],
)
def test_links(run: Any, keys: dict[str, str], words: tuple[str, ...], code: int, said: str) -> None:
    done = run(keys, "link", *words)
    assert done.exit_code == code, done.output
    assert said in done.output
    document = json.loads(run(keys, "link", *words, "--json").stdout)
    assert (document["action"] == "refuse") == (code == 6)
