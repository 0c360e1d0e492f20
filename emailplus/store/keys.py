"""The key of a store: where it comes from, and how a wrong one is told apart from a damaged file.

Beside ``mailbox.db`` stands ``mailbox.db.key``, a small JSON file without secrets: how a passphrase becomes the key,
and a verifier, a MAC that only the right key produces. SQLCipher itself answers a wrong key and a damaged first page
alike.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..errors import StoreDamaged, StoreKeyMissing
from ..policy import passphrase

KEY_BYTES = 32
ENVIRONMENT_VARIABLE = "EMAILPLUS_STORE_KEY"

_LABEL = b"emailplus store key verifier 1\0"


@dataclass(frozen=True, slots=True)
class Kdf:
    """Parameters of scrypt (RFC 7914). The default takes about 128 MB and a third of a second, once an open."""

    salt: bytes
    n: int = 1 << 17
    r: int = 8
    p: int = 1

    def derive(self, passphrase: str) -> bytes:
        memory = 128 * self.n * self.r + (1 << 20)
        return hashlib.scrypt(
            passphrase.encode(), salt=self.salt, n=self.n, r=self.r, p=self.p, maxmem=memory, dklen=KEY_BYTES
        )


class KeyProvider(Protocol):
    """Gives the 32-byte key of a store. `kdf` is what the store was made with, None for a raw key."""

    def key(self, kdf: Kdf | None) -> bytes:
        """Raises `StoreKeyMissing`."""

    def new_kdf(self) -> Kdf | None:
        """Parameters for a store to be made; None if this provider gives raw keys."""


class RawKey:
    """A key of 32 bytes, or of 64 hexadecimal digits."""

    def __init__(self, key: bytes | str) -> None:
        self._key = _parse_key(key, "the store key")

    def __repr__(self) -> str:
        return "RawKey(...)"

    def key(self, kdf: Kdf | None) -> bytes:
        if kdf is not None:
            raise StoreKeyMissing("this store was made with a passphrase; a raw key does not open it")
        return self._key

    def new_kdf(self) -> Kdf | None:
        return None


class KeyFile(RawKey):
    """A file with the 32 bytes or the 64 hexadecimal digits of the key."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        try:
            with open(path, "rb") as file:
                content = file.read(1024)
        except OSError as problem:
            raise StoreKeyMissing(f"the key file cannot be read: {problem.strerror}") from problem
        self._key = _parse_key(content, "the key file")


class EnvironmentKey(RawKey):
    """64 hexadecimal digits in an environment variable."""

    def __init__(self, variable: str = ENVIRONMENT_VARIABLE) -> None:
        written = os.environ.get(variable)
        if not written:
            raise StoreKeyMissing(f"the environment variable {variable} is not set")
        self._key = _parse_key(written, f"the environment variable {variable}")


class KeyringKey(RawKey):
    """A key kept in the keyring of the operating system; made there at first use if `create`.

    Config key `allow_device_keychain` decides whether the engine may keep a key there (the caller asks it).
    """

    def __init__(self, account: str, *, service: str = "emailplus", create: bool = False) -> None:
        try:
            import keyring
        except ImportError as problem:
            raise StoreKeyMissing("the OS keyring needs the extra: pip install 'emailplus[keyring]'") from problem
        try:
            written = keyring.get_password(service, account)
            if not written and create:
                written = secrets.token_hex(KEY_BYTES)
                keyring.set_password(service, account, written)
        except Exception as problem:  # keyring backends raise errors of their own kinds
            raise StoreKeyMissing(f"the OS keyring does not answer ({type(problem).__name__})") from problem
        if not written:
            raise StoreKeyMissing(f"the OS keyring holds no key for {account}")
        self._key = _parse_key(written, "the keyring entry")


