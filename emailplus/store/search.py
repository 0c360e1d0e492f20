"""Finding messages: a small query language, parsed here and carried out as one SQL statement with parameters only.

    word "several words" pre*      in subject, people or body (needs the full-text index)
    keyword:WORD                   the same
    from: to: cc: subject:         the text is contained; case and accents do not matter; sender: is from:
    filename: category:            the same, for attachments and categories
    body:word                      in the body only (needs the full-text index)
    in:FOLDER                      the folder's name, or inbox, drafts, deleted, sent, outbox; with
                                   `gmail_smart_folders` also "all mails", spam and starred
    class:SECRET class:SEC=SECRET  a classification value in effect, of any field or of one
    class:IPM.Note                 or the message class and those derived from it
    has:attachment has:invite
    unread, is:unread, is:read, is:flagged, is:draft
    is:vip                         the sender is a contact marked VIP
    is:marked, is:unmarked         with a classification, without one; is:misread: not understood whole
    after:D before:D on:D          D: 2026-01-31, an age (12h, 7d, 2w, 3m, 1y), today, yesterday
    larger:N smaller:N             body and attachments in bytes, or 10k, 5M, 1G
    -term                          not that
    a OR b                         either; binds closer than the blank between terms, which means "and"

``after:`` begins with the start of the day, ``before:`` ends there; with an age both mean that moment. A value with
blanks is quoted: ``from:"Ann Lee"``. An empty query finds everything.
"""

from __future__ import annotations

import re
import unicodedata
from calendar import timegm
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from ..errors import UsageError
from ..policy.features import is_smart_folder
from .classification import HOLDS, MARKED
from .database import Database
from .items import vip_addresses
from .text import folded, spaced

MAX_LENGTH = 4096
"""Characters of a query."""
MAX_TERMS = 64

FIELDS = (
    "from", "to", "cc", "subject", "body", "in", "has", "is", "before", "after", "on", "larger", "smaller",
    "filename", "category", "class", "sender", "keyword",
)  # fmt: skip
STATES = ("unread", "read", "flagged", "draft", "vip", "marked", "unmarked", "misread")
ALIASES = {"sender": "from", "keyword": ""}

_STANDARD_FOLDERS = {"inbox": 2, "drafts": 3, "deleted": 4, "trash": 4, "sent": 5, "outbox": 6}
_SMART_FOLDERS = {
    **dict.fromkeys(("all mails", "all mail", "all"), "1"),
    **dict.fromkeys(("starred", "starred mails"), "m.flag_status = 2"),
    "spam": "folded(f.name) IN ('spam', 'junk', 'junk email', 'junk e-mail', 'bulk mail')",
}
"""Folders that are none on the server, as conditions: the guide's "All mails", "Spam" and "Starred"."""
_AGE = re.compile(r"(\d{1,5})([hdwmy])", re.ASCII)
_HOURS = {"h": 1, "d": 24, "w": 24 * 7, "m": 24 * 30, "y": 24 * 365}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_SIZE = re.compile(r"(\d{1,12})([kmg]?)b?", re.ASCII | re.IGNORECASE)
_FIELD = re.compile(r"([A-Za-z]+):(?!//)")

