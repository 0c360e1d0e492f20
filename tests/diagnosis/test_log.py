"""The log says what happened and never whose mail it was: whole runs, errors and tracebacks are searched for it."""

from __future__ import annotations

import json
import logging
import random
import string
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from emailplus.diagnosis import log
from emailplus.diagnosis.redact import Redactor, secrets_of
from emailplus.errors import (
    AuthenticationFailed,
    ConfirmationNeeded,
    EmailplusError,
    MalformedResponse,
    NetworkTimeout,
    NotFound,
    ServerBusy,
    StoreError,
)
from emailplus.mock import CutAfter, Garbage, Http, Stall
from emailplus.store import diagnosis as kept
from emailplus.store.store import Store

from ..flows.world import KEY, World, deliver, mail
from .planted import KEYS, PASSWORD, PUSH_TOKEN, SIGNING_PASSWORD, fill, found_in


def stored(world: World) -> list[dict[str, Any]]:
    with Store.open(world.path, KEY) as store:
        return [json.loads(line) for line in kept.read_log(store.database)]


def test_a_run_is_told_and_nothing_of_the_mail(world: World, lines: list[str]) -> None:
    fill(world)
    report = world.sync(KEYS)
    assert report.refused  # there was something to give away
    told = stored(world)
    assert [json.loads(line) for line in lines] == told
    assert found_in("\n".join(lines)) == []
    requests = [line for line in told if line["event"] == "request"]
    assert len(requests) == report.requests
    assert {line["command"] for line in requests} >= {"OPTIONS", "Provision", "FolderSync", "Sync"}
    assert sum(line["bytes_in"] for line in requests) == report.bytes_in
    assert sum(line["added"] for line in told if line["event"] == "window") == report.added == 4
    assert told[0]["event"] == "opened"
    assert len(told[0]["installation"]) == 32
    (end,) = [line for line in told if line["event"] == "end" and line["work"] == "sync"]
    assert end["ok"] is True
    (done,) = [line for line in told if line["event"] == "synchronised"]
    assert (done["added"], done["items"]) == (4, {"Email": 4})
    left_out = [line for line in told if line["event"] == "left out"]
    assert {(line["kind"], line["state"]) for line in left_out} == {("body", "refused"), ("attachment", "refused")}
    assert all(line["reason"] and line["size"] for line in left_out)


def test_allow_logging_decides(world: World, lines: list[str]) -> None:
    fill(world)
    world.sync({**KEYS, "allow_logging": "false"})
    assert lines == []
    assert stored(world) == []
    world.sync(KEYS)
    assert stored(world)
    del lines[:]
    world.sync({**KEYS, "allow_logging": None})  # taken away: what was kept goes as well
    assert lines == []
    assert stored(world) == []


def test_the_switch_belongs_to_one_mailbox(make_world: Callable[..., World], lines: list[str]) -> None:
    logged, silent = make_world(), make_world()
    with logged.open({"allow_logging": "true"}), silent.open({"allow_logging": "false"}) as mailbox:
        before = len(lines)
        mailbox.sync()
        assert len(lines) == before
    assert stored(silent) == []


@pytest.mark.parametrize(
    ("fault", "command", "kind"),
    [
        (Http(401), "FolderSync", "AuthenticationFailed"),
        (Http(503), "FolderSync", "ServerBusy"),
        (Garbage(), "Sync", "WbxmlError"),
        (CutAfter(3), "Sync", "ConnectionFailed"),
    ],
)
def test_errors_are_told_without_content(
    world: World, lines: list[str], fault: Any, command: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "emailplus")
    fill(world)
    world.exchange.faults.add(fault, command, times=20)
    with pytest.raises(EmailplusError) as raised:
        world.sync({**KEYS, "email_password": PASSWORD})
    told = stored(world)
    failed = [line for line in told if line["event"] == "failed"]
    assert [line["error"] for line in failed] == [type(raised.value).__name__] == [kind]
    assert failed[0]["message"]
    assert found_in("\n".join(lines) + caplog.text + json.dumps(told, ensure_ascii=False)) == []