class Passphrase:
    """A passphrase, stretched with scrypt and a salt of the store's own."""

    def __init__(self, text: str) -> None:
        if not text:
            raise StoreKeyMissing("the passphrase is empty")
        self._passphrase = text

    def __repr__(self) -> str:
        return "Passphrase(...)"

    def measure(self) -> passphrase.Passphrase:
        """Its length and kinds of characters, for the policy of a server that demands a password."""
        return passphrase.Passphrase.of(self._passphrase)

    def key(self, kdf: Kdf | None) -> bytes:
        if kdf is None:
            raise StoreKeyMissing("this store was made with a raw key; a passphrase does not open it")
        return kdf.derive(self._passphrase)

    def new_kdf(self) -> Kdf | None:
        return Kdf(secrets.token_bytes(16))


def as_provider(key: KeyProvider | bytes | str) -> KeyProvider:
    """A provider for what a caller may hand in: 32 bytes, 64 hexadecimal digits, or a provider already."""
    return RawKey(key) if isinstance(key, (bytes, str)) else key


def _parse_key(written: bytes | str, what: str) -> bytes:
    if isinstance(written, bytes) and len(written) == KEY_BYTES:
        return written
    try:
        text = written.decode("ascii") if isinstance(written, bytes) else written
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise StoreKeyMissing(f"{what} must be 32 bytes, written as 64 hexadecimal digits")
    return key


def verifier(key: bytes, store_id: str) -> str:
    """The MAC that proves a key without revealing it."""
    return hmac.new(key, _LABEL + store_id.encode(), hashlib.sha256).hexdigest()


@dataclass(slots=True)
class KeyRecord:
    """Content of the file beside the store. `next_*` is set while a rekey is under way."""

    store_id: str
    kdf: Kdf | None
    verifier: str
    next_kdf: Kdf | None = None
    next_verifier: str = ""

    @staticmethod
    def path(store: Path) -> Path:
        return store.with_name(store.name + ".key")

    @classmethod
    def read(cls, store: Path) -> KeyRecord | None:
        """None if there is none. Raises `StoreDamaged`."""
        try:
            written = cls.path(store).read_text("utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as problem:
            raise StoreDamaged(f"{cls.path(store).name} cannot be read") from problem
        try:
            document = json.loads(written)
            return cls(
                store_id=_hexadecimal(document["store_id"]),
                kdf=_kdf_from(document["kdf"]),
                verifier=_hexadecimal(document["verifier"]),
                next_kdf=_kdf_from(document.get("next_kdf")),
                next_verifier=_hexadecimal(document.get("next_verifier", "")),
            )
        except (ValueError, KeyError, TypeError) as problem:
            raise StoreDamaged(f"{cls.path(store).name} is damaged; restore it from a backup of the store") from problem

    def write(self, store: Path) -> None:
        """Replace the file in one step; it is on the disk when this returns."""
        document = {
            "format": 1,
            "store_id": self.store_id,
            "kdf": _kdf_to(self.kdf),
            "verifier": self.verifier,
        }
        if self.next_verifier:
            document |= {"next_kdf": _kdf_to(self.next_kdf), "next_verifier": self.next_verifier}
        path = self.path(store)
        temporary = path.with_name(path.name + ".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_directory(path.parent)

    def matches(self, key: bytes) -> bool:
        return hmac.compare_digest(self.verifier, verifier(key, self.store_id))


def sync_directory(directory: Path) -> None:
    """Make a rename or creation in `directory` outlive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _hexadecimal(written: str) -> str:
    bytes.fromhex(written)
    return written


def _kdf_from(document: Any) -> Kdf | None:
    if document is None:
        return None
    kdf = Kdf(bytes.fromhex(document["salt"]), int(document["n"]), int(document["r"]), int(document["p"]))
    if not (16384 <= kdf.n <= 1 << 20 and kdf.n & (kdf.n - 1) == 0 and 1 <= kdf.r <= 32 and 1 <= kdf.p <= 16):
        raise ValueError("scrypt parameters out of bounds")
    return kdf


def _kdf_to(kdf: Kdf | None) -> dict[str, object] | None:
    if kdf is None:
        return None
    return {"name": "scrypt", "salt": kdf.salt.hex(), "n": kdf.n, "r": kdf.r, "p": kdf.p}
