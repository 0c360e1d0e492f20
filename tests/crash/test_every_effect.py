"""A synchronisation stopped at each of its effects, and run again: the result is that of a run nobody stopped.

The process dies right before an effect, or right after it was performed and before the flow learns of it. Both leave
the store and the server as they are at that moment; the server's state of the device is put back for every stop, and
the store starts from the same file.
"""

from __future__ import annotations

import contextlib
import copy
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from emailplus import account, driver
from emailplus.classification.classifier import from_config
from emailplus.eas.flows.synchronise import RunPlan, synchronise
from emailplus.errors import EmailplusError
from emailplus.flow import Commit, Http, HttpToSink
from emailplus.mock import CutAfter, Rewrite, Status
from emailplus.model.events import WindowStored
from emailplus.reconfigure import put_in_force
from emailplus.settings import MailboxSettings
from emailplus.store.store import Store

from ..flows.world import KEY, NOW, World, deliver, mail, noise, poison, snapshot

TORTURE = bool(os.environ.get("EMAILPLUS_TORTURE"))
KEYS = {"email_max_attachment": "1", "email_max_body_size": "1"}


@dataclass
class Outcome:
    effects: int
    ended: bool
    counts: tuple[int, int, int]
    kinds: list[type]
    reading: set[int]
    """Numbers of the effects that leave the store and the server as they were."""


class Stepper:
    """Runs a synchronisation up to a chosen effect, the store closed behind it as a dead process leaves it."""

    def __init__(self, world: World, keys: dict[str, Any], period: int | None = None) -> None:
        self.world = world
        self.config = world.config(**{**KEYS, **keys})
        self.period = period
        self.network = account.network(self.config, "alice-secret")

    def run(self, stop: int | None = None, *, after: bool = False) -> Outcome:
        store = Store.open(self.world.path, KEY, lock=True)
        try:
            put_in_force(store, self.config, now=NOW)
            settings = MailboxSettings(store, lambda: self.config).in_force()
            decide = account.mail_decision(
                self.config,
                NOW,
                settings,
                period=self.period,
                tell_messages=False,
                classifier=from_config(self.config)[0],
            )
            flow = synchronise(account.session(self.config), RunPlan(decide, NOW.timestamp()))
            with contextlib.closing(driver._Line(self.network)) as line:
                return self._drive(flow, line, self.network, store, stop, after)
        finally:
            store.close()

    def _drive(self, flow: Any, line: Any, network: Any, store: Store, stop: int | None, after: bool) -> Outcome:
        outcome = Outcome(0, False, (0, 0, 0), [], set())
        counts = [0, 0, 0]

        def tell(event: Any) -> None:
            if isinstance(event, WindowStored):
                counts[0] += event.added
                counts[1] += event.changed
                counts[2] += event.deleted + event.expired

        result: Any = None
        failure: EmailplusError | None = None
        try:
            while True:
                effect = flow.throw(failure) if failure is not None else flow.send(result)
                result, failure = None, None
                if outcome.effects == stop and not after:
                    break
                try:
                    result = driver._perform(effect, line, network, store, tell)
                except EmailplusError as problem:
                    failure = problem
                outcome.kinds.append(type(effect))
                asks = isinstance(effect, Http) and (
                    effect.request.method == "OPTIONS" or "Cmd=GetItemEstimate" in effect.request.url
                )
                if asks or not isinstance(effect, (Http, HttpToSink, Commit)):
                    outcome.reading.add(outcome.effects)
                if outcome.effects == stop:
                    break
                outcome.effects += 1
        except StopIteration:
            outcome.ended = True
        finally:
            flow.close()
        outcome.counts = (counts[0], counts[1], counts[2])
        return outcome


def _fill(world: World) -> list[str]:
    box = world.alice
    box.create_folder("Projects")
    box.create_folder("Deep", parent="Projects")
    ids = [deliver(box, mail(f"plain {number}", f"text {number}\n"), days=number + 1) for number in range(6)]
    ids.append(deliver(box, mail("large", attachments=(("big.bin", noise(200_000)), ("small.bin", noise(900, 2))))))
    ids.append(deliver(box, mail("too large", attachments=(("huge.bin", noise(1_100_000, 3)),))))
    ids.append(deliver(box, mail("long", "".join(f"line {number}\n" for number in range(28_000)))))
    ids.append(deliver(box, mail("poisoned")))
    ids.append(deliver(box, mail("deep", attachments=(("two.bin", noise(5_000, 4)),)), folder="Deep", days=3))
    ids.append(deliver(box, mail("late", "old\n"), days=6.5))
    return ids


