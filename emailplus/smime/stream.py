"""Signing and encrypting mail that is too large for memory: entities go in and come out piece by piece.

An envelope whose size is known beforehand has definite lengths; otherwise it is BER in pieces (X.690 8.1.3.6,
8.7.3), which every reader of S/MIME takes. What was yielded before an error is no mail: throw it away.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519

from ..errors import SmimeError
from ..mime.transfer import base64_lines, base64_stream
from . import algorithms as alg
from . import envelope
from .armour import pkcs7_head
from .encrypt import CipherName, KeyTransport, recipient_infos, smime_type_of
from .keychain import KeyEntry
from .pieces import canonical
from .sign import MAX_LINE, DigestName, clear_foot, clear_head, signature_over


def encrypt_stream(
    pieces: Iterable[bytes],
    recipients: Sequence[x509.Certificate],
    *,
    size: int | None = None,
    cipher: CipherName = "aes256-gcm",
    transport: KeyTransport = "oaep",
    now: datetime | None = None,
) -> Iterator[bytes]:
    """The application/pkcs7-mime entity around an entity given in `pieces`; `size` is the sum of their lengths.

    Memory does not grow with the message. Raises `CertificateUnusable` before the first piece, and `SmimeError` when
    `size` turns out wrong.
    """
    moment = now or datetime.now(UTC)
    chosen = alg.CIPHER_BY_NAME[cipher]
    key = os.urandom(chosen.key_bytes)
    infos = recipient_infos(recipients, key, transport=transport, now=moment)
    yield pkcs7_head(smime_type_of(chosen))
    yield from base64_stream(envelope.pieces(pieces, infos, key, chosen, size=size))


def sign_clear_stream(
    pieces: Iterable[bytes], signer: KeyEntry, *, digest: DigestName = "sha256", now: datetime | None = None
) -> Iterator[bytes]:
    """A multipart/signed entity around an entity given in `pieces`, which must be 7-bit with lines up to 998 octets.

    Line ends become CRLF. Raises `CertificateUnusable` before the first piece; `SmimeError` for content that a
    transport would have to change (it would break the signature), which `sign.sign_clear` encodes and this cannot.
    """
    boundary = b"=-" + os.urandom(18).hex().encode()
    name = "sha512" if isinstance(signer.private_key, ed25519.Ed25519PrivateKey) else digest
    state = hashes.Hash(alg.DIGEST_BY_NAME[name].algorithm)
    moment = now or datetime.now(UTC)
    yield clear_head(signer, boundary, name, moment)
    for piece in _canonical(pieces):
        state.update(piece)
        yield piece
    signature = signature_over(state.finalize(), signer, digest=digest, now=moment)
    yield clear_foot(boundary, base64_lines(signature))


def _canonical(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """CRLF line ends, and a check that no transport has a reason to touch the content (RFC 8551 3.1.1 to 3.1.3)."""
    line = 0
    for piece in canonical(pieces):
        line = _check_lines(piece, line)
        yield piece


def _check_lines(data: bytes, line: int) -> int:
    """The length of the line that is open at the end of `data`; `line` is that at its beginning."""
    lines = data.split(b"\r\n")
    longest = max(len(lines[0]) + line, *map(len, lines))
    if longest > MAX_LINE or not data.isascii() or b"\0" in data:
        raise SmimeError("a message to be signed piece by piece must be 7-bit with lines of at most 998 octets")
    return len(lines[0]) + line if len(lines) == 1 else len(lines[-1])
