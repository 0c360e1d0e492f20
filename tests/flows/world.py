"""A mock server, an app config and a store: what the tests of flows, crashes and drivers work with."""

from __future__ import annotations

import base64
import random
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from emailplus.config import AppConfig
from emailplus.eas.wbxml import decode
from emailplus.mailbox import Mailbox
from emailplus.mock import MockExchange
from emailplus.report import SyncReport
from emailplus.store.store import Store

from ..mock import validate

KEY = bytes(range(32))
DEVICE = "0123456789ABCDEF0123456789ABCDEF"
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@dataclass
class Clock:
    """The present of server and client; a test moves it."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


def config(host: str, **pairs: Any) -> AppConfig:
    """A config for alice on `host`, with `pairs` on top; None takes a key out."""
    keys: dict[str, Any] = {
        "email_address": "alice@example.test",
        "email_device_id": DEVICE,
        "email_exchange_host": host,
        "email_exchange_username": "alice",
        "email_password": "alice-secret",
        "email_ssl_required": "false",
        "email_max_sync_period": "0",
        "email_default_sync_period": "0",
    }
    keys.update(pairs)
    return AppConfig.load({name: value for name, value in keys.items() if value is not None})


@dataclass
class World:
    """`sync` runs the whole job once on the store at `path`."""

    exchange: MockExchange
    folder: Path
    clock: Clock
    sleeps: list[float] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)
    networks: list[Any] = field(default_factory=list)

    @property
    def path(self) -> Path:
        return self.folder / "store.db"

    @property
    def alice(self) -> Any:
        return self.exchange.user("alice")

    @property
    def host(self) -> str:
        return self.exchange.url.split("/")[2]

    def config(self, **pairs: Any) -> AppConfig:
        return config(self.host, **pairs)

    def open(self, keys: dict[str, Any] | None = None, **more: Any) -> Mailbox:
        return Mailbox.open(self.config(**(keys or {})), store=self.path, key=KEY, **more)

    def sync(self, keys: dict[str, Any] | None = None, *, query_form: str = "plain", **more: Any) -> SyncReport:
        """Open, synchronise, close."""
        with self.open(keys, query_form=query_form) as mailbox:
            return mailbox.sync(listener=self.events.append, **more)

    def snapshot(self) -> dict[str, Any]:
        with Store.open(self.path, KEY) as store:
            return snapshot(store)

    def told(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def subjects(self, folder: str = "Inbox") -> list[str]:
        """What the store holds of a folder, sorted."""
        with Store.open(self.path, KEY) as store:
            return sorted(m.subject for m in store.messages(list(store.ids())) if m.folder == folder)

    def scalar(self, query: str) -> Any:
        with Store.open(self.path, KEY) as store:
            return store.database.scalar(query)


def mail(
    subject: str,
    body: str | bytes = "Hello.\n",
    *,
    html: str = "",
    attachments: tuple[tuple[str, bytes], ...] = (),
    received: datetime = NOW - timedelta(hours=1),
) -> bytes:
    """The bytes of a mail. A body in bytes goes in as it is."""
    message = EmailMessage()
    message["From"] = "Bob <bob@example.test>"
    message["To"] = "alice@example.test"
    message["Subject"] = subject
    message["Date"] = format_datetime(received)
    message["Message-ID"] = f"<{abs(hash_of(subject))}@example.test>"
    message.set_content(body.decode() if isinstance(body, bytes) else body)
    if html:
        message.add_alternative(html, subtype="html")
    for name, content in attachments:
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    # A boundary of its own every time would make other sizes every time.
    raw = message.as_bytes()
    boundaries = {part.get_boundary() for part in message.walk() if part.is_multipart()}
    for number, boundary in enumerate(sorted(filter(None, boundaries))):
        raw = raw.replace(boundary.encode(), f"=_boundary_{number:08d}".encode())
    return raw.replace(b"\n", b"\r\n")


def hash_of(text: str) -> int:
    return int.from_bytes(text.encode()[:12].rjust(12, b"\0"), "big")


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that do not compress, the same every time."""
    return random.Random(seed).randbytes(size)


def deliver(box: Any, raw: bytes, *, days: float = 0.05, folder: str = "Inbox", read: bool = False) -> str:
    """Put a mail that arrived so many days ago into a mailbox; its ServerId."""
    server_id: str = box.deliver(raw, folder=folder, received=box.clock() - timedelta(days=days), read=read)
    return server_id


