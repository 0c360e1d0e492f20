"""The same item changed on both sides: joined where the properties differ, decided by the policy where they do not.

The server's version is looked at before ours is sent, so that nothing depends on whether the server minds; what it
changes between that look and our request, it decides itself (MS-ASCMD 2.2.3.34).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from emailplus.eas.wbxml import decode
from emailplus.mock import Http, LoseResponse, Status
from emailplus.model.event import Event, Location
from emailplus.model.recurrence import Recurrence

from ..flows.world import World
from ..stops import every_commit, given_up
from .test_two_devices import EVERY, Pair, pair, shared
from .two import NAME, OTHER, SAMPLES, START, WINDOW, Device, essence, text

__all__ = ["pair"]

FEW = (("Calendar", "2.5"), ("Contacts", "12.1"), ("Tasks", "14.1"), ("Notes", "16.1"), ("Calendar", "16.1"))
TITLE = {"Calendar": "Calendar:Subject", "Contacts": "Contacts:LastName", "Tasks": "Tasks:Subject",
         "Notes": "Notes:Subject"}  # fmt: skip
POLICIES = ("server_wins", "client_wins", "keep_both")


def renamed(item_class: str, name: str) -> dict[str, Any]:
    """A change of the name; the first line of a note is its name."""
    return {NAME[item_class]: name, **({"body": text(f"{name}\nrest")} if item_class == "Notes" else {})}


def told_changes(world: World, since: int) -> int:
    """How many Changes were sent in requests from that number on."""
    return sum(
        str(decode(request.body)).count("AirSync:Change'")
        for request in list(world.exchange.requests)[since:]
        if request.command == "Sync" and request.body
    )


@pytest.mark.parametrize(
    ("item_class", "version", "policy"),
    [
        (item_class, version, policy)
        for item_class, version in EVERY
        for policy in POLICIES
        if policy == "server_wins" or (item_class, version) in FEW
    ],
)
def test_different_properties_join(pair: Pair, item_class: str, version: str, policy: str) -> None:
    one, two, mine, theirs = shared(pair, item_class, version, conflicts=policy)
    one.change(mine, **renamed(item_class, "renamed"))
    two.change(theirs, **OTHER[item_class])
    one.sync()
    report = two.sync()
    one.sync()
    here, there = one.one(item_class), two.one(item_class)
    (attribute, value), *_ = OTHER[item_class].items()
    for item in (here, there):
        assert (getattr(item, NAME[item_class]), getattr(item, attribute)) == ("renamed", value)
    assert essence(here) == essence(there)
    assert (one.waiting(), two.waiting(), report.warnings) == ([], [], [])


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("item_class", "version"), FEW)
def test_a_server_that_minds_nothing(pair: Pair, item_class: str, version: str, policy: str) -> None:
    """What loses is never sent: a server that takes whatever comes last would have lost the other side's change."""
    one, two, mine, theirs = shared(pair, item_class, version, conflicts=policy)
    two.change(theirs, **renamed(item_class, "server's"))
    two.sync()
    one.change(mine, **renamed(item_class, "client's"))
    since = len(list(one.world.exchange.requests))
    report = one.sync()
    assert told_changes(one.world, since) == (policy == "client_wins")
    two.sync()
    expected = {"server_wins": ["server's"], "client_wins": ["client's"], "keep_both": ["client's", "server's"]}[policy]
    for device in (one, two):
        assert sorted(getattr(item, NAME[item_class]) for item in device.all(item_class)) == expected
    assert one.waiting() == []
    assert (policy == "client_wins") is (report.warnings == [])


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("item_class", "version"), FEW)
def test_between_the_look_and_the_request_the_server_decides(
    pair: Pair, item_class: str, version: str, policy: str
) -> None:
    one, two, mine, _ = shared(pair, item_class, version, conflicts=policy)
    one.change(mine, **renamed(item_class, "client's"))
    alice, server_id, came = one.world.alice, one.one(item_class).server_id, []

    def meanwhile(request: Any) -> bool:
        if not came and "AirSync:Commands'" in str(decode(request.body)):
            came.append(1)
            alice.change_item(server_id, [(TITLE[item_class], "server's")])
        return False

    exchange = one.world.exchange
    fault = exchange.faults.add(Status(5), command="Sync", device=one.name, when=meanwhile)
    report = one.sync()
    assert (came, fault.hits) == ([1], 0)
    one.sync()
    two.sync()
    expected = {"server_wins": ["server's"], "client_wins": ["client's"], "keep_both": ["client's", "server's"]}[policy]
    for device in (one, two):
        assert sorted(getattr(item, NAME[item_class]) for item in device.all(item_class)) == expected
    assert one.waiting() == []
    assert (policy == "client_wins") is (report.warnings == [])


