"""Certificates of other people with where they came from, and revocation lists, kept in the encrypted file."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..errors import MalformedCms
from ..model.changes import StoreRevocationList
from ..model.message import BodyType
from ..smime import certificate as certs
from ..smime.recipients import Candidate, Source
from ..smime.revocation import load_list
from .database import Database

if TYPE_CHECKING:
    from cryptography import x509

RETRY = 3600.0
"""Seconds before a revocation list that could not be had is asked for again."""
UNDATED = 24 * 3600.0
"""Seconds for which a list without nextUpdate counts as current (RFC 5280 5.1.2.5 demands one)."""
EARLY = 600.0
"""Seconds before nextUpdate from which a new list is fetched: none runs out while it is used."""


def remember(
    database: Database,
    address: str,
    found: Iterable[x509.Certificate],
    source: Source,
    seen: datetime,
    capabilities: tuple[str, ...] | None = None,
) -> int:
    """Note that `address` has these certificates and announced these `capabilities` (object identifiers, None:
    nothing new); how many certificates were not known from there."""
    fresh = 0
    with database.transaction():
        for certificate in found:
            name = certs.fingerprint(certificate)
            key = (address.lower(), name, source.value)
            known = database.scalar(
                "SELECT seen FROM recipient_certificates WHERE address = ? AND fingerprint = ? AND source = ?", key
            )
            fresh += known is None
            database.execute(
                "INSERT OR IGNORE INTO certificates (fingerprint, certificate) VALUES (?, ?)",
                (name, certs.der(certificate)),
            )
            database.execute(
                "INSERT INTO recipient_certificates (address, fingerprint, source, seen, capabilities) "
                "VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET seen = max(seen, excluded.seen), "
                "capabilities = coalesce(excluded.capabilities, capabilities)",
                (*key, seen.timestamp(), None if capabilities is None else " ".join(capabilities)),
            )
    return fresh


def forget(database: Database, address: str, source: Source) -> None:
    """What `source` said of `address` no longer holds, e.g. the directory was asked again."""
    database.execute(
        "DELETE FROM recipient_certificates WHERE address = ? AND source = ?", (address.lower(), source.value)
    )


def candidates(database: Database, address: str) -> list[Candidate]:
    """Every certificate known for `address`, newest sighting first. Unreadable ones are left out."""
    rows = database.all(
        "SELECT c.certificate, r.source, r.seen, r.capabilities FROM recipient_certificates r "
        "JOIN certificates c ON c.fingerprint = r.fingerprint WHERE r.address = ? ORDER BY r.seen DESC",
        (address.lower(),),
    )
    found = []
    for der, source, seen, told in rows:
        capabilities = None if told is None else tuple(told.split())
        for certificate in certs.load_all([der]):
            found.append(Candidate(certificate, Source(source), datetime.fromtimestamp(seen, UTC), capabilities))
    return found


def known_addresses(database: Database) -> list[str]:
    """Every address for which a certificate is known."""
    rows = database.all("SELECT DISTINCT address FROM recipient_certificates ORDER BY address")
    return [row[0] for row in rows]


def want_lists(database: Database, urls: Iterable[str]) -> None:
    """Note revocation lists that are needed; `due_lists` names them until they are here."""
    database.executemany("INSERT OR IGNORE INTO revocation_lists (url) VALUES (?)", [(url,) for url in urls])


def due_lists(database: Database, now: float) -> list[str]:
    """URLs of the wanted lists that are not here, or that a newer one exists of, and were not just tried."""
    rows = database.all(
        "SELECT url FROM revocation_lists WHERE tried <= ? AND "
        "(data IS NULL OR coalesce(next_update - ?, tried + ?) <= ?) ORDER BY url",
        (now - RETRY, EARLY, UNDATED, now),
    )
    return [row[0] for row in rows]


def store_list(database: Database, batch: StoreRevocationList) -> bool:
    """Keep what was fetched. A list that cannot be had, or that is no list, leaves the one that is here."""
    problem, data, due = batch.problem, batch.data, None
    if data is not None:
        try:
            parsed = load_list(data)
            due = parsed.next_update_utc.timestamp() if parsed.next_update_utc is not None else None
        except MalformedCms as error:
            problem, data = str(error), None
    with database.transaction():
        want_lists(database, [batch.url])
        if data is None:
            database.execute(
                "UPDATE revocation_lists SET tried = ?, problem = ? WHERE url = ?", (batch.tried, problem, batch.url)
            )
        else:
            database.execute(
                "UPDATE revocation_lists SET data = ?, next_update = ?, tried = ?, problem = '' WHERE url = ?",
                (data, due, batch.tried, batch.url),
            )
    return data is not None


def lists(database: Database) -> tuple[x509.CertificateRevocationList, ...]:
    """Every list that is here, current or not: whoever judges looks at nextUpdate."""
    found = []
    for (data,) in database.all("SELECT data FROM revocation_lists WHERE data IS NOT NULL ORDER BY url"):
        try:
            found.append(load_list(data))
        except MalformedCms:
            continue
    return tuple(found)


def lists_state(database: Database) -> tuple[int, float]:
    """(number of lists, time of the last attempt): changes when `lists` may."""
    row = database.one("SELECT count(data), coalesce(max(tried), 0) FROM revocation_lists")
    return (int(row[0]), float(row[1])) if row is not None else (0, 0.0)


def unexamined(database: Database, limit: int) -> list[tuple[int, int, bool]]:
    """(id, size, whether its MIME is here) of protected messages that were not looked through yet."""
    rows = database.all(
        "SELECT id, body_size, body_type = ? AND body_state = 'stored' FROM messages WHERE examined = 0 "
        "AND message_class >= 'IPM.Note.SMIME' AND message_class < 'IPM.Note.SMIMF' "
        "AND body_state <> 'pending' AND gone = 0 ORDER BY id LIMIT ?",
        (int(BodyType.MIME), limit),
    )
    return [(row[0], row[1], bool(row[2])) for row in rows]


def mark_examined(database: Database, ids: Iterable[int]) -> None:
    """These need no look any more."""
    database.executemany("UPDATE messages SET examined = 1 WHERE id = ?", [(number,) for number in ids])
