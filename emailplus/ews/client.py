"""One mailbox over EWS, through exchangelib: what is asked, and how its errors are named."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import exchangelib
import exchangelib.errors as problems
import exchangelib.protocol
import exchangelib.services
import exchangelib.transport
import exchangelib.util
from exchangelib.account import Account
from exchangelib.attachments import AttachmentId, FileAttachment
from exchangelib.ewsdatetime import EWSTimeZone
from exchangelib.properties import DistinguishedFolderId, ItemId, Mailbox, ParentItemId
from exchangelib.services import GetEvents, GetStreamingEvents, SubscribeToPull, SubscribeToPush, SubscribeToStreaming
from exchangelib.util import create_element

from ..errors import (
    ConnectionFailed,
    EmailplusError,
    EwsRefused,
    EwsUnavailable,
    ImpersonationDenied,
    MailboxFull,
    MalformedResponse,
    NotFound,
    ResponseTooLarge,
    ServerBusy,
    SubscriptionLost,
)
from ..model.ews import EventFile, EwsEvent, EwsMail, EwsNotification
from .endpoint import Access
from .notifications import checked
from .transport import MAX_DOCUMENT, MailboxProtocol, pieces

EVENTS = ("NewMailEvent",)
MAX_CHANGES = 512
"""Changes in one answer to SyncFolderItems."""
CONNECTIONS = 2
"""A stream keeps one; everything else takes turns on the other."""
_MAIL_FIELDS = ("message_id", "subject", "sender", "datetime_received", "size", "is_read")
_AROUND = timedelta(hours=36)
"""How far from its start an event is looked for: an all-day event begins at midnight of somebody's zone."""

_END, _TAG = re.compile(rb"</(?:[A-Za-z_][\w.-]{0,30}:)?Envelope\s{0,8}>"), 64

_LOST = (
    problems.ErrorSubscriptionNotFound,
    problems.ErrorInvalidSubscription,
    problems.ErrorExpiredSubscription,
    problems.ErrorInvalidWatermark,
    problems.ErrorReadEventsFailed,
    problems.ErrorMissedNotificationEvents,
    problems.ErrorSubscriptionAccessDenied,
    problems.ErrorSubscriptionUnsubsribed,
)
_PASSING = (
    problems.ErrorInternalServerError,
    problems.ErrorInternalServerTransientError,
    problems.ErrorMailboxStoreUnavailable,
    problems.ErrorConnectionFailed,
    problems.ErrorTimeoutExpired,
    problems.ErrorExceededConnectionCount,
    problems.ErrorTooManyObjectsOpened,
    problems.ErrorMailboxMoveInProgress,
)
_DENIED = (
    problems.ErrorImpersonateUserDenied,
    problems.ErrorImpersonationDenied,
    problems.ErrorImpersonationFailed,
    problems.ErrorNonExistentMailbox,
)
_GONE = (
    problems.ErrorItemNotFound,
    problems.ErrorFolderNotFound,
    problems.ErrorInvalidAttachmentId,
    problems.ErrorInvalidIdMalformed,
    problems.ErrorInvalidId,
)


