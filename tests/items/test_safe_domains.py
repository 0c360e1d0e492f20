"""Invites and `email_safe_domains`: asked before anybody outside hears of one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from emailplus.errors import ConfirmationNeeded, Declined
from emailplus.model.event import Attendee, Event
from emailplus.model.questions import UnsafeRecipients

from ..flows.world import World

START = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
KEYS = {"email_safe_domains": "example.test", "email_alert_unsafe_domains": "true"}


def invite(*people: str) -> Event:
    attendees = tuple(Attendee(email=address, name=name) for name, _, address in (p.rpartition("|") for p in people))
    return Event(subject="Plan", start=START, end=START + timedelta(hours=1), timezone="Etc/UTC", attendees=attendees)


@pytest.mark.parametrize(
    ("keys", "people", "tell", "asked"),
    [
        (KEYS, ("bob@example.test", "boss@example.test|eve@evil.example"), True, True),
        (KEYS, ("bob@example.test",), True, False),
        (KEYS, ("eve@evil.example",), False, False),  # nobody is told
        ({**KEYS, "email_alert_unsafe_domains": "false"}, ("eve@evil.example",), True, False),
        ({"email_alert_unsafe_domains": "true"}, ("eve@evil.example",), True, False),  # no safe domains are set
        ({**KEYS, "email_safe_domains": "*"}, ("eve@evil.example",), True, False),
    ],
)
def test_an_invite_asks(world: World, keys: dict[str, Any], people: tuple[str, ...], tell: bool, asked: bool) -> None:
    with world.open(keys) as mailbox:
        mailbox.sync(version="14.1")
        if not asked:
            assert mailbox.create_item(invite(*people), send_updates=tell)
            return
        with pytest.raises(ConfirmationNeeded) as caught:
            mailbox.create_item(invite(*people), send_updates=tell)
        assert isinstance(caught.value.question, UnsafeRecipients)
        assert caught.value.question.addresses == ("eve@evil.example",)
        with pytest.raises(Declined):
            mailbox.create_item(invite(*people), send_updates=tell, confirm=lambda _: "cancel")
        assert mailbox.waiting_changes() == []
        assert mailbox.create_item(invite(*people), send_updates=tell, confirm=lambda _: "proceed")


def test_a_changed_invite_asks(world: World) -> None:
    with world.open(KEYS) as mailbox:
        mailbox.sync(version="14.1")
        number = mailbox.create_item(invite("bob@example.test"), send_updates=True)
        mailbox.change_item(number, subject="Plans", send_updates=True)
        added = (Attendee(email="eve@evil.example"),)
        with pytest.raises(ConfirmationNeeded):
            mailbox.change_item(number, attendees=added, send_updates=True)
        mailbox.change_item(number, attendees=added, send_updates=True, confirm=lambda _: "proceed")
