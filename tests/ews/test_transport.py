"""How EWS is reached: trust of one mailbox alone, nothing of the machine's, nothing shared, nothing without bounds."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from emailplus.config import AppConfig
from emailplus.credentials import Credentials
from emailplus.driver import tls_context
from emailplus.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    EwsUnavailable,
    ExtraMissing,
    MalformedResponse,
    NetworkTimeout,
    ResponseTooLarge,
    ServerBusy,
    ServerUnreachable,
    SubscriptionLost,
    TlsFailed,
)
from emailplus.ews import client as ews_client
from emailplus.ews import transport
from emailplus.ews.client import EwsClient
from emailplus.ews.endpoint import endpoint
from emailplus.mock import CutAfter, Drop, EwsError, Http, MockExchange, Stall
from emailplus.web_services import access, client

from .conftest import letter

KEYS = {
    "email_address": "alice@example.test",
    "email_device_id": "0123456789ABCDEF0123456789ABCDEF",
    "email_exchange_username": "alice",
    "email_password": "alice-secret",
}


def config(host: str, **pairs: str) -> AppConfig:
    return AppConfig.load({**KEYS, "email_exchange_host": host, "email_ssl_required": "false", **pairs})


def connect(exchange: MockExchange, **pairs: str) -> EwsClient:
    made = config(exchange.ews_url.split("/")[2], **pairs)
    return client(made, Credentials(made))


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ({}, "https://mail.example.test/EWS/Exchange.asmx"),
        ({"email_exchange_host": "mail.example.test/traveler"}, "https://mail.example.test/EWS/Exchange.asmx"),
        ({"email_exchange_host": "mail.example.test:8443"}, "https://mail.example.test:8443/EWS/Exchange.asmx"),
        ({"email_ews_host": "ews.example.test"}, "https://ews.example.test/EWS/Exchange.asmx"),
        ({"email_ews_host": "[2001:db8::1]:443"}, "https://[2001:db8::1]:443/EWS/Exchange.asmx"),
        ({"email_ssl_required": "false"}, "http://mail.example.test/EWS/Exchange.asmx"),
    ],
)
def test_where_it_is(pairs: dict[str, str], expected: str) -> None:
    keys = {"email_exchange_host": "mail.example.test", "email_ssl_required": "true", **pairs}
    assert endpoint(AppConfig.load({**KEYS, **keys})) == expected


def test_two_mailboxes_trust_each_their_own(make_exchange: Callable[..., MockExchange]) -> None:
    first, second = make_exchange(tls=True), make_exchange(tls=True)
    for server, roots, works in (
        (first, first, True),
        (second, first, False),
        (second, second, True),
        (first, second, False),
    ):
        made = config(server.ews_url_tls.split("/")[2], email_ssl_required="true")
        reach = access(made, Credentials(made))
        context = tls_context()
        context.load_verify_locations(cadata=roots.ca_pem.decode())
        reach = type(reach)(reach.url, reach.email, reach.auth, context, reach.timeout)
        with EwsClient(reach) as asked:
            if works:
                assert asked.changes("inbox", None)[1]
            else:
                with pytest.raises(TlsFailed, match="not trusted"):
                    asked.changes("inbox", None)


def test_any_certificate_only_where_the_key_says_so(make_exchange: Callable[..., MockExchange]) -> None:
    server = make_exchange(tls=True)
    host = server.ews_url_tls.split("/")[2]
    for trusting in (True, False):
        made = config(host, email_ssl_required="true", email_trust_all_certificates=str(trusting).lower())
        with client(made, Credentials(made)) as asked:
            if trusting:
                assert asked.changes("inbox", None)[1]
            else:
                with pytest.raises(TlsFailed):
                    asked.changes("inbox", None)


def test_nothing_of_an_account_stays_behind(exchange: MockExchange) -> None:
    from exchangelib.protocol import Protocol

    before = dict(Protocol._protocol_cache)
    with connect(exchange) as alice, connect(exchange, email_exchange_username="bob", email_password="bob-secret",
                                             email_address="bob@example.test") as bob:  # fmt: skip
        exchange.user("bob").deliver(letter(1))
        state = alice.changes("inbox", None)[1]
        assert bob.changes("inbox", None)[1] != state
        assert [request.user for request in exchange.requests.of("SyncFolderItems")] == ["alice", "bob"]
    assert Protocol._protocol_cache == before


def test_the_machines_proxies_and_netrc_are_not_asked(
    exchange: MockExchange, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login mallory password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with connect(exchange) as alice:
        alice.changes("inbox", None)
    assert {request.user for request in exchange.requests} == {"alice"}


@pytest.mark.parametrize(
    ("action", "error"),
    [
        (Drop(), ConnectionFailed),
        (CutAfter(20), ConnectionFailed),
        (Stall(3), NetworkTimeout),
        (Http(503, {"Retry-After": "17"}), ServerBusy),
        (Http(401), AuthenticationFailed),
        (Http(200), EwsUnavailable),
        (Http(200, {"Content-Type": "text/xml"}, b"<a/>"), MalformedResponse),
        (EwsError("ErrorServerBusy", whole=True, back_off=1500), ServerBusy),
        (EwsError("ErrorInvalidWatermark"), SubscriptionLost),
    ],
)
def test_what_goes_wrong_has_a_name(exchange: MockExchange, action: object, error: type[Exception]) -> None:
    made = config(exchange.ews_url.split("/")[2], default_network_timeout="60")
    reach = access(made, Credentials(made))
    reach = type(reach)(reach.url, reach.email, reach.auth, reach.tls, 1.0)
    exchange.faults.add(action, "Subscribe")  # type: ignore[arg-type]
    with EwsClient(reach) as asked:
        with pytest.raises(error) as problem:
            asked.subscribe_streaming(("inbox",))
        assert "alice" not in str(problem.value)
        if isinstance(problem.value, ServerBusy):
            assert problem.value.retry_after in (17, 1.5)
        assert len(exchange.requests.of("Subscribe")) == 1
        if not isinstance(problem.value, AuthenticationFailed):  # a refused password is never sent again
            assert asked.subscribe_streaming(("inbox",))


def test_nobody_there() -> None:
    made = config("127.0.0.1:9")
    with client(made, Credentials(made)) as asked, pytest.raises(ServerUnreachable, match="email_ews_host"):
        asked.changes("inbox", None)


def test_answers_and_streams_are_bounded(exchange: MockExchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_ANSWER", 200_000)
    monkeypatch.setattr(ews_client, "MAX_DOCUMENT", 100_000)
    large = b"<s:Envelope>" + b" " * 300_000
    with connect(exchange) as alice:
        exchange.faults.add(Http(200, {"Content-Type": "text/xml"}, large), "Subscribe")
        with pytest.raises(ResponseTooLarge):
            alice.subscribe_streaming(("inbox",))
        exchange.faults.add(Http(200, {"Content-Type": "text/xml"}, large), "GetStreamingEvents")
        with pytest.raises(ResponseTooLarge):
            list(alice.stream("x", 1, threading.Event()))
        exchange.faults.add(
            Http(200, {"Content-Type": "text/xml"}, b"<!DOCTYPE a><s:Envelope></s:Envelope>"), "GetStreamingEvents"
        )
        with pytest.raises(MalformedResponse):
            list(alice.stream("x", 1, threading.Event()))


def test_no_log_holds_mail_or_passwords(exchange: MockExchange, caplog: pytest.LogCaptureFixture) -> None:
    exchange.user("alice").deliver(letter(1, subject="Top secret subject"))
    with caplog.at_level(logging.DEBUG), connect(exchange) as alice:
        alice.changes("inbox", alice.changes("inbox", None)[1])
        exchange.faults.add(Drop(), "Subscribe")
        with pytest.raises(ConnectionFailed):
            alice.subscribe_streaming(("inbox",))
    assert "secret" not in caplog.text


def test_the_package_does_not_load_exchangelib() -> None:
    code = (
        "import sys, emailplus, emailplus.mailbox, emailplus.web_services, emailplus.cli.app\n"
        "print([name for name in ('exchangelib', 'requests', 'lxml') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_the_extra(exchange: MockExchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "emailplus.ews.client", None)
    monkeypatch.delattr("emailplus.ews.client")
    monkeypatch.setitem(sys.modules, "exchangelib", None)
    monkeypatch.delitem(sys.modules, "emailplus.ews.client")
    with pytest.raises(ExtraMissing, match=r"emailplus\[ews\]"):
        connect(exchange)


def test_ews_signs_in_by_its_own_key(exchange: MockExchange, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ews_min_allowed_auth_mode`: what asks for more than Basic never becomes a password on the wire."""
    with connect(exchange, ews_min_allowed_auth_mode="basic") as alice:
        assert alice.changes("inbox", None)[1]
    assert all(request.header("Authorization").startswith("Basic ") for request in exchange.requests)
    exchange.requests.clear()
    monkeypatch.setattr(exchange, "challenges", lambda request: [("WWW-Authenticate", 'Basic realm="mock"')])
    with (
        connect(exchange, ews_min_allowed_auth_mode="ntlm") as alice,
        pytest.raises(AuthenticationFailed, match="NTLM"),
    ):
        alice.changes("inbox", None)
    schemes = {request.header("Authorization").partition(" ")[0] for request in exchange.requests}
    assert schemes <= {"NTLM", "Negotiate"}
    assert all(request.status == 401 for request in exchange.requests)
