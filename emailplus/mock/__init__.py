"""A mock Exchange server over real HTTP(S) on loopback, for tests, demos and development.

    from emailplus.mock import MockExchange

    with MockExchange() as exchange:
        exchange.user("alice").deliver(b"Subject: hello\\r\\n\\r\\nworld\\r\\n")
        print(exchange.url)

Needs h11: ``pip install 'emailplus[mock]'``. Names are loaded when first used, so that importing this package costs
nothing and needs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .exchange import Exchange
    from .faults import (
        Chunked,
        ContentType,
        CutAfter,
        Drip,
        Drop,
        Empty,
        EwsError,
        ExtraHeaders,
        Fault,
        Garbage,
        Gzip,
        Http,
        LoseResponse,
        Rewrite,
        Stall,
        Status,
        Truncated,
    )
    from .mailbox import Flag, Mailbox
    from .policy import MockPolicy
    from .record import Request
    from .rights import MockLicence
    from .server import MockExchange, default_users
    from .users import MockUser

_HOMES = {
    "exchange": ("Exchange",),
    "faults": (
        "Chunked", "ContentType", "CutAfter", "Drip", "Drop", "Empty", "EwsError", "ExtraHeaders", "Fault", "Garbage",
        "Gzip", "Http", "LoseResponse", "Rewrite", "Stall", "Status", "Truncated",
    ),
    "mailbox": ("Flag", "Mailbox"),
    "policy": ("MockPolicy",),
    "record": ("Request",),
    "rights": ("MockLicence",),
    "server": ("MockExchange", "default_users"),
    "users": ("MockUser",),
}  # fmt: skip

__all__ = [
    "Chunked",
    "ContentType",
    "CutAfter",
    "Drip",
    "Drop",
    "Empty",
    "EwsError",
    "Exchange",
    "ExtraHeaders",
    "Fault",
    "Flag",
    "Garbage",
    "Gzip",
    "Http",
    "LoseResponse",
    "Mailbox",
    "MockExchange",
    "MockLicence",
    "MockPolicy",
    "MockUser",
    "Request",
    "Rewrite",
    "Stall",
    "Status",
    "Truncated",
    "default_users",
]


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            try:
                return getattr(importlib.import_module(f".{home}", __name__), name)
            except ModuleNotFoundError as error:
                if error.name != "h11":
                    raise
                raise ImportError("the mock server needs h11: pip install 'emailplus[mock]'", name="h11") from error
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
