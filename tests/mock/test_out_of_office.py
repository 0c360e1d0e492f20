"""Automatic replies of the mock: to whom, how often, never to machines (RFC 3834; MS-ASCMD 2.2.3.116)."""

from __future__ import annotations

import email
import email.policy
from datetime import timedelta
from typing import Any

import pytest

from emailplus.eas.wbxml import Node
from emailplus.mock import MockExchange

from .client import Client, value
from .conftest import NOW, Clock


def letter(sender: str, subject: str = "Lunch?", *fields: str) -> bytes:
    head = [f"From: {sender}", "To: bob@example.test", f"Subject: {subject}", "Message-ID: <q@example.test>", *fields]
    return "\r\n".join([*head, "", "Hello", ""]).encode()


def away(exchange: MockExchange, state: str = "1", *more: Node) -> None:
    """Bob says, audience by audience, that he is away."""
    client = Client(exchange, user="bob", device="bobs")
    messages: list[Node] = []
    for audience in ("AppliesToInternal", "AppliesToExternalKnown", "AppliesToExternalUnknown"):
        words: list[Node] = [("Settings:ReplyMessage", f"Away: {audience}"), ("Settings:BodyType", "Text")]
        messages.append(("Settings:OofMessage", [(f"Settings:{audience}", None), ("Settings:Enabled", "1"), *words]))
    wanted: Node = ("Settings:Set", [("Settings:OofState", state), *more, *messages])
    tree: Node = ("Settings:Settings", [("Settings:Oof", [wanted])])
    assert value(client.command("Settings", tree).tree, "Oof/Status") == "1"


def send(exchange: MockExchange, raw: bytes) -> None:
    exchange.submit(raw, ["bob@example.test"])


def replies(exchange: MockExchange, name: str = "alice") -> list[Any]:
    return [
        email.message_from_bytes(item.raw, policy=email.policy.default) for item in exchange.user(name).items("Inbox")
    ]


def test_everybody_gets_one_reply(exchange: MockExchange) -> None:
    send(exchange, letter("alice@example.test"))
    assert replies(exchange) == []
    away(exchange)
    for subject in ("Lunch?", "Dinner?"):
        send(exchange, letter("Alice <alice@example.test>", subject))
    (got,) = replies(exchange)
    assert got["Subject"] == "Automatic reply: Lunch?"
    assert got["Auto-Submitted"] == "auto-replied"
    assert got["In-Reply-To"] == "<q@example.test>"
    assert got.get_content().strip() == "Away: AppliesToInternal"
    away(exchange)  # set anew: everybody hears of it once more
    send(exchange, letter("alice@example.test"))
    assert len(replies(exchange)) == 2


def test_audiences(exchange: MockExchange) -> None:
    away(exchange)
    exchange.user("bob").add_item("Contacts", [("Contacts:Email1Address", "known@elsewhere.test")])
    send(exchange, letter("known@elsewhere.test"))
    send(exchange, letter("unknown@elsewhere.test"))
    told = dict(exchange.undelivered)
    assert b"Away: AppliesToExternalKnown" in told["known@elsewhere.test"]
    assert b"Away: AppliesToExternalUnknown" in told["unknown@elsewhere.test"]


@pytest.mark.parametrize("field", ["Auto-Submitted: auto-generated", "Precedence: bulk", "List-Id: <l.example.test>"])
def test_machines_get_none(exchange: MockExchange, field: str) -> None:
    away(exchange)
    send(exchange, letter("alice@example.test", "News", field))
    send(exchange, letter("bob@example.test"))
    assert replies(exchange) == []


def test_two_who_are_away_do_not_answer_each_other_for_ever(exchange: MockExchange) -> None:
    away(exchange)
    exchange.out_of_office["alice@example.test"] = exchange.out_of_office["bob@example.test"]
    send(exchange, letter("alice@example.test"))
    assert len(replies(exchange)) == 1


def test_a_scheduled_reply_keeps_its_time(exchange: MockExchange, clock: Clock) -> None:
    start, end = (f"{NOW + timedelta(days=n):%Y-%m-%dT%H:%M:%S}.000Z" for n in (1, 3))
    away(exchange, "2", ("Settings:StartTime", start), ("Settings:EndTime", end))
    for day, expected in ((0, 0), (2, 1), (4, 1)):
        clock.now = NOW + timedelta(days=day)
        send(exchange, letter("alice@example.test"))
        assert len(replies(exchange)) == expected
