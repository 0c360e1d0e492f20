"""Exchange and the gateway in trouble, on a simulated clock: nothing is lost, and nobody is stormed."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import httpx2
import pytest

from emailplus.notify.proxy.options import Limits
from emailplus.notify.rules import Rules

from .proxy_desk import TOKEN, Clock, Desk, Receiver, get_item_response, options, run
from .test_proxy import DETAILS, NIGHT, VIPS, Mailbox, at_desk, told


def test_a_gateway_that_is_down_for_an_hour(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        desk.gateway.answer = lambda request: httpx2.Response(503)
        registration = await desk.register()
        for minute in range(60):
            for n in range(5):
                assert await desk.post(registration, (f"{minute}-{n}", f"m{minute}-{n}")) == "OK"
            await desk.advance(60)
        asked = len(desk.gateway.requests)
        assert asked < 120  # one probe a minute at the end, not 300 notifications each again and again
        desk.gateway.requests.clear()
        desk.gateway.answer = lambda request: httpx2.Response(200)
        await desk.advance(600)
        items = [entry["item"] for entry in told(desk)]
        assert len(items) == len(set(items)) == 300
        assert desk.proxy.dispatcher.total == 0
        assert desk.proxy.dispatcher.state()["webhook:desk"] == "ok"

    at_desk(tmp_path, work)


def test_retry_after_is_kept(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        desk.gateway.answer = lambda request: httpx2.Response(429, headers={"Retry-After": "300"})
        await desk.post(await desk.register(), ("item-1", "m1"))
        await desk.advance(299)
        assert len(desk.gateway.requests) == 1
        await desk.advance(3)
        assert len(desk.gateway.requests) == 2

    at_desk(tmp_path, work)


def test_what_cannot_be_delivered_for_a_day_is_given_up(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        desk.gateway.answer = lambda request: httpx2.Response(404)
        await desk.post(await desk.register(), ("item-1", "m1"))
        await desk.advance(3500, step=10)
        assert desk.proxy.dispatcher.total == 1
        await desk.advance(300, step=10)
        assert desk.proxy.dispatcher.total == 0

    at_desk(tmp_path, work, limits=Limits(max_age=3600))


def refused(request: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(401, headers={"WWW-Authenticate": "Basic"})


def test_a_refused_service_account_is_asked_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A second try with the same password would count against the account's lockout."""

    async def work(desk: Desk) -> None:
        registration = await desk.register(rules=DETAILS)
        for n in range(50):
            await desk.post(registration, (f"item-{n}", f"m{n}"))
        await desk.advance(3600, step=5)
        assert len(desk.exchange.requests) <= 1 + Limits().lookups - 1
        assert len(desk.exchange.requests) == 1
        assert {entry["kind"] for entry in told(desk)} == {"announce"}
        assert len(told(desk)) == 50
        assert "refuses the service account" in desk.proxy.dispatcher.state()["exchange"]

    with caplog.at_level(logging.DEBUG):
        at_desk(tmp_path, work, look_up=refused)
    assert "halted" in caplog.messages
    spoken = "".join(json.dumps(getattr(record, "fields", {})) + record.getMessage() for record in caplog.records)
    for secret in ("service-secret", TOKEN, "alice"):
        assert secret not in spoken


def test_an_account_without_the_role_costs_the_details_of_that_mailbox(tmp_path: Path) -> None:
    def denied(request: httpx2.Request) -> httpx2.Response:
        if b"alice@" not in request.content:
            return Mailbox()(request)
        count = request.content.count(b"<t:ItemId ")
        return httpx2.Response(200, content=get_item_response(*["ErrorImpersonateUserDenied"] * count))

    async def work(desk: Desk) -> None:
        alice = await desk.register(rules=DETAILS)
        bob = await desk.register(mailbox="bob@example.com", rules=DETAILS)
        for n in range(20):
            await desk.post(alice, (f"item-{n}", f"m{n}"))
            await desk.advance(1)
        await desk.post(bob, ("item", "m"))
        await desk.advance(2)
        kinds = [(entry["registration"] == alice["id"], entry["kind"]) for entry in told(desk)]
        assert kinds == [(True, "announce")] * 20 + [(False, "details")]
        assert len(desk.exchange.requests) == 2
        await desk.advance(900)
        await desk.post(alice, ("later", "later"))
        await desk.advance(1)
        assert len(desk.exchange.requests) == 3

    at_desk(tmp_path, work, look_up=denied)


