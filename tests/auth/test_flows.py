"""The dialogues with an authority, stopped at every effect: what is in the store is always one whole state."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emailplus.auth import oauth_flows
from emailplus.auth.oauth import Authority, Client, Wanted
from emailplus.errors import ConnectionFailed, ServerBusy, SignInFailed, SignInRequired, TlsFailed
from emailplus.flow import Commit, Emit, Flow, Http, HttpResponse, Load, Sleep
from emailplus.model.sign_in import DeviceCode, StoredTokens, Tokens
from emailplus.store.store import Store

KEY = bytes(32)
AUTHORITY = Authority.at("https://login.example.test/common")
CLIENT = Client("an-id")
WANTED = Wanted("https://outlook.office365.com")
BEGUN = oauth_flows.begun(AUTHORITY, CLIENT, WANTED, method="device", account="alice@example.test alice")
OLD = Tokens(**{
    **{name: getattr(BEGUN, name) for name in ("authority", "resource", "form", "method", "client_id", "scope")},
    "account": BEGUN.account, "access_token": "old", "refresh_token": "old refresh", "expires": 10.0,
})  # fmt: skip
CODE = {"user_code": "ABC", "device_code": "d", "verification_uri": "https://a.test", "expires_in": 20, "interval": 5}
GRANTED = {"token_type": "Bearer", "access_token": "new", "refresh_token": "new refresh", "expires_in": 3600}


def answer(document: dict[str, Any], status: int = 200) -> HttpResponse:
    return HttpResponse(status, {}, json.dumps(document).encode())


def flow_of(name: str) -> Flow[Tokens]:
    if name == "device":
        return oauth_flows.with_device_code(AUTHORITY, CLIENT, WANTED, BEGUN, lambda: 100.0)
    return oauth_flows.renew(OLD, lambda: 100.0)


def drive(flow: Flow[Tokens], store: Store, answers: list[Any], stop: int | None = None) -> list[Any]:
    """Perform effects until the end, or until `stop` of them were performed; what was yielded."""
    seen: list[Any] = []
    result: Any = None
    failure: Exception | None = None
    try:
        while True:
            effect = flow.throw(failure) if failure is not None else flow.send(result)
            if stop is not None and len(seen) == stop:
                flow.close()
                return seen
            seen.append(effect)
            result = failure = None
            if isinstance(effect, Http):
                found = answers.pop(0)
                result, failure = (None, found) if isinstance(found, Exception) else (found, None)
            elif isinstance(effect, Commit):
                result = store.apply(effect.batch)
            elif isinstance(effect, Load):
                result = store.load(effect.query)
    except StopIteration:
        return seen


def stored(path: Path) -> Tokens | None:
    with Store.open(path, KEY) as store:
        found: Tokens | None = store.load(StoredTokens())
        return found


PENDING = answer({"error": "authorization_pending"}, 400)


@pytest.mark.parametrize(
    ("name", "answers"),
    [("device", lambda: [answer(CODE), PENDING, answer(GRANTED)]), ("renew", lambda: [answer(GRANTED)])],
)
def test_stopped_anywhere_the_store_has_the_old_or_the_new(
    name: str, answers: Callable[[], list[Any]], tmp_path: Path
) -> None:
    with Store.open(tmp_path / "whole.db", KEY) as store:
        whole = drive(flow_of(name), store, answers())
    assert isinstance(whole[-1], Commit), "nothing comes after the tokens are kept"
    for stop in range(len(whole) + 1):
        path = tmp_path / f"{stop}.db"
        with Store.open(path, KEY) as store:
            store.apply(oauth_flows.SaveTokens(OLD))
            drive(flow_of(name), store, answers(), stop)
        found = stored(path)
        assert found is not None
        assert found.access_token == ("new" if stop == len(whole) else "old")
        with Store.open(path, KEY) as store:  # and again, from the beginning
            drive(flow_of(name), store, answers())
        assert (found := stored(path)) is not None
        assert (found.access_token, found.refresh_token, found.expires) == ("new", "new refresh", 3700.0)


def test_what_a_device_code_yields(tmp_path: Path) -> None:
    slow = answer({"error": "slow_down"}, 400)
    with Store.open(tmp_path / "s.db", KEY) as store:
        seen = drive(flow_of("device"), store, [answer(CODE), slow, answer(GRANTED)])
    assert [type(effect) for effect in seen] == [Http, Emit, Sleep, Http, Sleep, Http, Commit]
    assert isinstance(seen[1].event, DeviceCode)
    assert [effect.seconds for effect in seen if isinstance(effect, Sleep)] == [5.0, 10.0]


def test_the_code_ends(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.db", KEY) as store:
        with pytest.raises(SignInFailed, match="code ended"):
            drive(flow_of("device"), store, [answer(CODE), *[PENDING] * 99])
        assert store.load(StoredTokens()) is None


@pytest.mark.parametrize("trouble", [ConnectionFailed("cut"), ServerBusy("busy"), HttpResponse(500, {})])
def test_an_authority_that_stays_away(trouble: Any, tmp_path: Path) -> None:
    long = {**CODE, "expires_in": 900}
    with Store.open(tmp_path / "s.db", KEY) as store:
        some = [answer(long), *[trouble] * oauth_flows.MAX_TROUBLES, answer(GRANTED)]
        assert isinstance(drive(flow_of("device"), store, some)[-1], Commit)
        with pytest.raises((ConnectionFailed, ServerBusy)):
            drive(flow_of("device"), store, [answer(long), *[trouble] * 99])


def test_a_certificate_that_is_not_trusted_ends_it_at_once(tmp_path: Path) -> None:
    answers = [answer(CODE), TlsFailed("x"), answer(GRANTED)]
    with Store.open(tmp_path / "s.db", KEY) as store, pytest.raises(TlsFailed):
        drive(flow_of("device"), store, answers)
    assert len(answers) == 1


def test_a_refresh_token_that_is_refused_is_asked_about_once(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.db", KEY) as store:
        refused = answer({"error": "invalid_grant", "claims": '{"a":1}'}, 400)
        with pytest.raises(SignInRequired):
            drive(flow_of("renew"), store, [refused])
        kept = store.load(StoredTokens())
        assert (kept.access_token, kept.refresh_token, kept.claims) == ("", "", '{"a":1}')
        with pytest.raises(SignInRequired) as caught:
            drive(oauth_flows.renew(kept, lambda: 0.0), store, [])
        assert caught.value.claims == '{"a":1}'


def test_a_refresh_without_a_new_refresh_token_keeps_the_old_one(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.db", KEY) as store:
        drive(flow_of("renew"), store, [answer({"token_type": "Bearer", "access_token": "new"})])
        assert store.load(StoredTokens()).refresh_token == "old refresh"
