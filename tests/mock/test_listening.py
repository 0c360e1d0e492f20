"""A mock that stops leaves no connection behind, not even one that was taken while it stopped."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc, socket, sys, threading, time, warnings

warnings.simplefilter("error")
left = []
sys.unraisablehook = lambda found: left.append(repr(found.exc_value))

from emailplus.mock import MockExchange

def connect(port, ended):
    while not ended.is_set():
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            pass

for _ in range(25):
    ended = threading.Event()
    with MockExchange() as mock:
        client = threading.Thread(target=connect, args=(int(mock.url.split(":")[2].split("/")[0]), ended))
        client.start()
        time.sleep(0.01)
    ended.set()
    client.join()
    gc.collect()
print(left[:3])
"""


def test_connections_that_come_while_it_stops() -> None:
    """In a process of its own: what is left shows only when it is collected, in whatever runs then."""
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("[]\n", "")
