"""docs/config.md says what the code does."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from emailplus.config import KEYS, AppConfig

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "config.md"


def test_the_table_of_keys_is_current() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "config_table.py"), "--check"],
        capture_output=True, text=True, check=False, cwd=ROOT, env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_every_key_has_one_row() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \|$", PAGE.read_text(encoding="utf-8").partition("## All keys")[2], re.M)
    assert sorted(rows) == sorted(key.name for key in KEYS)


def test_the_example_loads_without_a_word() -> None:
    [example] = re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    config = AppConfig.load(example.encode())
    assert config.warnings == ()
    assert config.given == set(json.loads(example))


def test_every_key_that_the_text_names_exists() -> None:
    text = PAGE.read_text(encoding="utf-8").partition("## All keys")[0]
    known = {key.name for key in KEYS} | {f"email_certificate_{number}" for number in range(1, 11)}
    named = set(re.findall(r"`(email_\w+)`", text))
    assert named <= known
    assert len(named) > 15
