"""MeetingResponse: published messages, what each version takes, wrong answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from emailplus.eas.commands import meeting_response
from emailplus.eas.commands.meeting_response import MeetingAnswer, Reply, UserResponse
from emailplus.eas.versions import VERSIONS
from emailplus.eas.wbxml import Node
from emailplus.errors import CommandFailed, MalformedResponse, UsageError

from ..mock.validate import problems
from .published import example

EVERY = ["2.5", "12.0", "12.1", "14.0", "14.1", "16.0", "16.1"]
START = datetime(2009, 9, 7, 7, 0, tzinfo=UTC)
PLACE = {"collection_id": "19", "server_id": "19:39"}


def test_the_published_request_is_built() -> None:
    """The example writes InstanceId in a form that MS-ASCMD_R3194 and the schema refuse; ours has punctuation."""
    answers = [
        MeetingAnswer(UserResponse.TENTATIVE, **PLACE, instance=START),
        MeetingAnswer(UserResponse.ACCEPT, long_id="RgAAAju... ...ALS8pQAARL", instance=START),
    ]
    built = meeting_response.build(answers, VERSIONS["14.1"])
    assert problems(built, "14.1", "Request") == []
    published = repr(example(65, "request"))
    published = published.replace("20090907T07:00:00.000Z", "X").replace("20091210T17:30:00.000Z", "X")
    assert repr(built).replace("2009-09-07T07:00:00.000Z", "X") == published


def test_the_published_answer_is_read() -> None:
    first, second = meeting_response.parse(example(66, "response"))
    assert (first.status, first.server_id, first.calendar_id, first.name) == (1, "19:39", "19:43", "Success")
    assert (second.server_id, second.calendar_id) == ("", "19:47")


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("response", list(UserResponse))
def test_every_version_builds_what_it_takes(name: str, response: UserResponse) -> None:
    version = VERSIONS[name]
    reply = Reply("I come", proposed=(START, START + timedelta(hours=1)) if name == "16.1" else None)
    built = meeting_response.build([MeetingAnswer(response, **PLACE, reply=reply)], version)
    assert problems(built, "16.1", "Request") == []
    assert ("SendResponse" in repr(built)) == (version.code >= 160)
    if name == "16.1":
        assert "('MeetingResponse:ProposedStartTime', '20090907T070000Z')" in repr(built)
    silent = meeting_response.build([MeetingAnswer(response, **PLACE)], version)
    assert "SendResponse" not in repr(silent)
    if version.code >= 160:
        empty = meeting_response.build([MeetingAnswer(response, **PLACE, reply=Reply())], version)
        assert "('MeetingResponse:SendResponse', None)" in repr(empty)


@pytest.mark.parametrize(
    ("answers", "version"),
    [
        ([], "14.1"),
        ([MeetingAnswer(UserResponse.ACCEPT, **PLACE)] * 101, "14.1"),
        ([MeetingAnswer(UserResponse.ACCEPT)], "14.1"),
        ([MeetingAnswer(UserResponse.ACCEPT, **PLACE, long_id="X")], "14.1"),
        ([MeetingAnswer(UserResponse.ACCEPT, collection_id="19")], "14.1"),
        ([MeetingAnswer(UserResponse.ACCEPT, **PLACE, instance=START)], "14.0"),
        ([MeetingAnswer(UserResponse.ACCEPT, **PLACE, instance=START.replace(tzinfo=None))], "14.1"),
        ([MeetingAnswer(UserResponse.ACCEPT, **PLACE, reply=Reply(proposed=(START, START)))], "16.1"),
        (
            [MeetingAnswer(UserResponse.ACCEPT, **PLACE, reply=Reply(proposed=(START, START + timedelta(hours=1))))],
            "16.0",
        ),
    ],
)
def test_what_no_server_takes_is_not_built(answers: list[MeetingAnswer], version: str) -> None:
    with pytest.raises(UsageError):
        meeting_response.build(answers, VERSIONS[version])


def test_hostile_answers() -> None:
    result: Node = ("MeetingResponse:Result", [("MeetingResponse:RequestId", "1")])
    for bad in (
        ("AirSync:Sync", None),
        ("MeetingResponse:MeetingResponse", None),
        ("MeetingResponse:MeetingResponse", [result]),
        ("MeetingResponse:MeetingResponse", [("MeetingResponse:Result", [("MeetingResponse:Status", "yes")])]),
    ):
        with pytest.raises(MalformedResponse):
            meeting_response.parse(bad)  # type: ignore[arg-type]
    with pytest.raises(CommandFailed):
        meeting_response.parse(("MeetingResponse:MeetingResponse", [("MeetingResponse:Status", "103")]))
    refused: Node = ("MeetingResponse:Result", [("MeetingResponse:Status", "2")])
    (found,) = meeting_response.parse(("MeetingResponse:MeetingResponse", [refused]))
    assert (found.name, found.action) == ("InvalidMeetingRequest", "stop_item")
