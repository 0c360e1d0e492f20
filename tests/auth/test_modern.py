"""Modern authentication with a mailbox: sign-in, renewal, challenges, and what is never sent where."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from emailplus.errors import (
    AuthenticationFailed,
    PasswordRequired,
    ServerError,
    SignInFailed,
    SignInRequired,
    TlsFailed,
    UsageError,
)
from emailplus.mailbox import AsyncMailbox
from emailplus.mock import Http, LoseResponse
from emailplus.mock.oauth import CLIENT_ID, SERVICE_ID, SERVICE_SECRET
from emailplus.model.sign_in import DeviceCode, TokenRequest
from emailplus.store import sign_in as kept
from emailplus.store.store import Store

from .conftest import KEY, Site


def approving(site: Site, login: str = "alice") -> Callable[[DeviceCode], None]:
    return lambda shown: site.exchange.sign_in.oauth.approve(shown.code, login)


def grants(site: Site) -> list[str]:
    return [fields.get("grant_type", "").rpartition(":")[2] for fields in site.exchange.sign_in.oauth.requests]


def passwords_sent(site: Site) -> list[str]:
    kinds = {request.header("Authorization").partition(" ")[0] for request in site.exchange.requests}
    return sorted(kinds - {"", "Bearer"})


@pytest.mark.parametrize("form", ["v1", "v2"])
def test_a_device_code(modern: Site, form: Any) -> None:
    shown: list[DeviceCode] = []

    def show(code: DeviceCode) -> None:
        shown.append(code)
        if len(shown) == 1:
            approving(modern)(code)

    modern.exchange.user("alice").deliver(b"Subject: hello\r\n\r\nhello")
    with modern.open() as mailbox:
        assert not mailbox.sign_in_state().signed_in
        with pytest.raises(SignInRequired, match="sign-in"):
            mailbox.sync()
        state = mailbox.sign_in(CLIENT_ID, show=show, form=form)
        assert (state.mode, state.signed_in, state.username, state.method) == (
            "modern_auth", True, "alice@example.test", "device",
        )  # fmt: skip
        assert mailbox.sync().added == 1
    assert shown[0].url.startswith("https://127.0.0.1:")
    assert shown[0].code not in repr(shown[0])
    with modern.open() as mailbox:
        mailbox.sync()
    assert grants(modern) == ["device_code"], "one sign-in, and the store has the rest"
    assert passwords_sent(modern) == []


def test_slow_people_and_slow_networks(modern: Site) -> None:
    """Nobody for a while, the authority away for a moment, then a yes."""
    authority = modern.exchange.sign_in.oauth
    modern.exchange.faults.add(Http(503), "oauth token", nth=2)
    modern.exchange.faults.add(LoseResponse(), "oauth token", nth=3)
    waiting: list[str] = []

    def show(code: DeviceCode) -> None:
        waiting.append(code.code)

    def later(fields: dict[str, str]) -> None:
        if len(authority.requests) == 4:
            authority.approve(waiting[0], "alice")

    class Requests(list[dict[str, str]]):
        def append(self, fields: dict[str, str]) -> None:
            super().append(fields)
            later(fields)

    authority.requests = Requests()
    with modern.open() as mailbox:
        assert mailbox.sign_in(CLIENT_ID, show=show).signed_in


@pytest.mark.parametrize("decline", [True, False])
def test_a_no_and_no_answer(modern: Site, decline: bool) -> None:
    authority = modern.exchange.sign_in.oauth

    def show(code: DeviceCode) -> None:
        if decline:
            authority.decline(code.code)

    with modern.open() as mailbox, pytest.raises(SignInFailed, match="declined" if decline else "code ended"):
        mailbox.sign_in(CLIENT_ID, show=show)
    assert len(authority.requests) <= authority.device_seconds / authority.interval + 1


class Browser:
    """A person at a browser, by another HTTP client: the authority's form filled in, then sent back to us."""

    def __init__(self, site: Site, login: str = "alice", *, decision: str = "", noise: bool = False) -> None:
        self.site, self.login, self.decision, self.noise = site, login, decision, noise
        self.threads: list[threading.Thread] = []
        self.seen: dict[str, str] = {}

    def __call__(self, url: str) -> None:
        self.threads.append(threading.Thread(target=self._act, args=(url,)))
        self.threads[-1].start()

    def _act(self, url: str) -> None:
        import ssl

        trust = ssl.create_default_context(cadata=self.site.exchange.ca_pem.decode())
        self.seen = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        with httpx2.Client(trust_env=False, verify=trust) as client:
            if self.noise:
                client.get(f"{self.seen['redirect_uri']}/favicon.ico")
                client.get(self.seen["redirect_uri"], params={"code": "stolen", "state": "guessed"})
            client.get(url)
            form = {"username": self.login, "password": f"{self.login}-secret", "decision": self.decision}
            answer = client.post(url, data=form)
            client.get(answer.headers["location"])

    def done(self) -> None:
        for thread in self.threads:
            thread.join()


