"""Documents to measure the codec with, made from a fixed seed: the same bytes on every machine.

    A   one Sync answer with 512 mails, all headers, a short preview, two attachments on every tenth
    B   one Sync answer with 100 mails of 40 KB HTML
    B8  the same, every one with accents: what UTF-8 costs
    C   one Sync answer with 20 mails whose MIME of 1 MB is OPAQUE
    D   six small documents, as a polling phone exchanges them: Ping, FolderSync, an empty Sync
    E   one Sync answer with 300 recurring appointments, 12 attendees each

Elements stand in the order and with the values that Exchange 14.1 sends. Every sixth item has accented names and words,
all others are ASCII.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta

from emailplus.eas.wbxml import Node, encode

_FIRST = ("Anna", "Bertil", "Carla", "Erik", "Grace", "Haruto", "Liam", "Mei", "Olga", "Pedro", "Ruth", "Sanjay")
_FIRST_ACCENTED = ("Chloé", "İpek", "Jürgen", "Kateřina", "Søren", "Zoë")
_LAST = ("Andersson", "Brandt", "Chen", "Fischer", "Haddad", "Ito", "Jansen", "Kowalski", "Lopez", "Moore", "Novak")
_LAST_ACCENTED = ("Brandão", "Dvořák", "García", "Müller", "Šimić", "Ødegård")
_WORDS = (
    *("the", "quarterly", "report", "budget", "meeting", "please", "find", "attached", "review", "before", "Friday"),
    *("agenda", "contract", "supplier", "delivery", "schedule", "project", "update", "minutes", "draft", "comments"),
    *("approval", "travel", "invoice", "payment", "customer", "feedback", "release", "notes", "on", "it", "and", "for"),
)
_WORDS_ACCENTED = ("prüfung", "déjà", "señor", "größe", "naïve", "résumé")
_FOLDERS = (  # of a new mailbox, and their types (MS-ASCMD 2.2.3.186.3)
    *(("Calendar", "8"), ("Contacts", "9"), ("Deleted Items", "4"), ("Drafts", "3"), ("Inbox", "2"), ("Journal", "11")),
    *(
        ("Junk Email", "12"),
        ("Notes", "10"),
        ("Outbox", "6"),
        ("Sent Items", "5"),
        ("Tasks", "7"),
        ("Projets été", "12"),
    ),
)
_START = datetime(2026, 1, 5, 8, 0)


class _Source:
    """Random but repeatable words, people and times. Every sixth item is written in a language with accents."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._first, self._last, self._words = _FIRST, _LAST, _WORDS

    def next_item(self, number: int, every: int = 6) -> None:
        accented = number % every == every - 1
        self._first = _FIRST_ACCENTED if accented else _FIRST
        self._last = _LAST_ACCENTED if accented else _LAST
        self._words = _WORDS + _WORDS_ACCENTED if accented else _WORDS

    def words(self, low: int, high: int) -> str:
        return " ".join(self.random.choices(self._words, k=self.random.randint(low, high)))

    def name(self) -> str:
        return f"{self.random.choice(self._first)} {self.random.choice(self._last)}"

    def person(self) -> str:
        name = self.name()
        return f'"{name}" <{name.replace(" ", ".")}@contoso.example>'

    def people(self, most: int) -> str:
        return ", ".join(self.person() for _ in range(self.random.randint(1, most)))

    def names(self, most: int) -> str:
        return "; ".join(self.name() for _ in range(self.random.randint(1, most)))

    def moment(self) -> datetime:
        return _START + timedelta(minutes=self.random.randrange(400_000))

    def bytes(self, length: int) -> bytes:
        return self.random.randbytes(length)


def _sync(class_: str, added: list[list[Node]]) -> Node:
    """A Sync answer (MS-ASCMD 2.2.1.21) that adds items with these ApplicationData."""
    commands: list[Node] = [
        ("AirSync:Add", [("AirSync:ServerId", f"5:{number}"), ("AirSync:ApplicationData", data)])
        for number, data in enumerate(added, 1)
    ]
    collection: list[Node] = [
        ("AirSync:SyncKey", "{8c7ab24b-7f1e-4d0b-9b3c-8d3d3f1b7a10}2"),
        ("AirSync:CollectionId", "5"),
        ("AirSync:Status", "1"),
        ("AirSync:MoreAvailable", None),
        ("AirSync:Commands", commands),
    ]
    if class_ == "Calendar":
        collection.insert(0, ("AirSync:Class", class_))
    return ("AirSync:Sync", [("AirSync:Collections", [("AirSync:Collection", collection)])])


