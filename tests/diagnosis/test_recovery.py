"""Three starts in a row that crash within 60 seconds wipe what is cached and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from emailplus.diagnosis import recovery
from emailplus.diagnosis.recovery import Start
from emailplus.diagnosis.session import RECOVERED
from emailplus.mailbox import Mailbox
from emailplus.mock import Http
from emailplus.model.contact import Contact
from emailplus.model.draft import DraftAttachment
from emailplus.model.outbox import OutboxState
from emailplus.store import diagnosis as kept
from emailplus.store.schema.diagnosis import CACHED, KEPT, OWNED
from emailplus.store.store import Store

from ..flows.world import KEY, World, deliver, mail, noise
from .planted import KEYS, PASSWORD

NOW = 1_800_000_000.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "s.db", KEY) as store:
        yield store


def killed(store: Store, now: float) -> recovery.Found:
    """A start of which nothing more is heard, as after SIGKILL."""
    start = Start(store.database, now)
    recovery._WATCH.drop(start._watched)
    return start.found


# The count, with the time as an argument.


def test_the_third_crash_in_a_row_leads_to_a_wipe_at_the_next_start(store: Store) -> None:
    found = [killed(store, NOW + 10 * number) for number in range(5)]
    assert [one.crashed for one in found] == [0, 1, 2, 3, 1]
    assert [one.wiped for one in found] == [False, False, False, True, False]


def test_a_start_that_ends_well_begins_a_new_count(store: Store) -> None:
    killed(store, NOW)
    killed(store, NOW + 1)
    Start(store.database, NOW + 2).end(NOW + 3)
    assert killed(store, NOW + 4).crashed == 0


def test_a_start_that_lives_long_begins_a_new_count(store: Store) -> None:
    killed(store, NOW)
    killed(store, NOW + 1)
    Start(store.database, NOW + 2).settle()  # what the watch calls after 60 seconds; then the process is killed
    assert killed(store, NOW + 100).crashed == 0


@pytest.mark.parametrize(("lived", "counts"), [(0.0, 1), (59.9, 1), (60.0, 0), (3600.0, 0), (-5.0, 1)])
def test_an_unexpected_error_counts_within_60_seconds(store: Store, lived: float, counts: int) -> None:
    start = Start(store.database, NOW)
    start.crashed()
    start.end(NOW + lived)
    assert killed(store, NOW + 9_000).crashed == counts


def test_the_watch_calls_after_the_time_and_not_before() -> None:
    watch = recovery._Watch()
    called: list[str] = []
    watch.add(0.15, lambda: called.append("late"))
    watch.add(0.02, lambda: called.append("early"))
    dropped = watch.add(0.05, lambda: called.append("dropped"))
    watch.drop(dropped)
    deadline = time.monotonic() + 5
    while len(called) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert called == ["early", "late"]
    while watch._running and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not watch._running
    watch.add(0.0, lambda: called.append("again"))
    while len(called) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert called[-1] == "again"


# What is wiped, and what stays.


def test_every_table_is_either_cached_or_kept(store: Store) -> None:
    """A new table has to be put into one of the three: is it on the server, or would it be lost?"""
    rows = store.database.all("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    tables = {row[0] for row in rows if row[0].split("_")[0] != "search"}
    parts = [set(CACHED), OWNED, KEPT]
    declared = set().union(*parts)
    assert tables <= declared, "put it into CACHED, OWNED or KEPT"
    assert sum(map(len, parts)) == len(declared)


def test_after_the_wipe_everything_is_fetched_again(world: World) -> None:
    for number in range(12):
        deliver(world.alice, mail(f"mail {number}", attachments=((f"{number}.bin", noise(2_000, number)),)))
    world.sync(KEYS)
    before = world.snapshot()
    with Store.open(world.path, KEY) as store:
        facts = store.account()
        for number in range(3):
            killed(store, NOW + number)
    with world.open(KEYS) as mailbox:
        assert mailbox.notices == [RECOVERED]
        assert mailbox.store.stats()["items"]["Email"] == 0
        left = mailbox.store.account()
        assert {name: left[name] for name in ("account", "device", "configured")} == {
            name: facts[name] for name in ("account", "device", "configured")
        }
        assert "policy_key" not in left
        report = mailbox.sync()
    assert report.added == 12
    assert RECOVERED in report.warnings
    after = world.snapshot()
    assert after["messages"] == before["messages"]
    assert after["damage"] == []
    assert (after["index entries"], after["ownerless chunks"], after["unindexed"]) == (12, 0, 0)
    assert world.sync(KEYS).added == 0


def test_what_was_not_sent_yet_is_not_lost(world: World) -> None:
    """A message in the outbox and a draft, each with an attachment, and an answer whose original is wiped."""
    deliver(world.alice, mail("Question"))
    world.sync(KEYS)
    world.exchange.faults.add(Http(503), "SendMail", times=30)
    world.exchange.faults.add(Http(503), "SmartReply", times=30)
    file = DraftAttachment(name="plan.bin", content=noise(700_000))
    with world.open(KEYS) as mailbox:
        queued = mailbox.send(mailbox.new(to="bob@example.test", subject="Queued", text="Hello", attachments=[file]))
        answer = mailbox.send(mailbox.reply(mailbox.search()[0].id, text="My answer"))
        draft = mailbox.save(mailbox.new(to="bob@example.test", subject="Draft", text="Not yet", attachments=[file]))
        mailbox.settings.choose("signature", "Regards")
    assert {queued.state, answer.state} == {OutboxState.QUEUED}
    with Store.open(world.path, KEY) as store:
        for number in range(3):
            killed(store, NOW + number)
    world.exchange.faults.clear()
    with world.open(KEYS) as mailbox:
        assert mailbox.notices == [RECOVERED]
        assert [entry.subject for entry in mailbox.outbox()] == ["Queued", "Re: Question"]
        assert mailbox.draft(draft).attachments[0].content == file.content
        assert mailbox.settings.signature == "Regards"
        mailbox.sync()
        assert {entry.state for entry in mailbox.outbox()} <= {OutboxState.CONFIRMED}
        mailbox.send(mailbox.draft(draft))
    arrived = [message_from_bytes(item.raw, policy=default) for item in world.exchange.user("bob").items("Inbox")]
    assert sorted(message["Subject"] for message in arrived) == ["Draft", "Queued", "Re: Question"]
    for message in arrived:
        if message["Subject"] != "Re: Question":
            (attachment,) = message.iter_attachments()
            assert attachment.get_content() == file.content


def test_a_change_that_waits_is_not_lost(world: World) -> None:
    """A message marked as read here stays, with its folder, until the server knows; the others come anew."""
    deliver(world.alice, mail("one"))
    deliver(world.alice, mail("two"))
    world.sync(KEYS)
    with world.open(KEYS) as mailbox:
        (found,) = mailbox.search("subject:two")
        mailbox.mark_read([found.id])
        waiting = len(mailbox.pending_changes())
    assert waiting == 1
    with Store.open(world.path, KEY) as store:
        for number in range(3):
            killed(store, NOW + number)
    with world.open(KEYS) as mailbox:
        assert mailbox.notices == [RECOVERED]
        assert len(mailbox.pending_changes()) == 1
        assert [message.id for message in mailbox.store.messages(list(mailbox.store.ids()))] == [found.id]
        mailbox.sync()
        assert mailbox.pending_changes() == []
        assert {message.subject: message.read for message in mailbox.search()} == {"one": False, "two": True}
    read = {message_from_bytes(item.raw)["Subject"]: item.read for item in world.alice.items("Inbox")}
    assert read == {"one": False, "two": True}


def test_contacts_that_wait_are_not_lost(world: World) -> None:
    """One made here, one changed here, one of the server: only the last is wiped, and all are there in the end."""
    world.alice.add_item("Contacts", [("Contacts:LastName", "Lee")])
    world.alice.add_item("Contacts", [("Contacts:LastName", "Kim")])
    world.sync(KEYS)
    with world.open(KEYS) as mailbox:
        (lee,) = mailbox.contacts("Lee")
        mailbox.change_item(lee.id, first_name="Ann")
        mailbox.create_item(Contact(last_name="Young"))
        assert len(mailbox.waiting_changes()) == 2
    with Store.open(world.path, KEY) as store:
        for number in range(3):
            killed(store, NOW + number)
    with world.open(KEYS) as mailbox:
        assert len(mailbox.waiting_changes()) == 2
        assert sorted(contact.last_name for contact in mailbox.contacts()) == ["Lee", "Young"]
        mailbox.sync()
        assert mailbox.waiting_changes() == []
        names = sorted((contact.last_name, contact.first_name) for contact in mailbox.contacts())
    assert names == [("Kim", ""), ("Lee", "Ann"), ("Young", "")]
    assert len(list(world.alice.items("Contacts"))) == 3


def test_nothing_of_the_old_mail_is_left_in_the_index(world: World) -> None:
    deliver(world.alice, mail("Holunder"))
    world.sync(KEYS)
    with Store.open(world.path, KEY) as store:
        kept.wipe_cached(store.database)
        assert store.database.scalar("SELECT count(*) FROM search WHERE search MATCH 'holunder'") == 0
        for table in ("messages", "folders", "quarantine", "bodies", "attachments", "blobs", "chunks"):
            assert store.database.scalar(f"SELECT count(*) FROM {table}") == 0


def test_typed_errors_do_not_count(world: World) -> None:
    for _ in range(4):
        world.exchange.faults.add(Http(404), "FolderSync", times=1)
        with world.open(KEYS) as mailbox, pytest.raises(Exception, match="404"):
            mailbox.sync()
    with world.open(KEYS) as mailbox:
        assert mailbox.notices == []


def test_errors_of_our_own_count(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data that our code stumbles over each time: after three starts it is gone, and the fourth comes through."""
    deliver(world.alice, mail("one"))
    world.sync(KEYS)
    real = "emailplus.store.store.Store._mail_collections"
    original = Store._mail_collections

    def stumbles(self: Store) -> Any:
        if self.database.scalar("SELECT count(*) FROM messages"):
            raise ZeroDivisionError
        return original(self)

    monkeypatch.setattr(real, stumbles)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            world.sync(KEYS)
    assert RECOVERED in world.sync(KEYS).warnings
    assert world.subjects() == ["one"]


