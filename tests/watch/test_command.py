"""`emailplus watch` and `sync --watch` as processes: lines as they come, signals, kill -9."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from emailplus.mock import MockExchange
from emailplus.store.diagnosis import clear_starts
from emailplus.store.store import Store

from ..flows.world import DEVICE, KEY, mail

PATIENCE = 120.0


@pytest.fixture
def exchange() -> Iterator[MockExchange]:
    with MockExchange() as exchange:
        yield exchange


class Process:
    """The command, its lines as they come."""

    def __init__(self, exchange: MockExchange, folder: Path, command: str, *options: str, **keys: Any) -> None:
        config = folder / "config.json"
        config.write_text(
            json.dumps(
                {
                    "email_address": "alice@example.test", "email_device_id": DEVICE,
                    "email_exchange_host": exchange.url.split("/")[2], "email_exchange_username": "alice",
                    "email_password": "alice-secret", "email_ssl_required": "false", **keys,
                }
            )
        )  # fmt: skip
        self.store = folder / "store.db"
        start = [sys.executable, "-c", "from emailplus.cli.app import main; main()"]
        self.process = subprocess.Popen(
            [*start, command, "-c", str(config), "-s", str(self.store), *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "EMAILPLUS_STORE_KEY": KEY.hex()},
        )  # fmt: skip
        self.lines: list[str] = []
        self.errors: list[str] = []
        self._news = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self.lines)),
            threading.Thread(target=self._read, args=(self.process.stderr, self.errors)),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: Any, lines: list[str]) -> None:
        with stream:
            for line in stream:
                with self._news:
                    lines.append(line.rstrip("\n"))
                    self._news.notify_all()

    def until(self, text: str, *, errors: bool = False) -> str:
        end = time.monotonic() + PATIENCE
        lines = self.errors if errors else self.lines
        with self._news:
            while not (found := [line for line in lines if text in line]):
                assert self.process.poll() is None, (text, self.lines, self.errors)
                assert time.monotonic() < end, (text, self.lines, self.errors)
                self._news.wait(0.5)
        return found[0]

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join()
        return code

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


@contextmanager
def running(exchange: MockExchange, folder: Path, *options: str, **keys: Any) -> Iterator[Process]:
    process = Process(exchange, folder, "watch", *options, **keys)
    try:
        yield process
    finally:
        if process.process.poll() is None:
            process.end(signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_news_for_people_and_a_signal_that_ends_it(exchange: MockExchange, tmp_path: Path, number: int) -> None:
    with running(exchange, tmp_path, allow_detailed_notifications="true") as process:
        process.until("watching:", errors=True)
        exchange.user("alice").deliver(mail("Lunch", "at noon"))
        assert process.until("Lunch") == "Bob <bob@example.test>: Lunch / at noon"
        began = time.monotonic()
        assert process.end(number) == 0
    assert time.monotonic() - began < 20
    assert "unread: 1" in process.errors


def test_json_lines_hold_nothing_that_the_rules_keep_back(exchange: MockExchange, tmp_path: Path) -> None:
    with running(exchange, tmp_path, "--json") as process:
        process.until('"watching"')
        exchange.user("alice").deliver(mail("Secret plan"))
        process.until('"mail"')
        process.until('"unread": 1')
        assert process.end() == 0
    assert "Secret" not in "\n".join(process.lines)
    (event,) = [event for event in process.events() if event["event"] == "mail"]
    assert event["notification"]["title"] == "1 unread message"


def test_every_event_on_demand(exchange: MockExchange, tmp_path: Path) -> None:
    with running(exchange, tmp_path, "--json", "--events") as process:
        process.until('"watching"')
        exchange.user("alice").deliver(mail("Plan"))
        event = json.loads(process.until('"mail"'))
        assert process.end() == 0
    assert (event["subject"], event["from"], event["snippet"]) == ("Plan", "Bob <bob@example.test>", "Hello.")


def test_sync_goes_on_watching(exchange: MockExchange, tmp_path: Path) -> None:
    exchange.user("alice").deliver(mail("was here"))
    process = Process(exchange, tmp_path, "sync", "--watch", "--json")
    try:
        process.until('"watching"')
        assert process.events()[0]["added"] == 1
        exchange.user("alice").deliver(mail("news"))
        process.until('"mail"')
        assert process.end() == 0
    finally:
        if process.process.poll() is None:
            process.end(signal.SIGKILL)


def test_the_password_file_is_read_again(exchange: MockExchange, tmp_path: Path) -> None:
    from dataclasses import replace

    secret = tmp_path / "password"
    secret.write_text("alice-secret\n")
    with running(exchange, tmp_path, "--json", "--password-file", str(secret)) as process:
        process.until('"watching"')
        secret.write_text("another\n")
        exchange.users[:] = [replace(u, password="another") if u.username == "alice" else u for u in exchange.users]
        exchange.user("alice").deliver(mail("news"))
        process.until('"refused"')
        process.until('"mail"')
        assert process.end() == 0


def test_killed_at_any_moment_every_mail_is_told(exchange: MockExchange, tmp_path: Path) -> None:
    """kill -9 right behind each line in turn: nothing is lost, and only a line that was being told comes twice."""
    with running(exchange, tmp_path, "--json") as process:
        process.until('"watching"')
        process.end()
    box = exchange.user("alice")
    told: list[int] = []
    sent = 3
    for _ in range(sent):
        box.deliver(mail("one of several"))
    for round_number in range(sent + 2):
        with running(exchange, tmp_path, "--json", "--events") as process:
            process.until('"mail"' if round_number < sent else '"watching"')
            process.end(signal.SIGKILL)
        ids = [event["id"] for event in process.events() if event["event"] == "mail"]
        assert sorted(ids) == ids
        if told and ids:
            assert ids[0] >= told[-1]  # what was told before the last is told no more
        told += ids
        with Store.open(process.store, KEY) as store:
            clear_starts(store.database)  # kills are no crashes here (tests/diagnosis/test_recovery.py)
    assert len(set(told)) == sent
    assert not [event for event in process.events() if event["event"] == "mail"]
