"""New mail over EWS: once each, whatever happens to connections and subscriptions; one mail, one event."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailplus import account, web_services
from emailplus.errors import AuthenticationFailed, EwsUnavailable, ImpersonationDenied, MalformedResponse
from emailplus.ews import listening, matching, notifications
from emailplus.mailbox import AsyncMailbox, Mailbox
from emailplus.mock import Drop, EwsError, Http, MockExchange
from emailplus.model.ews import EwsMail
from emailplus.model.watch import NewMail

from ..shared import shared
from .conftest import letter

Open = Callable[..., Mailbox]


class Listener(threading.Thread):
    """Listens in a thread of its own until it has heard enough."""

    def __init__(self, mailbox: Mailbox, **options: Any) -> None:
        super().__init__(daemon=True)
        self.mailbox, self.options = mailbox, options
        self.heard: list[EwsMail] = []
        self.take: Callable[[EwsMail], object] = self.heard.append
        self.told: list[str] = []
        self.stop = threading.Event()
        self.problem: BaseException | None = None

    def run(self) -> None:
        try:
            self.mailbox.listen_by_ews(self.take, stop=self.stop, told=self.told.append, **self.options)
        except BaseException as problem:
            self.problem = problem

    def wait(self, what: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < deadline, (self.heard, self.told, self.problem)
            assert self.is_alive() or what(), (self.heard, self.told, self.problem)
            time.sleep(0.01)

    def end(self) -> None:
        self.stop.set()
        self.join(60)
        assert not self.is_alive()
        assert self.problem is None, self.problem

    @property
    def subjects(self) -> list[str]:
        return [mail.subject for mail in self.heard]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "PAUSES", (0.05, 0.1, 0.2))
    monkeypatch.setattr(listening, "SHORT", 0.1)


@pytest.mark.parametrize("kind", ["streaming", "pull"])
def test_each_mail_is_told_once(exchange: MockExchange, open_mailbox: Open, kind: str) -> None:
    exchange.ews.keep_alive = 0.2
    alice = exchange.user("alice")
    alice.deliver(letter(1))  # old when the listening begins
    listener = Listener(open_mailbox(), kind=kind, every=0.05)
    listener.start()
    listener.wait(lambda: "subscribed" in listener.told and bool(exchange.requests.of("SyncFolderItems")))
    time.sleep(0.3)
    alice.deliver(letter(2))
    listener.wait(lambda: len(listener.heard) == 1)
    alice.deliver(letter(3))
    alice.deliver(letter(4), folder="Sent Items")
    listener.wait(lambda: len(listener.heard) == 2)
    listener.end()
    assert listener.subjects == ["Letter 2", "Letter 3"]
    mail = listener.heard[0]
    assert (mail.message_id, mail.sender, mail.read) == ("letter-2@example.test", "bob@example.test", False)
    assert mail.size == len(letter(2))
    assert mail.received is not None


@pytest.mark.parametrize("kind", ["streaming", "pull"])
def test_what_came_while_nobody_listened_is_told_first(exchange: MockExchange, open_mailbox: Open, kind: str) -> None:
    exchange.ews.keep_alive = 0.2
    mailbox = open_mailbox()
    first = Listener(mailbox, kind=kind, every=0.05)
    first.start()
    first.wait(lambda: bool(exchange.requests.of("GetStreamingEvents" if kind == "streaming" else "GetEvents")))
    first.end()
    exchange.user("alice").deliver(letter(1))
    exchange.user("alice").deliver(letter(2), read=True)
    second = Listener(mailbox, kind=kind, every=0.05)
    second.start()
    second.wait(lambda: len(second.heard) == 1)
    exchange.user("alice").deliver(letter(3))
    second.wait(lambda: len(second.heard) == 2)
    second.end()
    assert second.subjects == ["Letter 1", "Letter 3"]
    assert "subscribed" not in second.told


@pytest.mark.parametrize("kind", ["streaming", "pull"])
def test_faults_lose_nothing_and_double_nothing(exchange: MockExchange, open_mailbox: Open, kind: str) -> None:
    exchange.ews.keep_alive = 0.2
    operation = "GetStreamingEvents" if kind == "streaming" else "GetEvents"
    for nth, action in enumerate(
        [
            Drop(), Http(503), EwsError("ErrorServerBusy", whole=True, back_off=50), EwsError("ErrorReadEventsFailed"),
            Http(502), EwsError("ErrorInternalServerTransientError"), Http(200, {"Content-Type": "text/xml"}, b"<cut"),
        ],
        1,
    ):  # fmt: skip
        exchange.faults.add(action, operation, nth=2 * nth)
    exchange.faults.add(Drop(), "GetItem", nth=2)
    exchange.faults.add(Drop(), "SyncFolderItems", nth=3)
    exchange.ews.minute = 0.3  # streams end again and again
    listener = Listener(open_mailbox(), kind=kind, every=0.05)
    listener.start()
    listener.wait(lambda: bool(exchange.requests.of(operation)))
    for number in range(1, 21):
        exchange.user("alice").deliver(letter(number))
        time.sleep(0.1)
        if number == 10:
            exchange.ews.forget("alice")  # subscriptions and sync states are gone, as after a move
            listener.wait(lambda: listener.told.count("lost") >= 1)
    listener.wait(lambda: len(set(listener.subjects)) >= 20)
    listener.end()
    assert sorted(listener.subjects) == sorted(f"Letter {number}" for number in range(1, 21))
    assert "waiting" in listener.told


def test_a_subscription_is_renewed_and_ends(
    exchange: MockExchange, open_mailbox: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`notification_resubscription_interval` and `subscription_valid_until`, in minutes."""
    mailbox = open_mailbox(notification_resubscription_interval="1", subscription_valid_until="3")
    listener = Listener(mailbox, kind="pull", every=0.05)
    moved = [0.0]
    real = account.utc_now
    monkeypatch.setattr("emailplus.facade.web_services._now", lambda: real().timestamp() + moved[0])
    listener.start()
    listener.wait(lambda: bool(exchange.requests.of("GetEvents")))
    (before,) = mailbox.ews_subscriptions()
    moved[0] += 61
    listener.wait(lambda: "renewed" in listener.told)
    (after,) = mailbox.ews_subscriptions()
    assert (after.created, after.id != before.id) == (before.created, True)
    assert [gone.subscription.id for gone in exchange.ews.dropped] == [before.id]
    exchange.user("alice").deliver(letter(1))
    listener.wait(lambda: listener.subjects == ["Letter 1"])
    moved[0] += 121
    listener.join(10)
    assert listener.told[-1] == "ended"
    assert not exchange.ews.subscriptions
    assert mailbox.ews_subscriptions() == []


