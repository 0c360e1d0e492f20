"""OAuth 2.0 as it goes over the wire: the requests to an authority, and what its answers mean. Pure.

    form   endpoints below the authority           what a token is for
    v2     /oauth2/v2.0/{token,authorize,…}        scope = RESOURCE/PERMISSION …      Entra ID, and most others
    v1     /oauth2/{token,authorize,…}             resource = RESOURCE                AD FS, Entra ID of the first kind

RFC 6749 (codes, refresh, client credentials), RFC 7636 (PKCE), RFC 8628 (device code), RFC 6750 (bearer tokens). An
authority is never learnt from a mail server, and no redirect of one is followed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import urlencode, urlsplit

from ..errors import ServerBusy, SignInFailed, SignInRequired, UsageError
from ..flow import HttpRequest, HttpResponse
from ..model.sign_in import DeviceCode
from ..policy.sign_in import protected

Form = Literal["v1", "v2"]

MAX_ANSWER: Final = 256 * 1024
"""Bytes of an authority's answer; real ones have a few thousand."""
LONGEST_LIFE: Final = 30 * 86_400.0
"""Seconds that a token is believed to live at most."""
EAS_PERMISSION: Final = "EAS.AccessAsUser.All"
EWS_PERMISSION: Final = "EWS.AccessAsUser.All"
_IDENTITY: Final = ("openid", "profile", "offline_access")
_DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=:-]{1,65536}")
"""RFC 6750 2.1, and the colon that some have: nothing that could end a header line."""
_CODE = re.compile(r"\b([A-Z]{2,16}[0-9]{3,9})\b")
"""AADSTS65001, MSIS9605: the numbers by which an administrator finds the reason."""
_CAPABLE: Final = {"xms_cc": {"values": ["cp1"]}}
"""Says that a claims challenge is understood here; without it the resource gives none."""
_PERSON_NEEDED = frozenset({
    "invalid_grant", "interaction_required", "login_required", "consent_required", "account_selection_required",
    "mfa_required",
})  # fmt: skip
_BUSY = frozenset({"temporarily_unavailable", "server_error"})


@dataclass(frozen=True, slots=True)
class Client:
    """Whom the authority knows us as. `secret` only for services."""

    id: str
    secret: str = field(repr=False, default="")


@dataclass(frozen=True, slots=True)
class Authority:
    """`modern_auth_authority_url` and the form of its endpoints; `Authority.at` finds the form."""

    url: str
    form: Form

    @classmethod
    def at(cls, url: str, form: Form | None = None) -> Authority:
        """AD FS (a path that ends in /adfs) has the v1 form, all others v2, unless said. Raises `UsageError`."""
        if not protected(url):
            raise UsageError("modern_auth_authority_url must begin with https: tokens never travel in clear text")
        parts = urlsplit(url)
        if parts.query or parts.fragment or parts.username is not None:
            raise UsageError("modern_auth_authority_url has a query, a fragment or a user name in it")
        path = parts.path.rstrip("/").removesuffix("/v2.0")
        found: Form = form or ("v1" if path.lower().endswith("/adfs") else "v2")
        return cls(f"{parts.scheme}://{parts.netloc}{path}", found)

    @property
    def adfs(self) -> bool:
        return urlsplit(self.url).path.lower().endswith("/adfs")

    def endpoint(self, name: Literal["token", "authorize", "devicecode"]) -> str:
        """The address of an endpoint."""
        return f"{self.url}/oauth2/{'v2.0/' if self.form == 'v2' else ''}{name}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a token is to be good for. `scopes` are full names; () with v2: those of ActiveSync, for users."""

    resource: str
    scopes: tuple[str, ...] = ()

    def scope(self, form: Form, *, service: bool = False) -> str:
        """The parameter ``scope``, by blanks."""
        if form == "v1":
            return "" if service else " ".join(("openid", *self.scopes))
        base = self.resource.rstrip("/")
        if service:
            return " ".join(self.scopes or (f"{base}/.default",))
        return " ".join((*(self.scopes or (f"{base}/{EAS_PERMISSION}",)), *_IDENTITY))


# -- requests ----------------------------------------------------------------------------------------------------------


