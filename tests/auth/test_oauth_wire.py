"""Requests to an authority and what its answers mean: RFC vectors, an independent library, and hostile answers."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailplus.auth import oauth
from emailplus.auth.oauth import Authority, Client, Granted, Pending, Wanted
from emailplus.errors import EmailplusError, ServerBusy, SignInFailed, SignInRequired, UsageError
from emailplus.flow import HttpRequest, HttpResponse

V2 = Authority.at("https://login.example.test/common")
V1 = Authority.at("https://adfs.example.test/adfs/")
RESOURCE = "https://outlook.office365.com"
WANTED = Wanted(RESOURCE)
CLIENT = Client("an-id")


def fields(request: HttpRequest) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.content.decode(), keep_blank_values=True).items()}


def answer(document: Any, status: int = 200, **headers: str) -> HttpResponse:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return HttpResponse(status, headers, body)


def granted(**more: Any) -> dict[str, Any]:
    return {"token_type": "Bearer", "access_token": "abc.def", "expires_in": 3600} | more


def jwt(**claims: Any) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{body}.c2ln"


@pytest.mark.parametrize(
    ("url", "form", "token"),
    [
        ("https://login.microsoftonline.com/common", None, "/common/oauth2/v2.0/token"),
        ("https://login.microsoftonline.com/common/v2.0", None, "/common/oauth2/v2.0/token"),
        ("https://login.microsoftonline.com/common", "v1", "/common/oauth2/token"),
        ("https://adfs.example.test/adfs", None, "/adfs/oauth2/token"),
        ("https://adfs.example.test/ADFS/", None, "/ADFS/oauth2/token"),
        ("http://127.0.0.1:80/x", None, "/x/oauth2/v2.0/token"),
    ],
)
def test_endpoints(url: str, form: Any, token: str) -> None:
    found = Authority.at(url, form).endpoint("token")
    assert urlsplit(found).path == token
    assert urlsplit(found).netloc == urlsplit(url).netloc


@pytest.mark.parametrize("url", ["http://login.example.test/common", "https://a.test/?x=1", "https://me@a.test/x"])
def test_no_secret_goes_to_such_an_address(url: str) -> None:
    with pytest.raises(UsageError):
        Authority.at(url)


def test_pkce() -> None:
    """RFC 7636, appendix B."""
    assert (
        oauth.challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
        == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )


def test_an_independent_library_reads_our_requests() -> None:
    """oauthlib's server side takes our token requests apart: what RFC 6749 asks for is there."""
    oauthlib = pytest.importorskip("oauthlib.oauth2")
    from oauthlib.common import Request

    class Validator(oauthlib.RequestValidator):  # type: ignore[misc, name-defined]
        def client_authentication_required(self, request: Any, *_: Any, **__: Any) -> bool:
            return False

        def authenticate_client_id(self, client_id: str, request: Any, *_: Any, **__: Any) -> bool:
            request.client = type("C", (), {"client_id": client_id})
            return bool(client_id == CLIENT.id)

        def validate_refresh_token(self, refresh_token: str, *_: Any, **__: Any) -> bool:
            return refresh_token == "old"

        def validate_code(self, client_id: str, code: str, client: Any, request: Any, *_: Any, **__: Any) -> bool:
            return code == "the-code"

        def validate_grant_type(self, *_: Any, **__: Any) -> bool:
            return True

        def get_code_challenge(self, *_: Any) -> str:
            return self.challenge  # type: ignore[no-any-return]

        def get_code_challenge_method(self, *_: Any) -> str:
            return "S256"

        def confirm_redirect_uri(self, client_id: str, code: str, redirect_uri: str, *_: Any, **__: Any) -> bool:
            return redirect_uri == "http://localhost:1234"

        def get_original_scopes(self, *_: Any, **__: Any) -> list[str]:
            return WANTED.scope("v2").split()

    attempt = oauth.authorization(V2, CLIENT, WANTED, redirect="http://localhost:1234", user="a@example.test")
    query = {name: values[0] for name, values in parse_qs(urlsplit(attempt.url).query).items()}
    validator = Validator()
    validator.challenge = query["code_challenge"]
    request = oauth.code_request(V2, CLIENT, WANTED, attempt, "the-code")
    grant = oauthlib.AuthorizationCodeGrant(validator)
    grant.validate_token_request(Request(request.url, "POST", request.content.decode(), dict(request.headers)))
    request = oauth.refresh_request(V2, CLIENT, WANTED, "old")
    refresh = oauthlib.RefreshTokenGrant(validator)
    refresh.validate_token_request(Request(request.url, "POST", request.content.decode(), dict(request.headers)))
    assert query["login_hint"] == "a@example.test"
    assert len(attempt.verifier) >= 43
    assert attempt.verifier not in repr(attempt)
    assert attempt.verifier not in attempt.url


