"""Making signed data (RFC 5652 5, RFC 8551 3.5): clear signed and opaque."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from ..errors import CertificateUnusable
from ..mime.transfer import base64_lines
from . import algorithms as alg
from . import certificate as certs
from . import der
from .armour import pkcs7_head
from .entity import parse
from .keychain import KeyEntry, Role, usable_for
from .verify import canonical

DigestName = Literal["sha256", "sha384", "sha512", "sha1"]
"""SHA-1 only where a policy of the server demands it."""

_MICALG = {"sha256": "sha-256", "sha384": "sha-384", "sha512": "sha-512", "sha1": "sha-1"}
MAX_LINE = 998
_CAPABILITIES = ("aes256-gcm", "aes128-gcm", "aes256-cbc", "aes128-cbc")


def sign_clear(
    entity: bytes,
    signer: KeyEntry,
    *,
    digest: DigestName = "sha256",
    pss: bool = False,
    now: datetime | None = None,
) -> bytes:
    """A multipart/signed entity (headers and body) around `entity`, a MIME entity without transport headers.

    `entity` is given CRLF line ends; a part that is 8-bit or has lines over 998 octets is re-encoded first
    (`protected_for_transport`), because a transport that did so would break the signature.
    Raises `CertificateUnusable` for a certificate that must not sign now.
    """
    content = protected_for_transport(entity)
    signature = signed_data(content, [signer], digest=digest, pss=pss, detached=True, now=now)
    boundary = b"=-" + os.urandom(18).hex().encode()
    name = "sha512" if isinstance(signer.private_key, ed25519.Ed25519PrivateKey) else digest
    head = clear_head(signer, boundary, name, now or datetime.now(UTC))
    return b"".join((head, content, clear_foot(boundary, base64_lines(signature))))


def clear_head(signer: KeyEntry, boundary: bytes, digest: str, now: datetime) -> bytes:
    """What stands before the content of a clear signature (RFC 8551 3.5.3). Raises `CertificateUnusable`."""
    _check_usable(signer, now)
    return b"".join(
        (
            b'Content-Type: multipart/signed; protocol="application/pkcs7-signature";\r\n micalg=',
            _MICALG[digest].encode(),
            b'; boundary="' + boundary + b'"\r\n\r\n--' + boundary + b"\r\n",
        )
    )


def clear_foot(boundary: bytes, signature: bytes) -> bytes:
    """What stands behind it; `signature` in base64 lines."""
    return b"".join(
        (
            b"\r\n--" + boundary + b"\r\n",
            b'Content-Type: application/pkcs7-signature; name="smime.p7s"\r\nContent-Transfer-Encoding: base64\r\n',
            b'Content-Disposition: attachment; filename="smime.p7s"\r\n\r\n',
            signature,
            b"--" + boundary + b"--\r\n",
        )
    )


def sign_opaque(
    entity: bytes,
    signer: KeyEntry,
    *,
    digest: DigestName = "sha256",
    pss: bool = False,
    now: datetime | None = None,
) -> bytes:
    """An application/pkcs7-mime entity of type signed-data with `entity` inside. Raises as `sign_clear`."""
    data = signed_data(canonical(entity), [signer], digest=digest, pss=pss, now=now)
    return pkcs7_entity(data, "signed-data")


def signed_data(
    content: bytes,
    signers: Sequence[KeyEntry],
    *,
    digest: DigestName = "sha256",
    pss: bool = False,
    detached: bool = False,
    now: datetime | None = None,
) -> bytes:
    """ContentInfo (DER) of signed data over `content` as it stands, with all chains. Raises as `sign_clear`."""
    moment = now or datetime.now(UTC)
    for signer in signers:
        _check_usable(signer, moment)
    infos = [_signer_info(_digested(content, signer, digest), signer, digest, pss, moment) for signer in signers]
    inner = [der.oid(alg.DATA)] if detached else [der.oid(alg.DATA), der.explicit(0, der.octets(content))]
    return _signed_data(inner, infos, signers)


def signature_over(
    digested: bytes, signer: KeyEntry, *, digest: DigestName = "sha256", pss: bool = False, now: datetime | None = None
) -> bytes:
    """ContentInfo (DER) of a detached signature over content with the digest `digested`. Raises as `sign_clear`.

    `digested` is by `digest`; for Ed25519 by SHA-512, whatever is asked for (RFC 8419 3.1).
    """
    moment = now or datetime.now(UTC)
    _check_usable(signer, moment)
    return _signed_data([der.oid(alg.DATA)], [_signer_info(digested, signer, digest, pss, moment)], [signer])


def _check_usable(signer: KeyEntry, moment: datetime) -> None:
    reasons = usable_for(signer, Role.SIGNING, moment)
    if reasons:
        raise CertificateUnusable(f"the certificate cannot sign: {'; '.join(reasons)}", reasons)


def _signed_data(inner: list[bytes], infos: list[tuple[bytes, bytes]], signers: Sequence[KeyEntry]) -> bytes:
    chain = dict.fromkeys(certificate for signer in signers for certificate in (signer.certificate, *_chain(signer)))
    return der.sequence(
        der.oid(alg.SIGNED_DATA),
        der.explicit(
            0,
            der.sequence(
                der.integer(1),
                der.set_of({algorithm for algorithm, _ in infos}),
                der.sequence(*inner),
                der.set_of((certs.der(certificate) for certificate in chain), tag=0xA0),
                der.set_of(info for _, info in infos),
            ),
        ),
    )


def _chain(signer: KeyEntry) -> Iterable[x509.Certificate]:
    """The issuers above the signer; an archive may carry certificates that have nothing to do with it."""
    current, left = signer.certificate, list(signer.chain)
    while current.issuer != current.subject:
        issuer = next((c for c in left if c.subject == current.issuer), None)
        if issuer is None:
            return
        left.remove(issuer)
        yield issuer
        current = issuer


def _digest_for(signer: KeyEntry, name: str) -> alg.Digest:
    """RFC 8419 3.1: Ed25519 goes with SHA-512."""
    return alg.DIGEST_BY_NAME["sha512" if isinstance(signer.private_key, ed25519.Ed25519PrivateKey) else name]


def _digested(content: bytes, signer: KeyEntry, name: str) -> bytes:
    state = hashes.Hash(_digest_for(signer, name).algorithm)
    state.update(content)
    return state.finalize()


def _signer_info(digested: bytes, signer: KeyEntry, name: str, pss: bool, moment: datetime) -> tuple[bytes, bytes]:
    """(digest algorithm, SignerInfo)."""
    key = signer.private_key
    digest = _digest_for(signer, name)
    attributes = der.set_of(
        (
            _attribute(alg.CONTENT_TYPE, der.oid(alg.DATA)),
            _attribute(alg.MESSAGE_DIGEST, der.octets(digested)),
            _attribute(alg.SIGNING_TIME, der.time(moment)),
            _attribute(
                alg.CAPABILITIES,
                der.sequence(*(der.algorithm(alg.CIPHER_BY_NAME[cipher].oid) for cipher in _CAPABILITIES)),
            ),
        )
    )
    algorithm, signature = _signature(key, attributes, digest, pss)
    digest_algorithm = der.algorithm(digest.oid)
    info = der.sequence(
        der.integer(1),
        issuer_and_serial(signer.certificate),
        digest_algorithm,
        b"\xa0" + attributes[1:],
        algorithm,
        der.octets(signature),
    )
    return digest_algorithm, info


def issuer_and_serial(certificate: x509.Certificate) -> bytes:
    """IssuerAndSerialNumber (RFC 5652 10.2.4)."""
    return der.sequence(certificate.issuer.public_bytes(), der.integer(certs.serial(certificate)))


def _attribute(oid: str, value: bytes) -> bytes:
    return der.sequence(der.oid(oid), der.set_of([value]))


def _signature(key: object, data: bytes, digest: alg.Digest, pss: bool) -> tuple[bytes, bytes]:
    """(signature algorithm, signature)."""
    if isinstance(key, rsa.RSAPrivateKey):
        if not pss:
            return der.algorithm(alg.RSA, der.NULL), key.sign(data, padding.PKCS1v15(), digest.algorithm)
        size = digest.algorithm.digest_size
        filling = padding.PSS(padding.MGF1(digest.algorithm), size)
        hashed = der.algorithm(digest.oid, der.NULL)
        parameters = der.sequence(
            der.explicit(0, hashed),
            der.explicit(1, der.algorithm(alg.MGF1, hashed)),
            der.explicit(2, der.integer(size)),
        )
        return der.algorithm(alg.RSA_PSS, parameters), key.sign(data, filling, digest.algorithm)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return der.algorithm(alg.ECDSA_WITH[digest.name]), key.sign(data, ec.ECDSA(digest.algorithm))
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return der.algorithm(alg.ED25519), key.sign(data)
    raise CertificateUnusable("a key of this kind does not sign mail", ("its key does not sign",))


def pkcs7_entity(data: bytes, smime_type: str) -> bytes:
    """The application/pkcs7-mime entity for a CMS object (RFC 8551 3.2)."""
    return pkcs7_head(smime_type) + base64_lines(data)


def protected_for_transport(entity: bytes) -> bytes:
    """`entity` in canonical form, 7-bit and with short lines (RFC 8551 3.1.2, 3.1.3).

    Leaf parts that are 8-bit or too long in their lines become base64; the others stay byte for byte.
    """
    content = canonical(entity)
    if _seven_bit(content):
        return content
    part = parse(content)
    children = part.parts()
    if not children:
        return _as_base64(content, part.body_start, part.decoded())
    rebuilt = bytearray()
    position = 0
    for child in children:
        start = content.index(child.raw, position)
        rebuilt += content[position:start] + protected_for_transport(child.raw)
        position = start + len(child.raw)
    return bytes(rebuilt + content[position:])


def _seven_bit(content: bytes) -> bool:
    return content.isascii() and b"\0" not in content and max(map(len, content.split(b"\r\n"))) <= MAX_LINE


def _as_base64(content: bytes, body_start: int, decoded: bytes) -> bytes:
    head = content[:body_start].rstrip(b"\r\n")
    head = re.sub(rb"(?im)^content-transfer-encoding:[^\r\n]*(?:\r\n[ \t][^\r\n]*)*(?:\r\n|\Z)", b"", head)
    lines = [head.rstrip(b"\r\n")] if head.strip() else []
    return b"\r\n".join([*lines, b"Content-Transfer-Encoding: base64", b"", base64_lines(decoded).rstrip(b"\r\n")])
