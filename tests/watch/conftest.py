"""A mock server and a client, as the tests of flows have them."""

from ..flows.conftest import clock, make_world, world

__all__ = ["clock", "make_world", "world"]
