"""What happens in one collection of a Sync: the client's commands, then the server's changes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from ...eas.wbxml import Node
from ..bodies import BodyPreference, ItemOptions
from ..collection import ADD, CHANGE, SOFT_DELETE, Changes
from ..context import Context
from ..device import Collection
from ..items import changed_properties, email_properties
from ..mailbox import Flag, Folder, Item
from ..tree import as_text, child, children, every, number, text
from .sync_drafts import add, change


@dataclass(slots=True)
class Outcome:
    """The parts of a Collection answer."""

    responses: list[Node] = field(default_factory=list)
    commands: list[Node] = field(default_factory=list)
    more: bool = False
    acted: bool = False  # the client sent commands
    size: int = 0

    @property
    def empty(self) -> bool:
        return not (self.responses or self.commands or self.more or self.acted)


def synchronise(
    context: Context,
    folder: Folder,
    collection: Collection,
    commands: list[Node],
    *,
    deletes_as_moves: bool,
    get_changes: bool,
    window: int,
    room: int,
) -> Outcome:
    """Carry out `commands`, then collect up to `window` changes in about `room` bytes."""
    outcome = Outcome(acted=bool(commands))
    options = collection.options
    changes = Changes(collection, folder, options.filter_type, context.exchange.clock())
    for command in commands:
        response = _client_command(context, folder, changes, command, deletes_as_moves)
        if response is not None:
            outcome.responses.append(response)
    if get_changes:
        _collect(context, changes, options, outcome, window, room)
    changes.close()
    return outcome


def _collect(
    context: Context, changes: Changes, options: ItemOptions, outcome: Outcome, window: int, room: int
) -> None:
    while (change := changes.next()) is not None:
        if len(outcome.commands) >= window or outcome.size > room:
            outcome.more = True
            return
        action, server_id, item = change
        identity: Node = ("AirSync:ServerId", server_id)
        if item is not None and action in (ADD, CHANGE):
            properties = _properties(context, item, options, action)
            outcome.commands.append((f"AirSync:{action}", [identity, ("AirSync:ApplicationData", properties)]))
            outcome.size += _weight(properties)
        else:
            tag = "AirSync:SoftDelete" if action == SOFT_DELETE else "AirSync:Delete"
            outcome.commands.append((tag, [identity]))
        changes.taken(change)


def _weight(properties: list[Node]) -> int:
    """About how many bytes properties take; exact where it matters, in the body."""
    size = 0
    for _, content in properties:
        size += 4
        for part in [content] if not isinstance(content, list) else [inner for _, inner in content]:
            size += len(part) if isinstance(part, (str, bytes)) else 40
    return size


def _properties(context: Context, item: Item, options: ItemOptions, action: str) -> list[Node]:
    if action == CHANGE and not item.draft:
        return changed_properties(item, context.version)
    return email_properties(item, context.mailbox.message(item), options, context.version)


def _client_command(
    context: Context, folder: Folder, changes: Changes, command: Node, deletes_as_moves: bool
) -> Node | None:
    """Carry out one client command; what Responses says about it, where it says anything."""
    name = command[0].partition(":")[2]
    server_id = text(command, "AirSync:ServerId")
    if name == "Add":
        return add(context, folder, changes, command)
    item = folder.items.get(server_id)
    if item is None:
        if name == "Delete" and server_id in changes.window.deleted:
            changes.note_gone(server_id)  # the same request once more: its answer was lost
            return None
        return (f"AirSync:{name}", [("AirSync:ServerId", server_id), ("AirSync:Status", "8")])
    if name == "Fetch":
        return _fetch(context, changes, item)
    if name == "Delete":
        changes.window.deleted.add(server_id)
        changes.note_gone(server_id)
        bin_id = context.mailbox.by_type(4).server_id
        if deletes_as_moves and folder.server_id != bin_id:
            context.mailbox.move(server_id, bin_id)
        else:
            context.mailbox.delete(server_id)
        return None
    return _change(context, folder, changes, item, command)


def _fetch(context: Context, changes: Changes, item: Item) -> Node:
    options = changes.collection.options
    whole = replace(
        options,
        preferences=tuple(BodyPreference(preference.type) for preference in options.preferences),
        mime_truncation=None,
        truncation=9,
    )
    properties = email_properties(item, context.mailbox.message(item), whole, context.version)
    identity: Node = ("AirSync:ServerId", item.server_id)
    return ("AirSync:Fetch", [identity, ("AirSync:Status", "1"), ("AirSync:ApplicationData", properties)])


def _change(context: Context, folder: Folder, changes: Changes, item: Item, command: Node) -> Node | None:
    data = child(command, "AirSync:ApplicationData")
    if item.draft and context.version >= 160:
        return change(context, changes, item, command)
    unseen = item.version not in (changes.client_version(item.server_id), changes.window.changed.get(item.server_id))
    if unseen and changes.collection.options.conflict == 1:
        return ("AirSync:Change", [("AirSync:ServerId", item.server_id), ("AirSync:Status", "7")])  # the server wins
    before = (item.read, item.flag, item.categories)
    read = text(data, "Email:Read").strip()
    if read in ("0", "1"):
        item.read = read == "1"
    flag = child(data, "Email:Flag")
    if flag is not None:
        item.flag = _read_flag(flag)
    categories = child(data, "Email:Categories")
    if categories is not None:
        item.categories = tuple(as_text(content) for _, content in every(categories, "Email:Category"))
    if (item.read, item.flag, item.categories) != before:
        folder.touch(item)
    changes.window.changed[item.server_id] = item.version
    changes.note_sent(item)
    return None


def _read_flag(node: Node) -> Flag | None:
    """A client's Flag; an empty one, or one of Status 0, clears it."""
    status = number(node, "Email:Status")
    if not children(node) or not status:
        return None
    return Flag(
        status=status,
        kind=text(node, "Email:FlagType", "for Follow Up"),
        subject=text(node, "Tasks:Subject"),
        start=_moment(text(node, "Tasks:UtcStartDate")),
        due=_moment(text(node, "Tasks:UtcDueDate")),
        completed=_moment(text(node, "Email:CompleteTime")),
    )


def _moment(value: str) -> datetime | None:
    try:
        return datetime.fromisoformat(value).astimezone(UTC) if value else None
    except ValueError:
        return None
