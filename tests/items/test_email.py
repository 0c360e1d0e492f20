"""The Email class beyond its text: flags, meetings, voice; and mail joined to its event."""

from __future__ import annotations

import base64
import struct
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emailplus.eas.code_pages import TAG_VERSIONS
from emailplus.eas.items.email import _LEGACY_BODY, PROPERTIES, ROWS, read_message, read_properties
from emailplus.eas.items.meeting import uid_of
from emailplus.eas.items.timezone import blob_of
from emailplus.eas.wbxml import Node, decode, encode
from emailplus.mock.versions import tag_valid
from emailplus.model.meeting import FollowUp, MeetingRequest
from emailplus.model.message import Attachment, Body, Message

from ..flows.world import World, deliver, mail
from .strategies import CODES, lists, locations, naive, recurrences, texts, whole_seconds

LOCAL = {"server_id", "flag_status", "preview", "extra", "body_state", "body_reason", "marking", "head", "rights"}
"""Attributes that are made of others, or are not the server's."""

flags = st.builds(
    FollowUp, status=st.integers(0, 2), type=texts, subject=texts, start_date=naive, utc_start_date=whole_seconds,
    due_date=naive, utc_due_date=whole_seconds, date_completed=whole_seconds, complete_time=whole_seconds,
    reminder_set=st.booleans(), reminder_time=whole_seconds, ordinal_date=whole_seconds, sub_ordinal_date=texts,
)  # fmt: skip


def meetings(code: int) -> st.SearchStrategy[MeetingRequest]:
    @st.composite
    def make(draw: Any) -> MeetingRequest:
        start = draw(whole_seconds)
        values: dict[str, Any] = {
            "start": start, "end": start + timedelta(hours=1), "timestamp": draw(whole_seconds),
            "organizer": draw(texts), "instance_type": draw(st.integers(0, 4)),
            "recurrence_id": draw(whole_seconds), "reminder": draw(st.integers(0, 99)),
            "response_requested": draw(st.booleans()), "sensitivity": draw(st.integers(0, 3)),
            "busy_status": draw(st.integers(0, 3)), "timezone": "Europe/Berlin",
            "timezone_blob": blob_of("Europe/Berlin", start.year),
            "recurrences": draw(lists(recurrences(code, False, whole_seconds), 2)),
        }  # fmt: skip
        if code >= 160:
            values |= {"uid": draw(texts), "location": draw(locations)}
        else:
            identifier = draw(st.binary(min_size=56, max_size=56))
            values |= {"global_object_id": identifier, "uid": uid_of(identifier)}
        if code >= 140:
            values["disallow_new_time_proposal"] = draw(st.booleans())
        if code >= 141:
            values["message_type"] = draw(st.integers(0, 6))
        if code >= 161:
            values |= {"proposed_start": draw(whole_seconds), "proposed_end": draw(whole_seconds)}
        return MeetingRequest(**values)

    return make()


def values_for(code: int) -> st.SearchStrategy[dict[str, Any]]:
    bodies = texts.map(lambda text: Body(2, text.encode(), len(text.encode())))
    attachments = st.builds(
        Attachment, texts, texts, st.integers(1, 1 << 30), st.sampled_from([1, 5, 6]), texts,
        *([texts, texts, st.booleans()] if code >= 120 else []),
        **({"voice_seconds": st.integers(1, 99), "voice_order": st.integers(1, 9)} if code >= 140 else {}),
    )  # fmt: skip
    special: dict[str, Any] = {
        "received": whole_seconds, "importance": st.sampled_from([0, 2]), "read": st.just(True), "flag": flags,
        "categories": lists(texts), "meeting": meetings(code), "conversation_id": st.binary(min_size=1, max_size=16),
        "conversation_index": st.binary(min_size=5, max_size=5), "internet_code_page": st.just(65001),
        "last_verb": st.integers(1, 3), "last_verb_time": whole_seconds, "received_as_bcc": st.just(True),
        "draft": st.just(True), "native_body_type": st.integers(1, 3), "body": bodies, "body_part": bodies,
        "attachments": st.lists(attachments, min_size=1, max_size=2),
    }  # fmt: skip

    @st.composite
    def make(draw: Any) -> dict[str, Any]:
        names = {row.attribute for row in ROWS if row.valid(code, request=False)}
        return {name: draw(special.get(name, texts)) for name in sorted(names) if draw(st.booleans())}

    return make()


@pytest.mark.parametrize("version", list(CODES))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_model_to_wire_to_model(version: str, data: st.DataObject) -> None:
    code = CODES[version]
    values = data.draw(values_for(code))
    nodes: list[Node] = []
    for row in ROWS:
        if row.attribute in values:
            nodes += row.nodes(values[row.attribute], code, request=False)
    for tag, _ in nodes:
        assert tag_valid(tag, code), tag
    content = decode(encode(("AirSync:ApplicationData", nodes)))[1]
    found = read_properties(content if isinstance(content, list) else [])
    assert found.pop("flag_status", 0) == (values["flag"].status if "flag" in values else 0)
    assert found == values


