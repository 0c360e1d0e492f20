"""A client's changes of mail inside Sync: read, flag, categories, deletion (MS-ASEMAIL 3.1.5, MS-ASCMD 2.2.3.32)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from .. import status, tree
from ..versions import Version
from ..wbxml import Node

FLAG_CLEARED, FLAG_COMPLETE, FLAG_ACTIVE = 0, 1, 2
"""Status of a flag (MS-ASEMAIL 2.2.2.76)."""


@dataclass(frozen=True, slots=True)
class Response:
    """What the server says of one command. Only what failed, and what an Add made, is answered (MS-ASCMD 2.2.3.154)."""

    command: str
    server_id: str
    client_id: str
    status: int


def change(server_id: str, properties: Sequence[Node]) -> Node:
    """Change of the properties named."""
    return ("AirSync:Change", [("AirSync:ServerId", server_id), ("AirSync:ApplicationData", list(properties))])


def delete(server_id: str) -> Node:
    """Delete; where it goes is said by DeletesAsMoves of the collection."""
    return ("AirSync:Delete", [("AirSync:ServerId", server_id)])


def read(value: bool) -> Node:
    return ("Email:Read", "1" if value else "0")


def flag(value: int, now: datetime) -> Node:
    """The follow-up flag (MS-ASEMAIL 2.2.2.34): set, completed at `now`, or cleared by an empty one. From 12.0 on."""
    if value == FLAG_CLEARED:
        return ("Email:Flag", None)
    moment = now.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    parts: list[Node] = [("Email:Status", str(value)), ("Email:FlagType", "for Follow Up")]
    if value == FLAG_COMPLETE:
        parts += [("Email:CompleteTime", moment), ("Tasks:DateCompleted", moment)]
    return ("Email:Flag", parts)


def categories(values: Sequence[str]) -> Node:
    """All categories of a message; none clears them. From 14.0 on (MS-ASEMAIL 2.2.2.16)."""
    return ("Email:Categories", [("Email:Category", value) for value in values] or None)


def build(
    collection_id: str,
    sync_key: str,
    commands: Sequence[Node],
    options: Sequence[Node],
    version: Version,
    *,
    permanent: bool = False,
    conflict: int | None = None,
) -> Node:
    """A Sync that only tells: GetChanges is 0 (absent in 2.5), so the server's changes stay for the next one.

    `permanent`: deletions do not go to Deleted Items (DeletesAsMoves 0). `conflict`: 0 the client wins, 1 the server.
    """
    parts: list[Node] = []
    if version.class_in_collection:
        parts.append(("AirSync:Class", "Email"))
    parts += [
        ("AirSync:SyncKey", sync_key),
        ("AirSync:CollectionId", collection_id),
        ("AirSync:DeletesAsMoves", "0" if permanent else "1"),
    ]
    if version.airsyncbase:
        parts.append(("AirSync:GetChanges", "0"))
    chosen = list(options)
    if conflict is not None:
        chosen.append(("AirSync:Conflict", str(conflict)))
    parts += [("AirSync:Options", chosen), ("AirSync:Commands", list(commands))]
    return ("AirSync:Sync", [("AirSync:Collections", [("AirSync:Collection", parts)])])


def responses(root: Node) -> list[Response]:
    """The Responses of the one collection that was asked about."""
    collection = tree.descend(root, "AirSync:Collections", "AirSync:Collection")
    return [
        Response(
            node[0].partition(":")[2],
            tree.text(node, "AirSync:ServerId"),
            tree.text(node, "AirSync:ClientId"),
            tree.status(node, "AirSync:Status") or status.OK,
        )
        for node in tree.children(tree.child(collection, "AirSync:Responses"))
    ]
