"""A change of ours as a command of Sync, in every version (MS-ASCMD 2.2.3.7.2, .24, .42.2).

What a Change may leave out depends on the version: from 16.0 on a calendar property that is not named stays; elsewhere
what is not ghosted is emptied by being left out, so the whole item goes (MS-ASCMD_R873 to R880).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ...model.event import Event, EventException, MeetingStatus, NewAttachment
from ...model.message import Attachment
from ...model.queries import QueuedChange
from .. import tree
from ..versions import Version
from ..wbxml import Node
from .calendar import RemovedAttachment, write_changes, write_moment
from .classes import ITEM_TYPES
from .item_type import ItemType

SEPARATE = frozenset({"body", "picture", "exceptions", "attachments"})
"""Attributes that stay as they are when a Change does not name them, in every version (MS-ASCMD_R876, R878)."""
PRIVATE = frozenset({"reminder", "categories"})
"""Attributes of an event that are the user's own: no attendee is told of them."""
SINGLE_CHANGES = 160
"""From this version on a Change of a calendar item names only what changes, and instances one at a time."""


class Unsendable(ValueError):
    """The change cannot be put into a request of this version; the message says why."""


def command_for(change: QueuedChange, version: Version) -> Node:
    """The Add, Change or Delete. Raises `Unsendable`."""
    kind, code = ITEM_TYPES[change.item_class], version.code
    _check(change, version)
    try:
        if change.kind == "add":
            return _add(change, kind, code)
        if change.instance is not None:
            return _instance(change, kind, code)
        if change.kind == "delete":
            return ("AirSync:Delete", [("AirSync:ServerId", change.server_id)])
        return _change(change, kind, code)
    except Unsendable:
        raise
    except ValueError as problem:
        raise Unsendable(str(problem)) from problem


def _check(change: QueuedChange, version: Version) -> None:
    """From 16.0 on the server mails attendees by itself: never without the caller's word."""
    item = change.item
    if version.code < SINGLE_CHANGES or change.send_updates or not isinstance(item, Event):
        return
    if change.kind == "change" and change.values.keys() <= PRIVATE:
        return
    if item.attendees and not item.meeting_status & MeetingStatus.RECEIVED:
        raise Unsendable(
            f"ActiveSync {version.name} servers mail the attendees of {item.subject!r} by themselves: "
            "make the change with send_updates=True"
        )


def _add(change: QueuedChange, kind: ItemType, code: int) -> Node:
    values = dict(change.item.properties())
    values.pop("extra", None)
    if isinstance(change.item, Event) and code >= SINGLE_CHANGES:
        values.setdefault("client_uid", change.client_id)
    if kind.name == "Tasks":
        values.setdefault("complete", False)  # required (MS-ASTASK_R116)
    if kind.name == "Notes":
        values.setdefault("message_class", change.item.message_class)  # type: ignore[attr-defined]
    if "attachments" in values:
        values["attachments"] = tuple(_new(values["attachments"], change.client_id))
        if code < SINGLE_CHANGES:
            raise Unsendable("attachments of events exist from ActiveSync 16.0 on")
    return (
        "AirSync:Add",
        [("AirSync:ClientId", change.client_id), ("AirSync:ApplicationData", kind.write(values, code))],
    )


def _change(change: QueuedChange, kind: ItemType, code: int) -> Node:
    named = dict(change.values)
    if "attachments" in named:
        if code < SINGLE_CHANGES:
            raise Unsendable("attachments of events exist from ActiveSync 16.0 on")
        removed = [RemovedAttachment(reference) for reference in change.removed_attachments]
        named["attachments"] = (*removed, *_new(named["attachments"], change.client_id))
    if kind.name == "Calendar" and code >= SINGLE_CHANGES:
        values = _with_its_times(change, named)
    else:
        whole = change.item.properties()
        body = change.item.body
        values = {name: value for name, value in whole.items() if name not in SEPARATE and name != "extra"}
        values |= named
        if body is not None and body.truncated:
            values.pop("body", None)
        if kind.name == "Tasks":
            values.setdefault("complete", False)
        if kind.name == "Notes":
            values["message_class"] = change.item.message_class  # type: ignore[attr-defined]
    data: Node = ("AirSync:ApplicationData", kind.write(values, code))
    return ("AirSync:Change", [("AirSync:ServerId", change.server_id), data])


