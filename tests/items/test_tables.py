"""Item tables: model to wire to model for every class and version, and the tables against the published ones."""

from __future__ import annotations

import csv
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emailplus.eas.code_pages import TAG_VERSIONS
from emailplus.eas.items.classes import ITEM_TYPES
from emailplus.eas.items.values import Row
from emailplus.eas.wbxml import decode, encode
from emailplus.model.item import LOCAL

from ..mock import validate
from ..shared import shared
from . import strategies

EVERY = [
    (item_class, version)
    for item_class, first in strategies.CLASSES.items()
    for version, code in strategies.CODES.items()
    if code >= first
]


def through_the_wire(nodes: list[Any]) -> list[Any]:
    content = decode(encode(("AirSync:ApplicationData", nodes)))[1]
    return content if isinstance(content, list) else []


@pytest.mark.parametrize("request_", [True, False], ids=["client", "server"])
@pytest.mark.parametrize(("item_class", "version"), EVERY)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_model_to_wire_to_model(item_class: str, version: str, request_: bool, data: st.DataObject) -> None:
    kind, code = ITEM_TYPES[item_class], strategies.CODES[version]
    values = data.draw(strategies.items(item_class, code, request=request_))
    nodes = through_the_wire(kind.write(values, code, request=request_))
    for tag, _ in nodes:
        assert tag_in_version(tag, code), tag
    item, unreadable = kind.read_item("1:1", nodes)
    expected = kind.model(server_id="1:1", **values)
    assert unreadable == []
    assert item.properties() == expected.properties()


def tag_in_version(tag: str, code: int) -> bool:
    from emailplus.mock.versions import tag_valid

    return tag_valid(tag, code)


@pytest.mark.parametrize(("item_class", "version"), [pair for pair in EVERY if pair[1] != "2.5"])
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_what_a_client_writes_obeys_the_published_schema(item_class: str, version: str, data: st.DataObject) -> None:
    if not validate.AVAILABLE:
        shared("spec", "eas", "xsd")
    kind, code = ITEM_TYPES[item_class], strategies.CODES[version]
    values = data.draw(strategies.items(item_class, code, request=True))
    nodes = kind.write(values, code)
    if not nodes:
        return
    add = ("AirSync:Add", [("AirSync:ClientId", "1"), ("AirSync:ApplicationData", nodes)])
    collection = [("AirSync:SyncKey", "1"), ("AirSync:CollectionId", "5"), ("AirSync:Commands", [add])]
    root = ("AirSync:Sync", [("AirSync:Collections", [("AirSync:Collection", collection)])])
    told = validate.problems(decode(encode(root)), version, "Request")
    assert told == []


@pytest.mark.parametrize("item_class", list(ITEM_TYPES))
def test_every_attribute_is_read_and_written_by_a_row(item_class: str) -> None:
    kind = ITEM_TYPES[item_class]
    attributes = {row.name for row in fields(kind.model)} - LOCAL - {"extra", "timezone"}
    assert attributes == {row.attribute for row in kind.table.rows}
    for row in kind.table.rows:
        assert row.read is not None
        assert (row.write is None) != (row.compose is None), row.tag


@pytest.mark.parametrize("item_class", list(ITEM_TYPES))
def test_every_tag_of_the_class_has_a_row(item_class: str) -> None:
    """Every tag of the class's code pages is read somewhere, but for 2.5's compressed RTF, which is kept as it is."""
    kind = ITEM_TYPES[item_class]
    pages = {"Contacts": ("Contacts", "Contacts2")}.get(item_class, (item_class,))
    tags = {tag for tag in TAG_VERSIONS if tag.partition(":")[0] in pages and TAG_VERSIONS[tag] != "unused"}
    known = set(kind.rows) | kind.legacy
    inner = {
        "Calendar": {
            "Attendee", "Email", "Name", "Category", "Exception", "Deleted", "ExceptionStartTime", "Type", "Until",
            "Occurrences", "Interval", "DayOfWeek", "DayOfMonth", "WeekOfMonth", "MonthOfYear", "AttendeeStatus",
            "AttendeeType", "CalendarType", "IsLeapMonth", "FirstDayOfWeek",
        },
        "Contacts": {"Category", "Child"},
        "Notes": {"Category"},
        "Tasks": {
            "Category", "Type", "Start", "Until", "Occurrences", "Interval", "DayOfMonth", "DayOfWeek", "WeekOfMonth",
            "MonthOfYear", "Regenerate", "DeadOccur", "CalendarType", "IsLeapMonth", "FirstDayOfWeek",
        },
    }[item_class]  # fmt: skip
    left = {tag for tag in tags - known if tag.partition(":")[2] not in inner}
    assert left <= {f"{item_class}:CompressedRTF"}


def version_number(text: str) -> int:
    return int(text.replace(".", ""))


