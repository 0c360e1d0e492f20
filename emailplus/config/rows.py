"""Where each key acts, and the test that shows it: the rows of `rows.tsv`, one a key.

`room` owns the key. `acts` are the modules in which it changes what the engine does. `test` is the test that changes
the key and sees the engine behave differently; a key whose room is not built yet names the room alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

ROOMS: Final[dict[str, str]] = {
    "config": "the app config, policy and diagnosis",
    "items": "calendar, contacts, tasks and notes",
    "mime": "reading and writing mail, rights",
    "smime": "S/MIME",
    "classification": "classification",
    "auth": "sign-in",
    "notify": "watching, notification and EWS",
}
"""Room -> what it is for."""


@dataclass(frozen=True, slots=True)
class Row:
    """One key."""

    key: str
    room: str
    acts: tuple[str, ...]
    test: str


@cache
def rows() -> dict[str, Row]:
    """Every row by its key, in the order of the file. Raises ValueError for a line of another shape."""
    found: dict[str, Row] = {}
    text = resources.files(__package__).joinpath("rows.tsv").read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines()[1:], 2):
        cells = line.split("\t")
        if len(cells) != 4 or cells[0] in found:
            raise ValueError(f"rows.tsv, line {number}: a key once, with room, acts and test")
        found[cells[0]] = Row(cells[0], cells[1], tuple(cells[2].split()), cells[3])
    return found
