"""Runs the codec tests against the form of the codec that EMAILPLUS_CODEC names: ``pure`` or ``compiled``.

Unset, they run against whatever ``import emailplus.eas.wbxml`` gives. ``compiled`` takes the module that
``make accelerator`` built under build/accelerator, or the one of an installed compiled wheel, and fails where there is
none; ``pure`` fails where a compiled one is in the way.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import emailplus.eas

_BUILT = Path(__file__).resolve().parents[2] / "build" / "accelerator" / "emailplus" / "eas"
_wanted = os.environ.get("EMAILPLUS_CODEC", "")

if _wanted not in ("", "pure", "compiled"):
    raise pytest.UsageError(f"EMAILPLUS_CODEC={_wanted}: it is pure or compiled")
if _wanted == "compiled" and _BUILT.is_dir() and "emailplus.eas.wbxml" not in sys.modules:
    emailplus.eas.__path__.insert(0, str(_BUILT))

from emailplus.eas import wbxml  # noqa: E402

if _wanted and (_wanted == "compiled") != wbxml.COMPILED:
    raise pytest.UsageError(f"EMAILPLUS_CODEC={_wanted}, but the codec is {wbxml.__file__} (see `make accelerator`)")


def pytest_report_header() -> str:
    return f"WBXML codec: {wbxml.__file__}"
