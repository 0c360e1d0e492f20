"""A watch on a real server: mail delivered over SMTP, or put there over IMAP, is told within seconds."""

from __future__ import annotations

import secrets
import smtplib
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from emailplus.model.watch import Announced, NewMail, State

from .imap import Imap
from .runs import open_mailbox
from .server import Server, User

BOUND = 7.0
"""Seconds: SOGo looks every 5 seconds."""
ROUNDS = 3
PUSH = {
    "allow_realtime_notifications": "true", "notification_server_host": "push.example.test/PROD",
    "allow_detailed_notifications": "true", "email_default_sync_period": 1,
}  # fmt: skip


def message(subject: str, user: User) -> EmailMessage:
    made = EmailMessage()
    made["From"] = "Interop <interop@example.test>"
    made["To"] = user.email
    made["Subject"] = subject
    made["Date"] = format_datetime(datetime.now(UTC))
    made["Message-ID"] = f"<{secrets.token_hex(8)}@example.test>"
    made.set_content("The beginning of the text.\r\n")
    return made


@pytest.mark.parametrize("way", ["smtp", "imap"])
def test_new_mail_is_told_within_seconds(
    server: Server, imap_of: Callable[[User], Imap], tmp_path: Path, figures: dict[str, Any], way: str
) -> None:
    user = server.users[-1]
    if way == "smtp" and "smtp" not in server.document:
        pytest.skip("the server document names no SMTP")
    imap = imap_of(user) if way == "imap" else None
    sent: dict[str, float] = {}
    announced: list[float] = []
    told: dict[str, tuple[float, str]] = {}
    problems: list[BaseException] = []

    def deliver() -> None:
        try:
            time.sleep(1.0)  # the Ping is on its way
            subject = f"Watched {way} {secrets.token_hex(4)}"
            made = message(subject, user)
            if imap is not None:
                imap.append("INBOX", made.as_bytes().replace(b"\n", b"\r\n"), datetime.now().astimezone())
            else:
                where = server.document["smtp"]
                with smtplib.SMTP(where["host"], where["port"], timeout=30) as session:
                    session.send_message(made)
            sent[subject] = time.monotonic()
        except BaseException as problem:
            problems.append(problem)

    timers: list[threading.Thread] = []
    with open_mailbox(server, user, tmp_path / "mail.db", **PUSH) as mailbox, mailbox.watch(heartbeat=60) as watch:
        guard = threading.Timer(150, watch.stop)
        guard.start()
        for event in watch:
            if isinstance(event, Announced):
                announced.append(time.monotonic())
            if isinstance(event, NewMail) and event.message.subject.startswith(f"Watched {way}"):
                told[event.message.subject] = (time.monotonic(), event.snippet)
                if len(told) == ROUNDS:
                    break
            first = isinstance(event, State) and event.name == "watching" and not timers
            if first or (isinstance(event, NewMail) and event.message.subject in told):
                timers.append(threading.Thread(target=deliver))
                timers[-1].start()
        guard.cancel()
    for timer in timers:
        timer.join()
    assert problems == []
    assert sorted(told) == sorted(sent)
    assert len(told) == ROUNDS
    seconds = [round(told[subject][0] - sent[subject], 2) for subject in sent]
    figures[f"seconds until new mail by {way} is told"] = seconds
    assert max(seconds) <= BOUND, seconds
    assert len(announced) >= ROUNDS
    assert {snippet for _, snippet in told.values()} == {"The beginning of the text."}


def test_an_idle_watch_costs_one_request_a_heartbeat(
    server: Server, tmp_path: Path, figures: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    user = server.users[0]
    heartbeat, heartbeats = 10, 3
    networks: list[Any] = []
    with open_mailbox(server, user, tmp_path / "mail.db", email_default_sync_period=1) as mailbox:
        mailbox.sync()
        real = mailbox._network

        def network() -> Any:
            networks.append(real())
            return networks[-1]

        monkeypatch.setattr(mailbox, "_network", network)
        with mailbox.watch(heartbeat=heartbeat) as watch:
            guard = threading.Timer(300, watch.stop)
            guard.start()
            for event in watch:
                if isinstance(event, State) and event.name == "watching":
                    networks.clear()
                    threading.Timer(heartbeat * heartbeats + 1, watch.stop).start()
            guard.cancel()
    requests = sum(network.traffic.requests for network in networks)
    figures["requests of an idle watch in 3 heartbeats"] = requests
    assert 1 <= requests <= heartbeats + 1


@pytest.mark.parametrize("version", ["12.1", "14.1"])
def test_a_sync_that_waits(
    server: Server,
    imap_of: Callable[[User], Imap],
    tmp_path: Path,
    figures: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    version: str,
) -> None:
    """HeartbeatInterval is held from 14.0 on. SOGo answers Wait, its form of 12.1, at once: asked ever less often."""
    user, subject, networks = server.users[-1], f"Held {secrets.token_hex(4)}", []
    imap, sent, told = imap_of(user), [0.0], [0.0]

    def put(title: str) -> None:
        imap.append("INBOX", message(title, user).as_bytes().replace(b"\n", b"\r\n"), datetime.now().astimezone())

    def deliver() -> None:
        put(subject)
        sent.append(time.monotonic())

    put(f"First {subject}")  # SOGo sees nothing come into a folder that is empty when the wait begins
    with open_mailbox(server, user, tmp_path / "mail.db", email_default_sync_period=1) as mailbox:
        plan, begin, network = mailbox._plan, mailbox._dialogue, mailbox._network
        monkeypatch.setattr(mailbox, "_plan", lambda period, _, tell, **more: plan(period, version, tell, **more))
        monkeypatch.setattr(mailbox, "_dialogue", lambda dialogue, _=None: begin(dialogue, version))
        monkeypatch.setattr(mailbox, "_network", lambda: networks.append(network()) or networks[-1])
        timer = threading.Timer(3.0, deliver)
        with mailbox.watch(method="sync", heartbeat=60) as watch:
            guard = threading.Timer(60, watch.stop)
            guard.start()
            methods = set()
            for event in watch:
                if isinstance(event, State) and event.name == "watching":
                    methods.add(event.method)
                    if not timer.is_alive() and len(sent) == 1:
                        networks.clear()
                        timer.start()
                if isinstance(event, NewMail) and event.message.subject == subject:
                    told.append(time.monotonic())
                    break
            guard.cancel()
        timer.join()
    requests = sum(network.traffic.requests for network in networks)
    assert len(told) == 2, "the mail was not told within a minute"
    seconds = told[-1] - sent[-1]
    figures[f"a Sync of {version} that waits: seconds, requests"] = [round(seconds, 2), requests]
    for found in imap.messages("INBOX", "INBOX"):
        if subject.encode() in found.raw:
            imap.expunge("INBOX", found.uid)
    assert methods == {"sync"}
    assert seconds <= BOUND + (8.0 if version == "12.1" else 6.0)
    assert requests <= (14 if version == "12.1" else 9)
