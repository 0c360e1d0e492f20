"""The feedback bundle: what an administrator needs, nobody's mail, and a calendar that only its reader opens."""

from __future__ import annotations

import asyncio
import email
import email.policy
import io
import json
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from emailplus.config import AppConfig
from emailplus.diagnosis import feedback
from emailplus.diagnosis.feedback import Feedback, collect
from emailplus.errors import ConfigurationError, KeyImportFailed, PolicyDenied, StoreError
from emailplus.mailbox import AsyncMailbox
from emailplus.mock import MockPolicy, Stall
from emailplus.store import diagnosis as kept
from emailplus.store.store import Store

from ..flows.world import KEY, NOW, World, deliver, mail
from ..smime.conftest import Authority
from .planted import KEYS, PASSWORD, fill, found_in

TO = {**KEYS, "feedback_email_address": "help@example.test"}
CALENDAR = [
    {"subject": "Quartalszahlen", "start": NOW, "attendees": ["bob@example.test"]},
    {"subject": "Holunder", "location": "Geheimsache"},
]


def files(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        assert packed.testzip() is None
        return {name: packed.read(name) for name in packed.namelist()}


def bundle(world: World, keys: dict[str, Any] = TO, **more: Any) -> tuple[Feedback, dict[str, bytes]]:
    with Store.open(world.path, KEY) as store:
        made = collect(store, world.config(**keys), now=NOW, **more)
    return made, files(made.archive)


def opened(envelope: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = ["openssl", "cms", "-decrypt", "-binary", "-inform", "DER", *arguments]
    return subprocess.run(command, input=envelope, capture_output=True, check=False)


def test_what_is_in_it(world: World) -> None:
    fill(world)
    report = world.sync(TO)
    with world.open(TO) as mailbox:
        made = mailbox.feedback("It does not work.")
    there = files(made.archive)
    assert made.contents == tuple(there)
    assert (made.to, made.subject[:35]) == ("help@example.test", "emailplus feedback 2026-11-24 12:00")
    assert made.text.startswith("It does not work.\n")
    assert set(there) == {
        "README.txt", "comment.txt", "configuration.json", "versions.json", "store.json", "log.jsonl", "crashes.json",
        "policy.json",
    }  # fmt: skip
    log = [json.loads(line) for line in there["log.jsonl"].splitlines()]
    assert [line["event"] for line in log].count("request") == report.requests
    versions = json.loads(there["versions.json"])
    assert versions["installation"] == log[0]["installation"]
    assert versions["installation"] in made.text
    assert versions["protocol"] == "16.1"
    assert json.loads(there["store.json"])["counts"]["items"]["Email"] == 4
    config = json.loads(there["configuration.json"])["config"]
    assert config["email_password"] == "(hidden)"
    assert config["email_max_attachment"] == 0.01
    for name, content in there.items():
        # The configuration is the administrator's own: user, address and device stand in it.
        words = found_in(content.decode("utf-8"))
        assert words == [] or (name == "configuration.json" and PASSWORD not in content.decode()), (name, words)
    assert made.passphrase is None


def test_without_an_address_there_is_no_feedback(world: World) -> None:
    world.sync(KEYS)
    with world.open(KEYS) as mailbox, pytest.raises(PolicyDenied, match="feedback_email_address") as refused:
        mailbox.feedback("help")
    assert refused.value.rule == "feedback_email_address"


def test_without_logging_there_is_no_log_in_it(world: World) -> None:
    world.sync(TO)
    assert "log.jsonl" in bundle(world)[1]
    world.sync({**TO, "allow_logging": "false"})
    _, there = bundle(world, {**TO, "allow_logging": "false"})
    assert "log.jsonl" not in there
    assert b"allow_logging is false" in there["README.txt"]


def test_the_policy_of_the_server_is_in_it(world: World) -> None:
    world.exchange.policy = MockPolicy({"AllowHTMLEmail": "1", "MaxEmailAgeFilter": "2"})
    world.sync(TO)
    with world.open(TO) as mailbox:
        policy = json.loads(files(mailbox.feedback().archive)["policy.json"])
        assert policy == json.loads(json.dumps(mailbox.policy_report().as_dict()))
    assert {rule["element"] for rule in policy["rules"]} == {"AllowHTMLEmail", "MaxEmailAgeFilter"}


def test_the_calendar_opens_with_its_passphrase_only(world: World) -> None:
    world.sync(TO)
    dump = {**TO, "enable_calendar_dump": "true"}
    made, there = bundle(world, dump, calendar=CALENDAR)
    assert made.passphrase is not None
    envelope = there[feedback.CALENDAR_FILE]
    done = opened(envelope, "-pwri_password", made.passphrase)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert [line["subject"] for line in lines] == ["Quartalszahlen", "Holunder"]
    assert lines[0]["start"] == str(NOW)
    assert opened(envelope, "-pwri_password", made.passphrase[:-1] + "!").returncode != 0
    for content in there.values():
        assert b"Holunder" not in content
        assert made.passphrase.encode() not in content
    assert made.passphrase not in made.text + repr(made)
    again, _ = bundle(world, dump, calendar=CALENDAR)
    assert again.passphrase != made.passphrase


def test_the_calendar_for_a_certificate(world: World, tmp_path: Path) -> None:
    world.sync(TO)
    reader = Authority().issue(emails=("help@example.test",), start=-3650, end=3650)
    der = reader.certificate.public_bytes(Encoding.DER)
    made, there = bundle(world, {**TO, "enable_calendar_dump": "true"}, calendar=CALENDAR, certificate=der)
    assert made.passphrase is None
    (tmp_path / "c.pem").write_bytes(reader.certificate.public_bytes(Encoding.PEM))
    key = reader.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "k.pem").write_bytes(key)
    done = opened(there[feedback.CALENDAR_FILE], "-recip", str(tmp_path / "c.pem"), "-inkey", str(tmp_path / "k.pem"))
    assert done.returncode == 0, done.stderr
    assert b"Holunder" in done.stdout
    with pytest.raises(KeyImportFailed):
        bundle(world, {**TO, "enable_calendar_dump": "true"}, calendar=CALENDAR, certificate=b"no certificate")


def test_enable_calendar_dump_decides(world: World) -> None:
    world.sync(TO)
    made, there = bundle(world, calendar=CALENDAR)
    assert feedback.CALENDAR_FILE not in there
    assert made.passphrase is None
    assert b"enable_calendar_dump is false" in there["README.txt"]
    _, there = bundle(world, {**TO, "enable_calendar_dump": "true"}, calendar=CALENDAR)
    assert feedback.CALENDAR_FILE in there


def test_the_calendar_comes_from_the_store(world: World) -> None:
    start, end = ("Calendar:StartTime", "20261201T090000Z"), ("Calendar:EndTime", "20261201T100000Z")
    world.alice.add_item("Calendar", [("Calendar:Subject", "Holunder"), start, end])
    world.alice.add_item("Notes", [("Email:Subject", "Zahlungsplan")])
    world.sync(TO)
    with world.open({**TO, "enable_calendar_dump": "true"}) as mailbox:
        made = mailbox.feedback()
    done = opened(files(made.archive)[feedback.CALENDAR_FILE], "-pwri_password", made.passphrase or "")
    assert [json.loads(line)["subject"] for line in done.stdout.decode().splitlines()] == ["Holunder"]


def test_disable_analytics_leaves_crash_reports_out(world: World) -> None:
    world.sync(TO)
    assert "crashes.json" in bundle(world)[1]
    _, there = bundle(world, {**TO, "disable_analytics": "true"})
    assert "crashes.json" not in there
    assert b"disable_analytics is true" in there["README.txt"]


def test_a_password_that_got_into_another_key_leaves_nothing(world: World) -> None:
    """The last guard: a secret is masked wherever it stands."""
    world.sync(TO)
    odd = {**TO, "email_default_signature": f"my password is {PASSWORD}"}
    _, there = bundle(world, odd)
    assert PASSWORD.encode() not in there["configuration.json"]


def delivered(world: World) -> Any:
    (item,) = world.exchange.user("bob").items("Inbox")
    return email.message_from_bytes(item.raw, policy=email.policy.default)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_it_is_sent_to_its_address(world: World, asynchronous: bool) -> None:
    keys = {**TO, "feedback_email_address": "bob@example.test"}
    world.sync(keys)

    async def send() -> tuple[Feedback, Any]:
        async with await AsyncMailbox.open(world.config(**keys), store=world.path, key=KEY) as mailbox:
            return await mailbox.send_feedback("It does not work.")

    if asynchronous:
        made, entry = asyncio.run(send())
    else:
        with world.open(keys) as mailbox:
            made, entry = mailbox.send_feedback("It does not work.")
    assert entry.state.value == "confirmed"
    message = delivered(world)
    assert message["To"] == "bob@example.test"
    assert message["Subject"] == made.subject
    assert "It does not work." in message.get_body().get_content()
    (attachment,) = message.iter_attachments()
    assert (attachment.get_filename(), attachment.get_content_type()) == (made.name, "application/zip")
    assert attachment.get_content() == made.archive
    assert "log.jsonl" in files(attachment.get_content())


def test_show_configuration_obeys_its_key(world: World) -> None:
    with world.open(KEYS) as mailbox, pytest.raises(PolicyDenied) as refused:
        mailbox.show_configuration()
    assert refused.value.rule == "allow_show_configuration"
    with world.open({**KEYS, "allow_show_configuration": "true"}) as mailbox:
        shown = mailbox.show_configuration()
    assert shown["email_address"] == "alice@example.test"
    assert shown["email_password"] == "(hidden)"
    assert PASSWORD not in json.dumps(shown)


def test_an_async_mailbox_has_them_too(world: World) -> None:
    async def run() -> tuple[Feedback, dict[str, Any]]:
        keys = {**TO, "allow_show_configuration": "true"}
        async with await AsyncMailbox.open(world.config(**keys), store=world.path, key=KEY) as mailbox:
            return await mailbox.feedback("x"), await mailbox.show_configuration()

    made, shown = asyncio.run(run())
    assert made.to == shown["feedback_email_address"]


# A configuration that cannot be used.

BROKEN = {
    "email_address": "not an address",
    "email_device_id": "X",
    "email_password": PASSWORD,
    "email_exchange_username": "alice",
}


def test_exit_on_configuration_error_decides_about_the_bundle() -> None:
    for exits in (None, "true", "maybe"):
        with pytest.raises(ConfigurationError) as silent:
            AppConfig.load({**BROKEN, **({"exit_on_configuration_error": exits} if exits else {})})
        assert silent.value.bundle is None
        assert silent.value.problems
    with pytest.raises(ConfigurationError) as offered:
        AppConfig.load({**BROKEN, "exit_on_configuration_error": "false"})
    there = files(offered.value.bundle or b"")
    listed = json.loads(there["problems.json"])
    assert {entry["key"] for entry in listed if entry["critical"]} >= {"email_address", "email_exchange_host"}
    assert all(PASSWORD.encode() not in content for content in there.values())
    assert json.loads(there["versions.json"])["emailplus"]


@pytest.mark.parametrize("exits", [True, False])
def test_a_running_engine_stops_or_offers_its_log(world: World, exits: bool) -> None:
    deliver(world.alice, mail("one"))
    keys = {**KEYS, "exit_on_configuration_error": "true" if exits else "false"}
    with world.open(keys) as mailbox:
        mailbox.sync()
        with pytest.raises(ConfigurationError) as refused:
            mailbox.apply(BROKEN)
        if exits:
            assert refused.value.bundle is None
            with pytest.raises(StoreError, match="closed"):
                mailbox.folders()
            return
        there = files(refused.value.bundle or b"")
        assert len(mailbox.search()) == 1  # the old configuration is in force, the engine goes on
    log = [json.loads(line) for line in there["log.jsonl"].splitlines()]
    assert log[-1]["event"] == "configuration refused"
    assert "email_address" in log[-1]["keys"]
    assert b"not an address" in there["problems.json"]
    assert all(PASSWORD.encode() not in content for content in there.values())


@pytest.mark.parametrize(
    "pairs",
    [
        {},
        {"email_signing_certificate": "bm90IGEgY2VydGlmaWNhdGU="},
        {"email_encryption_certificate": "!", "email_signing_certificate": ""},
    ],
)
def test_a_missing_smime_certificate_is_never_critical(world: World, pairs: dict[str, str]) -> None:
    config = world.config(**pairs, exit_on_configuration_error="true")
    assert config.email_signing_certificate is None


def test_another_configuration_takes_its_switches_along(world: World, lines: list[str]) -> None:
    with world.open(KEYS) as mailbox:
        log = mailbox.traffic_log(world.folder / "t")
        mailbox.apply(world.config(**{**KEYS, "allow_logging": "false"}))
        del lines[:]
        mailbox.sync()
        assert lines == []
        assert kept.read_log(mailbox.store.database) == []
        assert log._file is None
        mailbox.apply(world.config(**KEYS))
        mailbox.sync()
        assert lines


# The command.


def run(world: World, *arguments: str, **pairs: Any) -> subprocess.CompletedProcess[str]:
    keys = {
        "email_address": "alice@example.test", "email_device_id": "0123456789ABCDEF0123456789ABCDEF",
        "email_exchange_host": world.host, "email_exchange_username": "alice", "email_password": PASSWORD,
        "email_ssl_required": "false", "feedback_email_address": "help@example.test", **pairs,
    }  # fmt: skip
    file = world.folder / "app.json"
    file.write_text(json.dumps({name: value for name, value in keys.items() if value is not None}))
    command = [sys.executable, "-m", "emailplus.cli", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=world.folder, check=False,
        env={"EMAILPLUS_STORE_KEY": KEY.hex(), "PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip


SYNC = ("sync", "--config", "app.json", "--store", "store.db", "--json")
REPORT = ("report", "--config", "app.json", "--store", "store.db", "--output", "report.zip")


def test_the_report_command(world: World) -> None:
    assert run(world, *SYNC, allow_logging="true").returncode == 0
    done = run(world, *REPORT, "--comment", "it fails", "--json", allow_logging="true")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    written = world.folder / "report.zip"
    assert written.stat().st_mode & 0o777 == 0o600
    assert list(files(written.read_bytes())) == told["contents"]
    assert told["to"] == "help@example.test"
    again = run(world, *REPORT, allow_logging="true")
    assert again.returncode == 2
    assert "is there already" in again.stderr


def test_the_report_command_sends(world: World) -> None:
    run(world, *SYNC)
    report = ("report", "--config", "app.json", "--store", "store.db", "--send", "--json")
    done = run(world, *report, feedback_email_address="bob@example.test")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "confirmed"
    assert "README.txt" in files(next(delivered(world).iter_attachments()).get_content())
    elsewhere = {"feedback_email_address": "help@vendor.example", "email_alert_unsafe_domains": "true"}
    asked = run(world, *report, **elsewhere, email_safe_domains="example.test")
    assert asked.returncode == 0, asked.stderr  # the administrator chose the address: nobody is asked about its domain
    assert run(world, "report", "--config", "app.json", "--store", "store.db").returncode == 2


def test_the_report_command_without_an_address(world: World) -> None:
    run(world, *SYNC)
    done = run(world, *REPORT, feedback_email_address=None)
    assert done.returncode == 6
    assert not (world.folder / "report.zip").exists()


def test_the_commands_always_list_the_problems(world: World) -> None:
    silent = run(world, *SYNC, email_address="wrong")
    offered = run(world, *SYNC, email_address="wrong", exit_on_configuration_error="false")
    for done in (silent, offered):
        assert done.returncode == 2
        assert "email_address" in done.stderr
    assert "log bundle" not in silent.stderr
    assert "log bundle" in offered.stderr
    refused = run(world, *REPORT, email_address="wrong")
    assert refused.returncode == 2
    assert not (world.folder / "report.zip").exists()
    done = run(world, *REPORT, email_address="wrong", exit_on_configuration_error="false")
    assert done.returncode == 2
    assert "problems.json" in files((world.folder / "report.zip").read_bytes())


def test_the_sync_command_writes_traffic(world: World) -> None:
    fill(world)
    done = run(world, *SYNC, "--traffic", "t.txt", allow_logging="true")
    assert done.returncode == 0, done.stderr
    text = (world.folder / "t.txt").read_text("utf-8")
    assert "<FolderSync" in text
    assert found_in(text) == []
    assert found_in(done.stderr) == []
    refused = run(world, *SYNC, "--traffic", "u.txt")
    assert refused.returncode == 6
    assert run(world, *SYNC, "--traffic-full").returncode == 2
    full = run(world, *SYNC, "--traffic", "v.txt", "--traffic-full", allow_logging="true", email_device_id="AB12")
    assert full.returncode == 0
    assert "Quartalszahlen" in (world.folder / "v.txt").read_text("utf-8")


def test_the_show_command_asks_the_store(world: World) -> None:
    show = ("config", "show", "--store", "store.db", "--json")
    assert run(world, *show).returncode == 5
    run(world, *SYNC)
    refused = run(world, *show)
    assert refused.returncode == 6
    assert "allow_show_configuration" in json.loads(refused.stdout)["error"]["message"]
    assert run(world, "config", "show", "app.json", "--json").returncode == 0  # a file is the administrator's own
    run(world, *SYNC, allow_show_configuration="true")
    shown = run(world, *show)
    assert json.loads(shown.stdout)["config"]["email_password"] == "(hidden)"
    assert PASSWORD not in shown.stdout


def test_sigterm_is_no_crash(world: World) -> None:
    world.exchange.faults.add(Stall(20), "FolderSync", times=9)
    run(world, "config", "check", "app.json")  # writes app.json
    command = [sys.executable, "-m", "emailplus.cli", *SYNC]
    process = subprocess.Popen(
        command, cwd=world.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={"EMAILPLUS_STORE_KEY": KEY.hex(), "PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    deadline = time.monotonic() + 20
    while not any(r.command == "OPTIONS" for r in world.exchange.requests) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 143
    with Store.open(world.path, KEY) as store:
        assert kept.crashed_starts(store.database) == []