def snapshot(store: Store) -> dict[str, Any]:
    """Everything a user could see of a store, plus proof that nothing is left lying about in it."""
    database = store.database
    folders = sorted((f.server_id, f.parent_id, f.name, f.type, total, unread) for f, total, unread in store.folders())
    server_folder = dict(database.all("SELECT id, server_id FROM folders"))
    messages: dict[Any, Any] = {}
    markings: dict[Any, Any] = {}
    rows = database.all("SELECT id, folder_id, server_id FROM messages WHERE gone = 0 AND cached = 1")
    for number, folder, server_id in rows:
        message = store.message(number)
        attachments = [
            (
                a.name,
                a.size,
                a.content_type,
                a.state,
                a.reason,
                b"".join(store.attachment_content(a.id)) if a.state == "stored" else None,
            )
            for a in message.attachments
        ]
        body = store.body(number) if message.body_state == "stored" else None
        markings[server_folder[folder], server_id] = message.marking
        messages[server_folder[folder], server_id] = (
            message.subject, message.sender, message.received, message.read, message.flag_status, message.categories,
            message.body_type, message.body_state, message.reason, message.size, body, attachments,
        )  # fmt: skip
    scalar = database.scalar
    return {
        "folders": folders,
        "messages": messages,
        "markings": markings,
        "count": len(rows),
        "ids only": scalar("SELECT count(*) FROM messages WHERE cached = 0"),
        "gone": scalar("SELECT count(*) FROM messages WHERE gone = 1"),
        "open passes": scalar("SELECT count(*) FROM folders WHERE pass_open = 1"),
        "quarantine": sorted(database.all("SELECT server_id, raw, error FROM quarantine")),
        "unindexed": scalar("SELECT count(*) FROM messages WHERE indexed = 0 AND cached = 1"),
        "index entries": scalar("SELECT count(*) FROM search"),
        "incomplete blobs": scalar("SELECT count(*) FROM blobs WHERE complete = 0"),
        "ownerless blobs": scalar(
            "SELECT count(*) FROM blobs WHERE (kind = 'body' AND item_id NOT IN (SELECT id FROM messages)) "
            "OR (kind = 'attachment' AND item_id NOT IN (SELECT id FROM attachments))"
        ),
        "unused blobs": scalar(
            "SELECT count(*) FROM blobs b WHERE "
            "(kind = 'body' AND NOT EXISTS (SELECT 1 FROM messages WHERE body_blob = b.id)) "
            "OR (kind = 'attachment' AND NOT EXISTS (SELECT 1 FROM attachments WHERE blob = b.id))"
        ),
        "ownerless chunks": scalar("SELECT count(*) FROM chunks WHERE blob NOT IN (SELECT id FROM blobs)"),
        "damage": database.verify(),
    }


def requests_obey_the_schema(exchange: MockExchange) -> None:
    """Every request that was recorded: by the mock's own rules, and by the published schemas where they are there."""
    assert exchange.requests.problems() == [], exchange.requests.problems()
    assert exchange.defects == [], exchange.defects
    if not validate.AVAILABLE:
        return
    for request in exchange.requests:
        # The schemas are those of 16.1, which dropped what 2.5 says about bodies, and the order that elements of
        # GetItemEstimate had until 12.1 (MS-ASCMD 2.2.3.29.1); the mock's own rules know both.
        old = request.version in ("12.0", "12.1") and request.command == "GetItemEstimate"
        if request.tree is not None and request.version not in ("", "2.5") and not old:
            told = validate.problems(request.tree, request.version, "Request")
            assert told == [], (request.command, request.version, told)


def poison(subject: str) -> Any:
    """A change of answers that makes the mail of that subject unreadable: its date is none."""

    def change(node: Any) -> Any:
        tag, content = node
        if not isinstance(content, list):
            return node
        if tag == "AirSync:ApplicationData" and ("Email:Subject", subject) in content:
            content = [(t, "some day" if t == "Email:DateReceived" else c) for t, c in content]
            return tag, content
        return tag, [change(child) for child in content]

    return change


def commands(world: World) -> list[str]:
    """What the server was asked, in order."""
    return [request.command for request in world.exchange.requests]


def root_of(world: World) -> str:
    """The server's root as email_certificate_X takes it."""
    return base64.b64encode(ssl.PEM_cert_to_DER_cert(world.exchange.ca_pem.decode())).decode()


def fill(world: World, count: int = 5, first: int = 0) -> list[str]:
    """Mails of the last hour in the Inbox; their ServerIds."""
    return [deliver(world.alice, mail(f"mail {number}")) for number in range(first, first + count)]


def windows(request: Any) -> list[int]:
    """WindowSizes of a recorded request."""
    sizes: list[int] = []

    def walk(node: Any) -> None:
        tag, content = node
        if tag == "AirSync:WindowSize":
            sizes.append(int(content))
        for child in content if isinstance(content, list) else ():
            walk(child)

    walk(decode(request.body))
    return sizes
