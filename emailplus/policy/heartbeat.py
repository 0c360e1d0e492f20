"""How long to wait in one request, and how long before the next: pure, so that a test can play a whole week.

    what happened                              the next heartbeat
    held to its end, `patience` times          half as long again, within the server's range
    cut after having been held for a while     what was held, less a quarter; the patience doubles
    cut at once, or no connection              unchanged: it is the network that is gone, not the wait that is long
    refused by the server (Ping status 5)      the bound that it names

Proxies and address translators drop connections that are silent for some minutes, mostly without telling; a heartbeat
that is a little shorter than their patience costs the fewest requests (MS-ASCMD 2.2.3.84, 2.2.3.177.11).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

DEFAULT: Final = 900
LEAST: Final = 60
MOST: Final = 3540
"""Seconds that a server takes unless it names bounds of its own; MOST is the longest that the protocol has for Sync."""
ABSURD: Final = (5, 24 * 3600)
"""A bound that the server names is brought within these."""
AT_ONCE: Final = 20.0
"""Seconds: a connection that ends sooner was not ended for being silent."""
PATIENCE: Final = (2, 64)

FACTS: Final = ("ping_heartbeat", "ping_least", "ping_most", "ping_patience")


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The heartbeat in use, and what was learnt about it. Values that came from a store are brought within reason."""

    seconds: int = DEFAULT
    least: int = LEAST
    most: int = MOST
    patience: int = PATIENCE[0]
    """Waits that have to hold before a longer one is tried."""
    held: int = 0

    @classmethod
    def of(cls, facts: Mapping[str, str]) -> Heartbeat:
        """From the facts of an account."""

        def number(name: str, default: int, low: int, high: int) -> int:
            text = facts.get(name, "")
            return max(low, min(int(text), high)) if text.isascii() and text.isdigit() and len(text) < 9 else default

        least = number("ping_least", LEAST, *ABSURD)
        most = max(least, number("ping_most", MOST, *ABSURD))
        seconds = max(least, min(number("ping_heartbeat", DEFAULT, *ABSURD), most))
        return cls(seconds, least, most, number("ping_patience", PATIENCE[0], *PATIENCE))

    def facts(self) -> dict[str, str | None]:
        """What is kept in the account."""
        values = (self.seconds, self.least, self.most, self.patience)
        return dict(zip(FACTS, map(str, values), strict=True))

    def lasted(self) -> Heartbeat:
        """The wait was held to its end."""
        held = self.held + 1
        if held < self.patience or self.seconds >= self.most:
            return replace(self, held=held)
        return replace(self, seconds=min(self.most, self.seconds * 3 // 2), held=0)

    def cut(self, after: float) -> Heartbeat:
        """No answer came, `after` seconds from the request on."""
        if after < AT_ONCE:
            return replace(self, held=0)
        reached = min(int(after), self.seconds)
        seconds = max(self.least, min(self.seconds - 1, reached * 3 // 4))
        return replace(self, seconds=seconds, patience=min(2 * self.patience, PATIENCE[1]), held=0)

    def refused(self, bound: int) -> Heartbeat:
        """The server named its own bound: the longest where we asked for more, the shortest where we asked for less."""
        bound = max(ABSURD[0], min(bound, ABSURD[1]))
        if bound < self.seconds:
            return replace(self, seconds=bound, most=bound, least=min(self.least, bound), held=0)
        return replace(self, seconds=bound, least=bound, most=max(self.most, bound), held=0)


PAUSES: Final = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds between attempts that come to nothing, one after the other; the last for all that follow."""


def pause(failures: int, asked: float | None = None) -> float:
    """Seconds before the next attempt, after so many in a row (from 1) that failed; `asked`: what the server wants."""
    own = PAUSES[min(max(failures, 1), len(PAUSES)) - 1]
    return own if asked is None else max(own, min(asked, float(ABSURD[1])))
