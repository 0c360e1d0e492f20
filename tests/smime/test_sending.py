"""Sending through the mock: who asked for protection, what arrives, what is asked first, and that nothing leaks."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from emailplus.classification import ready
from emailplus.errors import CertificateUnusable, ConfirmationNeeded, Declined, PolicyDenied, PolicyNotApplicable
from emailplus.mailbox import AsyncMailbox, Mailbox
from emailplus.mock import MockExchange, MockPolicy
from emailplus.mock.faults import Status
from emailplus.mock.policy import DEFAULT_SETTINGS
from emailplus.model.draft import Draft, DraftAttachment
from emailplus.model.outbox import OutboxState
from emailplus.model.questions import Question, RecipientsCannotDecrypt
from emailplus.smime.encrypt import encrypt_for
from emailplus.smime.keychain import KeyEntry, Role
from emailplus.smime.message import OpenedMessage, open_message
from emailplus.smime.recipients import Source
from emailplus.smime.report import Reason, Word
from emailplus.smime.sign import sign_clear
from tests.smime.conftest import NOW, Authority
from tests.smime.letters import READER, Post
from tests.smime.test_mailbox import KEY, config

DER = serialization.Encoding.DER
BOB, CAROL = "bob@example.test", "carol@example.test"


@pytest.fixture(scope="module")
def post(authority: Authority) -> Post:
    return Post(authority)


@dataclass
class Office:
    """Alice's mailbox, the server, and the keys of Bob and Carol."""

    server: MockExchange
    mailbox: Mailbox
    authority: Authority
    keys: dict[str, KeyEntry]
    post: Post

    def publish(self, *names: str) -> None:
        """Put certificates into the company's directory."""
        for name in names:
            self.server.directory.entry(name).certificates.append(self.keys[name].certificate.public_bytes(DER))

    def arrived(self, name: str) -> list[OpenedMessage]:
        """What lies in somebody's inbox, opened with that person's key and judged by the authority."""
        items = self.server.user(name).items("Inbox")
        return [open_message(item.raw, keys=[self.keys[name]], trust=self.authority.trust) for item in items]

    def sent(self) -> list[bytes]:
        return [item.raw for item in self.server.user("alice").items("Sent Items")]

    def asked(self, command: str) -> int:
        return len(self.server.requests.of(command))

    def draft(self, **more: Any) -> Draft:
        given = {"to": BOB, "subject": "Figures", "text": "The figures are 42."} | more
        switches = {name: given.pop(name) for name in ("sign", "encrypt") if name in given}
        return replace(self.mailbox.new(**given), **switches)


@pytest.fixture
def office(post: Post, authority: Authority, tmp_path: Path) -> Iterator[Office]:
    keys = {name: authority.issue("rsa", (f"{name}@example.test",)) for name in ("bob", "carol")}
    keys["alice"] = post.reader["rsa"]
    with MockExchange() as server, Mailbox.open(config(server, post), store=tmp_path / "m.db", key=KEY) as mailbox:
        server.trust.roots.append(authority.certificate.public_bytes(DER))
        mailbox.sync()
        yield Office(server, mailbox, authority, keys, post)


def answering(answer: str, seen: list[Question] | None = None) -> Callable[[Question], str]:
    def confirm(question: Question) -> str:
        if seen is not None:
            seen.append(question)
        return answer

    return confirm


def test_nothing_asked_for_goes_as_it_is(office: Office) -> None:
    office.mailbox.send(office.draft())
    (mail,) = office.arrived("bob")
    assert mail.report.word is Word.UNPROTECTED
    assert office.asked("ResolveRecipients") == 0


@pytest.mark.parametrize("clear", [True, False])
def test_always_sign_and_sign_as_clear_text(office: Office, clear: bool) -> None:
    """Guide, "Importing S/MIME certificates": Sign, Always Sign, Sign As Clear Text."""
    office.mailbox.settings.choose("always_sign", True)
    office.mailbox.settings.choose("sign_as_clear_text", clear)
    office.mailbox.send(office.draft(bcc=CAROL))
    for name in ("bob", "carol"):
        (mail,) = office.arrived(name)
        assert mail.report.word is Word.TRUSTED
        assert (b"The figures are 42" in mail.raw) == clear
        assert b"carol" not in mail.raw
    office.mailbox.send(office.draft(sign=False, to=CAROL))
    assert [mail.report.word for mail in office.arrived("carol")] == [Word.TRUSTED, Word.UNPROTECTED]