def test_the_interval_of_the_configuration_at_the_beginning_holds(exchange: MockExchange, open_mailbox: Open) -> None:
    """A change of `notification_resubscription_interval` acts when the running subscription ends."""
    mailbox = open_mailbox(notification_resubscription_interval="30")
    mailbox.subscribe_by_ews("http://127.0.0.1:9/x")
    (one,) = mailbox.ews_subscriptions()
    assert one.interval == 1800
    mailbox.close()
    mailbox = open_mailbox(notification_resubscription_interval="90")
    (same,) = mailbox.ews_subscriptions()
    assert same.interval == 1800
    mailbox.subscribe_by_ews("http://127.0.0.1:9/y")
    (other,) = mailbox.ews_subscriptions()
    assert (other.interval, other.retired) == (5400, (one.id,))


def test_what_cannot_get_better_goes_to_the_caller(exchange: MockExchange, open_mailbox: Open) -> None:
    mailbox = open_mailbox()
    exchange.ews.set_mode("blocked")
    with pytest.raises(EwsUnavailable):
        mailbox.listen_by_ews(print)
    exchange.ews.set_mode("on")
    with pytest.raises(ImpersonationDenied, match="ApplicationImpersonation"):
        mailbox.listen_by_ews(print, acting_for="bob@example.test")
    mailbox.close()
    mailbox = open_mailbox(email_password="wrong")
    with pytest.raises(AuthenticationFailed):
        mailbox.listen_by_ews(print)
    refused = [request for request in exchange.requests if request.status == 401]
    assert len(refused) == 1


def test_a_service_account_listens_for_others(exchange: MockExchange, open_mailbox: Open) -> None:
    exchange.ews.allow_impersonation("service")
    exchange.ews.keep_alive = 0.2
    mailbox = open_mailbox(email_exchange_username="service", email_password="service-secret")
    listener = Listener(mailbox, acting_for="bob@example.test")
    listener.start()
    listener.wait(lambda: bool(exchange.requests.of("GetStreamingEvents")))
    exchange.user("bob").deliver(letter(5))
    listener.wait(lambda: listener.subjects == ["Letter 5"])
    listener.end()
    asked = exchange.requests.of("GetItem")[-1]
    assert asked.header("X-AnchorMailbox") == "bob@example.test"
    assert mailbox.ews_subscriptions() == [], "that is another's"
    (kept,) = web_services.memory(mailbox.config, mailbox.store, "bob@example.test").subscriptions()
    assert kept.kind == "streaming"
    assert b"bob@example.test" in asked.body


