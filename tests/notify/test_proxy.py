"""From a post of Exchange to the gateway: what is told, what is not, and what wrong input does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from emailplus.errors import UsageError
from emailplus.notify.proxy.options import Limits
from emailplus.notify.rules import Rules

from .proxy_desk import (
    DEVICE,
    MONDAY_NOON,
    SECRET,
    SUBSCRIPTION,
    TOKEN,
    Clock,
    Desk,
    Receiver,
    credentials,
    get_item_response,
    options,
    run,
    send_notification,
)

DETAILS = Rules(detailed=True).as_dict()
NIGHT = datetime(2026, 11, 23, 23, 0, tzinfo=UTC).timestamp()
VIPS = Rules(
    work_hours_only=True, vip_after_hours=True, sentry=True, detailed=True, vips=frozenset({"boss@example.com"})
).as_dict()

Work = Callable[[Desk], Awaitable[None]]


def at_desk(folder: Path, work: Work, *, now: float = MONDAY_NOON, exchange: bool = True, limits: Limits | None = None,
            look_up: Callable[[httpx2.Request], httpx2.Response] | None = None) -> Desk:  # fmt: skip
    async def main() -> Desk:
        mailbox = Receiver(look_up or Mailbox())
        async with Desk(options(folder, exchange=exchange, limits=limits), Clock(now), Receiver(), mailbox) as desk:
            await work(desk)
            return desk

    return run(main)


class Mailbox:
    """Answers GetItem: every message comes from `sender`."""

    def __init__(self, sender: str = "bob@example.com") -> None:
        self.sender = sender

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        items = request.content.decode().split('<t:ItemId Id="')[1:]
        entries = [(item.partition('"')[0], self.sender, "Lunch?", "At noon.") for item in items]
        return httpx2.Response(200, content=get_item_response(*entries))


def told(desk: Desk) -> list[dict[str, Any]]:
    return [entry for request in desk.gateway.requests for entry in json.loads(request.content)["notifications"]]


# -- what is told


def test_new_mail_is_told_once_however_often_exchange_posts(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        registration = await desk.register()
        assert "/PROD/ews/" in registration["callback_url"]
        for _ in range(3):
            assert await desk.post(registration, ("item-1", "mark-1")) == "OK"
            await desk.work()
        assert await desk.post(registration, ("item-1", "mark-9")) == "OK"  # CreatedEvent beside NewMailEvent, say
        assert await desk.post(registration) == "OK"
        await desk.work()
        assert [entry["item"] for entry in told(desk)] == ["item-1"]
        assert told(desk)[0]["text"] == "You have new messages"
        assert desk.exchange.requests == []

    at_desk(tmp_path, work)


def test_details_are_looked_up_as_the_service_account(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        registration = await desk.register(rules=DETAILS)
        await desk.post(registration, ("item-1", "m1"), ("item-2", "m2"))
        await desk.work()
        assert [(entry["sender"], entry["subject"], entry["snippet"]) for entry in told(desk)] == [
            ("Bob", "Lunch?", "At noon.")
        ] * 2
        (request,) = desk.exchange.requests
        assert request.headers["authorization"].startswith("Basic ")
        assert request.headers["x-anchormailbox"] == "alice@example.com"
        assert b"<t:SmtpAddress>alice@example.com</t:SmtpAddress>" in request.content

    at_desk(tmp_path, work)


def test_the_webhook_is_signed_and_its_ids_are_stable(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        desk.gateway.answer = lambda request: httpx2.Response(500 if len(desk.gateway.requests) == 1 else 204)
        registration = await desk.register()
        await desk.post(registration, ("item-1", "m1"))
        await desk.work()
        await desk.advance(5)
        first, second = desk.gateway.requests
        assert first.content == second.content
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        import base64
        import hashlib
        import hmac

        signed = f"{second.headers['webhook-id']}.{second.headers['webhook-timestamp']}.".encode() + second.content
        mac = hmac.new(base64.b64decode(SECRET), signed, hashlib.sha256).digest()
        assert second.headers["webhook-signature"] == "v1," + base64.b64encode(mac).decode()
        await desk.work()
        assert len(desk.gateway.requests) == 2

    at_desk(tmp_path, work)


@pytest.mark.parametrize(
    ("sender", "now", "expected"),
    [
        ("bob@example.com", NIGHT, 0),
        ("Boss@Example.com", NIGHT, 1),
        ("bob@example.com", MONDAY_NOON, 1),
    ],
)
def test_vips_after_hours(tmp_path: Path, sender: str, now: float, expected: int) -> None:
    async def work(desk: Desk) -> None:
        registration = await desk.register(rules=VIPS)
        await desk.post(registration, ("item-1", "m1"))
        await desk.work()
        assert len(told(desk)) == expected
        assert len(desk.exchange.requests) == 1

    at_desk(tmp_path, work, now=now, look_up=Mailbox(sender))


def test_outside_work_hours_nothing_is_looked_up_without_vips(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        registration = await desk.register(rules=Rules(work_hours_only=True, detailed=True).as_dict())
        await desk.post(registration, ("item-1", "m1"))
        await desk.work()
        assert (told(desk), desk.exchange.requests) == ([], [])

    at_desk(tmp_path, work, now=NIGHT)


def test_without_a_service_account_there_are_no_details_and_no_vips(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        registration = await desk.register(rules=VIPS)
        await desk.post(registration, ("item-1", "m1"))
        await desk.work()
        desk.clock.now = NIGHT
        await desk.post(registration, ("item-2", "m2"))
        await desk.work()
        assert [(entry["item"], entry["kind"]) for entry in told(desk)] == [("item-1", "announce")]

    at_desk(tmp_path, work, exchange=False)


def test_a_message_that_is_gone_is_not_told(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        registration = await desk.register(rules=DETAILS)
        await desk.post(registration, ("item-1", "m1"))
        await desk.work()
        assert told(desk) == []
        assert desk.proxy.dispatcher.total == 0

    at_desk(tmp_path, work, look_up=lambda _: httpx2.Response(200, content=get_item_response("ErrorItemNotFound")))


def test_interval_push_wakes_the_device(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        registration = await desk.register(mode="interval", interval=300)
        assert await desk.post(registration, ("item-1", "m1")) == "Unsubscribe"
        await desk.advance(3600, step=30)
        assert {entry["kind"] for entry in told(desk)} == {"wake"}
        assert len(told(desk)) == 12
        assert len({entry["id"] for entry in told(desk)}) == 12

    at_desk(tmp_path, work)


# -- registrations


def test_a_registration_lives_as_long_as_its_subscription(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        registration = await desk.register(valid=60)
        desk.clock.now += 3599
        assert await desk.post(registration, ("item-1", "m1")) == "OK"
        mine = {**credentials(), "Emailplus-Registration": registration["secret"]}
        wishes = {"mailbox": "alice@example.com", "gateway": "webhook:desk", "device": DEVICE, "valid": 60}
        path = f"/v1/registrations/{registration['id']}"
        assert (await desk.client.put(path, json=wishes, headers=mine)).status_code == 200
        desk.clock.now += 3599
        assert await desk.post(registration, ("item-2", "m2")) == "OK"
        desk.clock.now += 1
        assert await desk.post(registration, ("item-3", "m3")) == "Unsubscribe"
        assert (await desk.client.get(path, headers=mine)).json()["state"] == "expired"
        assert (await desk.client.delete(path, headers=mine)).status_code == 204
        assert await desk.post(registration, ("item-4", "m4")) == "Unsubscribe"

    at_desk(tmp_path, work)


def test_a_device_that_registers_again_is_told_once(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        first = await desk.register()
        await desk.post(first, ("item-1", "m1"))
        second = await desk.register()
        assert second["id"] == first["id"]
        assert await desk.post(first, ("item-2", "m2")) == "OK"  # until the new subscription is at work
        assert await desk.post(first, ("item-3", "m3"), subscription="another") == "Unsubscribe"
        assert await desk.post(second, ("item-1", "m1"), ("item-3", "m3"), subscription="another") == "OK"
        assert await desk.post(first, ("item-4", "m4")) == "Unsubscribe"
        await desk.work()
        assert [entry["item"] for entry in told(desk)] == ["item-1", "item-2", "item-3"]

    at_desk(tmp_path, work)


def test_two_devices_of_a_user_are_both_told(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        for device in ("one", "two"):
            await desk.post(await desk.register(device=device), ("item-1", "m1"))
        await desk.work()
        assert sorted(entry["device"] for entry in told(desk)) == ["one", "two"]

    at_desk(tmp_path, work)


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, {}, 401),
        (credentials("wrong"), {}, 401),
        (credentials(TOKEN, "another"), {}, 401),
        ({**credentials(), "Authorization": f"Basic {TOKEN}"}, {}, 401),
        (credentials(), {"mailbox": "alice@elsewhere.example"}, 403),
        (credentials(), {"mailbox": "alice@sub.example.com"}, 403),
        (credentials(), {"gateway": "apns"}, 400),
        (credentials(), {"rules": {"nonsense": True}}, 400),
    ],
)
def test_who_may_register_what(tmp_path: Path, headers: dict[str, str], body: dict[str, Any], status: int) -> None:
    async def work(desk: Desk) -> None:
        document = {"mailbox": "alice@example.com", "gateway": "webhook:desk", "device": DEVICE, **body}
        response = await desk.client.post("/v1/registrations", json=document, headers=headers)
        assert response.status_code == status
        assert TOKEN not in response.text
        assert len(desk.proxy.registry) == 0

    at_desk(tmp_path, work)


def test_a_registration_is_changed_with_its_secret_only(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        registration = await desk.register()
        path = f"/v1/registrations/{registration['id']}"
        other = await desk.register(device="other")
        for secret in ("", "guess", other["secret"]):
            headers = {**credentials(), "Emailplus-Registration": secret}
            for method in ("GET", "DELETE"):
                assert (await desk.client.request(method, path, headers=headers)).status_code == 404
        assert await desk.post(registration, ("item-1", "m1")) == "OK"

    at_desk(tmp_path, work)


def test_bodies_that_are_no_registration(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        for body, status in ((b"", 400), (b"[]", 400), (b"[" * 100_000, 400), (b"{" * 10, 400), (b"x" * 300_000, 413)):
            response = await desk.client.post("/v1/registrations", content=body, headers=credentials())
            assert response.status_code == status, body[:10]

    at_desk(tmp_path, work)


def test_a_proxy_that_is_full_says_so(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        await desk.register(device="one")
        await desk.register(device="one")
        document = {"mailbox": "alice@example.com", "gateway": "webhook:desk", "device": "two"}
        assert (await desk.client.post("/v1/registrations", json=document, headers=credentials())).status_code == 429

    at_desk(tmp_path, work, limits=Limits(devices_per_mailbox=1))


# -- wrong input from the side of Exchange


def test_a_forged_notification_is_unsubscribed_without_a_look(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        await desk.register(rules=DETAILS)
        for path in ("guess", "", "a" * 43, "%00", "..%2Fv1"):
            response = await desk.client.post(f"/ews/{path}", content=send_notification(("item-1", "m1")))
            assert response.status_code == 404 or b"Unsubscribe" in response.content
        huge = await desk.client.post("/ews/guess", content=b"<" * 10_000_000)
        assert b"Unsubscribe" in huge.content
        await desk.work()
        assert (told(desk), desk.exchange.requests) == ([], [])
        assert desk.proxy.dispatcher.total == 0

    at_desk(tmp_path, work)


def test_another_subscription_than_the_registered_one(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        registration = await desk.register()
        mine = {**credentials(), "Emailplus-Registration": registration["secret"]}
        wishes = {"mailbox": "alice@example.com", "gateway": "webhook:desk", "device": DEVICE, "subscription": "mine"}
        path = f"/v1/registrations/{registration['id']}"
        assert (await desk.client.put(path, json=wishes, headers=mine)).status_code == 200
        assert await desk.post(registration, ("item-1", "m1"), subscription=SUBSCRIPTION) == "Unsubscribe"
        assert await desk.post(registration, ("item-2", "m2"), subscription="mine") == "OK"
        await desk.work()
        assert [entry["item"] for entry in told(desk)] == ["item-2"]

    at_desk(tmp_path, work)


def test_a_broken_subscription_is_ended_and_the_client_told(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        registration = await desk.register()
        assert await desk.post(registration, code="ErrorReadEventsFailed") == "Unsubscribe"
        mine = {**credentials(), "Emailplus-Registration": registration["secret"]}
        state = (await desk.client.get(f"/v1/registrations/{registration['id']}", headers=mine)).json()
        assert (state["state"], state["reason"]) == ("broken", "ErrorReadEventsFailed")

    at_desk(tmp_path, work)


def test_old_and_future_events_are_no_news(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        registration = await desk.register()
        await desk.post(registration, ("old", "m1"), at=MONDAY_NOON - 8 * 86400)
        await desk.post(registration, ("future", "m2"), at=MONDAY_NOON + 3 * 86400)
        await desk.post(registration, ("late", "m3"), at=MONDAY_NOON - 3600)
        await desk.work()
        assert [entry["item"] for entry in told(desk)] == ["late"]

    at_desk(tmp_path, work)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"<a><b></a>", 400),
        (send_notification(("i", "m")).replace(b"?>", b'?><!DOCTYPE x [<!ENTITY e "x">]>', 1), 400),
        (b"<x>" + b" " * 300_000 + b"</x>", 413),
    ],
)
def test_malformed_and_oversized_posts(tmp_path: Path, body: bytes, status: int) -> None:
    async def work(desk: Desk) -> None:
        registration = await desk.register()
        assert (await desk.client.post(registration["callback_url"], content=body)).status_code == status

        async def pieces() -> Any:  # no Content-Length
            for start in range(0, len(body), 1000):
                yield body[start : start + 1000]

        response = await desk.client.post(registration["callback_url"], content=pieces())
        assert response.status_code == status
        assert await desk.post(registration, ("item-1", "m1")) == "OK"

    at_desk(tmp_path, work)


def test_a_post_that_does_not_end(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        registration = await desk.register()

        async def forever() -> Any:
            yield b"<s:Envelope"
            await asyncio.sleep(30)
            yield b">"

        response = await desk.client.post(registration["callback_url"], content=forever())
        assert response.status_code == 408

    at_desk(tmp_path, work, limits=Limits(timeout=1))


def test_a_request_for_another_host(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        registration = await desk.register()
        body = send_notification(("item-1", "m1"))
        for host in ("evil.example", "push.example.com.evil.example", "", "push.example.com:8080"):
            response = await desk.client.post(registration["callback_url"], content=body, headers={"Host": host})
            assert response.status_code == 421
        for host in ("PUSH.example.com", "push.example.com:443"):
            response = await desk.client.post(registration["callback_url"], content=body, headers={"Host": host})
            assert response.status_code == 200
        assert (await desk.client.get("https://10.0.0.1/healthz")).status_code == 200

    at_desk(tmp_path, work)


def test_more_than_a_device_may_have_waiting_is_asked_for_again(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        desk.gateway.answer = lambda request: httpx2.Response(503)
        registration = await desk.register()
        answers = [await desk.post(registration, (f"item-{n}", f"m{n}")) for n in range(12)]
        assert answers == ["OK"] * 10 + ["503"] * 2
        desk.gateway.answer = lambda request: httpx2.Response(200)
        await desk.advance(10)
        for n in (10, 11):  # Exchange comes again
            assert await desk.post(registration, (f"item-{n}", f"m{n}")) == "OK"
        await desk.work()
        assert {entry["item"] for entry in told(desk)} == {f"item-{n}" for n in range(12)}

    at_desk(tmp_path, work, limits=Limits(pending_per_device=10))


def test_one_user_is_told_no_faster_than_the_limit_and_the_others_do_not_wait(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        busy, calm = await desk.register(device="busy"), await desk.register(device="calm")
        for n in range(40):
            await desk.post(busy, (f"item-{n}", f"m{n}"))
        await desk.post(calm, ("item-1", "m1"))
        await desk.work()
        told_first = [entry["device"] for entry in told(desk)]
        assert told_first.count("busy") == 10
        assert told_first.count("calm") == 1
        await desk.advance(60)
        assert 19 <= len([entry for entry in told(desk) if entry["device"] == "busy"]) <= 21
        await desk.advance(180)
        assert len({entry["item"] for entry in told(desk) if entry["device"] == "busy"}) == 40
        assert len(told(desk)) == 41

    at_desk(tmp_path, work, limits=Limits(per_minute=10))


def test_the_pages_for_operators(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        registration = await desk.register()
        await desk.post(registration, ("item-1", "m1"))
        await desk.work()
        health = await desk.client.get("https://push.example.com/healthz")
        assert health.json() == {"status": "ok", "webhook:desk": "ok", "exchange": "ok"}
        page = (await desk.client.get("https://push.example.com/metrics")).text
        assert 'emailplus_notifications_delivered_total{gateway="webhook:desk"} 1.0' in page
        assert "emailplus_notifications_waiting 0.0" in page
        assert "alice" not in page
        other = httpx2.ASGITransport(app=desk.proxy.asgi, client=("192.0.2.1", 1))
        async with httpx2.AsyncClient(transport=other, base_url="https://push.example.com") as stranger:
            assert (await stranger.get("/metrics")).status_code == 404

    at_desk(tmp_path, work)


def test_only_the_effect_that_is_meant_is_performed(tmp_path: Path) -> None:
    from emailplus.auth.anonymous import Anonymous
    from emailplus.flow import sleep
    from emailplus.notify.proxy.outgoing import Outgoing

    async def work() -> None:
        way = Outgoing(Anonymous())
        with pytest.raises(UsageError):
            await way.perform(sleep(1))
        await way.close()

    run(work)
