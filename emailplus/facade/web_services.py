"""Files of events, and new mail by Exchange Web Services."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, time
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from .. import account, changing, web_services
from ..credentials import Credentials
from ..diagnosis.session import Diagnosis
from ..eas.flows.event_files import fetch_file
from ..eas.flows.folders import find_folder
from ..errors import NotFound, UsageError
from ..ews.listening import Listening
from ..ews.pushing import STATUS_FREQUENCY, Pushing
from ..model.event import Event, NewAttachment
from ..model.ews import EventFile, EwsMail, EwsSubscription
from ..model.message import Attachment
from . import Online

if TYPE_CHECKING:
    from ..ews.client import EwsClient

Take = Callable[[EwsMail], object]


class WebServices(Online):
    """Methods of `Mailbox`. Those that need EWS raise `EwsUnavailable` where it is off, and `ExtraMissing` without the
    extra ``ews``."""

    credentials: Credentials
    read_only: bool
    _diagnosis: Diagnosis

    if TYPE_CHECKING:

        def item(self, item_id: int) -> Any:
            """See `Mailbox.item`."""

        def change_item(self, item_id: int, *, send_updates: bool = False, **values: Any) -> None:
            """See `Mailbox.change_item`."""

    @contextmanager
    def _ews(self, acting_for: str = "") -> Iterator[EwsClient]:
        with self._diagnosis.watching("ews"), web_services.client(
            self.config, self.credentials, acting_for=acting_for
        ) as client:  # fmt: skip
            yield client

    # -- files of events

    def event_files(self, event_id: int) -> list[EventFile]:
        """The files attached to an event (`calendar_attachments`): over ActiveSync from 16.0 on, else over EWS.

        Raises `PolicyDenied`, `NotFound`, and of EWS what `EwsClient` raises.
        """
        web_services.permit(self.config, self.store)
        event = self._event(event_id)
        if web_services.way(self.store) == "eas":
            return [_as_file(each) for each in event.attachments if isinstance(each, Attachment)]
        with self._ews() as client:
            return client.event_files(event.uid, event.subject, _start(event))[1]

    def event_file(self, event_id: int, key: str) -> bytes:
        """The content of a file that `event_files` listed.

        Raises `AttachmentTooLarge` beyond `email_max_attachment`, `ItemUnavailable` or `NotFound` where it is gone.
        """
        most = web_services.permit(self.config, self.store)
        listed = next((each for each in self.event_files(event_id) if each.key == key), None)
        if listed is None:
            raise NotFound(f"event {event_id} has no such file; list them again")
        web_services.fits(listed.size, most)
        if listed.way == "eas":
            data = self._converse(partial(fetch_file, file_reference=key))
            web_services.fits(len(data), most)
            return data
        with self._ews() as client:
            return client.file(key, most=most)

    def attach_to_event(
        self, event_id: int, name: str, content: bytes, content_type: str = "", *, send_updates: bool = False
    ) -> None:
        """Attach a file to an event. Over ActiveSync it is a change like any other, told by the next `sync`; over EWS
        it is there at once. `send_updates` as in `change_item`.

        Raises `ReadOnlyMailbox`, `PolicyDenied`, `AttachmentTooLarge`, `NotFound`.
        """
        changing.writable(self.read_only)
        web_services.fits(len(content), web_services.permit(self.config, self.store))
        event = self._event(event_id)
        if not name.strip() or any(ord(character) < 32 for character in name):
            raise UsageError("a file needs a name without control characters")
        if web_services.way(self.store) == "eas":
            added = NewAttachment(name, content, content_type)
            self.change_item(event_id, send_updates=send_updates, attachments=(*event.attachments, added))
            return
        with self._ews() as client:
            item_id, _ = client.event_files(event.uid, event.subject, _start(event))
            client.attach(item_id, name, content, content_type)

    def detach_from_event(self, event_id: int, key: str, *, send_updates: bool = False) -> None:
        """Take a file that `event_files` listed off its event; see `attach_to_event`."""
        changing.writable(self.read_only)
        web_services.permit(self.config, self.store)
        event = self._event(event_id)
        if web_services.way(self.store) == "eas":
            kept = tuple(
                each for each in event.attachments if not isinstance(each, Attachment) or each.file_reference != key
            )
            if len(kept) == len(event.attachments):
                raise NotFound(f"event {event_id} has no such file; list them again")
            self.change_item(event_id, send_updates=send_updates, attachments=kept)
            return
        with self._ews() as client:
            _, files = client.event_files(event.uid, event.subject, _start(event))
            if all(each.key != key for each in files):
                raise NotFound(f"event {event_id} has no such file; list them again")
            client.detach(key)

    def _event(self, event_id: int) -> Event:
        found = self.item(event_id)
        if not isinstance(found, Event):
            raise UsageError(f"item {event_id} is no event")
        return found

    # -- new mail

    def listen_by_ews(
        self,
        take: Take,
        *,
        kind: Literal["pull", "streaming"] = "streaming",
        folders: Sequence[str] = ("Inbox",),
        every: float = 60.0,
        stop: threading.Event | None = None,
        told: Callable[[str], object] | None = None,
        acting_for: str = "",
    ) -> int:
        """Call `take` with each new mail of `folders` as EWS announces it, once each; how many it were.

        Blocks until the subscription's lifetime (`subscription_valid_until`) is over or `stop` is set. `kind`:
        "streaming" keeps a connection open, "pull" asks every so many seconds (`every`). It is renewed every
        `notification_resubscription_interval`; what came while nobody listened is told first. `told` hears
        "subscribed", "listening" (what was missed is told), "renewed", "lost", "waiting", "ended". `acting_for`: the
        credentials are a service account's, the mailbox is that of this address. Mail itself comes by `sync`;
        `ews.matching` says which is which.
        """
        paths = self._paths(folders)
        count = 0
        blaming = self._diagnosis.blaming
        with self._ews(acting_for) as client:
            listening = Listening(
                client,
                web_services.memory(self.config, self.store, acting_for),
                self.config,
                kind,
                paths,
                every,
                stop or threading.Event(),
                now=_now,
                told=(lambda what: None) if told is None else blaming(told),
            )
            for mail in listening:
                blaming(take)(mail)
                count += 1
        return count

    def subscribe_by_ews(
        self, url: str, *, folders: Sequence[str] = ("Inbox",), status_frequency: int = STATUS_FREQUENCY
    ) -> EwsSubscription:
        """Have the server post to `url` when mail comes (push); give each post to `take_notification`.

        `url` has to be one that nobody guesses, and that the server can reach. `status_frequency`: minutes between two
        signs of life, 1 to 1440.
        """
        if not 1 <= status_frequency <= 1440:
            raise UsageError("status_frequency is 1 to 1440 minutes")
        paths = self._paths(folders)
        with self._ews() as client:
            return self._pushing(client).subscribe(url, paths, status_frequency)

    def take_notification(self, body: bytes, take: Take) -> bytes:
        """One post of the server: `take` gets each new mail once; the result is the answer to send with HTTP 200.

        Raises `MalformedResponse` for what is no notification (answer 400). Any other error means that the mails could
        not be looked up: answer 503, and the server posts again.
        """
        with self._ews() as client:
            return self._pushing(client).take(body, self._diagnosis.blaming(take))

    def missed_notifications(self, take: Take) -> None:
        """After a time in which nobody took posts: `take` gets what came meanwhile; what is due is renewed."""
        with self._ews() as client:
            self._pushing(client).catch_up(self._diagnosis.blaming(take))

    def unsubscribe_by_ews(self) -> None:
        """End all subscriptions. A push subscription ends with the answer to the server's next post."""
        memory = web_services.memory(self.config, self.store)
        known = memory.subscriptions()
        if any(each.kind != "push" for each in known):
            with self._ews() as client:
                for each in known:
                    if each.kind != "push":
                        client.unsubscribe(each.id)
        for each in known:
            memory.forget(each.kind)

    def ews_subscriptions(self) -> list[EwsSubscription]:
        """The subscriptions that are remembered."""
        return web_services.memory(self.config, self.store).subscriptions()

    def _pushing(self, client: EwsClient) -> Pushing:
        return Pushing(client, web_services.memory(self.config, self.store), self.config, now=_now)

    def _paths(self, folders: Sequence[str]) -> tuple[str, ...]:
        known = [folder for folder, _, _ in self.store.folders()]
        if not known and tuple(folders) == ("Inbox",):
            return ("inbox",)
        return tuple(web_services.folder_path(find_folder(known, name), known) for name in folders)