def _first(world: World, ids: list[str]) -> None:
    """Nothing is there yet."""


def _changes(world: World, ids: list[str]) -> None:
    box = world.alice
    for number in range(3):
        deliver(box, mail(f"new {number}", attachments=((f"{number}.bin", noise(120_000, number)),)))
    box.mark_read(ids[0])
    box.categorise(ids[1], "blue", "green")
    box.delete(ids[2])
    box.move(ids[3], "Projects")
    box.move(ids[6], "Deep")
    box.replace(ids[4], mail("plain 4", "other text\n"))
    world.clock.now += timedelta(days=1)  # "late" falls out of the week: a soft delete


def _forget(world: World, ids: list[str]) -> None:
    _changes(world, ids)
    world.exchange.forget_sync_state("alice")


def _folders(world: World, ids: list[str]) -> None:
    box = world.alice
    box.create_folder("Fresh", parent="Projects")
    box.rename_folder("Deep", name="Deeper")
    box.delete_folder("Junk Email")
    deliver(box, mail("in fresh"), folder="Fresh")


SCENARIOS: dict[str, tuple[Callable[[World, list[str]], None], bool]] = {
    "first sync": (_first, False),
    "changes": (_changes, True),
    "forgotten state": (_forget, True),
    "folders": (_folders, True),
}


class Laboratory:
    """One scenario: the store and the device as they are before the run that is stopped."""

    def __init__(self, world: World, name: str, version: str | None = None) -> None:
        change, synced = SCENARIOS[name]
        self.world = world
        self.checks = 0
        ids = _fill(world)
        world.exchange.faults.add(Rewrite(poison("poisoned")), "Sync", times=None)
        # The large attachment is cut once in every run that begins it: it goes on by Range.
        self.stepper = Stepper(world, {}, period=3)
        if synced:
            assert self.stepper.run().ended
        else:
            Store.open(world.path, KEY).close()
        change(world, ids)
        self._stores = [path for path in world.folder.iterdir() if path.is_file()]
        self._keep = world.folder / "before"
        self._keep.mkdir()
        for path in self._stores:
            shutil.copy(path, self._keep)
        self._devices = copy.deepcopy(world.exchange.devices)

    def reset(self) -> None:
        for path in self.world.folder.iterdir():
            if path.is_file():
                path.unlink()
        for path in self._keep.iterdir():
            shutil.copy(path, self.world.folder)
        self.world.exchange.devices.clear()
        self.world.exchange.devices.update(copy.deepcopy(self._devices))

    def check(self, wanted: dict[str, Any], where: str) -> None:
        """The run after the stop, and one more that finds nothing to do."""
        resumed = self.stepper.run()
        assert resumed.ended, where
        found = self.world.snapshot()
        assert found == wanted, f"{where}: {_difference(found, wanted)}"
        self.checks += 1
        if self.checks % 3 and not TORTURE:
            return
        third = self.stepper.run()
        assert third.ended, where
        assert third.counts == (0, 0, 0), f"{where}: the run after it changed {third.counts}"
        if TORTURE:
            assert self.world.snapshot() == wanted, f"{where}: the run after it changed the store"


