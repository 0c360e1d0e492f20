"""Text messages (class SMS, MS-ASMS): beside the mail, from 14.0 on, for a user who wants them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emailplus.eas.tree import child, each, text
from emailplus.mock.items import TEXT_MESSAGE

from .world import World, deliver, mail

SMS = (
    b'From: "Bob" <[MOBILE:+15550100]>\r\nTo: <[MOBILE:+15550111]>\r\nSubject: At the gate\r\n\r\nI am at the gate\r\n'
)


def _asked(world: World) -> set[str]:
    """The classes that any Sync named in its Options."""
    return {
        text(options, "AirSync:Class")
        for request in world.exchange.requests.of("Sync")
        if request.tree is not None
        for collection in each(child(request.tree, "AirSync:Collections"), "AirSync:Collection")
        for options in each(collection, "AirSync:Options")
    }


def _subjects(world: World) -> list[str]:
    with world.open() as mailbox:
        mailbox.sync()
        return sorted(message.subject for message in mailbox.search())


def _choose(world: World, wanted: bool) -> None:
    with world.open() as mailbox:
        mailbox.settings.choose("sync_text_messages", wanted)


@pytest.mark.parametrize("version", ["14.0", "14.1", "16.0", "16.1"])
def test_text_messages_come_for_who_wants_them(make_world: Callable[..., World], version: str) -> None:
    """MS-ASCMD_R907: "Only SMS messages and email messages can be synchronized at the same time." """
    world = make_world(versions=(version,))
    deliver(world.alice, mail("Lunch"))
    world.alice.deliver(SMS, text_message=True)
    assert _subjects(world) == ["Lunch"]
    assert "SMS" not in _asked(world)
    _choose(world, True)
    assert _subjects(world) == ["At the gate", "Lunch"]
    with world.open() as mailbox:
        (found,) = mailbox.search('"at the gate"')
        assert found.message_class == TEXT_MESSAGE
        assert "+15550100" in found.sender
        assert mailbox.message(found.id).text.strip() == "I am at the gate"
    world.alice.deliver(SMS.replace(b"At the gate", b"Gone again"), text_message=True)
    assert _subjects(world) == ["At the gate", "Gone again", "Lunch"]
    assert {"Email", "SMS"} <= _asked(world)
    _choose(world, False)
    assert _subjects(world) == ["Lunch"]


@pytest.mark.parametrize("version", ["2.5", "12.1"])
def test_before_14_there_are_none(make_world: Callable[..., World], version: str) -> None:
    world = make_world(versions=(version,))
    deliver(world.alice, mail("Lunch"))
    world.alice.deliver(SMS, text_message=True)
    _choose(world, True)
    assert _subjects(world) == ["Lunch"]
    assert "SMS" not in _asked(world)
