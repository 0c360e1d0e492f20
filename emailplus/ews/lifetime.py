"""When a subscription is renewed, and when it ends: pure.

    since it was made     since it was renewed                       then
    valid_until or more   any                                        it ends
    less                  notification_resubscription_interval       it is renewed, from its last watermark
    less                  less                                       it stays
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..config import AppConfig
from ..model.ews import EwsSubscription

Due = Literal["keep", "renew", "end"]
MAX_STREAM = 29
"""Minutes of one streaming connection; the server takes at most 30."""


@dataclass(frozen=True, slots=True)
class Lifetime:
    """`interval` and `valid_until` in seconds."""

    interval: float
    valid_until: float

    @classmethod
    def of(cls, config: AppConfig) -> Lifetime:
        """`notification_resubscription_interval` and `subscription_valid_until`, both in minutes."""
        return cls(config.notification_resubscription_interval * 60.0, config.subscription_valid_until * 60.0)

    def due(self, subscription: EwsSubscription, now: float) -> Due:
        """What is to be done with a subscription. A clock that was set back renews it."""
        if now - subscription.created >= self.valid_until:
            return "end"
        age = now - subscription.renewed
        return "renew" if age >= self.interval or age < 0 else "keep"

    def stream_minutes(self, subscription: EwsSubscription, now: float) -> int:
        """How long a streaming connection may stay open before something is due, 1 to 29 minutes."""
        left = min(subscription.renewed + self.interval, subscription.created + self.valid_until) - now
        return max(1, min(MAX_STREAM, round(left / 60)))