_ANY = "(EXISTS (SELECT 1 FROM attachments a WHERE a.message_id = m.id AND {}))"
_SIZE_SQL = (
    # Stored MIME holds its attachments already.
    "(m.body_size + CASE WHEN m.body_type = 4 THEN 0 ELSE "
    "coalesce((SELECT sum(a.size) FROM attachments a WHERE a.message_id = m.id), 0) END)"
)
_SQL = {
    "from": "instr(folded(m.sender), ?) > 0",
    "to": "instr(folded(m.recipients), ?) > 0",
    "cc": "instr(folded(m.cc), ?) > 0",
    "subject": "instr(folded(m.subject), ?) > 0",
    "category": "instr(folded(m.categories), ?) > 0",
    "filename": _ANY.format("instr(folded(a.name), ?) > 0"),
    "has": _ANY.format("a.inline = 0"),
    "invite": "(instr(folded(m.message_class), 'ipm.schedule.meeting') = 1 OR "
    + _ANY.format("(folded(a.content_type) = 'text/calendar' OR folded(a.name) LIKE '%.ics')")
    + ")",
    "unread": "m.read = 0",
    "read": "m.read = 1",
    "flagged": "m.flag_status = 2",
    "draft": "(m.draft = 1 OR f.type = 3)",
    "before": "coalesce(m.received < ?, 0)",
    "after": "coalesce(m.received >= ?, 0)",
    "on": "coalesce(m.received >= ? AND m.received < ?, 0)",
    "larger": f"{_SIZE_SQL} > ?",
    "smaller": f"{_SIZE_SQL} < ?",
    "class": "(folded(m.message_class) = ? OR instr(folded(m.message_class), ? || '.') = 1 OR "
    + HOLDS.format("folded(v.value) = ?")
    + ")",
    "marking": HOLDS.format("folded(v.field) = ? AND folded(v.value) = ?"),
    "marked": MARKED.format("k.label <> ''"),
    "unmarked": MARKED.format("k.label = '' AND k.state = 'read'"),
    "misread": MARKED.format("k.flagged = 1"),
    "match": "m.id IN (SELECT rowid FROM search WHERE search MATCH ?)",
}
"""Condition of each kind of term. None of them is ever NULL, so that NOT means what it says."""


@dataclass(frozen=True, slots=True)
class Term:
    """One condition. `kind` is a row of the language's table; "match" carries an FTS5 expression, "in" a name."""

    kind: str
    values: tuple[str | float, ...] = ()
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """All groups must hold; of a group, one of its terms."""

    groups: tuple[tuple[Term, ...], ...] = ()


def search(
    database: Database, query: str, limit: int | None = 50, *, folder: str = "", smart_folders: bool = False
) -> list[int]:
    """Ids of the messages that a query finds, newest first, at most `limit` (None: all).

    `folder`: in this folder only (as after ``in:``); "" in all. `smart_folders` (`gmail_smart_folders`): "all mails",
    "spam" and "starred" may be named too. Messages that the index has not reached yet are found by everything but
    words. Raises `UsageError`.
    """
    conditions = ["m.gone = 0", "m.cached = 1"]
    parameters: list[str | float] = []
    groups = parse(query).groups
    if folder.strip():
        groups = ((Term("in", (folded(folder.strip()),)),), *groups)
    for group in groups:
        alternatives = []
        for term in group:
            sql, values = _condition(database, term, smart_folders)
            alternatives.append(f"NOT ({sql})" if term.negated else sql)
            parameters.extend(values)
        conditions.append(f"({' OR '.join(alternatives)})")
    if not any(term.kind == "in" for group in groups for term in group):
        conditions += _once(database)
    rows = database.all(
        "SELECT m.id FROM messages m JOIN folders f ON f.id = m.folder_id "
        f"WHERE {' AND '.join(conditions)} ORDER BY m.received DESC NULLS LAST, m.id DESC LIMIT ?",
        (*parameters, -1 if limit is None else max(0, limit)),
    )
    return [row[0] for row in rows]


def _once(database: Database) -> list[str]:
    """In all folders, a mail that Gmail collects in several is found once: where it lies, not where it is collected."""
    rows = database.all(
        "SELECT f.id, f.name, coalesce(p.name, '') FROM folders f LEFT JOIN folders p ON p.server_id = f.parent_id"
    )
    smart = ", ".join(str(row[0]) for row in rows if is_smart_folder(row[1], row[2]))
    if not smart:
        return []
    return [
        f"NOT (m.folder_id IN ({smart}) AND EXISTS (SELECT 1 FROM messages o WHERE o.fingerprint = m.fingerprint "
        f"AND o.gone = 0 AND (o.folder_id NOT IN ({smart}) OR o.folder_id < m.folder_id)))"
    ]


