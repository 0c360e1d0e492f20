"""`emailplus smime`: what it makes OpenSSL reads, what it reads it reports, and no secret stands on the line."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from typer.testing import CliRunner, Result

from emailplus.cli.app import app
from emailplus.smime.keychain import KeyEntry
from tests.smime.conftest import Authority, authority

__all__ = ["authority"]
DER = serialization.Encoding.DER
MAIL = (
    b"From: Alice <alice@example.com>\nTo: bob@example.com\nSubject: Figures\nMIME-Version: 1.0\n"
    b"Content-Type: text/plain; charset=utf-8\n\nGr\xc3\xbc\xc3\x9fe, the figures.\n"
)


class Desk:
    """A folder with a mail, keys and certificates, and the command run in it."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.folder = folder
        self.people = {name: authority.issue("rsa", (f"{name}@example.com",)) for name in ("alice", "bob", "carol")}
        for name, entry in self.people.items():
            (folder / f"{name}.p12").write_bytes(entry.to_pkcs12(b"secret"))
            (folder / f"{name}.der").write_bytes(entry.certificate.public_bytes(DER))
        (folder / "root.der").write_bytes(authority.certificate.public_bytes(DER))
        (folder / "empty.crl").write_bytes(authority.crl().public_bytes(DER))
        (folder / "all.crl").write_bytes(authority.crl(self.people["alice"].certificate).public_bytes(DER))
        (folder / "pw").write_text("secret\n")
        (folder / "mail.eml").write_bytes(MAIL)

    def run(self, *arguments: str, input: bytes | None = None) -> Result:
        words = [str(self.folder / word) if (self.folder / word).exists() else word for word in arguments]
        return CliRunner().invoke(app, ["smime", *words], input=input)

    def path(self, name: str) -> str:
        return str(self.folder / name)


@pytest.fixture
def desk(tmp_path: Path, authority: Authority) -> Desk:
    return Desk(tmp_path, authority)


KEY = ("--p12", "alice.p12", "--p12-password-file", "pw")


def test_sign_and_verify(desk: Desk) -> None:
    for more, word in (((), "multipart"), (("--opaque", "--digest", "sha512", "--pss"), "opaque")):
        assert desk.run("sign", "mail.eml", *KEY, *more, "--out", desk.path("signed.eml")).exit_code == 0
        verified = desk.run("verify", "signed.eml", "--root", "root.der")
        assert verified.exit_code == 0, verified.output
        assert verified.stdout.startswith("trusted\n")
        assert word in verified.stdout
    assert desk.run("verify", "signed.eml").exit_code == 1
    assert desk.run("verify", "mail.eml", "--root", "root.der").exit_code == 1
    altered = (desk.folder / "signed.eml").read_bytes().replace(b"Subject: Figures", b"Subject: figures")
    assert desk.run("verify", "-", "--root", "root.der", input=altered).exit_code == 0  # outside the signature
    desk.run("sign", "mail.eml", *KEY, "--protect-headers", "--out", desk.path("signed.eml"))
    altered = (desk.folder / "signed.eml").read_bytes().replace(b"Subject: Figures", b"Subject: figures", 1)
    assert desk.run("verify", "-", "--root", "root.der", input=altered).exit_code == 1


def test_revocation_lists(desk: Desk) -> None:
    desk.run("sign", "mail.eml", *KEY, "--out", desk.path("signed.eml"))
    assert desk.run("verify", "signed.eml", "--root", "root.der", "--crl", "empty.crl").exit_code == 0
    revoked = desk.run("verify", "signed.eml", "--root", "root.der", "--crl", "all.crl", "--json")
    assert revoked.exit_code == 1
    document = json.loads(revoked.stdout)
    assert document["word"] == "doubtful"
    (signer,) = document["layers"][0]["signers"]
    assert signer["revocation"] == "revoked"
    assert [finding["reason"] for finding in signer["findings"]] == ["certificate revoked"]


def test_encrypt_and_decrypt(desk: Desk) -> None:
    made = desk.run(
        "encrypt", "mail.eml", "--to-cert", "bob.der", *KEY, "--sign", "--protect-headers", "--out", desk.path("e.eml")
    )
    assert made.exit_code == 0, made.output
    sealed = (desk.folder / "e.eml").read_bytes()
    assert b"Figures" not in sealed
    for name in ("bob", "alice"):
        keys = ("--p12", f"{name}.p12", "--p12-password-file", "pw")
        opened = desk.run("decrypt", "e.eml", *keys, "--root", "root.der")
        assert opened.exit_code == 0, opened.output
        assert "Subject: Figures" in opened.stdout
        shown = json.loads(desk.run("inspect", "e.eml", *keys, "--root", "root.der", "--json").stdout)
        assert shown["word"] == "trusted"
        assert ["Subject", "Figures"] in shown["protected_headers"]["fields"]
    shut = desk.run("decrypt", "e.eml", "--p12", "carol.p12", "--p12-password-file", "pw", "--out", desk.path("none"))
    assert shut.exit_code == 1
    assert "no key" in shut.stderr
    assert not (desk.folder / "none").exists()
    assert desk.run("inspect", "e.eml").stdout.startswith("unreadable\n")


