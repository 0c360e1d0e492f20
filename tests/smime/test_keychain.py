"""Import, roles, and which key is offered for what."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import serialization

from emailplus.errors import (
    CertificateUnusable,
    KeyImportFailed,
    NoDecryptionKey,
    RecipientsWithoutCertificate,
    WrongKeyPassword,
)
from emailplus.smime import cms
from emailplus.smime.decrypt import decrypt
from emailplus.smime.encrypt import encrypt_for, enveloped_data
from emailplus.smime.entity import parse
from emailplus.smime.keychain import (
    Keychain,
    KeyEntry,
    MemoryKeyStore,
    Role,
    import_pkcs12,
    load_certificate,
    load_pair,
)
from emailplus.smime.sign import signed_data
from tests.smime.conftest import NOW, Authority

DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM
TEXT = b"Content-Type: text/plain\r\n\r\nSecret.\r\n"


@pytest.fixture
def keychain() -> Keychain:
    return Keychain(MemoryKeyStore())


def _pkcs8(entry: KeyEntry) -> bytes:
    return entry.private_key.private_bytes(DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def test_archive_there_and_back(authority: Authority) -> None:
    entry = authority.issue("p256")
    archive = entry.to_pkcs12(b"secret")
    (again,) = import_pkcs12(archive, "secret", source="attachment")
    assert (again.certificate, again.source) == (entry.certificate, "attachment")
    assert _pkcs8(again) == _pkcs8(entry)
    for wrong in ("other", "", None):
        with pytest.raises(WrongKeyPassword):
            import_pkcs12(archive, wrong)
    with pytest.raises(KeyImportFailed):
        import_pkcs12(archive[:-10], "secret")
    assert "private_key" not in repr(entry)


def test_pem_is_told_apart(authority: Authority) -> None:
    entry = authority.issue("p256")
    pem = entry.certificate.public_bytes(PEM)
    assert load_certificate(entry.certificate.public_bytes(DER)) == entry.certificate
    for call in (lambda: load_certificate(pem), lambda: import_pkcs12(pem, None)):
        with pytest.raises(KeyImportFailed, match="this is PEM"):
            call()
    with pytest.raises(KeyImportFailed, match="not a certificate"):
        load_certificate(b"\x30\x03\x02\x01\x00")
    with pytest.raises(KeyImportFailed, match="not a PKCS#12"):
        import_pkcs12(entry.certificate.public_bytes(DER), None)
    with pytest.raises(KeyImportFailed, match="does not belong"):
        load_pair(entry.certificate.public_bytes(DER), _pkcs8(authority.issue("p384")))


def test_change_and_removal_of_the_configured_certificate(keychain: Keychain, authority: Authority) -> None:
    """The previous certificate stays; a removed one is deselected and stays, and signing then fails with a reason."""
    first, second = authority.issue("p256"), authority.issue("p256")
    keychain.select(Role.SIGNING, first)
    keychain.select(Role.SIGNING, second)
    chosen = keychain.chosen(Role.SIGNING)
    assert chosen is not None
    assert chosen.fingerprint == second.fingerprint
    assert len(keychain.entries()) == 2
    keychain.select(Role.SIGNING, None)
    assert keychain.chosen(Role.SIGNING) is None
    assert len(keychain.entries()) == 2
    with pytest.raises(CertificateUnusable, match="no certificate is selected for signing"):
        keychain.required(Role.SIGNING, NOW)


def test_one_certificate_for_both_roles(keychain: Keychain, authority: Authority) -> None:
    entry = authority.issue("rsa")
    keychain.select(Role.SIGNING, entry)
    keychain.select(Role.ENCRYPTION, entry)
    assert keychain.required(Role.SIGNING, NOW) == keychain.required(Role.ENCRYPTION, NOW)
    keychain.select(Role.SIGNING, None)
    assert keychain.required(Role.ENCRYPTION, NOW).fingerprint == entry.fingerprint


def test_expired_and_revoked_only_decrypt(keychain: Keychain, authority: Authority) -> None:
    expired = authority.issue("rsa", start=-60, end=-1)
    revoked, escrowed, current = (authority.issue("rsa") for _ in range(3))
    for entry in (expired, revoked, current):
        keychain.add(entry)
    keychain.mark_revoked(revoked.fingerprint)
    keychain.add_escrow([escrowed])
    for role in (Role.SIGNING, Role.ENCRYPTION):
        assert [entry.fingerprint for entry in keychain.offered(role, NOW)] == [current.fingerprint]
    assert len(keychain.decrypting()) == 4
    keychain.select(Role.SIGNING, expired)
    with pytest.raises(CertificateUnusable) as caught:
        keychain.required(Role.SIGNING, NOW)
    assert "expired" in caught.value.reasons[0]
    with pytest.raises(CertificateUnusable):
        signed_data(b"x", [expired])
    keychain.add(revoked)
    assert revoked.fingerprint not in {entry.fingerprint for entry in keychain.offered(Role.SIGNING, NOW)}


def test_escrow_opens_mail_to_three_retired_certificates(keychain: Keychain, authority: Authority) -> None:
    retired = [authority.issue(kind, start=-400, end=-35) for kind in ("rsa", "p256", "x25519")]
    mails = [
        enveloped_data(TEXT, [entry.certificate], now=NOW - timedelta(days=100), by_key_id=number == 1)
        for number, entry in enumerate(retired)
    ]
    keychain.add(authority.issue("rsa"))
    for mail in mails:
        envelope = cms.parse(mail)
        assert isinstance(envelope, cms.EnvelopedData)
        if envelope.recipients[0].rid.serial:
            with pytest.raises(NoDecryptionKey):
                decrypt(envelope, keychain.decrypting())
    keychain.add_escrow(retired)
    for mail in mails:
        envelope = cms.parse(mail)
        assert isinstance(envelope, cms.EnvelopedData)
        opened = decrypt(envelope, keychain.decrypting())
        assert opened.content == TEXT
        assert opened.layer.key.endswith("(escrow)")


def test_bcc_is_not_to_be_seen(authority: Authority) -> None:
    sender, bob, carol = (authority.issue("rsa", (f"{name}@example.com",)) for name in ("alice", "bob", "carol"))
    copies = encrypt_for(
        TEXT,
        sender.certificate,
        {"bob@example.com": bob.certificate},
        {"carol@example.com": carol.certificate},
    )
    assert [copy.addresses for copy in copies] == [("bob@example.com",), ("carol@example.com",)]
    for copy, allowed, other in ((copies[0], bob, carol), (copies[1], carol, bob)):
        envelope = cms.parse(parse(copy.entity).decoded())
        assert isinstance(envelope, cms.EnvelopedData)
        serials = {recipient.rid.serial for recipient in envelope.recipients}
        assert serials == {allowed.certificate.serial_number, sender.certificate.serial_number}
        assert decrypt(envelope, [allowed]).content == decrypt(envelope, [sender]).content == TEXT
        with pytest.raises(NoDecryptionKey):
            decrypt(envelope, [other])


def test_all_recipients_without_a_certificate_are_named(authority: Authority) -> None:
    sender = authority.issue("rsa")
    late = authority.issue("rsa", end=-1).certificate
    signing_only = authority.issue("ed25519").certificate
    people = {"a@example.com": None, "b@example.com": late, "c@example.com": sender.certificate}
    with pytest.raises(RecipientsWithoutCertificate) as caught:
        encrypt_for(TEXT, sender.certificate, people, {"d@example.com": signing_only})
    assert caught.value.addresses == ("a@example.com", "b@example.com", "d@example.com")
