"""What the proxy answers over HTTP.

    POST   PATH/ews/TOKEN             Exchange: SendNotification, answered OK or Unsubscribe
    POST   PATH/v1/registrations      a client registers; `Authorization: Bearer`, `Emailplus-Organization`
    GET    PATH/v1/registrations/ID   its state; `Emailplus-Registration` is its secret
    PUT    PATH/v1/registrations/ID   another period, other rules, the SubscriptionId
    DELETE PATH/v1/registrations/ID   the end
    GET    /healthz                   200 or 503, for whoever starts and watches the proxy
    GET    /metrics                   Prometheus, to this machine only

A post under an unknown token is answered Unsubscribe and costs nothing else: nothing of it is parsed or looked up.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ...errors import EmailplusError, LimitExceeded, NotFound, PolicyDenied, ProtocolError, UsageError
from ...ews import soap
from .dispatcher import Dispatcher
from .ledger import Arrival, Ledger
from .log import note
from .metrics import CONTENT_TYPE, Metrics
from .options import Limits, Options, Organization
from .registration import Keys, Registration, subscription_of, wishes_of
from .registry import Registry

BUSY_SECONDS: Final = 60
_XML: Final = "text/xml; charset=utf-8"
_LOOPBACK: Final = ("127.0.0.1", "::1")
_CLOCK_SKEW: Final = 3600.0


class TooLarge(Exception):
    """A request beyond `limits.request_bytes`."""


class Service:
    """The endpoints over the parts of one proxy."""

    def __init__(
        self,
        options: Options,
        ledger: Ledger,
        registry: Registry,
        dispatcher: Dispatcher,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._options, self._ledger, self._registry = options, ledger, registry
        self._dispatcher, self._metrics, self._clock = dispatcher, metrics, clock
        self._taken = metrics.posts.labels("ok")

    def asgi(self) -> ASGIApp:
        """The application."""
        path = self._options.path
        one = f"{path}/v1/registrations/{{identity:str}}"
        routes = [
            Route(f"{path}/v1/registrations", self._called(self.register), methods=["POST"]),
            Route(one, self._called(self.state), methods=["GET"]),
            Route(one, self._called(self.renew), methods=["PUT"]),
            Route(one, self._called(self.remove), methods=["DELETE"]),
            Route("/healthz", self.healthz, methods=["GET"]),
            Route("/metrics", self.metrics, methods=["GET"]),
        ]
        return _Entrance(Starlette(routes=routes), self._options.host, self._metrics, f"{path}/ews/", self.notified)

    # -- Exchange

    async def notified(self, request: Request, token: str) -> Response:
        """A post of Exchange."""
        registration, old = self._registry.of_callback(token)
        now = self._clock()
        if registration is None or now >= registration.expires or registration.wishes.mode != "realtime":
            return self._answer("unsubscribe" if registration is not None else "unknown", soap.UNSUBSCRIBE)
        if self._crowded(registration):
            return self._refuse("busy", 503, {"Retry-After": str(BUSY_SECONDS)})
        try:
            body = await _body(request, self._options.limits)
            notifications = soap.parse_send_notification(body)
        except TooLarge:
            return self._refuse("too large", 413)
        except TimeoutError:
            return self._refuse("too slow", 408)
        except ClientDisconnect:
            return self._refuse("cut", 400)
        except ProtocolError as problem:
            note("malformed", logging.WARNING, registration=registration.id, problem=str(problem))
            return self._refuse("malformed", 400)
        try:
            keep = [await self._notification(registration, old, entry, now) for entry in notifications]
        except EmailplusError as problem:  # not durable: Exchange comes again
            note("ledger", logging.ERROR, problem=type(problem).__name__)
            return self._refuse("not stored", 503, {"Retry-After": str(BUSY_SECONDS)})
        if not all(keep):
            return self._answer("unsubscribe", soap.UNSUBSCRIBE)
        self._taken.inc()
        return Response(soap.OK, media_type=_XML)

    async def _notification(self, registration: Registration, old: bool, entry: soap.Notification, now: float) -> bool:
        """Keep what is new; False: this subscription is none of this registration's, or is broken."""
        if entry.code != "NoError":
            note("broken", logging.WARNING, registration=registration.id, reason=entry.code[:60])
            if not old:
                await self._registry.change(replace(registration, broken=entry.code[:60]))
            return False
        if (
            not old and not registration.subscription
        ):  # the first post comes before the client tells of its subscription
            registration = registration.settled(entry.subscription_id)
            await self._registry.change(registration)
        elif entry.subscription_id != (registration.old_subscription if old else registration.subscription):
            note("other subscription", logging.WARNING, registration=registration.id)
            return False
        news = [event for event in entry.events if event.kind == "NewMailEvent"]
        fresh = [event for event in news if event.at is None or self._is_news(event.at, now)]
        if len(fresh) < len(news):
            self._metrics.dropped.labels("an old event").inc(len(news) - len(fresh))
        if fresh:
            target = registration.target
            arrivals = [
                Arrival(registration.id, target, entry.subscription_id, event.watermark, event.item_id, now)
                for event in fresh
            ]
            taken = await self._ledger.take(arrivals)
            self._metrics.received.inc(len(taken))
            if len(taken) < len(fresh):
                self._metrics.repeated.inc(len(fresh) - len(taken))
            self._dispatcher.offer(taken)
        return True

    def _is_news(self, at: float, now: float) -> bool:
        """Older than what is remembered, it may have been told; from the future, its mark would be forgotten first."""
        return now - self._options.limits.remember + _CLOCK_SKEW < at < now + _CLOCK_SKEW * 24

    def _crowded(self, registration: Registration) -> bool:
        pending = self._dispatcher.pending
        limits = self._options.limits
        return pending[registration.id] >= limits.pending_per_device or self._dispatcher.total >= limits.pending

    def _answer(self, name: str, body: bytes) -> Response:
        self._metrics.posts.labels(name).inc()
        return Response(body, media_type=_XML)

    def _refuse(self, name: str, status: int, headers: dict[str, str] | None = None) -> Response:
        self._metrics.posts.labels(name).inc()
        return PlainTextResponse(name + "\n", status, headers)

    # -- clients

    def _called(self, work: Callable[[Request, Organization], Awaitable[Response]]) -> Callable[[Request], Any]:
        """An endpoint that answers only to a known organisation, and says what is wrong."""

        async def endpoint(request: Request) -> Response:
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            name = request.headers.get("emailplus-organization", "")
            organization = self._registry.organization(name, token.strip()) if scheme.lower() == "bearer" else None
            if organization is None:
                note("call refused", logging.WARNING)
                return self._said(401, "organisation or token is wrong", {"WWW-Authenticate": "Bearer"})
            try:
                response = await work(request, organization)
            except TooLarge:
                return self._said(413, "the request is too large")
            except UsageError as problem:
                return self._said(400, str(problem))
            except PolicyDenied as problem:
                return self._said(403, str(problem))
            except NotFound as problem:
                return self._said(404, str(problem))
            except LimitExceeded as problem:
                return self._said(429, str(problem))
            except TimeoutError:
                return self._said(408, "the request does not end")
            except ClientDisconnect:
                return self._said(400, "the request was cut")
            except EmailplusError as problem:
                note("ledger", logging.ERROR, problem=type(problem).__name__)
                return self._said(503, "the registration cannot be kept now", {"Retry-After": str(BUSY_SECONDS)})
            self._metrics.calls.labels(str(response.status_code)).inc()
            return response

        return endpoint

    def _said(self, status: int, text: str, headers: dict[str, str] | None = None) -> Response:
        self._metrics.calls.labels(str(status)).inc()
        return JSONResponse({"error": text}, status, headers)

    async def register(self, request: Request, organization: Organization) -> Response:
        now = self._clock()
        document = await self._document(request)
        wishes = wishes_of(
            {**document, "organization": organization.id}, self._options.limits, self._options.gateways()
        )
        registration, keys = await self._registry.register(wishes, organization, now)
        self._dispatcher.schedule(now)
        self._metrics.registrations.set(len(self._registry))
        note("registered", registration=registration.id, gateway=wishes.gateway, mode=wishes.mode)
        return JSONResponse(self._shown(registration, now, keys), 201)

    async def renew(self, request: Request, organization: Organization) -> Response:
        now = self._clock()
        document = await self._document(request)
        wishes = wishes_of(
            {**document, "organization": organization.id}, self._options.limits, self._options.gateways()
        )
        identity, secret = _mine(request)
        registration = await self._registry.renew(
            identity, secret, wishes, organization, now, subscription_of(document)
        )
        self._dispatcher.schedule(now)
        return JSONResponse(self._shown(registration, now))

    async def state(self, request: Request, organization: Organization) -> Response:
        return JSONResponse(self._shown(self._registry.mine(*_mine(request), organization), self._clock()))

    async def remove(self, request: Request, organization: Organization) -> Response:
        registration = self._registry.mine(*_mine(request), organization)
        await self._registry.drop([registration.id])
        self._dispatcher.schedule(self._clock())
        self._metrics.registrations.set(len(self._registry))
        note("unregistered", registration=registration.id, reason="by the client")
        return Response(status_code=204)

    async def _document(self, request: Request) -> dict[str, Any]:
        try:
            document = json.loads(await _body(request, self._options.limits))
        except (ValueError, RecursionError):
            raise UsageError("the body is not JSON") from None
        if not isinstance(document, dict):
            raise UsageError("the registration is a JSON object")
        return document

    def _shown(self, registration: Registration, now: float, keys: Keys | None = None) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": registration.id,
            "state": "broken" if registration.broken else "active" if now < registration.expires else "expired",
            "reason": registration.broken,
            "mode": registration.wishes.mode,
            "expires": round(registration.expires, 3),
            "times_from": round(registration.times_from(now), 3),
        }
        if keys is not None:
            shown |= {"secret": keys.secret, "callback_url": f"{self._options.public_url}/ews/{keys.callback}"}
        return shown

    # -- operators

    async def healthz(self, request: Request) -> Response:
        """503 where nothing can be kept; a server that is down is told of, and waited for."""
        try:
            await self._ledger.ready()
        except EmailplusError as problem:
            return JSONResponse({"status": "failing", "ledger": type(problem).__name__}, 503)
        state = self._dispatcher.state()
        status = "ok" if all(value == "ok" for value in state.values()) else "degraded"
        return JSONResponse({"status": status, **state})

    async def metrics(self, request: Request) -> Response:
        if request.client is None or request.client.host not in _LOOPBACK:
            return PlainTextResponse("not found\n", 404)
        return Response(self._metrics.text(), media_type=CONTENT_TYPE)