def test_an_error_of_the_callers_does_not_count(world: World) -> None:
    deliver(world.alice, mail("one"))
    for _ in range(4):
        mailbox = world.open(KEYS)
        mistake = KeyError("in the caller's program")
        with pytest.raises(KeyError), mailbox:
            raise mistake
    with world.open(KEYS) as mailbox:
        assert mailbox.notices == []


# Real processes.

SCRIPT = """
import json, os, sys, time
from emailplus import AppConfig, Mailbox
from emailplus.diagnosis import recovery
path, keys, what = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
if what == "settle":
    recovery.SHORT = 0.05
mailbox = Mailbox.open(AppConfig.load(keys), store=path, key=bytes(range(32)))
print(json.dumps(mailbox.notices), flush=True)
if what == "forget":  # the program ends without having closed anything
    mailbox.sync()
    raise SystemExit
if what == "settle":
    while kept := mailbox.store.database.scalar("SELECT count(*) FROM starts"):
        time.sleep(0.01)
    print("settled", flush=True)
if what in ("wait", "settle"):
    time.sleep(30)
report = mailbox.sync()
print(json.dumps(report.as_dict()), flush=True)
mailbox.close()
"""


@pytest.fixture
def start(world: World) -> Callable[[str], subprocess.Popen[str]]:
    keys = {
        "email_address": "alice@example.test", "email_device_id": "0123456789ABCDEF0123456789ABCDEF",
        "email_exchange_host": world.host, "email_exchange_username": "alice", "email_password": PASSWORD,
        "email_ssl_required": "false", "email_max_sync_period": "0", "email_default_sync_period": "0",
    }  # fmt: skip

    def run(what: str) -> subprocess.Popen[str]:
        arguments = [sys.executable, "-c", SCRIPT, str(world.path), json.dumps(keys), what]
        return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)

    return run


