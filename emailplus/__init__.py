"""emailplus: a headless Exchange mail engine."""

__version__ = "0.1.0"