def test_the_two_forms() -> None:
    v2, v1 = fields(oauth.device_request(V2, CLIENT, WANTED)), fields(oauth.device_request(V1, CLIENT, WANTED))
    assert v2["scope"].split() == [f"{RESOURCE}/EAS.AccessAsUser.All", "openid", "profile", "offline_access"]
    assert "resource" not in v2
    assert v1["resource"] == RESOURCE
    service = Client("an-id", "a secret")
    assert fields(oauth.service_request(V2, service, WANTED))["scope"] == f"{RESOURCE}/.default"
    assert fields(oauth.service_request(V1, service, WANTED)) == {
        "client_id": "an-id", "grant_type": "client_credentials", "resource": RESOURCE, "client_secret": "a secret",
    }  # fmt: skip
    first = Authority.at("https://login.example.test/common", "v1")
    assert fields(oauth.poll_request(first, CLIENT, WANTED, "d"))["code"] == "d"
    assert fields(oauth.poll_request(V1, CLIENT, WANTED, "d"))["device_code"] == "d"


def test_a_claims_challenge_goes_along() -> None:
    demanded = '{"access_token":{"nbf":{"essential":true,"value":"1"}}}'
    found = json.loads(fields(oauth.refresh_request(V2, CLIENT, WANTED, "r", demanded))["claims"])
    assert found["access_token"] == {"nbf": {"essential": True, "value": "1"}, "xms_cc": {"values": ["cp1"]}}


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        # the example of Microsoft's page on claims challenges
        (
            'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", '
            'error="insufficient_claims", '
            'claims="eyJhY2Nlc3NfdG9rZW4iOnsiYWNycyI6eyJlc3NlbnRpYWwiOnRydWUsInZhbHVlIjoiY3AxIn19fQ=="',
            {"access_token": {"acrs": {"essential": True, "value": "cp1"}}},
        ),
        ('Bearer error="invalid_token"', None),
        ('Bearer claims="not base64 !!"', None),
        ('Bearer claims="bm90IEpTT04="', None),
        ('Bearer claims="WzFd"', None),
        ("", None),
    ],
)
def test_what_a_401_demands(header: str, claims: Any) -> None:
    found = oauth.challenge({"www-authenticate": header} if header else {})
    assert (json.loads(found) if found else None) == claims


def test_a_good_answer() -> None:
    identity = jwt(preferred_username="alice@example.test")
    found = oauth.token_answer(answer(granted(expires_in="120", refresh_token="r", id_token=identity)), WANTED)
    assert found == Granted("abc.def", 120.0, "r", "alice@example.test")
    assert "abc.def" not in repr(found)


HOSTILE: list[tuple[Any, int]] = [
    (b"", 200),
    (b"<html>", 200),
    (b"[]", 200),
    (b"[" * 100_000, 200),
    (b"\xff\xfe", 200),
    ({}, 200),
    (granted(access_token=""), 200),
    (granted(access_token="a\r\nX-Evil: yes"), 200),
    (granted(access_token="a b"), 200),
    (granted(access_token=["a"]), 200),
    (granted(access_token="a" * 70_000), 200),
    (granted(token_type="mac"), 200),
    (granted(token_type=None), 200),
    (granted(), 201),
    (granted(), 302),
    (granted(resource="https://graph.microsoft.com"), 200),
    (granted(access_token=jwt(aud="https://graph.microsoft.com")), 200),
    ({"error": "invalid_client"}, 401),
    ({"error": "x" * 100_000}, 400),
    ({"error": "<script>"}, 400),
    (b" " * (oauth.MAX_ANSWER + 1) + b"{}", 200),
]


@pytest.mark.parametrize(("document", "status"), HOSTILE)
def test_a_bad_answer_gives_no_token(document: Any, status: int) -> None:
    with pytest.raises(SignInFailed) as caught:
        oauth.token_answer(answer(document, status), WANTED)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("seconds", "meant"),
    [("3600", 3600.0), (0, 3600.0), (-5, 3600.0), ("x", 3600.0), (None, 3600.0), (1e300, oauth.LONGEST_LIFE),
     (True, 3600.0), ("9" * 400, 3600.0), ([], 3600.0), ("nan", 3600.0)],
)  # fmt: skip
def test_how_long_a_token_lives(seconds: Any, meant: float) -> None:
    found = oauth.token_answer(answer(granted(expires_in=seconds)), WANTED)
    assert isinstance(found, Granted)
    assert found.seconds == meant


