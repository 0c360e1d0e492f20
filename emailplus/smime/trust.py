"""The path from a certificate to a configured anchor, and revocation along it (RFC 5280, RFC 8550).

Paths are built by `cryptography.x509.verification` with a policy of our own, because its default is made for web
servers and refuses mail certificates. It does not know Edwards-curve certificates; for those there is a short and
strict walk here, which refuses what it has no rule for (name constraints, unknown critical extensions).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509 import verification as v
from cryptography.x509.oid import ExtensionOID, SignatureAlgorithmOID

from ..errors import MalformedCms
from .certificate import public_key, serial, valid_at
from .limits import MAX_ISSUER_CHECKS, MAX_PATH_LENGTH
from .report import Revocation

_KNOWN_CRITICAL = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    ExtensionOID.NAME_CONSTRAINTS,
}


@dataclass(frozen=True, slots=True)
class Trust:
    """What to judge certificates by.

    `anchors`: the configured roots (`email_certificate_X`). `intermediates`: others known, e.g. from earlier mail.
    `crls`: revocation lists at hand, used when `check_revocation` (`allow_certificate_revocation_check`). `now` is the
    moment of judgement, aware; None for the present.
    """

    anchors: tuple[x509.Certificate, ...] = ()
    intermediates: tuple[x509.Certificate, ...] = ()
    crls: tuple[x509.CertificateRevocationList, ...] = ()
    check_revocation: bool = False
    now: datetime | None = None

    def moment(self) -> datetime:
        return self.now or datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Path:
    """`certificates` from the leaf to the anchor, empty where there is no path; `problem` says why."""

    certificates: tuple[x509.Certificate, ...] = ()
    problem: str = ""


def find_path(leaf: x509.Certificate, others: Sequence[x509.Certificate], trust: Trust, at: datetime) -> Path:
    """The path from `leaf` to an anchor, valid at the moment `at`. `others` came with the message."""
    if not trust.anchors:
        return Path(problem="no trust anchors are configured")
    if leaf in trust.anchors:
        return Path((leaf,)) if valid_at(leaf, at) else Path(problem="the certificate is not valid at that time")
    pool = [certificate for certificate in dict.fromkeys((*others, *trust.intermediates)) if certificate != leaf]
    key = (leaf, tuple(pool), trust.anchors)
    known = _PATHS.get(key)
    if known is not None and known[1] <= at <= known[2]:
        return known[0]
    path = _find_path(leaf, pool, trust, at)
    if path.certificates:
        if len(_PATHS) >= MAX_KEPT_PATHS:
            _PATHS.clear()
        since = max(certificate.not_valid_before_utc for certificate in path.certificates)
        until = min(certificate.not_valid_after_utc for certificate in path.certificates)
        _PATHS[key] = (path, since, until)
    return path


_Key = tuple[x509.Certificate, tuple[x509.Certificate, ...], tuple[x509.Certificate, ...]]
_PATHS: dict[_Key, tuple[Path, datetime, datetime]] = {}
"""Paths found before, with the time in which all their certificates are valid: people write more than one mail."""
MAX_KEPT_PATHS = 1_000


def _find_path(leaf: x509.Certificate, pool: list[x509.Certificate], trust: Trust, at: datetime) -> Path:
    try:
        chain = _library_path(leaf, pool, trust.anchors, at)
    except (v.VerificationError, ValueError, UnsupportedAlgorithm) as error:
        if not any(_edwards(certificate) for certificate in (leaf, *pool, *trust.anchors)):
            return Path(problem=_first_line(error))
        found = _strict_walk(leaf, pool, trust.anchors, at, (), _Budget())
        if found is None:
            return Path(problem=_first_line(error))
        chain = found
    problem = _chain_problem(chain)
    return Path(problem=problem) if problem else Path(tuple(chain))


def _library_path(
    leaf: x509.Certificate, pool: list[x509.Certificate], anchors: Sequence[x509.Certificate], at: datetime
) -> list[x509.Certificate]:
    authority = v.ExtensionPolicy.permit_all().require_present(x509.BasicConstraints, v.Criticality.AGNOSTIC, _is_ca)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        verifier = (
            v.PolicyBuilder()
            .store(v.Store(list(anchors)))
            .time(at)
            .max_chain_depth(MAX_PATH_LENGTH)
            .extension_policies(ca_policy=authority, ee_policy=v.ExtensionPolicy.permit_all())
            .build_client_verifier()
        )
        return list(verifier.verify(leaf, pool).chain)


def _is_ca(policy: v.Policy, certificate: x509.Certificate, constraints: x509.BasicConstraints) -> None:
    if not constraints.ca:
        raise ValueError("an issuer that is not a certificate authority")


def _edwards(certificate: x509.Certificate) -> bool:
    return isinstance(public_key(certificate), (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)) or (
        certificate.signature_algorithm_oid in (SignatureAlgorithmOID.ED25519, SignatureAlgorithmOID.ED448)
    )


def _strict_walk(
    leaf: x509.Certificate,
    pool: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    at: datetime,
    seen: tuple[x509.Certificate, ...],
    budget: _Budget,
) -> list[x509.Certificate] | None:
    """Depth first over issuers; None where no path holds."""
    if not valid_at(leaf, at) or len(seen) >= MAX_PATH_LENGTH:
        return None
    for anchor in anchors:
        if valid_at(anchor, at) and _issued(leaf, anchor, budget) and _plain(anchor):
            return [*seen, leaf, anchor]
    for issuer in pool:
        if issuer in seen or issuer == leaf or not _issued(leaf, issuer, budget) or not _plain(issuer):
            continue
        found = _strict_walk(issuer, pool, anchors, at, (*seen, leaf), budget)
        if found is not None:
            return found
    return None


def _plain(certificate: x509.Certificate) -> bool:
    return not any(e.oid == ExtensionOID.NAME_CONSTRAINTS for e in certificate.extensions)


class _Budget:
    """Signature checks left; see `MAX_ISSUER_CHECKS`."""

    def __init__(self) -> None:
        self.left = MAX_ISSUER_CHECKS


def _issued(child: x509.Certificate, issuer: x509.Certificate, budget: _Budget) -> bool:
    if child.issuer != issuer.subject or budget.left <= 0:
        return False
    budget.left -= 1
    try:
        child.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _chain_problem(chain: Sequence[x509.Certificate]) -> str:
    """What the policy of the library leaves open: authorities, path length, key usage, critical extensions."""
    for depth, certificate in enumerate(chain):
        for extension in certificate.extensions:
            if extension.critical and extension.oid not in _KNOWN_CRITICAL:
                return f"a critical extension without a rule here: {extension.oid.dotted_string}"
        if depth == 0:
            continue
        try:
            constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        except x509.ExtensionNotFound:
            return f"an issuer without basic constraints: {certificate.subject.rfc4514_string()}"
        below = sum(1 for c in chain[1:depth] if c.subject != c.issuer)
        if not constraints.ca:
            return f"an issuer that is not a certificate authority: {certificate.subject.rfc4514_string()}"
        if constraints.path_length is not None and below > constraints.path_length:
            return f"a path longer than an authority allows: {certificate.subject.rfc4514_string()}"
        try:
            if not certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign:
                return f"an authority that must not sign certificates: {certificate.subject.rfc4514_string()}"
        except x509.ExtensionNotFound:
            continue
    return ""


def _first_line(error: Exception) -> str:
    text = str(error).partition("\n")[0].partition(": AlgorithmIdentifier {")[0]
    return text[:200] or type(error).__name__


def distribution_points(certificate: x509.Certificate) -> tuple[str, ...]:
    """URLs of revocation lists that can be fetched (RFC 5280 4.2.1.13): http and https; directories are left out."""
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return ()
    urls = (str(name.value) for point in points for name in point.full_name or ())
    return tuple(url for url in dict.fromkeys(urls) if url.lower().startswith(("http://", "https://")))


def load_list(data: bytes) -> x509.CertificateRevocationList:
    """A revocation list in DER or PEM (some authorities publish that). Raises `MalformedCms`."""
    try:
        loader = x509.load_pem_x509_crl if data.lstrip()[:10] == b"-----BEGIN" else x509.load_der_x509_crl
        found = loader(data)
        _ = found.extensions, found.next_update_utc, found.last_update_utc, found.issuer
        return found
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise MalformedCms("what was fetched is not a revocation list") from error


def revocation(path: Sequence[x509.Certificate], trust: Trust) -> tuple[Revocation, str]:
    """The state along a path (leaf to anchor; the anchor is not asked for), with the detail for people."""
    if not trust.check_revocation or not path:
        return Revocation.NOT_CHECKED, ""
    unknown = ""
    for certificate, issuer in pairwise(path):
        state, detail = _one_revocation(certificate, issuer, trust)
        if state is Revocation.REVOKED:
            return state, detail
        if state is Revocation.UNAVAILABLE:
            unknown = unknown or detail
    return (Revocation.UNAVAILABLE, unknown) if unknown else (Revocation.GOOD, "")


def _one_revocation(certificate: x509.Certificate, issuer: x509.Certificate, trust: Trust) -> tuple[Revocation, str]:
    """Lists of the issuer that are signed by it and complete; a revocation counts even from an outdated list."""
    fresh = False
    outdated = False
    for crl in trust.crls:
        if crl.issuer != issuer.subject or not _usable_list(crl, issuer, certificate):
            continue
        entry = crl.get_revoked_certificate_by_serial_number(serial(certificate))
        if entry is not None and not _lifted(entry):
            moment = entry.revocation_date_utc
            return Revocation.REVOKED, f"{certificate.subject.rfc4514_string()} since {moment:%Y-%m-%d}"
        due = crl.next_update_utc
        current = crl.last_update_utc <= trust.moment() and (due is None or due >= trust.moment())
        fresh, outdated = fresh or current, outdated or not current
    if fresh:
        return Revocation.GOOD, ""
    why = "only an outdated revocation list" if outdated else "no revocation list"
    return Revocation.UNAVAILABLE, f"{why} for {certificate.subject.rfc4514_string()}"


def _usable_list(crl: x509.CertificateRevocationList, issuer: x509.Certificate, subject: x509.Certificate) -> bool:
    """Signed by the issuer, who may sign lists; no indirect, delta or partial list of reasons (RFC 5280 5.2, 6.3)."""
    try:
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
        if not usage.crl_sign:
            return False
    except x509.ExtensionNotFound:
        pass
    try:
        for extension in crl.extensions:
            value = extension.value
            if isinstance(value, x509.IssuingDistributionPoint):
                if value.indirect_crl or value.only_some_reasons or value.only_contains_attribute_certs:
                    return False
                if (value.only_contains_ca_certs and not _is_authority(subject)) or (
                    value.only_contains_user_certs and _is_authority(subject)
                ):
                    return False
                if value.full_name and not _names_list(subject, value.full_name):
                    return False
            elif extension.critical:
                return False
        return _signed_by(crl, issuer)
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature):
        return False


def _signed_by(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    """Remembered: a list may have megabytes, and every message asks."""
    known = _CHECKED.get((id(crl), issuer))
    if known is None:
        if len(_CHECKED) >= MAX_KEPT_LISTS:
            _CHECKED.clear()
        key = issuer.public_key()
        known = crl, crl.is_signature_valid(key)  # type: ignore[arg-type]  # keys that cannot sign raise TypeError
        _CHECKED[id(crl), issuer] = known
    return known[1]


_CHECKED: dict[tuple[int, x509.Certificate], tuple[x509.CertificateRevocationList, bool]] = {}
"""By the identity of the list, which is held here so that no other can have it."""
MAX_KEPT_LISTS = 64


def _names_list(subject: x509.Certificate, names: Sequence[x509.GeneralName]) -> bool:
    """A list for one distribution point speaks only of certificates that name that point (RFC 5280 6.3.3 b 2)."""
    try:
        points = subject.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return False
    return any(name in names for point in points for name in point.full_name or ())


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _lifted(entry: x509.RevokedCertificate) -> bool:
    try:
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except x509.ExtensionNotFound:
        return False
    return reason is x509.ReasonFlags.remove_from_crl
