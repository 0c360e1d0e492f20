"""Rows of the address list as Search and Find give them (the GAL namespace)."""

from __future__ import annotations

from ..eas.wbxml import Node
from .directory import Directory, Entry
from .tree import number

_FIELDS = (
    ("DisplayName", "name"),
    ("Phone", "phone"),
    ("Office", "office"),
    ("Title", "title"),
    ("Company", "company"),
    ("Alias", "alias"),
    ("FirstName", "first_name"),
    ("LastName", "last_name"),
    ("HomePhone", "home_phone"),
    ("MobilePhone", "mobile_phone"),
    ("EmailAddress", "email"),
)


def find_people(directory: Directory, query: str) -> list[Entry]:
    """Entries with a word that begins like the query (MS-ASCMD_R421), by display name (MS-ASCMD_R132004)."""
    return sorted((entry for entry in directory.entries if entry.matches(query)), key=lambda entry: entry.name.lower())


def properties(entry: Entry) -> list[Node]:
    """All that is not empty, alias and display name always (MS-ASCMD_R417, R5711)."""
    nodes: list[Node] = []
    for tag, attribute in _FIELDS:
        value = str(getattr(entry, attribute))
        if value or tag in ("DisplayName", "Alias"):
            nodes.append((f"GAL:{tag}", value or None))
    return nodes


def with_pictures(people: list[Entry], wanted: Node | None, namespace: str) -> list[list[Node]]:
    """The properties of `people`, with their photos where a Picture option asks for them.

    The first MaxPictures photos of at most MaxSize bytes are given (MS-ASCMD 2.2.3.104, 2.2.3.105).
    """
    rows = [properties(entry) for entry in people]
    if wanted is None:
        return rows
    most, left = number(wanted, f"{namespace}:MaxSize"), number(wanted, f"{namespace}:MaxPictures")
    for entry, row in zip(people, rows, strict=True):
        status = 1
        if not entry.photo:
            status = 173
        elif most is not None and len(entry.photo) > most:
            status = 174
        elif left is not None and left < 1:
            status = 175
        nodes: list[Node] = [("GAL:Status", str(status))]
        if status == 1:
            nodes.append(("GAL:Data", entry.photo))
            left = left - 1 if left is not None else None
        row.append(("GAL:Picture", nodes))
    return rows
