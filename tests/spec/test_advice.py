"""What we do about a status, and which filters a class has, against the requirement rows that say so."""

from __future__ import annotations

from ..shared import shared
from . import advice_rows


def check(test: str, least: int) -> None:
    facts = list(advice_rows.KINDS[f"tests/spec/test_advice.py::{test}"](shared("spec", "eas", "requirements")))
    assert len(facts) >= least, len(facts)
    assert [(row.id, row.text) for row, agrees in facts if agrees == (row.id in advice_rows.DEVIATIONS)] == []


def test_resolutions() -> None:
    check("test_resolutions", 120)


def test_filters() -> None:
    check("test_filters", 50)
