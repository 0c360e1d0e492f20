"""The log of an engine: on only under `allow_logging`, and never with a secret or a word of mail in it."""

from __future__ import annotations

import logging
import sys
from urllib.parse import parse_qs, urlsplit

from ..flow import HttpRequest

LOGGER = logging.getLogger("emailplus")


def traffic(request: HttpRequest, status: int, received: int, seconds: float) -> None:
    """One line a request: the command, never the user, the device or a header."""
    query = urlsplit(request.url).query
    command = parse_qs(query).get("Cmd", [request.method])[0]
    LOGGER.info(
        "%s: HTTP %d, %d bytes out, %d bytes in, %.3f s", command, status, len(request.content), received, seconds
    )


def to_console() -> None:
    """Write the log to standard error, as the key says; safe to call twice."""
    if not LOGGER.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
