"""`email_login_certificate`: shown in the handshake, its key never a file, and no password in its stead."""

from __future__ import annotations

import base64
import builtins
import os
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from emailplus import driver
from emailplus.auth.certificate import CertificateAuth, login_certificate, server_end_point
from emailplus.driver import Network, run, tls_context
from emailplus.errors import AuthenticationFailed, ConnectionFailed, TlsFailed
from emailplus.flow import HttpRequest, http
from emailplus.mock import MockExchange
from emailplus.store.keychain import keychain

from .conftest import Site

SECRET = "p12-secret"


def pairs(site: Site, login: str = "alice", mode: str = "cert_base", password: str | None = SECRET) -> dict[str, Any]:
    archive = base64.b64encode(site.exchange.client_p12(login, SECRET)).decode()
    return {
        "eas_min_allowed_auth_mode": mode,
        "email_login_certificate": archive,
        "email_login_certificate_MI_CERT_PW": password,
    }


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    return make_site("certificate")


def test_a_mailbox_is_synchronised_without_a_password(site: Site) -> None:
    site.exchange.user("alice").deliver(b"Subject: hello\r\n\r\nhello")
    with site.open(pairs(site)) as mailbox:
        assert mailbox.sync().added == 1
        assert [entry.source for entry in keychain(mailbox.store.database).entries()] == ["email_login_certificate"]
    assert not any(request.header("Authorization") for request in site.exchange.requests)


def test_a_password_at_hand_is_not_sent(site: Site) -> None:
    with site.open(pairs(site), password="alice-secret") as mailbox:
        mailbox.sync()
    assert not any(request.header("Authorization") for request in site.exchange.requests)


def test_the_certificate_of_nobody_is_refused_and_no_password_follows(site: Site) -> None:
    keys = pairs(site)
    site.exchange.users[:] = [user for user in site.exchange.users if user.username != "alice"]
    with site.open(keys, password="alice-secret") as mailbox, pytest.raises(AuthenticationFailed, match="no password"):
        mailbox.sync()
    assert [request.header("Authorization") for request in site.exchange.requests] == [""]


def test_a_password_that_does_not_open_the_archive_falls_back(make_site: Callable[..., Site]) -> None:
    site = make_site("basic", "certificate")
    with site.open(pairs(site, password="wrong"), password="alice-secret") as mailbox:
        report = mailbox.sync()
        state = mailbox.sign_in_state()
    assert state.mode == "basic"
    assert "does not open the archive" in state.warnings[0]
    assert any("basic is used instead" in warning for warning in report.warnings)
    assert site.tried


def test_a_sentry_may_demand_it_beside_a_password(make_site: Callable[..., Site]) -> None:
    site = make_site("basic", "certificate", certificate_required=True)
    with site.open({"email_password": "alice-secret"}) as mailbox, pytest.raises(ConnectionFailed):
        mailbox.sync()
    assert site.tried == []
    with site.open({**pairs(site, mode="basic"), "email_password": "alice-secret"}) as mailbox:
        mailbox.sync()
    assert set(site.tried) == {True}


def test_a_failed_handshake_never_sends_the_password(make_site: Callable[..., Site]) -> None:
    site, other = make_site("basic", "certificate", certificate_required=True), make_site("certificate")
    foreign = pairs(other)  # of an authority that the server does not trust
    with site.open(foreign, password="alice-secret") as mailbox, pytest.raises(ConnectionFailed):
        mailbox.sync()
    assert len(site.exchange.requests) == 0
    assert site.tried == []