class _Entrance:
    """Serves the host of `public_url` and no other: a request for another was sent here by mistake, or by design.

    Posts of Exchange, which are nearly all there is, go straight to `notified`; the rest is routed.
    """

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        metrics: Metrics,
        callbacks: str,
        notified: Callable[[Request, str], Awaitable[Response]],
    ) -> None:
        self._app = app
        self._host = _without_default_port(host)
        self._metrics = metrics
        self._callbacks, self._notified = callbacks, notified

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in ("/healthz", "/metrics"):
            named = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1").lower()
            if _without_default_port(named) != self._host:
                self._metrics.posts.labels("wrong host").inc()
                await PlainTextResponse("wrong host\n", 421)(scope, receive, send)
                return
            if scope["method"] == "POST" and scope["path"].startswith(self._callbacks):
                token = scope["path"].removeprefix(self._callbacks)
                response = await self._notified(Request(scope, receive), token)
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _without_default_port(host: str) -> str:
    return host.removesuffix(":443").removesuffix(":80")


async def _body(request: Request, limits: Limits) -> bytes:
    """The whole body. Raises `TooLarge`, and `TimeoutError` where it does not end."""
    most = limits.request_bytes
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or len(length) > 12 or int(length) > most:
        raise TooLarge
    body = bytearray()
    async with asyncio.timeout(limits.timeout):
        async for piece in request.stream():
            body += piece
            if len(body) > most:
                raise TooLarge
    return bytes(body)


def _mine(request: Request) -> tuple[str, str]:
    return request.path_params["identity"], request.headers.get("emailplus-registration", "")
