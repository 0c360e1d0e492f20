"""Verifying signed data (RFC 5652 5.6, RFC 8551 3.5, RFC 8550): one report a signer, with all that is wrong with it."""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from ..errors import MalformedCms, UnsupportedCms
from . import algorithms as alg
from . import certificate as certs
from .cms import Algorithm, SignedData, SignerInfo, elements, inside, mask_digest, named_digest, parameters
from .report import Finding, Layer, Reason, Revocation, SignerReport
from .revocation import revocation
from .trust import Path, Trust, find_path

CLOCK_SKEW = timedelta(minutes=10)
"""How far ahead of us a signer's clock may go before it is mentioned."""

_BARE_LINE_END = re.compile(rb"(?<!\r)\n|\r(?!\n)")


@dataclass(frozen=True, slots=True)
class Senders:
    """The addresses that the message shows as From and Sender, in lower case."""

    authors: tuple[str, ...] = ()
    sender: tuple[str, ...] = ()


def canonical(content: bytes) -> bytes:
    """`content` with CRLF line ends (RFC 8551 3.1.1); itself where it has them."""
    if content.count(b"\n") == content.count(b"\r\n") == content.count(b"\r"):
        return content
    return _BARE_LINE_END.sub(b"\r\n", content)


def verify_signed(
    signed: SignedData,
    content: bytes | Content,
    trust: Trust,
    *,
    form: str,
    senders: Senders | None = None,
    known: Sequence[x509.Certificate] = (),
) -> Layer:
    """Judge every signer of `signed` over `content` (for opaque signatures the content inside).

    `senders` are checked against the certificates' addresses where given; `known` are certificates to look for the
    signer's in, besides those that came along. Never raises for a bad signature: the report says it.
    """
    if not signed.signers:
        return Layer("signed", form, findings=(Finding(Reason.NO_SIGNERS, "nobody signed it"),))
    certificates = [*certs.load_all(signed.certificates), *known]
    forms = WholeContent(content) if isinstance(content, bytes) else content
    reports = tuple(_signer(info, signed, forms, certificates, trust, senders) for info in signed.signers)
    return Layer("signed", form, signers=reports)


class Content(Protocol):
    """What was signed: as it stands, and with canonical line ends where the transport changed them."""

    @property
    def variants(self) -> Sequence[bytes | None]:
        """Each form of the content; None where it is too large to be had at once."""

    def digest(self, number: int, digest: alg.Digest) -> bytes:
        """Of the form with that number."""

    def looks_like_attributes(self) -> bool:
        """Whether it could be signed attributes, re-offered as content."""


class WholeContent:
    """`Content` in memory; digests kept."""

    def __init__(self, content: bytes) -> None:
        self.variants: list[bytes] = [content]
        other = canonical(content)
        if other != content:
            self.variants.append(other)
        self._digests: dict[tuple[int, str], bytes] = {}

    def digest(self, number: int, digest: alg.Digest) -> bytes:
        key = (number, digest.name)
        if key not in self._digests:
            state = hashes.Hash(digest.algorithm)
            state.update(self.variants[number])
            self._digests[key] = state.finalize()
        return self._digests[key]

    def looks_like_attributes(self) -> bool:
        """The signature of the one is the signature of the other."""
        content = self.variants[0]
        if content[:1] != b"\x31":
            return False
        try:
            outer = elements(content)
            return len(outer) == 1 and bool(outer[0][1]) and all(tag == 0x30 for tag, _ in elements(outer[0][1]))
        except MalformedCms:
            return False


def _signer(
    info: SignerInfo,
    signed: SignedData,
    forms: Content,
    certificates: Sequence[x509.Certificate],
    trust: Trust,
    senders: Senders | None,
) -> SignerReport:
    digest = alg.DIGESTS.get(info.digest.oid)
    scheme, named = alg.SIGNATURES.get(info.signature_algorithm.oid, ("", ""))
    findings: list[Finding] = []
    certificate = next((c for c in certificates if certs.belongs(info.sid, c)), None)
    if certificate is None:
        findings.append(Finding(Reason.NO_CERTIFICATE, "the signature cannot be checked without it"))
    if digest is None or not scheme:
        what = info.digest.oid if digest is None else info.signature_algorithm.oid
        findings.append(Finding(Reason.UNSUPPORTED, what))
    else:
        if digest.weak or (named and alg.DIGEST_BY_NAME[named].weak):
            findings.append(Finding(Reason.WEAK_ALGORITHM, digest.name))
        findings.extend(_attribute_findings(info, signed, forms, digest))
        if certificate is not None:
            findings.extend(_signature_findings(info, forms, digest, certificate))
    fatal = {Reason.NO_CERTIFICATE, Reason.UNSUPPORTED, *_BREAKS}
    intact = not any(finding.reason in fatal for finding in findings)
    path, state = Path(), Revocation.NOT_CHECKED
    if certificate is not None:
        path, state, more = _judge(certificate, certificates, info, trust)
        findings.extend(more)
        if senders is not None:
            findings.extend(_address_findings(certificate, senders))
    return SignerReport(
        intact=intact,
        certificate=None if certificate is None else certs.summary(certificate),
        digest=info.digest.oid if digest is None else digest.name,
        scheme=scheme or info.signature_algorithm.oid,
        signing_time=info.signing_time,
        path=tuple(certs.summary(c) for c in path.certificates),
        revocation=state,
        findings=tuple(findings),
        capabilities=info.capabilities,
    )


