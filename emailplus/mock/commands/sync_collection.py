"""What happens in one collection of a Sync: the client's commands, then the server's changes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ...eas.wbxml import Node
from ..bodies import BodyPreference, ItemOptions
from ..collection import ADD, CHANGE, SOFT_DELETE, Changes
from ..context import Context
from ..device import Collection
from ..invitations import cancel
from ..items import changed_properties, conversation_id, email_properties
from ..mailbox import Folder, Item
from ..pim import FLOATING, properties
from ..tree import text
from .sync_changes import change_mail
from .sync_drafts import add, change_draft, edits_draft
from .sync_items import add_item, change_item, delete_instance


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
    conversations: bool = False,
) -> Outcome:
    """Carry out `commands`, then collect up to `window` changes in about `room` bytes.

    `conversations`: the filter takes whole conversations (ConversationMode, MS-ASCON 3.2.5.6).
    """
    outcome = Outcome(acted=bool(commands))
    options = collection.options
    thread = (lambda item: conversation_id(context.mailbox.message(item))) if conversations else None
    changes = Changes(collection, folder, options.filter_type, context.exchange.clock(), thread)
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
            shown = _properties(context, changes, item, options, action)
            if not shown:  # nothing that this version can see
                changes.taken(change)
                continue
            outcome.commands.append((f"AirSync:{action}", [identity, ("AirSync:ApplicationData", shown)]))
            outcome.size += _weight(shown)
        else:
            tag = "AirSync:SoftDelete" if action == SOFT_DELETE else "AirSync:Delete"
            outcome.commands.append((tag, [identity]))
        changes.taken(change)


def _weight(nodes: list[Node]) -> int:
    """About how many bytes properties take; exact where it matters, in the body."""
    size = 0
    for _, content in nodes:
        size += 4
        for part in [content] if not isinstance(content, list) else [inner for _, inner in content]:
            size += len(part) if isinstance(part, (str, bytes)) else 40
    return size


def _properties(context: Context, changes: Changes, item: Item, options: ItemOptions, action: str) -> list[Node]:
    if item.nodes is not None:
        return properties(item.nodes, changes.folder.item_class, options, context.version)
    if action == CHANGE:
        changed = changed_properties(item, changes.client_version(item.server_id) or 0, context.version)
        if changed is not None:
            return changed
    return email_properties(item, context.mailbox.message(item), options, context.version, user=context.user.email)


def _client_command(
    context: Context, folder: Folder, changes: Changes, command: Node, deletes_as_moves: bool
) -> Node | None:
    """Carry out one client command; what Responses says about it, where it says anything."""
    name = command[0].partition(":")[2]
    server_id = text(command, "AirSync:ServerId")
    pim = folder.item_class != "Email"
    if name == "Add":
        return add_item(context, folder, changes, command) if pim else add(context, folder, changes, command)
    item = folder.items.get(server_id)
    if item is None:
        if name == "Delete" and server_id in changes.window.deleted:
            changes.note_gone(server_id)  # the same request once more: its answer was lost
            return None
        return (f"AirSync:{name}", [("AirSync:ServerId", server_id), ("AirSync:Status", "8")])
    if name == "Fetch":
        return _fetch(context, changes, item)
    instance = text(command, "AirSyncBase:InstanceId")
    if name == "Delete" and instance:
        return delete_instance(context, folder, changes, item, instance)
    if name == "Delete":
        if pim and context.version >= FLOATING:
            cancel(context, item)
        changes.window.deleted.add(server_id)
        changes.note_gone(server_id)
        bin_id = context.mailbox.by_type(4).server_id
        if deletes_as_moves and folder.server_id != bin_id:
            context.mailbox.move(server_id, bin_id)
        else:
            context.mailbox.delete(server_id)
        return None
    if pim:
        return change_item(context, folder, changes, item, command)
    if context.version >= 160 and edits_draft(item, command):
        return change_draft(context, changes, item, command)
    return change_mail(context, folder, changes, item, command)


def _fetch(context: Context, changes: Changes, item: Item) -> Node:
    options = changes.collection.options
    whole = replace(
        options,
        preferences=tuple(BodyPreference(preference.type) for preference in options.preferences),
        mime_truncation=None,
        truncation=9,
    )
    if item.nodes is not None:
        shown = properties(item.nodes, changes.folder.item_class, whole, context.version)
    else:
        shown = email_properties(item, context.mailbox.message(item), whole, context.version, user=context.user.email)
    identity: Node = ("AirSync:ServerId", item.server_id)
    return ("AirSync:Fetch", [identity, ("AirSync:Status", "1"), ("AirSync:ApplicationData", shown)])
