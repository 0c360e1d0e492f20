"""GetItemEstimate: how many items a Sync would bring, for progress only (MS-ASCMD 2.2.1.9)."""

from __future__ import annotations

from collections.abc import Sequence

from .. import status, tree
from ..versions import Version
from ..wbxml import Node

NAME = "GetItemEstimate"


def build(collections: Sequence[tuple[str, str, str, int]], version: Version) -> Node:
    """The request for (CollectionId, SyncKey, Class, FilterType) each; the order is another from 14.0 on.

    Contacts and notes have no FilterType (MS-ASCMD 2.2.3.29.1, 2.2.3.68.1).
    """
    nodes: list[Node] = []
    for collection_id, sync_key, item_class, filter_type in collections:
        period = str(filter_type) if item_class in ("Email", "Calendar", "Tasks") else None
        if version.conversations:
            options: list[Node] = [("AirSync:FilterType", period)] if period is not None else []
            options.append(("AirSync:Class", item_class))
            parts: list[Node] = [
                ("AirSync:SyncKey", sync_key),
                (f"{NAME}:CollectionId", collection_id),
                ("AirSync:Options", options),
            ]
        else:
            parts = [(f"{NAME}:Class", item_class), (f"{NAME}:CollectionId", collection_id)]
            if period is not None:
                parts.append(("AirSync:FilterType", period))
            parts.append(("AirSync:SyncKey", sync_key))
        nodes.append((f"{NAME}:Collection", parts))
    return (f"{NAME}:{NAME}", [(f"{NAME}:Collections", nodes)])


def parse(root: Node) -> dict[str, int]:
    """CollectionId -> estimate, for the collections that got one."""
    tree.expect(root, f"{NAME}:{NAME}")
    estimates: dict[str, int] = {}
    for response in tree.each(root, f"{NAME}:Response"):
        if tree.status(response, f"{NAME}:Status") not in (None, status.OK):
            continue
        collection = tree.child(response, f"{NAME}:Collection")
        number = tree.text(collection, f"{NAME}:Estimate")
        if number.isdigit():
            estimates[tree.text(collection, f"{NAME}:CollectionId")] = int(number)
    return estimates