@pytest.mark.parametrize("noise", [False, True])
def test_a_browser_with_pkce(modern: Site, noise: bool) -> None:
    browser = Browser(modern, noise=noise)
    with modern.open() as mailbox:
        state = mailbox.sign_in(CLIENT_ID, method="browser", browse=browser, wait=20)
        browser.done()
        assert state.signed_in
        mailbox.sync()
    assert browser.seen["code_challenge_method"] == "S256"
    assert urlsplit(browser.seen["redirect_uri"]).hostname == "localhost"
    assert grants(modern) == ["authorization_code"]


def test_a_browser_that_says_no_or_never_comes_back(modern: Site) -> None:
    browser = Browser(modern, decision="no")
    with modern.open() as mailbox:
        with pytest.raises(SignInFailed, match="declined"):
            mailbox.sign_in(CLIENT_ID, method="browser", browse=browser, wait=20)
        browser.done()
        with pytest.raises(SignInFailed, match="did not come back"):
            mailbox.sign_in(CLIENT_ID, method="browser", browse=lambda url: None, wait=0.05)
        with pytest.raises(UsageError, match="browse"):
            mailbox.sign_in(CLIENT_ID, method="browser")


def test_a_service(modern: Site) -> None:
    with modern.open() as mailbox:
        with pytest.raises(UsageError, match="secret"):
            mailbox.sign_in(SERVICE_ID, method="service")
        with pytest.raises(SignInFailed) as caught:
            mailbox.sign_in(SERVICE_ID, method="service", client_secret="wrong")
        assert (caught.value.error, caught.value.code) == ("invalid_client", "AADSTS7000215")
        mailbox.sign_in(SERVICE_ID, method="service", client_secret=SERVICE_SECRET)
        mailbox.sync()
        modern.clock.sleep(4000)
        mailbox.sync()
    assert grants(modern)[-2:] == ["client_credentials", "client_credentials"], "renewed by itself"


def test_tokens_are_renewed_before_they_end_and_rotate(modern: Site) -> None:
    with modern.open() as mailbox:
        mailbox.sign_in(CLIENT_ID, show=approving(modern))
        for _ in range(3):
            modern.clock.sleep(3600 - 200)
            mailbox.sync()
    assert grants(modern) == ["device_code", *["refresh_token"] * 3]
    used = [fields.get("refresh_token") for fields in modern.exchange.sign_in.oauth.requests[1:]]
    assert len(set(used)) == 3, "each refresh token is used once"
    assert modern.commands(401) == [], "no request went out with a token that had ended"


