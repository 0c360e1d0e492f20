"""Data types (MS-ASDTYPE) as our builders and the mock put them on the wire, byte by byte."""

from __future__ import annotations

import base64
import struct
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from emailplus.calendar.occurrences import occurrences
from emailplus.eas.code_pages import OPAQUE_TAGS
from emailplus.eas.items import values
from emailplus.eas.items.classes import ITEM_TYPES
from emailplus.eas.items.timezone import blob_of
from emailplus.eas.wbxml import encode
from emailplus.mock.tree import truth
from emailplus.model.event import Event
from emailplus.model.recurrence import Recurrence

STR_I, OPAQUE = 0x03, 0xC3


def written(tag: str, content: object) -> bytes:
    """What stands behind the token of one element: from its global token on."""
    raw = encode((tag, content))  # type: ignore[arg-type]
    place = next(i for i, byte in enumerate(raw[4:], 4) if byte in (STR_I, OPAQUE))
    return raw[place:]


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("AirSync:GetChanges", "1"),  # boolean: MS-ASDTYPE_R7
        ("AirSync:WindowSize", "512"),  # integer: MS-ASDTYPE_R87
        ("AirSync:SyncKey", "Grüße"),  # string: MS-ASDTYPE_R91, MS-ASDTYPE_R88
        ("Tasks:DueDate", "2026-12-24T00:00:00.000Z"),  # dateTime: MS-ASDTYPE_R20
        ("AirSyncBase:Latitude", "51.5"),  # double: MS-ASDTYPE_R502
        ("Calendar:Timezone", "xP///w=="),  # TimeZone: MS-ASDTYPE_R122
    ],
)
def test_inline_strings(tag: str, text: str) -> None:
    assert written(tag, text) == bytes([STR_I]) + text.encode() + b"\0\x01"


def test_byte_arrays_are_opaque_with_a_multi_byte_length() -> None:
    """MS-ASDTYPE_R97, MS-ASDTYPE_R98."""
    for size, length in ((3, b"\x03"), (127, b"\x7f"), (128, b"\x81\x00"), (20_000, b"\x81\x9c\x20")):
        content = bytes(size)
        assert written("Email2:ConversationId", content) == bytes([OPAQUE]) + length + content + b"\x01"
    assert "ComposeMail:Mime" in OPAQUE_TAGS


@pytest.mark.parametrize(
    ("content", "meaning"), [("1", True), ("0", False), (None, True), ("", True), ("true", True), ("false", False)]
)
def test_booleans(content: str | None, meaning: bool) -> None:
    """MS-ASDTYPE_R5, MS-ASDTYPE_R6: 1 or 0, and a missing value is TRUE; the client says it, the mock reads it."""
    assert truth(("x", [("AirSync:GetChanges", content)]), "AirSync:GetChanges", False) is meaning


def test_dates() -> None:
    """MS-ASDTYPE_R15, MS-ASDTYPE_R16, MS-ASDTYPE_R12211, MS-ASDTYPE_R12213: UTC, with dashes or compact."""
    moment = datetime(2026, 12, 1, 9, 5, 7, tzinfo=ZoneInfo("Europe/Berlin"))
    dashed, compact = "2026-12-01T08:05:07.000Z", "20261201T080507Z"
    assert values.read_date(dashed) == values.read_date(compact) == moment
    event = Event(subject="x", start=moment, end=moment)
    nodes = dict(ITEM_TYPES["Calendar"].write({"start": event.start, "end": event.end}, 141))
    assert nodes["Calendar:StartTime"] == compact
    contact = dict(ITEM_TYPES["Contacts"].write({"birthday": moment.astimezone(UTC)}, 141))
    assert contact["Contacts:Birthday"] == dashed


def test_the_time_zone_structure() -> None:
    """MS-ASDTYPE_R103 to R121, field by field: LONG, 32 WCHARs, SYSTEMTIME, LONG, and again; unused WCHARs are 0.

    MS-ASDTYPE_R104, MS-ASDTYPE_R107, MS-ASDTYPE_R108, MS-ASDTYPE_R109, MS-ASDTYPE_R110, MS-ASDTYPE_R111,
    MS-ASDTYPE_R112, MS-ASDTYPE_R113, MS-ASDTYPE_R114, MS-ASDTYPE_R115, MS-ASDTYPE_R116, MS-ASDTYPE_R117,
    MS-ASDTYPE_R118, MS-ASDTYPE_R119, MS-ASDTYPE_R120, MS-ASDTYPE_R121, MS-ASDTYPE_R103
    """
    event = {"timezone_blob": blob_of("Europe/Berlin", 2026), "start": datetime(2026, 12, 1, tzinfo=UTC)}
    told = dict(ITEM_TYPES["Calendar"].write(event, 141))["Calendar:Timezone"]
    raw = base64.b64decode(str(told), validate=True)
    assert len(raw) == 172
    bias, standard, standard_date, standard_bias, daylight, daylight_date, daylight_bias = struct.unpack(
        "<l64s16sl64s16sl", raw
    )
    assert (bias, standard_bias, daylight_bias) == (-60, 0, -60)
    # year 0, month, Sunday, the fifth (last), hour: the rule of the European Union (Directive 2000/84/EC)
    assert struct.unpack("<8H", standard_date) == (0, 10, 0, 5, 3, 0, 0, 0)
    assert struct.unpack("<8H", daylight_date) == (0, 3, 0, 5, 2, 0, 0, 0)
    for name in (standard, daylight):
        text = name.decode("utf-16-le")
        assert set(text[len(text.rstrip("\0")) :]) <= {"\0"}


def test_a_series_keeps_the_originators_hour() -> None:
    """MS-ASDTYPE_R41, MS-ASDTYPE_R42, MS-ASDTYPE_R56, MS-ASDTYPE_R57, MS-ASDTYPE_R58, MS-ASDTYPE_R77.

    The UTC time of a weekly meeting at nine in Berlin changes with its daylight saving time; the hour there stays, and
    each instance is shown elsewhere by the bias in effect on its own day.
    """
    zone = ZoneInfo("Europe/Berlin")
    start = datetime(2026, 10, 19, 9, tzinfo=zone)
    event = Event(
        subject="weekly", start=start.astimezone(UTC), end=start.replace(hour=10).astimezone(UTC),
        timezone="Europe/Berlin", recurrence=Recurrence(type=1, interval=1, day_of_week=2, occurrences=3),
    )  # fmt: skip
    window = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    starts = [made.start for made in occurrences(event, *window)]
    assert [moment.astimezone(zone).hour for moment in starts] == [9, 9, 9]  # type: ignore[union-attr]
    assert [moment.astimezone(UTC).hour for moment in starts] == [7, 8, 8]  # type: ignore[union-attr]
    arizona = ZoneInfo("America/Phoenix")  # which has no daylight saving time
    assert [moment.astimezone(arizona).hour for moment in starts] == [0, 1, 1]  # type: ignore[union-attr]
