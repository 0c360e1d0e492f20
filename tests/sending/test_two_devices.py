"""Mail on two devices of one mailbox; both stores are closed and opened again for every step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from emailplus.errors import EmailplusError
from emailplus.mock import LoseResponse
from emailplus.mock.mime import Message
from emailplus.model.message import StoredMessage

from ..flows.world import World, deliver, mail, noise
from ..items.two import Device, devices
from ..stops import given_up

VERSIONS = ("2.5", "12.1", "14.1", "16.0", "16.1")
CONTENT = noise(5000)


class Mails:
    """The mailbox and both devices, with so many messages that both have."""

    def __init__(self, world: World, version: str, *subjects: str) -> None:
        self.world, self.version = world, version
        self.one, self.two = devices(world, version)
        self.folder = world.alice.create_folder("Projects", parent="Inbox")
        for subject in subjects:
            deliver(world.alice, mail(subject, attachments=(("a.bin", CONTENT),)))
        self.both()

    def both(self) -> None:
        """Until each has what the other did."""
        for device in (self.one, self.two, self.one):
            device.sync()

    @property
    def flags(self) -> bool:
        """From 12.0 on (MS-ASEMAIL 2.2.2.34)."""
        return self.version != "2.5"

    def seen(self, device: Device) -> dict[str, tuple[str, bool, int]]:
        """Subject -> folder, read, flag, as a device has them; a message that is there twice is an error."""
        found = held(device)
        assert len({message.subject for message in found}) == len(found)
        return {message.subject: (message.folder, message.read, message.flag_status) for message in found}

    def served(self) -> dict[str, tuple[str, bool, int]]:
        """The same, on the server."""
        return {
            Message(item.raw).headers.get("subject"): (
                folder.name,
                item.read,
                item.flag.status if item.flag is not None else 0,
            )
            for folder, item in self.world.alice.walk()
            if folder.name in ("Inbox", "Projects")
        }

    def agree(self) -> dict[str, tuple[str, bool, int]]:
        """What both devices and the server have."""
        served = self.served()
        for device in (self.one, self.two):
            assert {name: row for name, row in self.seen(device).items() if row[0] in ("Inbox", "Projects")} == served
        return served


def held(device: Device) -> list[StoredMessage]:
    return device.do(lambda mailbox: [mailbox.message(hit.id) for hit in mailbox.search("", limit=None)])


def number(device: Device, subject: str) -> int:
    (found,) = [message.id for message in held(device) if message.subject == subject]
    return found


def act(device: Device, subject: str, what: str, *more: Any, **options: Any) -> int:
    """Call a method of the mailbox with one message; its id."""
    one = number(device, subject)
    device.do(lambda mailbox: getattr(mailbox, what)([one], *more, **options))
    return one


@pytest.fixture
def make(make_world: Callable[..., World]) -> Callable[..., Mails]:
    return lambda version, *subjects: Mails(make_world(versions=(version,)), version, *subjects)


@pytest.mark.parametrize("version", VERSIONS)
def test_changes_on_both_sides_meet(make: Callable[..., Mails], version: str) -> None:
    mails = make(version, "read here", "flagged there", "both")
    act(mails.one, "read here", "mark_read")
    act(mails.one, "both", "mark_read")
    if mails.flags:
        act(mails.two, "flagged there", "flag")
        act(mails.two, "both", "flag")
    mails.both()
    flagged = 2 if mails.flags else 0
    assert mails.agree() == {
        "read here": ("Inbox", True, 0),
        "flagged there": ("Inbox", False, flagged),
        "both": ("Inbox", True, flagged),
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_a_move_keeps_the_id_and_the_contents_on_both(make: Callable[..., Mails], version: str) -> None:
    mails = make(version, "moved", "stays")
    there = number(mails.two, "moved")
    here = act(mails.one, "moved", "move", "Projects", confirm=lambda question: "proceed")
    mails.both()
    assert mails.agree() == {"moved": ("Projects", False, 0), "stays": ("Inbox", False, 0)}
    assert (number(mails.one, "moved"), number(mails.two, "moved")) == (here, there)
    for device, one in ((mails.one, here), (mails.two, there)):
        content = device.do(
            lambda mailbox, one=one: b"".join(mailbox.attachment(mailbox.message(one).attachments[0].id))
        )
        assert content == CONTENT


@pytest.mark.parametrize("permanent", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_what_one_deletes_goes_on_both(make: Callable[..., Mails], version: str, permanent: bool) -> None:
    mails = make(version, "deleted", "stays")
    act(mails.one, "deleted", "delete", permanent=permanent)
    mails.both()
    assert mails.agree() == {"stays": ("Inbox", False, 0)}
    elsewhere = {message.subject: message.folder for message in held(mails.two) if message.folder != "Inbox"}
    assert elsewhere == ({} if permanent else {"deleted": "Deleted Items"})


@pytest.mark.parametrize("version", VERSIONS)
def test_one_moves_and_the_other_deletes_or_changes(make: Callable[..., Mails], version: str) -> None:
    """Whoever is first has it; the other's wish is dropped or done, and nothing is there twice or lost."""
    mails = make(version, "deleted there", "read there")
    for subject in ("deleted there", "read there"):
        act(mails.one, subject, "move", "Projects", confirm=lambda question: "proceed")
    act(mails.two, "deleted there", "delete")
    act(mails.two, "read there", "mark_read")
    mails.both()
    mails.both()
    places = mails.agree()
    assert places["read there"][0] == "Projects"
    assert places.get("deleted there", ("Projects",))[0] == "Projects"
    assert mails.one.do(lambda mailbox: [c for c in mailbox.pending_changes() if c.state == "queued"]) == []
    assert mails.two.do(lambda mailbox: [c for c in mailbox.pending_changes() if c.state == "queued"]) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_offline_edits_wait_and_join(make: Callable[..., Mails], version: str) -> None:
    mails = make(version, "a", "b", "c")
    mails.world.exchange.stop()
    try:
        act(mails.one, "a", "mark_read")
        act(mails.one, "b", "move", "Projects", confirm=lambda question: "proceed")
        act(mails.two, "b", "mark_read")
        act(mails.two, "c", "delete", permanent=True)
        for device in (mails.one, mails.two):
            with pytest.raises(EmailplusError):
                device.sync()
    finally:
        mails.world.exchange.start()
    mails.both()
    mails.both()
    served = mails.agree()
    assert served["a"] == ("Inbox", True, 0)
    assert served["b"][0] == "Projects"
    assert "c" not in served


