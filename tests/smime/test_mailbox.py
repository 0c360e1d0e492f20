"""A mailbox full of S/MIME mail from the server to the report: every message opens, and says what is true."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from emailplus.config import AppConfig
from emailplus.errors import KeyImportFailed, WrongKeyPassword
from emailplus.mailbox import Mailbox
from emailplus.mock import MockExchange
from emailplus.model.message import StoredMessage
from emailplus.smime.certificate import fingerprint
from emailplus.smime.encrypt import enveloped_data
from emailplus.smime.keychain import KeyEntry, Role
from emailplus.smime.recipients import Source
from emailplus.smime.report import Reason, Word
from emailplus.smime.sign import pkcs7_entity, sign_clear, sign_opaque
from emailplus.store import certificates
from tests.smime.conftest import NOW, Authority
from tests.smime.letters import READER, SENDER, Letter, Post

KEY = bytes(range(32))
DER = serialization.Encoding.DER


@pytest.fixture(scope="module")
def post(authority: Authority) -> Post:
    return Post(authority)


@pytest.fixture(scope="module")
def exchange(post: Post) -> Iterator[MockExchange]:
    with MockExchange() as server:
        box = server.user("alice")
        box.deliver_many((letter.raw, NOW - timedelta(minutes=n)) for n, letter in enumerate(post.letters))
        yield server


def _p12(entry: KeyEntry, password: str = "secret") -> str:
    return base64.b64encode(entry.to_pkcs12(password.encode())).decode()


def config(exchange: MockExchange, post: Post, **keys: Any) -> AppConfig:
    """The administrator's: two configured certificates, escrow of three retired ones, one root."""
    escrow = [
        {"email_escrow_certificates": _p12(entry, f"pw{n}"), "email_escrow_certificates_MI_CERT_PW": f"pw{n}"}
        for n, entry in enumerate(post.retired)
    ]
    pairs: dict[str, Any] = {
        "email_address": READER,
        "email_device_id": "0123456789ABCDEF",
        "email_exchange_host": exchange.url.split("/")[2],
        "email_exchange_username": "alice",
        "email_password": "alice-secret",
        "email_ssl_required": "false",
        "email_max_sync_period": "0",
        "email_default_sync_period": "0",
        "email_signing_certificate": _p12(post.reader["p256"]),
        "email_signing_certificate_MI_CERT_PW": "secret",
        "email_encryption_certificate": _p12(post.reader["rsa"]),
        "email_encryption_certificate_MI_CERT_PW": "secret",
        "email_escrow_certificates": escrow,
        "email_certificate_1": base64.b64encode(post.authority.certificate.public_bytes(DER)).decode(),
    }
    return AppConfig.load({name: value for name, value in (pairs | keys).items() if value is not None})


@pytest.fixture(scope="module", params=["as configured by default", "always_fetch_mime", "2.5"])
def mailbox(
    request: pytest.FixtureRequest, exchange: MockExchange, post: Post, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mailbox]:
    more = {"always_fetch_mime": "true"} if request.param == "always_fetch_mime" else {}
    version = request.param if request.param[0].isdigit() else None
    path = tmp_path_factory.mktemp("smime") / "mail.db"
    with Mailbox.open(config(exchange, post, **more), store=path, key=KEY) as opened:
        for kind in ("p384", "p521"):
            opened.protection.import_archive(post.reader[kind].to_pkcs12(b"x"), "x", source="self-service")
        opened.keychain.add(post.reader["x25519"])
        assert opened.notices == []
        opened.sync(version=version)
        yield opened


def _said(message: StoredMessage) -> tuple[Word, tuple[str, ...]]:
    assert message.security is not None
    return message.security.word, tuple(layer.kind for layer in message.security.layers)


def test_there_are_two_hundred(post: Post) -> None:
    letters = post.letters
    print(f"\n{len(letters)} S/MIME messages of {len({letter.name for letter in letters})} kinds")
    assert len(letters) >= 200


def test_every_message_gets_the_right_report(mailbox: Mailbox, post: Post) -> None:
    stored = {mailbox.store.body(message.id): message for message in mailbox.search(limit=None)}
    assert len(stored) == len(post.letters)
    wrong = []
    for letter in post.letters:
        message = mailbox.message(stored[letter.raw].id)
        assert message.security is not None
        reasons = {finding.reason for finding in message.security.reasons()}
        if _said(message) != (letter.word, letter.kinds) or (letter.reason and letter.reason not in reasons):
            wrong.append((letter.name, _said(message), message.security.reasons()))
        if letter.text not in message.text or (not letter.text and "nothing" in message.text):
            wrong.append((letter.name, message.text, ()))
        assert _said(stored[letter.raw]) == _said(message)
    assert wrong == []
    print(f"\n{len(post.letters)} messages opened, each with the report it ought to have")


