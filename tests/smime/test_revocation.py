"""Revocation lists fetched from where certificates point, kept with nextUpdate, and the state when they cannot be."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from emailplus import account
from emailplus.mailbox import Mailbox
from emailplus.mock import MockExchange
from emailplus.smime.keychain import KeyEntry
from emailplus.smime.report import Reason, Revocation, Word
from emailplus.smime.sign import sign_clear
from emailplus.store import certificates
from tests.smime.conftest import NOW, Authority, _usage
from tests.smime.letters import READER, SENDER, Post
from tests.smime.test_mailbox import KEY, config

DER = serialization.Encoding.DER


class Publisher:
    """Serves what `files` holds; `asked` are the paths and headers it saw."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[int, bytes, str]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.asked.append((self.path, dict(self.headers)))
                status, body, location = publisher.files.get(self.path, (404, b"", ""))
                self.send_response(status)
                if location:
                    self.send_header("Location", location)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    made = Publisher()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def post(authority: Authority) -> Post:
    return Post(authority)


def issue(authority: Authority, url: str, email: str = SENDER) -> KeyEntry:
    """A certificate that says where its authority publishes revocations."""
    key = authority.private("p256")
    point = x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)
    made = (
        authority._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, email)]), key.public_key(), -30, 30)  # type: ignore[attr-defined]
        .add_extension(_usage("digital_signature", "key_agreement"), True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
        .add_extension(x509.SubjectAlternativeName([x509.RFC822Name(email)]), False)
        .add_extension(x509.CRLDistributionPoints([point]), False)
        .sign(authority.key, hashes.SHA256())
    )
    return KeyEntry(made, key)  # type: ignore[arg-type]


class Desk:
    """A server with one signed mail, and the mailbox that reads it with revocation switched on."""

    def __init__(self, post: Post, authority: Authority, publisher: Publisher, path: Path) -> None:
        self.post, self.authority, self.publisher, self.path = post, authority, publisher, path
        self.entry = issue(authority, f"{publisher.url}/ca.crl")

    def publish(self, *revoked: x509.Certificate, start: int = -1, end: int = 7, path: str = "/ca.crl") -> None:
        crl = self.authority.crl(*revoked, start=start, end=end)
        self.publisher.files[path] = (200, crl.public_bytes(DER), "")

    def read(self, *, check: str = "true", entry: KeyEntry | None = None) -> tuple[Word, Revocation, set[Reason]]:
        """Sync a mailbox whose server has one signed mail."""
        with MockExchange() as server:
            head = f"From: {SENDER}\r\nSubject: signed\r\nMIME-Version: 1.0\r\n".encode()
            server.user("alice").deliver(head + sign_clear(self.post.entity("x"), entry or self.entry))
            keys = config(server, self.post, allow_certificate_revocation_check=check)
            with Mailbox.open(keys, store=self.path, key=KEY) as mailbox:
                mailbox.sync()
                return state(mailbox)


def state(mailbox: Mailbox) -> tuple[Word, Revocation, set[Reason]]:
    (message,) = mailbox.search("subject:signed")
    report = message.security
    assert report is not None
    return report.word, report.layers[0].signers[0].revocation, {finding.reason for finding in report.reasons()}


@pytest.fixture
def desk(post: Post, authority: Authority, publisher: Publisher, tmp_path: Path) -> Desk:
    return Desk(post, authority, publisher, tmp_path / "mail.db")


def test_good_and_revoked(desk: Desk, tmp_path: Path) -> None:
    desk.publish()
    assert desk.read() == (Word.TRUSTED, Revocation.GOOD, set())
    ((path, headers),) = desk.publisher.asked
    assert path == "/ca.crl"
    assert "Authorization" not in headers
    assert "Cookie" not in headers
    desk.publish(desk.entry.certificate)
    desk.path = tmp_path / "other.db"
    assert desk.read() == (Word.DOUBTFUL, Revocation.REVOKED, {Reason.REVOKED})


def test_switched_off_nothing_is_asked(desk: Desk) -> None:
    """`allow_certificate_revocation_check` = false: no list is fetched, and the state says that nobody looked."""
    desk.publish(desk.entry.certificate)
    assert desk.read(check="false") == (Word.TRUSTED, Revocation.NOT_CHECKED, set())
    assert desk.publisher.asked == []
    assert desk.read() == (Word.DOUBTFUL, Revocation.REVOKED, {Reason.REVOKED})


@pytest.mark.parametrize("answer", [(404, b"", ""), (200, b"no list", ""), (302, b"", ""), (302, b"", "/ca.crl")])
def test_what_cannot_be_had_is_its_own_state(desk: Desk, answer: tuple[int, bytes, str]) -> None:
    """Neither good nor revoked, and never trusted."""
    desk.publisher.files["/ca.crl"] = answer
    assert desk.read() == (Word.DOUBTFUL, Revocation.UNAVAILABLE, {Reason.REVOCATION_UNAVAILABLE})


