"""Who is told, how, and by which rules: a registration, and what a client may write into one. Pure.

The alert times of a running registration hold until the period ends for which it was made (`subscription_valid_until`):
a change waits until then ("Changes to alert times will come into effect after 'X' hours."). VIPs and details change at
once. Source: guide, "About Email+ Notification Services".
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final

from ...errors import UsageError
from ..rules import Registration as Period
from ..rules import Rules, in_force
from .options import Limits

MODES: Final = ("realtime", "interval")
MIN_INTERVAL: Final = 300
"""Seconds; `notification_interval`."""
MAX_VALID: Final = 30 * 24 * 60
"""Minutes that a registration may ask for."""
_ADDRESS: Final = re.compile(r"[^\s@,;<>\"']{1,200}@[^\s@,;<>\"']{1,200}")
_DEVICE: Final = re.compile(r"[A-Za-z0-9._~+/=:-]{1,400}")
_APNS_DEVICE: Final = re.compile(r"[0-9a-fA-F]{16,400}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a client asks for, checked."""

    organization: str
    mailbox: str
    gateway: str
    device: str
    mode: str = "realtime"
    interval: int = 900
    valid: int = 1440
    """Minutes."""
    rules: Rules = field(default_factory=Rules)

    @property
    def target(self) -> bytes:
        """One mailbox on one device: it has one registration, and a mail is told to it once."""
        return digest(f"{self.organization}\0{self.mailbox}\0{self.gateway}\0{self.device}")


@dataclass(frozen=True, kw_only=True)
class Registration:
    """One mailbox on one device. Times are Unix times."""

    id: str
    wishes: Wishes
    secret: bytes
    """Digest of what the client shows to change it."""
    callback: bytes
    """Digest of the unguessable part of the address that Exchange calls."""
    expires: float
    running: Rules
    """The rules of the period that runs until `until`."""
    until: float
    subscription: str = ""
    """SubscriptionId; of the client, else of the first notification."""
    old_callback: bytes = b""
    """Of the subscription before: good until the new one is seen at work, so that nothing falls between the two."""
    old_subscription: str = ""
    broken: str = ""
    """The ResponseCode with which Exchange ended the subscription."""

    def rules(self, now: float, *, lookups: bool = True) -> Rules:
        """Those in force. Without `lookups` nobody knows details, nor who is a VIP."""
        return self._rules[2 * lookups + (now >= self.until)]

    @cached_property
    def target(self) -> bytes:
        """See `Wishes.target`."""
        return self.wishes.target

    @cached_property
    def _rules(self) -> tuple[Rules, ...]:
        """In force before `until` and from then on, without and with look-ups: made once, asked for every mail."""
        end = datetime.fromtimestamp(self.until, UTC)
        wanted, period = replace(self.wishes.rules, realtime=True), Period(self.running, end)
        full = (in_force(period, wanted, end - timedelta(seconds=1)), in_force(period, wanted, end))
        return *(replace(rules, sentry=False, detailed=False) for rules in full), *full

    def settled(self, subscription: str) -> Registration:
        """The new subscription is at work: the one before is over."""
        return replace(self, subscription=subscription, old_callback=b"", old_subscription="")

    def times_from(self, now: float) -> float:
        """When the alert times that were asked for hold."""
        before, after = self._rules[2:]
        return now if before == after else max(now, self.until)


@dataclass(frozen=True, slots=True)
class Keys:
    """What the client is given once, and the proxy keeps only the digests of."""

    callback: str
    secret: str

    @classmethod
    def new(cls) -> Keys:
        return cls(secrets.token_urlsafe(32), secrets.token_urlsafe(32))


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def register(wishes: Wishes, keys: Keys, now: float, old: Registration | None = None) -> Registration:
    """A registration made anew; over an `old` one it keeps the id, and the alert times of the period that runs."""
    end = now + wishes.valid * 60
    made = Registration(
        id=uuid.uuid4().hex, wishes=wishes, secret=digest(keys.secret), callback=digest(keys.callback), expires=end,
        running=wishes.rules, until=end,
    )  # fmt: skip
    if old is None:
        return made
    kept = renew(old, wishes, now, None)
    return replace(
        made, id=old.id, running=kept.running, until=kept.until, old_callback=old.callback,
        old_subscription=old.subscription,
    )  # fmt: skip


