"""Objects and mails made by others: the verdict that their makers document."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from emailplus.errors import UnsupportedCms
from emailplus.smime import cms
from emailplus.smime.decrypt import decompress, decrypt
from emailplus.smime.keychain import KeyEntry, import_pkcs12, load_pair
from emailplus.smime.message import open_message
from emailplus.smime.report import Reason, Word
from emailplus.smime.trust import Trust
from emailplus.smime.verify import verify_signed
from tests.shared import shared

SAMPLE = b"This is some sample content."
DER = serialization.Encoding.DER


def _certificate(*path: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(shared("spec", "smime", *path).read_bytes())


@pytest.fixture(scope="module")
def trust() -> Trust:
    names = (("rfc9216", "ca.rsa.crt.pem"), ("rfc9216", "ca.25519.crt.pem"), ("messages", "ca.crt"))
    return Trust(tuple(_certificate(*name) for name in names))


@pytest.fixture(scope="module")
def keys() -> list[KeyEntry]:
    """Everybody's encryption keys."""
    found = []
    for name in ("alice", "bob", "carlos", "dana"):
        pem = shared("spec", "smime", "rfc9216", f"{name}.encrypt.key.pem").read_bytes()
        key = serialization.load_pem_private_key(pem, None)
        pkcs8 = key.private_bytes(DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        found.append(load_pair(_certificate("rfc9216", f"{name}.encrypt.crt.pem").public_bytes(DER), pkcs8))
    old = shared("spec", "smime", "rfc4134")
    found.append(load_pair((old / "BobRSASignByCarl.cer").read_bytes(), (old / "BobPrivRSAEncrypt.pri").read_bytes()))
    found += import_pkcs12(shared("spec", "smime", "messages", "bob.p12").read_bytes(), None)
    return found


@pytest.mark.parametrize(
    ("name", "schemes"),
    [
        ("signedByAliceRSA", ["rsa"]),
        ("signedByAliceRSAPSS", ["pss"]),
        ("signedByCarlosEd25519", ["ed25519"]),
        ("signedByCarlosDetached", ["ed25519"]),
        ("signedByAliceAndCarlosNoCerts", ["ed25519", "rsa"]),
    ],
)
def test_signed_objects(name: str, schemes: list[str], trust: Trust) -> None:
    signed = cms.parse(shared("spec", "smime", "cms", f"{name}.p7m").read_bytes())
    assert isinstance(signed, cms.SignedData)
    known = [_certificate("rfc9216", f"{who}.sign.crt.pem") for who in ("alice", "carlos")]
    layer = verify_signed(
        signed, SAMPLE if signed.content is None else signed.content, trust, form="opaque", known=known
    )
    assert [signer.scheme for signer in layer.signers] == schemes
    assert all(signer.trusted and len(signer.path) == 2 for signer in layer.signers)
    altered = verify_signed(signed, b"Something else", trust, form="opaque", known=known)
    assert not any(signer.intact for signer in altered.signers)


@pytest.mark.parametrize(
    ("name", "cipher", "bits", "authenticated"),
    [
        ("cms/authEnvelopedForBobChaCha20Poly1305.p7m", "chacha20-poly1305", 256, True),
        ("cms/authEnvelopedForDanaX25519HKDF.p7m", "aes128-gcm", 128, True),
        ("cms/encryptedForBobAndDana.p7m", "aes128-cbc", 128, False),
        ("cms/encryptedForBobRSAOaep.p7m", "aes128-cbc", 128, False),
        ("rfc4134/5.1.bin", "3des-cbc", 112, False),
        ("rfc4134/5.2.bin", "rc2-cbc", 40, False),
    ],
)
def test_enveloped_objects(name: str, cipher: str, bits: int, authenticated: bool, keys: list[KeyEntry]) -> None:
    envelope = cms.parse(shared("spec", "smime", *name.split("/")).read_bytes())
    assert isinstance(envelope, cms.EnvelopedData)
    opened = decrypt(envelope, keys)
    assert opened.content == SAMPLE
    assert (opened.layer.cipher, opened.layer.bits, opened.layer.authenticated) == (cipher, bits, authenticated)
    weak = any(finding.reason is Reason.WEAK_ALGORITHM for finding in opened.layer.findings)
    assert weak == (bits < 128)


def test_each_of_several_recipients_opens_it(keys: list[KeyEntry]) -> None:
    envelope = cms.parse(shared("spec", "smime", "cms", "encryptedForBobAndDana.p7m").read_bytes())
    assert isinstance(envelope, cms.EnvelopedData)
    for key in (keys[1], keys[3]):
        assert decrypt(envelope, [key]).content == SAMPLE


def test_compressed_object() -> None:
    compressed = cms.parse(shared("spec", "smime", "cms", "compressed.p7z").read_bytes())
    assert isinstance(compressed, cms.CompressedData)
    assert decompress(compressed).content.startswith(b"This is the message to encapsulate")


@pytest.mark.parametrize("name", ["4.1", "4.2", "4.3", "4.4", "4.5", "4.7", "4.10"])
def test_signatures_of_1999_hold_but_are_not_trusted(name: str, trust: Trust) -> None:
    """RFC 4134 4: right in themselves, weak, and without a path."""
    signed = cms.parse(shared("spec", "smime", "rfc4134", f"{name}.bin").read_bytes())
    assert isinstance(signed, cms.SignedData)
    (signer,) = verify_signed(signed, SAMPLE, trust, form="opaque").signers
    assert signer.intact
    assert not signer.trusted
    reasons = {finding.reason for finding in signer.findings}
    assert {Reason.WEAK_ALGORITHM, Reason.WEAK_KEY, Reason.NO_PATH} <= reasons


@pytest.mark.parametrize("name", ["6.0", "7.1", "7.2"])
def test_other_content_types_are_named(name: str) -> None:
    with pytest.raises(UnsupportedCms, match=r"type 1\.2\.840"):
        cms.parse(shared("spec", "smime", "rfc4134", f"{name}.bin").read_bytes())


@pytest.mark.parametrize(
    ("name", "word", "kinds"),
    [
        ("generated/inner", Word.UNPROTECTED, []),
        ("generated/authenveloped-aes256gcm", Word.ENCRYPTED, ["encrypted"]),
        ("generated/enveloped-3des-legacy", Word.DOUBTFUL, ["encrypted"]),
        ("generated/enveloped-aes128cbc", Word.ENCRYPTED, ["encrypted"]),
        ("generated/enveloped-oaep-sha256-aes256cbc", Word.ENCRYPTED, ["encrypted"]),
        ("generated/multipart-signed-rsa-sha256", Word.TRUSTED, ["signed"]),
        ("generated/multipart-signed-rsapss-sha512", Word.TRUSTED, ["signed"]),
        ("generated/multipart-signed-tampered", Word.INVALID, ["signed"]),
        ("generated/opaque-signed-rsa-sha256", Word.TRUSTED, ["signed"]),
        ("generated/signed-then-enveloped-aes256cbc", Word.TRUSTED, ["encrypted", "signed"]),
        ("generated/triple-wrapped", Word.TRUSTED, ["signed", "encrypted", "signed"]),
        ("messages/smime-multipart-signed", Word.TRUSTED, ["signed"]),
        ("messages/smime-onepart-signed", Word.TRUSTED, ["signed"]),
        ("messages/smime-onepart-signed-protected-headers", Word.TRUSTED, ["signed"]),
        ("messages/smime-sign+enc", Word.DOUBTFUL, ["encrypted", "signed"]),
        ("rfc4134/4.8", Word.DOUBTFUL, ["signed"]),
        ("rfc4134/5.3", Word.DOUBTFUL, ["encrypted"]),
    ],
)
def test_mails(name: str, word: Word, kinds: list[str], trust: Trust, keys: list[KeyEntry]) -> None:
    raw = shared("spec", "smime", *f"{name}.eml".split("/")).read_bytes()
    opened = open_message(raw, keys=keys, trust=trust)
    assert opened.report.word is word
    assert [layer.kind for layer in opened.report.layers] == kinds
    assert opened.raw == raw


def test_mail_without_a_key_stays_closed(trust: Trust) -> None:
    raw = shared("spec", "smime", "generated", "enveloped-aes128cbc.eml").read_bytes()
    opened = open_message(raw, trust=trust)
    assert opened.report.word is Word.UNREADABLE
    assert Reason.NO_KEY in {finding.reason for finding in opened.report.reasons()}
    assert opened.content == raw


@pytest.mark.parametrize("name", ["alice", "bob", "carlos", "dana"])
def test_archives_with_two_keys(name: str) -> None:
    """RFC 9216: one archive carries the signing and the encryption key."""
    entries = import_pkcs12(shared("spec", "smime", "rfc9216", f"{name}.p12").read_bytes(), name)
    expected = {_certificate("rfc9216", f"{name}.{use}.crt.pem") for use in ("sign", "encrypt")}
    assert {entry.certificate for entry in entries} == expected


@pytest.mark.parametrize("name", ["c.3.1.2-signed-enc-hp-baseline", "e.1-text-plain-legacy-display"])
def test_header_protection_payloads(name: str) -> None:
    from emailplus.smime import entity, headers

    part = entity.parse(shared("spec", "smime", "rfc9788", f"{name}-payload.eml").read_bytes())
    protected, _ = headers.read(part)
    assert protected is not None
    assert protected.scheme == "cipher"
    assert "Subject" in protected.confidential
    assert b"Subject:" not in headers.without_legacy_display(part)
