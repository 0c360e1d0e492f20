"""Mail about meetings, where the client sends it (up to ActiveSync 14.1): who is told what of a change, and answers.

Every mail goes through the stages of sending like any other. It waits in the outbox until the server has taken the
change (`store.outbox.attach`), so that nobody is invited to what the server refuses, and it leaves once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from . import drafting, sending
from .calendar import invitation
from .eas.items.changes import PRIVATE
from .errors import UsageError
from .model.draft import Draft, Invitation
from .model.event import Attendee, Event, MeetingStatus
from .model.message import Address, StoredMessage, addresses
from .model.outbox import QueueMail
from .sending import Sending

ASKED = frozenset({"domains"})
"""Stages whose question was asked already, before the change itself."""


def mails(
    state: Sending,
    before: Event | None,
    after: Event | None,
    *,
    sequence: int,
    instance: datetime | date | None = None,
    values: Mapping[str, Any] | None = None,
) -> list[QueueMail]:
    """What attendees are told: a request for `after`, a cancellation for who is out of it, or for all without it.

    `before`: what they were told last; None: nothing. `values`: what changes; what is the user's own needs no mail.
    Raises what a stage of sending refuses.
    """
    event = after if after is not None else before
    if event is None or event.meeting_status & MeetingStatus.RECEIVED:
        return []
    if values is not None and values.keys() <= PRIVATE:
        return []
    own = drafting.me(state)
    told = invitation.guests(before, own.address) if before is not None else ()
    asked = invitation.guests(after, own.address) if after is not None else ()
    staying = {attendee.email.strip().casefold() for attendee in asked}
    out = tuple(attendee for attendee in told if attendee.email.strip().casefold() not in staying)
    made = []
    if asked and after is not None:
        part = invitation.request(after, organizer=own, now=state.now, sequence=sequence, instance=instance)
        made.append(_mail(state, after, part, asked))
    if out and before is not None:
        part = invitation.cancel(
            before, organizer=own, now=state.now, sequence=sequence, instance=instance, only=out
        )  # fmt: skip
        made.append(_mail(state, before, part, out))
    return made


def _mail(state: Sending, event: Event, part: Invitation, attendees: tuple[Attendee, ...]) -> QueueMail:
    to, cc = invitation.people(attendees)
    draft = replace(
        drafting.new(
            state,
            to=to,
            cc=cc,
            subject=invitation.subject_of(event, part.method),
            text=invitation.text_of(event),
            invitation=part,
        ),
        signature="",
    )
    return _queued(draft, state)


def _queued(draft: Draft, state: Sending) -> QueueMail:
    """Without a draft to come back to: what it says follows from the event."""
    return replace(sending.prepare(draft, state, without=ASKED), draft=None)


def organizer_of(message: StoredMessage) -> Address:
    """Whom a meeting request is answered to: its organiser, else its sender. Raises `UsageError` without one."""
    written = message.meeting.organizer if message.meeting is not None else ""
    for header in (written, message.reply_to, message.sender):
        for person in addresses(header):
            if "@" in person.address:
                return person
    raise UsageError(f"message {message.id} names no organiser that could be told")


def reply(
    state: Sending,
    message: StoredMessage,
    response: str,
    *,
    text: str = "",
    proposed: tuple[datetime, datetime] | None = None,
) -> QueueMail:
    """The mail that answers a meeting request (MS-ASCMD_R268). Raises `UsageError` for what is none."""
    if message.meeting is None:
        raise UsageError(f"message {message.id} is no meeting request")
    if proposed is not None:
        start, end = proposed
        if start.tzinfo is None or end.tzinfo is None or end <= start:
            raise UsageError("a proposed time needs a start and a later end, both with a zone")
    organizer = organizer_of(message)
    part = invitation.answer(
        message.meeting,
        response,
        who=drafting.me(state),
        organizer=organizer,
        subject=message.subject,
        now=state.now,
        comment=text,
        proposed=proposed,
    )
    prefix = invitation.PREFIXES["COUNTER" if proposed is not None else response]
    draft = drafting.new(state, to=[organizer], subject=f"{prefix}{message.subject}", text=text, invitation=part)
    return replace(sending.prepare(replace(draft, signature=""), state), draft=None)
