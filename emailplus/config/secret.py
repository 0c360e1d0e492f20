"""A text that must not be shown."""

from __future__ import annotations

import hmac
from typing import final

MASK = "(hidden)"


@final
class Secret:
    """A password or token. `str`, `repr` and `format` print a mask; `reveal()` gives the text.

    >>> Secret("swordfish")
    Secret((hidden))
    >>> Secret("swordfish").reveal()
    'swordfish'
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_octets(self._text), _octets(other._text))

    def __hash__(self) -> int:
        return hash((Secret, self._text))


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