def _condition(database: Database, term: Term, smart_folders: bool) -> tuple[str, tuple[str | float, ...]]:
    if term.kind == "vip":
        people = sorted(vip_addresses(database))
        return f"address_of(m.sender) IN ({', '.join('?' * len(people))})", tuple(people)
    if term.kind != "in":
        return _SQL[term.kind], term.values
    wanted = str(term.values[0])
    found = [row[0] for row in _folders(database, wanted)]
    if not found and smart_folders and wanted in _SMART_FOLDERS:
        return _SMART_FOLDERS[wanted], ()
    if not found:
        names = ", ".join(sorted({row[0] for row in database.all("SELECT name FROM folders")})) or "none yet"
        raise UsageError(f"there is no folder {wanted!r} in this store; its folders: {names}")
    return f"m.folder_id IN ({', '.join('?' * len(found))})", tuple(found)


def _folders(database: Database, wanted: str) -> list[tuple[int, str]]:
    """Local id and ServerId of the folders of that name, else of the standard folder it means."""
    rows = database.all("SELECT id, server_id, name, type FROM folders ORDER BY id")
    found = [(row[0], row[1]) for row in rows if folded(row[2]) == wanted]
    if not found and wanted in _STANDARD_FOLDERS:
        found = [(row[0], row[1]) for row in rows if row[3] == _STANDARD_FOLDERS[wanted]]
    return found


def folder_ids(database: Database, name: str) -> list[str]:
    """ServerIds of the folders that ``in:`` and this name stand for."""
    return [row[1] for row in _folders(database, folded(name.strip()))]


def parse(query: str, *, now: datetime | None = None) -> Query:
    """Read a query. Days and ages count from `now` and in its time zone (default: the clock and zone of the machine).

    Raises `UsageError` saying what is wrong and what is possible.
    """
    if len(query) > MAX_LENGTH:
        raise UsageError(f"the query has {len(query)} characters; {MAX_LENGTH} are possible")
    # NUL ends an FTS5 expression early, and half a surrogate pair cannot be bound.
    text = query.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")
    groups: list[list[Term]] = []
    joined = False
    skipped = ""
    for token in _tokens(text):
        if token == _OR:
            if joined or not groups:
                raise UsageError('OR stands between two terms: a OR b; to find the word itself write "OR"')
            joined = True
            continue
        term = _term(token, now)
        if term is None:
            skipped = token.written
        elif joined:
            groups[-1].append(term)
        else:
            groups.append([term])
        if term is not None:
            joined = False
    if joined:
        raise UsageError('OR stands between two terms: a OR b; to find the word itself write "OR"')
    if skipped and not groups:
        raise UsageError(f"{skipped!r} holds no letter or digit; the index knows words only")
    if sum(map(len, groups)) > MAX_TERMS:
        raise UsageError(f"the query has more than {MAX_TERMS} terms")
    return Query(tuple(tuple(group) for group in groups))


@dataclass(frozen=True, slots=True)
class _Token:
    written: str
    field: str = ""
    value: str = ""
    quoted: bool = False
    prefix: bool = False
    negated: bool = False


_OR = _Token("OR", value="OR")


def _tokens(text: str) -> list[_Token]:
    tokens = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        token, at = _token(text, at)
        tokens.append(token)
    return tokens


def _token(text: str, start: int) -> tuple[_Token, int]:
    """The term that begins at `start`, and where it ends."""
    at = start
    negated = text[at] == "-" and at + 1 < len(text) and not text[at + 1].isspace()
    at += negated
    field, literal = "", False
    named = _FIELD.match(text, at)
    if named:
        name = named[1].lower()
        has_value = named.end() < len(text) and not text[named.end()].isspace()
        if name in FIELDS:
            if not has_value:
                raise UsageError(f'{name}: needs a value right behind the colon, such as {name}:"two words"')
            field, at, literal = ALIASES.get(name, name), named.end(), name == "keyword"
        elif has_value:
            raise UsageError(
                f"{name}: is not something to search by; possible are {', '.join(f'{f}:' for f in FIELDS)} "
                f"- or quote the text to find it as it stands"
            )
    if text[at] == '"':
        end = text.find('"', at + 1)
        if end < 0:
            raise UsageError('a quotation mark is not closed; phrases are written "like this"')
        value, quoted = text[at + 1 : end], True
        at = end + 1
        prefix = at < len(text) and text[at] == "*"
        at += prefix
    else:
        end = at
        while end < len(text) and not text[end].isspace():
            end += 1
        value, quoted = text[at:end], False
        prefix = value.endswith("*")
        value = value.rstrip("*")
        at = end
    token = _Token(text[start:at], field, value, quoted or literal, prefix, negated)
    return (_OR if token.written == "OR" else token), at