@pytest.mark.parametrize("item_class", list(ITEM_TYPES))
def test_versions_are_those_of_the_published_code_pages(item_class: str) -> None:
    with shared("spec", "eas", "wbxml_code_pages.tsv").open(encoding="utf-8") as table:
        rows = {f"{row['namespace']}:{row['tag']}": row["versions"] for row in csv.DictReader(table, delimiter="\t")}
    for row in ITEM_TYPES[item_class].table.rows:
        if row.tag in ("AirSyncBase:Body", "AirSyncBase:NativeBodyType"):
            continue
        valid = [version_number(text) for text in rows[row.tag].split(",")]
        allowed = [code for code in strategies.CODES.values() if row.valid(code, request=False)]
        # Attachments and Location of AirSyncBase exist earlier, for mail
        assert allowed == [code for code in valid if code >= row.since], row.tag


def test_an_empty_element_is_not_an_absent_one() -> None:
    kind = ITEM_TYPES["Contacts"]
    values, _ = kind.read([("Contacts:FirstName", None), ("Contacts:Children", None), ("Contacts:LastName", "Lee")])
    assert values == {"first_name": "", "children": (), "last_name": "Lee"}
    assert kind.write({"first_name": "", "children": ()}, 141) == [
        ("Contacts:FirstName", None),
        ("Contacts:Children", None),
    ]


def test_unknown_properties_are_kept() -> None:
    kind = ITEM_TYPES["Tasks"]
    odd = [("Calendar:Subject", "not a task's"), ("Tasks:Subject", "Tax")]
    item, unreadable = kind.read_item("7:1", odd)
    assert item.properties() == {"subject": "Tax", "extra": encode(("AirSync:ApplicationData", odd[:1]))}
    assert unreadable == []


def test_a_property_of_the_wrong_type_does_not_lose_the_item() -> None:
    kind = ITEM_TYPES["Contacts"]
    nodes = [("Contacts:LastName", "Lee"), ("Contacts:Birthday", "some day"), ("Contacts:WeightedRank", "first")]
    item, unreadable = kind.read_item("7:1", nodes)
    assert unreadable == ["Contacts:Birthday", "Contacts:WeightedRank"]
    assert item.properties() == {"last_name": "Lee", "extra": encode(("AirSync:ApplicationData", nodes[1:]))}


def test_an_event_without_a_readable_start_is_refused() -> None:
    with pytest.raises(ValueError, match="month"):
        ITEM_TYPES["Calendar"].read([("Calendar:StartTime", "20261399T000000Z")])


def test_five_thousand_attendees() -> None:
    crowd = [
        ("Calendar:Attendee", [("Calendar:Email", f"a{n}@example.test"), ("Calendar:Name", f"A {n}")])
        for n in range(5000)
    ]
    item, _ = ITEM_TYPES["Calendar"].read_item("1:1", [("Calendar:Attendees", crowd)])
    assert len(item.attendees) == 5000  # type: ignore[attr-defined]
    assert item.attendees[4999].email == "a4999@example.test"  # type: ignore[attr-defined]


def test_a_truncated_body_is_never_written() -> None:
    from emailplus.model.message import Body

    with pytest.raises(ValueError, match="in full"):
        ITEM_TYPES["Notes"].write({"body": Body(1, b"half", 9, True)}, 141)


def test_markup_becomes_text_in_the_old_protocol() -> None:
    from emailplus.model.message import Body

    body = Body(2, b"<p>Bring <b>cake</b></p>", 24)
    assert ITEM_TYPES["Calendar"].write({"body": body}, 25) == [("Calendar:Body", "Bring cake")]


def test_pictures_are_kept_byte_for_byte() -> None:
    kind = ITEM_TYPES["Contacts"]
    picture = bytes(range(256)) * 100
    nodes = kind.write({"picture": picture}, 25)
    assert kind.read(through_the_wire(nodes))[0]["picture"] == picture


def test_supported_names_what_may_be_ghosted_and_nothing_else() -> None:
    contacts = {tag for tag, _ in ITEM_TYPES["Contacts"].supported(141)}
    assert "Contacts:Picture" not in contacts
    assert {"Contacts:FirstName", "Contacts2:NickName", "Contacts:Categories"} <= contacts
    # MS-ASCMD_R4555: what Supported has to name for calendars
    required = {
        "DtStamp", "Categories", "Sensitivity", "BusyStatus", "UID", "Timezone", "StartTime", "Subject", "Location",
        "EndTime", "Recurrence", "AllDayEvent", "Reminder", "Exceptions",
    }  # fmt: skip
    calendar = {tag.partition(":")[2] for tag, _ in ITEM_TYPES["Calendar"].supported(141)}
    assert required <= calendar
    assert "Calendar:ResponseRequested" not in {tag for tag, _ in ITEM_TYPES["Calendar"].supported(121)}  # R7308


def test_rows_say_each_thing_once() -> None:
    for kind in ITEM_TYPES.values():
        tags = [row.tag for row in kind.table.rows]
        assert len(tags) == len(set(tags))
        for code in strategies.CODES.values():
            seen: dict[str, Row] = {}
            for row in kind.table.rows:
                if row.valid(code, request=True):
                    assert row.attribute not in seen, (row.tag, code)
                    seen[row.attribute] = row
