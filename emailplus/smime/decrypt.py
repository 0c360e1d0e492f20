"""Decrypting enveloped data (RFC 5652 6, RFC 5083, RFC 5084) and opening compressed data (RFC 3274).

Every failure after a key was found is the same `DecryptionFailed`: which step failed would tell an attacker who watches
our errors something about the plain text. RSA PKCS #1 v1.5 is used with implicit rejection: a content key that does not
come out right is replaced by a random one and decryption goes on to fail later (RFC 3218 2.3.2).
"""

from __future__ import annotations

import hmac
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, x25519
from cryptography.hazmat.primitives.ciphers import AEADDecryptionContext, Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF

from ..errors import DecryptionFailed, MalformedCms, NoDecryptionKey, SmimeLimitExceeded, UnsupportedCms
from . import algorithms as alg
from . import certificate as certs
from . import der, rc2, tlv
from .cms import (
    Algorithm,
    CompressedData,
    EnvelopedData,
    Recipient,
    elements,
    inside,
    mask_digest,
    named_digest,
    parameters,
)
from .keychain import KeyEntry
from .limits import MAX_KEY_TRIALS, MAX_UNWRAPPED_BYTES
from .pieces import Source
from .report import Finding, Layer, Reason, RecipientReport

T = TypeVar("T")
_FAILED = "the message could not be decrypted"


@dataclass(frozen=True, slots=True)
class Opened:
    """Decrypted content, the type of it (an object identifier), and the layer for the report."""

    content: bytes
    content_type: str
    layer: Layer


def describe(envelope: EnvelopedData, keys: Sequence[KeyEntry] = ()) -> Layer:
    """The layer as seen from outside, before anything is decrypted."""
    cipher = alg.CIPHERS.get(envelope.cipher.oid)
    findings: list[Finding] = []
    bits = 0
    if cipher is None:
        findings.append(Finding(Reason.UNSUPPORTED, envelope.cipher.oid))
    else:
        bits = cipher.bits or _rc2_bits(envelope.cipher)
        if cipher.weak:
            findings.append(Finding(Reason.WEAK_ALGORITHM, f"{cipher.name} with {bits} bits"))
    authenticated = envelope.mac is not None
    if not authenticated:
        findings.append(Finding(Reason.NOT_AUTHENTICATED, "what was encrypted could be altered on the way"))
    recipients = tuple(
        RecipientReport(
            recipient.kind,
            recipient.algorithm.oid,
            _shown(recipient),
            any(certs.belongs(recipient.rid, entry.certificate) for entry in keys),
        )
        for recipient in envelope.recipients
    )
    return Layer(
        "encrypted",
        "opaque",
        cipher=cipher.name if cipher else envelope.cipher.oid,
        bits=bits,
        authenticated=authenticated,
        recipients=recipients,
        findings=tuple(findings),
    )


def _shown(recipient: Recipient) -> str:
    if recipient.rid.key_id:
        return f"key {recipient.rid.key_id.hex()}"
    return f"serial {recipient.rid.serial:x}" if recipient.rid.serial else recipient.kind


def _rc2_bits(cipher: Algorithm) -> int:
    fields = parameters(cipher)
    numbers = [int.from_bytes(content, "big") for tag, content in fields if tag == 0x02]
    return rc2.effective_bits(numbers[0]) if numbers else 32


def decrypt(envelope: EnvelopedData, keys: Sequence[KeyEntry]) -> Opened:
    """Try every key of `keys` that belongs to a recipient. The validity of its certificate plays no part.

    Raises `NoDecryptionKey`, `UnsupportedCms` (cipher or key encryption not carried out here), `DecryptionFailed`.
    """
    content, layer = _unlocked(envelope, keys, partial(_content, envelope))
    return Opened(content, envelope.content_type, layer)


