"""Object identifiers of the algorithms of S/MIME (RFC 8551, 5754, 8419, 5753, 8418, 5083, 3370), as tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cryptography.hazmat.primitives import hashes

# Content types (RFC 5652 4 to 9, RFC 5083, RFC 3274)
DATA = "1.2.840.113549.1.7.1"
SIGNED_DATA = "1.2.840.113549.1.7.2"
ENVELOPED_DATA = "1.2.840.113549.1.7.3"
AUTH_ENVELOPED_DATA = "1.2.840.113549.1.9.16.1.23"
COMPRESSED_DATA = "1.2.840.113549.1.9.16.1.9"

# Attributes
CONTENT_TYPE = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
SIGNING_TIME = "1.2.840.113549.1.9.5"
CAPABILITIES = "1.2.840.113549.1.9.15"
ALGORITHM_PROTECTION = "1.2.840.113549.1.9.52"
ENCRYPTION_KEY_PREFERENCE = "1.2.840.113549.1.9.16.2.11"

# Keys and signatures
RSA = "1.2.840.113549.1.1.1"
RSA_OAEP = "1.2.840.113549.1.1.7"
MGF1 = "1.2.840.113549.1.1.8"
P_SPECIFIED = "1.2.840.113549.1.1.9"
RSA_PSS = "1.2.840.113549.1.1.10"
ED25519 = "1.3.101.112"
ED448 = "1.3.101.113"
ZLIB = "1.2.840.113549.1.9.16.3.8"


@dataclass(frozen=True, slots=True)
class Digest:
    name: str
    oid: str
    algorithm: hashes.HashAlgorithm
    weak: bool


DIGESTS: dict[str, Digest] = {
    digest.oid: digest
    for digest in (
        Digest("md5", "1.2.840.113549.2.5", hashes.MD5(), True),
        Digest("sha1", "1.3.14.3.2.26", hashes.SHA1(), True),
        Digest("sha224", "2.16.840.1.101.3.4.2.4", hashes.SHA224(), True),
        Digest("sha256", "2.16.840.1.101.3.4.2.1", hashes.SHA256(), False),
        Digest("sha384", "2.16.840.1.101.3.4.2.2", hashes.SHA384(), False),
        Digest("sha512", "2.16.840.1.101.3.4.2.3", hashes.SHA512(), False),
        Digest("sha3-256", "2.16.840.1.101.3.4.2.8", hashes.SHA3_256(), False),
        Digest("sha3-384", "2.16.840.1.101.3.4.2.9", hashes.SHA3_384(), False),
        Digest("sha3-512", "2.16.840.1.101.3.4.2.10", hashes.SHA3_512(), False),
    )
}
DIGEST_BY_NAME: dict[str, Digest] = {digest.name: digest for digest in DIGESTS.values()}

Scheme = Literal["rsa", "pss", "ecdsa", "dsa", "ed25519", "ed448"]

# Signature algorithm: scheme, and the digest it names ("" where the digest algorithm field decides).
SIGNATURES: dict[str, tuple[Scheme, str]] = {
    RSA: ("rsa", ""),
    "1.2.840.113549.1.1.4": ("rsa", "md5"),
    "1.2.840.113549.1.1.5": ("rsa", "sha1"),
    "1.2.840.113549.1.1.14": ("rsa", "sha224"),
    "1.2.840.113549.1.1.11": ("rsa", "sha256"),
    "1.2.840.113549.1.1.12": ("rsa", "sha384"),
    "1.2.840.113549.1.1.13": ("rsa", "sha512"),
    RSA_PSS: ("pss", ""),
    "1.2.840.10045.2.1": ("ecdsa", ""),
    "1.2.840.10045.4.1": ("ecdsa", "sha1"),
    "1.2.840.10045.4.3.1": ("ecdsa", "sha224"),
    "1.2.840.10045.4.3.2": ("ecdsa", "sha256"),
    "1.2.840.10045.4.3.3": ("ecdsa", "sha384"),
    "1.2.840.10045.4.3.4": ("ecdsa", "sha512"),
    "1.2.840.10040.4.1": ("dsa", ""),
    "1.2.840.10040.4.3": ("dsa", "sha1"),
    "2.16.840.1.101.3.4.3.2": ("dsa", "sha256"),
    ED25519: ("ed25519", "sha512"),
    ED448: ("ed448", ""),
}
ECDSA_WITH: dict[str, str] = {
    "sha1": "1.2.840.10045.4.1",
    "sha256": "1.2.840.10045.4.3.2",
    "sha384": "1.2.840.10045.4.3.3",
    "sha512": "1.2.840.10045.4.3.4",
}

Mode = Literal["aes-cbc", "aes-gcm", "chacha20-poly1305", "3des-cbc", "rc2-cbc"]


@dataclass(frozen=True, slots=True)
class ContentCipher:
    """`bits` is the strength of the key; 0 where the parameters decide (RC2)."""

    name: str
    oid: str
    mode: Mode
    key_bytes: int
    bits: int
    weak: bool


CIPHERS: dict[str, ContentCipher] = {
    cipher.oid: cipher
    for cipher in (
        ContentCipher("aes128-cbc", "2.16.840.1.101.3.4.1.2", "aes-cbc", 16, 128, False),
        ContentCipher("aes192-cbc", "2.16.840.1.101.3.4.1.22", "aes-cbc", 24, 192, False),
        ContentCipher("aes256-cbc", "2.16.840.1.101.3.4.1.42", "aes-cbc", 32, 256, False),
        ContentCipher("aes128-gcm", "2.16.840.1.101.3.4.1.6", "aes-gcm", 16, 128, False),
        ContentCipher("aes192-gcm", "2.16.840.1.101.3.4.1.26", "aes-gcm", 24, 192, False),
        ContentCipher("aes256-gcm", "2.16.840.1.101.3.4.1.46", "aes-gcm", 32, 256, False),
        ContentCipher("chacha20-poly1305", "1.2.840.113549.1.9.16.3.18", "chacha20-poly1305", 32, 256, False),
        ContentCipher("3des-cbc", "1.2.840.113549.3.7", "3des-cbc", 24, 112, True),
        ContentCipher("rc2-cbc", "1.2.840.113549.3.2", "rc2-cbc", 16, 0, True),
    )
}
CIPHER_BY_NAME: dict[str, ContentCipher] = {cipher.name: cipher for cipher in CIPHERS.values()}

# Key agreement (RFC 5753 7.1.4, RFC 8418 2.1): key derivation and its digest. Cofactor 1 makes stdDH and cofactorDH the
# same for the curves read here.
KEY_AGREEMENTS: dict[str, tuple[Literal["x963", "hkdf"], str]] = {
    "1.3.133.16.840.63.0.2": ("x963", "sha1"),
    "1.3.132.1.11.0": ("x963", "sha224"),
    "1.3.132.1.11.1": ("x963", "sha256"),
    "1.3.132.1.11.2": ("x963", "sha384"),
    "1.3.132.1.11.3": ("x963", "sha512"),
    "1.3.133.16.840.63.0.3": ("x963", "sha1"),
    "1.3.132.1.14.0": ("x963", "sha224"),
    "1.3.132.1.14.1": ("x963", "sha256"),
    "1.3.132.1.14.2": ("x963", "sha384"),
    "1.3.132.1.14.3": ("x963", "sha512"),
    "1.2.840.113549.1.9.16.3.19": ("hkdf", "sha256"),
    "1.2.840.113549.1.9.16.3.20": ("hkdf", "sha384"),
    "1.2.840.113549.1.9.16.3.21": ("hkdf", "sha512"),
}
# AES key wrap (RFC 3565 2.3.2): octets of the wrapping key.
KEY_WRAPS: dict[str, int] = {
    "2.16.840.1.101.3.4.1.5": 16,
    "2.16.840.1.101.3.4.1.25": 24,
    "2.16.840.1.101.3.4.1.45": 32,
}
TRIPLE_DES_WRAP = "1.2.840.113549.1.9.16.3.6"
"""id-alg-CMS3DESwrap (RFC 3370 4.3.1): read only."""
X25519 = "1.3.101.110"
X448 = "1.3.101.111"
EC_PUBLIC_KEY = "1.2.840.10045.2.1"

WEAK_RSA_BITS = 2048
"""RSA below this is flagged (RFC 8551 4.2: 2048 is the least)."""
