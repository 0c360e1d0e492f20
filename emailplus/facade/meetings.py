"""Answering meeting requests."""

from __future__ import annotations

import asyncio
import secrets
from datetime import datetime
from functools import partial
from typing import Any

from .. import account, changing, drafting, inviting
from ..drafting import People
from ..eas import status
from ..eas.commands import meeting_response
from ..eas.commands.compose_mail import Source
from ..eas.commands.meeting_response import MeetingAnswer, MeetingResult, Reply
from ..eas.flows import meetings
from ..eas.flows.answers import RESPONSES, AnswersTold
from ..eas.flows.meetings import MAILS_BY_ITSELF
from ..eas.flows.synchronise import send_outbox
from ..eas.versions import VERSIONS
from ..errors import CommandFailed, ConnectionFailed, ServerBusy, UsageError
from ..model.answers import AnswerMeeting, AnswerState, DropAnswer, PendingAnswer
from ..model.event import Event
from ..model.questions import Confirm
from ..policy import recipients
from ..store import answers, items
from ..store.found import place, place_of_item
from . import Dialogue
from .writing import AsyncWriting, Writing


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

        The answer is kept until the server has taken it. Where the server cannot be reached, is busy, or its own answer
        was lost, `waits` is set in the result: the next `sync` or `flush` goes on (`waiting_answers`), and a later call
        for the same message takes its place.

        `reply`: what is mailed to the organiser, "" for the bare answer; None: the organiser is told nothing. From 16.0
        on the server mails it. Up to 14.1 it goes through the outbox once the server has taken the answer
        (``emailplus[calendar]``), and `confirm` answers the questions of sending. `proposed`: another time, aware start
        and end (16.1, and up to 14.1). Raises `CommandFailed` (status 2) for what is no meeting request, `NotFound`,
        and what sending refuses; nothing of a refused answer is kept but its line. `AuthenticationFailed` and
        `PolicyError` are raised as by `sync`, and the answer waits.
        """
        number = self._answer(message_id, response, reply, proposed, confirm)
        told = AnswersTold()
        try:
            told = self._converse(lambda session: send_outbox(session, self._send_plan())).answers
        except (ConnectionFailed, ServerBusy):  # it waits
            pass
        return self._came_of(number, told)

    def waiting_answers(self) -> list[PendingAnswer]:
        """Answers to meeting requests that wait for the server, and what it refused last (`state` "failed")."""
        return answers.pending(self.store.database)

    def drop_answer(self, answer_id: int) -> None:
        """Take an answer back that is queued or failed. Raises `NotFound`, or `UsageError` for one that was sent."""
        changing.writable(self.read_only)
        self.store.apply(DropAnswer(answer_id))

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

    def _answer(
        self,
        message_id: int,
        response: str,
        reply: str | None,
        proposed: tuple[datetime, datetime] | None,
        confirm: Confirm | None,
    ) -> int:
        """Keep the answer, with the mail that goes with it where the server may not write it; its id."""
        changing.writable(self.read_only)
        if response not in RESPONSES:
            raise UsageError(f"a meeting is answered with one of {', '.join(RESPONSES)}, not {response!r}")
        if proposed is not None and reply is None:
            raise UsageError("another time is proposed in a reply; give one, even an empty one")
        place(self.store.database, message_id)
        version = VERSIONS.get(self.store.account().get("version", ""))
        wanted = Reply(reply, proposed=proposed) if reply is not None else None
        if version is not None and version.code >= MAILS_BY_ITSELF:
            meeting_response.build([MeetingAnswer(RESPONSES[response], "0", "0", reply=wanted)], version)
        mail = None
        if reply is not None and (version is None or version.code < MAILS_BY_ITSELF):
            (message,) = self.store.messages([message_id])  # `place` found it
            if message.meeting is not None:  # what is no request the server refuses
                mail = inviting.reply(self._sending(confirm), message, response, text=reply, proposed=proposed)
        now = account.utc_now().timestamp()
        return int(self.store.apply(AnswerMeeting(message_id, response, now, reply, proposed, mail)))

    def _came_of(self, number: int, told: AnswersTold) -> MeetingResult:
        """The result of an answer, or why the server does not take it."""
        if number in told.refused:
            raise told.refused[number]
        if number in told.taken:
            return told.taken[number]
        kept = next((answer for answer in self.waiting_answers() if answer.id == number), None)
        if kept is None:  # by a run beside this call
            return MeetingResult(status.OK, name="Success")
        if kept.state is AnswerState.FAILED:
            raise CommandFailed(kept.reason, command=meeting_response.NAME, status=kept.status or 0)
        return MeetingResult(0, name="Waiting", action="retry_later", waits=True)


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
        held: Meetings = self._mailbox
        number = await asyncio.to_thread(held._answer, message_id, response, reply, proposed, confirm)
        plan = await asyncio.to_thread(held._send_plan)
        told = AnswersTold()
        try:
            told = (await self._converse(lambda session: send_outbox(session, plan))).answers
        except (ConnectionFailed, ServerBusy):
            pass
        return await asyncio.to_thread(held._came_of, number, told)

    async def waiting_answers(self) -> list[PendingAnswer]:
        """See `Mailbox.waiting_answers`."""
        return await asyncio.to_thread(self._mailbox.waiting_answers)

    async def drop_answer(self, answer_id: int) -> None:
        """See `Mailbox.drop_answer`."""
        await asyncio.to_thread(self._mailbox.drop_answer, answer_id)

    async def forward_event(self, item_id: int, to: People, *, text: str = "", confirm: Confirm | None = None) -> None:
        """See `Mailbox.forward_event`. `confirm` is called in another thread."""
        held: Meetings = self._mailbox
        await self._converse(await asyncio.to_thread(held._forwarding, item_id, to, text, confirm))
