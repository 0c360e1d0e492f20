"""The user's choices and the snapshot of the configuration in force, as the store keeps them."""

from __future__ import annotations

import json

from .database import Database


def choices(database: Database) -> dict[str, object]:
    """What the user chose, by the name of the setting (`policy.user_settings`)."""
    return {name: json.loads(value) for name, value in database.all("SELECT name, value FROM settings ORDER BY name")}


def choose(database: Database, chosen: dict[str, object]) -> None:
    """Keep these choices and no others, in one transaction."""
    with database.transaction():
        database.execute("DELETE FROM settings")
        database.executemany(
            "INSERT INTO settings (name, value) VALUES (?, ?)",
            [(name, json.dumps(value, ensure_ascii=False)) for name, value in chosen.items()],
        )


def configuration(database: Database) -> str | None:
    """The snapshot of the configuration in force; None in a store that has seen none."""
    text = database.scalar("SELECT snapshot FROM configuration")
    return None if text is None else str(text)


def remember(database: Database, snapshot: str) -> None:
    """From now on this configuration is in force."""
    database.execute("INSERT OR REPLACE INTO configuration (id, snapshot) VALUES (1, ?)", (snapshot,))


def forget(database: Database) -> None:
    """Remove choices and snapshot: the account is wiped."""
    database.execute("DELETE FROM settings")
    database.execute("DELETE FROM configuration")
