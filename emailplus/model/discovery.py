"""What finding a server from an email address went through, and what it found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One try: where, how, and what came of it. `credentials`: the password was sent along."""

    method: str
    url: str
    outcome: str
    credentials: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.url}: {self.outcome}"


@dataclass(frozen=True, slots=True)
class Discovered:
    """`url` is the ActiveSync address; `email` the address to use from now on (MS-ASCMD_R2232)."""

    url: str
    email: str
    display_name: str = ""
    certificate_enrolment: str = ""
    """Where a client certificate can be had, "" where there is no such place."""
    trace: tuple[Step, ...] = ()
