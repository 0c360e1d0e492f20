"""A finished message on its way out: fields outside, content inside, Bcc unseen; OpenSSL reads what policies demand."""

from __future__ import annotations

import email
import shutil
import subprocess
from email.utils import getaddresses
from pathlib import Path

import pytest

from emailplus.errors import CertificateUnusable, RecipientsWithoutCertificate
from emailplus.smime.algorithms import CIPHER_BY_NAME
from emailplus.smime.keychain import KeyEntry
from emailplus.smime.message import open_message
from emailplus.smime.outgoing import Plan, ProtectedMessage, protect, without
from emailplus.smime.recipients import negotiated
from emailplus.smime.report import Reason, Word
from tests.smime.conftest import Authority
from tests.smime.test_openssl import _files

HEAD = (
    b"Date: Wed, 25 Nov 2026 10:00:00 +0000\r\nFrom: Alice <alice@example.com>\r\nTo: Bob <bob@example.com>,\r\n"
    b" dora@example.com\r\nBcc: carol@example.com\r\nSubject: The merger\r\nMessage-ID: <1@example.com>\r\n"
)
ENTITY = b"Content-Type: text/plain; charset=us-ascii\r\n\r\nTo: nobody\r\nBcc: this is text\r\nFigures enclosed.\r\n"


@pytest.fixture(scope="module")
def people(authority: Authority) -> dict[str, KeyEntry]:
    kinds = {"alice": "rsa", "bob": "p256", "dora": "rsa", "carol": "p384"}
    return {name: authority.issue(kind, (f"{name}@example.com",)) for name, kind in kinds.items()}


def _everybody(people: dict[str, KeyEntry]) -> tuple[dict[str, object], dict[str, object]]:
    certificates = {f"{name}@example.com": entry.certificate for name, entry in people.items()}
    return (
        {name: certificates[name] for name in ("bob@example.com", "dora@example.com")},
        {"carol@example.com": certificates["carol@example.com"]},
    )


def _made(people: dict[str, KeyEntry], plan: Plan) -> list[ProtectedMessage]:
    return protect(HEAD, ENTITY, plan, *_everybody(people))  # type: ignore[arg-type]


def _named(message: bytes) -> set[str]:
    """Whom a transport would deliver this to."""
    parsed = email.message_from_bytes(message)
    fields = [value for name in ("To", "Cc", "Bcc") for value in parsed.get_all(name, [])]
    return {address for _, address in getaddresses(fields) if "@" in address}


@pytest.mark.parametrize("clear", [True, False])
def test_signed_only(clear: bool, people: dict[str, KeyEntry], authority: Authority) -> None:
    """One message to everybody; the Bcc field is the server's to remove."""
    (made,) = _made(people, Plan(signer=people["alice"], clear=clear))
    assert made.addresses == ("bob@example.com", "dora@example.com", "carol@example.com")
    assert _named(made.message) == set(made.addresses)
    opened = open_message(made.message, trust=authority.trust)
    assert opened.report.word is Word.TRUSTED
    assert opened.content == ENTITY
    assert (b"Figures enclosed" in made.message) == clear
    assert email.message_from_bytes(made.message)["Subject"] == "The merger"


@pytest.mark.parametrize("sign", [True, False])
def test_encrypted_to_each_of_them(sign: bool, people: dict[str, KeyEntry], authority: Authority) -> None:
    plan = Plan(signer=people["alice"] if sign else None, own=people["alice"].certificate, encrypt=True)
    first, second = _made(people, plan)
    assert (first.hidden, second.hidden) == (False, True)
    assert _named(first.message) == {"bob@example.com", "dora@example.com"}
    assert _named(second.message) == {"carol@example.com"}
    for name, mail in (("bob", first), ("dora", first), ("alice", first), ("carol", second), ("alice", second)):
        opened = open_message(mail.message, keys=[people[name]], trust=authority.trust)
        assert opened.report.word is (Word.TRUSTED if sign else Word.ENCRYPTED)
        assert opened.content == ENTITY
    for name, mail in (("carol", first), ("bob", second)):
        assert open_message(mail.message, keys=[people[name]]).report.word is Word.UNREADABLE
    assert b"carol@" not in first.message  # base64 has no such sign, and any three letters
    assert b"bob@" not in second.message
    assert b"Figures" not in first.message + second.message


