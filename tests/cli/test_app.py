"""The command as a whole."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from emailplus.cli.app import app


@pytest.mark.parametrize(
    "words", [["--version"], ["wbxml", "--help"], ["mock", "--help"], ["notify", "serve", "--help"]]
)
def test_a_command_loads_what_it_uses(words: list[str]) -> None:
    code = (
        "import sys; from emailplus.cli.app import app\n"
        f"app({words!r}, standalone_mode=False)\n"
        "print([name for name in ('emailplus.mailbox', 'emailplus.store.store', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_an_unknown_command_is_told_with_what_is_like_it() -> None:
    done = CliRunner().invoke(app, ["sho"])
    assert done.exit_code == 2
    assert "show" in done.output