def test_a_wrong_host_and_one_that_answers_something_else(exchange: MockExchange, open_mailbox: Open) -> None:
    mailbox = open_mailbox()
    exchange.faults.add(Http(200, {"Content-Type": "text/html"}, b"<html>Sign in</html>"), "Subscribe")
    with pytest.raises(EwsUnavailable) as off:
        mailbox.listen_by_ews(print)
    assert off.value.reason == "not there"
    exchange.faults.add(Http(302, {"Location": "https://elsewhere.example/"}), "Subscribe")
    with pytest.raises(EwsUnavailable):
        mailbox.listen_by_ews(print)
    bomb = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><l a="&b;"/>'
    for body in (bomb, b"<s:Envelope", b"\xff\xfe<\0a\0/\0>\0", b'<?xml version="1.0" encoding="utf-7"?><a/>'):
        exchange.faults.clear()
        exchange.requests.clear()
        exchange.faults.add(Http(200, {"Content-Type": "text/xml"}, body), "Subscribe", times=None)
        with pytest.raises(MalformedResponse):
            mailbox.listen_by_ews(print)
        assert len(exchange.requests.of("Subscribe")) == 1 + listening.MAX_UNREADABLE


def test_streams_that_end_at_once_are_no_request_storm(
    exchange: MockExchange, open_mailbox: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "PAUSES", (0.2, 0.4, 0.8, 2.0))
    monkeypatch.setattr(listening, "SHORT", 5.0)
    exchange.ews.minute = 0.0001
    listener = Listener(open_mailbox())
    listener.start()
    listener.wait(lambda: "listening" in listener.told)
    time.sleep(1.5)
    exchange.user("alice").deliver(letter(1))
    listener.wait(lambda: listener.subjects == ["Letter 1"])
    listener.end()
    assert len(exchange.requests.of("GetStreamingEvents")) <= 10


@pytest.mark.parametrize("kind", ["streaming", "pull"])
def test_a_mail_whose_taker_failed_is_told_again(exchange: MockExchange, open_mailbox: Open, kind: str) -> None:
    exchange.ews.keep_alive = 0.2
    mailbox = open_mailbox()
    failing = Listener(mailbox, kind=kind, every=0.05)
    failing.take = lambda mail: 1 / 0
    failing.start()
    failing.wait(lambda: "listening" in failing.told)
    exchange.user("alice").deliver(letter(1))
    failing.join(15)
    assert isinstance(failing.problem, ZeroDivisionError)
    exchange.user("alice").deliver(letter(2))
    again = Listener(mailbox, kind=kind, every=0.05)
    again.start()
    again.wait(lambda: len(again.heard) == 2)
    again.end()
    assert again.subjects == ["Letter 1", "Letter 2"]


def test_stopping_does_not_wait_for_the_server(exchange: MockExchange, open_mailbox: Open) -> None:
    exchange.ews.minute = exchange.ews.keep_alive = 60
    listener = Listener(open_mailbox())
    listener.start()
    listener.wait(lambda: bool(exchange.requests.of("GetStreamingEvents")))
    time.sleep(0.2)
    began = time.monotonic()
    listener.end()
    assert time.monotonic() - began < 10


def test_awaitable_and_cancelled(exchange: MockExchange, open_mailbox: Open) -> None:
    exchange.ews.keep_alive = 0.1
    mailbox = AsyncMailbox(open_mailbox())
    heard: list[EwsMail] = []

    async def work() -> None:
        task = asyncio.create_task(mailbox.listen_by_ews(heard.append))
        while not exchange.requests.of("GetStreamingEvents"):
            await asyncio.sleep(0.01)
        exchange.user("alice").deliver(letter(1))
        while not heard:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(work(), 20))
    assert [mail.subject for mail in heard] == ["Letter 1"]


def test_a_mail_that_both_ways_bring_is_one_event(exchange: MockExchange, open_mailbox: Open) -> None:
    mailbox = open_mailbox()
    listener = Listener(mailbox, kind="pull", every=0.05)
    listener.start()
    listener.wait(lambda: "listening" in listener.told)
    numbers = range(1, 6)
    for number in numbers:
        exchange.user("alice").deliver(letter(number % 2, subject="Twice the same" if number > 3 else ""))
    mailbox.sync()
    listener.wait(lambda: len(listener.heard) == len(numbers))
    listener.end()
    stored = [mailbox.store.message(hit.id) for hit in mailbox.search("")]
    assert len(stored) == len(numbers)
    joined = matching.Joined()
    assert [joined.is_new(matching.of_stored(message)) for message in stored] == [True] * len(numbers)
    assert [joined.is_new(matching.of_ews(mail)) for mail in listener.heard] == [False] * len(numbers)


