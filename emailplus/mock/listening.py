"""How a server of the mock stops listening."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable


async def stop_listening(servers: Iterable[asyncio.Server]) -> None:
    """Close servers; connections that were just taken are known to them first.

    asyncio makes the transport of a connection some turns of the loop after it took it. A server closed in between
    leaves it, and its socket, open for ever.
    """
    servers = list(servers)
    loop = asyncio.get_running_loop()
    for server in servers:
        for listening in server.sockets:
            with contextlib.suppress(NotImplementedError):  # a loop without readers (Windows)
                loop.remove_reader(listening.fileno())
    for _ in range(4):
        await asyncio.sleep(0)
    for server in servers:
        server.close()
