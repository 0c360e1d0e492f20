"""EWS beside a watch: it is quicker or it is not there, and one mail is one event either way."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from emailplus.errors import UsageError
from emailplus.mailbox import AsyncMailbox, Mailbox
from emailplus.mock import MockExchange
from emailplus.model.watch import NewMail, State, WatchEvent

from .conftest import letter

Open = Callable[..., Mailbox]
PATIENCE = 60.0


class Watcher(threading.Thread):
    def __init__(self, mailbox: Mailbox, **options: object) -> None:
        super().__init__(daemon=True)
        self.watch = mailbox.watch(**options)  # type: ignore[arg-type]
        self.events: list[WatchEvent] = []

    def run(self) -> None:
        for event in self.watch:
            self.events.append(event)

    def until(self, what: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not what():
            assert self.is_alive(), self.events
            assert time.monotonic() < end, self.events
            time.sleep(0.01)

    def subjects(self) -> list[str]:
        return [event.message.subject for event in list(self.events) if isinstance(event, NewMail)]

    def states(self) -> list[str]:
        return [event.name for event in list(self.events) if isinstance(event, State)]


@contextmanager
def watching(mailbox: Mailbox, **options: object) -> Iterator[Watcher]:
    watcher = Watcher(mailbox, **options)
    watcher.start()
    try:
        yield watcher
    finally:
        watcher.watch.stop()
        watcher.join(PATIENCE)
        assert not watcher.is_alive()
        watcher.watch.close()


def listening(exchange: MockExchange) -> bool:
    return bool(exchange.ews.subscriptions) and bool(exchange.requests.of("SyncFolderItems"))


@pytest.mark.parametrize("kind", ["streaming", "pull"])
@pytest.mark.parametrize("method", ["ping", "interval"])
def test_each_mail_is_one_event(
    exchange: MockExchange, open_mailbox: Open, monkeypatch: pytest.MonkeyPatch, kind: str, method: str
) -> None:
    exchange.ews.keep_alive = 0.2
    mailbox = open_mailbox()
    if kind == "pull":
        plain = mailbox.listen_by_ews
        monkeypatch.setattr(mailbox, "listen_by_ews", lambda take, **more: plain(take, every=0.05, **more))
    with watching(mailbox, method=method, ews=kind) as watcher:
        watcher.until(lambda: "watching" in watcher.states() and listening(exchange))
        for number in range(1, 7):
            exchange.user("alice").deliver(letter(number % 4))  # two of them come twice
        wanted = sorted(f"Letter {number % 4}" for number in range(1, 7))
        watcher.until(lambda: sorted(watcher.subjects()) == wanted)  # within PATIENCE, not after the interval of 900 s
    assert sorted(watcher.subjects()) == wanted
    assert exchange.defects == []


def test_where_ews_is_off_the_watch_goes_on(exchange: MockExchange, open_mailbox: Open) -> None:
    exchange.ews.set_mode("blocked")
    with watching(open_mailbox(), ews="streaming") as watcher:
        watcher.until(lambda: "trouble" in watcher.states())
        exchange.user("alice").deliver(letter(1))
        watcher.until(lambda: watcher.subjects() == ["Letter 1"])
    (said,) = (event for event in watcher.events if isinstance(event, State) and event.name == "trouble")
    assert "EWS" in said.text


def test_asyncio(exchange: MockExchange, open_mailbox: Open, tmp_path: Path) -> None:
    exchange.ews.keep_alive = 0.2
    config = open_mailbox().config
    told: list[str] = []

    async def work() -> None:
        opening = AsyncMailbox.open(config, store=tmp_path / "other.db", key=bytes(32))
        async with await opening as mailbox, await mailbox.watch(method="interval", ews="streaming") as events:
            async for event in events:
                if isinstance(event, State) and event.name == "watching":
                    asyncio.get_running_loop().call_later(0.5, deliver)
                if isinstance(event, NewMail):
                    told.append(event.message.subject)
                    if len(told) == 3:
                        return

    def deliver() -> None:
        for number in range(3):
            exchange.user("alice").deliver(letter(number))

    asyncio.run(asyncio.wait_for(work(), PATIENCE))
    assert sorted(told) == ["Letter 0", "Letter 1", "Letter 2"]


def test_what_it_cannot_be_asked(open_mailbox: Open) -> None:
    with pytest.raises(UsageError):
        open_mailbox().watch(ews="push")  # type: ignore[arg-type]
