"""Notices to an HTTP receiver, signed as Standard Webhooks has it (standardwebhooks.com, "Signature scheme").

    webhook-id          the same for the same notices, so that a repeated request is known
    webhook-timestamp   Unix seconds
    webhook-signature   v1,BASE64(HMAC-SHA256(secret, "ID.TIMESTAMP.BODY"))

Any 2xx takes all of them. Everything else is tried again: a receiver that is set up wrongly loses nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

from ...flow import Flow, HttpRequest, http
from .gateway import DONE, Outcome, Verdict, retry_after
from .notice import Notice, webhook_document
from .options import Webhook


class WebhookGateway:
    """One receiver."""

    batch = 100

    def __init__(self, hook: Webhook, user_agent: str) -> None:
        self.name = f"webhook:{hook.name}"
        self._url = hook.url
        self._key = hook.key
        self._user_agent = user_agent

    def deliver(self, notices: Sequence[Notice], now: float) -> Flow[list[Outcome]]:
        body = webhook_document(list(notices))
        ids = "\n".join(notice.id for notice in notices)
        identity = f"msg_{hashlib.blake2b(ids.encode(), digest_size=16).hexdigest()}"
        headers = {
            "Content-Type": "application/json",
            "User-Agent": self._user_agent,
            "webhook-id": identity,
            "webhook-timestamp": str(int(now)),
            "webhook-signature": sign(self._key, identity, int(now), body),
        }
        response = yield from http(HttpRequest("POST", self._url, headers, body))
        if 200 <= response.status < 300:
            return [DONE] * len(notices)
        wait = retry_after(response.headers.get("retry-after"))
        return [Outcome(Verdict.DOWN, f"answers {response.status}", wait)] * len(notices)


def sign(key: bytes, identity: str, timestamp: int, body: bytes) -> str:
    """The value of webhook-signature."""
    mac = hmac.new(key, f"{identity}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(mac).decode("ascii")
