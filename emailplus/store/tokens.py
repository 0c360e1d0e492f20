"""Suggestions for a search: the guide's five, and what the user's own mail has: senders, keywords, categories, folders.

Guide, "Searching mail in Email+ app": tokens are suggested by default or generated from the user's mail.
"""

from __future__ import annotations

from ..model.message import addresses
from ..model.search import SearchToken
from .database import Database
from .text import folded

DEFAULTS = (
    SearchToken("state", "Unread Messages", "is:unread"),
    SearchToken("state", "Flagged Messages", "is:flagged"),
    SearchToken("state", "Messages from VIP", "is:vip"),
    SearchToken("state", "Messages with Attachments", "has:attachment"),
    SearchToken("state", "Messages with Calendar Invites", "has:invite"),
)
SMART = (
    SearchToken("folder", "All mails", 'in:"all mails"'),
    SearchToken("folder", "Spam", "in:spam"),
    SearchToken("folder", "Starred", "in:starred"),
)
"""With `gmail_smart_folders`."""
MAX_EACH = 5
"""Suggestions of one kind."""
RECENT = 5000
"""Newest messages whose senders and categories are looked at: bounds the time of one key stroke."""
LEAST_WORD = 3
"""Letters of a keyword: shorter words say nothing."""


def suggest(database: Database, typed: str = "", *, smart_folders: bool = False) -> list[SearchToken]:
    """What may be meant by `typed` ("": nothing typed yet), most likely first; the newest mail counts."""
    wanted = folded(" ".join(typed.split()))
    fixed = [token for token in (*DEFAULTS, *(SMART if smart_folders else ())) if _begins(token.label, wanted)]
    found = [*fixed, *_senders(database, wanted)]
    if wanted:
        found += [*_keywords(database, wanted), *_categories(database, wanted), *_folders(database, wanted)]
    return found


def _begins(text: str, wanted: str) -> bool:
    """Whether a word of the text begins like what is wanted."""
    plain = folded(text)
    return plain.startswith(wanted) or any(word.startswith(wanted) for word in plain.split())


def _recent(database: Database, column: str) -> list[tuple[str, int]]:
    """Values of a column among the newest messages, with how often each stands there."""
    return database.all(
        f"SELECT {column}, count(*) FROM (SELECT {column} FROM messages WHERE gone = 0 AND cached = 1 "
        f"ORDER BY received DESC NULLS LAST LIMIT ?) GROUP BY {column} ORDER BY 2 DESC",
        (RECENT,),
    )


def _senders(database: Database, wanted: str) -> list[SearchToken]:
    people: dict[str, tuple[str, int]] = {}
    for header, count in _recent(database, "sender"):
        for person in addresses(header)[:1]:
            key = folded(person.address)
            if key and (_begins(person.name, wanted) or key.startswith(wanted)):
                label, before = people.get(key, (person.name or person.address, 0))
                people[key] = (label, before + count)
    best = sorted(people.items(), key=lambda row: (-row[1][1], row[0]))[:MAX_EACH]
    return [SearchToken("sender", label, f'sender:"{_plain(key)}"', count) for key, (label, count) in best]


def _keywords(database: Database, wanted: str) -> list[SearchToken]:
    """Words of the full-text index that begin like it, by the number of messages that hold them."""
    word = "".join(character for character in wanted if character.isalnum())
    if len(word) < LEAST_WORD or word != wanted:
        return []
    database.execute("CREATE VIRTUAL TABLE IF NOT EXISTS temp.vocabulary USING fts5vocab(main, search, 'row')")
    rows = database.all(
        "SELECT term, doc FROM temp.vocabulary WHERE term >= ? AND term < ? ORDER BY doc DESC, term LIMIT ?",
        (word, word + "\U0010ffff", MAX_EACH),
    )
    return [SearchToken("keyword", term, f'keyword:"{_plain(term)}"', count) for term, count in rows]


def _categories(database: Database, wanted: str) -> list[SearchToken]:
    counts: dict[str, int] = {}
    for lines, count in _recent(database, "categories"):
        for name in filter(None, lines.split("\n")):
            if _begins(name, wanted):
                counts[name] = counts.get(name, 0) + count
    best = sorted(counts.items(), key=lambda row: (-row[1], row[0]))[:MAX_EACH]
    return [SearchToken("category", name, f'category:"{_plain(name)}"', count) for name, count in best]


def _folders(database: Database, wanted: str) -> list[SearchToken]:
    rows = database.all(
        "SELECT f.name, count(m.id) FROM folders f JOIN messages m ON m.folder_id = f.id AND m.gone = 0 "
        "GROUP BY f.id ORDER BY 2 DESC"
    )
    found = [(name, count) for name, count in rows if _begins(name, wanted)][:MAX_EACH]
    return [SearchToken("folder", name, f'in:"{_plain(name)}"', count) for name, count in found]


def _plain(text: str) -> str:
    """For between quotation marks: the language has no way to write one there."""
    return text.replace('"', " ")
