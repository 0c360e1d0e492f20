"""emailplus: a headless Exchange mail engine.

    from emailplus import AppConfig, EnvironmentKey, Mailbox

    with Mailbox.open(AppConfig.load("app.json"), store="mailbox.db", key=EnvironmentKey()) as mailbox:
        report = mailbox.sync()

Names are loaded when first used, so that importing this package stays light. Every error is in `emailplus.errors`;
those that callers catch most are here too.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .config import AppConfig
    from .errors import (
        AuthenticationFailed,
        ConfigurationError,
        ConfirmationNeeded,
        ConnectionFailed,
        Declined,
        DeviceBlocked,
        EmailplusError,
        LimitExceeded,
        NotFound,
        PolicyError,
        ProtocolError,
        RemoteWiped,
        SendRefused,
        ServerBusy,
        ServerError,
        StoreBusy,
        StoreDamaged,
        StoreError,
        StoreKeyMissing,
        UsageError,
        WrongStoreKey,
    )
    from .mailbox import AsyncMailbox, Mailbox
    from .model import events
    from .model.changes import Trouble
    from .model.draft import Draft, DraftAttachment
    from .model.folder import Folder
    from .model.message import StoredAttachment, StoredMessage
    from .model.outbox import OutboxEntry
    from .report import SyncReport
    from .store.keys import EnvironmentKey, KeyFile, KeyProvider, KeyringKey, Passphrase, RawKey

__version__ = "0.1.0"

_HOMES = {
    "config": ("AppConfig",),
    "errors": (
        "AuthenticationFailed", "ConfigurationError", "ConfirmationNeeded", "ConnectionFailed", "Declined",
        "DeviceBlocked", "EmailplusError", "SendRefused",
        "LimitExceeded", "NotFound", "PolicyError", "ProtocolError", "RemoteWiped", "ServerBusy", "ServerError",
        "StoreBusy", "StoreDamaged", "StoreError", "StoreKeyMissing", "UsageError", "WrongStoreKey",
    ),
    "mailbox": ("AsyncMailbox", "Mailbox"),
    "model": ("events",),
    "model.changes": ("Trouble",),
    "model.draft": ("Draft", "DraftAttachment"),
    "model.folder": ("Folder",),
    "model.message": ("StoredAttachment", "StoredMessage"),
    "model.outbox": ("OutboxEntry",),
    "report": ("SyncReport",),
    "store.keys": ("EnvironmentKey", "KeyFile", "KeyProvider", "KeyringKey", "Passphrase", "RawKey"),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
_MODULES = frozenset({"events"})

__all__ = [
    "AppConfig",
    "AsyncMailbox",
    "AuthenticationFailed",
    "ConfigurationError",
    "ConfirmationNeeded",
    "ConnectionFailed",
    "Declined",
    "DeviceBlocked",
    "Draft",
    "DraftAttachment",
    "EmailplusError",
    "EnvironmentKey",
    "Folder",
    "KeyFile",
    "KeyProvider",
    "KeyringKey",
    "LimitExceeded",
    "Mailbox",
    "NotFound",
    "OutboxEntry",
    "Passphrase",
    "PolicyError",
    "ProtocolError",
    "RawKey",
    "RemoteWiped",
    "SendRefused",
    "ServerBusy",
    "ServerError",
    "StoreBusy",
    "StoreDamaged",
    "StoreError",
    "StoreKeyMissing",
    "StoredAttachment",
    "StoredMessage",
    "SyncReport",
    "Trouble",
    "UsageError",
    "WrongStoreKey",
    "__version__",
    "events",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _MODULES:
        value: Any = importlib.import_module(f".{home}.{name}", __name__)
    else:
        value = getattr(importlib.import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
