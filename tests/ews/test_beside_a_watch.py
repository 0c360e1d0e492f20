"""EWS beside a watch: it is quicker or it is not there, and one mail is one event either way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from emailplus.errors import UsageError
from emailplus.mailbox import AsyncMailbox, Mailbox
from emailplus.mock import MockExchange
from emailplus.model.watch import NewMail, State, WatchEvent

from ..watch.watcher import PATIENCE, Watcher
from .conftest import letter

Open = Callable[..., Mailbox]


@contextmanager
def watching(mailbox: Mailbox, **options: object) -> Iterator[Watcher]:
    watcher = Watcher(mailbox, **options)
    try:
        yield watcher
    finally:
        watcher.watch.stop()
        watcher.thread.join(PATIENCE)
        assert not watcher.thread.is_alive()
        watcher.watch.close()


def state(name: str) -> Callable[[WatchEvent], bool]:
    return lambda event: isinstance(event, State) and event.name == name


def listening(exchange: MockExchange) -> None:
    """Wait until there is a subscription, and what was missed is told."""
    end = time.monotonic() + PATIENCE
    while not (exchange.ews.subscriptions and exchange.requests.of("SyncFolderItems")):
        assert time.monotonic() < end
        time.sleep(0.01)


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
        watcher.watching()
        listening(exchange)
        for number in range(1, 7):
            exchange.user("alice").deliver(letter(number % 4))  # two of them come twice
        wanted = sorted(f"Letter {number % 4}" for number in range(1, 7))
        watcher.mail(6)  # within PATIENCE, not after the interval of 900 s
    assert sorted(watcher.subjects()) == wanted
    assert exchange.defects == []


def test_where_ews_is_off_the_watch_goes_on(exchange: MockExchange, open_mailbox: Open) -> None:
    exchange.ews.set_mode("blocked")
    with watching(open_mailbox(), ews="streaming") as watcher:
        watcher.until(state("trouble"))
        exchange.user("alice").deliver(letter(1))
        watcher.mail()
        assert watcher.subjects() == ["Letter 1"]
    (said,) = filter(state("trouble"), watcher.told(State))
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
