"""The rows of the requirement tables that tests of the mock prove: they exist, and they bind a server."""

from __future__ import annotations

import csv
import importlib
import pkgutil

import tests.mock

from ..shared import shared
from .requirements import PROVED

LEAST = 240
"""So many rows are proved at least; it grows with the tests and never falls."""


def test_every_row_named_by_a_test_is_a_row_about_servers() -> None:
    for module in pkgutil.iter_modules(tests.mock.__path__):
        if module.name.startswith("test_"):
            importlib.import_module(f"tests.mock.{module.name}")
    assert len(PROVED) >= LEAST, len(PROVED)
    wrong = []
    for name in sorted({requirement.partition("_")[0] for requirement in PROVED}):
        with shared("spec", "eas", "requirements", f"{name}.tsv").open(encoding="utf-8", newline="") as file:
            rows = {row["req_id"]: row for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)}
        for requirement in PROVED:
            if requirement.startswith(f"{name}_") and (
                requirement not in rows or rows[requirement]["scope"] == "Client"
            ):
                wrong.append((requirement, PROVED[requirement]))
    assert wrong == []
