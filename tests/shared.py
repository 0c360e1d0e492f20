"""The reference data that stands beside the checkout: specification tables, vectors, sample messages."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

root = Path(os.environ.get("EMAILPLUS_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def shared(*parts: str) -> Path:
    """The path of a file or folder of the reference data; skips the test, saying so, where it is absent."""
    path = root.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"no reference data at {path}; EMAILPLUS_SHARED names its folder")
    return path