def test_a_clock_that_is_wrong(modern: Site) -> None:
    """The server's clock is ahead: its 401 brings a new token, one, and the command again."""
    with modern.open() as mailbox:
        mailbox.sign_in(CLIENT_ID, show=approving(modern))
        modern.exchange.sign_in.oauth.expire("alice")
        mailbox.sync()
        assert grants(modern) == ["device_code", "refresh_token"]
        modern.clock.sleep(-86_400)
        modern.exchange.sign_in.oauth.expire("alice")
        mailbox.sync()
    assert grants(modern) == ["device_code", "refresh_token", "refresh_token"]


def test_revoked_tokens_want_a_person_and_are_asked_about_once(modern: Site) -> None:
    with modern.open() as mailbox:
        mailbox.sign_in(CLIENT_ID, show=approving(modern))
        modern.exchange.sign_in.oauth.revoke("alice")
        for _ in range(4):
            with pytest.raises(SignInRequired, match="sign-in"):
                mailbox.sync()
        assert not mailbox.sign_in_state().signed_in
        assert grants(modern) == ["device_code", "refresh_token"]
        assert len(modern.exchange.requests.of("OPTIONS")) == 1, "nothing more goes to the mail server either"
        mailbox.sign_in(show=approving(modern))
        mailbox.sync()
    assert passwords_sent(modern) == []


@pytest.mark.parametrize("silent", [True, False])
def test_a_claims_challenge(modern: Site, silent: bool) -> None:
    authority = modern.exchange.sign_in.oauth
    with modern.open() as mailbox:
        mailbox.sign_in(CLIENT_ID, show=approving(modern))
        authority.silent_claims = silent
        demand = {"access_token": {"acrs": {"essential": True, "value": "c1"}}}
        authority.demand("alice", demand)
        if not silent:
            with pytest.raises(SignInRequired) as caught:
                mailbox.sync()
            assert json.loads(caught.value.claims) == demand
            mailbox.sign_in(show=approving(modern))  # what is demanded goes along by itself
        mailbox.sync()
    demanded = [fields.get("claims", "") for fields in authority.requests]
    assert any("acrs" in claims for claims in demanded) or not silent
    assert passwords_sent(modern) == []


def test_somebody_else_signs_in(modern: Site) -> None:
    with modern.open() as mailbox:
        with pytest.raises(SignInFailed, match="somebody else") as caught:
            mailbox.sign_in(CLIENT_ID, show=approving(modern, "bob"))
        assert caught.value.error == "wrong_account"
        assert not mailbox.sign_in_state().signed_in
        with pytest.raises(SignInRequired):
            mailbox.sync()


def test_another_account_authority_or_resource_has_no_use_of_the_tokens(modern: Site) -> None:
    with modern.open() as mailbox:
        mailbox.sign_in(CLIENT_ID, show=approving(modern))
    modern.exchange.requests.clear()
    for keys in (
        {"email_address": "bob@example.test"},
        {"modern_auth_resource_url": "https://graph.example.test"},
        {"modern_auth_authority_url": "https://127.0.0.1:1/other"},
    ):
        with modern.open(keys) as mailbox, pytest.raises(SignInRequired):
            mailbox.sync()
    assert len(modern.exchange.requests) == 0


def test_the_mail_server_that_refuses_every_token(modern: Site) -> None:
    authority = modern.exchange.sign_in.oauth
    with modern.open(password="alice-secret") as mailbox:
        mailbox.sign_in(CLIENT_ID, show=approving(modern))
        authority.resource = "https://elsewhere.example.test"  # the server now wants another audience
        with pytest.raises(AuthenticationFailed):
            mailbox.sync()
    assert passwords_sent(modern) == []
    assert len(modern.exchange.requests.of("OPTIONS")) <= 2


def test_a_token_of_the_callers_own(modern: Site) -> None:
    asked: list[TokenRequest] = []
    authority = modern.exchange.sign_in.oauth

    def bring(wanted: TokenRequest) -> str:
        asked.append(wanted)
        return authority.issue("alice")

    with modern.open(token=bring) as mailbox:
        assert mailbox.sign_in_state().signed_in
        mailbox.sync()
        authority.expire("alice")
        before = len(asked)
        mailbox.sync()
    assert asked[0] == TokenRequest(authority.resource, "alice")
    assert not any(wanted.refused for wanted in asked[before:]), "a fresh one was brought in the first place"
    assert authority.requests == []