@pytest.mark.parametrize("version", VERSIONS)
def test_a_lost_answer_makes_no_double(make: Callable[..., Mails], version: str) -> None:
    mails = make(version, "a", "b")
    act(mails.one, "a", "mark_read")
    act(mails.one, "b", "move", "Projects", confirm=lambda question: "proceed")
    faults = mails.world.exchange.faults
    for command in ("Sync", "MoveItems"):
        faults.add(LoseResponse(), command)
    for _ in range(2):
        with given_up():
            mails.one.sync()
    assert faults.pending() == []
    mails.both()
    mails.both()
    assert mails.agree() == {"a": ("Inbox", True, 0), "b": ("Projects", False, 0)}


@pytest.mark.parametrize("version", ["14.1", "16.0", "16.1"])
@pytest.mark.parametrize(
    ("policy", "wanted"), [("server_wins", {"two"}), ("client_wins", {"one"}), ("keep_both", {"one", "two"})]
)
def test_a_conflict_is_decided_by_the_policy(
    make: Callable[..., Mails], version: str, policy: str, wanted: set[str]
) -> None:
    mails = make(version, "contested")
    act(mails.one, "contested", "categorise", "one", conflict=policy)
    act(mails.two, "contested", "categorise", "two")
    mails.two.sync()
    mails.both()
    mails.both()
    for device in (mails.one, mails.two):
        (message,) = held(device)
        assert set(message.categories) == wanted
