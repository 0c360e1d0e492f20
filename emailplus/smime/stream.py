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
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from ..errors import SmimeError
from . import algorithms as alg
from . import der
from .armour import base64_lines, base64_stream, pkcs7_head
from .ber import encode_length
from .encrypt import CipherName, KeyTransport, cipher_of, padding_of, recipient_infos, version
from .keychain import KeyEntry
from .sign import MAX_LINE, DigestName, clear_foot, clear_head, signature_over

_END = b"\0\0"


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
    sealed = chosen.mode == "aes-gcm"
    yield pkcs7_head("authEnveloped-data" if sealed else "enveloped-data")
    yield from base64_stream(_envelope(pieces, infos, key, chosen, size))


def _envelope(
    pieces: Iterable[bytes], infos: list[bytes], key: bytes, chosen: alg.ContentCipher, size: int | None
) -> Iterator[bytes]:
    sealed = chosen.mode == "aes-gcm"
    block = cipher_of(chosen, key)
    size_of_block = block.block_size // 8
    vector = os.urandom(12 if sealed else size_of_block)
    mode = modes.GCM(vector) if sealed else modes.CBC(vector)
    encryptor = Cipher(block, mode).encryptor()
    parameters = der.sequence(der.octets(vector), der.integer(16)) if sealed else der.octets(vector)
    kind = der.oid(alg.AUTH_ENVELOPED_DATA if sealed else alg.ENVELOPED_DATA)
    before = (der.integer(0) if sealed else version(infos, False)) + der.set_of(infos)
    inner = der.oid(alg.DATA) + der.algorithm(chosen.oid, parameters)
    if size is None:
        yield b"\x30\x80" + kind + b"\xa0\x80\x30\x80" + before + b"\x30\x80" + inner + b"\xa0\x80"
    else:
        yield _definite(
            kind, before, inner, size if sealed else size + len(padding_of(size, size_of_block)), 18 if sealed else 0
        )
    done = 0
    for piece in pieces:
        done += len(piece)
        yield from _octets(encryptor.update(piece), size)
    if size is not None and done != size:
        raise SmimeError(f"the message has {done} bytes where {size} were announced")
    yield from _octets(
        encryptor.update(b"" if sealed else padding_of(done, size_of_block)) + encryptor.finalize(), size
    )
    if size is None:
        yield _END + _END
    if sealed:
        yield der.octets(encryptor.tag)  # type: ignore[attr-defined]  # of GCM
    if size is None:
        yield _END * 3


def _octets(data: bytes, size: int | None) -> Iterator[bytes]:
    """Cipher text as it stands, or as one of the strings that make it up."""
    if data:
        yield data if size is not None else b"\x04" + encode_length(len(data)) + data


def _definite(kind: bytes, before: bytes, inner: bytes, size: int, after: int) -> bytes:
    """Everything before the cipher text, with all lengths; `after` is what follows it (the tag)."""
    text = b"\x80" + encode_length(size)
    info = inner + text
    info = b"\x30" + encode_length(len(info) + size) + info
    data = before + info
    data = b"\x30" + encode_length(len(data) + size + after) + data
    content = b"\xa0" + encode_length(len(data) + size + after) + data
    whole = kind + content
    return b"\x30" + encode_length(len(whole) + size + after) + whole


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
    carried = b""
    line = 0
    for piece in pieces:
        data = carried + piece
        carried = b"\r" if data.endswith(b"\r") else b""
        data = data[: len(data) - len(carried)].replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
        line = _check_lines(data, line)
        if data:
            yield data
    if carried:
        yield b"\r\n"


def _check_lines(data: bytes, line: int) -> int:
    """The length of the line that is open at the end of `data`; `line` is that at its beginning."""
    lines = data.split(b"\r\n")
    longest = max(len(lines[0]) + line, *map(len, lines))
    if longest > MAX_LINE or not data.isascii() or b"\0" in data:
        raise SmimeError("a message to be signed piece by piece must be 7-bit with lines of at most 998 octets")
    return len(lines[0]) + line if len(lines) == 1 else len(lines[-1])
