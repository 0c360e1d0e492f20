"""The world of the flows, for mail that is protected."""

from __future__ import annotations

from ..flows.conftest import clock, make_world, world

__all__ = ["clock", "make_world", "world"]
