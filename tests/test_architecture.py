"""docs/architecture.md is the house as it is, and the import contracts bite."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from emailplus import flow
from emailplus.store.schema import CURRENT, MIGRATIONS

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "emailplus"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")


def rooms() -> set[str]:
    """Every module and folder at the top of the package, as the page writes them."""
    modules = {f"emailplus/{path.name}" for path in PACKAGE.glob("*.py")}
    folders = {f"emailplus/{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")}
    return modules | folders


@pytest.mark.parametrize("text", [PAGE, CONTRIBUTING], ids=["architecture", "contributing"])
def test_everything_named_exists(text: str) -> None:
    named = set(re.findall(r"`((?:emailplus|tests|tools|bench|fuzz|docs)/[\w/.]*)`", text))
    assert len(named) > 8
    variable = {name for name in named if "NAME" in name}
    assert [name for name in sorted(named - variable) if not (ROOT / name).exists()] == []
    assert [name for name in sorted(variable) if not (ROOT / name).parent.is_dir()] == []


def test_every_room_is_in_the_table() -> None:
    table = PAGE.partition("## Rooms")[2].partition("\n## ")[0]
    listed = set(re.findall(r"^\| `(emailplus/[\w/.]+)` \|", table, re.M))
    inner = {name for name in listed if name.count("/") > 2}
    assert listed - inner == rooms()
    assert all((ROOT / name / "__init__.py").exists() for name in inner)


def test_every_effect_is_in_the_table() -> None:
    table = PAGE.partition("## Effects")[2].partition("\n## ")[0]
    listed = set(re.findall(r"^\| `(\w+)` \|", table, re.M))
    assert listed == {kind.__name__ for kind in flow.Effect.__args__}  # type: ignore[attr-defined]


def test_the_page_about_passes_uses_the_names_of_the_code() -> None:
    store = PACKAGE / "store"
    source = "".join((store / name).read_text(encoding="utf-8") for name in ("mail.py", "passes.py"))
    schema = "".join(MIGRATIONS)
    part = PAGE.partition("## Passes and marks")[2].partition("\n## ")[0]
    assert "`gone`" in part
    for word in ("gone", "pass_open", "fingerprint", "quarantine"):
        assert word in source
        assert word in schema
    assert len(MIGRATIONS) == CURRENT


def test_no_file_outgrows_its_room() -> None:
    """About 500 lines; tables of data aside."""
    tables = {"emailplus/config/keys.py", "emailplus/eas/code_pages.py", "emailplus/eas/status.py"}
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in PACKAGE.rglob("*.py")
    }
    assert {name: length for name, length in lengths.items() if length > 550 and name not in tables} == {}


def contracts(root: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "lint-imports"
    if not program.exists():
        pytest.skip("import-linter comes with the extra dev")
    return subprocess.run(
        [str(program), "--no-cache"], capture_output=True, text=True, cwd=root, check=False,
        env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("house")
    shutil.copytree(PACKAGE, folder / "emailplus", ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_the_contracts_are_kept(copy: Path) -> None:
    done = contracts(copy)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("eas/flows/connect.py", "from ...store.store import Store", "The protocol touches neither store nor network"),
        ("eas/flows/connect.py", "from ...driver import run", "Imports point one way"),
        ("account.py", "import httpx2", "Only the drivers know the HTTP client, and the proxy's way out"),
        ("store/search.py", "import sqlcipher3", "Only the store's database knows SQLite"),
        ("config/checks.py", "from ..model import folder", "The config knows nothing but the errors"),
        ("model/folder.py", "from ..errors import UsageError", "The model stands alone"),
        ("mailbox.py", "from .mock.tree import child", "Nothing but the command line uses the mock"),
        ("mock/tree.py", "from ..eas import status", "The mock uses the codecs and the errors"),
        ("report.py", "import rich", "Only the command line draws"),
    ],
)
def test_a_broken_rule_is_seen(copy: Path, module: str, line: str, contract: str) -> None:
    path = copy / "emailplus" / module
    before = path.read_text(encoding="utf-8")
    path.write_text(
        before.replace("from __future__ import annotations\n", f"from __future__ import annotations\n{line}\n", 1)
    )
    try:
        done = contracts(copy)
    finally:
        path.write_text(before, encoding="utf-8")
    assert done.returncode == 1
    assert re.search(rf"^{re.escape(contract)}.* BROKEN", done.stdout, re.M), done.stdout
