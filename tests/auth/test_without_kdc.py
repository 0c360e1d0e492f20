"""Kerberos without a KDC: what a login name means, and what is left when no ticket is to be had."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emailplus.auth import ntlm
from emailplus.auth.kerberos import RefusedByKdc, Unusable, _names, describe
from emailplus.auth.ntlm import NtlmAuth
from emailplus.errors import AuthenticationFailed
from emailplus.flow import HttpRequest, HttpResponse

REQUEST = HttpRequest("POST", "https://mail.example.test/x?Cmd=SendMail", {}, b"a message")
BASE = -1765328384  # ERROR_TABLE_BASE_krb5


@pytest.mark.parametrize(
    ("username", "realm", "meant"),
    [
        ("alice", "EXAMPLE.TEST", [("alice@EXAMPLE.TEST", False)]),
        ("alice", "", []),
        ("alice@mail.test", "EXAMPLE.TEST", [("alice@mail.test", True), ("alice@MAIL.TEST", False)]),
        ("alice@mail.test", "", [("alice@MAIL.TEST", False)]),
        ("EXAMPLE\\alice", "EXAMPLE.TEST", [("alice@EXAMPLE.TEST", False)]),
        ("example\\alice", "EXAMPLE.TEST", [("alice@EXAMPLE.TEST", False)]),
        ("OTHER\\alice", "EXAMPLE.TEST", [("alice@OTHER", False)]),
        ("other.test\\alice", "EXAMPLE.TEST", [("alice@OTHER.TEST", False)]),
        ("a/admin", "EXAMPLE.TEST", [("a\\/admin@EXAMPLE.TEST", False)]),
    ],
)
def test_who_a_login_name_is(username: str, realm: str, meant: list[tuple[str, bool]]) -> None:
    assert list(_names(username, realm)) == meant


class Minor(Exception):
    def __init__(self, minor: int) -> None:
        super().__init__("of GSSAPI")
        self.min_code = minor


def test_a_problem_of_the_library_in_words() -> None:
    assert "HTTP/mail.example.test" in describe(Minor((BASE + 7) & 0xFFFFFFFF), "mail.example.test")
    wrapped = ValueError("outer")
    wrapped.__cause__ = Minor(BASE + 37)
    assert "set the clock" in describe(wrapped, "mail.example.test")
    assert describe(ValueError("alice-secret"), "x") == "the ticket cannot be used (ValueError)"


def answer(status: int, challenge: str) -> HttpResponse:
    return HttpResponse(status, {"www-authenticate": challenge})


def no_ticket(problem: Exception) -> Callable[[str, str], None]:
    def sign_in(username: str, password: str) -> None:
        raise problem

    return sign_in


def test_ntlm_is_what_remains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ntlm, "sign_in", no_ticket(Unusable("no KDC answers")))
    steps = NtlmAuth("alice", "alice-secret", kerberos=True).authorize(REQUEST)
    leg = next(steps)
    assert (leg.method, leg.content, leg.headers) == ("OPTIONS", b"", {}), "what is offered, without credentials"
    leg = steps.send(answer(401, "Negotiate, NTLM, Basic"))
    assert (leg.method, leg.content) == ("OPTIONS", b"")
    assert leg.headers["Authorization"].startswith("NTLM ")
    with pytest.raises(AuthenticationFailed, match="no KDC answers"):
        steps.send(answer(401, "Basic realm=x"))


def test_ntlm_inside_negotiate_where_that_is_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ntlm, "sign_in", no_ticket(Unusable("no KDC answers")))
    steps = NtlmAuth("alice", "alice-secret", kerberos=True).authorize(REQUEST)
    next(steps)
    leg = steps.send(answer(401, "Negotiate"))
    assert leg.headers["Authorization"].startswith("Negotiate ")
    assert leg.content == b""
    with pytest.raises(AuthenticationFailed, match=r"no challenge.*no KDC answers"):
        steps.send(answer(401, "Negotiate"))


def test_a_refusal_ends_it_and_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ntlm, "sign_in", no_ticket(RefusedByKdc("refused")))
    auth = NtlmAuth("alice", "wrong", kerberos=True)
    steps = auth.authorize(REQUEST)
    next(steps)
    with pytest.raises(RefusedByKdc):
        steps.send(answer(401, "Negotiate, NTLM"))
    monkeypatch.setattr(ntlm, "sign_in", no_ticket(AssertionError("asked a second time")))
    steps = auth.authorize(REQUEST)
    next(steps)
    with pytest.raises(RefusedByKdc):
        steps.send(answer(401, "Negotiate, NTLM"))


def test_trouble_before_anybody_asks_goes_to_the_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ntlm, "sign_in", no_ticket(AssertionError("nobody has asked")))
    steps = NtlmAuth("alice", "alice-secret", kerberos=True).authorize(REQUEST)
    next(steps)
    with pytest.raises(StopIteration):
        steps.send(answer(503, ""))