def test_a_timeout_is_told(world: World, lines: list[str]) -> None:
    world.exchange.faults.add(Stall(3), "FolderSync", times=9)
    with pytest.raises(NetworkTimeout):
        world.sync({**KEYS, "default_network_timeout": "1"})
    unanswered = [line for line in stored(world) if line["event"] == "request" and "error" in line]
    assert {line["error"] for line in unanswered} == {"NetworkTimeout"}


def test_an_unexpected_error_is_told_by_type_and_place(
    world: World, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(world)

    def broken(*_: Any, **__: Any) -> None:
        raise ValueError(f"cannot read 'Quartalszahlen für Ulrike' of bob@example.test with {PASSWORD}")

    monkeypatch.setattr("emailplus.store.passes.apply_windows", broken)
    with pytest.raises(ValueError, match="Quartalszahlen"):
        world.sync(KEYS)
    (failed,) = (json.loads(line) for line in lines if json.loads(line)["event"] == "failed")
    assert failed["error"] == "builtins.ValueError"
    assert failed["message"] == ""
    assert any(frame.startswith("emailplus.driver:run:") for frame in failed["frames"])
    assert found_in("\n".join(lines)) == []


def test_what_others_write_to_the_logger_is_redacted(lines: list[str]) -> None:
    try:
        raise ValueError("Quartalszahlen")
    except ValueError:
        logging.getLogger("emailplus.somewhere").exception(
            "cannot send to bob@example.test: Authorization: Basic QWxpY2U6c2VjcmV0 in '/home/alice/lohnliste.xlsx'"
        )
    (line,) = map(json.loads, lines)
    assert line["error"] == "builtins.ValueError"
    assert found_in(lines[0]) == []
    assert "QWxpY2U6" not in lines[0]


def test_the_console(world: World) -> None:
    """A process without any logging of its own writes the lines to standard error, another one to its handlers."""
    script = (
        "import sys, json\nfrom emailplus import AppConfig, Mailbox\n{more}"
        "with Mailbox.open(AppConfig.load(json.loads(sys.argv[2])), store=sys.argv[1], key=bytes(range(32))) as m:\n"
        "    m.sync()\n"
    )
    keys = {
        "email_address": "alice@example.test", "email_device_id": "0123456789ABCDEF0123456789ABCDEF",
        "email_exchange_host": world.host, "email_exchange_username": "alice", "email_password": PASSWORD,
        "email_ssl_required": "false",
    }  # fmt: skip

    def run(more: str = "", **pairs: str) -> list[str]:
        arguments = [sys.executable, "-c", script.format(more=more), str(world.path), json.dumps({**keys, **pairs})]
        done = subprocess.run(arguments, capture_output=True, text=True, check=True)
        assert done.stdout == ""
        return done.stderr.splitlines()

    assert run() == []
    assert {json.loads(line)["event"] for line in run(allow_logging="true")} >= {"opened", "request", "end"}
    handled = "import logging\nlogging.basicConfig(level=30)\n"
    assert run(handled, allow_logging="true") == []


def test_the_record_is_bounded_and_keeps_the_newest(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "LOG_LINES", 12)
    for _ in range(3):
        world.sync(KEYS)
    told = stored(world)
    assert len(told) == 12
    assert told[-1]["event"] == "synchronised"


def test_a_log_that_cannot_be_stored_stops_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(world.alice, mail("one"))
    attempts: list[int] = []

    def full(database: Any, lines: Any) -> None:
        attempts.append(len(lines))
        raise StoreError("the disk is full")

    monkeypatch.setattr(kept, "append_log", full)
    assert world.sync(KEYS).added == 1
    assert attempts
    assert max(attempts) <= log.PENDING


def test_killed_in_the_middle_the_log_is_there_so_far(world: World) -> None:
    """Lines are stored between requests: what was told more than a moment before the end is in the record."""
    with world.open(KEYS) as mailbox:
        mailbox._diagnosis.log._kept_at -= 10
        world.exchange.faults.add(Http(401), "FolderSync", times=9)
        with pytest.raises(AuthenticationFailed):
            mailbox.sync()
        with Store.open(world.path, KEY) as other:  # another reader sees it: it is on the disk, not in memory
            events = [json.loads(line)["event"] for line in kept.read_log(other.database)]
    assert "failed" in events


# Texts.


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("the folder 'Geheim, o\\'Neil' is lost", "the folder (15 characters) is lost"),
        ('body of "it\'s mine" is left', "body of (9 characters) is left"),
        ("the server's policy isn't kept", "the server's policy isn't kept"),
        ("the server moved this mailbox to https://mail.example.test:8443/a/b?User=alice", None),
        ("no key for bob.smith+x@sub.example.test", "no key for …@sub.example.test"),
        ("cannot read /home/alice/mail/app.json", "cannot read (path)"),
        ("cannot read C:\\Users\\alice\\x.json", "cannot read (path)"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: (hidden)"),
        ("got Set-Cookie: session=12345; Path", "got Set-Cookie: (hidden); Path"),
        ("password=hunter2&x=1", "password=(hidden)&x=1"),
        ("two\nlines\tand \x1b[31mcolour", "two lines and [31mcolour"),
        ("HTTP 451 in circles, status 3, 10 MB", "HTTP 451 in circles, status 3, 10 MB"),
    ],
)
def test_redacted_texts(text: str, left: str | None) -> None:
    wanted = left or "the server moved this mailbox to https://mail.example.test:8443/…"
    assert Redactor().text(text) == wanted


