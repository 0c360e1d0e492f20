"""A watch in simulated time: a server, a network and a clock that a test writes, and every request counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from emailplus.eas.commands.ping import CHANGES, EXPIRED, PingAnswer
from emailplus.errors import EmailplusError
from emailplus.model.ews import EwsMail
from emailplus.model.watch import Announced, NewMail, Notification, Reminder, State
from emailplus.report import SyncReport
from emailplus.waiting import Woken
from emailplus.watching import Complete, Do, Glance, Linger, Pause, Ping, Renew, Rounds, Step, Synchronise, Tell

from ..flows.world import NOW


class Store:
    """The facts of an account."""

    def __init__(self) -> None:
        self.facts: dict[str, str] = {}

    def account(self) -> dict[str, str]:
        return dict(self.facts)

    def apply(self, batch: Any) -> None:
        self.facts.update({name: value for name, value in batch.values.items() if value is not None})


@dataclass
class Config:
    notification_interval: int = 900


@dataclass
class World:
    """`ping`: what a Ping of so many seconds is answered with, after how many seconds; likewise `sync` and `linger`.

    A plain value is the answer, an exception is raised. `mail`: when new mail comes, in seconds from the start.
    """

    ping: Callable[[Ping], tuple[float, Any]] = lambda step: (float(step.seconds), PingAnswer(EXPIRED))
    sync: Callable[[int], Any] = lambda number: SyncReport()
    linger: Callable[[Linger], tuple[float, Any]] = lambda step: (float(step.seconds), False)
    renew: Callable[[], bool] = lambda: False
    mail: list[float] = field(default_factory=list)
    reminders: list[float] = field(default_factory=list)
    wall_jumps: dict[float, float] = field(default_factory=dict)
    """When the wall clock is set, and by how many seconds."""
    announces: bool = False
    ews: list[tuple[float, int]] = field(default_factory=list)
    """When EWS tells of which mail."""
    ews_problem: EmailplusError | None = None
    clock: float = 0.0
    requests: Counter[str] = field(default_factory=Counter)
    pings: list[tuple[float, Ping]] = field(default_factory=list)
    events: list[tuple[float, Any]] = field(default_factory=list)
    told: list[int] = field(default_factory=list)
    reminded: list[float] = field(default_factory=list)
    store: Store = field(default_factory=Store)
    settings: Config = field(default_factory=Config)

    # what the loop asks of a teller

    def config(self) -> Any:
        return self.settings

    def now(self) -> datetime:
        jumped = sum(by for at, by in self.wall_jumps.items() if at <= self.clock)
        return NOW + timedelta(seconds=self.clock + jumped)

    def pairs(self) -> list[tuple[str, str]]:
        return [(str(number), "Email") for number in range(5)]

    def state(self, method: str) -> str:
        return f"waiting by {method}"

    def announcement(self, changed: Any) -> Announced | None:
        return Announced(Notification("first", "You have new messages")) if self.announces else None

    def news(self) -> list[int]:
        return [number for number, at in enumerate(self.mail) if at <= self.clock and number not in self.told]

    def mail_event(self, message_id: int, replaces: str) -> Any:
        notification = Notification(f"mail-{message_id}", "someone", "", replaces)
        return NewMail(message_id, "Inbox", None, "", False, notification, "")  # type: ignore[arg-type]

    def unread(self) -> int:
        return len(self.told)

    def due(self) -> tuple[list[Reminder], datetime]:
        open_ones = [at for at in self.reminders if at not in self.reminded]
        base = NOW + timedelta()
        due = [at for at in open_ones if base + timedelta(seconds=at) <= self.now()]
        rest = [at for at in open_ones if at not in due]
        following = base + timedelta(seconds=min(rest)) if rest else self.now() + timedelta(days=1)
        made = [Reminder(int(at), None, base + timedelta(seconds=at), 0, None) for at in due]  # type: ignore[arg-type]
        return made, following

    # the driver

    def run(self, until: float, **more: Any) -> None:
        """Play the loop until the clock says so. Raises what ends it."""
        teller: Any = Teller(self)
        steps = Rounds(teller, lambda: self.clock, **more).steps()
        result: Any = None
        failure: BaseException | None = None
        actions = 0
        while self.clock < until:
            actions += 1
            assert actions < 500_000, "the loop turns without time going by"
            step = steps.throw(failure) if failure is not None else steps.send(result)
            result, failure = None, None
            try:
                result = self._perform(step)
            except (EmailplusError, Woken) as problem:
                failure = problem
        steps.close()

    def _perform(self, step: Step) -> Any:
        if isinstance(step, Do):
            return step.call()
        if isinstance(step, Tell):
            self.events.append((self.clock, step.event))
            return None
        if isinstance(step, Pause):
            if not step.deaf:
                self._wake(step.seconds)
            self.clock += step.seconds
            return None
        if isinstance(step, Renew):
            return self.renew()
        if isinstance(step, (Synchronise, Complete)):
            return self._synchronise(step)
        self.requests[type(step).__name__] += 1
        if isinstance(step, Glance):
            self.clock += 0.01
            return bool(self.news())
        if isinstance(step, Ping):
            self.pings.append((self.clock, step))
            seconds, answer = self.ping(step)
            coming = self._coming(seconds)
            self._wake(seconds if coming is None else coming)
            if coming is not None and isinstance(answer, PingAnswer):
                seconds, answer = coming, PingAnswer(CHANGES, ("0",))
        else:
            seconds, answer = self.linger(step)
            coming = self._coming(seconds)
            if coming is not None and isinstance(answer, bool):
                seconds, answer = coming, True
        if seconds > step.limit:
            self.clock += step.limit
            raise Woken
        self.clock += seconds
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _coming(self, seconds: float) -> float | None:
        """When within so many seconds there is mail that no run has found."""
        ahead = [max(0.0, at - self.clock) for number, at in enumerate(self.mail) if number not in self.told]
        return min((wait for wait in ahead if wait <= seconds), default=None)

    def _wake(self, seconds: float) -> None:
        """End a wait of so many seconds when EWS tells of mail meanwhile."""
        ahead = [max(0.0, at - self.clock) for at, _ in self.ews if at <= self.clock + seconds]
        if ahead:
            self.clock += min(ahead)
            raise Woken(news=True)

    # what the loop asks of its announcements

    def begin(self) -> None:
        assert self.requests["Sync"] > 0, "what was there is not news"

    def take(self) -> list[EwsMail]:
        told = [EwsMail(str(number), "") for at, number in self.ews if at <= self.clock]
        self.ews = [each for each in self.ews if each[0] > self.clock]
        return told

    def problem(self) -> EmailplusError | None:
        problem, self.ews_problem = self.ews_problem, None
        return problem

    def _synchronise(self, step: Synchronise | Complete) -> Any:
        if isinstance(step, Complete):
            return None
        self.requests["Sync"] += 1
        self.clock += 0.05
        answer = self.sync(self.requests["Sync"])
        if isinstance(answer, BaseException):
            raise answer
        answer.added += len(self.news())
        return answer

    def states(self) -> list[str]:
        return [event.name for _, event in self.events if isinstance(event, State)]

    def of(self, kind: type) -> list[tuple[float, Any]]:
        return [(at, event) for at, event in self.events if isinstance(event, kind)]


class Teller:
    """The world as the loop's teller."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.store = world.store
        self.config, self.now, self.pairs, self.state = world.config, world.now, world.pairs, world.state
        self.announcement, self.news, self.unread = world.announcement, world.news, world.unread
        self.mail, self.reminders = world.mail_event, world.due

    def begin(self) -> None:
        assert not self._world.events

    def missing(self, announced: Sequence[EwsMail]) -> list[EwsMail]:
        return [mail for mail in announced if self._world.mail[int(mail.item_id)] > self._world.clock]

    def told(self, message_id: int) -> None:
        self._world.told.append(message_id)

    def reminded(self, reminder: Reminder) -> None:
        self._world.reminded.append(float(reminder.id))
