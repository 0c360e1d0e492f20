"""`Mailbox` and `AsyncMailbox` are one thing in two ways of waiting."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from emailplus.errors import RemoteWiped
from emailplus.mailbox import AsyncMailbox, Mailbox
from emailplus.mock import Drip, Http, Stall
from emailplus.model.events import MessageReceived, WindowStored

from ..flows.world import KEY, World, deliver, mail, noise


def methods(kind: type) -> dict[str, Any]:
    return {name: member for name, member in inspect.getmembers(kind) if not name.startswith("_") and callable(member)}


def test_same_methods() -> None:
    assert methods(Mailbox).keys() == methods(AsyncMailbox).keys()
    assert {"open", "close", "sync", "folders", "search", "message", "attachment"} <= methods(Mailbox).keys()


@pytest.mark.parametrize("name", sorted(methods(Mailbox)))
def test_same_parameters(name: str) -> None:
    one, other = (inspect.signature(methods(kind)[name]).parameters for kind in (Mailbox, AsyncMailbox))
    shape = [[(p.name, p.kind, p.default, p.annotation) for p in side.values()] for side in (one, other)]
    assert shape[0] == shape[1]


@pytest.mark.parametrize("name", sorted(methods(AsyncMailbox)))
def test_async_methods_are_awaitable(name: str) -> None:
    assert inspect.iscoroutinefunction(methods(AsyncMailbox)[name])
    assert not inspect.iscoroutinefunction(methods(Mailbox)[name])


def fill(world: World) -> None:
    for number in range(30):
        deliver(world.alice, mail(f"mail {number}", attachments=((f"{number}.bin", noise(2_000, number)),)))
    deliver(world.alice, mail("large", attachments=(("l.bin", noise(400_000)),)))


async def sync_async(world: World, keys: dict[str, Any] | None = None, **more: Any) -> Any:
    config = world.config(**(keys or {}))
    async with await AsyncMailbox.open(config, store=world.path, key=KEY) as mailbox:
        return await mailbox.sync(**more)


def test_same_result(make_world: Callable[..., World]) -> None:
    one, other = make_world(), make_world()
    fill(one)
    fill(other)
    reports = [one.sync().as_dict(), asyncio.run(sync_async(other)).as_dict()]
    for report in reports:
        for name in ("seconds", "seconds_by_phase", "bytes_out", "bytes_in"):
            assert report.pop(name)
    assert reports[0] == reports[1]
    assert one.snapshot() == other.snapshot()


def test_reading_gives_the_same(world: World) -> None:
    fill(world)
    world.sync()

    async def read() -> Any:
        async with await AsyncMailbox.open(world.config(), store=world.path, key=KEY) as mailbox:
            hits = await mailbox.search("large")
            message = await mailbox.message(hits[0].id)
            return await mailbox.folders(), hits, message, await mailbox.attachment(message.attachments[0].id)

    read_async = asyncio.run(read())
    with world.open() as mailbox:
        hits = mailbox.search("large")
        message = mailbox.message(hits[0].id)
        content = b"".join(mailbox.attachment(message.attachments[0].id))
        assert read_async == (mailbox.folders(), hits, message, content)
    assert content == noise(400_000)


def test_the_event_loop_is_not_blocked(world: World) -> None:
    fill(world)
    world.exchange.faults.add(Stall(0.6), "FolderSync")
    gaps: list[float] = []
    threads: set[int] = set()

    async def heartbeat() -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(0.005)
            now = time.monotonic()
            gaps.append(now - last)
            last = now

    def listener(event: Any) -> None:
        threads.add(threading.get_ident())

    async def both() -> None:
        pulse = asyncio.create_task(heartbeat())
        await sync_async(world, listener=listener)
        pulse.cancel()

    asyncio.run(both())
    assert threads == {threading.get_ident()}  # the listener runs in the loop
    assert len(gaps) > 40
    assert max(gaps) < 0.4


def test_async_waits_without_blocking_for_a_busy_server(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(world.alice, mail("one"))
    world.exchange.faults.add(Http(503, {"Retry-After": "1"}), "FolderSync")
    started = time.monotonic()
    asyncio.run(sync_async(world))
    assert time.monotonic() - started >= 1.0
    assert world.sleeps == []  # the thread did not sleep, the loop did
    assert world.subjects() == ["one"]


def test_cancelled(world: World) -> None:
    """The run ends behind the effect under way; the store is whole and the next run goes on."""
    fill(world)
    world.exchange.faults.add(Drip(0.02, 400), "ItemOperations", times=2)

    async def cut_short() -> None:
        async with await AsyncMailbox.open(world.config(), store=world.path, key=KEY) as mailbox:
            stored = asyncio.Event()

            def listener(event: Any) -> None:
                if isinstance(event, WindowStored):
                    stored.set()

            task = asyncio.create_task(mailbox.sync(listener=listener))
            await stored.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(cut_short())
    asyncio.run(sync_async(world))
    found = world.snapshot()
    assert (found["count"], found["incomplete blobs"], found["unindexed"]) == (31, 0, 0)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_listener_that_fails_stops_the_run(world: World, asynchronous: bool) -> None:
    fill(world)

    def listener(event: Any) -> None:
        if isinstance(event, MessageReceived):
            raise LookupError("the listener's own mistake")

    def sync() -> None:
        if asynchronous:
            asyncio.run(sync_async(world, listener=listener, tell_messages=True))
            return
        with world.open() as mailbox:
            mailbox.sync(listener=listener, tell_messages=True)

    with pytest.raises(LookupError, match="own mistake"):
        sync()
    world.sync()
    assert world.snapshot()["count"] == 31


def test_async_wipe_closes_the_store(world: World) -> None:
    fill(world)
    world.sync()
    world.exchange.remote_wipe("alice")
    with pytest.raises(RemoteWiped):
        asyncio.run(sync_async(world))
    assert not world.path.exists()
