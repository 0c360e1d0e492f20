"""An event forwarded by the server, from 16.0 on (MS-ASCMD 2.2.3.79): to whom, by whom, once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emailplus.eas.wbxml import Node
from emailplus.errors import CommandFailed, ConfirmationNeeded, NotFound, NotOffered, UsageError
from emailplus.mock import LoseResponse

from ..flows.world import World, deliver, mail
from ..items.two import SAMPLES
from ..mock.client import Client, value
from ..mock.validate import problems
from .test_meetings import request


def invited(world: World, version: str) -> int:
    """Bob's meeting in alice's calendar; its id here."""
    deliver(world.alice, request())
    with world.open() as mailbox:
        mailbox.sync(version=version)
        mailbox.respond(mailbox.search("subject:planning")[0].id, "accept")
        mailbox.sync()
        (made,) = mailbox.store.database.all("SELECT id FROM items WHERE class = 'Calendar'")
    return int(made[0])


@pytest.mark.parametrize("version", ["16.0", "16.1"])
def test_an_event_is_forwarded(make_world: Callable[..., World], version: str) -> None:
    """MS-ASCMD_R7487, MS-ASCMD_R6620, MS-ASCMD_R6650: the organiser stays the same, each forwardee gets it once."""
    world = make_world(versions=(version,))
    number = invited(world, version)
    world.exchange.faults.add(LoseResponse(), "SmartForward")
    with world.open() as mailbox:
        mailbox.forward_event(number, "Carol <carol@example.test>", text="Will you go?")
    (got,) = world.exchange.user("carol").items()
    assert b"ORGANIZER:mailto:bob@example.test" in got.raw
    assert b"METHOD:REQUEST" in got.raw
    assert b"Will you go?" in got.raw
    assert b"From: " in got.raw
    assert b"alice@example.test" in got.raw
    sent = world.exchange.requests.of("SmartForward")
    assert len(sent) == 2
    assert sent[0].tree is not None
    assert problems(sent[0].tree, version, "Request") == []


def test_what_is_not_forwarded(make_world: Callable[..., World]) -> None:
    world = make_world(versions=("16.1",))
    number = invited(world, "16.1")
    safe = {"email_safe_domains": "example.test", "email_alert_unsafe_domains": "true"}
    with world.open(safe) as mailbox:
        with pytest.raises(ConfirmationNeeded):
            mailbox.forward_event(number, "someone@elsewhere.test")
        with pytest.raises(UsageError):
            mailbox.forward_event(number, "nobody")
        note = mailbox.create_item(SAMPLES["Notes"]("list"))
        with pytest.raises(UsageError):
            mailbox.forward_event(note, "carol@example.test")
        fresh = mailbox.create_item(SAMPLES["Calendar"]("new"))
        with pytest.raises(NotFound):
            mailbox.forward_event(fresh, "carol@example.test")
        world.alice.delete(world.alice.items("Calendar")[0].server_id)
        with pytest.raises(CommandFailed) as caught:
            mailbox.forward_event(number, "carol@example.test")
        assert caught.value.status == 150
    assert world.exchange.requests.problems() == []


def test_below_16_it_is_not_offered(make_world: Callable[..., World]) -> None:
    world = make_world(versions=("14.1",))
    number = invited(world, "14.1")
    with world.open() as mailbox, pytest.raises(NotOffered):
        mailbox.forward_event(number, "carol@example.test")


def test_the_mock_refuses_what_cannot_be(make_world: Callable[..., World]) -> None:
    """MS-ASCMD_R7467, MS-ASCMD_R7468, MS-ASCMD_R7470, MS-ASCMD_R7177."""
    world = make_world(versions=("16.0",))
    deliver(world.alice, mail("x"))
    event = world.alice.add_item("Calendar", [("Calendar:Subject", "e"), ("Calendar:StartTime", "20261201T090000Z")])
    client = Client(world.exchange, version="16.0", device="other01")
    people: Node = ("ComposeMail:Forwardees", [("ComposeMail:Forwardee", [("ComposeMail:Email", "bob@example.test")])])
    nobody: Node = ("ComposeMail:Forwardees", [("ComposeMail:Forwardee", [("ComposeMail:Name", "Bob")])])
    body: Node = ("AirSyncBase:Body", [("AirSyncBase:Type", "1"), ("AirSyncBase:Data", "x")])
    mime: Node = ("ComposeMail:Mime", mail("x"))

    def forward(item: str, *more: Node) -> object:
        place: list[Node] = [("ComposeMail:FolderId", item.partition(":")[0]), ("ComposeMail:ItemId", item)]
        nodes: list[Node] = [("ComposeMail:ClientId", f"c{len(more)}"), ("ComposeMail:Source", place), *more]
        return value(client.command("SmartForward", ("ComposeMail:SmartForward", nodes)).tree, "Status")

    assert forward(event, mime, people) == "178"
    assert forward(event, mime, body) == "178"
    assert forward("1:1", people) == "178"
    assert forward(event, nobody) == "179"
    assert forward(event, people, body) is None
    world.exchange.requests.clear()
