"""Ping (MS-ASCMD 2.2.1.13): waiting for changes in folders."""

from __future__ import annotations

from ...eas.wbxml import Node
from ..collection import look
from ..context import Answer, Context, Hold
from ..tree import child, every, number, text
from .folder_sync import snapshot


def handle(context: Context) -> Answer | Hold:
    device, exchange = context.device, context.exchange
    cached = device.cached_ping
    seconds = number(context.tree, "Ping:HeartbeatInterval")
    listed = child(context.tree, "Ping:Folders")
    folders = tuple((text(f, "Ping:Id"), text(f, "Ping:Class")) for f in every(listed, "Ping:Folder"))
    if seconds is None and cached is not None:
        seconds = cached[0]
    if listed is None and cached is not None:
        folders = cached[1]
    if seconds is None or not folders:
        return _answer("3")
    low, high = exchange.ping_limits
    if not low <= seconds <= high:
        return _answer("5", ("Ping:HeartbeatInterval", str(high if seconds > high else low)))
    if len({name for name, _ in folders}) != len(folders):
        return _answer("4")  # MS-ASCMD_R6699
    if len(folders) > exchange.max_ping_folders:
        return _answer("6", ("Ping:MaxFolders", str(exchange.max_ping_folders)))
    device.cached_ping = (seconds, folders)
    device.pings += 1
    serial = device.pings
    start = {name: context.mailbox.folders[name].modification for name, _ in folders if name in context.mailbox.folders}

    def poll(expired: bool) -> Answer | None:
        if device.hierarchy.key and snapshot(context.mailbox) != device.hierarchy.folders:
            return _answer("7")
        changed: list[Node] = [("Ping:Folder", name) for name, _ in folders if _changed(context, name, start)]
        if changed:
            return _answer("2", ("Ping:Folders", changed))
        superseded = device.pings != serial  # a newer Ping of the same device ends this one
        return _answer("1") if expired or superseded else None

    return poll(False) or Hold(seconds * exchange.hold_factor, poll)


def _changed(context: Context, name: str, start: dict[str, int]) -> bool:
    """Whether a folder holds an item the client has not; one it never synchronised counts from now on.

    Items changed, deleted or moved away do not end a Ping (MS-ASCMD_R5641).
    """
    folder = context.mailbox.folders.get(name)
    if folder is None:
        return True
    collection = context.device.collections.get(name)
    if collection is None:
        return any(server_id in folder.items for server_id in folder.log[start.get(name, 0) :])
    changes = look(collection, collection.key, folder, collection.options.filter_type, context.exchange.clock())
    return changes is not None and changes.adds()


def _answer(status: str, *more: Node) -> Answer:
    return Answer(tree=("Ping:Ping", [("Ping:Status", status), *more]))
