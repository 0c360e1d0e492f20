"""Items moved between folders of their class, in every version: the id stays, nothing is lost or doubled.

MS-ASCMD 2.2.1.12. Every step opens the store anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from emailplus.eas.wbxml import decode
from emailplus.errors import ConfirmationNeeded, NotFound, UsageError
from emailplus.mock import Drop, Http, LoseResponse
from emailplus.model.questions import DeleteMany

from ..flows.world import World
from ..stops import every_commit, given_up
from .test_two_devices import EVERY
from .two import NAME, OTHER, SAMPLES, Device, devices, essence

TYPES = {"Calendar": 13, "Contacts": 14, "Tasks": 15, "Notes": 17}
MAIN = {"Calendar": "Calendar", "Contacts": "Contacts", "Tasks": "Tasks", "Notes": "Notes"}

FEW = (("Calendar", "16.1"), ("Contacts", "2.5"), ("Tasks", "12.1"), ("Notes", "14.1"))
"""Each class once, each way of versions once: the way of a move is the same for all."""

Pair = Callable[..., tuple[Device, Device]]


@pytest.fixture
def pair(make_world: Callable[..., World]) -> Pair:
    def made(item_class: str, version: str, **more: Any) -> tuple[Device, Device]:
        world = make_world()
        world.alice.create_folder("Archive", type=TYPES[item_class])
        return devices(world, version, **more)

    return made


def shared(pair: Pair, item_class: str, version: str) -> tuple[Device, Device, int]:
    one, two = pair(item_class, version)
    one.sync()
    mine = one.create(SAMPLES[item_class]("first"))
    one.sync()
    two.sync()
    return one, two, mine


def move(device: Device, item_id: int, folder: str = "Archive") -> bool:
    return device.do(lambda mailbox: mailbox.move_item(item_id, folder))


def where(world: World, item_class: str) -> tuple[int, int]:
    """Items in the standard folder and in the other one, on the server."""
    return len(world.alice.items(MAIN[item_class])), len(world.alice.items("Archive"))


@pytest.mark.parametrize(("item_class", "version"), EVERY)
def test_a_move_reaches_the_other_device(pair: Pair, item_class: str, version: str) -> None:
    one, two, mine = shared(pair, item_class, version)
    theirs = two.one(item_class).id
    assert move(one, mine)
    assert one.one(item_class).folder == "Archive"  # seen here at once
    assert where(one.world, item_class) == (1, 0)
    one.sync()
    assert where(one.world, item_class) == (0, 1)
    two.sync()
    here, there = one.one(item_class), two.one(item_class)
    assert (here.id, there.id) == (mine, theirs)
    assert (here.folder, there.folder, here.server_id) == ("Archive", "Archive", there.server_id)
    assert essence(here) == essence(there)
    assert one.waiting() == []
    assert not move(one, mine)
    two.change(theirs, **OTHER[item_class])  # it goes on from there
    two.sync()
    one.sync()
    assert essence(one.one(item_class)) == essence(two.one(item_class))
    move(two, theirs, MAIN[item_class])
    two.sync()
    one.sync()
    assert (one.one(item_class).id, one.one(item_class).folder) == (mine, MAIN[item_class])
    report = one.sync()
    assert (report.added, report.changed, report.deleted) == (0, 0, 0)


@pytest.mark.parametrize(("item_class", "version"), FEW)
def test_changes_before_and_after_a_move_go_with_it(pair: Pair, item_class: str, version: str) -> None:
    one, two, mine = shared(pair, item_class, version)
    one.change(mine, **OTHER[item_class])
    move(one, mine)
    one.change(mine, **{NAME[item_class]: "renamed"})
    one.sync()
    one.sync()
    two.sync()
    assert where(one.world, item_class) == (0, 1)
    assert one.waiting() == []
    assert essence(one.one(item_class)) == essence(two.one(item_class))
    if item_class != "Notes":  # the first line of its text is its title
        assert getattr(two.one(item_class), NAME[item_class]) == "renamed"
    fresh = one.create(SAMPLES[item_class]("second"))
    move(one, fresh)  # made there from the start
    one.sync()
    assert where(one.world, item_class) == (0, 2)


@pytest.mark.parametrize("fault", [Drop(), LoseResponse()], ids=["cut before", "cut after"])
@pytest.mark.parametrize(("item_class", "version"), FEW)
def test_a_lost_answer_moves_once(pair: Pair, item_class: str, version: str, fault: Any) -> None:
    one, two, mine = shared(pair, item_class, version)
    move(one, mine)
    one.world.exchange.faults.add(fault, "MoveItems")
    for _ in range(2):
        with given_up():
            one.sync()
    two.sync()
    assert where(one.world, item_class) == (0, 1)
    assert (one.one(item_class).id, one.one(item_class).folder) == (mine, "Archive")
    assert two.one(item_class).folder == "Archive"
    assert one.waiting() == []


def test_a_server_that_cannot_move_one_of_them(pair: Pair) -> None:
    """SOGo answers HTTP 501 to a request that names a contact, whatever else is in it."""
    one, two, mine = shared(pair, "Contacts", "14.1")
    one.world.alice.create_folder("Second", type=13)
    event = one.create(SAMPLES["Calendar"]("event"))
    one.sync()
    contact = one.one("Contacts").server_id
    fault = one.world.exchange.faults.add(
        Http(501), command="MoveItems", times=None, when=lambda request: contact in str(decode(request.body))
    )
    move(one, mine)
    move(one, event, "Second")
    report = one.sync()
    two.sync()
    assert fault.hits == 2
    for device in (one, two):
        assert (device.one("Contacts").folder, device.one("Calendar").folder) == ("Contacts", "Second")
    assert [(change.kind, change.state) for change in one.waiting()] == [("move", "failed")]
    assert any("was not moved" in line and "501" in line for line in report.warnings)
    one.change(mine, company_name="Elsewhere")  # the rest goes on
    one.sync()
    two.sync()
    assert two.one("Contacts").company_name == "Elsewhere"
    assert fault.hits == 2


@pytest.mark.parametrize("version", ["2.5", "16.1"])
def test_every_commit_may_be_the_last(pair: Pair, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for stop in every_commit(monkeypatch, step=3, more_than=6):
        one, two, mine = shared(pair, "Contacts", version)
        move(one, mine)
        with stop:
            one.sync()
        one.sync()
        two.sync()
        assert where(one.world, "Contacts") == (0, 1), stop.at
        assert (one.one("Contacts").id, one.one("Contacts").folder) == (mine, "Archive"), stop.at
        assert two.one("Contacts").folder == "Archive"
        assert one.waiting() == []


def test_moved_on_both_sides(pair: Pair) -> None:
    one, two, mine = shared(pair, "Tasks", "14.1")
    one.world.alice.create_folder("Other", type=15)
    two.sync()
    move(two, two.one("Tasks").id, "Other")
    two.sync()
    move(one, mine)
    one.sync()
    one.sync()
    assert (one.one("Tasks").id, one.one("Tasks").folder) == (mine, "Other")
    assert one.waiting() == []


def test_what_cannot_be_moved(pair: Pair) -> None:
    one, _, mine = shared(pair, "Contacts", "16.1")
    with pytest.raises(NotFound):
        move(one, mine, "Inbox")  # holds mail
    with pytest.raises(NotFound):
        move(one, mine, "Nowhere")
    with pytest.raises(NotFound):
        move(one, 99)
    with pytest.raises(NotFound):
        one.create(SAMPLES["Contacts"]("x"), folder="Calendar")
    archive = one.world.alice.folder("Archive").server_id
    move(one, mine)
    one.world.alice.delete_folder(archive)
    one.sync()
    assert (one.one("Contacts").id, one.one("Contacts").folder) == (mine, "Contacts")
    assert one.waiting() == []


def test_back_and_dropped_and_deleted(pair: Pair) -> None:
    one, two, mine = shared(pair, "Contacts", "14.1")
    move(one, mine)
    move(one, mine, "Contacts")
    assert one.waiting() == []
    move(one, mine)
    (change,) = one.waiting()
    assert (change.kind, change.title) == ("move", "Ann first")
    one.do(lambda mailbox: mailbox.drop_change(change.id))
    assert one.one("Contacts").folder == "Contacts"
    move(one, mine)
    one.delete(mine)
    one.sync()
    two.sync()
    assert where(one.world, "Contacts") == (0, 0)
    assert (one.all("Contacts"), two.all("Contacts"), one.waiting()) == ([], [], [])


def test_many_deletions_ask_first(pair: Pair) -> None:
    one, _ = pair("Contacts", "14.1")
    one.sync()

    def fill(mailbox: Any) -> list[int]:
        return [mailbox.create_item(SAMPLES["Contacts"](f"n{n}")) for n in range(55)]

    numbers = one.do(fill)
    one.sync()
    with pytest.raises(ConfirmationNeeded) as caught:
        one.do(lambda mailbox: mailbox.delete_items(numbers[:51]))
    assert isinstance(caught.value.question, DeleteMany)
    assert caught.value.question.count == 51
    assert one.do(lambda mailbox: mailbox.delete_items(numbers[:50])) == 50
    with pytest.raises(ConfirmationNeeded):  # those that wait count
        one.delete(numbers[50])
    one.delete(numbers[50], confirm=lambda _: "proceed")
    one.sync()
    assert len(one.world.alice.items("Contacts")) == 4
    one.delete(numbers[51])
    with pytest.raises(UsageError):
        one.do(lambda mailbox: mailbox.delete_item(numbers[52], instance=None) or mailbox.change_item(numbers[53], x=1))
