"""Searching here and on the server with one query: what the server is asked, and what of its answer counts.

The local index answers first. The server is asked for what it has beyond the synchronised window: by Find (16.1), else
by Search. Both understand less than our language: what they cannot be asked is looked at in what they found. A query of
which some part can be neither asked nor looked at is not put to the server at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from .errors import NotOffered
from .model.search import FoundMail, MailQuery
from .policy.body_preference import BodyPreference, BodyRequest
from .rms.gate import Door, Operation, judge
from .store.database import Database
from .store.items import vip_addresses
from .store.search import Query, Term, folder_ids
from .store.text import address_of, folded

_MATCH = re.compile(r'(?:(?P<column>\w+) : )?"(?P<phrase>.*)"(?P<prefix>\*?)', re.S)
_TEXT = {"from": "from", "to": "to", "cc": "cc", "subject": "subject", "category": "category", "filename": "attachment"}
_STATES = {
    "has": "hasattachment:true", "unread": "isread:false", "read": "isread:true", "flagged": "isflagged:true",
    "invite": "kind:meetings",
}  # fmt: skip
_NAMES = {"larger": "size", "smaller": "size", "class": "class", "match": "alternatives of words"}

Group = tuple[Term, ...]


@dataclass(slots=True)
class Plan:
    """One query made ready for the server. `checked`: the groups that are looked at in what comes back."""

    query: MailQuery
    checked: list[Group] = field(default_factory=list)


def plan(database: Database, query: Query) -> Plan:
    """What the server is asked. Raises `NotOffered` for a query that it can neither be asked nor checked for."""
    words: list[str] = []
    keywords: list[str] = []
    wanted = MailQuery()
    checked: list[Group] = []
    for group in query.groups:
        folder = _one_folder(database, group)
        if folder is not None:
            wanted = replace(wanted, folder=folder, deep=False)
            continue
        asked = _keywords(database, group)
        if asked is not None:
            keywords.append(asked)
        plain = _plain_words(group)
        if plain is not None:
            words.append(plain)
        else:
            checked.append(group)
            after, before = _period(group)
            wanted = replace(wanted, after=after or wanted.after, before=before or wanted.before)
        if plain is None and all(not _checkable(term) for term in group):
            name = _NAMES.get(group[0].kind, group[0].kind)
            raise NotOffered(f"the server cannot be searched by {name}; what is here was searched")
    if not words and wanted.after is None and wanted.before is None:
        wanted = replace(wanted, before=datetime(2100, 1, 1, tzinfo=UTC))  # Search needs something to look for
    return Plan(replace(wanted, words=" ".join(words), keywords=" ".join(keywords)), checked)


def counts(database: Database, found: FoundMail, checked: list[Group]) -> bool:
    """Whether a mail of the server is meant. What cannot be told from what the server sent is believed."""
    return all(
        any(answer is not False for answer in (_holds(database, found, term) for term in group)) for group in checked
    )


# -- what comes

SNIPPET = BodyRequest((BodyPreference(1, 500),), 0)
"""Of each mail that the server finds so much comes along, for its preview."""


def with_snippet(found: FoundMail, door: Door, now: datetime) -> FoundMail:
    """The beginning of the body as the preview, and no body: `fetch_found` gets that. What a licence does not let
    through `door` is left out (guide, "Rights Management System": `rms.gate`)."""
    message = found.message
    if not judge(message.rights, Operation.NOTIFY, door, now):
        message.preview, message.body_part, message.voice_notes, message.extra = "", None, "", b""
    elif not message.preview and message.body is not None:
        message.preview = " ".join(message.body.data.decode(errors="replace").split())[:255]  # MS-ASAIRS 2.2.2.35
    message.body = None
    return found


# -- asking


def _one_folder(database: Database, group: Group) -> str | None:
    """The CollectionId of a group that names exactly one folder."""
    if len(group) != 1 or group[0].kind != "in" or group[0].negated:
        return None
    found = folder_ids(database, str(group[0].values[0]))
    return found[0] if len(found) == 1 else None


def _plain_words(group: Group) -> str | None:
    """A group of one word or phrase as Search takes it; nothing else can be put into its text."""
    if len(group) != 1 or group[0].kind != "match" or group[0].negated:
        return None
    match = _MATCH.fullmatch(str(group[0].values[0]))
    return match["phrase"] if match is not None and match["column"] is None else None


def _keywords(database: Database, group: Group) -> str | None:
    """A group in the keyword query language; None where one of its terms cannot be said in it."""
    written = [_keyword(database, term) for term in group]
    if any(term is None for term in written):
        return None
    return " OR ".join(str(term) for term in written)


def _keyword(database: Database, term: Term) -> str | None:
    text = _keyword_of(database, term)
    return f"-{text}" if text is not None and term.negated else text


def _keyword_of(database: Database, term: Term) -> str | None:
    kind = term.kind
    if kind == "match":
        match = _MATCH.fullmatch(str(term.values[0]))
        if match is None:
            return None
        single = match["prefix"] and " " not in match["phrase"]
        return f"{match['phrase']}*" if single else f'"{match["phrase"]}"'
    if kind in _TEXT:
        return f'{_TEXT[kind]}:"{str(term.values[0]).replace(chr(34), " ")}"'
    if kind in _STATES:
        return _STATES[kind]
    if kind == "vip":
        people = sorted(vip_addresses(database))
        # OR binds one group only, and there is no bracket: several people are left to the check afterwards.
        return f'from:"{people[0]}"' if len(people) == 1 else None
    if kind in ("larger", "smaller"):
        return f"size{'>' if kind == 'larger' else '<'}{int(float(term.values[0]))}"
    if kind in ("after", "before") and not term.negated:
        day = datetime.fromtimestamp(float(term.values[0]), UTC).date()
        return f"received{'>=' if kind == 'after' else '<='}{day.isoformat()}"
    return None


def _period(group: Group) -> tuple[datetime | None, datetime | None]:
    """Dates of a group that holds nothing else; a second wider, since Search leaves the borders out."""
    if len(group) != 1 or group[0].negated:
        return None, None
    kind, values = group[0].kind, [float(value) for value in group[0].values if not isinstance(value, str)]
    moments = [datetime.fromtimestamp(value, UTC) for value in values]
    if kind == "after":
        return datetime.fromtimestamp(values[0] - 1, UTC), None
    if kind == "before":
        return None, moments[0]
    return (datetime.fromtimestamp(values[0] - 1, UTC), moments[1]) if kind == "on" else (None, None)


# -- looking at what came


_CHECKABLE = frozenset(
    {
        "from", "to", "cc", "subject", "category", "filename", "unread", "read", "has", "flagged", "draft", "invite",
        "vip", "in", "before", "after", "on",
    }
)  # fmt: skip


def _checkable(term: Term) -> bool:
    return term.kind in _CHECKABLE


def _holds(database: Database, found: FoundMail, term: Term) -> bool | None:
    answer = _tell(database, found, term)
    return answer if answer is None or not term.negated else not answer


def _tell(database: Database, found: FoundMail, term: Term) -> bool | None:
    """Whether one term holds; None where the server did not send what would tell."""
    mail, kind = found.message, term.kind
    texts = {"from": mail.sender, "to": f"{mail.to} {mail.display_to}".strip(), "cc": mail.cc, "subject": mail.subject}
    if kind in texts:
        return str(term.values[0]) in folded(texts[kind]) if texts[kind] or kind == "subject" else None
    if kind == "category":
        return any(str(term.values[0]) in folded(name) for name in mail.categories) if mail.categories else None
    if kind == "filename":
        return any(str(term.values[0]) in folded(each.name) for each in mail.attachments) if mail.attachments else None
    if kind in ("unread", "read"):
        return mail.read == (kind == "read")
    if kind == "has":
        return found.has_attachments
    if kind == "flagged":
        return mail.flag_status == 2 if found.long_id else None  # Find tells nothing of flags
    if kind == "draft":
        return mail.draft
    if kind == "invite":
        return folded(mail.message_class).startswith("ipm.schedule.meeting") if mail.message_class else None
    if kind == "vip":
        return address_of(mail.sender) in vip_addresses(database)
    if kind == "in":
        return found.collection_id in folder_ids(database, str(term.values[0]))
    if kind in ("before", "after", "on") and mail.received is not None:
        moment = mail.received.timestamp()
        borders = [float(value) for value in term.values if not isinstance(value, str)]
        if kind == "before":
            return moment < borders[0]
        return borders[0] <= moment and (kind == "after" or moment < borders[1])
    return None
