"""Messages in pieces: report and content are those of the reader in memory, however the pieces are cut."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from emailplus.errors import MalformedCms, SmimeError
from emailplus.mime.transfer import base64_stream
from emailplus.smime import cms, tlv
from emailplus.smime.apart import take_apart
from emailplus.smime.armour import pkcs7_head
from emailplus.smime.ber import encode_length
from emailplus.smime.encrypt import enveloped_data
from emailplus.smime.large import OpenedLarge, open_large
from emailplus.smime.limits import MAX_UNWRAPPED_BYTES
from emailplus.smime.message import OpenedMessage, open_message
from emailplus.smime.pieces import Source, of_bytes, of_file
from emailplus.smime.report import Reason, Word
from emailplus.smime.sign import sign_clear, sign_opaque, signed_data
from emailplus.smime.stream import encrypt_stream, sign_clear_stream
from emailplus.smime.verify import verify_signed
from tests.smime.conftest import Authority
from tests.smime.letters import READER, SENDER, Post

ENTITY = b"Content-Type: text/plain\r\n\r\nThe figures are 42.\r\n"


def _in_pieces(data: bytes, seed: int = 0) -> Source:
    """Cut anywhere, differently each time it is read."""
    chance = random.Random(seed)

    def read() -> Iterator[bytes]:
        at = 0
        while at < len(data):
            size = chance.choice((1, 2, 3, 7, 64, 977, 5000))
            yield data[at : at + size]
            at += size

    return read


def _content(opened: OpenedLarge) -> bytes:
    return b"".join(opened.content())


@pytest.fixture(scope="module")
def post(authority: Authority) -> Post:
    return Post(authority)


def _unlike(whole: OpenedMessage, large: OpenedLarge) -> bool:
    """Where the reader in pieces may know less: it says so, and then never says that all is well."""
    gave_up = any(finding.reason is Reason.NOT_OPENED for finding in large.report.findings)
    return gave_up and large.report.word is not Word.TRUSTED


def test_every_letter_is_read_as_in_memory(post: Post, authority: Authority) -> None:
    """All kinds of `letters`: signed, encrypted, both, escrowed, layered, doubtful, broken."""
    keys = [*post.reader.values(), *post.retired]
    alike = 0
    for number, letter in enumerate(post.letters):
        whole = open_message(letter.raw, keys=keys, trust=authority.trust)
        pieces = _in_pieces(letter.raw, number)
        large = open_large(pieces, keys=keys, trust=authority.trust, max_unwrapped=MAX_UNWRAPPED_BYTES)
        if _unlike(whole, large):
            continue
        alike += 1
        assert large.report.word is whole.report.word, letter.name
        assert [layer.kind for layer in large.report.layers] == [layer.kind for layer in whole.report.layers]
        assert [[s.findings for s in layer.signers] for layer in large.report.layers] == [
            [s.findings for s in layer.signers] for layer in whole.report.layers
        ], letter.name
        if all(layer.opened for layer in whole.report.layers) and not whole.protected:
            assert _content(large) == whole.content, letter.name
    assert alike > len(post.letters) * 0.9, (alike, len(post.letters))


@pytest.mark.parametrize("ends", [b"\r\n", b"\n"])
def test_line_ends_of_the_transport(ends: bytes, authority: Authority) -> None:
    """RFC 8551 3.1.1: a clear signature holds with the line ends that a transport changed."""
    made = f"From: {SENDER}\r\n".encode() + sign_clear(ENTITY, authority.issue("rsa", (SENDER,)))
    opened = open_large(_in_pieces(made.replace(b"\r\n", ends)), trust=authority.trust)
    assert opened.report.word is Word.TRUSTED, opened.report
    altered = made.replace(b"42", b"43").replace(b"\r\n", ends)
    assert open_large(_in_pieces(altered), trust=authority.trust).report.word is Word.INVALID


def _indefinite(tag: int, *parts: bytes) -> bytes:
    return bytes((tag, 0x80)) + b"".join(parts) + b"\0\0"


def _string(data: bytes, chance: random.Random, depth: int = 0) -> bytes:
    """An OCTET STRING in one piece, in pieces, or in pieces of pieces (X.690 8.7.3)."""
    if depth == 3 or len(data) < 4 or chance.random() < 0.3:
        return b"\x04" + encode_length(len(data)) + data
    cuts = sorted(chance.sample(range(1, len(data)), min(3, len(data) - 1)))
    parts = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    inside = b"".join(_string(part, chance, depth + 1) for part in parts)
    if chance.random() < 0.5:
        return b"\x24" + encode_length(len(inside)) + inside
    return _indefinite(0x24, inside)


def _loosened(der: bytes, chance: random.Random) -> bytes:
    """Signed data with indefinite lengths around its content, and the content in pieces."""
    kind, explicit = tlv.read(der, 0, len(der)).children()
    fields = explicit.children()[0].children()
    name, holder = fields[2].children()
    content = holder.children()[0].content
    info = _indefinite(0x30, name.raw, _indefinite(0xA0, _string(content, chance)))
    rest = [field.raw for field in fields]
    rest[2] = info
    return _indefinite(0x30, kind.raw, _indefinite(0xA0, _indefinite(0x30, *rest)))


@pytest.mark.parametrize("seed", range(20))
def test_content_in_pieces_of_every_form(seed: int, authority: Authority) -> None:
    """X.690 8.1.3.6, 8.7.3: definite, indefinite, and strings inside strings."""
    chance = random.Random(seed)
    content = ENTITY * 5
    der = signed_data(content, [authority.issue("p256")], detached=False)
    loose = _loosened(der, chance)
    whole = cms.parse(loose)
    taken = take_apart(_in_pieces(loose, seed))
    assert isinstance(whole, cms.SignedData)
    assert whole.content == content
    assert taken.content is not None
    assert b"".join(taken.content()) == content
    around = cms.parse(taken.around)
    assert isinstance(around, cms.SignedData)
    assert around.signers == whole.signers
    assert verify_signed(around, content, authority.trust, form="opaque").signers[0].intact


def test_what_is_cut_or_damaged_is_refused(authority: Authority) -> None:
    """Every cut, and every byte of the frame altered: an error of one kind, or the same object; never another."""
    entry = authority.issue("p256")
    for der in (
        enveloped_data(ENTITY, [entry.certificate], cipher="aes256-cbc"),
        enveloped_data(ENTITY, [entry.certificate]),
        _loosened(signed_data(ENTITY, [entry], detached=False), random.Random(5)),
    ):
        for end in range(0, len(der), 7):
            with pytest.raises(MalformedCms):
                take_apart(of_bytes(der[:end]))
        for at in range(len(der)):
            altered = bytearray(der)
            altered[at] ^= 0x55
            try:
                taken = take_apart(of_bytes(bytes(altered)))
                cms.parse(taken.around)
            except SmimeError:
                continue
    with pytest.raises(MalformedCms, match="after the end"):
        take_apart(of_bytes(der + b"more"))


def test_nothing_is_handed_out_before_the_end_was_right(authority: Authority) -> None:
    """The last byte of an authenticated cipher text decides; so does the padding of CBC."""
    entry = authority.issue("rsa", (READER,))
    for cipher, at in (("aes256-gcm", -30), ("aes128-cbc", -17)):
        der = bytearray(enveloped_data(ENTITY * 100, [entry.certificate], cipher=cipher))  # type: ignore[arg-type]
        der[at] ^= 1
        mail = pkcs7_head("enveloped-data") + b"".join(base64_stream([bytes(der)]))
        opened = open_large(of_bytes(mail), keys=[entry])
        assert opened.report.word is Word.UNREADABLE
        assert [f.reason for f in opened.report.layers[0].findings][-1] is Reason.DECRYPTION_FAILED
        assert _content(opened) == mail


def test_protected_parts_among_others_are_never_green(authority: Authority) -> None:
    """A forwarded signed message inside a signed one, or beside other parts: not looked into, and said so."""
    entry = authority.issue("rsa", (SENDER,))
    inner = sign_clear(ENTITY, entry)
    mixed = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + ENTITY + b"\r\n--b\r\n" + inner + b"\r\n--b--\r\n"
    )
    head = f"From: {SENDER}\r\n".encode()
    for mail in (head + mixed, head + sign_clear(mixed, entry), head + sign_opaque(mixed, entry)):
        opened = open_large(_in_pieces(mail), trust=authority.trust)
        assert opened.report.word is not Word.TRUSTED
        assert Reason.NOT_OPENED in [finding.reason for finding in opened.report.findings]


@pytest.mark.parametrize("trace", [b"application/PKCS7-mime", b'name="SMIME.P7M"', b"name=smime.p7z"])
def test_traces_are_seen_however_they_are_written_and_cut(trace: bytes) -> None:
    mail = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; %s\r\n\r\n\r\n--b--\r\n"
    opened = open_large(lambda: iter([bytes([octet]) for octet in mail % trace]))
    assert [finding.reason for finding in opened.report.findings] == [Reason.NOT_OPENED]
    assert open_large(of_bytes(mail % b"name=smime.p7s")).report.findings == ()


@pytest.mark.parametrize("cipher", ["aes256-gcm", "aes256-cbc"])
def test_memory_does_not_grow_with_the_message(cipher: str, authority: Authority, tmp_path: Path) -> None:
    """100 MB signed and encrypted on the disk: verified and decrypted, in a few megabytes."""
    entry = authority.issue("rsa", (SENDER,))
    line = b"A line of text that is sixty-three characters long, with its end\r\n" * 3855
    size = 100_000_000 // len(line)
    head = b"Content-Type: text/plain\r\n\r\n"
    entity = sign_clear_stream(iter([head, *[line] * size]), entry)
    path = tmp_path / "large.eml"
    with path.open("wb") as file:
        file.write(f"From: {SENDER}\r\n".encode())
        file.writelines(encrypt_stream(entity, [entry.certificate], cipher=cipher))  # type: ignore[arg-type]
    tracemalloc.start()
    opened = open_large(of_file(path), keys=[entry], trust=authority.trust)
    got = sum(map(len, opened.content()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert opened.report.word is Word.TRUSTED, opened.report
    assert got == len(head) + size * len(line)
    assert peak < 24 << 20, peak
