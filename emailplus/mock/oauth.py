"""An OAuth 2.0 authority: device code, authorisation code with PKCE, client credentials, refresh with rotation.

It answers below any first path segment (``/common``, ``/adfs``, ``/contoso``), in both forms: ``/oauth2/v2.0/token``
takes a scope, ``/oauth2/token`` a resource. Its pages are forms, for a person or for a test that acts as one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode

from ..errors import NotFound
from .context import Answer

if TYPE_CHECKING:
    from .exchange import Exchange
    from .record import Request
    from .sign_in import Attempts
    from .users import MockUser

CLIENT_ID: Final = "0d3f9c52-7d2e-4a7e-9c55-6b6a53c0f8f1"
SERVICE_ID: Final = "f1c8e0aa-5a52-4a3c-8a44-0c3df3a3d9b2"
SERVICE_SECRET: Final = "service-secret"
RESOURCE: Final = "https://outlook.office365.com"
_PATH = re.compile(r"/([A-Za-z0-9._-]+)/oauth2/(v2\.0/)?(token|authorize|devicecode|deviceauth)/?")
_DEVICE_GRANTS = ("urn:ietf:params:oauth:grant-type:device_code", "device_code")


class OAuthError(Exception):
    """An error answer (RFC 6749 5.2)."""

    def __init__(self, error: str, number: int, text: str, status: int = 400, claims: str = "") -> None:
        super().__init__(text)
        self.error, self.number, self.text, self.status, self.claims = error, number, text, status, claims


@dataclass(slots=True)
class Token:
    """An access token that was given out."""

    value: str = field(repr=False)
    email: str
    audience: str
    expires: float
    claims: str = ""
    service: bool = False


@dataclass(slots=True)
class _Refresh:
    email: str
    client: str
    family: str
    claims: str


@dataclass(slots=True)
class _Device:
    user_code: str
    client: str
    claims: str
    expires: float
    email: str = ""
    declined: bool = False
    asked: float = 0.0


@dataclass(slots=True)
class _Code:
    email: str
    client: str
    redirect: str
    challenge: str
    claims: str
    expires: float


class Authority:
    """The authority of one mock server. Everything a test turns is an attribute."""

    def __init__(self, exchange: Exchange, attempts: Attempts) -> None:
        self._exchange, self._attempts = exchange, attempts
        self.base = ""
        """Scheme, host and port, once the server listens."""
        self.resource = RESOURCE
        self.clients: dict[str, str] = {CLIENT_ID: "", SERVICE_ID: SERVICE_SECRET}
        """Client id -> secret; "" for a program that can keep none."""
        self.token_seconds = 3600
        self.device_seconds, self.interval = 900, 5
        self.rotate = True
        """A refresh token is good once; a second use takes back all that came of it (RFC 9700 4.14.2)."""
        self.silent_claims = True
        """Demanded claims are had by a refresh; False: only a person's sign-in gives them."""
        self.requests: list[dict[str, str]] = []
        """Fields of every request to the token endpoint."""
        self._demands: dict[str, str] = {}
        self._key = secrets.token_bytes(32)
        self._tokens: dict[str, Token] = {}
        self._refresh: dict[str, _Refresh] = {}
        self._spent: dict[str, str] = {}
        self._devices: dict[str, _Device] = {}
        self._codes: dict[str, _Code] = {}

    # -- for the test

    @property
    def url(self) -> str:
        """What `modern_auth_authority_url` is to be."""
        return f"{self.base}/common"

    @property
    def authorize_url(self) -> str:
        return f"{self.url}/oauth2/authorize"

    def approve(self, user_code: str, login: str) -> None:
        """Do what a person does who types the code and signs in."""
        self._device(user_code).email = self._exchange._find_user(login).email

    def decline(self, user_code: str) -> None:
        """The person says no."""
        self._device(user_code).declined = True

    def demand(self, login: str, claims: Mapping[str, Any]) -> None:
        """From now on only tokens that were asked for with these claims open the mailbox."""
        self._demands[self._exchange._find_user(login).email] = json.dumps(claims)

    def expire(self, login: str) -> None:
        """Every access token of a user ends now."""
        email = self._exchange._find_user(login).email
        for token in self._tokens.values():
            if token.email == email:
                token.expires = 0.0

    def revoke(self, login: str) -> None:
        """Take back every access and refresh token of a user."""
        email = self._exchange._find_user(login).email
        self._tokens = {name: token for name, token in self._tokens.items() if token.email != email}
        self._refresh = {name: entry for name, entry in self._refresh.items() if entry.email != email}

    def issue(self, login: str, *, audience: str | None = None, seconds: int | None = None) -> str:
        """An access token without a dialogue, for callers that bring their own."""
        email = self._exchange._find_user(login).email
        return self._access(email, "", audience=audience, seconds=seconds).value

    def judge(self, value: str) -> Token | str:
        """A token that opens its user's mailbox, or what the 401 says."""
        token = self._tokens.get(value)
        if token is None or token.audience.rstrip("/") != self.resource.rstrip("/"):
            return 'error="invalid_token"'
        if token.expires <= self._now():
            return 'error="invalid_token", error_description="expired"'
        demand = self._demands.get(token.email, "")
        if demand and not _covers(token.claims, demand):
            packed = base64.b64encode(demand.encode()).decode("ascii")
            return f'error="insufficient_claims", claims="{packed}"'
        return token

    def description(self) -> dict[str, Any]:
        """For server.json."""
        return {
            "authority": self.url,
            "resource": self.resource,
            "client_id": CLIENT_ID,
            "service": {"client_id": SERVICE_ID, "client_secret": SERVICE_SECRET},
        }

    # -- requests

    @staticmethod
    def command(path: str) -> str:
        """What a path below the authority asks for, as `Request.command` has it; "" for other paths."""
        found = _PATH.fullmatch(path)
        return f"oauth {found[3]}" if found is not None else ""

    def handle(self, request: Request) -> Answer:
        """Answer a request below /TENANT/oauth2."""
        path, _, query = request.target.partition("?")
        found = _PATH.fullmatch(path)
        assert found is not None
        endpoint, form = found[3], "v2" if found[2] else "v1"
        fields = dict(parse_qsl(query)) | dict(parse_qsl(request.body.decode("utf-8", "replace")))
        try:
            if endpoint == "token":
                self.requests.append(fields)
                return _json(200, self._token(request, fields, form))
            if endpoint == "devicecode":
                return _json(200, self._devicecode(fields, form, found[1]))
            if endpoint == "deviceauth":
                return self._deviceauth(request, fields)
            return self._authorize(request, fields, form)
        except OAuthError as error:
            text = f"AADSTS{error.number}: {error.text}"
            document = {"error": error.error, "error_description": text, "error_codes": [error.number]}
            if error.claims:
                document["claims"] = error.claims
            return _json(error.status, document)

    def _token(self, request: Request, fields: dict[str, str], form: str) -> dict[str, Any]:
        if request.method != "POST":
            raise OAuthError("invalid_request", 900561, "the endpoint takes POST only")
        client = self._client(fields)
        grant = fields.get("grant_type", "")
        if grant in _DEVICE_GRANTS:
            return self._polled(fields.get("device_code") or fields.get("code", ""), client, form)
        if grant == "authorization_code":
            return self._redeemed(fields, client, form)
        self._require_target(fields, form)
        if grant == "refresh_token":
            return self._refreshed(fields, client, form)
        if grant == "client_credentials":
            if not self.clients[client]:
                raise OAuthError("unauthorized_client", 700016, "this client is no service")
            token = self._access("", fields.get("claims", ""), service=True)
            return self._granted(token, form)
        raise OAuthError("unsupported_grant_type", 70003, "no such grant")

    def _client(self, fields: Mapping[str, str]) -> str:
        client = fields.get("client_id", "")
        if client not in self.clients:
            raise OAuthError("unauthorized_client", 700016, f"application {client[:40]!r} was not found")
        secret = self.clients[client]
        if secret and not hmac.compare_digest(secret.encode(), fields.get("client_secret", "").encode()):
            raise OAuthError("invalid_client", 7000215, "invalid client secret", 401)
        return client

    def _require_target(self, fields: Mapping[str, str], form: str) -> None:
        resource = self.resource.rstrip("/")
        if form == "v1":
            if fields.get("resource", "").rstrip("/") != resource:
                raise OAuthError("invalid_resource", 500011, "the resource was not found")
            return
        wanted = [scope for scope in fields.get("scope", "").split() if "://" in scope]
        if not wanted or any(not scope.startswith(f"{resource}/") for scope in wanted):
            raise OAuthError("invalid_scope", 70011, "the scope is not valid")

    # -- device code

    def _devicecode(self, fields: Mapping[str, str], form: str, tenant: str) -> dict[str, Any]:
        client = self._client(fields)
        self._require_target(fields, form)
        user_code = "".join(secrets.choice("BCDFGHJKLMNPQRSTVWXZ") for _ in range(9))
        name = secrets.token_urlsafe(32)
        self._devices[name] = _Device(user_code, client, fields.get("claims", ""), self._now() + self.device_seconds)
        url = f"{self.base}/{tenant}/oauth2/deviceauth"
        return {
            "device_code": name,
            "user_code": user_code,
            "verification_uri" if form == "v2" else "verification_url": url,
            "expires_in": self.device_seconds if form == "v2" else str(self.device_seconds),
            "interval": self.interval if form == "v2" else str(self.interval),
            "message": f"To sign in, open {url} and enter the code {user_code}.",
        }

    def _device(self, user_code: str) -> _Device:
        for device in self._devices.values():
            if device.user_code == user_code.strip().upper():
                return device
        raise NotFound(f"no sign-in waits for the code {user_code!r}")

    def _polled(self, name: str, client: str, form: str) -> dict[str, Any]:
        device = self._devices.get(name)
        if device is None or device.client != client:
            raise OAuthError("invalid_grant", 70002, "no such device code")
        now = self._now()
        if device.expires <= now:
            del self._devices[name]
            raise OAuthError("expired_token", 70020, "the device code has expired")
        if device.declined:
            raise OAuthError("authorization_declined", 70036, "the user declined")
        if not device.email:
            hasty, device.asked = now - device.asked < self.interval and device.asked > 0, now
            raise OAuthError("slow_down" if hasty else "authorization_pending", 70016, "the user has not signed in yet")
        del self._devices[name]
        return self._signed_in(device.email, client, device.claims, form)

    def _deviceauth(self, request: Request, fields: Mapping[str, str]) -> Answer:
        if request.method != "POST":
            return _page("Enter the code", _form("user_code", "username", "password"))
        try:
            device = self._device(fields.get("user_code", ""))
        except NotFound:
            return _page("There is no such code", _form("user_code", "username", "password"), 400)
        user = self._person(fields)
        if user is None:
            return _page("Wrong name or password", _form("user_code", "username", "password"), 401)
        device.email = user.email
        return _page("You have signed in; return to where you began.")

    # -- browser

    def _authorize(self, request: Request, fields: Mapping[str, str], form: str) -> Answer:
        client = fields.get("client_id", "")
        redirect = fields.get("redirect_uri", "")
        if client not in self.clients or not re.fullmatch(r"http://(localhost|127\.0\.0\.1)(:[0-9]+)?/?", redirect):
            return _page("The application, or where it wants to go back to, is not known here", status=400)
        state = {"state": fields.get("state", "")}
        try:
            self._require_target(fields, form)
            if fields.get("response_type") != "code" or fields.get("code_challenge_method") != "S256":
                raise OAuthError("invalid_request", 900144, "a code with PKCE (S256) has to be asked for")
        except OAuthError as error:
            return _go(redirect, state | {"error": error.error, "error_description": f"AADSTS{error.number}"})
        if fields.get("decision") == "no":
            return _go(redirect, state | {"error": "access_denied", "error_description": "AADSTS65004: declined"})
        if request.method != "POST":
            return _page("Sign in", _form("username", "password", username=fields.get("login_hint", "")))
        user = self._person(fields)
        if user is None:
            return _page("Wrong name or password", _form("username", "password"), 401)
        code = secrets.token_urlsafe(48)
        self._codes[code] = _Code(
            user.email, client, redirect, fields.get("code_challenge", ""), fields.get("claims", ""), self._now() + 60
        )
        return _go(redirect, state | {"code": code})

    def _redeemed(self, fields: Mapping[str, str], client: str, form: str) -> dict[str, Any]:
        code = self._codes.pop(fields.get("code", ""), None)
        if code is None or code.client != client or code.expires <= self._now():
            raise OAuthError("invalid_grant", 70008, "the code has expired or was used")
        verifier = fields.get("code_verifier", "")
        proved = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode("ascii")
        if not hmac.compare_digest(proved, code.challenge) or fields.get("redirect_uri") != code.redirect:
            raise OAuthError("invalid_grant", 501481, "the code verifier does not match the challenge")
        return self._signed_in(code.email, client, code.claims, form)

    def _person(self, fields: Mapping[str, str]) -> MockUser | None:
        try:
            user = self._exchange._find_user(fields.get("username", ""))
        except NotFound:
            return None
        right = hmac.compare_digest(user.password.encode(), fields.get("password", "").encode())
        return user if self._attempts.judge(user.email, right) else None

    # -- tokens

    def _refreshed(self, fields: Mapping[str, str], client: str, form: str) -> dict[str, Any]:
        name = fields.get("refresh_token", "")
        if name in self._spent:
            family = self._spent[name]
            self._refresh = {key: entry for key, entry in self._refresh.items() if entry.family != family}
            raise OAuthError("invalid_grant", 70043, "the refresh token was used before")
        entry = self._refresh.get(name)
        if entry is None or entry.client != client:
            raise OAuthError("invalid_grant", 700082, "the refresh token has expired or was revoked")
        demand = self._demands.get(entry.email, "")
        claims = fields.get("claims", "") or entry.claims
        if demand and not self.silent_claims and not _covers(entry.claims, demand):
            raise OAuthError("interaction_required", 50076, "the user must prove more", claims=demand)
        if self.rotate:
            del self._refresh[name]
            self._spent[name] = entry.family
        return self._signed_in(entry.email, client, claims, form, entry.family, None if self.rotate else name)

    def _signed_in(
        self, email: str, client: str, claims: str, form: str, family: str = "", keep: str | None = None
    ) -> dict[str, Any]:
        granted = self._granted(self._access(email, claims), form)
        name = keep or secrets.token_urlsafe(64)
        self._refresh[name] = _Refresh(email, client, family or secrets.token_hex(8), claims)
        user = self._exchange._find_user(email)
        identity = {"aud": client, "preferred_username": user.email, "upn": user.email, "name": user.name}
        return granted | {"refresh_token": name, "id_token": self._jwt(identity)}

    def _access(
        self, email: str, claims: str, *, service: bool = False, audience: str | None = None, seconds: int | None = None
    ) -> Token:
        audience = audience or self.resource
        expires = self._now() + (self.token_seconds if seconds is None else seconds)
        value = self._jwt({"aud": audience, "upn": email, "exp": int(expires), "jti": secrets.token_hex(8)})
        token = self._tokens[value] = Token(value, email, audience, expires, claims, service)
        return token

    def _granted(self, token: Token, form: str) -> dict[str, Any]:
        found: dict[str, Any] = {"token_type": "Bearer", "access_token": token.value}
        found["expires_in"] = self.token_seconds if form == "v2" else str(self.token_seconds)
        if form == "v1":
            found["resource"] = self.resource
        return found

    def _jwt(self, claims: Mapping[str, Any]) -> str:
        body = ".".join(_packed(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
        return f"{body}.{_packed(hmac.digest(self._key, body.encode(), 'sha256'))}"

    def _now(self) -> float:
        return self._exchange.clock().timestamp()


def _covers(claims: str, demand: str) -> bool:
    """Whether a claims request asks for all that is demanded of the access token."""
    try:
        asked, wanted = (json.loads(text or "{}").get("access_token", {}) for text in (claims, demand))
    except (ValueError, AttributeError):
        return False
    return all(asked.get(name) == value for name, value in wanted.items())


def _packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _json(status: int, document: Mapping[str, Any]) -> Answer:
    headers = [("Cache-Control", "no-store"), ("Pragma", "no-cache")]
    return Answer(status, body=json.dumps(document).encode(), content_type="application/json", headers=headers)


def _go(redirect: str, fields: Mapping[str, str]) -> Answer:
    return Answer(302, content_type="", headers=[("Location", f"{redirect}?{urlencode(fields)}")])


def _page(title: str, form: str = "", status: int = 200) -> Answer:
    text = f"<!doctype html><meta charset=utf-8><title>Mock authority</title><h1>{html.escape(title)}</h1>{form}"
    return Answer(status, body=text.encode(), content_type="text/html; charset=utf-8")


def _form(*names: str, **values: str) -> str:
    inputs = "".join(
        f'<p><label>{name} <input name="{name}" type="{"password" if name == "password" else "text"}" '
        f'value="{html.escape(values.get(name, ""))}"></label>'
        for name in names
    )
    return f'<form method="post">{inputs}<p><button>Sign in</button></form>'