def test_encrypted_with_certificates_of_the_directory(office: Office) -> None:
    office.publish("bob")
    attachment = DraftAttachment(name="a.bin", content=b"\0\1")
    entry = office.mailbox.send(office.draft(encrypt=True, sign=True, attachments=[attachment]))
    assert entry.state is OutboxState.CONFIRMED
    (mail,) = office.arrived("bob")
    assert mail.report.word is Word.TRUSTED
    assert [layer.kind for layer in mail.report.layers] == ["encrypted", "signed"]
    assert b"figures" not in mail.raw.replace(b"Figures", b"")
    (kept,) = office.sent()
    assert open_message(kept, keys=[office.keys["alice"]]).report.layers[0].opened
    assert office.mailbox.protection.choose(BOB).candidate is not None
    assert office.mailbox.protection.choose(BOB).candidate.source is Source.DIRECTORY  # type: ignore[union-attr]
    office.mailbox.send(office.draft(encrypt=True))
    assert office.asked("ResolveRecipients") == 1  # kept, with where it came from


def test_what_the_directory_gives_no_longer_is_forgotten(office: Office) -> None:
    office.publish("bob")
    (choice,) = office.mailbox.find_certificates([BOB])
    assert choice.certificate == office.keys["bob"].certificate
    office.server.directory.entry("bob").certificates.clear()
    (choice,) = office.mailbox.find_certificates([BOB])
    assert choice.certificate is None


def test_bcc_gets_an_envelope_of_its_own(office: Office) -> None:
    office.publish("bob", "carol")
    office.mailbox.send(office.draft(bcc=CAROL, encrypt=True))
    (first,), (second,) = office.arrived("bob"), office.arrived("carol")
    assert first.report.word is second.report.word is Word.ENCRYPTED
    assert b"carol" not in first.raw
    assert len(first.report.layers[0].recipients) == len(second.report.layers[0].recipients) == 2
    assert open_message(first.raw, keys=[office.keys["carol"]]).report.word is Word.UNREADABLE
    (kept,) = office.sent()  # one message in Sent Items, not one more for each Bcc
    assert b"carol" not in kept


def test_who_cannot_decrypt_stops_it_with_the_names(office: Office) -> None:
    office.publish("bob")
    draft = office.draft(to=f"{BOB}, {CAROL}, outside@example.net", encrypt=True)
    with pytest.raises(ConfirmationNeeded) as caught:
        office.mailbox.send(draft)
    question = caught.value.question
    assert isinstance(question, RecipientsCannotDecrypt)
    assert question.addresses == (CAROL, "outside@example.net")
    assert question.choices == ("cancel", "without", "unencrypted")
    assert all("no certificate" in reason for reason in question.reasons)
    with pytest.raises(Declined):
        office.mailbox.send(draft, confirm=answering("cancel"))
    assert office.mailbox.outbox() == []
    assert office.arrived("bob") == []


def test_without_them_and_in_the_clear(office: Office) -> None:
    office.publish("bob")
    office.mailbox.send(office.draft(to=f"{BOB}, {CAROL}", encrypt=True), confirm=answering("without"))
    (mail,) = office.arrived("bob")
    assert mail.report.word is Word.ENCRYPTED
    assert office.arrived("carol") == []
    assert b"carol" not in mail.raw
    office.mailbox.send(office.draft(to=CAROL, encrypt=True, sign=True), confirm=answering("unencrypted"))
    (mail,) = office.arrived("carol")
    assert [layer.kind for layer in mail.report.layers] == ["signed"]


