"""The loop of a watch, without waiting itself: it yields steps, and whoever drives it performs them.

    synchronise ──► tell what is new ──► fetch contents ──► wait ──► something changed, a day is over ──┐
         ▲                                                   │ ▲                                        │
         │                                 a reminder is due └─┘ or the heartbeat is over               │
         └──────────────────────────────────────────────────────────────────────────────────────────────┘

Between a Ping that tells of changes and the run lies a glance: one Sync of the folders that it named, whose news are
told before anything else is done.

How it waits, best first: Ping; a Sync that the server holds (from 12.1 on); a pause of `notification_interval`. A way
that the server turns out not to have, or answers with garbage, is given up until the next start.

What goes wrong on the way (no network, a busy server, a policy to apply, an answer that is none) is told as a `State`
and tried again, ever less often. What nobody can wait out ends the watch with its error: a refused password for which
there is no other, a wipe, a damaged store, and whatever goes wrong in the very first run beside the network.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Literal, Protocol, TypeAlias

from .eas.commands import ping
from .eas.commands.ping import PingAnswer
from .errors import (
    AuthenticationFailed,
    ConnectionFailed,
    DeviceBlocked,
    EmailplusError,
    NotOffered,
    ProtocolError,
    ProvisioningRequired,
    ServerBusy,
    ServerError,
    TlsFailed,
)
from .model.changes import SaveAccount
from .model.ews import EwsMail
from .model.watch import FIRST_TAG, Badge, Reminder, State, WatchEvent, Withdrawn
from .policy.heartbeat import Heartbeat, pause
from .report import SyncReport
from .telling import Teller
from .waiting import Woken

Method: TypeAlias = Literal["ping", "sync", "interval"]
METHODS: Final[tuple[Method, ...]] = ("ping", "sync", "interval")

REFRESH: Final = 24 * 3600.0
"""Seconds after which everything is synchronised although nothing was told to have changed."""
LEAST_INTERVAL: Final = 300
"""Seconds: `notification_interval` is never shorter (guide, table 10)."""
MAX_BROKEN: Final = 3
"""Answers in a row that are none, before a way of waiting is given up."""
LAGS: Final = (1.0, 3.0, 10.0)
"""Seconds between the runs that ask for mail that the server announced and does not hand out yet."""
QUICK: Final = 2.0
MAX_QUICK: Final = 20
CALM: Final = 5.0
"""Seconds between two runs that find something, below which they are quick; how many in a row have no pause; and it."""
AT_ONCE: Final = 10.0
"""Seconds: a wait that ended sooner, for nothing, was none."""
HELD: Final = 0.8
"""A wait that lasted so much of its heartbeat was held."""


@dataclass(frozen=True, slots=True)
class Synchronise:
    """A run without contents; result: `SyncReport`."""


@dataclass(frozen=True, slots=True)
class Glance:
    """Take what is new in folders (CollectionIds), the shortest way; result: whether something was."""

    folders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Complete:
    """Fetch the contents that a run left; result: None."""


@dataclass(frozen=True, slots=True)
class Ping:
    """One Ping; result: `PingAnswer`. `limit`: seconds after which the wait is `Woken`."""

    folders: tuple[tuple[str, str], ...]
    seconds: int
    limit: float


@dataclass(frozen=True, slots=True)
class Linger:
    """One Sync that waits; result: whether something changed."""

    seconds: int
    limit: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait; result: None. `deaf`: whatever is announced meanwhile, a server that wants to be let alone is."""

    seconds: float
    deaf: bool = True


@dataclass(frozen=True, slots=True)
class Tell:
    """Hand an event to whoever watches; goes on when the next one is asked for."""

    event: WatchEvent


@dataclass(frozen=True, slots=True)
class Do:
    """Work on the store; result: what `call` returns."""

    call: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Renew:
    """The server refused the password; result: whether there is another one now."""

    problem: AuthenticationFailed


Step: TypeAlias = Synchronise | Glance | Complete | Ping | Linger | Pause | Tell | Do | Renew
Steps: TypeAlias = Generator[Step, Any, None]


class Announcements(Protocol):
    """New mail as the server tells of it by another way (EWS): it wakes the loop, which looks for the mail itself."""

    def begin(self) -> None:
        """Listen, unless that has begun before."""

    def take(self) -> list[EwsMail]:
        """What was announced since the last call."""

    def problem(self) -> EmailplusError | None:
        """Why nothing is announced any more; told once."""


