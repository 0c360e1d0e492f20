"""Calendars, contacts, tasks and notes: reading them, and changing them through durable changes."""

from __future__ import annotations

import asyncio
from abc import ABC
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, tzinfo
from functools import partial
from typing import Any, TypeVar

from .. import account, changing, inviting
from ..calendar.occurrences import occurrences
from ..calendar.prepare import check, event_times, new_item, note_subject, task_times
from ..eas.items.changes import PRIVATE
from ..eas.items.timezone import tzinfo_of
from ..eas.versions import VERSIONS
from ..errors import NotFound, UsageError
from ..model.changes import DeleteItem, DropChange, MarkVip, MoveItem, SaveItem
from ..model.contact import Contact
from ..model.event import Event, MeetingStatus, Occurrence
from ..model.folder import CLASS_OF_TYPE, FolderType
from ..model.item import Item
from ..model.message import Address, StoredMessage
from ..model.note import Note
from ..model.queries import QueuedChange
from ..model.questions import Confirm
from ..model.task import Task
from ..policy import recipients
from ..store import item_changes, items, rights
from ..store.text import folded
from ..store.values import write_instance
from .writing import Writing

T = TypeVar("T", bound=Item)

_DEFAULT_FOLDERS = {"Calendar": 8, "Contacts": 9, "Tasks": 7, "Notes": 10}
_SINGLE_CHANGES = 160


def local_zone() -> str:
    """The IANA name of this machine's zone, "Etc/UTC" where it has none."""
    from tzlocal import get_localzone_name

    try:
        return get_localzone_name() or "Etc/UTC"
    except Exception:  # the package raises kinds of its own for odd system settings
        return "Etc/UTC"


