"""Add and Change of a draft inside Sync, from 16.0 on (MS-ASEMAIL 3.1.5.4, MS-ASEMAIL_R1489, R1490).

The body goes as text or HTML, the attachments by Add and Delete (MS-ASAIRS 2.2.2.2, 2.2.2.21). Without Email2 Send the
server keeps it as a draft (MS-ASEMAIL_R1494).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...model.draft import Draft, DraftAttachment
from ...model.message import Address
from .. import tree
from ..wbxml import Node

SINCE = 160
"""The first version that has drafts on the server (MS-ASCMD_R5916, MS-ASEMAIL_R1488)."""


def attachment_id(client_id: str, position: int) -> str:
    """ClientId of an attachment: the draft's own and its place, so that a repeated request adds nothing twice."""
    return f"{client_id[:24]}{position:08x}"


def properties(draft: Draft, text: str, html: str) -> list[Node]:
    """What the draft says, without its attachments; `text` and `html` are its whole bodies, `html` "" for none."""
    people = (
        ("Email:To", draft.to), ("Email:Cc", draft.cc), ("Email2:Bcc", draft.bcc), ("Email:ReplyTo", draft.reply_to)
    )  # fmt: skip
    nodes: list[Node] = [(tag, _header(addresses) or None) for tag, addresses in people]
    nodes += [("Email:Subject", draft.subject or None), ("Email:Importance", str(draft.importance))]
    form, data = ("2", html) if html else ("1", text)
    nodes.append(("AirSyncBase:Body", [("AirSyncBase:Type", form), ("AirSyncBase:Data", data or None)]))
    return nodes


def attachments(new: Sequence[DraftAttachment], client_id: str, removed: Sequence[str]) -> list[Node]:
    """The element Attachments: those of the copy go, those of the draft come; none where there is nothing of either."""
    nodes: list[Node] = [("AirSyncBase:Delete", [("AirSyncBase:FileReference", name)]) for name in removed]
    for position, attachment in enumerate(new):
        if attachment.content is not None:
            nodes.append(("AirSyncBase:Add", _added(attachment, attachment_id(client_id, position))))
    return [("AirSyncBase:Attachments", nodes)] if nodes else []


def _added(attachment: DraftAttachment, client_id: str) -> list[Node]:
    kind = attachment.content_type or "application/octet-stream"
    nodes: list[Node] = [
        ("AirSyncBase:ClientId", client_id),
        ("AirSyncBase:Method", "5" if kind == "message/rfc822" else "1"),  # MS-ASAIRS_R1393, R1395
        ("AirSyncBase:ContentType", kind),
        ("AirSyncBase:Content", attachment.content),
        ("AirSyncBase:DisplayName", attachment.name or "attachment"),
    ]
    if attachment.content_id:
        nodes += [("AirSyncBase:ContentId", attachment.content_id), ("AirSyncBase:IsInline", "1")]
    return nodes


def add(client_id: str, data: Sequence[Node]) -> Node:
    """Add: a new draft."""
    return ("AirSync:Add", [("AirSync:ClientId", client_id), ("AirSync:ApplicationData", list(data))])


def change(server_id: str, data: Sequence[Node]) -> Node:
    """Change: what it names replaces what is there."""
    return ("AirSync:Change", [("AirSync:ServerId", server_id), ("AirSync:ApplicationData", list(data))])


def references(nodes: Sequence[Node]) -> Mapping[str, str]:
    """FileReference of each attachment that was added, by its ClientId (MS-ASAIRS_R1336)."""
    told = tree.child(("", list(nodes)), "AirSyncBase:Attachments")
    return {
        tree.text(node, "AirSyncBase:ClientId"): tree.text(node, "AirSyncBase:FileReference")
        for node in tree.children(told)
        if tree.text(node, "AirSyncBase:FileReference")
    }


def _header(people: Sequence[Address]) -> str:
    """An address list as the Email class has it: names in quotes where they need them."""
    return ", ".join(_person(person) for person in people)


def _person(person: Address) -> str:
    name = " ".join(person.name.split()).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{name}" <{person.address}>' if name else person.address
