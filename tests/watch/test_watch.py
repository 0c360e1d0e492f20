"""`Mailbox.watch` against the mock server: what is told, when, and how often."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from emailplus.errors import NotFound, UsageError
from emailplus.mailbox import AsyncMailbox
from emailplus.model.watch import Badge, NewMail, State, WatchEvent

from ..flows.world import KEY, World, deliver, mail
from .watcher import PATIENCE, Watcher, pinged, watching


def test_new_mail_is_told_with_header_and_snippet(world: World) -> None:
    deliver(world.alice, mail("was here"))
    with watching(world) as watcher:
        assert watcher.told(Badge)[0].unread == 1
        pinged(world, 1)
        sent = time.monotonic()
        deliver(world.alice, mail("news", "The beginning\r\nof a text.\n"))
        told = watcher.mail()
        watcher.until(lambda event: event == Badge(2))
        (event,) = watcher.told(NewMail)
    assert told - sent < 5  # 0.2 s on a quiet machine: bench/watch.py
    assert (event.message.subject, event.folder, event.snippet) == ("news", "Inbox", "The beginning of a text.")
    assert event.message.id == event.id


def test_what_came_since_the_last_run_is_told_by_the_first_watch_too(world: World) -> None:
    deliver(world.alice, mail("was here"))
    with world.open() as mailbox:
        mailbox.sync()
    deliver(world.alice, mail("since then"))
    with watching(world) as watcher:
        assert watcher.subjects() == ["since then"]


def test_the_body_is_fetched_after_it_was_told(world: World) -> None:
    with watching(world, {"email_max_body": "1"}) as watcher:
        pinged(world, 1)
        deliver(world.alice, mail("long", "x" * 40_000, attachments=(("a.bin", b"y" * 300_000),)))
        watcher.mail()
        told = len(world.exchange.requests.of("ItemOperations"))
        pinged(world, 2)
        assert len(world.exchange.requests.of("ItemOperations")) > 0
    assert told == 0


def test_every_mail_is_told_once_whatever_restarts(world: World) -> None:
    deliver(world.alice, mail("was here"))
    seen: list[str] = []
    for number in range(3):
        with watching(world) as watcher:
            pinged(world, len(world.exchange.requests.of("Ping")))
            deliver(world.alice, mail(f"while watched {number}"))
            watcher.until(lambda event, n=number: isinstance(event, NewMail) and event.message.subject.endswith(str(n)))
            watcher.until(lambda event: isinstance(event, Badge), len(watcher.told(Badge)))
            pinged(world, len(world.exchange.requests.of("Ping")))
        seen += watcher.subjects()
        deliver(world.alice, mail(f"between {number}"))
    with watching(world) as watcher:
        pass
    seen += watcher.subjects()
    expected = [f"{kind} {number}" for number in range(3) for kind in ("while watched", "between")]
    assert seen == expected


def test_an_event_that_was_not_taken_is_told_again(world: World) -> None:
    """The body of the `with` breaks on it, or the process dies: told at the next start, and then no more."""
    with watching(world):
        pass
    deliver(world.alice, mail("important"))
    told: list[str] = []

    def take(break_on_it: bool) -> None:
        with world.open() as mailbox, mailbox.watch() as events:
            for event in events:
                if isinstance(event, NewMail):
                    told.append(event.message.subject)
                    if break_on_it:
                        raise LookupError("the program's own mistake")
                if isinstance(event, State) and event.name == "watching":
                    return

    for _ in range(2):
        with pytest.raises(LookupError):
            take(break_on_it=True)
    take(break_on_it=False)
    take(break_on_it=False)
    assert told == ["important"] * 3


def test_leaving_the_loop_counts_as_taken(world: World) -> None:
    with watching(world):
        pass
    deliver(world.alice, mail("one"))
    deliver(world.alice, mail("two"), days=0.01)
    for expected in ("one", "two", None):
        with world.open() as mailbox:
            found = None
            for event in mailbox.watch():
                if isinstance(event, NewMail):
                    found = event.message.subject
                    break
                if isinstance(event, State) and event.name == "watching":
                    break
            assert found == expected


def test_several_folders(world: World) -> None:
    world.alice.create_folder("Projects")
    world.alice.create_folder("Lists")
    with watching(world, folders=["Inbox", "Projects"]) as watcher:
        pinged(world, 1)
        deliver(world.alice, mail("in a list"), folder="Lists")
        deliver(world.alice, mail("in a project"), folder="Projects")
        deliver(world.alice, mail("in the inbox"), days=0.01)
        watcher.mail(2)
        pinged(world, 2)
    assert sorted(watcher.subjects()) == ["in a project", "in the inbox"]
    assert world.subjects("Lists") == ["in a list"]  # kept up to date, not told


def test_what_was_read_moved_or_deleted_elsewhere_is_not_told(world: World) -> None:
    with watching(world):
        pass
    for subject in ("read", "deleted", "left"):
        deliver(world.alice, mail(subject))
    world.sync()
    read, deleted, _ = sorted(world.alice.items(), key=lambda item: item.server_id)[-3:]
    world.alice.mark_read(read.server_id)
    world.alice.delete(deleted.server_id)
    with watching(world) as watcher:
        pass
    assert watcher.subjects() == ["left"]


def test_a_lost_key_or_wiped_cache_tells_nothing_twice_and_loses_nothing(world: World) -> None:
    for number in range(5):
        deliver(world.alice, mail(f"old {number}"), days=1 + number)
    with watching(world):
        pass
    with world.open() as mailbox:
        mailbox.store.database.execute("DELETE FROM messages")
        mailbox.store.database.execute("UPDATE folders SET sync_key = '0'")
    deliver(world.alice, mail("since then"), days=0.001)
    with watching(world) as watcher:
        pass
    assert watcher.subjects() == ["since then"]
    assert len(world.subjects()) == 6


def test_a_stop_from_another_thread_ends_the_wait_at_once(world: World) -> None:
    with world.open() as mailbox:
        watcher = Watcher(mailbox)
        pinged(world, 1)
        began = time.monotonic()
        watcher.watch.stop()
        watcher.thread.join(PATIENCE)
        assert time.monotonic() - began < 5
        assert watcher.failure is None
        with mailbox.watch() as another:  # another one may begin
            assert isinstance(next(another), State)


def test_closing_the_mailbox_ends_the_watch(world: World) -> None:
    mailbox = world.open()
    watcher = Watcher(mailbox)
    pinged(world, 1)
    watcher.watch.close()
    watcher.thread.join(PATIENCE)
    assert not watcher.thread.is_alive()
    mailbox.close()
    assert list(watcher.watch) == []


def test_one_watch_at_a_time_and_what_it_cannot_be_asked(world: World) -> None:
    with world.open() as mailbox:
        first = mailbox.watch()
        with pytest.raises(UsageError, match="already"):
            mailbox.watch()
        first.close()
        with pytest.raises(UsageError):
            mailbox.watch(heartbeat=0)
        with pytest.raises(UsageError):
            mailbox.watch(method="pigeon")  # type: ignore[arg-type]
        with pytest.raises(NotFound):
            for _ in mailbox.watch(["Nowhere"]):
                pass


def test_other_work_goes_on_while_it_waits(world: World) -> None:
    with watching(world) as watcher:
        pinged(world, 1)
        mailbox = watcher.watch._mailbox
        assert mailbox.folders()
        assert mailbox.user_information().addresses
        deliver(world.alice, mail("then"))
        watcher.mail()


# -- asyncio


async def collect(world: World, keys: dict[str, Any], act: Callable[[Any], Any]) -> list[WatchEvent]:
    events: list[WatchEvent] = []
    opening = AsyncMailbox.open(world.config(**keys), store=world.path, key=KEY)
    async with await opening as mailbox, await mailbox.watch() as watch:
        async for event in watch:
            events.append(event)
            if await act((mailbox, watch, event)):
                break
    return events


def test_asyncio_tells_the_same(world: World) -> None:
    deliver(world.alice, mail("was here"))

    async def act(what: Any) -> bool:
        mailbox, _, event = what
        if isinstance(event, State) and event.name == "watching":
            await mailbox.folders()
            asyncio.get_running_loop().call_later(0.3, deliver, world.alice, mail("news", "text"))
        return isinstance(event, NewMail)

    events = asyncio.run(asyncio.wait_for(collect(world, {}, act), PATIENCE))
    (event,) = [event for event in events if isinstance(event, NewMail)]
    assert (event.message.subject, event.snippet) == ("news", "text")
    with watching(world) as watcher:
        pass
    assert watcher.subjects() == []  # leaving the loop counted as taken


@pytest.mark.parametrize("how", ["stop", "cancel"])
def test_asyncio_ends_at_once(world: World, how: str) -> None:
    async def main() -> float:
        task: asyncio.Task[Any]

        async def act(what: Any) -> bool:
            _, watch, event = what
            if isinstance(event, State) and event.name == "watching":
                loop = asyncio.get_running_loop()
                loop.call_later(0.3, watch.stop if how == "stop" else task.cancel)
            return False

        task = asyncio.create_task(collect(world, {}, act))
        done, _ = await asyncio.wait({task}, timeout=PATIENCE)
        assert done
        assert task.cancelled() is (how == "cancel")
        return 0.0

    began = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - began < 15


def test_other_work_in_asyncio_goes_on_while_it_waits(world: World) -> None:
    async def main() -> Any:
        opening = AsyncMailbox.open(world.config(), store=world.path, key=KEY)
        async with await opening as mailbox, await mailbox.watch() as watch:

            async def follow() -> None:
                async for _ in watch:
                    pass

            task = asyncio.create_task(follow())
            while not world.exchange.requests.of("Ping"):
                await asyncio.sleep(0.01)
            found = await mailbox.user_information()
            watch.stop()
            await task
            return found

    assert asyncio.run(asyncio.wait_for(main(), PATIENCE)).addresses
