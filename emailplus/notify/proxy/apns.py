"""Notices to the Apple Push Notification service: HTTP/2, token-based.

    apns-id            the notice's id, the same whenever it is sent again
    apns-collapse-id   of a mail the same: what is sent again takes the place of the first on the device.
                       An announcement takes the place of the one before it
    authorization      a provider token (JWT, ES256), made anew every 40 minutes: APNs wants it no older than an
                       hour, and not another within 20 minutes

Sources: Apple, "Establishing a token-based connection to APNs", "Sending notification requests to APNs", "Handling
notification responses from APNs".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Final, Protocol

import jwt

from ...errors import ConfigurationError
from ...flow import Flow, HttpRequest, HttpResponse, http
from .gateway import DONE, Outcome, Verdict, retry_after
from .notice import Notice, apns_payload, place
from .options import Apns

TOKEN_SECONDS: Final = 40 * 60
TOKEN_LEAST: Final = 20 * 60
"""Seconds before which APNs takes no newer token (TooManyProviderTokenUpdates)."""
KEEP_SECONDS: Final = 24 * 3600
"""For which APNs tries to reach a device."""

DEVICE_GONE: Final = frozenset({"BadDeviceToken", "DeviceTokenNotForTopic", "Unregistered", "ExpiredToken"})
OPERATOR: Final = frozenset(
    {
        "InvalidProviderToken", "MissingProviderToken", "BadCertificate", "BadCertificateEnvironment", "Forbidden",
        "BadTopic", "MissingTopic", "TopicDisallowed", "TooManyProviderTokenUpdates",
    }
)  # fmt: skip
"""Reasons that lie in the proxy's set-up: nothing is delivered and nothing given up until it is put right."""


class Memory(Protocol):
    """Where the token is kept over a restart: a proxy that starts often would make more than APNs takes."""

    def fact(self, name: str) -> str | None:
        """What was remembered under a name."""

    def remember(self, name: str, value: str) -> object:
        """Remember something."""


class ProviderToken:
    """The token of the connection. Raises `ConfigurationError` for a key that is none."""

    def __init__(self, options: Apns, memory: Memory) -> None:
        self._options = options
        self._memory = memory
        mine = f"{options.team_id} {options.key_id} {options.key.reveal()}"
        self._name = f"apns token {hashlib.sha256(mine.encode()).hexdigest()}"
        try:
            self._encode(0.0)
        except (ValueError, TypeError, jwt.PyJWTError) as problem:
            raise ConfigurationError("apns.key_file is no EC private key (P-256, PEM)") from problem
        made, _, self._token = (memory.fact(self._name) or "0 ").partition(" ")
        self._made = float(made)

    def __repr__(self) -> str:
        return "ProviderToken(...)"

    def at(self, now: float) -> str:
        """The token to use at a Unix time."""
        if not self._token or not 0 <= now - self._made < TOKEN_SECONDS:
            self._token, self._made = self._encode(now), now
            self._memory.remember(self._name, f"{now} {self._token}")
        return self._token

    def refused(self, now: float) -> None:
        """APNs calls it expired: make another, as soon as one may be made."""
        if now - self._made >= TOKEN_LEAST:
            self._token = ""

    def _encode(self, now: float) -> str:
        options = self._options
        claims = {"iss": options.team_id, "iat": int(now)}
        return jwt.encode(claims, options.key.reveal(), algorithm="ES256", headers={"kid": options.key_id})


class ApnsGateway:
    """The service, or a stand-in at another host."""

    name = "apns"
    batch = 1

    def __init__(self, options: Apns, memory: Memory) -> None:
        self._options = options
        self._token = ProviderToken(options, memory)

    def deliver(self, notices: Sequence[Notice], now: float) -> Flow[list[Outcome]]:
        outcomes = []
        for notice in notices:
            outcome = yield from self._one(notice, now)
            outcomes.append(outcome)
        return outcomes

    def _one(self, notice: Notice, now: float) -> Flow[Outcome]:
        response = yield from http(self._request(notice, now))
        if response.status == 403 and _reason(response) == "ExpiredProviderToken":
            self._token.refused(now)
            response = yield from http(self._request(notice, now))
        return outcome_of(response)

    def _request(self, notice: Notice, now: float) -> HttpRequest:
        wake = notice.kind == "wake"
        headers = {
            "authorization": f"bearer {self._token.at(now)}",
            "apns-id": notice.id,
            "apns-topic": self._options.topic,
            "apns-push-type": "background" if wake else "alert",
            "apns-priority": "5" if wake else "10",
            "apns-expiration": str(int(now) + KEEP_SECONDS),
            "apns-collapse-id": place(notice),
        }
        url = f"https://{self._options.host}/3/device/{notice.device}"
        return HttpRequest("POST", url, headers, apns_payload(notice))


def outcome_of(response: HttpResponse) -> Outcome:
    """What APNs says about one request."""
    if response.status == 200:
        return DONE
    reason = _reason(response)
    wait = retry_after(response.headers.get("retry-after"))
    if response.status == 410 or reason in DEVICE_GONE:
        return Outcome(Verdict.GONE, reason or "Unregistered")
    if response.status == 429 and reason == "TooManyRequests":
        return Outcome(Verdict.AGAIN, reason, wait)
    if response.status in (429, 500, 502, 503, 504) or response.status == 403 or reason in OPERATOR:
        return Outcome(Verdict.DOWN, reason or f"answers {response.status}", wait)
    return Outcome(Verdict.REFUSED, reason or f"answers {response.status}")


def _reason(response: HttpResponse) -> str:
    """The reason of the answer's JSON: one of Apple's words, or ""."""
    try:
        reason = json.loads(response.body[:4096]).get("reason", "")
    except (ValueError, AttributeError):
        return ""
    return reason[:60] if isinstance(reason, str) and reason.isalnum() else ""
