"""When a subscription is renewed, and when it ends: pure.

since its lifetime began    since it was renewed                        then
valid_until or more         any                                         it ends
less                        notification_resubscription_interval        it is renewed, from its last watermark
less                        less                                        it stays
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from ..config import AppConfig
from ..model.ews import EwsSubscription, Kind

Due = Literal["keep", "renew", "end"]
MAX_STREAM = 29
"""Minutes of one streaming connection; the server takes at most 30."""


def begin(
    config: AppConfig,
    kind: Kind,
    identity: str,
    now: float,
    *,
    folders: tuple[str, ...],
    watermark: str = "",
    url: str = "",
) -> EwsSubscription:
    """A subscription whose lifetime begins now, under `notification_resubscription_interval` and
    `subscription_valid_until` (both in minutes)."""
    return EwsSubscription(
        kind,
        identity,
        watermark,
        created=now,
        renewed=now,
        url=url,
        folders=folders,
        interval=config.notification_resubscription_interval * 60.0,
        valid_until=config.subscription_valid_until * 60.0,
    )


def renewed(subscription: EwsSubscription, identity: str, watermark: str, now: float) -> EwsSubscription:
    """The same subscription under a new id. Of push, the old id is remembered until the server has let it go."""
    retired = (*subscription.retired, subscription.id)[-8:] if subscription.kind == "push" else ()
    return replace(subscription, id=identity, watermark=watermark, renewed=now, retired=retired)


def due(subscription: EwsSubscription, now: float) -> Due:
    """What is to be done with a subscription. A clock that was set back renews it."""
    if now - subscription.created >= subscription.valid_until:
        return "end"
    age = now - subscription.renewed
    return "renew" if age >= subscription.interval or age < 0 else "keep"


def stream_minutes(subscription: EwsSubscription, now: float) -> int:
    """How long a streaming connection may stay open before something is due, 1 to 29 minutes."""
    renewal = subscription.renewed + subscription.interval
    left = min(renewal, subscription.created + subscription.valid_until) - now
    return max(1, min(MAX_STREAM, round(left / 60)))
