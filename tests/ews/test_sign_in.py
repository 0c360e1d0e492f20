"""EWS signs in as `ews_min_allowed_auth_mode` says, by the same strategies as ActiveSync."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from emailplus import web_services
from emailplus.errors import AuthenticationFailed, SignInRequired
from emailplus.mailbox import Mailbox
from emailplus.model.sign_in import TokenRequest

from ..auth.conftest import Site, make_site, modern
from ..auth.test_certificate import pairs
from .conftest import letter

__all__ = ["make_site", "modern"]


def told(mailbox: Mailbox, site: Site) -> list[str]:
    """What EWS tells of a mail that comes between two questions."""
    with web_services.client(mailbox.config, mailbox.credentials) as client:
        _, state = client.changes("inbox", None)
        site.exchange.user("alice").deliver(letter(1))
        return [mail.subject for mail in client.changes("inbox", state)[0]]


def schemes(site: Site) -> set[str]:
    return {request.header("Authorization").partition(" ")[0] for request in site.exchange.requests}


@pytest.mark.parametrize("protection", [False, True])
def test_ntlm_is_one_handshake_a_connection(make_site: Callable[..., Site], protection: bool) -> None:
    site = make_site("ntlm", pairs={"ews_min_allowed_auth_mode": "ntlm", "email_password": "alice-secret"})
    site.exchange.sign_in.extended_protection = protection
    with site.open() as mailbox:
        assert told(mailbox, site) == ["Letter 1"]
    assert schemes(site) == {"NTLM", ""}
    assert not any(b"alice-secret" in request.header("Authorization").encode() for request in site.exchange.requests)
    assert len([request for request in site.exchange.requests if request.header("Authorization")]) <= 3
    assert {request.user for request in site.exchange.requests.of("SyncFolderItems") if request.status == 200} == {
        "alice"
    }


def test_a_certificate_and_nothing_else(make_site: Callable[..., Site]) -> None:
    site = make_site("certificate")
    keys = {**pairs(site), "ews_min_allowed_auth_mode": "cert_base", "email_password": "alice-secret"}
    with site.open(keys) as mailbox:
        assert told(mailbox, site) == ["Letter 1"]
    assert schemes(site) == {""}
    other = make_site("basic")
    with other.open(keys) as mailbox, pytest.raises(AuthenticationFailed, match="no password was sent"):
        told(mailbox, other)
    assert schemes(other) == {""}


def modern_keys(site: Site) -> dict[str, Any]:
    return {"ews_min_allowed_auth_mode": "modern_auth", "eas_min_allowed_auth_mode": "basic", "email_password": "p"}


def test_a_token_that_expired_is_renewed_once(modern: Site) -> None:
    authority = modern.exchange.sign_in.oauth
    asked: list[TokenRequest] = []

    def bring(wanted: TokenRequest) -> str:
        asked.append(wanted)
        return authority.issue("alice")

    with (
        modern.open(modern_keys(modern), token=bring) as mailbox,
        web_services.client(mailbox.config, mailbox.credentials) as client,
    ):
        _, state = client.changes("inbox", None)
        authority.expire("alice")
        modern.exchange.user("alice").deliver(letter(1))
        assert [mail.subject for mail in client.changes("inbox", state)[0]] == ["Letter 1"]
    assert schemes(modern) == {"Bearer"}
    refused = [request for request in modern.exchange.requests if request.status == 401]
    assert len(refused) <= 1


def test_a_token_that_is_refused_is_not_sent_again(modern: Site) -> None:
    with (
        modern.open(modern_keys(modern), token=lambda wanted: "no-such-token") as mailbox,
        pytest.raises(SignInRequired),
    ):
        told(mailbox, modern)
    assert len(modern.exchange.requests) == 1
    assert schemes(modern) == {"Bearer"}