def test_a_server_that_is_not_there(desk: Desk) -> None:
    gone = issue(desk.authority, "http://127.0.0.1:9/ca.crl")
    assert desk.read(entry=gone)[1] is Revocation.UNAVAILABLE


def test_redirects_are_followed_and_pem_is_read(desk: Desk) -> None:
    desk.publish(path="/there.crl")
    pem = desk.authority.crl().public_bytes(serialization.Encoding.PEM)
    desk.publisher.files["/there.crl"] = (200, pem, "")
    desk.publisher.files["/ca.crl"] = (301, b"", "/there.crl")
    assert desk.read()[1] is Revocation.GOOD


def test_a_strangers_certificate_makes_us_call_nobody(desk: Desk) -> None:
    """Its authority is not configured, so where it points is no concern of ours."""
    stranger = issue(desk.post.stranger, f"{desk.publisher.url}/trap.crl")
    word, revocation, _ = desk.read(entry=stranger)
    assert (word, revocation) == (Word.DOUBTFUL, Revocation.NOT_CHECKED)
    assert desk.publisher.asked == []


def test_lists_are_kept_until_next_update(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cached with nextUpdate: asked for once, again when it is due, and an old one is kept when a new one fails."""
    desk.publish(end=7)
    with MockExchange() as server:
        head = f"From: {SENDER}\r\nSubject: signed\r\nMIME-Version: 1.0\r\n".encode()
        server.user("alice").deliver(head + sign_clear(desk.post.entity("x"), desk.entry))
        keys = config(server, desk.post, allow_certificate_revocation_check="true")
        moment = [NOW]
        monkeypatch.setattr(account, "utc_now", lambda: moment[0])
        with Mailbox.open(keys, store=desk.path, key=KEY) as mailbox:
            mailbox.sync()
            mailbox.sync()
            assert len(desk.publisher.asked) == 1
            moment[0] = NOW + timedelta(days=8)
            assert state(mailbox)[1] is Revocation.UNAVAILABLE  # the list at hand has run out
            desk.publisher.files["/ca.crl"] = (503, b"", "")
            news = mailbox.fetch_revocation_lists()
            assert list(news.failed) == [f"{desk.publisher.url}/ca.crl"]
            assert "503" in news.failed[f"{desk.publisher.url}/ca.crl"]
            assert mailbox.fetch_revocation_lists().failed == {}  # not at once again
            assert len(certificates.lists(mailbox.store.database)) == 1
            moment[0] += timedelta(hours=2)
            desk.publish(start=7, end=14)
            assert mailbox.fetch_revocation_lists().fetched == [f"{desk.publisher.url}/ca.crl"]
            assert state(mailbox)[1] is Revocation.GOOD
    assert len(desk.publisher.asked) == 3


def test_own_certificates_are_looked_up_and_marked(desk: Desk) -> None:
    """A revoked certificate of our own is never offered again, and goes on decrypting."""
    own = issue(desk.authority, f"{desk.publisher.url}/ca.crl", READER)
    desk.publish(own.certificate)
    with MockExchange() as server:
        keys = config(server, desk.post, allow_certificate_revocation_check="true")
        with Mailbox.open(keys, store=desk.path, key=KEY) as mailbox:
            mailbox.keychain.add(own)
            mailbox.sync()
            (entry,) = (e for e in mailbox.keychain.entries() if e.fingerprint == own.fingerprint)
            assert entry.revoked
            assert own.fingerprint in {e.fingerprint for e in mailbox.keychain.decrypting()}


def test_many_distribution_points_and_odd_ones(authority: Authority) -> None:
    from emailplus.smime.revocation import distribution_points

    point = x509.DistributionPoint(
        [
            x509.UniformResourceIdentifier("ldap://directory.example/cn=ca"),
            x509.UniformResourceIdentifier("file:///etc/passwd"),
            x509.UniformResourceIdentifier("HTTP://pki.example/ca.crl"),
            x509.DirectoryName(authority.name),
        ],
        None, None, None,
    )  # fmt: skip
    key = authority.private("p256")
    made = (
        authority._builder(authority.name, key.public_key(), -1, 1)  # type: ignore[attr-defined]
        .add_extension(x509.CRLDistributionPoints([point]), False)
        .sign(authority.key, hashes.SHA256())
    )
    assert distribution_points(made) == ("HTTP://pki.example/ca.crl",)
    assert replace(authority.trust, now=datetime.now(NOW.tzinfo)).check_revocation is False
