"""The classes of items, as the coverage page lists them: their tables, and where two devices prove them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from emailplus.eas.items.classes import ITEM_TYPES
from emailplus.eas.items.email import PROPERTIES


class Proof(NamedTuple):
    """Where a class is proved. `first`: the first version that has it; `sogo`: whether SOGo offers it."""

    first: str
    module: str
    model: str
    properties: int
    tables: str
    devices: tuple[str, ...]
    sogo: bool


def _of(name: str, first: str, model: str, *, sogo: bool = True) -> Proof:
    both = ("items/test_two_devices.py", "items/test_conflicts.py", "items/test_moves.py")
    return Proof(first, name.lower(), model, len(ITEM_TYPES[name].table.rows), "items/test_tables.py", both, sogo)


_MAIL = "items/test_email.py"
TABLE: Final[Mapping[str, Proof]] = {
    "Email, Email2": Proof("2.5", "email", "message", len(PROPERTIES), _MAIL, ("sending/test_two_devices.py",), True),
    "Email, drafts": Proof("16.0", "email", "draft", len(PROPERTIES), _MAIL, ("sending/test_server_drafts.py",), False),
    "SMS": Proof("14.0", "email", "message", len(PROPERTIES), _MAIL, ("flows/test_text_messages.py",), False),
    "Calendar": _of("Calendar", "2.5", "event"),
    "Contacts, Contacts2": _of("Contacts", "2.5", "contact"),
    "Tasks": _of("Tasks", "2.5", "task"),
    "Notes": _of("Notes", "14.0", "note", sogo=False),
}


def page() -> Iterator[str]:
    """The table of classes, one line each."""
    yield "| Class | From | `emailplus.eas.items` | `emailplus.model` | Properties | Wire and back | Two devices |"
    yield "|---|---|---|---|---:|---|---|"
    for name, proof in TABLE.items():
        devices = [f"`{each}`" for each in proof.devices]
        if proof.sogo:
            devices.append("`interop/test_two_devices.py`")
        yield (
            f"| {name} | {proof.first} | `{proof.module}` | `{proof.model}` | {proof.properties} | `{proof.tables}` | "
            f"{', '.join(devices)} |"
        )
