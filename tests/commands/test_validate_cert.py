"""ValidateCert: published messages, every version, every verdict that the server can reach, wrong answers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from emailplus.eas.commands import validate_cert
from emailplus.eas.wbxml import Node
from emailplus.errors import CommandFailed, MalformedResponse, NotOffered, UsageError
from emailplus.mock import Status

from ..flows.world import World
from ..mock.validate import problems
from .certificates import Authority
from .published import example


def test_the_published_request_has_the_shape_of_ours() -> None:
    """The certificates of the example are cut off, so shape and order are compared."""
    published = example(78, "request")
    built = validate_cert.build([b"abcd"], [b"efgh"] * 5, check_revocation=True)
    assert _shape(built) == _shape(published)
    assert problems(built, "14.1", "Request") == []


def _shape(node: Node) -> object:
    tag, content = node
    return (tag, [_shape(child) for child in content]) if isinstance(content, list) else tag


def test_the_published_answer_is_read() -> None:
    (verdict,) = validate_cert.parse(example(79, "response"), 1)
    assert (verdict.valid, verdict.name, verdict.reason) == (True, "Valid", "")


@pytest.mark.parametrize("version", ["2.5", "12.0", "12.1", "14.0", "14.1", "16.0", "16.1"])
def test_verdicts_in_every_version(make_world: Callable[..., World], version: str, authority: Authority) -> None:
    world = make_world(versions=(version,))
    world.exchange.trust.roots = [authority.der]
    middle = Authority("Middle", authority)
    good, below = authority.person("a@example.test"), middle.person("b@example.test")
    stranger = Authority("Stranger").person("c@example.test")
    with world.open() as mailbox:
        found = mailbox.validate_certificates([good, below, stranger], [middle.der])
        (alone,) = mailbox.validate_certificates([below])
    assert [(v.status, v.valid) for v in found] == [(1, True), (1, True), (4, False)]
    assert (alone.name, alone.reason) == ("UntrustedIssuer", "the certificate cannot be relied on")


def test_every_verdict_of_a_chain(world: World, authority: Authority) -> None:
    trust = world.exchange.trust
    other = ec.generate_private_key(ec.SECP256R1())
    old = Authority("Old", authority, days=(-60, -1))
    person = ec.generate_private_key(ec.SECP256R1())
    gone, middle = authority.person("gone@example.test"), Authority("Middle", authority)
    trust.roots, trust.revoked = [authority.der], [gone, middle.der]
    cases = {
        3: authority.person("a@example.test", signer=other),
        6: authority.person("a@example.test", usage=ExtendedKeyUsageOID.SERVER_AUTH),
        7: authority.person("a@example.test", days=(-60, -1)),
        8: old.person("a@example.test"),
        11: Authority("Posing as a person", authority).der,
        13: gone,
        15: middle.person("a@example.test"),
        5: b"not a certificate",
        1: authority.person("a@example.test", key=person, usage=None),
    }
    with world.open() as mailbox:
        found = mailbox.validate_certificates(list(cases.values()), [old.der, middle.der])
    assert [v.status for v in found] == list(cases)


def test_revocation_that_cannot_be_known_counts_only_when_asked(world: World, authority: Authority) -> None:
    world.exchange.trust.roots, world.exchange.trust.crl_online = [authority.der], False
    der = authority.person("a@example.test")
    with world.open() as mailbox:
        (lenient,) = mailbox.validate_certificates([der])
        (strict,) = mailbox.validate_certificates([der], check_revocation=True)
    assert (lenient.status, strict.status, strict.name) == (1, 14, "RevocationServerOffline")


def test_what_no_server_takes_is_not_built() -> None:
    for certificates, chain in (([], []), ([b"abc"], []), ([b"a"] * 60, [b"b"] * 41)):
        with pytest.raises(UsageError):
            validate_cert.build(certificates, chain)


def test_statuses_of_the_whole_command(world: World) -> None:
    with world.open() as mailbox:
        for code, kind in ((2, CommandFailed), (137, NotOffered)):
            world.exchange.faults.add(Status(code), "ValidateCert")
            with pytest.raises(kind):
                mailbox.validate_certificates([b"abcd"])


def test_hostile_answers() -> None:
    ok: Node = ("ValidateCert:Status", "1")
    with pytest.raises(MalformedResponse):
        validate_cert.parse(("ValidateCert:ValidateCert", [("ValidateCert:Status", "fine")]), 1)
    with pytest.raises(MalformedResponse):
        validate_cert.parse(("Settings:Settings", None), 1)
    silent = validate_cert.parse(("ValidateCert:ValidateCert", [ok]), 2)
    assert [v.status for v in silent] == [17, 17]
    several: Node = ("ValidateCert:Certificate", [ok, ("ValidateCert:Status", "13"), ok])
    assert [v.name for v in validate_cert.parse(("ValidateCert:ValidateCert", [ok, several]), 1)] == ["Revoked"]
    failed: Node = ("ValidateCert:ValidateCert", [("ValidateCert:Status", "17")])
    with pytest.raises(Exception, match="17"):
        validate_cert.parse(failed, 1)
