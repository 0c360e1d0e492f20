"""Whose pictures the user wants to see: one message, or everything of a sender."""

from __future__ import annotations

from ..model.message import addresses
from .database import Database


def sender_of(header: str) -> str:
    """The address in a From header that a choice about a sender is about; "" where there is not exactly one."""
    people = addresses(header)
    return people[0].address.lower() if len(people) == 1 else ""


def shown(database: Database, message_id: int, sender: str) -> bool:
    """Whether the user chose to see the pictures of this message, or of its sender (a From header)."""
    return (
        database.scalar(
            "SELECT 1 FROM pictures_shown WHERE (kind = 'message' AND name = ?) OR (kind = 'sender' AND name = ?)",
            (str(message_id), sender_of(sender) or "\0"),
        )
        is not None
    )


def choose(database: Database, kind: str, name: str, show: bool) -> None:
    """Remember or forget a choice; `kind` is "message" or "sender"."""
    if show:
        database.execute("INSERT OR IGNORE INTO pictures_shown (kind, name) VALUES (?, ?)", (kind, name))
    else:
        database.execute("DELETE FROM pictures_shown WHERE kind = ? AND name = ?", (kind, name))


def forget(database: Database) -> None:
    """Remove every choice: the account is wiped."""
    database.execute("DELETE FROM pictures_shown")
