"""The encrypted file: opening, verifying, rekeying and destroying it. The only module that imports the SQLite binding.

Every page is encrypted and authenticated by SQLCipher, the write-ahead log and the rollback journal included;
temporary tables live in memory. Nothing else of a store is written anywhere.
"""

from __future__ import annotations

import fcntl
import hmac
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from threading import RLock
from typing import Any, TypeAlias

from sqlcipher3 import dbapi2 as sqlite

from ..errors import StoreBusy, StoreDamaged, StoreError, StoreKeyMissing, StoreTooNew, WrongStoreKey
from .keys import KeyProvider, KeyRecord, sync_directory, verifier
from .schema import MIGRATIONS
from .text import address_of, folded

PAGE_SIZE = 8192
"""Halves the cost of writing mail against SQLCipher's default of 4096."""

STATEMENTS = 512
"""How many prepared statements are kept. A synchronisation has more than SQLite's binding keeps (128): with its memory
locked and wiped, preparing all of them again takes two thirds of one that finds nothing new."""

MEMORY_SECURITY = "ON"
"""Whether all that SQLite allocates is kept out of swap and wiped when it is let go, as the keys always are."""

Row = tuple[Any, ...]


Handlers: TypeAlias = dict[type, Callable[["Database", Any], Any]]
"""What is done with a batch, or answered to a query, by its type."""