class EwsClient:
    """Blocking, for one thread at a time; a stream leaves a connection for everything else.

    Raises `EwsUnavailable`, `AuthenticationFailed`, `ImpersonationDenied`, `ServerBusy`, `ConnectionFailed` and its
    kinds, `MalformedResponse`, `EwsRefused`; never errors of exchangelib. Nothing is repeated by itself.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        # Unique, so that exchangelib's process-wide cache of protocols holds nothing of this account.
        nobody = exchangelib.Credentials(secrets.token_hex(8), "")
        config = exchangelib.Configuration(
            service_endpoint=access.url,
            credentials=nobody,
            auth_type=exchangelib.transport.NOAUTH,
            version=exchangelib.Version(exchangelib.Build(15, 0), api_version="Exchange2013_SP1"),
            retry_policy=exchangelib.FailFast(),
            max_connections=CONNECTIONS,
        )
        self._account = Account(
            primary_smtp_address=access.email,
            config=config,
            autodiscover=False,
            access_type=exchangelib.IMPERSONATION if access.acting_for else exchangelib.DELEGATE,
            default_timezone=EWSTimeZone("UTC"),
        )
        del exchangelib.protocol.Protocol[config]
        self._account.protocol = MailboxProtocol.of(access, config)

    def close(self) -> None:
        """Close all connections."""
        self._account.protocol.close()

    def __enter__(self) -> EwsClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _named(self) -> Iterator[None]:
        """exchangelib's errors as ours. Not chained: their texts quote answers, and those quote mail."""
        try:
            yield
        except EmailplusError:
            raise
        except problems.EWSError as problem:
            raise self._as_ours(problem) from None
        except (ValueError, TypeError, KeyError, AttributeError, AssertionError) as problem:
            raise MalformedResponse(f"the answer of EWS cannot be read ({type(problem).__name__})") from None

    def _as_ours(self, problem: Exception) -> EmailplusError:
        code = type(problem).__name__
        if isinstance(problem, problems.ErrorServerBusy):
            return ServerBusy("EWS is busy (ErrorServerBusy)", getattr(problem, "back_off", None))
        if isinstance(problem, _PASSING):
            return ServerBusy(f"EWS cannot do it now ({code})")
        if isinstance(problem, _DENIED) or (
            isinstance(problem, problems.ErrorAccessDenied) and self._access.acting_for
        ):
            return ImpersonationDenied(
                f"EWS does not let this account act for {self._access.email} ({code}): "
                "it needs the role ApplicationImpersonation",
                code=code,
            )
        if isinstance(problem, problems.ErrorAccessDenied):
            return EwsUnavailable("blocked", "the server denies access to this mailbox (ErrorAccessDenied)")
        if isinstance(problem, _LOST):
            return SubscriptionLost(f"the server no longer knows the subscription ({code})", code=code)
        if isinstance(problem, _GONE):
            return NotFound(f"EWS does not have it ({code})")
        if isinstance(problem, problems.ErrorQuotaExceeded):
            return MailboxFull("the mailbox is full (ErrorQuotaExceeded)")
        if isinstance(problem, problems.ResponseMessageError):
            return EwsRefused(f"EWS answers {code}", code=code)
        return MalformedResponse(f"the answer of EWS cannot be read ({code})")

    # -- mail

    def mails(self, item_ids: Iterable[str]) -> list[EwsMail]:
        """What is needed to tell one mail from another; those that are gone by now are left out."""
        wanted = [ItemId(item_id) for item_id in dict.fromkeys(item_ids)]
        if not wanted:
            return []
        with self._named():
            found = list(self._account.fetch(wanted, only_fields=_MAIL_FIELDS))
        for each in found:
            if isinstance(each, Exception) and not isinstance(each, _GONE):
                raise self._as_ours(each)
        return [_mail(each) for each in found if not isinstance(each, Exception)]

    def changes(self, folder: str, state: str | None, since: datetime | None = None) -> tuple[list[EwsMail], str]:
        """What was created in a folder since `state` (None: everything is old), and the state after it.

        Where the server no longer knows the state: what is unread and was received after `since`, at most
        `MAX_CHANGES` mails, the oldest first, and a fresh state.
        """
        with self._named():
            place: Any = self._folder(folder)
            place.item_sync_state = state
            created: list[EwsMail] = []
            lost: datetime | None = None
            if state:
                try:
                    every = place.sync_items(only_fields=_MAIL_FIELDS, max_changes_returned=MAX_CHANGES)
                    created = [_mail(item) for kind, item in every if kind == "create" and hasattr(item, "is_read")]
                except problems.ErrorInvalidSyncStateData:
                    lost, state = since, None
                    place.item_sync_state = None
            if not state:
                for _ in place.sync_items(only_fields=("subject",), max_changes_returned=MAX_CHANGES):
                    continue  # what is there is old; the state behind it is what is wanted
            if lost is not None:
                unread = place.filter(is_read=False, datetime_received__gte=lost.astimezone(EWSTimeZone("UTC")))
                found = unread.order_by("datetime_received").only(*_MAIL_FIELDS)[:MAX_CHANGES]
                created = [_mail(item) for item in found if not isinstance(item, Exception)]
            return created, str(place.item_sync_state or "")

    def _folder(self, path: str) -> Any:
        """``inbox``, another distinguished name, or a path below one: ``inbox/Projects``."""
        first, _, rest = path.partition("/")
        known = {"sentitems": "sent", "deleteditems": "trash", "junkemail": "junk", "msgfolderroot": "msg_folder_root"}
        place: Any = getattr(self._account, known.get(first, first))
        for name in filter(None, rest.split("/")):
            place = place / name
        return place

    # -- subscriptions

    def _watched(self, folders: Sequence[str]) -> list[Any]:
        owner = Mailbox(email_address=self._access.email)
        return [
            self._folder(path) if "/" in path else DistinguishedFolderId(id=path, mailbox=owner) for path in folders
        ]

    def subscribe_push(
        self, folders: Sequence[str], url: str, *, status_frequency: int, watermark: str = ""
    ) -> tuple[str, str]:
        """Id and watermark of a new push subscription; from `watermark` on where there is one."""
        service = _Push(account=self._account)
        with self._named():
            made = service.get(
                folders=self._watched(folders),
                event_types=EVENTS,
                watermark=watermark or None,
                status_frequency=status_frequency,
                url=url,
            )
        return str(made[0]), str(made[1])

    def subscribe_pull(self, folders: Sequence[str], *, minutes: int, watermark: str = "") -> tuple[str, str]:
        """Id and watermark of a new pull subscription that lives `minutes` between two questions."""
        service = _Pull(account=self._account)
        with self._named():
            made = service.get(
                folders=self._watched(folders), event_types=EVENTS, watermark=watermark or None, timeout=minutes
            )
        return str(made[0]), str(made[1])

    def subscribe_streaming(self, folders: Sequence[str]) -> str:
        """Id of a new streaming subscription."""
        with self._named():
            service = SubscribeToStreaming(account=self._account)
            return str(service.get(folders=self._watched(folders), event_types=EVENTS))

    def unsubscribe(self, subscription_id: str) -> None:
        """End a pull or a streaming subscription. One that the server does not know has ended."""
        try:
            with self._named():
                exchangelib.services.Unsubscribe(account=self._account).get(subscription_id=subscription_id)
        except SubscriptionLost:
            return

    def events(self, subscription_id: str, watermark: str) -> list[EwsNotification]:
        """What a pull subscription has since a watermark."""
        with self._named():
            found = GetEvents(account=self._account).call(subscription_id=subscription_id, watermark=watermark)
            return [_notification(each) for each in found]

    def stream(self, subscription_id: str, minutes: int, stop: threading.Event) -> Iterator[EwsNotification]:
        """Notifications as they come, until the server closes after `minutes`, or `stop` is set."""
        service = _Streaming(account=self._account)
        service.stop = stop
        service.silence = self._access.timeout
        over = threading.Event()
        cutter = threading.Thread(target=_cut, args=(service, stop, over), name="emailplus-ews-stop", daemon=True)
        cutter.start()
        try:
            with self._named():
                for each in service.call(subscription_ids=[subscription_id], connection_timeout=minutes):
                    yield _notification(each)
        finally:
            over.set()

    # -- files of events

    def event_files(self, uid: str, subject: str, start: datetime) -> tuple[str, list[EventFile]]:
        """ItemId of an event and its files. Raises `NotFound`."""
        with self._named():
            event = self._event(uid, subject, start)
            return str(event.id), [_file(each) for each in event.attachments or ()]

    def _event(self, uid: str, subject: str, start: datetime) -> Any:
        zone = EWSTimeZone("UTC")
        span = ((start - _AROUND).astimezone(zone), (start + _AROUND).astimezone(zone))
        near = self._account.calendar.filter(start__range=span).only("uid", "subject", "start")
        found = [each for each in near if not isinstance(each, Exception)]
        same = [each for each in found if uid and (each.uid or "").casefold() == uid.casefold()]
        if not same:
            alike = [each for each in found if (each.subject or "") == subject and not (uid and each.uid)]
            same = alike if len(alike) == 1 else []
        if not same:
            raise NotFound("EWS has no such event in the calendar: is it in another calendar, or just made?")
        (event,) = self._account.fetch([ItemId(same[0].id)], only_fields=("subject", "attachments"))
        if isinstance(event, Exception):
            raise event
        return event

    def file(self, key: str, *, most: int) -> bytes:
        """The content of a file of an event. Raises `NotFound`, `ResponseTooLarge` beyond `most` bytes."""
        service = exchangelib.services.GetAttachment(account=self._account)
        with self._named():
            attached = service.get(
                items=[AttachmentId(id=key)], include_mime_content=True, body_type=None, filter_html_content=None,
                additional_fields=None,
            )  # fmt: skip
            if isinstance(attached, FileAttachment):
                data = attached._content or b""
            else:
                data = getattr(attached._item, "mime_content", None) or b""
        if len(data) > most:
            raise ResponseTooLarge(f"the file has {len(data)} bytes, more than the {most} that were asked for")
        return bytes(data)

    def attach(self, item_id: str, name: str, content: bytes, content_type: str) -> str:
        """Add a file to an item; its key."""
        service = exchangelib.services.CreateAttachment(account=self._account)
        with self._named():
            made = service.get(
                parent_item=ParentItemId(item_id),
                items=[FileAttachment(name=name, content=content, content_type=content_type or None)],
            )
            return str(made.attachment_id.id)

    def detach(self, key: str) -> None:
        """Take a file off its item. Raises `NotFound`."""
        with self._named():
            exchangelib.services.DeleteAttachment(account=self._account).get(items=[AttachmentId(id=key)])