def test_details_that_do_not_come_in_time_are_left_out(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        registration = await desk.register(rules=DETAILS)
        await desk.post(registration, ("item-1", "m1"))
        await desk.advance(29)
        assert told(desk) == []
        await desk.advance(5)
        assert [entry["kind"] for entry in told(desk)] == ["announce"]
        assert len(desk.exchange.requests) < 12

    at_desk(tmp_path, work, look_up=lambda request: httpx2.Response(503))


def test_a_vip_waits_for_exchange_to_come_back(tmp_path: Path) -> None:
    """Whether it may be told depends on who sent it."""

    async def work(desk: Desk) -> None:
        registration = await desk.register(rules=VIPS)
        await desk.post(registration, ("item-1", "m1"))
        await desk.advance(3600, step=5)
        assert told(desk) == []
        assert desk.proxy.dispatcher.total == 1
        assert len(desk.exchange.requests) < 200
        desk.exchange.answer = Mailbox("boss@example.com")
        await desk.advance(120)
        assert [entry["kind"] for entry in told(desk)] == ["details"]

    at_desk(tmp_path, work, now=NIGHT, look_up=lambda request: httpx2.Response(500, content=b"<html/>"))


def test_a_message_exchange_cannot_give_now_holds_up_no_other(tmp_path: Path) -> None:
    def half(request: httpx2.Request) -> httpx2.Response:
        items = request.content.decode().split('<t:ItemId Id="')[1:]
        entries = [
            "ErrorMailboxStoreUnavailable" if item.startswith("bad") else (item.partition('"')[0], "b@x.org", "s", "p")
            for item in items
        ]
        return httpx2.Response(200, content=get_item_response(*entries))

    async def work(desk: Desk) -> None:
        registration = await desk.register(rules=DETAILS)
        await desk.post(registration, ("bad", "m1"), ("good", "m2"))
        await desk.work()
        assert [entry["item"] for entry in told(desk)] == ["good"]
        await desk.advance(120)
        assert [(entry["item"], entry["kind"]) for entry in told(desk)] == [("good", "details"), ("bad", "announce")]

    at_desk(tmp_path, work, look_up=half)


def test_a_restart_forgets_nothing_and_repeats_under_the_same_id(tmp_path: Path) -> None:
    async def main() -> None:
        chosen = options(tmp_path)
        clock, gateway = Clock(), Receiver(lambda request: httpx2.Response(503))
        async with Desk(chosen, clock, gateway, Receiver(Mailbox())) as desk:
            registration = await desk.register(rules=Rules().as_dict())
            for n in range(25):
                await desk.post(registration, (f"item-{n}", f"m{n}"))
            await desk.work()
        gateway.answer = lambda request: httpx2.Response(200)
        before, gateway.requests = gateway.requests, []
        async with Desk(chosen, clock, gateway, Receiver(Mailbox())) as desk:
            assert desk.proxy.dispatcher.total == 25
            assert await desk.post(registration, ("item-3", "m3"), ("item-99", "m99")) == "OK"
            await desk.work()
            taken = [
                entry["id"] for request in gateway.requests for entry in json.loads(request.content)["notifications"]
            ]
            assert len(taken) == len(set(taken)) == 26
            assert json.loads(before[0].content)["notifications"][0]["id"] in taken

    run(main)


def test_more_than_fits_into_memory_waits_in_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emailplus.notify.proxy.dispatcher.IN_MEMORY", 40)

    async def work(desk: Desk) -> None:
        desk.gateway.answer = lambda request: httpx2.Response(503)
        registrations = [await desk.register(device=f"d{n}") for n in range(10)]
        for n in range(300):
            await desk.post(registrations[n % 10], (f"item-{n}", f"m{n}"))
        await desk.work()
        assert desk.proxy.dispatcher._held <= 40
        desk.gateway.answer = lambda request: httpx2.Response(200)
        desk.gateway.requests.clear()
        await desk.advance(90)
        items = [entry["item"] for entry in told(desk)]
        assert len(items) == len(set(items)) == 300

    at_desk(tmp_path, work)
