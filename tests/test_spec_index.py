"""tools/spec_index.py finds the references and says which of them name nothing."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from .shared import shared

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def spec_index() -> ModuleType:
    spec = importlib.util.spec_from_file_location("spec_index", ROOT / "tools" / "spec_index.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["spec_index"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one source file, and reference data with one table."""
    (tmp_path / "house" / "emailplus").mkdir(parents=True)
    tables = tmp_path / "reference" / "spec" / "eas" / "requirements"
    tables.mkdir(parents=True)
    (tables / "MS-ASCMD.tsv").write_text(
        'req_id\tsection\tdescription\nMS-ASCMD_R1\t2.2.1.5\t"quoted\nMS-ASCMD_R2\t2.2.3.29.1\tother\n',
        encoding="utf-8",
    )
    monkeypatch.setenv("EMAILPLUS_SHARED", str(tmp_path / "reference"))
    return tmp_path / "house"


def write(house: Path, text: str) -> None:
    (house / "emailplus" / "code.py").write_text(text, encoding="utf-8")


def test_every_kind_of_reference_is_collected(spec_index: ModuleType) -> None:
    index = spec_index.Index()
    index.take(
        "a.py",
        '"""MS-ASCMD 2.2.3.166, 2.2.1.6 and MS-ASPROV section 2.2.2.43.\n'
        "MS-ASCMD_R4512; RFC 5322 section 3.4; RFC2047; `email_ssl_required`, `default_network_timeout`.\n"
        'MS-ASHTTP alone names no section; version 14.1 and 16.1 are no sections of it."""\n',
    )
    assert set(index.sections) == {"MS-ASCMD 2.2.3.166", "MS-ASCMD 2.2.1.6", "MS-ASPROV 2.2.2.43"}
    assert index.sections["MS-ASCMD 2.2.1.6"] == [("a.py", 1)]
    assert set(index.requirements) == {"MS-ASCMD_R4512"}
    assert set(index.rfcs) == {"RFC 5322", "RFC 2047"}
    assert set(index.keys) == {"email_ssl_required", "default_network_timeout"}


def test_what_exists_is_no_problem(spec_index: ModuleType, house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(house, "# MS-ASCMD_R1, MS-ASCMD 2.2.3.29, `email_certificate_3` and `email_certificate_X`\n")
    assert spec_index.main(["--check"], house) == 0
    assert capsys.readouterr() == ("", "")


def test_a_requirement_that_no_table_has_is_named_with_its_line(
    spec_index: ModuleType, house: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(house, "\n# MS-ASCMD_R3 and MS-ASXYZ_R1\n# `email_ssl_requird`, `email_certificate_11`\n")
    assert spec_index.main(["--check"], house) == 1
    assert capsys.readouterr().err.splitlines() == [
        "emailplus/code.py:3: email_certificate_11 is no config key",
        "emailplus/code.py:3: email_ssl_requird is no config key",
        "emailplus/code.py:2: MS-ASCMD_R3 is in no requirement table",
        "emailplus/code.py:2: MS-ASXYZ_R1 is in no requirement table",
    ]


def test_without_reference_data_it_says_so_and_checks_the_rest(
    spec_index: ModuleType, house: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EMAILPLUS_SHARED", str(house / "nowhere"))
    write(house, "# MS-ASCMD_R3\n")
    assert spec_index.main(["--check"], house) == 0
    assert "NO REFERENCE DATA" in capsys.readouterr().err
    write(house, "# MS-ASCMD_R3 `email_no_such_key`\n")
    assert spec_index.main(["--check"], house) == 1


def test_the_summary_counts_rows_and_remarks_on_bare_sections(
    spec_index: ModuleType, house: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(house, "# MS-ASCMD_R2 MS-ASCMD 2.2.9.9 MS-ASCMD 2.2.1.5, RFC 7617\n")
    assert spec_index.main([], house) == 0
    printed = capsys.readouterr().out
    assert "MS-ASCMD               1 of 2         2\n" in printed
    assert "RFCs: RFC 7617\n" in printed
    assert "emailplus/code.py:1: MS-ASCMD 2.2.9.9 carries no requirement\n" in printed
    assert "2.2.1.5 carries" not in printed


def test_wrong_usage(spec_index: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert spec_index.main(["--unknown"]) == 2
    assert "spec_index.py --check" in capsys.readouterr().err


def test_the_references_of_this_project_name_something(spec_index: ModuleType) -> None:
    shared("spec", "eas", "requirements")
    index = spec_index.collect(ROOT, spec_index.sources(ROOT))
    assert len(index.requirements) > 200
    assert spec_index.problems(index, spec_index.requirement_tables(ROOT), spec_index.key_names()) == []
