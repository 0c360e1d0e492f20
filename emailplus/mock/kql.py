"""The keyword query language as far as mail needs it (MS-KQL): what Find looks for in a mailbox.

Words, "phrases", prefix*, ``property:value`` and ``received>=date``, with AND (also unwritten), OR, NOT and ``-``.
OR binds closer than the unwritten AND between terms of different kinds. An unknown property makes the query invalid.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from .bodies import PLAIN, body_data
from .mailbox import Item
from .mime import Message

Test = Callable[[Item, Message], bool]

_TERM = re.compile(
    r'\s*(?P<not>-|NOT\s+)?(?:(?P<name>[A-Za-z]+)(?P<sign>:|>=|<=|=|>|<))?(?:"(?P<phrase>[^"]*)"|(?P<word>[^\s"]+))'
)
_HEADERS = {
    "from": ("from",),
    "to": ("to",),
    "cc": ("cc",),
    "subject": ("subject",),
    "participants": ("from", "to", "cc", "bcc"),
    "recipients": ("to", "cc", "bcc"),
}


class QueryError(ValueError):
    """A query that is none."""


def compile_query(text: str) -> Test:
    """A function that tells whether a mail is meant. Raises `QueryError`."""
    groups: list[list[Test]] = []
    position, either = 0, False
    while position < len(text.rstrip()):
        match = _TERM.match(text, position)
        if match is None:
            raise QueryError(f"not readable at {position}")
        position = match.end()
        if match["name"] is None and match["phrase"] is None and match["word"] in ("AND", "OR"):
            either = match["word"] == "OR"
            continue
        test = _term(match)
        if either and groups:
            groups[-1].append(test)
        else:
            groups.append([test])
        either = False
    if not groups:
        raise QueryError("the query is empty")
    return lambda item, message: all(any(test(item, message) for test in group) for group in groups)


def _term(match: re.Match[str]) -> Test:
    value = match["phrase"] if match["phrase"] is not None else match["word"]
    test = _plain(value) if match["name"] is None else _property(match["name"].lower(), match["sign"], value)
    return (lambda item, message: not test(item, message)) if match["not"] else test


def _plain(value: str) -> Test:
    wanted = value.lower().rstrip("*")
    return lambda item, message: wanted in _all_text(message)


def _property(name: str, sign: str, value: str) -> Test:
    wanted = value.lower().rstrip("*")
    if name in _HEADERS:
        headers = _HEADERS[name]
        return lambda item, message: any(wanted in message.headers.all(header).lower() for header in headers)
    if name == "body":
        return lambda item, message: wanted in body_data(message, PLAIN).decode().lower()
    if name == "attachment":
        return lambda item, message: any(wanted in part.file_name.lower() for part in message.attachments())
    if name == "hasattachment":
        return lambda item, message: bool(message.attachments()) == (wanted in ("true", "yes", "1"))
    if name == "isread":
        return lambda item, message: item.read == (wanted in ("true", "yes", "1"))
    if name == "isflagged":
        return lambda item, message: (item.flag is not None and item.flag.status == 2) == (wanted in ("true", "1"))
    if name in ("received", "sent"):
        return _received(sign, value)
    raise QueryError(f"unknown property {name}")


def _received(sign: str, value: str) -> Test:
    try:
        day = date.fromisoformat(value)
    except ValueError:
        raise QueryError(f"not a date: {value}") from None
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    end = begin + timedelta(days=1)
    tests: dict[str, Callable[[datetime], bool]] = {
        ":": lambda moment: begin <= moment < end,
        "=": lambda moment: begin <= moment < end,
        ">=": lambda moment: moment >= begin,
        ">": lambda moment: moment >= end,
        "<=": lambda moment: moment < end,
        "<": lambda moment: moment < begin,
    }
    return lambda item, message: tests[sign](item.received)


def _all_text(message: Message) -> str:
    names = ("subject", "from", "to", "cc")
    hay = " ".join(message.headers.all(name) for name in names) + " " + body_data(message, PLAIN).decode()
    return hay.lower()
