"""The proxy's log: one JSON object a line, of a fixed set of fields. No secret, no address, no word of a message."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final, TextIO

logger: Final = logging.getLogger("emailplus.notify.proxy")


def note(event: str, level: int = logging.INFO, **fields: object) -> None:
    """Write one line. Registrations go by their id, which opens nothing."""
    if logger.isEnabledFor(level):
        logger.log(level, event, extra={"fields": fields})


class JsonLines(logging.Formatter):
    """A record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["problem"] = record.exc_info[0].__name__  # a traceback may quote what it was about
        return json.dumps({**line, **getattr(record, "fields", {})}, ensure_ascii=False, default=str)


def to_stream(stream: TextIO | None = None) -> logging.Handler:
    """Have the log written to a stream (standard error), what the HTTP server says included; end it with `detach`."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    for speaker, level in _SPEAKERS.items():
        source = logging.getLogger(speaker)
        source.addHandler(handler)
        source.setLevel(level)
        source.propagate = False
    return handler


def detach(handler: logging.Handler) -> None:
    """Write no more to it."""
    for speaker in _SPEAKERS:
        logging.getLogger(speaker).removeHandler(handler)


_SPEAKERS: Final = {logger.name: logging.INFO, "uvicorn.error": logging.WARNING}