def device_request(authority: Authority, client: Client, wanted: Wanted, claims: str = "") -> HttpRequest:
    """Ask for a device code (RFC 8628 3.1)."""
    return _post(authority, "devicecode", {"client_id": client.id, **_target(authority, wanted, claims)})


def poll_request(authority: Authority, client: Client, wanted: Wanted, device_code: str) -> HttpRequest:
    """Ask whether the person has signed in (RFC 8628 3.4)."""
    fields = {"client_id": client.id, "grant_type": _DEVICE_GRANT, "device_code": device_code}
    if authority.form == "v1" and not authority.adfs:
        fields = {"client_id": client.id, "grant_type": "device_code", "code": device_code}
        fields["resource"] = wanted.resource
    return _post(authority, "token", fields | _secret(client))


@dataclass(frozen=True, slots=True)
class Authorization:
    """One attempt with a browser: where to send it, and what only we know of it (RFC 6749 4.1.1, RFC 7636 4)."""

    url: str
    redirect: str
    state: str = field(repr=False)
    verifier: str = field(repr=False)


def authorization(
    authority: Authority, client: Client, wanted: Wanted, *, redirect: str, user: str = "", claims: str = ""
) -> Authorization:
    """Begin an attempt with a browser that comes back to `redirect`; `user` fills in the sign-in page."""
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)
    fields = {
        "client_id": client.id,
        "response_type": "code",
        "response_mode": "query",
        "redirect_uri": redirect,
        "state": state,
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256",
        **_target(authority, wanted, claims),
    }
    if user:
        fields["login_hint"] = user
    return Authorization(f"{authority.endpoint('authorize')}?{urlencode(fields)}", redirect, state, verifier)


def challenge_of(verifier: str) -> str:
    """RFC 7636 4.2, S256."""
    return _unpadded(hashlib.sha256(verifier.encode("ascii")).digest())


def code_of(attempt: Authorization, answer: Mapping[str, str]) -> str:
    """The code in the query that the browser came back with.

    Raises `SignInFailed` for the authority's error, and where the state is not that of the attempt: the query is not
    its answer (RFC 6749 10.12).
    """
    if not secrets.compare_digest(answer.get("state", "").encode(), attempt.state.encode()):
        raise SignInFailed("the browser came back with an answer to another sign-in; nothing was taken from it")
    if "error" in answer:
        raise _failure(answer)
    code = answer.get("code", "")
    if not code or len(code) > 16_384:
        raise SignInFailed("the browser came back without a code; sign in again")
    return code


def code_request(
    authority: Authority, client: Client, wanted: Wanted, attempt: Authorization, code: str
) -> HttpRequest:
    """Exchange a code for tokens (RFC 6749 4.1.3, RFC 7636 4.5)."""
    fields = {
        "client_id": client.id,
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": attempt.redirect,
        "code_verifier": attempt.verifier,
        **_target(authority, wanted, ""),
    }
    return _post(authority, "token", fields | _secret(client))


def refresh_request(
    authority: Authority, client: Client, wanted: Wanted, refresh_token: str, claims: str = ""
) -> HttpRequest:
    """Exchange a refresh token for the next tokens (RFC 6749 6)."""
    fields = {"client_id": client.id, "grant_type": "refresh_token", "refresh_token": refresh_token}
    return _post(authority, "token", fields | _target(authority, wanted, claims) | _secret(client))


def service_request(authority: Authority, client: Client, wanted: Wanted, claims: str = "") -> HttpRequest:
    """A token for a service of its own right (RFC 6749 4.4)."""
    fields = {"client_id": client.id, "grant_type": "client_credentials"}
    return _post(authority, "token", fields | _target(authority, wanted, claims, service=True) | _secret(client))


def _post(authority: Authority, endpoint: Literal["token", "devicecode"], fields: Mapping[str, str]) -> HttpRequest:
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    content = urlencode({name: value for name, value in fields.items() if value}).encode("ascii")
    return HttpRequest("POST", authority.endpoint(endpoint), headers, content, anonymous=True, most=MAX_ANSWER)


def _secret(client: Client) -> dict[str, str]:
    return {"client_secret": client.secret} if client.secret else {}


def _target(authority: Authority, wanted: Wanted, claims: str, *, service: bool = False) -> dict[str, str]:
    fields = {"scope": wanted.scope(authority.form, service=service)}
    if authority.form == "v1":
        fields["resource"] = wanted.resource
    return fields | ({"claims": _demanded(claims)} if claims or authority.form == "v2" else {})