_BREAKS = (Reason.CONTENT_ALTERED, Reason.SIGNATURE_WRONG, Reason.MALFORMED)


def _attribute_findings(info: SignerInfo, signed: SignedData, forms: Content, digest: alg.Digest) -> list[Finding]:
    """The signed attributes against the content (RFC 5652 5.3, 5.4, 11.1, 11.2; RFC 6211)."""
    if not info.signed_attributes:
        if signed.content_type != alg.DATA:
            return [Finding(Reason.MALFORMED, "no signed attributes, though the content is not plain data")]
        if forms.looks_like_attributes():
            return [Finding(Reason.MALFORMED, "the content is a set of attributes signed for something else")]
        return []
    if info.content_types != (signed.content_type,):
        return [Finding(Reason.MALFORMED, "the signed content type is another one")]
    if len(info.message_digests) != 1:
        return [Finding(Reason.MALFORMED, "not exactly one message digest")]
    if info.protected_algorithms is not None and info.protected_algorithms != (
        info.digest.raw,
        info.signature_algorithm.raw,
    ):
        return [Finding(Reason.MALFORMED, "the algorithms are not those that were signed")]
    wanted = info.message_digests[0]
    for number in range(len(forms.variants)):
        if hmac.compare_digest(forms.digest(number, digest), wanted):
            return []
    return [Finding(Reason.CONTENT_ALTERED, "its digest is not the signed one")]


def _signature_findings(
    info: SignerInfo, forms: Content, digest: alg.Digest, certificate: x509.Certificate
) -> list[Finding]:
    key = certs.public_key(certificate)
    try:
        if info.signed_attributes:
            _check(key, info, digest, info.signed_attributes)
        else:
            _check_content(key, info, digest, forms)
    except InvalidSignature:
        reason = Reason.SIGNATURE_WRONG if info.signed_attributes else Reason.CONTENT_ALTERED
        return [Finding(reason, "the signature does not belong to the content and the certificate")]
    except (UnsupportedCms, UnsupportedAlgorithm) as error:
        return [Finding(Reason.UNSUPPORTED, str(error))]
    except (ValueError, TypeError, MalformedCms):
        return [Finding(Reason.SIGNATURE_WRONG, "the signature and the key do not fit")]
    return []


def _check_content(key: object, info: SignerInfo, digest: alg.Digest, forms: Content) -> None:
    for number, content in enumerate(forms.variants):
        try:
            if content is None:
                _check(key, info, digest, forms.digest(number, digest), digested=True)
            else:
                _check(key, info, digest, content)
            return
        except InvalidSignature:
            if number + 1 == len(forms.variants):
                raise


def _check(key: object, info: SignerInfo, digest: alg.Digest, data: bytes, *, digested: bool = False) -> None:
    """`data`, or what `digest` made of it. Raises `InvalidSignature`, `UnsupportedCms`, or `TypeError`/`ValueError`
    where key and signature cannot belong together."""
    scheme, named = alg.SIGNATURES[info.signature_algorithm.oid]
    used = alg.DIGEST_BY_NAME[named] if named and not scheme.startswith("ed") else digest
    filling: padding.AsymmetricPadding = padding.PKCS1v15()
    if scheme == "pss":
        used, filling = _pss(info.signature_algorithm)
    if digested and (used != digest or scheme.startswith("ed")):
        raise UnsupportedCms("a signature of so large a content over another digest than it names")
    how = Prehashed(used.algorithm) if digested else used.algorithm
    signature = info.signature
    if scheme in ("rsa", "pss") and isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, data, filling, how)
    elif scheme == "ecdsa" and isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, data, ec.ECDSA(how))
    elif scheme == "dsa" and isinstance(key, dsa.DSAPublicKey):
        key.verify(signature, data, how)
    elif (scheme == "ed25519" and isinstance(key, ed25519.Ed25519PublicKey)) or (
        scheme == "ed448" and isinstance(key, ed448.Ed448PublicKey)
    ):
        key.verify(signature, data)
    else:
        raise TypeError(f"a signature of kind {scheme} and a key of another")