class Rounds:
    """One watch. `heartbeat`: seconds that one request waits at most; `method`: the best way of waiting to be used."""

    def __init__(
        self,
        teller: Teller,
        monotonic: Callable[[], float],
        *,
        heartbeat: int | None = None,
        method: Method = "ping",
        announcements: Announcements | None = None,
    ) -> None:
        self._teller = teller
        self._monotonic = monotonic
        self._announcements = announcements
        self._expected: list[EwsMail] = []
        """Announced, and not in the store yet."""
        self._lags = 0
        self._longest = heartbeat
        self._method: Method = method
        self._beat = Heartbeat()
        self._max_folders: int | None = None
        self._state = ""
        self._failures = 0
        """Attempts in a row that the network or the server brought to nothing."""
        self._idle = 0
        """Waits in a row that ended at once and for nothing."""
        self._broken = 0
        self._quick = 0
        """Runs in a row that found something right behind the one before."""
        self._came = False
        """A Sync that waited stored something."""
        self._badge: int | None = None
        self._announced = False
        self._ran = False
        self._synced = self._ended = 0.0
        """When the last run was over, and the last that found something, with what followed from it."""

    def steps(self) -> Steps:
        """Without an end, but for errors."""
        yield Do(self._teller.begin)
        self._beat = Heartbeat.of((yield Do(self._teller.store.account)))
        while True:
            try:
                yield from self._synchronise()
            except Woken:
                continue
            except EmailplusError as problem:
                yield from self._trouble(problem)
            else:
                if not (yield from self._lagging()):
                    yield from self._wait()

    # -- one run

    def _synchronise(self) -> Steps:
        if not self._ran or self._state != "watching":
            yield from self._told_state("syncing", "looking for what is new")
        report: SyncReport = yield Synchronise()
        self._synced, self._failures = self._monotonic(), 0
        found = self._came or bool(report.added + report.changed + report.deleted + report.expired)
        first, self._ran, self._came = not self._ran, True, False
        yield from self._tell_news()
        if found or first:
            yield Complete()
        if found:
            self._idle = 0
            self._quick = self._quick + 1 if self._synced - self._ended < QUICK else 0
            if self._quick > MAX_QUICK:
                yield from self._pause(CALM)
            self._ended = self._monotonic()
        elif self._idle and not first:
            yield from self._pause(pause(self._idle))

    def _tell_news(self, *, withdraw: bool = True) -> Steps:
        shown = False
        for message_id in (yield Do(self._teller.news)):
            replaces = FIRST_TAG if self._announced else ""
            event = yield Do(partial(self._teller.mail, message_id, replaces))
            if event is not None:
                shown = shown or event.notification is not None
                yield Tell(event)
            yield Do(partial(self._teller.told, message_id))
        if self._announced and not shown and withdraw:
            yield Tell(Withdrawn(FIRST_TAG))
        if shown or withdraw:
            self._announced = False
        unread: int | None = yield Do(self._teller.unread)
        if unread is not None and unread != self._badge:
            self._badge = unread
            yield Tell(Badge(unread))

    def _lagging(self) -> Generator[Step, Any, bool]:
        """Whether the server announced mail by another way that this run did not bring; it has been waited for then."""
        if self._announcements is None:
            return False
        problem = self._announcements.problem()
        if problem is not None:
            yield from self._told_state("trouble", f"no new mail is announced by EWS any more: {problem}")
        self._expected += self._announcements.take()
        if self._expected:
            self._expected = yield Do(partial(self._teller.missing, tuple(self._expected)))
        if not self._expected or self._lags == len(LAGS):
            self._expected, self._lags = [], 0  # what does not come is outside of what is synchronised
            return False
        self._lags += 1
        yield from self._pause(LAGS[self._lags - 1])
        return True

    # -- waiting

    def _wait(self) -> Steps:
        """Until there is something to synchronise."""
        if self._announcements is not None:
            yield Do(self._announcements.begin)
        over = False
        while not over and self._monotonic() - self._synced < REFRESH:
            limit: float = yield from self._remind()
            began = self._monotonic()
            try:
                if self._method == "interval":
                    over = yield from self._wait_interval(limit)
                elif self._method == "sync":
                    over = yield from self._wait_sync(limit)
                else:
                    over = yield from self._wait_ping(limit)
            except Woken as woken:
                over = woken.over
            except ConnectionFailed as problem:
                yield from self._cut(problem, self._monotonic() - began)
            except EmailplusError as problem:
                yield from self._not_waited(problem)

    def _remind(self) -> Generator[Step, Any, float]:
        """Tell the reminders that are due; seconds to the next one."""
        due: list[Reminder]
        following: datetime
        due, following = yield Do(self._teller.reminders)
        for reminder in due:
            yield Tell(reminder)
            yield Do(partial(self._teller.reminded, reminder))
        return max(1.0, (following - self._teller.now()) / timedelta(seconds=1))

    def _wait_interval(self, limit: float) -> Generator[Step, Any, bool]:
        interval = float(max(LEAST_INTERVAL, self._teller.config().notification_interval))
        left = self._synced + interval - self._monotonic()
        yield from self._watching(interval)
        if left > 0:
            yield Pause(min(left, limit), deaf=False)
        return self._monotonic() >= self._synced + interval

    def _wait_sync(self, limit: float) -> Generator[Step, Any, bool]:
        seconds = self._seconds()
        yield from self._watching(seconds)
        began = self._monotonic()
        self._came = yield Linger(seconds, limit)
        if not self._came:
            yield from self._lasted(seconds, self._monotonic() - began)
        return self._came

    def _wait_ping(self, limit: float) -> Generator[Step, Any, bool]:
        pairs: list[tuple[str, str]] = yield Do(self._teller.pairs)
        seconds = self._seconds()
        yield from self._watching(seconds)
        began = self._monotonic()
        answer: PingAnswer = yield Ping(tuple(pairs[: self._max_folders]), seconds, limit)
        lasted = self._monotonic() - began
        self._failures = self._broken = 0
        if answer.status == ping.CHANGES:
            # Counted until the run shows that there is something: a server may cry wolf for ever.
            self._idle = self._idle + 1 if lasted < min(AT_ONCE, HELD * seconds) else 0
            announced = yield Do(partial(self._teller.announcement, answer.changed))
            if announced is not None and not self._announced and self._idle <= 1:
                self._announced = True
                yield Tell(announced)
            yield from self._glance(answer.changed)
            return True
        if answer.status == ping.EXPIRED:
            yield from self._lasted(seconds, lasted)
            return False
        if answer.status == ping.HIERARCHY:
            self._idle += 1
            return True
        if answer.status == ping.HEARTBEAT and answer.heartbeat is not None:
            yield from self._learn(self._beat.refused(answer.heartbeat))
        elif answer.max_folders is not None:
            self._max_folders = max(1, min(answer.max_folders, len(pairs) - 1))
        self._idle += 1
        if self._idle > 1:  # a bound that is kept is refused no second time
            yield from self._pause(pause(self._idle - 1))
        return False

    def _glance(self, changed: tuple[str, ...]) -> Steps:
        """Tell what is new before the run that follows; whatever goes wrong here is that run's to meet again."""
        try:
            self._came = yield Glance(changed)
        except (ServerError, AuthenticationFailed):
            return
        if self._came:
            yield from self._tell_news(withdraw=False)

    def _seconds(self) -> int:
        return self._beat.seconds if self._longest is None else min(self._beat.seconds, self._longest)

    def _lasted(self, seconds: int, lasted: float) -> Steps:
        """A wait is over in which nothing happened."""
        self._failures = self._broken = 0
        if lasted < HELD * seconds:
            self._idle += 1
            yield from self._pause(pause(self._idle))
            return
        self._idle = 0
        if self._longest is None:
            yield from self._learn(self._beat.lasted())

    def _cut(self, problem: ConnectionFailed, lasted: float) -> Steps:
        """No answer came to a request that waited."""
        shorter = self._beat.cut(lasted)
        if shorter.seconds < self._beat.seconds:
            yield from self._learn(shorter)
            return  # it was held for long: asked again at once, for less
        self._beat = shorter
        yield from self._trouble(problem)

    def _learn(self, beat: Heartbeat) -> Steps:
        known, self._beat = self._beat, beat
        if known.facts() != beat.facts():
            yield Do(partial(self._teller.store.apply, SaveAccount(beat.facts())))

    def _watching(self, seconds: float) -> Steps:
        if self._state != "watching":
            text: str = yield Do(partial(self._teller.state, self._method))
            yield from self._told_state("watching", text, self._method, seconds)

    # -- trouble

    def _not_waited(self, problem: EmailplusError) -> Steps:
        """A way of waiting failed: given up where the server has it not, or does not keep to it."""
        refused = isinstance(problem, NotOffered)
        if isinstance(problem, ProtocolError):
            self._broken += 1
            refused = self._broken >= MAX_BROKEN
        if refused and self._method != "interval":
            self._method = METHODS[METHODS.index(self._method) + 1]
            self._broken, self._state = 0, ""
            return
        yield from self._trouble(problem)

    def _trouble(self, problem: EmailplusError) -> Steps:
        """Tell it and wait a while, or raise it."""
        if isinstance(problem, AuthenticationFailed):
            yield from self._told_state("refused", str(problem))
            if not (yield Renew(problem)):
                raise problem
            return
        network = isinstance(problem, (ConnectionFailed, ServerBusy))
        passing = network or isinstance(problem, (ServerError, ProvisioningRequired, DeviceBlocked))
        if not passing or not (self._ran or network) or (isinstance(problem, TlsFailed) and not self._ran):
            raise problem
        self._failures += 1
        seconds = pause(self._failures, getattr(problem, "retry_after", None))
        name = "busy" if isinstance(problem, ServerBusy) else "offline" if network else "trouble"
        yield from self._told_state(name, str(problem), seconds=seconds)
        yield from self._pause(seconds)

    def _pause(self, seconds: float) -> Steps:
        """Wait; reminders are told meanwhile. A machine that slept has waited enough."""
        end = self._monotonic() + seconds
        while (left := end - self._monotonic()) > 0:
            limit: float = yield from self._remind()
            try:
                yield Pause(min(left, limit))
            except Woken:
                return

    def _told_state(self, name: str, text: str, method: str = "", seconds: float = 0.0) -> Steps:
        self._state = name
        yield Tell(State(name, text, method, seconds))
