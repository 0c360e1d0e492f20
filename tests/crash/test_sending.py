"""Sending stopped at each of its effects, and run again: exactly one message arrives.

The process dies right before an effect, or right after it was performed and before the flow learns of it. What the
server did by then stays done; the outbox has to find out.
"""

from __future__ import annotations

import contextlib
import email
import os
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from emailplus import account, driver
from emailplus.eas.flows.begin import begin
from emailplus.eas.flows.synchronise import send_outbox
from emailplus.errors import EmailplusError
from emailplus.flow import Commit, Http
from emailplus.mailbox import Mailbox
from emailplus.mock import LoseResponse
from emailplus.model.outbox import OutboxState

from ..flows.world import World, deliver, mail, noise

TORTURE = bool(os.environ.get("EMAILPLUS_TORTURE"))
VERSIONS = ("2.5", "12.1", "14.1", "16.1")


@dataclass
class Stop:
    """Where the flow stops: at effect `number`, before or after it is performed."""

    number: int | None = None
    after: bool = False
    changing: list[int] | None = None
    """Filled with the numbers of the effects that change the store or the server."""


def run(world: World, stop: Stop) -> int:
    """Drive the sending flow up to a stop; the effects that were performed (-1: it ended by itself)."""
    with world.open() as mailbox:
        session = account.session(mailbox.config)
        plan = mailbox._send_plan()

        def whole() -> Any:
            yield from begin(session, plan.now)
            return (yield from send_outbox(session, plan))

        network = account.network(mailbox.config, "alice-secret")
        flow = whole()
        result: Any = None
        failure: EmailplusError | None = None
        count = 0
        try:
            with contextlib.closing(driver._Line(network)) as line:
                while True:
                    effect = flow.throw(failure) if failure is not None else flow.send(result)
                    result, failure = None, None
                    if count == stop.number and not stop.after:
                        return count
                    try:
                        result = driver._perform(effect, line, network, mailbox.store, None)
                    except EmailplusError as problem:
                        failure = problem
                    if stop.changing is not None and isinstance(effect, (Commit, Http)):
                        stop.changing.append(count)
                    if count == stop.number:
                        return count
                    count += 1
        except StopIteration:
            return -1 if stop.number is not None else count
        finally:
            flow.close()


def compose(mailbox: Mailbox) -> list[Any]:
    """A new message, a reply and a forward, in the outbox."""
    number = mailbox.search("plan")[0].id
    return [
        mailbox.new(to="bob@example.test", subject="New", text="Hello"),
        mailbox.reply(number, text="Good."),
        mailbox.forward(number, to="bob@example.test", text="Look."),
    ]


class Laboratory:
    def __init__(self, world: World) -> None:
        self.world = world
        deliver(world.alice, mail("Plan", "Old\n", attachments=(("a.bin", noise(70_000)),)))
        self.other = deliver(world.alice, mail("New"), folder="Sent Items")  # not the one that is looked for
        world.sync()
        with world.open() as mailbox:
            for draft in compose(mailbox):
                mailbox._queue(draft, None)
        self.keep = world.folder / "before"
        self.keep.mkdir()
        for path in self.files():
            shutil.copy(path, self.keep)
        self.wanted = {"New": 1, "Re: Plan": 1, "Fwd: Plan": 1}

    def files(self) -> list[Path]:
        return [path for path in self.world.folder.iterdir() if path.is_file()]

    def reset(self) -> None:
        for path in self.files():
            path.unlink()
        for path in self.keep.iterdir():
            shutil.copy(path, self.world.folder)
        bob = self.world.exchange.user("bob")
        for item in bob.items():
            bob.delete(item.server_id)
        for item in self.world.alice.items("Sent Items"):
            if item.server_id != self.other:
                self.world.alice.delete(item.server_id)
        self.world.exchange.forget_sync_state("alice")
        for device in self.world.exchange.devices_of("alice"):
            device.sent.clear()

    def check(self, where: str) -> None:
        """Run until nothing waits: at most three more runs, a pause before each."""
        for _ in range(3):
            self.world.clock.now += timedelta(seconds=150)
            run(self.world, Stop())
        found = Counter(
            email.message_from_bytes(item.raw)["Subject"] for item in self.world.exchange.user("bob").items()
        )
        assert found == self.wanted, where
        with self.world.open() as mailbox:
            assert {entry.state for entry in mailbox.outbox()} == {OutboxState.CONFIRMED}, where
            assert mailbox.drafts() == []
            assert mailbox.store.database.scalar("SELECT count(*) FROM blobs WHERE kind LIKE 'outbox%'") == 0
            assert mailbox.store.database.scalar("SELECT count(*) FROM blobs WHERE kind = 'draft'") == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_stopped_at_every_effect(make_world: Callable[..., World], version: str) -> None:
    world = make_world(versions=(version,), cookies=False)
    laboratory = Laboratory(world)
    laboratory.reset()
    changing: list[int] = []
    effects = run(world, Stop(changing=changing))
    assert effects > 10
    laboratory.check("not stopped")
    # What only reads leaves everything as it was, and before an effect is after the last one.
    stops = [(number, True) for number in changing]
    if TORTURE:
        stops = [(number, after) for number in range(effects) for after in (False, True)]
    for number, after in stops:
        laboratory.reset()
        assert run(world, Stop(number, after)) == number
        laboratory.check(f"effect {number}, after {after}")


@pytest.mark.parametrize("version", VERSIONS)
def test_every_answer_is_lost_once(make_world: Callable[..., World], version: str) -> None:
    world = make_world(versions=(version,), cookies=False)
    laboratory = Laboratory(world)
    for command in ("SendMail", "SmartReply", "SmartForward"):
        world.exchange.faults.add(LoseResponse(), command)
    run(world, Stop())
    laboratory.check("answers lost")
    assert sum(len(world.exchange.requests.of(c)) for c in ("SendMail", "SmartReply", "SmartForward")) <= 6


def test_a_server_without_memory_for_client_ids(make_world: Callable[..., World]) -> None:
    """SOGo and its like take a ClientId twice: Sent Items alone keeps a message from going out again."""
    world = make_world(versions=("14.1",), cookies=False)
    laboratory = Laboratory(world)
    laboratory.reset()
    changing: list[int] = []
    run(world, Stop(changing=changing))
    laboratory.check("not stopped")
    for number in changing:
        laboratory.reset()
        run(world, Stop(number, True))
        for device in world.exchange.devices_of("alice"):
            device.sent.clear()
        laboratory.check(f"effect {number}")