def _mail(item: Any) -> EwsMail:
    sender = getattr(item, "sender", None)
    received = getattr(item, "datetime_received", None)
    return EwsMail(
        item_id=str(item.id),
        message_id=(getattr(item, "message_id", None) or "").strip().strip("<>"),
        subject=getattr(item, "subject", None) or "",
        sender=(sender.email_address or "") if sender is not None else "",
        received=datetime.fromtimestamp(received.timestamp(), UTC) if received is not None else None,
        size=getattr(item, "size", None) or 0,
        read=bool(getattr(item, "is_read", False)),
    )


def _notification(found: Any) -> EwsNotification:
    events = []
    for each in found.events or ():
        item, folder = getattr(each, "item_id", None), getattr(each, "parent_folder_id", None)
        when = getattr(each, "timestamp", None)
        events.append(
            EwsEvent(
                kind=each.ELEMENT_NAME.removesuffix("Event"),
                item_id=item.id if item is not None else "",
                folder_id=folder.id if folder is not None else "",
                when=datetime.fromtimestamp(when.timestamp(), UTC) if when is not None else None,
                watermark=each.watermark or "",
            )
        )
    return EwsNotification(
        subscription_id=found.subscription_id or "",
        events=tuple(events),
        previous_watermark=found.previous_watermark or "",
        more=bool(found.more_events),
    )


