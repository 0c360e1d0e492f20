"""docs/policy.md: its examples run, and what its table names exists."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from emailplus.config.keys import BY_NAME
from emailplus.mailbox import Mailbox

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "policy.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", PAGE.partition("## ")[0], re.M)[1:]


@pytest.mark.parametrize("code", re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S))
def test_the_examples_run(code: str) -> None:
    exec(compile(code, "example", "exec"), {})


@pytest.mark.parametrize(("subject", "functions", "keys"), ROWS)
def test_the_table_names_what_exists(subject: str, functions: str, keys: str) -> None:
    for function in re.findall(r"`([\w.]+)`", functions):
        module, _, name = function.rpartition(".")
        home = Mailbox if module == "Mailbox" else importlib.import_module(f"emailplus.policy.{module}")
        assert callable(getattr(home, name)), function
    assert set(re.findall(r"`(\w+)`", keys)) <= set(BY_NAME)
