"""The registration of this mailbox's device at the notification service."""

from __future__ import annotations

import json
from dataclasses import asdict

from ..model.push import PushRegistration
from .database import Database


def registration(database: Database) -> PushRegistration | None:
    """The one that is kept."""
    text = database.scalar("SELECT document FROM push_registration")
    return None if text is None else PushRegistration(**json.loads(text))


def keep(database: Database, made: PushRegistration) -> None:
    """Keep a registration in the place of the one before."""
    document = json.dumps(asdict(made))
    database.execute("INSERT OR REPLACE INTO push_registration (id, document) VALUES (1, ?)", (document,))


def forget(database: Database) -> None:
    """There is none any more."""
    database.execute("DELETE FROM push_registration")
