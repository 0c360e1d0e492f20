"""Attribute values of items as JSON: dataclasses by name, bytes, dates and tuples come back as what they were.

A value of a class or an attribute that this version does not know is left out, so that an older version reads what a
newer one wrote.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime
from typing import Any

from ..model.event import Attendee, EventException, Location, NewAttachment
from ..model.meeting import FollowUp, MeetingRequest
from ..model.message import Attachment, Body
from ..model.recurrence import Recurrence

_CLASSES: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        Attachment,
        Attendee,
        Body,
        EventException,
        FollowUp,
        Location,
        MeetingRequest,
        NewAttachment,
        Recurrence,
    )
}


def dumps(values: Mapping[str, Any]) -> str:
    """Attributes and their values as JSON text."""
    return json.dumps({name: _plain(value) for name, value in values.items()}, ensure_ascii=False)


def loads(text: str) -> dict[str, Any]:
    """What `dumps` wrote."""
    return {name: _value(plain) for name, plain in json.loads(text).items()}


def write_instance(start: datetime | date | None) -> str:
    """The name of an instance of a series: its original start."""
    return "" if start is None else start.isoformat()


def read_instance(text: str) -> datetime | date | None:
    """What `write_instance` wrote."""
    if not text:
        return None
    return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, datetime):
        return {"": "moment", "v": value.isoformat()}
    if isinstance(value, date):
        return {"": "date", "v": value.isoformat()}
    if isinstance(value, bytes):
        return {"": "bytes", "v": b64encode(value).decode()}
    if isinstance(value, (tuple, list)):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {"": "dict", "v": {name: _plain(part) for name, part in value.items()}}
    if is_dataclass(value) and type(value).__name__ in _CLASSES:
        plain: dict[str, Any] = {"": type(value).__name__}
        for row in fields(value):
            part = getattr(value, row.name)
            if row.default is MISSING or part != row.default:
                plain[row.name] = _plain(part)
        return plain
    raise TypeError(f"a {type(value).__name__} cannot be kept")


def _value(plain: Any) -> Any:
    if isinstance(plain, list):
        return tuple(_value(part) for part in plain)
    if not isinstance(plain, dict):
        return plain
    kind, written = plain[""], plain.get("v")
    if kind == "moment":
        return datetime.fromisoformat(str(written))
    if kind == "date":
        return date.fromisoformat(str(written))
    if kind == "bytes":
        return b64decode(str(written))
    if kind == "dict":
        return {name: _value(part) for name, part in (written or {}).items()}
    known = _CLASSES.get(kind)
    if known is None:
        return None
    names = {row.name for row in fields(known)}
    return known(**{name: _value(part) for name, part in plain.items() if name in names})
