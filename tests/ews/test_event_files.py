"""Files of events: over ActiveSync from 16.0 on, over EWS below, never without `calendar_attachments`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from emailplus.errors import AttachmentTooLarge, EwsUnavailable, NotFound, PolicyDenied, ReadOnlyMailbox, UsageError
from emailplus.mailbox import AsyncMailbox, Mailbox
from emailplus.mock import MockExchange

EVENT = [
    ("Calendar:Subject", "Board meeting"), ("Calendar:StartTime", "20261201T090000Z"),
    ("Calendar:EndTime", "20261201T100000Z"), ("Calendar:UID", "UID-1"),
]  # fmt: skip
Open = Callable[..., Mailbox]


def event_id(mailbox: Mailbox, subject: str = "Board meeting") -> int:
    row = mailbox.store.database.one("SELECT id FROM items WHERE class = 'Calendar' AND title = ?", (subject,))
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize(("version", "way"), [("14.1", "ews"), ("16.0", "eas"), ("16.1", "eas")])
def test_files_come_and_go(exchange: MockExchange, open_mailbox: Open, version: str, way: str) -> None:
    server_id = exchange.user("alice").add_item("Calendar", list(EVENT))
    mailbox = open_mailbox()
    mailbox.sync(version=version)
    number = event_id(mailbox)
    assert mailbox.event_files(number) == []
    mailbox.attach_to_event(number, "agenda.txt", b"1. Welcome\n", "text/plain")
    mailbox.sync(version=version)
    (file,) = mailbox.event_files(number)
    assert (file.name, file.size, file.content_type, file.way) == ("agenda.txt", 11, "text/plain", way)
    assert mailbox.event_file(number, file.key) == b"1. Welcome\n"
    assert len(exchange.user("alice").find(server_id)[1].files) == 1
    mailbox.detach_from_event(number, file.key)
    mailbox.sync(version=version)
    assert mailbox.event_files(number) == []
    with pytest.raises(NotFound):
        mailbox.event_file(number, file.key)
    with pytest.raises(NotFound):
        mailbox.detach_from_event(number, file.key)
    over_ews = {"GetFolder", "FindItem", "GetItem", "GetAttachment", "CreateAttachment", "DeleteAttachment"}
    used = {request.command for request in exchange.requests if exchange.ews.is_ews(request.target)}
    assert used == (over_ews if way == "ews" else set())


def test_without_the_key_there_are_none_by_either_way(exchange: MockExchange, open_mailbox: Open) -> None:
    exchange.user("alice").add_item("Calendar", list(EVENT))
    mailbox = open_mailbox(calendar_attachments=None)
    mailbox.sync(version="14.1")
    number = event_id(mailbox)
    for call in (
        lambda: mailbox.event_files(number),
        lambda: mailbox.event_file(number, "x"),
        lambda: mailbox.attach_to_event(number, "a", b""),
        lambda: mailbox.detach_from_event(number, "x"),
    ):
        with pytest.raises(PolicyDenied) as denied:
            call()
        assert denied.value.rule == "calendar_attachments"
    assert not [request for request in exchange.requests if exchange.ews.is_ews(request.target)]
    mailbox.close()
    mailbox = open_mailbox(calendar_attachments="true")
    assert mailbox.event_files(number) == []
    assert exchange.requests.of("FindItem")


def test_ews_host_is_another_than_that_of_activesync(
    exchange: MockExchange, make_exchange: Callable[..., MockExchange], open_mailbox: Open
) -> None:
    """`email_ews_host` leads to EWS; without it the host of ActiveSync does."""
    other = make_exchange()
    for server in (exchange, other):
        server.user("alice").add_item("Calendar", list(EVENT))
    mailbox = open_mailbox(email_ews_host=other.url.split("/")[2])
    mailbox.sync(version="14.1")
    mailbox.event_files(event_id(mailbox))
    assert not exchange.requests.of("FindItem")
    assert len(other.requests.of("FindItem")) == 1
    mailbox.close()
    mailbox = open_mailbox()
    mailbox.event_files(event_id(mailbox))
    assert len(exchange.requests.of("FindItem")) == 1
    assert len(other.requests.of("FindItem")) == 1


def test_an_event_is_found_by_its_uid_among_others_at_its_time(exchange: MockExchange, open_mailbox: Open) -> None:
    alice = exchange.user("alice")
    alice.add_item("Calendar", [node if node[0] != "Calendar:UID" else (node[0], "UID-2") for node in EVENT])
    alice.add_item("Calendar", [("Calendar:Subject", "Second"), *EVENT[1:]])
    mailbox = open_mailbox()
    mailbox.sync(version="14.1")
    mailbox.attach_to_event(event_id(mailbox, "Second"), "second.txt", b"2")
    assert mailbox.event_files(event_id(mailbox)) == []
    assert [file.name for file in mailbox.event_files(event_id(mailbox, "Second"))] == ["second.txt"]


def test_limits_and_what_is_no_event(exchange: MockExchange, open_mailbox: Open) -> None:
    alice = exchange.user("alice")
    alice.add_item("Calendar", list(EVENT))
    alice.add_item("Contacts", [("Contacts:LastName", "Lee"), ("Contacts:FirstName", "Ann")])
    mailbox = open_mailbox(email_max_attachment="1")
    mailbox.sync(version="14.1")
    number = event_id(mailbox)
    with pytest.raises(AttachmentTooLarge):
        mailbox.attach_to_event(number, "large.bin", bytes((1 << 20) + 1))
    with pytest.raises(UsageError):
        mailbox.attach_to_event(number, "a\nb", b"")
    (contact,) = mailbox.contacts()
    with pytest.raises(UsageError):
        mailbox.event_files(contact.id)
    with pytest.raises(NotFound):
        mailbox.event_files(9999)
    assert not exchange.requests.of("CreateAttachment")
    mailbox.read_only = True
    with pytest.raises(ReadOnlyMailbox):
        mailbox.attach_to_event(number, "a", b"")


@pytest.mark.parametrize(("mode", "reason"), [("off", "not there"), ("blocked", "blocked"), ("retired", "retired")])
def test_a_server_without_ews_loses_nothing_else(
    exchange: MockExchange, open_mailbox: Open, mode: str, reason: str
) -> None:
    exchange.ews.set_mode(mode)
    exchange.user("alice").add_item("Calendar", list(EVENT))
    mailbox = open_mailbox()
    mailbox.sync(version="14.1")
    with pytest.raises(EwsUnavailable, match="ActiveSync") as off:
        mailbox.event_files(event_id(mailbox))
    assert off.value.reason == reason
    mailbox.sync(version="16.1")
    assert mailbox.event_files(event_id(mailbox)) == []


def test_awaitable(exchange: MockExchange, open_mailbox: Open) -> None:
    exchange.user("alice").add_item("Calendar", list(EVENT))
    mailbox = AsyncMailbox(open_mailbox())

    async def work() -> list[str]:
        await mailbox.sync(version="14.1")
        number = event_id(mailbox._mailbox)
        await mailbox.attach_to_event(number, "a.txt", b"a")
        (file,) = await mailbox.event_files(number)
        assert await mailbox.event_file(number, file.key) == b"a"
        await mailbox.detach_from_event(number, file.key)
        return [each.name for each in await mailbox.event_files(number)]

    assert asyncio.run(work()) == []
