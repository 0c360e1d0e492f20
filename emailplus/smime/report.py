"""What is true of a message: layer by layer, signer by signer, every reason for distrust, and one word for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Literal


class Word(StrEnum):
    """The one word. Only TRUSTED may be shown green."""

    UNPROTECTED = "unprotected"
    TRUSTED = "trusted"
    """Everything shown was signed by the address it comes from, with a certificate that leads to an anchor."""
    ENCRYPTED = "encrypted"
    """Encrypted and not signed: nobody vouches for who wrote it."""
    DOUBTFUL = "doubtful"
    """The signature is mathematically right, but there is a reason for distrust."""
    PARTIAL = "partial"
    """The protection covers only some of what is shown."""
    INVALID = "invalid"
    """A signature is wrong: the content or the signature was altered."""
    UNREADABLE = "unreadable"
    """It could not be decrypted or taken apart."""


class Severity(StrEnum):
    BROKEN = "broken"
    DISTRUST = "distrust"
    NOTE = "note"


class Reason(StrEnum):
    """Why not to trust, or what to know."""

    CONTENT_ALTERED = "content altered"
    SIGNATURE_WRONG = "signature wrong"
    MALFORMED = "malformed"
    NO_SIGNERS = "no signers"
    UNSUPPORTED = "unsupported algorithm"
    NO_CERTIFICATE = "signer's certificate missing"
    NO_PATH = "no path to an anchor"
    EXPIRED = "certificate expired"
    NOT_YET_VALID = "certificate not yet valid"
    SIGNED_OUTSIDE_VALIDITY = "signed outside the certificate's validity"
    SIGNED_IN_FUTURE = "signing time in the future"
    KEY_USAGE = "certificate not made for signing"
    EXTENDED_KEY_USAGE = "certificate not made for mail"
    REVOKED = "certificate revoked"
    REVOCATION_UNAVAILABLE = "revocation unknown"
    ADDRESS_MISMATCH = "signed by another address"
    SIGNED_BY_SENDER = "signed by Sender, not by From"
    ADDRESS_IN_SUBJECT = "address only in the subject of the certificate"
    WEAK_ALGORITHM = "weak algorithm"
    WEAK_KEY = "weak key"
    NOT_AUTHENTICATED = "encryption without authentication"
    SIGNED_OUTSIDE_ENCRYPTION = "signed only outside the encryption"
    HEADER_MISMATCH = "headers differ from the protected ones"
    PARTIAL = "protects only some of the message"
    NOT_OPENED = "encrypted part among others, not opened"
    NO_KEY = "no key"
    DECRYPTION_FAILED = "decryption failed"
    LIMIT = "limit"
    INCOMPLETE = "not here in full"
    SENDER_SHOWN = "shown with another sender"


_SEVERITIES: dict[Reason, Severity] = {
    Reason.CONTENT_ALTERED: Severity.BROKEN,
    Reason.SIGNATURE_WRONG: Severity.BROKEN,
    Reason.MALFORMED: Severity.BROKEN,
    Reason.ADDRESS_IN_SUBJECT: Severity.NOTE,
    Reason.NOT_AUTHENTICATED: Severity.NOTE,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason, with what was found in words. Severity DISTRUST is the rule, see `_SEVERITIES`."""

    reason: Reason
    detail: str = ""

    @property
    def severity(self) -> Severity:
        return _SEVERITIES.get(self.reason, Severity.DISTRUST)


class Revocation(StrEnum):
    NOT_CHECKED = "not checked"
    """`allow_certificate_revocation_check` is off, or there is no path to check."""
    GOOD = "good"
    REVOKED = "revoked"
    UNAVAILABLE = "unavailable"
    """No revocation list at hand, or only outdated ones."""


