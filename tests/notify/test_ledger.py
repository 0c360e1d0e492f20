"""The ledger: what was answered OK is there after a crash, once; nothing of a message is."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from emailplus.errors import StoreBusy, StoreError, WrongStoreKey
from emailplus.notify.proxy.ledger import Arrival, Entry, Ledger
from emailplus.store.keys import RawKey

from .proxy_desk import KEY, MONDAY_NOON, Clock, Desk, Receiver, options, run
from .test_proxy import DETAILS, Mailbox, told


def arrival(number: int, registration: str = "r") -> Arrival:
    return Arrival(registration, b"target", "subscription", f"mark-{number}", f"item-{number}", MONDAY_NOON)


def with_ledger(path: Path, work) -> object:  # type: ignore[no-untyped-def]
    async def main() -> object:
        ledger = Ledger(path, RawKey(KEY))
        try:
            return await work(ledger)
        finally:
            await ledger.close()

    return run(main)


def test_order_numbers_and_marks_outlive_the_process(tmp_path: Path) -> None:
    async def first(ledger: Ledger) -> list[Entry]:
        entries = await ledger.take([arrival(n) for n in range(5)])
        await ledger.done([entries[0].number, entries[4].number])
        return entries

    async def second(ledger: Ledger) -> tuple[list[Entry], list[Entry], dict[str, int]]:
        again = await ledger.take([arrival(n) for n in range(6)])
        return again, await ledger.after(0, 10), await ledger.waiting()

    entries = with_ledger(tmp_path / "l.db", first)
    again, waiting, count = with_ledger(tmp_path / "l.db", second)  # type: ignore[misc]
    assert [entry.item for entry in again] == ["item-5"]
    assert again[0].number > entries[3].number  # type: ignore[index]
    assert [entry.item for entry in waiting] == ["item-1", "item-2", "item-3", "item-5"]
    assert count == {"r": 4}


def test_many_posts_at_once_are_each_kept_once(tmp_path: Path) -> None:
    async def work(ledger: Ledger) -> int:
        found = await asyncio.gather(*(ledger.take([arrival(n % 100)]) for n in range(500)))
        return sum(map(len, found))

    assert with_ledger(tmp_path / "l.db", work) == 100


def test_old_marks_are_forgotten(tmp_path: Path) -> None:
    async def work(ledger: Ledger) -> tuple[int, int, int]:
        await ledger.take([arrival(n) for n in range(10)])
        kept = sum([await ledger.forget(MONDAY_NOON, part) for part in range(256)])
        gone = sum([await ledger.forget(MONDAY_NOON + 2 * 86400, part) for part in range(256)])
        return kept, gone, len(await ledger.take([arrival(1)]))

    assert with_ledger(tmp_path / "l.db", work) == (0, 10, 1)


def test_a_closed_ledger_and_a_second_proxy(tmp_path: Path) -> None:
    async def main() -> None:
        ledger = Ledger(tmp_path / "l.db", RawKey(KEY))
        with pytest.raises(StoreBusy):
            Ledger(tmp_path / "l.db", RawKey(KEY))
        await ledger.close()
        with pytest.raises(StoreError):
            await ledger.take([arrival(1)])
        with pytest.raises(WrongStoreKey):
            Ledger(tmp_path / "l.db", RawKey("00" * 32))

    run(main)


def _take_and_die(path: str, answered: multiprocessing.connection.Connection) -> None:
    async def main() -> None:
        ledger = Ledger(Path(path), RawKey(KEY))
        for n in range(1000):
            await ledger.take([arrival(n)])
            answered.send(n)
            if n == 20:
                os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(main())


def test_what_was_answered_is_there_after_kill_9(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_take_and_die, args=(str(tmp_path / "l.db"), there))
    process.start()
    there.close()
    answered = []
    try:
        while True:
            answered.append(here.recv())
    except EOFError:
        process.join()
    assert process.exitcode == -signal.SIGKILL

    async def work(ledger: Ledger) -> list[str]:
        return [entry.item for entry in await ledger.after(0, 1000)]

    assert with_ledger(tmp_path / "l.db", work) == [f"item-{n}" for n in answered]


def test_no_word_of_a_message_is_kept(tmp_path: Path) -> None:
    async def main() -> None:
        async with Desk(options(tmp_path), Clock(), Receiver(), Receiver(Mailbox("someone@partner.example"))) as desk:
            registration = await desk.register(rules=DETAILS)
            await desk.post(registration, ("item-1", "m1"))
            await desk.work()
            assert told(desk)[0]["subject"] == "Lunch?"
            rows = [
                str(row)
                for (name,) in desk.proxy.ledger._database.all("SELECT name FROM sqlite_master WHERE type = 'table'")
                for row in desk.proxy.ledger._database.all(f"SELECT * FROM {name}")
            ]
            for word in ("Lunch", "At noon", "someone", registration["secret"], registration["callback_url"][-43:]):
                assert not [row for row in rows if word in row]

    run(main)
    raw = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    for word in (b"alice@example.com", b"SQLite format"):
        assert word not in raw