class Database:
    """One open store file. Methods may be called from any thread; one transaction runs at a time."""

    def __init__(self, path: Path, connection: Any, lock: int | None, migrations: Sequence[str] | None = None) -> None:
        self.path = path
        self._migrations = MIGRATIONS if migrations is None else migrations
        self._connection = connection
        self._lock_file = lock
        self._mutex = RLock()
        self._depth = 0
        self._secret: bytes | None = None
        """Opens the file again after `rest`; None where it may not rest, and once it is closed."""

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        key: KeyProvider,
        *,
        create: bool = True,
        lock: bool = False,
        migrations: Sequence[str] | None = None,
    ) -> Database:
        """Open the store at `path`, or make it there. `lock`: refuse if another process has it open for work.

        `migrations`: the schema, as its growth; a mailbox's unless another is given.
        Raises `WrongStoreKey`, `StoreDamaged`, `StoreBusy`, `StoreTooNew`, `StoreKeyMissing` or `StoreError`.
        """
        path = Path(path)
        if not create and not _exists(path):
            if KeyRecord.path(path).exists():
                raise StoreError(f"there is no store at {path.name}, only its key record")
            raise StoreError(f"there is no store at {path}; `sync` makes one")
        if not path.parent.is_dir():
            raise StoreError(f"there is no folder {path.parent} for the store")
        # Locked before anything is read: two first runs must not both write a key record.
        descriptor = _lock(path) if lock else None
        try:
            secret = _secret(path, key, locked=lock)
            database = cls(path, _connect(path, secret), descriptor, migrations)
            database._secret = secret if lock else None
            try:
                database._migrate()
            except BaseException:
                database._connection.close()
                raise
        except BaseException:
            _unlock(descriptor)
            raise
        return database

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        with self._mutex:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            self._secret = None
            _unlock(self._lock_file)
            self._lock_file = None

    def rest(self) -> None:
        """Let go of the open file and its memory until it is needed again; the lock on it is kept.

        Nothing happens inside a transaction, or to a store that was opened without the lock.
        """
        with self._mutex:
            if self._depth == 0 and self._secret is not None and self._connection is not None:
                self._connection.close()  # it refers to itself: left alone, it stays until the next collection
                self._connection = None

    @property
    def resting(self) -> bool:
        """Whether the file is closed for now."""
        return self._connection is None and self._secret is not None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; an inner transaction is part of the outer one."""
        with self._mutex:
            if self._depth:
                yield
                return
            self._execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._connection is not None and self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            self._depth -= 1
            self._execute("COMMIT")

    @contextmanager
    def overwriting(self) -> Iterator[None]:
        """What is deleted meanwhile is overwritten with zeros, and gone from the write-ahead log afterwards. Around a
        transaction, not inside one."""
        with self._mutex:
            self._execute("PRAGMA secure_delete = ON")
            try:
                yield
                self._execute("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                self._execute("PRAGMA secure_delete = OFF")

    def execute(self, statement: str, parameters: Any = ()) -> Any:
        """Run one statement; the cursor it returns is read at once by the caller."""
        with self._mutex:
            return self._execute(statement, parameters)

    def executemany(self, statement: str, rows: Any) -> None:
        """Run one statement for many rows."""
        with self._mutex, _mapped(self.path):
            self._open().executemany(statement, rows)

    def all(self, statement: str, parameters: Any = ()) -> list[Row]:
        """Every row of a query."""
        with self._mutex, _mapped(self.path):
            rows: list[Row] = self._open().execute(statement, parameters).fetchall()
            return rows

    def one(self, statement: str, parameters: Any = ()) -> Row | None:
        """The first row of a query."""
        with self._mutex, _mapped(self.path):
            row: Row | None = self._open().execute(statement, parameters).fetchone()
            return row

    def scalar(self, statement: str, parameters: Any = ()) -> Any:
        """The first value of the first row; None if there is none."""
        row = self.one(statement, parameters)
        return row[0] if row else None

    def _execute(self, statement: str, parameters: Any = ()) -> Any:
        with _mapped(self.path):
            return self._open().execute(statement, parameters)

    def _open(self) -> Any:
        if self._connection is None:
            if self._secret is None:
                raise StoreError("the store is closed")
            if not _exists(self.path):
                raise StoreError(f"{self.path.name} is not there any more")
            self._connection = _connect(self.path, self._secret)  # from `rest`
        return self._connection

    def _migrate(self) -> None:
        version = self.scalar("PRAGMA user_version")
        if version > len(self._migrations):
            raise StoreTooNew(f"{self.path.name} was written by a later version of emailplus; update the program")
        if not version and not self.scalar("SELECT count(*) FROM sqlite_master"):
            with self.transaction():
                for statement in _newest(tuple(self._migrations)):
                    self._execute(statement)
                self._execute(f"PRAGMA user_version = {len(self._migrations)}")
            return
        for number in range(version, len(self._migrations)):
            with self.transaction():
                for statement in _statements(self._migrations[number]):
                    self._execute(statement)
                self._execute(f"PRAGMA user_version = {number + 1}")

    def verify(self) -> list[str]:
        """Check every page's authentication and the structure of every table; problems found, none if whole."""
        problems = [str(row[0]) for row in self.all("PRAGMA cipher_integrity_check")]
        try:
            problems += [str(row[0]) for row in self.all("PRAGMA integrity_check(20)") if row[0] != "ok"]
        except StoreDamaged as damage:  # too damaged to be walked through
            problems.append(str(damage.__cause__ or damage))
        return problems

    def rekey(self, new: KeyProvider) -> None:
        """Encrypt every page with another key. Cut at any moment, the store opens with the old key or the new one."""
        record = KeyRecord.read(self.path)
        if record is None:
            raise StoreDamaged(f"{KeyRecord.path(self.path).name} is missing beside the store")
        kdf = new.new_kdf()
        secret = new.key(kdf)
        with self._mutex:
            record.next_kdf, record.next_verifier = kdf, verifier(secret, record.store_id)
            record.write(self.path)
            # A rekey rewrites every page; a rollback journal makes that one atomic step, a log does not.
            self._execute("PRAGMA wal_checkpoint(TRUNCATE)")
            if self._execute("PRAGMA journal_mode = DELETE").fetchone() != ("delete",):
                raise StoreBusy(f"{self.path.name} is open elsewhere; close it there to change the key")
            self._execute(f"PRAGMA rekey = \"x'{secret.hex()}'\"")
            self._execute("PRAGMA journal_mode = WAL")
            self._secret = secret if self._secret is not None else None
            KeyRecord(record.store_id, kdf, record.next_verifier).write(self.path)

    def destroy(self) -> None:
        """Close and delete the store with everything beside it; the key record first: without it nothing opens."""
        self.close()
        destroy(self.path)


def destroy(path: Path) -> None:
    """Delete a store's files, overwriting the part without which the rest is noise."""
    for suffix in (".key", ".key.new", "-wal", "-shm", "-journal", "", ".attempts", ".lock"):
        victim = path.with_name(path.name + suffix)
        try:
            if suffix in ("", "-wal"):
                with open(victim, "r+b") as file:  # the salt of the cipher stands in the first bytes
                    file.write(b"\0" * min(PAGE_SIZE, victim.stat().st_size))
                    file.flush()
                    os.fsync(file.fileno())
            victim.unlink()
        except FileNotFoundError:
            continue
    sync_directory(path.parent)


