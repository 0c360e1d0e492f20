"""A small certificate authority made anew for the test run, so that nothing here expires."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from emailplus.smime.keychain import KeyEntry
from emailplus.smime.trust import Trust

NOW = datetime.now(UTC).replace(microsecond=0)


def _usage(*names: str) -> x509.KeyUsage:
    fields = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"]
    fields += ["key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
    return x509.KeyUsage(**{field: field in names for field in fields})


class Authority:
    """Issues certificates of every kind the tests need; keys are made once and used again."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])
        self.certificate = (
            self._builder(self.name, self.key.public_key(), -3650, 3650)
            .add_extension(x509.BasicConstraints(True, 1), True)
            .add_extension(_usage("key_cert_sign", "crl_sign"), True)
            .sign(self.key, hashes.SHA256())
        )
        self._keys: dict[str, object] = {}

    def _builder(self, subject: x509.Name, key: object, start: int, end: int) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW + timedelta(days=start))
            .not_valid_after(NOW + timedelta(days=end))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False)
        )

    def private(self, kind: str) -> object:
        if kind not in self._keys:
            self._keys[kind] = {
                "rsa": lambda: rsa.generate_private_key(65537, 2048),
                "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
                "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
                "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
                "ed25519": ed25519.Ed25519PrivateKey.generate,
                "x25519": x25519.X25519PrivateKey.generate,
            }[kind]()
        return self._keys[kind]

    def issue(
        self,
        kind: str = "rsa",
        emails: tuple[str, ...] = ("alice@example.com",),
        *,
        start: int = -30,
        end: int = 30,
        usage: tuple[str, ...] | None = None,
        mail: bool = True,
        old_subject: bool = False,
    ) -> KeyEntry:
        key = self.private(kind)
        if usage is None:
            usage = {
                "rsa": ("digital_signature", "key_encipherment"),
                "ed25519": ("digital_signature",),
                "x25519": ("key_agreement",),
            }.get(kind, ("digital_signature", "key_agreement"))
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, emails[0] if emails else "nobody")]
        if old_subject:
            attributes += [x509.NameAttribute(NameOID.EMAIL_ADDRESS, email) for email in emails]
        builder = self._builder(x509.Name(attributes), key.public_key(), start, end)  # type: ignore[attr-defined]
        builder = builder.add_extension(_usage(*usage), True)
        uses = ExtendedKeyUsageOID.EMAIL_PROTECTION if mail else ExtendedKeyUsageOID.SERVER_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([uses]), False)
        if emails and not old_subject:
            names = x509.SubjectAlternativeName([x509.RFC822Name(email) for email in emails])
            builder = builder.add_extension(names, False)
        return KeyEntry(builder.sign(self.key, hashes.SHA256()), key)  # type: ignore[arg-type]

    def crl(self, *revoked: x509.Certificate, start: int = -1, end: int = 7) -> x509.CertificateRevocationList:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.name)
            .last_update(NOW + timedelta(days=start))
            .next_update(NOW + timedelta(days=end))
        )
        for certificate in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(NOW - timedelta(days=2)).build())
        return builder.sign(self.key, hashes.SHA256())

    @property
    def trust(self) -> Trust:
        return Trust(anchors=(self.certificate,))


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()
