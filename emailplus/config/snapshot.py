"""What a store remembers of the configuration in force, so that the next one can be compared with it.

Values are kept as `AppConfig.redacted` shows them, each with a keyed digest of the real one: enough to tell whether a
secret or a certificate changed, nothing to read one from. The store that keeps a snapshot is encrypted besides.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from .secret import Secret

if TYPE_CHECKING:
    from .app_config import AppConfig


@dataclass(frozen=True, slots=True)
class Remembered:
    """One key: as it may be shown, the digest of its value, and whether it was given."""

    shown: object
    digest: str
    given: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every key of a configuration. Made by `Snapshot.of`, kept as JSON."""

    salt: str
    keys: Mapping[str, Remembered]

    @classmethod
    def of(cls, config: AppConfig) -> Snapshot:
        """The snapshot of `config`, under a salt of its own."""
        salt = secrets.token_hex(16)
        shown = config.redacted()
        keys = {
            name: Remembered(shown[name], digest(getattr(config, name), salt), name in config.given) for name in shown
        }
        return cls(salt, keys)

    @classmethod
    def from_json(cls, text: str) -> Snapshot:
        """Read what `to_json` wrote. Raises ValueError where it is something else."""
        try:
            document = json.loads(text)
            keys = {name: Remembered(*entry) for name, entry in document["keys"].items()}
            return cls(str(document["salt"]), keys)
        except (KeyError, TypeError, AttributeError) as problem:
            raise ValueError("not a snapshot of a configuration") from problem

    def to_json(self) -> str:
        keys = {name: [key.shown, key.digest, key.given] for name, key in self.keys.items()}
        return json.dumps({"salt": self.salt, "keys": keys}, ensure_ascii=False)

    def text(self, key: str) -> str | None:
        """The shown value of a key of type text; None where it has none or was not known yet."""
        entry = self.keys.get(key)
        return entry.shown if entry is not None and isinstance(entry.shown, str) else None


def digest(value: object, salt: str) -> str:
    """A digest of a typed value that is equal only for equal values under the same salt."""
    return hashlib.blake2b(_canonical(value).encode(), key=salt.encode(), digest_size=16).hexdigest()


def _canonical(value: object) -> str:
    if isinstance(value, Secret):
        return f"secret:{value.reveal()!r}"
    if isinstance(value, bytes):
        return f"bytes:{hashlib.sha256(value).hexdigest()}"
    if isinstance(value, frozenset):
        return f"set:{sorted(value)!r}"
    if isinstance(value, tuple):
        return f"list:[{','.join(_canonical(item) for item in value)}]"
    if isinstance(value, Decimal):
        return f"number:{value.normalize()}"
    if is_dataclass(value) and not isinstance(value, type):
        return f"record:[{','.join(_canonical(getattr(value, field.name)) for field in fields(value))}]"
    return f"{type(value).__name__}:{value!r}"
