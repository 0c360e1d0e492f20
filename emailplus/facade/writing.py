"""Writing mail: new messages, answers, drafts, the outbox. The work is done in `sending` and `eas.flows.send`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial

from .. import account, changing, drafting, sending
from ..drafting import People
from ..eas.flows.fetch_mime import fetch_mime
from ..eas.flows.synchronise import RunPlan, send_outbox
from ..errors import (
    ConnectionFailed,
    MailboxFull,
    RecipientsRefused,
    RightsRefused,
    SendQuotaExceeded,
    SendRefused,
    ServerBusy,
)
from ..markings import MailboxClassification
from ..mime.page import Page
from ..model.draft import Draft, DraftAttachment, Invitation, StoredDraft
from ..model.event import Event
from ..model.outbox import OutboxEntry, OutboxState
from ..model.questions import Confirm
from ..reading import Reading
from ..rms.gate import Door, Operation, require
from ..sending import Sending
from ..settings import MailboxSettings
from ..store import originals, outbox, rights
from ..store.guarded import inside
from . import AsyncOnline, Listener, Online

_RECIPIENTS = frozenset({116, 119, 183})
_PROGRESS = (
    OutboxState.FAILED, OutboxState.QUEUED, OutboxState.SENT, OutboxState.UNCERTAIN, OutboxState.CONFIRMED,
)  # fmt: skip


class Writing(Online):
    """New mail, answers, drafts and the outbox of a `Mailbox`."""

    settings: MailboxSettings
    classification: MailboxClassification
    door: Door
    read_only: bool
    reading: Reading

    def _sending(self, confirm: Confirm | None = None) -> Sending:
        return Sending(
            self.config,
            self.settings.in_force(),
            inside(self.store),
            account.utc_now(),
            confirm,
            classifier=self.classification.classifier,
            door=self.door,
        )

    def new(
        self,
        *,
        to: People = (),
        cc: People = (),
        bcc: People = (),
        subject: str = "",
        text: str = "",
        html: str = "",
        attachments: Iterable[DraftAttachment] = (),
        invitation: Invitation | Event | None = None,
    ) -> Draft:
        """A new message with the user's signature; nothing is saved or sent. Raises `UsageError` for a bad address.

        `invitation` adds a calendar part: one that is made (`emailplus.calendar.invitation`), or an event, whose
        attendees, subject and text then stand in for those that are not given (``emailplus[calendar]``).
        """
        return drafting.new(
            self._sending(), to=to, cc=cc, bcc=bcc, subject=subject, text=text, html=html, attachments=attachments,
            invitation=invitation,
        )  # fmt: skip

    def reply(self, message_id: int, *, text: str = "", html: str = "") -> Draft:
        """An answer to whoever wrote message `message_id`. Raises `NotFound`."""
        return drafting.reply(self._sending(), message_id, text=text, html=html)

    def reply_all(self, message_id: int, *, text: str = "", html: str = "") -> Draft:
        """An answer to everyone in it but ourselves. Raises `NotFound`."""
        return drafting.reply(self._sending(), message_id, text=text, html=html, to_all=True)

    def forward(
        self, message_id: int, *, to: People = (), text: str = "", html: str = "", as_attachment: bool = False
    ) -> Draft:
        """The message with its attachments for someone else; `as_attachment`: whole, as message/rfc822.

        Raises `NotFound`, or `UsageError` for `as_attachment` of one whose MIME is not in the store.
        """
        return drafting.forward(self._sending(), message_id, to=to, text=text, html=html, as_attachment=as_attachment)

    def redirect(self, source: int | Draft, *, to: People, cc: People = (), bcc: People = ()) -> Draft:
        """A message of the store, or a draft, to other people: the same content, with nothing added to it.

        We are its sender; answers go to who wrote it. Raises `NotFound`, `RightsDenied` without the rights to forward,
        edit and export, and `UsageError` for an address that is none.
        """
        return drafting.redirect(self._sending(), source, to=to, cc=cc, bcc=bcc)

    def draft_from(self, mime: bytes) -> Draft:
        """The draft that a MIME message stands for, recipients from its header. Raises `UsageError`."""
        return drafting.from_mime(self._sending(), mime)

    def save(self, draft: Draft) -> int:
        """Keep a draft with its attachments in the store, over the one with its `id`; the id. Raises `NotFound`."""
        changing.writable(self.read_only)
        return drafting.save(self._sending(), draft)

    def draft(self, draft_id: int) -> Draft:
        """A saved draft, whole. Raises `NotFound`, and `RightsDenied` where it answers protected mail whose content is
        not for here: what was taken from it is under its licence."""
        require(rights.of_draft(self.store.database, draft_id), Operation.READ, self.door, account.utc_now())
        return outbox.load_draft(self.store.database, draft_id)

    def drafts(self) -> list[StoredDraft]:
        """The saved drafts that are not on their way out, latest first."""
        return outbox.drafts(self.store.database)

    def discard(self, draft_id: int) -> None:
        """Remove a saved draft. Raises `NotFound`, or `UsageError` for one that waits in the outbox."""
        changing.writable(self.read_only)
        drafting.discard(self.store, draft_id)

    def outbox(self) -> list[OutboxEntry]:
        """What waits, what failed, and what was sent lately; oldest first."""
        return outbox.entries(self.store.database)

    def withdraw(self, entry_id: int) -> int | None:
        """Take a message that did not leave out of the outbox; the id of its draft, None if it had none.

        Raises `NotFound`, or `UsageError` for one that was or may have been sent.
        """
        changing.writable(self.read_only)
        return outbox.withdraw(self.store.database, entry_id)

    def preview(self, draft: Draft) -> Page:
        """The page of a draft as it will arrive: signature, quotation, marking and the watermark; nothing is sent.

        Raises what the stages of sending refuse about its text (`sending.preview`).
        """
        return self.reading.draft_page(sending.preview(draft, self._sending()).message, draft.original)

    def send(
        self,
        draft: Draft,
        *,
        confirm: Confirm | None = None,
        listener: Listener | None = None,
        version: str | None = None,
    ) -> OutboxEntry:
        """Put a message in the outbox and send what is there; how far it came.

        `state` of the result is "confirmed" when the server took it. A server that cannot be reached or is busy leaves
        it "queued", a lost answer "uncertain"; the next `sync` or `send` goes on, and nothing is sent twice. The same
        draft handed in again is the same message.

        `confirm` answers the questions of `emailplus.model.questions`; without it `ConfirmationNeeded` is raised, for a
        no `Declined`, and nothing was written. Raises what a stage of sending refuses (`UsageError`, `PolicyError`,
        `SmimeError`), `SendRefused` and its kinds or `MailboxFull` where the server refuses the message, and
        `AuthenticationFailed`, `PolicyError` where it refuses us: the message is in the outbox then.
        """
        self._before_send(draft)
        numbers = self._queue(draft, confirm)
        try:
            self.flush(listener=listener, version=version)
        except (ConnectionFailed, ServerBusy):  # it waits
            pass
        return self._outcome(numbers)

    def report_phishing(
        self, message_id: int, *, text: str = "", confirm: Confirm | None = None, listener: Listener | None = None
    ) -> OutboxEntry:
        """Report a message to `report_phishing_address`, attached whole, byte for byte; as `send`.

        Where its MIME is not in the store it is fetched. Raises `PolicyDenied` where the key is not set, `NotFound`,
        `ItemUnavailable` where the server no longer has the message, and as `send`.
        """
        changing.writable(self.read_only)
        drafting.phishing_report(self._sending(), message_id, b"")
        draft = drafting.phishing_report(self._sending(), message_id, self.original_mime(message_id), text=text)
        return self.send(draft, confirm=confirm, listener=listener)

    def original_mime(self, message_id: int) -> bytes:
        """The MIME of a message, byte for byte: from the store, else from the server. That of protected mail is sealed,
        as it arrived. Raises `NotFound`, `ItemUnavailable`, and as `sync`."""
        kept = originals.mime_of(self.store, message_id)
        if kept is not None:
            return kept
        collection, item = originals.place_of(self.store, message_id)
        return self._converse(partial(fetch_mime, collection_id=collection, server_id=item))

    def flush(self, *, listener: Listener | None = None, version: str | None = None) -> list[OutboxEntry]:
        """Send what waits in the outbox, answers to meeting requests first; what is still in it. Raises as `sync`."""
        changing.writable(self.read_only)
        self._converse(lambda session: send_outbox(session, self._send_plan()), listener, version)
        return [entry for entry in self.outbox() if entry.state is not OutboxState.CONFIRMED]

    def _send_plan(self) -> RunPlan:
        now = account.utc_now()
        held = self.settings.in_force()
        choice = self.settings.choices().sync_period
        return RunPlan(
            account.mail_decision(self.config, now, held, period=choice, tell_messages=False), now.timestamp()
        )

    def _before_send(self, draft: Draft) -> None:
        """What is to be asked of the server before the stages of sending run; see `facade.protected`."""

    def _queue(self, draft: Draft, confirm: Confirm | None) -> list[int]:
        changing.writable(self.read_only)
        batch = sending.prepare(draft, self._sending(confirm))
        return [entry.id for entry in self.store.apply(batch)]

    def _outcome(self, numbers: list[int]) -> OutboxEntry:
        """The parcel that came least far. Raises `SendRefused` or `MailboxFull` if that one failed."""
        found = [outbox.entry(self.store.database, number) for number in numbers]
        last = min(found, key=lambda entry: _PROGRESS.index(entry.state))
        if last.state is OutboxState.FAILED:
            raise refusal(last)
        return last


def refusal(entry: OutboxEntry) -> SendRefused | MailboxFull:
    """The error for a message that failed."""
    text = f"the message was not sent and stays in the outbox: {entry.reason}"
    if entry.status == 113:
        return MailboxFull(text)
    kind = SendRefused
    if entry.status in _RECIPIENTS:
        kind = RecipientsRefused
    elif entry.status == 115:
        kind = SendQuotaExceeded
    elif entry.status in range(168, 173):
        kind = RightsRefused
    return kind(text, command=entry.command, status=entry.status or 0, entry=entry)


class AsyncWriting(AsyncOnline):
    """`Writing` for asyncio: the same methods, awaitable."""

    _mailbox: Writing

    async def new(
        self,
        *,
        to: People = (),
        cc: People = (),
        bcc: People = (),
        subject: str = "",
        text: str = "",
        html: str = "",
        attachments: Iterable[DraftAttachment] = (),
        invitation: Invitation | Event | None = None,
    ) -> Draft:
        """See `Mailbox.new`."""
        call = partial(
            self._mailbox.new, to=to, cc=cc, bcc=bcc, subject=subject, text=text, html=html, attachments=attachments,
            invitation=invitation,
        )  # fmt: skip
        return await asyncio.to_thread(call)

    async def reply(self, message_id: int, *, text: str = "", html: str = "") -> Draft:
        """See `Mailbox.reply`."""
        return await asyncio.to_thread(self._mailbox.reply, message_id, text=text, html=html)

    async def reply_all(self, message_id: int, *, text: str = "", html: str = "") -> Draft:
        """See `Mailbox.reply_all`."""
        return await asyncio.to_thread(self._mailbox.reply_all, message_id, text=text, html=html)

    async def forward(
        self, message_id: int, *, to: People = (), text: str = "", html: str = "", as_attachment: bool = False
    ) -> Draft:
        """See `Mailbox.forward`."""
        call = partial(self._mailbox.forward, message_id, to=to, text=text, html=html, as_attachment=as_attachment)
        return await asyncio.to_thread(call)

    async def redirect(self, source: int | Draft, *, to: People, cc: People = (), bcc: People = ()) -> Draft:
        """See `Mailbox.redirect`."""
        call = partial(self._mailbox.redirect, source, to=to, cc=cc, bcc=bcc)
        return await asyncio.to_thread(call)

    async def draft_from(self, mime: bytes) -> Draft:
        """See `Mailbox.draft_from`."""
        return await asyncio.to_thread(self._mailbox.draft_from, mime)

    async def save(self, draft: Draft) -> int:
        """See `Mailbox.save`."""
        return await asyncio.to_thread(self._mailbox.save, draft)

    async def draft(self, draft_id: int) -> Draft:
        """See `Mailbox.draft`."""
        return await asyncio.to_thread(self._mailbox.draft, draft_id)

    async def drafts(self) -> list[StoredDraft]:
        """See `Mailbox.drafts`."""
        return await asyncio.to_thread(self._mailbox.drafts)

    async def discard(self, draft_id: int) -> None:
        """See `Mailbox.discard`."""
        await asyncio.to_thread(self._mailbox.discard, draft_id)

    async def outbox(self) -> list[OutboxEntry]:
        """See `Mailbox.outbox`."""
        return await asyncio.to_thread(self._mailbox.outbox)

    async def withdraw(self, entry_id: int) -> int | None:
        """See `Mailbox.withdraw`."""
        return await asyncio.to_thread(self._mailbox.withdraw, entry_id)

    async def preview(self, draft: Draft) -> Page:
        """See `Mailbox.preview`."""
        return await asyncio.to_thread(self._mailbox.preview, draft)

    async def send(
        self,
        draft: Draft,
        *,
        confirm: Confirm | None = None,
        listener: Listener | None = None,
        version: str | None = None,
    ) -> OutboxEntry:
        """See `Mailbox.send`. `confirm` is called in another thread, `listener` in the event loop."""
        await self._before_send(draft)
        numbers = await asyncio.to_thread(self._mailbox._queue, draft, confirm)
        try:
            await self.flush(listener=listener, version=version)
        except (ConnectionFailed, ServerBusy):
            pass
        return await asyncio.to_thread(self._mailbox._outcome, numbers)

    async def _before_send(self, draft: Draft) -> None:
        """See `Writing._before_send`."""

    async def report_phishing(
        self, message_id: int, *, text: str = "", confirm: Confirm | None = None, listener: Listener | None = None
    ) -> OutboxEntry:
        """See `Mailbox.report_phishing`."""
        state = await asyncio.to_thread(self._mailbox._sending)
        await asyncio.to_thread(drafting.phishing_report, state, message_id, b"")
        mime = await self.original_mime(message_id)
        draft = await asyncio.to_thread(partial(drafting.phishing_report, state, message_id, mime, text=text))
        return await self.send(draft, confirm=confirm, listener=listener)

    async def original_mime(self, message_id: int) -> bytes:
        """See `Mailbox.original_mime`."""
        kept = await asyncio.to_thread(originals.mime_of, self._mailbox.store, message_id)
        if kept is not None:
            return kept
        collection, item = await asyncio.to_thread(originals.place_of, self._mailbox.store, message_id)
        return await self._converse(partial(fetch_mime, collection_id=collection, server_id=item))

    async def flush(self, *, listener: Listener | None = None, version: str | None = None) -> list[OutboxEntry]:
        """See `Mailbox.flush`. Waits for a sync that is under way."""
        changing.writable(self._mailbox.read_only)
        plan = await asyncio.to_thread(self._mailbox._send_plan)
        await self._converse(lambda session: send_outbox(session, plan), listener, version)
        return [entry for entry in await self.outbox() if entry.state is not OutboxState.CONFIRMED]
