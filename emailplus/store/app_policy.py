"""What governs a store at rest: the app policy it was last opened under, and the keys of the configuration in force.

Kept in the store, so that a command that reads it without an app config is bound all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..config.app_policy import AppConnectPolicy
from ..config.snapshot import Snapshot
from ..errors import ConfigurationError, StoreDamaged
from ..policy.dlp import DataLossPrevention, Keys
from . import settings
from .database import Database


@dataclass(frozen=True, slots=True)
class RememberedKeys:
    """`Keys` from the snapshot of a configuration; a secret one is not there."""

    disabled_features: frozenset[str]
    MI_SHARED_GROUP_ID: str | None
    MI_AC_ACCESS_CONTROL_ID: str | None
    MI_AC_IOS_ALLOW_CUSTOM_KEYBOARDS: bool
    allow_photo_library_access: bool
    allow_callkit: bool
    allow_export_contacts: bool
    limit_contact_export_to: str
    filepass_key_identifier: str | None = None

    @classmethod
    def of(cls, shown: Mapping[str, object]) -> RememberedKeys:
        """From the shown value of every key."""

        def text(name: str) -> str | None:
            value = shown.get(name)
            return value if isinstance(value, str) else None

        flags = shown.get("disabled_features")
        return cls(
            disabled_features=frozenset(map(str, flags)) if isinstance(flags, list) else frozenset(),
            MI_SHARED_GROUP_ID=text("MI_SHARED_GROUP_ID"),
            MI_AC_ACCESS_CONTROL_ID=text("MI_AC_ACCESS_CONTROL_ID"),
            MI_AC_IOS_ALLOW_CUSTOM_KEYBOARDS=shown.get("MI_AC_IOS_ALLOW_CUSTOM_KEYBOARDS") is True,
            allow_photo_library_access=shown.get("allow_photo_library_access") is True,
            allow_callkit=shown.get("allow_callkit") is True,
            allow_export_contacts=shown.get("allow_export_contacts") is True,
            limit_contact_export_to=text("limit_contact_export_to") or "all",
        )


def remember(database: Database, policy: AppConnectPolicy) -> None:
    """From now on this app policy holds."""
    document = policy.to_json()
    if database.scalar("SELECT document FROM app_policy") != document:
        database.execute("INSERT OR REPLACE INTO app_policy (id, document) VALUES (1, ?)", (document,))


def recall(database: Database) -> AppConnectPolicy | None:
    """The app policy that holds; None where none was ever given. Raises `StoreDamaged`."""
    document = database.scalar("SELECT document FROM app_policy")
    if document is None:
        return None
    try:
        return AppConnectPolicy.load(str(document).encode())
    except ConfigurationError as problem:
        raise StoreDamaged("the app policy in the store cannot be read; sync once with --app-policy") from problem


def remembered_keys(database: Database) -> RememberedKeys | None:
    """The deciding keys of the configuration in force; None in a store that has seen none."""
    snapshot = settings.configuration(database)
    if snapshot is None:
        return None
    try:
        return RememberedKeys.of({name: key.shown for name, key in Snapshot.from_json(snapshot).keys.items()})
    except ValueError as problem:
        raise StoreDamaged("the configuration in the store cannot be read; sync once with its app config") from problem


def guard(database: Database, keys: Keys | None = None) -> DataLossPrevention:
    """The rules under which this store is used; `keys` go before those that it remembers."""
    return DataLossPrevention(keys if keys is not None else remembered_keys(database), recall(database))
