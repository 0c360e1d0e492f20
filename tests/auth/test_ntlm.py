"""NTLM: one proof a connection, no command carried out twice, and peers that are not ours."""

from __future__ import annotations

import base64
import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emailplus.auth.ntlm import NtlmAuth, challenges
from emailplus.errors import AuthenticationFailed, ExtraMissing, PasswordRefusedBefore
from emailplus.flow import HttpRequest, HttpResponse
from emailplus.mock import Drop

from .conftest import Site

NTLM = {"eas_min_allowed_auth_mode": "ntlm"}
REQUEST = HttpRequest("POST", "https://mail.example.test/x?Cmd=SendMail", {"A": "b"}, b"a message")


@pytest.mark.parametrize("protection", [False, True])
@pytest.mark.parametrize("username", ["alice", "EXAMPLE\\alice", "alice@example.test"])
def test_a_mailbox_is_synchronised_and_mail_is_sent_once(
    make_site: Callable[..., Site], username: str, protection: bool
) -> None:
    site = make_site("ntlm", pairs=NTLM)
    site.exchange.sign_in.extended_protection = protection
    site.exchange.user("alice").deliver(b"From: bob@example.test\r\nSubject: hello\r\n\r\nhello")
    with site.open({"email_exchange_username": username}, password="alice-secret") as mailbox:
        assert mailbox.sync().added == 1
        mailbox.send(mailbox.new(to="bob@example.test", subject="over NTLM", text="once"))
    assert len(site.exchange.user("bob").items()) == 1
    assert set(site.tried) == {True}
    assert len(site.tried) == 2, "one proof for each conversation, that is for each connection"
    refused = [request for request in site.exchange.requests if request.status == 401]
    assert all(request.method == "OPTIONS" and not request.body for request in refused)
    sent = [request for request in site.exchange.requests if request.command == "SendMail"]
    assert [request.status for request in sent] == [200]
    for request in site.exchange.requests:
        assert b"alice-secret" not in base64.b64decode(request.header("Authorization").partition(" ")[2] + "====")


def test_a_cut_connection_is_proved_anew(make_site: Callable[..., Site]) -> None:
    site = make_site("ntlm", pairs=NTLM)
    site.exchange.faults.add(Drop(), "Sync", nth=2)
    with site.open(password="alice-secret") as mailbox:
        mailbox.sync()
    assert site.tried == [True, True]
    assert all(not request.body for request in site.exchange.requests if request.method == "OPTIONS")


def test_a_wrong_password_is_proved_once_and_never_again(make_site: Callable[..., Site]) -> None:
    site = make_site("ntlm", pairs=NTLM)
    site.exchange.sign_in.attempts.limit = 2
    for _ in range(5):
        with site.open(password="wrong") as mailbox, pytest.raises(AuthenticationFailed) as caught:
            mailbox.sync()
    assert isinstance(caught.value, PasswordRefusedBefore)
    assert site.tried == [False]
    with site.open(password="alice-secret") as mailbox:
        mailbox.sync()
    assert site.tried == [False, True]


def test_basic_alone_gets_no_password(make_site: Callable[..., Site]) -> None:
    site = make_site("basic", pairs=NTLM)
    with site.open(password="alice-secret") as mailbox, pytest.raises(AuthenticationFailed, match="offers Basic"):
        mailbox.sync()
    assert site.tried == []


def steps_of(auth: NtlmAuth, request: HttpRequest = REQUEST) -> Any:
    return auth.authorize(request)


def carried(
    auth: NtlmAuth, peer: Callable[[HttpRequest], HttpResponse], request: HttpRequest = REQUEST
) -> HttpResponse:
    """Bring the request to a peer; its last answer."""
    steps = steps_of(auth, request)
    wanted = next(steps)
    while True:
        response = peer(wanted)
        try:
            wanted = steps.send(response)
        except StopIteration:
            return response


def answer(status: int, challenge: str = "") -> HttpResponse:
    return HttpResponse(status, {"www-authenticate": challenge} if challenge else {})


