"""The proof is not passed over where it is demanded, as `.ci/run` does; elsewhere its absence is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize(("demanded", "code", "word"), [("required", 1, "error"), ("", 0, "SKIPPED")])
def test_without_a_browser(demanded: str, code: int, word: str, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"PATH": str(tmp_path), "EMAILPLUS_BROWSER": demanded}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", "light_and_dark",
         HERE / "test_ordinary.py"],
        cwd=HERE.parent.parent, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout
    assert word in done.stdout
    assert "tests/browser/install.sh" in done.stdout


def test_the_ci_demands_it() -> None:
    script = (HERE.parent.parent / ".ci" / "run").read_text()
    assert 'EMAILPLUS_BROWSER="${EMAILPLUS_BROWSER:-required}"' in script
