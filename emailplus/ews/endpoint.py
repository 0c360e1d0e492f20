"""Where EWS is, and how it is reached."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..config import AppConfig
from ..config.hosts import parse_host

if TYPE_CHECKING:
    from ..auth.base import Auth

PATH = "/EWS/Exchange.asmx"


def endpoint(config: AppConfig) -> str:
    """The URL of `email_ews_host`, which is `email_exchange_host` where it is not given, under `email_ssl_required`."""
    host = parse_host(config.email_ews_host, path=True)
    return f"{'https' if config.email_ssl_required else 'http'}://{host.authority}{PATH}"


@dataclass(frozen=True, slots=True)
class Access:
    """How one mailbox is reached. `auth` makes the strategy of one conversation (`policy.sign_in`).

    `email`: whose mailbox. `acting_for`: the credentials are a service account's, which acts for that mailbox
    (ExchangeImpersonation; role ApplicationImpersonation). `timeout`: seconds a server may be silent.
    """

    url: str
    email: str
    auth: Callable[[], Auth] = field(repr=False)
    tls: ssl.SSLContext = field(repr=False)
    timeout: float = 90.0
    acting_for: bool = False
    user_agent: str = "emailplus"