def decrypt_source(envelope: EnvelopedData, ciphertext: Source, keys: Sequence[KeyEntry]) -> tuple[Source, Layer]:
    """The same of a `ciphertext` that is not in memory; `envelope` is without it (`apart`).

    All of it is decrypted once and thrown away before any of it is handed out: what is wrong with it is known then.
    Raises as `decrypt`; `UnsupportedCms` too for ChaCha20-Poly1305 and RC2, which are not had in pieces.
    """

    def checked(cipher: alg.ContentCipher, key: bytes) -> Source:
        for _ in _plain(envelope, cipher, key, ciphertext()):
            pass  # released only when the end is seen
        return lambda: _plain(envelope, cipher, key, ciphertext())

    return _unlocked(envelope, keys, checked)


def _unlocked(
    envelope: EnvelopedData, keys: Sequence[KeyEntry], use: Callable[[alg.ContentCipher, bytes], T]
) -> tuple[T, Layer]:
    """What `use` makes of the content key, by the first of our keys that leads to one that fits; and the layer."""
    cipher = alg.CIPHERS.get(envelope.cipher.oid)
    if cipher is None:
        raise UnsupportedCms(f"content encrypted with {envelope.cipher.oid}")
    if (cipher.mode in ("aes-gcm", "chacha20-poly1305")) != (envelope.mac is not None):
        raise MalformedCms("the cipher does not belong to this kind of envelope")
    pairs = [(r, key) for r in envelope.recipients for key in keys if certs.belongs(r.rid, key.certificate)]
    if not pairs:
        raise NoDecryptionKey("no key of the keychain belongs to a recipient of this message")
    unsupported: UnsupportedCms | None = None
    layer = describe(envelope, keys)
    size = 0 if cipher.mode == "rc2-cbc" else cipher.key_bytes  # RC2 keys may have any length
    for recipient, entry in pairs[:MAX_KEY_TRIALS]:
        try:
            found = use(cipher, _content_key(recipient, entry, size))
        except UnsupportedCms as error:
            unsupported = error
            continue
        except (ValueError, TypeError, InvalidTag, keywrap.InvalidUnwrap, UnsupportedAlgorithm, MalformedCms):
            continue
        used = f"{entry.fingerprint} ({'escrow' if entry.escrow else 'keychain'})"
        return found, replace(layer, key=used)
    if unsupported is not None:
        raise unsupported
    raise DecryptionFailed(_FAILED)


def _content_key(recipient: Recipient, entry: KeyEntry, size: int) -> bytes:
    key = entry.private_key
    if recipient.kind == "transport" and isinstance(key, rsa.RSAPrivateKey):
        if recipient.algorithm.oid == alg.RSA_OAEP:
            found = key.decrypt(recipient.encrypted_key, _oaep(recipient.algorithm))
        elif recipient.algorithm.oid == alg.RSA:
            return _implicit_rejection(key, recipient.encrypted_key, size)
        else:
            raise UnsupportedCms(f"a content key encrypted with {recipient.algorithm.oid}")
    elif recipient.kind == "agreement" and isinstance(key, (ec.EllipticCurvePrivateKey, x25519.X25519PrivateKey)):
        found = _agreed(recipient, key)
    else:
        raise UnsupportedCms(f"a content key by {recipient.kind} does not fit the kind of our key")
    if size and len(found) != size:
        raise ValueError("a content key of the wrong length")
    return found


def _implicit_rejection(key: rsa.RSAPrivateKey, encrypted: bytes, size: int) -> bytes:
    instead = os.urandom(size or 16)
    try:
        found = key.decrypt(encrypted, padding.PKCS1v15())
    except ValueError:
        return instead
    fits = len(found) == size if size else 5 <= len(found) <= 128
    return found if fits else instead


def _oaep(algorithm: Algorithm) -> padding.OAEP:
    """RSAES-OAEP-params (RFC 4055 4.1): [0] digest, [1] mask generation, [2] label; SHA-1 by default."""
    fields = dict(parameters(algorithm))
    digest = mask = alg.DIGEST_BY_NAME["sha1"]
    label = None
    if 0xA0 in fields:
        digest = named_digest(inside(fields[0xA0]))
    if 0xA1 in fields:
        mask = mask_digest(fields[0xA1])
    if 0xA2 in fields:
        source = elements(inside(fields[0xA2]))
        label = source[1][1] if len(source) > 1 else None
    return padding.OAEP(padding.MGF1(mask.algorithm), digest.algorithm, label or None)


