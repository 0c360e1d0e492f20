"""Configurations and certificates that the tests of this folder share."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12
from cryptography.x509.oid import NameOID

from emailplus.config import AppConfig, Problem
from emailplus.errors import ConfigurationError

REQUIRED: dict[str, str] = {
    "email_address": "alice@example.test",
    "email_device_id": "0123456789abcdef0123456789ABCDEF",
    "email_exchange_host": "mail.example.test",
    "email_exchange_username": "EXAMPLE\\alice",
}
PLAIN: dict[str, str] = {**REQUIRED, "email_ssl_required": "true"}
"""A configuration about which nothing is to be said."""


def load(**pairs: Any) -> AppConfig:
    """PLAIN with `pairs` on top."""
    return AppConfig.load({**PLAIN, **pairs})


def problems_of(**pairs: Any) -> list[Problem]:
    """The problems for which PLAIN with `pairs` on top is refused."""
    return refused({**PLAIN, **pairs})


def refused(source: Any, identity: Any = None) -> list[Problem]:
    """The problems for which `source` is refused."""
    with pytest.raises(ConfigurationError) as caught:
        AppConfig.load(source, identity)
    problems = [problem for problem in caught.value.problems if isinstance(problem, Problem)]
    assert any(problem.critical for problem in problems)
    return problems


@cache
def _key_and_certificate() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Example Test Root")])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
    return key, builder.sign(key, hashes.SHA256())


@cache
def der() -> bytes:
    return _key_and_certificate()[1].public_bytes(Encoding.DER)


@cache
def pem() -> str:
    return _key_and_certificate()[1].public_bytes(Encoding.PEM).decode()


@cache
def p12(password: str = "archive-pw") -> bytes:
    key, certificate = _key_and_certificate()
    return pkcs12.serialize_key_and_certificates(
        b"alice", key, certificate, None, BestAvailableEncryption(password.encode())
    )


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def loads_or_tells(source: Any, identity: Any = None) -> AppConfig | ConfigurationError:
    """Load `source`; it may be refused, but only with problems that can be printed. Anything else is raised."""
    try:
        return AppConfig.load(source, identity)
    except ConfigurationError as refusal:
        if not refusal.problems:
            raise AssertionError("a refusal without problems") from refusal
        str(refusal).encode()
        return refusal
