"""Client certificates: `email_login_certificate` made ready for a TLS handshake, and for channel bindings."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from ..config import AppConfig
from ..errors import AuthenticationFailed, KeyImportFailed
from ..flow import HttpRequest, HttpResponse
from ..smime.keychain import KeyEntry, import_pkcs12


@dataclass(frozen=True, slots=True)
class LoginCertificate:
    """`pem` is key, certificate and issuers, in the clear: it lies in memory only. "" where there is none.

    `problem` says why the archive cannot be used.
    """

    pem: bytes = field(repr=False, default=b"")
    problem: str = ""


def login_certificate(config: AppConfig) -> LoginCertificate:
    """`email_login_certificate` with `email_login_certificate_MI_CERT_PW`."""
    archive = config.email_login_certificate
    if archive is None:
        return LoginCertificate()
    password = config.email_login_certificate_MI_CERT_PW
    try:
        entries = import_pkcs12(archive, password.reveal() if password is not None else None)
    except KeyImportFailed as problem:
        return LoginCertificate(problem=str(problem))
    return LoginCertificate(pem(entries[0]))


def pem(entry: KeyEntry) -> bytes:
    """What `ssl.SSLContext.load_cert_chain` reads."""
    key = entry.private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain = [entry.certificate, *(issuer for issuer in entry.chain if issuer != entry.certificate)]
    return key + b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in chain)


def server_end_point(certificate: bytes) -> bytes:
    """The channel binding ``tls-server-end-point`` of a server certificate in DER (RFC 5929 4.1)."""
    digest = x509.load_der_x509_certificate(certificate).signature_hash_algorithm
    if digest is None or digest.name in ("md5", "sha1"):
        digest = hashes.SHA256()
    hasher = hashes.Hash(digest)
    hasher.update(certificate)
    return b"tls-server-end-point:" + hasher.finalize()


class CertificateAuth:
    """Nothing but the certificate of the handshake; a password is never sent in its stead."""

    def authorize(self, request: HttpRequest) -> Generator[HttpRequest, HttpResponse, None]:
        response = yield request
        if response.status == 401:
            raise AuthenticationFailed(
                "the server does not take email_login_certificate as this user (HTTP 401); no password was sent. "
                "Does it map the certificate to the user, and does it ask for one at all?"
            )