def test_secrets_are_found_in_every_encoding() -> None:
    random_ = random.Random(7)
    for _ in range(200):
        secret = "".join(random_.choices(string.printable.strip() + "äß€", k=random_.randint(4, 30)))
        redact = Redactor([secret], ["alice"])
        for form in (secret, json.dumps(secret), repr(secret)):
            assert secret not in redact.text(f"x {form} y")
    assert Redactor(["ab"], []).text("about ab, ab") == "about (hidden), (hidden)"


def test_every_secret_of_a_config_is_known(world: World) -> None:
    config = world.config(**{**KEYS, "email_escrow_certificates": None})
    assert sorted(secrets_of(config)) == sorted([PASSWORD, PUSH_TOKEN, SIGNING_PASSWORD])


def test_a_password_of_the_caller_and_one_of_before_are_known(world: World, lines: list[str]) -> None:
    keys = {**KEYS, "email_password": None}
    with world.open(keys, password="Fliederbusch!9") as mailbox:
        mailbox.apply(world.config(**{**keys, "notification_server_authorization": None}))
        mailbox._diagnosis.log.write("test", message=f"sent Fliederbusch!9 and {PUSH_TOKEN}")
    assert "Fliederbusch" not in lines[-1]
    assert PUSH_TOKEN not in lines[-1]
    assert json.loads(lines[-1])["message"] == "sent (hidden) and (hidden)"


@pytest.mark.parametrize(
    "problem",
    [
        NotFound("there is no message of Ulrike"),
        ConfirmationNeeded("Ulrike"),
        KeyError("Ulrike"),
        OSError(2, "No such file", "/home/ulrike"),
    ],
)
def test_messages_that_may_hold_content_are_not_told(problem: Exception) -> None:
    assert Redactor().problem(problem) == ""


def test_messages_of_server_errors_are() -> None:
    assert Redactor().problem(ServerBusy("busy for 'Ulrike'")) == "busy for (6 characters)"
    assert Redactor().problem(MalformedResponse("Sync sent Add without a ServerId"))
