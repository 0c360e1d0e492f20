"""Where the reference data of the specifications is found. Tests that need it skip, loudly, where it is absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

root = Path(os.environ.get("EMAILPLUS_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def shared(*parts: str) -> Path:
    """Path of a reference file or folder; skips the test where the reference data is not at hand."""
    path = root.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"reference data not found: {path} (set EMAILPLUS_SHARED)")
    return path
