"""A bounded run of the fuzz targets; longer ones are started by hand (see fuzz/wbxml.py)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_smoke() -> None:
    command = [sys.executable, str(ROOT / "fuzz" / "wbxml.py"), "--smoke", "3000", "1"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.stderr == ""
    assert ended.stdout == "decode: 3000 runs from seed 1\nfrom_xml: 3000 runs from seed 1\n"
    assert ended.returncode == 0
