"""NIST PKITS: 224 signed mails, each over a path of its own, and the verdict that NIST documents for each.

The verdicts are those of the default settings: any policy will do, none is demanded. Where the name of a test says
neither Valid nor Invalid, the verdict is that of its description in the PKITS document.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from emailplus.errors import MalformedCms
from emailplus.smime import certificate as certs
from emailplus.smime.message import open_message
from emailplus.smime.report import Finding, Reason, Revocation
from emailplus.smime.revocation import load_list
from emailplus.smime.trust import Trust

vectors = pytest.importorskip("cryptography_vectors", reason="the NIST vectors are the package cryptography_vectors")
DATA = Path(vectors.__file__).parent / "x509" / "PKITS_data"
NOW = datetime(2020, 1, 1, tzinfo=UTC)

# PKITS 4.8.4, .5, .7, .8, .9, .12: an authority demands a policy that the path does not have. 4.4.1: no list at all.
NOT_VALID = {*(f"DifferentPoliciesTest{number}" for number in (4, 5, 7, 8, 9, 12)), "MissingCRLTest1"}
REFUSED = {"ValidDSASignaturesTest4", "ValidDSAParameterInheritanceTest5"}
"""Right by RFC 5280 of its day; DSA with 1,024 bits and SHA-1 is not trusted here."""
OF_NO_CONCERN = {Reason.ADDRESS_MISMATCH, Reason.SIGNED_OUTSIDE_VALIDITY, Reason.SIGNED_IN_FUTURE}
"""The test certificates are made out to nobody's address; the mails were signed at a time of no meaning."""

NAMES = sorted(path.stem.removeprefix("Signed") for path in (DATA / "smime").glob("*.eml"))


@cache
def trust() -> Trust:
    anchor = certs.load((DATA / "certs" / "TrustAnchorRootCertificate.crt").read_bytes())
    lists = []
    for path in sorted((DATA / "crls").glob("*.crl")):
        try:
            lists.append(load_list(path.read_bytes()))
        except MalformedCms:
            continue
    return Trust(anchors=(anchor,), crls=tuple(lists), check_revocation=True, now=NOW)


def expected(name: str) -> bool:
    return name not in NOT_VALID and not name.startswith("Invalid") and name not in REFUSED


def verdict(name: str) -> tuple[bool, list[Finding], Revocation]:
    (layer,) = open_message((DATA / "smime" / f"Signed{name}.eml").read_bytes(), trust=trust()).report.layers
    (signer,) = layer.signers
    found = [finding for finding in (*layer.findings, *signer.findings) if finding.reason not in OF_NO_CONCERN]
    return not found, found, signer.revocation


def test_all_of_them_are_here() -> None:
    print(f"\nPKITS: {len(NAMES)} signed mails, {sum(map(expected, NAMES))} of them valid")
    assert len(NAMES) == 224
    assert set(NAMES) >= NOT_VALID | REFUSED
    assert len(trust().crls) > 160


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive")
def test_the_documented_verdict(name: str) -> None:
    good, findings, revocation = verdict(name)
    assert good == expected(name), findings
    assert not good or revocation is Revocation.GOOD


@pytest.mark.parametrize("name", ["InvalidRevokedCATest2", "InvalidRevokedEETest3", "InvaliddeltaCRLTest4"])
def test_revoked_is_said_to_be(name: str) -> None:
    assert Reason.REVOKED in {finding.reason for finding in verdict(name)[1]}


def test_the_reason_is_named() -> None:
    """What a person reads for a path that does not hold."""
    for name, words in (
        ("InvalidDNnameConstraintsTest2", "may not give"),
        ("InvalidpathLenConstraintTest5", "longer than an authority allows"),
        ("InvalidcAFalseTest2", "not a certificate authority"),
        ("InvalidPolicyMappingTest2", "policy"),
        ("InvalidkeyUsageCriticalkeyCertSignFalseTest1", "must not sign certificates"),
        ("InvalidEESignatureTest3", "issuer"),
    ):
        (finding,) = (finding for finding in verdict(name)[1] if finding.reason is Reason.NO_PATH)
        assert words in finding.detail, (name, finding)
