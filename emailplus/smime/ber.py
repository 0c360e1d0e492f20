"""BER to DER framing (X.690 8.1.3.6, 8.7.3): definite lengths and whole OCTET STRINGs, in one linear pass.

Some senders stream their CMS: indefinite lengths, and content cut into pieces. Readers of DER choke on it or take
quadratic time, so it is put into definite form first. What needs no change is handed on byte for byte: certificates and
signed attributes are signed as they stand, even where their lengths are not the shortest.
"""

from __future__ import annotations

from ..errors import MalformedCms, SmimeLimitExceeded
from .limits import MAX_ASN1_DEPTH, MAX_ASN1_ELEMENTS, MAX_CMS_BYTES

_CONSTRUCTED = 0x20
_OCTETS, _OCTETS_CONSTRUCTED = 0x04, 0x24
_OID, _SEQUENCE, _CONTEXT_0 = 0x06, 0x30, 0xA0
FILLER = b"\x00\r\n\t "

_Chunks = list[memoryview | bytes]


def encode_length(length: int) -> bytes:
    """The shortest form of a definite length (X.690 10.1)."""
    if length < 0x80:
        return bytes([length])
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets


def to_der(data: bytes) -> bytes:
    """The first element of `data` with definite lengths; `data` itself where it has them already.

    Fillers (NUL, line ends, blanks) after the element are dropped; anything else there is refused.
    Raises `MalformedCms`, `SmimeLimitExceeded`.
    """
    if len(data) > MAX_CMS_BYTES:
        raise SmimeLimitExceeded(f"a CMS object of {len(data)} bytes; {MAX_CMS_BYTES} is the limit")
    walk = _Walk(data)
    element = walk.element(0, len(data), 0)
    if data[element.end :].strip(FILLER):
        raise MalformedCms("there are bytes after the end of the CMS object")
    if not element.changed:
        return data if element.end == len(data) else data[: element.end]
    return b"".join(element.chunks)


class _Element:
    """One element: where it ended in the input, and its new form, which is a slice of the input if unchanged.

    `content` are the octets of an OCTET STRING, or of all the OCTET STRINGs inside where there is nothing else.
    """

    __slots__ = ("all_octets", "changed", "chunks", "content", "end", "tag")

    def __init__(self, tag: int, end: int, chunks: _Chunks, changed: bool, content: _Chunks, all_octets: bool) -> None:
        self.tag = tag
        self.end = end
        self.chunks = chunks
        self.changed = changed
        self.content = content
        self.all_octets = all_octets


