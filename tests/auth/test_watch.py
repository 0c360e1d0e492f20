"""A watch signs in as its mailbox does: requests that the server holds, over connections of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from emailplus.errors import AuthenticationFailed, PasswordRefusedBefore, SignInRequired
from emailplus.mailbox import Mailbox
from emailplus.mock.oauth import CLIENT_ID
from emailplus.model.watch import NewMail, State

from .conftest import Site
from .test_certificate import pairs

LETTER = b"From: bob@example.test\r\nTo: alice@example.test\r\nSubject: news\r\n\r\nhello"


def one_mail(site: Site, mailbox: Mailbox, while_waiting: Callable[[], None] = lambda: None) -> list[Any]:
    """Watch until a message is told that arrives while the watch waits."""
    told: list[Any] = []
    with mailbox.watch() as events:
        alarm = threading.Timer(30, events.stop)
        alarm.start()
        for event in events:
            told.append(event)
            if isinstance(event, State) and event.name == "watching" and len(told) < 9:
                while_waiting()
                threading.Timer(0.3, site.exchange.user("alice").deliver, [LETTER]).start()
            if isinstance(event, NewMail):
                break
        alarm.cancel()
    return told


@pytest.mark.parametrize("way", ["ntlm", "certificate", "bearer"])
def test_a_watch(way: str, make_site: Callable[..., Site], modern: Site) -> None:
    site = modern if way == "bearer" else make_site(way)
    keys = {"ntlm": {"eas_min_allowed_auth_mode": "ntlm"}, "bearer": {}}.get(way) or (
        pairs(site) if way == "certificate" else {}
    )
    with site.open(keys, password="alice-secret") as mailbox:
        if way == "bearer":
            mailbox.sign_in(CLIENT_ID, show=lambda code: site.exchange.sign_in.oauth.approve(code.code, "alice"))
        assert any(isinstance(event, NewMail) for event in one_mail(site, mailbox))
    held = [request for request in site.exchange.requests if request.command == "Ping" and request.status == 200]
    assert held
    kinds = {request.header("Authorization").partition(" ")[0] for request in site.exchange.requests}
    assert "Basic" not in kinds


def test_tokens_end_while_a_watch_waits(modern: Site) -> None:
    authority = modern.exchange.sign_in.oauth
    with modern.open() as mailbox:
        mailbox.sign_in(CLIENT_ID, show=lambda code: authority.approve(code.code, "alice"))
        told = one_mail(modern, mailbox, lambda: authority.expire("alice"))
    assert any(isinstance(event, NewMail) for event in told)
    assert [fields["grant_type"].rpartition(":")[2] for fields in authority.requests[:2]] == [
        "device_code", "refresh_token",
    ]  # fmt: skip


def test_a_watch_that_nobody_signed_in_for_asks_for_no_password(modern: Site) -> None:
    asked: list[Any] = []
    with modern.open() as mailbox, mailbox.watch(password=asked.append) as events, pytest.raises(SignInRequired):
        list(events)
    assert asked == []


def test_a_watch_does_not_repeat_a_refused_password(make_site: Callable[..., Site]) -> None:
    site = make_site("basic")
    for _ in range(3):
        refused = pytest.raises(AuthenticationFailed)
        with site.open(password="wrong") as mailbox, mailbox.watch() as events, refused as caught:
            list(events)
    assert isinstance(caught.value, PasswordRefusedBefore)
    assert site.tried == [False]
