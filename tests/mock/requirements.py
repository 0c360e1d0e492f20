"""Which test proves which row of the requirement tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Test = TypeVar("Test", bound=Callable[..., Any])

PROVED: dict[str, list[str]] = {}
"""Requirement id -> the tests that prove it."""


def proves(*requirements: str) -> Callable[[Test], Test]:
    """Mark a test as the proof of requirement rows such as ``MS-ASCMD_R3458``."""

    def mark(test: Test) -> Test:
        for requirement in requirements:
            PROVED.setdefault(requirement, []).append(f"{test.__module__}.{test.__name__}")
        return test

    return mark