def _headers(source: _Source) -> list[Node]:
    subject = source.words(3, 9)
    nodes: list[Node] = [
        ("Email:To", source.people(6)),
        ("Email:Cc", source.people(8)),
        ("Email:From", source.person()),
        ("Email:ReplyTo", source.person()),
        ("Email:Subject", "RE: " + subject),
        ("Email:DateReceived", source.moment().strftime("%Y-%m-%dT%H:%M:%S.000Z")),
        ("Email:DisplayTo", source.names(6)),
        ("Email:ThreadTopic", subject),
        ("Email:Importance", source.random.choice("0112")),
        ("Email:Read", source.random.choice("01")),
    ]
    if source.random.randrange(10) == 0:
        nodes.append(("AirSyncBase:Attachments", [_attachment(source, index) for index in range(2)]))
    return nodes


def _attachment(source: _Source, index: int) -> Node:
    return (
        "AirSyncBase:Attachment",
        [
            ("AirSyncBase:DisplayName", f"{source.words(1, 2)}-{index}.pdf"),
            ("AirSyncBase:FileReference", f"5%3a{source.random.randrange(10_000)}%3a{index}"),
            ("AirSyncBase:Method", "1"),
            ("AirSyncBase:EstimatedDataSize", str(source.random.randrange(1_000_000))),
        ],
    )


def _body(kind: str, data: str | bytes, truncated: bool) -> Node:
    return (
        "AirSyncBase:Body",
        [
            ("AirSyncBase:Type", kind),
            ("AirSyncBase:EstimatedDataSize", str(len(data))),
            ("AirSyncBase:Truncated", "1" if truncated else "0"),
            ("AirSyncBase:Data", data),
        ],
    )


def _trailer(source: _Source) -> list[Node]:
    return [
        ("Email:MessageClass", "IPM.Note"),
        ("Email:InternetCPID", "65001"),
        ("Email:Flag", None),
        ("Email:ContentClass", "urn:content-classes:message"),
        ("AirSyncBase:NativeBodyType", "2"),
        ("Email2:ConversationId", source.bytes(16)),
        ("Email2:ConversationIndex", source.bytes(5)),
        ("Email:Categories", None),
    ]


def mails_with_headers(count: int = 512) -> Node:
    source = _Source(1)
    return _sync("Email", [_mail(source, "1", _preview, number, truncated=True) for number in range(count)])


def _mail(
    source: _Source,
    kind: str,
    body: Callable[[_Source], str | bytes],
    number: int,
    *,
    truncated: bool = False,
    every: int = 6,
) -> list[Node]:
    source.next_item(number, every)
    return [*_headers(source), _body(kind, body(source), truncated), *_trailer(source)]


def _preview(source: _Source) -> str:
    return source.words(25, 45)


def _html(source: _Source, size: int = 40_000) -> str:
    parts = ['<html><head><meta http-equiv="Content-Type" content="text/html; charset=utf-8"></head><body>\r\n']
    length = 0
    while length < size:
        parts.append(f'<p class="MsoNormal" style="margin:0cm">{source.words(20, 40)} &amp; more.</p>\r\n')
        length += len(parts[-1])
    return "".join(parts) + "</body></html>"


def mails_with_html(count: int = 100, accented_every: int = 6) -> Node:
    source = _Source(2)
    return _sync("Email", [_mail(source, "2", _html, number, every=accented_every) for number in range(count)])


