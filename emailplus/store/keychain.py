"""Our certificates with their keys in the encrypted file, and what the app config asks to be done with them.

    key                                   given or changed             removed
    email_signing_certificate             imported, selected to sign   selection cleared, certificate kept
    email_encryption_certificate          imported, selected to        selection cleared, certificate kept
                                          encrypt and be encrypted to
    email_login_certificate               imported                     kept
    email_user_certificate_self_service   imported                     kept
    email_escrow_certificates             imported, decrypt only       kept
    email_certificate_X                   the anchors of mail          no anchor any more
    allow_certificate_revocation_check    lists are consulted          they are not

Guide, table 2, "S/MIME". What the user selected by hand stands until the administrator changes the key: each value is
carried out once. A certificate that cannot be used is a problem to be told, never a reason to stop.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from ..config import AppConfig
from ..config.certificates import BadCertificate, decode
from ..config.secret import Secret
from ..errors import KeyImportFailed, StoreDamaged
from ..smime import certificate as certs
from ..smime.keychain import Keychain, KeyEntry, Role, import_pkcs12, restore, usable_for
from ..smime.report import CertificateSummary
from .database import Database
from .mail import unindex

_COLUMNS = "fingerprint, certificate, private_key, selected, escrow, revoked, source"


class StoredKeys:
    """`smime.keychain.KeyStore` over the store. Keys are taken apart once, their marks are read each time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._parsed: dict[str, KeyEntry] = {}

    def put(self, entry: KeyEntry) -> None:
        """Keep `entry`, in place of the one with the same certificate."""
        name = entry.fingerprint
        database = self._database
        with database.transaction():
            known = database.scalar("SELECT position FROM keychain WHERE fingerprint = ?", (name,))
            if known is None:
                known = 1 + (database.scalar("SELECT max(position) FROM keychain") or 0)
            database.execute(
                f"INSERT OR REPLACE INTO keychain ({_COLUMNS}, position) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    name, certs.der(entry.certificate), entry.key_bytes(), ",".join(sorted(entry.selected)),
                    int(entry.escrow), int(entry.revoked), entry.source, known,
                ),
            )  # fmt: skip
            database.execute("DELETE FROM keychain_issuers WHERE fingerprint = ?", (name,))
            database.executemany(
                "INSERT INTO keychain_issuers (fingerprint, position, certificate) VALUES (?, ?, ?)",
                [(name, number, certs.der(issuer)) for number, issuer in enumerate(entry.chain)],
            )
        self._parsed.pop(name, None)

    def entries(self) -> Iterator[KeyEntry]:
        """Every entry in the order of import. Raises `StoreDamaged`."""
        for row in self._database.all(f"SELECT {_COLUMNS} FROM keychain ORDER BY position"):
            name, certificate, key, selected, escrow, revoked, source = row
            if name not in self._parsed:
                self._parsed[name] = self._restored(name, certificate, key)
            yield replace(
                self._parsed[name],
                selected=frozenset(Role(role) for role in selected.split(",") if role),
                escrow=bool(escrow),
                revoked=bool(revoked),
                source=source,
            )

    def _restored(self, name: str, certificate: bytes, key: bytes) -> KeyEntry:
        issuers = self._database.all(
            "SELECT certificate FROM keychain_issuers WHERE fingerprint = ? ORDER BY position", (name,)
        )
        try:
            return restore(certificate, key, [row[0] for row in issuers])
        except KeyImportFailed as problem:
            raise StoreDamaged("a certificate of the keychain cannot be read; run `store verify`") from problem


def keychain(database: Database) -> Keychain:
    """The keychain of a store."""
    return Keychain(StoredKeys(database))


@dataclass(frozen=True, slots=True)
class ConfiguredCertificate:
    """One certificate that a key of the app config brought; `role` where it was selected for one."""

    key: str
    certificate: CertificateSummary
    role: Role | None = None