def _agreed(recipient: Recipient, key: ec.EllipticCurvePrivateKey | x25519.X25519PrivateKey) -> bytes:
    kind = alg.KEY_AGREEMENTS.get(recipient.algorithm.oid)
    wrap = recipient.algorithm.parameters
    if kind is None or wrap is None or not recipient.originator_key:
        raise UnsupportedCms(f"key agreement by {recipient.algorithm.oid}")
    fields = elements(inside(wrap))
    name = tlv.dotted(fields[0][1]) if fields else ""
    size = 24 if name == alg.TRIPLE_DES_WRAP else alg.KEY_WRAPS.get(name, 0)
    if not size:
        raise UnsupportedCms("a key wrap other than those of AES and 3DES")
    if isinstance(key, x25519.X25519PrivateKey):
        secret = key.exchange(x25519.X25519PublicKey.from_public_bytes(recipient.originator_key))
    else:
        point = ec.EllipticCurvePublicKey.from_encoded_point(key.curve, recipient.originator_key)
        secret = key.exchange(ec.ECDH(), point)
    kek = derive(kind, secret, size, wrap, recipient.ukm)
    if name == alg.TRIPLE_DES_WRAP:
        return _triple_des_unwrap(kek, recipient.encrypted_key)
    return keywrap.aes_key_unwrap(kek, recipient.encrypted_key)


_WRAP_VECTOR = bytes.fromhex("4adda22c79e82105")


def _triple_des_unwrap(kek: bytes, wrapped: bytes) -> bytes:
    """RFC 3217 3.2: two passes of CBC, the second over the octets in reverse; eight octets of SHA-1 are the check."""
    if len(wrapped) != 40:
        raise ValueError("a wrapped 3DES key has 40 octets")
    outer = _triple_des(kek, _WRAP_VECTOR, wrapped)[::-1]
    inner = _triple_des(kek, outer[:8], outer[8:])
    check = hashes.Hash(hashes.SHA1())
    check.update(inner[:24])
    if not hmac.compare_digest(check.finalize()[:8], inner[24:]):
        raise ValueError("the wrapped key is not whole")
    return inner[:24]


def _triple_des(key: bytes, vector: bytes, data: bytes) -> bytes:
    decryptor = Cipher(TripleDES(key), modes.CBC(vector)).decryptor()
    return decryptor.update(data) + decryptor.finalize()


def derive(kind: tuple[str, str], secret: bytes, size: int, wrap: bytes, ukm: bytes | None) -> bytes:
    """The key that wraps the content key: ECC-CMS-SharedInfo (RFC 5753 7.2) through X9.63 or HKDF (RFC 8418 2.2)."""
    shared = der.sequence(
        wrap,
        der.explicit(0, der.octets(ukm)) if ukm is not None else b"",
        der.explicit(2, der.octets((size * 8).to_bytes(4, "big"))),
    )
    digest: hashes.HashAlgorithm = alg.DIGEST_BY_NAME[kind[1]].algorithm
    if kind[0] == "hkdf":
        return HKDF(digest, size, None, shared).derive(secret)
    return X963KDF(digest, size, shared).derive(secret)


def _content(envelope: EnvelopedData, cipher: alg.ContentCipher, key: bytes) -> bytes:
    """All or nothing."""
    fields = parameters(envelope.cipher)
    vector = next((content for tag, content in fields if tag == 0x04), b"")
    if cipher.mode == "aes-gcm":
        opener = _gcm(envelope, key, vector, fields)
        content = opener.update(envelope.ciphertext)
        return content + opener.finalize()
    if cipher.mode == "chacha20-poly1305":
        data = envelope.ciphertext + (envelope.mac or b"")
        return ChaCha20Poly1305(key).decrypt(vector, data, envelope.authenticated_attributes)
    if cipher.mode == "rc2-cbc":
        return _rc2(envelope, key, vector)
    block = algorithms.AES(key) if cipher.mode == "aes-cbc" else TripleDES(key)
    decryptor = Cipher(block, modes.CBC(vector)).decryptor()
    return _unpadded(decryptor.update(envelope.ciphertext) + decryptor.finalize(), len(vector))


