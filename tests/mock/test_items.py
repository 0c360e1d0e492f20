"""The mock's calendars, contacts, tasks and notes: every answer is validated against the published schema."""

from __future__ import annotations

import base64

import pytest

from emailplus.eas.wbxml import Node
from emailplus.mock import MockExchange

from .client import Client, data, find, find_all, options, preference, value
from .requirements import proves

VERSIONS = ("12.0", "12.1", "14.0", "14.1", "16.0", "16.1")

FULL: dict[str, list[Node]] = {
    "Calendar": [
        ("Calendar:Subject", "review"), ("Calendar:StartTime", "20261201T090000Z"),
        ("Calendar:EndTime", "20261201T100000Z"),
        ("AirSyncBase:Location", [("AirSyncBase:DisplayName", "Room 1")]), ("Calendar:Reminder", "15"),
        ("AirSyncBase:Body", [("AirSyncBase:Type", "2"), ("AirSyncBase:Data", "<p>agenda</p>")]),
        ("Calendar:Categories", [("Calendar:Category", "work")]),
        ("Calendar:Attendees", [("Calendar:Attendee", [
            ("Calendar:Email", "bob@example.test"), ("Calendar:Name", "Bob"), ("Calendar:AttendeeStatus", "3"),
            ("Calendar:AttendeeType", "1"),
        ])]),
        ("Calendar:Recurrence", [("Calendar:Type", "1"), ("Calendar:Interval", "1"), ("Calendar:DayOfWeek", "4")]),
        ("Calendar:Exceptions", [
            ("Calendar:Exception", [("Calendar:Deleted", "1"), ("AirSyncBase:InstanceId", "20261208T090000Z")]),
            ("Calendar:Exception", [("AirSyncBase:InstanceId", "20261215T090000Z"), ("Calendar:Subject", "moved")]),
        ]),
    ],
    "Contacts": [
        ("Contacts:FirstName", "Ann"), ("Contacts:LastName", "Lee"), ("Contacts:Children", [("Contacts:Child", "Tom")]),
        ("Contacts:Birthday", "1980-02-29T00:00:00.000Z"), ("Contacts:Picture", base64.b64encode(b"jpeg").decode()),
        ("Contacts2:NickName", "A"), ("AirSyncBase:Body", [("AirSyncBase:Type", "1"), ("AirSyncBase:Data", "note")]),
    ],
    "Tasks": [
        ("Tasks:Subject", "tax"), ("Tasks:Complete", "0"), ("Tasks:DueDate", "2026-12-24T00:00:00.000Z"),
        ("Tasks:UtcDueDate", "2026-12-23T23:00:00.000Z"),
        ("Tasks:Recurrence", [
            ("Tasks:Type", "0"), ("Tasks:Start", "2026-12-24T00:00:00.000Z"), ("Tasks:Interval", "1"),
        ]),
    ],
    "Notes": [
        ("Notes:Subject", "milk"),
        ("AirSyncBase:Body", [("AirSyncBase:Type", "1"), ("AirSyncBase:Data", "x" * 90)]),
    ],
}  # fmt: skip


def changes(client: Client, folder: str, *more: Node) -> list[Node]:
    return client.sync_all(folder, options(preference(1, 50), *more))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("item_class", list(FULL))
def test_items_as_every_version_tells_them(exchange: MockExchange, item_class: str, version: str) -> None:
    if item_class == "Notes" and version in ("12.0", "12.1"):
        pytest.skip("notes exist from 14.0")
    alice = exchange.user("alice")
    alice.add_item(item_class, FULL[item_class])
    client = Client(exchange, version=version)
    (add,) = changes(client, alice.folder(item_class).server_id)
    number = int(version.replace(".", ""))
    if item_class == "Calendar":
        assert data(add, "Body/Data") == "agenda"
        assert (find(add, "ApplicationData/Timezone") is None) is False
        assert (find(add, "ApplicationData/Location/DisplayName") is not None) == (number >= 160)
        first, second = find_all(add, "ApplicationData/Exceptions/Exception") or find_all(
            find(add, "ApplicationData/Exceptions"), "Exception"
        )
        name = "InstanceId" if number >= 160 else "ExceptionStartTime"
        assert (value(first, name), value(first, "Deleted")) == ("20261208T090000Z", "1")
        assert value(second, "Subject") == "moved"
    if item_class == "Notes":
        assert data(add, "Body/Truncated") == "1"
        assert data(add, "Body/EstimatedDataSize") == "90"
        assert data(add, "MessageClass") == "IPM.StickyNote"
    if item_class == "Contacts":
        assert data(add, "Picture") == base64.b64encode(b"jpeg").decode()
        assert data(add, "FileAs") == "Lee, Ann"


@proves("MS-ASCAL_R2006", "MS-ASCAL_R2007")
def test_all_day_events_of_16_have_no_zone(exchange: MockExchange) -> None:
    alice = exchange.user("alice")
    alice.add_item("Calendar", [("Calendar:AllDayEvent", "1"), ("Calendar:StartTime", "20261224T000000Z"),
                                ("Calendar:EndTime", "20261225T000000Z")])  # fmt: skip
    (add,) = changes(Client(exchange, version="16.1"), alice.folder("Calendar").server_id)
    assert find(add, "ApplicationData/Timezone") is None
    assert data(add, "StartTime") == "20261224T000000Z"


