"""Two devices on one mailbox: each opens its store anew for every step, so that every step is a restart."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from emailplus.config import AppConfig
from emailplus.mailbox import Mailbox
from emailplus.model.contact import Contact
from emailplus.model.event import Event, Location
from emailplus.model.item import Item
from emailplus.model.message import Body
from emailplus.model.note import Note
from emailplus.model.task import Task
from emailplus.report import SyncReport

from ..flows.world import DEVICE, KEY, World, config

T = TypeVar("T")
WINDOW = datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)
START = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)


@dataclass(kw_only=True)
class Steps(ABC):
    """One device. `do` opens the mailbox, does one thing and closes it again."""

    name: str
    path: Path
    version: str
    conflicts: str = "server_wins"

    @abstractmethod
    def config(self) -> AppConfig:
        """Of this device, on the server of the test."""

    def do(self, what: Callable[[Mailbox], T]) -> T:
        with Mailbox.open(self.config(), store=self.path, key=KEY) as mailbox:
            mailbox.conflicts = self.conflicts
            return what(mailbox)

    def sync(self) -> SyncReport:
        return self.do(lambda mailbox: mailbox.sync(version=self.version))

    def all(self, item_class: str) -> list[Any]:
        def read(mailbox: Mailbox) -> list[Any]:
            if item_class == "Calendar":
                seen = {made.event.id for made in mailbox.events(*WINDOW)}
                return [mailbox.item(number) for number in sorted(seen)]
            return {"Contacts": mailbox.contacts, "Tasks": mailbox.tasks, "Notes": mailbox.notes}[item_class]()  # type: ignore[return-value]

        return self.do(read)

    def one(self, item_class: str) -> Any:
        (only,) = self.all(item_class)
        return only

    def create(self, item: Item, **more: Any) -> int:
        return self.do(lambda mailbox: mailbox.create_item(item, **more))

    def change(self, item_id: int, **values: Any) -> None:
        self.do(lambda mailbox: mailbox.change_item(item_id, **values))

    def delete(self, item_id: int, **more: Any) -> None:
        self.do(lambda mailbox: mailbox.delete_item(item_id, **more))

    def waiting(self) -> list[Any]:
        return self.do(lambda mailbox: mailbox.waiting_changes())


@dataclass(kw_only=True)
class Device(Steps):
    """One device of alice's on the mock."""

    world: World
    keys: dict[str, Any] = field(default_factory=dict)

    def config(self) -> AppConfig:
        return config(self.world.host, email_device_id=self.name, **self.keys)


def devices(world: World, version: str, **more: Any) -> tuple[Device, Device]:
    second = DEVICE[::-1]
    return (
        Device(world=world, name=DEVICE, path=world.folder / "one.db", version=version, **more),
        Device(world=world, name=second, path=world.folder / "two.db", version=version, **more),
    )


MADE_BY_SERVER = {"file_as", "uid", "client_uid", "timestamp", "organizer_name", "organizer_email", "modified",
                  "native_body_type", "meeting_status", "timezone_blob", "sensitivity"}  # fmt: skip


def essence(item: Item) -> dict[str, Any]:
    """What a person put into an item."""
    return {name: value for name, value in item.properties().items() if name not in MADE_BY_SERVER}


def text(words: str) -> Body:
    return Body(1, words.encode(), len(words.encode()))


SAMPLES: dict[str, Callable[[str], Item]] = {
    "Calendar": lambda name: Event(
        subject=name, start=START, end=START + timedelta(hours=1), timezone="Europe/Berlin",
        location=Location("Room 1"), body=text("agenda"), categories=("work",), reminder=15,
    ),
    "Contacts": lambda name: Contact(
        last_name=name, first_name="Ann", email1="ann@example.test", mobile_phone="+44 1", company_name="Works",
        picture=bytes(range(256)) * 20, body=text("met at fair"), children=("Tom", "Eve"),
        birthday=datetime(1980, 2, 29, tzinfo=UTC), home_city="Bath", nick_name="A", categories=("friends",),
    ),
    "Tasks": lambda name: Task(
        subject=name, due_date=datetime(2026, 12, 24), importance=2, body=text("details"), categories=("home",),
    ),
    "Notes": lambda name: Note(subject=name, body=text(f"{name}\nmilk, eggs"), categories=("shop",)),
}  # fmt: skip

NAME = {"Calendar": "subject", "Contacts": "last_name", "Tasks": "subject", "Notes": "subject"}
"""The attribute that the scenarios change on one side ..."""
OTHER: dict[str, dict[str, Any]] = {
    "Calendar": {"location": Location("Room 2")},
    "Contacts": {"company_name": "Elsewhere"},
    "Tasks": {"importance": 0},
    "Notes": {"categories": ("other",)},
}
"""... and what they change on the other."""

ALL_DAY = Event(subject="fair", start=date(2026, 12, 24), end=date(2026, 12, 27))
