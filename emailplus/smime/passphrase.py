"""Enveloped data under a passphrase (RFC 5652 6.2.4, RFC 3211): for a reader who has no certificate.

OpenSSL opens it: ``openssl cms -decrypt -inform DER -in FILE -pwri_password PASSPHRASE``.
"""

from __future__ import annotations

import os

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from . import algorithms as alg
from . import der
from .encrypt import authenticated

ROUNDS = 200_000
"""Of PBKDF2 with HMAC-SHA-256."""

_PBKDF2 = "1.2.840.113549.1.5.12"
_HMAC_SHA256 = "1.2.840.113549.2.9"
_PWRI_KEK = "1.2.840.113549.1.9.16.3.9"
_BLOCK = 16


def passphrase_envelope(content: bytes, passphrase: str) -> bytes:
    """ContentInfo (DER) with AuthEnvelopedData: `content` under AES-256-GCM, its key under `passphrase`."""
    cipher = alg.CIPHER_BY_NAME["aes256-gcm"]
    key = os.urandom(cipher.key_bytes)
    return authenticated(content, cipher, key, [_recipient(key, passphrase)])


def _recipient(key: bytes, passphrase: str) -> bytes:
    """PasswordRecipientInfo."""
    salt, vector = os.urandom(16), os.urandom(_BLOCK)
    kek = PBKDF2HMAC(hashes.SHA256(), 32, salt, ROUNDS).derive(passphrase.encode())
    derivation = der.sequence(
        der.octets(salt), der.integer(ROUNDS), der.integer(32), der.algorithm(_HMAC_SHA256, der.NULL)
    )
    wrap = der.algorithm(alg.CIPHER_BY_NAME["aes256-cbc"].oid, der.octets(vector))
    return der.element(
        0xA3,
        der.integer(0),
        der.element(0xA0, der.oid(_PBKDF2), derivation),
        der.algorithm(_PWRI_KEK, wrap),
        der.octets(_wrapped(key, kek, vector)),
    )


def _wrapped(key: bytes, kek: bytes, vector: bytes) -> bytes:
    """RFC 3211 2.3.1: length, three check bytes, the key, padding; encrypted twice in one CBC chain."""
    plain = bytes([len(key), *(byte ^ 0xFF for byte in key[:3])]) + key
    plain += os.urandom(-len(plain) % _BLOCK)
    encryptor = Cipher(algorithms.AES(kek), modes.CBC(vector)).encryptor()
    once = encryptor.update(plain)
    return encryptor.update(once)
