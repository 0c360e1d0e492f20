"""The mock's authority against a client that is not ours: requests-oauthlib, with PKCE, refresh and a service."""

from __future__ import annotations

import base64
import hashlib
import secrets
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from emailplus.mock import MockExchange
from emailplus.mock.oauth import CLIENT_ID, SERVICE_ID, SERVICE_SECRET

oauthlib = pytest.importorskip("oauthlib.oauth2")
requests_oauthlib = pytest.importorskip("requests_oauthlib")

SCOPE = ["https://outlook.office365.com/EAS.AccessAsUser.All", "openid", "offline_access"]
REDIRECT = "http://localhost:8400"


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockExchange]:
    monkeypatch.setenv("OAUTHLIB_RELAX_TOKEN_SCOPE", "1")
    with MockExchange(sign_in=("bearer",), tls=True) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield server


@pytest.fixture
def ca(exchange: MockExchange, tmp_path: Path) -> str:
    return str(exchange.write_ca(tmp_path / "ca.pem"))


def session(ca: str, **more: Any) -> Any:
    made = requests_oauthlib.OAuth2Session(CLIENT_ID, **more)
    made.trust_env, made.verify = False, ca
    return made


def signed_in(exchange: MockExchange, ca: str, verifier: str, sent: str) -> Any:
    """The session, and what the token endpoint gave for `sent` in place of the verifier."""
    client = session(ca, redirect_uri=REDIRECT, scope=SCOPE)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    base = f"{exchange.sign_in.oauth.url}/oauth2/v2.0"
    url, state = client.authorization_url(f"{base}/authorize", code_challenge=challenge, code_challenge_method="S256")
    page = client.post(url, data={"username": "alice", "password": "alice-secret"}, allow_redirects=False)
    back = {name: values[0] for name, values in parse_qs(urlsplit(page.headers["Location"]).query).items()}
    assert back["state"] == state
    client.fetch_token(f"{base}/token", code=back["code"], code_verifier=sent, include_client_id=True)
    return client


def test_a_code_with_pkce_then_mail_then_a_refresh_that_is_good_once(exchange: MockExchange, ca: str) -> None:
    verifier = secrets.token_urlsafe(48)
    client = signed_in(exchange, ca, verifier, verifier)
    assert client.options(exchange.url_tls).status_code == 200
    first = client.token["refresh_token"]
    url = f"{exchange.sign_in.oauth.url}/oauth2/v2.0/token"
    client.refresh_token(url, client_id=CLIENT_ID)
    second = client.token["refresh_token"]
    assert second != first
    for used in (first, second):  # a second use of the first takes the family back
        with pytest.raises(oauthlib.InvalidGrantError):
            session(ca, scope=SCOPE).refresh_token(url, refresh_token=used, client_id=CLIENT_ID)


def test_the_verifier_is_looked_at(exchange: MockExchange, ca: str) -> None:
    with pytest.raises(oauthlib.InvalidGrantError):
        signed_in(exchange, ca, secrets.token_urlsafe(48), secrets.token_urlsafe(48))


def test_a_service(exchange: MockExchange, ca: str) -> None:
    client = requests_oauthlib.OAuth2Session(client=oauthlib.BackendApplicationClient(client_id=SERVICE_ID))
    client.trust_env, client.verify = False, ca
    url = f"{exchange.sign_in.oauth.url}/oauth2/v2.0/token"
    scope = ["https://outlook.office365.com/.default"]
    client.fetch_token(url, client_id=SERVICE_ID, client_secret=SERVICE_SECRET, scope=scope, include_client_id=True)
    assert client.options(exchange.url_tls).status_code == 200
    with pytest.raises(oauthlib.InvalidClientError):
        client.fetch_token(url, client_id=SERVICE_ID, client_secret="wrong", scope=scope, include_client_id=True)


def test_a_device(exchange: MockExchange, ca: str) -> None:
    """RFC 8628 with nothing but an HTTP client: the person's page, a wrong password, then a yes."""
    base = exchange.sign_in.oauth.url + "/oauth2/v2.0"
    web = session(ca)
    fields = {"client_id": CLIENT_ID, "scope": " ".join(SCOPE)}
    begun = web.request("POST", f"{base}/devicecode", data=fields, withhold_token=True).json()
    poll = {
        "client_id": CLIENT_ID,
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": begun["device_code"],
    }
    ask = lambda: web.request("POST", f"{base}/token", data=poll, withhold_token=True)  # noqa: E731
    assert ask().json()["error"] == "authorization_pending"
    assert ask().json()["error"] == "slow_down", "faster than the interval"
    page = begun["verification_uri"]
    for password, status in (("wrong", 401), ("alice-secret", 200)):
        form = {"user_code": begun["user_code"], "username": "alice", "password": password}
        assert web.request("POST", page, data=form, withhold_token=True).status_code == status
    assert ask().json()["token_type"] == "Bearer"
    assert ask().json()["error"] == "invalid_grant", "a code is good once"
    assert exchange.sign_in.attempts.tried == [("alice@example.test", False), ("alice@example.test", True)]