def _file(attached: Any) -> EventFile:
    return EventFile(
        key=attached.attachment_id.id,
        name=attached.name or "",
        content_type=attached.content_type or "",
        size=attached.size or 0,
        inline=bool(attached.is_inline),
        way="ews",
    )


def _with_watermark(payload: Any, watermark: str | None) -> Any:
    """The watermark in the namespace and the place that the schema gives it: exchangelib writes it elsewhere."""
    if watermark:
        types = payload[0].find("{http://schemas.microsoft.com/exchange/services/2006/types}EventTypes")
        mark = create_element("t:Watermark")
        mark.text = watermark
        types.addnext(mark)
    return payload


def _cut(service: _Streaming, stop: threading.Event, over: threading.Event) -> None:
    """End the reading of a stream as soon as `stop` is set: the server may say nothing for a minute."""
    while not over.is_set():
        if stop.wait(1.0):
            response = service._streaming_response
            shutdown = getattr(getattr(response, "raw", None), "shutdown", None)
            if shutdown is not None and not over.is_set():
                with suppress(ValueError, OSError, RuntimeError):  # it ended by itself just now
                    shutdown()
            return


class _Pull(SubscribeToPull):  # type: ignore[misc]
    def get_payload(self, folders: Any, event_types: Any, watermark: Any, timeout: Any) -> Any:
        """SubscribeType of messages.xsd."""
        return _with_watermark(super().get_payload(folders, event_types, None, timeout), watermark)


class _Push(SubscribeToPush):  # type: ignore[misc]
    def get_payload(self, folders: Any, event_types: Any, watermark: Any, status_frequency: Any, url: Any) -> Any:
        """SubscribeType of messages.xsd."""
        return _with_watermark(super().get_payload(folders, event_types, None, status_frequency, url), watermark)


class _Streaming(GetStreamingEvents):  # type: ignore[misc]
    """exchangelib's reading of a stream, document by document, bounded."""

    stop: threading.Event
    silence: float

    def _get_soap_messages(self, body: Any) -> Iterator[Any]:
        for document in self._documents(body):
            parts = exchangelib.util.DummyResponse(content=document)
            _, inside = super(GetStreamingEvents, self)._get_soap_parts(response=parts)
            yield from super(GetStreamingEvents, self)._get_soap_messages(body=inside)
            if self.connection_status == self.CLOSED or self.stop.is_set():
                return

    def _documents(self, response: Any) -> Iterator[bytes]:
        """The envelopes of a stream; each as soon as its end tag is there."""
        held, looked = b"", 0
        arriving = pieces(response, self.silence)
        while True:
            try:
                piece = next(arriving, b"")
            except ConnectionFailed:
                if self.stop.is_set():
                    return  # cut by ourselves
                raise
            if self.stop.is_set() or not piece:
                return
            held += piece
            while (end := _END.search(held, looked)) is not None:
                document, held, looked = held[: end.end()], held[end.end() :].lstrip(), 0
                yield checked(document, limit=MAX_DOCUMENT)
            looked = max(0, len(held) - _TAG)
            if len(held) > MAX_DOCUMENT:
                raise ResponseTooLarge("a document of the stream of EWS does not end")
