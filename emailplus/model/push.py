"""A device's registration at the notification service."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PushRegistration:
    """What the service said, and for what it was asked. Times are Unix times.

    `mode`: "realtime" (the service is told by Exchange, at `callback_url`) or "interval" (it wakes the device).
    `expires`: until when, unless it is renewed. `times_from`: when the alert times of the last registration come into
    effect.
    """

    id: str
    secret: str = field(repr=False)
    callback_url: str = field(repr=False)
    mode: str
    expires: float
    times_from: float
    gateway: str
    device: str = field(repr=False)
    service: str = ""
    """The address of the service."""
    subscription: str = ""
    """SubscriptionId at Exchange; "" without one."""


@dataclass(frozen=True, slots=True)
class PushState:
    """`state`: "active", "expired", or "broken" with the ResponseCode of Exchange as `reason`: then register anew."""

    state: str
    reason: str
    expires: float
    times_from: float
