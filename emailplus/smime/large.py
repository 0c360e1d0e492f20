"""Opening a message that does not fit into memory: the same layers and the same report as `message.open_message`.

Each layer is read through once to judge it and is a `Source` afterwards, which reads the one outside it anew. Nothing
is handed out before the layers around it were found right to their ends. What this does not do, the report says: S/MIME
among other parts is not looked into.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from ..errors import (
    MalformedCms,
    SmimeError,
    SmimeLimitExceeded,
    UnsupportedCms,
)
from ..mime.source import beginning
from . import algorithms as alg
from . import apart, cms, der, headers, pieces
from . import certificate as certs
from .decrypt import decrypt_source
from .entity import REST_OF_DELIMITER, Entity, addresses, parse, without_line_end
from .keychain import KeyEntry
from .limits import MAX_LAYERS, MAX_UNWRAPPED_LARGE
from .message import NESTED, SIGNATURES, UNOPENED, Work, check_protected, damage, is_opaque, order_findings, unopened
from .pieces import Source
from .report import Finding, Layer, Reason, SecurityReport
from .trust import Trust
from .verify import Senders, verify_signed

MAX_HEAD = 1 << 20
"""Bytes of the header of an entity."""
MAX_SIGNATURE = 16 << 20
"""Bytes of the part that holds a detached signature."""
_BLANKS = 1_000
"""Bytes behind a delimiter in which its line must end."""
_TRACES = (b"pkcs7-", b".p7m", b".p7z")
"""In small letters; in capitals they count as well."""


@dataclass(frozen=True, slots=True)
class OpenedLarge:
    """`content` is the MIME entity inside all layers that could be taken off, to be read as often as wanted."""

    content: Source
    report: SecurityReport
    protected: headers.ProtectedHeaders | None = None
    certificates: tuple[x509.Certificate, ...] = ()


def open_large(
    source: Source,
    *,
    keys: Sequence[KeyEntry] = (),
    trust: Trust | None = None,
    known: Sequence[x509.Certificate] = (),
    max_unwrapped: int = MAX_UNWRAPPED_LARGE,
) -> OpenedLarge:
    """As `open_message`, in memory that does not grow with the message. Never raises for what is in the message."""
    outer = _entity(source)
    senders = Senders(addresses(outer.headers, "From"), addresses(outer.headers, "Sender"))
    work = Work(keys, trust or Trust(), known, senders, max_unwrapped)
    content = source
    try:
        while (following := _next(content, work)) is not None:
            content = following
    except SmimeError as error:
        work.findings.append(Finding(Reason.MALFORMED, str(error)))
    inner = _entity(content)
    protected = headers.read(inner)[0] if work.layers else None
    if protected is not None:
        check_protected(outer, protected, work)
    order_findings(work)
    report = SecurityReport(tuple(work.layers), tuple(work.findings))
    return OpenedLarge(content, report, protected, tuple(dict.fromkeys(work.certificates)))


def _entity(source: Source) -> Entity:
    """The head of an entity, with as much of its body as came along."""
    return parse(beginning(source, MAX_HEAD))


def _next(source: Source, work: Work) -> Source | None:
    """What is inside the outermost layer of `source`; None where there is none, or it cannot be taken off."""
    entity = _entity(source)
    signed = entity.content_type == "multipart/signed" and entity.parameter("protocol").lower() in {*SIGNATURES, ""}
    if not signed and not is_opaque(entity):
        _look_for_traces(source, work)
        return None
    if len(work.layers) >= MAX_LAYERS:
        work.findings.append(Finding(Reason.LIMIT, f"more than {MAX_LAYERS} layers"))
        return None
    return _clear_signed(source, entity, work) if signed else _opaque(source, entity, work)


def _look_for_traces(source: Source, work: Work) -> None:
    """S/MIME among other parts would have to be judged part by part: seen, it is said, and the message is not green."""
    before = b""
    for piece in source():
        text = (before + piece).lower()  # and `in`: a pattern takes six times as long
        if any(trace in text for trace in _TRACES):
            work.findings.append(
                Finding(Reason.NOT_OPENED, "other protected parts in a message too large to look into")
            )
            return
        before = text[-8:]


# Clear signatures.


def _clear_signed(source: Source, entity: Entity, work: Work) -> Source | None:
    boundary = b"--" + entity.parameter("boundary").encode("utf-8", "replace")
    spans = list(_spans(source, boundary, entity.body_start)) if len(boundary) > 2 else []
    first = pieces.span(source, *spans[0]) if spans else None
    try:
        if len(spans) != 2 or first is None:
            raise MalformedCms(f"a signed multipart of {len(spans)} parts; it must be the content and its signature")
        start, end = spans[1]
        if end - start > MAX_SIGNATURE:
            raise SmimeLimitExceeded(f"a signature of {end - start} bytes")
        part = parse(beginning(pieces.span(source, start, end), end - start))
        signature = cms.parse(part.decoded()) if part.content_type in SIGNATURES else None
        if not isinstance(signature, cms.SignedData):
            raise MalformedCms("the signature part holds no signed data")
    except SmimeError as error:
        work.layers.append(Layer("signed", "multipart", findings=(Finding(Reason.MALFORMED, str(error)),)))
        return first
    _signed_layer(signature, first, "multipart", work)
    return first


def _spans(source: Source, delimiter: bytes, body_start: int) -> Iterator[tuple[int, int]]:
    """(start, end) of the parts of a multipart (RFC 2046 5.1.1), at most three of them."""
    start = -1
    for count, (end, after, last) in enumerate(_delimiters(source, delimiter, body_start)):
        if start >= 0:
            yield start, max(start, end)
        start = after
        if last or count > 2:
            return
    if start >= 0:
        yield start, sum(map(len, source()))  # cut mail: no delimiter ends it


def _delimiters(source: Source, delimiter: bytes, body_start: int) -> Iterator[tuple[int, int, bool]]:
    """(byte after the part before it, byte after its line, closing) of each delimiter line, as `entity` finds them."""
    stream, ended = source(), False
    held, offset, searched = b"", 0, body_start
    while True:
        at = held.find(delimiter, searched)
        while not ended and (at < 0 or len(held) - at < len(delimiter) + _BLANKS):
            if at < 0 and (cut := len(held) - len(delimiter) - 2) > 0:
                held, offset, searched = held[cut:], offset + cut, max(searched - cut, 0)
            piece = next(stream, None)
            ended = piece is None
            held += piece or b""
            at = held.find(delimiter, searched)
        if at < 0:
            return
        rest = REST_OF_DELIMITER.match(held, at + len(delimiter))
        if rest and (offset + at == body_start or held[at - 1 : at] == b"\n"):
            yield offset + without_line_end(held, at), offset + rest.end(), bool(rest.group(1))
            searched = rest.end()
        else:
            searched = at + 1


def _signed_layer(signed: cms.SignedData, content: Source, form: str, work: Work) -> None:
    work.certificates.extend(certs.load_all(signed.certificates))
    layer = verify_signed(signed, _Streamed(content), work.trust, form=form, senders=work.senders, known=work.known)
    work.layers.append(layer)


class _Streamed:
    """`verify.Content` that is never whole in memory. Both forms are digested in one pass for each algorithm."""

    variants = (None, None)

    def __init__(self, source: Source) -> None:
        self._source = source
        self._digests: dict[str, tuple[bytes, bytes]] = {}

    def digest(self, number: int, digest: alg.Digest) -> bytes:
        if digest.name not in self._digests:
            self._digests[digest.name] = self._both(digest)
        return self._digests[digest.name][number]

    def _both(self, digest: alg.Digest) -> tuple[bytes, bytes]:
        plain, canonical = hashes.Hash(digest.algorithm), hashes.Hash(digest.algorithm)

        def passing() -> Iterator[bytes]:
            for piece in self._source():
                plain.update(piece)
                yield piece

        for piece in pieces.canonical(passing()):
            canonical.update(piece)
        return plain.finalize(), canonical.finalize()

    def looks_like_attributes(self) -> bool:
        """No entity begins with the tag of a set; so what does is refused without a look at the rest."""
        return beginning(self._source, 1) == b"\x31"


# Opaque layers.


def _opaque(source: Source, entity: Entity, work: Work) -> Source | None:
    encoding = str(entity.headers.get("Content-Transfer-Encoding", "")).strip().lower()
    body = pieces.span(source, entity.body_start)
    data: Source = (lambda: pieces.from_base64(body())) if encoding == "base64" else body
    announced: Literal["signed", "encrypted"] = "encrypted"
    if entity.parameter("smime-type").lower() == "signed-data":
        announced = "signed"
    while True:
        try:
            taken = apart.take_apart(data)
            obj = cms.parse(taken.around)
            content, kind = _inside(obj, taken.content, work)
        except SmimeError as error:
            work.layers.append(Layer(announced, "opaque", findings=(damage(error),)))
            return None
        if content is None or kind not in NESTED or len(work.layers) >= MAX_LAYERS:
            return content
        data = partial(_content_info, kind, content)


def _content_info(kind: str, content: Source) -> Iterator[bytes]:
    """Content that is itself a CMS type stands without its ContentInfo (RFC 5652 4)."""
    yield b"\x30\x80" + der.oid(kind) + b"\xa0\x80"
    yield from content()
    yield bytes(4)


def _inside(obj: cms.CmsObject, content: Source | None, work: Work) -> tuple[Source | None, str]:
    """(content, its type), with the layer recorded; None where it cannot be had."""
    if isinstance(obj, cms.SignedData):
        if content is None:
            missing = Finding(Reason.MALFORMED, "an opaque signature without content")
            work.layers.append(Layer("signed", "opaque", findings=(missing,)))
            return None, ""
        _signed_layer(obj, content, "opaque", work)
        return content, obj.content_type
    inside = content or pieces.of_bytes(b"")
    if isinstance(obj, cms.CompressedData):
        grown = partial(_inflated, obj, inside, work.budget)
        try:
            work.budget -= sum(map(len, grown()))  # read to its end once: what is wrong with it is known now
        except SmimeError as error:
            work.layers.append(Layer("compressed", "opaque", findings=(damage(error),)))
            return None, ""
        work.layers.append(Layer("compressed", "opaque"))
        return grown, obj.content_type
    try:
        opened, layer = decrypt_source(obj, inside, work.keys)
    except UNOPENED as error:
        work.layers.append(unopened(obj, work.keys, error))
        return None, ""
    work.layers.append(layer)
    return opened, obj.content_type


def _inflated(obj: cms.CompressedData, content: Source, limit: int) -> Iterator[bytes]:
    """Raises `UnsupportedCms`, `MalformedCms`, `SmimeLimitExceeded` when more than `limit` bytes come out."""
    if obj.algorithm != alg.ZLIB:
        raise UnsupportedCms(f"content compressed with {obj.algorithm}")
    inflate, grown = zlib.decompressobj(), 0
    for piece in content():
        left = piece
        while left and not inflate.eof:
            try:
                found = inflate.decompress(left, pieces.PIECE)
            except zlib.error as error:
                raise MalformedCms("the compressed content is damaged") from error
            grown += len(found)
            if grown > limit:
                raise SmimeLimitExceeded(f"compressed content grows beyond {limit} bytes")
            yield found
            left = inflate.unconsumed_tail
    if not inflate.eof:
        raise MalformedCms("the compressed content is cut short")
