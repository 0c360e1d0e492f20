"""S/MIME mail of every kind through a real server: each opens with the right report, and what is sent arrives whole."""

from __future__ import annotations

import base64
import email
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from emailplus.mailbox import Mailbox
from emailplus.model.message import BodyType
from emailplus.model.outbox import OutboxState
from emailplus.smime.keychain import KeyEntry
from emailplus.smime.message import open_message
from emailplus.smime.report import Word
from tests.smime.conftest import NOW, Authority
from tests.smime.letters import READER, SENDER, Letter, Post

from .imap import Imap
from .runs import open_mailbox
from .server import Server, User

FOLDER = "Sealed"
DER = serialization.Encoding.DER


@pytest.fixture(scope="module")
def post() -> Post:
    return Post(Authority())


def _user(server: Server, address: str) -> User:
    found = [user for user in server.users if user.email == address]
    if not found:
        pytest.skip(f"the server has no {address}")
    return found[0]


def _archive(key: str, entry: KeyEntry) -> dict[str, str]:
    return {key: base64.b64encode(entry.to_pkcs12(b"pw")).decode(), f"{key}_MI_CERT_PW": "pw"}


def _keys(post: Post) -> dict[str, Any]:
    return {
        **_archive("email_encryption_certificate", post.reader["rsa"]),
        **_archive("email_signing_certificate", post.reader["p256"]),
        "email_escrow_certificates": [_archive("email_escrow_certificates", entry) for entry in post.retired],
        "email_certificate_1": base64.b64encode(post.authority.certificate.public_bytes(DER)).decode(),
    }


@pytest.fixture
def folder(server: Server, imap_of: Callable[[User], Imap], post: Post) -> Iterator[None]:
    """All letters in a folder of their own."""
    session = imap_of(_user(server, READER))
    session.delete_folder(FOLDER)
    session.create(FOLDER)
    for number, letter in enumerate(post.letters):
        session.append(FOLDER, letter.raw, NOW - timedelta(minutes=number))
    yield
    session.delete_folder(FOLDER)


def _identity(raw: bytes) -> bytes:
    """By the Message-ID; the letter without one by its content."""
    found = email.message_from_bytes(raw)["Message-ID"]
    return str(found).encode() if found else raw.replace(b"\r\n", b"\n").strip()


@pytest.mark.parametrize("fetch", ["false", "true"])
def test_every_message_opens_with_the_right_report(
    server: Server, post: Post, folder: None, figures: dict[str, Any], tmp_path: Path, fetch: str
) -> None:
    """As by default, where the server sends MIME of S/MIME mail alone, and with `always_fetch_mime`."""
    user = _user(server, READER)
    with open_mailbox(server, user, tmp_path / "m.db", always_fetch_mime=fetch, **_keys(post)) as mailbox:
        for kind in ("p384", "p521", "x25519"):
            mailbox.keychain.add(post.reader[kind])
        mailbox.sync()
        opened = {_identity(mailbox.store.body(m.id)): m.id for m in mailbox.search(f"in:{FOLDER}", limit=None)}
        letters = [letter for letter in post.letters if _identity(letter.raw) in opened]
        wrong = [told for letter in letters if (told := _wrong(mailbox, letter, opened[_identity(letter.raw)]))]
        figures[f"S/MIME, always_fetch_mime={fetch}"] = {"delivered": len(post.letters), "opened": len(letters)}
        assert len(letters) == len(post.letters) >= 200
        assert wrong == []


def _wrong(mailbox: Mailbox, letter: Letter, number: int) -> str:
    message = mailbox.message(number)
    report = message.security
    if message.body_type != BodyType.MIME or report is None:
        return f"{letter.name}: no MIME"
    said = report.word, tuple(layer.kind for layer in report.layers)
    if said != (letter.word, letter.kinds):
        return f"{letter.name}: {said}, {report.reasons()}"
    return "" if letter.text in message.text else f"{letter.name}: another text"


def test_what_is_sent_arrives_protected(
    server: Server, post: Post, imap_of: Callable[[User], Imap], figures: dict[str, Any], tmp_path: Path
) -> None:
    bob = post.authority.issue("rsa", (SENDER,))
    with open_mailbox(server, _user(server, READER), tmp_path / "m.db", **_keys(post)) as mailbox:
        mailbox.sync()
        mailbox.import_recipient(bob.certificate.public_bytes(DER))
        subject = f"Sealed {NOW:%s} {post.letters[0].text}"
        draft = replace(mailbox.new(to=SENDER, subject=subject, text="The word is given."), sign=True, encrypt=True)
        entry = mailbox.send(draft)
        assert entry.state in (OutboxState.CONFIRMED, OutboxState.SENT)
    session = imap_of(_user(server, SENDER))
    (raw,) = (m.raw for m in session.messages("INBOX", "INBOX") if subject.encode() in m.raw)
    opened = open_message(raw, keys=[bob], trust=post.authority.trust)
    assert opened.report.word is Word.TRUSTED
    assert [layer.kind for layer in opened.report.layers] == ["encrypted", "signed"]
    assert b"The word is given" in opened.content
    figures["S/MIME sent"] = "signed and encrypted, read back over IMAP"
    session.expunge("INBOX", session.uid_of("INBOX", subject))
