"""What signing in leaves behind: tokens, and digests of passwords that the server refused."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import asdict
from typing import Final

from ..errors import StoreDamaged
from ..model import sign_in as model
from ..model.sign_in import Tokens
from .database import Database, Handlers
from .schema.sign_in import NAMES

KEEP: Final = 20
"""Refused passwords that are remembered, the latest ones."""


def save_tokens(database: Database, found: Tokens | None) -> None:
    """Keep these tokens in place of those before; durable when this returns."""
    with database.transaction():
        database.execute("DELETE FROM tokens")
        if found is not None:
            database.execute("INSERT INTO tokens (id, tokens) VALUES (1, ?)", (json.dumps(asdict(found)),))


def tokens(database: Database) -> Tokens | None:
    """The tokens that are kept. Raises `StoreDamaged`."""
    text = database.scalar("SELECT tokens FROM tokens")
    if text is None:
        return None
    try:
        return Tokens(**json.loads(text))
    except (ValueError, TypeError) as problem:
        raise StoreDamaged("the tokens in the store cannot be read; sign out and in again") from problem


def forget(database: Database) -> None:
    """Remove everything that signing in left behind."""
    for table in NAMES:
        database.execute(f"DELETE FROM {table}")


class PasswordMemory:
    """Which passwords the server refused, without the passwords; see `auth.password.Memory`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def refused_at(self, scope: str, password: str) -> float | None:
        """When the server refused this password (Unix time); None: never, as far as is known."""
        if not self._database.scalar("SELECT count(*) FROM refused_passwords"):
            return None  # nothing to compare with: no time spent on a digest
        digest = self._digest(scope, password)
        found = self._database.scalar("SELECT refused FROM refused_passwords WHERE digest = ?", (digest,))
        return None if found is None else float(found)

    def refuse(self, scope: str, password: str, now: float) -> None:
        """Remember a refusal."""
        with self._database.transaction():
            self._database.execute(
                "INSERT OR REPLACE INTO refused_passwords (digest, refused) VALUES (?, ?)",
                (self._digest(scope, password), now),
            )
            self._database.execute(
                "DELETE FROM refused_passwords WHERE digest NOT IN "
                "(SELECT digest FROM refused_passwords ORDER BY refused DESC LIMIT ?)",
                (KEEP,),
            )

    def accept(self) -> None:
        """A password was taken: what was refused before may be right again one day."""
        if self.connected and not self._database.scalar("SELECT count(*) FROM refused_passwords"):
            return
        with self._database.transaction():
            self._database.execute("DELETE FROM refused_passwords")
            self._database.execute("INSERT OR REPLACE INTO sign_in (name, value) VALUES ('connected', x'01')")

    @property
    def connected(self) -> bool:
        """Whether a password was ever taken: the first connection is behind us (`prompt_email_password`)."""
        return bool(self._database.scalar("SELECT count(*) FROM sign_in WHERE name = 'connected'"))

    def _digest(self, scope: str, password: str) -> str:
        """Useless without the store, and costly to guess with it."""
        key = self._database.scalar("SELECT value FROM sign_in WHERE name = 'digest key'")
        if key is None:
            key = secrets.token_bytes(32)
            self._database.execute("INSERT INTO sign_in (name, value) VALUES ('digest key', ?)", (key,))
        text = f"{scope}\0{password}".encode("utf-8", "surrogatepass")
        return hashlib.scrypt(text, salt=bytes(key), n=1 << 13, r=8, p=1, dklen=32).hex()


APPLYING: Final[Handlers] = {model.SaveTokens: lambda database, batch: save_tokens(database, batch.tokens)}
"""What the store does with the batches of `model.sign_in`."""

LOADING: Final[Handlers] = {model.StoredTokens: lambda database, _: tokens(database)}
"""What the store answers to the queries of `model.sign_in`."""
