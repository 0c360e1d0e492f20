"""Registering a device at the notification service: the calls of a client.

    key                                    what it is here
    notification_server_host               the service, with a path where it has one; always https
    notification_server_organization_id    who registers
    notification_server_authorization      the token that proves it; sent to that host and nowhere else
    allow_realtime_notifications           real-time push, else a wake-up every `notification_interval`
    subscription_valid_until               for how long

Sources: guide, "Configuring cloud notification service for Email+", "About Email+ Notification Services". The calls are
those of `emailplus.notify.proxy.app`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

from ..config import AppConfig
from ..config.hosts import parse_host
from ..config.secret import Secret
from ..errors import (
    AuthenticationFailed,
    HttpStatusError,
    MalformedResponse,
    NotFound,
    PolicyDenied,
    ServerBusy,
    UsageError,
)
from ..flow import Flow, HttpRequest, HttpResponse, http
from ..model.push import PushRegistration, PushState

MAX_VALID: Final = 30 * 24 * 60
"""Minutes that a service takes."""
_NEEDED: Final = (
    "notification_server_host", "notification_server_organization_id", "notification_server_authorization",
)  # fmt: skip
_MAX_ANSWER: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Service:
    """Where, and as whom."""

    url: str
    organization: str
    token: Secret

    @classmethod
    def of(cls, config: AppConfig) -> Service:
        """From the keys. Raises `UsageError` naming those that are missing."""
        missing = [name for name in _NEEDED if not getattr(config, name)]
        if missing:
            raise UsageError(f"push notification needs {', '.join(missing)} in the app config")
        assert config.notification_server_host is not None
        assert config.notification_server_organization_id is not None
        assert config.notification_server_authorization is not None
        host = parse_host(config.notification_server_host, path=True)
        return cls(
            f"https://{host}", config.notification_server_organization_id, config.notification_server_authorization
        )


def wishes(config: AppConfig, rules: Mapping[str, Any], gateway: str, device: str) -> dict[str, Any]:
    """The body of a registration. `rules`: `notify.rules.Rules.as_dict`."""
    return {
        "mailbox": config.email_address,
        "gateway": gateway,
        "device": device,
        "mode": "realtime" if config.allow_realtime_notifications else "interval",
        "interval": config.notification_interval,
        "valid": min(config.subscription_valid_until, MAX_VALID),
        "rules": dict(rules),
    }


def register(service: Service, body: Mapping[str, Any]) -> Flow[PushRegistration]:
    """Register a device, or once more: then what waits for it is kept.

    Raises `AuthenticationFailed` for a refused organisation or token, `PolicyDenied` for a mailbox that is not its,
    `UsageError`, `ServerBusy`, `HttpStatusError`, `MalformedResponse` or `ConnectionFailed`.
    """
    response = yield from http(_request(service, "POST", "", body))
    answer = _answer(response)
    callback = _text(answer, "callback_url")
    if urlsplit(callback).scheme not in ("https", "http"):
        raise MalformedResponse("the notification service gives a callback that is no address")
    return PushRegistration(
        id=_text(answer, "id"), secret=_text(answer, "secret"), callback_url=callback, mode=_text(answer, "mode"),
        expires=_time(answer, "expires"), times_from=_time(answer, "times_from"), gateway=str(body["gateway"]),
        device=str(body["device"]), service=service.url,
    )  # fmt: skip


def renew(
    service: Service, registration: PushRegistration, body: Mapping[str, Any], subscription: str | None = None
) -> Flow[PushRegistration]:
    """Another period, other rules, the SubscriptionId. Raises `NotFound` where the service knows it no more."""
    told = dict(body) if subscription is None else {**body, "subscription": subscription}
    response = yield from http(_request(service, "PUT", registration.id, told, registration.secret))
    answer = _answer(response)
    return replace(
        registration, mode=_text(answer, "mode"), expires=_time(answer, "expires"),
        times_from=_time(answer, "times_from"), subscription=subscription or registration.subscription,
    )  # fmt: skip


def state(service: Service, registration: PushRegistration) -> Flow[PushState]:
    """What the service says of it. Raises `NotFound`."""
    response = yield from http(_request(service, "GET", registration.id, None, registration.secret))
    answer = _answer(response)
    reason = answer.get("reason")
    return PushState(
        _text(answer, "state"), reason if isinstance(reason, str) else "", _time(answer, "expires"),
        _time(answer, "times_from"),
    )  # fmt: skip


def end(service: Service, registration: PushRegistration) -> Flow[None]:
    """No more notifications. One that the service does not know has ended."""
    response = yield from http(_request(service, "DELETE", registration.id, None, registration.secret))
    if response.status not in (204, 404):
        _answer(response)


def _request(
    service: Service, method: str, identity: str, body: Mapping[str, Any] | None, secret: str = ""
) -> HttpRequest:
    headers = {"Authorization": f"Bearer {service.token.reveal()}", "Emailplus-Organization": service.organization}
    if secret:
        headers["Emailplus-Registration"] = secret
    content = b""
    if body is not None:
        headers["Content-Type"] = "application/json"
        content = json.dumps(body, ensure_ascii=False).encode()
    url = f"{service.url}/v1/registrations" + (f"/{identity}" if identity else "")
    return HttpRequest(method, url, headers, content, anonymous=True)


def _answer(response: HttpResponse) -> dict[str, Any]:
    """The JSON of an answer. Redirects are not followed: the token is for one host."""
    if response.status in (200, 201):
        try:
            answer = json.loads(response.body) if len(response.body) <= _MAX_ANSWER else None
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise MalformedResponse("the notification service answers something that is no JSON object")
        return answer
    if response.status == 401:
        raise AuthenticationFailed(
            "the notification service refuses notification_server_organization_id or notification_server_authorization"
        )
    if response.status == 403:
        raise PolicyDenied(
            "the notification service does not serve this mailbox for this organisation",
            rule="notification_server_organization_id",
        )
    if response.status == 400:
        raise UsageError(f"the notification service refuses the registration: {_said(response)}")
    if response.status in (429, 503):
        wait = response.headers.get("retry-after", "")
        raise ServerBusy("the notification service takes no registration now", float(wait) if wait.isdigit() else None)
    if response.status == 404 and _said(response):
        raise NotFound("the notification service does not know this registration; register anew")
    raise HttpStatusError(
        f"the notification service answers {response.status}: check notification_server_host", response.status
    )


def _said(response: HttpResponse) -> str:
    try:
        said = json.loads(response.body[:_MAX_ANSWER]).get("error", "")
    except (ValueError, AttributeError, RecursionError):
        return ""
    return " ".join(str(said).split())[:200]


def _text(answer: Mapping[str, Any], name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not value or len(value) > 4096:
        raise MalformedResponse(f"the notification service's answer lacks {name}")
    return value


def _time(answer: Mapping[str, Any], name: str) -> float:
    value = answer.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        raise MalformedResponse(f"the notification service's answer lacks {name}")
    return float(value)
