"""Large mail, piece by piece: the same as in one go, for us and for OpenSSL, in memory that does not grow."""

from __future__ import annotations

import base64
import shutil
import subprocess
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emailplus.errors import CertificateUnusable, SmimeError
from emailplus.mime.transfer import base64_lines, base64_stream
from emailplus.smime.message import open_message
from emailplus.smime.report import Word
from emailplus.smime.stream import encrypt_stream, sign_clear_stream
from tests.smime.conftest import Authority
from tests.smime.test_openssl import _files

FROM = b"From: alice@example.com\r\n"
HEAD = b"Content-Type: text/plain\r\n\r\n"
CIPHERS = ["aes256-gcm", "aes128-gcm", "aes256-cbc", "aes128-cbc"]


def _cut(data: bytes, sizes: tuple[int, ...] = (1, 7, 4096, 300_000)) -> Iterator[bytes]:
    at = number = 0
    while at < len(data):
        size = sizes[number % len(sizes)]
        yield data[at : at + size]
        at, number = at + size, number + 1


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("kind", ["rsa", "p384", "x25519"])
def test_what_streams_out_opens(kind: str, cipher: str, known: bool, authority: Authority, tmp_path: Path) -> None:
    entry = authority.issue(kind)
    for length in (0, 15, 16, 700_001):
        entity = HEAD + b"x" * length
        made = b"".join(
            encrypt_stream(_cut(entity), [entry.certificate], size=len(entity) if known else None, cipher=cipher)  # type: ignore[arg-type]
        )
        opened = open_message(FROM + made, keys=[entry])
        assert opened.report.word is Word.ENCRYPTED, opened.report
        assert opened.content == entity
        if shutil.which("openssl") and kind != "x25519":
            key, cert, _ = _files(tmp_path, entry, authority)
            command = ["openssl", "cms", "-decrypt", "-recip", cert, "-inkey", key]
            done = subprocess.run(command, input=made, capture_output=True, check=False, timeout=60)
            assert done.returncode == 0, done.stderr
            assert done.stdout == entity


@pytest.mark.parametrize("kind", ["rsa", "p256", "ed25519"])
def test_signed_in_pieces(kind: str, authority: Authority, tmp_path: Path) -> None:
    entry = authority.issue(kind)
    text = HEAD + b"A line.\nAnother.\r\nAnd\rone\r\n" * 5000
    made = b"".join(sign_clear_stream(_cut(text, (1, 2, 3, 977)), entry))
    opened = open_message(FROM + made, trust=authority.trust)
    assert opened.report.word is Word.TRUSTED
    assert opened.content == text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    both = b"".join(encrypt_stream(sign_clear_stream(_cut(text), entry), [authority.issue("p384").certificate]))
    assert open_message(FROM + both, keys=[authority.issue("p384")]).report.word is Word.UNREADABLE


@pytest.mark.parametrize("bad", [b"caf\xc3\xa9", b"x" * 999, b"nul\0"])
def test_what_a_transport_would_change_is_refused(bad: bytes, authority: Authority) -> None:
    with pytest.raises(SmimeError, match="7-bit"):
        list(sign_clear_stream(_cut(HEAD + bad, (100,)), authority.issue("p256")))


def test_a_wrong_size_and_a_certificate_that_is_no_use(authority: Authority) -> None:
    good, late = authority.issue("p256"), authority.issue("p256", end=-1)
    with pytest.raises(SmimeError, match="announced"):
        list(encrypt_stream([b"12345"], [good.certificate], size=4))
    for stream in (encrypt_stream([b"x"], [late.certificate]), sign_clear_stream([b"x"], late)):
        with pytest.raises(CertificateUnusable):
            next(stream)
    with pytest.raises(CertificateUnusable, match="nobody"):
        next(encrypt_stream([b"x"], []))


@given(st.binary(max_size=600), st.lists(st.integers(1, 200), min_size=1, max_size=5))
@settings(max_examples=100, deadline=None)
def test_base64_is_that_of_the_library(data: bytes, sizes: list[int]) -> None:
    wanted = base64.encodebytes(data).replace(b"\n", b"\r\n")
    assert base64_lines(data) == wanted
    assert b"".join(base64_stream(_cut(data, tuple(sizes)))) == wanted


def test_base64_of_whole_blocks() -> None:
    for size in (57 * 4096 - 1, 57 * 4096, 57 * 4096 * 2 + 1):
        data = bytes(range(256)) * (size // 256) + bytes(size % 256)
        assert base64_lines(data) == base64.encodebytes(data).replace(b"\n", b"\r\n")
        assert b"".join(base64_stream(_cut(data))) == base64_lines(data)


@pytest.mark.parametrize(("signed", "megabytes"), [(False, 200), (True, 40)])
def test_memory_does_not_grow_with_the_message(signed: bool, megabytes: int, authority: Authority) -> None:
    """What Python holds; the cipher works in place."""
    entry = authority.issue("p256")
    piece = b"A line of text that is sixty-three characters long, with its end\r\n" * 3855
    pieces: Iterator[bytes] = (piece for _ in range(megabytes * 1_000_000 // len(piece)))
    entity = sign_clear_stream(pieces, entry) if signed else pieces
    tracemalloc.start()
    size = sum(len(out) for out in encrypt_stream(entity, [entry.certificate]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > megabytes * 1_330_000
    assert peak < 4 << 20, peak
