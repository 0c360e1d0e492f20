"""Basic authentication (RFC 7617, MS-ASHTTP 2.2.1.1.2.2)."""

from __future__ import annotations

import base64
from collections.abc import Generator
from dataclasses import replace

from ..errors import UsageError
from ..flow import HttpRequest, HttpResponse


class BasicAuth:
    """User name and password in every request. `username` may be ``user``, ``user@domain`` or ``DOMAIN\\user``."""

    def __init__(self, username: str, password: str) -> None:
        if ":" in username:
            raise UsageError("a user name with a colon cannot be used with Basic authentication (RFC 7617 section 2)")
        token = base64.b64encode(f"{username}:{password}".encode()).decode("ascii")
        self._header = f"Basic {token}"

    def __repr__(self) -> str:
        return "BasicAuth(...)"

    def authorize(self, request: HttpRequest) -> Generator[HttpRequest, HttpResponse, None]:
        yield replace(request, headers={**request.headers, "Authorization": self._header})
