"""`emailplus send`, `outbox`, `drafts`, `mark`, `move`, `delete`, `pending`: run as their users run them."""

from __future__ import annotations

import email
import email.policy
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from emailplus.cli.app import app
from emailplus.mock import Http, Status

from ..commands.test_meetings import request
from ..flows.conftest import clock, make_world, world
from ..flows.world import DEVICE, KEY, World, deliver, mail

__all__ = ["clock", "make_world", "world"]


@pytest.fixture
def config(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMAILPLUS_STORE_KEY", KEY.hex())
    monkeypatch.setenv("EMAILPLUS_PASSWORD", "alice-secret")
    keys = {
        "email_address": "alice@example.test",
        "email_device_id": DEVICE,
        "email_exchange_host": world.host,
        "email_exchange_username": "alice",
        "email_ssl_required": "false",
        "email_max_sync_period": "0",
        "email_default_sync_period": "0",
        "email_safe_domains": "example.test",
        "email_alert_unsafe_domains": "true",
    }
    path = tmp_path / "app.json"
    path.write_text(json.dumps(keys))
    deliver(world.alice, mail("Plan", "Shall we?\n"))
    return path


def run(world: World, config: Path, command: str, *arguments: object, stdin: bytes | None = None) -> Result:
    options = ["--store", str(world.path)]
    if command not in ("outbox", "drafts"):
        options += ["--config", str(config)]
    return CliRunner().invoke(app, [command, *options, *map(str, arguments)], input=stdin)


def arrived(world: World, name: str = "bob") -> list[Any]:
    return [email.message_from_bytes(i.raw, policy=email.policy.default) for i in world.exchange.user(name).items()]


def test_a_message_from_options(world: World, config: Path, tmp_path: Path) -> None:
    file = tmp_path / "plän.bin"
    file.write_bytes(b"\0\1\2")
    options = ("--to", "Bob <bob@example.test>", "--cc", "carol@example.test", "--subject", "Grüße", "--text", "Hällo")
    done = run(world, config, "send", *options, "--attach", file, "--high", "--receipt", "--json")
    assert (done.exit_code, json.loads(done.stdout)["state"]) == (0, "confirmed")
    (got,) = arrived(world)
    assert (got["Subject"], got["Importance"]) == ("Grüße", "high")
    assert got.get_body().get_content().startswith("Hällo")
    assert [(p.get_filename(), p.get_content()) for p in got.iter_attachments()] == [("plän.bin", b"\0\1\2")]
    assert len(arrived(world, "carol")) == 1
    assert "sent: Again" in run(world, config, "send", *options[:2], "--subject", "Again").stderr


def test_a_mime_file_and_standard_input(world: World, config: Path, tmp_path: Path) -> None:
    raw = mail("From a file", "Text\n").replace(b"To: alice@", b"To: bob@")
    (tmp_path / "m.eml").write_bytes(raw)
    assert run(world, config, "send", tmp_path / "m.eml").exit_code == 0
    assert run(world, config, "send", "-", stdin=raw.replace(b"From a file", b"From a pipe")).exit_code == 0
    # The same Message-ID is the same message: the second is not sent again.
    assert [m["Subject"] for m in arrived(world)] == ["From a file"]
    other = raw.replace(b"From a file", b"From a pipe").replace(b"Message-ID: <", b"Message-ID: <2")
    assert run(world, config, "send", "-", stdin=other).exit_code == 0
    assert [m["Subject"] for m in arrived(world)] == ["From a file", "From a pipe"]
    for wrong in (tmp_path / "none.eml", tmp_path):
        assert run(world, config, "send", wrong).exit_code == 2


def test_answers_and_drafts(world: World, config: Path) -> None:
    assert run(world, config, "sync").exit_code == 0
    saved = run(world, config, "send", "--reply", 1, "--text", "Yes.", "--save", "--json")
    number = json.loads(saved.stdout)["draft"]
    (listed,) = json.loads(run(world, config, "drafts", "--json").stdout)
    assert (listed["id"], listed["kind"], listed["subject"]) == (number, "reply", "Re: Plan")
    assert "Re: Plan" in run(world, config, "drafts").stderr
    assert run(world, config, "send", "--draft", number).exit_code == 0
    assert run(world, config, "send", "--forward", 1, "--to", "carol@example.test").exit_code == 0
    assert json.loads(run(world, config, "drafts", "--json").stdout) == []
    assert [m["Subject"] for m in arrived(world)] == ["Re: Plan"]
    assert [m["Subject"] for m in arrived(world, "carol")] == ["Fwd: Plan"]
    assert run(world, config, "send", "--reply", 1, "--forward", 1).exit_code == 2
    assert run(world, config, "send", "--reply", 99).exit_code == 1
    assert run(world, config, "drafts", "--discard", 99).exit_code == 2


def test_a_question_without_a_person(world: World, config: Path) -> None:
    done = run(world, config, "send", "--to", "eve@evil.example", "--subject", "x", "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["error"]["type"] == "ConfirmationNeeded"
    assert json.loads(run(world, config, "outbox", "--json").stdout) == []
    assert run(world, config, "send", "--to", "eve@evil.example", "--subject", "x", "--yes").exit_code == 0


def test_what_waits_and_what_failed(world: World, config: Path) -> None:
    world.exchange.faults.add(Http(503, headers={"Retry-After": "3600"}), "SendMail", times=1)
    done = run(world, config, "send", "--to", "bob@example.test", "--subject", "Waits", "--json")
    assert (done.exit_code, json.loads(done.stdout)["state"]) == (1, "queued")
    assert "queued" in run(world, config, "outbox").stderr
    flushed = run(world, config, "send", "--flush", "--json")
    assert (flushed.exit_code, json.loads(flushed.stdout)) == (0, [])
    world.exchange.faults.add(Status(116), "SendMail", times=1)
    failed = run(world, config, "send", "--to", "bob@example.test", "--subject", "Fails", "--json")
    assert failed.exit_code == 4
    assert json.loads(failed.stdout)["error"]["type"] == "RecipientsRefused"
    lines = json.loads(run(world, config, "outbox", "--json").stdout)
    assert [(line["subject"], line["state"], line["status"]) for line in lines] == [
        ("Waits", "confirmed", 1), ("Fails", "failed", 116),
    ]  # fmt: skip
    number = json.loads(run(world, config, "outbox", "--withdraw", lines[1]["id"], "--json").stdout)["draft"]
    assert run(world, config, "drafts", "--discard", number).exit_code == 0
    assert run(world, config, "outbox", "--withdraw", lines[0]["id"]).exit_code == 2


def test_an_answer_that_waits_is_listed(world: World, config: Path) -> None:
    deliver(world.alice, request())
    assert run(world, config, "sync").exit_code == 0
    world.exchange.faults.add(Http(503, headers={"Retry-After": "3600"}), "MeetingResponse")
    with world.open() as mailbox:
        (found,) = mailbox.search("planning")
        assert mailbox.respond(found.id, "decline").waits
    (answer,) = json.loads(run(world, config, "pending", "--json").stdout)
    assert [answer[name] for name in ("kind", "value", "state", "message_id")] == [
        "answer", "decline", "queued", found.id,
    ]  # fmt: skip
    assert "decline" in run(world, config, "pending").stderr
    assert json.loads(run(world, config, "pending", "--export").stdout)["answers"] == [answer]
    assert run(world, config, "send", "--flush").exit_code == 0
    assert json.loads(run(world, config, "pending", "--json").stdout) == []


def test_changes(world: World, config: Path) -> None:
    run(world, config, "sync")
    for arguments in (
        ("mark", 1, "--read", "--flag", "active", "--category", "blue"),
        ("move", 1, "--to", "Junk Email", "--yes"),
    ):
        assert run(world, config, *arguments).exit_code == 0
    changes = json.loads(run(world, config, "pending", "--json").stdout)
    assert [change["kind"] for change in changes] == ["read", "flag", "categories", "move"]
    assert "Plan" in run(world, config, "pending").stderr
    assert set(json.loads(run(world, config, "pending", "--export").stdout)) == {
        "answers", "changes", "drafts", "held", "items", "outbox",
    }  # fmt: skip
    assert run(world, config, "sync").exit_code == 0
    (item,) = world.alice.items("Junk Email")
    assert (item.read, item.flag.status, item.categories) == (True, 2, ("blue",))
    assert json.loads(run(world, config, "delete", 1, "--json").stdout) == {"changed": 1}
    run(world, config, "sync")
    assert len(world.alice.items("Deleted Items")) == 1
    assert run(world, config, "delete", "--empty", "Deleted Items").exit_code == 2
    assert run(world, config, "delete", "--empty", "Deleted Items", "--yes").exit_code == 0
    run(world, config, "sync")
    assert world.alice.items("Deleted Items") == []
    for wrong in (("mark", 1), ("delete",), ("delete", 1, "--empty", "Inbox"), ("mark", 1, "--flag", "red")):
        assert run(world, config, *wrong).exit_code == 2


def test_a_message_goes_on_to_others(world: World, config: Path) -> None:
    assert run(world, config, "sync").exit_code == 0
    assert run(world, config, "send", "--redirect", 1, "--to", "carol@example.test").exit_code == 0
    (got,) = arrived(world, "carol")
    assert (got["Subject"], got["Reply-To"]) == ("Plan", "Bob <bob@example.test>")
    assert got.get_body().get_content().strip() == "Shall we?"
    # Whole, byte for byte, where its MIME is here.
    whole = ("--forward", 1, "--as-attachment", "--to", "carol@example.test")
    assert run(world, config, "send", *whole).exit_code == 2
    assert run(world, config, "send", "--as-attachment", "--reply", 1).exit_code == 2
    assert run(world, config, "send", "--redirect", 1, "--forward", 1).exit_code == 2
    assert run(world, config, "send", "--redirect", 99, "--to", "carol@example.test").exit_code == 1


def test_an_image_in_the_text(world: World, config: Path, tmp_path: Path) -> None:
    html, image, odd = tmp_path / "text.html", tmp_path / "logo.png", tmp_path / "my logo.png"
    for file in (image, odd):
        file.write_bytes(b"\x89PNG\r\n\x1a\n")
    html.write_text("<p>Look: <img src='cid:logo.png'> <img src='cid:my logo.png'></p>")
    options = ("send", "--to", "bob@example.test", "--html-file", html, "--reply-to", "desk@example.test")
    assert run(world, config, *options, "--inline", image).exit_code == 0
    (got,) = arrived(world)
    (part,) = [part for part in got.walk() if part.get_content_type() == "image/png"]
    assert (part["Content-ID"], part.get_content_disposition()) == ("<logo.png>", "inline")
    assert got["Reply-To"] == "desk@example.test"
    for wrong in ((odd, html), (image, None)):  # a name no Content-ID can have; nothing that shows it
        options = ("send", "--to", "bob@example.test", "--text", "x", *(("--html-file", wrong[1]) if wrong[1] else ()))
        refused = run(world, config, *options, "--inline", wrong[0], "--json")
        assert (refused.exit_code, "cid:" in json.loads(refused.stdout)["error"]["message"]) == (2, True)


def test_a_template_by_its_name(world: World, config: Path) -> None:
    keys = json.loads(config.read_text())
    config.write_text(json.dumps({**keys, "enabled_features": "rms_support"}))
    identity = "a" * 8 + "-0000-0000-0000-000000000001"
    world.exchange.rights_templates = [
        (identity, "Do Not Forward", "No."),
        ("b" * 36, "Twice", ""),
        ("c" * 36, "Twice", ""),
    ]
    assert run(world, config, "sync").exit_code == 0
    options = ("send", "--to", "bob@example.test", "--subject", "x", "--text", "y")
    for wanted in ("do not forward", identity, f"{{{identity.upper()}}}"):
        assert run(world, config, *options, "--template", wanted).exit_code == 0
    assert [item.licence.template_id for item in world.exchange.user("bob").items() if item.licence] == [identity] * 3
    for wanted, said in (("Secret", "'Do Not Forward'"), ("Twice", "name one by its id"), ("", "no template")):
        refused = run(world, config, *options, "--template", wanted, "--json")
        assert (refused.exit_code, said in json.loads(refused.stdout)["error"]["message"]) == (2, True)
    # The template of an answer's original is taken off only where that is asked for.
    assert run(world, config, "send", "--reply", 1, "--template", "none", "--text", "z").exit_code == 0
    assert len(world.exchange.user("bob").items()) == 4


@pytest.mark.parametrize("option", ["--sign", "--encrypt", "--no-sign", "--no-encrypt"])
def test_s_mime_is_asked_for(world: World, config: Path, option: str) -> None:
    """Alice has no certificate of her own, and none of Bob's is known: what is asked for is not left out."""
    done = run(world, config, "send", "--to", "bob@example.test", "--subject", "x", option, "--json")
    if option.startswith("--no"):
        assert (done.exit_code, len(arrived(world))) == (0, 1)
        return
    assert done.exit_code != 0
    assert arrived(world) == []
    assert json.loads(done.stdout)["error"]["type"] in ("CertificateUnusable", "ConfirmationNeeded")
