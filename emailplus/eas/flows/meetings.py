"""Answering meeting requests (MS-ASCMD 2.2.1.11)."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import NotOffered
from ...flow import Flow
from .. import status
from ..commands import meeting_response, smart_forward
from ..commands.compose_mail import Source
from ..commands.meeting_response import MeetingAnswer, MeetingResult
from .ask import ask
from .provision import apply_policy
from .session import Session, perform

PREVIOUSLY_SENT = 118
MAILS_BY_ITSELF = 160
"""From this version on the server mails attendees and organisers by itself (MS-ASCMD_R268, R6062)."""


def respond(session: Session, answers: Sequence[MeetingAnswer], *, mailed: bool = False) -> Flow[list[MeetingResult]]:
    """Answer meetings, once; a result for each. The calendar learns of it with the next synchronisation.

    `mailed`: mail of ours tells the organiser where the server does not. Raises `NotOffered` where somebody was to mail
    the organiser and nobody can (nothing is answered then), and `ConnectionFailed` where the answer was lost.
    """
    if session.version.code < MAILS_BY_ITSELF and not mailed and any(answer.reply is not None for answer in answers):
        raise NotOffered(
            f"up to ActiveSync 14.1 the server does not mail the organiser (it speaks {session.version.name}); "
            "answer without a reply, and reply to the message"
        )
    request = meeting_response.build(answers, session.version)
    return (yield from ask(session, meeting_response.NAME, request, meeting_response.parse, once=True))


def forward(
    session: Session, source: Source, forwardees: Sequence[tuple[str, str]], client_id: str, note: str = ""
) -> Flow[None]:
    """Have the server forward an event (16.0 on). A lost answer is asked for again: the ClientId stays the same.

    Raises `NotOffered` below 16.0, and the error of a status.
    """
    request = smart_forward.build_meeting(session.version, client_id, source, forwardees, note)
    root = yield from perform(session, smart_forward.NAME, request, apply_policy)
    code = smart_forward.parse(root)
    if code not in (status.OK, PREVIOUSLY_SENT):
        raise status.error(smart_forward.NAME, code)
