"""List where the code names its sources, and check the names against the reference data.

python tools/spec_index.py            # what is covered, by document
python tools/spec_index.py --full     # every reference with its files and lines
python tools/spec_index.py --check    # only problems; exit 1 if there are any
python tools/spec_index.py --write    # docs/spec-coverage.md: the normative requirements and the tests that cover them

Collected are sections (``MS-ASCMD 2.2.3.166``), requirement ids (``MS-ASCMD_R4512``), RFC numbers, and config keys.
Config keys are checked against the key table of the project. Requirement ids are checked against the tables in
``spec/eas/requirements`` of the folder that EMAILPLUS_SHARED names, else of ``../shared`` beside the checkout; where
there is none, it says so and checks the rest. A section that no requirement row stands in or under is a remark, not a
problem: not every section of a document carries requirements.

A requirement counts as covered where a test names it, or where a test reads its row as data and compares it with our
tables (``tests/spec/rows.py``). ``--check`` also tells when the page is not what ``--write`` would write.
"""

from __future__ import annotations

import ast
import csv
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from emailplus.config.keys import KEYS

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("emailplus", "tests", "tools", "bench", "fuzz")

REQUIREMENT = re.compile(r"\b(MS-[A-Z]+)_R(\d+)\b")
SECTION = re.compile(r"\b(MS-[A-Z]+),? (?:section )?(\d+(?:\.\d+)+)(?!\.?\d)")
MORE_SECTIONS = re.compile(r"\s*(?:,|and|or|to)\s+(\d+(?:\.\d+){2,})(?!\.?\d)")
RFC = re.compile(r"\bRFC ?(\d{3,5})\b")
KEY = re.compile(r"`((?:email|default_network)_[a-z0-9_]+)`")

Place = tuple[str, int]


@dataclass(slots=True)
class Index:
    """References by what they name; each with the files and lines that name it."""

    requirements: dict[str, list[Place]] = field(default_factory=dict)
    sections: dict[str, list[Place]] = field(default_factory=dict)
    rfcs: dict[str, list[Place]] = field(default_factory=dict)
    keys: dict[str, list[Place]] = field(default_factory=dict)

    def take(self, name: str, text: str) -> None:
        """Collect the references of one file."""
        for number, line in enumerate(text.splitlines(), start=1):
            place = (name, number)
            for match in REQUIREMENT.finditer(line):
                self.requirements.setdefault(match[0], []).append(place)
            for match in SECTION.finditer(line):
                self.sections.setdefault(f"{match[1]} {match[2]}", []).append(place)
                end = match.end()
                while more := MORE_SECTIONS.match(line, end):
                    self.sections.setdefault(f"{match[1]} {more[1]}", []).append(place)
                    end = more.end()
            for match in RFC.finditer(line):
                self.rfcs.setdefault(f"RFC {match[1]}", []).append(place)
            for match in KEY.finditer(line):
                self.keys.setdefault(match[1], []).append(place)


def sources(root: Path) -> Iterator[Path]:
    """The Python files whose references count; this one and its test name things that do not exist."""
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            if path.name not in ("spec_index.py", "test_spec_index.py"):
                yield path