def test_beside_a_watch_each_mail_is_one_event(exchange: MockExchange, open_mailbox: Open) -> None:
    mailbox = open_mailbox()
    mailbox.sync()
    joined = matching.Joined()
    told: list[str] = []
    seen: list[str] = []

    def tell(arrival: matching.Arrival) -> None:
        seen.append(arrival.way)
        if joined.is_new(arrival):
            told.append(arrival.subject)

    listener = Listener(mailbox, kind="pull", every=0.05)
    listener.take = lambda mail: tell(matching.of_ews(mail))
    events = mailbox.watch()

    def watching() -> None:
        for event in events:
            if isinstance(event, NewMail):
                tell(matching.of_stored(event.message))

    watcher = threading.Thread(target=watching, daemon=True)
    watcher.start()
    listener.start()
    listener.wait(lambda: "listening" in listener.told)
    for number in range(1, 9):
        exchange.user("alice").deliver(letter(number))
        time.sleep(0.15)
    listener.wait(lambda: (seen.count("eas"), seen.count("ews")) == (8, 8), 120)
    events.stop()
    watcher.join(10)
    events.close()
    listener.end()
    assert sorted(told) == [f"Letter {number}" for number in range(1, 9)]


# -- push


def posted(exchange: MockExchange, mailbox: Mailbox) -> tuple[Callable[[], bytes], str]:
    """What the mock would post now, and the subscription's id."""
    from emailplus.mock.ews import soap
    from emailplus.mock.ews.notifications import notification

    made = mailbox.subscribe_by_ews("http://127.0.0.1:9/secret")
    held = exchange.ews.subscriptions[made.id]

    def body() -> bytes:
        with exchange.lock:
            node, last, _ = notification(exchange.ews, held)
            held.sent = last
        wrapped = soap.el("m:ResponseMessages", soap.message("SendNotification", node))
        return soap.write_plain(soap.el("m:SendNotification", wrapped))

    return body, made.id


@pytest.fixture
def silent(exchange: MockExchange) -> None:
    """The mock does not post by itself."""
    exchange.ews.retry_pauses = (60,)


@pytest.mark.usefixtures("silent")
def test_posts_are_taken_once_and_answered(exchange: MockExchange, open_mailbox: Open) -> None:
    mailbox = open_mailbox()
    body, _ = posted(exchange, mailbox)
    heard: list[EwsMail] = []
    exchange.user("alice").deliver(letter(1))
    post = body()
    assert mailbox.take_notification(post, heard.append) == notifications.answer(keep=True)
    lookups = len(exchange.requests.of("GetItem"))
    assert mailbox.take_notification(post, heard.append) == notifications.answer(keep=True)  # replayed
    assert len(exchange.requests.of("GetItem")) == lookups
    assert [mail.subject for mail in heard] == ["Letter 1"]
    (known,) = mailbox.ews_subscriptions()
    assert known.watermark.encode() in post


@pytest.mark.usefixtures("silent")
def test_strangers_cost_nothing(exchange: MockExchange, open_mailbox: Open) -> None:
    mailbox = open_mailbox()
    forged = shared("spec", "ews", "samples", "sendnotification-newmail.xml").read_bytes()
    assert mailbox.take_notification(forged, print) == notifications.answer(keep=False)
    body, _ = posted(exchange, mailbox)
    assert mailbox.take_notification(forged, print) == notifications.answer(keep=False)
    assert not exchange.requests.of("GetItem")
    assert mailbox.take_notification(body(), print) == notifications.answer(keep=True)


@pytest.mark.usefixtures("silent")
def test_a_lookup_that_fails_keeps_the_watermark(exchange: MockExchange, open_mailbox: Open) -> None:
    mailbox = open_mailbox()
    body, _ = posted(exchange, mailbox)
    exchange.user("alice").deliver(letter(1))
    post = body()
    exchange.faults.add(EwsError("ErrorServerBusy", whole=True), "GetItem")
    heard: list[EwsMail] = []
    with pytest.raises(Exception, match="busy"):
        mailbox.take_notification(post, heard.append)
    assert mailbox.take_notification(post, heard.append) == notifications.answer(keep=True)
    assert len(heard) == 1