def test_an_expired_certificate_is_named_as_the_reason(office: Office, authority: Authority) -> None:
    late = authority.issue("p256", (BOB,), end=-1)
    office.mailbox.import_recipient(late.certificate.public_bytes(DER))
    with pytest.raises(ConfirmationNeeded) as caught:
        office.mailbox.send(office.draft(encrypt=True))
    assert isinstance(caught.value.question, RecipientsCannotDecrypt)
    assert "expired" in caught.value.question.reasons[0]
    good = authority.issue("p256", (BOB,))
    assert office.mailbox.import_recipient(good.certificate.public_bytes(DER)) == [BOB]
    office.mailbox.send(office.draft(encrypt=True))
    office.keys["bob"] = good
    (mail,) = office.arrived("bob")
    assert mail.report.word is Word.ENCRYPTED


def test_a_directory_that_cannot_be_asked_is_no_obstacle(office: Office) -> None:
    office.server.faults.add(Status(110), "ResolveRecipients", times=5)
    office.mailbox.import_recipient(office.keys["bob"].certificate.public_bytes(DER))
    draft = office.draft(to=f"{BOB}, {CAROL}", encrypt=True)
    with pytest.raises(ConfirmationNeeded):
        office.mailbox.send(draft)


def test_our_own_certificate_has_to_be_usable(office: Office) -> None:
    office.publish("bob")
    office.mailbox.keychain.select(Role.ENCRYPTION, None)
    with pytest.raises(CertificateUnusable, match="no certificate is selected for encryption"):
        office.mailbox.send(office.draft(encrypt=True))
    office.mailbox.keychain.mark_revoked(office.mailbox.keychain.required(Role.SIGNING, NOW).fingerprint)
    with pytest.raises(CertificateUnusable, match="revoked"):
        office.mailbox.send(office.draft(sign=True))
    assert office.mailbox.outbox() == []


def _deliver_encrypted(office: Office, post: Post, *, attachment: bool = False) -> int:
    """An encrypted mail from Bob in Alice's inbox; its id."""
    entity = post.entity("secret")
    if attachment:
        entity = b"".join(
            (
                b"Content-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\n", entity,
                b'\r\n--bb\r\nContent-Type: application/pdf; name="plan.pdf"\r\n'
                b'Content-Disposition: attachment; filename="plan.pdf"\r\n\r\n%PDF plan\r\n--bb--\r\n',
            )
        )  # fmt: skip
    reader = post.reader["rsa"].certificate
    inner = sign_clear(entity, office.keys["bob"])
    (copy,) = encrypt_for(inner, office.keys["bob"].certificate, {READER: reader})
    head = f"From: Bob <{BOB}>\r\nTo: {READER}\r\nSubject: Plans\r\nMIME-Version: 1.0\r\n".encode()
    office.server.user("alice").deliver(head + copy.entity, received=NOW - timedelta(minutes=1))
    office.mailbox.sync()
    (message,) = office.mailbox.search("subject:plans")
    return message.id


def test_answers_in_an_encrypted_thread_are_encrypted(office: Office, post: Post) -> None:
    """Guide: "automatically encrypts emails when replying to or forwarding an encrypted email thread"."""
    number = _deliver_encrypted(office, post)
    draft = office.mailbox.reply(number, text="Agreed.")
    assert "The word is secret" in draft.quote.text  # type: ignore[union-attr]
    office.mailbox.send(draft)  # Bob's certificate came with his signature
    (mail,) = office.arrived("bob")
    assert mail.report.encrypted
    assert b"The word is secret" in mail.content
    assert b"The word is secret" not in mail.raw
    assert office.asked("SmartReply") == 1
    assert office.asked("ResolveRecipients") == 0
    office.mailbox.send(replace(office.mailbox.reply(number, text="No matter."), encrypt=False))
    assert [mail.report.encrypted for mail in office.arrived("bob")] == [True, False]


