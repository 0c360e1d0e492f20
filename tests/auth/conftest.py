"""A server with the ways in that a test wants, and a mailbox that finds its own."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from emailplus import account, credentials
from emailplus.config import AppConfig
from emailplus.driver import run
from emailplus.mailbox import Mailbox
from emailplus.mock import MockExchange

KEY = bytes(range(32))
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@dataclass
class Clock:
    """The present of server and client; a test moves it, and so does waiting."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Site:
    """A server and a store."""

    exchange: MockExchange
    path: Path
    clock: Clock
    pairs: dict[str, Any] = field(default_factory=dict)

    def config(self, **pairs: Any) -> AppConfig:
        """For alice over TLS; None takes a key out."""
        ca = base64.b64encode(ssl.PEM_cert_to_DER_cert(self.exchange.ca_pem.decode())).decode()
        keys: dict[str, Any] = {
            "email_address": "alice@example.test",
            "email_device_id": "0123456789ABCDEF0123456789ABCDEF",
            "email_exchange_host": self.exchange.url_tls.split("/")[2],
            "email_exchange_username": "alice",
            "email_ssl_required": "true",
            "email_certificate_1": ca,
            "email_max_sync_period": "0",
        }
        keys.update(self.pairs)
        keys.update(pairs)
        return AppConfig.load({name: value for name, value in keys.items() if value is not None})

    def open(self, keys: dict[str, Any] | None = None, **more: Any) -> Mailbox:
        return Mailbox.open(self.config(**(keys or {})), store=self.path, key=KEY, **more)

    @property
    def tried(self) -> list[bool]:
        """Of every password that the server judged: whether it was right."""
        return [right for _, right in self.exchange.sign_in.attempts.tried]

    def commands(self, status: int = 200) -> list[str]:
        """The commands that were answered with a status."""
        return [request.command for request in self.exchange.requests if request.status == status]


@pytest.fixture
def make_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Site]]:
    sites: list[Site] = []
    clock = Clock()
    monkeypatch.setattr(account, "utc_now", clock)
    real = account.network

    def network(*arguments: Any) -> Any:
        made = real(*arguments)
        made.sleep = clock.sleep
        return made

    def drive(flow: Any, network: Any, store: Any, tell: Any = None) -> Any:
        network.sleep = clock.sleep
        return run(flow, network, store, tell)

    monkeypatch.setattr(account, "network", network)
    monkeypatch.setattr(credentials, "run", drive)

    def make(*ways: str, pairs: dict[str, Any] | None = None, **more: Any) -> Site:
        exchange = MockExchange(sign_in=ways, tls=True, clock=clock, **more).start()
        sites.append(Site(exchange, tmp_path / f"store{len(sites)}.db", clock, pairs or {}))
        return sites[-1]

    yield make
    for site in sites:
        site.exchange.stop()
        assert site.exchange.defects == []


@pytest.fixture
def modern(make_site: Callable[..., Site]) -> Site:
    """A server that takes bearer tokens, and an authority beside it."""
    site = make_site("bearer")
    authority = site.exchange.sign_in.oauth
    site.pairs = {
        "eas_min_allowed_auth_mode": "modern_auth",
        "modern_auth_authority_url": authority.url,
        "modern_auth_resource_url": authority.resource,
    }
    return site
