"""`emailplus config`: one JSON document on stdout, tables on stderr, exit 0 or 2, no secret in either."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from emailplus.cli.config_commands import config_app
from emailplus.config import KEYS
from tests.config.samples import PLAIN, b64, p12

BAD = {
    "email_address": "nobody",
    "email_exchange_host": "https://mail.example.test",
    "email_password": "sword\x00fish",
    "email_pasword": "swordfish",
    "calendar_default_mode_phone": "year",
}


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(config_app, [str(argument) for argument in arguments])


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(name: str, pairs: dict[str, Any]) -> Path:
        path = tmp_path / name
        path.write_text(json.dumps(pairs))
        return path

    return write


def test_check_of_a_good_configuration(write: Any) -> None:
    path = write("app.json", {**PLAIN, "email_password": "swordfish"})
    result = run("check", path, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"ok": True, "problems": [], "warnings": []}
    assert result.stderr == ""
    people = run("check", path)
    assert people.exit_code == 0
    assert people.stdout == ""
    assert "can be used" in people.stderr


def test_check_lists_every_problem_masked(write: Any) -> None:
    path = write("app.json", BAD)
    result = run("check", path, "--json")
    assert result.exit_code == 2
    document = json.loads(result.stdout)
    assert document["ok"] is False
    problems = {problem["key"]: problem for problem in document["problems"]}
    assert set(problems) == {
        "email_address", "email_device_id", "email_exchange_host", "email_exchange_username", "email_password",
        "calendar_default_mode_phone",
    }  # fmt: skip
    assert problems["email_password"]["value"] == "(hidden)"
    assert problems["email_exchange_host"]["expected"].endswith("for example mail.example.test")
    assert [key for key, problem in problems.items() if not problem["critical"]] == ["calendar_default_mode_phone"]
    assert {warning["key"] for warning in document["warnings"]} == {"email_pasword", "email_ssl_required"}
    people = run("check", "--config", path)
    assert people.exit_code == 2
    assert people.stdout == ""
    for key in (*problems, "email_pasword", "email_ssl_required"):
        assert key in people.stderr
    for text in (result.stdout, people.stderr):
        assert "swordfish" not in text
        assert "sword" not in text.replace("email_password", "").replace("email_pasword", "").replace("password", "")


def test_check_counts_a_problem_that_is_not_critical(write: Any) -> None:
    path = write("app.json", {**PLAIN, "calendar_default_mode_phone": "year"})
    assert run("check", path).exit_code == 2
    assert run("show", path).exit_code == 0


def test_show_prints_effective_values_and_masks_secrets(write: Any) -> None:
    path = write("app.json", {**PLAIN, "email_password": "swordfish", "email_default_signature": "[bold]hi", "x": "y"})
    result = run("show", path, "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["config"]["email_password"] == "(hidden)"
    assert document["config"]["default_network_timeout"] == 90
    assert document["config"]["email_default_signature"] == "[bold]hi"
    assert "default_network_timeout" not in document["given"]
    assert document["unknown"] == ["x"]
    assert [warning["key"] for warning in document["warnings"]] == ["x"]
    people = run("show", path)
    assert people.stdout == ""
    assert "[bold]hi" in people.stderr
    assert "mail.example.test" in people.stderr
    assert "swordfish" not in people.stderr + result.stdout


def test_show_of_a_bad_configuration_tells_why(write: Any) -> None:
    path = write("app.json", BAD)
    result = run("show", path, "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["ok"] is False
    assert "email_device_id" in run("show", path).stderr


def test_variables_come_from_the_identity_file(write: Any, tmp_path: Path) -> None:
    path = write("app.json", {"email_exchange_host": "mail.example.test", "email_ssl_required": "true"})
    identity = tmp_path / "identity.txt"
    identity.write_text("$EMAIL$ = alice@example.test\n$USERID$ = alice\nDEVICE_UUID_NO_DASHES = 01-23\n")
    assert run("check", path).exit_code == 2
    result = run("show", path, "--identity", identity, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["config"]["email_device_id"] == "0123"
    bad = write("identity.json", {"shoe_size": 43})
    assert run("check", path, "--identity", bad).exit_code == 2


@pytest.mark.parametrize("arguments", [("check",), ("show",), ("check", "a.json", "--config", "b.json"), ("nonsense",)])
def test_wrong_usage_exits_2(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""


@pytest.mark.parametrize("command", ["check", "show"])
def test_a_missing_file_is_a_problem(command: str, tmp_path: Path) -> None:
    result = run(command, tmp_path / "none.json", "--json")
    assert result.exit_code == 2
    [problem] = json.loads(result.stdout)["problems"]
    assert "readable file" in problem["expected"]


def test_keys_prints_the_whole_table() -> None:
    result = run("keys", "--json")
    assert result.exit_code == 0
    rows = json.loads(result.stdout)["keys"]
    assert [row["key"] for row in rows] == [key.name for key in KEYS]
    assert all(row["effect"] and row["default"] for row in rows)
    people = run("keys")
    assert people.stdout == ""
    assert all(key.name in people.stderr for key in KEYS)


def test_diff_tells_what_follows_and_no_secret(write: Any) -> None:
    old = write("old.json", {**PLAIN, "email_password": "swordfish"})
    new = write("new.json", {**PLAIN, "email_password": "codfish", "email_address": "bob@example.test"})
    result = run("diff", old, new, "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["full_resync"] is True
    assert {change["key"]: change["consequence"] for change in document["changes"]} == {
        "email_address": "full resync", "email_password": "acts at once",
    }  # fmt: skip
    people = run("diff", old, new)
    assert "full resync" in people.stderr
    assert "fish" not in result.stdout + people.stderr
    assert "Nothing changes" in run("diff", old, old).stderr
    assert run("diff", old, write("bad.json", BAD)).exit_code == 2


def test_check_looks_into_certificates(write: Any) -> None:
    """An archive whose password is another one, a root that is no certificate: named, before any sync."""
    framed = b64(b"\x30\x05\x30\x03\x02\x01\x01")
    good = {"email_signing_certificate": b64(p12()), "email_signing_certificate_MI_CERT_PW": "archive-pw"}
    assert run("check", write("good.json", {**PLAIN, **good})).exit_code == 0
    bad = {**good, "email_signing_certificate_MI_CERT_PW": "another", "email_certificate_1": framed}
    result = run("check", write("bad.json", {**PLAIN, **bad}), "--json")
    problems = {problem["key"]: problem for problem in json.loads(result.stdout)["problems"]}
    assert result.exit_code == 2
    assert "password does not open" in problems["email_signing_certificate"]["expected"]
    assert problems["email_signing_certificate"]["critical"] is False
    assert problems["email_certificate_1"]["critical"] is True
    assert "another" not in result.stdout
