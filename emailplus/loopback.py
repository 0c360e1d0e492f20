"""Where a browser comes back to after a sign-in: a page on this machine, open for one answer (RFC 8252 7.3)."""

from __future__ import annotations

import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from .errors import SignInFailed

PAGE: Final = (
    b"<!doctype html><meta charset=utf-8><title>emailplus</title>"
    b"<p>The sign-in is over here. You may close this page; what came of it is said where it began.</p>"
)
MOST_VISITS: Final = 100
"""Requests that are answered before the wait is given up: a browser asks for an icon, other programs may knock."""
PATIENCE: Final = 5.0
"""Seconds that a visitor may take to say what he wants."""


class Loopback:
    """Listens on 127.0.0.1, on a port that is free. Use as a context manager; `redirect` is what the authority gets."""

    def __init__(self) -> None:
        self._answer: dict[str, str] | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            timeout = PATIENCE

            def do_GET(self) -> None:
                outer._visited(self)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: the address holds the code."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)

    @property
    def redirect(self) -> str:
        """The redirect_uri. ``localhost`` and any port: what authorities accept for programs on a machine."""
        return f"http://localhost:{self._server.server_address[1]}"

    def __enter__(self) -> Loopback:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.server_close()

    def wait(self, state: str, seconds: float, clock: Callable[[], float] = time.monotonic) -> dict[str, str]:
        """The query that came back with `state`; other visits are answered and not taken. Raises `SignInFailed`."""
        end = clock() + seconds
        for _ in range(MOST_VISITS):
            left = end - clock()
            if left <= 0:
                break
            self._server.timeout = left
            self._server.handle_request()
            answer, self._answer = self._answer, None
            if answer is not None and answer.get("state") == state:
                return answer
        raise SignInFailed("the browser did not come back; begin again, or sign in with a device code")

    def _visited(self, visit: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(visit.path)
        found = dict(parse_qsl(parts.query, max_num_fields=20)) if len(parts.query) < 32_768 else {}
        known = parts.path in ("", "/") and bool(found.get("code") or found.get("error"))
        visit.send_response(200 if known else 404)
        visit.send_header("Content-Type", "text/html; charset=utf-8")
        visit.send_header("Referrer-Policy", "no-referrer")
        visit.send_header("Connection", "close")
        visit.send_header("Content-Length", str(len(PAGE) if known else 0))
        visit.end_headers()
        if known:
            visit.wfile.write(PAGE)
            self._answer = found
