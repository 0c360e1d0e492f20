"""A headless Chromium behind its WebDriver (W3C, over plain HTTP), and a listener that hears every connection."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
    "--force-device-scale-factor=1", "--font-render-hinting=none",
)  # fmt: skip
HOST = "hostile.test"
"""Every name below it leads to the listener."""


def programs() -> tuple[str, str] | None:
    """Chromium and its driver; None where one of them is not installed."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


class Heard(list[str]):
    """What was heard since it was last cleared. `page` counts the times: a connection belongs to its page."""

    page = 0

    def clear(self) -> None:
        self.page += 1
        super().clear()


class Listener:
    """Accepts connections on loopback, notes the first line of each, and answers with nothing of use."""

    def __init__(self) -> None:
        self.heard = Heard()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        page = self.heard.page
        with connection:
            connection.settimeout(5)
            try:
                line = connection.recv(2000).split(b"\r\n", 1)[0].decode("latin-1")
            except OSError:
                line = ""
            if page == self.heard.page:  # a spare connection of an earlier page ends seconds later
                self.heard.append(line or "a connection")
            with contextlib.suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def close(self) -> None:
        self._socket.close()


class Browser:
    """One browser for many pages, in a profile of its own."""

    def __init__(self, profile: Path, listener: Listener) -> None:
        found = programs()
        assert found is not None
        binary, driver = found
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        self._driver = subprocess.Popen(
            [driver, f"--port={self._port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        rules = f"MAP *.{HOST} 127.0.0.1:{listener.port}, MAP {HOST} 127.0.0.1:{listener.port}, MAP * ~NOTFOUND, " + (
            "EXCLUDE 127.0.0.1"
        )
        options = {
            "binary": binary,
            "args": [*FLAGS, f"--user-data-dir={profile}", f"--host-resolver-rules={rules}"],
        }
        wanted = {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}
        self._session = ""
        try:
            self._session = self._patiently("/session", {"capabilities": wanted})["sessionId"]
        except BaseException:
            self.close()
            raise

    def _patiently(self, path: str, body: Any) -> Any:
        until = time.monotonic() + 60
        while True:
            try:
                return self._call("POST", path, body)
            except ConnectionError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        data = json.dumps(body if body is not None else {}).encode() if method == "POST" else None
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}{path}", data, {"Content-Type": "application/json"}, method=method
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as problem:
            with problem:
                raise AssertionError(problem.read().decode("utf-8", "replace")[:2000]) from None
        except urllib.error.URLError as problem:
            raise ConnectionError(str(problem)) from problem

    def _do(self, path: str, body: Any = None, method: str = "POST") -> Any:
        return self._call(method, f"/session/{self._session}{path}", body)

    def show(self, page: Path | str, wait: float = 0.15) -> None:
        """Open a file, and give it time for what it may do late."""
        self._do("/url", {"url": page if isinstance(page, str) else page.resolve().as_uri()})
        time.sleep(wait)

    def run(self, script: str, given: Sequence[Any] = ()) -> Any:
        """Run a script of ours in the page. The page's own policy does not stop it, it is the driver's."""
        return self._do("/execute/sync", {"script": script, "args": list(given)})

    def address(self) -> str:
        return str(self._do("/url", method="GET"))

    def size(self, width: int, height: int) -> None:
        """Set the size of the page itself, in CSS pixels."""
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
        )

    def scheme(self, name: str) -> None:
        """Prefer "light" or "dark"."""
        feature = {"name": "prefers-color-scheme", "value": name}
        self.devtools("Emulation.setEmulatedMedia", {"features": [feature]})

    def devtools(self, command: str, parameters: dict[str, Any]) -> Any:
        return self._do("/goog/cdp/execute", {"cmd": command, "params": parameters})

    def picture(self) -> bytes:
        """A screenshot, PNG."""
        return base64.b64decode(self._do("/screenshot", method="GET"))

    def close(self) -> None:
        if self._session:
            with contextlib.suppress(AssertionError, OSError):
                self._call("DELETE", f"/session/{self._session}")
        self._driver.terminate()
        try:
            self._driver.wait(10)
        except subprocess.TimeoutExpired:
            self._driver.kill()
            self._driver.wait()
