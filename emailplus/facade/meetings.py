"""Answering meeting requests."""

from __future__ import annotations

import asyncio
import secrets
from datetime import datetime
from functools import partial
from typing import Any

from .. import changing, drafting, inviting
from ..drafting import People
from ..eas import status
from ..eas.commands.compose_mail import Source
from ..eas.commands.meeting_response import MeetingAnswer, MeetingResult, Reply, UserResponse
from ..eas.flows import meetings
from ..eas.versions import VERSIONS
from ..errors import ConnectionFailed, ServerBusy, UsageError
from ..model.event import Event
from ..model.questions import Confirm
from ..policy import recipients
from ..store import items
from ..store.found import place, place_of_item
from . import Dialogue
from .writing import AsyncWriting, Writing

_RESPONSES = {"accept": UserResponse.ACCEPT, "tentative": UserResponse.TENTATIVE, "decline": UserResponse.DECLINE}


def _result(results: list[MeetingResult]) -> MeetingResult:
    if results[0].status != status.OK:
        raise status.error("MeetingResponse", results[0].status)
    return results[0]


class Meetings(Writing):
    """Methods of `Mailbox`."""

    def respond(
        self,
        message_id: int,
        response: str,
        *,
        reply: str | None = None,
        proposed: tuple[datetime, datetime] | None = None,
        confirm: Confirm | None = None,
    ) -> MeetingResult:
        """Answer a meeting request: "accept", "tentative" or "decline". The next `sync` brings the calendar's change.

        `reply`: what is mailed to the organiser, "" for the bare answer; None: the organiser is told nothing. From 16.0
        on the server mails it. Up to 14.1 it goes through the outbox once the server has taken the answer
        (``emailplus[calendar]``), and `confirm` answers the questions of sending. `proposed`: another time, aware start
        and end (16.1, and up to 14.1). Raises `CommandFailed` (status 2) for what is no meeting request, `NotFound`,
        and what sending refuses.
        """
        results = self._converse(self._answering(message_id, response, reply, proposed, confirm))
        if reply is not None:
            try:
                self.flush()
            except (ConnectionFailed, ServerBusy):  # it waits in the outbox
                pass
        return _result(results)

    def forward_event(self, item_id: int, to: People, *, text: str = "", confirm: Confirm | None = None) -> None:
        """Forward an event to others, with a note; the server mails them, and its organiser stays what it is.

        From ActiveSync 16.0 on, else `NotOffered`: forward the message that brought it. `confirm` answers
        `UnsafeRecipients`. Raises `NotFound` for an event that the server does not have, `UsageError` for what is none,
        `CommandFailed`.
        """
        self._converse(self._forwarding(item_id, to, text, confirm))

    def _forwarding(self, item_id: int, to: People, text: str, confirm: Confirm | None) -> Dialogue[None]:
        changing.writable(self.read_only)
        if not isinstance(items.item(self.store.database, item_id), Event):
            raise UsageError("only an event is forwarded like this")
        people = drafting.people(to)
        collection_id, server_id = place_of_item(self.store.database, item_id)
        question = recipients.question(people, self.config)
        if question is not None:
            changing.ask(confirm, question)
        forwardees = [(person.name, person.address) for person in people]
        source = Source(collection_id, server_id)
        return partial(
            meetings.forward, source=source, forwardees=forwardees, client_id=secrets.token_hex(16), note=text
        )

    def _answering(
        self,
        message_id: int,
        response: str,
        reply: str | None,
        proposed: tuple[datetime, datetime] | None,
        confirm: Confirm | None,
    ) -> Dialogue[list[MeetingResult]]:
        changing.writable(self.read_only)
        if response not in _RESPONSES:
            raise UsageError(f"a meeting is answered with one of {', '.join(_RESPONSES)}, not {response!r}")
        if proposed is not None and reply is None:
            raise UsageError("another time is proposed in a reply; give one, even an empty one")
        collection_id, server_id = place(self.store.database, message_id)
        told = Reply(reply, proposed=proposed) if reply is not None else None
        answer = MeetingAnswer(_RESPONSES[response], collection_id, server_id, reply=told)
        version = VERSIONS.get(self.store.account().get("version", ""))
        mail = None
        if reply is not None and version is not None and version.code < meetings.MAILS_BY_ITSELF:
            message = self.store.message(message_id)
            if message.meeting is not None:  # what is no request the server refuses
                mail = inviting.reply(self._sending(confirm), message, response, text=reply, proposed=proposed)
        return partial(meetings.respond, answers=[answer], mail=mail)


class AsyncMeetings(AsyncWriting):
    """Methods of `AsyncMailbox`."""

    _mailbox: Any

    async def respond(
        self,
        message_id: int,
        response: str,
        *,
        reply: str | None = None,
        proposed: tuple[datetime, datetime] | None = None,
        confirm: Confirm | None = None,
    ) -> MeetingResult:
        """See `Mailbox.respond`. `confirm` is called in another thread."""
        call = partial(self._mailbox._answering, message_id, response, reply, proposed, confirm)
        results = await self._converse(await asyncio.to_thread(call))
        if reply is not None:
            try:
                await self.flush()
            except (ConnectionFailed, ServerBusy):
                pass
        return _result(results)

    async def forward_event(self, item_id: int, to: People, *, text: str = "", confirm: Confirm | None = None) -> None:
        """See `Mailbox.forward_event`. `confirm` is called in another thread."""
        held: Meetings = self._mailbox
        await self._converse(await asyncio.to_thread(held._forwarding, item_id, to, text, confirm))
