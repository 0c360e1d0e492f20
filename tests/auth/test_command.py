"""`emailplus sign-in`, `sign-out`, what commands ask at a terminal, and `mock serve` with ways to sign in."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from emailplus.cli import common, sign_in_commands
from emailplus.cli.app import app
from emailplus.mock.oauth import CLIENT_ID, SERVICE_ID, SERVICE_SECRET

from .conftest import Site
from .test_documentation import ca_of


@pytest.fixture
def command(modern: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("EMAILPLUS_STORE_KEY", "5a" * 32)
    for name in ("EMAILPLUS_PASSWORD", "EMAILPLUS_CLIENT_ID", "EMAILPLUS_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    config = tmp_path / "app.json"

    def call(*words: str, **keys: Any) -> Result:
        pairs = {
            "email_address": "alice@example.test",
            "email_device_id": "0123456789ABCDEF0123456789ABCDEF",
            "email_exchange_host": modern.exchange.url_tls.split("/")[2],
            "email_exchange_username": "alice",
            "email_ssl_required": "true",
            "email_certificate_1": ca_of(modern),
            **modern.pairs,
            **keys,
        }
        config.write_text(json.dumps(pairs))
        return CliRunner().invoke(app, [words[0], "--config", str(config), "--store", str(modern.path), *words[1:]])

    return call


@pytest.fixture
def approved(modern: Site, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whoever reads the code signs in as alice; the lines that were said."""
    lines: list[str] = []

    def said(line: str) -> None:
        lines.append(line)
        code = re.search(r"enter the code (\w+)", line)
        if code is not None:
            modern.exchange.sign_in.oauth.approve(code[1], "alice")

    monkeypatch.setattr(sign_in_commands.common, "say", said)
    return lines


def test_sign_in_sync_sign_out(modern: Site, command: Callable[..., Result], approved: list[str]) -> None:
    refused = command("sync", "--json")
    assert refused.exit_code == 3
    assert json.loads(refused.stdout)["error"]["type"] == "SignInRequired"
    document = json.loads(command("sign-in", "--client-id", CLIENT_ID, "--json").stdout)
    assert (document["mode"], document["signed_in"], document["username"]) == (
        "modern_auth", True, "alice@example.test",
    )  # fmt: skip
    assert any("oauth2/deviceauth" in line for line in approved)
    assert command("sync", "--json").exit_code == 0
    assert "renewed by itself" in command("sign-in", "--state").stdout
    assert "signed in   no" in command("sign-out").stdout
    assert command("sync", "--json").exit_code == 3


def test_a_service_by_the_environment(
    command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EMAILPLUS_CLIENT_ID", SERVICE_ID)
    (tmp_path / "secret").write_text(SERVICE_SECRET + "\n")
    assert command("sign-in", "--method", "service").exit_code == 2
    done = command("sign-in", "--method", "service", "--client-secret-file", str(tmp_path / "secret"))
    assert done.exit_code == 0, done.output
    assert SERVICE_SECRET not in done.output


@pytest.mark.parametrize(
    "words", [("--method", "guess"), ("--form", "v3"), (), ("--client-id", "x", "--method", "service")]
)
def test_what_cannot_be_meant(command: Callable[..., Result], words: tuple[str, ...]) -> None:
    assert command("sign-in", *words).exit_code == 2


def test_an_unknown_client_is_told_by_number(command: Callable[..., Result]) -> None:
    failed = command("sign-in", "--client-id", "nobody", "--json")
    assert failed.exit_code == 3
    assert "AADSTS700016" in json.loads(failed.stdout)["error"]["message"]


def test_the_terminal_is_asked_again_after_a_refusal(
    make_site: Callable[..., Site], command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make_site("basic")
    answers = iter(["wrong", "alice-secret"])
    asked: list[str] = []

    def getpass(prompt: str) -> str:
        asked.append(prompt)
        return next(answers)

    monkeypatch.setattr(common.getpass, "getpass", getpass)
    monkeypatch.setattr(common, "at_terminal", lambda: True)
    keys = {
        "eas_min_allowed_auth_mode": "basic",
        "email_exchange_host": site.exchange.url_tls.split("/")[2],
        "email_certificate_1": ca_of(site),
        "prompt_email_password": "true",
    }
    done = command("sync", **keys)
    assert done.exit_code == 0, done.output
    assert asked == ["Password of alice: "] * 2
    assert site.tried[:2] == [False, True]
    assert common.pausing == []


def test_mock_serve_with_ways_to_sign_in(tmp_path: Path) -> None:
    certificates = tmp_path / "certificates"
    certificates.mkdir()
    words = ["--tls", "--sign-in", "ntlm", "--sign-in", "bearer", "--sign-in", "certificate", "--attempts", "3"]
    described = tmp_path / "server.json"
    options = ["--client-certificates", str(certificates), "--server-json", str(described)]
    program = [sys.executable, "-m", "emailplus.cli", "mock", "serve", *words, *options]
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    with subprocess.Popen(program, stdout=subprocess.PIPE, env=environment) as process:
        try:
            for _ in range(1200):
                if described.exists() or process.poll() is not None:
                    break
                time.sleep(0.05)
            document = json.loads(described.read_text())
        finally:
            process.terminate()
    assert document["sign_in"] == ["ntlm", "bearer", "certificate"]
    assert document["oauth"]["authority"].startswith("https://127.0.0.1:")
    assert sorted(path.name for path in certificates.iterdir()) == ["alice.p12", "bob.p12", "carol.p12"]
