"""The mock's NTLM against clients that are not ours: curl, requests-ntlm, and the digest against its RFC."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emailplus.mock import MockExchange
from emailplus.mock.ntlm import BadMessage, begin, md4, message_type, read

requests = pytest.importorskip("requests")
requests_ntlm = pytest.importorskip("requests_ntlm")


@pytest.fixture
def exchange() -> Iterator[MockExchange]:
    with MockExchange(sign_in=("ntlm",), tls=True) as server:
        yield server


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        (b"", "31d6cfe0d16ae931b73c59d7e0c089c0"),
        (b"abc", "a448017aaf21d8525fc10ae87aa6729d"),
        (b"abcdefghijklmnopqrstuvwxyz", "d79e1c308aa5bbcdeea8ed63df412da9"),
        (b"1234567890" * 8, "e33b4ddc9c38f2199c3e7b164fcc0536"),
    ],
)
def test_md4(text: bytes, digest: str) -> None:
    """RFC 1320 A.5."""
    assert md4(text).hex() == digest


def curl(exchange: MockExchange, login: str, tmp_path: Path) -> str:
    program = shutil.which("curl")
    features = subprocess.run([program, "-V"], capture_output=True, text=True, check=True).stdout if program else ""
    if program is None or "NTLM" not in features:
        pytest.skip("no curl with NTLM")
    ca = exchange.write_ca(tmp_path / "ca.pem")
    command = [program, "-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", str(ca), "--ntlm", "-u", login]
    done = subprocess.run([*command, "-X", "OPTIONS", exchange.url_tls], capture_output=True, text=True, check=True)
    return done.stdout


def test_curl_signs_in(exchange: MockExchange, tmp_path: Path) -> None:
    assert curl(exchange, "EXAMPLE\\alice:alice-secret", tmp_path) == "200"
    assert curl(exchange, "alice:wrong", tmp_path) == "401"
    assert exchange.sign_in.attempts.tried == [("alice@example.test", True), ("alice@example.test", False)]


@pytest.fixture
def session(exchange: MockExchange, tmp_path: Path) -> Iterator[Any]:
    with requests.Session() as made, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.trust_env = False
        made.verify = str(exchange.write_ca(tmp_path / "ca.pem"))
        yield made


@pytest.mark.parametrize("protection", [False, True])
def test_requests_ntlm_signs_in_once_a_connection(exchange: MockExchange, session: Any, protection: bool) -> None:
    exchange.sign_in.extended_protection = protection
    session.auth = requests_ntlm.HttpNtlmAuth("EXAMPLE\\bob", "bob-secret")
    assert session.options(exchange.url_tls).status_code == 200
    session.auth = None
    assert session.options(exchange.url_tls).status_code == 200, "the connection is bob's"
    assert exchange.sign_in.attempts.tried == [("bob@example.test", True)]
    session.close()
    assert session.options(exchange.url_tls).status_code == 401, "another connection is nobody's"


def test_without_the_channel_binding_it_is_no_proof(exchange: MockExchange, session: Any) -> None:
    exchange.sign_in.extended_protection = True
    session.auth = requests_ntlm.HttpNtlmAuth("bob", "bob-secret", send_cbt=False)
    assert session.options(exchange.url_tls).status_code == 401


@pytest.mark.parametrize("token", [b"", b"NTLMSSP\0", b"NTLMSSP\0\3\0\0\0" + b"\xff" * 80, b"x" * 200])
def test_what_is_no_message_is_refused(token: bytes, exchange: MockExchange) -> None:
    with pytest.raises(BadMessage):
        read(token)
    with pytest.raises(BadMessage):
        begin(token, "EXAMPLE", exchange.clock())
    if len(token) < 12:
        with pytest.raises(BadMessage):
            message_type(token)