class Peer:
    """pyspnego as a server, on one connection."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
        users = folder / "users"
        users.write_text("EXAMPLE:alice:alice-secret\n")
        monkeypatch.setenv("NTLM_USER_FILE", str(users))
        import spnego

        self.scheme = scheme
        protocol = "ntlm" if scheme == "NTLM" else "negotiate"
        self.context = spnego.server(protocol=protocol, options=spnego.NegotiateOptions.use_ntlm)
        self.carried_out: list[HttpRequest] = []

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not self.context.complete:
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            if scheme != self.scheme:
                return answer(401, self.scheme)
            reply = self.context.step(base64.b64decode(token))
            if not self.context.complete:
                return answer(401, f"{self.scheme} {base64.b64encode(reply or b'').decode()}")
        if request.method == "POST":
            self.carried_out.append(request)
        return answer(200)


@pytest.mark.parametrize("scheme", ["NTLM", "Negotiate"])
def test_a_server_of_others_takes_our_proof(scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer(tmp_path, monkeypatch, scheme)
    auth = NtlmAuth("EXAMPLE\\alice", "alice-secret", kerberos=False)
    for number in (1, 2):
        assert carried(auth, peer).status == 200
        assert len(peer.carried_out) == number
    assert peer.context.client_principal == "EXAMPLE\\alice"
    assert peer.carried_out[0].content == peer.carried_out[1].content == REQUEST.content
    assert "Authorization" not in peer.carried_out[1].headers


def test_the_first_leg_never_carries_the_command() -> None:
    steps = steps_of(NtlmAuth("alice", "secret", kerberos=False))
    leg = next(steps)
    assert (leg.method, leg.content, leg.aside) == ("OPTIONS", b"", True)
    leg = steps.send(answer(200))  # OPTIONS is open to all
    assert (leg.method, leg.content, leg.aside) == ("POST", b"", True)
    with pytest.raises(AuthenticationFailed, match="does not ask"):
        steps.send(answer(200))


@pytest.mark.parametrize(
    "challenge",
    [
        "",
        "NTLM",
        "Basic realm=x",
        "NTLM !!!!",
        "NTLM AAAA",
        f"NTLM {base64.b64encode(b'NTLMSSP' + bytes(90)).decode()}",
    ],
)
def test_a_bad_challenge_ends_it(challenge: str) -> None:
    steps = steps_of(NtlmAuth("alice", "secret", kerberos=False))
    next(steps)
    with pytest.raises(AuthenticationFailed):
        steps.send(answer(401, challenge))


def test_trouble_that_is_not_about_us_goes_to_the_flow() -> None:
    steps = steps_of(NtlmAuth("alice", "secret", kerberos=False))
    next(steps)
    with pytest.raises(StopIteration):
        steps.send(answer(503))


def test_another_host_has_another_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer(tmp_path, monkeypatch, "NTLM")
    auth = NtlmAuth("EXAMPLE\\alice", "alice-secret", kerberos=False)
    carried(auth, peer)
    leg = next(steps_of(auth, replace(REQUEST, url="https://other.example.test/x")))
    assert leg.method == "OPTIONS"
    assert leg.headers["Authorization"].startswith("NTLM ")


def test_what_a_401_offers() -> None:
    found = challenges({"www-authenticate": 'Negotiate, NTLM, Basic realm="a, b", Bearer x="y"'})
    assert set(found) == {"negotiate", "ntlm"}
    assert challenges({"www-authenticate": "NTLM TlRMTVNTUAAC"})["ntlm"] == b"NTLMSSP\0\2"


def test_the_extra_is_named_where_it_is_missing(
    make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "spnego" else find(name))
    site = make_site("ntlm", "basic", pairs=NTLM)
    with (
        site.open(password="alice-secret") as mailbox,
        pytest.raises(ExtraMissing, match=r"emailplus\[ntlm\]") as caught,
    ):
        mailbox.sync()
    assert caught.value.extra == "ntlm"
    assert site.tried == [], "and no password goes in its stead"
