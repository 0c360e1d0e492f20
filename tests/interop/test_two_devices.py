"""Two of our devices on one account of a real server; IMAP, CalDAV and CardDAV are the witnesses.

Every step of a device opens its store anew, so that every step is a restart. The scenarios are those of
`tests/items/test_two_devices.py` and `test_moves.py`; here each goes through all classes at once, since every
synchronisation with a real server takes its time.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, TypeVar

import pytest

from emailplus.config import AppConfig
from emailplus.errors import NoCommonVersion
from emailplus.mailbox import Mailbox
from emailplus.model.folder import FolderType
from emailplus.model.item import Item
from emailplus.report import SyncReport

from ..items.two import NAME, OTHER, SAMPLES, Steps, essence
from .dav import Dav
from .imap import Imap
from .runs import Held, held
from .server import Server, User
from .test_sending import yes

T = TypeVar("T")
SCENARIOS = ("created", "meet", "server_wins", "client_wins", "keep_both", "move", "delete", "offline", "theirs")
KINDS = {
    "Calendar": FolderType.USER_CALENDAR,
    "Contacts": FolderType.USER_CONTACTS,
    "Tasks": FolderType.USER_TASKS,
}
POLICIES = ("server_wins", "client_wins", "keep_both")
SHOWN = {
    "Calendar": ("LOCATION:Room 1", "LOCATION:Room 2"),
    "Contacts": ("ORG:Works", "ORG:Elsewhere"),
    "Tasks": ("PRIORITY:1", "PRIORITY:9"),
}
"""What CalDAV and CardDAV say of a sample, and of one changed as `OTHER` says."""
LOST_BY_SOGO = {"Calendar": {"timezone"}, "Contacts": {"children"}}
"""Attributes that SOGo does not keep: it reckons in the zone of its user, and a vCard has no children."""


@dataclass(kw_only=True)
class Device(Steps):
    """One device of the account."""

    server: Server
    user: User
    mark: str
    peer: Device | None = None
    synced: float = 0.0
    syncs: int = 0
    known: dict[str, Any] = field(default_factory=dict)
    """What was read since the last step."""

    def config(self) -> AppConfig:
        return self.server.config(self.user, device=self.name)

    def do(self, what: Callable[[Mailbox], T]) -> T:
        self.known = {}
        return super().do(what)

    def sync(self) -> SyncReport:
        """SOGo reckons in whole seconds: what changes in the second in which a device synchronised is never told it."""
        if self.peer is not None and int(time.time()) <= int(self.peer.synced):
            time.sleep(1.02 - time.time() % 1)
        report = super().sync()
        self.synced, self.syncs = time.time(), self.syncs + 1
        return report

    def held(self, what: str) -> Any:
        """What the store holds: the items of a class, "Email", or what is "waiting"; read once behind each step."""
        if not self.known:
            whole = (datetime(2026, 11, 1, tzinfo=UTC), datetime(2027, 2, 1, tzinfo=UTC))

            def read(mailbox: Mailbox) -> dict[str, Any]:
                numbers = {made.event.id for made in mailbox.events(*whole)}
                return {
                    "Calendar": [mailbox.item(number) for number in sorted(numbers)],
                    "Contacts": mailbox.contacts(),
                    "Tasks": mailbox.tasks(),
                    "Email": held(mailbox),
                    "waiting": mailbox.waiting_changes(),
                }

            self.known = super().do(read)
        return self.known[what]

    def items(self, item_class: str, scenario: str) -> list[Any]:
        """The items of a scenario: everything behind a "+" in a name is what was made of it."""
        found = []
        for item in self.held(item_class):
            mark, _, rest = getattr(item, NAME[item_class]).partition(" ")
            if (mark, rest.partition("+")[0]) == (self.mark, scenario):
                found.append(item)
        return found

    def only(self, item_class: str, scenario: str) -> Any:
        (item,) = self.items(item_class, scenario)
        return item

    def mails(self) -> dict[str, Held]:
        """Scenario -> the message of it."""
        found = [row for row in self.held("Email") if row.message.subject.startswith(self.mark)]
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
    witness: tuple[tuple[int, int], list[tuple[str, str]]] = ((0, 0), [])

    @property
    def flags(self) -> bool:
        """Mail has a flag from 12.0 on."""
        return self.version != "2.5"

    def seen(self, item_class: str, scenario: str) -> list[tuple[str, str]]:
        """Collection and text of the entries on the server, by CalDAV and CardDAV."""
        syncs = (self.one.syncs, self.two.syncs)
        if self.witness[0] != syncs:
            self.witness = (
                syncs,
                [
                    (place, text)
                    for kind in ("Calendar", "Contacts")
                    for place in self.dav.places(kind)
                    for text in self.dav.all(kind, place).values()
                ],
            )
        inside = {"Calendar": "BEGIN:VEVENT", "Contacts": "BEGIN:VCARD", "Tasks": "BEGIN:VTODO"}[item_class]
        wanted = f"{self.mark} {scenario}"
        return [(place, text) for place, text in self.witness[1] if wanted in text and inside in text]

    def mail_seen(self, scenario: str) -> list[tuple[str, frozenset[str]]]:
        """Folder and flags of the messages on the server, by IMAP."""
        subject = f"Subject: {self.mark} {scenario}\r\n".encode()
        return [
            (folder, message.flags)
            for folder in self.folders
            for message in self.imap.messages(folder, f'"{folder}"')
            if subject in message.raw and "\\deleted" not in message.flags
        ]


def mail(user: User, subject: str) -> bytes:
    message = EmailMessage()
    message["From"] = "Interop <interop@example.test>"
    message["To"] = user.email
    message["Subject"] = subject
    message["Date"] = format_datetime(datetime.now(UTC))
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
            _clean(dav, before)
            for folder in folders:
                imap.delete_folder(folder)


def _clean(dav: Dav, before: dict[tuple[str, str], set[str]]) -> None:
    """Take away what was not there. By WebDAV: SOGo answers a FolderDelete of an address book with HTTP 500."""
    for kind in ("Calendar", "Contacts"):
        for name in dav.places(kind):
            if (kind, name) not in before:
                dav.remove(kind, name)
                continue
            for entry in set(dav.all(kind, name)) - before[kind, name]:
                dav.remove(kind, name, entry)


def _fill(place: Place) -> None:
    one, two, now = place.one, place.two, datetime.now(UTC)
    for scenario in SCENARIOS:
        place.imap.append(place.folders[0], mail(one.user, f"{place.mark} {scenario}"), now)

    def create(mailbox: Mailbox) -> None:
        for item_class, kind in KINDS.items():
            made = mailbox.create_folder(f"Second {item_class} {place.mark}", folder_type=kind)
            place.second[item_class] = made.name

    one.do(create)
    one.do(lambda mailbox: [mailbox.create_item(sample(place, c, s)) for c in KINDS for s in SCENARIOS])
    one.sync()
    two.sync()  # its first


def sample(place: Place, item_class: str, scenario: str) -> Item:
    """SOGo fails (HTTP 501) over a contact with a text in 2.5."""
    item = SAMPLES[item_class](f"{place.mark} {scenario}")
    return replace(item, body=None) if place.sogo and (item_class, place.version) == ("Contacts", "2.5") else item


def ids(place: Place, scenario: str) -> dict[str, tuple[int, int]]:
    """Class -> the id of its item on each device."""
    return {c: (place.one.only(c, scenario).id, place.two.only(c, scenario).id) for c in KINDS}


def mail_ids(place: Place, scenario: str) -> tuple[int, int]:
    return place.one.mails()[scenario].message.id, place.two.mails()[scenario].message.id


def name(place: Place, item_class: str, scenario: str, addition: str = "") -> dict[str, str]:
    return {NAME[item_class]: f"{place.mark} {scenario}{addition}"}


def change(device: Device, changes: dict[int, dict[str, Any]]) -> None:
    """Changes of several items in one step."""
    device.do(lambda mailbox: [mailbox.change_item(number, **values) for number, values in changes.items()])


def agree(place: Place, item_class: str, scenario: str) -> Any:
    """Both devices hold the same of the one item of a scenario, and nothing waits; the item on the first."""
    here, there = place.one.only(item_class, scenario), place.two.only(item_class, scenario)
    assert here.server_id == there.server_id != ""
    lost = LOST_BY_SOGO.get(item_class, set()) if place.sogo else set()
    mine, theirs = ({k: v for k, v in essence(item).items() if k not in lost} for item in (here, there))
    assert mine == theirs, item_class
    assert (place.one.held("waiting"), place.two.held("waiting")) == ([], [])
    return here


def test_what_one_creates_the_other_has(place: Place) -> None:
    for item_class in KINDS:
        lost = LOST_BY_SOGO.get(item_class, set()) if place.sogo else set()
        agree(place, item_class, "created")
        there = essence(place.two.only(item_class, "created"))
        expected = essence(sample(place, item_class, "created"))
        assert {k: there.get(k) for k in expected if k not in lost} == {
            k: v for k, v in expected.items() if k not in lost
        }
        ((_, text),) = place.seen(item_class, "created")
        assert SHOWN[item_class][0] in text
    assert place.mail_seen("created") == [(place.folders[0], frozenset())]
    here, there = place.one.mails()["created"], place.two.mails()["created"]
    assert (here.path, here.message.server_id) == (there.path, there.message.server_id)


def test_changes_on_both_sides_meet(place: Place) -> None:
    one, two = place.one, place.two
    numbers, (mine, theirs) = ids(place, "meet"), mail_ids(place, "meet")
    change(one, {numbers[c][0]: name(place, c, "meet", "+renamed") for c in KINDS})
    one.do(lambda mailbox: mailbox.mark_read([mine]))
    one.sync()
    two.sync()
    assert all(getattr(two.only(c, "meet"), NAME[c]).endswith("+renamed") for c in KINDS)
    assert two.mails()["meet"].message.read
    change(two, {numbers[c][1]: OTHER[c] for c in KINDS})
    if place.flags:
        two.do(lambda mailbox: mailbox.flag([theirs]))
    two.sync()
    one.sync()
    for item_class in KINDS:
        item = agree(place, item_class, "meet")
        (attribute, value), *_ = OTHER[item_class].items()
        assert getattr(item, attribute) == value
        assert item.id == numbers[item_class][0]
        ((_, text),) = place.seen(item_class, "meet+renamed")
        assert SHOWN[item_class][1] in text
    flags = frozenset({"\\seen", "\\flagged"} if place.flags else {"\\seen"})
    assert place.mail_seen("meet") == [(place.folders[0], flags)]
    found = one.mails()["meet"].message
    assert (found.id, found.read, found.flag_status) == (mine, True, 2 if place.flags else 0)


@pytest.mark.parametrize("policy", POLICIES)
def test_conflicts_are_decided_by_the_policy(place: Place, policy: str) -> None:
    one, two = place.one, place.two
    numbers = ids(place, policy)
    change(two, {numbers[c][1]: name(place, c, policy, "+server") for c in KINDS})
    two.sync()
    change(one, {numbers[c][0]: name(place, c, policy, "+client") for c in KINDS})
    one.conflicts = policy
    try:
        report = one.sync()
    finally:
        one.conflicts = "server_wins"
    two.sync()
    expected = {"server_wins": ["server"], "client_wins": ["client"], "keep_both": ["client", "server"]}[policy]
    for item_class in KINDS:
        for device in (one, two):
            found = sorted(getattr(i, NAME[item_class]) for i in device.items(item_class, policy))
            assert found == [f"{place.mark} {policy}+{side}" for side in expected], item_class
        assert len(place.seen(item_class, policy)) == len(expected)
        for side in expected:
            assert len(place.seen(item_class, f"{policy}+{side}")) == 1, item_class
    assert one.held("waiting") == []
    told = [line for line in report.warnings if "changed on both sides" in line]
    assert len(told) == (0 if policy == "client_wins" else len(KINDS))


def test_moves_keep_the_id(place: Place) -> None:
    one, two = place.one, place.two
    numbers, (mine, theirs) = ids(place, "move"), mail_ids(place, "move")
    moving = [c for c in KINDS if not (place.sogo and c == "Contacts")]  # SOGo fails over those: HTTP 501
    one.do(lambda mailbox: [mailbox.move_item(numbers[c][0], place.second[c]) for c in KINDS])
    one.do(lambda mailbox: mailbox.move([mine], place.folders[1], confirm=yes))
    report = one.sync()
    for change_ in one.waiting():
        assert (change_.kind, change_.state, change_.item_class) == ("move", "failed", "Contacts")
        assert any("was not moved" in line for line in report.warnings)
        one.do(lambda mailbox, number=change_.id: mailbox.drop_change(number))  # type: ignore[misc]
    two.sync()
    for item_class in KINDS:
        agree(place, item_class, "move")
        where = place.second[item_class] if item_class in moving else one.only(item_class, "created").folder
        for device, number in zip((one, two), numbers[item_class], strict=True):
            item = device.only(item_class, "move")
            assert (item.id, item.folder) == (number, where), item_class
        ((collection, _),) = place.seen(item_class, "move")
        assert (collection != "personal") is (item_class in moving)
    assert [folder for folder, _ in place.mail_seen("move")] == [place.folders[1]]
    for device, number in ((one, mine), (two, theirs)):
        row = device.mails()["move"]
        assert (row.message.id, row.path) == (number, place.folders[1])
    change(two, {numbers[c][1]: OTHER[c] for c in KINDS})  # it goes on from there
    two.do(lambda mailbox: mailbox.mark_read([theirs]))
    two.sync()
    one.sync()
    for item_class in KINDS:
        assert agree(place, item_class, "move").id == numbers[item_class][0]
        ((collection, text),) = place.seen(item_class, "move")
        assert (collection != "personal") is (item_class in moving)
        assert SHOWN[item_class][1] in text
    assert one.mails()["move"].message.read
    assert place.mail_seen("move") == [(place.folders[1], frozenset({"\\seen"}))]


def test_deletions_reach_the_other_side(place: Place) -> None:
    one, two = place.one, place.two
    numbers, (mine, theirs) = ids(place, "delete"), mail_ids(place, "delete")
    one.do(lambda mailbox: [mailbox.delete_item(numbers[c][0]) for c in KINDS])
    one.do(lambda mailbox: mailbox.delete([mine]))
    one.sync()
    assert not any(place.seen(c, "delete") for c in KINDS)
    assert place.mail_seen("delete") == []
    change(two, {numbers[c][1]: OTHER[c] for c in KINDS})
    two.do(lambda mailbox: mailbox.mark_read([theirs]))
    report = two.sync()
    assert not any(device.items(c, "delete") for c in KINDS for device in (one, two))
    assert len([line for line in report.warnings if "deleted on the server" in line]) == len(KINDS)
    assert (one.held("waiting"), two.held("waiting")) == ([], [])
    assert not any(place.seen(c, "delete") for c in KINDS)
    assert place.mail_seen("delete") == []
    for device in (one, two):
        assert device.mails()["delete"].path not in place.folders  # in the trash
        assert device.do(lambda mailbox: [c for c in mailbox.pending_changes() if c.state == "queued"]) == []


def test_offline_edits_wait_and_join(place: Place) -> None:
    """Both without a network: different properties of one item, another item each, new ones, and one that never was."""
    one, two = place.one, place.two
    numbers, (mine, theirs) = ids(place, "offline"), mail_ids(place, "offline")
    others = ids(place, "theirs")
    change(one, {numbers[c][0]: name(place, c, "offline", "+renamed") for c in KINDS})
    for item_class in KINDS:
        fresh = one.create(sample(place, item_class, "draft"))
        one.change(fresh, **name(place, item_class, "fresh"))
        one.change(fresh, **OTHER[item_class])
        one.delete(one.create(sample(place, item_class, "never")))
    one.do(lambda mailbox: mailbox.mark_read([mine]))
    change(two, {numbers[c][1]: OTHER[c] for c in KINDS})
    change(two, {others[c][1]: name(place, c, "theirs", "+renamed") for c in KINDS})
    if place.flags:
        two.do(lambda mailbox: mailbox.flag([theirs]))
    one.sync()
    report = two.sync()
    one.sync()
    for item_class in KINDS:
        item = agree(place, item_class, "offline")
        (attribute, value), *_ = OTHER[item_class].items()
        assert getattr(item, NAME[item_class]) == f"{place.mark} offline+renamed"
        assert getattr(item, attribute) == value
        ((_, text),) = place.seen(item_class, "offline+renamed")
        assert SHOWN[item_class][1] in text
        assert getattr(agree(place, item_class, "fresh"), attribute) == value
        assert getattr(agree(place, item_class, "theirs"), NAME[item_class]).endswith("+renamed")
        assert len(place.seen(item_class, "fresh")) == len(place.seen(item_class, "theirs+renamed")) == 1
        assert place.seen(item_class, "never") == place.seen(item_class, "draft") == []
    assert not [line for line in report.warnings if "both sides" in line]
    flags = frozenset({"\\seen", "\\flagged"} if place.flags else {"\\seen"})
    assert place.mail_seen("offline") == [(place.folders[0], flags)]
    # SOGo takes what `two` says for all that happened to the message, and never tells it the rest
    for device in (one,) if place.sogo else (one, two):
        found = device.mails()["offline"].message
        assert (found.read, found.flag_status) == (True, 2 if place.flags else 0)


def test_notes_are_not_offered(place: Place) -> None:
    """No folder of notes; where a server has them, the scenarios above are to go through them too."""
    if not place.sogo:
        pytest.skip("known of SOGo only")
    types = {folder.type for folder, _, _ in place.one.do(lambda mailbox: mailbox.folders())}
    assert not types & {FolderType.NOTES, FolderType.USER_NOTES}
    assert types >= {FolderType.CALENDAR, FolderType.CONTACTS, FolderType.TASKS, *KINDS.values()}
