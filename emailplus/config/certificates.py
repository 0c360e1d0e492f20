"""Certificates as they stand in a configuration: base64 of DER, of a root or of a PKCS#12 archive.

Only the wrapping is read here. Whether the content is a usable certificate is for the function that `AppConfig.load`
is given; this package never imports cryptography.
"""

from __future__ import annotations

import binascii
import hashlib
from dataclasses import dataclass
from typing import Literal, Protocol

from .secret import Secret

Form = Literal["der-cert", "p12"]

_PEM = b"-----BEGIN"
_SEQUENCE = 0x30
_INDEFINITE = 0x80
_TAGS_INSIDE: dict[int, str] = {
    0x30: "a certificate without its private key",
    0x02: "a PKCS#12 archive or a private key",
    0x06: "a PKCS#7 bundle",
}
_WANTED: dict[Form, str] = {
    "der-cert": "base64 of one DER certificate",
    "p12": "base64 of a PKCS#12 archive (certificate and private key)",
}
_FIRST_INSIDE: dict[Form, int] = {"der-cert": 0x30, "p12": 0x02}


class CertificateCheck(Protocol):
    """Tells whether a certificate can be used: None if so, otherwise what is wrong, in words for people."""

    def __call__(self, data: bytes, form: Form, password: Secret | None) -> str | None: ...


class BadCertificate(ValueError):
    """Not the documented form; the text says what was found and what to give."""


@dataclass(frozen=True, slots=True)
class RootCertificate:
    """`email_certificate_X`: X and the DER bytes."""

    number: int
    data: bytes

    def __repr__(self) -> str:
        return f"RootCertificate({self.number}, {fingerprint(self.data)})"


@dataclass(frozen=True, slots=True)
class EscrowCertificate:
    """One dictionary of `email_escrow_certificates`: a PKCS#12 archive and its password."""

    data: bytes
    password: Secret | None

    def __repr__(self) -> str:
        return f"EscrowCertificate({fingerprint(self.data)})"


def fingerprint(data: bytes) -> str:
    """Length and SHA-256 of a certificate or archive: enough to tell two apart, nothing of the content."""
    return f"({len(data)} bytes, SHA-256 {hashlib.sha256(data).hexdigest()[:16]}…)"


def decode(raw: str | bytes, form: Form) -> bytes:
    """DER bytes of `raw`: base64 text in one or many lines, or bytes as a plist carries them. Raises `BadCertificate`.

    PEM is told apart and refused: the guide asks for DER (table 2, note at `email_certificate_X`).
    """
    octets = raw.encode("utf-8", "replace") if isinstance(raw, str) else raw
    if octets.lstrip().startswith(_PEM):
        raise BadCertificate(f"{_WANTED[form]}; this is PEM: convert it to DER, then to base64")
    if isinstance(raw, str) or octets[:1] != bytes([_SEQUENCE]):
        octets = _base64(octets, form)
    if octets.lstrip().startswith(_PEM):
        raise BadCertificate(f"{_WANTED[form]}; this is base64 of PEM: convert it to DER first")
    _check_frame(octets, form)
    return octets


def _base64(octets: bytes, form: Form) -> bytes:
    try:
        return binascii.a2b_base64(b"".join(octets.split()), strict_mode=True)
    except binascii.Error:
        raise BadCertificate(f"{_WANTED[form]}; this is not base64") from None


def _check_frame(octets: bytes, form: Form) -> None:
    """One SEQUENCE that ends where the data ends (X.690 8.1.3); PKCS#12 may use the indefinite length of BER."""
    if len(octets) < 4 or octets[0] != _SEQUENCE:
        raise BadCertificate(f"{_WANTED[form]}; the content is not DER")
    first, start = octets[1], 2
    if first < _INDEFINITE:
        length = first
    elif first == _INDEFINITE and form == "p12":
        length = len(octets) - 2
    else:
        size = first & 0x7F
        length, start = int.from_bytes(octets[2 : 2 + size], "big"), 2 + size
    if length != len(octets) - start or not length:
        raise BadCertificate(f"{_WANTED[form]}; the content is cut short or carries more than one object")
    inside = octets[start]
    if inside != _FIRST_INSIDE[form]:
        raise BadCertificate(f"{_WANTED[form]}; this looks like {_TAGS_INSIDE.get(inside, 'something else')}")