@dataclass(slots=True)
class KeychainChanges:
    """What carrying out the certificate keys of an app config changed. Empty lists: nothing."""

    imported: list[ConfiguredCertificate] = field(default_factory=list)
    selected: list[ConfiguredCertificate] = field(default_factory=list)
    cleared: list[Role] = field(default_factory=list)
    """Roles for which no certificate is selected any more."""
    anchors: bool = False
    """The trusted roots changed."""
    problems: list[str] = field(default_factory=list)
    """Certificates that could not be imported or cannot be used, for people. None of them stops anything."""

    def __bool__(self) -> bool:
        return bool(self.imported or self.selected or self.cleared or self.anchors or self.problems)


@dataclass(frozen=True, slots=True)
class _Archive:
    data: bytes
    password: Secret | None

    def digest(self) -> str:
        """Of content and password: a corrected password is a change."""
        password = self.password.reveal() if self.password is not None else ""
        return hashlib.sha256(self.data + b"\0" + password.encode("utf-8", "surrogatepass")).hexdigest()


def apply_config(database: Database, config: AppConfig, *, now: datetime | None = None) -> KeychainChanges:
    """Carry out the certificate keys of `config` on the keychain; call it whenever a config takes effect.

    All in one transaction. Safe to repeat: a value that was carried out before is left alone. An archive that cannot
    be opened changes nothing and is tried again next time. Raises nothing but `StoreError`.
    """
    work = _Work(database, keychain(database), now or datetime.now(UTC), KeychainChanges())
    unreadable = {problem.key for problem in config.warnings if not problem.advice}
    with database.transaction():
        for key, archives, role in _archives(config, work.changes):
            if archives:
                _import(work, key, archives, role)
            elif key not in unreadable and work.forget(key) and role is not None:
                work.keychain.select(role, None)
                work.changes.cleared.append(role)
        _anchors(work, config)
        work.remember("allow_certificate_revocation_check", str(config.allow_certificate_revocation_check))
        if work.changes.imported or work.changes.anchors:
            look_again(database)
    return work.changes


def _anchors(work: _Work, config: AppConfig) -> None:
    """Roots are kept beside the keys, so that a store can be read without its config."""
    readable = []
    for root in config.email_certificate_X:
        if certs.load_all([root.data]):
            readable.append(root.data)
        else:
            work.changes.problems.append(f"email_certificate_{root.number} is no certificate that can be read")
    digest = hashlib.sha256(b"".join(readable)).hexdigest()
    if work.done("email_certificate_X") == digest:
        return
    work.database.execute("DELETE FROM trust_anchors")
    work.database.executemany("INSERT INTO trust_anchors (certificate) VALUES (?)", [(root,) for root in readable])
    work.remember("email_certificate_X", digest)
    work.changes.anchors = True


def anchors(database: Database) -> list[bytes]:
    """DER of the roots that S/MIME paths may end at (`email_certificate_X`)."""
    return [row[0] for row in database.all("SELECT certificate FROM trust_anchors ORDER BY position")]


def revocation_wanted(database: Database) -> bool:
    """`allow_certificate_revocation_check` of the config that was last applied."""
    key = "allow_certificate_revocation_check"
    return bool(database.scalar("SELECT digest FROM keychain_configured WHERE key = ?", (key,)) == "True")


def setting(database: Database, name: str) -> bool:
    """A switch of this room; off until it was set."""
    return bool(database.scalar("SELECT digest FROM keychain_configured WHERE key = ?", (f"setting {name}",)) == "True")


def set_setting(database: Database, name: str, value: bool) -> None:
    """Keep a switch."""
    database.execute(
        "INSERT OR REPLACE INTO keychain_configured (key, digest) VALUES (?, ?)", (f"setting {name}", str(value))
    )