class _Walk:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._view = memoryview(data)
        self._count = 0

    def header(self, at: int, end: int) -> tuple[int, int, int]:
        """(first content byte, length or -1 for indefinite, end of the tag)."""
        data = self._data
        if at + 2 > end:
            raise MalformedCms(f"the CMS object is cut short at byte {at}")
        position = at + 1
        if data[at] & 0x1F == 0x1F:
            while position < end and data[position] & 0x80:
                position += 1
            position += 1
            if position >= end or position - at > 6:
                raise MalformedCms(f"an impossible tag at byte {at}")
        tag_end = position
        first = data[position]
        position += 1
        if first < 0x80:
            length = first
        elif first == 0x80:
            if not data[at] & _CONSTRUCTED:
                raise MalformedCms(f"a primitive element of indefinite length at byte {at}")
            return position, -1, tag_end
        else:
            size = first & 0x7F
            if size > 8 or position + size > end:
                raise MalformedCms(f"an impossible length at byte {at}")
            length = int.from_bytes(data[position : position + size], "big")
            position += size
        if length > end - position:
            raise MalformedCms(f"the CMS object is cut short at byte {at}")
        return position, length, tag_end

    def element(self, at: int, end: int, depth: int) -> _Element:
        self._count += 1
        if self._count > MAX_ASN1_ELEMENTS or depth > MAX_ASN1_DEPTH:
            raise SmimeLimitExceeded("the CMS object is nested too deep or has too many elements")
        start, length, tag_end = self.header(at, end)
        tag = self._data[at]
        if not tag & _CONSTRUCTED:
            stop = start + length
            octet_string: _Chunks = [self._view[start:stop]] if tag == _OCTETS else []
            return _Element(tag, stop, [self._view[at:stop]], False, octet_string, False)
        if tag in (_OCTETS_CONSTRUCTED, _CONTEXT_0):
            run = self._octet_run(start, end if length < 0 else start + length, length < 0)
            if run is not None:
                return self._of_octets(at, tag_end, length, run)
        children, after = self._children(start, length, end, depth)
        all_octets = bool(children) and all(child.tag & ~_CONSTRUCTED == _OCTETS for child in children)
        octets = tag == _OCTETS_CONSTRUCTED
        if octets and children and not all_octets:
            raise MalformedCms(f"an OCTET STRING made of something else at byte {at}")
        content = [chunk for child in children for chunk in child.content] if all_octets else []
        if tag == _SEQUENCE:
            _join_encrypted_content(children)
        if not octets and length >= 0 and not any(child.changed for child in children):
            return _Element(tag, after, [self._view[at:after]], False, content, all_octets)
        body = content if octets else [chunk for child in children for chunk in child.chunks]
        head = (bytes([_OCTETS]) if octets else self._data[at:tag_end]) + encode_length(sum(map(len, body)))
        return _Element(tag, after, [head, *body], True, content, all_octets)

    def _octet_run(self, start: int, stop: int, indefinite: bool) -> tuple[_Chunks, int] | None:
        """(contents, byte after) where there are primitive OCTET STRINGs only: a streamed content has thousands."""
        data, view = self._data, self._view
        content: _Chunks = []
        position = start
        while position < stop - 1:
            if data[position] != _OCTETS:
                break
            size = data[position + 1]
            begin = position + 2
            if size >= 0x80:
                count = size & 0x7F
                if not 1 <= count <= 8:
                    return None
                begin += count
                size = int.from_bytes(data[position + 2 : begin], "big")
            position = begin + size
            content.append(view[begin:position])
        self._count += len(content)
        if self._count > MAX_ASN1_ELEMENTS:
            raise SmimeLimitExceeded("the CMS object has too many elements")
        if not content or position > stop:
            return None
        if indefinite:
            return (content, position + 2) if data[position : min(position + 2, stop)] == b"\0\0" else None
        return (content, position) if position == stop else None

    def _of_octets(self, at: int, tag_end: int, length: int, run: tuple[_Chunks, int]) -> _Element:
        content, after = run
        tag = self._data[at]
        if tag == _OCTETS_CONSTRUCTED:
            head = bytes([_OCTETS]) + encode_length(sum(map(len, content)))
            return _Element(tag, after, [head, *content], True, content, True)
        if length >= 0:
            return _Element(tag, after, [self._view[at:after]], False, content, True)
        body: _Chunks = []
        for chunk in content:
            body += (bytes([_OCTETS]) + encode_length(len(chunk)), chunk)
        head = self._data[at:tag_end] + encode_length(sum(map(len, body)))
        return _Element(tag, after, [head, *body], True, content, True)

    def _children(self, start: int, length: int, end: int, depth: int) -> tuple[list[_Element], int]:
        """The elements inside, and the byte after them (after the end-of-contents octets of an indefinite one)."""
        children: list[_Element] = []
        position, stop = start, end if length < 0 else start + length
        data = self._data
        while length < 0 or position < stop:
            if length < 0 and data[position : position + 2] == b"\x00\x00" and position + 2 <= stop:
                return children, position + 2
            child = self.element(position, stop, depth + 1)
            children.append(child)
            position = child.end
        return children, position


def _join_encrypted_content(children: list[_Element]) -> None:
    """EncryptedContentInfo (RFC 5652 6.1): its [0] is IMPLICIT, so in pieces it holds bare OCTET STRINGs."""
    if [child.tag for child in children] != [_OID, _SEQUENCE, _CONTEXT_0] or not children[2].all_octets:
        return
    last = children[2]
    size = sum(map(len, last.content))
    head = bytes([0x80]) + encode_length(size)
    children[2] = _Element(0x80, last.end, [head, *last.content], True, last.content, False)
