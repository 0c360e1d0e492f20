"""exchangelib, unmodified, drives the mock's EWS: a client that somebody else wrote."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

exchangelib = pytest.importorskip("exchangelib")

from exchangelib import (  # noqa: E402
    BASIC,
    DELEGATE,
    IMPERSONATION,
    Account,
    Build,
    Configuration,
    Credentials,
    EWSTimeZone,
    FileAttachment,
    Version,
)
from exchangelib.attachments import ItemAttachment  # noqa: E402
from exchangelib.errors import (  # noqa: E402
    ErrorImpersonateUserDenied,
    ErrorInvalidSyncStateData,
    ErrorInvalidWatermark,
    ErrorItemNotFound,
    ErrorNameResolutionNoResults,
    ErrorServerBusy,
    ErrorSubscriptionNotFound,
    TransportError,
    UnauthorizedError,
)
from exchangelib.properties import NewMailEvent, StatusEvent  # noqa: E402
from exchangelib.protocol import close_connections  # noqa: E402
from exchangelib.services import SendNotification  # noqa: E402

from emailplus.mock import EwsError, MockExchange  # noqa: E402

from .conftest import letter  # noqa: E402

EVENT = [
    ("Calendar:Subject", "Board meeting"), ("Calendar:StartTime", "20261201T090000Z"),
    ("Calendar:EndTime", "20261201T100000Z"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def connections() -> Iterator[None]:
    yield
    close_connections()


def account(exchange: MockExchange, who: str = "alice", *, acting_for: str = "", connections: int = 2) -> Account:
    """exchangelib's account, with its guesses about the server left to it but for the address."""
    configuration = Configuration(
        service_endpoint=exchange.ews_url,
        credentials=Credentials(who, f"{who}-secret"),
        auth_type=BASIC,
        version=Version(build=Build(15, 2)),
        max_connections=connections,
    )
    return Account(
        primary_smtp_address=f"{acting_for or who}@example.test",
        config=configuration,
        autodiscover=False,
        access_type=IMPERSONATION if acting_for else DELEGATE,
        default_timezone=EWSTimeZone("UTC"),
    )


def test_it_finds_the_folders_of_the_mailbox(exchange: MockExchange) -> None:
    exchange.user("alice").create_folder("Projects", "Inbox")
    alice = account(exchange)
    names = {folder.name for folder in alice.root.walk()}
    assert {"Inbox", "Projects", "Calendar", "Contacts", "Sent Items", "Junk Email"} <= names
    assert (alice.inbox / "Projects").absolute.endswith("/Inbox/Projects")
    assert alice.calendar.folder_class == "IPF.Appointment"
    assert alice.inbox.total_count == 0