@pytest.mark.parametrize(
    ("token", "error"),
    [("a\r\nX: y", SignInFailed), ("", SignInFailed), (None, SignInFailed), ("no-such-token", SignInRequired)],
)
def test_a_token_that_is_none(modern: Site, token: Any, error: type[Exception]) -> None:
    with modern.open(token=lambda wanted: token) as mailbox, pytest.raises(error):
        mailbox.sync()
    assert len(modern.exchange.requests) == (1 if token == "no-such-token" else 0), "the same is not sent twice"


def test_a_token_for_another_audience_never_leaves(modern: Site) -> None:
    bring = modern.exchange.sign_in.oauth.issue("alice", audience="https://graph.microsoft.com")
    with modern.open(token=lambda wanted: bring) as mailbox, pytest.raises(SignInFailed, match="not sent"):
        mailbox.sync()
    assert len(modern.exchange.requests) == 0


def test_an_authority_that_redirects_gets_nothing_more(modern: Site) -> None:
    other = {"Location": "https://127.0.0.1:1/steal"}
    modern.exchange.faults.add(Http(307, other), "oauth token", times=None)
    with modern.open() as mailbox, pytest.raises(SignInFailed, match="not followed"):
        mailbox.sign_in(SERVICE_ID, method="service", client_secret=SERVICE_SECRET)


def test_a_mail_server_that_redirects_gets_nothing_more(modern: Site) -> None:
    with modern.open() as mailbox:
        mailbox.sign_in(CLIENT_ID, show=approving(modern))
        for status, headers in (
            (302, {"Location": "https://127.0.0.1:1/x"}),
            (451, {"X-MS-Location": "http://a.test/"}),
        ):
            modern.exchange.faults.add(Http(status, headers), "OPTIONS", times=None)
            with pytest.raises(ServerError):
                mailbox.sync()
            modern.exchange.faults.clear()


@pytest.mark.parametrize(
    "body", [b"", b"not JSON", b"{}", b" " * 300_000, b'{"access_token": "a", "token_type": "mac"}']
)
def test_an_authority_that_talks_nonsense(modern: Site, body: bytes) -> None:
    modern.exchange.faults.add(Http(200, {}, body), "oauth token")
    with modern.open() as mailbox:
        with pytest.raises((SignInFailed, ServerError)):
            mailbox.sign_in(SERVICE_ID, method="service", client_secret=SERVICE_SECRET)
        assert not mailbox.sign_in_state().signed_in


def test_an_authority_that_is_away_while_the_token_is_still_good(modern: Site) -> None:
    with modern.open() as mailbox:
        mailbox.sign_in(CLIENT_ID, show=approving(modern))
        modern.clock.sleep(3600 - 100)
        modern.exchange.faults.add(Http(503), "oauth token", times=None)
        mailbox.sync()
        modern.clock.sleep(200)
        with pytest.raises(ServerError, match="authority"):
            mailbox.sync()


