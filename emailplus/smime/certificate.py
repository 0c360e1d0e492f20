"""Certificates as this room needs them: identity, addresses, uses, strength (RFC 5280, RFC 8550)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x448, x25519
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ..errors import MalformedCms
from . import algorithms as alg
from . import tlv
from .cms import PartyId, same_party
from .report import CertificateSummary

_MAIL_USES = {ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}


@lru_cache(maxsize=512)
def load(der: bytes) -> x509.Certificate:
    """Raises `MalformedCms` for what is not a certificate in DER."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            certificate = x509.load_der_x509_certificate(der)
            # These are read late; what is wrong with them is to be known now.
            _ = certificate.extensions, certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
            _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc, certificate.serial_number
        if tlv.read(der, 0, len(der)).children()[2].content[:1] != b"\0":
            raise ValueError("signatures are whole octets: one certificate, one encoding of it")
        return certificate
    except (
        ValueError,
        TypeError,
        IndexError,
        UnsupportedAlgorithm,
        x509.DuplicateExtension,
        x509.InvalidVersion,
    ) as error:
        raise MalformedCms("a certificate that cannot be read") from error


def load_all(ders: Sequence[bytes]) -> list[x509.Certificate]:
    """Those that can be read; the others cannot vouch for anything."""
    found = []
    for der in ders:
        try:
            found.append(load(der))
        except MalformedCms:
            continue
    return found


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


@lru_cache(maxsize=1024)
def fingerprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex()


def key_id(certificate: x509.Certificate) -> bytes:
    """The subject key identifier of the certificate; computed (RFC 5280 4.2.1.2, method 1) where it has none."""
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        try:
            return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest
        except (ValueError, UnsupportedAlgorithm):
            return b""


def belongs(party: PartyId, certificate: x509.Certificate) -> bool:
    """True when `party` names this certificate."""
    return same_party(party, *_identity(certificate))


@lru_cache(maxsize=512)
def _identity(certificate: x509.Certificate) -> tuple[bytes, int, bytes]:
    return certificate.issuer.public_bytes(), serial(certificate), key_id(certificate)


def serial(certificate: x509.Certificate) -> int:
    """The serial number. Some old roots have zero or less, which is to be read all the same."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        return certificate.serial_number


@lru_cache(maxsize=1024)
def addresses(certificate: x509.Certificate) -> tuple[tuple[str, ...], bool]:
    """(addresses in lower case, True when they stand in the alternative names).

    The subject's emailAddress counts only where there is no rfc822Name (RFC 8550 3, RFC 5280 4.1.2.6).
    """
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = tuple(name.lower() for name in names.get_values_for_type(x509.RFC822Name))
    except x509.ExtensionNotFound:
        found = ()
    if found:
        return found, True
    old = certificate.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS)
    return tuple(str(attribute.value).lower() for attribute in old), False


def may_sign(certificate: x509.Certificate) -> bool:
    """Key usage digitalSignature or contentCommitment, or none given (RFC 8550 4.4.2)."""
    usage = _usage(certificate)
    return usage is None or usage.digital_signature or usage.content_commitment


def may_encrypt(certificate: x509.Certificate) -> bool:
    """Key usage fits the key: keyEncipherment for RSA, keyAgreement for elliptic curves; or none given."""
    key = public_key(certificate)
    usage = _usage(certificate)
    if isinstance(key, rsa.RSAPublicKey):
        return usage is None or usage.key_encipherment
    if isinstance(key, (ec.EllipticCurvePublicKey, x25519.X25519PublicKey)):
        return usage is None or usage.key_agreement
    return False


def for_mail(certificate: x509.Certificate) -> bool:
    """Extended key usage emailProtection or any, or none given (RFC 8550 4.4.4)."""
    try:
        uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return any(use in _MAIL_USES for use in uses)


def _usage(certificate: x509.Certificate) -> x509.KeyUsage | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None


def public_key(certificate: x509.Certificate) -> object:
    """The public key, None where the library does not know its kind."""
    try:
        return certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None


def describe_key(key: object) -> tuple[str, bool]:
    """("RSA 2048", weak?)."""
    if isinstance(key, (rsa.RSAPublicKey, rsa.RSAPrivateKey)):
        return f"RSA {key.key_size}", key.key_size < alg.WEAK_RSA_BITS
    if isinstance(key, (ec.EllipticCurvePublicKey, ec.EllipticCurvePrivateKey)):
        return f"EC {key.curve.name}", key.key_size < 256
    if isinstance(key, dsa.DSAPublicKey):
        return f"DSA {key.key_size}", True
    for kind, name in (
        (ed25519.Ed25519PublicKey, "Ed25519"),
        (ed448.Ed448PublicKey, "Ed448"),
        (x25519.X25519PublicKey, "X25519"),
        (x448.X448PublicKey, "X448"),
    ):
        if isinstance(key, kind):
            return name, False
    return "unknown", True


def valid_at(certificate: x509.Certificate, moment: datetime) -> bool:
    return certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc


@lru_cache(maxsize=1024)
def summary(certificate: x509.Certificate) -> CertificateSummary:
    return CertificateSummary(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        serial=_identity(certificate)[1],
        addresses=addresses(certificate)[0],
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        key=describe_key(public_key(certificate))[0],
        fingerprint=fingerprint(certificate),
    )