def renew(old: Registration, wishes: Wishes, now: float, subscription: str | None) -> Registration:
    """The same registration for another period; alert times change when the period is over that they were made for."""
    end = now + wishes.valid * 60
    kept = replace(old, wishes=wishes, expires=end, broken="")
    if subscription is not None:
        kept = kept.settled(subscription)
    return kept if now < old.until else replace(kept, running=wishes.rules, until=end)


def wishes_of(document: object, limits: Limits, gateways: tuple[str, ...]) -> Wishes:
    """Read the body of a registration. Raises `UsageError` saying what is wrong, without its content."""
    if not isinstance(document, Mapping):
        raise UsageError("the registration is a JSON object")
    known = {entry.name for entry in fields(Wishes)} | {"subscription"}
    unknown = sorted(str(name)[:40] for name in document if name not in known)
    if unknown:
        raise UsageError(f"a registration has no {', '.join(unknown)}; it has {', '.join(sorted(known))}")
    mailbox = _text(document, "mailbox").lower()
    if not _ADDRESS.fullmatch(mailbox):
        raise UsageError("mailbox: a mail address")
    gateway = _text(document, "gateway")
    if gateway not in gateways:
        raise UsageError(f"gateway: one of {', '.join(gateways)}")
    device = _text(document, "device")
    if not (_APNS_DEVICE if gateway == "apns" else _DEVICE).fullmatch(device):
        raise UsageError("device: the token of the device, for apns in hexadecimal digits")
    mode = document.get("mode", "realtime")
    if mode not in MODES:
        raise UsageError(f"mode: {' or '.join(MODES)}")
    return Wishes(
        organization=_text(document, "organization"),
        mailbox=mailbox,
        gateway=gateway,
        device=device,
        mode=mode,
        interval=_number(document, "interval", 900, MIN_INTERVAL, 24 * 3600),
        valid=_number(document, "valid", 1440, 1, MAX_VALID),
        rules=_rules(document.get("rules", {}), limits.vips),
    )


def subscription_of(document: Mapping[str, Any]) -> str | None:
    """SubscriptionId, where the client tells it. Raises `UsageError`."""
    value = document.get("subscription")
    if value is None or (isinstance(value, str) and 0 < len(value) <= 2048):
        return value
    raise UsageError("subscription: the SubscriptionId")


def _rules(document: object, most: int) -> Rules:
    if not isinstance(document, Mapping):
        raise UsageError("rules: an object")
    rules = Rules.from_dict(document)
    if len(rules.vips) > most:
        raise UsageError(f"vips: at most {most:,} addresses")
    return rules


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > 400:
        raise UsageError(f"{name}: required, text")
    return value.strip()


def _number(document: Mapping[str, Any], name: str, default: int, least: int, most: int) -> int:
    value = document.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise UsageError(f"{name}: a whole number from {least} to {most}")
    return value


# -- as the ledger keeps it


def dumped(registration: Registration) -> str:
    """JSON of everything but the digests and the end, which are columns."""
    wishes = registration.wishes
    return json.dumps(
        {
            **{name: getattr(wishes, name) for name in _PLAIN},
            "rules": wishes.rules.as_dict(),
            "running": registration.running.as_dict(),
            "until": registration.until,
            "subscription": registration.subscription,
            "broken": registration.broken,
            "old_callback": registration.old_callback.hex(),
            "old_subscription": registration.old_subscription,
        }
    )


def loaded(identity: str, secret: bytes, callback: bytes, expires: float, text: str) -> Registration:
    """What `dumped` made."""
    kept = json.loads(text)
    wishes = Wishes(**{name: kept[name] for name in _PLAIN}, rules=Rules.from_dict(kept["rules"]))
    return Registration(
        id=identity, wishes=wishes, secret=secret, callback=callback, expires=expires,
        running=Rules.from_dict(kept["running"]), until=kept["until"], subscription=kept["subscription"],
        broken=kept["broken"], old_callback=bytes.fromhex(kept["old_callback"]),
        old_subscription=kept["old_subscription"],
    )  # fmt: skip


_PLAIN: Final = ("organization", "mailbox", "gateway", "device", "mode", "interval", "valid")
