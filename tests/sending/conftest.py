"""The world of the flow tests; every request is held against the published schemas at the end of each test."""

from __future__ import annotations

from ..flows.conftest import clock, make_world, world

__all__ = ["clock", "make_world", "world"]
