"""An authority that issues S/MIME certificates for tests, good ones and bad ones."""

from __future__ import annotations

from datetime import UTC, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ..flows.world import NOW


class Authority:
    """`der` is its own certificate. `issuer` None makes a root."""

    def __init__(
        self, name: str = "Test authority", issuer: Authority | None = None, *, days: tuple[int, int] = (-30, 300)
    ) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        by = issuer or self
        self.der = _make(self.name, self.key, by.name, by.key, days, authority=True)

    def person(
        self,
        email: str,
        *,
        days: tuple[int, int] = (-10, 100),
        usage: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.EMAIL_PROTECTION,
        key: ec.EllipticCurvePrivateKey | None = None,
        signer: ec.EllipticCurvePrivateKey | None = None,
    ) -> bytes:
        """The certificate (DER) of a person. `signer`: another key signs than the authority's."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, email)])
        own = key or ec.generate_private_key(ec.SECP256R1())
        return _make(name, own, self.name, signer or self.key, days, authority=False, usage=usage)


def _make(
    name: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    signer: ec.EllipticCurvePrivateKey,
    days: tuple[int, int],
    *,
    authority: bool,
    usage: x509.ObjectIdentifier | None = None,
) -> bytes:
    begin, end = (NOW.astimezone(UTC) + timedelta(days=number) for number in days)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.DER)
