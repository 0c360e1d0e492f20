"""docs/sign_in.md: its examples run in order, against a mock with an authority beside it."""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import ssl
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from emailplus import AppConfig, errors
from emailplus.cli import sign_in_commands
from emailplus.cli.app import app
from emailplus.mock.oauth import CLIENT_ID
from emailplus.policy.sign_in import Mode

from .conftest import Site

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "sign_in.md").read_text(encoding="utf-8")


def test_the_examples_run(
    make_site: Callable[..., Site], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site = make_site("basic", "bearer")
    authority = site.exchange.sign_in.oauth
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMAILPLUS_STORE_KEY", "5a" * 32)
    monkeypatch.delenv("EMAILPLUS_PASSWORD", raising=False)
    say = sign_in_commands.common.say

    def said(line: str) -> None:
        say(line)
        code = re.search(r"enter the code (\w+)", line)
        if code is not None:
            authority.approve(code[1], "alice")

    def printed(*words: Any) -> None:
        code = re.search(r"enter (\w+)$", " ".join(map(str, words)))
        if code is not None:
            authority.approve(code[1], "alice")

    monkeypatch.setattr(sign_in_commands.common, "say", said)
    wide = {"email_address": "alice@example.test", "email_exchange_username": "alice"}
    names: dict[str, Any] = {
        "password": "alice-secret",
        "client_id": CLIENT_ID,
        "config": site.config(),
        "print": printed,
        "my_tokens": SimpleNamespace(get=lambda resource, claims, fresh: authority.issue("alice")),
    }
    ran = []
    for language, code in re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.M | re.S):
        ran.append(language)
        if language == "json":
            keys = json.loads(code) | wide
            keys["modern_auth_authority_url"] = authority.url
            keys["email_exchange_host"] = site.exchange.url_tls.split("/")[2]
            keys["email_certificate_1"] = ca_of(site)
            Path("app.json").write_text(json.dumps(keys), encoding="utf-8")
            names["config"] = AppConfig.load("app.json")
        elif language == "python":
            exec(compile(code, "example", "exec"), names)
        else:
            for line in code.splitlines():
                command = shlex.split(line.removeprefix("$ "))
                outcome = CliRunner().invoke(app, command[1:])
                assert outcome.exit_code == 0, outcome.output
    assert ran == ["python", "python", "json", "console", "python", "python"]
    assert os.path.exists("mailbox.db")


def ca_of(site: Site) -> str:
    """The mock's authority, as `email_certificate_1` has it."""
    return base64.b64encode(ssl.PEM_cert_to_DER_cert(site.exchange.ca_pem.decode())).decode()


def test_the_tables_name_what_exists() -> None:
    modes = re.findall(r"^\| `([a-z_]+)`(?: \(default\))? \|", PAGE.partition("## ")[0], re.M)
    assert modes == [str(mode) for mode in Mode]
    for name in re.findall(r"^\| `([A-Z]\w+)` \|", PAGE, re.M):
        assert hasattr(errors, name)
