"""What is wrong with an app config, said without giving a secret away."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from ..errors import ConfigurationError
from .secret import MASK, Secret

SHOWN_LENGTH = 60
"""Characters of a value that are printed; a pasted file must not fill the screen."""

_USER_INFO = re.compile(r"(?<![^\s/])[^\s/]+@")
"""Anchored at the beginning of a word: tried at every character, a long word would cost its square."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding. `value` is fit to be printed: secrets are masked, long values are cut.

    `critical` stops the engine. A finding that is neither critical nor `advice` is a mistake whose key fell back to its
    default; `advice` means that the values stand and the administrator should know what follows from them.
    """

    key: str
    value: str
    expected: str
    critical: bool
    advice: bool = False

    def __str__(self) -> str:
        if self.advice:
            given = f" ({self.value})" if self.value else ""
            return f"{self.key}{given}: {self.expected}"
        if not self.key:
            return f"{self.value}: expected {self.expected}"
        return f"{self.key} is {self.value or 'missing'}: expected {self.expected}"

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "key": self.key,
            "value": self.value,
            "expected": self.expected,
            "critical": self.critical,
            "advice": self.advice,
        }


def failure(problems: Iterable[Problem], bundle: bytes | None = None) -> ConfigurationError:
    """The error that carries `problems`, the critical ones first, and the log bundle where it is to be offered."""
    ordered = sorted(problems, key=lambda problem: (not problem.critical, problem.advice))
    critical = sum(problem.critical for problem in ordered)
    lines = "".join(f"\n  {problem}" for problem in ordered)
    return ConfigurationError(
        f"the app config has {critical} critical problem{'s' if critical != 1 else ''}:{lines}", ordered, bundle
    )


def shown(value: object, *, secret: bool = False, address: bool = False) -> str:
    """`value` as text for people. `secret` hides it; `address` hides what stands before an @ in a host or URL."""
    if secret or isinstance(value, Secret):
        return MASK
    if isinstance(value, str):
        return printable(_USER_INFO.sub(f"{MASK}@", value) if address else value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        # An int of more digits than Python converts to text raises ValueError.
        return str(value) if not isinstance(value, int) or value.bit_length() < 256 else "(a very large number)"
    if isinstance(value, bytes | bytearray):
        return f"({len(value)} bytes)"
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return "(a list)"
    return "(a dictionary)" if isinstance(value, dict) else f"(a value of type {type(value).__name__})"


def printable(text: str) -> str:
    """`text` in quotes, on one line, with control characters and lone surrogates escaped, cut to `SHOWN_LENGTH`."""
    rest = len(text) - SHOWN_LENGTH
    head = text[:SHOWN_LENGTH] if rest > 0 else text
    safe = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in head)
    return f'"{safe}"… ({len(text)} characters)' if rest > 0 else f'"{safe}"'