def test_a_forward_carries_what_lies_inside(office: Office, post: Post) -> None:
    office.publish("carol")
    number = _deliver_encrypted(office, post, attachment=True)
    (part,) = office.mailbox.message(number).parts
    assert (part.name, part.data) == ("plan.pdf", b"%PDF plan")
    draft = office.mailbox.forward(number, to=CAROL)
    assert [attachment.name for attachment in draft.attachments] == ["plan.pdf"]
    office.mailbox.send(draft)
    (mail,) = office.arrived("carol")
    assert mail.report.word is Word.ENCRYPTED
    assert b"plan.pdf" in mail.content
    assert b"smime.p7m" not in mail.content


def _policy(office: Office, **settings: str) -> None:
    office.server.set_policy(MockPolicy(DEFAULT_SETTINGS | settings))
    office.mailbox.sync()


def test_the_servers_demands_are_obeyed(office: Office) -> None:
    office.publish("bob")
    _policy(office, RequireSignedSMIMEMessages="1", RequireEncryptedSMIMEMessages="1")
    office.mailbox.send(office.draft(sign=False, encrypt=False))
    (mail,) = office.arrived("bob")
    assert [layer.kind for layer in mail.report.layers] == ["encrypted", "signed"]
    with pytest.raises(PolicyDenied):
        office.mailbox.send(office.draft(to=CAROL), confirm=answering("unencrypted"))
    assert office.arrived("carol") == []


def test_the_servers_algorithms(office: Office) -> None:
    office.publish("bob")
    _policy(
        office, RequireSignedSMIMEAlgorithm="0", RequireEncryptionSMIMEAlgorithm="0",
        AllowSMIMEEncryptionAlgorithmNegotiation="0",
    )  # fmt: skip
    office.mailbox.send(office.draft(sign=True, encrypt=True))
    (mail,) = office.arrived("bob")
    encrypted, signed = mail.report.layers
    assert (encrypted.cipher, signed.signers[0].digest) == ("3des-cbc", "sha1")
    _policy(office, RequireEncryptionSMIMEAlgorithm="3", AllowSMIMEEncryptionAlgorithmNegotiation="0")
    with pytest.raises(PolicyNotApplicable):
        office.mailbox.send(office.draft(encrypt=True))
    _policy(office, RequireEncryptionSMIMEAlgorithm="3", AllowSMIMEEncryptionAlgorithmNegotiation="1")
    office.mailbox.send(office.draft(encrypt=True))
    assert office.arrived("bob")[-1].report.layers[0].cipher == "aes256-gcm"
    _policy(office, AllowSMIMESoftCerts="0")
    with pytest.raises(PolicyDenied):
        office.mailbox.send(office.draft(sign=True))