def _with_its_times(change: QueuedChange, named: dict[str, Any]) -> dict[str, Any]:
    """A change of times names all of them: start, end and whole-day go together, and the zone with a timed event."""
    item = change.item
    assert isinstance(item, Event)
    values = {name: value for name, value in named.items() if name != "exceptions"}
    if values.keys() & {"start", "end", "all_day", "timezone", "recurrence"}:
        values |= {"start": item.start, "end": item.end, "all_day": item.all_day}
        if not item.all_day:
            values |= {"timezone": item.timezone, "timezone_blob": item.timezone_blob}
    return values


def _instance(change: QueuedChange, kind: ItemType, code: int) -> Node:
    """One instance of a series: by InstanceId from 16.0 on, as an exception of the series before."""
    item, start = change.item, change.instance
    assert isinstance(item, Event)
    assert start is not None
    if code >= SINGLE_CHANGES:
        identity: list[Node] = [
            ("AirSync:ServerId", change.server_id),
            ("AirSyncBase:InstanceId", write_moment(start)),
        ]
        if change.kind == "delete":
            return ("AirSync:Delete", identity)
        values = dict(change.values)
        if values.keys() & {"start", "end"}:
            values.setdefault("start", start)
            values.setdefault("end", values["start"] + item.duration)
        data = write_changes(values, code)
        return ("AirSync:Change", [*identity, ("AirSync:ApplicationData", data)])
    deleted = change.kind == "delete"
    mine = EventException(start, deleted=deleted, changes={} if deleted else _whole_exception(item, change))
    values = {name: value for name, value in item.properties().items() if name not in SEPARATE and name != "extra"}
    values["exceptions"] = (mine,)  # others stay as they are (MS-ASCMD_R877)
    return (
        "AirSync:Change",
        [("AirSync:ServerId", change.server_id), ("AirSync:ApplicationData", kind.write(values, code))],
    )


def _whole_exception(item: Event, change: QueuedChange) -> dict[str, Any]:
    """What is different in the instance, earlier changes of it included."""
    for exception in item.exceptions:
        if exception.start == change.instance and not exception.deleted:
            return dict(exception.changes)
    return dict(change.values)


def _new(attachments: Sequence[Any], client_id: str) -> list[NewAttachment]:
    """The attachments to be added, each with a ClientId that is the same in every attempt."""
    found = []
    for number, attachment in enumerate(attachments):
        if isinstance(attachment, NewAttachment):
            attachment.client_id = attachment.client_id or f"{client_id[:24]}{number:08x}"
            found.append(attachment)
    return found


def sent_values(change: QueuedChange, nodes: Sequence[Node], kind: ItemType) -> dict[str, Any]:
    """What the server set by itself: the UID of an event from 16.0 on (MS-ASCAL_R2223), references of attachments."""
    found, _ = kind.read(list(nodes))
    values = {name: found[name] for name in ("uid",) if found.get(name)}
    if isinstance(change.item, Event) and any(isinstance(a, NewAttachment) for a in change.item.attachments):
        values["attachments"] = tuple(_named(change.item.attachments, nodes))
    return values


def _named(attachments: Sequence[Attachment | NewAttachment], nodes: Sequence[Node]) -> Iterator[Attachment]:
    """The attachments as the server calls them from now on (MS-ASAIRS 2.2.2.14)."""
    told = tree.child(("", list(nodes)), "AirSyncBase:Attachments")
    references = {
        tree.text(node, "AirSyncBase:ClientId"): tree.text(node, "AirSyncBase:FileReference")
        for node in tree.children(told)
    }
    for attachment in attachments:
        if isinstance(attachment, Attachment):
            yield attachment
        else:
            yield Attachment(
                references.get(attachment.client_id, ""),
                attachment.name,
                len(attachment.content),
                content_id=attachment.content_id,
                content_type=attachment.content_type,
                inline=attachment.inline,
            )
