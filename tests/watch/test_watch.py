"""`Mailbox.watch` against the mock server: what is told, when, and how often."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from emailplus import waiting
from emailplus.errors import AuthenticationFailed, NotFound, UsageError
from emailplus.facade.watch import Watch
from emailplus.mailbox import AsyncMailbox, Mailbox
from emailplus.mock import Garbage, Http, MockPolicy
from emailplus.model.watch import Announced, Badge, NewMail, State, WatchEvent, Withdrawn
from emailplus.notify.rules import App

from ..flows.world import KEY, World, deliver, mail

PATIENCE = 20.0


class Watcher:
    """A watch in a thread of its own; `until` waits for what it tells."""

    def __init__(self, mailbox: Mailbox, **more: Any) -> None:
        self.watch: Watch = mailbox.watch(**more)
        self.events: list[tuple[float, WatchEvent]] = []
        self.failure: BaseException | None = None
        self._news = threading.Condition()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            for event in self.watch:
                with self._news:
                    self.events.append((time.monotonic(), event))
                    self._news.notify_all()
        except BaseException as problem:
            self.failure = problem
        finally:
            with self._news:
                self._news.notify_all()

    def until(self, wanted: Callable[[WatchEvent], bool], count: int = 1) -> float:
        """When the `count`th such event was told; raises where it does not come."""
        end = time.monotonic() + PATIENCE
        with self._news:
            while True:
                found = [at for at, event in self.events if wanted(event)]
                if len(found) >= count:
                    return found[count - 1]
                if self.failure is not None:
                    raise self.failure
                assert self.thread.is_alive() or found, [event for _, event in self.events]
                assert self._news.wait(end - time.monotonic()), [event for _, event in self.events]

    def watching(self, count: int = 1) -> float:
        return self.until(lambda event: isinstance(event, State) and event.name == "watching", count)

    def mail(self, count: int = 1) -> float:
        return self.until(lambda event: isinstance(event, NewMail), count)

    def told(self, kind: type) -> list[Any]:
        return [event for _, event in self.events if isinstance(event, kind)]

    def subjects(self) -> list[str]:
        return [event.message.subject for event in self.told(NewMail)]


@contextmanager
def watching(world: World, keys: dict[str, Any] | None = None, **more: Any) -> Iterator[Watcher]:
    with world.open(keys) as mailbox:
        watcher = Watcher(mailbox, **more)
        try:
            watcher.watching()
            yield watcher
        finally:
            watcher.watch.stop()
            watcher.thread.join(PATIENCE)
            assert not watcher.thread.is_alive()
            watcher.watch.close()


def pinged(world: World, count: int) -> None:
    """Wait until the server holds the `count`th Ping."""
    end = time.monotonic() + PATIENCE
    while len(world.exchange.requests.of("Ping")) < count:
        assert time.monotonic() < end
        time.sleep(0.01)


def new_password(world: World, password: str) -> None:
    """Alice has another password on the server."""
    users = world.exchange.users
    users[:] = [replace(user, password=password) if user.username == "alice" else user for user in users]


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


# -- what the user is shown


def test_the_count_without_details_and_the_message_with_them(world: World) -> None:
    with watching(world) as watcher:
        pinged(world, 1)
        deliver(world.alice, mail("secret plans", "of the board"))
        watcher.mail()
        pinged(world, 2)
        deliver(world.alice, mail("more of them"), days=0.01)
        watcher.mail(2)
    shown = [event.notification for event in watcher.told(NewMail)]
    assert [(one.tag, one.title, one.body) for one in shown] == [
        ("unread", "1 unread message", ""),
        ("unread", "2 unread messages", ""),
    ]
    deliver(world.alice, mail("in detail", "of the board"))
    with watching(world, {"allow_detailed_notifications": "true"}) as watcher:
        pass
    (event,) = watcher.told(NewMail)
    assert (event.notification.title, event.notification.body) == (
        "Bob <bob@example.test>",
        "in detail\nof the board",
    )


REALTIME = {
    "allow_realtime_notifications": "true", "notification_server_host": "push.example.test/PROD",
    "allow_device_keychain": "true", "allow_detailed_notifications": "true",
}  # fmt: skip


def test_realtime_push_announces_first_and_says_that_it_is_subscribed(world: World) -> None:
    with watching(world, REALTIME) as watcher:
        pinged(world, 1)
        deliver(world.alice, mail("details"))
        watcher.mail()
    (state,) = [event for event in watcher.told(State) if event.name == "watching"]
    assert state.text == "You are subscribed to real-time push notifications."
    (first,) = watcher.told(Announced)
    (event,) = watcher.told(NewMail)
    assert first.notification.title == "You have new messages"
    assert event.notification.replaces == first.notification.tag
    with watching(world, {**REALTIME, "allow_realtime_notifications": "false"}) as watcher:
        pinged(world, len(world.exchange.requests.of("Ping")))
        deliver(world.alice, mail("at once all the same"), days=0.01)
        watcher.mail()
    assert watcher.told(Announced) == []
    assert watcher.told(NewMail)[0].notification.replaces == ""


@pytest.mark.parametrize(
    ("app", "keychain", "cached", "shown"),
    [
        (App.OPEN, False, False, ("Bob <bob@example.test>", True)),
        (App.BACKGROUND, False, True, (None, False)),
        (App.BACKGROUND, True, False, ("Bob <bob@example.test>", True)),
        (App.CLOSED, True, False, (None, False)),
        (App.CLOSED, True, True, ("Bob <bob@example.test>", True)),
    ],
)
def test_how_it_was_started_decides_what_is_shown(
    world: World, app: App, keychain: bool, cached: bool, shown: tuple[str | None, bool]
) -> None:
    keys = {
        "allow_detailed_notifications": "true", "allow_device_keychain": str(keychain).lower(),
        "should_cache_tunneling_config": str(cached).lower(),
    }  # fmt: skip
    with watching(world, keys):
        pass
    deliver(world.alice, mail("news"))
    with watching(world, keys, app=app) as watcher:
        pass
    (event,) = watcher.told(NewMail)
    title = event.notification.title if event.notification is not None else None
    assert (title, bool(watcher.told(Badge))) == shown


def test_an_announcement_for_nothing_is_withdrawn(world: World) -> None:
    with watching(world, REALTIME) as watcher:
        pinged(world, 1)
        deliver(world.alice, mail("read elsewhere meanwhile"), read=True)
        watcher.until(lambda event: isinstance(event, Withdrawn))
    assert len(watcher.told(Announced)) == 1
    assert watcher.told(NewMail) == []


def test_outside_work_hours_nothing_is_shown_and_programs_are_told(world: World) -> None:
    with world.open() as mailbox:
        mailbox.settings.choose("work_hours_only", True)
        mailbox.settings.choose("work_hours", {"mon": ["09:00", "17:00"]})
    with watching(world) as watcher:  # it is a Tuesday
        pinged(world, 1)
        deliver(world.alice, mail("at night"))
        watcher.mail()
    (event,) = watcher.told(NewMail)
    assert (event.notification, event.reason) == (None, "on a weekend")


def test_changed_alert_times_wait_for_the_subscription_with_realtime_push(world: World) -> None:
    never = {"work_hours_only": True, "work_hours": {"mon": ["00:00", "00:01"]}}

    def shown(keys: dict[str, str]) -> bool:
        with watching(world, keys) as watcher:
            pinged(world, len(world.exchange.requests.of("Ping")))
            deliver(world.alice, mail("mail"), days=0.01)
            watcher.mail()
        return watcher.told(NewMail)[0].notification is not None

    keys = {**REALTIME, "subscription_valid_until": "120"}
    assert shown(keys)
    with world.open(keys) as mailbox:
        for name, value in never.items():
            mailbox.settings.choose(name, value)
    world.clock.now += timedelta(minutes=119)
    assert shown(keys)
    world.clock.now += timedelta(minutes=1)
    assert not shown(keys)


def test_a_vip_is_known_as_one(world: World) -> None:
    from emailplus.model.contact import Contact

    with world.open() as mailbox:
        mailbox.sync()
        number = mailbox.create_item(Contact(email1="bob@example.test", file_as="Bob"))
        mailbox.mark_vip(number)
    with watching(world) as watcher:
        pinged(world, 1)
        deliver(world.alice, mail("from bob"))
        watcher.mail()
    assert watcher.told(NewMail)[0].vip


def test_where_nothing_is_kept_the_event_is_the_message(world: World) -> None:
    deliver(world.alice, mail("was here"))
    keys = {"disabled_features": "local_cache_all", "allow_detailed_notifications": "true"}
    with watching(world, keys) as watcher:
        pinged(world, 1)
        deliver(world.alice, mail("passing", "by"))
        watcher.mail()
    (event,) = watcher.told(NewMail)
    assert (event.message.subject, event.snippet, event.notification.body) == ("passing", "by", "passing\nby")
    assert world.scalar("SELECT count(*) FROM messages WHERE cached = 1") == 0


# -- trouble


def test_a_server_that_goes_away_and_comes_back(make_world: Callable[..., World]) -> None:
    world = make_world()
    with watching(world) as watcher:
        pinged(world, 1)
        world.exchange._ports[0] = int(world.host.partition(":")[2])
        world.exchange.stop()
        watcher.until(lambda event: isinstance(event, State) and event.name == "offline")
        deliver(world.alice, mail("meanwhile"))
        world.exchange.start()
        watcher.mail()
        watcher.watching(2)
    assert watcher.subjects() == ["meanwhile"]


def test_a_busy_server_and_garbage(world: World) -> None:
    world.exchange.faults.add(Http(503, {"Retry-After": "1"}), "Ping")
    with watching(world) as watcher:
        watcher.until(lambda event: isinstance(event, State) and event.name == "busy")
        watcher.watching(2)
        pinged(world, 2)
        world.exchange.faults.add(Garbage(), "Ping")
        deliver(world.alice, mail("one"))
        watcher.mail()
        deliver(world.alice, mail("two"), days=0.01)
        watcher.mail(2)


def test_garbage_for_ever_leaves_another_way(make_world: Callable[..., World]) -> None:
    world = make_world(hold_factor=0.0005)
    world.exchange.faults.add(Garbage(), "Ping", times=99)
    with watching(world) as watcher:
        watcher.until(lambda event: isinstance(event, State) and event.method == "sync")
        deliver(world.alice, mail("all the same"))
        watcher.mail()
    assert len(world.exchange.requests.of("Ping")) == 3


@pytest.mark.parametrize("version", ["12.1", "14.1", "16.1"])
def test_a_sync_that_waits(make_world: Callable[..., World], version: str) -> None:
    world = make_world(versions=(version,))
    with watching(world, method="sync") as watcher:
        time.sleep(0.3)
        deliver(world.alice, mail("held"))
        watcher.mail()
    assert world.exchange.requests.of("Ping") == []
    waits = [request for request in world.exchange.requests.of("Sync") if "Wait" in repr(request.tree)]
    waits += [request for request in world.exchange.requests.of("Sync") if "Heartbeat" in repr(request.tree)]
    assert waits


def test_before_12_1_only_the_interval_is_left(make_world: Callable[..., World]) -> None:
    world = make_world(versions=("12.0",))
    with watching(world, method="sync") as watcher:
        watcher.until(lambda event: isinstance(event, State) and event.method == "interval")
    assert watcher.told(State)[-1].seconds == 900


@pytest.mark.parametrize(("configured", "seconds"), [("900", 900.0), ("450", 450.0), (None, 900.0)])
def test_the_configured_interval_is_how_long_it_waits(
    world: World, monkeypatch: pytest.MonkeyPatch, configured: str | None, seconds: float
) -> None:
    paused: list[float] = []
    real = waiting.Interrupt.pause
    monkeypatch.setattr(
        waiting.Interrupt,
        "pause",
        lambda self, wanted, look=None, **more: (paused.append(wanted), real(self, wanted, look, **more))[1],
    )
    with watching(world, {"notification_interval": configured}, method="interval") as watcher:
        assert watcher.told(State)[-1].seconds == seconds
        end = time.monotonic() + PATIENCE
        while not paused and time.monotonic() < end:
            time.sleep(0.01)
    assert seconds - 30 < paused[0] <= seconds
    assert world.exchange.requests.of("Ping") == []


def test_a_policy_that_changes(make_world: Callable[..., World]) -> None:
    world = make_world(policy=MockPolicy())
    with watching(world) as watcher:
        pinged(world, 1)
        world.exchange.expire_policy()
        deliver(world.alice, mail("under another policy"))
        watcher.mail()


def test_a_changed_password_is_asked_for_and_the_old_one_is_not_sent_again(world: World) -> None:
    asked: list[str] = []

    def another(problem: AuthenticationFailed) -> str | None:
        asked.append(str(problem))
        return "a-new-one"

    with watching(world, password=another) as watcher:
        pinged(world, 1)
        new_password(world, "a-new-one")
        deliver(world.alice, mail("behind the change"))
        watcher.mail()
    assert len(asked) == 1
    refused = [request for request in world.exchange.requests if request.status == 401]
    assert len(refused) == 1


def test_without_another_password_it_ends(world: World) -> None:
    with world.open() as mailbox:
        watcher = Watcher(mailbox)
        pinged(world, 1)
        new_password(world, "a-new-one")
        deliver(world.alice, mail("never seen"))
        watcher.thread.join(PATIENCE)
        assert isinstance(watcher.failure, AuthenticationFailed)
        assert len([request for request in world.exchange.requests if request.status == 401]) == 1


def test_a_password_that_came_by_another_way_is_used(world: World) -> None:
    with watching(world) as watcher:
        pinged(world, 1)
        new_password(world, "a-new-one")
        watcher.watch._mailbox.change_password("a-new-one")
        deliver(world.alice, mail("behind the change"))
        watcher.mail()


def test_the_request_waits_for_the_heartbeat_and_the_network_timeout(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[float, float]] = []
    real = waiting._once

    async def once(client: Any, network: Any, request: Any) -> Any:
        seen.append((network.timeout, request.wait))
        return await real(client, network, request)

    monkeypatch.setattr(waiting, "_once", once)
    with watching(world, {"default_network_timeout": "45"}, heartbeat=600):
        pinged(world, 1)
    assert seen == [(45.0, 600.0)]


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