def notices_and_kill(process: subprocess.Popen[str], *, behind: str = "") -> list[str]:
    assert process.stdout is not None
    with process.stdout:
        told: list[str] = json.loads(process.stdout.readline())
        if behind:
            assert process.stdout.readline() == behind
        process.kill()
    process.wait(10)
    return told


def finish(process: subprocess.Popen[str]) -> tuple[list[str], dict[str, Any]]:
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    lines = output.splitlines()
    return json.loads(lines[0]), json.loads(lines[1]) if len(lines) > 1 else {}


def test_killed_three_times(world: World, start: Callable[[str], subprocess.Popen[str]]) -> None:
    for number in range(5):
        deliver(world.alice, mail(f"mail {number}"))
    assert finish(start("sync"))[1]["added"] == 5
    for _ in range(3):
        assert notices_and_kill(start("wait")) == []
    told, report = finish(start("sync"))
    assert told == [RECOVERED]
    assert (report["added"], report["items"]["Email"]) == (5, 5)
    assert finish(start("sync"))[1]["added"] == 0
    with world.open() as mailbox:  # one report a dead process
        assert [(r.kind, r.starts, r.frames) for r in mailbox.crash_reports()] == [
            ("ended", 1, ()), ("ended", 2, ()), ("ended", 3, ()),
        ]  # fmt: skip


def test_killed_twice_and_then_not(world: World, start: Callable[[str], subprocess.Popen[str]]) -> None:
    deliver(world.alice, mail("one"))
    for _ in range(2):
        notices_and_kill(start("wait"))
    assert finish(start("sync"))[1]["added"] == 1
    notices_and_kill(start("wait"))
    told, report = finish(start("sync"))
    assert told == []
    assert report["added"] == 0


def test_killed_after_a_long_life(world: World, start: Callable[[str], subprocess.Popen[str]]) -> None:
    deliver(world.alice, mail("one"))
    world.sync(KEYS)
    for _ in range(4):
        assert notices_and_kill(start("settle"), behind="settled\n") == []
    assert world.subjects() == ["one"]


def test_a_program_that_forgets_to_close_has_not_crashed(
    world: World, start: Callable[[str], subprocess.Popen[str]]
) -> None:
    deliver(world.alice, mail("one"))
    for _ in range(4):
        assert finish(start("forget"))[0] == []
    assert world.subjects() == ["one"]


def test_a_fork_that_ends_does_not_end_the_start(world: World) -> None:
    mailbox = Mailbox.open(world.config(**KEYS), store=world.path, key=KEY)
    with mailbox:
        child = os.fork()
        if child == 0:
            mailbox._diagnosis.start.end(NOW)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert len(kept.crashed_starts(mailbox.store.database)) == 1
