"""Every command in every version: what our client and the mock say, against what others wrote about it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emailplus.eas.wbxml import Node
from emailplus.mock.schema import check
from emailplus.mock.versions import COMMAND_VERSIONS

from ..mock import validate
from ..shared import shared
from . import observed, wire_rows
from .commands import SCHEMA_DEVIATIONS
from .session import Spoken


@pytest.fixture(scope="session")
def spoken() -> list[Spoken]:
    return observed.observe()


def test_every_command_is_said_in_every_version_that_has_it(spoken: list[Spoken]) -> None:
    said = {(one.version, one.command) for one in spoken}
    for command, (first, last) in COMMAND_VERSIONS.items():
        for version in observed.VERSIONS:
            exists = first <= int(version.replace(".", "")) <= last
            assert ((version, command) in said) == exists, (version, command)


def test_every_message_obeys_its_published_schema(spoken: list[Spoken]) -> None:
    shared("spec", "eas", "xsd")
    used = set()
    wrong = []
    for one in spoken:
        for direction, tree in (("request", one.request), ("response", one.answer)):
            if tree is None or (one.version == "2.5" and direction == "request") or not one.ours:
                continue  # the schemas have no bodies of 2.5; the mock's own rules know them
            for problem in validate.problems(tree, one.version, direction.replace("r", "R", 1)):
                element = problem.partition(": ")[0].rpartition(":")[2].partition("[")[0]
                key = (one.command, direction, element)
                used.add(key)
                if key not in SCHEMA_DEVIATIONS:
                    wrong.append((one.version, *key, problem))
    assert wrong == []
    assert used == set(SCHEMA_DEVIATIONS)


def test_every_request_obeys_the_rules_of_its_version(spoken: list[Spoken]) -> None:
    for one in spoken:
        if one.request is not None and one.ours and one.command != "Autodiscover":
            assert check(one.request, int(one.version.replace(".", ""))) == [], (one.version, one.command)


@pytest.fixture(scope="session")
def seen(spoken: list[Spoken]) -> tuple[observed.Seen, ...]:
    return tuple(observed.gather(spoken))


def test_the_file_claims_nothing_that_is_not_seen(seen: tuple[observed.Seen, ...]) -> None:
    """Otherwise run ``python -m tests.spec.observed``."""
    now = {(one.command, one.direction, one.place): one.versions for one in seen}
    assert [
        (one.command, "/".join(one.place))
        for one in observed.read()
        if not one.versions <= now.get((one.command, one.direction, one.place), frozenset())
    ] == []


@pytest.fixture
def agree(seen: tuple[observed.Seen, ...], monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], None]:
    """A check that the rows of one kind agree with what is seen now."""
    monkeypatch.setattr(wire_rows, "read", lambda: seen)

    def check_rows(test: str, least: int) -> None:
        folder = shared("spec", "eas", "requirements")
        facts = list(wire_rows.KINDS[f"tests/spec/test_wire.py::{test}"](folder))
        assert len(facts) >= least, len(facts)
        assert [(row.id, row.text) for row, agrees in facts if agrees == (row.id in wire_rows.DEVIATIONS)] == []

    return check_rows


def test_versions(agree: Callable[[str, int], None]) -> None:
    agree("test_versions", 2500)


def test_parents(agree: Callable[[str, int], None]) -> None:
    agree("test_parents", 300)


def test_children(agree: Callable[[str, int], None]) -> None:
    agree("test_children", 95)


def test_types(agree: Callable[[str, int], None]) -> None:
    agree("test_types", 500)


def test_numbers(agree: Callable[[str, int], None]) -> None:
    agree("test_numbers", 300)


def test_required(agree: Callable[[str, int], None]) -> None:
    agree("test_required", 170)


def test_alone(agree: Callable[[str, int], None]) -> None:
    agree("test_alone", 250)


def test_rows_that_do_not_hold_are_noticed(tmp_path: Path) -> None:
    """The readers say no where something else was seen."""
    wrong = {
        "versions": "[In Supported] Protocol version 14.1 does not support this [Supported] element.",
        "parents": "[In Id] Element Id in Ping command request (section 2.2.2.12), the parent element is Folders.",
        "types": "[In Id] Element Id in Ping command request (section 2.2.2.12), the data type is boolean.",
        "numbers": "[In Folder(Ping)] Element Folder in Ping command request (section 2), the number allowed is 1...1.",
        "required": "[In Limit] The HeartbeatInterval element is a required child element of the Folders element.",
    }
    head = "req_id\tsection\tdescription\n"
    for name in ("MS-ASCMD", *wire_rows.DOCUMENTS):
        rows = [f"MS-ASCMD_R{n}\t1\t{text}" for n, text in enumerate(wrong.values())] if name == "MS-ASCMD" else []
        (tmp_path / f"{name}.tsv").write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
    said = {name.rpartition("_")[2]: [agrees for _, agrees in read(tmp_path)] for name, read in wire_rows.KINDS.items()}
    assert said["versions"] == [False]
    assert said["types"] == [False]
    assert said["numbers"] == [False]


# -- what the mock says to requests that are not as they should be


def _with(root: Node, place: tuple[str, ...], times: int) -> Node | None:
    """`root` with the elements at the first `place` that many times; None where there are none."""
    if root[0] != place[0] or not isinstance(root[1], list):
        return None
    for position, child in enumerate(root[1]):
        if child[0] != place[1]:
            continue
        if len(place) == 2:
            after = [other for other in root[1][position + 1 :] if times or other[0] != place[1]]
            return root[0], [*root[1][:position], *[child] * times, *after]
        changed = _with(child, place[1:], times)
        if changed is not None:
            return root[0], [*root[1][:position], changed, *root[1][position + 1 :]]
    return None


def test_one_too_many_and_one_too_few_are_noticed(spoken: list[Spoken]) -> None:
    """What a row allows once, twice; what it requires, not at all: the mock's rules see it, in a request of ours."""
    folder = shared("spec", "eas", "requirements")
    tried = 0
    unseen = []
    for row, least, most, found in wire_rows.counted(folder):
        for seen in found:
            if seen.direction != "request" or len(seen.place) < 2 or row.id in wire_rows.DEVIATIONS:
                continue
            for times, wrong in ((2, most == "1"), (0, least == 1)):
                if not wrong:
                    continue
                for one in spoken:
                    if one.command == seen.command and one.request is not None:
                        changed = _with(one.request, seen.place, times)
                        if changed is not None:
                            tried += 1
                            if not check(changed, int(one.version.replace(".", ""))):
                                unseen.append((row.id, times, "/".join(seen.place), one.version))
                            break
    assert tried > 150, tried
    assert sorted(set(unseen)) == []
