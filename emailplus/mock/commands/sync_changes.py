"""A client's Change of a message (MS-ASEMAIL 3.2.5.4.2): read state, flag, categories, and who wins a conflict."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from ...eas.wbxml import Node
from ..collection import Changes
from ..context import Context
from ..mailbox import Flag, Folder, Item
from ..mime import Message
from ..tree import as_text, child, children, every, number, text

READ_ONLY = frozenset({"Email2:ConversationId", "Email2:ReceivedAsBcc", "Email2:Sender"})
"""What a client may not change: Status 6 (MS-ASEMAIL_R347, R648, R723)."""

_DATES = ("Tasks:StartDate", "Tasks:UtcStartDate", "Tasks:DueDate", "Tasks:UtcDueDate")


class State(NamedTuple):
    """What a client may change of any message."""

    read: bool
    flag: Flag | None
    categories: tuple[str, ...]


def change_mail(context: Context, folder: Folder, changes: Changes, item: Item, command: Node) -> Node | None:
    """Carry out a Change; what Responses says about it, if anything: 6 refused, 7 lost to the server's change."""
    data = child(command, "AirSync:ApplicationData")
    if any(tag in READ_ONLY for tag, _ in children(data)):
        return _response(item, "6")
    try:
        new = wanted_state(State(item.read, item.flag, item.categories), data, context.mailbox.message(item))
    except ValueError:
        return _response(item, "6")
    # What the client did in a request whose answer was lost is not a change of the server's.
    since = max(changes.client_version(item.server_id) or 0, changes.window.changed.get(item.server_id, 0))
    changed = [name for name in State._fields if getattr(item, name) != getattr(new, name)]
    conflict = any(getattr(item, f"{name}_at") > since for name in changed)
    if conflict and changes.collection.options.conflict == 1:
        return _response(item, "7")
    unseen = item.version > since
    if changed:
        item.read, item.flag, item.categories = new
        folder.touch(item, *changed)
        context.mailbox.announce()
    if not unseen:  # else the server's own change still has to reach the client
        changes.window.changed[item.server_id] = item.version
        changes.note_sent(item)
    return None


def wanted_state(now: State, data: Node | None, message: Message) -> State:
    """`now` with what ApplicationData sets of it. Raises `ValueError` for a flag that cannot be."""
    read = text(data, "Email:Read").strip()
    flag = child(data, "Email:Flag")
    categories = child(data, "Email:Categories")
    return State(
        read=now.read if read == "" else read == "1",
        flag=now.flag if flag is None else _read_flag(flag, message),
        categories=now.categories
        if categories is None
        else tuple(as_text(content) for _, content in every(categories, "Email:Category")),
    )


def _response(item: Item, status: str) -> Node:
    return ("AirSync:Change", [("AirSync:ServerId", item.server_id), ("AirSync:Status", status)])


def _read_flag(node: Node, message: Message) -> Flag | None:
    """A client's Flag; an empty one, or one of Status 0, clears it (MS-ASEMAIL_R88, R8800).

    Raises `ValueError` for what MS-ASEMAIL 3.2.5.4.2 answers with Status 6.
    """
    status = number(node, "Email:Status")
    if not children(node) or status == 0:
        return None
    kind = text(node, "Email:FlagType")
    completed = _moment(text(node, "Email:CompleteTime"))
    present = [child(node, tag) is not None for tag in _DATES]
    start, due = _moment(text(node, "Tasks:UtcStartDate")), _moment(text(node, "Tasks:UtcDueDate"))
    reminder = _moment(text(node, "Tasks:ReminderTime"))
    if status not in (1, 2):
        raise ValueError("Status is 0, 1 or 2 (MS-ASEMAIL_R757)")
    if status == 1 and (completed is None or child(node, "Tasks:DateCompleted") is None):
        raise ValueError("completion needs both its times (MS-ASEMAIL_R86)")
    if status == 2 and not kind:
        raise ValueError("a flag needs its type (MS-ASEMAIL_R940)")
    if any(present) and not all(present):
        raise ValueError("all four dates or none (MS-ASEMAIL_R409)")
    if start is not None and due is not None and due < start:
        raise ValueError("due before its start (MS-ASEMAIL_R407)")
    if text(node, "Tasks:ReminderSet").strip() == "1" and reminder is None:
        raise ValueError("a reminder needs its time (MS-ASEMAIL_R702)")
    subject = text(node, "Tasks:Subject") or message.headers.get("subject")  # MS-ASEMAIL_R1053
    return Flag(status, kind or "for Follow Up", subject, start, due, completed, reminder)


def _moment(value: str) -> datetime | None:
    return datetime.fromisoformat(value).astimezone(UTC) if value else None