class Items(Writing):
    """Methods of `Mailbox`."""

    conflicts: str = "server_wins"
    """Who wins where an item was changed on both sides: "server_wins", "client_wins" or "keep_both" (two then)."""

    # -- reading

    def events(
        self, start: datetime, end: datetime, *, query: str = "", zone: tzinfo | None = None
    ) -> list[Occurrence]:
        """What the calendars hold between two aware times, series as their instances, in order of time.

        All-day events are dates; `zone` (default: that of `start`) decides which of them touch the window. `query`:
        words that all stand in the event. Raises `UsageError` for times without a zone.
        """
        if start.tzinfo is None or end.tzinfo is None:
            raise UsageError("events: start and end need a time zone")
        found: list[Occurrence] = []
        for event in items.events_touching(self.store.database, start.timestamp(), end.timestamp()):
            found += occurrences(event, start, end, zone or start.tzinfo)
        words = folded(query).split()
        if words:
            found = [made for made in found if all(word in _text(made.event) for word in words)]
        where = zone or start.tzinfo
        return sorted(found, key=lambda made: (_moment(made.start, where), made.event.id))

    def contacts(self, query: str = "", *, vip: bool | None = None, folder: str = "") -> list[Contact]:
        """Contacts that hold every word of `query`, by name; `vip`: only those marked so, or only the others."""
        return _of(Contact, items.items(self.store.database, "Contacts", query=query, vip=vip, folder=folder))

    def tasks(self, query: str = "", *, done: bool | None = None, folder: str = "") -> list[Task]:
        """Tasks that hold every word of `query`, what is due first in front."""
        return _of(Task, items.items(self.store.database, "Tasks", query=query, done=done, folder=folder))

    def notes(self, query: str = "", *, folder: str = "") -> list[Note]:
        """Notes that hold every word of `query`. `note_title` says what a list shows of one."""
        return _of(Note, items.items(self.store.database, "Notes", query=query, folder=folder))

    def item(self, item_id: int) -> Event | Contact | Task | Note:
        """One event (a series as a whole), contact, task or note. Raises `NotFound`."""
        found = items.item(self.store.database, item_id)
        assert isinstance(found, (Event, Contact, Task, Note))
        return found

    def note_title(self, note: Note) -> str:
        """The title of a note: its own field, or the first line of its text (`allow_notes_title`)."""
        return note.title(separate=self.config.allow_notes_title)

    def event_of(self, message_id: int) -> Event | None:
        """The event in the calendar that a meeting mail is about; None where there is none. Raises `NotFound`."""
        (message,) = self.store.messages([message_id]) or (None,)
        if message is None:
            raise NotFound(f"there is no message {message_id} in this store")
        meeting = message.meeting
        return items.event_by_uid(self.store.database, meeting.uid) if meeting is not None else None

    def mails_of(self, event_id: int) -> list[StoredMessage]:
        """The meeting mails about an event: requests, answers, cancellations; oldest first. Raises `NotFound`."""
        event = items.item(self.store.database, event_id)
        uid = event.uid if isinstance(event, Event) else ""
        rows = self.store.database.all(
            "SELECT id FROM messages WHERE meeting_uid = ? AND meeting_uid <> '' AND gone = 0 ORDER BY received, id",
            (uid,),
        )
        found = self.store.messages([row[0] for row in rows])
        rights.withheld(found, self.door)
        return found

    # -- changing

    def create_item(
        self, item: Item, *, folder: str = "", send_updates: bool = False, confirm: Confirm | None = None
    ) -> int:
        """Create an event, contact, task or note; its id. It is here at once and on the server after the next sync.

        `folder`: name of the folder, default the standard one of the class. An event gets the reminder of
        `calendar_default_reminder` unless it has one (-1: none), and its marking (`classification.mark_event` chooses
        another). Attendees are told only with `send_updates`; `confirm` answers `UnsafeRecipients`, asked before
        attendees outside `email_safe_domains` are told. Raises `UsageError` for what cannot be an item,
        `ClassificationRequired`, `NotFound` for a folder that is not there, `ConfirmationNeeded`.
        """
        changing.writable(self.read_only)
        target = self._folder_for(item.item_class, folder)
        ready = new_item(
            item,
            now=account.utc_now(),
            zone=local_zone(),
            reminder=self.settings.in_force().default_reminder,
            organizer=self.config.email_address,
            separate_title=self.config.allow_notes_title,
        )
        if isinstance(ready, Event):
            ready = self.classification.mark_event(ready)
        self._may_tell(ready, None, send_updates)
        self._ask_about(ready, send_updates, confirm)
        batch = SaveItem(
            ready.properties(),
            folder_id=target,
            item_class=item.item_class,
            send_updates=send_updates,
            now=account.utc_now().timestamp(),
        )
        if send_updates and isinstance(ready, Event) and not self._mails_by_itself:
            batch.mails = inviting.mails(self._sending(confirm), None, ready, sequence=0)
        return int(self.store.apply(batch))

    def change_item(
        self,
        item_id: int,
        *,
        instance: datetime | date | None = None,
        send_updates: bool = False,
        confirm: Confirm | None = None,
        **values: Any,
    ) -> None:
        """Set attributes of an item (``location=None`` empties one); those that are not named stay.

        `instance`: only that instance of a series, named by its `Occurrence.original_start`. `confirm` as for
        `create_item`. Raises `NotFound`, `UsageError` or `ConfirmationNeeded`.
        """
        changing.writable(self.read_only)
        before = items.item(self.store.database, item_id)
        if isinstance(before, Event):
            values = event_times(self._instance_of(before, instance), values)
        elif isinstance(before, Task):
            values = task_times(before, values, tzinfo_of(local_zone()))
        known = {name: value for name, value in values.items() if hasattr(before, name)}
        after = replace(before if instance is None else self._instance_of(before, instance), **known)
        if isinstance(after, Note) and "body" in values and not self.config.allow_notes_title:
            values["subject"] = note_subject(after, separate_title=False)
        check(after, values)
        if isinstance(after, Event) and values.keys() & {"subject", "body"}:
            after, values = self._marked(before, after, values)
        self._may_tell(after, values, send_updates, before)
        self._ask_about(after, send_updates, confirm)
        batch = SaveItem(
            values,
            item_id=item_id,
            instance=write_instance(instance),
            send_updates=send_updates,
            now=account.utc_now().timestamp(),
        )
        self._tell(batch, item_id, after, instance, send_updates, confirm)
        self.store.apply(batch)

    def _marked(self, before: Item, after: Event, values: dict[str, Any]) -> tuple[Event, dict[str, Any]]:
        """A change of subject or text keeps the marking of the event, unless the new subject has another one.

        Raises `ClassificationRequired`, `ClassificationRefused`.
        """
        marked = self.classification.mark_event(
            after, self.classification.carried(getattr(before, "subject", ""), after)
        )
        values = dict(values)
        for name in ("subject", "body"):
            if getattr(marked, name) != getattr(after, name):
                values[name] = getattr(marked, name)
        return marked, values

    def _tell(
        self,
        batch: SaveItem | DeleteItem,
        item_id: int,
        after: Any,
        instance: datetime | date | None,
        send_updates: bool,
        confirm: Confirm | None,
    ) -> None:
        """Up to 14.1 the attendees are mailed from here: the mail goes into the batch. What waits of an earlier change
        that did not leave yet is written anew, so that one mail says how things are."""
        sequence, waits = item_changes.mailed(self.store.database, item_id)
        if self._mails_by_itself or not (send_updates or waits):
            return
        before = item_changes.as_told(self.store.database, item_id)
        if isinstance(before, Event) and instance is not None:
            before = self._instance_of(before, instance) if before.recurrence is not None else None
        if not isinstance(after, Event | None) or not isinstance(before, Event | None):
            return
        values = batch.values if isinstance(batch, SaveItem) and not waits else None
        batch.sequence = sequence + 1 if before is not None else sequence
        batch.mails = inviting.mails(
            self._sending(confirm), before, after, sequence=batch.sequence, instance=instance, values=values
        )  # fmt: skip

    @property
    def _mails_by_itself(self) -> bool:
        """Whether the server tells attendees (from 16.0 on)."""
        version = VERSIONS.get(self.store.account().get("version", ""))
        return version is not None and version.code >= _SINGLE_CHANGES

    def delete_item(
        self,
        item_id: int,
        *,
        instance: datetime | date | None = None,
        send_updates: bool = False,
        confirm: Confirm | None = None,
    ) -> None:
        """Delete an item, or one instance of a series. `confirm` as for `create_item`.

        Raises `NotFound`, `UsageError` or `ConfirmationNeeded`.
        """
        changing.writable(self.read_only)
        before = items.item(self.store.database, item_id)
        self._instance_of(before, instance)
        self._may_tell(before, None, send_updates)
        if instance is None:
            self._guard(1, confirm)
        self._delete(item_id, instance, send_updates, confirm)

    def _delete(
        self, item_id: int, instance: datetime | date | None, send_updates: bool, confirm: Confirm | None
    ) -> None:
        before = items.item(self.store.database, item_id)
        self._ask_about(before, send_updates, confirm)
        now = account.utc_now().timestamp()
        batch = DeleteItem(item_id, write_instance(instance), send_updates, now)
        if send_updates:
            self._tell(batch, item_id, None, instance, send_updates, confirm)
        self.store.apply(batch)

    def delete_items(
        self, item_ids: Iterable[int], *, send_updates: bool = False, confirm: Confirm | None = None
    ) -> int:
        """Delete several items; how many. More than fifty are asked about (`DeleteMany`), else as `delete_item`."""
        changing.writable(self.read_only)
        wanted = list(dict.fromkeys(item_ids))
        found = [items.item(self.store.database, number) for number in wanted]
        for item in found:
            self._may_tell(item, None, send_updates)
        self._guard(len(wanted), confirm)
        for number in wanted:
            self._delete(number, None, send_updates, confirm)
        return len(wanted)

    def _guard(self, count: int, confirm: Confirm | None) -> None:
        """Ask where so much is to be deleted that it may be a mistake, what waits included."""
        waiting = item_changes.waiting_deletions(self.store.database)
        question = changing.many(count, waiting, "item")
        if question is not None:
            changing.ask(confirm, question)

    def move_item(self, item_id: int, folder: str) -> bool:
        """Move an item to another folder of its class, by name: here at once, with the same id, and on the server with
        the next `sync`. False if it is there already. Raises `NotFound`, or `UsageError`.
        """
        changing.writable(self.read_only)
        item = items.item(self.store.database, item_id)
        target = self._folder_for(item.item_class, folder)
        return bool(self.store.apply(MoveItem(item_id, target, account.utc_now().timestamp())))

    def mark_vip(self, contact_id: int, vip: bool = True) -> None:
        """Mark a contact as very important, or not. ActiveSync has no such property: it stays on this device."""
        self.store.apply(MarkVip(contact_id, vip))

    def is_vip(self, address: str) -> bool:
        """Whether the address is one of a contact marked VIP."""
        return folded(address.strip()) in items.vip_addresses(self.store.database)

    def waiting_changes(self) -> list[QueuedChange]:
        """Changes of items that the server has not confirmed, oldest first; `state` is "queued", "sent" or "failed"."""
        return item_changes.every(self.store.database)

    def drop_change(self, change_id: int) -> None:
        """Take a change back that is queued or failed. Raises `NotFound`, or `UsageError` for one that was sent."""
        changing.writable(self.read_only)
        self.store.apply(DropChange(change_id))

    def _folder_for(self, item_class: str, name: str) -> int:
        kind = _DEFAULT_FOLDERS.get(item_class)
        if kind is None:
            raise UsageError(f"items of class {item_class!r} are not created here")
        rows = self.store.database.all("SELECT id, name, type FROM folders ORDER BY type <> ?, id", (kind,))
        for number, folder, folder_type in rows:
            if CLASS_OF_TYPE.get(folder_type) != item_class or folder_type == FolderType.RECIPIENT_CACHE:
                continue
            if folded(folder) == folded(name) if name else folder_type == kind:
                return int(number)
        raise NotFound(f"there is no folder {name!r}" if name else f"there is no folder for {item_class}: sync first")

    @staticmethod
    def _instance_of(item: Item, instance: datetime | date | None) -> Any:
        """The event as the instance has it. Raises `UsageError` where there is none."""
        if instance is None:
            return item
        if not isinstance(item, Event) or item.recurrence is None:
            raise UsageError(f"item {item.id} is no series: it has no instances")
        for exception in item.exceptions:
            if exception.start == instance:
                if exception.deleted:
                    raise UsageError(f"the instance of {instance.isoformat()} was deleted")
                return item.instance(exception)
        span = item.duration
        return replace(item, start=instance, end=instance + span, recurrence=None, exceptions=())

    def _ask_about(self, after: Item, send_updates: bool, confirm: Confirm | None) -> None:
        """Ask where an invite goes outside the safe domains (`email_alert_unsafe_domains`)."""
        if not send_updates or not isinstance(after, Event) or after.meeting_status & MeetingStatus.RECEIVED:
            return
        question = recipients.question([Address(who.name, who.email) for who in after.attendees], self.config)
        if question is not None:
            changing.ask(confirm, question)

    def _may_tell(
        self, after: Item, values: dict[str, Any] | None, send_updates: bool, before: Item | None = None
    ) -> None:
        """Attendees hear of a change only by the caller's word; `values` None: the whole event. Raises `UsageError`."""
        if not isinstance(after, Event):
            return
        invited = after.attendees or (before.attendees if isinstance(before, Event) else ())
        if not invited or after.meeting_status & MeetingStatus.RECEIVED:
            return
        private = values is not None and values.keys() <= PRIVATE
        if self._mails_by_itself and not send_updates and not private:
            raise UsageError(
                f"the server mails the attendees of {after.subject!r} by itself (ActiveSync "
                f"{self.store.account().get('version', '')}): give send_updates=True, or take the attendees out"
            )


