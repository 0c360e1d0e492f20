"""The world of the EWS tests: a mock whose every request and answer is held to the published schemas."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emailplus.config import AppConfig
from emailplus.mailbox import Mailbox
from emailplus.mock import Http, MockExchange, MockUser
from emailplus.mock.ews import soap
from emailplus.mock.ews.schema import Schemas

from ..shared import root

XSD = root / "spec" / "ews" / "xsd"

USERS = [
    MockUser("alice@example.test", "alice", "alice-secret", name="Alice Anderson"),
    MockUser("bob@example.test", "bob", "bob-secret", name="Bob Brown"),
    MockUser("service@example.test", "service", "service-secret", name="Service Account"),
]


def letter(
    number: int = 1, subject: str = "", sender: str = "Bob Brown <bob@example.test>", body: str = "Hello\r\n"
) -> bytes:
    """A plain message."""
    return (
        f"From: {sender}\r\nTo: alice@example.test\r\nSubject: {subject or f'Letter {number}'}\r\n"
        f"Message-ID: <letter-{number}@example.test>\r\nDate: Mon, 23 Nov 2026 09:30:00 +0000\r\n\r\n{body}"
    ).encode()


def schema_problems(exchange: MockExchange, schemas: Schemas) -> list[str]:
    """What the answers of the mock do against the schemas; streams are read document by document."""
    found = []
    for request in exchange.requests:
        if not exchange.ews.is_ews(request.target) or request.status != 200 or not request.response_body:
            continue
        if any(isinstance(action, Http) for action in request.faults):
            continue
        for document in request.response_body.replace(b"</s:Envelope>", b"</s:Envelope>\0").split(b"\0"):
            # Streams say m:Notification and m:SubscriptionId where the schema says t: (the wire is older than it).
            if document.startswith(b"<?xml") and request.command != "GetStreamingEvents":
                found += [f"{request.command}: {each}" for each in schemas.problems(soap.parse(document))]
    return found


@pytest.fixture
def make_exchange() -> Iterator[Callable[..., MockExchange]]:
    """A running mock; afterwards nothing it said may be against the schemas, and it may have no defects."""
    made: list[MockExchange] = []
    schemas = Schemas(XSD) if XSD.exists() else None

    def make(**options: object) -> MockExchange:
        exchange = MockExchange(USERS, **options)  # type: ignore[arg-type]
        exchange.ews.validator = schemas
        exchange.ews.minute = 0.5
        made.append(exchange)
        return exchange.start()

    yield make
    for exchange in made:
        exchange.stop()
        assert exchange.defects == []
        if schemas is not None:
            assert schema_problems(exchange, schemas) == []


@pytest.fixture
def exchange(make_exchange: Callable[..., MockExchange]) -> MockExchange:
    return make_exchange()


@pytest.fixture
def open_mailbox(exchange: MockExchange, tmp_path: Path) -> Iterator[Callable[..., Mailbox]]:
    """A mailbox of alice's on the mock, with pairs of the app config on top; None takes a key out."""
    opened: list[Mailbox] = []

    def make(*, path: str = "mailbox.db", password: str | None = None, **pairs: str | None) -> Mailbox:
        keys: dict[str, str | None] = {
            "email_address": "alice@example.test",
            "email_device_id": "0123456789ABCDEF0123456789ABCDEF",
            "email_exchange_host": exchange.url.split("/")[2],
            "email_exchange_username": "alice",
            "email_password": "alice-secret",
            "email_ssl_required": "false",
            "calendar_attachments": "true",
            **pairs,
        }
        config = AppConfig.load({name: value for name, value in keys.items() if value is not None})
        mailbox = Mailbox.open(config, store=tmp_path / path, key=bytes(32), password=password)
        opened.append(mailbox)
        return mailbox

    yield make
    for mailbox in opened:
        mailbox.close()
