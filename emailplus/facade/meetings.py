"""Answering meeting requests."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from ..eas import status
from ..eas.commands.meeting_response import MeetingAnswer, MeetingResult, Reply, UserResponse
from ..eas.flows import meetings
from ..errors import UsageError
from ..store.found import place
from ..store.store import Store
from . import AsyncOnline, Dialogue, Online

_RESPONSES = {"accept": UserResponse.ACCEPT, "tentative": UserResponse.TENTATIVE, "decline": UserResponse.DECLINE}


def _asked(
    store: Store, message_id: int, response: str, reply: str | None, proposed: tuple[datetime, datetime] | None
) -> Dialogue[list[MeetingResult]]:
    if response not in _RESPONSES:
        raise UsageError(f"a meeting is answered with one of {', '.join(_RESPONSES)}, not {response!r}")
    if proposed is not None and reply is None:
        raise UsageError("another time is proposed in a reply; give one, even an empty one")
    collection_id, server_id = place(store.database, message_id)
    mail = Reply(reply, proposed=proposed) if reply is not None else None
    answer = MeetingAnswer(_RESPONSES[response], collection_id, server_id, reply=mail)
    return partial(meetings.respond, answers=[answer])


def _result(results: list[MeetingResult]) -> MeetingResult:
    if results[0].status != status.OK:
        raise status.error("MeetingResponse", results[0].status)
    return results[0]


class Meetings(Online):
    """Methods of `Mailbox`."""

    def respond(
        self,
        message_id: int,
        response: str,
        *,
        reply: str | None = None,
        proposed: tuple[datetime, datetime] | None = None,
    ) -> MeetingResult:
        """Answer a meeting request: "accept", "tentative" or "decline". The next `sync` brings the calendar's change.

        `reply`: what the server mails to the organiser, "" for the bare answer (16.0 on, else `NotOffered` and nothing
        is done); None: the organiser is told nothing. `proposed`: another time, aware start and end (16.1). Raises
        `CommandFailed` (status 2) for what is no meeting request, `NotFound`.
        """
        return _result(self._converse(_asked(self.store, message_id, response, reply, proposed)))


class AsyncMeetings(AsyncOnline):
    """Methods of `AsyncMailbox`."""

    async def respond(
        self,
        message_id: int,
        response: str,
        *,
        reply: str | None = None,
        proposed: tuple[datetime, datetime] | None = None,
    ) -> MeetingResult:
        """See `Mailbox.respond`."""
        return _result(await self._converse(_asked(self.store, message_id, response, reply, proposed)))
