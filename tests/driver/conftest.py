"""The world of the flow tests."""

from ..flows.conftest import clock, make_world, world

__all__ = ["clock", "make_world", "world"]