def _of(kind: type[T], found: Sequence[Item]) -> list[T]:
    return [item for item in found if isinstance(item, kind)]


def _text(event: Event) -> str:
    place = str(event.location) if event.location is not None else ""
    people = " ".join(f"{attendee.name} {attendee.email}" for attendee in event.attendees)
    return folded(" ".join((event.subject, place, event.body_text, people, *event.categories)))


def _moment(when: datetime | date, zone: tzinfo) -> datetime:
    return when if isinstance(when, datetime) else datetime(when.year, when.month, when.day, tzinfo=zone)


class AsyncItems(ABC):
    """Methods of `AsyncMailbox`: the same, awaitable; see `Items`."""

    _mailbox: Any

    async def events(
        self, start: datetime, end: datetime, *, query: str = "", zone: tzinfo | None = None
    ) -> list[Occurrence]:
        """See `Mailbox.events`."""
        return await asyncio.to_thread(partial(self._mailbox.events, start, end, query=query, zone=zone))

    async def contacts(self, query: str = "", *, vip: bool | None = None, folder: str = "") -> list[Contact]:
        """See `Mailbox.contacts`."""
        return await asyncio.to_thread(partial(self._mailbox.contacts, query, vip=vip, folder=folder))

    async def tasks(self, query: str = "", *, done: bool | None = None, folder: str = "") -> list[Task]:
        """See `Mailbox.tasks`."""
        return await asyncio.to_thread(partial(self._mailbox.tasks, query, done=done, folder=folder))

    async def notes(self, query: str = "", *, folder: str = "") -> list[Note]:
        """See `Mailbox.notes`."""
        return await asyncio.to_thread(partial(self._mailbox.notes, query, folder=folder))

    async def item(self, item_id: int) -> Event | Contact | Task | Note:
        """See `Mailbox.item`."""
        return await asyncio.to_thread(self._mailbox.item, item_id)

    async def event_of(self, message_id: int) -> Event | None:
        """See `Mailbox.event_of`."""
        return await asyncio.to_thread(self._mailbox.event_of, message_id)

    async def mails_of(self, event_id: int) -> list[StoredMessage]:
        """See `Mailbox.mails_of`."""
        return await asyncio.to_thread(self._mailbox.mails_of, event_id)

    async def note_title(self, note: Note) -> str:
        """See `Mailbox.note_title`."""
        return str(self._mailbox.note_title(note))

    async def create_item(
        self, item: Item, *, folder: str = "", send_updates: bool = False, confirm: Confirm | None = None
    ) -> int:
        """See `Mailbox.create_item`. `confirm` is called in another thread."""
        call = partial(self._mailbox.create_item, item, folder=folder, send_updates=send_updates, confirm=confirm)
        return await asyncio.to_thread(call)

    async def change_item(
        self,
        item_id: int,
        *,
        instance: datetime | date | None = None,
        send_updates: bool = False,
        confirm: Confirm | None = None,
        **values: Any,
    ) -> None:
        """See `Mailbox.change_item`. `confirm` is called in another thread."""
        call = partial(
            self._mailbox.change_item,
            item_id,
            instance=instance,
            send_updates=send_updates,
            confirm=confirm,
            **values,
        )
        await asyncio.to_thread(call)

    async def delete_item(
        self,
        item_id: int,
        *,
        instance: datetime | date | None = None,
        send_updates: bool = False,
        confirm: Confirm | None = None,
    ) -> None:
        """See `Mailbox.delete_item`. `confirm` is called in another thread."""
        call = partial(
            self._mailbox.delete_item, item_id, instance=instance, send_updates=send_updates, confirm=confirm
        )
        await asyncio.to_thread(call)

    async def delete_items(
        self, item_ids: Iterable[int], *, send_updates: bool = False, confirm: Confirm | None = None
    ) -> int:
        """See `Mailbox.delete_items`. `confirm` is called in another thread."""
        call = partial(self._mailbox.delete_items, item_ids, send_updates=send_updates, confirm=confirm)
        return int(await asyncio.to_thread(call))

    async def move_item(self, item_id: int, folder: str) -> bool:
        """See `Mailbox.move_item`."""
        return bool(await asyncio.to_thread(self._mailbox.move_item, item_id, folder))

    async def mark_vip(self, contact_id: int, vip: bool = True) -> None:
        """See `Mailbox.mark_vip`."""
        await asyncio.to_thread(self._mailbox.mark_vip, contact_id, vip)

    async def is_vip(self, address: str) -> bool:
        """See `Mailbox.is_vip`."""
        return await asyncio.to_thread(self._mailbox.is_vip, address)

    async def waiting_changes(self) -> list[QueuedChange]:
        """See `Mailbox.waiting_changes`."""
        return await asyncio.to_thread(self._mailbox.waiting_changes)

    async def drop_change(self, change_id: int) -> None:
        """See `Mailbox.drop_change`."""
        await asyncio.to_thread(self._mailbox.drop_change, change_id)