def _now() -> float:
    return account.utc_now().timestamp()


def _start(event: Event) -> datetime:
    if isinstance(event.start, datetime):
        return event.start
    if event.start is None:
        raise UsageError(f"event {event.id} has no start, so EWS cannot be asked for it")
    return datetime.combine(event.start, time(), UTC)


def _as_file(attached: Attachment) -> EventFile:
    return EventFile(
        attached.file_reference, attached.name, attached.content_type, attached.size, attached.inline, "eas"
    )


class AsyncWebServices:
    """Methods of `AsyncMailbox`: the same, awaitable; see `WebServices`. Callbacks are called in another thread."""

    _mailbox: Any

    async def event_files(self, event_id: int) -> list[EventFile]:
        """See `Mailbox.event_files`."""
        return await asyncio.to_thread(self._mailbox.event_files, event_id)

    async def event_file(self, event_id: int, key: str) -> bytes:
        """See `Mailbox.event_file`."""
        return await asyncio.to_thread(self._mailbox.event_file, event_id, key)

    async def attach_to_event(
        self, event_id: int, name: str, content: bytes, content_type: str = "", *, send_updates: bool = False
    ) -> None:
        """See `Mailbox.attach_to_event`."""
        call = partial(self._mailbox.attach_to_event, event_id, name, content, content_type, send_updates=send_updates)
        await asyncio.to_thread(call)

    async def detach_from_event(self, event_id: int, key: str, *, send_updates: bool = False) -> None:
        """See `Mailbox.detach_from_event`."""
        await asyncio.to_thread(partial(self._mailbox.detach_from_event, event_id, key, send_updates=send_updates))

    async def listen_by_ews(
        self,
        take: Take,
        *,
        kind: Literal["pull", "streaming"] = "streaming",
        folders: Sequence[str] = ("Inbox",),
        every: float = 60.0,
        stop: threading.Event | None = None,
        told: Callable[[str], object] | None = None,
        acting_for: str = "",
    ) -> int:
        """See `Mailbox.listen_by_ews`. Cancelling it sets `stop`."""
        stop = stop or threading.Event()
        call = partial(
            self._mailbox.listen_by_ews, take, kind=kind, folders=folders, every=every, stop=stop, told=told,
            acting_for=acting_for,
        )  # fmt: skip
        try:
            return await asyncio.to_thread(call)
        except asyncio.CancelledError:
            stop.set()
            raise

    async def subscribe_by_ews(
        self, url: str, *, folders: Sequence[str] = ("Inbox",), status_frequency: int = STATUS_FREQUENCY
    ) -> EwsSubscription:
        """See `Mailbox.subscribe_by_ews`."""
        call = partial(self._mailbox.subscribe_by_ews, url, folders=folders, status_frequency=status_frequency)
        return await asyncio.to_thread(call)

    async def take_notification(self, body: bytes, take: Take) -> bytes:
        """See `Mailbox.take_notification`."""
        return await asyncio.to_thread(self._mailbox.take_notification, body, take)

    async def missed_notifications(self, take: Take) -> None:
        """See `Mailbox.missed_notifications`."""
        await asyncio.to_thread(self._mailbox.missed_notifications, take)

    async def unsubscribe_by_ews(self) -> None:
        """See `Mailbox.unsubscribe_by_ews`."""
        await asyncio.to_thread(self._mailbox.unsubscribe_by_ews)

    async def ews_subscriptions(self) -> list[EwsSubscription]:
        """See `Mailbox.ews_subscriptions`."""
        return await asyncio.to_thread(self._mailbox.ews_subscriptions)
