"""What is made survives the transport, and headers are protected both ways."""

from __future__ import annotations

import email

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emailplus.smime import headers
from emailplus.smime.encrypt import encrypt_for
from emailplus.smime.entity import parse
from emailplus.smime.message import open_message
from emailplus.smime.report import Reason, Word
from emailplus.smime.sign import protected_for_transport, sign_clear
from tests.smime.conftest import Authority

FROM = b"From: alice@example.com\r\n"


def test_eight_bits_and_long_lines_are_protected(authority: Authority) -> None:
    text = "Grüße\r\n" + "x" * 2000 + "\r\n"
    mixed = b"".join(
        (
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\n",
            b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + text.encode(),
            b"\r\n--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n--b--\r\n",
        )
    )
    made = FROM + sign_clear(mixed, authority.issue("p256"))
    assert made.isascii()
    assert max(map(len, made.split(b"\r\n"))) <= 998
    opened = open_message(made, trust=authority.trust)
    assert opened.report.word is Word.TRUSTED
    parts = parse(opened.content).parts()
    assert [part.decoded() for part in parts] == [text.encode(), b"plain"]


@pytest.mark.parametrize("swap", [(b"\r\n", b"\n"), (b"\n", b"\n")])
def test_line_ends_changed_on_the_way(swap: tuple[bytes, bytes], authority: Authority) -> None:
    made = FROM + sign_clear(b"Content-Type: text/plain\n\nTwo\nlines\n", authority.issue("p256"))
    assert open_message(made.replace(*swap), trust=authority.trust).report.word is Word.TRUSTED


@given(st.text(st.sampled_from("ab:;-\r\n \té="), max_size=120))
@settings(max_examples=150, deadline=None)
def test_protection_keeps_the_text(text: str) -> None:
    raw = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + text.encode()
    made = protected_for_transport(raw)
    assert made.isascii()
    before = parse(raw).decoded().replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    assert parse(made).decoded().replace(b"\r\n", b"\n") == before


def test_header_protection_there_and_back(authority: Authority) -> None:
    entry = authority.issue("rsa")
    message = (
        b"From: alice@example.com\r\nTo: bob@example.com\r\nBcc: carol@example.com\r\nSubject: The merger\r\n"
        b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nSoon.\r\n"
    )
    payload, outside = headers.protect(message, encrypted=True)
    assert b"merger" not in outside
    assert b"carol" not in outside + payload
    (copy,) = encrypt_for(sign_clear(payload, entry), entry.certificate, {"bob@example.com": entry.certificate})
    assert b"merger" not in copy.entity
    opened = open_message(outside + copy.entity, keys=[entry], trust=authority.trust)
    assert opened.report.word is Word.TRUSTED
    assert opened.protected is not None
    assert opened.protected.get("Subject") == "The merger"
    assert opened.protected.confidential == ("Subject",)
    assert email.message_from_bytes(opened.content).get_payload() == "Soon.\r\n"
    forged = outside.replace(b"bob@example.com", b"eve@example.com")
    changed = open_message(forged + copy.entity, keys=[entry], trust=authority.trust)
    assert changed.report.word is Word.DOUBTFUL
    assert Reason.HEADER_MISMATCH in {finding.reason for finding in changed.report.reasons()}
