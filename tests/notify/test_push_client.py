"""A mailbox registers at the notification service: the calls of the client against a proxy that runs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from emailplus.config import AppConfig
from emailplus.errors import (
    AuthenticationFailed,
    EmailplusError,
    HttpStatusError,
    MalformedResponse,
    NotFound,
    PolicyDenied,
    ServerBusy,
    ServerUnreachable,
    TlsFailed,
    UsageError,
)
from emailplus.flow import Http, HttpResponse
from emailplus.flows import registration as calls
from emailplus.mailbox import AsyncMailbox, Mailbox
from emailplus.mock import MockExchange, MockUser
from emailplus.store.keys import RawKey

from .proxy_desk import DEVICE, KEY, ORGANIZATION, TOKEN, LiveProxy, send_notification

CONFIG = {
    "email_address": "alice@example.com",
    "email_device_id": "0123456789ABCDEF0123456789ABCDEF",
    "email_exchange_host": "mail.example.com",
    "email_exchange_username": "alice",
    "email_ssl_required": "true",
}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[LiveProxy]:
    with LiveProxy(tmp_path) as running:
        yield running


@contextlib.contextmanager
def opened(folder: Path, **keys: str) -> Iterator[Mailbox]:
    config = AppConfig.load({**CONFIG, **keys})
    with Mailbox.open(config, store=folder / "mailbox.db", key=RawKey(KEY), password="secret") as mailbox:
        yield mailbox


def of(service: LiveProxy) -> Any:
    (registration,) = list(service.proxy.registry)
    return registration


def test_interval_push(service: LiveProxy, tmp_path: Path) -> None:
    keys = {**service.keys(), "notification_interval": "600"}
    with opened(tmp_path, **keys) as mailbox:
        made = mailbox.register_push("desk-1", gateway="webhook:desk")
        assert (made.mode, made.service) == ("interval", f"https://{service.host}/PROD")
    assert (of(service).wishes.mode, of(service).wishes.interval) == ("interval", 600)
    end = time.monotonic() + 20
    while not service.gateway.requests:
        service.clock.now += 60
        assert time.monotonic() < end
        time.sleep(0.05)
    (entry,) = json.loads(service.gateway.requests[0].content)["notifications"]
    assert (entry["kind"], entry["device"]) == ("wake", "desk-1")


def test_real_time_push_under_the_rules_of_the_mailbox(service: LiveProxy, tmp_path: Path) -> None:
    keys = {
        **service.keys(), "allow_realtime_notifications": "true", "allow_device_keychain": "true",
        "allow_detailed_notifications": "true", "subscription_valid_until": "120",
    }  # fmt: skip
    with opened(tmp_path, **keys) as mailbox:
        mailbox.settings.choose("work_hours_only", True)
        made = mailbox.register_push("desk-1", gateway="webhook:desk", subscribe=False)
        assert abs(made.expires - service.clock() - 7200) < 60
        rules = of(service).wishes.rules
        assert (rules.work_hours_only, rules.detailed, rules.realtime) == (True, True, True)
        with httpx2.Client(verify=False, trust_env=False) as exchange:
            body = send_notification(("item-1", "m1"), at=service.clock())
            assert exchange.post(made.callback_url, content=body).status_code == 200
        assert mailbox.push_state().state == "active"

        mailbox.settings.choose("work_hours_only", False)
        renewed = mailbox.renew_push(subscription="subscription-1")
        assert renewed.times_from == pytest.approx(made.expires, abs=1)
        assert mailbox.push_registration == renewed
        assert of(service).rules(service.clock()).work_hours_only
        assert of(service).subscription == "subscription-1"

        mailbox.end_push()
        assert mailbox.push_registration is None
        assert len(service.proxy.registry) == 0
        with pytest.raises(NotFound):
            mailbox.renew_push()


def told(service: LiveProxy) -> list[str]:
    return [
        entry["item"] for request in service.gateway.requests for entry in json.loads(request.content)["notifications"]
    ]


def test_registering_once_more_loses_nothing_and_doubles_nothing(service: LiveProxy, tmp_path: Path) -> None:
    """Exchange pushes to the address before until the new subscription is at work."""
    exchange = MockExchange([MockUser("alice@example.com", "alice", "secret")]).start()
    exchange.ews.retry_pauses = (0.1,) * 1000
    exchange.ews.push_tls = ssl.create_default_context(cadata=service.tls.ca_pem.decode())
    keys = {
        **service.keys(), "allow_realtime_notifications": "true", "allow_device_keychain": "true",
        "email_exchange_host": exchange.url.split("/")[2], "email_ssl_required": "false",
    }  # fmt: skip
    alice = exchange.user("alice")
    sent = 0
    try:
        with opened(tmp_path, **keys) as mailbox:
            for _ in range(3):
                made = mailbox.register_push("desk-1", gateway="webhook:desk")
                assert of(service).subscription == made.subscription != ""
                for _ in range(3):
                    alice.deliver(b"From: bob@example.com\r\nSubject: Hi\r\n\r\nHello\r\n")
                    sent += 1
        end = time.monotonic() + 20
        while len(told(service)) < sent or len(exchange.ews.of("alice")) > 1:
            assert time.monotonic() < end, (told(service), exchange.ews.posts)
            alice.deliver(b"Subject: more\r\n\r\n")  # an old subscription ends with the answer to its next post
            sent += 1
            time.sleep(0.2)
        assert len(told(service)) == len(set(told(service)))
        assert {dropped.reason for dropped in exchange.ews.dropped} == {"refused"}
    finally:
        exchange.stop()


def test_another_host_is_another_service(service: LiveProxy, tmp_path: Path) -> None:
    for host, error in (("127.0.0.1:9/PROD", ServerUnreachable), (f"{service.host}/TEST", HttpStatusError)):
        keys = {**service.keys(), "notification_server_host": host}
        with opened(tmp_path, **keys) as mailbox, pytest.raises(error, match="server"):
            mailbox.register_push("desk-1", gateway="webhook:desk")
    assert len(service.proxy.registry) == 0


@pytest.mark.parametrize("key", ["notification_server_organization_id", "notification_server_authorization"])
def test_organisation_and_token_open_the_door(service: LiveProxy, tmp_path: Path, key: str) -> None:
    with opened(tmp_path, **{**service.keys(), key: "another"}) as mailbox:
        with pytest.raises(AuthenticationFailed, match="notification service") as caught:
            mailbox.register_push("desk-1", gateway="webhook:desk")
        assert TOKEN not in str(caught.value)
    keys = service.keys()
    del keys[key]
    with opened(tmp_path, **keys) as mailbox, pytest.raises(UsageError, match=key):
        mailbox.register_push("desk-1", gateway="webhook:desk")
    assert len(service.proxy.registry) == 0


def test_the_organization_id_names_the_organisation_that_registers(service: LiveProxy, tmp_path: Path) -> None:
    with opened(tmp_path, **service.keys()) as mailbox:
        mailbox.register_push("desk-1", gateway="webhook:desk")
    assert of(service).wishes.organization == ORGANIZATION


def test_refusals_of_the_service(service: LiveProxy, tmp_path: Path) -> None:
    keys = {**service.keys(), "email_address": "alice@elsewhere.example"}
    with opened(tmp_path, **keys) as mailbox, pytest.raises(PolicyDenied):
        mailbox.register_push("desk-1", gateway="webhook:desk")
    other = tmp_path / "other"
    other.mkdir()
    with opened(other, **service.keys()) as mailbox:
        with pytest.raises(UsageError, match="gateway"):
            mailbox.register_push(DEVICE)  # this service has no apns
        mailbox.register_push("desk-1", gateway="webhook:desk")
        asyncio.run(_drop_all(service))
        with pytest.raises(NotFound):
            mailbox.push_state()
        with pytest.raises(NotFound):
            mailbox.renew_push()
        mailbox.end_push()


async def _drop_all(service: LiveProxy) -> None:
    for registration in service.proxy.registry:
        service.proxy.registry._remove(registration.id)


def test_the_token_goes_to_nobody_whose_certificate_is_not_trusted(service: LiveProxy, tmp_path: Path) -> None:
    keys = service.keys()
    del keys["email_certificate_1"]
    with opened(tmp_path, **keys) as mailbox, pytest.raises(TlsFailed):
        mailbox.register_push("desk-1", gateway="webhook:desk")


def test_the_same_for_asyncio(service: LiveProxy, tmp_path: Path) -> None:
    async def work() -> None:
        config = AppConfig.load({**CONFIG, **service.keys()})
        mailbox = await AsyncMailbox.open(config, store=tmp_path / "mailbox.db", key=RawKey(KEY), password="secret")
        async with mailbox:
            made = await mailbox.register_push("desk-1", gateway="webhook:desk")
            assert (await mailbox.renew_push()).id == made.id
            assert (await mailbox.push_state()).state == "active"
            await mailbox.end_push()
            assert mailbox.push_registration is None

    asyncio.run(work())


def answer_to_register(response: HttpResponse) -> EmailplusError:
    service = calls.Service.of(
        AppConfig.load(
            {
                **CONFIG, "notification_server_host": "push.example.com/PROD",
                "notification_server_organization_id": "o", "notification_server_authorization": TOKEN,
            }
        )
    )  # fmt: skip
    flow = calls.register(service, {"gateway": "apns", "device": DEVICE})
    effect = next(flow)
    assert isinstance(effect, Http)
    assert effect.request.url == "https://push.example.com/PROD/v1/registrations"
    assert effect.request.anonymous
    with pytest.raises(EmailplusError) as caught:
        flow.send(response)
    return caught.value


GOOD: dict[str, Any] = {
    "id": "i", "secret": "s", "callback_url": "https://push.example.com/ews/x", "mode": "realtime", "expires": 1.0,
    "times_from": 1.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (HttpResponse(201, {}, b""), MalformedResponse),
        (HttpResponse(201, {}, b"[]"), MalformedResponse),
        (HttpResponse(201, {}, b"[" * 60_000), MalformedResponse),
        (HttpResponse(201, {}, b"{}" + b" " * 70_000), MalformedResponse),
        *(
            (HttpResponse(201, {}, json.dumps({**GOOD, name: value}).encode()), MalformedResponse)
            for name, value in (("id", ""), ("secret", 1), ("callback_url", "javascript:x"), ("expires", "soon"),
                                ("expires", True), ("times_from", -1))
        ),
        (HttpResponse(302, {"location": "https://evil.example/"}), HttpStatusError),
        (HttpResponse(404, {}, b"not found"), HttpStatusError),
        (HttpResponse(503, {"retry-after": "60"}), ServerBusy),
        (HttpResponse(500, {}), HttpStatusError),
    ],
)  # fmt: skip
def test_what_a_service_may_answer_instead(response: HttpResponse, error: type[EmailplusError]) -> None:
    problem = answer_to_register(response)
    assert type(problem) is error
    assert TOKEN not in str(problem)


def test_the_commands(service: LiveProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from emailplus.cli.app import app

    monkeypatch.setenv("EMAILPLUS_STORE_KEY", KEY)
    (tmp_path / "app.json").write_text(json.dumps({**CONFIG, **service.keys()}))
    options = ["--config", str(tmp_path / "app.json"), "--store", str(tmp_path / "mailbox.db")]

    def said(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["notify", *words, *options])
        assert done.exit_code == code, done.output
        return done.output

    assert "no registration" in said("state", code=1)
    registered = json.loads(said("register", "desk-1", "--gateway", "webhook:desk", "--json"))
    assert registered["mode"] == "interval"
    assert "secret" not in registered
    assert "active" in said("state")
    assert json.loads(said("state", "--json"))["state"] == "active"
    assert "interval" in said("renew")
    assert "ended" in said("end")
    assert len(service.proxy.registry) == 0
