"""Opening a message: every S/MIME layer taken off, and what is true of each written into one report (RFC 8551 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cryptography import x509

from ..errors import (
    DecryptionFailed,
    MalformedCms,
    NoDecryptionKey,
    SmimeError,
    SmimeLimitExceeded,
    UnsupportedCms,
)
from . import algorithms as alg
from . import certificate as certs
from . import cms, der, headers
from .decrypt import decompress, decrypt, describe
from .entity import Entity, addresses, parse
from .keychain import KeyEntry
from .limits import MAX_LAYERS, MAX_PARTS, MAX_UNWRAPPED_BYTES
from .report import Finding, Layer, Reason, SecurityReport
from .trust import Trust
from .verify import Senders, verify_signed

_OPAQUE = {"application/pkcs7-mime", "application/x-pkcs7-mime"}
SIGNATURES = {"application/pkcs7-signature", "application/x-pkcs7-signature"}


@dataclass(frozen=True, slots=True)
class OpenedMessage:
    """`raw` is the message as it came; `content` the MIME entity inside all layers that could be taken off.

    `certificates` came with signatures: candidates for encrypting a reply, none of them judged by being here.
    """

    raw: bytes
    content: bytes
    report: SecurityReport
    protected: headers.ProtectedHeaders | None = None
    certificates: tuple[x509.Certificate, ...] = ()


@dataclass(slots=True)
class Work:
    keys: Sequence[KeyEntry]
    trust: Trust
    known: Sequence[x509.Certificate]
    senders: Senders
    budget: int
    layers: list[Layer] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    certificates: list[x509.Certificate] = field(default_factory=list)


def open_message(
    raw: bytes,
    *,
    keys: Sequence[KeyEntry] = (),
    trust: Trust | None = None,
    known: Sequence[x509.Certificate] = (),
    max_unwrapped: int = MAX_UNWRAPPED_BYTES,
) -> OpenedMessage:
    """Take off every layer of `raw` that can be taken off. Never raises for what is in the message: the report says it.

    `keys` to decrypt with (`Keychain.decrypting`), `trust` to judge signers by, `known` certificates for signatures
    that carry none. What is encrypted beside other parts is not opened: showing both together is how plain text is
    led out (EFAIL).
    """
    outer = parse(raw)
    senders = Senders(addresses(outer.headers, "From"), addresses(outer.headers, "Sender"))
    work = Work(keys, trust or Trust(), known, senders, max_unwrapped)
    try:
        content = _unwrap(outer, work)
    except SmimeError as error:
        work.findings.append(Finding(Reason.MALFORMED, str(error)))
        content = outer
    protected, content = (None, content) if not work.layers else headers.read(content)
    if protected is not None:
        check_protected(outer, protected, work)
    order_findings(work)
    report = SecurityReport(tuple(work.layers), tuple(work.findings))
    return OpenedMessage(raw, content.raw, report, protected, tuple(dict.fromkeys(work.certificates)))


def _unwrap(entity: Entity, work: Work) -> Entity:
    """Layer by layer until there is none, or one that cannot be taken off."""
    while True:
        is_signed = entity.content_type == "multipart/signed" and is_smime_signature(entity)
        if not is_signed and not is_opaque(entity):
            _look_inside(entity, work)
            return entity
        if len(work.layers) >= MAX_LAYERS:
            work.findings.append(Finding(Reason.LIMIT, f"more than {MAX_LAYERS} layers"))
            work.layers[-1] = replace(
                work.layers[-1], findings=(*work.layers[-1].findings, Finding(Reason.LIMIT, "nested too deep"))
            )
            return entity
        following = _clear_signed(entity, work) if is_signed else _opaque(entity, work)
        if following is None:
            return entity
        entity = following


def is_smime_signature(entity: Entity) -> bool:
    protocol = entity.parameter("protocol").lower()
    return protocol in SIGNATURES or (
        not protocol and any(part.content_type in SIGNATURES for part in entity.parts()[1:2])
    )


def is_opaque(entity: Entity) -> bool:
    """RFC 8551 3.2 and 3.10: the type, or a file name with .p7m on application/octet-stream."""
    if entity.content_type in _OPAQUE:
        return entity.parameter("smime-type").lower() != "certs-only"
    return entity.content_type == "application/octet-stream" and entity.filename.lower().endswith(".p7m")


def _clear_signed(entity: Entity, work: Work) -> Entity | None:
    parts = entity.parts()
    if len(parts) != 2 or parts[1].content_type not in SIGNATURES:
        detail = f"a signed multipart of {len(parts)} parts; it must be the content and its signature"
        work.layers.append(Layer("signed", "multipart", findings=(Finding(Reason.MALFORMED, detail),)))
        return parts[0] if parts else None
    try:
        signed = cms.parse(parts[1].decoded())
        if not isinstance(signed, cms.SignedData):
            raise MalformedCms("the signature part holds no signed data")
    except SmimeError as error:
        work.layers.append(Layer("signed", "multipart", findings=(Finding(Reason.MALFORMED, str(error)),)))
        return parts[0]
    _signed_layer(signed, parts[0].raw, "multipart", work)
    return parts[0]


def _signed_layer(signed: cms.SignedData, content: bytes, form: str, work: Work) -> None:
    work.certificates.extend(certs.load_all(signed.certificates))
    work.layers.append(verify_signed(signed, content, work.trust, form=form, senders=work.senders, known=work.known))


def _opaque(entity: Entity, work: Work) -> Entity | None:
    """One CMS object in place of the content; None where it cannot be opened."""
    kind = "signed" if entity.parameter("smime-type").lower() == "signed-data" else "encrypted"
    try:
        obj = cms.parse(entity.decoded())
    except SmimeError as error:
        findings = (damage(error),)
        work.layers.append(Layer("signed" if kind == "signed" else "encrypted", "opaque", findings=findings))
        return None
    while True:
        if isinstance(obj, cms.SignedData):
            if obj.content is None:
                missing = Finding(Reason.MALFORMED, "an opaque signature without content")
                work.layers.append(Layer("signed", "opaque", findings=(missing,)))
                return None
            _signed_layer(obj, obj.content, "opaque", work)
            content, kind_inside = obj.content, obj.content_type
        else:
            opened = _open(obj, work)
            if opened is None:
                return None
            content, kind_inside = opened
        if kind_inside not in NESTED or len(work.layers) >= MAX_LAYERS:
            return parse(content)
        obj = cms.parse(_content_info(kind_inside, content))


NESTED = {alg.SIGNED_DATA, alg.ENVELOPED_DATA, alg.AUTH_ENVELOPED_DATA, alg.COMPRESSED_DATA}


def _content_info(kind: str, content: bytes) -> bytes:
    """Content that is itself a CMS type stands without its ContentInfo (RFC 5652 4)."""
    return der.sequence(der.oid(kind), der.explicit(0, content))


def _open(obj: cms.EnvelopedData | cms.CompressedData, work: Work) -> tuple[bytes, str] | None:
    """(content, its type), with the layer recorded; None where it cannot be had."""
    if isinstance(obj, cms.CompressedData):
        try:
            opened = decompress(obj, work.budget)
        except SmimeError as error:
            work.layers.append(Layer("compressed", "opaque", findings=(damage(error),)))
            return None
        work.budget -= len(opened.content)
    else:
        try:
            opened = decrypt(obj, work.keys)
        except UNOPENED as error:
            work.layers.append(unopened(obj, work.keys, error))
            return None
    work.layers.append(opened.layer)
    return opened.content, opened.content_type


UNOPENED = (DecryptionFailed, NoDecryptionKey, UnsupportedCms, MalformedCms)
"""What can come of an attempt to decrypt."""
_UNOPENED_REASONS = {NoDecryptionKey: Reason.NO_KEY, UnsupportedCms: Reason.UNSUPPORTED}


def unopened(envelope: cms.EnvelopedData, keys: Sequence[KeyEntry], error: SmimeError) -> Layer:
    """The layer of an envelope that could not be opened, with the reason."""
    seen = describe(envelope, keys)
    reason = _UNOPENED_REASONS.get(type(error), Reason.DECRYPTION_FAILED)
    return replace(seen, findings=(*seen.findings, Finding(reason, str(error))))


def damage(error: SmimeError) -> Finding:
    """Why an object could not be read."""
    return Finding(Reason.LIMIT if isinstance(error, SmimeLimitExceeded) else Reason.MALFORMED, str(error))


def _look_inside(entity: Entity, work: Work) -> None:
    """S/MIME among other parts protects only some of what is shown. Signatures are judged, nothing is decrypted."""
    pending, seen = entity.parts(), 0
    while pending and seen < MAX_PARTS:
        part = pending.pop(0)
        seen += 1
        before = len(work.layers)
        if part.content_type == "multipart/signed" and is_smime_signature(part):
            _clear_signed(part, work)
        elif is_opaque(part):
            _opaque_part(part, work)
        else:
            pending.extend(part.parts())
            continue
        for number in range(before, len(work.layers)):
            work.layers[number] = replace(work.layers[number], whole=False)
    if any(not layer.whole for layer in work.layers):
        work.findings.append(Finding(Reason.PARTIAL, "other parts are shown beside the protected ones"))


def _opaque_part(part: Entity, work: Work) -> None:
    try:
        obj = cms.parse(part.decoded())
    except SmimeError:
        return  # an attachment that is only called so
    if isinstance(obj, cms.SignedData) and obj.content is not None:
        _signed_layer(obj, obj.content, "opaque", work)
    elif isinstance(obj, cms.EnvelopedData):
        seen = describe(obj, work.keys)
        unopened = Finding(Reason.NOT_OPENED, "open it by itself; beside other parts its text could be led out")
        work.layers.append(replace(seen, findings=(*seen.findings, unopened)))


def check_protected(outer: Entity, protected: headers.ProtectedHeaders, work: Work) -> None:
    for name in headers.mismatches(outer.headers, protected):
        work.findings.append(Finding(Reason.HEADER_MISMATCH, name))


def order_findings(work: Work) -> None:
    """A signature around encryption vouches for the cipher text only: anyone can sign what another encrypted."""
    kinds = [layer.kind for layer in work.layers if layer.kind != "compressed"]
    if "encrypted" in kinds and "signed" in kinds:
        last_encrypted = len(kinds) - 1 - kinds[::-1].index("encrypted")
        if "signed" not in kinds[last_encrypted:] and all(layer.whole for layer in work.layers):
            work.findings.append(Finding(Reason.SIGNED_OUTSIDE_ENCRYPTION, "nobody signed the text itself"))
