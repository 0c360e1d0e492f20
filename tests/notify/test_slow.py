"""Whoever is slow takes nobody's place: the heads of requests to the proxy come in time, or the connection ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn

from emailplus.notify.proxy.serve import _Connection, _Server

SECONDS = 0.5
PATIENCE = 10.0
REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"


async def _answer(scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    while (await receive()).get("more_body"):
        continue
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def _heard(*pieces: bytes, pause: float = 0.0) -> bytes:
    """All that a server says to a client that sends this, until it hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))
    ready = asyncio.Event()
    config = uvicorn.Config(
        _answer, http=_Connection.within(SECONDS), lifespan="off", log_config=None, access_log=False
    )
    server = _Server(config, ready.set)
    serving = asyncio.create_task(server.serve([listener]))
    await ready.wait()
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    try:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(pause)
        async with asyncio.timeout(PATIENCE):
            return await reader.read()
    finally:
        writer.close()
        server.should_exit = True
        await serving
        listener.close()


@pytest.mark.parametrize(
    ("pieces", "answers"),
    [
        ((), 0),
        ((b"POST / HTTP/1.1\r\nHost: x\r\n",), 0),
        ((REQUEST + b"{}", b"POST / HTTP/1.1\r\n"), 1),
        ((REQUEST + b"{}", REQUEST + b"{}", b"P"), 2),
    ],
    ids=["nothing", "half a head", "half of the second", "a letter of the third"],
)
def test_a_head_that_does_not_end_ends_the_connection(pieces: tuple[bytes, ...], answers: int) -> None:
    assert asyncio.run(_heard(*pieces, pause=0.05)).count(b"HTTP/1.1 204") == answers


def test_a_body_has_its_own_time() -> None:
    said = asyncio.run(_heard(REQUEST, b"{", b"}" + b"x", pause=SECONDS))  # what follows it is no head, and in time
    assert said.count(b"HTTP/1.1 204") == 1