def test_it_lists_and_reads_mail(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    for number in range(1, 6):
        mailbox.deliver(letter(number), received=datetime(2026, 11, 20, 8, number, tzinfo=UTC), read=number > 2)
    alice = account(exchange)
    found = list(alice.inbox.all().order_by("datetime_received"))
    assert [item.subject for item in found] == [f"Letter {number}" for number in range(1, 6)]
    first = found[0]
    assert first.message_id == "<letter-1@example.test>"
    assert first.sender.email_address == "bob@example.test"
    assert [box.email_address for box in first.to_recipients] == ["alice@example.test"]
    assert first.datetime_received == datetime(2026, 11, 20, 8, 1, tzinfo=UTC)
    assert first.mime_content == letter(1)
    assert first.text_body == "Hello\r\n" or first.text_body == "Hello\n"
    assert not first.is_read
    assert alice.inbox.filter(is_read=False).count() == 2
    assert [item.subject for item in alice.inbox.filter(subject__contains="ter 4")] == ["Letter 4"]
    later = alice.inbox.filter(datetime_received__gt=datetime(2026, 11, 20, 8, 3, tzinfo=EWSTimeZone("UTC")))
    assert {item.subject for item in later} == {"Letter 4", "Letter 5"}


def test_attachments_of_mail_and_of_messages_within(exchange: MockExchange) -> None:
    raw = (
        b"Subject: Two\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/plain\r\n\r\nsee\r\n"
        b'--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename="a.pdf"\r\n'
        b"Content-Transfer-Encoding: base64\r\n\r\nJVBERg==\r\n"
        b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: Inner\r\n\r\ninside\r\n--b--\r\n"
    )
    exchange.user("alice").deliver(raw)
    (item,) = account(exchange).inbox.all()
    assert item.has_attachments
    file, inner = sorted(item.attachments, key=lambda each: each.name.lower())
    assert isinstance(file, FileAttachment)
    assert (file.name, file.content_type, file.content) == ("a.pdf", "application/pdf", b"%PDF")
    assert isinstance(inner, ItemAttachment)
    assert inner.name == "Inner.eml"


def test_attachments_of_an_event_come_and_go(exchange: MockExchange) -> None:
    exchange.user("alice").add_item("Calendar", list(EVENT))
    alice = account(exchange)
    (event,) = alice.calendar.all()
    assert event.start == datetime(2026, 12, 1, 9, tzinfo=UTC)
    event.attach(FileAttachment(name="agenda.txt", content=b"1. Welcome\n"))
    (event,) = alice.calendar.all()
    (file,) = event.attachments
    assert (file.name, file.content) == ("agenda.txt", b"1. Welcome\n")
    event.detach(file)
    (event,) = alice.calendar.all()
    assert event.attachments == []
    view = alice.calendar.view(
        start=datetime(2026, 12, 1, tzinfo=EWSTimeZone("UTC")), end=datetime(2026, 12, 2, tzinfo=EWSTimeZone("UTC"))
    )
    assert [each.subject for each in view] == ["Board meeting"]


def test_synchronising_a_folder_and_the_hierarchy(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    ids = [mailbox.deliver(letter(number)) for number in range(1, 4)]
    inbox = account(exchange).inbox
    changes = list(inbox.sync_items(max_changes_returned=2))
    assert [kind for kind, _ in changes] == ["create"] * 3
    mailbox.mark_read(ids[0])
    mailbox.delete(ids[1])
    mailbox.categorise(ids[2], "Red")
    changes = list(inbox.sync_items())
    assert sorted(kind for kind, _ in changes) == ["delete", "read_flag_change", "update"]
    assert list(inbox.sync_items()) == []
    mailbox.create_folder("New")
    root = inbox.account.root
    assert "New" in {folder.name for kind, folder in root.sync_hierarchy() if kind == "create"}
    mailbox.delete_folder("New")
    assert [kind for kind, _ in root.sync_hierarchy()] == ["delete"]
    exchange.ews.forget("alice")
    with pytest.raises(ErrorInvalidSyncStateData):
        list(inbox.sync_items())


def test_names_are_resolved(exchange: MockExchange) -> None:
    protocol = account(exchange).protocol
    (found,) = protocol.resolve_names(["bob"])
    assert found.email_address == "bob@example.test"
    assert [type(each) for each in protocol.resolve_names(["nobody at all"])] == [ErrorNameResolutionNoResults]


def test_a_pull_subscription_tells_new_mail_once(exchange: MockExchange) -> None:
    mailbox = exchange.user("alice")
    inbox = account(exchange).inbox
    subscription, watermark = inbox.subscribe_to_pull(event_types=["NewMailEvent", "DeletedEvent", "MovedEvent"])
    notification = next(iter(inbox.get_events(subscription, watermark)))
    assert [type(event) for event in notification.events] == [StatusEvent]
    server_id = mailbox.deliver(letter(1))
    notification = next(iter(inbox.get_events(subscription, watermark)))
    (event,) = notification.events
    assert isinstance(event, NewMailEvent)
    (item,) = inbox.account.fetch([event.item_id])
    assert item.subject == "Letter 1"
    mailbox.move(server_id, "Deleted Items")
    notification = next(iter(inbox.get_events(subscription, event.watermark)))
    assert [each.ELEMENT_NAME for each in notification.events] == ["MovedEvent"]
    inbox.unsubscribe(subscription)
    with pytest.raises(ErrorSubscriptionNotFound):
        list(inbox.get_events(subscription, event.watermark))


def test_a_watermark_that_is_no_longer_known(exchange: MockExchange) -> None:
    inbox = account(exchange).inbox
    subscription, _ = inbox.subscribe_to_pull()
    with pytest.raises(ErrorInvalidWatermark):
        list(inbox.get_events(subscription, "bm9uc2Vuc2U="))


def test_streaming_brings_mail_while_it_is_open(exchange: MockExchange) -> None:
    exchange.ews.minute = 1.5
    exchange.ews.keep_alive = 0.5
    mailbox = exchange.user("alice")
    inbox = account(exchange).inbox
    subscription = inbox.subscribe_to_streaming(event_types=["NewMailEvent"])
    threading.Timer(0.2, lambda: mailbox.deliver(letter(7))).start()
    began = time.monotonic()
    kinds = [
        type(event).__name__
        for notification in inbox.get_streaming_events(subscription, connection_timeout=1)
        for event in notification.events
    ]
    assert kinds.count("NewMailEvent") == 1
    assert "StatusEvent" in kinds
    assert 1.0 < time.monotonic() - began < 10
    mailbox.deliver(letter(8))  # between two connections
    again = inbox.get_streaming_events(subscription, connection_timeout=1)
    first = next(iter(again))
    assert [type(event).__name__ for event in first.events] == ["NewMailEvent"]
    inbox.unsubscribe(subscription)
    with pytest.raises(ErrorSubscriptionNotFound):
        list(inbox.get_streaming_events(subscription, connection_timeout=1))


class Callback:
    """Where the mock posts to: read and answered by exchangelib."""

    def __init__(self, exchange: MockExchange, answers: Callable[[int], bytes | None]) -> None:
        self.received: list[list[object]] = []
        self.previous: list[str] = []
        service = SendNotification(protocol=None)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                (notification,) = service.parse(body)
                outer.previous.append(notification.previous_watermark)
                outer.received.append(list(notification.events))
                answer = answers(len(outer.received))
                self.send_response(200 if answer is not None else 503)
                self.send_header("Content-Length", str(len(answer or b"")))
                self.end_headers()
                self.wfile.write(answer or b"")

            def log_message(self, *arguments: object) -> None:
                """Nothing on the terminal."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/callback"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def wait(self, count: int) -> None:
        deadline = time.monotonic() + 10
        while len(self.received) < count:
            assert time.monotonic() < deadline, self.received
            time.sleep(0.01)

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def test_push_is_posted_repeated_and_ended_by_the_answer(exchange: MockExchange) -> None:
    exchange.ews.retry_pauses = (0.05, 0.05)
    exchange.ews.minute = 0.2
    service = SendNotification(protocol=None)
    answers = {2: None, 3: b"<nonsense/>", 6: service.unsubscribe_payload()}
    callback = Callback(exchange, lambda number: answers.get(number, service.ok_payload()))
    try:
        inbox = account(exchange).inbox
        subscription, watermark = inbox.subscribe_to_push(
            callback_url=callback.url, event_types=["NewMailEvent"], status_frequency=1
        )
        callback.wait(1)
        exchange.user("alice").deliver(letter(1))
        callback.wait(4)
        assert callback.previous[:4] == [watermark] * 4
        assert [type(event) for event in callback.received[0]] == [StatusEvent]
        assert [[type(event) for event in events] for events in callback.received[1:4]] == [[NewMailEvent]] * 3
        callback.wait(6)
        assert [type(event) for event in callback.received[4]] == [StatusEvent]
        deadline = time.monotonic() + 5
        while exchange.ews.subscriptions and time.monotonic() < deadline:
            time.sleep(0.01)
        assert [(gone.subscription.id, gone.reason) for gone in exchange.ews.dropped] == [(subscription, "refused")]
        assert [status for _, status in exchange.ews.posts] == [200, 503, 200, 200, 200, 200]
    finally:
        callback.close()


def test_push_gives_up_on_an_address_where_nobody_listens(exchange: MockExchange) -> None:
    exchange.ews.retry_pauses = (0.02, 0.02)
    inbox = account(exchange).inbox
    inbox.subscribe_to_push(callback_url="http://127.0.0.1:9/", status_frequency=1)
    deadline = time.monotonic() + 10
    while exchange.ews.subscriptions and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [gone.reason for gone in exchange.ews.dropped] == ["unreachable"]
    assert len(exchange.ews.posts) == 3


def test_acting_for_others_needs_the_role(exchange: MockExchange) -> None:
    exchange.user("alice").deliver(letter(1))
    with pytest.raises(ErrorImpersonateUserDenied):
        list(account(exchange, "service", acting_for="alice").inbox.all())
    close_connections()
    exchange.ews.allow_impersonation("service")
    assert [item.subject for item in account(exchange, "service", acting_for="alice").inbox.all()] == ["Letter 1"]


def test_a_busy_server_and_wrong_credentials(exchange: MockExchange) -> None:
    alice = account(exchange)
    assert alice.inbox
    exchange.faults.add(EwsError("ErrorServerBusy", whole=True, back_off=250), "FindItem")
    with pytest.raises(ErrorServerBusy) as busy:
        list(alice.inbox.all())
    assert busy.value.back_off == 0.25
    exchange.faults.add(EwsError("ErrorItemNotFound"), "GetItem")
    with pytest.raises(ErrorItemNotFound):
        alice.inbox.get(id="AAMk", changekey="x")
    close_connections()
    configuration = Configuration(
        service_endpoint=exchange.ews_url, credentials=Credentials("alice", "wrong"), auth_type=BASIC
    )
    with pytest.raises(UnauthorizedError):
        list(Account("alice@example.test", config=configuration, autodiscover=False, access_type=DELEGATE).inbox.all())


@pytest.mark.parametrize("mode", ["off", "blocked", "retired"])
def test_a_service_that_is_not_there(exchange: MockExchange, mode: str) -> None:
    exchange.ews.set_mode(mode)
    with pytest.raises(TransportError):
        list(account(exchange).inbox.all())


def test_it_finds_out_how_to_sign_in_and_which_version_it_speaks_to(exchange: MockExchange) -> None:
    configuration = Configuration(
        service_endpoint=exchange.ews_url.replace("/EWS/Exchange.asmx", "/ews/exchange.ASMX"),
        credentials=Credentials("EXAMPLE\\alice", "alice-secret"),
    )
    alice = Account("alice@example.test", config=configuration, autodiscover=False, access_type=DELEGATE)
    assert alice.protocol.auth_type == BASIC
    assert str(alice.version.build) == "15.2.1544.4"
    assert alice.inbox.name == "Inbox"
