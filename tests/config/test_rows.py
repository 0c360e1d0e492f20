"""Every key has an owner; every key of this room, and of each room that is built, a test that shows what it does."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from emailplus.config.keys import KEYS
from emailplus.config.rows import ROOMS, Row, rows

ROOT = Path(__file__).resolve().parents[2]
TO_COME: set[str] = set()
"""Rooms that are not built yet: their keys name them, and nothing more."""


@cache
def names_in(file: str) -> frozenset[str]:
    """The names of the test functions of a file, those of its classes as Class::name."""
    found: set[str] = set()
    for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{item.name}" for item in node.body if isinstance(item, ast.FunctionDef)}
    return frozenset(name for name in found if name.rpartition("::")[2].startswith("test_"))


def test_every_key_has_one_row() -> None:
    assert list(rows()) == [key.name for key in KEYS]


@pytest.mark.parametrize("row", rows().values(), ids=lambda row: row.key)
def test_a_row_names_what_is_there(row: Row) -> None:
    assert row.room in ROOMS
    for module in row.acts:
        assert module.startswith("emailplus/")
        assert (ROOT / module).is_file(), module
    if row.test:
        assert row.acts
        file, _, name = row.test.partition("::")
        assert (ROOT / file).is_file(), row.test
        assert name.partition("[")[0] in names_in(file), row.test
    else:
        assert row.room in TO_COME, f"no test shows {row.key}"