def _demanded(claims: str) -> str:
    """The claims request: what the server demands, and that challenges are understood."""
    try:
        found = json.loads(claims) if claims else {}
    except (ValueError, RecursionError):
        found = {}
    found = found if isinstance(found, dict) else {}
    inner = found.get("access_token")
    return json.dumps({**found, "access_token": {**(inner if isinstance(inner, dict) else {}), **_CAPABLE}})


# -- answers -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Granted:
    """A token answer (RFC 6749 5.1). `refresh_token` "": none was given, the one before goes on."""

    access_token: str = field(repr=False)
    seconds: float
    refresh_token: str = field(repr=False, default="")
    username: str = ""


@dataclass(frozen=True, slots=True)
class Pending:
    """The person has not signed in yet; ask again `slower` seconds later than before."""

    slower: float = 0.0


@dataclass(frozen=True, slots=True)
class DeviceAnswer:
    """A device code to poll with, beside what the person is shown."""

    shown: DeviceCode
    device_code: str = field(repr=False)
    interval: float


def device_answer(response: HttpResponse) -> DeviceAnswer:
    """Read the answer to `device_request`. Raises `SignInFailed` and `ServerBusy`."""
    found = _document(response)
    url = found.get("verification_uri") or found.get("verification_url") or ""
    code, device_code = found.get("user_code"), found.get("device_code")
    if not (isinstance(url, str) and isinstance(code, str) and isinstance(device_code, str)):
        raise SignInFailed("the authority's answer has no code to sign in with")
    if not _showable(url, 2048) or urlsplit(url).scheme not in ("http", "https") or not _showable(code, 64):
        raise SignInFailed("the authority names no address that could be shown")
    message = found.get("message")
    return DeviceAnswer(
        DeviceCode(
            url,
            code,
            _seconds(found.get("expires_in"), 900.0),
            message if isinstance(message, str) and _showable(message, 1000) else "",
        ),
        device_code,
        min(max(_seconds(found.get("interval"), 5.0), 1.0), 60.0),
    )


def token_answer(response: HttpResponse, wanted: Wanted) -> Granted | Pending:
    """Read the answer of the token endpoint. Raises `SignInRequired`, `SignInFailed` and `ServerBusy`."""
    found = _document(response, pending=True)
    if "error" in found:
        return Pending(5.0 if found["error"] == "slow_down" else 0.0)
    token, kind = found.get("access_token"), found.get("token_type")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise SignInFailed("the authority's answer has no access token that could be sent")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise SignInFailed("the authority gave a token of another kind than bearer (RFC 6749 7.1)")
    told = found.get("resource")
    if isinstance(told, str) and told and told.rstrip("/") != wanted.resource.rstrip("/"):
        raise SignInFailed("the authority gave a token for another resource than modern_auth_resource_url")
    require_audience(token, wanted.resource)
    refresh = found.get("refresh_token")
    identity = found.get("id_token")
    return Granted(
        token,
        _seconds(found.get("expires_in"), 3600.0),
        refresh if isinstance(refresh, str) and len(refresh) <= 65_536 else "",
        username(claims_of(identity)) if isinstance(identity, str) else "",
    )


def _document(response: HttpResponse, *, pending: bool = False) -> dict[str, Any]:
    """The JSON object of a good answer; with `pending` also that of "not yet". Everything else is raised."""
    if 300 <= response.status < 400:
        raise SignInFailed("the authority redirects elsewhere, which is not followed; check modern_auth_authority_url")
    try:
        found = json.loads(response.body) if len(response.body) <= MAX_ANSWER else None
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict) and isinstance(found.get("error"), str):
        if pending and found["error"] in ("authorization_pending", "slow_down"):
            return found
        raise _failure(found)
    if response.status == 429 or response.status >= 500:
        raise ServerBusy(f"the authority is not able to answer (HTTP {response.status})", _retry(response))
    if response.status != 200 or not isinstance(found, dict):
        raise SignInFailed(
            f"the authority's answer cannot be read (HTTP {response.status}); check modern_auth_authority_url"
        )
    return found


