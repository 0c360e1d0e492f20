"""Zones: blobs of the specification and of servers, both ways, and blobs that lie."""

from __future__ import annotations

import base64
import struct
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emailplus.eas.items.calendar import CALENDAR
from emailplus.eas.items.timezone import (
    RuleZone,
    ZoneInformation,
    blob_of,
    describe,
    local_midnight,
    pack,
    tzinfo_of,
    unpack,
    zone_of,
)


def blob(name: str) -> bytes:
    """Berlin's rules as MS-ASDTYPE 2.7.6 lays them out, written apart from the code under test, under some name."""
    wide = name.encode("utf-16-le")[:62].ljust(64, b"\0")
    autumn = struct.pack("<8H", 0, 10, 0, 5, 3, 0, 0, 0)
    spring = struct.pack("<8H", 0, 3, 0, 5, 2, 0, 0, 0)
    return struct.pack("<i", -60) + wide + autumn + struct.pack("<i", 0) + wide + spring + struct.pack("<i", -60)


@pytest.mark.parametrize("name", ["", "(GMT+01:00) Amsterdam, Berlin, Bern", "Mitteleuropäische Zeit"])
def test_a_blob_without_a_usable_name_is_matched_by_its_rules(name: str) -> None:
    found = ZoneInfo(zone_of(blob(name), year=2026))
    assert found.utcoffset(datetime(2026, 7, 1)) == timedelta(hours=2)
    assert zone_of(blob(name), year=2026, prefer="Europe/Rome") == "Europe/Rome"
    assert zone_of(blob(name), year=2026, prefer="America/New_York") != "America/New_York"


def test_every_zone_of_the_database_survives() -> None:
    for name in sorted(available_timezones()):
        found = zone_of(blob_of(name, 2026), year=2026)
        assert found, name
        for month in range(1, 13):
            moment = datetime(2026, month, 15, 12, tzinfo=UTC)
            assert moment.astimezone(ZoneInfo(found)).utcoffset() == moment.astimezone(ZoneInfo(name)).utcoffset(), name


@pytest.mark.parametrize(
    ("name", "standard", "daylight"),
    [
        ("Europe/Berlin", (0, 10, 0, 5, 3, 0, 0, 0), (0, 3, 0, 5, 2, 0, 0, 0)),
        ("America/New_York", (0, 11, 0, 1, 2, 0, 0, 0), (0, 3, 0, 2, 2, 0, 0, 0)),
        ("Australia/Sydney", (0, 4, 0, 1, 3, 0, 0, 0), (0, 10, 0, 1, 2, 0, 0, 0)),
        # Chile changes at the midnight that ends a Saturday, which Windows writes as its last millisecond
        ("America/Santiago", (0, 4, 6, 1, 23, 59, 59, 999), (0, 9, 6, 1, 23, 59, 59, 999)),
    ],
)
def test_rules_are_those_of_windows(name: str, standard: tuple[int, ...], daylight: tuple[int, ...]) -> None:
    described = describe(name, 2026)
    assert described.standard_date == standard
    assert described.daylight_date in (daylight, (0, 9, 0, 1, 0, 0, 0, 0))


def test_names_that_lie_are_not_believed() -> None:
    new_york = describe("America/New_York", 2026)
    lie = replace(new_york, standard_name="W. Europe Standard Time", daylight_name="W. Europe Standard Time")
    assert zone_of(pack(lie), year=2026) == "America/New_York"


def test_names_tell_zones_with_the_same_rules_apart() -> None:
    paris, berlin = blob_of("Europe/Paris", 2026), blob_of("Europe/Berlin", 2026)
    assert zone_of(paris, year=2026) == "Europe/Paris"
    assert zone_of(berlin, year=2026) == "Europe/Berlin"
    iana = replace(describe("Europe/Vienna", 2026), standard_name="Europe/Vienna")
    assert zone_of(pack(iana), year=2026) == "Europe/Vienna"


