"""The bytes of EnvelopedData and AuthEnvelopedData (RFC 5652 6.1, RFC 5083 2.1), written piece by piece.

Nothing is put together here that would need the content twice in memory.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from ..errors import SmimeError
from . import algorithms as alg
from . import der
from .ber import encode_length

PIECE = 1 << 20
_END = b"\0\0"


def cut(content: bytes) -> Iterator[memoryview]:
    """`content` in pieces of a megabyte, none of them copied."""
    view = memoryview(content)
    return (view[at : at + PIECE] for at in range(0, len(content), PIECE))


def pieces(
    content: Iterable[bytes | memoryview],
    infos: Sequence[bytes],
    key: bytes,
    chosen: alg.ContentCipher,
    *,
    size: int | None,
    by_key_id: bool = False,
) -> Iterator[bytes]:
    """ContentInfo: DER where the `size` of the content is known, else BER in pieces (X.690 8.1.3.6, 8.7.3).

    `infos` are RecipientInfos that carry `key`. Raises `SmimeError` when `size` turns out wrong.
    """
    sealed = chosen.mode == "aes-gcm"
    block = TripleDES(key) if chosen.mode == "3des-cbc" else algorithms.AES(key)
    width = block.block_size // 8
    vector = os.urandom(12 if sealed else width)
    encryptor = Cipher(block, modes.GCM(vector) if sealed else modes.CBC(vector)).encryptor()
    parameters = der.sequence(der.octets(vector), der.integer(16)) if sealed else der.octets(vector)
    kind = der.oid(alg.AUTH_ENVELOPED_DATA if sealed else alg.ENVELOPED_DATA)
    before = (der.integer(0) if sealed else _version(infos, by_key_id)) + der.set_of(infos)
    inner = der.oid(alg.DATA) + der.algorithm(chosen.oid, parameters)
    if size is None:
        yield b"\x30\x80" + kind + b"\xa0\x80\x30\x80" + before + b"\x30\x80" + inner + b"\xa0\x80"
    else:
        yield _definite(kind, before, inner, size if sealed else size + width - size % width, 18 if sealed else 0)
    done = 0
    for piece in content:
        done += len(piece)
        yield from _octets(encryptor.update(piece), size)
    if size is not None and done != size:
        raise SmimeError(f"the message has {done} bytes where {size} were announced")
    count = width - done % width
    rest = b"" if sealed else encryptor.update(bytes([count]) * count)  # RFC 5652 6.3
    yield from _octets(rest + encryptor.finalize(), size)
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


def _version(infos: Sequence[bytes], by_key_id: bool) -> bytes:
    """CMSVersion of EnvelopedData (RFC 5652 6.1)."""
    plain_keys = all(info[0] == 0x30 for info in infos) and not by_key_id
    return der.integer(0 if plain_keys else 2)


def _definite(kind: bytes, before: bytes, inner: bytes, size: int, after: int) -> bytes:
    """Everything before the cipher text, with all lengths; `after` octets follow it (the tag)."""
    text = b"\x80" + encode_length(size)
    info = inner + text
    info = b"\x30" + encode_length(len(info) + size) + info
    data = before + info
    data = b"\x30" + encode_length(len(data) + size + after) + data
    content = b"\xa0" + encode_length(len(data) + size + after) + data
    whole = kind + content
    return b"\x30" + encode_length(len(whole) + size + after) + whole
