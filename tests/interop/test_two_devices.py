"""Two of our devices on one account of a real server; IMAP, CalDAV and CardDAV are the witnesses.

Every step of a device opens its store anew, so that every step is a restart. The scenarios are those of
`tests/items/test_two_devices.py` and `test_moves.py`; here each goes through all classes at once, since every
synchronisation with a real server takes its time.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from emailplus.config import AppConfig
from emailplus.errors import NoCommonVersion
from emailplus.mailbox import Mailbox
from emailplus.model.folder import FolderType
from emailplus.report import SyncReport

from ..items.two import NAME, OTHER, SAMPLES, Steps, essence
from .dav import Dav
from .imap import Imap
from .runs import Held, held
from .server import Server, User
from .test_sending import yes

SCENARIOS = ("created", "meet", "server_wins", "client_wins", "keep_both", "move", "delete", "offline", "theirs")
KINDS = {
    "Calendar": FolderType.USER_CALENDAR,
    "Contacts": FolderType.USER_CONTACTS,
    "Tasks": FolderType.USER_TASKS,
}


@dataclass(kw_only=True)
class Device(Steps):
    """One device of the account."""

    server: Server
    user: User
    mark: str
    peer: Device | None = None
    synced: float = 0.0

    def config(self) -> AppConfig:
        return self.server.config(self.user, device=self.name)

    def sync(self) -> SyncReport:
        """SOGo reckons in whole seconds: what changes in the second in which a device synchronised is never told it."""
        if self.peer is not None and int(time.time()) <= int(self.peer.synced):
            time.sleep(1.02 - time.time() % 1)
        report = super().sync()
        self.synced = time.time()
        return report

    def items(self, item_class: str) -> dict[str, list[Any]]:
        """Scenario -> the items of it."""
        found: dict[str, list[Any]] = {}
        for item in self.all(item_class):
            mark, _, scenario = getattr(item, NAME[item_class]).partition(" ")
            if mark == self.mark:
                found.setdefault(scenario.partition("+")[0], []).append(item)
        return found

    def only(self, item_class: str, scenario: str) -> Any:
        (item,) = self.items(item_class)[scenario]
        return item

    def mails(self) -> dict[str, Held]:
        """Scenario -> the message of it."""
        rows = self.do(held)
        found = [row for row in rows if row.message.subject.startswith(self.mark)]
        by_subject = {row.message.subject.partition(" ")[2]: row for row in found}
        assert len(by_subject) == len(found), "a message is there twice"
        return by_subject


@dataclass
class Place:
    """The account, both devices, and the folders of our own: gone again afterwards."""

    version: str
    one: Device
    two: Device
    imap: Imap
    dav: Dav
    mark: str
    folders: tuple[str, str]
    second: dict[str, str] = field(default_factory=dict)
    """Class -> the name of a second folder of it, where the server makes one."""
    sogo: bool = False

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(KINDS)

    def seen(self, item_class: str, scenario: str) -> list[tuple[str, str]]:
        """Collection and text of the entries on the server, by CalDAV and CardDAV."""
        kind = "Contacts" if item_class == "Contacts" else "Calendar"
        inside = {"Calendar": "BEGIN:VEVENT", "Contacts": "BEGIN:VCARD", "Tasks": "BEGIN:VTODO"}[item_class]
        return [
            (place, text)
            for place in self.dav.places(kind)
            for text in self.dav.all(kind, place).values()
            if f"{self.mark} {scenario}" in text and inside in text
        ]

    def mail_seen(self, scenario: str) -> list[tuple[str, frozenset[str]]]:
        """Folder and flags of the messages on the server, by IMAP."""
        subject = f"Subject: {self.mark} {scenario}\r\n".encode()
        return [
            (folder, message.flags)
            for folder in self.folders
            for message in self.imap.messages(folder, f'"{folder}"')
            if subject in message.raw
        ]

    def both(self, step: Callable[[Device], None]) -> None:
        step(self.one)
        step(self.two)


def mail(user: User, subject: str) -> bytes:
    message = EmailMessage()
    message["From"] = "Interop <interop@example.test>"
    message["To"] = user.email
    message["Subject"] = subject
    message["Message-ID"] = f"<{secrets.token_hex(8)}@example.test>"
    message.set_content(f"The text of {subject}.\r\n")
    return message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


@pytest.fixture(scope="module", params=["2.5", "12.1", "14.1", "16.0", "16.1"])
def place(request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Both devices after their first synchronisations, with everything on both that the scenarios work with."""
    if "dav_url" not in server.document or server.imap is None:
        pytest.skip("the server.json names no dav_url or no imap: nothing to compare with")
    user, version, mark = server.users[-1], str(request.param), secrets.token_hex(4)
    path = tmp_path_factory.mktemp("two")
    one, two = (
        Device(
            name=secrets.token_hex(14), path=path / f"{name}.db", version=version, server=server, user=user, mark=mark
        )
        for name in ("one", "two")
    )
    one.peer, two.peer = two, one
    folders = (f"Two-{mark}", f"Two-{mark}-other")
    dav = Dav(server, user)
    before = {(kind, name): set(dav.all(kind, name)) for kind in ("Calendar", "Contacts") for name in dav.places(kind)}
    with Imap(server, user) as imap:
        made = Place(version, one, two, imap, dav, mark, folders, sogo=server.is_sogo)
        try:
            for folder in folders:
                imap.create(folder)
            try:
                one.sync()
            except NoCommonVersion as problem:
                pytest.skip(str(problem))
            _fill(made)
            yield made
        finally:
            for name in made.second.values():
                one.do(lambda mailbox, name=name: mailbox.delete_folder(name))  # type: ignore[misc]
            for (kind, name), names in before.items():
                for entry in set(dav.all(kind, name)) - names:
                    dav.delete(kind, entry)
            for folder in folders:
                imap.delete_folder(folder)


def _fill(place: Place) -> None:
    one, two, now = place.one, place.two, datetime.now(UTC)
    for scenario in SCENARIOS:
        place.imap.append(place.folders[0], mail(one.user, f"{place.mark} {scenario}"), now)

    def create(mailbox: Mailbox) -> None:
        for item_class, kind in KINDS.items():
            made = mailbox.create_folder(f"Second {item_class} {place.mark}", folder_type=kind)
            place.second[item_class] = made.name

    one.do(create)
    two.sync()
    one.do(lambda mailbox: [mailbox.create_item(SAMPLES[c](f"{place.mark} {s}")) for c in KINDS for s in SCENARIOS])  # type: ignore[func-returns-value]
    one.sync()
    two.sync()


def test_explore(place: Place) -> None:
    for c in KINDS:
        here, there = place.one.only(c, "created"), place.two.only(c, "created")
        h, t = essence(here), essence(there)
        print(c, {k: (h.get(k), t.get(k)) for k in h.keys() | t.keys() if h.get(k) != t.get(k)})
        print(place.seen(c, "created"))
    print(place.second, place.one.mails().keys(), place.mail_seen("created"))
