"""CMS objects (RFC 5652, 5083, 3274) as plain records of bytes and dotted object identifiers.

They are read in one walk over the bytes (`tlv`); what comes in BER with indefinite lengths is put into definite form
first. asn1crypto is left for names and for archives, and nothing outside this file sees its objects: it parses late and
raises what its author found handy, so every access happens here, inside `_reading`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

from asn1crypto import pkcs12 as asn1_pkcs12
from asn1crypto import x509 as asn1_x509

from ..errors import MalformedCms, SmimeLimitExceeded, UnsupportedCms
from . import algorithms as alg
from . import tlv
from .ber import FILLER, encode_length, to_der
from .der import oid
from .limits import MAX_ATTRIBUTES, MAX_CERTIFICATES, MAX_CMS_BYTES, MAX_RECIPIENTS, MAX_SIGNERS
from .tlv import Element, Indefinite, expect

_OCTETS, _SEQUENCE, _SET = 0x04, 0x30, 0x31
_SHROUDED_KEY = "1.2.840.113549.1.12.10.1.2"


@dataclass(frozen=True, slots=True)
class Algorithm:
    """AlgorithmIdentifier: `parameters` as DER, None where absent; `raw` is the whole as it stands."""

    oid: str
    parameters: bytes | None
    raw: bytes


@dataclass(frozen=True, slots=True)
class PartyId:
    """Whose certificate: issuer (DER of the name) and serial, or the subject key identifier."""

    issuer: bytes = b""
    serial: int = 0
    key_id: bytes = b""


@dataclass(frozen=True, slots=True)
class SignerInfo:
    """RFC 5652 5.3. `signed_attributes` with the SET OF tag, as they were signed; b"" where there are none.

    `capabilities`: object identifiers in the order of the signer's preference (RFC 8551 2.5.2), None: not told.
    """

    sid: PartyId
    digest: Algorithm
    signature_algorithm: Algorithm
    signature: bytes
    signed_attributes: bytes
    content_types: tuple[str, ...]
    message_digests: tuple[bytes, ...]
    signing_time: datetime | None
    capabilities: tuple[str, ...] | None
    protected_algorithms: tuple[bytes, bytes] | None


@dataclass(frozen=True, slots=True)
class SignedData:
    """`content` is None for a detached signature."""

    content_type: str
    content: bytes | None
    certificates: tuple[bytes, ...]
    crls: tuple[bytes, ...]
    signers: tuple[SignerInfo, ...]


@dataclass(frozen=True, slots=True)
class Recipient:
    """One encrypted copy of the content key. `originator_key` (SubjectPublicKeyInfo) and `ukm` for key agreement."""

    kind: Literal["transport", "agreement", "kek", "password", "other"]
    rid: PartyId
    algorithm: Algorithm
    encrypted_key: bytes
    originator_key: bytes = b""
    originator_algorithm: str = ""
    ukm: bytes | None = None


@dataclass(frozen=True, slots=True)
class EnvelopedData:
    """Also AuthEnvelopedData: then `mac` is the tag and `authenticated_attributes` carry the SET OF tag."""

    recipients: tuple[Recipient, ...]
    content_type: str
    cipher: Algorithm
    ciphertext: bytes
    mac: bytes | None = None
    authenticated_attributes: bytes = b""


@dataclass(frozen=True, slots=True)
class CompressedData:
    algorithm: str
    content_type: str
    content: bytes


CmsObject = SignedData | EnvelopedData | CompressedData


@contextmanager
def _reading(what: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise MalformedCms(f"{what} cannot be read: not the form that RFC 5652 gives it") from error


def parse(data: bytes) -> CmsObject:
    """One ContentInfo in BER or DER.

    Raises `MalformedCms`, `UnsupportedCms` (another content type) and `SmimeLimitExceeded`.
    """
    with _reading("the CMS object"):
        try:
            return _parse(data)
        except Indefinite:
            pass
        try:
            return _parse(to_der(data))
        except Indefinite:
            raise MalformedCms("a string in pieces where none may be") from None


def _parse(data: bytes) -> CmsObject:
    if len(data) > MAX_CMS_BYTES:
        raise SmimeLimitExceeded(f"a CMS object of {len(data)} bytes; {MAX_CMS_BYTES} is the limit")
    info = expect(tlv.read(data, 0, len(data)), _SEQUENCE)
    if info.end != len(data) and data[info.end :].strip(FILLER):
        raise MalformedCms("there are bytes after the end of the CMS object")
    fields = info.children()
    kind = tlv.oid(fields[0])
    reader = _READERS.get(kind)
    if reader is None:
        raise UnsupportedCms(f"a CMS object of type {kind}; signed, enveloped and compressed data are read")
    (inner,) = expect(fields[1], 0xA0).children(1)
    return reader(expect(inner, _SEQUENCE).children())


# What a sender writes into each mail alike is read once: the caches are by the bytes themselves.


def _algorithm(element: Element) -> Algorithm:
    return _algorithm_of(element.raw)


@lru_cache(maxsize=1024)
def _algorithm_of(raw: bytes) -> Algorithm:
    fields = expect(tlv.read(raw, 0, len(raw)), _SEQUENCE).children(2)
    return Algorithm(tlv.oid(fields[0]), fields[1].raw if len(fields) > 1 else None, raw)


def _octets(element: Element) -> bytes:
    return expect(element, _OCTETS).content


def _optional(fields: list[Element], tag: int) -> Element | None:
    """The next of `fields`, taken off, if it has that tag."""
    return fields.pop(0) if fields and fields[0].tag == tag else None


def _content(element: Element) -> tuple[str, bytes | None]:
    """EncapsulatedContentInfo: (type, content or None). Of PKCS #7 1.5, where the content may be any element, its
    octets without tag and length (RFC 5652 5.2.1)."""
    fields = expect(element, _SEQUENCE).children(2)
    if len(fields) == 1:
        return tlv.oid(fields[0]), None
    (inner,) = expect(fields[1], 0xA0).children(1)
    return tlv.oid(fields[0]), inner.content


def _signed(fields: list[Element]) -> SignedData:
    _, _, encapsulated, *rest = fields
    kind, content = _content(encapsulated)
    certificates, crls = _optional(rest, 0xA0), _optional(rest, 0xA1)
    signers = expect(rest[0], _SET).children(MAX_SIGNERS, "signers")
    return SignedData(
        content_type=kind,
        content=content,
        certificates=_plain(certificates, "certificates"),
        crls=_plain(crls, "revocation lists"),
        signers=tuple(_signer(expect(signer, _SEQUENCE).children()) for signer in signers),
    )


def _plain(held: Element | None, what: str) -> tuple[bytes, ...]:
    """Certificates and lists as they are; the tagged choices (attribute certificates and the like) are left out."""
    if held is None:
        return ()
    return tuple(choice.raw for choice in held.children(MAX_CERTIFICATES, what) if choice.tag == _SEQUENCE)


def _signer(fields: list[Element]) -> SignerInfo:
    _, sid, digest, *rest = fields
    attributes = _optional(rest, 0xA0)
    values: dict[str, list[Element]] = {}
    raw = b""
    if attributes is not None:
        for attribute in attributes.children(MAX_ATTRIBUTES, "attributes"):
            kind, found = expect(attribute, _SEQUENCE).children(2)
            values.setdefault(tlv.oid(kind), []).extend(expect(found, _SET).children(MAX_ATTRIBUTES, "values"))
        content = attributes.content
        raw = b"\x31" + encode_length(len(content)) + content
    signature_algorithm, signature = rest[0], rest[1]
    times = values.get(alg.SIGNING_TIME, [])
    return SignerInfo(
        sid=_party(sid),
        digest=_algorithm(digest),
        signature_algorithm=_algorithm(signature_algorithm),
        signature=_octets(signature),
        signed_attributes=raw,
        content_types=tuple(tlv.oid(value) for value in values.get(alg.CONTENT_TYPE, ())),
        message_digests=tuple(_octets(value) for value in values.get(alg.MESSAGE_DIGEST, ())),
        signing_time=tlv.moment(times[0]) if len(times) == 1 else None,
        capabilities=_capabilities(values.get(alg.CAPABILITIES, [])),
        protected_algorithms=_protected(values.get(alg.ALGORITHM_PROTECTION, [])),
    )


def _capabilities(values: list[Element]) -> tuple[str, ...] | None:
    """SMIMECapabilities (RFC 8551 2.5.2). What cannot be read is not told: it decides about no signature."""
    return _capabilities_of(values[0].raw) if len(values) == 1 else None


@lru_cache(maxsize=1024)
def _capabilities_of(raw: bytes) -> tuple[str, ...] | None:
    try:
        listed = tlv.read(raw, 0, len(raw)).children(MAX_ATTRIBUTES)
        return tuple(tlv.oid(expect(capability, _SEQUENCE).children(2)[0]) for capability in listed)
    except (ValueError, IndexError, MalformedCms):
        return None


def _protected(values: list[Element]) -> tuple[bytes, bytes] | None:
    """CMSAlgorithmProtection (RFC 6211): the two AlgorithmIdentifiers; the second b"" where a MAC is protected."""
    if not values:
        return None
    digest, *rest = expect(values[0], _SEQUENCE).children(3)
    signature = _optional(rest, 0xA1)
    if signature is None:
        return digest.raw, b""
    content = signature.content  # implicitly tagged: as it stands outside, with the tag of a SEQUENCE
    return digest.raw, b"\x30" + encode_length(len(content)) + content


def _party(element: Element) -> PartyId:
    """IssuerAndSerialNumber, [0] SubjectKeyIdentifier, or [0] RecipientKeyIdentifier (RFC 5652 5.3, 6.2.2)."""
    return _party_of(element.raw)


@lru_cache(maxsize=1024)
def _party_of(raw: bytes) -> PartyId:
    element = tlv.read(raw, 0, len(raw))
    if element.tag == _SEQUENCE:
        issuer, serial = element.children(2)
        return PartyId(issuer=issuer.raw, serial=tlv.integer(serial))
    if element.tag == 0x80:
        return PartyId(key_id=element.content)
    return PartyId(key_id=_octets(expect(element, 0xA0).children(3)[0]))


def _recipients(element: Element) -> tuple[Recipient, ...]:
    found: list[Recipient] = []
    for choice in expect(element, _SET).children(MAX_RECIPIENTS, "recipients"):
        fields = choice.children()
        if choice.tag == _SEQUENCE:
            _, rid, algorithm, key = fields
            found.append(Recipient("transport", _party(rid), _algorithm(algorithm), _octets(key)))
        elif choice.tag == 0xA1:
            found.extend(_agreement(fields))
        elif choice.tag in (0xA2, 0xA3):  # KEKRecipientInfo, PasswordRecipientInfo: the algorithm is the one but last
            kind: Literal["kek", "password"] = "kek" if choice.tag == 0xA2 else "password"
            found.append(Recipient(kind, PartyId(), _algorithm(fields[-2]), b""))
        else:
            found.append(Recipient("other", PartyId(), Algorithm("", None, b""), b""))
        if len(found) > MAX_RECIPIENTS:
            raise SmimeLimitExceeded(f"a message to more than {MAX_RECIPIENTS} recipients")
    return tuple(found)


def _agreement(fields: list[Element]) -> Iterator[Recipient]:
    """KeyAgreeRecipientInfo (RFC 5652 6.2.2)."""
    _, originator, *rest = fields
    key, kind = b"", ""
    (who,) = expect(originator, 0xA0).children(1)
    if who.tag == 0xA1:
        algorithm, public = who.children(2)
        kind = tlv.oid(algorithm.children()[0])
        # The parameters may be absent (RFC 5753 3.1.1), so only the key's own octets are taken from here.
        key = expect(public, 0x03).content[1:]
    tagged = _optional(rest, 0xA1)
    ukm = None if tagged is None else _octets(tagged.children(1)[0])
    algorithm, encrypted = rest
    for one in expect(encrypted, _SEQUENCE).children(MAX_RECIPIENTS, "recipients"):
        rid, wrapped = expect(one, _SEQUENCE).children(2)
        yield Recipient(
            "agreement",
            _party(rid),
            _algorithm(algorithm),
            _octets(wrapped),
            originator_key=key,
            originator_algorithm=kind,
            ukm=ukm,
        )


def _encrypted(element: Element) -> tuple[str, Algorithm, bytes]:
    """EncryptedContentInfo: (type, cipher, cipher text)."""
    kind, cipher, *rest = expect(element, _SEQUENCE).children(3)
    if rest and rest[0].tag == 0xA0:
        raise Indefinite  # the cipher text in pieces
    return tlv.oid(kind), _algorithm(cipher), expect(rest[0], 0x80).content if rest else b""


def _enveloped(fields: list[Element]) -> EnvelopedData:
    rest = fields[1:]
    _optional(rest, 0xA0)
    kind, cipher, text = _encrypted(rest[1])
    return EnvelopedData(recipients=_recipients(rest[0]), content_type=kind, cipher=cipher, ciphertext=text)


def _auth_enveloped(fields: list[Element]) -> EnvelopedData:
    rest = fields[1:]
    _optional(rest, 0xA0)
    recipients, info, *rest = rest
    kind, cipher, text = _encrypted(info)
    attributes = _optional(rest, 0xA1)
    content = b"" if attributes is None else attributes.content
    return EnvelopedData(
        recipients=_recipients(recipients),
        content_type=kind,
        cipher=cipher,
        ciphertext=text,
        mac=_octets(rest[0]),
        authenticated_attributes=b"\x31" + encode_length(len(content)) + content if content else b"",
    )


def _compressed(fields: list[Element]) -> CompressedData:
    kind, content = _content(fields[2])
    return CompressedData(algorithm=_algorithm(fields[1]).oid, content_type=kind, content=content or b"")


_READERS: dict[str, Callable[[list[Element]], CmsObject]] = {
    alg.SIGNED_DATA: _signed,
    alg.ENVELOPED_DATA: _enveloped,
    alg.AUTH_ENVELOPED_DATA: _auth_enveloped,
    alg.COMPRESSED_DATA: _compressed,
}


@lru_cache(maxsize=1024)
def name_key(name: bytes) -> str:
    """A distinguished name (DER) for comparison: case and blanks folded as RFC 5280 7.1 asks. Raises `MalformedCms`."""
    with _reading("a name"):
        return str(asn1_x509.Name.load(name).hashable)


def same_party(party: PartyId, issuer: bytes, serial: int, key_id: bytes) -> bool:
    """True when `party` names the certificate with this issuer (DER), serial and subject key identifier."""
    if party.key_id:
        return party.key_id == key_id
    if party.serial != serial or not party.issuer:
        return False
    if party.issuer == issuer:
        return True
    try:
        return name_key(party.issuer) == name_key(issuer)
    except MalformedCms:
        return False


def parameters(algorithm: Algorithm) -> list[tuple[int, bytes]]:
    """The parameters as (tag, content) of what stands in their SEQUENCE, or of the one element they are."""
    if not algorithm.parameters:
        return []
    with _reading("the parameters of an algorithm"):
        whole = _elements(algorithm.parameters)
        return _elements(whole[0][1]) if whole and whole[0][0] == 0x30 else whole


def _elements(data: bytes) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    position = 0
    while position < len(data):
        tag, length, start = data[position], data[position + 1], position + 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(data[start : start + size], "big")
            start += size
        if start + length > len(data):
            raise ValueError("cut short")
        found.append((tag, data[start : start + length]))
        position = start + length
    return found


def elements(data: bytes) -> list[tuple[int, bytes]]:
    """The (tag, content) of the elements that stand in a row in `data`. Raises `MalformedCms`."""
    with _reading("an element"):
        return _elements(data)


def inside(data: bytes) -> bytes:
    """The content of the one element that `data` is. Raises `MalformedCms`."""
    with _reading("an element"):
        return _elements(data)[0][1]


def named_digest(identifier: bytes) -> alg.Digest:
    """The digest that the content of an AlgorithmIdentifier names. Raises `UnsupportedCms`, `MalformedCms`."""
    return _digest_of_oid(elements(identifier))


def mask_digest(identifier: bytes) -> alg.Digest:
    """The digest inside a mask generation function, MGF1 (RFC 8017 A.2.1); `identifier` as DER."""
    with _reading("a mask generation function"):
        fields = _elements(_elements(identifier)[0][1])
        if fields[0][1] != oid(alg.MGF1)[2:]:
            raise UnsupportedCms("a mask generation function other than MGF1")
        return _digest_of_oid(_elements(fields[1][1]))


def _digest_of_oid(fields: list[tuple[int, bytes]]) -> alg.Digest:
    for digest in alg.DIGESTS.values():
        if fields and fields[0] == (0x06, oid(digest.oid)[2:]):
            return digest
    raise UnsupportedCms("a digest that has no name here")


def _held(value: Any) -> bytes:
    return bytes(value.contents or b"")


def shrouded_keys(archive: bytes) -> list[bytes]:
    """EncryptedPrivateKeyInfo (DER) of every shrouded key bag in the open safes of a PKCS#12 archive (RFC 7292 4)."""
    found: list[bytes] = []
    with _reading("the archive"):
        pfx = asn1_pkcs12.Pfx.load(to_der(archive))
        safes = asn1_pkcs12.AuthenticatedSafe.load(to_der(_held(pfx["auth_safe"]["content"])))
        for safe in safes:
            if safe["content_type"].dotted != alg.DATA:
                continue
            for bag in asn1_pkcs12.SafeContents.load(to_der(_held(safe["content"]))):
                if bag["bag_id"].dotted == _SHROUDED_KEY:
                    found.append(bag["bag_value"].untag().dump(force=True))
    return found
