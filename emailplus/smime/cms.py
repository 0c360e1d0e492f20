"""CMS objects (RFC 5652, 5083, 3274) as plain records of bytes and dotted object identifiers.

asn1crypto reads the DER that `ber.to_der` made; nothing outside this file sees its objects. It parses late and raises
what its author found handy, so every access happens here, inside `_reading`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

from asn1crypto import cms as asn1_cms
from asn1crypto import core
from asn1crypto import pkcs12 as asn1_pkcs12
from asn1crypto import x509 as asn1_x509

from ..errors import MalformedCms, SmimeLimitExceeded, UnsupportedCms
from . import algorithms as alg
from .ber import encode_length, to_der
from .der import oid
from .limits import MAX_CERTIFICATES, MAX_RECIPIENTS, MAX_SIGNERS

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
    """RFC 5652 5.3. `signed_attributes` with the SET OF tag, as they were signed; b"" where there are none."""

    sid: PartyId
    digest: Algorithm
    signature_algorithm: Algorithm
    signature: bytes
    signed_attributes: bytes
    content_types: tuple[str, ...]
    message_digests: tuple[bytes, ...]
    signing_time: datetime | None
    has_capabilities: bool
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
    der = to_der(data)
    with _reading("the CMS object"):
        info = asn1_cms.ContentInfo.load(der)
        kind = info["content_type"].dotted
        reader = _READERS.get(kind)
        if reader is None:
            raise UnsupportedCms(f"a CMS object of type {kind}; signed, enveloped and compressed data are read")
        return reader(info["content"])


def _algorithm(value: Any) -> Algorithm:
    parameters = value["parameters"]
    absent = isinstance(parameters, core.Void) or parameters is None
    return Algorithm(value["algorithm"].dotted, None if absent else parameters.dump(), value.dump())


def _octets(value: Any) -> bytes:
    return bytes(value.contents or b"")


def _limited(values: Any, limit: int, what: str) -> Any:
    if len(values) > limit:
        raise SmimeLimitExceeded(f"a CMS object with {len(values)} {what}; {limit} is the limit")
    return values


def _content(info: Any) -> bytes | None:
    """eContent: an OCTET STRING; anything else of PKCS #7 1.5 is taken without its tag and length (RFC 5652 5.2.1)."""
    content = info["content"]
    if isinstance(content, core.Void):
        return None
    if isinstance(content, core.Any):
        content = content.parse()
    return _octets(content)


def _signed(data: Any) -> SignedData:
    info = data["encap_content_info"]
    certificates = [] if isinstance(data["certificates"], core.Void) else data["certificates"]
    crls = [] if isinstance(data["crls"], core.Void) else data["crls"]
    return SignedData(
        content_type=info["content_type"].dotted,
        content=_content(info),
        certificates=tuple(
            choice.chosen.dump()
            for choice in _limited(certificates, MAX_CERTIFICATES, "certificates")
            if choice.name == "certificate"
        ),
        crls=tuple(
            choice.chosen.dump()
            for choice in _limited(crls, MAX_CERTIFICATES, "revocation lists")
            if choice.name == "certificate_list"
        ),
        signers=tuple(_signer(signer) for signer in _limited(data["signer_infos"], MAX_SIGNERS, "signers")),
    )


def _signer(info: Any) -> SignerInfo:
    attributes = info["signed_attrs"]
    present = not isinstance(attributes, core.Void)
    values: dict[str, list[Any]] = {}
    for attribute in attributes if present else ():
        values.setdefault(attribute["type"].dotted, []).extend(attribute["values"])
    raw = b""
    if present:
        content = bytes(attributes.contents)
        raw = b"\x31" + encode_length(len(content)) + content
    protection = values.get(alg.ALGORITHM_PROTECTION)
    return SignerInfo(
        sid=_party(info["sid"]),
        digest=_algorithm(info["digest_algorithm"]),
        signature_algorithm=_algorithm(info["signature_algorithm"]),
        signature=_octets(info["signature"]),
        signed_attributes=raw,
        content_types=tuple(value.dotted for value in values.get(alg.CONTENT_TYPE, ())),
        message_digests=tuple(_octets(value) for value in values.get(alg.MESSAGE_DIGEST, ())),
        signing_time=_time(values.get(alg.SIGNING_TIME, [])),
        has_capabilities=alg.CAPABILITIES in values,
        protected_algorithms=None
        if not protection
        else (protection[0]["digest_algorithm"].dump(), _inner_algorithm(protection[0]["signature_algorithm"])),
    )


def _inner_algorithm(value: Any) -> bytes:
    """The implicitly tagged AlgorithmIdentifier of RFC 6211 as a plain one; b"" where absent (a MAC is protected)."""
    if isinstance(value, core.Void):
        return b""
    content = bytes(value.contents)
    return b"\x30" + encode_length(len(content)) + content