def test_headers_inside_and_hidden(people: dict[str, KeyEntry], authority: Authority) -> None:
    plan = Plan(signer=people["alice"], own=people["alice"].certificate, encrypt=True, protect_headers=True)
    for mail, name in zip(_made(people, plan), ("bob", "carol"), strict=True):
        assert b"merger" not in mail.message
        opened = open_message(mail.message, keys=[people[name]], trust=authority.trust)
        assert opened.protected is not None
        assert opened.protected.get("Subject") == "The merger"
        assert opened.protected.get("Bcc") is None
        assert b"carol" not in opened.content
        assert opened.report.word is Word.TRUSTED
        assert opened.report.reasons() == ()


def test_headers_protected_in_signed_mail(people: dict[str, KeyEntry], authority: Authority) -> None:
    (made,) = _made(people, Plan(signer=people["alice"], protect_headers=True))
    assert open_message(made.message, trust=authority.trust).report.word is Word.TRUSTED
    forged = made.message.replace(b"Subject: The merger", b"Subject: No merger", 1)
    assert open_message(forged, trust=authority.trust).report.word is Word.DOUBTFUL


def test_who_has_no_certificate_stops_it(people: dict[str, KeyEntry]) -> None:
    visible, hidden = _everybody(people)
    visible["bob@example.com"] = None
    plan = Plan(own=people["alice"].certificate, encrypt=True)
    with pytest.raises(RecipientsWithoutCertificate) as caught:
        protect(HEAD, ENTITY, plan, visible, hidden)  # type: ignore[arg-type]
    assert caught.value.addresses == ("bob@example.com",)
    assert list(without(visible, caught.value)) == ["dora@example.com"]  # type: ignore[arg-type]
    with pytest.raises(CertificateUnusable, match="no certificate of our own"):
        protect(HEAD, ENTITY, Plan(encrypt=True), visible, hidden)  # type: ignore[arg-type]


def test_nothing_asked_for_is_the_message_itself(people: dict[str, KeyEntry]) -> None:
    (made,) = _made(people, Plan())
    assert made.message == HEAD + b"MIME-Version: 1.0\r\n" + ENTITY


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl command on this machine")
def test_what_an_old_policy_demands_is_read_by_openssl(
    people: dict[str, KeyEntry], authority: Authority, tmp_path: Path
) -> None:
    """SHA-1 and 3DES, and our own report calls both weak."""
    plan = Plan(
        signer=people["alice"], own=people["alice"].certificate, encrypt=True, digest="sha1", cipher="3des-cbc",
        transport="v1.5",
    )  # fmt: skip
    first, _ = _made(people, plan)
    key, cert, _ = _files(tmp_path, people["dora"], authority)
    command = ["openssl", "cms", "-decrypt", "-recip", cert, "-inkey", key]
    done = subprocess.run(command, input=first.message, capture_output=True, check=True, timeout=30)
    assert b"Figures enclosed" in done.stdout
    opened = open_message(first.message, keys=[people["dora"]], trust=authority.trust)
    assert opened.report.word is Word.DOUBTFUL
    weak = [finding.detail for finding in opened.report.reasons() if finding.reason is Reason.WEAK_ALGORITHM]
    assert weak == ["3des-cbc with 112 bits", "sha1"]


CBC256, CBC128, GCM256, GCM128, DES3 = (
    CIPHER_BY_NAME[name].oid for name in ("aes256-cbc", "aes128-cbc", "aes256-gcm", "aes128-gcm", "3des-cbc")
)


@pytest.mark.parametrize(
    ("announced", "weak", "cipher"),
    [
        ([], False, "aes256-gcm"),
        ([None, None], False, "aes256-gcm"),
        ([(GCM256, CBC256), None], False, "aes256-gcm"),
        ([(CBC128, CBC256, DES3)], False, "aes256-cbc"),
        ([(GCM128, CBC256), (GCM256, GCM128)], False, "aes128-gcm"),
        ([(GCM256, CBC128), (CBC128,)], False, "aes128-cbc"),
        ([(DES3,)], False, "aes128-cbc"),
        ([(DES3,)], True, "3des-cbc"),
        ([(DES3,), (CBC256, CBC128, DES3)], True, "3des-cbc"),
        ([(DES3,), (CBC256,)], True, "aes128-cbc"),
        ([()], True, "aes128-cbc"),
    ],
)
def test_the_negotiated_cipher(announced: list[tuple[str, ...] | None], weak: bool, cipher: str) -> None:
    """RFC 8551 2.7.1, MS-ASPROV 2.2.2.13: strong unless any may be negotiated, and never one that somebody lacks while
    there is one that all have."""
    assert negotiated(announced, weak=weak) == cipher
