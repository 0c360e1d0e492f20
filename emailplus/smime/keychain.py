"""Certificates with their private keys: import, roles, and which one is used for what.

The rules of the guide for `email_signing_certificate` and `email_encryption_certificate`: a new one is imported and
selected and the previous stays in the keychain; a removed one is deselected and stays. Expired and revoked certificates
are never chosen for signing or encrypting, and always kept for decrypting.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.utils import CryptographyDeprecationWarning

from ..errors import CertificateUnusable, KeyImportFailed, MalformedCms, SmimeLimitExceeded, WrongKeyPassword
from . import certificate as certs
from .ber import to_der
from .cms import shrouded_keys

PrivateKey = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
    | x25519.X25519PrivateKey
)
_PRIVATE_KINDS = (
    rsa.RSAPrivateKey,
    ec.EllipticCurvePrivateKey,
    ed25519.Ed25519PrivateKey,
    ed448.Ed448PrivateKey,
    x25519.X25519PrivateKey,
)


class Role(StrEnum):
    SIGNING = "signing"
    ENCRYPTION = "encryption"
    ESCROW = "escrow"
    """Only ever used to decrypt (`email_escrow_certificates`)."""


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """One certificate with its private key. `selected` are the roles the configuration or the user chose it for.

    `source` says where it came from ("email_signing_certificate", "attachment", "self-service", ...).
    """

    certificate: x509.Certificate
    private_key: PrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...] = ()
    selected: frozenset[Role] = frozenset()
    escrow: bool = False
    revoked: bool = False
    source: str = ""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, in hex: its name in the keychain."""
        return certs.fingerprint(self.certificate)

    def key_bytes(self) -> bytes:
        """The private key as PKCS #8 DER, in the clear: for a store that encrypts by itself."""
        return self.private_key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def to_pkcs12(self, password: bytes) -> bytes:
        """The entry as an archive for a store, encrypted with `password`."""
        if isinstance(self.private_key, x25519.X25519PrivateKey):
            raise KeyImportFailed("PKCS#12 of this library carries no X25519 key")
        return pkcs12.serialize_key_and_certificates(
            None,
            self.private_key,
            self.certificate,
            self.chain,
            serialization.BestAvailableEncryption(password),
        )


class KeyStore(Protocol):
    """Where keys live. `put` replaces the entry of the same fingerprint."""

    def put(self, entry: KeyEntry) -> None: ...

    def entries(self) -> Iterable[KeyEntry]: ...


class MemoryKeyStore:
    """Keys for the life of the process."""

    def __init__(self, entries: Iterable[KeyEntry] = ()) -> None:
        self._entries = {entry.fingerprint: entry for entry in entries}

    def put(self, entry: KeyEntry) -> None:
        self._entries[entry.fingerprint] = entry

    def entries(self) -> Iterator[KeyEntry]:
        return iter(tuple(self._entries.values()))


def load_certificate(data: bytes) -> x509.Certificate:
    """One certificate in DER. PEM and archives are told apart. Raises `KeyImportFailed`."""
    if data.lstrip().startswith(b"-----BEGIN"):
        raise KeyImportFailed("this is PEM; give the certificate as DER (openssl x509 -outform der)")
    try:
        return certs.load(data)
    except MalformedCms as error:
        raise KeyImportFailed("this is not a certificate in DER") from error


def problem_with(data: bytes, form: str, password: object) -> str | None:
    """What is wrong with a certificate of an app config, for `AppConfig.load(check_certificate=...)`; None: nothing.

    `form` is "der-cert" or "p12"; `password` has ``reveal()``, or is None.
    """
    try:
        if form == "der-cert":
            load_certificate(data)
        else:
            reveal = getattr(password, "reveal", None)
            import_pkcs12(data, reveal() if reveal is not None else None)
    except KeyImportFailed as problem:
        return str(problem)
    return None


