"""The mock's own reading of messages, against the standard library's on many real ones."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from emailplus.mock.fixture_mailbox import messages, signed_data
from emailplus.mock.mime import Message, decode_words, html_to_text, text_to_html, xml_text

from ..shared import root
from .conftest import NOW
from .mail import ENVELOPED, FILE, MIXED, SIGNED


def corpus() -> list[Path]:
    folder = root / "corpus" / "eml"
    return sorted(folder.rglob("*.eml")) if folder.is_dir() else []


def same_part(raw: bytes) -> None:
    """Attachments and text of a well-formed message are what the standard library finds."""
    ours = Message(raw)
    theirs = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(theirs, EmailMessage)
    leaves = [part for part in theirs.walk() if not part.is_multipart()]
    for part in ours.attachments():
        if part.content_type == "message/rfc822" or part is ours.root:
            continue
        assert any(leaf.get_payload(decode=True) == ours.content(part) for leaf in leaves), part.file_name
        assert ours.content_size(part) == len(ours.content(part))


@pytest.mark.parametrize("path", corpus(), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_real_messages_are_read(path: Path) -> None:
    message = Message(path.read_bytes())
    assert message.headers.fields
    plain, rich = message.body_parts()
    for part in (plain, rich):
        if part is not None:
            assert xml_text(message.text(part)) == message.text(part)
    for part in message.attachments():
        assert isinstance(message.content(part), bytes)
        assert part.start <= part.body <= part.end <= len(message.raw)


def test_fixture_messages_are_read_as_the_standard_library_does() -> None:
    kinds = set()
    for made in messages(NOW):
        if made.kind in kinds or made.kind in ("broken", "big-attachment", "report"):
            continue
        kinds.add(made.kind)
        same_part(made.raw)
        theirs = email.message_from_bytes(made.raw, policy=email.policy.default)
        if made.kind != "control-characters":
            assert Message(made.raw).headers.get("subject") == str(theirs["subject"] or "")
    assert len(kinds) > 12


def test_a_mixed_message() -> None:
    message = Message(MIXED)
    plain, rich = message.body_parts()
    assert plain is not None
    assert rich is not None
    assert (message.text(plain), message.text(rich)) == ("Café plain", "<p>Café <b>rich</b></p>")
    assert [part.file_name for part in message.attachments()] == ["data.bin", "logo.png"]
    assert message.content(message.attachments()[0]) == FILE
    assert Message(SIGNED).message_class == "IPM.Note.SMIME.MultipartSigned"
    assert Message(ENVELOPED).message_class == "IPM.Note.SMIME"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"=?utf-8?q?a_b=3D?=", "a b="),
        (b"=?utf-8?B?R3LDvMOf?=\r\n =?utf-8?b?ZQ==?=", "Grüße"),
        (b"=?iso-2022-jp?B?GyRCMnE1RBsoQg==?=", "会議"),
        (b"=?utf-8*de?Q?=C3=A4?= b", "ä b"),
        (b"=?unknown?Q?caf=E9?=", "café"),
        (b"=?utf-8?x?broken?=", "=?utf-8?x?broken?="),
        (b"raw \xe9 and \xc3\xa9", "raw é and Ã©"),
        (b"folded\r\n\tline", "folded\tline"),
    ],
)
def test_encoded_words(raw: bytes, text: str) -> None:
    assert decode_words(raw) == text


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("attachment; filename=plain.txt", "plain.txt"),
        ('attachment; filename="quoted \\"name\\".txt"', 'quoted "name".txt'),
        ("attachment; filename*=utf-8''%e2%82%ac.txt", "€.txt"),
        ('attachment; filename*0="a b"; filename*1=c.txt', "a bc.txt"),
        ("attachment; filename*1=2.txt; filename*0*=iso-8859-1''%e4", "ä2.txt"),
        ('attachment; filename="=?utf-8?b?w7wudHh0?="', "ü.txt"),
    ],
)
def test_file_names(field: str, name: str) -> None:
    raw = f"Content-Type: application/x\r\nContent-Disposition: {field}\r\n\r\nx".encode()
    assert Message(raw).root.file_name == name


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n",
        b"no header",
        b"Subject: only a header",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nnever closed",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\nno part at all",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x--\r\n",
        b"Content-Type: multipart/mixed\r\n\r\nwithout a boundary",
        b"Content-Type: text/plain; charset=utf-16\r\n\r\nodd",
        b"Content-Type: text/plain; charset=base64\r\n\r\ncodec that is none",
        b"Content-Transfer-Encoding: base64\r\n\r\n!!!",
        b"Date: not a date\r\n\r\n",
    ],
)
def test_broken_messages_are_read_somehow(raw: bytes) -> None:
    message = Message(raw)
    plain, rich = message.body_parts()
    for part in (plain, rich):
        assert part is None or isinstance(message.text(part), str)
    assert message.date is None
    assert all(isinstance(message.content(part), bytes) for part in message.attachments())


def test_deep_and_wide_messages_are_bounded() -> None:
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(500))
    assert len(Message(deep).attachments()) <= 1
    wide = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 5000
    assert len(Message(wide).attachments()) <= 500


def test_a_longer_boundary_is_another_one() -> None:
    raw = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/plain\r\n\r\none\r\n--bb\r\ntwo\r\n"
        b"--b \r\nContent-Type: application/x\r\n\r\nthree\r\n--b--\r\n"
    )
    message = Message(raw)
    plain, _ = message.body_parts()
    assert plain is not None
    assert message.text(plain) == "one\r\n--bb\r\ntwo"
    assert [message.content(part) for part in message.attachments()] == [b"three"]


def test_text_and_html() -> None:
    assert html_to_text("<style>p{}</style><p>a &lt; b</p><br>c<!-- d -->") == "a < b\r\n\r\nc"
    assert "1 &lt; 2<br>" in text_to_html("1 < 2\nnext")


def test_signed_data_is_der() -> None:
    short, long = signed_data(None), signed_data(b"x" * 70_000)
    assert short[:2] == bytes([0x30, len(short) - 2])
    assert long[1] == 0x83
    assert int.from_bytes(long[2:5], "big") == len(long) - 5
