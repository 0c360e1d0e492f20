"""Rows of the requirement tables that are read as data: what each says, and what our tables say to it.

`KINDS` names each kind of row, the test that checks its rows, and how they are read. A row that a kind cannot read is
not its row. `DEVIATIONS` are rows whose text is contradicted elsewhere, with the reason why we do otherwise.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from emailplus.eas.code_pages import TAG_TOKENS, TAG_VERSIONS
from emailplus.eas.http import COMMAND_CODES
from emailplus.eas.status import BY_COMMAND, COMMON
from emailplus.mock import schema
from emailplus.mock.versions import COMMAND_VERSIONS, tag_valid


@dataclass(frozen=True, slots=True)
class Row:
    """One requirement."""

    id: str
    section: str
    text: str


@cache
def table(path: Path) -> tuple[Row, ...]:
    """A requirement table."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return tuple(Row(row["req_id"], row["section"], row["description"]) for row in rows)


Fact = tuple[Row, bool]
"""A row and whether our tables agree with it."""

_TOKEN = re.compile(r"\[In Code Page (\d+): (\w+)\] \[Tag name\] (\w+) \[Token\] (0x[0-9A-Fa-f]+)")
_CODE = re.compile(r"\[The numeric code of command\] (\w+) \[is\] (\d+)")
_COMMON = re.compile(r"The value of the element (\w+) is (\d+)\.")
_MEANING = re.compile(r"\[In Status ?\((\w+)\)\].*\[?[Tt]he meaning of the status ?value\]? (\d+) ?\[ ?is\]")
_ELEMENT = re.compile(
    r"\[In ([A-Z]\w+) ?(?:\((\w+)\))?\] Protocol version ([\d.]+) (supports|does not support) this \[[^\]]*\] element"
)
_COMMAND = re.compile(r"\[In (\w+)\] Protocol version ([\d.]+) (supports|does not support) this \[\w+\] command")
_PARENT = re.compile(r"Element (?:\w+:)?(\w+)[^,]* in (\w+) command request[^,]*, ?the parent element is (\w+)")

_NAMESPACES = {
    "MS-ASAIRS": ("AirSyncBase",),
    "MS-ASCAL": ("Calendar",),
    "MS-ASCNTC": ("Contacts", "Contacts2"),
    "MS-ASDOC": ("DocumentLibrary",),
    "MS-ASEMAIL": ("Email", "Email2"),
    "MS-ASNOTE": ("Notes",),
    "MS-ASPROV": ("Provision",),
    "MS-ASRM": ("RightsManagement",),
    "MS-ASTASK": ("Tasks",),
}
_COMMAND_NAMESPACES = {
    "Sync": "AirSync", "FolderSync": "FolderHierarchy", "FolderCreate": "FolderHierarchy", "MoveItems": "Move",
    "FolderUpdate": "FolderHierarchy", "FolderDelete": "FolderHierarchy", "SendMail": "ComposeMail",
    "SmartReply": "ComposeMail", "SmartForward": "ComposeMail",
}  # fmt: skip


def tokens(folder: Path) -> Iterator[Fact]:
    """MS-ASWBXML: every tag has its token."""
    for row in table(folder / "MS-ASWBXML.tsv"):
        if match := _TOKEN.search(row.text):
            page, namespace, tag, token = match.groups()
            yield row, TAG_TOKENS.get(f"{namespace}:{_SPELT.get(tag, tag)}") == (int(page), int(token, 16))


_SPELT = {"CheckCRL": "CheckCrl", "GalSearchCriterion": "GALSearchCriterion"}


def codes(folder: Path) -> Iterator[Fact]:
    """MS-ASHTTP: every command has its code in a base64 query."""
    for row in table(folder / "MS-ASHTTP.tsv"):
        if match := _CODE.search(row.text):
            yield row, COMMAND_CODES.get(match[1]) == int(match[2])


def statuses(folder: Path) -> Iterator[Fact]:
    """MS-ASCMD: every status value has a row in the client's table, common ones under their own name."""
    for row in table(folder / "MS-ASCMD.tsv"):
        if match := _COMMON.search(row.text):
            yield row, COMMON.get(int(match[2]), ("",))[0] == match[1]
        elif match := _MEANING.search(row.text):
            command, code = match[1], int(match[2])
            known = {1, *COMMON}
            for name, own in BY_COMMAND.items():
                if name.partition("/")[0] == command:
                    known |= set(own)
            yield row, code in known


def commands(folder: Path) -> Iterator[Fact]:
    """MS-ASCMD: the mock serves every command in the versions that have it, and in no other."""
    for row in table(folder / "MS-ASCMD.tsv"):
        match = _COMMAND.search(row.text)
        if match and match[1] in COMMAND_VERSIONS:
            first, last = COMMAND_VERSIONS[match[1]]
            yield row, (first <= _number(match[2]) <= last) == (match[3] == "supports")


def elements(folder: Path) -> Iterator[Fact]:
    """The class documents: every property is known in the versions that have it, and in no other."""
    for document, namespaces in _NAMESPACES.items():
        for row in table(folder / f"{document}.tsv"):
            match = _ELEMENT.search(row.text)
            if match is None or match[2] is not None:
                continue  # an element that is described in several contexts is not one tag
            tags = [f"{namespace}:{match[1]}" for namespace in namespaces if f"{namespace}:{match[1]}" in TAG_VERSIONS]
            if len(tags) == 1:
                yield row, tag_valid(tags[0], _number(match[3])) == (match[4] == "supports")


def parents(folder: Path) -> Iterator[Fact]:
    """MS-ASCMD: the mock's rules for requests have every element below its parent."""
    for row in table(folder / "MS-ASCMD.tsv"):
        match = _PARENT.search(row.text)
        if match is None:
            continue
        namespace = _COMMAND_NAMESPACES.get(match[2], match[2])
        below = _children(namespace, match[3])
        if below:
            yield row, _SPELT.get(match[1], match[1]) in below


def _children(namespace: str, parent: str) -> set[str]:
    """Local names that may stand below an element in a request; empty where there is no rule for it."""
    found: set[str] = set()
    for tag, rule in schema.RULES.items():
        name = tag.partition("@")[0]
        if name == f"{namespace}:{parent}" or (name.startswith(f"{namespace}:") and name.endswith(f"/{parent}")):
            found |= {child.rstrip("?*+").rpartition(":")[2] for child in rule.split()[1:]}
    return found


def _number(version: str) -> int:
    return int(version.replace(".", ""))


KINDS: dict[str, Callable[[Path], Iterator[Fact]]] = {
    "tests/spec/test_rows.py::test_tokens": tokens,
    "tests/spec/test_rows.py::test_codes": codes,
    "tests/spec/test_rows.py::test_statuses": statuses,
    "tests/spec/test_rows.py::test_commands": commands,
    "tests/spec/test_rows.py::test_elements": elements,
    "tests/spec/test_rows.py::test_parents": parents,
}
"""The test that checks them -> how the rows of a kind are read."""

DEVIATIONS: dict[str, str] = {
    "MS-ASHTTP_R73": "the command is called Settings",
    "MS-ASCMD_R4939": "a letter is missing: MoveCommandDisallowedForNonPersistentMoveAction",
    "MS-ASCMD_R7109": "the element is called SendResponse",
    "MS-ASEMAIL_R1229": "EndTime of a meeting request has been there since 2.5 (MS-ASWBXML 2.1.2.1.3)",
    "MS-ASEMAIL_R1230": "the same",
}
