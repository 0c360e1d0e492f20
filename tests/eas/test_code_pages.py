"""The code pages against the specification's table, row by row."""

from __future__ import annotations

import csv

import pytest

from emailplus.eas.code_pages import (
    ALIASES,
    CODE_PAGES,
    NAMESPACES,
    OPAQUE_TAGS,
    PAGE_NUMBERS,
    TAG_NAMES,
    TAG_TOKENS,
    TAG_VERSIONS,
)
from tests.shared import shared

VERSIONS = ("2.5", "12.0", "12.1", "14.0", "14.1", "16.0", "16.1")


def table() -> list[dict[str, str]]:
    with shared("spec", "eas", "wbxml_code_pages.tsv").open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def versions_of(tag: str) -> str:
    """Our shorthand (``14.0+``, ``2.5-12.1``) written out."""
    valid_in = TAG_VERSIONS[tag]
    if valid_in == "unused":
        return valid_in
    first, _, last = valid_in.removesuffix("+").partition("-")
    end = len(VERSIONS) if valid_in.endswith("+") else VERSIONS.index(last or first) + 1
    return ",".join(VERSIONS[VERSIONS.index(first) : end])


def test_every_row_of_the_table_is_here_and_nothing_else() -> None:
    rows = table()
    ours = {
        (page, TAG_NAMES[page, token].partition(":")[0], token, TAG_NAMES[page, token].partition(":")[2])
        for page, token in TAG_NAMES
    }
    theirs = {(int(row["page"]), row["namespace"], int(row["token"], 16), row["tag"]) for row in rows}
    assert len(rows) == 655
    assert ours == theirs


def test_versions_of_every_row() -> None:
    differing = {
        tag: (versions_of(tag), row["versions"])
        for row in table()
        if versions_of(tag := f"{row['namespace']}:{row['tag']}") != row["versions"]
    }
    assert differing == {}


def test_opaque_tags_are_those_marked_in_the_table() -> None:
    assert {f"{row['namespace']}:{row['tag']}" for row in table() if row["content"] == "opaque"} == OPAQUE_TAGS


def test_aliases_are_those_of_the_table() -> None:
    theirs = {
        f"{row['namespace']}:{alias}": f"{row['namespace']}:{row['tag']}"
        for row in table()
        for alias in row["aliases"].split(",")
        if alias
    }
    assert theirs == ALIASES


def test_pages_are_numbered_without_a_gap() -> None:
    assert [page.number for page in CODE_PAGES] == list(range(26))
    assert [PAGE_NUMBERS[namespace] for namespace in NAMESPACES] == list(range(26))


def test_no_tag_has_two_tokens() -> None:
    assert len(TAG_TOKENS) == len(TAG_NAMES)
    assert all(0x05 <= token < 0x40 for _, token in TAG_NAMES)


@pytest.mark.parametrize(
    ("tag", "page", "token"),
    [
        # Settled disagreements between implementations (MS-ASWBXML 2.1.2.1).
        ("Email:AllDayEvent", 2, 0x1A),
        ("Email2:IsDraft", 22, 0x15),
        ("Email2:Bcc", 22, 0x16),
        ("Email2:Send", 22, 0x17),
        ("Find:MaxPictures", 25, 0x20),
        ("Find:Picture", 25, 0x22),
        ("Provision:RequireStorageCardEncryption", 14, 0x10),
    ],
)
def test_tokens_that_other_implementations_got_wrong(tag: str, page: int, token: int) -> None:
    assert TAG_TOKENS[tag] == (page, token)