def collect(root: Path, files: Iterable[Path]) -> Index:
    """The references of `files`, with paths relative to `root`."""
    index = Index()
    for path in files:
        index.take(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
    return index


def requirement_tables(root: Path) -> dict[str, dict[str, str]] | None:
    """Document -> requirement id -> section; None where the reference data is absent."""
    folder = requirement_folder(root)
    if not folder.is_dir():
        return None
    tables = {}
    for path in sorted(folder.glob("*.tsv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            tables[path.stem] = {row["req_id"]: row["section"] for row in rows}
    return tables


def problems(index: Index, tables: Mapping[str, Mapping[str, str]] | None, keys: frozenset[str]) -> list[str]:
    """References that name nothing, one line each."""
    found = [
        f"{_where(places)}: {name} is no config key" for name, places in sorted(index.keys.items()) if name not in keys
    ]
    for name, places in sorted(index.requirements.items()):
        document = name.partition("_")[0]
        if tables is not None and name not in tables.get(document, {}):
            found.append(f"{_where(places)}: {name} is in no requirement table")
    return found


def remarks(index: Index, tables: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Sections in and under which no requirement stands."""
    found = []
    for name, places in sorted(index.sections.items()):
        document, _, section = name.partition(" ")
        rows = tables.get(document)
        if rows is not None and not any(f"{other}.".startswith(f"{section}.") for other in rows.values()):
            found.append(f"{_where(places)}: {name} carries no requirement")
    return found


def key_names() -> frozenset[str]:
    """Every name that may be written as a config key, numbered ones included."""
    names = {key.name for key in KEYS} | {key.cloud for key in KEYS if key.cloud}
    for name in tuple(names):
        if name.endswith("_X"):
            names |= {f"{name[:-1]}{number}" for number in range(1, 11)}
    return frozenset(names)


@dataclass(frozen=True, slots=True)
class Normative:
    """One normative row of a requirement table."""

    document: str
    section: str
    chapter: str
    """What its text is about: the name in its first brackets."""
    text: str = ""
    scope: str = ""
    verification: str = ""


def normative_rows(folder: Path) -> dict[str, Normative]:
    """Requirement id -> row, for the rows that bind somebody."""
    found = {}
    for path in sorted(folder.glob("*.tsv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                if row.get("kind") == "Normative":
                    match = re.match(r"\[In ([^\]]+)\]", row["description"])
                    document = row["req_id"].partition("_")[0]  # a table quotes rows of other documents
                    found[row["req_id"]] = Normative(
                        document,
                        row["section"],
                        match[1] if match else "",
                        row["description"],
                        row.get("scope") or "",
                        row.get("verification") or "",
                    )
    return found


def tests_naming(root: Path) -> dict[str, list[str]]:
    """Requirement id -> the tests that name it: in a decorator, a docstring or the body; else the file."""
    found: dict[str, set[str]] = {}
    for path in sorted((root / "tests").rglob("test_*.py")):
        if path.name == "test_spec_index.py":
            continue
        text, name = path.read_text(encoding="utf-8"), path.relative_to(root).as_posix()
        spans = [
            (min([node.lineno, *(one.lineno for one in node.decorator_list)]), node.end_lineno or 0, node.name)
            for node in ast.walk(ast.parse(text))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_")
        ]
        for number, line in enumerate(text.splitlines(), start=1):
            for match in REQUIREMENT.finditer(line):
                inside = [test for first, last, test in spans if first <= number <= last]
                found.setdefault(match[0], set()).add(f"{name}::{inside[0]}" if inside else name)
    return {requirement: sorted(tests) for requirement, tests in found.items()}


def tests_reading_rows(root: Path, folder: Path) -> dict[str, list[str]]:
    """Requirement id -> the test that compares its row with our tables; none outside of the project itself."""
    if root != ROOT:
        return {}
    sys.path.insert(0, str(ROOT))
    from tests.spec import advice_rows, rows, wire_rows

    found: dict[str, list[str]] = {}
    for test, read in {**rows.KINDS, **wire_rows.KINDS, **advice_rows.KINDS}.items():
        for row, agrees in read(folder):
            if agrees:
                found.setdefault(row.id, []).append(test)
    return found


def coverage(root: Path, folder: Path) -> str:
    """The page: a table of documents, then for each the sections with what is covered by which tests."""
    rows = normative_rows(folder)
    covered: dict[str, set[str]] = {}
    for source in (tests_naming(root), tests_reading_rows(root, folder)):
        for requirement, tests in source.items():
            if requirement in rows:
                covered.setdefault(requirement, set()).update(tests)
    lines = [
        "# Coverage of the specifications",
        "",
        "Written by `tools/spec_index.py --write`. A normative requirement counts as covered where a test names it, or",
        "where a test reads its row as data and compares it with our tables (`tests/spec/rows.py`) or with what client",
        "and mock said to each other in a session of every version (`tests/spec/wire_rows.py`). Many other rows say",
        "the same as a covered row in other words; they are not counted.",
        "",
        *_commands(root, folder),
        "| Document | Normative | Not ours | Covered | |",
        "|---|---:|---:|---:|---:|",
    ]
    exempt, why = _not_ours(root, rows, covered)
    documents = sorted({row.document for row in rows.values()})
    for document in documents:
        ids = [requirement for requirement, row in rows.items() if row.document == document]
        lines.append(_counts(document, ids, exempt, covered))
    lines += [_counts("all", list(rows), exempt, covered), *why]
    for document in documents:
        lines += _document_coverage(document, rows, covered)
    return "\n".join(lines) + "\n"


def _counts(name: str, ids: Sequence[str], exempt: Mapping[str, str], covered: Mapping[str, set[str]]) -> str:
    """A row of the table: the share covered is of what is ours."""
    out = sum(requirement in exempt for requirement in ids)
    done = sum(requirement in covered for requirement in ids)
    return f"| {name} | {len(ids)} | {out} | {done} | {done / max(len(ids) - out, 1):.0%} |"


def _not_ours(
    root: Path, rows: Mapping[str, Normative], covered: Mapping[str, set[str]]
) -> tuple[dict[str, str], list[str]]:
    """Rows without a test that bind nothing of ours, by rule, and the table of the rules; none outside the project."""
    if root != ROOT:
        return {}, []
    from tests.spec import not_applicable

    found = {
        requirement: name
        for requirement, row in rows.items()
        if requirement not in covered and (name := not_applicable.reason(row.text, row.scope, row.verification))
    }
    table = ["", "Not ours (`tests/spec/not_applicable.py`), of the rows that no test covers:", ""]
    table += ["| Rule | Rows | Because |", "|---|---:|---|"]
    for name, why in not_applicable.explained().items():
        table.append(f"| {name} | {sum(rule == name for rule in found.values())} | {why} |")
    return found, table


def _commands(root: Path, folder: Path) -> Iterable[str]:
    """The table of commands and what the published schemas say against our messages; nothing outside the project."""
    if root != ROOT:
        return []
    from tests.spec import classes, commands

    return [
        "## Classes",
        "",
        "Every property of a class is a row of its table: model to wire to model in every version, and none that is",
        "only read or only written (the property tests of the column *Wire and back*). The tests on two devices make,",
        "change, contest, move, delete and edit offline what a class allows, with a restart before every step; text",
        "messages only come.",
        "",
        *classes.page(),
        "",
        "## Commands",
        "",
        "Each command is said by our client, and answered by the mock, in every version that has it; both messages are",
        "valid by the published schemas (`tests/spec/test_wire.py`, deviations below), and every published status of",
        "it is an answer or a typed error (`tests/spec/test_commands.py`).",
        "",
        *commands.page(folder.parent),
        "",
        "What the published schemas, which are those of 16.1, say against our messages:",
        "",
        *(
            f"- {command} {direction}, {element}: {reason}"
            for (command, direction, element), reason in commands.SCHEMA_DEVIATIONS.items()
        ),
        "- requests of 2.5 are judged by the mock's own rules: the schemas have no Body, Truncation or MIMEData of 2.5",
        "",
        "## Requirements",
        "",
    ]


def _document_coverage(document: str, rows: Mapping[str, Normative], covered: Mapping[str, set[str]]) -> Iterator[str]:
    sections: dict[tuple[str, str], list[str]] = {}
    for requirement, row in rows.items():
        if row.document == document:
            sections.setdefault((row.section, row.chapter), []).append(requirement)
    yield from ("", f"## {document}", "", "| Section | About | Covered | By |", "|---|---|---:|---|")
    for (section, chapter), ids in sorted(sections.items(), key=lambda item: _section_key(item[0])):
        done = [requirement for requirement in ids if requirement in covered]
        if done:
            tests = sorted({test for requirement in done for test in covered[requirement]})
            shown = ", ".join(f"`{test.removeprefix('tests/')}`" for test in tests[:4])
            more = f" and {len(tests) - 4} more" if len(tests) > 4 else ""
            yield f"| {section} | {chapter.replace('|', '/')} | {len(done)} of {len(ids)} | {shown}{more} |"


def _section_key(section: tuple[str, str]) -> tuple[list[int], str]:
    return [int(part) if part.isdigit() else 0 for part in section[0].split(".")], section[1]


def requirement_folder(root: Path) -> Path:
    """Where the requirement tables are, if they are."""
    shared = Path(os.environ.get("EMAILPLUS_SHARED") or root.parent / "shared")
    return shared / "spec" / "eas" / "requirements"


def _where(places: Sequence[Place]) -> str:
    name, line = places[0]
    return f"{name}:{line}"


def summary(index: Index, tables: Mapping[str, Mapping[str, str]] | None) -> Iterator[str]:
    """One line a document: what is named, and of how many rows there are."""
    documents = sorted({name.partition("_")[0] for name in index.requirements} | set(tables or ()))
    yield f"{'document':<12} {'requirements':>16} {'sections':>9}"
    sections: dict[str, int] = {}
    for name in index.sections:
        document = name.partition(" ")[0]
        sections[document] = sections.get(document, 0) + 1
    for document in sorted({*documents, *sections}):
        named = sum(name.startswith(f"{document}_") for name in index.requirements)
        total = f" of {len(tables[document])}" if tables and document in tables else ""
        yield f"{document:<12} {f'{named}{total}':>16} {sections.get(document, 0):>9}"
    yield f"RFCs: {', '.join(sorted(index.rfcs, key=lambda name: int(name[4:]))) or 'none'}"
    yield f"config keys named in the code: {len(index.keys)}"


def full(index: Index) -> Iterator[str]:
    """Every reference with the places that name it."""
    for group in (index.requirements, index.sections, index.rfcs, index.keys):
        for name, places in sorted(group.items()):
            yield f"{name}: {', '.join(f'{file}:{line}' for file, line in places)}"


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Entry point; 0 done, 1 problems found, 2 wrong usage."""
    if list(arguments) not in ([], ["--check"], ["--full"], ["--write"]):
        print(__doc__, file=sys.stderr)
        return 2
    index = collect(root, sources(root))
    tables = requirement_tables(root)
    if tables is None:
        print("spec_index: NO REFERENCE DATA (EMAILPLUS_SHARED): requirement ids are not checked", file=sys.stderr)
    if "--full" in arguments:
        print(*full(index), sep="\n")
    elif "--write" in arguments:
        if tables is None:
            return 2
        (root / "docs" / "spec-coverage.md").write_text(coverage(root, requirement_folder(root)), encoding="utf-8")
    elif "--check" not in arguments:
        print(*summary(index, tables), sep="\n")
        if tables is not None:
            print(*remarks(index, tables), sep="\n")
    wrong = problems(index, tables, key_names())
    page = root / "docs" / "spec-coverage.md"
    current = "--check" not in arguments or tables is None or not page.is_file()
    if not current and page.read_text(encoding="utf-8") != coverage(root, requirement_folder(root)):
        wrong.append("docs/spec-coverage.md is out of date: run python tools/spec_index.py --write")
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
