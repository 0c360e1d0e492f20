"""Whether certificates of a path were revoked, by the lists at hand (RFC 5280 section 6.3).

Complete lists with their deltas, lists for one distribution point, for some reasons or some certificates only, and
lists that another authority keeps. A revocation counts even from a list that has run out; that a certificate is good
takes lists that are current and together cover every reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519

from ..errors import MalformedCms
from . import names
from .certificate import public_key, serial
from .report import Revocation
from .trust import Trust, find_path

_ALL = frozenset(x509.ReasonFlags) - {x509.ReasonFlags.unspecified, x509.ReasonFlags.remove_from_crl}
_MAX_KEPT = 64
_MAX_DEPTH = 3
"""Authorities of lists whose own certificates are looked up in lists, and so on."""


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


@dataclass(frozen=True, slots=True)
class _Point:
    """One DistributionPoint with its names written out; `issuers` name another authority that keeps the list."""

    names: tuple[x509.GeneralName, ...]
    reasons: frozenset[x509.ReasonFlags]
    issuers: tuple[x509.GeneralName, ...]


@dataclass(slots=True)
class _Work:
    trust: Trust
    path: Sequence[x509.Certificate]
    pool: Sequence[x509.Certificate]
    asked: list[x509.Certificate] = field(default_factory=list)
    """Certificates being looked up: the authority of a list may be listed in it."""


def revocation(
    path: Sequence[x509.Certificate], trust: Trust, others: Sequence[x509.Certificate] = ()
) -> tuple[Revocation, str]:
    """The state along a path (leaf to anchor; the anchor is not asked for), with the detail for people.

    `others` may hold the certificates of authorities that sign lists with a key of their own.
    """
    if not trust.check_revocation or not path:
        return Revocation.NOT_CHECKED, ""
    return _along(_Work(trust, path, (*path, *others, *trust.intermediates)))


def _along(work: _Work) -> tuple[Revocation, str]:
    unknown = ""
    for certificate, issuer in pairwise(work.path):
        state, detail = _one(certificate, issuer, work)
        if state is Revocation.REVOKED:
            return state, detail
        if state is Revocation.UNAVAILABLE:
            unknown = unknown or detail
    return (Revocation.UNAVAILABLE, unknown) if unknown else (Revocation.GOOD, "")


def _one(certificate: x509.Certificate, issuer: x509.Certificate, work: _Work) -> tuple[Revocation, str]:
    covered: frozenset[x509.ReasonFlags] = frozenset()
    outdated = False
    own = _Point((x509.DirectoryName(certificate.issuer),), _ALL, ())
    for point in (*_points(certificate), own):
        for crl in work.trust.crls:
            try:
                reasons = _scope(crl, certificate, point)
                if not reasons or not _vouched(crl, issuer, work):
                    continue
                entry = _with_deltas(crl, certificate, issuer, work)
            except ValueError:  # an entry that cannot be read: the list vouches for nothing
                continue
            if entry is not None:
                moment = entry.revocation_date_utc
                shown = certificate.subject.rfc4514_string()
                return Revocation.REVOKED, f"{shown} since {moment:%Y-%m-%d}"
            if _current(crl, work.trust):
                covered |= reasons
            else:
                outdated = True
    if covered >= _ALL:
        return Revocation.GOOD, ""
    why = "only an outdated revocation list" if outdated else "no revocation list"
    return Revocation.UNAVAILABLE, f"{why} for {certificate.subject.rfc4514_string()}"


def _current(crl: x509.CertificateRevocationList, trust: Trust) -> bool:
    due, now = crl.next_update_utc, trust.moment()
    return crl.last_update_utc <= now and (due is None or due >= now)


def _points(certificate: x509.Certificate) -> Iterator[_Point]:
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return
    for point in points:
        issuers = tuple(point.crl_issuer or ())
        base = next((name.value for name in issuers if isinstance(name, x509.DirectoryName)), certificate.issuer)
        yield _Point(_written_out(point.full_name, point.relative_name, base), point.reasons or _ALL, issuers)


def _written_out(
    full: Iterable[x509.GeneralName] | None, relative: x509.RelativeDistinguishedName | None, base: x509.Name
) -> tuple[x509.GeneralName, ...]:
    if relative is not None:
        return (x509.DirectoryName(x509.Name([*base.rdns, relative])),)
    return tuple(full or ())


def _scope(
    crl: x509.CertificateRevocationList, certificate: x509.Certificate, point: _Point
) -> frozenset[x509.ReasonFlags]:
    """The reasons for which this complete list speaks of `certificate` (6.3.3 b, d); none: it does not."""
    nothing: frozenset[x509.ReasonFlags] = frozenset()
    issuing, known = _issuing(crl)
    if not known or _is_delta(crl):
        return nothing
    if point.issuers:
        if issuing is None or not issuing.indirect_crl or not _any_same(point.issuers, crl.issuer):
            return nothing
    elif not names.same(crl.issuer, certificate.issuer):
        return nothing
    if issuing is None:
        return point.reasons
    held = _written_out(issuing.full_name, issuing.relative_name, crl.issuer)
    if held and not _overlap(held, point.names or point.issuers):
        return nothing
    authority = _is_authority(certificate)
    if issuing.only_contains_attribute_certs or (issuing.only_contains_user_certs and authority):
        return nothing
    if issuing.only_contains_ca_certs and not authority:
        return nothing
    return point.reasons & (issuing.only_some_reasons or _ALL)


def _issuing(crl: x509.CertificateRevocationList) -> tuple[x509.IssuingDistributionPoint | None, bool]:
    """(the list's own scope, False where a critical extension has no rule here)."""
    scope = None
    for extension in crl.extensions:
        if isinstance(extension.value, x509.IssuingDistributionPoint):
            scope = extension.value
        elif extension.critical and not isinstance(extension.value, x509.DeltaCRLIndicator):
            return None, False
    return scope, True


def _is_delta(crl: x509.CertificateRevocationList) -> bool:
    return any(isinstance(extension.value, x509.DeltaCRLIndicator) for extension in crl.extensions)


def _any_same(given: Iterable[x509.GeneralName], name: x509.Name) -> bool:
    return any(isinstance(entry, x509.DirectoryName) and names.same(entry.value, name) for entry in given)


def _overlap(first: Iterable[x509.GeneralName], second: Sequence[x509.GeneralName]) -> bool:
    for name in first:
        if name in second or (isinstance(name, x509.DirectoryName) and _any_same(second, name.value)):
            return True
    return False


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


# Entries, and the deltas of a complete list (6.3.3 c, e, i, j).


def _with_deltas(
    crl: x509.CertificateRevocationList, certificate: x509.Certificate, issuer: x509.Certificate, work: _Work
) -> x509.RevokedCertificate | None:
    found = _entry(crl, certificate)
    number, scope = _number(crl), _issuing(crl)[0]
    if number is None:
        return _standing(found)
    for delta in work.trust.crls:
        base, its_number = _base(delta), _number(delta)
        if base is None or its_number is None or not base <= number < its_number:
            continue
        if not names.same(delta.issuer, crl.issuer) or _issuing(delta) != (scope, True):
            continue
        if _current(delta, work.trust) and _vouched(delta, issuer, work):
            newer = _entry(delta, certificate)
            found, number = (newer if newer is not None else found), its_number
    return _standing(found)


def _standing(entry: x509.RevokedCertificate | None) -> x509.RevokedCertificate | None:
    """None for an entry that was lifted (removeFromCRL)."""
    if entry is None:
        return None
    try:
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except x509.ExtensionNotFound:
        return entry
    return None if reason is x509.ReasonFlags.remove_from_crl else entry


def _number(crl: x509.CertificateRevocationList) -> int | None:
    try:
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound:
        return None


def _base(crl: x509.CertificateRevocationList) -> int | None:
    try:
        return crl.extensions.get_extension_for_class(x509.DeltaCRLIndicator).value.crl_number
    except x509.ExtensionNotFound:
        return None


def _entry(crl: x509.CertificateRevocationList, certificate: x509.Certificate) -> x509.RevokedCertificate | None:
    scope = _issuing(crl)[0]
    number = serial(certificate)
    if scope is None or not scope.indirect_crl:
        if number > 0:
            return crl.get_revoked_certificate_by_serial_number(number)
        return next((entry for entry in crl if entry.serial_number == number), None)  # of an old or odd authority
    of = crl.issuer  # each entry may name the authority that it and those behind it are of (5.3.3)
    for entry in crl:
        try:
            named = entry.extensions.get_extension_for_class(x509.CertificateIssuer).value
            of = next((name.value for name in named if isinstance(name, x509.DirectoryName)), of)
        except x509.ExtensionNotFound:
            pass
        if entry.serial_number == number and names.same(of, certificate.issuer):
            return entry
    return None


# Who signed a list (6.3.3 f, g).


def _vouched(crl: x509.CertificateRevocationList, issuer: x509.Certificate, work: _Work) -> bool:
    """Signed by the issuer of the certificate, or by an authority with a path of its own that is not revoked."""
    candidates = dict.fromkeys((issuer, *work.pool, *work.trust.anchors))
    for signer in candidates:
        if not names.same(signer.subject, crl.issuer) or not _may_sign_lists(signer) or not _signed_by(crl, signer):
            continue
        if signer in work.path[1:] or signer in work.trust.anchors or _trusted(signer, work):
            return True
    return False


def _trusted(signer: x509.Certificate, work: _Work) -> bool:
    if signer in work.asked:
        return True  # it is being looked up in the very list it signed
    if len(work.asked) >= _MAX_DEPTH:
        return False
    path = find_path(signer, work.pool, work.trust, work.trust.moment()).certificates
    if not path or path[-1] != work.path[-1]:
        return False
    inner = _Work(work.trust, path, work.pool, [*work.asked, signer])
    return _along(inner)[0] is not Revocation.REVOKED


def _may_sign_lists(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return True


_CHECKED: dict[tuple[int, x509.Certificate], tuple[x509.CertificateRevocationList, bool]] = {}
"""By the identity of the list, which is held here so that no other can have it."""


def _signed_by(crl: x509.CertificateRevocationList, signer: x509.Certificate) -> bool:
    """Remembered: a list may have megabytes, and every message asks."""
    known = _CHECKED.get((id(crl), signer))
    if known is None:
        if len(_CHECKED) >= _MAX_KEPT:
            _CHECKED.clear()
        known = crl, _verified(crl, signer)
        _CHECKED[id(crl), signer] = known
    return known[1]


def _verified(crl: x509.CertificateRevocationList, signer: x509.Certificate) -> bool:
    key = public_key(signer)
    try:
        if isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
            key.verify(crl.signature, crl.tbs_certlist_bytes)
            return True
        return crl.is_signature_valid(key)  # type: ignore[arg-type]  # keys that cannot sign raise TypeError
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature):
        return False
