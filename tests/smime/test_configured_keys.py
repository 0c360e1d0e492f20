"""What each certificate key of the app config changes about a mailbox that is synchronised."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from emailplus.config import Consequence
from emailplus.mailbox import Mailbox
from emailplus.mock import MockExchange
from emailplus.smime.encrypt import enveloped_data
from emailplus.smime.keychain import KeyEntry, Role
from emailplus.smime.report import Reason, Word
from emailplus.smime.sign import pkcs7_entity, sign_clear
from tests.smime.conftest import NOW, Authority
from tests.smime.letters import READER, SENDER, Post
from tests.smime.test_mailbox import KEY, config

NOTHING: dict[str, Any] = dict.fromkeys(
    (
        "email_signing_certificate", "email_signing_certificate_MI_CERT_PW", "email_encryption_certificate",
        "email_encryption_certificate_MI_CERT_PW", "email_escrow_certificates", "email_certificate_1",
    )
)  # fmt: skip


@pytest.fixture(scope="module")
def post(authority: Authority) -> Post:
    return Post(authority)


@pytest.fixture
def server() -> Iterator[MockExchange]:
    with MockExchange() as made:
        yield made


def deliver(server: MockExchange, entity: bytes, subject: str = "letter") -> None:
    head = f"From: {SENDER}\r\nTo: {READER}\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n".encode()
    server.user("alice").deliver(head + entity)


def encrypted(post: Post, entry: KeyEntry, word: str = "x") -> bytes:
    written = NOW - timedelta(days=100 if entry in post.retired else 0)
    made = enveloped_data(post.entity(word), [entry.certificate], now=written)
    return pkcs7_entity(made, "authEnveloped-data")


def p12(entry: KeyEntry, password: str) -> str:
    return base64.b64encode(entry.to_pkcs12(password.encode())).decode()


def word(mailbox: Mailbox, subject: str = "letter") -> Word:
    (message,) = mailbox.search(f"subject:{subject}")
    assert message.security is not None
    return message.security.word


def test_mail_opens_with_the_configured_encryption_certificate(
    server: MockExchange, post: Post, tmp_path: Path
) -> None:
    """Without it the mail stays shut; with the wrong password too, and that is told; removed, it goes on opening."""
    deliver(server, encrypted(post, post.reader["rsa"]))
    bare = config(server, post, **NOTHING)
    name = "email_encryption_certificate"
    keys = {name: p12(post.reader["rsa"], "pw"), f"{name}_MI_CERT_PW": "pw"}
    with Mailbox.open(bare, store=tmp_path / "m.db", key=KEY) as mailbox:
        mailbox.sync()
        assert word(mailbox) is Word.UNREADABLE
        wrong = keys | {f"{name}_MI_CERT_PW": "other"}
        change = mailbox.apply(config(server, post, **NOTHING | wrong))
        assert f"{name} is not imported: the password does not open the archive" in change.notices
        assert word(mailbox) is Word.UNREADABLE
        change = mailbox.apply(config(server, post, **NOTHING | keys))
        assert change.outcome(Consequence.CERTIFICATE_SELECTED) is not None
        assert word(mailbox) is Word.ENCRYPTED
        assert mailbox.keychain.chosen(Role.ENCRYPTION) is not None
        change = mailbox.apply(bare)
        assert change.outcome(Consequence.SELECTION_CLEARED) is not None
        assert mailbox.keychain.chosen(Role.ENCRYPTION) is None
        assert word(mailbox) is Word.ENCRYPTED


def test_escrow_opens_mail_to_three_retired_certificates(server: MockExchange, post: Post, tmp_path: Path) -> None:
    for number, entry in enumerate(post.retired):
        deliver(server, encrypted(post, entry, f"old{number}"), f"retired{number}")
    with Mailbox.open(config(server, post, **NOTHING), store=tmp_path / "m.db", key=KEY) as mailbox:
        mailbox.sync()
        assert [word(mailbox, f"retired{n}") for n in range(3)] == [Word.UNREADABLE] * 3
        escrow = [
            {"email_escrow_certificates": p12(entry, f"pw{n}"), "email_escrow_certificates_MI_CERT_PW": f"pw{n}"}
            for n, entry in enumerate(post.retired)
        ]
        mailbox.apply(config(server, post, **NOTHING | {"email_escrow_certificates": escrow}))
        assert [word(mailbox, f"retired{n}") for n in range(3)] == [Word.ENCRYPTED] * 3
        for number in range(3):
            (message,) = mailbox.search(f"subject:retired{number}")
            assert f"old{number}" in mailbox.message(message.id).text
        assert mailbox.keychain.offered(Role.ENCRYPTION, NOW) == []


def test_self_service_opens_mail_once_its_password_is_right(server: MockExchange, post: Post, tmp_path: Path) -> None:
    name = "email_user_certificate_self_service"
    deliver(server, encrypted(post, post.reader["p256"]))
    keys = {name: p12(post.reader["p256"], "pw"), f"{name}_MI_CERT_PW": "other"}
    wrong = config(server, post, **NOTHING | keys)
    with Mailbox.open(wrong, store=tmp_path / "m.db", key=KEY) as mailbox:
        report = mailbox.sync()
        assert f"{name} is not imported: the password does not open the archive" in report.warnings
        assert word(mailbox) is Word.UNREADABLE
        mailbox.apply(config(server, post, **NOTHING | keys | {f"{name}_MI_CERT_PW": "pw"}))
        assert word(mailbox) is Word.ENCRYPTED


def test_the_root_decides_whom_to_trust(server: MockExchange, post: Post, tmp_path: Path) -> None:
    """`email_certificate_X`, while the mailbox is open."""
    deliver(server, sign_clear(post.entity("x"), post.signers["p256"]))
    root = base64.b64encode(post.authority.certificate.public_bytes(serialization.Encoding.DER)).decode()
    with Mailbox.open(config(server, post, **NOTHING), store=tmp_path / "m.db", key=KEY) as mailbox:
        mailbox.sync()
        (message,) = mailbox.search()
        assert message.security is not None
        assert message.security.word is Word.DOUBTFUL
        assert Reason.NO_PATH in {finding.reason for finding in message.security.reasons()}
        mailbox.apply(config(server, post, **NOTHING | {"email_certificate_7": root}))
        assert word(mailbox) is Word.TRUSTED
        mailbox.sync()
        assert mailbox.protection.choose(SENDER).certificate == post.signers["p256"].certificate
        mailbox.apply(config(server, post, **NOTHING))
        assert word(mailbox) is Word.DOUBTFUL
        assert mailbox.protection.choose(SENDER).certificate is None