def _exists(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _secret(path: Path, key: KeyProvider, *, locked: bool) -> bytes:
    """The key of the store at `path`, proved; for a store to be made, its key record is written."""
    record = KeyRecord.read(path)
    if record is None:
        if _exists(path):
            raise StoreDamaged(f"{KeyRecord.path(path).name} is missing beside the store; restore it from a backup")
        kdf = key.new_kdf()
        secret = key.key(kdf)
        store_id = secrets.token_hex(16)
        KeyRecord(store_id, kdf, verifier(secret, store_id)).write(path)
        return secret
    if record.next_verifier:
        return _settle_rekey(path, record, key, locked)
    secret = key.key(record.kdf)
    if not record.matches(secret):
        raise WrongStoreKey(f"the key does not belong to {path.name}; nothing was changed")
    return secret


def _settle_rekey(path: Path, record: KeyRecord, key: KeyProvider, locked: bool) -> bytes:
    """Finish a rekey that was cut: find out which of the two keys the pages have, and write that down.

    Written only under the lock: the rekey may not have been cut but be under way in another process.
    """
    candidates = []
    for kdf, proof in ((record.kdf, record.verifier), (record.next_kdf, record.next_verifier)):
        try:
            secret = key.key(kdf)
        except StoreKeyMissing:  # one of the two may be a passphrase, the other a raw key
            continue
        if hmac.compare_digest(proof, verifier(secret, record.store_id)):
            candidates.append((secret, kdf, proof))
    if not candidates:
        raise WrongStoreKey(f"the key does not belong to {path.name}; nothing was changed")
    for secret, kdf, proof in candidates:
        try:
            _connect(path, secret).close()
        except StoreDamaged:
            continue
        try:
            descriptor = None if locked else _lock(path)
        except StoreBusy:
            return secret
        KeyRecord(record.store_id, kdf, proof).write(path)
        _unlock(descriptor)
        return secret
    raise WrongStoreKey(f"{path.name} was being rekeyed when it was cut: open it once with the other of the two keys")


def _connect(path: Path, secret: bytes) -> Any:
    if not path.exists():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        sync_directory(path.parent)
    pragmas = [
        "cipher_log_level = NONE",
        f"cipher_memory_security = {MEMORY_SECURITY}",
        f"key = \"x'{secret.hex()}'\"",
        f"cipher_page_size = {PAGE_SIZE}",
        "temp_store = MEMORY",
        "foreign_keys = ON",
        "synchronous = FULL",
        "cache_size = -16384",
    ]
    if path.stat().st_size == 0:
        pragmas.append("auto_vacuum = INCREMENTAL")  # for a file that has it already, this would be a write
    with _mapped(path):
        connection = sqlite.connect(
            path, isolation_level=None, check_same_thread=False, timeout=30, cached_statements=STATEMENTS
        )
    try:
        with _mapped(path):
            for pragma in pragmas:
                connection.execute(f"PRAGMA {pragma}")
            _functions(connection)
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            connection.execute("PRAGMA journal_mode = WAL")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _mapped(path: Path) -> Iterator[None]:
    """SQLite's errors as ours. The right key was proved before, so an unreadable page is damage."""
    try:
        yield
    except sqlite.OperationalError as problem:
        text = str(problem)
        if "locked" in text or "busy" in text:
            raise StoreBusy(f"another process is working on {path.name}; try again when it is done") from problem
        if "full" in text:
            raise StoreError(f"the disk is full: {path.name} was left as it was before this step") from problem
        raise StoreError(f"{path.name}: {text}") from problem
    except sqlite.Error as problem:
        if isinstance(
            problem, (sqlite.InterfaceError, sqlite.IntegrityError, sqlite.DataError, sqlite.ProgrammingError)
        ):
            raise StoreError(f"{path.name}: {problem}") from problem
        raise StoreDamaged(f"{path.name} is damaged ({problem}); restore a backup or start a new store") from problem


def _lock(path: Path) -> int:
    descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        os.close(descriptor)
        raise StoreBusy(f"another process is synchronising {path.name}; wait for it or stop it") from problem
    return descriptor


def _unlock(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)


@lru_cache(maxsize=4)
def _newest(migrations: tuple[str, ...]) -> tuple[str, ...]:
    """What makes a new file as all migrations leave one. They only change the form: a new file has nothing to convert.

    On pages that are encrypted and authenticated the way through every version takes twenty times as long.
    """
    with closing(sqlite.connect(":memory:", isolation_level=None)) as scratch:
        _functions(scratch)
        for migration in migrations:
            scratch.executescript(migration)
        rows = scratch.execute(
            "SELECT m.sql FROM sqlite_master m WHERE m.sql IS NOT NULL AND m.name NOT LIKE 'sqlite~_%' ESCAPE '~' "
            "AND m.name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow') ORDER BY m.rowid"
        )
        return tuple(row[0] for row in rows)


def _functions(connection: Any) -> None:
    """What our indexes and triggers call."""
    connection.create_function("folded", 1, folded, deterministic=True)
    connection.create_function("address_of", 1, address_of, deterministic=True)


def _statements(script: str) -> Iterator[str]:
    """The statements of a script; a trigger's body belongs to it."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite.complete_statement(pending):
            yield pending
            pending = ""