def command(client: Client, folder: str, *commands: Node) -> Node | None:
    if folder not in client.keys:
        client.prime(folder)
    answer = client.sync(folder, ("AirSync:Commands", list(commands)))
    responses = find(answer, "Responses")
    return responses[1][0] if responses is not None and isinstance(responses[1], list) else None


def add(client_id: str, *nodes: Node) -> Node:
    return ("AirSync:Add", [("AirSync:ClientId", client_id), ("AirSync:ApplicationData", list(nodes))])


@proves("MS-ASCNTC_R384")
def test_pictures_beyond_48_kb_are_refused(exchange: MockExchange) -> None:
    client = Client(exchange)
    folder = exchange.user("alice").folder("Contacts").server_id
    answer = command(client, folder, add("1", ("Contacts:Picture", "A" * 50_000)))
    assert value(answer, "Status") == "6"


@proves("MS-ASNOTE_R119", "MS-ASTASK_R171", "MS-ASTASK_R252")
@pytest.mark.parametrize(
    ("folder", "nodes"),
    [
        ("Notes", [("Notes:Subject", "x"), ("Notes:MessageClass", "IPM.Note")]),
        ("Tasks", [("Tasks:Complete", "0"), ("Tasks:ReminderSet", "7")]),
        (
            "Tasks",
            [("Tasks:Complete", "0"), ("Tasks:Recurrence", [("Tasks:Type", "1"), ("Tasks:FirstDayOfWeek", "9")])],
        ),
        ("Tasks", [("Tasks:Subject", "no Complete")]),
        ("Calendar", [("Calendar:StartTime", "2026-12-01T09:00:00.000Z"), ("Calendar:EndTime", "20261201T100000Z")]),
        ("Calendar", [("Calendar:StartTime", "20269901T090000Z"), ("Calendar:EndTime", "20261201T100000Z")]),
    ],
)
def test_what_cannot_be_converted_is_refused(exchange: MockExchange, folder: str, nodes: list[Node]) -> None:
    client = Client(exchange)
    answer = command(client, exchange.user("alice").folder(folder).server_id, add("1", *nodes))
    assert value(answer, "Status") == "6"
    assert exchange.user("alice").items(folder) == []


@proves("MS-ASNOTE_R114")
def test_notes_take_no_supported(exchange: MockExchange) -> None:
    client = Client(exchange)
    folder = exchange.user("alice").folder("Notes").server_id
    answer = client.sync(folder, ("AirSync:Supported", [("Contacts:FirstName", None)]), key="0")
    assert value(answer, "Status") == "4"


@proves("MS-ASCMD_R5911", "MS-ASCMD_R5912", "MS-ASCMD_R5909", "MS-ASCMD_R879")
@pytest.mark.parametrize(
    ("supported", "left"),
    [
        (None, {"Contacts:FirstName"}),
        ([], {"Contacts:FirstName", "Contacts:JobTitle", "Contacts:Spouse"}),
        (["Contacts:FirstName", "Contacts:JobTitle"], {"Contacts:FirstName", "Contacts:Spouse"}),
    ],
)
def test_ghosted_properties(exchange: MockExchange, supported: list[str] | None, left: set[str]) -> None:
    client, alice = Client(exchange), exchange.user("alice")
    folder = alice.folder("Contacts").server_id
    server_id = alice.add_item(
        "Contacts", [("Contacts:FirstName", "Ann"), ("Contacts:JobTitle", "clerk"), ("Contacts:Spouse", "Bob")]
    )
    nodes = [] if supported is None else [("AirSync:Supported", [(tag, None) for tag in supported])]
    client.sync(folder, *nodes, key="0")
    client.sync(folder)
    named: Node = ("AirSync:ApplicationData", [("Contacts:FirstName", "Anna")])
    command(client, folder, ("AirSync:Change", [("AirSync:ServerId", server_id), named]))
    kept = alice.properties_of(server_id)
    assert kept["Contacts:FirstName"] == "Anna"
    assert {"Contacts:FirstName", "Contacts:JobTitle", "Contacts:Spouse"} & set(kept) == left


@pytest.mark.parametrize(
    "node",
    [("Calendar:OrganizerEmail", "x@example.test"), ("Calendar:DtStamp", "20261201T090000Z"), ("Calendar:UID", "1")],
)
def test_what_16_keeps_for_the_server(exchange: MockExchange, node: Node) -> None:
    client = Client(exchange, version="16.1")
    folder = exchange.user("alice").folder("Calendar").server_id
    answer = command(client, folder, add("1", ("Calendar:StartTime", "20261201T090000Z"), node))
    assert value(answer, "Status") == "6"


def test_an_add_repeated_makes_one_item(exchange: MockExchange) -> None:
    client, alice = Client(exchange), exchange.user("alice")
    folder = alice.folder("Tasks").server_id
    key = client.prime(folder)
    once = add("same", ("Tasks:Subject", "x"), ("Tasks:Complete", "0"))
    first = value(command(client, folder, once), "ServerId")
    client.keys[folder] = key
    assert value(command(client, folder, once), "ServerId") == first
    assert len(alice.items("Tasks")) == 1
