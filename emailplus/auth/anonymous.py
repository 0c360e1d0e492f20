"""No credentials at all: for what is fetched from others than the mail server."""

from __future__ import annotations

from collections.abc import Generator

from ..flow import HttpRequest, HttpResponse


class Anonymous:
    """Sends a request as it is."""

    def authorize(self, request: HttpRequest) -> Generator[HttpRequest, HttpResponse, None]:
        yield request
