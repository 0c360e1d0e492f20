"""Which certificate to encrypt to for an address, out of those that are known for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cryptography import x509

from . import algorithms as alg
from . import certificate as certs
from .encrypt import CipherName
from .keychain import Role, unusable
from .report import Revocation
from .revocation import revocation
from .trust import Trust, find_path


class Source(StrEnum):
    """Where a certificate of somebody else came from."""

    DIRECTORY = "directory"
    """The global address list (ResolveRecipients): the mail server vouches for it."""
    SIGNED_MAIL = "signed mail"
    """It came with a signature. Anybody can send one, so it counts only with a path to a configured anchor."""
    CONTACT = "contact"
    IMPORT = "import"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A certificate known for an address. `seen` is when it last came from `source`."""

    certificate: x509.Certificate
    source: Source
    seen: datetime
    capabilities: tuple[str, ...] | None = None
    """What its owner announced in a signature that was found good (RFC 8551 2.5.2), None: nothing."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The certificate to encrypt to, None where there is none, and why each of the others was passed over."""

    address: str
    candidate: Candidate | None
    passed_over: tuple[str, ...] = ()
    capabilities: tuple[str, ...] | None = None
    """Of the person, whichever certificate is taken: object identifiers of the latest announcement."""

    @property
    def certificate(self) -> x509.Certificate | None:
        return self.candidate.certificate if self.candidate is not None else None


_RANK = {Source.IMPORT: 3, Source.DIRECTORY: 2, Source.CONTACT: 1, Source.SIGNED_MAIL: 0}


def choose(address: str, candidates: Iterable[Candidate], trust: Trust) -> Choice:
    """The best valid certificate: first those with a path to an anchor, then by source, then the newest.

    Expired, revoked and unfit certificates are passed over, and those whose alternative names are other addresses.
    Without a path only what somebody vouches for (directory, contact, import) is taken.
    """
    now = trust.moment()
    usable: list[tuple[tuple[bool, int, datetime], Candidate]] = []
    passed: list[str] = []
    pool = list(candidates)
    others = [candidate.certificate for candidate in pool]
    for candidate in pool:
        path, reason = _judge(address, candidate, others, trust, now)
        if reason:
            passed.append(f"{candidate.source}: {reason}")
        else:
            order = (path, _RANK[candidate.source], candidate.certificate.not_valid_before_utc)
            usable.append((order, candidate))
    best = max(usable, key=lambda item: item[0], default=None)
    told = max((c for c in pool if c.capabilities is not None), key=lambda c: c.seen, default=None)
    capabilities = told.capabilities if told is not None else None
    return Choice(address, best[1] if best is not None else None, tuple(passed), capabilities)


def _judge(
    address: str, candidate: Candidate, others: Sequence[x509.Certificate], trust: Trust, now: datetime
) -> tuple[bool, str]:
    """(whether a path leads to an anchor, why not to take it or "")."""
    reasons = unusable(candidate.certificate, Role.ENCRYPTION, now)
    if reasons:
        return False, reasons[0]
    names, _ = certs.addresses(candidate.certificate)
    if names and address.lower() not in names:
        return False, f"it is made for {', '.join(names)}"
    path = find_path(candidate.certificate, others, trust, now)
    if not path.certificates and candidate.source is Source.SIGNED_MAIL:
        return False, f"no path to an anchor ({path.problem})"
    if revocation(path.certificates, trust)[0] is Revocation.REVOKED:
        return False, "it is revoked"
    return bool(path.certificates), ""


_PREFERENCE: tuple[CipherName, ...] = ("aes256-gcm", "aes128-gcm", "aes256-cbc", "aes128-cbc")
_LAST: CipherName = "aes128-cbc"
"""What every reader of S/MIME since 3.1 has (RFC 8551 2.7)."""


def negotiated(announced: Iterable[tuple[str, ...] | None], *, weak: bool = False) -> CipherName:
    """The strongest cipher that everybody who announced something can read (RFC 8551 2.7.1); who announced nothing is
    taken to read all.

    Without a common strong one it is AES-128-CBC, never a weak one unasked; `weak` asks: the server's policy lets any
    be negotiated, and then 3DES is taken where somebody reads nothing else.
    """
    known = [set(capabilities) for capabilities in announced if capabilities is not None]
    names: tuple[CipherName, ...] = (*_PREFERENCE, "3des-cbc") if weak else _PREFERENCE
    for name in names:
        if all(alg.CIPHER_BY_NAME[name].oid in capabilities for capabilities in known):
            return name
    return _LAST


def with_encryption_use(certificates: Iterable[x509.Certificate], address: str, trust: Trust) -> list[x509.Certificate]:
    """Those that came with a signature of `address` and can be encrypted to: made for it, and with a path.

    Most people have one certificate for both uses; some send a second one along (RFC 8551 2.5.3).
    """
    now, pool = trust.moment(), list(certificates)
    return [
        certificate
        for certificate in pool
        if not unusable(certificate, Role.ENCRYPTION, now)
        and address.lower() in certs.addresses(certificate)[0]
        and find_path(certificate, pool, trust, now).certificates
    ]
