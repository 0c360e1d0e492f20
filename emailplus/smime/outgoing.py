"""Protecting a finished message: signed, encrypted, or both, as one or more messages for the transport. Pure.

The fields of the message stay outside; what is signed and encrypted is its MIME entity, or, with header protection
(RFC 9788), the entity with all its fields. Sign-then-encrypt, as RFC 8551 section 3.7 recommends. Who is in Bcc gets an
envelope and a message of their own, because an envelope tells anyone who holds it how many can open it, and which
certificates they have.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509

from ..errors import CertificateUnusable, RecipientsWithoutCertificate
from . import headers
from .encrypt import CipherName, KeyTransport, encrypt_for
from .entity import parse
from .keychain import KeyEntry
from .sign import DigestName, sign_clear, sign_opaque
from .verify import canonical

_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*")
_BCC = re.compile(rb"(?im)^bcc:[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*\r?\n")
_SHOWN = re.compile(rb"(?im)^(?:to|cc|bcc):[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*\r?\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to protect one message.

    `signer` signs, where given; `encrypt` to everybody and to `own`, the sender's certificate. `protect_headers`
    puts the fields of the message inside too, and hides the subject of encrypted mail outside (`hide_subject`).
    """

    signer: KeyEntry | None = None
    own: x509.Certificate | None = None
    encrypt: bool = False
    clear: bool = True
    digest: DigestName = "sha256"
    pss: bool = False
    cipher: CipherName = "aes256-gcm"
    transport: KeyTransport = "oaep"
    protect_headers: bool = False
    hide_subject: bool = True


@dataclass(frozen=True, slots=True)
class ProtectedMessage:
    """One message to hand to the transport, for exactly these `addresses`; they are those of its header fields.

    `hidden`: a copy for one Bcc recipient, which is not the one to keep among the sent mail.
    """

    addresses: tuple[str, ...]
    message: bytes
    hidden: bool = False


def protect(
    head: bytes,
    entity: bytes,
    plan: Plan,
    visible: Mapping[str, x509.Certificate | None],
    hidden: Mapping[str, x509.Certificate | None] | None = None,
    *,
    now: datetime | None = None,
) -> list[ProtectedMessage]:
    """Protect the message of header fields `head` (each line ended, no MIME-Version) and MIME `entity`.

    `visible` are the addresses of To and Cc, `hidden` those of Bcc, each with the certificate to encrypt to (None for
    one that has none; not looked at where nothing is encrypted). Raises `RecipientsWithoutCertificate` with all
    addresses that lack one, and `CertificateUnusable` for our own.
    """
    moment = now or datetime.now(UTC)
    hidden = hidden or {}
    payload, outside = entity, head
    if plan.protect_headers:
        payload, outside = headers.protect(head + entity, hide_subject=plan.hide_subject, encrypted=plan.encrypt)
        outside += b"".join(_BCC.findall(head))
    if plan.signer is not None:
        sign = sign_clear if plan.clear else sign_opaque
        payload = sign(payload, plan.signer, digest=plan.digest, pss=plan.pss, now=moment)
    if not plan.encrypt:
        return [ProtectedMessage((*visible, *hidden), _whole(outside, payload))]
    if plan.own is None:
        raise CertificateUnusable("no certificate of our own is selected to encrypt to", ("none is selected",))
    copies = encrypt_for(payload, plan.own, visible, hidden, cipher=plan.cipher, transport=plan.transport, now=moment)
    made = []
    for copy in copies:
        bcc = copy.addresses[0] if copy.addresses and not set(copy.addresses) <= set(visible) else None
        fields = _BCC.sub(b"", outside) if bcc is None else _only(outside, bcc)
        made.append(ProtectedMessage(copy.addresses, _whole(fields, copy.entity), hidden=bcc is not None))
    return made


def split(message: bytes) -> tuple[bytes, bytes]:
    """(header fields of the message, its MIME entity) of a message that is written already, for `protect`."""
    whole = parse(canonical(message))
    block = whole.raw[: whole.body_start].rstrip(b"\r\n") + b"\r\n"
    content, fields = [], []
    for line in _FIELD.findall(block):
        name = line.partition(b":")[0].strip().lower()
        if name.startswith(b"content-"):
            content.append(line)
        elif name != b"mime-version":
            fields.append(line)
    return b"".join(fields), b"".join(content) + b"\r\n" + whole.body


def without(
    addresses: Mapping[str, x509.Certificate | None], error: RecipientsWithoutCertificate
) -> dict[str, x509.Certificate | None]:
    """The recipients that remain when those that `error` names are left out."""
    return {address: certificate for address, certificate in addresses.items() if address not in error.addresses}


def _only(fields: bytes, address: str) -> bytes:
    """For one Bcc recipient: the transport delivers by these fields, so they name nobody else."""
    return _SHOWN.sub(b"", fields) + b"Bcc: " + address.encode() + b"\r\n"


def _whole(fields: bytes, entity: bytes) -> bytes:
    return fields + b"MIME-Version: 1.0\r\n" + entity
