"""ResolveRecipients: published messages, every version, whole lists of people, free and busy times, wrong answers."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from emailplus.eas.commands import resolve_recipients
from emailplus.eas.commands.resolve_recipients import Retrieval, Wish
from emailplus.eas.versions import VERSIONS
from emailplus.eas.wbxml import Node
from emailplus.errors import CommandFailed, MalformedResponse, NotOffered, ServerBusy, UsageError
from emailplus.mock import Empty, Http, Rewrite, Status
from emailplus.model.directory import Busy, FreeBusy

from ..flows.world import World
from .certificates import Authority
from .published import example

START = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


# -- what was published


def test_the_published_requests_are_built() -> None:
    wish = Wish(Retrieval.MINI, max_certificates=99, max_ambiguous=99, photo_size=1024, max_photos=10)
    assert resolve_recipients.build(["Testers"], wish, VERSIONS["14.1"]) == example(67, "request")
    period = (datetime(2008, 12, 1, 8, tzinfo=UTC), datetime(2008, 12, 3, 8, tzinfo=UTC))
    names = ["all@contoso.com", "chris@contoso.com", "Anat", "myPersonalDistributionList"]
    built = resolve_recipients.build(names, Wish(period=period, max_ambiguous=2), VERSIONS["14.1"])
    assert built == example(70, "request")


def test_the_published_answers_are_read() -> None:
    (first,) = resolve_recipients.parse(example(68, "response"))
    assert (first.to, first.status, first.total, len(first.recipients)) == ("Testers", 1, 2, 2)
    testers = first.recipients[0]
    assert (testers.display_name, testers.email, testers.source) == ("Testers", "testers@example.com", "gal")
    assert testers.certificates is not None
    assert testers.certificates.mini == base64.b64decode("AAAAAEfXfBA=")
    assert (testers.certificates.count, testers.certificates.members) == (2, 3)
    assert testers.photo is not None
    assert (testers.photo.status, testers.photo.data) == (173, b"")
    (contact,) = resolve_recipients.parse(example(69, "response"))
    assert contact.recipients[0].source == "contacts"


def test_the_published_free_busy_answer_is_read() -> None:
    period = (datetime(2008, 12, 1, 8, tzinfo=UTC), datetime(2008, 12, 3, 8, tzinfo=UTC))
    everyone, ryan, tom, mine = resolve_recipients.parse(example(71, "response"), period)
    assert everyone.recipients[0].availability == FreeBusy(*period, 162, reason="AvailabilityTransientFailure")
    assert ryan.recipients[0].availability is not None
    busy = list(ryan.recipients[0].availability.busy())
    assert (busy[0].start, busy[0].end, busy[0].kind) == (
        datetime(2008, 12, 1, 9, tzinfo=UTC),
        datetime(2008, 12, 1, 9, 30, tzinfo=UTC),
        Busy.BUSY,
    )
    assert (tom.ambiguous, tom.total, len(tom.recipients)) == (True, 30, 2)
    assert [r.availability.status for r in mine.recipients if r.availability] == [162, 161, 1, 162]


# -- against the mock, in every version


@pytest.mark.parametrize("version", ["2.5", "12.0", "12.1", "14.0", "14.1", "16.0", "16.1"])
def test_certificates_and_photos_in_every_version(
    make_world: Callable[..., World], version: str, authority: Authority
) -> None:
    world = make_world(versions=(version,))
    entry = world.exchange.directory.entry("bob")
    entry.certificates = [authority.person("bob@example.test")]
    entry.photo = b"\xff\xd8photo"
    with world.open() as mailbox:
        bob, nobody, carol = mailbox.resolve(["bob@example.test", "nobody", "carol"], certificates=True, photo_size=999)
    assert bob.resolved
    (person,) = bob.recipients
    assert (person.display_name, person.email, person.source) == ("Bob Brown", "bob@example.test", "gal")
    assert person.certificates is not None
    assert person.certificates.certificates == tuple(entry.certificates)
    assert (nobody.status, nobody.recipients, nobody.resolved) == (4, (), False)
    assert carol.recipients[0].certificates is not None
    assert (carol.recipients[0].certificates.status, carol.recipients[0].certificates.reason) == (
        7,
        "NoValidCertificate",
    )
    if VERSIONS[version].code >= 141:
        assert person.photo is not None
        assert person.photo.data == b"\xff\xd8photo"
    else:
        assert person.photo is None


def test_ambiguous_names_are_suggestions(world: World) -> None:
    world.exchange.directory.add_person("Bobby Tables", "bobby@example.test")
    world.exchange.directory.add_person("Bobo Clown", "bobo@example.test")
    with world.open() as mailbox:
        (all_of_them,) = mailbox.resolve(["bob"], certificates=True)
        (some,) = mailbox.resolve(["bob"], max_ambiguous=2)
    assert (all_of_them.status, all_of_them.total, all_of_them.ambiguous) == (2, 3, True)
    assert [r.certificates for r in all_of_them.recipients] == [None] * 3
    assert (some.status, some.total, len(some.recipients)) == (3, 3, 2)


def test_more_people_than_one_request_takes(world: World) -> None:
    names = [f"p{number}@example.test" for number in range(230)]
    for number, name in enumerate(names):
        world.exchange.directory.add_person(f"Person {number:03d}", name)
    with world.open() as mailbox:
        found = mailbox.resolve(names)
    assert [f.to for f in found] == names
    assert all(f.resolved for f in found)
    assert len(world.exchange.requests.of("ResolveRecipients")) == 3


def test_certificates_that_did_not_fit_are_asked_for_again(world: World, authority: Authority) -> None:
    for name in ("alice", "bob"):
        world.exchange.directory.entry(name).certificates = [authority.person(f"{name}@example.test")]
    from emailplus.eas.flows import people

    wish = Wish(Retrieval.FULL, max_certificates=1)
    with world.open() as mailbox:
        found = mailbox._converse(lambda session: people.resolve(session, ["alice", "bob"], wish))
    assert [r.recipients[0].certificates.status for r in found if r.recipients[0].certificates] == [1, 1]
    assert len(world.exchange.requests.of("ResolveRecipients")) == 2


# -- free and busy


def test_free_and_busy(world: World) -> None:
    directory = world.exchange.directory
    directory.busy("bob", START + HOUR, START + HOUR + timedelta(minutes=5), Busy.OUT_OF_OFFICE)  # type: ignore[arg-type]
    directory.busy("bob", START + 3 * HOUR, START + 4 * HOUR, Busy.TENTATIVE)  # type: ignore[arg-type]
    directory.entry("carol").availability = 163
    with world.open() as mailbox:
        found = mailbox.free_busy(["bob", "carol", "nobody"], START, START + 5 * HOUR)
    bob = found["bob"]
    assert "".join(str(int(slot)) for slot in bob.slots) == "0030001100"
    assert [(p.start, p.end, p.kind) for p in bob.busy()] == [
        (START + HOUR, START + 1.5 * HOUR, Busy.OUT_OF_OFFICE),
        (START + 3 * HOUR, START + 4 * HOUR, Busy.TENTATIVE),
    ]
    assert (found["carol"].status, found["carol"].reason) == (163, "AvailabilityFailure")
    assert (found["nobody"].status, found["nobody"].reason) == (4, "NotResolved")
    assert world.sleeps == []


def test_a_long_period_is_asked_for_in_pieces(world: World) -> None:
    for week in range(15):
        at = START + timedelta(weeks=week)
        world.exchange.directory.busy("bob", at, at + HOUR)
    end = START + timedelta(weeks=15, minutes=10)
    with world.open() as mailbox:
        bob = mailbox.free_busy(["bob"], START, end)["bob"]
    periods = list(bob.busy())
    assert [p.start for p in periods] == [START + timedelta(weeks=week) for week in range(15)]
    assert len(bob.slots) == 15 * 7 * 48 + 1
    assert list(bob.periods())[-1].end == end
    assert len(world.exchange.requests.of("ResolveRecipients")) == 3


def test_periods_across_a_change_of_the_clock() -> None:
    """On 25 October 2026 Berlin has 25 hours: fifty slots end at midnight of the next day (MS-ASCMD_R3337)."""
    berlin = ZoneInfo("Europe/Berlin")
    start, end = datetime(2026, 10, 25, tzinfo=berlin), datetime(2026, 10, 26, tzinfo=berlin)
    day = FreeBusy(start, end, 1, tuple([Busy.FREE] * 49 + [Busy.BUSY]))
    (busy,) = day.busy()
    assert (busy.start, busy.end) == (datetime(2026, 10, 25, 23, 30, tzinfo=berlin), end)


def test_what_came_too_late_is_asked_for_once_more(world: World) -> None:
    entry = world.exchange.directory.entry("bob")
    entry.availability = 162
    with world.open() as mailbox:
        found = mailbox.free_busy(["bob", "carol"], START, START + HOUR)
    assert (found["bob"].status, found["carol"].status) == (162, 1)
    assert world.sleeps == [2.0]
    assert len(world.exchange.requests.of("ResolveRecipients")) == 2


def test_free_busy_below_14_is_not_offered(make_world: Callable[..., World]) -> None:
    world = make_world(versions=("12.1",))
    with world.open() as mailbox, pytest.raises(NotOffered, match=r"from ActiveSync 14\.0 on"):
        mailbox.free_busy(["bob"], START, START + HOUR)
    assert world.exchange.requests.of("ResolveRecipients") == []


@pytest.mark.parametrize(
    ("start", "end"), [(START, START), (START, START + timedelta(minutes=29)), (START.replace(tzinfo=None), START)]
)
def test_impossible_periods_are_refused_before_anything_is_sent(world: World, start: datetime, end: datetime) -> None:
    with world.open() as mailbox, pytest.raises(UsageError):
        mailbox.free_busy(["bob"], start, end)
    assert world.exchange.requests.of("ResolveRecipients") == []


# -- what may go wrong


def test_what_no_server_takes_is_not_built() -> None:
    version = VERSIONS["14.1"]
    for names in ([], ["x"] * 101, ["a" * 257], [" "]):
        with pytest.raises(UsageError):
            resolve_recipients.build(names, Wish(), version)
    with pytest.raises(UsageError):
        resolve_recipients.build(["a"], Wish(max_ambiguous=10_000), version)


def test_statuses_of_the_whole_command(world: World) -> None:
    with world.open() as mailbox:
        mailbox.resolve(["bob"])
        for code, kind in ((5, CommandFailed), (137, NotOffered)):
            world.exchange.faults.add(Status(code), "ResolveRecipients")
            with pytest.raises(kind) as caught:
                mailbox.resolve(["bob"])
            assert getattr(caught.value, "status", code) == code
        world.exchange.faults.add(Http(501), "ResolveRecipients")
        with pytest.raises(NotOffered):
            mailbox.resolve(["bob"])
        world.exchange.faults.add(Status(6), "ResolveRecipients", times=99)
        with pytest.raises(ServerBusy):
            mailbox.resolve(["bob"])


def test_answers_for_other_names_are_matched_by_position_or_unresolved(world: World) -> None:
    def renamed(tree: Node) -> Node:
        tag, content = tree
        if tag == "ResolveRecipients:To":
            return tag, str(content).upper()
        return tag, [renamed(node) for node in content] if isinstance(content, list) else content

    world.exchange.faults.add(Rewrite(renamed), "ResolveRecipients")
    with world.open() as mailbox:
        found = mailbox.resolve(["bob", "carol"])
    assert [(f.to, f.recipients[0].email) for f in found] == [
        ("bob", "bob@example.test"),
        ("carol", "carol@example.test"),
    ]


def _answer(*nodes: Node) -> Node:
    return ("ResolveRecipients:ResolveRecipients", [("ResolveRecipients:Status", "1"), *nodes])


def test_hostile_answers_give_typed_errors_or_less() -> None:
    to: Node = ("ResolveRecipients:To", "x")
    with pytest.raises(MalformedResponse):
        resolve_recipients.parse(("AirSync:Sync", None))
    with pytest.raises(MalformedResponse):
        resolve_recipients.parse(_answer(("ResolveRecipients:Response", [to])))
    with pytest.raises(MalformedResponse):
        resolve_recipients.parse(_answer(("ResolveRecipients:Response", [to, ("ResolveRecipients:Status", "one")])))
    certificates: Node = (
        "ResolveRecipients:Certificates",
        [("ResolveRecipients:CertificateCount", "many"), ("ResolveRecipients:Certificate", "not base64!")],
    )
    availability: Node = (
        "ResolveRecipients:Availability",
        [("ResolveRecipients:MergedFreeBusy", "0x9" + "2" * 90_000)],
    )
    recipient: Node = ("ResolveRecipients:Recipient", [certificates, availability])
    (found,) = resolve_recipients.parse(
        _answer(("ResolveRecipients:Response", [to, ("ResolveRecipients:Status", "1"), recipient])),
        (START, START + 2 * HOUR),
    )
    (person,) = found.recipients
    assert person.certificates is not None
    assert (person.certificates.certificates, person.certificates.damaged, person.certificates.status) == ((), 1, 7)
    assert person.availability is not None
    assert person.availability.slots == (Busy.FREE, Busy.NO_DATA, Busy.NO_DATA, Busy.BUSY)


def test_a_server_that_answers_only_who_asks_for_free_busy(make_world: Callable[..., World]) -> None:
    """SOGo: without Availability in the request it answers nothing at all."""
    world = make_world(versions=("14.1",))
    world.exchange.faults.add(
        Empty(), "ResolveRecipients", times=None, when=lambda request: b"2026-01-01" not in request.body
    )
    with world.open() as mailbox:
        (answer,) = mailbox.resolve(["bob@example.test"])
        assert [person.email for person in answer.recipients] == ["bob@example.test"]
        assert answer.recipients[0].availability is None
        world.exchange.faults.add(Empty(), "ResolveRecipients", times=None)
        with pytest.raises(MalformedResponse):
            mailbox.resolve(["bob@example.test"])
    old = make_world(versions=("12.1",))
    old.exchange.faults.add(Empty(), "ResolveRecipients", times=None)
    with old.open() as mailbox, pytest.raises(MalformedResponse):
        mailbox.resolve(["bob@example.test"])
