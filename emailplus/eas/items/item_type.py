"""What a class of items is to Sync: its model, its table, and reading and writing by them.

Email has a reader of its own (`emailplus.eas.items.email`), since a mailbox is mostly mail.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ...model.item import LOCAL, Item
from ..wbxml import Node, encode
from .body import read_legacy, write_legacy
from .values import Row, Table

Settle = Callable[[dict[str, Any]], None]
"""Brings attributes that belong together into line once all are read."""
Arrange = Callable[[Mapping[str, Any], int], dict[str, Any]]
"""The attributes as a version writes them."""


def _as_they_are(values: Mapping[str, Any], version: int) -> dict[str, Any]:
    return dict(values)


def _nothing(values: dict[str, Any]) -> None:
    pass


@dataclass(frozen=True)
class ItemType:
    """One class. `name` is both its Class and its namespace."""

    name: str
    model: type[Item]
    table: Table
    body_size: bool = False
    """2.5 has a BodySize beside Body."""
    essential: frozenset[str] = frozenset()
    """Attributes without which the item would mislead: one that cannot be read quarantines the item."""
    whole_by: str = ""
    """An attribute that a Change of a server has when it tells the whole item: what it lacks then is gone."""
    kept: frozenset[str] = frozenset({"body", "native_body_type"})
    """... but for these, which are only told when they changed (MS-ASCMD_R876, R878)."""
    settle: Settle = _nothing
    arrange: Arrange = _as_they_are
    rows: Mapping[str, Row] = field(init=False)
    legacy: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", self.table.by_tag())
        names = ("Body", "BodyTruncated", "BodySize") if self.body_size else ("Body", "BodyTruncated")
        object.__setattr__(self, "legacy", frozenset(f"{self.name}:{name}" for name in names))

    def read(self, nodes: list[Node]) -> tuple[dict[str, Any], list[str]]:
        """Attribute values of the properties that are there and only those, and the tags that could not be read.

        What has no row or cannot be read is kept in ``extra``. Raises `ValueError` (and its kin) where an essential
        property cannot be read.
        """
        values: dict[str, Any] = {}
        extra: list[Node] = []
        unreadable: list[str] = []
        legacy = False
        for node in nodes:
            row = self.rows.get(node[0])
            if row is not None:
                try:
                    values[row.attribute] = row.read(node[1])
                except (ValueError, TypeError, OverflowError):
                    if row.attribute in self.essential:
                        raise
                    extra.append(node)
                    unreadable.append(node[0])
            elif node[0] in self.legacy:
                legacy = True
            else:
                extra.append(node)
        if legacy:
            values["body"] = read_legacy(nodes, self.name)
        body = values.get("body")
        if body is not None and not body.data and not body.truncated:
            values["body"] = None  # how servers say that there is none
        if extra:
            values["extra"] = encode(("AirSync:ApplicationData", extra))
        self.settle(values)
        return values, unreadable

    def read_item(self, server_id: str, nodes: list[Node]) -> tuple[Item, list[str]]:
        """A whole item, and the tags that could not be read. Raises as `read`."""
        values, unreadable = self.read(nodes)
        return self.model(server_id=server_id, **values), unreadable

    def read_change(self, nodes: list[Node]) -> tuple[dict[str, Any], list[str]]:
        """What a Change of a server makes of an item, and the tags that could not be read. Raises as `read`.

        Servers tell the whole item, or next to nothing of it (MS-ASCAL_R434). In a whole one, a property that is
        absent is gone: no server says so by an empty element.
        """
        values, unreadable = self.read(nodes)
        if self.whole_by in values:
            for row in fields(self.model):
                if row.name not in LOCAL and row.name not in self.kept and row.name not in values:
                    values[row.name] = row.default
        return values, unreadable

    def write(self, values: Mapping[str, Any], version: int, *, request: bool = True) -> list[Node]:
        """The elements of `values` (attribute to value) that the version has, in the table's order.

        A value that is the attribute's default becomes an empty element where that empties the property. Raises
        `ValueError` for what must not be written: a truncated body.
        """
        nodes: list[Node] = []
        values = self.arrange(values, version)
        for row in self.table.rows:
            if row.attribute not in values:
                continue
            if row.attribute == "body" and version < row.since:
                nodes += write_legacy(values["body"], self.name)
                continue
            nodes += row.nodes(values[row.attribute], version, request=request)
        return nodes

    def supported(self, version: int) -> list[Node]:
        """The children of Supported: what we manage, so that a Change without it empties it (MS-ASCMD 2.2.3.179)."""
        return [
            (row.tag, None)
            for row in self.table.rows
            if not row.ghosted and row.valid(version, request=True) and row.tag.startswith(self.name)
        ]

    def attributes(self) -> frozenset[str]:
        """The attributes that a caller may set."""
        return frozenset(row.name for row in fields(self.model)) - LOCAL - {"extra"}
