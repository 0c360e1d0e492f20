"""RC2 in CBC mode (RFC 2268), decryption only: mail of the 1990s used it with 40 bits, which no library offers now."""

from __future__ import annotations

import struct

_PI = bytes.fromhex(
    "d978f9c419ddb5ed28e9fd794aa0d89dc67e37832b76538e624c6488448bfba2"
    "179a59f587b34f1361456d8d09817d32bd8f40eb86b77b0bf09521225c6b4e82"
    "54d66593ce60b21c7356c014a78cf1dc1275ca1f3bbee4d1423dd430a33cb626"
    "6fbf0eda4669075727f21d9bbc944303f811c7f690ef3ee706c3d52fc8661ed7"
    "08e8eade8052eef784aa72ac354d6a2a961ad2715a1549744b9fd05e0418a4ec"
    "c2e0416e0f51cbcc2491af50a1f47039997c3a8523b8b47afc02365b25559731"
    "2d5dfa98e38a92ae05df2910676cbac9d300e6cfe19ea82c6316013f58e289a9"
    "0d38341bab33ffb0bb480c5fb9b1cd2ec5f3db47e5a59c770aa62068fe7fc1ad"
)
_EFFECTIVE_BITS = {160: 40, 120: 64, 58: 128}


def effective_bits(version: int) -> int:
    """Key bits that `rc2ParameterVersion` stands for (RFC 2268 6); 0 for none."""
    return version if 256 <= version <= 1024 else _EFFECTIVE_BITS.get(version, 0)


def _expand(key: bytes, bits: int) -> tuple[int, ...]:
    octets = bytearray(key)
    for i in range(len(key), 128):
        octets.append(_PI[(octets[i - 1] + octets[i - len(key)]) & 0xFF])
    size = (bits + 7) // 8
    octets[128 - size] = _PI[octets[128 - size] & (0xFF >> (8 * size - bits))]
    for i in range(127 - size, -1, -1):
        octets[i] = _PI[octets[i + 1] ^ octets[i + size]]
    return struct.unpack("<64H", octets)


def _block(words: tuple[int, ...], block: bytes) -> bytes:
    r = list(struct.unpack("<4H", block))
    j = 63
    for turn in range(16):
        for i, shift in ((3, 5), (2, 3), (1, 2), (0, 1)):
            value = (r[i] >> shift | r[i] << (16 - shift)) & 0xFFFF
            value -= words[j] + (r[i - 1] & r[i - 2]) + (~r[i - 1] & r[i - 3])
            r[i] = value & 0xFFFF
            j -= 1
        if turn in (4, 10):
            for i in (3, 2, 1, 0):
                r[i] = (r[i] - words[r[i - 1] & 63]) & 0xFFFF
    return struct.pack("<4H", *r)


def decrypt_cbc(key: bytes, bits: int, iv: bytes, data: bytes) -> bytes:
    """Plain octets with their padding. `key` of 1 to 128 octets, `iv` of 8, `data` a multiple of 8 long."""
    words = _expand(key, bits)
    plain = bytearray()
    previous = iv
    for at in range(0, len(data), 8):
        block = data[at : at + 8]
        plain += bytes(a ^ b for a, b in zip(_block(words, block), previous, strict=True))
        previous = block
    return bytes(plain)