@pytest.mark.parametrize("version", ["2.5", "14.1", "16.1"])
def test_instances_of_a_series(pair: Pair, version: str) -> None:
    one, two = pair(version)
    one.sync()
    mine = one.create(
        Event(subject="standup", start=START, end=START + timedelta(minutes=15), timezone="Europe/Berlin",
              recurrence=Recurrence(type=0, occurrences=4), location=Location("Room 1"))
    )  # fmt: skip
    one.sync()
    two.sync()
    theirs = two.one("Calendar").id
    second, third, fourth = (START + timedelta(days=n) for n in (1, 2, 3))
    two.change(theirs, instance=second, subject="server's")
    two.delete(theirs, instance=third)
    two.sync()
    one.change(mine, instance=second, subject="client's")
    one.change(mine, instance=third, subject="too late")
    one.change(mine, instance=fourth, subject="mine alone")
    report = one.sync()
    one.sync()
    two.sync()

    def shown(device: Device) -> list[str]:
        return [made.event.subject for made in device.do(lambda mailbox: mailbox.events(*WINDOW))]

    assert shown(one) == shown(two) == ["standup", "server's", "mine alone"]
    assert one.waiting() == []
    assert len([line for line in report.warnings if "changed on both sides" in line]) == 2


@pytest.mark.parametrize(("item_class", "version"), FEW)
def test_what_was_sent_without_an_answer_is_no_conflict_with_itself(pair: Pair, item_class: str, version: str) -> None:
    """It is told again before anything is looked at: what the server has of it is our own."""
    one, two, mine, _ = shared(pair, item_class, version)
    one.change(mine, **renamed(item_class, "renamed"))
    exchange = one.world.exchange
    exchange.faults.add(
        LoseResponse(), command="Sync", when=lambda request: "AirSync:Commands'" in str(decode(request.body))
    )
    reports = []
    for _ in range(2):
        with given_up():
            reports.append(one.sync())
    one.change(mine, **renamed(item_class, "again"))
    reports.append(one.sync())
    two.sync()
    assert getattr(two.one(item_class), NAME[item_class]) == "again"
    assert (one.waiting(), [line for report in reports for line in report.warnings if "both sides" in line]) == ([], [])


@pytest.mark.parametrize("version", ["2.5", "16.1"])
def test_a_change_that_the_server_fails_over_stops_nothing(pair: Pair, version: str) -> None:
    """SOGo answers HTTP 501 to a contact with a text in 2.5; everything else goes on, and nothing is made twice."""
    one, two = pair(version)
    one.sync()
    for name in ("good", "poison", "better"):
        one.create(SAMPLES["Contacts"](name))
    one.create(SAMPLES["Tasks"]("task"))
    fault = one.world.exchange.faults.add(
        Http(501), command="Sync", times=None, when=lambda request: "poison" in str(decode(request.body))
    )
    report = one.sync()
    assert fault.hits == 2
    assert len([line for line in report.warnings if "501" in line]) == 1
    two.sync()
    assert [item.last_name for item in two.all("Contacts")] == ["better", "good"]
    assert two.one("Tasks").subject == "task"
    (left,) = one.waiting()
    assert (left.kind, left.state, left.item.last_name) == ("add", "failed", "poison")
    assert "501" in left.reason
    one.sync()
    assert fault.hits == 2
    one.change(left.item_id, last_name="cured")
    one.sync()
    two.sync()
    assert [item.last_name for item in two.all("Contacts")] == ["better", "cured", "good"]
    assert one.waiting() == []


@pytest.mark.parametrize("version", ["14.1"])
def test_every_commit_may_be_the_last(pair: Pair, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped anywhere, edited once more and taken up again: what the server's version won stays won."""
    for stop in every_commit(monkeypatch, step=2, more_than=6):
        one, two, mine, theirs = shared(pair, "Contacts", version)
        two.change(theirs, last_name="server's")
        two.sync()
        one.change(mine, last_name="client's")
        with stop:
            one.sync()
        one.change(mine, company_name="Elsewhere")
        one.sync()
        two.sync()
        for device in (one, two):
            assert [item.last_name for item in device.all("Contacts")] == ["server's"], stop.at
        assert one.waiting() == []