def _time(values: list[Any]) -> datetime | None:
    if len(values) != 1:
        return None
    moment = values[0].native
    return moment.astimezone(UTC) if isinstance(moment, datetime) else None


def _party(choice: Any) -> PartyId:
    chosen = choice.chosen
    if choice.name == "issuer_and_serial_number":
        return PartyId(issuer=chosen["issuer"].dump(), serial=chosen["serial_number"].native)
    if choice.name == "subject_key_identifier":
        return PartyId(key_id=_octets(chosen))
    if choice.name == "r_key_id":
        return PartyId(key_id=_octets(chosen["subject_key_identifier"]))
    raise ValueError(choice.name)


def _recipients(infos: Any) -> tuple[Recipient, ...]:
    found: list[Recipient] = []
    for choice in _limited(infos, MAX_RECIPIENTS, "recipients"):
        info = choice.chosen
        if choice.name == "ktri":
            found.append(
                Recipient(
                    "transport",
                    _party(info["rid"]),
                    _algorithm(info["key_encryption_algorithm"]),
                    _octets(info["encrypted_key"]),
                )
            )
        elif choice.name == "kari":
            found.extend(_agreement(info))
        elif choice.name == "kekri":
            found.append(Recipient("kek", PartyId(), _algorithm(info["key_encryption_algorithm"]), b""))
        elif choice.name == "pwri":
            found.append(Recipient("password", PartyId(), _algorithm(info["key_encryption_algorithm"]), b""))
        else:
            found.append(Recipient("other", PartyId(), Algorithm("", None, b""), b""))
        if len(found) > MAX_RECIPIENTS:
            raise SmimeLimitExceeded(f"a message to more than {MAX_RECIPIENTS} recipients")
    return tuple(found)


def _agreement(info: Any) -> Iterator[Recipient]:
    originator = info["originator"]
    key, kind = b"", ""
    if originator.name == "originator_key":
        public = originator.chosen
        kind = public["algorithm"]["algorithm"].dotted
        # The parameters may be absent (RFC 5753 3.1.1), so only the key's own octets are taken from here.
        key = bytes(public["public_key"].contents)[1:]
    ukm = info["ukm"]
    for encrypted in _limited(info["recipient_encrypted_keys"], MAX_RECIPIENTS, "recipients"):
        yield Recipient(
            "agreement",
            _party(encrypted["rid"]),
            _algorithm(info["key_encryption_algorithm"]),
            _octets(encrypted["encrypted_key"]),
            originator_key=key,
            originator_algorithm=kind,
            ukm=None if isinstance(ukm, core.Void) else _octets(ukm),
        )


def _enveloped(data: Any) -> EnvelopedData:
    info = data["encrypted_content_info"]
    return EnvelopedData(
        recipients=_recipients(data["recipient_infos"]),
        content_type=info["content_type"].dotted,
        cipher=_algorithm(info["content_encryption_algorithm"]),
        ciphertext=b"" if isinstance(info["encrypted_content"], core.Void) else _octets(info["encrypted_content"]),
    )


def _auth_enveloped(data: Any) -> EnvelopedData:
    info = data["auth_encrypted_content_info"]
    attributes = data["auth_attrs"]
    content = b"" if isinstance(attributes, core.Void) else bytes(attributes.contents)
    return EnvelopedData(
        recipients=_recipients(data["recipient_infos"]),
        content_type=info["content_type"].dotted,
        cipher=_algorithm(info["content_encryption_algorithm"]),
        ciphertext=b"" if isinstance(info["encrypted_content"], core.Void) else _octets(info["encrypted_content"]),
        mac=_octets(data["mac"]),
        authenticated_attributes=b"\x31" + encode_length(len(content)) + content if content else b"",
    )


def _compressed(data: Any) -> CompressedData:
    info = data["encap_content_info"]
    return CompressedData(
        algorithm=data["compression_algorithm"]["algorithm"].dotted,
        content_type=info["content_type"].dotted,
        content=_content(info) or b"",
    )


_READERS: dict[str, Callable[[Any], CmsObject]] = {
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


def shrouded_keys(archive: bytes) -> list[bytes]:
    """EncryptedPrivateKeyInfo (DER) of every shrouded key bag in the open safes of a PKCS#12 archive (RFC 7292 4)."""
    found: list[bytes] = []
    with _reading("the archive"):
        pfx = asn1_pkcs12.Pfx.load(to_der(archive))
        safes = asn1_pkcs12.AuthenticatedSafe.load(to_der(_octets(pfx["auth_safe"]["content"])))
        for safe in safes:
            if safe["content_type"].dotted != alg.DATA:
                continue
            for bag in asn1_pkcs12.SafeContents.load(to_der(_octets(safe["content"]))):
                if bag["bag_id"].dotted == _SHROUDED_KEY:
                    found.append(bag["bag_value"].untag().dump(force=True))
    return found
