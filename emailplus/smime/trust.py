"""What to judge certificates by, and the path from one to a configured anchor (RFC 5280, RFC 8550)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509

from .certificate import valid_at
from .path import build


@dataclass(frozen=True, slots=True)
class Trust:
    """What to judge certificates by.

    `anchors`: the configured roots (`email_certificate_X`). `intermediates`: others known, e.g. from earlier mail.
    `crls`: revocation lists at hand, used when `check_revocation` (`allow_certificate_revocation_check`). `now` is the
    moment of judgement, aware; None for the present.
    """

    anchors: tuple[x509.Certificate, ...] = ()
    intermediates: tuple[x509.Certificate, ...] = ()
    crls: tuple[x509.CertificateRevocationList, ...] = ()
    check_revocation: bool = False
    now: datetime | None = None

    def moment(self) -> datetime:
        return self.now or datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Path:
    """`certificates` from the leaf to the anchor, empty where there is no path; `problem` says why."""

    certificates: tuple[x509.Certificate, ...] = ()
    problem: str = ""


def find_path(leaf: x509.Certificate, others: Sequence[x509.Certificate], trust: Trust, at: datetime) -> Path:
    """The path from `leaf` to an anchor, valid at the moment `at`. `others` came with the message."""
    if not trust.anchors:
        return Path(problem="no trust anchors are configured")
    if leaf in trust.anchors:
        return Path((leaf,)) if valid_at(leaf, at) else Path(problem="the certificate is not valid at that time")
    pool = [certificate for certificate in dict.fromkeys((*others, *trust.intermediates)) if certificate != leaf]
    key = (leaf, tuple(pool), trust.anchors)
    known = _PATHS.get(key)
    if known is not None and known[1] <= at <= known[2]:
        return known[0]
    path = _find_path(leaf, pool, trust, at)
    if path.certificates:
        if len(_PATHS) >= MAX_KEPT_PATHS:
            _PATHS.clear()
        since = max(certificate.not_valid_before_utc for certificate in path.certificates)
        until = min(certificate.not_valid_after_utc for certificate in path.certificates)
        _PATHS[key] = (path, since, until)
    return path


_Key = tuple[x509.Certificate, tuple[x509.Certificate, ...], tuple[x509.Certificate, ...]]
_PATHS: dict[_Key, tuple[Path, datetime, datetime]] = {}
"""Paths found before, with the time in which all their certificates are valid: people write more than one mail."""
MAX_KEPT_PATHS = 1_000


def _find_path(leaf: x509.Certificate, pool: list[x509.Certificate], trust: Trust, at: datetime) -> Path:
    chain, problem = build(leaf, pool, trust.anchors, at)
    return Path(tuple(chain), problem)
