"""Items of every class as hypothesis makes them: only what a version can carry."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from emailplus.eas.items.classes import ITEM_TYPES
from emailplus.eas.items.recurrence import APPLIES
from emailplus.eas.items.timezone import blob_of
from emailplus.model.event import Attendee, EventException, Location
from emailplus.model.message import Attachment, Body
from emailplus.model.recurrence import Recurrence

CODES = {"2.5": 25, "12.0": 120, "12.1": 121, "14.0": 140, "14.1": 141, "16.0": 160, "16.1": 161}
CLASSES = {"Calendar": 25, "Contacts": 25, "Tasks": 25, "Notes": 140}
"""Class -> the first version that has it."""

texts = st.text("aZ09 .:-@<>&\"'/éß漢字😀", min_size=1, max_size=12)
whole_seconds = st.datetimes(datetime(1990, 1, 1), datetime(2050, 1, 1), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=0)
)
days = st.dates(date(1990, 1, 1), date(2050, 1, 1))
naive = st.datetimes(datetime(1990, 1, 1), datetime(2050, 1, 1)).map(lambda moment: moment.replace(microsecond=0))
zones = st.sampled_from(
    ["Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Kolkata", "Pacific/Auckland", "Asia/Kathmandu"]
)
measures = st.floats(-1e6, 1e6, allow_nan=False)


def lists(inner: st.SearchStrategy[Any], size: int = 3) -> st.SearchStrategy[Any]:
    return st.lists(inner, min_size=1, max_size=size).map(tuple)


def bodies(code: int) -> st.SearchStrategy[Body]:
    def make(text: str, kind: int) -> Body:
        data = text.encode()
        return Body(1 if code < 120 else kind, data, len(data))

    return st.builds(make, texts, st.sampled_from([1, 2]))


def recurrences(code: int, tasks: bool, until: st.SearchStrategy[Any]) -> st.SearchStrategy[Recurrence]:
    @st.composite
    def make(draw: Any) -> Recurrence:
        kind = draw(st.sampled_from([0, 1, 2, 3, 5, 6]))
        values: dict[str, Any] = {"type": kind, "interval": draw(st.integers(1, 99))}
        ranges = {
            "day_of_week": st.integers(1, 127), "day_of_month": st.integers(1, 31), "week_of_month": st.integers(1, 5),
            "month_of_year": st.integers(1, 12), "calendar_type": st.integers(0, 12), "leap_month": st.booleans(),
            "first_day_of_week": st.integers(0, 6),
        }  # fmt: skip
        since = {"calendar_type": 140, "leap_month": 140, "first_day_of_week": 141}
        for name, numbers in ranges.items():
            if kind in APPLIES[name] and code >= since.get(name, 0):
                values[name] = draw(numbers)
        values["until" if draw(st.booleans()) else "occurrences"] = None
        if "until" in values:
            values["until"] = draw(until)
        else:
            values["occurrences"] = draw(st.integers(1, 250))
        if tasks:
            values |= {"start": draw(naive), "regenerate": draw(st.booleans()), "dead_occurrence": draw(st.booleans())}
        return Recurrence(**values)

    return make()


locations = st.builds(
    Location, texts, texts, texts, texts, texts, texts, texts, measures, measures, measures, measures, measures, texts
)
attachments = st.builds(
    Attachment, texts, texts, st.integers(0, 1 << 30), st.sampled_from([1, 5, 6]), texts, texts, texts, st.booleans()
)


def attendees(code: int, request: bool) -> st.SearchStrategy[Attendee]:
    return st.builds(
        Attendee,
        email=texts,
        name=texts,
        status=st.sampled_from([0, 2, 3, 4, 5]) if code >= 120 and not (request and code >= 160) else st.none(),
        type=st.sampled_from([1, 2, 3]) if code >= 120 else st.none(),
        proposed_start=whole_seconds if code >= 161 and not request else st.none(),
        proposed_end=whole_seconds if code >= 161 and not request else st.none(),
    )


_MOMENTS = (
    "birthday", "anniversary", "utc_start_date", "utc_due_date", "date_completed", "reminder_time", "ordinal_date",
    "modified", "timestamp", "reply_time", "instance_id",
)  # fmt: skip


def _simple(name: str, code: int) -> st.SearchStrategy[Any]:
    """A value for an attribute that is not special, by what its default is."""
    special: dict[str, st.SearchStrategy[Any]] = {
        "categories": lists(texts),
        "children": lists(texts),
        "body": bodies(code),
        "picture": st.binary(min_size=1, max_size=99),
        "native_body_type": st.integers(1, 3),
        "weighted_rank": st.integers(1, 1 << 30),
        "start_date": naive,
        "due_date": naive,
        "importance": st.sampled_from([0, 2, 7]),
        "sensitivity": st.integers(0, 3),
        "busy_status": st.integers(0, 3),
        "reminder": st.integers(0, 40000),
        "meeting_status": st.sampled_from([1, 3, 5, 7, 9]),
        "response_type": st.integers(0, 5),
        "response_requested": st.booleans(),
        "disallow_new_time_proposal": st.booleans(),
        "complete": st.just(True),
        "reminder_set": st.just(True),
        "attachments": lists(attachments),
        "location": locations if code >= 160 else texts.map(Location),
        **dict.fromkeys(_MOMENTS, whole_seconds),
    }
    return special.get(name, texts)


def items(item_class: str, code: int, *, request: bool) -> st.SearchStrategy[dict[str, Any]]:
    """Attribute values that a client (`request`) or a server can write in a version."""
    kind = ITEM_TYPES[item_class]
    names = sorted(
        {row.attribute for row in kind.table.rows if row.valid(code, request=request)}
        | ({"body"} if code < 120 else set())
    )

    @st.composite
    def make(draw: Any) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name in names:
            if name in ("start", "end", "all_day", "timezone_blob", "recurrence", "exceptions", "attendees"):
                continue
            if request and name == "attachments":
                continue
            if draw(st.booleans()):
                values[name] = draw(_simple(name, code))
        if item_class == "Tasks" and draw(st.booleans()):
            values["recurrence"] = draw(recurrences(code, True, whole_seconds))
        if item_class == "Calendar":
            values |= draw(_times(code, request))
        return values

    return make()


def _times(code: int, request: bool) -> st.SearchStrategy[dict[str, Any]]:
    @st.composite
    def make(draw: Any) -> dict[str, Any]:
        all_day = draw(st.booleans())
        moments = days if all_day else whole_seconds
        start = draw(moments)
        values: dict[str, Any] = {"start": start, "end": start + timedelta(days=draw(st.integers(1, 3)))}
        if all_day:
            values["all_day"] = True
        if not (all_day and code >= 160):
            zone = draw(zones)
            values |= {"timezone": zone, "timezone_blob": blob_of(zone, start.year)}
        if draw(st.booleans()):
            values["attendees"] = draw(lists(attendees(code, request)))
        if draw(st.booleans()):
            values["recurrence"] = draw(recurrences(code, False, moments))
            exceptions = st.one_of(
                st.builds(EventException, moments, st.just(True)),
                st.builds(
                    EventException,
                    moments,
                    st.just(False),
                    st.fixed_dictionaries(
                        {},
                        optional={
                            "subject": st.one_of(texts, st.just("")),
                            "start": moments,
                            "location": st.one_of(texts.map(Location), st.none()),
                            "categories": st.one_of(lists(texts), st.just(())),
                            "body": bodies(code),
                            "busy_status": st.integers(0, 3),
                            **({"attendees": lists(attendees(code, request))} if code >= 140 else {}),
                        },
                    ),
                ),
            )
            if draw(st.booleans()):
                values["exceptions"] = draw(lists(exceptions))
        return values

    return make()