def test_errors_name_the_number_and_nobody() -> None:
    text = "AADSTS65001: The user alice@example.test has not consented. Trace ID: 1"
    with pytest.raises(SignInRequired) as caught:
        oauth.token_answer(answer({"error": "consent_required", "error_description": text}, 400), WANTED)
    assert "AADSTS65001" in str(caught.value)
    assert "alice" not in str(caught.value)
    with pytest.raises(SignInRequired) as caught:
        oauth.token_answer(answer({"error": "interaction_required", "claims": '{"a":1}'}, 400), WANTED)
    assert caught.value.claims == '{"a":1}'
    with pytest.raises(ServerBusy) as busy:
        oauth.token_answer(answer(b"", 503, **{"retry-after": "7"}), WANTED)
    assert busy.value.retry_after == 7.0
    assert oauth.token_answer(answer({"error": "authorization_pending"}, 400), WANTED) == Pending()
    assert oauth.token_answer(answer({"error": "slow_down"}, 400), WANTED) == Pending(5.0)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"user_code": "A", "device_code": "B", "verification_uri": "javascript:alert(1)"},
        {"user_code": "A\x1b[2J", "device_code": "B", "verification_uri": "https://a.test"},
        {"user_code": "A", "device_code": 7, "verification_uri": "https://a.test"},
        {"user_code": "A" * 100, "device_code": "B", "verification_uri": "https://a.test"},
    ],
)
def test_what_cannot_be_shown_is_not(document: Any) -> None:
    with pytest.raises(SignInFailed):
        oauth.device_answer(answer(document))


def test_a_device_code_of_either_form() -> None:
    base = {"user_code": "ABC", "device_code": "d", "expires_in": "600", "interval": "2", "message": "go\x07"}
    for name in ("verification_uri", "verification_url"):
        found = oauth.device_answer(answer({**base, name: "https://a.test/device"}))
        assert (found.shown.url, found.shown.code, found.shown.seconds, found.interval) == (
            "https://a.test/device", "ABC", 600.0, 2.0,
        )  # fmt: skip
        assert found.shown.message == ""


@pytest.mark.parametrize(
    ("aud", "fits"),
    [
        (RESOURCE, True), (f"{RESOURCE}/", True), ("00000002-0000-0ff1-ce00-000000000000", True), (None, True),
        ("https://graph.microsoft.com", False), ([RESOURCE, "https://x.test"], True), (["https://x.test"], False),
    ],
)  # fmt: skip
def test_a_token_for_another_audience_stays_here(aud: Any, fits: bool) -> None:
    if fits:
        oauth.require_audience(jwt(aud=aud), RESOURCE)
    else:
        with pytest.raises(SignInFailed, match="not sent"):
            oauth.require_audience(jwt(aud=aud), RESOURCE)


def test_a_browser_that_comes_back_with_something_else() -> None:
    attempt = oauth.authorization(V2, CLIENT, WANTED, redirect="http://localhost:1")
    for query in ({}, {"code": "c"}, {"code": "c", "state": "wrong"}, {"state": attempt.state}):
        with pytest.raises(SignInFailed):
            oauth.code_of(attempt, query)
    with pytest.raises(SignInFailed, match="declined"):
        oauth.code_of(attempt, {"state": attempt.state, "error": "access_denied"})
    assert oauth.code_of(attempt, {"state": attempt.state, "code": "c"}) == "c"


@given(st.binary(max_size=300), st.sampled_from([200, 400, 401, 429, 500]), st.text(max_size=60))
def test_anything_is_an_answer_or_one_of_our_errors(body: bytes, status: int, text: str) -> None:
    for parse in (lambda r: oauth.token_answer(r, WANTED), oauth.device_answer):
        for raw in (body, json.dumps({"error": text, "access_token": text, "token_type": "Bearer"}).encode()):
            said = ""
            try:
                parse(HttpResponse(status, {}, raw))
            except EmailplusError as problem:
                said = str(problem)
            assert len(said) < 400
    oauth.claims_of(text)
    oauth.challenge({"www-authenticate": text})