def test_zeros_and_garbage_say_nothing_and_raise_nothing() -> None:
    assert zone_of(bytes(172)) == ""
    assert zone_of(b"") == ""
    assert zone_of(b"\xff" * 172) == ""
    assert tzinfo_of("", b"\xff" * 172) is UTC
    assert tzinfo_of("No/Such", bytes(172)) is UTC


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=172, max_size=172), st.datetimes(datetime(1950, 1, 1), datetime(2100, 1, 1)))
def test_no_blob_raises(blob: bytes, moment: datetime) -> None:
    zone_of(blob, year=moment.year)
    zone = tzinfo_of("", blob)
    local = moment.replace(tzinfo=UTC).astimezone(zone)
    assert local.astimezone(UTC) == moment.replace(tzinfo=UTC)
    information = unpack(blob)
    if information is not None:
        assert unpack(pack(information)) is not None


@pytest.mark.parametrize(
    "name", ["Europe/Berlin", "America/New_York", "Australia/Sydney", "America/Santiago", "Asia/Kolkata"]
)
def test_rules_of_a_blob_reckon_as_the_zone_does(name: str) -> None:
    zone, ruled = ZoneInfo(name), RuleZone(describe(name, 2026))
    moment = datetime(2025, 12, 28, tzinfo=UTC)
    while moment < datetime(2027, 1, 5, tzinfo=UTC):
        expected, found = moment.astimezone(zone), moment.astimezone(ruled)
        assert (found.utcoffset(), found.fold) == (expected.utcoffset(), expected.fold), moment
        wall = expected.replace(tzinfo=None)
        for fold in (0, 1):
            there = wall.replace(tzinfo=zone, fold=fold).utcoffset()
            assert wall.replace(tzinfo=ruled, fold=fold).utcoffset() == there, (moment, fold)
        moment += timedelta(minutes=30)


def test_an_unknown_zone_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="Nowhere"):
        blob_of("Nowhere/At_all", 2026)


@pytest.mark.parametrize("code", [25, 121, 141, 160, 161])
@pytest.mark.parametrize(
    "zone",
    [
        "Europe/Berlin",
        "America/Los_Angeles",
        "Pacific/Auckland",
        "Pacific/Kiritimati",
        "Asia/Kathmandu",
        "Africa/Cairo",
    ],
)
def test_all_day_events_are_the_same_dates_in_every_zone(zone: str, code: int) -> None:
    """Days on both sides of every change of the clocks, there and back over the wire."""
    for day in (
        date(2026, 1, 1),
        date(2026, 3, 29),
        date(2026, 4, 5),
        date(2026, 4, 24),
        date(2026, 10, 25),
        date(2026, 11, 1),
    ):
        values = {"all_day": True, "start": day, "end": day + timedelta(days=2), "timezone": zone}
        nodes = CALENDAR.write(values, code)
        assert ("Calendar:Timezone" in dict(nodes)) == (code < 160)  # MS-ASCAL_R2005
        if code >= 160:
            assert dict(nodes)["Calendar:StartTime"] == f"{day:%Y%m%d}T000000Z"
        else:
            assert dict(nodes)["Calendar:StartTime"] == f"{local_midnight(day, ZoneInfo(zone)):%Y%m%dT%H%M%S}Z"
        read, _ = CALENDAR.read(nodes)
        assert (read["start"], read["end"]) == (day, day + timedelta(days=2))


def test_an_all_day_event_without_a_usable_zone_keeps_its_date() -> None:
    """Midnight in Berlin, from a server that writes zeros for the zone."""
    read, _ = CALENDAR.read(
        [
            ("Calendar:Timezone", base64.b64encode(bytes(172)).decode()),
            ("Calendar:AllDayEvent", "1"),
            ("Calendar:StartTime", "20260714T220000Z"),
            ("Calendar:EndTime", "20260715T220000Z"),
        ]
    )
    assert (read["start"], read["end"]) == (date(2026, 7, 15), date(2026, 7, 16))


def test_a_zone_that_is_not_base64_does_not_lose_the_event() -> None:
    read, unreadable = CALENDAR.read([("Calendar:Timezone", "%%%"), ("Calendar:StartTime", "20260714T220000Z")])
    assert read["timezone"] == ""
    assert unreadable == []


def test_biases_no_place_has_are_refused() -> None:
    assert unpack(pack(ZoneInformation(bias=5000))) is None
