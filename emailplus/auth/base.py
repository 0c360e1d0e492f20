"""How a request gets its credentials: one strategy object a protocol."""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol

from ..flow import HttpRequest, HttpResponse


class Auth(Protocol):
    """A strategy: yields the request with its credentials, may look at the answer and yield again.

    The last answer is the one the flow sees. A strategy never sends refused credentials a second time. One that may
    take its time between two requests (somebody is asked, a token is renewed) has a true attribute `may_block`: an
    event loop then advances it in a thread.
    """

    def authorize(self, request: HttpRequest) -> Generator[HttpRequest, HttpResponse, None]:
        """One round: yield requests, receive their answers."""
