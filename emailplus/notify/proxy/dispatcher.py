"""From the queue to the gateways: rules, look-up, delivery, again later. Its clock is given to it.

    queued ──rules──► told without details ────────────────► gateway ──► done
              │ └───► details wanted, or a VIP? ──lookup──► rules ─┘ └──► again, or down: waits
              └─────► not told ──► done

What waits in memory is bounded; the rest stays in the ledger until there is room. A retry is no state: after a start
everything that is not done is due. Source: guide, "About Email+ Notification Services", steps 3 and 4.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from ...errors import AuthenticationFailed, EmailplusError, ServerBusy
from ..rules import Decision, Occasion, Rules, Telling, decide
from .channel import Channel, Job, attempt_pause
from .gateway import DONE, Gateway, Outcome, Verdict
from .ledger import Entry, Ledger
from .log import note
from .lookup import MAX_ITEMS, Headline, look_up
from .metrics import Metrics
from .notice import Notice, notice_id
from .options import Limits
from .outgoing import Outgoing
from .registration import Registration
from .registry import Registry

IN_MEMORY: Final = 10_000
"""Notifications of the queue that are in memory at a time."""
DONE_AT_ONCE: Final = 256
DONE_SECONDS: Final = 0.1
"""When what was delivered leaves the queue: behind so many, or so much later. A crash before has them sent again, under
the same id."""
DENIED_PAUSE: Final = 900.0
"""Seconds until a mailbox is asked for again that the service account may not read."""


class Dispatcher:
    """Everything behind the queue of one proxy.

    `gateways`: each with the way to it. `exchange`: the way there and its EWS address; None: nothing is looked up.
    """

    def __init__(
        self,
        ledger: Ledger,
        registry: Registry,
        limits: Limits,
        metrics: Metrics,
        gateways: Iterable[tuple[Gateway, Outgoing]],
        exchange: tuple[Outgoing, str] | None,
        *,
        clock: Callable[[], float],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._ledger, self._registry, self._limits, self._metrics = ledger, registry, limits, metrics
        self._clock, self._chance = clock, chance
        self._exchange = exchange
        self._lookups = Channel(
            "exchange", self._look_up, batch=MAX_ITEMS, limit=limits.lookups, by_key=True, chance=chance
        )
        self._channels: dict[str, Channel] = {}
        for gateway, way in gateways:
            single = gateway.batch == 1
            self._channels[gateway.name] = Channel(
                gateway.name, partial(self._deliver, gateway, way), batch=gateway.batch,
                limit=limits.deliveries if single else max(1, limits.deliveries // 32), by_key=single, chance=chance,
            )  # fmt: skip
        self._later: list[tuple[float, int, Job]] = []
        self._serial = 0
        self._held = 0
        """Entries of the queue in memory."""
        self._seen = 0
        """The highest number of an entry that was in memory."""
        self._behind = True
        """There may be more in the ledger."""
        self._reading = False
        self._offers = 0
        self._flushed = 0.0
        self._looked_over = 0.0
        self._finished: list[int] = []
        self._denied: dict[str, float] = {}
        self._allowances: dict[str, tuple[float, float]] = {}
        self._waking: dict[str, float] = {}
        self._woken: set[str] = set()
        """Registrations whose wake-up is under way: the next is no news."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._stir = asyncio.Event()
        self.pending: Counter[str] = Counter()
        """Notifications waiting, by registration."""
        self.total = 0
        """Notifications waiting in all."""

    # -- life

    async def start(self) -> None:
        """Count what waits from before."""
        self.pending.update(await self._ledger.waiting())
        self.total = self.pending.total()
        self._metrics.waiting.set(self.total)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; then end what is under way."""
        while not stop.is_set():
            self._stir.clear()
            due = self.turn()
            try:
                await asyncio.wait_for(self._stir.wait(), max(0.01, min(1.0, due - self._clock())))
            except TimeoutError:
                continue
        await self.settle()

    def stir(self) -> None:
        """Look again now."""
        self._stir.set()

    async def settle(self) -> None:
        """Wait for what is under way."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))
        if self._finished:
            await self._flush()

    def state(self) -> dict[str, str]:
        """Channel -> "ok", or what is wrong."""
        found = {}
        for channel in [*self._channels.values(), *([self._lookups] if self._exchange is not None else [])]:
            found[channel.name] = channel.halted or ("ok" if not channel.failures else "down")
        return found

    # -- what comes in

    def offer(self, entries: Sequence[Entry]) -> None:
        """Entries that have just come into the ledger."""
        for entry in entries:
            self.pending[entry.registration] += 1
        self.total += len(entries)
        self._metrics.waiting.set(self.total)
        self._offers += 1
        if self._behind or self._held + len(entries) > IN_MEMORY:
            self._behind = True
        else:
            self._accept(entries)
        self.stir()

    def _accept(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.number > self._seen:
                self._seen = entry.number
                self._held += 1
                self._begin(Job(entry.registration, entry.arrived, entry))

    async def _refill(self) -> None:
        offers, room = self._offers, max(1, IN_MEMORY - self._held)
        try:
            entries = await self._ledger.after(self._seen, room)
            if len(entries) < room and offers == self._offers:
                self._behind = False
            self._accept(entries)
        except EmailplusError as problem:
            note("ledger", logging.ERROR, problem=type(problem).__name__)
        finally:
            self._reading = False
            self.stir()

    # -- one look at everything

    def turn(self) -> float:
        """Do what is due; when there is more, as a Unix time."""
        now = self._clock()
        while self._later and self._later[0][0] <= now:
            self._begin(heapq.heappop(self._later)[2])
        self._wake(now)
        if self._behind and not self._reading and self._held < IN_MEMORY // 2:
            self._reading = True
            self._spawn(self._refill())
        if (self._lookups.halted or self._lookups.failures) and now >= self._looked_over + 1.0:
            self._looked_over = now
            for job in self._lookups.overdue(now - self._limits.details_wait, now - self._limits.max_age):
                self._without_details(job, now)
        due = self._later[0][0] if self._later else now + 1.0
        for channel in (self._lookups, *self._channels.values()):
            self._pump(channel, now)
            if len(channel) and channel.open_at > now:
                due = min(due, channel.open_at)
        if self._finished and (len(self._finished) >= DONE_AT_ONCE or now >= self._flushed + DONE_SECONDS):
            self._flushed = now
            self._spawn(self._flush())
        return min(due, self._flushed + DONE_SECONDS) if self._finished else due

    def _pump(self, channel: Channel, now: float) -> None:
        while (taken := channel.take(now)) is not None:
            self._spawn(self._request(channel, *taken))

    async def _request(self, channel: Channel, key: str, jobs: list[Job]) -> None:
        """One request of a channel, and what became of each job."""
        try:
            outcomes = await channel.perform(jobs)
        except AuthenticationFailed as problem:
            channel.halted = str(problem)  # asking again with the same password would lock the account
            note("halted", logging.ERROR, to=channel.name, problem=str(problem))
            outcomes = [Outcome(Verdict.DOWN, "refused")] * len(jobs)
        except EmailplusError as problem:
            after = problem.retry_after if isinstance(problem, ServerBusy) else None
            outcomes = [Outcome(Verdict.DOWN, type(problem).__name__, after)] * len(jobs)
        except asyncio.CancelledError:
            raise
        except Exception as problem:  # a fault of ours: nothing is lost by it
            note("fault", logging.ERROR, to=channel.name, problem=type(problem).__name__)
            outcomes = [Outcome(Verdict.DOWN, "a fault of the proxy")] * len(jobs)
        now = self._clock()
        channel.ended(key)
        self._judge(channel, outcomes, now)
        for job, outcome in zip(reversed(jobs), reversed(outcomes), strict=True):
            self._settle_job(channel, key, job, outcome, now)
        self._pump(channel, now)
        self.stir()

    def _judge(self, channel: Channel, outcomes: Sequence[Outcome], now: float) -> None:
        down = next((outcome for outcome in outcomes if outcome.verdict is Verdict.DOWN), None)
        self._metrics.requests.labels(channel.name, down.reason if down is not None else "answered").inc()
        self._metrics.up.labels(channel.name).set(int(down is None))
        if down is None:
            if channel.failures:
                note("up", logging.INFO, to=channel.name, waiting=len(channel))
            channel.succeeded()
            return
        channel.failed(now, down.after)
        note("down", logging.WARNING, to=channel.name, reason=down.reason, again_in=round(channel.open_at - now, 1))

    def _settle_job(self, channel: Channel, key: str, job: Job, outcome: Outcome, now: float) -> None:
        if outcome.verdict is Verdict.DONE:
            if channel is not self._lookups:
                self._metrics.delivered.labels(channel.name).inc()
                self._metrics.delay.observe(max(now - job.arrived, 0.0))
                self._finish(job)
        elif outcome.verdict is Verdict.GONE:
            self._finish(job, "the device is gone")
            self._spawn(self._unregister(job.registration, outcome.reason))
        elif outcome.verdict is Verdict.REFUSED:
            note("refused", logging.WARNING, to=channel.name, registration=job.registration, reason=outcome.reason)
            self._finish(job, "refused by the gateway")
        elif now - job.arrived > self._limits.max_age:
            self._finish(job, "too old")
        elif outcome.verdict is Verdict.DOWN:
            channel.put(key if channel.by_key else job.registration, job, first=True)
        else:
            job.attempts += 1
            self._put_off(job, now + attempt_pause(job.attempts, outcome.after, self._chance()))

    async def _unregister(self, identity: str, reason: str) -> None:
        note("unregistered", logging.INFO, registration=identity, reason=reason)
        try:
            await self._registry.drop([identity])
        except EmailplusError as problem:
            note("ledger", logging.ERROR, problem=type(problem).__name__)

    # -- one notification

    def _begin(self, job: Job) -> None:
        """Have a job take its next step. A fault of ours costs this one a delay, and no other anything."""
        try:
            self._step(job)
        except Exception as problem:
            note("fault", logging.ERROR, registration=job.registration, problem=type(problem).__name__)
            job.attempts += 1
            self._put_off(job, self._clock() + attempt_pause(job.attempts, None, self._chance()))

    def _step(self, job: Job) -> None:
        """Decide what can be decided without knowing the message."""
        now = self._clock()
        registration = self._registry.get(job.registration)
        if registration is None:
            self._finish(job, "not registered")
        elif now - job.arrived > self._limits.max_age:
            self._finish(job, "too old")
        elif not job.counted and not self._allowed(job, now):
            return
        elif job.entry is None or job.notice is not None:
            self._send(job, registration)
        else:
            self._plan(job, registration, now)

    def _plan(self, job: Job, registration: Registration, now: float) -> None:
        rules = self._rules(registration, job)
        decision = _decided(rules, job.arrived, "")
        denied = self._denied.get(registration.wishes.mailbox, 0.0)
        vip_counts = not decision and any(_decided(rules, job.arrived, vip) for vip in list(rules.vips)[:1])
        if not decision and not vip_counts:
            self._finish(job, decision.reason)
        elif decision.telling is not Telling.DETAILS and not vip_counts:
            self._tell(job, registration, decision)
        elif not vip_counts and (self._lookups.halted or now < denied):
            self._without_details(job, now)
        elif now < denied:
            self._put_off(job, denied)
        else:
            job.needs_sender = vip_counts
            self._lookups.put(registration.wishes.mailbox, job)

    def _rules(self, registration: Registration, job: Job) -> Rules:
        return registration.rules(job.arrived, lookups=self._exchange is not None)

    def _without_details(self, job: Job, now: float) -> None:
        """Exchange cannot be asked: tell that there is mail, or wait where it depends on who sent it."""
        registration = self._registry.get(job.registration)
        decision = _decided(self._rules(registration, job), job.arrived, "") if registration is not None else None
        if registration is None or now - job.arrived > self._limits.max_age:
            self._finish(job, "not registered" if registration is None else "too old")
        elif decision:
            self._metrics.lookups.labels("done without").inc()
            self._tell(job, registration, replace(decision, telling=Telling.COUNT), alone=True)
        else:
            self._put_off(job, now + DENIED_PAUSE)

    def _tell(self, job: Job, registration: Registration, decision: Decision, *, alone: bool = False) -> None:
        headline = job.headline if decision.telling is Telling.DETAILS else None
        shown: dict[str, Any] = {"kind": "announce", "alone": alone}
        if headline is not None:
            shown = {
                "kind": "details", "sender": headline.name, "subject": headline.subject, "snippet": headline.snippet,
            }  # fmt: skip
        job.notice = Notice(
            id=notice_id(registration.target, job.item), registration=registration.id,
            device=registration.wishes.device, item=job.item, arrived=job.arrived, **shown,
        )  # fmt: skip
        self._send(job, registration)

    def _send(self, job: Job, registration: Registration) -> None:
        channel = self._channels.get(registration.wishes.gateway)
        if channel is None:
            self._finish(job, "no such gateway")
            return
        channel.put(registration.wishes.device if channel.by_key else registration.id, job)
        self.stir()

    async def _deliver(self, gateway: Gateway, way: Outgoing, jobs: list[Job]) -> list[Outcome]:
        notices = [job.notice for job in jobs if job.notice is not None]
        return await way.perform(gateway.deliver(notices, self._clock()))

    async def _look_up(self, jobs: list[Job]) -> list[Outcome]:
        """Headlines for jobs of one mailbox, and what follows from them."""
        assert self._exchange is not None
        way, url = self._exchange
        now = self._clock()
        live = [(job, self._registry.get(job.registration)) for job in jobs]
        mailbox = next((entry.wishes.mailbox for _, entry in live if entry is not None), "")
        items = list(dict.fromkeys(job.item for job, entry in live if entry is not None))
        if not items:
            for job in jobs:
                self._finish(job, "not registered")
            return [DONE] * len(jobs)
        found = await way.perform(look_up(url, mailbox, items))
        if found.denied:
            self._denied[mailbox] = now + DENIED_PAUSE
            note("denied", logging.ERROR, reason=found.denied, registration=jobs[0].registration)
        outcomes = []
        for job, registration in live:
            headline = found.headlines.get(job.item)
            if registration is None:
                self._finish(job, "not registered")
            elif headline is not None:
                self._metrics.lookups.labels("found").inc()
                self._with_details(job, registration, headline)
            elif job.item in found.gone:
                self._metrics.lookups.labels("gone").inc()
                self._finish(job, "the message is gone")
            elif found.denied:
                self._metrics.lookups.labels("denied").inc()
                self._without_details(job, now)
            else:
                self._metrics.lookups.labels("later").inc()
                if now - job.arrived > self._limits.details_wait:
                    self._without_details(job, now)
                else:
                    outcomes.append(Outcome(Verdict.AGAIN, "not answered"))
                    continue
            outcomes.append(DONE)
        return outcomes

    def _with_details(self, job: Job, registration: Registration, headline: Headline) -> None:
        decision = _decided(self._rules(registration, job), job.arrived, headline.sender)
        if headline.received is not None and job.arrived - headline.received > self._limits.remember:
            self._finish(job, "old mail")
        elif not decision:
            self._finish(job, decision.reason)
        else:
            job.headline = headline
            self._tell(job, registration, decision)

    def _finish(self, job: Job, reason: str = "") -> None:
        """Done with it, one way or the other."""
        if reason:
            self._metrics.dropped.labels(reason).inc()
        if job.entry is None:
            self._woken.discard(job.registration)
            return
        self._held -= 1
        self._finished.append(job.entry.number)
        self.total -= 1
        self._metrics.waiting.set(self.total)
        self.pending[job.registration] -= 1
        if self.pending[job.registration] <= 0:
            del self.pending[job.registration]

    async def _flush(self) -> None:
        numbers, self._finished = self._finished, []
        if not numbers:
            return
        try:
            await self._ledger.done(numbers)
        except EmailplusError as problem:  # they stay in the queue, and are sent again under the same id
            note("ledger", logging.ERROR, problem=type(problem).__name__)
            self._finished += numbers
            await asyncio.sleep(1)

    # -- when

    def _put_off(self, job: Job, until: float) -> None:
        self._serial += 1
        heapq.heappush(self._later, (until, self._serial, job))

    def _allowed(self, job: Job, now: float) -> bool:
        """Whether this device may be told of one more now (a bucket of `limits.per_minute`); else it waits."""
        most = float(self._limits.per_minute)
        left, since = self._allowances.get(job.registration, (most, now))
        left = min(most, left + (now - since) * most / 60)
        job.counted = True
        self._allowances[job.registration] = (left - 1, now)
        if left >= 1:
            return True
        self._put_off(job, now + (1 - left) * 60 / most)
        return False

    def _wake(self, now: float) -> None:
        """Interval push: each registration at its own moment of the interval, so that not all come at once."""
        for identity, last in self._waking.items():
            registration = self._registry.get(identity)
            if registration is None:
                continue
            interval = registration.wishes.interval
            tick = (now - int(identity[:8], 16) % interval) // interval
            if tick > last:
                self._waking[identity] = tick
                if identity in self._woken:
                    continue
                self._woken.add(identity)
                notice = Notice(
                    id=notice_id(registration.target, f"tick {int(tick)}"), kind="wake",
                    registration=identity, device=registration.wishes.device, arrived=now,
                )  # fmt: skip
                self._begin(Job(identity, now, notice=notice, counted=True))

    def schedule(self, now: float) -> Mapping[str, float]:
        """Bring the interval pushes up to the registrations in force, and forget what is over."""
        waking = {}
        for entry in self._registry:
            if entry.wishes.mode == "interval" and now < entry.expires:
                tick = (now - int(entry.id[:8], 16) % entry.wishes.interval) // entry.wishes.interval
                waking[entry.id] = self._waking.get(entry.id, tick)
        self._waking = waking
        self._denied = {name: until for name, until in self._denied.items() if until > now}
        idle = [name for name, (_, since) in self._allowances.items() if now - since > 120]
        for name in idle:
            del self._allowances[name]
        return waking

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _decided(rules: Rules, arrived: float, sender: str) -> Decision:
    return decide(rules, Occasion(at=datetime.fromtimestamp(arrived, UTC), sender=sender))