def _difference(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    told = []
    for name, value in wanted.items():
        if found[name] == value:
            continue
        if isinstance(value, dict):
            for key in value.keys() | found[name].keys():
                if value.get(key) != found[name].get(key):
                    told.append(f"{key}: {str(found[name].get(key))[:300]} instead of {str(value.get(key))[:300]}")
        else:
            told.append(f"{name}: {str(found[name])[:300]} instead of {str(value)[:300]}")
    return "; ".join(told)


def _whole(laboratory: Laboratory) -> tuple[Outcome, dict[str, Any]]:
    """The run that nobody stops; what is right about its result is looked at here."""
    laboratory.reset()
    outcome = laboratory.stepper.run()
    assert outcome.ended
    found = laboratory.world.snapshot()
    box = laboratory.world.alice
    border = laboratory.world.clock.now - timedelta(days=7)
    there = {(folder.server_id, item.server_id) for folder, item in box.walk() if item.received >= border}
    held = set(found["messages"]) | {(row[0].partition(":")[0], row[0]) for row in found["quarantine"]}
    assert held == there
    assert len(found["quarantine"]) == 1
    for name in ("gone", "open passes", "unindexed", "incomplete blobs", "ownerless blobs", "unused blobs"):
        assert found[name] == 0, name
    assert found["ownerless chunks"] == 0
    assert found["damage"] == []
    assert found["index entries"] == found["count"]
    big = [row for row in found["messages"].values() if row[0] == "large"]
    assert [attachment[5] for attachment in big[0][-1]] == [noise(200_000), noise(900, 2)]
    return outcome, found


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_stopped_at_every_effect(world: World, name: str, after: bool) -> None:
    laboratory = Laboratory(world, name)
    outcome, wanted = _whole(laboratory)
    assert outcome.effects > 10
    for number, kind in enumerate(outcome.kinds):
        # An effect that only reads leaves everything as the one before it did, and "before" an effect is "after" the
        # last; so these are all the states there are, and the rest is for thoroughness.
        if not TORTURE and (number in outcome.reading if after else number % 12):
            continue
        laboratory.reset()
        stopped = laboratory.stepper.run(number, after=after)
        assert not stopped.ended
        laboratory.check(wanted, f"effect {number} ({kind.__name__})")


@pytest.mark.parametrize("name", SCENARIOS)
def test_stopped_again_and_again(world: World, name: str) -> None:
    """Several stops one behind the other, at places drawn by lot."""
    laboratory = Laboratory(world, name)
    outcome, wanted = _whole(laboratory)
    drawn = random.Random(name)
    for _ in range(60 if TORTURE else 4):
        laboratory.reset()
        places = []
        for _ in range(drawn.randint(2, 6)):
            place, after = drawn.randrange(outcome.effects), drawn.random() < 0.5
            places.append((place, after))
            if laboratory.stepper.run(place, after=after).ended:
                break
        laboratory.check(wanted, f"stops {places}")


@pytest.mark.parametrize("at", [0, 1_000, 150_000, 200_100])
def test_download_cut_and_process_stopped(world: World, at: int) -> None:
    """The connection is cut inside the large attachment and the process dies before it can go on: Range does."""
    laboratory = Laboratory(world, "first sync")
    outcome, wanted = _whole(laboratory)
    last = max(number for number, kind in enumerate(outcome.kinds) if issubclass(kind, HttpToSink))
    laboratory.reset()
    is_large = lambda request: b"1%3a7%3a0" in request.body or b"1:7:0" in request.body  # noqa: E731
    world.exchange.faults.add(CutAfter(at), "ItemOperations", when=is_large)
    before = len(world.exchange.requests.of("ItemOperations"))
    laboratory.stepper.run(last, after=True)
    laboratory.check(wanted, f"cut behind {at} bytes")
    ranges = [r for r in world.exchange.requests.of("ItemOperations")[before:] if b"-999999999" in r.body]
    assert bool(ranges) == (at >= 1_000)


def test_stopped_in_the_middle_of_a_resync_nothing_is_missing(world: World) -> None:
    """While the new pass is open, what the old state brought stays readable."""
    laboratory = Laboratory(world, "forgotten state")
    before_files = {path.name for path in laboratory._keep.iterdir()}
    assert "store.db" in before_files
    laboratory.reset()
    held = set(world.snapshot()["messages"])
    outcome, wanted = _whole(laboratory)
    complete = False
    for number in range(0, outcome.effects, 1 if TORTURE else 5):
        laboratory.reset()
        laboratory.stepper.run(number)
        with Store.open(world.path, KEY) as store:
            inbox_open = store.database.scalar("SELECT pass_open OR sync_key = '0' FROM folders WHERE type = 2")
            found = snapshot(store)
        if inbox_open:
            assert {key for key in held if key[0] == "1"} <= set(found["messages"])
        complete = complete or not inbox_open
    assert complete
    assert wanted["count"] == len(held) + 1  # three new, one deleted, one out of the week


def test_a_stop_after_a_refused_command(world: World) -> None:
    """A failed request leaves the keys alone: the next run asks again."""
    laboratory = Laboratory(world, "changes")
    _, wanted = _whole(laboratory)
    laboratory.reset()
    world.exchange.faults.add(Status(110), "Sync")
    with pytest.raises(EmailplusError, match="110"):
        laboratory.stepper.run()
    laboratory.check(wanted, "status 110")