def test_the_key_is_never_a_file(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = pairs(site)
    opened: list[object] = []
    real = builtins.open

    def spying(file: Any, *arguments: Any, **more: Any) -> Any:
        opened.append(file)
        return real(file, *arguments, **more)

    found = login_certificate(site.config(**keys))
    assert SECRET not in repr(found)
    assert "PRIVATE" not in repr(found)
    monkeypatch.setattr(builtins, "open", spying)
    monkeypatch.setattr(tempfile, "mkstemp", lambda *_, **__: pytest.fail("a file on the disk"))
    before = set(os.listdir("/proc/self/fd"))
    tls_context(client=found.pem)
    assert all(isinstance(file, int) for file in opened), opened
    assert set(os.listdir("/proc/self/fd")) <= before


def test_without_memory_files_it_is_private_and_gone_at_once(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = login_certificate(site.config(**pairs(site)))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delattr(driver.os, "memfd_create")
    seen: list[int] = []
    real = ssl.SSLContext.load_cert_chain

    def load(context: ssl.SSLContext, path: str, *more: Any) -> None:
        seen.append(os.stat(path).st_mode & 0o777)
        real(context, path, *more)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", load)
    tls_context(client=found.pem)
    assert seen == [0o600]
    with pytest.raises(TlsFailed, match="email_login_certificate"):
        tls_context(client=b"-----BEGIN nothing")
    assert list(tmp_path.iterdir()) == []


def test_openssl_takes_what_we_show(site: Site, tmp_path: Path) -> None:
    """The mock's archive and our PEM, read by a third."""
    keys, archive = pairs(site), tmp_path / "alice.p12"
    archive.write_bytes(base64.b64decode(keys["email_login_certificate"]))
    command = ["openssl", "pkcs12", "-in", str(archive), "-passin", f"pass:{SECRET}", "-nodes", "-clcerts", "-nokeys"]
    theirs = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    ours = login_certificate(site.config(**keys)).pem.decode()
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    assert theirs[theirs.index(begin) : theirs.index(end)] in ours


@pytest.fixture
def openssl_server(site: Site, tmp_path: Path) -> Iterator[int]:
    """A server of OpenSSL's that wants a client certificate of the mock's authority; its port."""
    tls = site.exchange._tls
    assert tls is not None
    for name, data in (("ca.pem", tls.ca_pem), ("server.pem", tls.key_pem + tls.certificate_pem)):
        (tmp_path / name).write_bytes(data)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", "server.pem", "-CAfile", "ca.pem"]
    options = ["-Verify", "1", "-verify_return_error", "-www", "-quiet"]
    with subprocess.Popen(
        [*command, *options],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            for _ in range(100):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield port
        finally:
            process.terminate()


def test_a_server_of_openssl(site: Site, openssl_server: int) -> None:
    request = HttpRequest("GET", f"https://127.0.0.1:{openssl_server}/")
    roots = site.config().trusted_roots
    shown = login_certificate(site.config(**pairs(site))).pem
    answered = run(http(request), Network(CertificateAuth(), tls=tls_context(roots, client=shown)), None)
    assert answered.status == 200
    with pytest.raises(TlsFailed, match="email_login_certificate"):
        run(http(request), Network(CertificateAuth(), tls=tls_context(roots)), None)


def test_the_channel_binding_of_a_server(site: Site) -> None:
    """RFC 5929 4.1; what requests-ntlm and the mock make of it is in test_mock_ntlm."""
    der = site.exchange._tls.certificate_der  # type: ignore[union-attr]
    command = ["openssl", "x509", "-inform", "der", "-noout", "-fingerprint", "-sha256"]
    printed = subprocess.run(command, input=der, capture_output=True, check=True).stdout.decode()
    digest = bytes.fromhex(printed.partition("=")[2].strip().replace(":", ""))
    assert server_end_point(der) == b"tls-server-end-point:" + digest


def test_the_authority_is_not_shown_the_certificate(make_site: Callable[..., Site]) -> None:
    site = make_site("bearer", "certificate")
    authority = site.exchange.sign_in.oauth
    keys = {
        **pairs(site, mode="modern_auth"),
        "modern_auth_authority_url": authority.url,
        "modern_auth_resource_url": authority.resource,
    }
    from emailplus.mock.oauth import SERVICE_ID, SERVICE_SECRET

    with site.open(keys) as mailbox:
        mailbox.sign_in(SERVICE_ID, method="service", client_secret=SERVICE_SECRET)
        mailbox.sync()
    shown = {request.command: bool(request.connection.peer) for request in site.exchange.requests}
    assert shown["oauth token"] is False
    assert shown["Sync"] is True


def test_the_mock_knows_whom_a_certificate_is_for() -> None:
    with MockExchange(tls=True, sign_in=("certificate",)) as exchange:
        from cryptography.hazmat.primitives.serialization import pkcs12

        _, certificate, _ = pkcs12.load_key_and_certificates(exchange.client_p12("bob", SECRET), SECRET.encode())
        assert certificate is not None
        assert "CN=Bob Brown" in certificate.subject.rfc4514_string()