def test_a_large_file_is_opened_in_pieces(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emailplus.cli.smime_commands.LARGE", 0)
    monkeypatch.setattr("emailplus.cli.smime_commands.open_message", lambda *_, **__: pytest.fail("read into memory"))
    desk.run("encrypt", "mail.eml", "--to-cert", "bob.der", *KEY, "--sign", "--out", desk.path("e.eml"))
    keys = ("--p12", "bob.p12", "--p12-password-file", "pw", "--root", "root.der")
    opened = desk.run("decrypt", "e.eml", *keys, "--out", desk.path("plain.eml"))
    assert opened.exit_code == 0, opened.output
    assert (desk.folder / "plain.eml").read_bytes() == desk.run("decrypt", "e.eml", *keys).stdout_bytes
    assert desk.run("verify", "e.eml", *keys).exit_code == 0
    assert desk.run("decrypt", "e.eml", *keys, "--json").exit_code == 2
    assert desk.run("decrypt", "e.eml", "--p12", "carol.p12", "--p12-password-file", "pw").exit_code == 1


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl command on this machine")
@pytest.mark.parametrize("more", [(), ("--cipher", "aes128-cbc", "--rsa-v1.5")])
def test_openssl_opens_what_it_writes(desk: Desk, more: tuple[str, ...]) -> None:
    desk.run("encrypt", "mail.eml", "--to-cert", "bob.der", *KEY, *more, "--out", desk.path("e.eml"))
    key = _pem(desk.people["bob"], desk.folder)
    done = subprocess.run(
        ["openssl", "cms", "-decrypt", "-in", desk.path("e.eml"), "-recip", key, "-inkey", key],
        capture_output=True, check=True, timeout=30,
    )  # fmt: skip
    assert "Grüße" in done.stdout.decode()


def _pem(entry: KeyEntry, folder: Path) -> str:
    pem = serialization.Encoding.PEM
    key = entry.private_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "key.pem"
    path.write_bytes(key + entry.certificate.public_bytes(pem))
    return str(path)


def test_bcc_gets_a_file_of_its_own(desk: Desk) -> None:
    mail = MAIL.replace(b"Subject", b"Bcc: carol@example.com\nSubject")
    arguments = ("encrypt", "-", "--to-cert", "bob.der", "--to-cert", "carol.der", *KEY)
    assert desk.run(*arguments, input=mail).exit_code == 2
    assert desk.run(*arguments, "--out", desk.path("e.eml"), input=mail).exit_code == 0
    assert b"carol" not in (desk.folder / "e.eml").read_bytes()
    assert b"Bcc: carol@example.com" in (desk.folder / "e.eml.1").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("inspect", "nowhere.eml"), 2, "No such file"),
        (("sign", "mail.eml"), 2, "give --p12"),
        (("sign", "mail.eml", "--p12", "alice.p12"), 1, "does not open the archive"),
        (("sign", "mail.eml", *KEY, "--digest", "md5"), 2, "sha256, sha384 or sha512"),
        (("encrypt", "mail.eml", "--to-cert", "carol.der", *KEY), 1, "no certificate for bob@example.com"),
        (("encrypt", "mail.eml", "--to-cert", "bob.der", *KEY, "--cipher", "des"), 2, "--cipher"),
        (("verify", "mail.eml", "--root", "alice.p12"), 1, "not a certificate"),
        (("verify", "mail.eml", "--crl", "root.der"), 2, "not a revocation list"),
    ],
)
def test_what_goes_wrong_is_said_in_one_line(desk: Desk, arguments: tuple[str, ...], code: int, said: str) -> None:
    result = desk.run(*arguments)
    assert result.exit_code == code, result.output
    assert said in result.stderr
    assert "Traceback" not in result.output
    assert "secret" not in result.output


def test_the_password_may_come_from_the_environment(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMAILPLUS_P12_PASSWORD", "secret")
    assert desk.run("sign", "mail.eml", "--p12", "alice.p12", "--out", desk.path("signed.eml")).exit_code == 0
