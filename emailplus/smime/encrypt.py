"""Making enveloped data (RFC 5652 6, RFC 5083, RFC 5084, RFC 5753, RFC 8418)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, x25519

from ..errors import CertificateUnusable, RecipientsWithoutCertificate
from ..mime.transfer import base64_stream
from . import algorithms as alg
from . import certificate as certs
from . import der, envelope
from .armour import pkcs7_head
from .decrypt import derive
from .keychain import Role, unusable
from .sign import issuer_and_serial

CipherName = Literal["aes256-gcm", "aes128-gcm", "aes256-cbc", "aes128-cbc", "3des-cbc"]
"""3DES only where a policy of the server demands it."""
KeyTransport = Literal["oaep", "v1.5"]

# The wrap and the derivation that go with each cipher's key size (RFC 5753 7.1, RFC 8418 2).
_WRAPS = {16: "2.16.840.1.101.3.4.1.5", 24: "2.16.840.1.101.3.4.1.25", 32: "2.16.840.1.101.3.4.1.45"}
_ECDH = {"secp256r1": "1.3.132.1.11.1", "secp384r1": "1.3.132.1.11.2", "secp521r1": "1.3.132.1.11.3"}
_HKDF_SHA256 = "1.2.840.113549.1.9.16.3.19"


@dataclass(frozen=True, slots=True)
class EncryptedCopy:
    """One message to hand to the transport: `entity` for exactly these `addresses`."""

    addresses: tuple[str, ...]
    entity: bytes


def encrypt_for(
    entity: bytes,
    sender: x509.Certificate,
    visible: Mapping[str, x509.Certificate | None],
    hidden: Mapping[str, x509.Certificate | None] | None = None,
    *,
    cipher: CipherName = "aes256-gcm",
    transport: KeyTransport = "oaep",
    now: datetime | None = None,
) -> list[EncryptedCopy]:
    """Encrypt `entity` to the To and Cc addresses (`visible`) and the sender, and once more for each Bcc (`hidden`).

    The recipients of an envelope can be counted and named by anyone who holds it; so a Bcc recipient gets an envelope
    of its own, with nobody in it but that recipient and the sender. Raises `RecipientsWithoutCertificate` with every
    address that has none or one that must not be used, and `CertificateUnusable` for the sender's.
    """
    moment = now or datetime.now(UTC)
    hidden = hidden or {}
    missing = [
        address
        for address, certificate in (*visible.items(), *hidden.items())
        if certificate is None or unusable(certificate, Role.ENCRYPTION, moment)
    ]
    if missing:
        text = f"no usable certificate for {', '.join(missing)}: leave them out, send in the clear, or get one"
        raise RecipientsWithoutCertificate(text, missing)
    copies = []
    if visible or not hidden:
        shown = [certificate for certificate in visible.values() if certificate is not None]
        copies.append(EncryptedCopy(tuple(visible), _entity(entity, [*shown, sender], cipher, transport, moment)))
    for address, certificate in hidden.items():
        if certificate is not None:
            made = _entity(entity, [certificate, sender], cipher, transport, moment)
            copies.append(EncryptedCopy((address,), made))
    return copies


def _entity(
    entity: bytes, to: Sequence[x509.Certificate], cipher: CipherName, transport: KeyTransport, now: datetime
) -> bytes:
    chosen = alg.CIPHER_BY_NAME[cipher]
    key = os.urandom(chosen.key_bytes)
    infos = recipient_infos(to, key, transport=transport, now=now)
    sealed = envelope.pieces(envelope.cut(entity), infos, key, chosen, size=len(entity))
    return b"".join((pkcs7_head(smime_type_of(chosen)), *base64_stream(sealed)))


def enveloped_data(
    content: bytes,
    recipients: Sequence[x509.Certificate],
    *,
    cipher: CipherName = "aes256-gcm",
    transport: KeyTransport = "oaep",
    by_key_id: bool = False,
    now: datetime | None = None,
) -> bytes:
    """ContentInfo (DER): AuthEnvelopedData for the GCM ciphers, EnvelopedData for CBC.

    RSA certificates get the content key by OAEP with SHA-256 (or PKCS #1 v1.5 for old readers), elliptic curves and
    X25519 by key agreement with AES key wrap. `by_key_id` names recipients by their subject key identifier.
    Raises `CertificateUnusable`.
    """
    moment = now or datetime.now(UTC)
    chosen = alg.CIPHER_BY_NAME[cipher]
    key = os.urandom(chosen.key_bytes)
    infos = recipient_infos(recipients, key, transport=transport, by_key_id=by_key_id, now=moment)
    return b"".join(envelope.pieces(envelope.cut(content), infos, key, chosen, size=len(content), by_key_id=by_key_id))


def recipient_infos(
    recipients: Sequence[x509.Certificate],
    key: bytes,
    *,
    transport: KeyTransport = "oaep",
    by_key_id: bool = False,
    now: datetime,
) -> list[bytes]:
    """The content key for each of `recipients`, everyone once. Raises `CertificateUnusable`, also for nobody."""
    unique = dict.fromkeys(recipients)
    infos = [_recipient(certificate, key, transport, by_key_id, now) for certificate in unique]
    if not infos:
        raise CertificateUnusable("there is nobody to encrypt to", ("no recipients",))
    return infos


def authenticated(content: bytes, chosen: alg.ContentCipher, key: bytes, infos: list[bytes]) -> bytes:
    """AuthEnvelopedData (RFC 5083) of `content` under `key`, for recipients whose infos carry it."""
    return b"".join(envelope.pieces(envelope.cut(content), infos, key, chosen, size=len(content)))


def smime_type_of(chosen: alg.ContentCipher) -> str:
    """The smime-type parameter (RFC 8551 3.2.2) of what a cipher makes."""
    return "authEnveloped-data" if chosen.mode == "aes-gcm" else "enveloped-data"


def _recipient(
    certificate: x509.Certificate, key: bytes, transport: KeyTransport, by_key_id: bool, now: datetime
) -> bytes:
    """RecipientInfo for one certificate."""
    reasons = unusable(certificate, Role.ENCRYPTION, now)
    if reasons:
        raise CertificateUnusable(f"cannot encrypt to {certificate.subject.rfc4514_string()}: {reasons[0]}", reasons)
    public = certs.public_key(certificate)
    if isinstance(public, rsa.RSAPublicKey):
        return _transport(certificate, public, key, transport, by_key_id)
    if isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name in _ECDH:
        return _agreement_ec(certificate, public, key, by_key_id)
    if isinstance(public, x25519.X25519PublicKey):
        ephemeral = x25519.X25519PrivateKey.generate()
        point = ephemeral.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        originator = der.algorithm(alg.X25519)
        secret = ephemeral.exchange(public)
        return _agreement(certificate, key, originator, point, secret, _HKDF_SHA256, by_key_id)
    raise CertificateUnusable("its key is of a kind that nobody can encrypt to", ("its key does not encrypt",))


def _transport(
    certificate: x509.Certificate, public: rsa.RSAPublicKey, key: bytes, transport: KeyTransport, by_key_id: bool
) -> bytes:
    if transport == "oaep":
        sha256 = der.algorithm(alg.DIGEST_BY_NAME["sha256"].oid, der.NULL)
        parameters = der.sequence(der.explicit(0, sha256), der.explicit(1, der.algorithm(alg.MGF1, sha256)))
        algorithm = der.algorithm(alg.RSA_OAEP, parameters)
        encrypted = public.encrypt(key, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
    else:
        algorithm = der.algorithm(alg.RSA, der.NULL)
        encrypted = public.encrypt(key, padding.PKCS1v15())
    rid = der.element(0x80, certs.key_id(certificate)) if by_key_id else issuer_and_serial(certificate)
    return der.sequence(der.integer(2 if by_key_id else 0), rid, algorithm, der.octets(encrypted))


def _agreement_ec(
    certificate: x509.Certificate, public: ec.EllipticCurvePublicKey, key: bytes, by_key_id: bool
) -> bytes:
    ephemeral = ec.generate_private_key(public.curve)
    encoding, form = serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    point = ephemeral.public_key().public_bytes(encoding, form)
    secret = ephemeral.exchange(ec.ECDH(), public)
    originator = der.algorithm(alg.EC_PUBLIC_KEY)
    return _agreement(certificate, key, originator, point, secret, _ECDH[public.curve.name], by_key_id)


def _agreement(
    certificate: x509.Certificate,
    key: bytes,
    originator: bytes,
    point: bytes,
    secret: bytes,
    scheme: str,
    by_key_id: bool,
) -> bytes:
    """KeyAgreeRecipientInfo (RFC 5652 6.2.2) with an ephemeral originator key."""
    wrap = der.algorithm(_WRAPS[len(key)])
    kek = derive(alg.KEY_AGREEMENTS[scheme], secret, len(key), wrap, None)
    rid = der.explicit(0, der.octets(certs.key_id(certificate))) if by_key_id else issuer_and_serial(certificate)
    return der.element(
        0xA1,
        der.integer(3),
        der.explicit(0, der.element(0xA1, originator, der.element(0x03, b"\0", point))),
        der.algorithm(scheme, wrap),
        der.sequence(der.sequence(rid, der.octets(keywrap.aes_key_wrap(kek, key)))),
    )
