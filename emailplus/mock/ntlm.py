"""NTLM on the server's side (MS-NLMP), version 2 only: a challenge, and the proof that comes back.

Written from the specification, without the library that the client uses.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

_SIGNATURE = b"NTLMSSP\0"
_FLAGS = 0x00000001 | 0x00000004 | 0x00000200 | 0x00008000 | 0x00010000 | 0x00080000 | 0x00800000 | 0x20000000
"""Unicode, target wanted, NTLM, always sign, target is a domain, extended session security, target info, 128 bit."""
_EPOCH = 116_444_736_000_000_000  # 100 ns between 1601 and 1970


class BadMessage(ValueError):
    """Not the NTLM message that has to come."""


@dataclass(slots=True)
class Handshake:
    """What the server has said and heard on one connection."""

    negotiate: bytes
    challenge: bytes
    nonce: bytes


@dataclass(frozen=True, slots=True)
class Proof:
    """An AUTHENTICATE_MESSAGE (2.2.1.3), taken apart."""

    user: str
    domain: str
    response: bytes = field(repr=False)
    mic: bytes
    mic_at: int
    raw: bytes = field(repr=False)


def message_type(token: bytes) -> int:
    """1, 2 or 3. Raises `BadMessage`."""
    if len(token) < 12 or not token.startswith(_SIGNATURE):
        raise BadMessage("no NTLM message")
    return int.from_bytes(token[8:12], "little")


def begin(negotiate: bytes, domain: str, now: datetime) -> Handshake:
    """Answer a NEGOTIATE_MESSAGE with a challenge (2.2.1.2)."""
    if message_type(negotiate) != 1:
        raise BadMessage("no NEGOTIATE_MESSAGE")
    nonce = secrets.token_bytes(8)
    name = domain.encode("utf-16-le")
    stamp = struct.pack("<Q", int(now.timestamp() * 10_000_000) + _EPOCH)
    host, realm = "MOCK".encode("utf-16-le"), "example.test".encode("utf-16-le")
    pairs = ((2, name), (1, host), (4, realm), (3, "mock.example.test".encode("utf-16-le")), (7, stamp), (0, b""))
    info = b"".join(struct.pack("<HH", kind, len(value)) + value for kind, value in pairs)
    start = 56
    head = _SIGNATURE + struct.pack("<I", 2)
    head += struct.pack("<HHI", len(name), len(name), start)
    head += struct.pack("<I", _FLAGS) + nonce + bytes(8)
    head += struct.pack("<HHI", len(info), len(info), start + len(name))
    head += bytes((10, 0)) + struct.pack("<H", 17763) + bytes((0, 0, 0, 15))
    return Handshake(negotiate, head + name + info, nonce)


def read(token: bytes) -> Proof:
    """Take an AUTHENTICATE_MESSAGE apart. Raises `BadMessage`."""
    if message_type(token) != 3 or len(token) < 64:
        raise BadMessage("no AUTHENTICATE_MESSAGE")
    response, domain, user = (_field(token, at) for at in (20, 28, 36))
    flags = int.from_bytes(token[60:64], "little")
    encoding = "utf-16-le" if flags & 1 else "cp1252"
    mic_at = 72 if flags & 0x02000000 else 64  # behind the version, where there is one
    try:
        return Proof(
            user.decode(encoding), domain.decode(encoding), response, token[mic_at : mic_at + 16], mic_at, token
        )
    except UnicodeDecodeError as problem:
        raise BadMessage("names that cannot be read") from problem


def proves(proof: Proof, handshake: Handshake, password: str, *, binding: bytes | None = None) -> bool:
    """Whether the proof was made with `password` for this challenge (3.3.2), unchanged on its way (3.2.5.1.2).

    `binding`: the channel binding that has to be in it; None demands none.
    """
    if len(proof.response) < 44:
        return False  # NTLM version 1, or nobody
    expected, blob = proof.response[:16], proof.response[16:]
    names = (proof.user.upper() + proof.domain).encode("utf-16-le")
    key = hmac.digest(md4(password.encode("utf-16-le")), names, "md5")
    found = hmac.digest(key, handshake.nonce + blob, "md5")
    if not hmac.compare_digest(found, expected):
        return False
    pairs = _pairs(blob[28:])
    if int.from_bytes(pairs.get(6, b""), "little") & 2:
        session = hmac.digest(key, found, "md5")
        zeroed = proof.raw[: proof.mic_at] + bytes(16) + proof.raw[proof.mic_at + 16 :]
        if not hmac.compare_digest(
            hmac.digest(session, handshake.negotiate + handshake.challenge + zeroed, "md5"), proof.mic
        ):
            return False
    return binding is None or pairs.get(10) == _binding(binding)


def _binding(data: bytes) -> bytes:
    """MD5 of gss_channel_bindings_struct (RFC 2744 3.11) with application data alone (MS-NLMP 2.2.2.1)."""
    return hashlib.md5(bytes(16) + struct.pack("<I", len(data)) + data, usedforsecurity=False).digest()


def _field(token: bytes, at: int) -> bytes:
    length, _, offset = struct.unpack_from("<HHI", token, at)
    if offset + length > len(token):
        raise BadMessage("a field behind the end")
    return token[offset : offset + length]


def _pairs(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(data):
        kind, length = struct.unpack_from("<HH", data, at)
        if kind == 0:
            break
        found[kind] = data[at + 4 : at + 4 + length]
        at += 4 + length
    return found


_Mix = Callable[[int, int, int], int]
_ROUNDS: Final[tuple[tuple[_Mix, int, tuple[int, ...], tuple[int, ...]], ...]] = (
    (lambda x, y, z: (x & y) | (~x & z), 0, tuple(range(16)), (3, 7, 11, 19)),
    (
        lambda x, y, z: (x & y) | (x & z) | (y & z),
        0x5A827999,
        tuple(4 * (n % 4) + n // 4 for n in range(16)),
        (3, 5, 9, 13),
    ),
    (lambda x, y, z: x ^ y ^ z, 0x6ED9EBA1, (0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15), (3, 9, 11, 15)),
)
"""RFC 1320 3.4: function, constant, order of the words, shifts."""


def md4(data: bytes) -> bytes:
    """RFC 1320: OpenSSL 3 no longer has it, and the NT hash is made of it."""
    mask = 0xFFFFFFFF
    length = len(data)
    data += b"\x80" + bytes((55 - length) % 64) + struct.pack("<Q", length * 8)
    state = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476]
    for start in range(0, len(data), 64):
        words = struct.unpack_from("<16I", data, start)
        a, b, c, d = state
        for mix, constant, order, shifts in _ROUNDS:
            for step, word in enumerate(order):
                total = (a + mix(b, c, d) + words[word] + constant) & mask
                shift = shifts[step % 4]
                a, b, c, d = d, ((total << shift) | (total >> (32 - shift))) & mask, b, c
        state = [(old + new) & mask for old, new in zip(state, (a, b, c, d), strict=True)]
    return struct.pack("<4I", *state)
