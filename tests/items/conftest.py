"""The worlds of the flows: a mock server that judges every request, a config, a store."""

from __future__ import annotations

from ..flows.conftest import clock, make_world, world

__all__ = ["clock", "make_world", "world"]
