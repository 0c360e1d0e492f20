"""Requests that the server holds: sent in an event loop, with credentials and bounds as any other, ended on demand."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from emailplus import waiting
from emailplus.auth.basic import BasicAuth
from emailplus.driver import Network, arun, run
from emailplus.errors import ConnectionFailed, NetworkTimeout, ResponseTooLarge, ServerUnreachable
from emailplus.flow import Flow, HttpRequest, HttpResponse, http, sleep
from emailplus.waiting import Interrupt, Stopped, Woken, awake, send

URL = "https://mail.example.test/Microsoft-Server-ActiveSync?Cmd=Ping"
SOON = 10.0


def network(answer: Callable[[httpx2.Request], Any], **more: Any) -> Network:
    return Network(BasicAuth("alice", "secret"), held_transport=httpx2.MockTransport(answer), **more)


def request(wait: float = 600.0, **more: Any) -> HttpRequest:
    return HttpRequest("POST", URL, {"X": "y"}, b"question", wait=wait, **more)


def never(_: httpx2.Request) -> Any:
    async def held() -> httpx2.Response:
        await asyncio.sleep(3600)
        raise AssertionError

    return held()


def test_request_and_answer_as_of_any_driver() -> None:
    seen: list[httpx2.Request] = []

    def answer(given: httpx2.Request) -> httpx2.Response:
        seen.append(given)
        return httpx2.Response(200, headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")], content=b"answer")

    used = network(answer, timeout=45.0)
    response = asyncio.run(send(request(), used))
    assert (response.status, response.body, response.headers["set-cookie"]) == (200, b"answer", "a=1\nb=2")
    (given,) = seen
    assert given.content == b"question"
    assert given.headers["authorization"].startswith("Basic ")
    assert given.extensions["timeout"] == {"connect": 45.0, "read": 645.0, "write": 45.0, "pool": 45.0}
    assert (used.traffic.requests, used.traffic.bytes_out) == (1, 8)
    asyncio.run(send(request(anonymous=True), used))
    assert "authorization" not in seen[1].headers


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (httpx2.ReadTimeout("silence"), NetworkTimeout),
        (httpx2.ConnectError("nobody"), ServerUnreachable),
        (httpx2.RemoteProtocolError("cut"), ConnectionFailed),
    ],
)
def test_errors_have_their_names_and_no_secret(raised: Exception, expected: type[Exception]) -> None:
    told: list[Exception] = []

    class Observer:
        def answered(self, *_: Any) -> None:
            raise AssertionError

        def unanswered(self, _: Any, problem: Exception, seconds: float) -> None:
            told.append(problem)

    def answer(_: httpx2.Request) -> httpx2.Response:
        raise raised

    used = network(answer)
    used.traffic.observer = Observer()
    with pytest.raises(expected) as caught:
        asyncio.run(send(request(), used))
    assert told == [caught.value]
    assert "alice" not in str(caught.value)


def test_an_answer_beyond_all_bounds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MAX_BODY", 1000)
    with pytest.raises(ResponseTooLarge):
        asyncio.run(send(request(), network(lambda _: httpx2.Response(200, content=b"x" * 1001))))


def test_an_answer_that_drips_for_ever_ends() -> None:
    async def drip() -> Any:
        while True:
            yield b"x"
            await asyncio.sleep(0.01)

    began = time.monotonic()
    with pytest.raises(NetworkTimeout):
        asyncio.run(send(request(wait=0.2), network(lambda _: httpx2.Response(200, content=drip()), timeout=0.2)))
    assert time.monotonic() - began < SOON


# -- ended on demand


def test_a_stop_ends_the_wait_and_every_later_one() -> None:
    interrupt = Interrupt()
    threading.Timer(0.2, interrupt.stop).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        interrupt.send(request(), network(never), None)
    for later in (lambda: interrupt.pause(60), lambda: interrupt.send(request(), network(never), None)):
        with pytest.raises(Stopped):
            later()
    assert time.monotonic() - began < SOON


def test_a_limit_ends_the_wait() -> None:
    with pytest.raises(Woken) as caught:
        Interrupt().send(request(), network(never), 0.1)
    assert not caught.value.over


@pytest.mark.parametrize(("seconds", "ends"), [(1.0, False), (3600.0, True)])
def test_a_machine_that_slept_ends_it_and_a_blink_does_not(
    monkeypatch: pytest.MonkeyPatch, seconds: float, ends: bool
) -> None:
    monkeypatch.setattr(waiting, "LOOK", 0.05)
    clock = iter([0.0])
    monkeypatch.setattr(waiting, "asleep", lambda: next(clock, seconds))
    looked: list[int] = []
    with pytest.raises(Woken) as caught:
        Interrupt().send(request(), network(never), 0.5, lambda: looked.append(1))
    assert caught.value.over is ends
    assert bool(looked) is not ends


def test_an_error_of_the_work_arrives_through_the_limit() -> None:
    async def fails() -> None:
        raise ConnectionFailed("cut")

    with pytest.raises(ConnectionFailed):
        asyncio.run(awake(fails(), 60.0))


def test_threads_share_one_loop() -> None:
    def waiters() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "emailplus-waiting"]

    interrupts = [Interrupt() for _ in range(20)]
    outcomes: list[str] = []

    def wait(interrupt: Interrupt) -> None:
        try:
            interrupt.pause(60)
        except Stopped:
            outcomes.append("stopped")

    threads = [threading.Thread(target=wait, args=(interrupt,)) for interrupt in interrupts]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    assert len(waiters()) == 1
    for interrupt in interrupts:
        interrupt.stop()
    for thread in threads:
        thread.join(SOON)
    assert outcomes == ["stopped"] * 20


# -- in the drivers


def dialogue(log: list[str]) -> Flow[int]:
    try:
        response = yield from http(request())
        log.append("answered")
        return response.status
    finally:
        log.append("closed")


def test_a_driver_gives_what_waits_to_whoever_holds_it() -> None:
    log: list[str] = []
    held: list[HttpRequest] = []

    def hold(given: HttpRequest) -> HttpResponse:
        held.append(given)
        return HttpResponse(200, {})

    assert run(dialogue(log), network(never), None, None, hold) == 200
    assert (len(held), log) == (1, ["answered", "closed"])

    def interrupted(_: HttpRequest) -> HttpResponse:
        raise Woken

    with pytest.raises(Woken):
        run(dialogue(log), network(never), None, None, interrupted)
    assert log[2:] == ["closed"]


def test_runs_of_asyncio_share_their_threads_and_use_none_while_they_wait() -> None:
    async def main() -> tuple[int, list[int]]:
        gate = asyncio.Event()
        entered = 0

        async def hold(_: HttpRequest) -> HttpResponse:
            nonlocal entered
            entered += 1
            await gate.wait()
            return HttpResponse(200, {})

        tasks = [asyncio.create_task(arun(dialogue([]), network(never), None, None, hold)) for _ in range(200)]
        while entered < 200:
            await asyncio.sleep(0.01)
        threads = sum(thread.name.startswith("emailplus_") for thread in threading.enumerate())
        gate.set()
        return threads, await asyncio.gather(*tasks)

    threads, results = asyncio.run(main())
    assert results == [200] * 200
    assert threads <= 16


def test_a_cancelled_wait_closes_its_dialogue() -> None:
    log: list[str] = []

    async def main() -> None:
        async def hold(_: HttpRequest) -> HttpResponse:
            await asyncio.sleep(3600)
            raise AssertionError

        task = asyncio.create_task(arun(dialogue(log), network(never), None, None, hold))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert log == ["closed"]


def test_sleeping_flows_take_no_thread() -> None:
    def nap() -> Flow[str]:
        yield from sleep(0.3)
        return "done"

    async def main() -> list[str]:
        return await asyncio.gather(*(arun(nap(), network(never), None) for _ in range(100)))

    began = time.monotonic()
    assert asyncio.run(main()) == ["done"] * 100
    assert time.monotonic() - began < SOON
