"""Our tables against the requirement tables, row by row: tokens, codes, statuses, versions, structure."""

from __future__ import annotations

from pathlib import Path

from ..shared import shared
from . import rows


def check(test: str, least: int) -> None:
    """Every row that a kind reads agrees with our tables, but for those that are listed with their reason."""
    facts = list(rows.KINDS[f"tests/spec/test_rows.py::{test}"](shared("spec", "eas", "requirements")))
    assert len(facts) >= least, len(facts)
    assert [(row.id, row.text) for row, agrees in facts if agrees == (row.id in rows.DEVIATIONS)] == []


def test_tokens() -> None:
    check("test_tokens", 540)


def test_codes() -> None:
    check("test_codes", 18)


def test_statuses() -> None:
    check("test_statuses", 220)


def test_commands() -> None:
    check("test_commands", 90)


def test_elements() -> None:
    check("test_elements", 1500)


def test_parents() -> None:
    check("test_parents", 140)


def test_a_table_that_is_wrong_is_noticed(tmp_path: Path) -> None:
    head = "req_id\tsection\tdescription\n"
    text = "[In Code Page 0: AirSync] [Tag name] Sync [Token] 0x06 [supports protocol versions] All"
    (tmp_path / "MS-ASWBXML.tsv").write_text(f"{head}MS-ASWBXML_R36\t2.1\t{text}\n", encoding="utf-8")
    assert [agrees for _, agrees in rows.tokens(tmp_path)] == [False]
