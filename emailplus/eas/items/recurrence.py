"""Recurrence on the wire, as it stands in Calendar, Tasks and Email (MS-ASCAL 2.2.2.37, MS-ASTASK 2.2.2.20)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from ...model.recurrence import Recurrence
from ..wbxml import Content, Node
from .values import (
    Composer,
    Row,
    read_boolean,
    read_container,
    read_date,
    read_integer,
    read_local_date,
    read_optional_integer,
    write_compact,
    write_date,
    write_integer,
    write_local_date,
)

_DAYS_ONLY = frozenset({0, 1, 3, 6})
APPLIES: Mapping[str, frozenset[int]] = {
    "day_of_week": _DAYS_ONLY,
    "day_of_month": frozenset({2, 5}),
    "week_of_month": frozenset({3, 6}),
    "month_of_year": frozenset({5, 6}),
    "calendar_type": frozenset({2, 3, 5, 6}),
    "leap_month": frozenset({5, 6}),
    "first_day_of_week": frozenset({1}),
}
"""Which types a property may be sent with; others are refused with status 6 (MS-ASCAL 2.2.2.37.1, MS-ASTASK_R81)."""


def write_until(until: datetime | date | None) -> Content:
    """Compact DateTime; a date as its midnight, which is what "no time component" looks like."""
    if until is None or isinstance(until, datetime):
        return write_compact(until)
    return write_compact(datetime(until.year, until.month, until.day, tzinfo=UTC))


def read_interval(content: Content) -> int:
    """0 and an empty element mean 1: a pattern that never moves on is none."""
    return max(1, read_integer(content))


def write_true(flag: bool) -> Content:
    return "1" if flag else None


def rows(namespace: str) -> tuple[Row, ...]:
    """The table of a namespace. Email keeps what came with 14.0 in Email2."""
    later = "Email2" if namespace == "Email" else namespace
    tasks = namespace == "Tasks"
    common: list[Row] = [Row(f"{namespace}:Type", "type", read_integer, write_integer)]
    if tasks:
        common.append(Row("Tasks:Start", "start", read_local_date, write_local_date))
    until = (read_date, write_date) if tasks else (read_date, write_until)
    common += [
        Row(f"{namespace}:Until", "until", *until),
        Row(f"{namespace}:Occurrences", "occurrences", read_optional_integer, write_integer),
        Row(f"{namespace}:Interval", "interval", read_interval, write_integer),
        Row(f"{namespace}:DayOfWeek", "day_of_week", read_optional_integer, write_integer),
        Row(f"{namespace}:DayOfMonth", "day_of_month", read_optional_integer, write_integer),
        Row(f"{namespace}:WeekOfMonth", "week_of_month", read_optional_integer, write_integer),
        Row(f"{namespace}:MonthOfYear", "month_of_year", read_optional_integer, write_integer),
    ]
    if tasks:
        common.append(Row("Tasks:Regenerate", "regenerate", read_boolean, write_true))
        common.append(Row("Tasks:DeadOccur", "dead_occurrence", read_boolean, write_true))
    common += [
        Row(f"{later}:CalendarType", "calendar_type", read_optional_integer, write_integer, since=140),
        Row(f"{later}:IsLeapMonth", "leap_month", read_boolean, write_true, since=140),
        Row(f"{later}:FirstDayOfWeek", "first_day_of_week", read_optional_integer, write_integer, since=141),
    ]
    return tuple(common)


def reader(namespace: str) -> Callable[[Content], Recurrence | None]:
    """A reader of Recurrence; an empty one is None: the item does not repeat (any more)."""
    by_tag = {row.tag: row for row in rows(namespace)}

    def read(content: Content) -> Recurrence | None:
        values: dict[str, Any] = read_container(by_tag, content)
        return Recurrence(**{"type": 0, **values}) if values else None

    return read


def writer(namespace: str) -> Composer:
    """A writer of Recurrence for a version; what its type does not take is left out."""
    table = rows(namespace)

    def write(recurrence: Recurrence | None, version: int, request: bool) -> Content:
        if recurrence is None:
            return None
        nodes: list[Node] = []
        for row in table:
            applies = APPLIES.get(row.attribute)
            if not row.valid(version, request=request) or (applies is not None and recurrence.type not in applies):
                continue
            content = row.content(getattr(recurrence, row.attribute), version, request=request)
            if content is not None:
                nodes.append((row.tag, content))
        return nodes

    return write