def _gcm(envelope: EnvelopedData, key: bytes, nonce: bytes, fields: list[tuple[int, bytes]]) -> AEADDecryptionContext:
    """GCMParameters (RFC 5084 3.2): the tag has 12 octets unless said otherwise, and never fewer."""
    size = next((int.from_bytes(content, "big") for tag, content in fields if tag == 0x02), 12)
    mac = envelope.mac or b""
    if not 12 <= size <= 16 or len(mac) != size:
        raise ValueError("a tag of the wrong length")
    decryptor = Cipher(algorithms.AES(key), modes.GCM(nonce, mac, min_tag_length=12)).decryptor()
    if envelope.authenticated_attributes:
        decryptor.authenticate_additional_data(envelope.authenticated_attributes)
    return decryptor


def _plain(
    envelope: EnvelopedData, cipher: alg.ContentCipher, key: bytes, ciphertext: Iterator[bytes]
) -> Iterator[bytes]:
    """Decrypted as it comes; whether it was right is known at the end. The last block waits for that."""
    fields = parameters(envelope.cipher)
    vector = next((content for tag, content in fields if tag == 0x04), b"")
    if cipher.mode == "aes-gcm":
        decryptor = _gcm(envelope, key, vector, fields)
        yield from map(decryptor.update, ciphertext)
        yield decryptor.finalize()
        return
    if cipher.mode not in ("aes-cbc", "3des-cbc"):
        raise UnsupportedCms(f"content of this size encrypted with {cipher.name}")
    block = algorithms.AES(key) if cipher.mode == "aes-cbc" else TripleDES(key)
    chained = Cipher(block, modes.CBC(vector)).decryptor()
    last = b""
    for piece in ciphertext:
        data = last + chained.update(piece)
        last = data[-len(vector) :]
        yield data[: len(data) - len(last)]
    yield _unpadded(last + chained.finalize(), len(vector))


def _rc2(envelope: EnvelopedData, key: bytes, vector: bytes) -> bytes:
    bits = _rc2_bits(envelope.cipher)
    if (
        not bits
        or not 1 <= len(key) <= 128
        or len(vector) != 8
        or len(envelope.ciphertext) % 8
        or not envelope.ciphertext
    ):
        raise ValueError("RC2 of an impossible size")
    return _unpadded(rc2.decrypt_cbc(key, bits, vector, envelope.ciphertext), 8)


def _unpadded(data: bytes, block: int) -> bytes:
    """Without the padding of RFC 5652 6.3."""
    count = data[-1] if data else 0
    if not 1 <= count <= block or data[-count:] != bytes([count]) * count:
        raise ValueError("padding")
    return data[:-count]


def decompress(data: CompressedData, limit: int = MAX_UNWRAPPED_BYTES) -> Opened:
    """Raises `UnsupportedCms`, `MalformedCms`, `SmimeLimitExceeded` when more than `limit` bytes come out."""
    if data.algorithm != alg.ZLIB:
        raise UnsupportedCms(f"content compressed with {data.algorithm}")
    inflate = zlib.decompressobj()
    try:
        content = inflate.decompress(data.content, limit + 1)
    except zlib.error as error:
        raise MalformedCms("the compressed content is damaged") from error
    if len(content) > limit:
        raise SmimeLimitExceeded(f"compressed content grows beyond {limit} bytes")
    if not inflate.eof:
        raise MalformedCms("the compressed content is cut short")
    return Opened(content, data.content_type, Layer("compressed", "opaque"))