def test_every_attribute_has_a_row_and_every_tag_a_place() -> None:
    assert {entry.name for entry in fields(Message)} - LOCAL == {row.attribute for row in ROWS}
    inner = {
        "Email:Attachment", "Email:AttName", "Email:AttSize", "Email:Att0Id", "Email:AttMethod", "Email:AttRemoved",
        "Email:DisplayName", "Email:AllDayEvent", "Email:Category", "Email:DtStamp", "Email:EndTime",
        "Email:InstanceType",
        "Email:BusyStatus", "Email:Location", "Email:Organizer", "Email:RecurrenceId", "Email:Reminder",
        "Email:ResponseRequested", "Email:Recurrences", "Email:Recurrence", "Email:Type", "Email:Until",
        "Email:Occurrences", "Email:Interval", "Email:DayOfWeek", "Email:DayOfMonth", "Email:WeekOfMonth",
        "Email:MonthOfYear", "Email:StartTime", "Email:Sensitivity", "Email:TimeZone", "Email:GlobalObjId",
        "Email:Status",
        "Email:FlagType", "Email:CompleteTime", "Email:DisallowNewTimeProposal", "Email2:UmAttDuration",
        "Email2:UmAttOrder", "Email2:CalendarType", "Email2:IsLeapMonth", "Email2:FirstDayOfWeek",
        "Email2:MeetingMessageType", "Email2:Send",
    }  # fmt: skip
    tags = {tag for tag in TAG_VERSIONS if tag.partition(":")[0] in ("Email", "Email2")}
    assert tags - set(PROPERTIES) - _LEGACY_BODY - inner == set()


def identifier_of(uid: str) -> bytes:
    """A GlobalObjId that wraps a UID, laid out as MS-ASEMAIL 2.2.2.37 has it."""
    data = b"vCal-Uid" + struct.pack("<i", 1) + uid.encode() + b"\0"
    head = bytes.fromhex("040000008200E00074C5B7101A82E008")
    return head + bytes(4) + bytes(8) + bytes(8) + struct.pack("<i", len(data)) + data


def test_uids_out_of_identifiers() -> None:
    wrapped = identifier_of("{81412D3C-2A24-4E9D-B20E-11F7BBE92799}")
    assert uid_of(wrapped) == "{81412D3C-2A24-4E9D-B20E-11F7BBE92799}"
    plain = (
        bytes.fromhex("040000008200E00074C5B7101A82E00807D1010B") + bytes(16) + struct.pack("<i", 16) + bytes(range(16))
    )
    expected = plain[:16] + bytes(4) + plain[20:]
    assert uid_of(plain) == expected.hex().upper()
    assert uid_of(b"") == uid_of(b"short") == ""


def test_an_odd_date_in_a_meeting_does_not_lose_the_mail() -> None:
    message = read_message("1:1", [
        ("Email:Subject", "invited"),
        ("Email:MeetingRequest", [("Email:StartTime", "soon"), ("Email:Organizer", "bob@example.test")]),
        ("Email:Flag", [("Email:Status", "2"), ("Tasks:DueDate", "2026-99-99T00:00:00.000Z")]),
    ])  # fmt: skip
    assert message.subject == "invited"
    assert message.meeting is not None
    assert message.meeting.organizer == "bob@example.test"
    assert message.flag == FollowUp(status=2)
    assert message.flag_status == 2


def _with_meeting(node: Any, wanted: str, meeting: list[Node]) -> Any:
    tag, content = node
    if not isinstance(content, list):
        return node
    if tag == "AirSync:ApplicationData" and ("Email:Subject", wanted) in content:
        return tag, [*content, ("Email:MeetingRequest", meeting)]
    return tag, [_with_meeting(inner, wanted, meeting) for inner in content]


@pytest.mark.parametrize("version", ["12.1", "16.1"])
def test_a_meeting_request_finds_its_event(world: World, version: str) -> None:
    from emailplus.mock import Rewrite

    uid = "meeting-1@example.test"
    deliver(world.alice, mail("review"))
    times: list[Node] = [("Calendar:StartTime", "20261201T090000Z"), ("Calendar:EndTime", "20261201T100000Z")]
    world.alice.add_item("Calendar", [("Calendar:Subject", "review"), ("Calendar:UID", uid), *times])
    name: Node = ("Calendar:UID", uid)
    if version == "12.1":
        name = ("Email:GlobalObjId", base64.b64encode(identifier_of(uid)).decode())
    meeting: list[Node] = [
        ("Email:StartTime", "2026-12-01T09:00:00.000Z"),
        ("Email:Organizer", "bob@example.test"),
        name,
    ]
    world.exchange.faults.add(Rewrite(lambda node: _with_meeting(node, "review", meeting)), command="Sync", times=None)
    world.sync(version=version)
    with world.open() as mailbox:
        (found,) = mailbox.search("subject:review")
        message = mailbox.message(found.id)
        assert message.meeting is not None
        assert message.meeting.start == datetime(2026, 12, 1, 9, tzinfo=UTC)
        event = mailbox.event_of(found.id)
        assert event is not None
        assert (event.uid, event.subject) == (uid, "review")
        assert [mail.id for mail in mailbox.mails_of(event.id)] == [found.id]


def test_flags_keep_their_dates(world: World) -> None:
    from emailplus.mock import Flag

    server_id = deliver(world.alice, mail("call back"))
    due = datetime(2026, 12, 24, tzinfo=UTC)
    world.alice.flag(server_id, Flag(2, "for Follow Up", "call back", start=due - timedelta(days=1), due=due))
    world.sync()
    with world.open() as mailbox:
        (found,) = mailbox.search("is:flagged")
        assert found.flag is not None
        assert found.flag.utc_due_date == due
    world.alice.flag(server_id, None)
    world.sync()
    with world.open() as mailbox:
        assert mailbox.search("is:flagged") == []
        (found,) = mailbox.search("")
        assert found.flag is None
