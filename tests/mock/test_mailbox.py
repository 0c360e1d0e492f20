"""What a test does with a mailbox, and what the record keeps."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from emailplus.errors import NotFound, UsageError
from emailplus.mock import MockExchange, MockUser
from emailplus.mock.fixture_mailbox import (
    BIG_ATTACHMENT,
    BIG_BODY,
    fill,
    large_mailbox,
    messages,
)
from emailplus.mock.mime import Message
from emailplus.mock.record import Recorder, Request

from .client import Client, data, find_all, options, preference, value
from .conftest import NOW
from .mail import PLAIN, numbered


def test_folders_by_name_path_and_id(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    outer = mailbox.create_folder("Outer", "Inbox")
    inner = mailbox.create_folder("Same", "Outer")
    assert mailbox.folder("Inbox/Outer/Same") is inner
    assert mailbox.folder(outer.server_id) is outer
    with pytest.raises(NotFound):
        mailbox.folder("Nowhere")
    with pytest.raises(UsageError):
        mailbox.create_folder("Outer", "Inbox")
    mailbox.delete_folder("Outer")
    with pytest.raises(NotFound):
        mailbox.folder(inner.server_id)


def test_items_that_are_gone(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    server_id = mailbox.deliver(PLAIN)
    moved = mailbox.move(server_id, "Junk Email")
    assert mailbox.raw(moved) == PLAIN
    for call in (mailbox.raw, mailbox.delete, mailbox.mark_read):
        with pytest.raises(NotFound):
            call(server_id)
    with pytest.raises(NotFound):
        mailbox.find("nonsense")


def test_users_and_versions_are_checked() -> None:
    with pytest.raises(NotFound):
        MockExchange().user("nobody")
    with pytest.raises(UsageError):
        MockExchange(versions=("14.2",))
    with pytest.raises(UsageError):
        MockExchange([MockUser("a@b", "a", "x"), MockUser("A@b", "b", "x")])
    with pytest.raises(NotFound):
        MockExchange().remote_wipe("alice")


def test_loading_a_folder_of_messages(exchange: MockExchange, tmp_path: Path) -> None:
    (tmp_path / "Work").mkdir()
    (tmp_path / "1.eml").write_bytes(PLAIN)
    (tmp_path / "2.eml").write_bytes(b"Subject: no date\r\n\r\n")
    (tmp_path / "Work" / "3.eml").write_bytes(PLAIN)
    (tmp_path / "not-mail.txt").write_text("x")
    mailbox = exchange.user("alice")
    assert len(mailbox.load(tmp_path)) == 3
    assert [item.received for item in mailbox.items()] == [datetime(2026, 11, 24, 9, tzinfo=UTC), NOW]
    assert len(mailbox.items("Work")) == 1
    with pytest.raises(UsageError):
        mailbox.load(tmp_path / "1.eml")


def test_mailboxes_change_while_clients_synchronise(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    stop = threading.Event()

    def work() -> None:
        number = 0
        while not stop.is_set():
            server_id = mailbox.deliver(numbered(number))
            if number % 3 == 0:
                mailbox.delete(server_id)
            elif number % 3 == 1:
                mailbox.mark_read(server_id)
            number += 1

    thread = threading.Thread(target=work)
    thread.start()
    client = Client(exchange)
    client.prime("1")
    have: set[str] = set()
    try:
        for _ in range(40):
            client.sync("1", ("AirSync:WindowSize", "20"), options(preference(1)))
    finally:
        stop.set()
        thread.join()
    client = Client(exchange, device="second")
    for change in client.sync_all("1", ("AirSync:WindowSize", "512")):
        have.add(str(value(change, "ServerId")))
    assert have == {item.server_id for item in mailbox.items()}


def test_the_record_of_a_request(exchange: MockExchange) -> None:
    exchange.user("alice").deliver(PLAIN)
    client = Client(exchange, policy_key="7")
    client.prime("1")
    client.sync("1")
    record = exchange.requests.of("Sync")[1]
    assert (record.number, record.method, record.command, record.version) == (2, "POST", "Sync", "14.1")
    assert (record.user, record.device_id, record.policy_key) == ("alice", "device01", "7")
    assert record.header("user-agent") == "test/1"
    assert record.tree is not None
    assert value(record.tree, "Collections/Collection/SyncKey") not in (None, "0")
    assert value(record.response_tree, "Collections/Collection/Status") == "1"
    assert record.status == 200
    assert record.bytes_in == len(record.body) > 0
    assert record.bytes_out == len(record.response_body) > 0
    assert record.seconds > 0
    assert len(exchange.requests) == 2
    exchange.requests.clear()
    assert list(exchange.requests) == []


def test_the_record_lets_old_bodies_go() -> None:
    recorder = Recorder(keep_bytes=1000)
    for number in range(1, 11):
        request = Request(number, "POST", "/", "1.1", [], NOW, body=b"x" * 300, response_tree=("Ping:Ping", None))
        recorder.begin(request)
        recorder.finish(request)
    assert [bool(request.body) for request in recorder] == [False] * 7 + [True] * 3
    assert recorder[0].response_tree is None
    assert recorder[-1].response_tree is not None


# -- fixture mailboxes


def test_the_fixture_mailbox() -> None:
    made = messages(NOW)
    assert len(made) >= 200
    assert made == messages(NOW)
    ages = [NOW - message.received for message in made]
    recent = [message for message, age in zip(made, ages, strict=True) if age < timedelta(days=3)]
    assert 40 <= len(recent) <= len(made) / 2
    assert timedelta(days=55) < max(ages) < timedelta(days=61)
    assert min(ages) > timedelta(0)
    assert {message.kind for message in recent} == {message.kind for message in made}
    assert len({message.folder for message in made}) >= 6
    assert {message.read for message in recent} == {True, False}
    assert any(message.flag for message in recent)
    (big_file,) = [message for message in recent if message.kind == "big-attachment"]
    (file,) = Message(big_file.raw).attachments()
    assert Message(big_file.raw).content_size(file) == BIG_ATTACHMENT > 10 << 20
    (big_text,) = [message for message in recent if message.kind == "big-body"]
    assert len(big_text.raw) > BIG_BODY > 4 << 20
    classes = {Message(message.raw).message_class for message in recent}
    assert {"IPM.Note", "IPM.Note.SMIME", "IPM.Note.SMIME.MultipartSigned"} <= classes
    subjects = " ".join(Message(message.raw).headers.get("subject") for message in made)
    for script in ("Grüße", "会議", "Отчёт", "موعد", "🎂"):
        assert script in subjects


@pytest.mark.parametrize("version", ["2.5", "12.1", "14.1", "16.1"])
def test_the_fixture_mailbox_is_served(exchange: MockExchange, version: str) -> None:
    ids = set(fill(exchange.user("alice")))
    client = Client(exchange, version=version)
    got: list[str] = []
    wish = [preference(2, 20_000)] if version != "2.5" else []
    for folder in find_all(client.folder_sync(), "Changes/Add"):
        if value(folder, "Type") in ("2", "5", "12"):
            name = str(value(folder, "ServerId"))
            changes = client.sync_all(name, options(("AirSync:FilterType", "0"), *wish))
            got += [str(value(change, "ServerId")) for change in changes]
            assert all(data(change, "DateReceived") for change in changes)
    assert sorted(got) == sorted(ids)
    assert exchange.requests.problems() == []


def test_three_days_are_seen_at_work(exchange: MockExchange) -> None:
    fill(exchange.user("alice"))
    counts = {}
    for name, kind in (("three days", "2"), ("all", "0")):
        client = Client(exchange, device=f"device{kind}")
        changes = client.sync_all("1", ("AirSync:WindowSize", "512"), options(("AirSync:FilterType", kind)))
        counts[name] = len(changes)
    assert 0 < counts["three days"] < counts["all"] / 1.5


def test_a_large_mailbox_makes_its_messages_when_asked() -> None:
    sources = list(large_mailbox(1000, 7_500, NOW))
    assert sources[0][1] < sources[-1][1] < NOW
    first = sources[17][0]
    assert callable(first)
    assert first() == first()
    assert len(first()) == 7_500
    assert Message(first()).headers.get("message-id") == "<fixture-17@example.test>"
    with MockExchange(clock=lambda: NOW) as exchange:
        exchange.user("alice").deliver_many(sources)
        client = Client(exchange)
        assert len(client.sync_all("1", ("AirSync:WindowSize", "512"), options(preference(1)))) == 1000
