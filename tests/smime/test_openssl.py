"""OpenSSL reads what we write, and we read what OpenSSL writes, in every combination that OpenSSL knows."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from emailplus.smime import cms
from emailplus.smime.decrypt import decrypt
from emailplus.smime.encrypt import enveloped_data
from emailplus.smime.keychain import KeyEntry
from emailplus.smime.message import open_message
from emailplus.smime.report import Word
from emailplus.smime.sign import sign_clear, sign_opaque
from tests.smime.conftest import Authority

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl command on this machine")

ENTITY = b"Content-Type: text/plain; charset=us-ascii\r\n\r\nFigures enclosed.\r\n"
SIGNERS = [
    *itertools.product(["rsa"], ["sha256", "sha384", "sha512"], [False, True]),
    *itertools.product(["p256", "p384", "p521"], ["sha256", "sha384", "sha512"], [False]),
]
WRITTEN = [
    *itertools.product(["rsa"], ["aes256-cbc", "aes128-cbc", "aes256-gcm", "aes128-gcm"], ["oaep", "v1.5"], [0, 1]),
    *itertools.product(
        ["p256", "p384", "p521"], ["aes256-cbc", "aes128-cbc", "aes256-gcm", "aes128-gcm"], ["oaep"], [0, 1]
    ),
]
READ = [
    *itertools.product(
        ["rsa"], ["-aes256", "-aes192", "-aes128", "-des3", "-aes-256-gcm", "-aes-128-gcm"], ["oaep", "v1.5"], [0, 1]
    ),
    *itertools.product(
        ["p256", "p384", "p521"],
        ["-aes256", "-aes192", "-aes128", "-des3", "-aes-256-gcm", "-aes-128-gcm"],
        ["x963"],
        [0, 1],
    ),
]


@pytest.fixture(scope="module", autouse=True)
def _size() -> None:
    print(f"\nmatrix: {len(SIGNERS) * 4} signatures, {len(WRITTEN)} envelopes written, {len(READ)} envelopes read")


def _files(folder: Path, entry: KeyEntry, authority: Authority) -> tuple[str, str, str]:
    pem = serialization.Encoding.PEM
    key = entry.private_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    contents = {
        "key.pem": key,
        "cert.pem": entry.certificate.public_bytes(pem),
        "ca.pem": authority.certificate.public_bytes(pem),
    }
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return tuple(str(folder / name) for name in contents)  # type: ignore[return-value]


def _openssl(*arguments: str, data: bytes) -> bytes:
    done = subprocess.run(["openssl", "cms", *arguments], input=data, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.mark.parametrize(("kind", "digest", "pss"), SIGNERS)
def test_signatures_both_ways(kind: str, digest: str, pss: bool, authority: Authority, tmp_path: Path) -> None:
    entry = authority.issue(kind)
    key, cert, ca = _files(tmp_path, entry, authority)
    for make in (sign_clear, sign_opaque):
        made = make(ENTITY, entry, digest=digest, pss=pss)
        assert _openssl("-verify", "-CAfile", ca, data=made) == ENTITY
        mine = open_message(b"From: alice@example.com\r\n" + made, trust=authority.trust)
        assert mine.report.word is Word.TRUSTED, mine.report
        assert mine.content == ENTITY
    more = ["-keyopt", "rsa_padding_mode:pss"] if pss else []
    # OpenSSL 3.0 itself fails to write PSS in the streamed form.
    for form in ([], ["-nodetach"] if pss else ["-nodetach", "-indef"]):
        theirs = _openssl("-sign", "-binary", "-signer", cert, "-inkey", key, "-md", digest, *form, *more, data=ENTITY)
        opened = open_message(b"From: alice@example.com\r\n" + theirs, trust=authority.trust)
        assert opened.report.word is Word.TRUSTED, opened.report
        assert opened.content == ENTITY


@pytest.mark.parametrize(("kind", "cipher", "transport", "by_key_id"), WRITTEN)
def test_openssl_decrypts_ours(
    kind: str, cipher: str, transport: str, by_key_id: int, authority: Authority, tmp_path: Path
) -> None:
    entry = authority.issue(kind)
    key, cert, _ = _files(tmp_path, entry, authority)
    made = enveloped_data(
        ENTITY,
        [entry.certificate, authority.issue("p256").certificate],
        cipher=cipher,  # type: ignore[arg-type]
        transport=transport,  # type: ignore[arg-type]
        by_key_id=bool(by_key_id),
    )
    assert _openssl("-decrypt", "-inform", "DER", "-recip", cert, "-inkey", key, data=made) == ENTITY
    envelope = cms.parse(made)
    assert isinstance(envelope, cms.EnvelopedData)
    assert decrypt(envelope, [entry]).content == ENTITY


@pytest.mark.parametrize(("kind", "cipher", "transport", "by_key_id"), READ)
def test_we_decrypt_openssls(
    kind: str, cipher: str, transport: str, by_key_id: int, authority: Authority, tmp_path: Path
) -> None:
    entry = authority.issue(kind)
    _, cert, _ = _files(tmp_path, entry, authority)
    options = ["-recip", cert]
    if transport == "oaep":
        options += ["-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256"]
    if by_key_id:
        options.insert(0, "-keyid")
    made = _openssl("-encrypt", "-binary", "-stream", "-outform", "DER", cipher, *options, data=ENTITY)
    envelope = cms.parse(made)
    assert isinstance(envelope, cms.EnvelopedData)
    assert decrypt(envelope, [entry]).content == ENTITY


@pytest.mark.parametrize("cipher", ["aes256-gcm", "aes128-gcm", "aes256-cbc", "aes128-cbc"])
def test_x25519_with_ourselves(cipher: str, authority: Authority) -> None:
    """OpenSSL 3.0 does not know it; the sample of the draft in test_vectors is the outside check for reading."""
    entry = authority.issue("x25519")
    made = cms.parse(enveloped_data(ENTITY, [entry.certificate], cipher=cipher))  # type: ignore[arg-type]
    assert isinstance(made, cms.EnvelopedData)
    assert decrypt(made, [entry]).content == ENTITY


def test_ed25519_with_ourselves(authority: Authority) -> None:
    made = b"From: alice@example.com\r\n" + sign_clear(ENTITY, authority.issue("ed25519"))
    assert open_message(made, trust=authority.trust).report.word is Word.TRUSTED