def _term(token: _Token, now: datetime | None) -> Term | None:
    """The condition a token stands for; None for punctuation, which no index holds."""
    field, value = token.field, token.value
    if field in ("", "body"):
        if not field and not token.quoted and value.lower() == "unread":
            return Term("unread", (), token.negated)
        if not any(unicodedata.category(character)[0] in "LN" for character in value):
            if field:
                raise UsageError(f"body:{value} holds no letter or digit; the index knows words only")
            return None
        return Term("match", (_match(value, field, token.prefix),), token.negated)
    if not value.strip():
        raise UsageError(f"{field}: needs a value")
    plain = value.strip().lower()
    if field == "has":
        if plain in ("invite", "invites"):
            return Term("invite", (), token.negated)
        if plain not in ("attachment", "attachments"):
            raise UsageError(f"has:{value} is not known; possible are has:attachment and has:invite")
        return Term("has", (), token.negated)
    if field == "is":
        if plain not in STATES:
            raise UsageError(f"is:{value} is not known; possible are {', '.join(f'is:{s}' for s in STATES)}")
        return Term(plain, (), token.negated)
    if field in ("larger", "smaller"):
        return Term(field, (_size(field, plain),), token.negated)
    if field in ("before", "after", "on"):
        begin, end = _moment(field, plain, now)
        return Term(field, (begin, end) if field == "on" else (begin,), token.negated)
    wanted = folded(value.strip())
    if field == "class":
        name, equals, marking = wanted.partition("=")
        if equals and name and marking:
            return Term("marking", (name, marking), token.negated)
        return Term(field, (wanted, wanted, wanted), token.negated)
    return Term(field, (wanted,), token.negated)


def _match(value: str, column: str, prefix: bool) -> str:
    """An FTS5 expression of one string: nothing in it is an operator."""
    phrase = " ".join(spaced(value).replace('"', " ").split())
    return f'{column + " : " if column else ""}"{phrase}"{"*" if prefix else ""}'


def _size(field: str, written: str) -> float:
    found = _SIZE.fullmatch(written)
    if found is None:
        raise UsageError(f"{field}:{written} is not a size; possible are {field}:2000, {field}:10k, {field}:5M")
    return float(int(found[1]) * 1024 ** " kmg".index(found[2].lower() or " "))


def _moment(field: str, written: str, now: datetime | None) -> tuple[float, float]:
    """Unix times: the moment meant, and the end of the day that begins there."""
    clock = now if now is not None else datetime.now().astimezone()
    age = _AGE.fullmatch(written)
    try:
        if age is not None:
            moment = clock - timedelta(hours=int(age[1]) * _HOURS[age[2]])
            if field != "on":
                return moment.timestamp(), moment.timestamp()
            day = moment.date()
        elif written in ("today", "yesterday"):
            day = clock.date() - timedelta(days=written == "yesterday")
        elif _DATE.fullmatch(written):
            day = date.fromisoformat(written)
        else:
            raise ValueError(written)
        return _midnight(day, now), _midnight(day + timedelta(days=1), now)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{field}:{written} is not a date; possible are {field}:2026-01-31, an age such as {field}:7d "
            f"(h, d, w, m, y), {field}:today and {field}:yesterday"
        ) from None


def _midnight(day: date, now: datetime | None) -> float:
    start = datetime(day.year, day.month, day.day, tzinfo=now.tzinfo if now is not None else None)
    try:
        return start.timestamp()
    except (ValueError, OverflowError, OSError):
        return float(timegm(day.timetuple()))  # years the zone tables do not reach