def _mime(source: _Source, size: int = 1_000_000) -> bytes:
    text = f"From: {source.person()}\r\nMIME-Version: 1.0\r\n\r\n".encode()
    line = (source.bytes(38).hex() + "\r\n").encode()
    return text + line * (size // len(line))


def mails_with_mime(count: int = 20) -> Node:
    source = _Source(3)
    return _sync("Email", [_mail(source, "4", _mime, number) for number in range(count)])


def appointments(count: int = 300, attendees: int = 12) -> Node:
    source = _Source(5)
    zone = "xP///1cALgAgAEUAdQByAG8AcABlACAAUwB0AGEAbgBkAGEAcgBkACAAVABpAG0AZQ" + "A" * 160 + "=="
    items: list[list[Node]] = []
    for number in range(count):
        source.next_item(number)
        begin = source.moment()
        invited: list[Node] = [
            (
                "Calendar:Attendee",
                [
                    ("Calendar:Email", f"{source.random.choice(_LAST)}@contoso.example"),
                    ("Calendar:Name", source.name()),
                    ("Calendar:AttendeeStatus", source.random.choice("02345")),
                    ("Calendar:AttendeeType", source.random.choice("1123")),
                ],
            )
            for _ in range(attendees)
        ]
        items.append(
            [
                ("Calendar:Timezone", zone),
                ("Calendar:DtStamp", begin.strftime("%Y%m%dT%H%M%SZ")),
                ("Calendar:StartTime", begin.strftime("%Y%m%dT%H%M%SZ")),
                ("Calendar:Subject", source.words(2, 6)),
                ("Calendar:UID", source.bytes(56).hex().upper()),
                ("Calendar:OrganizerName", source.name()),
                ("Calendar:OrganizerEmail", "organizer@contoso.example"),
                ("Calendar:Attendees", invited),
                ("Calendar:Location", source.words(1, 3)),
                ("Calendar:EndTime", (begin + timedelta(hours=1)).strftime("%Y%m%dT%H%M%SZ")),
                (
                    "Calendar:Recurrence",
                    [
                        ("Calendar:Type", "1"),
                        ("Calendar:Interval", "1"),
                        ("Calendar:DayOfWeek", str(1 << source.random.randrange(7))),
                        ("Calendar:Occurrences", "26"),
                    ],
                ),
                (
                    "Calendar:Exceptions",
                    [
                        (
                            "Calendar:Exception",
                            [
                                ("Calendar:Deleted", "1"),
                                ("Calendar:ExceptionStartTime", begin.strftime("%Y%m%dT%H%M%SZ")),
                            ],
                        )
                    ],
                ),
                _body("1", source.words(10, 30), False),
                ("Calendar:Sensitivity", "0"),
                ("Calendar:BusyStatus", "2"),
                ("Calendar:AllDayEvent", "0"),
                ("Calendar:Reminder", "15"),
                ("Calendar:MeetingStatus", "1"),
                ("AirSyncBase:NativeBodyType", "1"),
                ("Calendar:ResponseRequested", "1"),
            ]
        )
    return _sync("Calendar", items)


def small_documents() -> list[Node]:
    changes: list[Node] = [
        (
            "FolderHierarchy:Add",
            [
                ("FolderHierarchy:ServerId", str(number)),
                ("FolderHierarchy:ParentId", "0"),
                ("FolderHierarchy:DisplayName", name),
                ("FolderHierarchy:Type", kind),
            ],
        )
        for number, (name, kind) in enumerate(_FOLDERS, 1)
    ]
    return [
        ("Ping:Ping", [("Ping:Status", "1")]),
        ("Ping:Ping", [("Ping:Status", "2"), ("Ping:Folders", [("Ping:Folder", "5"), ("Ping:Folder", "9")])]),
        (
            "Ping:Ping",
            [
                ("Ping:HeartbeatInterval", "480"),
                (
                    "Ping:Folders",
                    [
                        ("Ping:Folder", [("Ping:Id", "5"), ("Ping:Class", "Email")]),
                        ("Ping:Folder", [("Ping:Id", "1"), ("Ping:Class", "Calendar")]),
                    ],
                ),
            ],
        ),
        ("FolderHierarchy:FolderSync", [("FolderHierarchy:SyncKey", "0")]),
        (
            "FolderHierarchy:FolderSync",
            [
                ("FolderHierarchy:Status", "1"),
                ("FolderHierarchy:SyncKey", "1"),
                ("FolderHierarchy:Changes", [("FolderHierarchy:Count", str(len(changes))), *changes]),
            ],
        ),
        (
            "AirSync:Sync",
            [
                (
                    "AirSync:Collections",
                    [
                        (
                            "AirSync:Collection",
                            [("AirSync:SyncKey", "17"), ("AirSync:CollectionId", "5"), ("AirSync:Status", "1")],
                        )
                    ],
                )
            ],
        ),
    ]


CORPORA: dict[str, tuple[str, Callable[[], list[Node]]]] = {
    "A": ("512 mails, headers", lambda: [mails_with_headers()]),
    "B": ("100 mails, 40 KB HTML", lambda: [mails_with_html()]),
    "B8": ("the same, all with accents", lambda: [mails_with_html(accented_every=1)]),
    "C": ("20 mails, 1 MB opaque MIME", lambda: [mails_with_mime()]),
    "D": ("Ping, FolderSync, empty Sync", small_documents),
    "E": ("300 appointments, 12 attendees", lambda: [appointments()]),
}
"""Letter -> (what it is, its documents)."""


def corpus(letter: str) -> list[tuple[Node, bytes]]:
    """The documents of one corpus as tree and as WBXML."""
    return [(node, encode(node)) for node in CORPORA[letter][1]()]
