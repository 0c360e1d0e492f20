"""What waiting for changes ended with, and what a watch tells."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from .event import Event
from .message import Message, StoredMessage


@dataclass(frozen=True, slots=True)
class Watched:
    """Why the waiting ended. All false: the time was over and nothing happened."""

    changed: tuple[str, ...] = ()
    """CollectionIds of folders in which something is new."""
    hierarchy: bool = False
    """The list of folders changed."""
    dropped: tuple[str, ...] = ()
    """CollectionIds that were not watched, because the server watches fewer folders at once."""
    heartbeat: int = 0
    """Seconds that the last request waited for; what works on this network."""

    def __bool__(self) -> bool:
        return bool(self.changed or self.hierarchy)


@dataclass(frozen=True, slots=True)
class Notification:
    """What a person may be shown, by the rules of notification (`emailplus.notify.rules`)."""

    tag: str
    """A later one with the same tag takes its place."""
    title: str
    body: str = ""
    replaces: str = ""
    """The tag of another one whose place it takes."""


FIRST_TAG = "first"
UNREAD_TAG = "unread"


@dataclass(frozen=True, slots=True)
class Announced:
    """Something new is on the server, and nothing is known of it yet: "You have new messages"."""

    notification: Notification


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """There was nothing to tell after all: the notification of that tag goes."""

    tag: str


@dataclass(frozen=True, slots=True)
class NewMail:
    """A new message: its header and the beginning of its text are in the store, its body need not be.

    Told once. It is taken as told when the next event is asked for, or the watch is closed; a process that dies before
    that finds it again at its next start, under the same `id`.
    """

    id: int
    """Of the message in the store (`Mailbox.message`)."""
    folder: str
    message: StoredMessage | Message
    """Without its body. Where nothing is kept (`local_cache_all`), as it came: it appears nowhere else."""
    snippet: str
    """How its text begins; "" where there is none to show, or its protection does not let it be shown."""
    vip: bool
    """From a contact marked VIP."""
    notification: Notification | None
    """What the user may be shown of it now; None: nothing, e.g. outside work hours (`reason` says)."""
    reason: str


@dataclass(frozen=True, slots=True)
class Reminder:
    """An event of the calendar begins in `minutes`."""

    id: int
    """Of the event, or of its series, in the store (`Mailbox.item`)."""
    event: Event
    starts: datetime
    minutes: int
    """As the event wants it; the reminder may come later, never earlier."""
    notification: Notification | None


@dataclass(frozen=True, slots=True)
class Badge:
    """The number of unread messages in the folders whose mail is told; told at the start and when it changes."""

    unread: int


@dataclass(frozen=True, slots=True)
class State:
    """What the watch is doing."""

    name: str
    """"syncing", "watching", "offline", "busy", "refused" (the server does not take the password), "trouble"."""
    text: str
    """For people: how it waits, or what went wrong."""
    method: str = ""
    """How it waits: "ping", "sync" (a Sync that the server holds) or "interval"."""
    seconds: float = 0.0
    """How long it waits for at most before anything happens."""


WatchEvent: TypeAlias = Announced | Withdrawn | NewMail | Reminder | Badge | State