def _pss(algorithm: Algorithm) -> tuple[alg.Digest, padding.PSS]:
    """RSASSA-PSS-params (RFC 4055 3.1): [0] digest, [1] mask generation, [2] salt length, SHA-1 and 20 by default."""
    fields = dict(parameters(algorithm))
    digest = mask = alg.DIGEST_BY_NAME["sha1"]
    if 0xA0 in fields:
        digest = named_digest(inside(fields[0xA0]))
    if 0xA1 in fields:
        mask = mask_digest(fields[0xA1])
    salt = int.from_bytes(inside(fields[0xA2]), "big") if 0xA2 in fields else 20
    return digest, padding.PSS(padding.MGF1(mask.algorithm), salt)


def _judge(
    certificate: x509.Certificate, others: Sequence[x509.Certificate], info: SignerInfo, trust: Trust
) -> tuple[Path, Revocation, list[Finding]]:
    """Path, times, uses, strength and revocation of the signer's certificate."""
    now = trust.moment()
    findings: list[Finding] = []
    at = now
    if now > certificate.not_valid_after_utc:
        findings.append(Finding(Reason.EXPIRED, f"since {certificate.not_valid_after_utc:%Y-%m-%d}"))
        if info.signing_time and certs.valid_at(certificate, info.signing_time):
            at = info.signing_time
    elif now < certificate.not_valid_before_utc:
        findings.append(Finding(Reason.NOT_YET_VALID, f"until {certificate.not_valid_before_utc:%Y-%m-%d}"))
    if info.signing_time is not None:
        if not certs.valid_at(certificate, info.signing_time):
            findings.append(Finding(Reason.SIGNED_OUTSIDE_VALIDITY, f"on {info.signing_time:%Y-%m-%d}"))
        if info.signing_time > now + CLOCK_SKEW:
            findings.append(Finding(Reason.SIGNED_IN_FUTURE, f"on {info.signing_time:%Y-%m-%d %H:%M}"))
    if not certs.may_sign(certificate):
        findings.append(Finding(Reason.KEY_USAGE, "its key usage has no digitalSignature"))
    if not certs.for_mail(certificate):
        findings.append(Finding(Reason.EXTENDED_KEY_USAGE, "its extended key usage has no emailProtection"))
    name, weak = certs.describe_key(certs.public_key(certificate))
    if weak:
        findings.append(Finding(Reason.WEAK_KEY, name))
    path = find_path(certificate, others, trust, at)
    if not path.certificates:
        findings.append(Finding(Reason.NO_PATH, path.problem))
    state, detail = revocation(path.certificates, trust, others)
    if state is Revocation.REVOKED:
        findings.append(Finding(Reason.REVOKED, detail))
    elif state is Revocation.UNAVAILABLE:
        findings.append(Finding(Reason.REVOCATION_UNAVAILABLE, detail))
    return path, state, findings


def _address_findings(certificate: x509.Certificate, senders: Senders) -> list[Finding]:
    """RFC 8550 3: an address of the certificate must be that of From, or at least of Sender."""
    found, in_names = certs.addresses(certificate)
    shown = ", ".join(found) or "no address"
    if not senders.authors and not senders.sender:
        return [Finding(Reason.ADDRESS_MISMATCH, f"the message names no author; the certificate {shown}")]
    if not set(senders.authors) <= set(found):
        if senders.sender and set(senders.sender) <= set(found) and len(senders.sender) == 1:
            return [Finding(Reason.SIGNED_BY_SENDER, f"{senders.sender[0]} for {', '.join(senders.authors)}")]
        if len(senders.authors) > 1 and set(senders.authors) & set(found):
            return [Finding(Reason.ADDRESS_MISMATCH, f"signed by {shown}, only one of {', '.join(senders.authors)}")]
        return [Finding(Reason.ADDRESS_MISMATCH, f"signed by {shown}, shown as {', '.join(senders.authors)}")]
    if not in_names:
        return [Finding(Reason.ADDRESS_IN_SUBJECT, shown)]
    return []
