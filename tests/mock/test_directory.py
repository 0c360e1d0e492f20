"""The mock's directory: ResolveRecipients and ValidateCert, row by row of the requirement tables."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest

from emailplus.eas.wbxml import Content, Node
from emailplus.mock import MockExchange
from emailplus.mock.directory import Busy

from ..commands.certificates import Authority
from .client import Client, find, find_all, value
from .requirements import proves

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def resolve(client: Client, *names: str, **options: Content) -> Node | None:
    nodes: list[Node] = [("ResolveRecipients:To", name) for name in names]
    if options:
        nodes.append(("ResolveRecipients:Options", [(f"ResolveRecipients:{k}", v) for k, v in options.items()]))
    return client.command("ResolveRecipients", ("ResolveRecipients:ResolveRecipients", nodes)).tree


def availability(start: str, end: str | None = None) -> list[Node]:
    nodes: list[Node] = [("ResolveRecipients:StartTime", start)]
    return nodes if end is None else [*nodes, ("ResolveRecipients:EndTime", end)]


def statuses(tree: Node | None, path: str) -> list[Content]:
    return [value(node, path) for node in find_all(tree, "Response")]


@pytest.fixture(scope="module")
def people() -> list[bytes]:
    authority = Authority()
    return [authority.person(f"{name}@example.test") for name in ("alice", "bob", "old")]


@proves(
    "MS-ASCMD_R4268", "MS-ASCMD_R4275", "MS-ASCMD_R4277", "MS-ASCMD_R4278", "MS-ASCMD_R4281", "MS-ASCMD_R4282",
    "MS-ASCMD_R4286", "MS-ASCMD_R3767", "MS-ASCMD_R3761", "MS-ASCMD_R4686",
)  # fmt: skip
def test_names_resolve_are_ambiguous_or_unknown(exchange: MockExchange) -> None:
    exchange.directory.add_person("Bobby Tables", "bobby@example.test")
    exchange.directory.add_contact("alice", "Bobbin Lace", "bobbin@example.net")
    client = Client(exchange)
    tree = resolve(client, "bob@example.test", "bob", "nobody")
    assert value(tree, "Status") == "1"
    assert statuses(tree, "Status") == ["1", "2", "4"]
    assert statuses(tree, "RecipientCount") == ["1", "3", None]
    ambiguous = find_all(tree, "Response")[1]
    assert [value(r, "Type") for r in find_all(ambiguous, "Recipient")] == ["1", "2", "1"]
    tree = resolve(client, "bob", MaxAmbiguousRecipients="2")
    assert statuses(tree, "Status") == ["3"]
    assert (statuses(tree, "RecipientCount"), len(find_all(find(tree, "Response"), "Recipient"))) == (["3"], 2)
    carol = Client(exchange, user="carol", device="device02")
    assert statuses(resolve(carol, "Bobbin Lace"), "Status") == ["4"]  # alice's own contact


@proves(
    "MS-ASCMD_R843", "MS-ASCMD_R849", "MS-ASCMD_R856", "MS-ASCMD_R857", "MS-ASCMD_R858", "MS-ASCMD_R3435",
    "MS-ASCMD_R3764", "MS-ASCMD_R3768", "MS-ASCMD_R4279", "MS-ASCMD_R4302", "MS-ASCMD_R4303", "MS-ASCMD_R4304",
)  # fmt: skip
def test_certificates_as_they_are_asked_for(exchange: MockExchange, people: list[bytes]) -> None:
    directory = exchange.directory
    directory.entry("alice").certificates, directory.entry("bob").certificates = people[:1], people[1:2]
    directory.add_list("Everyone", "all@example.test", ["alice@example.test", "bob@example.test", "carol@example.test"])
    client = Client(exchange)
    for retrieval in (None, "1"):
        options = {} if retrieval is None else {"CertificateRetrieval": retrieval}
        assert find(resolve(client, "alice", **options), "Response/Recipient/Certificates") is None
    full = find(resolve(client, "alice", CertificateRetrieval="2"), "Response/Recipient/Certificates")
    assert [value(full, name) for name in ("Status", "CertificateCount", "RecipientCount")] == ["1", "1", "1"]
    assert base64.b64decode(str(value(full, "Certificate"))) == people[0]
    assert value(full, "MiniCertificate") is None
    mini = find(resolve(client, "alice", CertificateRetrieval="3"), "Response/Recipient/Certificates")
    assert len(base64.b64decode(str(value(mini, "MiniCertificate")))) == 8
    assert value(mini, "Certificate") is None
    several = find(resolve(client, "Everyone", CertificateRetrieval="2"), "Response/Recipient/Certificates")
    assert [value(several, name) for name in ("CertificateCount", "RecipientCount")] == ["2", "3"]
    none = find(resolve(client, "carol", CertificateRetrieval="2"), "Response/Recipient/Certificates")
    assert (value(none, "Status"), value(none, "CertificateCount")) == ("7", None)
    directory.add_person("Alison Ash", "alison@example.test")
    vague = resolve(client, "ali", CertificateRetrieval="2")
    assert statuses(vague, "Status") == ["2"]
    assert find(vague, "Response/Recipient/Certificates") is None


@proves("MS-ASCMD_R851", "MS-ASCMD_R3254", "MS-ASCMD_R3255", "MS-ASCMD_R4305", "MS-ASCMD_R4306")
def test_the_limit_of_certificates_leaves_nobody_half_served(exchange: MockExchange, people: list[bytes]) -> None:
    directory = exchange.directory
    directory.entry("alice").certificates, directory.entry("bob").certificates = people[:1], people[:2]
    tree = resolve(Client(exchange), "alice", "bob", CertificateRetrieval="2", MaxCertificates="2")
    assert statuses(tree, "Recipient/Certificates/Status") == ["1", "8"]
    assert statuses(tree, "Recipient/Certificates/CertificateCount") == ["1", "2"]
    assert find(find_all(tree, "Response")[1], "Recipient/Certificates/Certificate") is None


def test_expired_certificates_are_not_handed_out(exchange: MockExchange) -> None:
    exchange.directory.entry("bob").certificates = [
        Authority().person("bob@example.test", days=(-60, -1)),
        b"no certificate",
    ]
    tree = resolve(Client(exchange), "bob", CertificateRetrieval="2")
    assert statuses(tree, "Recipient/Certificates/Status") == ["7"]


@proves("MS-ASCMD_R3286", "MS-ASCMD_R3287", "MS-ASCMD_R3288", "MS-ASCMD_R3289", "MS-ASCMD_R4310", "MS-ASCMD_R4311")
def test_photos_and_their_limits(exchange: MockExchange) -> None:
    directory = exchange.directory
    sizes = (("one", 10), ("two", 10), ("big", 5000), ("none", 0))
    for name, size in sizes:
        directory.add_person(name.title(), f"{name}@example.test").photo = bytes(size)
    directory.add_contact("alice", "Mine", "mine@example.net", [f"{name}@example.test" for name, _ in sizes])
    picture: list[Node] = [("ResolveRecipients:MaxSize", "100"), ("ResolveRecipients:MaxPictures", "1")]
    tree = resolve(Client(exchange), "Mine", Picture=picture)
    found = find_all(find(tree, "Response"), "Recipient")
    by_name = {value(node, "DisplayName"): value(node, "Picture/Status") for node in found}
    assert by_name == {"One": "1", "Two": "175", "Big": "174", "None": "173"}
    assert value(found[0], "Picture/Data") == bytes(10)
    assert find(resolve(Client(exchange, version="14.0", device="old"), "One", Picture=picture), "Picture") is None


@proves(
    "MS-ASCMD_R819", "MS-ASCMD_R3319", "MS-ASCMD_R3321", "MS-ASCMD_R3323", "MS-ASCMD_R3324", "MS-ASCMD_R3327",
    "MS-ASCMD_R3329", "MS-ASCMD_R3330", "MS-ASCMD_R3331", "MS-ASCMD_R3332", "MS-ASCMD_R3334", "MS-ASCMD_R3335",
    "MS-ASCMD_R3336", "MS-ASCMD_R3338", "MS-ASCMD_R3339", "MS-ASCMD_R4291", "MS-ASCMD_R2265",
)  # fmt: skip
def test_free_and_busy_by_the_half_hour(exchange: MockExchange) -> None:
    exchange.directory.busy("bob", NOON, NOON + timedelta(minutes=5), Busy.OUT_OF_OFFICE)
    client = Client(exchange)
    day = "2026-11-24T"
    cases = {
        ("12:00:00.000Z", "13:00:00.000Z"): "30",
        ("12:04:59.000Z", "13:00:00.000Z"): "30",
        ("12:05:00.000Z", "13:00:00.000Z"): "00",
        ("12:00:00.000Z", "12:30:00.000Z"): "3",
        ("11:59:59.000Z", "12:30:00.000Z"): "30",
        ("12:00:00.000Z", "12:30:01.000Z"): "30",
    }
    for (start, end), digits in cases.items():
        tree = resolve(client, "bob", Availability=availability(day + start, day + end))
        assert statuses(tree, "Recipient/Availability/Status") == ["1"]
        assert statuses(tree, "Recipient/Availability/MergedFreeBusy") == [digits], (start, end)
    week = resolve(client, "bob", Availability=availability(day + "12:00:00.000Z"))
    assert len(str(value(week, "Response/Recipient/Availability/MergedFreeBusy"))) == 7 * 48
    exchange.directory.busy("bob", NOON, NOON + timedelta(hours=1), Busy.BUSY)
    tree = resolve(client, "bob", Availability=availability(day + "12:00:00.000Z", day + "13:00:00.000Z"))
    assert statuses(tree, "Recipient/Availability/MergedFreeBusy") == ["32"]  # the higher digit of an interval


@proves("MS-ASCMD_R4293", "MS-ASCMD_R4294", "MS-ASCMD_R4295", "MS-ASCMD_R4298", "MS-ASCMD_R6193")
def test_free_and_busy_that_cannot_be_told(exchange: MockExchange) -> None:
    directory = exchange.directory
    members = [f"m{number}@example.test" for number in range(21)]
    for number, member in enumerate(members):
        directory.add_person(f"Member {number}", member)
    directory.add_list("Crowd", "crowd@example.test", members)
    directory.add_list("Few", "few@example.test", members[:20])
    directory.add_contact(
        "alice", "Mine", "mine@example.net", [*members] * 5 + [f"x{n}@example.net" for n in range(100)]
    )
    directory.entry("bob").availability, directory.entry("carol").availability = 162, 163
    wanted = availability("2026-11-24T12:00:00.000Z", "2026-11-24T13:00:00.000Z")
    client = Client(exchange)
    tree = resolve(client, "Crowd", "Few", "bob", "carol", Availability=wanted)
    assert statuses(tree, "Recipient/Availability/Status") == ["161", "1", "162", "163"]
    assert statuses(tree, "Recipient/Availability/MergedFreeBusy") == [None, "00", None, None]
    many = find_all(find(resolve(client, "Mine", Availability=wanted), "Response"), "Recipient")
    assert [value(each, "Availability/Status") for each in many].count("160") == len(many) - 100
    old = Client(exchange, version="12.1", device="old")
    assert statuses(resolve(old, "bob", Availability=wanted), "Recipient/Availability/Status") == [None]


@proves("MS-ASCMD_R2264", "MS-ASCMD_R2266", "MS-ASCMD_R3986", "MS-ASCMD_R4269", "MS-ASCMD_R4270", "MS-ASCMD_R5175")
@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("soon", "2026-11-24T13:00:00.000Z"),
        ("2026-11-24T12:00:00.000Z", "later"),
        ("2026-11-24T12:00:00.000Z", "2026-11-24T12:29:00.000Z"),
        ("2026-11-24T12:00:00.000Z", "2027-01-06T12:00:00.000Z"),
    ],
)
def test_impossible_periods(exchange: MockExchange, start: str, end: str) -> None:
    assert value(resolve(Client(exchange), "bob", Availability=availability(start, end)), "Status") == "5"


@proves("MS-ASCMD_R5656")
def test_limits_of_a_request(exchange: MockExchange) -> None:
    client = Client(exchange)
    assert value(resolve(client, *["bob"] * 100), "Status") == "1"
    assert value(resolve(client, *["bob"] * 101), "Status") == "5"
    assert value(resolve(client), "Status") == "5"
    for name in ("MaxCertificates", "MaxAmbiguousRecipients"):
        assert value(resolve(client, "bob", **{name: "10000"}), "Status") == "5"
    assert value(resolve(client, "bob", CertificateRetrieval="4"), "Status") == "5"


def validate(
    client: Client, asked: list[bytes], chain: list[bytes] | None = None, crl: str | None = None
) -> Node | None:
    def listed(name: str, certificates: list[bytes]) -> Node:
        return (
            f"ValidateCert:{name}",
            [("ValidateCert:Certificate", base64.b64encode(der).decode()) for der in certificates],
        )

    nodes: list[Node] = [listed("CertificateChain", chain)] if chain else []
    nodes.append(listed("Certificates", asked))
    if crl is not None:
        nodes.append(("ValidateCert:CheckCrl", crl))
    return client.command("ValidateCert", ("ValidateCert:ValidateCert", nodes)).tree


def verdicts(tree: Node | None) -> list[Content]:
    return [value(node, "Status") for node in find_all(tree, "Certificate")]


@proves(
    "MS-ASCMD_R686", "MS-ASCMD_R687", "MS-ASCMD_R688", "MS-ASCMD_R5387", "MS-ASCMD_R4473", "MS-ASCMD_R4478",
    "MS-ASCMD_R4481", "MS-ASCMD_R4484", "MS-ASCMD_R4487", "MS-ASCMD_R4490", "MS-ASCMD_R4493", "MS-ASCMD_R4503",
    "MS-ASCMD_R5847", "MS-ASCMD_R4508", "MS-ASCMD_R4514",
)  # fmt: skip
def test_a_certificate_is_judged_up_to_a_trusted_root(exchange: MockExchange) -> None:
    root, foreign = Authority("Root"), Authority("Foreign")
    middle, old = Authority("Middle", root), Authority("Old", root, days=(-60, -1))
    exchange.trust.roots = [root.der]
    good, gone = middle.person("a@example.test"), root.person("gone@example.test")
    exchange.trust.revoked = [gone]
    client = Client(exchange)
    chain = [middle.der, old.der]
    asked = [
        good,
        foreign.person("b@example.test"),
        middle.person("c@example.test", signer=foreign.key),
        root.person("d@example.test", days=(1, 2)),
        old.person("e@example.test"),
        middle.der,
        gone,
        b"\x30\x03abc",
    ]
    assert verdicts(validate(client, asked, chain)) == ["1", "4", "3", "7", "8", "11", "13", "5"]
    exchange.trust.revoked = [middle.der]
    assert verdicts(validate(client, [good], chain)) == ["15"]
    assert verdicts(validate(client, [good])) == ["4"]  # without its issuer


@proves("MS-ASCMD_R893", "MS-ASCMD_R895", "MS-ASCMD_R4511")
def test_unknown_revocation_counts_with_check_crl_alone(exchange: MockExchange) -> None:
    root = Authority("Root")
    exchange.trust.roots, exchange.trust.crl_online = [root.der], False
    der = root.person("a@example.test")
    client = Client(exchange)
    assert [verdicts(validate(client, [der], crl=crl)) for crl in (None, "0", "1")] == [["1"], ["1"], ["14"]]


@proves("MS-ASCMD_R4475", "MS-ASCMD_R5662")
def test_requests_that_cannot_be_carried_out(exchange: MockExchange) -> None:
    client = Client(exchange)
    assert value(validate(client, [b"abcd"] * 101), "Status") == "2"
    assert value(validate(client, []), "Status") == "2"
    assert value(validate(client, [b"abcd"], crl="2"), "Status") == "2"
    bad: Node = ("ValidateCert:Certificates", [("ValidateCert:Certificate", "no base64!")])
    assert value(client.command("ValidateCert", ("ValidateCert:ValidateCert", [bad])).tree, "Status") == "2"
