"""What changes between two configurations, and what each change leads to.

    key                                           consequence
    email_address, email_exchange_host,
    email_exchange_username                       full resync
    email_device_id                               new partnership: provisioned anew, full resync
    migrate_from_email_exchange_host              if it names the old host: full resync, local Drafts and Outbox removed
    email_max_sync_period,
    email_default_sync_period                     mail leaves or enters the sync window
    email_signing_certificate,
    email_encryption_certificate                  imported and selected; removed: selection cleared, certificate kept
    email_escrow_certificates,
    email_user_certificate_self_service           imported; what is no longer named is kept
    show_pictures_default                         acts after the next full sync
    email_default_signature                       acts until the user has defined one
    notification_resubscription_interval,
    subscription_valid_until                      act when the running subscription ends
    disabled_features gains local_cache_all       what is cached is removed
    keys of other apps                            nothing
    every other                                   acts at once

Source: guide, "synchronization due to app configuration changes", tables 2, 3 and 9.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from .keys import KEYS
from .snapshot import Snapshot, digest

if TYPE_CHECKING:
    from .app_config import AppConfig


class Consequence(StrEnum):
    """What the change of a key leads to."""

    AT_ONCE = "acts at once"
    FULL_RESYNC = "full resync"
    NEW_PARTNERSHIP = "new partnership and full resync"
    MIGRATION = "full resync; local Drafts and Outbox are removed"
    SYNC_WINDOW = "mail outside the period is removed, mail inside it is fetched"
    CERTIFICATE_SELECTED = "imported and selected; the previous certificate is kept"
    SELECTION_CLEARED = "no certificate is selected; the certificate is kept"
    CERTIFICATES_KEPT = "imported; certificates that it no longer names are kept"
    CACHE_REMOVED = "what is cached is removed; ids stay"
    NEXT_FULL_SYNC = "acts after the next full sync"
    UNLESS_USER_DEFINED = "acts unless the user has defined a signature"
    SUBSCRIPTION_END = "acts when the running subscription ends"
    NOTHING = "no effect here"


CONSEQUENCES: Final[dict[str, Consequence]] = {
    "email_address": Consequence.FULL_RESYNC,
    "email_exchange_host": Consequence.FULL_RESYNC,
    "email_exchange_username": Consequence.FULL_RESYNC,
    "email_device_id": Consequence.NEW_PARTNERSHIP,
    "email_max_sync_period": Consequence.SYNC_WINDOW,
    "email_default_sync_period": Consequence.SYNC_WINDOW,
    "email_signing_certificate": Consequence.CERTIFICATE_SELECTED,
    "email_encryption_certificate": Consequence.CERTIFICATE_SELECTED,
    "email_escrow_certificates": Consequence.CERTIFICATES_KEPT,
    "email_user_certificate_self_service": Consequence.CERTIFICATES_KEPT,
    "show_pictures_default": Consequence.NEXT_FULL_SYNC,
    "email_default_signature": Consequence.UNLESS_USER_DEFINED,
    "notification_resubscription_interval": Consequence.SUBSCRIPTION_END,
    "subscription_valid_until": Consequence.SUBSCRIPTION_END,
    **{key.name: Consequence.NOTHING for key in KEYS if key.owner},
}
"""Keys whose change is more than a new value that acts at once. Migration depends on both configurations."""

_LOCAL_CACHE: Final = "local_cache_all"

_PRESENCE: Final = frozenset({"email_safe_domains"})
"""Keys of which it matters whether they are given, even where the default is the same value."""


@dataclass(frozen=True, slots=True)
class KeyChange:
    """One key: its value before and after as `AppConfig.redacted` shows it, and what the change leads to."""

    key: str
    before: object
    after: object
    consequence: Consequence

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "key": self.key,
            "before": self.before,
            "after": self.after,
            "consequence": self.consequence.value,
        }


@dataclass(frozen=True, slots=True)
class ConfigDiff:
    """Every key whose value in effect differs, in the order of the configuration. False when nothing differs."""

    changes: tuple[KeyChange, ...]
    migration: bool

    def __bool__(self) -> bool:
        return bool(self.changes)

    @property
    def new_partnership(self) -> bool:
        """Whether the server will see another device."""
        return self.leads_to(Consequence.NEW_PARTNERSHIP)

    @property
    def full_resync(self) -> bool:
        """Whether everything is synced from the start: one full sync, however many keys ask for it."""
        return self.migration or self.new_partnership or self.leads_to(Consequence.FULL_RESYNC)

    def leads_to(self, consequence: Consequence) -> bool:
        return any(change.consequence is consequence for change in self.changes)

    def __contains__(self, key: str) -> bool:
        return any(change.key == key for change in self.changes)


def diff(before: Snapshot, after: AppConfig) -> ConfigDiff:
    """The differences between a remembered configuration and a new one. Secrets show as masks on both sides.

    A key that `before` does not know, because an earlier version of emailplus wrote it, counts as unchanged.
    """
    migration = migrates(before, after)
    shown = after.redacted()
    changes = [
        KeyChange(key, before.keys[key].shown, shown[key], _consequence(key, before, after, migration))
        for key in shown
        if key in before.keys and _differs(key, before, after)
    ]
    return ConfigDiff(tuple(changes), migration)


def migrates(before: Snapshot, after: AppConfig) -> bool:
    """Whether `after` moves the account away from the host that `before` used (`migrate_from_email_exchange_host`).

    Only a change counts: the same configuration pushed once more moves nothing.
    """
    source = after.migrate_from_email_exchange_host
    if source is None or source != before.text("email_exchange_host"):
        return False
    return source != before.text("migrate_from_email_exchange_host") or source != after.email_exchange_host


def _differs(key: str, before: Snapshot, after: AppConfig) -> bool:
    entry = before.keys[key]
    if entry.digest != digest(getattr(after, key), before.salt):
        return True
    return key in _PRESENCE and entry.given != (key in after.given)


def _consequence(key: str, before: Snapshot, after: AppConfig, migration: bool) -> Consequence:
    if key == "migrate_from_email_exchange_host":
        return Consequence.MIGRATION if migration else Consequence.NOTHING
    if key == "disabled_features" and _LOCAL_CACHE in after.disabled_features - _flags(before, key):
        return Consequence.CACHE_REMOVED
    consequence = CONSEQUENCES.get(key, Consequence.AT_ONCE)
    if consequence is Consequence.CERTIFICATE_SELECTED and getattr(after, key) is None:
        return Consequence.SELECTION_CLEARED
    return consequence


def _flags(before: Snapshot, key: str) -> frozenset[str]:
    shown = before.keys[key].shown
    return frozenset(shown) if isinstance(shown, list) else frozenset()