def _announce(office: Office, entry: KeyEntry) -> None:
    """Bob writes a mail that OpenSSL signed: it announces AES in CBC mode and older ciphers, and no GCM."""
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = Path(folder) / "cert.pem", Path(folder) / "key.pem"
        certificate.write_bytes(entry.certificate.public_bytes(serialization.Encoding.PEM))
        key.write_bytes(
            entry.private_key.private_bytes(  # type: ignore[attr-defined]
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        command = ["openssl", "cms", "-sign", "-signer", str(certificate), "-inkey", str(key)]
        made = subprocess.run(command, input=b"Content-Type: text/plain\n\nHello\n", capture_output=True, check=True)
    head = f"From: Bob <{BOB}>\nTo: {READER}\nSubject: Hello\n".encode()
    office.server.user("alice").deliver(head + made.stdout, received=NOW)
    office.mailbox.sync()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl command on this machine")
def test_the_cipher_is_one_that_all_recipients_announced(office: Office) -> None:
    """RFC 8551 2.7.1: what a recipient's signature says to be able to read decides, the strongest first."""
    office.publish("carol")
    _announce(office, office.keys["bob"])
    told = office.mailbox.protection.choose(BOB).capabilities
    assert told is not None
    office.mailbox.send(office.draft(encrypt=True))
    office.mailbox.send(office.draft(to=CAROL, encrypt=True))
    office.mailbox.send(office.draft(to=f"{BOB}, {CAROL}", encrypt=True))
    assert [mail.report.layers[0].cipher for mail in office.arrived("bob")] == ["aes256-cbc", "aes256-cbc"]
    assert [mail.report.layers[0].cipher for mail in office.arrived("carol")] == ["aes256-gcm", "aes256-cbc"]


def test_header_protection_is_a_setting(office: Office) -> None:
    office.publish("bob")
    office.mailbox.settings.choose("protect_headers", True)
    office.mailbox.send(office.draft(sign=True, encrypt=True, subject="The merger"))
    (mail,) = office.arrived("bob")
    assert b"merger" not in mail.raw
    assert mail.protected is not None
    assert mail.protected.get("Subject") == "The merger"
    assert mail.report.word is Word.TRUSTED


def test_the_servers_verdict_is_an_option(office: Office, post: Post) -> None:
    """ValidateCert: what the server refuses is one more reason; nothing is asked unless it is wanted."""
    number = _deliver_encrypted(office, post)
    assert office.mailbox.opened(number).report.word is Word.TRUSTED
    assert office.asked("ValidateCert") == 0
    assert office.mailbox.opened(number, ask_server=True).report.word is Word.TRUSTED
    office.server.trust.roots.clear()
    report = office.mailbox.opened(number, ask_server=True).report
    assert report.word is Word.DOUBTFUL
    assert Reason.SERVER_REFUSES in {finding.reason for finding in report.reasons()}
    assert office.asked("ValidateCert") == 2

    async def go() -> OpenedMessage:
        return await AsyncMailbox(office.mailbox).opened(number, ask_server=True)

    assert asyncio.run(go()).report.word is Word.DOUBTFUL


def test_the_same_for_asyncio(office: Office) -> None:
    office.publish("bob")

    async def go() -> None:
        mailbox = AsyncMailbox(office.mailbox)
        await mailbox.send(office.draft(encrypt=True))
        (choice,) = await mailbox.find_certificates([BOB])
        assert choice.certificate is not None
        assert await mailbox.import_recipient(office.keys["carol"].certificate.public_bytes(DER)) == [CAROL]
        assert (await mailbox.fetch_revocation_lists()).fetched == []
        assert mailbox.keychain.chosen(Role.SIGNING) is not None
        await mailbox.sync()
        (message,) = await mailbox.search("in:sent")
        assert (await mailbox.opened(message.id)).report.word is Word.ENCRYPTED

    asyncio.run(go())
    (mail,) = office.arrived("bob")
    assert mail.report.word is Word.ENCRYPTED


# -- with a classification


MARKERS = ready.text("au_2025")


def marked(office: Office, **more: Any) -> Draft:
    office.mailbox.apply(config(office.server, office.post, email_security_classification_json=MARKERS))
    return replace(office.draft(**more), classification={"chosen": {"SEC": ["SECRET"]}})


def test_a_marking_is_stamped_before_signing_and_encrypting(office: Office) -> None:
    office.publish("bob")
    office.mailbox.send(marked(office, sign=True, encrypt=True))
    (mail,) = office.arrived("bob")
    assert mail.report.word is Word.TRUSTED
    outer = message_from_bytes(mail.raw, policy=policy.default)
    assert outer["X-Protective-Marking"].startswith("VER=2025.1, NS=gov.au, SEC=SECRET, ORIGIN=")
    assert outer["Subject"] == "Figures [SEC=SECRET]"
    inner = message_from_bytes(mail.content, policy=policy.default).get_content().split()
    assert (inner[0], inner[-1]) == ("SECRET", "SECRET")
    assert "figures" in inner
    office.mailbox.sync()
    (kept,) = office.mailbox.search("class:SECRET in:sent")
    assert kept.marking is not None
    assert kept.marking.label == "SEC=SECRET"


@pytest.mark.parametrize("answer", ["without", "unencrypted"])
def test_a_message_written_again_for_other_recipients_keeps_its_marking(office: Office, answer: str) -> None:
    office.publish("bob")
    office.mailbox.send(marked(office, to=f"{BOB}, {CAROL}", encrypt=True), confirm=answering(answer))
    (mail,) = office.arrived("bob")
    inner = message_from_bytes(mail.content, policy=policy.default).get_content().split()
    assert (inner[0], inner[-1]) == ("SECRET", "SECRET")