def test_the_same_in_pieces(mailbox: Mailbox, post: Post) -> None:
    """A message too large for memory has the same report, or one that says what was not looked into."""
    alike = 0
    for message in mailbox.search(limit=None):
        whole, large = mailbox.opened(message.id), mailbox.opened_in_pieces(message.id)
        if any(finding.reason is Reason.NOT_OPENED for finding in large.report.findings):
            assert large.report.word is not Word.TRUSTED
            continue
        alike += 1
        if "zip bomb" not in message.subject:  # what may grow is more where it is not held
            assert large.report.word is whole.report.word, message.subject
    assert alike > len(post.letters) * 0.9


def test_a_large_message_is_judged_in_pieces(mailbox: Mailbox, post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """From `LARGE` bytes on its report is had without it in memory."""
    monkeypatch.setattr("emailplus.protection.LARGE", 0)
    monkeypatch.setattr("emailplus.protection.open_message", lambda *_, **__: pytest.fail("read into memory"))
    words = {message.security.word for message in mailbox.search(limit=None) if message.security}
    assert {Word.TRUSTED, Word.INVALID} <= words


def test_a_large_message_is_seen_as_a_small_one(mailbox: Mailbox, post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is inside is put aside, encrypted, and read there."""
    found = mailbox.search(limit=None)[::4]
    whole = {message.id: mailbox.view(message.id) for message in found}
    monkeypatch.setattr("emailplus.protection.LARGE", 0)
    monkeypatch.setattr("emailplus.protection.open_message", lambda *_, **__: pytest.fail("read into memory"))
    alike = 0
    for message in found:
        large = mailbox.opened_in_pieces(message.id).report
        if "zip bomb" in message.subject or any(f.reason is Reason.NOT_OPENED for f in large.findings):
            continue
        seen, expected = mailbox.view(message.id), whole[message.id]
        assert (seen.text, seen.html) == (expected.text, expected.html), message.subject
        assert [item.name for item in seen.attachments] == [item.name for item in expected.attachments]
        assert [item.content() for item in seen.attachments] == [item.content() for item in expected.attachments]
        alike += 1
    assert alike > len(found) * 0.8

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("emailplus.protection.Aside", full)
    problems = {problem for message in found[:9] for problem in mailbox.view(message.id).problems}
    assert "there is no room to open what is protected: No space left on device" in problems


def test_escrow_opened_what_three_retired_certificates_received(mailbox: Mailbox, post: Post) -> None:
    keys = set()
    for message in mailbox.search(limit=None):
        if message.subject.startswith("to a retired certificate"):
            assert message.security is not None
            keys.add(message.security.layers[0].key)
    assert keys == {f"{entry.fingerprint} (escrow)" for entry in post.retired}


def test_signed_mail_teaches_the_certificates_of_its_senders(mailbox: Mailbox, post: Post) -> None:
    """Those with which one can encrypt too; a stranger's authority teaches nothing."""
    known = certificates.candidates(mailbox.store.database, SENDER)
    teachers = {entry.fingerprint for kind, entry in post.signers.items() if kind != "ed25519"}
    names = {fingerprint(candidate.certificate) for candidate in known}
    assert teachers <= names
    assert all(candidate.source is Source.SIGNED_MAIL for candidate in known)
    choice = mailbox.protection.choose(SENDER)
    assert choice.certificate is not None
    assert mailbox.protection.choose("boss@example.test").certificate is None
    assert fingerprint(choice.certificate) in names
    issuers = {candidate.certificate.issuer for candidate in known}
    assert issuers == {post.authority.certificate.subject}


def test_nothing_encrypted_is_in_the_index_before_it_is_asked_for(mailbox: Mailbox, post: Post) -> None:
    by_kind: dict[tuple[str, ...], Letter] = {}
    for letter in post.letters:
        if letter.text and letter.text.startswith("w"):
            by_kind.setdefault(letter.kinds, letter)

    def found(kinds: tuple[str, ...]) -> bool:
        return bool(mailbox.search(by_kind[kinds].text))

    signed, encrypted, both = ("signed",), ("encrypted",), ("encrypted", "signed")
    assert (found(signed), found(encrypted), found(both)) == (True, False, False)
    mailbox.settings.choose("index_encrypted_mail", True)
    mailbox.sync()
    assert (found(signed), found(encrypted), found(both)) == (True, True, True)
    mailbox.settings.reset("index_encrypted_mail")
    assert (found(encrypted), found(both)) == (False, False)
    mailbox.sync()
    assert (found(signed), found(encrypted), found(both)) == (True, False, False)
    path = mailbox.store.path
    assert by_kind[encrypted].text.encode() not in path.read_bytes()


def test_protected_headers_are_shown(mailbox: Mailbox, post: Post) -> None:
    (letter,) = (letter for letter in post.letters if letter.name == "headers protected")
    (message,) = (m for m in mailbox.search(limit=None) if m.subject == "[...]")
    assert mailbox.message(message.id).subject == f"Hidden {letter.text}"
    assert mailbox.protection.open(message.id).raw == letter.raw


@pytest.fixture
def alone(post: Post, tmp_path: Path) -> Iterator[tuple[MockExchange, Mailbox]]:
    """A server and a mailbox without mail."""
    with MockExchange() as server, Mailbox.open(config(server, post), store=tmp_path / "m.db", key=KEY) as opened:
        yield server, opened


def _mixed(signed: bytes) -> bytes:
    return b"".join(
        (
            f"From: {SENDER}\r\nTo: {READER}\r\nSubject: mixed\r\nMIME-Version: 1.0\r\n".encode(),
            b"Content-Type: multipart/mixed; boundary=mm\r\n\r\n--mm\r\n",
            signed,
            b"\r\n--mm\r\nContent-Type: text/plain\r\n\r\nTo the account below.\r\n--mm--\r\n",
        )
    )


def test_a_signed_part_among_others_is_never_green(post: Post, tmp_path: Path) -> None:
    with MockExchange() as server:
        server.user("alice").deliver(_mixed(sign_clear(post.entity("x"), post.signers["p256"])))
        for fetch in ("true", "false"):
            keys = config(server, post, always_fetch_mime=fetch)
            with Mailbox.open(keys, store=tmp_path / f"{fetch}.db", key=KEY) as opened:
                opened.sync()
                (message,) = opened.search()
                assert message.security is not None
                assert message.security.word is (Word.PARTIAL if fetch == "true" else Word.UNPROTECTED)


def test_a_message_that_a_limit_refuses_says_so(post: Post, tmp_path: Path) -> None:
    big = b"Content-Type: text/plain\r\n\r\n" + b"A line of text.\r\n" * 100_000
    with MockExchange() as server:
        head = f"From: {SENDER}\r\nSubject: big\r\nMIME-Version: 1.0\r\n".encode()
        for sign in (sign_clear, sign_opaque):
            server.user("alice").deliver(head + sign(big, post.signers["p256"]))
        keys = config(server, post, email_max_body_size="1")
        with Mailbox.open(keys, store=tmp_path / "m.db", key=KEY) as opened:
            opened.sync()
            for message in opened.search():
                for seen in (message, opened.message(message.id)):
                    assert seen.security is not None
                    assert seen.security.word is Word.UNREADABLE
                    assert {finding.reason for finding in seen.security.reasons()} == {Reason.INCOMPLETE}


def test_unprotected_mail_has_a_report_too(alone: tuple[MockExchange, Mailbox]) -> None:
    server, opened = alone
    server.user("alice").deliver(b"From: bob@example.test\r\nSubject: plain\r\n\r\nHello\r\n")
    opened.sync()
    (message,) = opened.search()
    assert message.security is not None
    assert message.security.word is Word.UNPROTECTED
    assert message.security.layers == ()


def _with_attachment(data: bytes) -> bytes:
    made = EmailMessage()
    made["From"] = made["To"] = READER
    made["Subject"] = "My key"
    made.set_content("Here it is.")
    made.add_attachment(data, maintype="application", subtype="x-pkcs12", filename="key.pfx")
    return made.as_bytes()


def test_a_mailed_pfx_is_imported_with_its_password(
    alone: tuple[MockExchange, Mailbox], authority: Authority, post: Post
) -> None:
    """Guide, "Importing S/MIME certificates to the device through email": it asks for the password."""
    server, opened = alone
    own = authority.issue("p384", (READER,))
    box = server.user("alice")
    box.deliver(_with_attachment(own.to_pkcs12(b"geheim")))
    box.deliver(_with_attachment(b"no archive"))
    made = enveloped_data(post.entity("later"), [own.certificate])
    box.deliver(f"From: {SENDER}\r\nSubject: shut\r\n".encode() + pkcs7_entity(made, "authEnveloped-data"))
    opened.sync()
    (shut,) = opened.search("subject:shut")
    assert shut.security is not None
    assert shut.security.word is Word.UNREADABLE
    archives = [a for m in opened.search("subject:key") for a in opened.message(m.id).attachments]
    asked: list[str] = []

    def ask(name: str) -> str | None:
        asked.append(name)
        return ["wrong", "geheim"][len(asked) - 1] if len(asked) < 3 else None

    good, bad = sorted(archives, key=lambda attachment: -attachment.size)
    (entry,) = opened.import_certificate(good.id, ask)
    assert entry.fingerprint == own.fingerprint
    assert asked == ["key.pfx", "key.pfx"]
    with pytest.raises(WrongKeyPassword):
        opened.import_certificate(good.id, lambda _: None)
    with pytest.raises(KeyImportFailed, match="not a PKCS#12"):
        opened.import_certificate(bad.id, ask)
    assert opened.message(shut.id).text.startswith("The word is later")
    (again,) = opened.search("subject:shut")
    assert again.security is not None
    assert again.security.word is Word.ENCRYPTED
    source = {entry.fingerprint: entry.source for entry in opened.keychain.entries()}[own.fingerprint]
    assert source == "attachment"
    assert opened.keychain.chosen(Role.SIGNING) != own
