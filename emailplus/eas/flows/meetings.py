"""Answering meeting requests (MS-ASCMD 2.2.1.11)."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import NotOffered
from ...flow import Flow
from ..commands import meeting_response
from ..commands.meeting_response import MeetingAnswer, MeetingResult
from .ask import ask
from .session import Session


def respond(session: Session, answers: Sequence[MeetingAnswer]) -> Flow[list[MeetingResult]]:
    """Answer meetings; a result for each. The calendar learns of it with the next synchronisation.

    Raises `NotOffered` where the server was to mail the organiser and cannot (up to 14.1): nothing is answered then.
    """
    if session.version.code < 160 and any(answer.reply is not None for answer in answers):
        raise NotOffered(
            f"up to ActiveSync 14.1 the server does not mail the organiser (it speaks {session.version.name}); "
            "answer without a reply, and reply to the message"
        )
    request = meeting_response.build(answers, session.version)
    return (yield from ask(session, meeting_response.NAME, request, meeting_response.parse))
