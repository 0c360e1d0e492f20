"""What calendar items, contacts, tasks and notes have in common, free of wire and database."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar

from .message import Body


@dataclass(kw_only=True)
class Item:
    """An item of a class other than Email. What was not given keeps its default: ``""``, 0, ``()`` or None.

    A *change* of an item is a dict of attributes: one that is not in it stays as it is, one with its default as
    value is emptied. No slots on purpose: defaults live on the class, so that a parser fills only what is there.
    """

    item_class: ClassVar[str] = ""
    """The class as Sync names it (MS-ASCMD 2.2.3.27.5)."""

    id: int = 0
    """Our own stable id in the store; 0: not stored. A move or a new ServerId leaves it as it is."""
    server_id: str = ""
    """The server's name for it; "" until the server has confirmed an item made here."""
    folder: str = ""
    """Name of the folder that holds it."""
    categories: tuple[str, ...] = ()
    body: Body | None = None
    """Notes of the item. Where only text is wanted: `body_text`."""
    native_body_type: int = 0
    extra: bytes = b""
    """WBXML of the properties this version has no place for, kept as received."""

    @property
    def body_text(self) -> str:
        """The body as it came, decoded; markup where its type is HTML."""
        return self.body.data.decode(errors="replace") if self.body is not None else ""

    def properties(self) -> dict[str, Any]:
        """The attributes that are not at their default, but for those that only the store gives."""
        return {
            row.name: value
            for row in fields(self)
            if row.name not in LOCAL and (value := getattr(self, row.name)) != row.default
        }


LOCAL = frozenset({"id", "server_id", "folder", "vip"})
"""Attributes that no property on the wire stands for."""