def test_renewal_is_one_at_a_time(modern: Site) -> None:
    with modern.open() as mailbox:
        mailbox.sign_in(CLIENT_ID, show=approving(modern))
        modern.clock.sleep(4000)
        source = mailbox.credentials.tokens
        found: list[str] = []
        threads = [threading.Thread(target=lambda: found.append(source.token())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(found)) == 1
        old = found[0]
        renewed = [source.token(refused=old) for _ in range(3)]
        assert len(set(renewed)) == 1
    assert grants(modern) == ["device_code", "refresh_token", "refresh_token"]


def test_tokens_outlive_a_crash_recovery_and_not_a_sign_out(modern: Site) -> None:
    from emailplus.store.diagnosis import wipe_cached

    with modern.open() as mailbox:
        mailbox.sign_in(CLIENT_ID, show=approving(modern))
        wipe_cached(mailbox.store.database)
        assert mailbox.sign_in_state().signed_in
        mailbox.sign_out()
        assert not mailbox.sign_in_state().signed_in


def test_a_wipe_of_the_account_takes_the_tokens(modern: Site) -> None:
    from emailplus.model.changes import Wipe

    with modern.open() as mailbox:
        mailbox.sign_in(CLIENT_ID, show=approving(modern))
        mailbox.store.apply(Wipe(account_only=True))
        assert kept.tokens(mailbox.store.database) is None


def test_tokens_are_nowhere_but_in_the_store(modern: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    traffic = modern.path.parent / "traffic"
    with modern.open({"allow_logging": "true"}) as mailbox:
        mailbox.traffic_log(traffic, full=True)
        mailbox.sign_in(CLIENT_ID, show=approving(modern))
        mailbox.sync()
        mailbox.store.database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        tokens = kept.tokens(mailbox.store.database)
    assert tokens is not None
    secrets = [tokens.access_token, tokens.refresh_token]
    assert all(secret not in repr(tokens) for secret in secrets)
    for file in modern.path.parent.iterdir():
        data = file.read_bytes()
        assert not any(secret.encode() in data for secret in secrets), file.name
    assert not any(secret in caplog.text for secret in secrets)


def test_ews_alone_may_be_modern(make_site: Callable[..., Site], modern: Site) -> None:
    keys = {"eas_min_allowed_auth_mode": "basic", "ews_min_allowed_auth_mode": "modern_auth"}
    with modern.open(keys) as mailbox:
        mailbox.sign_in(CLIENT_ID, show=approving(modern))
        assert mailbox.credentials.tokens.token()
        scopes = modern.exchange.sign_in.oauth.requests
        assert scopes
        with pytest.raises(PasswordRequired):
            mailbox.sync()


def test_nobody_signs_in_where_passwords_are_used(make_site: Callable[..., Site]) -> None:
    site = make_site("basic")
    with site.open() as mailbox, pytest.raises(UsageError, match="eas_min_allowed_auth_mode"):
        mailbox.sign_in(CLIENT_ID)


def test_the_store_before_this_one_opens(modern: Site) -> None:
    with modern.open() as mailbox:
        mailbox.sign_in(CLIENT_ID, show=approving(modern))
    with Store.open(modern.path, KEY) as store:
        assert kept.tokens(store.database) is not None


def test_for_asyncio(modern: Site) -> None:
    async def whole() -> None:
        async with await AsyncMailbox.open(modern.config(), store=modern.path, key=KEY) as mailbox:
            assert not (await mailbox.sign_in_state()).signed_in
            await mailbox.sign_in(CLIENT_ID, show=approving(modern))
            modern.clock.sleep(4000)
            await mailbox.sync()
            await mailbox.sign_out()
            with pytest.raises(SignInRequired):
                await mailbox.sync()

    asyncio.run(whole())
    assert grants(modern) == ["device_code", "refresh_token"]


def test_a_certificate_of_the_authority_is_always_looked_at(modern: Site) -> None:
    keys = {"email_certificate_1": None, "email_trust_all_certificates": "true"}
    with modern.open(keys) as mailbox, pytest.raises(TlsFailed):
        mailbox.sign_in(CLIENT_ID, show=approving(modern))
    assert len(modern.exchange.requests) == 0


def test_clear_text_is_refused_before_anything(modern: Site) -> None:
    keys = {"modern_auth_authority_url": "http://login.example.test/common"}
    with modern.open(keys) as mailbox:
        with pytest.raises(AuthenticationFailed, match="clear text"):
            mailbox.sign_in(CLIENT_ID)
        with pytest.raises(AuthenticationFailed, match="clear text"):
            mailbox.sync()
        state = mailbox.sign_in_state()
    assert not state.signed_in
    assert "clear text" in state.why