def look_again(database: Database) -> None:
    """Mail that was looked through with other keys or anchors is looked through, and indexed, once more."""
    database.execute("UPDATE messages SET examined = 0 WHERE examined <> 0")
    rows = database.all(
        "SELECT id FROM messages WHERE indexed = 1 AND message_class >= 'IPM.Note.SMIME' "
        "AND message_class < 'IPM.Note.SMIMF'"
    )
    for (message_id,) in rows:
        unindex(database, message_id)


@dataclass(slots=True)
class _Work:
    database: Database
    keychain: Keychain
    now: datetime
    changes: KeychainChanges

    def done(self, key: str) -> str | None:
        """Digest of what was last carried out for `key`."""
        found: str | None = self.database.scalar("SELECT digest FROM keychain_configured WHERE key = ?", (key,))
        return found

    def remember(self, key: str, digest: str) -> None:
        self.database.execute("INSERT OR REPLACE INTO keychain_configured (key, digest) VALUES (?, ?)", (key, digest))

    def forget(self, key: str) -> bool:
        """True if something had been carried out for `key`."""
        known = self.done(key) is not None
        self.database.execute("DELETE FROM keychain_configured WHERE key = ?", (key,))
        return known


def _archives(config: AppConfig, changes: KeychainChanges) -> Iterator[tuple[str, list[_Archive], Role | None]]:
    """Each key with its archives, and the role that it selects."""
    for key, role in (
        ("email_signing_certificate", Role.SIGNING),
        ("email_encryption_certificate", Role.ENCRYPTION),
        ("email_login_certificate", None),
    ):
        data: bytes | None = getattr(config, key)
        password: Secret | None = getattr(config, f"{key}_MI_CERT_PW")
        yield key, [_Archive(data, password)] if data is not None else [], role
    yield "email_user_certificate_self_service", _self_service(config, changes), None
    escrow = [_Archive(entry.data, entry.password) for entry in config.email_escrow_certificates]
    yield "email_escrow_certificates", escrow, None


def _self_service(config: AppConfig, changes: KeychainChanges) -> list[_Archive]:
    """The value is text for the app config; here it has to be an archive."""
    value = config.email_user_certificate_self_service
    if value is None:
        return []
    try:
        data = decode(value, "p12")
    except BadCertificate as problem:
        changes.problems.append(f"email_user_certificate_self_service is not imported: expected {problem}")
        return []
    return [_Archive(data, config.email_user_certificate_self_service_MI_CERT_PW)]


def _import(work: _Work, key: str, archives: list[_Archive], role: Role | None) -> None:
    digest = hashlib.sha256("".join(archive.digest() for archive in archives).encode()).hexdigest()
    if work.done(key) == digest:
        return
    failed = False
    for archive in archives:
        try:
            password = archive.password.reveal() if archive.password is not None else None
            entries = import_pkcs12(archive.data, password, source=key)
        except KeyImportFailed as problem:
            work.changes.problems.append(f"{key} is not imported: {problem}")
            failed = True
            continue
        if key == "email_escrow_certificates":
            work.keychain.add_escrow(entries)
        else:
            for entry in entries:
                work.keychain.add(entry)
        summaries = [certs.summary(entry.certificate) for entry in entries]
        work.changes.imported += [ConfiguredCertificate(key, summary) for summary in summaries]
        if role is not None:
            _select(work, key, entries, role)
    if not failed:
        work.remember(key, digest)


def _select(work: _Work, key: str, entries: Iterable[KeyEntry], role: Role) -> None:
    """The entry that fits the role; one that does not is selected too, and its use will be refused with the reasons."""
    ranked = sorted(entries, key=lambda entry: len(usable_for(entry, role, work.now)))
    chosen = ranked[0]
    work.keychain.select(role, chosen)
    work.changes.selected.append(ConfiguredCertificate(key, certs.summary(chosen.certificate), role))
    reasons = usable_for(chosen, role, work.now)
    if reasons:
        work.changes.problems.append(f"{key} cannot be used for {role.value}: {'; '.join(reasons)}")
