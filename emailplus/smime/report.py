"""What is true of a message: layer by layer, signer by signer, every reason for distrust, and one word for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
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
    SERVER_REFUSES = "the mail server does not accept the certificate"
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
    capabilities: tuple[str, ...] | None = None
    """Object identifiers of what the signer says to be able to read, best first (RFC 8551 2.5.2); None: not told."""

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

    def as_dict(self) -> dict[str, object]:
        """For JSON: the word, every layer, every finding with its severity; times in ISO 8601, serials in hex."""
        return {"word": self.word.value, "layers": [_plain(layer) for layer in self.layers],
                "findings": [_plain(finding) for finding in self.findings]}  # fmt: skip

    def with_findings(self, *findings: Finding) -> SecurityReport:
        return replace(self, findings=(*self.findings, *findings))


def _plain(value: object) -> object:
    """A part of the report as JSON has it."""
    if isinstance(value, Finding):
        return {"reason": value.reason.value, "severity": value.severity.value, "detail": value.detail}
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return f"{value:x}" if isinstance(value, int) and value > 1 << 53 else value


def lines(report: SecurityReport) -> list[str]:
    """The report for people: the word first, then each layer with its signers, then every reason."""
    told = [f"{report.word.value}"]
    for layer in report.layers:
        told += _layer_lines(layer)
    told += [_finding_line(finding, "  ") for finding in report.findings]
    return told


def _layer_lines(layer: Layer) -> list[str]:
    part = "" if layer.whole else " (only a part of the message)"
    if layer.kind == "encrypted":
        seal = "authenticated" if layer.authenticated else "not authenticated"
        opened = f", opened with {layer.key[:16]}…{layer.key[64:]}" if layer.key else ""
        text = (
            f"  encrypted: {layer.cipher} {layer.bits} bits, {seal}, {len(layer.recipients)} recipients{opened}{part}"
        )
        told = [text]
    else:
        told = [f"  {layer.kind}{f', {layer.form}' if layer.form else ''}{part}"]
    for signer in layer.signers:
        told.append(f"    {_signer_line(signer)}")
        told += [_finding_line(finding, "    ") for finding in signer.findings]
    return told + [_finding_line(finding, "    ") for finding in layer.findings]


def _signer_line(signer: SignerReport) -> str:
    who = "an unknown certificate"
    if signer.certificate is not None:
        who = ", ".join(signer.certificate.addresses) or signer.certificate.subject
    state = "intact" if signer.intact else "NOT intact"
    when = f" on {signer.signing_time:%Y-%m-%d %H:%M} UTC (the signer's own word)" if signer.signing_time else ""
    path = f"path of {len(signer.path)}" if signer.path else "no path"
    return (
        f"by {who}{when}: {state}, {signer.scheme} with {signer.digest}, {path}, revocation {signer.revocation.value}"
    )


def _finding_line(finding: Finding, indent: str) -> str:
    detail = f": {finding.detail}" if finding.detail else ""
    return f"{indent}- {finding.reason.value}{detail} [{finding.severity.value}]"