@dataclass(frozen=True, slots=True)
class CertificateSummary:
    """What people need of a certificate. `key` as in "RSA 2048"; `fingerprint` is SHA-256 in hex."""

    subject: str
    issuer: str
    serial: int
    addresses: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class SignerReport:
    """One signer. `intact` is the mathematics alone: digest and signature. `path` from the signer to the anchor."""

    intact: bool
    certificate: CertificateSummary | None
    digest: str
    scheme: str
    signing_time: datetime | None
    path: tuple[CertificateSummary, ...]
    revocation: Revocation
    findings: tuple[Finding, ...]

    @property
    def trusted(self) -> bool:
        return self.intact and all(finding.severity is Severity.NOTE for finding in self.findings)


@dataclass(frozen=True, slots=True)
class RecipientReport:
    """`kind` as in RFC 5652 6.2 (transport, agreement, ...); `matched` when one of our keys belongs to it."""

    kind: str
    algorithm: str
    issuer_and_serial: str
    matched: bool


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer, outermost first. `form` is "multipart" or "opaque" for signatures.

    `cipher`, `bits`, `authenticated`, `recipients`, `key` (fingerprint and role of the certificate that opened it) are
    for encryption; `signers` for signatures; `whole` is False where other shown parts lie beside it.
    """

    kind: Literal["signed", "encrypted", "compressed"]
    form: str = ""
    signers: tuple[SignerReport, ...] = ()
    cipher: str = ""
    bits: int = 0
    authenticated: bool = False
    recipients: tuple[RecipientReport, ...] = ()
    key: str = ""
    findings: tuple[Finding, ...] = ()
    whole: bool = True

    def all_findings(self) -> Iterator[Finding]:
        yield from self.findings
        for signer in self.signers:
            yield from signer.findings

    @property
    def opened(self) -> bool:
        unreadable = {Reason.INCOMPLETE} if self.kind == "signed" else _UNREADABLE
        return not any(f.reason in unreadable for f in self.findings)


_UNREADABLE = {
    Reason.NO_KEY,
    Reason.DECRYPTION_FAILED,
    Reason.NOT_OPENED,
    Reason.LIMIT,
    Reason.UNSUPPORTED,
    Reason.MALFORMED,
    Reason.INCOMPLETE,
}


@dataclass(frozen=True, slots=True)
class SecurityReport:
    """Everything that is true of one message. `findings` are those that belong to no single layer."""

    layers: tuple[Layer, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def signed(self) -> bool:
        return any(layer.kind == "signed" for layer in self.layers)

    @property
    def encrypted(self) -> bool:
        return any(layer.kind == "encrypted" for layer in self.layers)

    def reasons(self) -> tuple[Finding, ...]:
        """All findings of all layers, outermost first, then the message's own."""
        return (*(f for layer in self.layers for f in layer.all_findings()), *self.findings)

    @property
    def word(self) -> Word:
        """The worst that is true. A layer of several signers is as good as its best one, never with a broken one."""
        if not self.layers:
            return Word.INVALID if self._broken(self.findings) else Word.UNPROTECTED
        signed = (f for layer in self.layers if layer.kind == "signed" for f in layer.all_findings())
        if self._broken((*signed, *self.findings)):
            return Word.INVALID
        if not all(layer.opened for layer in self.layers):
            return Word.UNREADABLE
        if not all(layer.whole for layer in self.layers):
            return Word.PARTIAL
        signatures = [layer for layer in self.layers if layer.kind == "signed"]
        loose = [f for layer in self.layers for f in layer.findings] + list(self.findings)
        if any(f.severity is Severity.DISTRUST for f in loose):
            return Word.DOUBTFUL
        if not signatures:
            return Word.ENCRYPTED if self.encrypted else Word.UNPROTECTED
        if all(any(signer.trusted for signer in layer.signers) for layer in signatures):
            return Word.TRUSTED
        return Word.DOUBTFUL

    @staticmethod
    def _broken(findings: tuple[Finding, ...]) -> bool:
        return any(finding.severity is Severity.BROKEN for finding in findings)

    def with_findings(self, *findings: Finding) -> SecurityReport:
        return replace(self, findings=(*self.findings, *findings))
