"""Posting notifications (MS-OXWSPSNTIF): one thread a push subscription, repeats with growing pauses."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from . import soap
from .soap import child, el, message, text

if TYPE_CHECKING:
    from ..exchange import Exchange
    from .service import Subscription

_MAX_ANSWER = 64 << 10


class Pusher(threading.Thread):
    """Posts what happens in a mailbox to its subscription's URL until it is told to stop, or gives up.

    The first post, a StatusEvent, comes at once. What the other side did not take with HTTP 200 and OK is posted again
    from the same watermark.
    """

    def __init__(self, exchange: Exchange, subscription: Subscription) -> None:
        super().__init__(name="emailplus-mock-push", daemon=True)
        self._exchange = exchange
        self._subscription = subscription
        self._awake = threading.Event()
        self._over = threading.Event()
        self._connection: http.client.HTTPConnection | None = None

    def wake(self) -> None:
        """Something changed."""
        self._awake.set()

    def stop(self) -> None:
        """Post nothing more."""
        self._over.set()
        self._awake.set()

    def run(self) -> None:
        ews, subscription = self._exchange.ews, self._subscription
        due = 0.0  # when the next StatusEvent is
        failures = 0
        while not self._over.is_set():
            self._awake.clear()
            with self._exchange.lock:
                events, _ = ews.events(subscription)
            if not events and time.monotonic() < due:
                self._awake.wait(max(0.0, due - time.monotonic()))
                continue
            outcome = self._post()
            if self._over.is_set():
                break
            if outcome == "OK":
                failures = 0
                due = time.monotonic() + subscription.minutes * ews.minute
            elif outcome == "Unsubscribe":
                self._drop("refused")
            elif failures >= len(ews.retry_pauses):
                self._drop("unreachable")
            else:
                self._over.wait(ews.retry_pauses[failures])
                failures += 1
        if self._connection is not None:
            self._connection.close()

    def _drop(self, reason: str) -> None:
        with self._exchange.lock:
            self._exchange.ews.drop(self._subscription, reason)

    def _post(self) -> str:
        """ "OK", "Unsubscribe", or "" where the post failed or was not understood."""
        from .notifications import notification

        ews, subscription = self._exchange.ews, self._subscription
        with self._exchange.lock:
            node, last, _ = notification(ews, subscription)
        body = soap.write_plain(el("m:SendNotification", el("m:ResponseMessages", message("SendNotification", node))))
        status, answer = self._send(body)
        ews.posts.append((subscription.id, status))
        if status != 200:
            return ""
        outcome = _read(answer)
        if outcome == "OK":
            with self._exchange.lock:
                subscription.sent = last
        return outcome

    def _send(self, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer; status 0 where there was none."""
        url = urlsplit(self._subscription.url)
        target = (url.path or "/") + ("?" + url.query if url.query else "")
        headers = {
            "Content-Type": soap.CONTENT_TYPE,
            "SOAPAction": '"http://schemas.microsoft.com/exchange/services/2006/messages/SendNotification"',
        }
        for attempt in range(2):  # a kept connection may have been closed by the other side
            fresh = self._connection is None
            try:
                connection = self._connection = self._connection or self._connect()
                connection.request("POST", target, body, headers)
                response = connection.getresponse()
                answer = response.read(_MAX_ANSWER)
                if response.will_close or not response.isclosed():
                    connection.close()
                    self._connection = None
                return response.status, answer
            except (OSError, http.client.HTTPException):
                if self._connection is not None:
                    self._connection.close()
                self._connection = None
                if fresh or attempt:
                    break
        return 0, b""

    def _connect(self) -> http.client.HTTPConnection:
        url, ews = urlsplit(self._subscription.url), self._exchange.ews
        host = url.hostname or ""
        if url.scheme == "https":
            trust = ews.push_tls or ssl.create_default_context()
            return http.client.HTTPSConnection(host, url.port or 443, timeout=ews.post_timeout, context=trust)
        return http.client.HTTPConnection(host, url.port or 80, timeout=ews.post_timeout)


def _read(answer: bytes) -> str:
    with contextlib.suppress(ValueError):
        body = child(soap.parse(answer), "s:Body")
        status = text(child(body, "m:SendNotificationResult"), "m:SubscriptionStatus")
        if status in ("OK", "Unsubscribe"):
            return status
    return ""
