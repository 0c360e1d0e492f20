"""Requirement rows about the shape of messages, read against what was seen on the wire (`tests/spec/observed.py`).

Each reader yields (row, whether what was seen agrees with it) for the rows that can be judged: those whose element was
seen in the place they speak of. A row about what never occurs in a session is left alone and stays uncovered.

    versions   "Protocol version 12.1 supports this [X] element": it was said in 12.1. "does not support": it was said
               in other versions and not in this one
    parents    "the parent element is Y": X was seen in Y, and nowhere but in the parents that the rows of X name
    children   "the child elements are A, B": each was seen in X, and nothing that no row of X names
    types      "the data type is T": every value seen was one
    numbers    "the number allowed is 0...1": never more; "1...1": never fewer; "1...N": at least one
    alone      "has no child element", "has no parent element"
    required   "X is a required (optional) child element of Y": in every Y (at most once)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from . import rows
from .observed import VERSIONS, Seen, read
from .rows import Fact, Row, table

DOCUMENTS = {
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
COMMANDS = frozenset(seen.command for seen in read())
SPELT = {"CheckCRL": "CheckCrl", "GalSearchCriterion": "GALSearchCriterion"}

_ABOUT = re.compile(r"^\s*\[In (?:\w+:)?(\w+) ?(?:\(([^)]*)\))?\]")
_VERSION = re.compile(r"Protocol version ([\d.]+) (does not )?supports? this ?\[[^\]]*\] (element|command)")
_ELEMENT = re.compile(
    r"Element (?:\w+:)?(\w+)[^,]*? in (\w+) command ((?:\w+ ){0,2})(request|response)([^,]*), ?(?:the )?(.*)", re.DOTALL
)
_ALONE = re.compile(
    r"Element (?:\w+:)?(\w+)[^,]*? in (\w+) command ((?:\w+ ){0,2})(request|response)(.*?) has (no (?:child|parent))"
)
_PARENT = re.compile(r"parent l?elements? (?:is|are) (.*)", re.DOTALL)
_CHILD = re.compile(r"child elements? (?:is|are) (.*)", re.DOTALL)
_TYPE = re.compile(r"data type is (?:an? )?(\w+(?: array)?)")
_NUMBER = re.compile(r"number allowed is (\d+)(?: ?(?:…|\.|-)+ ?(\d+|N))?")
_REQUIRED = re.compile(
    r"The (?:\w+:)?(\w+)(?: element)?(?:<\d+>)?(?: \([^)]*\))? is an? (required|optional) child(?: element)? "
    r"(?:of type \w+ ?(?:\([^)]*\))? )?of the (?:\w+:)?(\w+) element"
    r"(?:[^.]*? in (\w+ )?command (requests?|responses?))?"
)
_CLASS_TYPE = re.compile(
    r"(?:value of (?:this|the (?:\w+:)?\w+) element|The (?:\w+:)?\w+ element)[^.]*? is (?:an? )+(\w+)"
    r"(?: (?:data )?type\b| value\b|,? ?\(?(?:as specified in )?\[MS-ASDTYPE\])"
)
_OF_TYPE = re.compile(r"element is an? (?:optional|required) child element of type (\w+)")
_NAME = re.compile(r"(?<![\w.])(?:[a-z0-9]+:)?([A-Z][A-Za-z0-9]+)\b")
_ASIDE = re.compile(r"\([^()]*(?:\([^()]*\)[^()]*)*\)?|\[[^\]]*\]")
_NOT_NAMES = frozenset({"None", "No", "N", "If", "Data", "For", "In"})


def _names(text: str) -> tuple[str, ...]:
    """Element names in a list such as ``ServerId (section 2.2.3.166.1), airsync:Class.``"""
    plain = _ASIDE.sub(" ", text)
    found = (SPELT.get(name, name) for name in _NAME.findall(plain) if name not in _NOT_NAMES or name == "Data")
    return tuple(dict.fromkeys(found))


def _about(row: Row) -> tuple[str, tuple[str, ...]]:
    """The element that a row is about, and the commands or parents that its heading names."""
    match = _ABOUT.match(row.text)
    if match is None:
        return "", ()
    return SPELT.get(match[1], match[1]), tuple(re.findall(r"\w+", match[2] or ""))


def _rows(folder: Path) -> Iterator[tuple[str, Row]]:
    for document in ("MS-ASCMD", *DOCUMENTS):
        for row in table(folder / f"{document}.tsv"):
            yield document, row


def _seen(document: str, name: str, where: Sequence[str]) -> list[Seen]:
    """What was seen of an element, in the commands or below the parents named."""
    spaces = DOCUMENTS.get(document)
    found = [
        seen for seen in read() if seen.name == name and (spaces is None or seen.place[-1].partition(":")[0] in spaces)
    ]
    if spaces is None:
        found = [seen for seen in found if seen.place[-1].partition(":")[0] not in _CLASSES]
    if not where:
        return found
    wanted = set(where)
    if wanted & COMMANDS:
        return [seen for seen in found if seen.command in wanted]
    return [seen for seen in found if seen.parent in wanted]


_CLASSES = frozenset({"AirSyncBase", "Calendar", "Contacts", "Contacts2", "Email", "Email2", "Notes", "Tasks"})


def versions(folder: Path) -> Iterator[Fact]:
    for document, row in _rows(folder):
        match = _VERSION.search(row.text)
        name, where = _about(row)
        if match is None or not name or match[1] not in VERSIONS or "child" in row.text or "except" in row.text:
            continue
        if match[3] == "command":
            found = [seen for seen in read() if seen.command == name and len(seen.place) == 1]
        else:
            found = _seen(document, name, where)
        said = {version for seen in found for version in seen.versions}
        if match[2] and said:
            yield row, match[1] not in said
        elif match[1] in said:
            yield row, True


def _of_commands(folder: Path, pattern: re.Pattern[str] = _ELEMENT) -> Iterator[tuple[Row, str, list[Seen], str]]:
    """Rows ``Element X in C command request (...), the ...``: the row, its group, what was seen of X, the rest."""
    for row in table(folder / "MS-ASCMD.tsv"):
        match = pattern.search(row.text)
        if match is None:
            continue
        name, command, part, direction, operation, rest = match.groups()
        name = SPELT.get(name, name)
        found = [seen for seen in read() if (seen.name, seen.command, seen.direction) == (name, command, direction)]
        own = [seen for seen in found if seen.place[-1].partition(":")[0] not in _CLASSES]
        found = own or found
        parts = part.split() + [word.capitalize() for word in re.findall(r"(\w+) operation", operation)]
        parts = [word if word != "Emptyfoldercontents" else "EmptyFolderContents" for word in parts]
        if parts:  # "Settings command Oof request", "ItemOperations command request Move operation": what stands in it
            found = [seen for seen in found if set(parts) <= {tag.partition(":")[2] for tag in seen.place}]
        if found and name not in ("ApplicationData", "Properties"):  # these hold what the classes say
            yield row, f"{name} {command} {direction} {' '.join(parts)}", found, rest


def parents(folder: Path) -> Iterator[Fact]:
    yield from _places(folder, _PARENT, lambda found: {seen.parent for seen in found}, operations=False)


def children(folder: Path) -> Iterator[Fact]:
    def below(found: list[Seen]) -> set[str]:
        places = {(seen.command, seen.direction, seen.place) for seen in found}
        return {seen.name for seen in read() if (seen.command, seen.direction, seen.place[:-1]) in places}

    yield from _places(folder, _CHILD, below)


def _places(
    folder: Path, pattern: re.Pattern[str], near: Callable[[list[Seen]], set[str]], *, operations: bool = True
) -> Iterator[Fact]:
    groups: dict[str, list[tuple[Row, tuple[str, ...], set[str]]]] = {}
    for row, group, found, rest in _of_commands(folder):
        match = pattern.search(rest)
        if match is not None and (named := _names(match[1])):
            group = group if operations else " ".join(group.split()[:3])
            groups.setdefault(group, []).append((row, named, near(found)))
    for group_rows in groups.values():
        allowed = {name for _, named, _ in group_rows for name in named}
        for row, named, seen in group_rows:
            if set(named) <= seen:
                yield row, seen <= allowed


def types(folder: Path) -> Iterator[Fact]:
    groups: dict[str, list[tuple[Row, str, list[Seen]]]] = {}
    for row, group, found, rest in _of_commands(folder):
        match = _TYPE.search(rest)
        if match is not None and (kind := _kind(match[1])):
            groups.setdefault(group, []).append((row, kind, found))
    for group_rows in groups.values():
        kinds = {kind for _, kind, _ in group_rows}
        for row, kind, found in group_rows:
            yield row, all(kinds & seen.fits for seen in found) and any(kind in seen.fits for seen in found)
    for document, row in _rows(folder):
        name, where = _about(row)
        match = None if document == "MS-ASCMD" else _CLASS_TYPE.search(row.text) or _OF_TYPE.search(row.text)
        if match is None or not name or not (kind := _kind(match[1])) or " or " in row.text:
            continue
        found = _seen(document, name, where)
        if found:
            yield row, all(kind in seen.fits or "empty" in seen.fits for seen in found)


_KINDS = {
    "container", "string", "boolean", "integer", "unsignedbyte", "unsignedint", "unsignedshort", "datetime", "float",
    "double", "decimal", "int", "byte array",
}  # fmt: skip


def _kind(written: str) -> str:
    kind = {"bytearray": "byte array", "none": "none", "unsignedbyteorempty": "unsignedbyte"}.get(
        written.lower(), written.lower()
    )
    return kind if kind in _KINDS else ""


def counted(folder: Path) -> Iterator[tuple[Row, int, str, list[Seen]]]:
    """Rows "the number allowed is": the row, the least, the most ("N": any), what was seen of its element."""
    for row, _, found, rest in _of_commands(folder):
        match = _NUMBER.search(rest)
        if (
            match is None
            or "operation" in rest
            or "first request" in rest
            or " if " in rest
            or len({seen.parent for seen in found}) > 1
        ):
            continue
        yield row, int(match[1]), match[2] or match[1], found


def alone(folder: Path) -> Iterator[Fact]:
    """No child, no parent: nothing was seen in the element, or it was seen at the top alone."""
    for row, _, found, _ in _of_commands(folder, _ALONE):
        places = {(seen.command, seen.direction, seen.place) for seen in found}
        if "no child" in row.text:
            yield row, not any((seen.command, seen.direction, seen.place[:-1]) in places for seen in read())
        else:
            yield row, all(len(seen.place) == 1 for seen in found)


def numbers(folder: Path) -> Iterator[Fact]:
    for row, least, most, found in counted(folder):
        if most != "N":
            yield row, all(seen.least >= least and seen.most <= int(most) for seen in found)
        elif least or any(seen.most > 1 and seen.least < seen.most for seen in found):
            yield row, all(seen.least >= least for seen in found)


def required(folder: Path) -> Iterator[Fact]:
    for document, row in _rows(folder):
        match = _REQUIRED.search(row.text)
        if match is None or "protocol version" in row.text or document == "MS-ASDOC":
            continue  # what holds in some versions; Properties hold more than documents
        if "child element of type" not in row.text and " and " in row.text[match.start() : match.end()]:
            continue
        name, kind, parent, command, direction = match.groups()
        found = [
            seen
            for seen in _seen(document, SPELT.get(name, name), ())
            if seen.parent == SPELT.get(parent, parent)
            and (command or seen.command).strip() == seen.command
            and (direction is None or seen.direction == direction.rstrip("s"))
        ]
        if found:
            yield row, all(seen.most >= 1 and (seen.least >= 1 if kind == "required" else True) for seen in found)


KINDS: dict[str, Callable[[Path], Iterator[Fact]]] = {
    "tests/spec/test_wire.py::test_versions": versions,
    "tests/spec/test_wire.py::test_parents": parents,
    "tests/spec/test_wire.py::test_children": children,
    "tests/spec/test_wire.py::test_types": types,
    "tests/spec/test_wire.py::test_numbers": numbers,
    "tests/spec/test_wire.py::test_required": required,
    "tests/spec/test_wire.py::test_alone": alone,
}
"""The test that checks them -> how the rows of a kind are read."""

DEVIATIONS: dict[str, str] = rows.DEVIATIONS | {
    "MS-ASCMD_R6518": "EndTime of Settings, which is there from 12.0 on; the row means that of ResolveRecipients",
    "MS-ASCMD_R6559100816": "the row contradicts the section it stands in: Find exists in 16.1 alone",
    "MS-ASCMD_R6750": "Search finds mail, with a LongId to fetch it by, in 12.1 too (MS-ASCMD_R6742)",
    "MS-ASCMD_R6751": "the same",
    "MS-ASCMD_R1163": "up to 12.1 Class stands in Collection (MS-ASCMD_R6313)",
    "MS-ASCMD_R72171804": "Picture has a Status too (MS-ASCMD_R36691709)",
    "MS-ASCMD_R6667100906": "GALSearchCriterion holds Query and Options; its schema says so",
    "MS-ASCMD_R6990101755": "that of mail has the children that its other rows name",
    "MS-ASCMD_R2939": "WindowSize stands in Collection and in Sync; the heading of the row names both",
    "MS-ASCMD_R2890": "an error of the framework comes before any user is known (MS-ASCMD_R3818)",
    "MS-ASCMD_R4693": "the same",
    "MS-ASCMD_R2636": "from 16.0 on Body and Forwardees, too (MS-ASCMD_R7177)",
    "MS-ASCMD_R1907": "from 16.0 on an event is forwarded without Mime (MS-ASCMD_R7467)",
    "MS-ASCMD_R2409": "the Query of the address list is a text (published example 84)",
    "MS-ASCMD_R9010612": "results of mail only; a person has no class (schema of the answer: optional)",
    "MS-ASCMD_R9820611": "the same for the folder",
    "MS-ASCMD_R38971806": "the same for the ServerId",
    "MS-ASCMD_R9820602": "the same",
    "MS-ASCMD_R38971801": "the same",
    "MS-ASCMD_R5849": "results of mail only; those of the address list have none (published example 85)",
    "MS-ASCMD_R2499": "one Response a To element; the schema of the answer has any number",
    "MS-ASCMD_R99913": "one Result a match; the schema of the answer has any number",
    "MS-ASEMAIL_R478": "up to 14.1; from 16.0 on UID stands for it",
    "MS-ASEMAIL_R528": "from 14.1 on: the element does not exist before (MS-ASWBXML, page 22)",
    "MS-ASCAL_R264": "from 16.0 on InstanceId says it (MS-ASCAL_R2106)",
}
"""Rows that what was seen contradicts, and the reason."""
