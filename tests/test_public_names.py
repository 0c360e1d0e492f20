"""The public names: exact, light to import, and seen by type checkers."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import emailplus
from emailplus import errors

ROOT = Path(__file__).resolve().parents[1]
SOURCE = Path(emailplus.__file__).read_text(encoding="utf-8")
HEAVY = ("httpx2", "sqlcipher3", "typer", "rich", "lxml", "cryptography", "h11", "asyncio", "ssl")


def in_python(code: str) -> str:
    """Standard output of `code` in an interpreter of its own."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def names_for_type_checkers() -> set[str]:
    """What the ``if TYPE_CHECKING`` block of the package imports."""
    found: set[str] = set()
    for node in ast.parse(SOURCE).body:
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for statement in node.body:
                assert isinstance(statement, ast.ImportFrom)
                found |= {alias.asname or alias.name for alias in statement.names}
    return found


def test_all_is_what_type_checkers_see() -> None:
    assert set(emailplus.__all__) == names_for_type_checkers() | {"__version__"}
    assert len(emailplus.__all__) == len(set(emailplus.__all__))


@pytest.mark.parametrize("name", emailplus.__all__)
def test_every_name_loads(name: str) -> None:
    value = getattr(emailplus, name)
    if isinstance(value, type):
        assert value.__name__ == name
        assert value.__module__.startswith("emailplus.")
        assert value.__doc__


def test_a_star_import_gives_exactly_these_names() -> None:
    code = "from emailplus import *; print(' '.join(n for n in dir() if n == '__version__' or n[0] != '_'))"
    assert set(in_python(code).split()) == set(emailplus.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Mailboxes'"):
        _ = emailplus.Mailboxes  # type: ignore[attr-defined]


def test_dir_offers_the_lazy_names() -> None:
    assert set(emailplus.__all__) <= set(in_python("import emailplus; print(*dir(emailplus))").split())


def test_the_import_is_light() -> None:
    code = "import sys; import emailplus; print(*sys.modules)"
    loaded = set(in_python(code).split())
    assert not loaded & set(HEAVY)
    assert {name for name in loaded if name.partition(".")[0] == "emailplus"} == {"emailplus"}


def test_a_config_needs_neither_network_nor_store() -> None:
    loaded = set(in_python("import sys; from emailplus import AppConfig, events; print(*sys.modules)").split())
    assert not loaded & {"httpx2", "sqlcipher3", "typer", "rich", "lxml", "h11"}


def test_one_error_of_every_exit_code_is_public() -> None:
    every = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)}
    public = {
        value.exit_code
        for value in (getattr(emailplus, name) for name in emailplus.__all__)
        if isinstance(value, type) and issubclass(value, errors.EmailplusError)
    }
    assert public == every


def test_type_checkers_know_the_types(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import emailplus\n"
        "reveal_type(emailplus.Mailbox.sync)\n"
        "reveal_type(emailplus.AppConfig.load)\n"
        "reveal_type(emailplus.events.Phase)\n"
        "report: emailplus.SyncReport = 1\n",
        encoding="utf-8",
    )
    pytest.importorskip("mypy", reason="mypy comes with the extra dev")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", str(tmp_path / "cache"),
         "--config-file", "", str(program)],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert len(lines) == 4, done.stdout + done.stderr
    assert "emailplus.report.SyncReport" in lines[0]
    assert "emailplus.config.app_config.AppConfig" in lines[1]
    assert "emailplus.model.events.Phase" in lines[2]
    assert 'variable has type "SyncReport"' in lines[3]