@pytest.mark.usefixtures("silent")
def test_push_is_renewed_from_its_watermark(
    exchange: MockExchange, open_mailbox: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailbox = open_mailbox()
    body, old = posted(exchange, mailbox)
    exchange.user("alice").deliver(letter(1))
    real = account.utc_now
    monkeypatch.setattr("emailplus.facade.web_services._now", lambda: real().timestamp() + 3601)
    heard: list[EwsMail] = []
    assert mailbox.take_notification(body(), heard.append) == notifications.answer(keep=False)
    (known,) = mailbox.ews_subscriptions()
    assert known.id != old
    assert exchange.ews.subscriptions[known.id].url == "http://127.0.0.1:9/secret"
    assert mailbox.take_notification(body(), heard.append) == notifications.answer(keep=False)
    exchange.user("alice").deliver(letter(2))
    mailbox.missed_notifications(heard.append)
    assert [mail.subject for mail in heard] == ["Letter 1", "Letter 2"]
    monkeypatch.setattr("emailplus.facade.web_services._now", lambda: real().timestamp() + 86_401)
    mailbox.missed_notifications(heard.append)
    assert mailbox.ews_subscriptions() == []


def test_unsubscribing_ends_all_kinds(exchange: MockExchange, open_mailbox: Open) -> None:
    exchange.ews.retry_pauses = (60,)
    mailbox = open_mailbox()
    body, _ = posted(exchange, mailbox)
    listener = Listener(mailbox, kind="pull", every=0.05)
    listener.start()
    listener.wait(lambda: bool(exchange.requests.of("GetEvents")))
    listener.end()
    assert [each.kind for each in mailbox.ews_subscriptions()] == ["push", "pull"]
    mailbox.unsubscribe_by_ews()
    assert mailbox.ews_subscriptions() == []
    assert mailbox.take_notification(body(), print) == notifications.answer(keep=False)
    assert [each.kind for each in exchange.ews.of("alice")] == ["push"]


@pytest.mark.parametrize(
    "body",
    [b"", b"<a/>", b"<a" * 10, b"x" * (2 << 20), b"<a>" * 50_000,
     b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "<a/>".encode("utf-16")],
    ids=["empty", "other", "cut", "large", "deep", "dtd", "utf-16"],
)  # fmt: skip
def test_what_is_no_notification(body: bytes) -> None:
    began = time.monotonic()
    with pytest.raises(MalformedResponse):
        notifications.read(body)
    assert time.monotonic() - began < 2


POST = (
    b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:m="http://schemas.microsoft.com/exchange/'
    b'services/2006/messages" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><s:Body>'
    b'<m:SendNotification><m:ResponseMessages><m:SendNotificationResponseMessage ResponseClass="Success">'
    b"<m:ResponseCode>NoError</m:ResponseCode><m:Notification><t:SubscriptionId>id</t:SubscriptionId>"
    b"<t:NewMailEvent><t:Watermark>w</t:Watermark><t:TimeStamp>2026-11-23T09:30:00Z</t:TimeStamp>"
    b'<t:ItemId Id="i"/><t:ParentFolderId Id="f"/></t:NewMailEvent></m:Notification>'
    b"</m:SendNotificationResponseMessage></m:ResponseMessages></m:SendNotification></s:Body></s:Envelope>"
)


@given(st.lists(st.tuples(st.integers(0, len(POST)), st.integers(0, 40), st.binary(max_size=20)), max_size=4))
def test_mutilated_notifications_are_read_or_refused(changes: list[tuple[int, int, bytes]]) -> None:
    body = POST
    for at, cut, put in changes:
        body = body[:at] + put + body[at + cut :]
    try:
        found = notifications.read(body)
    except MalformedResponse:
        return
    assert all(isinstance(each.subscription_id, str) for each in found)


@pytest.mark.parametrize(
    ("name", "kinds"), [("sendnotification-newmail", ["NewMail"]), ("sendnotification-status", ["Status"])]
)
def test_published_notifications_are_read(name: str, kinds: list[str]) -> None:
    path: Path = shared("spec", "ews", "samples", f"{name}.xml")
    (found,) = notifications.read(path.read_bytes())
    assert [event.kind for event in found.events] == kinds
    assert found.subscription_id
    assert found.watermark != found.previous_watermark or kinds == ["Status"]


def test_the_answer_is_that_of_the_samples() -> None:
    from lxml import etree

    for name, keep in (("ok", True), ("unsubscribe", False)):
        sample = etree.parse(str(shared("spec", "ews", "samples", f"sendnotificationresult-{name}.xml")))
        ours = etree.fromstring(notifications.answer(keep=keep))
        assert [node.tag for node in ours.iter()] == [node.tag for node in sample.getroot().iter()]
        assert ours.findtext(".//{*}SubscriptionStatus") == sample.findtext(".//{*}SubscriptionStatus")
