"""A watch in a thread, and what tests wait for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from emailplus.facade.watch import Watch
from emailplus.mailbox import Mailbox
from emailplus.model.watch import NewMail, State, WatchEvent

from ..flows.world import World

PATIENCE = 60.0


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
