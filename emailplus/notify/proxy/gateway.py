"""Where notices go: a gateway is a dialogue that sends some and says of each what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from ...flow import Flow
from .notice import Notice


class Verdict(Enum):
    """What became of a notice."""

    DONE = "delivered"
    GONE = "the device is gone"
    """Its registration ends."""
    REFUSED = "refused"
    """It will never be taken as it is: given up, and counted."""
    AGAIN = "later"
    """This one later; others may go."""
    DOWN = "down"
    """The gateway takes nothing now."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`reason`: for the log, of the gateway's own vocabulary. `after`: seconds to wait, where it says so."""

    verdict: Verdict
    reason: str = ""
    after: float | None = None


DONE: Final = Outcome(Verdict.DONE)


class Gateway(Protocol):
    """`name` as registrations have it; `batch`: notices of one request at most."""

    name: str
    batch: int

    def deliver(self, notices: Sequence[Notice], now: float) -> Flow[list[Outcome]]:
        """Send them; one outcome each. Raises `ServerError` where the gateway does not answer."""


def retry_after(text: str | None) -> float | None:
    """Seconds of a Retry-After header; None for none, or a date."""
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 7 else None
