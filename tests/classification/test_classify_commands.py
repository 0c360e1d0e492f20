"""`emailplus classify`."""

from __future__ import annotations

import email
import email.policy
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emailplus.classification import ready
from emailplus.cli.classify_commands import classify_app

MESSAGE = b"From: a@example.test\r\nTo: b@example.test\r\nSubject: Plan\r\n\r\nHello\r\n"
run = CliRunner()


@pytest.fixture
def message(tmp_path: Path) -> Path:
    path = tmp_path / "message.eml"
    path.write_bytes(MESSAGE)
    return path


def test_check_says_what_is_wrong(tmp_path: Path) -> None:
    good = run.invoke(classify_app, ["check", "au_2025"])
    assert (good.exit_code, good.stderr) == (0, "version 2.0.0, 3 fields, 0 warnings\n")
    bad = tmp_path / "bad.json"
    bad.write_text('{"version": "1",\n "fields": [{name: "sec"},]}', encoding="utf-8")
    refused = run.invoke(classify_app, ["check", str(bad), "--json"])
    assert refused.exit_code == 2
    said = json.loads(refused.stdout)["error"]["problems"]
    assert any("version" in line for line in said)
    assert any("line 2, column 14" in line for line in said)
    missing = run.invoke(classify_app, ["check", str(tmp_path / "none.json")])
    assert missing.exit_code == 2
    assert "No such file" in missing.stderr


def test_check_finds_the_markers_inside_an_app_config(tmp_path: Path) -> None:
    pairs = {
        "email_address": "alice@example.test",
        "email_device_id": "0123456789abcdef0123456789ABCDEF",
        "email_exchange_host": "mail.example.test",
        "email_exchange_username": "alice",
        "email_security_classification_json": json.loads(ready.text("company")),
    }
    path = tmp_path / "app.json"
    path.write_text(json.dumps(pairs), encoding="utf-8")
    found = run.invoke(classify_app, ["check", str(path), "--json"])
    assert json.loads(found.stdout) == {"version": "2.0.0", "fields": ["Level"], "findings": []}


def test_parse_by_the_standard() -> None:
    found = run.invoke(classify_app, ["parse", "VER=2018.4, NS=gov.au, SEC=SECRET, ACCESS=Legal-Privilege", "--json"])
    parts = json.loads(found.stdout)
    assert (parts["sec"], parts["access"], parts["notes"]) == ("SECRET", ["Legal-Privilege"], [])
    assert "sec: PROTECTED" in run.invoke(classify_app, ["parse", "RE: x [SEC=PROTECTED]", "--subject"]).stdout
    assert run.invoke(classify_app, ["parse", "SEC=COSMIC"]).exit_code == 2
    assert run.invoke(classify_app, ["parse", "RE: x", "--subject"]).exit_code == 2


def test_stamp_then_parse_then_reply(message: Path, tmp_path: Path) -> None:
    marked = run.invoke(
        classify_app,
        ["stamp", str(message), "-c", "au_2025", "--set", "SEC=SECRET", "--set", "CAVEAT=RI:AUSTEO", "--origin", "a@b"],
    )
    assert marked.exit_code == 0, marked.stderr
    read = email.message_from_bytes(marked.stdout_bytes, policy=email.policy.default)
    assert read["Subject"] == "Plan [SEC=SECRET, CAVEAT=RI:AUSTEO]"
    assert read["X-Protective-Marking"] == "VER=2025.1, NS=gov.au, SEC=SECRET, CAVEAT=RI:AUSTEO, ORIGIN=a@b"
    original = tmp_path / "marked.eml"
    original.write_bytes(marked.stdout_bytes)
    parsed = run.invoke(classify_app, ["parse", str(original), "-c", "au_2025", "--json"])
    assert json.loads(parsed.stdout)["selection"] == {"SEC": ["SECRET"], "CAVEAT": ["RI:AUSTEO"]}
    reply = ["stamp", str(message), "-c", "au_2025", "--reply-to", str(original), "--set"]
    assert b"SEC=TOP-SECRET" in run.invoke(classify_app, [*reply, "SEC=TOP-SECRET"]).stdout_bytes
    lower = run.invoke(classify_app, [*reply, "SEC=OFFICIAL"])
    assert (lower.exit_code, lower.stdout_bytes) == (6, b"")
    assert "may not be lower" in lower.stderr


def test_stamp_refuses_an_unmarked_message(message: Path) -> None:
    refused = run.invoke(classify_app, ["stamp", str(message), "-c", "au_2025"])
    assert refused.exit_code == 6
    assert "Classification is required" in refused.stderr
    assert b"[Level: Internal]" in run.invoke(classify_app, ["stamp", str(message), "-c", "company"]).stdout_bytes
    assert run.invoke(classify_app, ["stamp", str(message), "-c", "company", "--set", "Level"]).exit_code == 2
    assert run.invoke(classify_app, ["stamp", "nowhere.eml", "-c", "company"]).exit_code == 2


def test_explain_says_it_in_words() -> None:
    said = run.invoke(classify_app, ["explain", "au_2025"]).stdout
    assert "SEC (Security Classification): required, one value, may only rise in a reply" in said
    assert "  with SEC OFFICIAL:Sensitive: SH:NATIONAL-CABINET" in said
    assert "sending without a marking is refused" in said
    assert "reads the subject: SEC=$SEC$" in said
    assert json.loads(run.invoke(classify_app, ["explain", "company", "--json"]).stdout)["version"] == "2.0.0"
