"""What the mock server thinks of certificates (MS-ASCMD 2.2.1.22): a walk up the chain to a root it trusts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from .directory import Trust

VALID, BAD_SIGNATURE, UNTRUSTED, BAD_CHAIN, NOT_FOR_MAIL, EXPIRED = 1, 3, 4, 5, 6, 7
INCONSISTENT_PERIODS, WRONG_ROLE, REVOKED, OFFLINE, CHAIN_REVOKED = 8, 11, 13, 14, 15
"""Status of a certificate (MS-ASCMD 2.2.3.177.18)."""

_LONGEST = 16
"""Certificates of a chain; longer ones are made to keep a server busy."""


def judge(trust: Trust, der: bytes, chain: Iterable[bytes], now: datetime, *, check_crl: bool) -> int:
    """The Status of one certificate; `chain` (DER) may help to find its issuers."""
    certificate = _load(der)
    others = [_load(each) for each in chain]
    if certificate is None or None in others:
        return BAD_CHAIN
    if not _in_time(certificate, now):
        return EXPIRED
    if _is_authority(certificate):
        return WRONG_ROLE  # an authority used as somebody's certificate (MS-ASCMD_R5847)
    if not _for_mail(certificate):
        return NOT_FOR_MAIL
    status = _walk(trust, certificate, [each for each in others if each is not None], now)
    return OFFLINE if status == VALID and check_crl and not trust.crl_online else status


def _walk(trust: Trust, certificate: x509.Certificate, others: Sequence[x509.Certificate], now: datetime) -> int:
    """Up from issuer to issuer (MS-ASCMD_R687, R688)."""
    roots = [root for root in map(_load, trust.roots) if root is not None]
    revoked = [each for each in map(_load, trust.revoked) if each is not None]
    current = certificate
    for depth in range(_LONGEST):
        if current in revoked:
            return CHAIN_REVOKED if depth else REVOKED
        if current in roots:
            return VALID
        issuers = [each for each in (*roots, *others) if each.subject == current.issuer and each != current]
        if not issuers:
            return UNTRUSTED
        issuer = next((each for each in issuers if _signed_by(current, each)), None)
        if issuer is None:
            return BAD_SIGNATURE
        if not _is_authority(issuer):
            return WRONG_ROLE
        if not _in_time(issuer, now):
            return INCONSISTENT_PERIODS  # MS-ASCMD_R4494
        current = issuer
    return BAD_CHAIN


def mini_certificate(der: bytes) -> bytes:
    """A short name of a certificate for clients that ask the server for the rest: a digest's first eight bytes.

    The form is not published (MS-ASCMD 2.2.3.112 calls it a BLOB); eight bytes is what the published example has.
    """
    digest = hashes.Hash(hashes.SHA256())
    digest.update(der)
    return digest.finalize()[:8]


def valid_now(der: bytes, now: datetime) -> bool:
    """Whether a directory hands this certificate out: readable, in its time, made for mail."""
    certificate = _load(der)
    return certificate is not None and _in_time(certificate, now) and _for_mail(certificate)


def _load(der: bytes) -> x509.Certificate | None:
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError:
        return None


def _in_time(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _for_mail(certificate: x509.Certificate) -> bool:
    """Extended key usage with emailProtection, or none at all (RFC 8550 section 4.4.4)."""
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    except ValueError:
        return False
    return any(
        usage in (ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE) for usage in usages
    )


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True