def import_pkcs12(data: bytes, password: str | None, *, source: str = "") -> list[KeyEntry]:
    """The certificates with keys in a PKCS#12 archive (RFC 7292), ready for `Keychain.add`.

    The archive may be BER. Raises `WrongKeyPassword` (also for none where one is needed) and `KeyImportFailed`.
    """
    if data.lstrip().startswith(b"-----BEGIN"):
        raise KeyImportFailed("this is PEM; give a PKCS#12 archive (openssl pkcs12 -export)")
    if data[:1] != b"\x30":
        raise KeyImportFailed("this is not a PKCS#12 archive")
    try:
        key, certificate, others = _open_archive(data, password)
    except (MalformedCms, SmimeLimitExceeded) as error:
        raise KeyImportFailed("this is not a PKCS#12 archive that can be read") from error
    except ValueError as error:
        if "password" in str(error).lower() or "mac" in str(error).lower():
            raise WrongKeyPassword("the password does not open the archive") from error
        raise KeyImportFailed("this is not a PKCS#12 archive that can be read") from error
    except (TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise KeyImportFailed("the archive is protected in a way that cannot be read") from error
    if key is None or certificate is None:
        raise KeyImportFailed("the archive has no private key with its certificate")
    if not isinstance(key, _PRIVATE_KINDS):
        raise KeyImportFailed(f"a key of kind {type(key).__name__} is of no use for mail")
    found = [KeyEntry(certificate, key, tuple(others), source=source)]
    pool = [certificate, *others]
    for more in _further_keys(data, password):
        owner = next((c for c in pool if certs.public_key(c) == more.public_key()), None)
        if owner is not None and all(owner != entry.certificate for entry in found):
            chain = tuple(c for c in pool if c != owner)
            found.append(KeyEntry(owner, more, chain, source=source))
    return found


def _further_keys(data: bytes, password: str | None) -> list[PrivateKey]:
    """All keys in shrouded bags (RFC 7292 4.2.2): one archive may carry a signing and an encryption key."""
    found: list[PrivateKey] = []
    try:
        for bag in shrouded_keys(data):
            key = serialization.load_der_private_key(bag, (password or "").encode())
            if isinstance(key, _PRIVATE_KINDS):
                found.append(key)
    except (ValueError, TypeError, UnsupportedAlgorithm, MalformedCms):
        return found
    return found


def _open_archive(
    data: bytes, password: str | None
) -> tuple[object | None, x509.Certificate | None, list[x509.Certificate]]:
    """An empty password and none are written differently by different makers, so both are tried."""
    attempts = [password.encode()] if password else [None, b""]
    for number, secret in enumerate(attempts):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", CryptographyDeprecationWarning)
                return pkcs12.load_key_and_certificates(to_der(data), secret)
        except ValueError:
            if number + 1 == len(attempts):
                raise
    raise AssertionError("unreachable: one attempt is always made")


def load_pair(certificate: bytes, private_key: bytes, *, source: str = "") -> KeyEntry:
    """A certificate and its PKCS#8 key, both DER. Raises `KeyImportFailed`, also when they do not belong together."""
    loaded = load_certificate(certificate)
    if private_key.lstrip().startswith(b"-----BEGIN"):
        raise KeyImportFailed("this is PEM; give the private key as DER (openssl pkcs8 -topk8 -outform der)")
    try:
        key = serialization.load_der_private_key(private_key, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyImportFailed("this is not an unencrypted private key in DER") from error
    if not isinstance(key, _PRIVATE_KINDS):
        raise KeyImportFailed(f"a key of kind {type(key).__name__} is of no use for mail")
    if key.public_key() != certs.public_key(loaded):
        raise KeyImportFailed("the private key does not belong to the certificate")
    return KeyEntry(loaded, key, source=source)


def restore(certificate: bytes, private_key: bytes, chain: Iterable[bytes], **more: Any) -> KeyEntry:
    """An entry from what `KeyEntry.key_bytes` and the DER of its certificates gave; `more` are the other fields.

    The key was examined when it was imported, and is not examined again. Raises `KeyImportFailed` for damage.
    """
    try:
        key = serialization.load_der_private_key(private_key, None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyImportFailed("a key of the keychain cannot be read") from error
    if not isinstance(key, _PRIVATE_KINDS):
        raise KeyImportFailed("a key of the keychain is of a kind that has no use for mail")
    return KeyEntry(load_certificate(certificate), key, tuple(certs.load_all(list(chain))), **more)


def usable_for(entry: KeyEntry, role: Role, now: datetime) -> tuple[str, ...]:
    """Why `entry` must not be used for signing or encrypting now; () when it may. Decrypting is always allowed."""
    return (
        *(("it is kept for decrypting only",) if entry.escrow else ()),
        *unusable(entry.certificate, role, now, revoked=entry.revoked),
    )


def unusable(certificate: x509.Certificate, role: Role, now: datetime, *, revoked: bool = False) -> tuple[str, ...]:
    """Why a certificate, one's own or a recipient's, must not be used for `role` at `now`."""
    reasons = []
    if now > certificate.not_valid_after_utc:
        reasons.append(f"it expired on {certificate.not_valid_after_utc:%Y-%m-%d}")
    if now < certificate.not_valid_before_utc:
        reasons.append(f"it is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}")
    if revoked:
        reasons.append("it is revoked")
    fits = certs.may_sign(certificate) if role is Role.SIGNING else certs.may_encrypt(certificate)
    if not fits:
        reasons.append(f"its key usage does not allow {role.value}")
    if not certs.for_mail(certificate):
        reasons.append("its extended key usage has no emailProtection")
    return tuple(reasons)


class Keychain:
    """The keys of one mailbox, over any `KeyStore`."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store

    def entries(self) -> list[KeyEntry]:
        return list(self._store.entries())

    def add(self, entry: KeyEntry) -> KeyEntry:
        """Keep `entry`; what is known of the same certificate (selection, revocation) stays."""
        known = self._find(entry.fingerprint)
        if known is not None:
            entry = replace(
                entry,
                chain=entry.chain or known.chain,
                selected=entry.selected | known.selected,
                escrow=entry.escrow and known.escrow,
                revoked=entry.revoked or known.revoked,
                source=known.source or entry.source,
            )
        self._store.put(entry)
        return entry

    def add_escrow(self, entries: Iterable[KeyEntry]) -> None:
        """Keys of `email_escrow_certificates`: decrypt, never sign or encrypt. A key already here keeps its roles."""
        for entry in entries:
            self.add(replace(entry, escrow=True))

    def select(self, role: Role, entry: KeyEntry | None) -> None:
        """The configuration's choice for `role` (SIGNING or ENCRYPTION) is now `entry`, or none; all keys stay."""
        for other in self.entries():
            if role in other.selected:
                self._store.put(replace(other, selected=other.selected - {role}))
        if entry is not None:
            self.add(replace(entry, selected=entry.selected | {role}, escrow=False))

    def mark_revoked(self, fingerprint: str) -> None:
        """Never offered again for signing or encrypting; goes on decrypting."""
        known = self._find(fingerprint)
        if known is not None:
            self._store.put(replace(known, revoked=True))

    def chosen(self, role: Role) -> KeyEntry | None:
        """The selected entry, usable or not."""
        return next((entry for entry in self.entries() if role in entry.selected), None)

    def offered(self, role: Role, now: datetime) -> list[KeyEntry]:
        """Entries that may be used for `role`, the selected one first, then those valid longest."""
        usable = [entry for entry in self.entries() if not usable_for(entry, role, now)]
        return sorted(
            usable,
            key=lambda entry: (role in entry.selected, entry.certificate.not_valid_after_utc),
            reverse=True,
        )

    def required(self, role: Role, now: datetime) -> KeyEntry:
        """The selected entry. Raises `CertificateUnusable` when none is selected, or it must not be used."""
        entry = self.chosen(role)
        if entry is None:
            raise CertificateUnusable(f"no certificate is selected for {role.value}", ("none is selected",))
        reasons = usable_for(entry, role, now)
        if reasons:
            raise CertificateUnusable(f"the certificate for {role.value} cannot be used: {'; '.join(reasons)}", reasons)
        return entry

    def decrypting(self) -> list[KeyEntry]:
        """Every key that can decrypt: current, retired, revoked and escrowed."""
        kinds = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, x25519.X25519PrivateKey)
        return [entry for entry in self.entries() if isinstance(entry.private_key, kinds)]

    def _find(self, fingerprint: str) -> KeyEntry | None:
        return next((entry for entry in self.entries() if entry.fingerprint == fingerprint), None)