def _failure(found: Mapping[str, Any]) -> SignInRequired | SignInFailed | ServerBusy:
    """The error an authority names. Its description names people, so only the number in it is kept."""
    error = str(found["error"])[:64]
    error = error if re.fullmatch(r"[A-Za-z0-9_.-]+", error) else "an unknown error"
    number = _CODE.search(str(found.get("error_description", ""))[:2000])
    code = number[1] if number else ""
    said = f"{error}{f', {code}' if code else ''}"
    if error in _BUSY:
        return ServerBusy(f"the authority is not able to answer ({said})")
    if error in _PERSON_NEEDED:
        claims = found.get("claims")
        return SignInRequired(
            f"the authority wants a person to sign in again ({said}): Mailbox.sign_in, or `emailplus sign-in`",
            claims=claims if isinstance(claims, str) and len(claims) <= 16_384 else "",
        )
    advice = {
        "access_denied": "the sign-in was declined",
        "authorization_declined": "the sign-in was declined",
        "expired_token": "nobody signed in before the code ended; begin again",
        "code_expired": "nobody signed in before the code ended; begin again",
        "invalid_client": "the authority does not know this client id, or its secret is wrong",
        "unauthorized_client": "this client id may not sign in this way; ask the administrator to allow it",
        "invalid_scope": "this client id lacks a permission; ask the administrator to add it",
        "invalid_resource": "the authority does not know modern_auth_resource_url",
    }.get(error, "the authority gave no token")
    return SignInFailed(f"{advice} ({said})", error=error, code=code)


def _seconds(value: object, otherwise: float) -> float:
    """A number of seconds, which v1 writes as text."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return otherwise
    try:
        found = float(value) if not isinstance(value, str) or len(value) < 16 else otherwise
    except (ValueError, OverflowError):
        return otherwise
    return min(found, LONGEST_LIFE) if found > 0 else otherwise


def _retry(response: HttpResponse) -> float | None:
    text = response.headers.get("retry-after", "").strip()
    return min(float(text), 3600.0) if text.isdecimal() and len(text) < 8 else None


def _showable(text: str, length: int) -> bool:
    return 0 < len(text) <= length and all(char.isprintable() or char in "\r\n" for char in text)


# -- what tokens and challenges say ------------------------------------------------------------------------------------


def claims_of(token: str) -> dict[str, Any]:
    """The claims of a JWT, unproved; {} for a token of another kind.

    An id_token came from the authority itself over TLS, which is proof enough (OpenID Connect Core 3.1.3.7).
    """
    parts = token.split(".")
    if len(parts) != 3 or len(token) > 65_536:
        return {}
    try:
        found = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def username(claims: Mapping[str, Any]) -> str:
    """Whom an id_token names, as a login name."""
    for name in ("preferred_username", "upn", "email", "unique_name"):
        found = claims.get(name)
        if isinstance(found, str) and found and _showable(found, 320):
            return found
    return ""


def require_audience(token: str, resource: str) -> None:
    """Raise `SignInFailed` where a token says that it is for another web address: it is not shown to anybody else.

    A token that names its audience by a number, or not readably at all, is the server's to judge.
    """
    audience = claims_of(token).get("aud")
    for name in audience if isinstance(audience, list) else [audience]:
        if not isinstance(name, str) or not name.startswith(("http://", "https://")):
            return
        if _host(name) == _host(resource):
            return
    if audience:
        raise SignInFailed("the token is for another resource than modern_auth_resource_url; it was not sent")


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def challenge(headers: Mapping[str, str]) -> str:
    """The claims that a 401 demands in ``WWW-Authenticate: Bearer ... claims="BASE64"``, as JSON; "" none."""
    found = re.search(r'\bclaims="([^"]{1,16384})"', headers.get("www-authenticate", ""))
    if found is None:
        return ""
    text = found[1]
    if not text.lstrip().startswith("{"):
        try:
            raw = base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))
            text = raw.decode("utf-8")
        except (binascii.Error, ValueError):
            return ""
    try:
        return text if isinstance(json.loads(text), dict) else ""
    except (ValueError, RecursionError):
        return ""


def sendable(token: object) -> str:
    """A token from outside, fit for a header. Raises `SignInFailed`."""
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise SignInFailed("the token that was brought is no access token: nothing was sent")
    return token


def _unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
